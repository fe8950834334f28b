"""The generated management client reads what MLClient made, and starts, stops and deletes a compute instance."""

import json
import os
from pathlib import Path

from azure.identity import DefaultAzureCredential
from azure.mgmt.machinelearningservices import MachineLearningServicesMgmtClient

client = MachineLearningServicesMgmtClient(DefaultAzureCredential(), os.environ["SUBSCRIPTION"])
where = (os.environ["GROUP"], os.environ["WORKSPACE"])
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
Path(os.environ["ANSWER"]).write_text(
    json.dumps(
        {
            "name": workspace.name,
            "key": bool(keys.user_storage_key),
            "made": made.name,
            "stopped": stopped,
            "left": [one.name for one in operations.list_by_workspace(*where)],
        }
    )
)
