"""The management clients of what a workspace stands on, through the app: only URL and key are not Azure's own.

Writes a list of (call, what it gave, what was expected).
"""

import json
import os
from pathlib import Path

from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import HttpResponseError
from azure.core.pipeline.policies import AzureKeyCredentialPolicy
from azure.mgmt.applicationinsights import ApplicationInsightsManagementClient
from azure.mgmt.containerregistry import ContainerRegistryManagementClient
from azure.mgmt.keyvault import KeyVaultManagementClient
from azure.mgmt.resource.deployments import DeploymentsMgmtClient
from azure.mgmt.resource.resources import ResourceManagementClient
from azure.mgmt.storage import StorageManagementClient

steward, subscription, group, location, end = (os.environ[name] for name in ("STEWARD", "SUBSCRIPTION", "GROUP", "LOCATION", "END"))
KEY = AzureKeyCredential(os.environ["KEY"])
QUICK = {"polling_interval": 0}
said: list[tuple[str, object, object]] = []


def client[T](kind: type[T]) -> T:
    """A client with the app's URL, which sends the app's key with every request, polls among them."""
    policy = AzureKeyCredentialPolicy(KEY, "x-functions-key")
    return kind(KEY, subscription, base_url=f"{steward}/arm", authentication_policy=policy)  # type: ignore[call-arg]


def refused(call) -> object:
    """The code of the refusal that a call ends with."""
    try:
        call()
    except HttpResponseError as problem:
        return problem.error.code if problem.error else problem.status_code
    return "went well"


storage = client(StorageManagementClient).storage_accounts
account = f"arm{end}"
question = {"name": account, "type": "Microsoft.Storage/storageAccounts"}
said.append(("storage.check_name_availability", storage.check_name_availability(question).name_available, True))
asked = {"location": location, "sku": {"name": "Standard_LRS"}, "kind": "StorageV2"}
made = storage.begin_create(group, account, asked, **QUICK).result()
said.append(("storage.begin_create", made.provisioning_state, "Succeeded"))
said.append(("storage.check_name_availability again", storage.check_name_availability(question).reason, "AlreadyExists"))
said.append(("storage.get_properties", storage.get_properties(group, account).name, account))
said.append(("storage.update", storage.update(group, account, {"tags": {"by": "arm"}}).tags, {"by": "arm"}))
said.append(("storage.list_keys", len(storage.list_keys(group, account).keys_property), 2))
said.append(("storage.list_by_resource_group", account in [one.name for one in storage.list_by_resource_group(group)], True))

vaults = client(KeyVaultManagementClient).vaults
vault = f"kv-{end}"
properties = {"tenantId": os.environ["AZURE_TENANT_ID"], "sku": {"family": "A", "name": "standard"}, "accessPolicies": []}
made = vaults.begin_create_or_update(group, vault, {"location": location, "properties": properties}, **QUICK).result()
said.append(("vaults.begin_create_or_update", made.name, vault))
said.append(("vaults.get", vaults.get(group, vault).properties.vault_uri.startswith(f"https://{vault}."), True))
said.append(("vaults.list_by_resource_group", vault in [one.name for one in vaults.list_by_resource_group(group)], True))
question = {"name": vault, "type": "Microsoft.KeyVault/vaults"}
said.append(("vaults.check_name_availability", vaults.check_name_availability(question).reason, "AlreadyExists"))

registries = client(ContainerRegistryManagementClient).registries
registry = f"acr{end}"
body = {"location": location, "sku": {"name": "Basic"}, "properties": {"adminUserEnabled": True}}
said.append(("registries.begin_create", registries.begin_create(group, registry, body, **QUICK).result().name, registry))
said.append(("registries.get", registries.get(group, registry).login_server, f"{registry}.azurecr.io"))
said.append(("registries.list_credentials", registries.list_credentials(group, registry).username, registry))
question = {"name": registry, "type": "Microsoft.ContainerRegistry/registries"}
said.append(("registries.check_name_availability", registries.check_name_availability(question).name_available, False))

insights = client(ApplicationInsightsManagementClient).components
body = {"location": location, "kind": "web", "properties": {"Application_Type": "web"}}
component = insights.create_or_update(group, f"ai-{end}", body)
said.append(("components.create_or_update", bool(component.connection_string), True))
said.append(("components.get", insights.get(group, f"ai-{end}").id, component.id))

resources = client(ResourceManagementClient)
said.append(("resource_groups.check_existence", resources.resource_groups.check_existence(group), True))
said.append(("resource_groups.check_existence none", resources.resource_groups.check_existence("none"), False))
said.append(("resource_groups.get", resources.resource_groups.get(group).name, group))
said.append(("resource_groups.list", group in [one.name for one in resources.resource_groups.list()], True))
said.append(("providers.get", resources.providers.get("Microsoft.Storage").namespace, "Microsoft.Storage"))
ours = [one.name for one in resources.resources.list_by_resource_group(group, filter=f"substringof('{end}', name)")]
said.append(("resources.list_by_resource_group", sorted(ours), sorted([account, vault, registry, f"ai-{end}"])))
web = f"resourceType eq 'Microsoft.Insights/components' and name eq 'ai-{end}'"
said.append(("resources.list", [one.name for one in resources.resources.list(filter=web)], [f"ai-{end}"]))
by_id, version = resources.resources, "2023-05-01"
store = f"/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Storage/storageAccounts/{account}"
said.append(("resources.get_by_id", by_id.get_by_id(store, api_version=version).name, account))
said.append(("resources.check_existence_by_id", by_id.check_existence_by_id(store, api_version=version), True))
said.append(("resources.check_existence_by_id none", by_id.check_existence_by_id(f"{store}x", api_version=version), False))
other, asked = f"{store}b", {"location": location, "sku": {"name": "Standard_LRS"}, "kind": "StorageV2"}
made = by_id.begin_create_or_update_by_id(other, asked, api_version=version, **QUICK).result()
said.append(("resources.begin_create_or_update_by_id", made.name, f"{account}b"))
made = by_id.begin_update_by_id(other, {"tags": {"by": "id"}}, api_version=version, **QUICK).result()
said.append(("resources.begin_update_by_id", made.tags, {"by": "id"}))
said.append(("resources.begin_delete_by_id", by_id.begin_delete_by_id(other, api_version=version, **QUICK).result(), None))
said.append(
    (
        "resources.get_by_id old version",
        refused(lambda: by_id.get_by_id(store, api_version="2001-01-01")),
        "NoRegisteredProviderFound",
    )
)
said.append(("resources.get_by_id none", refused(lambda: by_id.get_by_id(f"{store}x", api_version=version)), "ResourceNotFound"))

deployments = client(DeploymentsMgmtClient).deployments
said.append(
    ("deployments.list_by_resource_group", [one.name for one in deployments.list_by_resource_group(group) if end in one.name], [])
)
said.append(("deployments.check_existence", deployments.check_existence(group, "none"), False))
said.append(("deployments.get none", refused(lambda: deployments.get(group, "none")), "DeploymentNotFound"))
asked = {"properties": {"mode": "Incremental", "template": {}}}
said.append(
    (
        "deployments.begin_create_or_update",
        refused(lambda: deployments.begin_create_or_update(group, "no", asked)),
        "MethodNotAllowed",
    )
)

said.append(("storage.delete", storage.delete(group, account), None))
said.append(("vaults.delete", vaults.delete(group, vault), None))
said.append(("registries.begin_delete", registries.begin_delete(group, registry, **QUICK).result(), None))
Path(os.environ["ANSWER"]).write_text(json.dumps({"said": said}, indent=1))
