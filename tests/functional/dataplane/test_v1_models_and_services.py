"""Model management v1: the same models as ARM's, and web services that are really served."""

import io
import tarfile

import pytest

from infra.local.emulator import scene

API = f"https://{scene.LOCATION}.api.azureml.ms"
SCORE = """
import json, os, pathlib
def init():
    global factor
    factor = int(next(pathlib.Path(os.environ["AZUREML_MODEL_DIR"]).rglob("factor.txt")).read_text())
def run(data):
    return [number * factor for number in json.loads(data)["data"]]
"""


@pytest.fixture
def models(azure, lab):
    """One call to model management."""

    def call(method, path, body=None, host=API, **options):
        return azure.call(method, f"{host}/modelmanagement/v1.0{lab}/{path}", json=body, **options)

    return call


@pytest.fixture
def artifact(azure, lab):
    """Writes an artifact; its v1 URL."""

    def put(path, content):
        url = f"{API}/artifact/v2.0{lab}/artifacts/content/LocalUpload/tests/{path}"
        assert azure.call("POST", url, data=content).status_code == 200
        return f"aml://artifact/LocalUpload/tests/{path}"

    return put


@pytest.fixture
def register(models, artifact):
    """Registers the next version of a model; its v1 body."""

    def post(name="times", factor="2", **more):
        body = {"name": name, "url": artifact(f"{name}/factor.txt", factor), "mimeType": "application/x-python", **more}
        answer = models("POST", "models", body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    return post


def test_a_model_registered_in_v1_is_arms_model_and_the_other_way_round(azure, lab, models, register, artifact):
    """One registry, two views."""
    made = register(kvTags={"stage": "dev"}, framework="ScikitLearn", unpack=False)
    assert (made["id"], made["version"], made["framework"], made["kvTags"]) == ("times:1", 1, "ScikitLearn", {"stage": "dev"})
    arm = azure.arm("GET", f"{lab}/models/times/versions/1").json()["properties"]
    assert (arm["modelUri"], arm["tags"]) == (made["url"], {"stage": "dev"})
    by_arm = {"properties": {"modelUri": artifact("other/x.bin", b"x"), "modelType": "custom_model", "tags": {"who": "arm"}}}
    assert azure.arm("PUT", f"{lab}/models/by-arm/versions/7", by_arm).status_code == 201
    assert models("GET", "models/by-arm:7").json()["kvTags"] == {"who": "arm"}
    assert {model["id"] for model in models("GET", "models").json()["value"]} == {"times:1", "by-arm:7"}


def test_models_are_filtered_ordered_and_paged(models, register):
    """Newest first; nextLink while more follows, and none on the last page."""
    for name in ("a", "a", "b"):
        register(name, kvTags={name: "1"})
    assert [model["id"] for model in models("GET", "models").json()["value"]] == ["b:1", "a:2", "a:1"]
    assert [model["id"] for model in models("GET", "models?name=a&orderBy=CreatedAtAsc").json()["value"]] == ["a:1", "a:2"]
    assert [model["id"] for model in models("POST", "models/list", {"tags": ["b=1"]}).json()["value"]] == ["b:1"]
    page = models("GET", "models?count=2").json()
    assert "continuationToken" not in page
    rest = models("GET", page["nextLink"].partition("/models")[2].join(["models", ""])).json()
    assert [model["id"] for model in rest["value"]] == ["a:1"]
    assert "nextLink" not in rest
    assert models("GET", "models?count=0").status_code == 400


def test_deleting_a_model_is_200_then_204_and_numbers_go_on(models, register, azure, lab):
    """The article's DELETE, in v1's error shape where there is one."""
    register()
    assert models("DELETE", "models/times:1").status_code == 200
    assert models("DELETE", "models/times:1").status_code == 204
    missing = models("GET", "models/times:1")
    assert (missing.status_code, missing.json()["code"], missing.json()["statusCode"]) == (404, "ModelNotFound", 404)
    assert azure.arm("GET", f"{lab}/models/times/versions/1").status_code == 404
    assert register()["id"] == "times:2"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"url": "aml://artifact/a/b/c", "mimeType": "x"}, "InvalidModelName"),
        ({"name": "m", "mimeType": "x"}, "InvalidModel"),
        ({"name": "m", "url": "aml://artifact/a/b/nothing", "mimeType": "x"}, "ModelFilesNotFound"),
        ({"name": "m", "url": "ftp://x", "mimeType": "x"}, "ModelFilesNotFound"),
    ],
)
def test_a_model_that_cannot_be_is_refused(models, body, code):
    """Name, URL and files are judged at once."""
    answer = models("POST", "models", body)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_a_model_is_changed_by_json_patch(models, register):
    """Description, tags and properties; nothing else."""
    register(kvTags={"a": "1"})
    steps = [
        {"op": "add", "path": "/kvTags/b", "value": "2"},
        {"op": "remove", "path": "/kvTags/a"},
        {"op": "replace", "path": "/description", "value": "changed"},
    ]
    changed = models("PATCH", "models/times:1", steps).json()
    assert (changed["kvTags"], changed["description"]) == ({"b": "2"}, "changed")
    assert models("PATCH", "models/times:1", [{"op": "add", "path": "/url", "value": "x"}]).status_code == 400
    assert models("PATCH", "models/times:1", {"op": "add"}).status_code == 400


