"""`az ml` YAML as a request's body: translated, its files uploaded, what it defines inline registered, then sent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.functional.files.conftest import Caller

YAML = {"Content-Type": "application/yaml"}
ENVIRONMENT = "$schema: https://azuremlschemas.azureedge.net/latest/environment.schema.json\nimage: python:3.13\n"
JOB = """\
$schema: https://azuremlschemas.azureedge.net/latest/commandJob.schema.json
command: python train.py --rate ${{inputs.rate}} --data ${{inputs.data}}
code: ./src
inputs:
  rate: 0.1
  data:
    type: uri_file
    path: data/train.csv
environment:
  image: python:3.13
"""


def test_an_asset_is_its_yaml(caller: Caller) -> None:
    """The path names it; `set` changes a field, as `az ml --set` does."""
    query = [("set", "description=made by yaml"), ("set", "tags.team=ml")]
    answer = caller.send("PUT", "environments/y-env/versions/3", data=ENVIRONMENT, headers=YAML, params=query)
    properties = caller.resource(answer)["properties"]
    assert (properties["image"], properties["description"], properties["tags"]) == ("python:3.13", "made by yaml", {"team": "ml"})


def test_a_name_without_a_version_gets_the_next_one(caller: Caller) -> None:
    """As `az ml` does when neither says which."""
    for version in ("1", "2"):
        answer = caller.send("PUT", "environments/y-next", data=ENVIRONMENT, headers=YAML)
        assert caller.resource(answer)["id"].endswith(f"/y-next/versions/{version}")


def test_a_job_comes_with_code_data_and_an_inline_environment(caller: Caller, lying: Any) -> None:
    """Code is registered, the input uploaded, the environment registered anonymously, and the job names all three."""
    files = {
        "spec": ("job.yml", JOB),
        "src/train.py": ("train.py", "print(1)"),
        "src/lib/a.py": ("a.py", "A = 1"),
        "data/train.csv": ("train.csv", "1,2"),
    }
    answer = caller.send("POST", "jobs", files=files)
    assert answer.ok, answer.text
    name = answer.json()["properties"]["target"].rpartition("/")[2]
    job = caller.send("GET", f"jobs/{name}").json()["properties"]
    assert job["inputs"]["rate"]["value"] == "0.1"
    assert lying(job["inputs"]["data"]["uri"]) == {"": b"1,2"}
    code = caller.send("GET", job["codeId"].partition("/workspaces/")[2].partition("/")[2]).json()
    assert lying(code["properties"]["codeUri"]) == {"train.py": b"print(1)", "lib/a.py": b"A = 1"}
    assert "/environments/CliV2AnonymousEnvironment/versions/" in job["environmentId"]


def test_a_yaml_inside_a_zip_of_the_whole_repository(caller: Caller, lying: Any, zip_of: Callable[..., bytes]) -> None:
    """`specPath` says where it lies; its relative paths start there, and may lead up."""
    model = "$schema: https://azuremlschemas.azureedge.net/latest/model.schema.json\nname: y-zip\npath: ../../weights\n"
    repository = zip_of({"cli/models/m.yml": model, "weights/a.bin": "1", "weights/b/c.bin": "2", "README.md": "x"})
    files = {"specPath": (None, "cli/models/m.yml"), "files": ("repo.zip", repository)}
    answer = caller.send("PUT", "models/y-zip/versions/1", files=files)
    assert lying(caller.resource(answer)["properties"]["modelUri"]) == {"a.bin": b"1", "b/c.bin": b"2"}


def test_the_name_in_a_jobs_yaml_is_the_jobs_name(caller: Caller) -> None:
    """Sent twice, Azure refuses the second: a job cannot be changed."""
    text = "name: y-named\ncommand: echo hi\nenvironment: azureml:y-env-named:1\n"
    environment = caller.send("PUT", "environments/y-env-named/versions/1", data=ENVIRONMENT, headers=YAML)
    caller.resource(environment)
    answer = caller.send("POST", "jobs", data=text, headers=YAML)
    assert answer.ok, answer.text
    assert caller.send("GET", "jobs/y-named").status_code == 200


def test_a_label_is_looked_up(caller: Caller) -> None:
    """`@latest` is the version that Azure made last."""
    for version in ("1", "2"):
        caller.resource(caller.send("PUT", f"environments/y-latest/versions/{version}", data=ENVIRONMENT, headers=YAML))
    answer = caller.send("POST", "jobs", data="command: echo hi\nenvironment: azureml:y-latest@latest\n", headers=YAML)
    assert answer.ok, answer.text
    name = answer.json()["properties"]["target"].rpartition("/")[2]
    assert caller.send("GET", f"jobs/{name}").json()["properties"]["environmentId"].endswith("/y-latest/versions/2")


def test_a_compute_gets_its_workspaces_region(caller: Caller) -> None:
    """The CLI adds it, so the app does."""
    text = "type: amlcompute\nname: ycpu\nsize: Standard_DS3_v2\n"
    answer = caller.send("PUT", "computes/ycpu", data=text, headers={**YAML, "Prefer": "wait=30"})
    assert caller.resource(answer)["location"] == caller.send("GET", "").json()["location"]


@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        ("environments/bad/versions/1", "image: [1", "line 2, column 1"),
        ("environments/bad/versions/1", "image: a\nimagee: b\n", "line 2, column"),
        ("environments/bad/versions/1", "", "empty"),
        ("environments/bad/versions/1", "a: &a [*a]", "line 1"),
        ("models/bad/versions/1", "name: bad\npath: ./gone\n", "'gone'"),
    ],
)
def test_a_yaml_that_cannot_be_translated_is_refused_with_the_place(caller: Caller, path: str, text: str, said: str) -> None:
    """400 in ARM's envelope; nothing is sent."""
    answer = caller.send("PUT", path, data=text, headers=YAML)
    assert answer.status_code == 400, answer.text
    assert said in answer.json()["error"]["message"]
    assert caller.send("GET", path).status_code == 404


