"""What is refused of a datastore: an account or a key that does not fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.local.emulator.machine_learning import scope
from infra.local.emulator.refusal import LEARN, Proof, Refusal

if TYPE_CHECKING:
    from infra.local.emulator.world import World

ROWS: tuple[Refusal, ...] = (
    Refusal(name="account of a datastore missing", status=400, code="UserError", inner="StorageAccountNotFound",
        message="The storage account '{}' was not found."),
    Refusal(name="key of a datastore wrong", status=400, code="UserError", inner="InvalidCredentials",
        message="The key does not open the storage account '{}'."),
    Refusal(name="key where shared keys are off", status=400, code="UserError", inner="KeyBasedAuthenticationNotPermitted",
        message="Key based authentication is not permitted on this storage account.", proof=Proof.CODE,
        source=f"{LEARN}storage/common/shared-key-authorization-prevent"),
    Refusal(name="deletion of the default datastore", status=400, code="UserError", inner="DefaultDatastore",
        message="The default datastore of a workspace cannot be deleted."),
    Refusal(name="secrets of a datastore without credentials", status=400, code="UserError", inner="NoCredentials",
        message="The datastore has no credentials."),
)  # fmt: skip

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
