"""azure-mgmt-machinelearningservices through the app: only URL and key are not Azure's own.

Writes a list of (call, what it gave, what was expected).
"""

import json
import os
from pathlib import Path

from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import HttpResponseError
from azure.core.pipeline.policies import AzureKeyCredentialPolicy
from azure.mgmt.machinelearningservices import MachineLearningServicesMgmtClient

steward, subscription, group, location, end = (os.environ[name] for name in ("STEWARD", "SUBSCRIPTION", "GROUP", "LOCATION", "END"))
KEY = AzureKeyCredential(os.environ["KEY"])
client = MachineLearningServicesMgmtClient(
    KEY, subscription, base_url=f"{steward}/arm", authentication_policy=AzureKeyCredentialPolicy(KEY, "x-functions-key")
)
QUICK = {"polling_interval": 0}
said: list[tuple[str, object, object]] = []
name = f"ws{end}"
where = (group, name)
body = {
    "location": location,
    "identity": {"type": "SystemAssigned"},
    "properties": json.loads(os.environ["DEPENDENCIES"]),
}
made = client.workspaces.begin_create_or_update(*where, body, **QUICK).result()
said.append(("workspaces.begin_create_or_update", made.name, name))
said.append(("workspaces.get", client.workspaces.get(*where).location, location))
said.append(
    ("workspaces.list_by_resource_group", name in [one.name for one in client.workspaces.list_by_resource_group(group)], True)
)
changed = client.workspaces.update(*where, {"tags": {"by": "client"}})
said.append(("workspaces.update", (getattr(changed, "tags", None) or {}).get("by"), "client"))
said.append(("workspaces.list_keys", bool(client.workspaces.list_keys(*where).user_storage_key), True))

compute = client.machine_learning_compute
cluster = {
    "location": location,
    "properties": {
        "computeType": "AmlCompute",
        "properties": {"vmSize": "STANDARD_DS2_V2", "scaleSettings": {"minNodeCount": 0, "maxNodeCount": 1}},
    },
}
made = compute.begin_create_or_update(*where, "cpu", cluster, **QUICK).result()
said.append(("compute.begin_create_or_update cluster", made.properties.provisioning_state, "Succeeded"))
instance = {"location": location, "properties": {"computeType": "ComputeInstance", "properties": {"vmSize": "STANDARD_DS2_V2"}}}
made = compute.begin_create_or_update(*where, f"ci{end}", instance, **QUICK).result()
said.append(("compute.begin_create_or_update instance", made.name, f"ci{end}"))
said.append(("compute.get", compute.get(*where, "cpu").properties.compute_type, "AmlCompute"))
said.append(
    ("compute.list_by_workspace", sorted(one.name for one in compute.list_by_workspace(*where)), sorted(["cpu", f"ci{end}"]))
)
said.append(("compute.stop", compute.stop(*where, f"ci{end}"), None))
try:
    compute.get(*where, "none")
except HttpResponseError as problem:
    said.append(("compute.get none", problem.status_code, 404))
done = compute.begin_delete(*where, "cpu", underlying_resource_action="Delete", **QUICK).result()
said.append(("compute.begin_delete", done, None))
said.append(("usages.list", len(list(client.usages.list(location))) > 0, True))
said.append(("virtual_machine_sizes.list", bool(client.virtual_machine_sizes.list(location).aml_compute), True))
said.append(("operations.list", len(list(client.operations.list())) > 0, True))
connection = {"properties": {"category": "ACR", "target": "t", "authType": "None"}}
said.append(("workspace_connections.create", bool(client.workspace_connections.create(*where, "api1", connection)), True))
said.append(("workspace_connections.list", len(list(client.workspace_connections.list(*where))), 1))
said.append(("workspaces.begin_delete", client.workspaces.begin_delete(*where, **QUICK).result(), None))
Path(os.environ["ANSWER"]).write_text(json.dumps({"said": said}, indent=1))
