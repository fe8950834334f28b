"""The local Azure allows what role assignments allow, at their scopes, and refuses in ARM's words; storage takes Entra tokens."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import requests
from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError
from azure.data.tables import TableServiceClient
from azure.storage.blob import BlobServiceClient, generate_blob_sas, generate_container_sas
from azure.storage.queue import QueueServiceClient

from infra.local.emulator import scene
from infra.local.emulator.authorization import roles as known

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.functional.emulator.client import Client

AUTHORIZATION = "2022-04-01"
S = f"/subscriptions/{scene.SUBSCRIPTION_ID}"
ML = "Microsoft.MachineLearningServices"
READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
CONTRIBUTOR = "b24988ac-6180-42a0-ab88-20f7382dd24c"
WHO = f"The client '{scene.APP_CLIENT_ID}' with object id '{scene.APP_OBJECT_ID}'"


class App:
    """The app's own identity, which holds nothing until a test gives it something."""

    def __init__(self, azure: Client) -> None:
        self.azure = azure

    def token(self, resource: str = "https://management.azure.com/") -> str:
        """A token of the v1 endpoint."""
        form = {
            "grant_type": "client_credentials",
            "resource": resource,
            "client_id": scene.APP_CLIENT_ID,
            "client_secret": scene.APP_CLIENT_SECRET,
        }
        url = f"https://login.microsoftonline.com/{scene.TENANT_ID}/oauth2/token"
        return str(self.azure.session.post(url, data=form, timeout=30).json()["access_token"])

    def arm(self, method: str, path: str, body: Any = None, version: str = "2023-10-01") -> requests.Response:
        """One ARM call as the app."""
        headers = {"Authorization": f"Bearer {self.token()}"}
        return self.azure.arm(method, path, body, version=version, headers=headers)

    def error(self, method: str, path: str, body: Any = None, version: str = "2023-10-01") -> tuple[int, str, str]:
        """Status, code and message of a refusal."""
        answer = self.arm(method, path, body, version)
        return answer.status_code, answer.json()["error"]["code"], answer.json()["error"]["message"]


@pytest.fixture
def app(azure: Client) -> App:
    """The app's identity."""
    return App(azure)


@pytest.fixture
def give(azure: Client) -> Callable[..., str]:
    """Assigns a role to the app's identity, as its Owner does: the assignment's path."""

    def assign(scope: str, role: str) -> str:
        path = f"{scope}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}"
        definition = f"{S}/providers/Microsoft.Authorization/roleDefinitions/{role}"
        body = {"properties": {"roleDefinitionId": definition, "principalId": scene.APP_OBJECT_ID}}
        assert azure.arm("PUT", path, body, version=AUTHORIZATION).status_code == 201
        return path

    return assign


def deny(azure: Client, scope: str, *actions: str) -> None:
    """Let Azure deny these actions to everyone at a scope."""
    body = {"name": "d1", "properties": {"denyAssignmentName": "kept", "scope": scope, "permissions": [{"actions": list(actions)}]}}
    azure.control("PUT", "roles", {"denials": [body]})


def test_without_a_role_everything_is_refused_in_arms_words(app: App) -> None:
    """The action and the scope are named, also of what is not there."""
    workspace = f"{scene.GROUP_ID}/providers/{ML}/workspaces/none"
    status, code, message = app.error("GET", workspace)
    assert (status, code) == (403, "AuthorizationFailed")
    assert message == (
        f"{WHO} does not have authorization to perform action '{ML}/workspaces/read' over scope '{workspace}' or the scope is "
        "invalid. If access was recently granted, please refresh your credentials."
    )
    assert f"'{ML}/workspaces/computes/start/action'" in app.error("POST", f"{workspace}/computes/c/start")[2]
    assert "resourceGroups/write' over scope '" in app.error("PUT", f"{S}/resourceGroups/fresh", {"location": "westeurope"})[2]


