"""How each refusal of the table is provoked: by the name of its row, a function from a client to the answer that refuses."""

from collections.abc import Callable
from typing import Any

import requests

from infra.local.emulator import scene
from tests.functional.emulator.bodies import ACCOUNT, CLUSTER, COMPONENT, INSTANCE, PLACE, REGISTRY, SCHEDULE, VAULT
from tests.functional.emulator.client import ARM, WORKSPACES, Client, until, workspace_body

type Provoke = Callable[[Client], requests.Response]

SUBSCRIPTION = f"/subscriptions/{scene.SUBSCRIPTION_ID}"
SANDBOX = f"{SUBSCRIPTION}/resourceGroups/rg-sandbox"
STORAGE_V, VAULT_V, ACR_V, GROUP_V, LOCK_V = "2023-05-01", "2023-07-01", "2023-07-01", "2022-09-01", "2016-09-01"
ENDPOINT = {**PLACE, "properties": {"authMode": "Key"}}
CURATED = "azureml://registries/azureml"
SERVED = {
    "endpointComputeType": "Managed",
    "instanceType": "Standard_DS3_v2",
    "environmentId": f"{CURATED}/environments/sklearn/versions/1",
    "codeConfiguration": {"codeId": f"{CURATED}/codes/score/versions/1", "scoringScript": "score.py"},
}
COMMAND = {"jobType": "Command", "command": "echo", "environmentId": f"{CURATED}/environments/sklearn/versions/1"}
PROVOKE: dict[str, Provoke] = {}


def provokes(name: str) -> Callable[[Provoke], Provoke]:
    """Decorator: this function provokes the row of that name."""

    def register(function: Provoke) -> Provoke:
        PROVOKE[name] = function
        return function

    return register


def provider(kind: str, name: str, group: str = scene.GROUP_ID) -> str:
    """The id of a neighbour."""
    return f"{group}/providers/{kind}/{name}"


def account(name: str, group: str = scene.GROUP_ID) -> str:
    """The id of a storage account."""
    return provider("Microsoft.Storage/storageAccounts", name, group)


def vault(name: str, group: str = scene.GROUP_ID) -> str:
    """The id of a vault."""
    return provider("Microsoft.KeyVault/vaults", name, group)


def acr(name: str) -> str:
    """The id of a container registry."""
    return provider("Microsoft.ContainerRegistry/registries", name)


def below(path: str, body: Any, method: str = "PUT") -> Provoke:
    """One request below a fresh workspace."""
    return lambda azure: azure.arm(method, f"{azure.workspace()}/{path}", body)


def plain(method: str, path: str, body: Any = None, **options: Any) -> Provoke:
    """One request."""
    return lambda azure: azure.arm(method, path, body, **options)


def workspace(change: dict[str, Any], properties: dict[str, Any]) -> Provoke:
    """A PUT of a workspace whose body differs so."""
    body = workspace_body()
    return plain("PUT", f"{WORKSPACES}/lab", {**body, "properties": {**body["properties"], **properties}, **change})


def polled(azure: Client, answer: requests.Response) -> requests.Response:
    """The status of what was accepted."""
    assert answer.status_code in {201, 202}, answer.text
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return azure.arm("GET", headers["azure-asyncoperation"])


def endpoint(azure: Client, *deployments: str, traffic: dict[str, int] | None = None, state: str = "Succeeded") -> str:
    """An endpoint with deployments that nothing serves: its id."""
    arm_id = f"{azure.workspace()}/onlineEndpoints/line"
    polled(azure, azure.arm("PUT", arm_id, ENDPOINT))
    properties = {"provisioningState": state, "endpointComputeType": "Kubernetes", "properties": {}}
    bodies = [
        {"location": scene.LOCATION, "sku": {"name": "Default", "capacity": 1}, "tags": {}, "properties": properties}
        for _ in deployments
    ]
    seeded = [{"id": f"{arm_id}/deployments/{name}", "body": body} for name, body in zip(deployments, bodies, strict=True)]
    azure.control("POST", "resources", seeded)
    if traffic:
        polled(azure, azure.arm("PUT", arm_id, {**PLACE, "properties": {"authMode": "Key", "traffic": traffic}}))
    return arm_id


def shares(**properties: Any) -> Provoke:
    """A PUT of an endpoint that has the deployments blue and green, with these shares."""

    def provoke(azure: Client) -> requests.Response:
        body = {**PLACE, "properties": {"authMode": "Key", **properties}}
        return azure.arm("PUT", endpoint(azure, "blue", "green"), body)

    return provoke


def deployment(properties: dict[str, Any], capacity: int = 1, name: str = "blue") -> Provoke:
    """A PUT of a deployment whose properties differ so."""
    body = {**PLACE, "sku": {"name": "Default", "capacity": capacity}, "properties": {**SERVED, **properties}}
    return lambda azure: azure.arm("PUT", f"{endpoint(azure)}/deployments/{name}", body)


def schedule(**trigger: Any) -> Provoke:
    """A PUT of a schedule with this trigger."""
    properties = {**SCHEDULE["properties"], "trigger": {"triggerType": "Cron", "expression": "0 0 * * *", **trigger}}
    return below("schedules/nightly", {"properties": properties})


def monitor(**change: Any) -> Provoke:
    """A PUT of a schedule that starts this monitor."""
    definition = {"computeConfiguration": {"computeType": "ServerlessSpark"}, **change}
    properties = {**SCHEDULE["properties"], "action": {"actionType": "CreateMonitor", "monitorDefinition": definition}}
    return below("schedules/watch", {"properties": properties})


def batch_endpoint(azure: Client) -> str:
    """A batch endpoint that is there."""
    arm_id = f"{azure.workspace()}/batchEndpoints/nightly"
    assert azure.arm("PUT", arm_id, {**PLACE, "properties": {}}).status_code == 201
    return arm_id


