"""The scene: what exists in the local Azure at its start. Plain data; the demo and the tests read it too.

The ids and secrets are made up and worth nothing outside this machine.
"""

import base64
import hashlib

TENANT_ID = "11111111-1111-1111-1111-111111111111"
CLIENT_ID = "22222222-2222-2222-2222-222222222222"
CLIENT_SECRET = "local-secret~not-worth-stealing"  # noqa: S105 - opens nothing but the local Azure
OBJECT_ID = "33333333-3333-3333-3333-333333333333"
APP_CLIENT_ID = "66666666-6666-6666-6666-666666666666"  # the app's own: it holds what infra/azure gives it, nothing more
APP_CLIENT_SECRET = "local-secret~of-the-app"  # noqa: S105 - as above
APP_OBJECT_ID = "77777777-7777-7777-7777-777777777777"
APPLICATIONS = {CLIENT_ID: (CLIENT_SECRET, OBJECT_ID), APP_CLIENT_ID: (APP_CLIENT_SECRET, APP_OBJECT_ID)}
MANAGED_IDENTITY_CLIENT_ID = "44444444-4444-4444-4444-444444444444"
MANAGED_IDENTITY_OBJECT_ID = "55555555-5555-5555-5555-555555555555"
IDENTITY_HEADER = "local-identity-header"

SUBSCRIPTION_ID = "00000000-0000-0000-0000-000000000001"
SUBSCRIPTION_NAME = "Local Azure"
LAB_SUBSCRIPTION_ID = "00000000-0000-0000-0000-000000000002"  # no roles but those of otherSubscriptions (infra/azure)
SUBSCRIPTIONS = {SUBSCRIPTION_ID: SUBSCRIPTION_NAME, LAB_SUBSCRIPTION_ID: "Local Azure's lab"}
LOCATION = "westeurope"
RESOURCE_GROUP = "rg-steward"
RESOURCE_GROUPS = {RESOURCE_GROUP: LOCATION, "rg-analytics": "northeurope", "rg-sandbox": "eastus"}
LAB_GROUP = "rg-lab"

STORAGE_ACCOUNT = "stewardstorage"
KEY_VAULT = "steward-kv"
INSIGHTS = "steward-insights"
REGISTRY = "stewardacr"
REGISTRY_WITHOUT_ADMIN = "noadminacr"

GROUP_ID = f"/subscriptions/{SUBSCRIPTION_ID}/resourceGroups/{RESOURCE_GROUP}"
STORAGE_ID = f"{GROUP_ID}/providers/Microsoft.Storage/storageAccounts/{STORAGE_ACCOUNT}"
KEY_VAULT_ID = f"{GROUP_ID}/providers/Microsoft.KeyVault/vaults/{KEY_VAULT}"
INSIGHTS_ID = f"{GROUP_ID}/providers/Microsoft.Insights/components/{INSIGHTS}"
REGISTRY_ID = f"{GROUP_ID}/providers/Microsoft.ContainerRegistry/registries/{REGISTRY}"
REGISTRY_WITHOUT_ADMIN_ID = f"{GROUP_ID}/providers/Microsoft.ContainerRegistry/registries/{REGISTRY_WITHOUT_ADMIN}"
APP_ACCOUNT = "devstoreaccount1"  # Azurite's own: where the app keeps what it knows
APP_ACCOUNT_ID = f"{GROUP_ID}/providers/Microsoft.Storage/storageAccounts/{APP_ACCOUNT}"
EVENTS_QUEUE = "steward-events"
REGISTERED_PROVIDERS = (
    "Microsoft.Resources", "Microsoft.Storage", "Microsoft.KeyVault", "Microsoft.Insights", "Microsoft.ContainerRegistry",
    "Microsoft.MachineLearningServices", "Microsoft.Authorization", "Microsoft.EventGrid", "Microsoft.Notebooks",
    "Microsoft.ContainerService", "Microsoft.Network", "Microsoft.DocumentDB", "Microsoft.Search", "Microsoft.Cdn",
    "Microsoft.PolicyInsights",
)  # fmt: skip


def storage_keys(account: str) -> tuple[str, str]:
    """Both keys of a scene's account: the same at every start, so that Azurite's files stay readable."""
    first, second = (base64.b64encode(hashlib.sha512(f"local {n} {account}".encode()).digest()).decode() for n in (1, 2))
    return first, second


# Account name to "key1:key2", as AZURITE_ACCOUNTS wants it: the Azurite behind the local Azure must know these.
AZURITE_ACCOUNTS = {STORAGE_ACCOUNT: ":".join(storage_keys(STORAGE_ACCOUNT))}