def test_a_role_holds_at_its_scope_and_below_and_ends_with_its_assignment(
    app: App, azure: Client, give: Callable[..., str]
) -> None:
    """Given on a group, it opens what is in the group, and nothing beside it."""
    workspace = azure.workspace()
    assignment = give(scene.GROUP_ID, READER)
    assert app.arm("GET", f"{workspace}/computes").status_code == 200
    assert app.error("DELETE", workspace)[1] == "AuthorizationFailed"
    other = f"{S}/resourceGroups/rg-analytics/providers/{ML}/workspaces/x"
    assert app.error("GET", other)[:2] == (403, "AuthorizationFailed")
    assert azure.arm("DELETE", assignment, version=AUTHORIZATION).status_code == 200
    assert app.arm("GET", workspace).status_code == 403


def test_a_list_of_the_subscription_is_shortened_and_does_not_say_so(app: App, azure: Client, give: Callable[..., str]) -> None:
    """200 with what the caller may read; 403 only for who holds nothing in the subscription at all."""
    azure.workspace()
    assert app.arm("GET", f"{S}/providers/{ML}/workspaces").status_code == 403
    give(f"{S}/resourceGroups/rg-analytics", READER)
    assert app.arm("GET", f"{S}/providers/{ML}/workspaces").json()["value"] == []
    assert [one["name"] for one in app.arm("GET", f"{S}/resourceGroups", version="2021-04-01").json()["value"]] == ["rg-analytics"]
    assert [one["subscriptionId"] for one in app.arm("GET", "/subscriptions", version="2021-04-01").json()["value"]]
    give(S, READER)
    assert len(app.arm("GET", f"{S}/providers/{ML}/workspaces").json()["value"]) == 1


def test_locks_of_the_subscription_are_no_list_that_is_shortened(app: App, give: Callable[..., str]) -> None:
    """A role on a group does not open them: 403, which keeps a clean-up from ever acting."""
    give(scene.GROUP_ID, READER)
    status, code, message = app.error("GET", f"{S}/providers/Microsoft.Authorization/locks", version="2020-05-01")
    assert (status, code) == (403, "AuthorizationFailed")
    assert f"'Microsoft.Authorization/locks/read' over scope '{S}'" in message


def test_exclusions_of_a_role_are_taken_out_of_it(app: App, give: Callable[..., str]) -> None:
    """A Contributor may do everything but assign roles; `permissions` shows both."""
    give(scene.GROUP_ID, CONTRIBUTOR)
    path = f"{scene.GROUP_ID}/providers/Microsoft.Authorization"
    body = {"properties": {"roleDefinitionId": READER, "principalId": scene.APP_OBJECT_ID}}
    refused = app.error("PUT", f"{path}/roleAssignments/{uuid.uuid4()}", body, AUTHORIZATION)
    assert refused[1] == "AuthorizationFailed"
    (row,) = app.arm("GET", f"{path}/permissions", version=AUTHORIZATION).json()["value"]
    assert row["actions"] == ["*"]
    assert "Microsoft.Authorization/*/Write" in row["notActions"]


def test_a_deny_assignment_wins_over_every_role(app: App, azure: Client, give: Callable[..., str]) -> None:
    """An Owner's too; it is listed, and it names itself."""
    workspace = azure.workspace()
    give(scene.GROUP_ID, CONTRIBUTOR)
    deny(azure, scene.GROUP_ID, f"{ML}/workspaces/delete")
    status, code, message = app.error("DELETE", workspace)
    assert (status, code) == (403, "DenyAssignmentAuthorizationFailed")
    assert f"the deny assignment with name 'kept' and Id 'd1' at scope '{scene.GROUP_ID}'" in message
    assert azure.arm("DELETE", workspace).status_code == 403
    listed = azure.arm("GET", f"{scene.GROUP_ID}/providers/Microsoft.Authorization/denyAssignments", version=AUTHORIZATION)
    assert [one["properties"]["denyAssignmentName"] for one in listed.json()["value"]] == ["kept"]


def test_a_new_assignment_holds_after_the_delay_of_propagation(app: App, azure: Client, give: Callable[..., str]) -> None:
    """By the local Azure's clock."""
    azure.control("PUT", "roles", {"delay_s": 300})
    give(scene.GROUP_ID, READER)
    assert app.arm("GET", scene.GROUP_ID, version="2021-04-01").status_code == 403
    azure.control("POST", "clock", {"advance_s": 301})
    assert app.arm("GET", scene.GROUP_ID, version="2021-04-01").status_code == 200