def batch_deployment(**properties: Any) -> Provoke:
    """A PUT of a batch deployment with these properties."""
    return lambda azure: azure.arm(
        "PUT", f"{batch_endpoint(azure)}/deployments/first", {**PLACE, "properties": {"compute": "cpu", **properties}}
    )


def job(**change: Any) -> Provoke:
    """A PUT of a job whose properties differ so."""
    return below("jobs/run-1", {"properties": {**COMMAND, **change}})


def tagged(tags: dict[str, str]) -> Provoke:
    """A PUT of a workspace with these tags."""
    return workspace({"tags": tags}, {})


# ── ARM's door ───────────────────────────────────────────────────────────────────────────────────────────────────────
def _bearer(azure: Client, header: str | None) -> requests.Response:
    headers = {"Authorization": header} if header else {}
    return azure.session.get(f"{ARM}{scene.GROUP_ID}?api-version={GROUP_V}", headers=headers, timeout=30)


@provokes("token expired")
def _expired(azure: Client) -> requests.Response:
    token = azure.token()
    azure.control("POST", "tokens", {"revoke": token})
    return _bearer(azure, f"Bearer {token}")


@provokes("too many requests")
def _throttled(azure: Client) -> requests.Response:
    azure.control("PUT", "limits", {"enforced": True, "reads": 1, "reads_per_s": 0.001})
    azure.arm("GET", scene.GROUP_ID, version=GROUP_V)
    return azure.arm("GET", scene.GROUP_ID, version=GROUP_V)


@provokes("resource group being deleted")
def _dying_group(azure: Client) -> requests.Response:
    azure.control("PUT", "transitions", {"resourceGroup": "polls:3"})
    azure.arm("DELETE", SANDBOX, version=GROUP_V)
    return azure.arm("PUT", account("stsandbox1", SANDBOX), ACCOUNT, version=STORAGE_V)


@provokes("provider not registered")
def _unregistered(azure: Client) -> requests.Response:
    azure.control("PUT", "providers", {"Microsoft.MachineLearningServices": "NotRegistered"})
    return azure.arm("PUT", f"{WORKSPACES}/lab", workspace_body())


def _without(namespace: str, method: str, path: str, body: Any) -> Provoke:
    """One request below a workspace that is there, in a subscription without a provider."""

    def provoke(azure: Client) -> requests.Response:
        arm_id = azure.workspace()
        azure.control("PUT", "providers", {namespace: "NotRegistered"})
        return azure.arm(method, f"{arm_id}{path}", body)

    return provoke


def _new_without(namespace: str, **properties: Any) -> Provoke:
    """A new workspace in a subscription without a provider."""

    def provoke(azure: Client) -> requests.Response:
        azure.control("PUT", "providers", {namespace: "NotRegistered"})
        body = workspace_body()
        return azure.arm("PUT", f"{WORKSPACES}/lab", {**body, "properties": {**body["properties"], **properties}})

    return provoke


PROVOKE |= {
    "provider of a compute not registered": _without("Microsoft.Notebooks", "PUT", "/computes/nb1", INSTANCE),
    "provider of a workspace not registered": _new_without("Microsoft.KeyVault"),
    "provider of a managed network not registered": _without(
        "Microsoft.Network", "PUT", "/outboundRules/pypi", {"properties": {"type": "FQDN", "destination": "pypi.org"}}
    ),
    "providers of an endpoint not registered": lambda azure: polled(
        azure, _without("Microsoft.Cdn", "PUT", "/onlineEndpoints/line", ENDPOINT)(azure)
    ),
}


@provokes("denied by policy")
def _denied(azure: Client) -> requests.Response:
    azure.control("PUT", "policies", [{"name": "no-public-workspaces", "match": '/workspaces/.*"publicNetworkAccess": "Enabled"'}])
    body = workspace_body()
    body["properties"]["publicNetworkAccess"] = "Enabled"
    return azure.arm("PUT", f"{WORKSPACES}/lab", body)


def _locked(azure: Client, level: str, method: str, body: Any = None) -> requests.Response:
    arm_id = azure.workspace()
    lock = f"{arm_id}/providers/Microsoft.Authorization/locks/stay"
    assert azure.arm("PUT", lock, {"properties": {"level": level}}, version=LOCK_V).status_code == 201
    return azure.arm(method, arm_id, body)


@provokes("status URL changed")
def _tampered(azure: Client) -> requests.Response:
    url = azure.arm("PATCH", azure.workspace(), {"tags": {}}).headers["Azure-AsyncOperation"]
    return azure.arm("GET", url.replace("&h=", "&h=x"))


@provokes("location changed")
def _moved(azure: Client) -> requests.Response:
    return azure.arm("PUT", azure.workspace(), {**workspace_body(), "location": "northeurope"})


