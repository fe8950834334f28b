"""What is refused before Azure is asked, with the rule; and the article's own bodies, broken and repaired."""

from __future__ import annotations

import pytest

from infra.local.emulator import scene
from tests.functional.catalog.conftest import WORKSPACE

ARTICLE = """{
    "location": "westeurope",
    "properties": {
        "friendlyName" : "ours",
        "description" : "from the article",
        "containerRegistry" : "%(registry)s",
        %(quote)skeyVault" : "%(vault)s",
        "applicationInsights" : "%(insights)s",
        "storageAccount" : "%(storage)s"
    },
    "identity" : {
        "type" : "systemAssigned"
    }
}"""
IDS = {
    "registry": scene.REGISTRY_ID,
    "vault": scene.KEY_VAULT_ID,
    "insights": scene.INSIGHTS_ID.removeprefix("/"),  # as the article has it
    "storage": scene.STORAGE_ID,
}
JSON = {"Content-Type": "application/json"}


def test_the_articles_body_lacks_a_quote(caller):
    """400 with line and column of the key that never began."""
    answer = caller.send("PUT", "workspaces/ws-article", data=ARTICLE % {**IDS, "quote": ""}, headers=JSON)
    assert answer.status_code == 400
    assert "line 7, column 9" in answer.json()["error"]["message"]


@pytest.mark.parametrize("version", ["2019-11-01", "2022-05-01", "2023-10-01"])
def test_the_articles_body_repaired_works_in_each_edition(caller, version):
    """`systemAssigned` is spelled as Azure spells it, and an id without its first slash is an id, whatever the edition."""
    path = f"workspaces/ws-article-{version[:4]}?api-version={version}"
    made = caller.done("PUT", path, data=ARTICLE % {**IDS, "quote": '"'}, headers=JSON)
    assert made["identity"]["type"] == "SystemAssigned"
    assert made["properties"]["keyVault"].lower() == scene.KEY_VAULT_ID.lower()


@pytest.mark.parametrize(
    ("path", "body", "target", "said"),
    [
        ("computes/cpu1", {"properties": {"computeType": "Abacus"}}, "properties.computeType", "AmlCompute"),
        ("jobs/j1", {"properties": {"jobType": "Nap"}}, "properties.jobType", "Command"),
        ("datastores/d1", {"properties": {"datastoreType": "Drawer"}}, "properties.datastoreType", "AzureBlob"),
        ("models/m/versions/1", {"properties": {"modelType": "toy"}}, "properties.modelType", "mlflow_model"),
        ("data/d/versions/1", {"properties": {"dataType": "uri"}}, "properties.dataType", "uri_folder"),
        ("onlineEndpoints/e1x", {"location": "x", "properties": {"authMode": "None"}}, "properties.authMode", "AMLToken"),
        ("computes/cpu1", {"properties": {}}, "properties.computeType", "required"),
        ("onlineEndpoints/e1x", {"properties": {"authMode": "Key"}}, "location", "required"),
        (
            "computes/cpu1",
            {"properties": {"computeType": "AmlCompute"}, "identity": {"type": "Mine"}},
            "identity.type",
            "SystemAssigned",
        ),
    ],
)
def test_an_unknown_type_is_refused_with_the_rule(caller, azure, path, body, target, said):
    """Nothing is sent to Azure; the message lists what there is."""
    before = azure.last()
    answer = caller.send("PUT", f"workspaces/nowhere/{path}", json=body)
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert error["target"] == target
    assert said in error["message"]
    assert not azure.since(before, path="nowhere")


def test_a_preview_may_know_types_that_the_table_does_not(caller, workspace):
    """Then it is Azure's to judge."""
    answer = caller.send(
        "PUT",
        f"{workspace}/computes/cpu1?api-version=2025-01-01-preview",
        json={"location": "westeurope", "properties": {"computeType": "Abacus"}},
    )
    assert answer.json()["error"]["code"] != "InvalidValue"


@pytest.mark.parametrize("spelling", ["systemassigned", "SYSTEM_ASSIGNED", "system assigned", "SystemAssigned"])
def test_system_assigned_in_any_spelling(caller, workspace, spelling):
    """`az`, YAML and the article each write it their own way."""
    changed = caller.done("PATCH", workspace, json={"identity": {"type": spelling}})
    assert changed["identity"]["type"] == "SystemAssigned"


@pytest.mark.parametrize("action", ["moveResources", "validateMoveResources"])
def test_a_workspace_is_not_moved(caller, azure, workspace, action):
    """The documents: moving it breaks it; Azure would only find out half-way."""
    workspace_id = f"{scene.GROUP_ID}/providers/microsoft.machinelearningservices/Workspaces/{workspace.partition('/')[2]}"
    body = {"resources": [scene.STORAGE_ID, workspace_id], "targetResourceGroup": f"{scene.GROUP_ID}-other"}
    before = azure.last()
    answer = caller.send("POST", f"subscriptions/{scene.SUBSCRIPTION_ID}/resourceGroups/{scene.RESOURCE_GROUP}/{action}", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "MoveNotSupported")
    assert "not supported" in answer.json()["error"]["message"]
    assert not azure.since(before, method="POST", path="moveResources")


def test_a_registry_that_a_workspace_uses_is_not_deleted(caller, workspace):
    """409 names the workspaces; `?force=true` insists."""
    registry = "providers/Microsoft.ContainerRegistry/registries/guardedacr"
    caller.done(
        "PUT", registry, json={"location": scene.LOCATION, "sku": {"name": "Standard"}, "properties": {"adminUserEnabled": True}}
    )
    whole = f"{scene.GROUP_ID}/{registry}"
    body = {**WORKSPACE, "properties": {**WORKSPACE["properties"], "containerRegistry": whole}}
    caller.done("PUT", "workspaces/ws-guarded", json=body)
    answer = caller.send("DELETE", registry)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "ResourceInUse")
    assert "workspaces/ws-guarded" in answer.json()["error"]["message"]
    caller.done("DELETE", f"{registry}?force=true")
    assert caller.send("GET", registry).status_code == 404


def test_a_name_held_by_a_deleted_workspace_is_explained(caller):
    """ARM's refusal, and the two ways on from it."""
    caller.done("PUT", "workspaces/ws-held", json=WORKSPACE)
    caller.done("DELETE", "workspaces/ws-held")
    answer = caller.send("PUT", "workspaces/ws-held", json=WORKSPACE)
    assert answer.status_code == 400
    message = answer.json()["error"]["message"]
    assert "Soft-deleted workspace exists" in message
    assert "allowRecoverSoftDeletedWorkspace" in message
    assert "forceToPurge=true" in message
    caller.done("DELETE", "workspaces/ws-held?forceToPurge=true")
    caller.done("PUT", "workspaces/ws-held", json=WORKSPACE)
