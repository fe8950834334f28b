"""The app's main changes, with either answer to what nobody has recorded: whether a PUT keeps what its body leaves out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from infra.local.emulator import scene
from tests.functional.catalog.conftest import WORKSPACE

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD = {"location": scene.LOCATION, "identity": {"type": "SystemAssigned"}}
GIT = "git+https://github.com/contoso/code"
SCALE = {"minNodeCount": 0, "maxNodeCount": 1}
CLUSTER = {"vmSize": "Standard_DS3_v2", "scaleSettings": SCALE}
BLOB = {"datastoreType": "AzureBlob", "accountName": scene.STORAGE_ACCOUNT, "containerName": "c"}
NIGHTLY = {
    "trigger": {"triggerType": "Cron", "expression": "0 2 * * *", "timeZone": "UTC"},
    "action": {
        "actionType": "CreateJob",
        "jobDefinition": {"jobType": "Command", "command": "true", "environmentId": "azureml:plain:1"},
    },
}
# Path below the workspace → the first body, the second: it leaves members out and changes others.
TWICE: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "": (
        {**WORKSPACE, "tags": {"a": "1"}, "properties": {**WORKSPACE["properties"], "description": "first"}},
        {**WORKSPACE, "properties": {**WORKSPACE["properties"], "friendlyName": "second"}},
    ),
    "computes/cpu1": (
        {**HEAD, "tags": {"a": "1"}, "properties": {"computeType": "AmlCompute", "description": "first", "properties": CLUSTER}},
        {
            "location": scene.LOCATION,
            "properties": {
                "computeType": "AmlCompute",
                "properties": {**CLUSTER, "scaleSettings": {**SCALE, "maxNodeCount": 2}},
            },
        },
    ),
    "environments/plain/versions/1": (
        {"properties": {"image": "ubuntu:22.04", "description": "first"}},
        {"properties": {"image": "ubuntu:22.04", "tags": {"b": "2"}}},
    ),
    "models/m/versions/1": (
        {"properties": {"modelUri": GIT, "description": "first"}},
        {"properties": {"modelUri": GIT, "tags": {"b": "2"}}},
    ),
    "datastores/mine": (
        {"properties": {**BLOB, "credentials": {"credentialsType": "None"}, "description": "first"}},
        {"properties": {**BLOB, "credentials": {"credentialsType": "None"}, "tags": {"b": "2"}}},
    ),
    "schedules/nightly": (
        {"properties": {**NIGHTLY, "isEnabled": True, "description": "first"}},
        {"properties": {**NIGHTLY, "isEnabled": False, "displayName": "second"}},
    ),
    "onlineEndpoints/line-{choice}": (
        {**HEAD, "tags": {"a": "1"}, "properties": {"authMode": "Key", "publicNetworkAccess": "Disabled"}},
        {**HEAD, "tags": {"b": "2"}, "properties": {"authMode": "Key"}},
    ),
    "batchEndpoints/nightly-{choice}": (
        {**HEAD, "properties": {"authMode": "AADToken", "description": "first"}},
        {**HEAD, "tags": {"b": "2"}, "properties": {"authMode": "AADToken"}},
    ),
    "connections/git": (
        {"properties": {"category": "Git", "authType": "None", "target": "https://a", "metadata": {"a": "b"}}},
        {"properties": {"category": "Git", "authType": "None", "target": "https://b"}},
    ),
}


@pytest.fixture(params=["replace", "keep"])
def choice(azure: Any, request: pytest.FixtureRequest) -> Iterator[str]:
    """What the local Azure does with members that are left out."""
    azure.put("unrecorded", {"put": request.param})
    yield request.param
    azure.put("unrecorded", {"put": "replace"})


def _stands(wanted: Any, found: Any) -> bool:
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(_stands(value, found.get(name)) for name, value in wanted.items())
    return bool(str(wanted).lower() == str(found).lower())


@pytest.mark.parametrize("missing", ["arm", "service"])
def test_a_missing_endpoint_is_named_in_either_form_of_azures_404(caller: Any, azure: Any, missing: str) -> None:
    """404 that says which endpoint is not there; and a DELETE ends well, though its last look is answered so."""
    caller.done("PUT", "workspaces/ws-missing", json=WORKSPACE)
    azure.put("unrecorded", {"missing": missing})
    try:
        for path in ("onlineEndpoints/nowhere", "batchEndpoints/nowhere"):
            for verb in ("GET", "DELETE"):
                answer = caller.send(verb, f"workspaces/ws-missing/{path}")
                assert answer.status_code == 404
                assert "nowhere" in answer.json()["error"]["message"], answer.text
        path = "workspaces/ws-missing/onlineEndpoints/gone-again"
        caller.done("PUT", path, json={**HEAD, "properties": {"authMode": "Key"}})
        caller.done("DELETE", path)
        assert caller.send("GET", path).status_code == 404
    finally:
        azure.put("unrecorded", {"missing": "arm"})


def test_what_was_asked_for_stands_and_each_operation_ends_well(caller: Any, choice: str) -> None:
    """Made, and changed by a PUT that leaves members out: `Succeeded`, and a GET shows every member of the second body."""
    home = f"workspaces/ws-{choice}"
    for path, (first, second) in TWICE.items():
        whole = f"{home}/{path.format(choice=choice)}".rstrip("/")
        for body in (first, second):
            caller.done("PUT", whole, json=body)
        found = caller.send("GET", whole).json()
        assert _stands(second, found), (whole, found)
    for path in ("onlineEndpoints/line-{choice}", "batchEndpoints/nightly-{choice}", ""):
        whole = f"{home}/{path.format(choice=choice)}".rstrip("/")
        caller.done("PATCH", whole, json={"tags": {"c": "3"}})
        assert caller.send("GET", whole).json()["tags"]["c"] == "3"