PROVOKE |= {
    "token missing": lambda azure: _bearer(azure, None),
    "token unreadable": lambda azure: _bearer(azure, "Bearer no.token"),
    "token of another audience": lambda azure: _bearer(azure, f"Bearer {azure.token('https://vault.azure.net')}"),
    "api-version missing": plain("GET", scene.GROUP_ID, version=None),
    "api-version unknown to the type": plain("GET", f"{WORKSPACES}/lab", version="2018-01-01"),
    "api-version unknown to ARM": plain("GET", scene.GROUP_ID, version="1999-01-01"),
    "subscription malformed": plain("GET", "/subscriptions/mine/resourceGroups", version=GROUP_V),
    "subscription missing": plain("GET", "/subscriptions/00000000-0000-0000-0000-00000000dead/resourceGroups", version=GROUP_V),
    "resource group missing": plain("GET", f"{SUBSCRIPTION}/resourceGroups/none", version=GROUP_V),
    "provider unknown": plain("GET", provider("Contoso.Things/boxes", "b")),
    "type unknown": plain("GET", provider("Microsoft.MachineLearningServices/boxes", "b")),
    "body not JSON": plain("PUT", f"{WORKSPACES}/lab", "{location: westeurope"),
    "body too large": plain("PUT", f"{WORKSPACES}/lab", {"tags": {"a": "x" * (4 * 1024 * 1024)}}),
    "verb not supported": plain("POST", f"{WORKSPACES}/lab/schedules/s"),
    "resource missing": plain("GET", f"{WORKSPACES}/none"),
    "parent missing": plain("PUT", f"{WORKSPACES}/none/computes/cpu", CLUSTER),
    "location missing": workspace({"location": None}, {}),
    "location unknown": workspace({"location": "atlantis"}, {}),
    "location of a group unknown": plain("PUT", f"{SUBSCRIPTION}/resourceGroups/new", {"location": "atlantis"}, version=GROUP_V),
    "too many tags": tagged({f"tag{number}": "x" for number in range(51)}),
    "tag name too long": tagged({"n" * 513: "x"}),
    "tag name of a storage account too long": plain(
        "PUT", account("sttags"), {**ACCOUNT, "tags": {"n" * 129: "x"}}, version=STORAGE_V
    ),
    "tag name with reserved characters": tagged({"a/b": "x"}),
    "tag value too long": tagged({"owner": "x" * 257}),
    "reserved word in a name": plain("PUT", f"{WORKSPACES}/my-microsoft-lab", workspace_body()),
    "locked against deletion": lambda azure: _locked(azure, "CanNotDelete", "DELETE"),
    "locked against writes": lambda azure: _locked(azure, "ReadOnly", "PATCH", {"tags": {"a": "b"}}),
    "lock level unknown": plain(
        "PUT", f"{scene.GROUP_ID}/providers/Microsoft.Authorization/locks/l", {"properties": {"level": "Soft"}}, version=LOCK_V
    ),
    "lock missing": plain("GET", f"{scene.GROUP_ID}/providers/Microsoft.Authorization/locks/none", version=LOCK_V),
    "skip token unreadable": below("computes?$skipToken=!!", None, "GET"),
    "page size unreadable": below("computes?$top=many", None, "GET"),
}


# ── the neighbours ───────────────────────────────────────────────────────────────────────────────────────────────────
def _young_account(azure: Client) -> str:
    azure.control("PUT", "transitions", {"storageAccount": "polls:9"})
    assert azure.arm("PUT", account("styoung"), ACCOUNT, version=STORAGE_V).status_code == 202
    return account("styoung")


@provokes("workspace on an account that is not ready")
def _on_young_account(azure: Client) -> requests.Response:
    body = workspace_body()
    body["properties"]["storageAccount"] = _young_account(azure)
    return polled(azure, azure.arm("PUT", f"{WORKSPACES}/lab", body))


@provokes("workspace on a hierarchical account")
def _on_hierarchical_account(azure: Client) -> requests.Response:
    whole = {**ACCOUNT, "properties": {"isHnsEnabled": True}}
    assert azure.arm("PUT", account("sthns01"), whole, version=STORAGE_V).ok
    body = workspace_body()
    body["properties"]["storageAccount"] = account("sthns01")
    return polled(azure, azure.arm("PUT", f"{WORKSPACES}/lab", body))


@provokes("vault soft-deleted")
def _deleted_vault(azure: Client) -> requests.Response:
    for method in ("PUT", "DELETE"):
        assert azure.arm(method, vault("kv-once"), VAULT if method == "PUT" else None, version=VAULT_V).status_code == 200
    return azure.arm("PUT", vault("kv-once"), VAULT, version=VAULT_V)


@provokes("purge of a protected vault")
def _protected_vault(azure: Client) -> requests.Response:
    body = {**VAULT, "properties": {**VAULT["properties"], "enablePurgeProtection": True}}
    for method in ("PUT", "DELETE"):
        assert azure.arm(method, vault("kv-safe"), body if method == "PUT" else None, version=VAULT_V).status_code == 200
    place = f"/subscriptions/{scene.SUBSCRIPTION_ID}/providers/Microsoft.KeyVault/locations/{scene.LOCATION}/deletedVaults/kv-safe"
    return azure.arm("POST", f"{place}/purge", version=VAULT_V)


@provokes("deployment of a subscription moves")
def _moved_deployment(azure: Client) -> requests.Response:
    path = f"/subscriptions/{scene.SUBSCRIPTION_ID}/providers/Microsoft.Resources/deployments/main"
    body = {"location": "westeurope", "properties": {"mode": "Incremental", "template": {"resources": []}}}
    first = azure.arm("PUT", path, body, version="2022-09-01")
    assert azure.arm("GET", first.headers["Azure-AsyncOperation"]).json()["status"] == "Succeeded"
    return azure.arm("PUT", path, {**body, "location": "eastus"}, version="2022-09-01")


@provokes("storage account name taken")
def _taken_account(azure: Client) -> requests.Response:
    azure.control("PUT", "taken", ["stcontoso"])
    return azure.arm("PUT", account("stcontoso"), ACCOUNT, version=STORAGE_V)


def lacking(kind: str, name: str, version: str, body: dict[str, Any], *lost: str, **properties: Any) -> Provoke:
    """A PUT of a neighbour whose body lacks these members, or has these properties instead."""
    whole = {**body, "properties": {**body.get("properties", {}), **properties}}
    for path in lost:
        *above, last = path.split(".")
        inner = whole
        for part in above:
            inner[part] = inner = dict(inner[part])
        del inner[last]
    return plain("PUT", provider(kind, name), whole, version=version)


