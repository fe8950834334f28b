"""Bodies with a wrong type anywhere are refused, never answered with a server error: the local Azure has no excuse either."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from tests.functional.emulator.bodies import CLUSTER, INSTANCE, PLACE, SCHEDULE
from tests.functional.emulator.client import WORKSPACES, Client, workspace_body

LAB = f"{WORKSPACES}/lab"
WRONG: tuple[Any, ...] = (None, 7, "text", True, [], {}, [{}], {"a": []})
VALID: dict[str, tuple[str, str, dict[str, Any]]] = {
    "workspace": ("PUT", f"{WORKSPACES}/other", {**workspace_body(), "tags": {"a": "b"}, "sku": {"name": "Basic"}}),
    "workspace patch": (
        "PATCH",
        LAB,
        {"tags": {"a": "b"}, "properties": {"description": "x"}, "identity": {"type": "SystemAssigned"}},
    ),
    "cluster": ("PUT", f"{LAB}/computes/cpu", CLUSTER),
    "cluster patch": ("PATCH", f"{LAB}/computes/there", {"properties": {"properties": {"scaleSettings": {"maxNodeCount": 2}}}}),
    "instance": ("PUT", f"{LAB}/computes/workstation", INSTANCE),
    "idle": ("POST", f"{LAB}/computes/there/updateIdleShutdownSetting", {"idleTimeBeforeShutdown": "PT30M"}),
    "datastore": (
        "PUT",
        f"{LAB}/datastores/mine",
        {
            "properties": {
                "datastoreType": "AzureBlob",
                "accountName": "a",
                "credentials": {"credentialsType": "AccountKey", "secrets": {"key": "k"}},
            }
        },
    ),
    "model": (
        "PUT",
        f"{LAB}/models/m/versions/1",
        {"properties": {"modelUri": "https://x/y", "modelType": "custom_model", "tags": {"a": "b"}}},
    ),
    "environment": (
        "PUT",
        f"{LAB}/environments/e/versions/2",
        {"properties": {"image": "i", "condaFile": "c", "build": {"contextUri": "u"}}},
    ),
    "container": ("PUT", f"{LAB}/models/m", {"properties": {"description": "d", "tags": {}, "isArchived": False}}),
    "upload": ("POST", f"{LAB}/codes/c/versions/1/startPendingUpload", {"pendingUploadType": "TemporaryBlobReference"}),
    "job": (
        "PUT",
        f"{LAB}/jobs/one",
        {
            "properties": {
                "jobType": "Command",
                "command": "true",
                "environmentId": "azureml:e:1",
                "limits": {"timeout": "PT1H"},
                "resources": {"instanceCount": 1},
                "inputs": {"a": {"jobInputType": "literal", "value": "1"}},
                "environmentVariables": {"A": "b"},
                "tags": {"a": "b"},
                "properties": {"a": "b"},
            }
        },
    ),
    "endpoint": (
        "PUT",
        f"{LAB}/onlineEndpoints/line",
        {
            **PLACE,
            "tags": {},
            "identity": {"type": "SystemAssigned"},
            "properties": {"authMode": "Key", "traffic": {}, "keys": {"primaryKey": "p"}, "properties": {}},
        },
    ),
    "keys": ("POST", f"{LAB}/onlineEndpoints/line/regenerateKeys", {"keyType": "Primary", "keyValue": "v"}),
    "deployment": (
        "PUT",
        f"{LAB}/onlineEndpoints/line/deployments/blue",
        {
            **PLACE,
            "sku": {"name": "Default", "capacity": 1},
            "properties": {
                "model": "azureml:m:1",
                "environmentId": "azureml:none:1",
                "instanceType": "Standard_DS2_v2",
                "codeConfiguration": {"codeId": "azureml:c:1", "scoringScript": "score.py"},
                "environmentVariables": {"A": "b"},
            },
        },
    ),
    "batch endpoint": (
        "PUT",
        f"{LAB}/batchEndpoints/batch",
        {**PLACE, "properties": {"defaults": {"deploymentName": "d"}, "properties": {"a": "b"}}},
    ),
    "batch deployment": (
        "PUT",
        f"{LAB}/batchEndpoints/batch/deployments/d",
        {**PLACE, "properties": {"model": {"assetId": "azureml:m:1"}, "compute": "c"}},
    ),
    "schedule": ("PUT", f"{LAB}/schedules/nightly", SCHEDULE),
    "group": ("PUT", f"{LAB.partition('/providers')[0]}", {"location": "westeurope", "tags": {"a": "b"}}),
    "storage": (
        "PUT",
        LAB.partition("Microsoft.M")[0] + "Microsoft.Storage/storageAccounts/wrongstorage",
        {"location": "westeurope", "sku": {"name": "x"}, "properties": {"a": 1}, "tags": {}},
    ),
}


def spoiled(body: Any) -> Iterator[Any]:
    """The body with each of its parts replaced by each wrong value."""
    yield from (wrong for wrong in WRONG if wrong != body)
    if isinstance(body, dict):
        for name, part in body.items():
            for wrong in spoiled(part):
                changed = copy.deepcopy(body)
                changed[name] = wrong
                yield changed


@pytest.mark.parametrize("name", list(VALID))
def test_a_wrong_type_anywhere_is_no_server_error(azure: Client, name: str) -> None:
    """Every part of a valid body, replaced by every wrong type: an answer below 500, and GETs still work afterwards."""
    azure.workspace()
    azure.arm("PUT", f"{LAB}/computes/there", INSTANCE if name == "idle" else CLUSTER)
    azure.arm("PUT", f"{LAB}/environments/e/versions/1", {"properties": {"image": "python:3"}})
    azure.arm("PUT", f"{LAB}/onlineEndpoints/line", {**PLACE, "properties": {"authMode": "Key"}})
    method, path, body = VALID[name]
    version = {"idle": "2021-07-01", "group": "2022-09-01", "storage": "2023-05-01"}.get(name, "2023-10-01")
    token = {"Authorization": f"Bearer {azure.token()}"}
    for wrong in spoiled(body):
        url = f"https://management.azure.com{path}?api-version={version}"
        answer = azure.session.request(method, url, json=wrong, headers=token, timeout=30)
        assert answer.status_code < 500, (wrong, answer.text)
    for collection in ("", "/computes", "/datastores", "/models", "/jobs", "/onlineEndpoints", "/batchEndpoints", "/schedules"):
        assert azure.arm("GET", LAB + collection).status_code == 200
    azure.control("GET", "state")