def test_linking_an_identity_or_a_subnet_needs_a_role_on_them(app: App, azure: Client, give: Callable[..., str]) -> None:
    """`LinkedAuthorizationFailed` names what lacks on what is linked."""
    group = f"{S}/resourceGroups/rg-analytics/providers"
    identity = f"{group}/Microsoft.ManagedIdentity/userAssignedIdentities/i"
    workspace = azure.workspace()
    give(scene.GROUP_ID, CONTRIBUTOR)
    body = {"identity": {"type": "UserAssigned", "userAssignedIdentities": {identity: {}}}}
    status, code, message = app.error("PATCH", workspace, body)
    assert (status, code) == (403, "LinkedAuthorizationFailed")
    assert f"'Microsoft.ManagedIdentity/userAssignedIdentities/assign/action' on the linked scope(s) '{identity}'" in message
    subnet = f"{group}/Microsoft.Network/virtualNetworks/v/subnets/s"
    cluster = {"location": "westeurope", "properties": {"computeType": "AmlCompute", "properties": {"subnet": {"id": subnet}}}}
    assert "subnets/join/action" in app.error("PUT", f"{workspace}/computes/cpu", cluster)[2]
    target = {"resources": [], "targetResourceGroup": f"{S}/resourceGroups/rg-analytics"}
    assert "resourceGroups/write" in app.error("POST", f"{scene.GROUP_ID}/moveResources", target, "2021-04-01")[2]


def test_azure_mls_own_services_ask_for_actions_on_the_workspace(app: App, azure: Client, give: Callable[..., str]) -> None:
    """Run history is read with a reader's role, and a run is not started with it."""
    workspace = azure.workspace()
    server = f"https://{scene.LOCATION}.api.azureml.ms"
    headers = {"Authorization": f"Bearer {app.token()}"}

    def ask(method: str, service: str, path: str) -> requests.Response:
        return azure.session.request(method, f"{server}/{service}/v1.0{workspace}/{path}", headers=headers, json={}, timeout=30)

    refused = ask("GET", "history", "experiments")
    assert refused.status_code == 403
    assert f"does not have permissions for {ML}/workspaces/experiments/read actions" in refused.json()["error"]["message"]
    give(scene.GROUP_ID, READER)
    assert ask("GET", "history", "experiments").status_code == 200
    refused = ask("POST", "execution", "experiments/e/startrun")
    assert f"{ML}/workspaces/experiments/runs/submit/action" in refused.json()["error"]["message"]


def test_role_definitions_are_listed_by_name_and_made_at_their_scopes(azure: Client) -> None:
    """As `az role assignment create --role NAME` looks them up; a custom one can be given where it is assignable, nowhere else."""
    base = f"{S}/providers/Microsoft.Authorization/roleDefinitions"
    (found,) = azure.arm("GET", f"{base}?$filter=roleName eq 'Contributor'", version=AUTHORIZATION).json()["value"]
    assert found["name"] == CONTRIBUTOR
    name = str(uuid.uuid4())
    properties = {"roleName": "mine", "permissions": [{"actions": ["*/read"]}], "assignableScopes": [scene.GROUP_ID]}
    assert azure.arm("PUT", f"{base}/{name}", {"properties": properties}, version=AUTHORIZATION).status_code == 201
    body = {"properties": {"roleDefinitionId": f"{base}/{name}", "principalId": scene.APP_OBJECT_ID}}
    elsewhere = f"{S}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}"
    assert azure.arm("PUT", elsewhere, body, version=AUTHORIZATION).json()["error"]["code"] == "RoleDefinitionScopeMismatch"
    here = f"{scene.GROUP_ID}/providers/Microsoft.Authorization/roleAssignments"
    assert azure.arm("PUT", f"{here}/{uuid.uuid4()}", body, version=AUTHORIZATION).status_code == 201
    again = azure.arm("PUT", f"{here}/{uuid.uuid4()}", body, version=AUTHORIZATION)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "RoleAssignmentExists")
    mine = azure.arm("GET", f"{here}?$filter=assignedTo('{scene.APP_OBJECT_ID}')", version=AUTHORIZATION).json()["value"]
    assert [one["properties"]["roleDefinitionId"].rpartition("/")[2] for one in mine] == [name]
    assert azure.arm("DELETE", f"{base}/{name}", version=AUTHORIZATION).json()["error"]["code"] == "RoleDefinitionHasAssignments"