def _account_of(*lost: str, kind: str = "StorageV2", sku: str = "Standard_LRS") -> Provoke:
    body = {**ACCOUNT, "kind": kind, "sku": {"name": sku}}
    return lacking("Microsoft.Storage/storageAccounts", "stlacking", STORAGE_V, body, *lost)


def _vault_of(*lost: str, **properties: Any) -> Provoke:
    return lacking("Microsoft.KeyVault/vaults", "kv-lacking", VAULT_V, VAULT, *lost, **properties)


def _component_of(*lost: str) -> Provoke:
    return lacking("Microsoft.Insights/components", "insights-lacking", "2020-02-02", COMPONENT, *lost)


def _registry_of(*lost: str, sku: str = "Standard", **properties: Any) -> Provoke:
    body = {**REGISTRY, "sku": {"name": sku}}
    return lacking("Microsoft.ContainerRegistry/registries", "acrlacking", ACR_V, body, *lost, **properties)


def registered(namespace: str, then: Provoke) -> Provoke:
    """In a subscription where that provider is registered."""

    def provoke(azure: Client) -> requests.Response:
        azure.control("PUT", "providers", {namespace: "Registered"})
        return then(azure)

    return provoke


def _network_of(kind: str, name: str = "net", **properties: Any) -> Provoke:
    return registered("Microsoft.Network", lacking(f"Microsoft.Network/{kind}", name, "2023-09-01", PLACE, **properties))


PROVOKE |= {
    "storage account without kind": _account_of("kind"),
    "storage account without SKU": _account_of("sku"),
    "storage account of a kind that has no such SKU": _account_of(kind="BlockBlobStorage"),
    "blob account without access tier": _account_of(kind="BlobStorage"),
    "vault without access policies": _vault_of("properties.accessPolicies"),
    "vault with a permission that does not exist": _vault_of(
        accessPolicies=[{"tenantId": scene.TENANT_ID, "objectId": scene.OBJECT_ID, "permissions": {"keys": ["get", " list"]}}]
    ),
    "vault without tenant": _vault_of("properties.tenantId"),
    "vault whose tenant is no GUID": _vault_of(tenantId="contoso.onmicrosoft.com"),
    "vault without SKU": _vault_of("properties.sku"),
    "vault whose SKU has no family": _vault_of("properties.sku.family"),
    "component without properties": _component_of("properties"),
    "component without kind": _component_of("kind"),
    "component without application type": _component_of("properties.Application_Type"),
    "container registry without SKU": _registry_of("sku"),
    "container registry of an unknown SKU": _registry_of(sku="Huge"),
    "private container registry that is not Premium": _registry_of(publicNetworkAccess="Disabled"),
    "virtual network without addresses": _network_of("virtualNetworks"),
    "virtual network with an address that is no range": _network_of(
        "virtualNetworks", addressSpace={"addressPrefixes": ["10.1.0.0"]}
    ),
    "private endpoint whose connection has no name": _network_of(
        "privateEndpoints", privateLinkServiceConnections=[{"properties": {"groupIds": ["vault"]}}]
    ),
    "log workspace name invalid": registered(
        "Microsoft.OperationalInsights",
        lacking("Microsoft.OperationalInsights/workspaces", "Monitor_LAW01", "2023-09-01", PLACE),
    ),
    "name of another neighbour invalid": registered(
        "Microsoft.ManagedIdentity",
        lacking("Microsoft.ManagedIdentity/userAssignedIdentities", "x", "2023-01-31", PLACE),
    ),
    "filter of resources that cannot be read": plain(
        "GET", f"/subscriptions/{scene.SUBSCRIPTION_ID}/resources?$filter=kind eq 'web'", version="2022-09-01"
    ),
    "storage account name invalid": plain("PUT", account("My_Account"), ACCOUNT, version=STORAGE_V),
    "storage account in another group": plain("PUT", account(scene.STORAGE_ACCOUNT, SANDBOX), ACCOUNT, version=STORAGE_V),
    "keys of an account that is not ready": lambda azure: azure.arm("POST", f"{_young_account(azure)}/listKeys", version=STORAGE_V),
    "storage account busy": lambda azure: azure.arm("PUT", _young_account(azure), ACCOUNT, version=STORAGE_V),
    "vault name invalid": plain("PUT", vault("kv--twice"), VAULT, version=VAULT_V),
    "vault name taken": plain("PUT", vault(scene.KEY_VAULT_ID.rpartition("/")[2], SANDBOX), VAULT, version=VAULT_V),
    "container registry name invalid": plain("PUT", acr("my-registry"), REGISTRY, version=ACR_V),
    "container registry name taken": plain("PUT", scene.REGISTRY_ID.replace(scene.GROUP_ID, SANDBOX), REGISTRY, version=ACR_V),
    "passwords of a registry without admin user": plain(
        "POST", f"{scene.REGISTRY_WITHOUT_ADMIN_ID}/listCredentials", version=ACR_V
    ),
    "role assignment missing": plain(
        "GET", f"{scene.GROUP_ID}/providers/Microsoft.Authorization/roleAssignments/none", version="2022-04-01"
    ),
}


# ── workspaces ───────────────────────────────────────────────────────────────────────────────────────────────────────
@provokes("workspace soft-deleted")
def _deleted_workspace(azure: Client) -> requests.Response:
    arm_id = azure.workspace()
    polled(azure, azure.arm("DELETE", arm_id))
    return azure.arm("PUT", arm_id, workspace_body())


@provokes("workspace busy")
def _busy_workspace(azure: Client) -> requests.Response:
    arm_id = azure.workspace()
    azure.control("PUT", "transitions", {"workspace": "polls:5"})
    azure.arm("PATCH", arm_id, {"tags": {"a": "b"}})
    return azure.arm("PATCH", arm_id, {"tags": {"a": "c"}})


