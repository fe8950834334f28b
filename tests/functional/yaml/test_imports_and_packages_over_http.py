"""The two YAML kinds that are no resource: a data import is sent as a job, a model package as an action of a model's version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests

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
def send(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., requests.Response]]:
    """Send a request below a workspace; previews are on, for the package."""
    options = stack.Options(state=tmp_path_factory.mktemp("previews"), settings={"STEWARD_PREVIEWS": "true"})
    with stack.start(options) as parts, requests.Session() as session:
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
