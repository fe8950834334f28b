"""The key vault of a customer-managed key: checked against the documented requirements before the workspace is sent.

Soft delete and purge protection, the same region, and get, wrap and unwrap for the identity that reads the key. Not here: the
other checks of a preflight.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from shared.catalog import bodies, needs
from shared.preflight import access
from shared.preflight.findings import Finding, Question, rows_of, unknown
from shared.rest import errors, ids

if TYPE_CHECKING:
    from collections.abc import Iterator

CHECK = "vault"
IDENTITY = "properties.encryption.identity.userAssignedIdentity"


def check(question: Question) -> Iterator[Finding]:
    """Yield which requirements the vault meets; nothing when the body names no vault."""
    named = bodies.dig(question.body, f"{needs.ENCRYPTION}.keyVaultArmId")
    if not isinstance(named, str) or not named:
        return
    try:
        vault_id = ids.parse(named)
    except errors.BadRequestError as problem:
        yield Finding.of(CHECK, problem.error, target=named)
        return
    answer = question.get(vault_id, needs.REFERENCE_VERSIONS["microsoft.keyvault/vaults"])
    if not answer.ok or not isinstance(answer.body, dict):
        if answer.status != 404:  # the check of references reports that it does not exist
            yield unknown(CHECK, vault_id.path, answer.error())
        return
    vault, properties, at = answer.body, answer.body.get("properties"), vault_id.path
    if not isinstance(properties, dict):
        yield Finding(check=CHECK, target=at, ok=None, code="Unknown", message="Azure does not show the vault's settings.")
        return
    # Old answers of Azure omit enableSoftDelete, which can no longer be disabled: only false means that it is off.
    yield _row(at, ok=properties.get("enableSoftDelete") is not False, code="SoftDeleteOff", what="Soft delete is on.")
    yield _row(at, ok=properties.get("enablePurgeProtection") is True, code="PurgeProtectionOff", what="Purge protection is on.")
    region = str(vault.get("location") or "").replace(" ", "").lower()
    yield _row(at, ok=region == question.location, code="OtherRegion", what="The vault is in the workspace's region.")
    yield _key(question, vault_id)
    yield _access(question, at, properties)


def _row(target: str, *, ok: bool, code: str, what: str) -> Finding:
    message = what if ok else f"This requirement is not met: {what}"
    return Finding(check=CHECK, target=target, ok=ok, code="Ok" if ok else code, message=message)


def _key(question: Question, vault_id: ids.ResourceId) -> Finding:
    """Check that the key's URL names the vault: `https://{vault}.vault.azure.net/keys/{key}/{version}`."""
    address = str(bodies.dig(question.body, f"{needs.ENCRYPTION}.keyIdentifier") or "")
    parts = urlsplit(address)
    ok = (parts.hostname or "").split(".")[0] == vault_id.name.lower() and parts.path.lower().startswith("/keys/")
    return _row(address or "keyIdentifier", ok=ok, code="KeyOfOtherVault", what=f"The key is in the vault {vault_id.name}.")


def _access(question: Question, at: str, properties: dict[str, Any]) -> Finding:
    principal, identity = _reader(question)
    if identity and not principal:
        message = f"The principal of {identity} could not be read."
        return Finding(check=CHECK, target=at, ok=None, code="Unknown", message=message)
    if properties.get("enableRbacAuthorization"):
        return _role(question, at, principal)
    able = {str(policy.get("objectId", "")).lower() for policy in rows_of(properties, "accessPolicies") if _grants(policy)}
    wanted = "get, wrapKey and unwrapKey on keys"
    if principal:
        return _row(at, ok=principal in able, code="NoKeyAccess", what=f"An access policy grants the identity {wanted}.")
    if not able:
        return _row(at, ok=False, code="NoKeyAccess", what=f"An access policy grants Azure Cosmos DB {wanted}.")
    message = f"An access policy grants {wanted}; ARM does not show whether it is Azure Cosmos DB's."
    return Finding(check=CHECK, target=at, ok=None, code="Unknown", message=message)


def _reader(question: Question) -> tuple[str, str]:
    """Return principal and id of the identity that reads the key; both '' for Azure Cosmos DB: ARM hides its principal."""
    identity = bodies.dig(question.body, IDENTITY)
    if not isinstance(identity, str) or not identity:
        return "", ""
    version = needs.REFERENCE_VERSIONS["microsoft.managedidentity/userassignedidentities"]
    return str(bodies.dig(question.get(ids.parse(identity), version).body, "properties.principalId") or "").lower(), identity


def _role(question: Question, at: str, principal: str) -> Finding:
    """Check a vault with Azure RBAC: whether the reader's roles allow what an access policy would grant."""
    wanted = "read, wrap and unwrap of keys (Key Vault Crypto Service Encryption User has them)"
    allowed = access.holds(question, at, needs.KEY_DATA_ACTIONS, principal)
    if allowed is None:
        message = f"The vault uses Azure RBAC, and not all role assignments could be evaluated; required: {wanted}."
    elif allowed and not principal:
        message = f"A role on the vault allows {wanted}; ARM does not show whether it is Azure Cosmos DB's."
    else:
        whose = "the identity" if principal else "Azure Cosmos DB"
        return _row(at, ok=allowed, code="NoKeyAccess", what=f"A role allows {whose} {wanted}.")
    return Finding(check=CHECK, target=at, ok=None, code="Unknown", message=message)


def _grants(policy: dict[str, Any]) -> bool:
    listed = bodies.dig(policy, "permissions.keys")
    granted = {str(each).lower() for each in listed} if isinstance(listed, list) else set()
    return "all" in granted or granted >= needs.KEY_PERMISSIONS