def test_set_beside_json_is_refused(caller: Caller) -> None:
    """It would change nothing."""
    answer = caller.send("PUT", "environments/y-json/versions/1", json={"properties": {"image": "a"}}, params={"set": "image=b"})
    assert (answer.status_code, answer.json()["error"]["target"]) == (400, "set")


def test_translate_shows_and_sends_nothing(caller: Caller) -> None:
    """The body, and what would be uploaded and registered first."""
    path = "workspaces/ml-files/jobs"
    answer = caller.send("POST", "/translate", data=JOB, headers=YAML, params={"path": path, "set": "inputs.rate=0.5"})
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert shown["kind"] == "job"
    assert shown["body"]["properties"]["inputs"]["rate"]["value"] == "0.5"
    assert sorted(each["path"] for each in shown["uploads"]) == ["data/train.csv", "src"]
    assert [each["type"] for each in shown["registrations"]] == ["environments"]
    assert json.dumps(shown)


DEPLOYMENT = """\
$schema: https://azuremlschemas.azureedge.net/latest/managedOnlineDeployment.schema.json
name: blue
endpoint_name: y-endpoint
model:
  path: ./model/weights.txt
code_configuration:
  code: ./scoring
  scoring_script: score.py
environment:
  image: python:3.13
instance_type: Standard_DS3_v2
instance_count: 1
"""