def test_a_deleted_group_takes_its_assignments_with_it(app: App, azure: Client, give: Callable[..., str]) -> None:
    """A new one of that name is another scope."""
    group = f"{S}/resourceGroups/rg-sandbox"
    give(group, READER)
    assert app.arm("GET", group, version="2021-04-01").status_code == 200
    azure.arm("DELETE", group, version="2021-04-01")
    azure.arm("PUT", group, {"location": "eastus"}, version="2021-04-01")
    assert app.arm("GET", group, version="2021-04-01").status_code == 403


def test_publishing_to_a_topic_takes_the_data_action_of_sending(app: App, azure: Client, give: Callable[..., str]) -> None:
    """A role that may do everything to the topic may not send to it; EventGrid Data Sender may."""
    topic = f"{scene.GROUP_ID}/providers/Microsoft.EventGrid/topics/t{uuid.uuid4().hex[:8]}"
    body = {"location": scene.LOCATION, "properties": {"inputSchema": "CloudEventSchemaV1_0"}}
    azure.arm("PUT", topic, body, version="2022-06-15")
    endpoint = azure.arm("GET", topic, version="2022-06-15").json()["properties"]["endpoint"]
    headers = {
        "Authorization": f"Bearer {app.token('https://eventgrid.azure.net/')}",
        "Content-Type": "application/cloudevents+json",
    }
    event = {"id": "1", "source": "/s", "type": "t", "specversion": "1.0", "data": {}}

    def publish() -> requests.Response:
        return azure.session.post(f"{endpoint}?api-version=2018-01-01", json=event, headers=headers, timeout=30)

    give(topic, CONTRIBUTOR)
    refused = publish()
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "Forbidden")
    assert f"does not have permission to send data to {topic}" in refused.json()["error"]["message"]
    give(topic, known.EVENT_DATA_SENDER)
    assert publish().status_code == 200


# ── storage by Entra token ───────────────────────────────────────────────────────────────────────────────────────────
class Credential:
    """A token credential of azure-identity's shape."""

    def __init__(self, get: Callable[[str], str]) -> None:
        self.get = get

    def get_token(self, *scopes: str, **_more: Any) -> AccessToken:
        """A token for the first scope."""
        return AccessToken(self.get(scopes[0].removesuffix("/.default")), 2**31)


@pytest.fixture
def options(azure: Client) -> dict[str, Any]:
    """How an official client reaches storage: through the proxy, with its certificates."""
    return {"proxies": dict(azure.session.proxies), "connection_verify": azure.azure.ca, "retry_total": 0}


def url(service: str) -> str:
    """Where the scene's account has a service."""
    return f"https://{scene.STORAGE_ACCOUNT}.{service}.core.windows.net"


def test_official_storage_clients_work_by_token(azure: Client, options: dict[str, Any]) -> None:
    """Blobs, queues and tables, with names that have to be quoted, ranges and pages; signed again for Azurite."""
    more: Any = {"credential": Credential(azure.token), **options}
    name = f"c{uuid.uuid4().hex[:8]}"
    container = BlobServiceClient(url("blob"), **more).create_container(name)
    container.upload_blob("a folder/ü %.txt", b"x" * 100_000, metadata={"kind": "test"})
    assert container.download_blob("a folder/ü %.txt", offset=10, length=20).readall() == b"x" * 20
    assert [blob.name for blob in container.list_blobs(name_starts_with="a ")] == ["a folder/ü %.txt"]
    queue = QueueServiceClient(url("queue"), **more).create_queue(name)
    queue.send_message("hello")
    (message,) = queue.receive_messages()
    queue.delete_message(message)
    table = TableServiceClient(url("table"), **more).create_table(name)
    table.upsert_entity({"PartitionKey": "p", "RowKey": "r 1", "value": 1})
    assert [row["value"] for row in table.query_entities("PartitionKey eq 'p'")] == [1]
    table.delete_entity("p", "r 1")


