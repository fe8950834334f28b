"""Five calls of a Python client that openapi-generator made; writes a list of (call, what it gave, what was expected)."""

import json
import os
from pathlib import Path

from openapi_client import ApiClient, Configuration
from openapi_client.api import CleanUpApi, MicrosoftStorageApi, OperationsApi
from openapi_client.models import StorageStorageAccountsBody

settings = Configuration(host=os.environ["STEWARD"])
settings.api_key["key"] = os.environ["KEY"]
account = f"gen{os.environ['END']}"
body = {"location": os.environ["LOCATION"], "sku": {"name": "Standard_LRS"}, "kind": "StorageV2", "properties": {}}
policy = {"policies": [{"name": "old", "kind": "job", "staleWhen": {"olderThan": "P90D"}, "action": "tag", "tag": {"name": "a"}}]}
said: list[tuple[str, object, object]] = []
with ApiClient(settings) as client:
    storage = MicrosoftStorageApi(client)
    made = storage.storage_storage_accounts_put(account, StorageStorageAccountsBody.from_dict(body), prefer="wait=60")
    said.append(("put", made.to_dict()["name"], account))
    said.append(("get", storage.storage_storage_accounts_get(account).name, account))
    said.append(("list", account in [each.name for each in storage.storage_storage_accounts_list().value], True))
    newest = OperationsApi(client).operations_list(top=1).value[0]
    said.append(("operations", (newest.status, newest.properties.target.rpartition("/")[2]), ("Succeeded", account)))
    checked = CleanUpApi(client).cleanup_policies_check(json.dumps(policy), name="p.yaml", _content_type="application/yaml")
    said.append(("check a file of policies", [each["name"] for each in checked.value], ["old"]))
    said.append(("delete", storage.storage_storage_accounts_delete(account, prefer="wait=60"), None))
Path(os.environ["ANSWER"]).write_text(json.dumps({"said": said}))