@provokes("workspace not ready for children")
def _young_workspace(azure: Client) -> requests.Response:
    azure.control("PUT", "transitions", {"workspace": "polls:5"})
    azure.arm("PUT", f"{WORKSPACES}/lab", workspace_body())
    return azure.arm("PUT", f"{WORKSPACES}/lab/computes/cpu", CLUSTER)


@provokes("storage account of a workspace changed")
def _changed_account(azure: Client) -> requests.Response:
    arm_id, body = azure.workspace(), workspace_body()
    azure.arm("PUT", account("stother"), ACCOUNT, version=STORAGE_V)
    body["properties"]["storageAccount"] = account("stother")
    return azure.arm("PUT", arm_id, body)


@provokes("customer-managed key without a vault")
def _key_without_vault(azure: Client) -> requests.Response:
    key = {"status": "Enabled", "keyVaultProperties": {"keyVaultArmId": vault("kv-none"), "keyIdentifier": "https://k/keys/a/1"}}
    return polled(azure, workspace({}, {"encryption": key})(azure))


PROVOKE |= {
    "workspace name invalid": plain("PUT", f"{WORKSPACES}/x", workspace_body()),
    "workspace without dependencies": workspace({"properties": {}}, {}),
    "dependency missing": workspace({}, {"storageAccount": account("stnone")}),
    "dependency is no id": workspace({}, {"keyVault": "steward-kv"}),
    "dependency of another type": workspace({}, {"keyVault": scene.STORAGE_ID}),
    "workspace without identity": workspace({"identity": None}, {}),
    "identity type unknown": workspace({"identity": {"type": "Managed"}}, {}),
    "user-assigned identity missing": workspace(
        {
            "identity": {
                "type": "UserAssigned",
                "userAssignedIdentities": {provider("Microsoft.ManagedIdentity/userAssignedIdentities", "none"): {}},
            }
        },
        {},
    ),
    "registry without admin user": lambda azure: polled(
        azure, workspace({}, {"containerRegistry": scene.REGISTRY_WITHOUT_ADMIN_ID})(azure)
    ),
    "project without hub": workspace({"kind": "Project"}, {}),
}


# ── computes ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def cluster(inner: dict[str, Any], name: str = "cpu", **properties: Any) -> Provoke:
    """A PUT of a cluster whose body differs so; None takes a member away."""
    body = {**CLUSTER["properties"]["properties"], **inner}
    kept = {key: value for key, value in body.items() if value is not None}
    whole = {"computeType": "AmlCompute", **properties, "properties": kept}
    return below(f"computes/{name}", {**PLACE, "properties": {key: value for key, value in whole.items() if value is not None}})


def made(azure: Client, body: dict[str, Any]) -> str:
    """A compute that there is: its id."""
    arm_id = f"{azure.workspace()}/computes/machine"
    polled(azure, azure.arm("PUT", arm_id, body))
    return arm_id


@provokes("VM size changed")
def _resized(azure: Client) -> requests.Response:
    body = {**CLUSTER, "properties": {"computeType": "AmlCompute", "properties": {"vmSize": "Standard_D2", "scaleSettings": {}}}}
    return azure.arm("PUT", made(azure, CLUSTER), body)


@provokes("compute busy")
def _busy_compute(azure: Client) -> requests.Response:
    arm_id = made(azure, CLUSTER)
    azure.control("PUT", "transitions", {"compute": "polls:5"})
    azure.arm("PUT", arm_id, CLUSTER)
    return azure.arm("PUT", arm_id, CLUSTER)


def _short(azure: Client, cores: int) -> requests.Response:
    azure.control("PUT", "limits", {"vm_quota_cores": cores})
    return cluster({"vmSize": "Standard_D4", "scaleSettings": {"minNodeCount": 1, "maxNodeCount": 2}})(azure)


@provokes("cluster that got no quota")
def _short_cluster(azure: Client) -> requests.Response:
    polled(azure, _short(azure, 4))
    return azure.arm("GET", f"{WORKSPACES}/lab/computes/cpu")


@provokes("no quota in all")
def _short_in_all(azure: Client) -> requests.Response:
    azure.control("PUT", "limits", {"vm_quota_cores": 10})
    other = {"vmSize": "Standard_DS3_v2", "currentNodeCount": 1}
    body = {"location": scene.LOCATION, "properties": {"computeType": "AmlCompute", "properties": other}}
    azure.control("POST", "resources", [{"id": f"{WORKSPACES}/other/computes/cpu", "body": body}])
    wanted = {"vmSize": "Standard_D4", "scaleSettings": {"minNodeCount": 1, "maxNodeCount": 2}}
    return polled(azure, cluster(wanted)(azure))


@provokes("instance name taken in the region")
def _taken_instance(azure: Client) -> requests.Response:
    made(azure, INSTANCE)
    return azure.arm("PUT", f"{azure.workspace('other')}/computes/machine", INSTANCE)


@provokes("restart of a stopped instance")
def _restarted(azure: Client) -> requests.Response:
    arm_id = made(azure, INSTANCE)
    polled(azure, azure.arm("POST", f"{arm_id}/stop"))
    return azure.arm("POST", f"{arm_id}/restart")


