"""Five calls of a Python client that openapi-python-client made; writes a list of (call, what it gave, what was expected)."""

import json
import os
from pathlib import Path

from azureml_steward_client import AuthenticatedClient
from azureml_steward_client.api.clean_up import cleanup_policies_check
from azureml_steward_client.api.microsoft_storage import (
    storage_storage_accounts_delete,
    storage_storage_accounts_get,
    storage_storage_accounts_list,
    storage_storage_accounts_put,
)
from azureml_steward_client.api.operations import operations_list
from azureml_steward_client.models import CleanupPoliciesCheckJsonBody, StorageStorageAccountsBody

client = AuthenticatedClient(
    base_url=os.environ["STEWARD"], token=os.environ["KEY"], prefix="", auth_header_name="x-functions-key", timeout=90
)
account = f"gen{os.environ['END']}"
body = {"location": os.environ["LOCATION"], "sku": {"name": "Standard_LRS"}, "kind": "StorageV2", "properties": {}}
policy = {"policies": [{"name": "old", "kind": "job", "staleWhen": {"olderThan": "P90D"}, "action": "tag", "tag": {"name": "a"}}]}
said: list[tuple[str, object, object]] = []
wanted = StorageStorageAccountsBody.from_dict(body)
made = storage_storage_accounts_put.sync_detailed(account, client=client, body=wanted, prefer="wait=60")
said.append(("put", (int(made.status_code), made.parsed.to_dict()["name"]), (200, account)))
said.append(("get", storage_storage_accounts_get.sync(account, client=client).name, account))
said.append(("list", account in [each.name for each in storage_storage_accounts_list.sync(client=client).value], True))
newest = operations_list.sync(client=client, top=1).value[0]
said.append(("operations", newest.to_dict()["status"], "Succeeded"))
checked = cleanup_policies_check.sync(client=client, body=CleanupPoliciesCheckJsonBody.from_dict(policy), name="p.yaml")
said.append(("check a file of policies", [each.to_dict()["name"] for each in checked.value], ["old"]))
gone = storage_storage_accounts_delete.sync_detailed(account, client=client, prefer="wait=60")
said.append(("delete", int(gone.status_code), 204))
Path(os.environ["ANSWER"]).write_text(json.dumps({"said": said}))
