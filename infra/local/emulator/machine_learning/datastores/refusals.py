"""What is refused of a datastore: an account or a key that does not fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.local.emulator.machine_learning import scope

if TYPE_CHECKING:
    from infra.local.emulator.world import World

ACCOUNTS = "microsoft.storage/storageaccounts"


def check(world: World, properties: dict[str, Any], secret: dict[str, Any]) -> None:
    """The account must be there, and the key must open it."""
    if properties["datastoreType"] not in {"AzureBlob", "AzureDataLakeGen2", "AzureFile"}:
        return
    account = scope.text_of(properties, "accountName")
    try:
        keys = world.storage.keys(account.lower())
    except KeyError:
        raise scope.invalid(f"The storage account '{account}' was not found.", "StorageAccountNotFound") from None
    found = next((one for one in world.resources.of_type(ACCOUNTS) if one.name.lower() == account.lower()), None)
    if secret["secretsType"] == "AccountKey" and found is not None and found.properties.get("allowSharedKeyAccess") is False:
        text = "Key based authentication is not permitted on this storage account."
        raise scope.invalid(text, "KeyBasedAuthenticationNotPermitted")
    if secret["secretsType"] == "AccountKey" and secret.get("key") not in keys:
        raise scope.invalid(f"The key does not open the storage account '{account}'.", "InvalidCredentials")