_DOES_NOTHING = {"computeStartStop": [{"status": "Enabled", "triggerType": "Cron", "cron": {"expression": "0 18 * * *"}}]}
PROVOKE |= {
    "compute name invalid": cluster({}, name="cpu-7"),
    "compute type missing": cluster({}, computeType=None),
    "compute type unknown": cluster({}, computeType="Mainframe"),
    "schedule of an instance without an action": below(
        "computes/box",
        {"properties": {"computeType": "ComputeInstance", "properties": {"vmSize": "Standard_DS1_v2", "schedules": _DOES_NOTHING}}},
    ),
    "VM size unknown": cluster({"vmSize": "Standard_Huge"}),
    "VM size missing": cluster({"vmSize": None, "vmsize": "Standard_D1"}),
    "scale settings invalid": cluster({"scaleSettings": {"minNodeCount": 4, "maxNodeCount": 1}}),
    "instance without public address": below(
        "computes/machine",
        {
            **PLACE,
            "properties": {
                "computeType": "ComputeInstance",
                "properties": {"vmSize": "Standard_DS1_v2", "enableNodePublicIp": False},
            },
        },
    ),
    "compute missing": below("computes/none", None, "GET"),
    "no quota for a cluster's nodes": lambda azure: polled(azure, _short(azure, 4)),
    "start of a cluster": lambda azure: azure.arm("POST", f"{made(azure, CLUSTER)}/start"),
    "idle time out of range": lambda azure: azure.arm(
        "POST", f"{made(azure, INSTANCE)}/updateIdleShutdownSetting", {"idleTimeBeforeShutdown": "PT5M"}
    ),
}


# ── endpoints ────────────────────────────────────────────────────────────────────────────────────────────────────────
@provokes("endpoint name taken in the region")
def _taken_endpoint(azure: Client) -> requests.Response:
    endpoint(azure)
    return azure.arm("PUT", f"{azure.workspace('other')}/onlineEndpoints/line", ENDPOINT)


@provokes("endpoint busy")
def _busy_endpoint(azure: Client) -> requests.Response:
    arm_id = endpoint(azure)
    azure.control("PUT", "transitions", {"onlineEndpoint": "polls:5"})
    azure.arm("PUT", arm_id, ENDPOINT)
    return azure.arm("PUT", arm_id, ENDPOINT)


@provokes("too many endpoints in the region")
def _many_endpoints(azure: Client) -> requests.Response:
    arm_id = endpoint(azure)
    azure.control("PUT", "limits", {"endpoints": 1})
    return azure.arm("PUT", arm_id.replace("onlineEndpoints/line", "batchEndpoints/nightly"), {**PLACE, "properties": {}})


@provokes("traffic of a failed deployment")
def _failed_traffic(azure: Client) -> requests.Response:
    arm_id = endpoint(azure, "blue", state="Failed")
    return azure.arm("PUT", arm_id, {**PLACE, "properties": {"authMode": "Key", "traffic": {"blue": 100}}})


@provokes("deployment on an endpoint that is not ready")
def _early_deployment(azure: Client) -> requests.Response:
    arm_id = endpoint(azure)
    azure.control("PUT", "transitions", {"onlineEndpoint": "polls:5"})
    azure.arm("PUT", arm_id, ENDPOINT)
    return azure.arm("PUT", f"{arm_id}/deployments/blue", {**PLACE, "properties": SERVED})


def _many_deployments(azure: Client, limit: str) -> requests.Response:
    arm_id = endpoint(azure, "blue")
    azure.control("PUT", "limits", {limit: 1})
    return azure.arm("PUT", f"{arm_id}/deployments/green", {**PLACE, "properties": SERVED})


@provokes("deletion of a deployment with traffic")
def _deleted_with_traffic(azure: Client) -> requests.Response:
    arm_id = endpoint(azure, "blue", traffic={"blue": 100})
    return polled(azure, azure.arm("DELETE", f"{arm_id}/deployments/blue"))


@provokes("container that crashes")
def _crash(azure: Client) -> requests.Response:
    first = deployment({"instanceType": "Standard_DS2_v2"})(azure)
    assert first.status_code == 201, first.text
    last = [first]

    def ended() -> bool:
        last.append(azure.arm("GET", first.headers["azure-asyncoperation"]))
        return str(last[-1].json()["status"]) in {"Succeeded", "Failed"}

    until(ended)
    return last[-1]


@provokes("deployment without code")
def _no_driver(azure: Client) -> requests.Response:
    arm_id = endpoint(azure)
    environment = f"{arm_id.partition('/onlineEndpoints/')[0]}/environments/plain/versions/1"
    assert azure.arm("PUT", environment, {"properties": {"image": "docker.io/python"}}).ok
    properties = {**SERVED, "environmentId": environment, "codeConfiguration": None}
    return azure.arm("PUT", f"{arm_id}/deployments/blue", {**PLACE, "properties": properties})


@provokes("serverless endpoint name taken")
def _taken_serverless(azure: Client) -> requests.Response:
    body = {**PLACE, "properties": {"modelSettings": {"modelId": f"{CURATED}/models/m"}}}
    for home in (azure.workspace(), azure.workspace("other")):
        answer = azure.arm("PUT", f"{home}/serverlessEndpoints/llama", body, version="2024-04-01")
    return answer


