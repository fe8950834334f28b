"""The generated management client reads what MLClient made, handles a compute instance, and calls each of its operation groups.

Its api-version is 2020-08-01, which has groups that later ones folded into others.
"""

import json
import os
from pathlib import Path

from azure.identity import DefaultAzureCredential
from azure.mgmt.machinelearningservices import MachineLearningServicesMgmtClient

client = MachineLearningServicesMgmtClient(DefaultAzureCredential(), os.environ["SUBSCRIPTION"])
where = (os.environ["GROUP"], os.environ["WORKSPACE"])
location = os.environ["LOCATION"]
workspace = client.workspaces.get(*where)
keys = client.workspaces.list_keys(*where)
body = {
    "location": workspace.location,
    "properties": {"computeType": "ComputeInstance", "properties": {"vmSize": "STANDARD_DS2_V2"}},
}
operations = client.machine_learning_compute
made = operations.begin_create_or_update(*where, "ci-mgmt-a", body).result()
operations.stop(*where, "ci-mgmt-a")
stopped = operations.get(*where, "ci-mgmt-a").properties.properties.state
operations.begin_delete(*where, "ci-mgmt-a", underlying_resource_action="Delete").result()
client.workspaces.update(*where, {"tags": {"by": "management"}})
client.workspace_connections.create(*where, "api", {"properties": {"category": "ACR", "target": "t", "authType": "None"}})
groups = {
    "operations": client.operations.list(),
    "workspaces": client.workspaces.list_by_resource_group(where[0]),
    "all workspaces": client.workspaces.list_by_subscription(),
    "workspace_features": client.workspace_features.list(*where),
    "usages": client.usages.list(location),
    "virtual_machine_sizes": client.virtual_machine_sizes.list(location).aml_compute,
    "quotas": client.quotas.list(location),
    "workspace_connections": client.workspace_connections.list(*where),
    "machine_learning_compute": operations.list_by_workspace(*where),
    "private_link_resources": client.private_link_resources.list_by_workspace(*where).value,
    "skus": client.list_skus(),
}
found = {name: len(list(group)) for name, group in groups.items()}
client.workspace_connections.delete(*where, "api")
prepared = client.notebooks.begin_prepare(*where).result()
Path(os.environ["ANSWER"]).write_text(
    json.dumps(
        {
            "name": workspace.name,
            "key": bool(keys.user_storage_key),
            "made": made.name,
            "stopped": stopped,
            "left": [one.name for one in operations.list_by_workspace(*where)],
            "tags": client.workspaces.get(*where).tags.get("by"),
            "found": found,
            "notebook": bool(prepared.fqdn),
        }
    )
)
