"""Workspaces: what is refused at once, what fails in the operation, soft delete, and what a new one is given."""

from typing import Any

import pytest

from infra.local.emulator import scene
from tests.functional.emulator.client import WORKSPACES, Client, workspace_body

NAME = f"{WORKSPACES}/lab"


def body(**properties: Any) -> dict[str, Any]:
    """The article's body with other properties; None leaves one out."""
    whole = workspace_body()
    merged = {**whole["properties"], **properties}
    return {**whole, "properties": {name: value for name, value in merged.items() if value is not None}}


def test_a_new_workspace_has_what_clients_read_next(azure: Client) -> None:
    """Identity in Azure's own case, discoveryUrl, workspaceId, null where Azure sends null."""
    whole = azure.arm("GET", azure.workspace()).json()
    assert whole["identity"]["type"] == "SystemAssigned"
    assert whole["properties"]["provisioningState"] == "Succeeded"
    assert whole["properties"]["discoveryUrl"] == "https://westeurope.api.azureml.ms/discovery"
    assert len(whole["properties"]["workspaceId"]) == 36
    assert whole["etag"] is None
    assert whole["systemData"]["lastModifiedAt"]


def test_the_articles_version_gives_the_articles_discovery_host(azure: Client) -> None:
    """2019-11-01: REGION.experiments.azureml.net."""
    assert azure.arm("PUT", NAME, workspace_body(), version="2019-11-01").status_code == 202
    url = azure.arm("GET", NAME, version="2019-11-01").json()["properties"]["discoveryUrl"]
    assert url == "https://westeurope.experiments.azureml.net/discovery"


def test_a_new_workspace_has_its_containers_and_datastores(azure: Client) -> None:
    """`azureml` and `azureml-blobstore-GUID` are real containers in the workspace's storage account."""
    arm_id = azure.workspace()
    guid = azure.arm("GET", arm_id).json()["properties"]["workspaceId"]
    stores = {store["name"]: store["properties"] for store in azure.arm("GET", f"{arm_id}/datastores").json()["value"]}
    assert set(stores) == {"workspaceblobstore", "workspaceartifactstore", "workspacefilestore", "workspaceworkingdirectory"}
    assert stores["workspaceblobstore"]["isDefault"] is True
    assert stores["workspaceblobstore"]["containerName"] == f"azureml-blobstore-{guid}"

    from azure.storage.blob import BlobServiceClient

    key = azure.arm("POST", f"{scene.STORAGE_ID}/listKeys", version="2023-05-01").json()["keys"][0]["value"]
    options = {"proxies": {"https": azure.azure.proxy}, "connection_verify": azure.azure.ca}
    url = f"https://{scene.STORAGE_ACCOUNT}.blob.core.windows.net"
    with BlobServiceClient(url, credential={"account_name": scene.STORAGE_ACCOUNT, "account_key": key}, **options) as service:
        names = {container.name for container in service.list_containers()}
    assert {"azureml", f"azureml-blobstore-{guid}"} <= names


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        ({"storageAccount": None}, "ValidationError", "Missing dependent resources in workspace json"),
        ({"keyVault": f"{scene.KEY_VAULT_ID}-none"}, "InvalidResourceReference", "steward-kv-none"),
        ({"applicationInsights": "subscriptions/without/slash"}, "LinkedInvalidPropertyId", "properties.applicationInsights"),
        ({"containerRegistry": scene.STORAGE_ID}, "ValidationError", "microsoft.containerregistry/registries"),
    ],
)
def test_a_missing_or_wrong_dependency_is_refused_at_once(azure: Client, change: dict[str, Any], code: str, says: str) -> None:
    """400 before anything is created."""
    answer = azure.arm("PUT", NAME, body(**change))
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
    assert says in answer.json()["error"]["message"]
    assert azure.arm("GET", NAME).status_code == 404


def test_a_registry_without_its_admin_user_fails_in_the_operation(azure: Client) -> None:
    """The article's example: 202, then Failed with the reason, at both URLs; a corrected PUT succeeds."""
    first = azure.arm("PUT", NAME, body(containerRegistry=scene.REGISTRY_WITHOUT_ADMIN_ID))
    assert first.status_code == 202
    status = azure.arm("GET", first.headers["Azure-AsyncOperation"])
    assert (status.status_code, status.json()["status"]) == (200, "Failed")
    assert "admin user" in status.json()["error"]["message"]
    assert azure.arm("GET", first.headers["Location"]).json()["error"]["code"] == status.json()["error"]["code"]
    assert azure.arm("GET", NAME).json()["properties"]["provisioningState"] == "Failed"
    azure.workspace()
    assert azure.arm("GET", NAME).json()["properties"]["provisioningState"] == "Succeeded"


