"""v1 web services through the app: deployed, changed and removed as operations; keys and scoring at once."""

from __future__ import annotations

import pytest

SCORE = """
import json
def init():
    pass
def run(data):
    return [number * 2 for number in json.loads(data)["data"]]
"""


@pytest.fixture(scope="module")
def asset(caller, workspace: str) -> str:
    """The scoring code, as an artifact's URL."""
    code = f"artifact/v2.0/{workspace}/artifacts/content/LocalUpload/code/score.py"
    assert caller.send("POST", code, data=SCORE.encode(), headers={"Content-Type": "application/octet-stream"}).ok
    return "aml://artifact/LocalUpload/code/score.py"


def service(name: str, asset: str, **more: object) -> dict[str, object]:
    """Return a web service's body."""
    image = {
        "driverProgram": "score.py",
        "assets": [{"id": "code", "mimeType": "application/x-python", "url": asset, "unpack": False}],
        "modelIds": [],
    }
    return {"name": name, "computeType": "ACI", "authEnabled": True, "environmentImageRequest": image, **more}


def test_a_service_is_deployed_and_scored(caller, azure, workspace, asset):
    """The POST goes to the collection, `Operation-Location` is followed to `Succeeded`, and the result is the service."""
    before = azure.last()
    made = caller.done("POST", f"{workspace}/services", json=service("doubler", asset))
    assert (made["name"], made["state"]) == ("doubler", "Healthy")
    sent = azure.since(before, path="modelmanagement")
    assert [entry["path"].rpartition("/workspaces/")[2].partition("/")[2] for entry in sent if entry["method"] == "POST"] == [
        "services"
    ]
    assert any("/operations/" in entry["path"] for entry in sent)
    assert caller.send("POST", f"{workspace}/services/doubler/score", json={"data": [1, 2]}).json() == [2, 4]
    assert {"primaryKey", "secondaryKey"} <= caller.send("POST", f"{workspace}/services/doubler/listkeys").json().keys()
    assert caller.send("POST", f"{workspace}/services/doubler/token").json()["accessToken"]


def test_a_service_is_changed_by_a_json_patch_and_removed(caller, workspace, asset):
    """PATCH takes a list; DELETE ends with the service gone."""
    caller.done("POST", f"{workspace}/services", json=service("brief", asset))
    steps = [{"op": "replace", "path": "/description", "value": "short-lived"}]
    caller.done("PATCH", f"{workspace}/services/brief", json=steps)  # 200 without a body, as described
    assert caller.send("GET", f"{workspace}/services/brief").json()["description"] == "short-lived"
    assert caller.send("PATCH", f"{workspace}/services/brief", json={"description": "x"}).status_code == 400
    caller.done("DELETE", f"{workspace}/services/brief")
    assert caller.send("GET", f"{workspace}/services/brief").status_code == 404


def test_keys_of_a_service_are_never_stored(caller, workspace, asset):
    """A request that brings keys is applied at once, or not at all; no answer of an operation shows them."""
    keys = {"primaryKey": "hunter2-primary", "secondaryKey": "hunter2-secondary"}
    late = caller.send(
        "POST", f"{workspace}/services", json=service("keyed", asset, keys=keys), headers={"Prefer": "respond-async"}
    )
    assert (late.status_code, late.json()["error"]["code"]) == (400, "SecretNeedsInline")
    caller.done("POST", f"{workspace}/services", json=service("keyed", asset, keys=keys))
    listed = caller.send("POST", f"{workspace}/services/keyed/listkeys").json()
    assert listed["primaryKey"] == keys["primaryKey"]
    changed = caller.send(
        "POST", f"{workspace}/services/keyed/regenerateKeys", json={"keyType": "Primary", "keyValue": "hunter2-new"}
    )
    assert changed.ok, changed.text
    assert "hunter2" not in caller.send("GET", "operations?$top=50").text


@pytest.mark.parametrize(
    ("body", "target"),
    [({"computeType": "ACI"}, "name"), ({"name": "x1y"}, "computeType"), ({"name": "NOT OK", "computeType": "ACI"}, "name")],
)
def test_a_service_without_what_it_needs_is_refused(caller, workspace, body, target):
    """Name and compute type are judged before anything is sent."""
    answer = caller.send("POST", f"{workspace}/services", json=body)
    assert (answer.status_code, answer.json()["error"]["target"]) == (400, target)


def test_a_service_that_azure_refuses_is_azures_refusal(caller, workspace):
    """Model management's own error shape comes back in ARM's envelope."""
    answer = caller.send("POST", f"{workspace}/services", json={"name": "no-code", "computeType": "ACI"})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"]
