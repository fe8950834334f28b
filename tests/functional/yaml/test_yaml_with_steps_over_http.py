"""YAML that is more than a resource's body: a data import (a job), a model package (an action), code put together of folders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests
from azure.storage.blob import BlobServiceClient

from infra.local import stack
from infra.local.emulator import scene

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

YAML = {"Content-Type": "application/yaml"}
IMPORT = """\
$schema: http://azureml/sdk-2-0/DataImport.json
name: orders
source: {type: database, query: select 1, connection: azureml:db}
path: azureml://datastores/workspaceblobstore/paths/orders
"""
PACKAGE = """\
$schema: http://azureml/sdk-2-0/ModelVersionPackage.json
target_environment: packed
inferencing_server:
  type: azureml_online
  code_configuration: {code: ./src, scoring_script: score.py}
"""


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[stack.Stack]:
    """A stack of its own: previews are on, for the package."""
    options = stack.Options(state=tmp_path_factory.mktemp("previews"), settings={"STEWARD_PREVIEWS": "true"})
    with stack.start(options) as running:
        yield running


@pytest.fixture(scope="module")
def send(parts: stack.Stack) -> Iterator[Callable[..., requests.Response]]:
    """Send a request below a workspace with a model in it."""
    with requests.Session() as session:
        session.trust_env = False
        session.headers.update({"x-functions-key": parts.app.key, "Prefer": "wait=30"})

        def ask(method: str, path: str, **more: Any) -> requests.Response:
            answer = session.request(method, f"{parts.app.url}/api/workspaces/ml-yaml{path}", timeout=120, **more)
            while answer.status_code == requests.codes.accepted:
                answer = session.get(answer.headers["Operation-Location"], params={"wait": "20"}, timeout=60)
                if answer.json()["status"] not in ("Accepted", "Running", "Pending"):
                    break
            return answer

        properties = {
            "storageAccount": scene.STORAGE_ID,
            "keyVault": scene.KEY_VAULT_ID,
            "applicationInsights": scene.INSIGHTS_ID,
        }
        body = {"location": scene.LOCATION, "identity": {"type": "SystemAssigned"}, "properties": properties}
        model = {"spec": ("model.yml", "path: ./weights.txt\n"), "weights.txt": ("weights.txt", "2")}
        for made in (ask("PUT", "", json=body), ask("PUT", "/models/scorer/versions/1", files=model)):
            assert made.ok, made.text
        yield ask


def test_a_data_import_becomes_a_job(send: Callable[..., requests.Response]) -> None:
    """Its step is a component that Azure has built in; the local Azure has none, and says which one was asked for."""
    answer = send("POST", "/jobs", data=IMPORT, headers=YAML)
    assert answer.status_code == requests.codes.bad_request
    assert answer.json()["error"]["code"] == "ComponentNotFound"
    assert "azureml://registries/azureml/components/import_data_database" in answer.json()["error"]["message"]


def test_a_packages_code_is_registered_first(send: Callable[..., requests.Response]) -> None:
    """The package names it by the id it got, and its environment within the workspace."""
    files = {"spec": ("package.yml", PACKAGE), "src/score.py": ("score.py", "def run(x): return x")}
    answer = send("POST", "/models/scorer/versions/1/package", files=files)
    assert answer.ok, answer.text
    assert "/environments/packed" in answer.json()["targetEnvironmentId"]
    code = answer.json()["inferencingServer"]["codeConfiguration"]["codeId"]
    assert send("GET", code.partition("/workspaces/ml-yaml")[2]).ok


def test_a_package_is_not_put_as_a_model(send: Callable[..., requests.Response]) -> None:
    """It would become an empty model."""
    answer = send("PUT", "/models/scorer/versions/2", data=PACKAGE, headers=YAML)
    assert answer.status_code == requests.codes.bad_request
    assert "action 'package'" in answer.json()["error"]["message"]


@pytest.mark.parametrize("own", [True, False], ids=["beside the code", "alone"])
def test_further_folders_go_into_the_code(send: Callable[..., requests.Response], parts: stack.Stack, own: bool) -> None:  # noqa: FBT001
    """A component's `additional_includes` stand in its code under their own names, as the CLI copies them."""
    name = "with_includes" if own else "only_includes"
    text = f"name: {name}\nversion: 1\ntype: command\ncommand: ls\nenvironment: azureml:e:1\n"
    text += "code: ./src\n" * own + "additional_includes: [../libs/tools, ../notes.txt]\n"
    sent = {"spec": ("cli/c.yml", text), "specPath": (None, "cli/c.yml")}
    sent |= {path: (path, path) for path in ("cli/src/main.py", "libs/tools/a/b.py", "libs/other.py", "notes.txt")}
    assert send("PUT", "/environments/e/versions/1", data="image: python:3.13\n", headers=YAML).ok
    answer = send("PUT", f"/components/{name}/versions/1", files=sent)
    assert answer.ok, answer.text
    spec = send("GET", f"/components/{name}/versions/1").json()["properties"]["componentSpec"]
    uri = send("GET", spec["code"].partition("/workspaces/ml-yaml")[2]).json()["properties"]["codeUri"]
    container, _, folder = uri.partition(".net/")[2].partition("/")
    with BlobServiceClient.from_connection_string(parts.storage.connection_string(scene.STORAGE_ACCOUNT)) as storage:
        names = list(storage.get_container_client(container).list_blob_names(name_starts_with=folder))
    found = {each.removeprefix(folder).lstrip("/") for each in names}
    assert found == {"tools/a/b.py", "notes.txt", *(["main.py"] if own else [])}


def test_a_folder_that_did_not_come_is_asked_for(send: Callable[..., requests.Response]) -> None:
    """Nothing is registered without it."""
    text = "name: lacking\nversion: 1\ntype: command\ncommand: ls\nenvironment: azureml:e:1\nadditional_includes: [../libs]\n"
    answer = send("PUT", "/components/lacking/versions/1", files={"spec": ("c.yml", text), "a.py": ("a.py", "1")})
    assert answer.status_code == requests.codes.bad_request
    assert "'../libs'" in answer.json()["error"]["message"]