def test_an_unknown_user_assigned_identity_is_a_404_on_a_put(azure: Client) -> None:
    """UserAssignedIdentityNotFound."""
    identity = {"type": "UserAssigned", "userAssignedIdentities": {f"{scene.GROUP_ID}/providers/x/y/none": {}}}
    answer = azure.arm("PUT", NAME, {**workspace_body(), "identity": identity})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "UserAssignedIdentityNotFound")


def test_a_workspace_cannot_move_nor_change_its_storage(azure: Client) -> None:
    """409 InvalidResourceLocation; 400 for the fixed property."""
    azure.workspace()
    moved = azure.arm("PUT", NAME, {**workspace_body(), "location": "eastus"})
    assert (moved.status_code, moved.json()["error"]["code"]) == (409, "InvalidResourceLocation")
    other = f"{scene.GROUP_ID}/providers/Microsoft.Storage/storageAccounts/otherstorage"
    azure.arm(
        "PUT", other, {"location": scene.LOCATION, "kind": "StorageV2", "sku": {"name": "Standard_LRS"}}, version="2023-05-01"
    )
    assert azure.arm("PUT", NAME, body(storageAccount=other)).status_code == 400


def test_a_deleted_workspace_holds_its_name_until_purged_or_recovered(azure: Client) -> None:
    """`Soft-deleted workspace exists.`; forceToPurge frees it, recovery keeps its id, and 14 days end it."""
    azure.workspace()
    guid = azure.arm("GET", NAME).json()["properties"]["workspaceId"]
    azure.arm("GET", azure.arm("DELETE", NAME).headers["Azure-AsyncOperation"])
    held = azure.arm("PUT", NAME, workspace_body())
    assert (held.status_code, held.json()["error"]["code"]) == (400, "BadRequest")
    assert held.json()["error"]["message"].startswith("Soft-deleted workspace exists.")
    assert azure.arm("PUT", NAME, body(allowRecoverSoftDeletedWorkspace=True)).status_code == 202
    assert azure.arm("GET", NAME).json()["properties"]["workspaceId"] == guid
    azure.arm("GET", azure.arm("DELETE", NAME).headers["Azure-AsyncOperation"])
    purge = azure.arm("DELETE", f"{NAME}?forceToPurge=true")
    assert azure.arm("GET", purge.headers["Azure-AsyncOperation"]).json()["status"] == "Succeeded"
    azure.workspace()
    azure.arm("GET", azure.arm("DELETE", f"{NAME}?forceToPurge=false").headers["Azure-AsyncOperation"])
    azure.control("POST", "clock", {"advance_s": 15 * 86400})
    azure.workspace()


def test_deleting_what_is_not_there_is_a_204(azure: Client) -> None:
    """For a workspace."""
    assert azure.arm("DELETE", NAME).status_code == 204


def test_a_second_operation_while_one_runs_is_a_409(azure: Client) -> None:
    """Another operation on the same entity."""
    azure.workspace()
    azure.control("PUT", "transitions", {"default": "polls:5"})
    assert azure.arm("PATCH", NAME, {"tags": {"a": "1"}}).status_code == 202
    answer = azure.arm("PATCH", NAME, {"tags": {"a": "2"}})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "Conflict")


def test_nothing_is_created_in_a_workspace_that_is_not_ready(azure: Client) -> None:
    """409 while the workspace is Creating."""
    azure.control("PUT", "transitions", {"default": "polls:5"})
    azure.arm("PUT", NAME, workspace_body())
    answer = azure.arm("PUT", f"{NAME}/models/m", {"properties": {}})
    assert answer.status_code == 409
    assert "WorkspaceNotReady" in answer.text


def test_the_keys_are_those_of_the_dependencies(azure: Client) -> None:
    """listKeys, listStorageAccountKeys, listNotebookAccessToken."""
    azure.workspace()
    keys = azure.arm("POST", f"{NAME}/listKeys").json()
    assert keys["userStorageKey"] == scene.storage_keys(scene.STORAGE_ACCOUNT)[0]
    assert keys["containerRegistryCredentials"]["username"] == scene.REGISTRY
    assert azure.arm("POST", f"{NAME}/listStorageAccountKeys").json() == {"userStorageKey": keys["userStorageKey"]}
    assert azure.arm("POST", f"{NAME}/listNotebookAccessToken").json()["tokenType"] == "Bearer"


def test_a_patch_changes_what_it_names(azure: Client) -> None:
    """Tags are replaced, properties merged; lastModifiedAt moves on."""
    azure.workspace(tags={"old": "1"})
    before = azure.arm("GET", NAME).json()
    azure.arm("PATCH", NAME, {"tags": {"new": "2"}, "properties": {"description": "changed"}})
    after = azure.arm("GET", NAME).json()
    assert after["tags"] == {"new": "2"}
    assert (after["properties"]["description"], after["properties"]["friendlyName"]) == ("changed", "A workspace")
    assert after["systemData"]["lastModifiedAt"] > before["systemData"]["lastModifiedAt"]
    assert after["systemData"]["createdAt"] == before["systemData"]["createdAt"]