def test_storage_is_refused_without_a_role_on_the_container_or_account(
    app: App, azure: Client, give: Callable[..., str], options: dict[str, Any]
) -> None:
    """An Owner's own right does not reach the data; a role on one container opens that one only."""
    owner = BlobServiceClient(url("blob"), credential=Credential(azure.token), **options)
    mine, other = (owner.create_container(f"c{uuid.uuid4().hex[:8]}") for _ in range(2))
    service = BlobServiceClient(url("blob"), credential=Credential(app.token), **options)
    give(scene.STORAGE_ID, known.OWNER)
    with pytest.raises(HttpResponseError) as refused:
        service.get_container_client(mine.container_name).upload_blob("a", b"x")
    assert (refused.value.status_code, refused.value.error_code) == (403, "AuthorizationPermissionMismatch")
    give(f"{scene.STORAGE_ID}/blobServices/default/containers/{mine.container_name}", known.BLOB_DATA_CONTRIBUTOR)
    service.get_container_client(mine.container_name).upload_blob("a", b"x")
    with pytest.raises(HttpResponseError, match="not authorized to perform this operation using this permission"):
        service.get_container_client(other.container_name).upload_blob("a", b"x")


@pytest.mark.parametrize(
    ("resource", "version", "status", "code", "detail"),
    [
        ("https://management.azure.com/", "2021-12-02", 401, "InvalidAuthenticationInfo", "Audience did not match"),
        ("https://storage.azure.com/", "", 403, "AuthenticationFailed", "Bearer is not supported in this version"),
        ("https://storage.azure.com/", "2016-05-31", 403, "AuthenticationFailed", "Bearer is not supported in this version"),
        ("https://storage.azure.com/", "2021-12-02", 200, "", ""),
    ],
)
def test_a_token_for_storage_has_its_audience_and_its_version(
    azure: Client, resource: str, version: str, status: int, code: str, detail: str
) -> None:
    """401 and 403 in storage's words."""
    headers = {"Authorization": f"Bearer {azure.token(resource)}", **({"x-ms-version": version} if version else {})}
    answer = azure.session.get(f"{url('blob')}/?comp=list", headers=headers, timeout=30)
    assert answer.status_code == status, answer.text
    assert answer.headers.get("x-ms-error-code", "") == code
    assert detail in answer.text
    assert ("resource_id=https://storage.azure.com" in answer.headers.get("WWW-Authenticate", "")) is (status == 401)


@pytest.mark.parametrize("service", ["blob", "queue", "table"])
def test_an_account_that_takes_no_shared_keys_refuses_the_key_and_its_sas_and_takes_a_token(azure: Client, service: str) -> None:
    """As Azure documents `allowSharedKeyAccess: false`; it holds for each of the account's services."""
    change = {"properties": {"allowSharedKeyAccess": False}}
    assert azure.arm("PATCH", scene.STORAGE_ID, change, version="2023-05-01").status_code == 200
    tail = "/Tables" if service == "table" else "/?comp=list"
    versions = {"x-ms-version": "2021-12-02", "Accept": "application/json"}
    key = {"Authorization": f"SharedKey {scene.STORAGE_ACCOUNT}:c2lnbmVk"}
    signed = f"{url(service)}{tail}{'&' if '?' in tail else '?'}sv=2021-12-02&ss=bqt&srt=sco&sp=rl&se=2099-01-01&sig=c2lnbmVk"
    for answer in (
        azure.session.get(f"{url(service)}{tail}", headers=versions | key, timeout=30),
        azure.session.get(signed, headers=versions, timeout=30),
    ):
        assert (answer.status_code, answer.headers["x-ms-error-code"]) == (403, "KeyBasedAuthenticationNotPermitted")
    token = {"Authorization": f"Bearer {azure.token('https://storage.azure.com/')}"}
    assert azure.session.get(f"{url(service)}{tail}", headers=versions | token, timeout=30).status_code == 200


