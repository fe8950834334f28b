"""The newest management clients of what a workspace stands on: made, listed, read, changed and deleted; names, tags, templates."""

import json
import os
from pathlib import Path

from azure.core.exceptions import HttpResponseError
from azure.identity import DefaultAzureCredential
from azure.mgmt.applicationinsights import ApplicationInsightsManagementClient
from azure.mgmt.containerregistry import ContainerRegistryManagementClient
from azure.mgmt.keyvault import KeyVaultManagementClient
from azure.mgmt.resource.deployments import DeploymentsMgmtClient
from azure.mgmt.resource.resources import ResourceManagementClient
from azure.mgmt.storage import StorageManagementClient

credential, subscription, group, location = (
    DefaultAzureCredential(),
    *(os.environ[name] for name in ("SUBSCRIPTION", "GROUP", "LOCATION")),
)
end = os.environ["WORKSPACE"][-6:]  # names of this run
QUICK = {"polling_interval": 0}
said: dict[str, object] = {}

storage = StorageManagementClient(credential, subscription)
account = f"mgmt{end}"
free = storage.storage_accounts.check_name_availability({"name": account, "type": "Microsoft.Storage/storageAccounts"})
asked = {"location": location, "sku": {"name": "Standard_LRS"}, "kind": "StorageV2"}
made = storage.storage_accounts.begin_create(group, account, asked, **QUICK).result()
taken = storage.storage_accounts.check_name_availability({"name": account, "type": "Microsoft.Storage/storageAccounts"})
said["storage"] = [
    free.name_available,
    made.provisioning_state,
    taken.reason,
    len(storage.storage_accounts.list_keys(group, account).keys_property),
    account in [one.name for one in storage.storage_accounts.list()],
]
storage.storage_accounts.delete(group, account)

vaults = KeyVaultManagementClient(credential, subscription).vaults
vault = f"kv-{end}"
properties = {"tenantId": os.environ["AZURE_TENANT_ID"], "sku": {"family": "A", "name": "standard"}, "accessPolicies": []}
vaults.begin_create_or_update(group, vault, {"location": location, "properties": properties}, **QUICK).result()
listed = [one.name for one in vaults.list_by_subscription()]
vaults.delete(group, vault)
held = vaults.check_name_availability({"name": vault, "type": "Microsoft.KeyVault/vaults"})
deleted = vaults.get_deleted(vault, location)
recover = {"location": location, "properties": {**properties, "createMode": "recover"}}
back = vaults.begin_create_or_update(group, vault, recover, **QUICK).result()
said["vault"] = [
    vault in listed,
    held.reason,
    deleted.properties.vault_id.endswith(vault),
    back.name,
    [one.name for one in vaults.list_deleted()],
]

registries = ContainerRegistryManagementClient(credential, subscription).registries
registry = f"acr{end}"
body = {"location": location, "sku": {"name": "Basic"}, "properties": {"adminUserEnabled": True}}
registries.begin_create(group, registry, body, **QUICK).result()
said["registry"] = [
    registries.get(group, registry).login_server,
    registries.list_credentials(group, registry).username,
    registries.check_name_availability({"name": registry, "type": "Microsoft.ContainerRegistry/registries"}).name_available,
]

insights = ApplicationInsightsManagementClient(credential, subscription).components
component = insights.create_or_update(
    group, f"ai-{end}", {"location": location, "kind": "web", "properties": {"Application_Type": "web"}}
)
said["insights"] = bool(component.connection_string)

resources = ResourceManagementClient(credential, subscription)
resources.tags.begin_create_or_update_at_scope(component.id, {"properties": {"tags": {"run": end}}}, **QUICK).result()
whose = f"resourceGroup eq '{group}' and resourceType eq 'Microsoft.Insights/components'"
said["resources"] = {
    "of type": f"ai-{end}" in [one.name for one in resources.resources.list(filter=whose, expand="createdTime")],
    "by part": [one.name for one in resources.resources.list_by_resource_group(group, filter=f"substringof('{end}', name)")],
    "tagged": [one.name for one in resources.resources.list(filter=f"tagName eq 'run' and tagValue eq '{end}'")],
    "exists": [
        resources.resources.check_existence_by_id(arm_id, api_version="2020-02-02")
        for arm_id in (component.id, f"{component.id}-none")
    ],
    "groups": [resources.resource_groups.check_existence(name) for name in (group, "none")],
    "tags": resources.tags.get_at_scope(component.id).properties.tags,
}

deployments = DeploymentsMgmtClient(credential, subscription).deployments
template = {
    "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
    "contentVersion": "1.0.0.0",
    "resources": [
        {"type": "Microsoft.Resources/resourceGroups", "apiVersion": "2021-04-01", "name": f"rg-{end}", "location": location}
    ],
    "outputs": {"where": {"type": "string", "value": "[deployment().location]"}},
}
asked = {"location": location, "properties": {"mode": "Incremental", "template": template}}
done = deployments.begin_create_or_update_at_subscription_scope(f"make-{end}", asked, **QUICK).result()
said["deployment"] = [
    done.properties.provisioning_state,
    done.properties.outputs["where"]["value"],
    deployments.check_existence_at_subscription_scope(f"make-{end}"),
    deployments.check_existence_at_subscription_scope("none"),
    deployments.export_template_at_subscription_scope(f"make-{end}").template["contentVersion"],
    resources.resource_groups.check_existence(f"rg-{end}"),
]
try:
    resources.resources.get_by_id(component.id, api_version="2001-01-01")
except HttpResponseError as refused:
    said["old version"] = refused.error.code
Path(os.environ["ANSWER"]).write_text(json.dumps(said, indent=1))