PROVOKE |= {
    "endpoint name invalid": below("onlineEndpoints/7up", ENDPOINT),
    "endpoint auth mode unknown": below("onlineEndpoints/line", {**PLACE, "properties": {"authMode": "Password"}}),
    "endpoint identity unknown": below("onlineEndpoints/line", {**ENDPOINT, "identity": {"type": "Managed"}}),
    "traffic does not sum to 100": shares(traffic={"blue": 60, "green": 50}),
    "traffic of an unknown deployment": shares(traffic={"red": 100}),
    "more than half mirrored": shares(traffic={"blue": 100}, mirrorTraffic={"green": 60}),
    "two mirrors": shares(mirrorTraffic={"blue": 10, "green": 10}),
    "mirror with live traffic": shares(traffic={"blue": 100}, mirrorTraffic={"blue": 10}),
    "token of an endpoint opened by keys": lambda azure: azure.arm("POST", f"{endpoint(azure)}/token"),
    "deployment name invalid": deployment({}, name="7up"),
    "no quota for a deployment and its reserve": deployment({}, capacity=25),
    "instance type unknown": deployment({"instanceType": "Standard_Huge"}),
    "no instances": deployment({}, capacity=0),
    "too many instances": deployment({}, capacity=51),
    "too many deployments of an endpoint": lambda azure: _many_deployments(azure, "deployments_per_endpoint"),
    "too many deployments in the region": lambda azure: _many_deployments(azure, "deployments"),
    "deployment without environment": deployment({"environmentId": None}),
    "model of a deployment unknown": deployment({"model": "azureml:none:1"}),
    "batch endpoint name invalid": below("batchEndpoints/7up", {**PLACE, "properties": {}}),
    "batch endpoint with an empty tag": below("batchEndpoints/nightly", {**PLACE, "properties": {}, "tags": {"owner": ""}}),
    "batch endpoint patched with an empty tag": lambda azure: azure.arm("PATCH", batch_endpoint(azure), {"tags": {"owner": ""}}),
    "configuration of a batch deployment unknown": batch_deployment(
        deploymentConfiguration={"deploymentConfigurationType": "PipelineComponents"}
    ),
    "reference to a model of an unknown type": batch_deployment(model={"referenceType": "Name", "assetId": "azureml:m:1"}),
    "scale of a deployment unknown": deployment({"scaleSettings": {"scaleType": "Automatic"}}),
    "default deployment unknown": below(
        "batchEndpoints/nightly", {**PLACE, "properties": {"defaults": {"deploymentName": "none"}}}
    ),
}


# ── schedules and jobs ───────────────────────────────────────────────────────────────────────────────────────────────
@provokes("deletion of an enabled schedule")
def _enabled_schedule(azure: Client) -> requests.Response:
    arm_id = f"{azure.workspace()}/schedules/nightly"
    polled(azure, azure.arm("PUT", arm_id, {"properties": {**SCHEDULE["properties"], "isEnabled": True}}))
    return polled(azure, azure.arm("DELETE", arm_id))


def _run(azure: Client, status: str) -> str:
    home = azure.workspace()
    run = {"workspace": home, "run": "run-1", "status": status, "days": 1, "definition": {"command": "echo"}}
    azure.control("POST", "runs", [run])
    return f"{home}/jobs/run-1"


PROVOKE |= {
    "schedule without trigger": below("schedules/nightly", {"properties": {"action": SCHEDULE["properties"]["action"]}}),
    "cron expression of six fields": schedule(expression="0 0 0 * * *"),
    "cron expression that NCrontab does not read": schedule(expression="0 0 L * *"),
    "time zone unknown": schedule(timeZone="Atlantis Standard Time"),
    "frequency unknown": schedule(triggerType="Recurrence", frequency="Fortnight", interval=1),
    "job name used": lambda azure: azure.arm("PUT", _run(azure, "Completed"), {"properties": {**COMMAND, "command": "other"}}),
    "job name invalid": below("jobs/run:1", {"properties": COMMAND}),
    "job type unknown": job(jobType="Quantum"),
    "input of a job of an unknown type": job(inputs={"rows": {"jobInputType": "uri_foldr", "uri": "azureml:rows:1"}}),
    "output of a job of an unknown type": job(outputs={"model": {"jobOutputType": "folder"}}),
    "identity of a job of an unknown type": job(identity={"identityType": "ManagedIdentity"}),
    "distribution of a sweep's trials unknown": job(
        jobType="Sweep", trial={**COMMAND, "distribution": {"distributionType": "Horovod"}}
    ),
    "webhook of a job's notifications of an unknown type": job(notificationSetting={"webhooks": {"w": {"webhookType": "Teams"}}}),
    "entry of a Spark job of an unknown type": job(jobType="Spark", entry={"sparkJobEntryType": "Python", "file": "main.py"}),
    "input of a pipeline's job of an unknown type": job(
        jobType="Pipeline", jobs={"a": {"inputs": {"rows": {"job_input_type": "folder", "uri": "azureml:rows:1"}}}}
    ),
    "signal of a monitor unknown": monitor(signals={"drift": {"signalType": "Drift"}}),
    "input of a scheduled job of an unknown type": below(
        "schedules/nightly",
        {
            "properties": {
                **SCHEDULE["properties"],
                "action": {
                    "actionType": "CreateJob",
                    "jobDefinition": {**COMMAND, "inputs": {"rows": {"jobInputType": "csv", "uri": "azureml:rows:1"}}},
                },
            }
        },
    ),
    "job without command": job(command=""),
    "compute of a job unknown": job(computeId="none"),
    "environment of a job unknown": job(environmentId="azureml:none:1"),
    "code of a job unknown": job(codeId="azureml:none:1"),
    "deletion of a job that runs": lambda azure: azure.arm("DELETE", _run(azure, "Running")),
    "job missing": below("jobs/none", None, "GET"),
}


# ── assets and the rest ──────────────────────────────────────────────────────────────────────────────────────────────
def _twice(path: str, first: dict[str, Any], second: dict[str, Any]) -> Provoke:
    def provoke(azure: Client) -> requests.Response:
        arm_id = f"{azure.workspace()}/{path}"
        assert azure.arm("PUT", arm_id, {"properties": first}).status_code == 201
        return azure.arm("PUT", arm_id, {"properties": second})

    return provoke


def datastore(**change: Any) -> Provoke:
    """A PUT of a datastore whose properties differ so."""
    key = {"credentialsType": "AccountKey", "secrets": {"secretsType": "AccountKey", "key": "AAAA"}}
    properties = {
        "datastoreType": "AzureBlob",
        "accountName": scene.STORAGE_ACCOUNT,
        "containerName": "azureml",
        "credentials": key,
    }
    return below("datastores/mine", {"properties": {**properties, **change}})