def test_what_a_user_delegation_key_signs_opens_what_its_identity_may(
    app: App, azure: Client, give: Callable[..., str], options: dict[str, Any]
) -> None:
    """Where the account takes no shared keys: the blob, letters and time that were signed, and while the role stands."""
    owner = BlobServiceClient(url("blob"), credential=Credential(azure.token), **options)
    mine = owner.create_container(f"c{uuid.uuid4().hex[:8]}").container_name
    service, now = BlobServiceClient(url("blob"), credential=Credential(app.token), **options), datetime.now(UTC)
    with pytest.raises(HttpResponseError) as refused:
        service.get_user_delegation_key(now, now + timedelta(hours=1))
    assert (refused.value.status_code, refused.value.error_code) == (403, "AuthorizationPermissionMismatch")
    give(scene.STORAGE_ID, known.OWNER)  # who may have a key, but not the data
    assert azure.arm("PATCH", scene.STORAGE_ID, {"properties": {"allowSharedKeyAccess": False}}, version="2023-05-01").ok
    with pytest.raises(HttpResponseError, match="InvalidXmlNodeValue"):
        service.get_user_delegation_key(now, now + timedelta(days=8))
    key = service.get_user_delegation_key(now - timedelta(minutes=5), now + timedelta(hours=1))

    def signed(blob: str = "", permission: str = "cw", hours: float = 1.0, tamper: str = "") -> str:
        shared: dict[str, Any] = {"account_name": scene.STORAGE_ACCOUNT, "container_name": mine, "user_delegation_key": key}
        shared |= {"permission": permission, "expiry": now + timedelta(hours=hours)}
        return (generate_blob_sas(blob_name=blob, **shared) if blob else generate_container_sas(**shared)) + tamper

    def ask(method: str, blob: str, sas: str, query: str = "") -> tuple[int, str]:
        headers = {"x-ms-blob-type": "BlockBlob", "x-ms-version": "2021-12-02"}
        where = f"{url('blob')}/{mine}/{blob}?{query}{sas}"
        answer = azure.session.request(method, where, data=b"x" if method == "PUT" else None, headers=headers, timeout=30)
        return answer.status_code, answer.headers.get("x-ms-error-code", "")

    assert ask("PUT", "other", signed()) == (403, "AuthorizationPermissionMismatch")
    given = give(scene.STORAGE_ID, known.BLOB_DATA_CONTRIBUTOR)
    assert ask("PUT", "a/b c", signed("a/b c")) == (201, "")
    assert ask("PUT", "other", signed()) == (201, "")
    assert ask("PUT", "d", signed(), "comp=block&blockid=MDAw&") == (201, "")
    assert ask("GET", "other", signed(permission="r")) == (200, "")
    assert ask("GET", "other", signed()) == (403, "AuthorizationPermissionMismatch")
    for wrong in (
        signed("a/b c"),
        signed(permission="cw").replace("sp=cw", "sp=rcw"),
        signed(hours=-1),
        signed().replace("sktid=", "sktid=0"),
    ):
        assert ask("PUT", "other", wrong) == (403, "AuthenticationFailed")
    azure.arm("DELETE", given, version="2022-04-01")
    assert ask("PUT", "other", signed()) == (403, "AuthorizationPermissionMismatch")


def test_the_control_route_replaces_what_it_names(azure: Client) -> None:
    """And refuses what it cannot read, changing nothing."""
    before = azure.control("GET", "roles")
    assert {one["title"] for one in before["assignments"]} >= {"Owner", "Storage Blob Data Contributor"}
    answer = requests.put(f"{azure.azure.control}/_control/roles", json={"assignments": [{"scope": S, "role": "x"}]}, timeout=30)
    assert answer.status_code == 400
    assert azure.control("GET", "roles") == before
    assert azure.control("PUT", "roles", {"assignments": []})["assignments"] == []
    assert azure.arm("GET", scene.GROUP_ID, version="2021-04-01").status_code == 403