def test_a_deployment_brings_model_code_and_environment(caller: Caller, lying: Any) -> None:
    """All three become assets of the workspace before the deployment names them; the time line tells of each."""
    endpoint = "name: y-endpoint\nauth_mode: key\n"
    caller.resource(caller.send("PUT", "onlineEndpoints/y-endpoint", data=endpoint, headers={**YAML, "Prefer": "wait=30"}))
    files = {
        "spec": ("deployment.yml", DEPLOYMENT),
        "model/weights.txt": ("weights.txt", "1 2 3"),
        "scoring/score.py": ("score.py", "def init():\n    pass\n\n\ndef run(data):\n    return data\n"),
    }
    answer = caller.send("PUT", "onlineEndpoints/y-endpoint/deployments/blue", files=files)
    assert answer.ok, answer.text
    operation = caller.send("GET", f"/operations/{answer.headers.get('Operation-Id') or answer.json()['name']}").json()
    prepared = [each["detail"] for each in operation["properties"]["timeline"] if each["what"] == "prepared"]
    assert sorted(each.partition(":")[0] for each in prepared) == ["code", "model", "register", "register"]
    found = caller.send("GET", "onlineEndpoints/y-endpoint/deployments/blue").json()["properties"]
    code = caller.send("GET", found["codeConfiguration"]["codeId"].partition("/workspaces/ml-files/")[2]).json()
    assert set(lying(code["properties"]["codeUri"])) == {"score.py"}
    model = caller.send("GET", found["model"].partition("/workspaces/ml-files/")[2]).json()
    assert lying(model["properties"]["modelUri"]) == {"": b"1 2 3"}
    assert "/environments/" in found["environmentId"]


LEADING_UP = [  # where a YAML is sent, itself, the name that it asks for, and what is then sent
    (
        "environments/y-up/versions/1",
        "image: x/y:1\nconda_file: ../../c.yml\n",
        "../../c.yml",
        {"../../c.yml": "dependencies: [python=3.12]\n"},
    ),
    ("environments/y-up/versions/2", "build: {path: ../context}\n", "../context", {"../context/Dockerfile": "FROM scratch\n"}),
    (
        "models/y-up/versions/1",
        "name: y-up\npath: ../../../weights/w.bin\n",
        "../../../weights/w.bin",
        {"../../../weights/w.bin": "1"},
    ),
    ("data/y-up/versions/1", "name: y-up\ntype: uri_file\npath: ../rows.csv\n", "../rows.csv", {"../rows.csv": "1,2\n"}),
    (
        "components/y_up/versions/1",
        "name: y_up\nversion: '1'\ntype: command\ncommand: python a.py\nenvironment: azureml:e:1\ncode: ../src\n",
        "../src",
        {"../src/a.py": "print(1)\n", "beside.txt": "not asked for\n"},
    ),
]


@pytest.mark.parametrize(("path", "text", "asked", "files"), LEADING_UP)
def test_what_a_message_asks_for_is_taken(caller: Caller, path: str, text: str, asked: str, files: dict[str, str]) -> None:
    """A YAML alone is refused with the name to send; sent under that name, it is made: names may lead up."""
    refused = caller.send("PUT", path, files={"spec": ("m.yml", text)})
    assert refused.status_code == 400, refused.text
    assert f"as '{asked}'" in refused.json()["error"]["message"]
    answer = caller.send("PUT", path, files={"spec": ("m.yml", text), **{name: (name, given) for name, given in files.items()}})
    assert caller.resource(answer)["name"] == path.rpartition("/")[2]


def test_a_spec_among_loose_parts_may_lead_up(caller: Caller) -> None:
    """`specPath` names it among them; what is asked for is named as its sender sees it."""
    spec = {"specPath": (None, "cli/m.yml"), "cli/m.yml": ("m.yml", "image: x/y:1\nconda_file: ../../c.yml\n")}
    refused = caller.send("PUT", "environments/y-up-path/versions/1", files=spec)
    assert "as '../c.yml'" in refused.json()["error"]["message"]
    answer = caller.send("PUT", "environments/y-up-path/versions/1", files={**spec, "../c.yml": ("c.yml", "dependencies: [pip]\n")})
    assert "pip" in caller.resource(answer)["properties"]["condaFile"]


@pytest.mark.parametrize("name", ["/etc/c.yml", "a/../../c.yml", "../a/../c.yml"])
def test_a_part_that_leads_outside_otherwise_is_no_zips_fault(caller: Caller, name: str) -> None:
    """Only a name that begins with `../` may lead up."""
    files = {"spec": ("m.yml", ENVIRONMENT), name: ("c.yml", "x")}
    answer = caller.send("PUT", "environments/y-out/versions/1", files=files)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "InvalidMultipart")