@provokes("key where shared keys are off")
def _shared_keys_off(azure: Client) -> requests.Response:
    change = {"properties": {"allowSharedKeyAccess": False}}
    assert azure.arm("PATCH", scene.STORAGE_ID, change, version=STORAGE_V).status_code == 200
    return datastore()(azure)


@provokes("secrets of a datastore without credentials")
def _no_secrets(azure: Client) -> requests.Response:
    assert datastore(credentials={"credentialsType": "None"})(azure).status_code == 201
    return azure.arm("POST", f"{WORKSPACES}/lab/datastores/mine/listSecrets")


@provokes("registry name taken")
def _taken_registry(azure: Client) -> requests.Response:
    body = {"location": scene.LOCATION, "identity": {"type": "SystemAssigned"}, "properties": {}}
    for group in (scene.GROUP_ID, SANDBOX):
        answer = azure.arm("PUT", provider("Microsoft.MachineLearningServices/registries", "shared", group), body)
    return answer


@provokes("outbound rule that the isolation mode does not take")
def _open_network(azure: Client) -> requests.Response:
    properties = {**workspace_body()["properties"], "managedNetwork": {"isolationMode": "AllowInternetOutbound"}}
    rule = {"properties": {"type": "FQDN", "destination": "pypi.org"}}
    return azure.arm("PUT", f"{azure.workspace(properties=properties)}/outboundRules/r", rule)


_FIRST = {"dataType": "uri_file", "dataUri": "azureml://datastores/workspaceblobstore/paths/a.csv"}
PROVOKE |= {
    "data version changed": _twice("data/d/versions/1", _FIRST, {**_FIRST, "dataUri": _FIRST["dataUri"].replace("a.csv", "b.csv")}),
    "environment version changed": _twice("environments/e/versions/1", {"image": "a"}, {"image": "b"}),
    "files of a model missing": below(
        "models/m/versions/1", {"properties": {"modelUri": "azureml://datastores/workspaceblobstore/paths/none"}}
    ),
    "asset without its files": below("data/d/versions/1", {"properties": {"dataType": "uri_file"}}),
    "asset name invalid": below("data/-d/versions/1", {"properties": _FIRST}),
    "asset missing": below("models/m/versions/1", None, "GET"),
    "account of a datastore missing": datastore(accountName="stnone"),
    "key of a datastore wrong": datastore(),
    "deletion of the default datastore": below("datastores/workspaceblobstore", None, "DELETE"),
    "connection without category": below("connections/c", {"properties": {"authType": "None", "target": "https://x"}}),
    "connection of an unknown authType": below(
        "connections/c", {"properties": {"category": "AzureOpenAI", "authType": "Key", "target": "https://x"}}
    ),
    "environment name reserved": below("environments/AzureML-mine/versions/1", {"properties": {"image": "a"}}),
    "conda file that is no text": below(
        "environments/e/versions/1", {"properties": {"image": "a", "condaFile": {"dependencies": ["pip"]}}}
    ),
    "connection missing": below("connections/none", None, "GET"),
    "outbound rule of unknown type": below("outboundRules/r", {"properties": {"type": "Tunnel", "destination": "x"}}),
    "registry missing": plain("GET", provider("Microsoft.MachineLearningServices/registries", "none")),
}


# ── event subscriptions ──────────────────────────────────────────────────────────────────────────────────────────────
def _subscription(azure: Client, kind: str, **properties: Any) -> requests.Response:
    azure.control("PUT", "providers", {"Microsoft.EventGrid": "Registered"})
    path = f"{scene.GROUP_ID}/providers/Microsoft.EventGrid/eventSubscriptions/news"
    body = {"properties": {"destination": {"endpointType": kind, "properties": properties}}}
    return azure.arm("PUT", path, body, version="2022-06-15")


def _ended(azure: Client, answer: requests.Response) -> requests.Response:
    """The status of a subscription, once its handshake is over."""
    status = polled(azure, answer)
    until(lambda: azure.arm("GET", answer.headers["Azure-AsyncOperation"]).json()["status"] != "InProgress", seconds=60)
    return azure.arm("GET", answer.headers["Azure-AsyncOperation"]) if status.ok else status


PROVOKE |= {
    "destination of unknown type": lambda azure: _subscription(azure, "Pigeon"),
    "queue of an event subscription missing": lambda azure: _ended(
        azure, _subscription(azure, "StorageQueue", resourceId=scene.STORAGE_ID, queueName="absent")
    ),
    "webhook that does not answer the handshake": lambda azure: _ended(
        azure, _subscription(azure, "WebHook", endpointUrl="https://absent.contoso.com/hook")
    ),
}


@provokes("value for a folder of a component")
def _value_for_a_folder(azure: Client) -> requests.Response:
    home = azure.workspace()
    rows = {"rows": {"type": "uri_folder"}}
    spec = {"name": "c", "version": "1", "type": "command", "command": "ls", "environment": "azureml:e:1", "inputs": rows}
    assert azure.arm("PUT", f"{home}/components/c/versions/1", {"properties": {"componentSpec": spec}}).status_code == 201
    bound = {"job_input_type": "literal", "value": "${{parent.inputs.seed}}"}
    step = {"type": "command", "componentId": f"{home}/components/c/versions/1", "inputs": {"rows": bound}}
    given = {"seed": {"jobInputType": "literal", "value": "0"}}
    body = {"properties": {"jobType": "Pipeline", "inputs": given, "jobs": {"one": step}}}
    return azure.arm("PUT", f"{home}/jobs/one", body)