def test_an_asset_names_artifacts_for_a_model(models, artifact):
    """The v1 SDK registers an asset first; `aml://asset/{id}` then means its files."""
    prefix = artifact("asset/factor.txt", "3").removeprefix("aml://artifact/").rpartition("/")[0]
    asset = models("POST", "assets", {"name": "m", "artifacts": [{"prefix": prefix}]}).json()
    made = models("POST", "models", {"name": "m", "url": f"aml://asset/{asset['id']}", "mimeType": "x"})
    assert made.status_code == 200, made.text
    assert models("GET", f"assets/{asset['id']}").json()["name"] == "m"
    assert models("DELETE", f"assets/{asset['id']}").status_code == 200
    assert models("GET", f"assets/{asset['id']}").status_code == 404


@pytest.fixture
def service(models, artifact, register, until):
    """Deploys a v1 service; the operation's last body."""

    def deploy(score=SCORE, name="doubler", **more):
        register()
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as packed:
            member = tarfile.TarInfo("score.py")
            member.size = len(score.encode())
            packed.addfile(member, io.BytesIO(score.encode()))
        code = artifact(f"{name}/code.tar.gz", buffer.getvalue())
        image = {
            "driverProgram": "score.py",
            "assets": [{"id": "code", "url": code, "mimeType": "application/x-tar", "unpack": True}],
            "modelIds": ["times:1"],
            "environment": {"docker": {"baseImage": "mcr.microsoft.com/azureml/base:1"}},
        }
        body = {"name": name, "computeType": "ACI", "environmentImageRequest": image, "authEnabled": True, **more}
        answer = models("POST", "services", body)
        assert (answer.status_code, answer.content) == (202, b""), answer.text
        operation = answer.headers["Operation-Location"].rpartition("/")[2]
        until(lambda: models("GET", f"operations/{operation}").json()["state"] in {"Succeeded", "Failed"})
        return models("GET", f"operations/{operation}").json()

    return deploy


def test_a_web_service_is_deployed_scored_and_deleted(azure, models, service):
    """202 with Operation-Location, Succeeded, Healthy, scored by key; its model cannot be deleted meanwhile."""
    operation = service()
    assert (operation["state"], operation["error"]) == ("Succeeded", None)
    shown = models("GET", "services/doubler").json()
    assert (shown["state"], shown["modelIds"], shown["computeType"]) == ("Healthy", ["times:1"], "ACI")
    keys = models("POST", "services/doubler/listkeys").json()
    scored = azure.call("POST", shown["scoringUri"], token=keys["primaryKey"], json={"data": [4]})
    assert (scored.status_code, scored.json()) == (200, [8])
    assert azure.call("POST", shown["scoringUri"], token="wrong", json={"data": [4]}).status_code == 401
    assert azure.call("POST", shown["scoringUri"], token=keys["secondaryKey"], json={"other": 1}).status_code == 500
    used = models("DELETE", "models/times:1")
    assert (used.status_code, used.json()["code"]) == (400, "ModelInUse")
    new = models("POST", "services/doubler/regenerateKeys", {"keyType": "Primary"}).json()
    assert new["primaryKey"] != keys["primaryKey"]
    assert [one["name"] for one in models("GET", "services?modelName=times").json()["value"]] == ["doubler"]
    assert "POST /score 200" in models("GET", "services/doubler/logs").json()["content"]
    assert models("DELETE", "services/doubler").status_code == 200
    assert models("DELETE", "services/doubler").status_code == 204
    assert azure.call("POST", shown["scoringUri"], token="x", json={}).status_code == 404


def test_a_web_service_whose_init_raises_fails_in_its_operation(models, service):
    """Failed, with what score.py said."""
    operation = service("def init():\n    raise ValueError('bad weights')\ndef run(data):\n    return 1\n")
    assert operation["state"] == "Failed"
    assert "bad weights" in operation["error"]["message"]
    assert models("GET", "services/doubler").json()["state"] == "Failed"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"name": "No"}, "InvalidServiceName"),
        ({"computeType": "IOT"}, "InvalidComputeType"),
        ({"environmentImageRequest": None}, "InvalidService"),
        (
            {"environmentImageRequest": {"driverProgram": "s.py", "assets": [{"id": "c"}], "modelIds": ["absent:1"]}},
            "ModelNotFound",
        ),
    ],
)
def test_a_service_that_cannot_be_is_refused(models, change, code):
    """Judged before anything is started."""
    answer = models("POST", "services", {"name": "doubler", "computeType": "ACI", **change})
    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_the_modelmanagement_host_serves_the_same(models, register):
    """What discovery calls `modelmanagement` is another host in public Azure."""
    register()
    host = f"https://{scene.LOCATION}.modelmanagement.azureml.net"
    assert [model["id"] for model in models("GET", "models", host=host).json()["value"]] == ["times:1"]
