"""What is refused of a workspace: at once, and in its operation."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from infra.local.emulator import web
from infra.local.emulator.arm import refusals
from infra.local.emulator.arm.dependencies import refusals as dependencies_refusals
from infra.local.emulator.refusal import ERRORS, GITHUB, LEARN, NAMES, RECORDED, SPEC, Moment, Proof, Refusal
from infra.local.emulator.resources import type_of

if TYPE_CHECKING:
    from infra.local.emulator.world import World

ROWS: tuple[Refusal, ...] = (
    Refusal(name="workspace name invalid", status=400, code="ValidationError", message="The workspace name '{}' is invalid: {}",
        source=NAMES),
    Refusal(name="workspace without dependencies", status=400, code="ValidationError",
        message="Missing dependent resources in workspace json", proof=Proof.TEXT, source=f"{GITHUB}Azure/azure-cli/issues/28980"),
    Refusal(name="workspace soft-deleted", status=400, code="BadRequest",
        message="Soft-deleted workspace exists. Please purge or recover it. https://aka.ms/wsoftdelete",
        source=f"{LEARN}machine-learning/concept-soft-delete"),
    Refusal(name="dependency missing", status=400, code="InvalidResourceReference", message=(
            "Resource {} referenced by resource {} was not found. Please make sure that the referenced resource exists, and that "
            "both resources are in the same region."
        ), proof=Proof.CODE, source=ERRORS),
    Refusal(name="dependency is no id", status=400, code="LinkedInvalidPropertyId", message=(
            "Property id '{}' at path '{}' is invalid. Expect fully qualified resource Id that start with "
            "'/subscriptions/{subscriptionId}' or '/providers/{resourceProviderNamespace}/'."
        ), proof=Proof.CODE, source=ERRORS),
    Refusal(name="dependency of another type", status=400, code="ValidationError",
        message="The property {} must be the id of a {}, not of a {}."),
    Refusal(name="workspace without identity", status=400, code="ValidationError",
        message="The workspace needs an identity. Make sure to create your workspace using a client which support MSI."),
    Refusal(name="identity type unknown", status=400, code="ValidationError", message="The identity type '{}' is not supported.",
        source=SPEC),
    Refusal(name="user-assigned identity missing", status=404, code="UserAssignedIdentityNotFound",
        message="The identity '{}' was not found.", proof=Proof.CODE, source=RECORDED),
    Refusal(name="storage account of a workspace changed", status=400, code="ValidationError",
        message="The property storageAccount of a workspace cannot be changed.",
        source=f"{LEARN}machine-learning/how-to-manage-workspace"),
    Refusal(name="workspace busy", status=409, code="Conflict", inner="ResourceOperationInProgress",
        message="Another operation on same entity is already running. Entity: {}, state: {}. {}"),
    Refusal(name="workspace not ready for children", status=409, code="Conflict", inner="WorkspaceNotReady",
        message="The workspace '{}' {}; nothing can be created in it now."),
    Refusal(name="workspace on an account that is not ready", status=200, code="BadRequest", moment=Moment.OPERATION,
        message="Conflict response body: {}StorageAccountIsNotProvisioned{}", proof=Proof.CODE,
        source=f"{GITHUB}Azure/azure-service-operator/pull/3087"),
    Refusal(name="workspace on a hierarchical account", status=200, code="BadRequest", moment=Moment.OPERATION,
        message="Cannot use storage with HNS enabled.", proof=Proof.TEXT, source=f"{GITHUB}microsoft/AzureTRE/issues/1920"),
    Refusal(name="registry without admin user", status=200, code="BadRequest", moment=Moment.OPERATION,
        inner="ContainerRegistryAdminUserDisabled", message="The container registry '{}' does not have its admin user enabled, {}",
        source=f"{GITHUB}MicrosoftDocs/azure-docs/issues/69632"),
    Refusal(name="customer-managed key without a vault", status=200, code="CustomerManagedKeyInvalid", moment=Moment.OPERATION,
        message="The key vault '{}' of the customer-managed key was not found, {}",
        source=f"{LEARN}machine-learning/concept-customer-managed-keys"),
    Refusal(name="provider of a workspace not registered", status=409, code="MissingSubscriptionRegistration", message=(
            "The subscription is not registered to use namespace '{}'. See https://aka.ms/rps-not-found for how to register "
            "subscriptions."
        ), source=f"{LEARN}machine-learning/how-to-manage-workspace#resource-provider-errors"),
    Refusal(name="project without hub", status=400, code="ValidationError",
        message="A workspace of kind Project needs the hubResourceId of an existing hub."),
)  # fmt: skip

DEPENDENCIES = {
    "storageAccount": "microsoft.storage/storageaccounts",
    "keyVault": "microsoft.keyvault/vaults",
    "applicationInsights": "microsoft.insights/components",
    "containerRegistry": "microsoft.containerregistry/registries",
}

# "Resource provider errors"
PROVIDERS = ("Microsoft.Storage", "Microsoft.KeyVault", "Microsoft.ContainerRegistry")
OF_OWN_KEYS = ("Microsoft.DocumentDB", "Microsoft.Search")
OF_MANAGED_NETWORKS = ("Microsoft.Network",)

REQUIRED = ("storageAccount", "keyVault", "applicationInsights")


def validation(message: str) -> web.Refused:
    """400 `ValidationError`, as the workspace service says it."""
    details = [{"code": "Invalid", "message": message, "target": "workspace"}]
    return web.Refused(web.arm_error(400, "ValidationError", message, target="workspace", details=details))


def check_dependencies(world: World, arm_id: str, properties: dict[str, Any], kind: str = "default") -> None:
    """What a workspace of this kind stands on must be named and there."""
    required = REQUIRED if kind == "default" else REQUIRED[:2]  # hubs, projects and feature stores do without insights
    if any(not properties.get(name) for name in required):
        raise validation("Missing dependent resources in workspace json")
    check_references(world, arm_id, properties)


def check_providers(world: World, arm_id: str, properties: dict[str, Any]) -> None:
    """What Azure ML makes or uses for a new workspace comes from providers that the subscription has registered."""
    network, encryption = (properties.get(name) for name in ("managedNetwork", "encryption"))
    isolated = isinstance(network, dict) and str(network.get("isolationMode") or "Disabled").lower() != "disabled"
    own_keys = isinstance(encryption, dict) and str(encryption.get("status") or "").lower() == "enabled"
    refusals.check_registered(
        world, arm_id, *PROVIDERS, *(OF_OWN_KEYS if own_keys else ()), *(OF_MANAGED_NETWORKS if isolated else ())
    )


def check_references(world: World, arm_id: str, properties: dict[str, Any]) -> None:
    """Each id must name a finished resource of the right type."""
    for name, wanted in DEPENDENCIES.items():
        value = properties.get(name)
        if not value:
            continue
        if not isinstance(value, str) or not re.fullmatch(
            r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/.+", value, re.IGNORECASE
        ):
            raise refusals.linked_id_invalid(str(value), f"properties.{name}")
        if type_of(value) != wanted:
            raise validation(f"The property {name} must be the id of a {wanted}, not of a {type_of(value)}.")
        linked = world.resources.get(value)
        if linked is None:
            raise refusals.linked_missing(value, arm_id)


def operation_error(world: World, properties: dict[str, Any]) -> dict[str, Any] | None:
    """What is wrong with the neighbours; the request is accepted all the same, and Azure reports it in the operation."""
    return account_error(world, properties) or key_error(world, properties.get("encryption")) or registry_error(world, properties)


def account_error(world: World, properties: dict[str, Any]) -> dict[str, Any] | None:
    """What is wrong with the storage account; another service's refusal is quoted whole, as text."""
    account = world.resources.get(str(properties.get("storageAccount") or ""))
    if account is None:
        return None
    try:
        dependencies_refusals.check_provisioned(account)
    except web.Refused as refused:
        message = f"Conflict response body: {json.dumps(json.loads(refused.response.body))}"
    else:
        if not account.properties.get("isHnsEnabled"):
            return None
        message = "Cannot use storage with HNS enabled."
    return {"code": "BadRequest", "message": message, "details": [], "additionalInfo": []}


def registry_error(world: World, properties: dict[str, Any]) -> dict[str, Any] | None:
    """The registry must have its admin user."""
    registry = world.resources.get(str(properties.get("containerRegistry") or ""))
    if registry is None or registry.properties.get("adminUserEnabled"):
        return None
    message = (
        f"The container registry '{registry.name}' does not have its admin user enabled, which the workspace needs to pull and "
        "push images. Enable the admin user (properties.adminUserEnabled) and try again."
    )
    details = [{"code": "ContainerRegistryAdminUserDisabled", "message": message, "target": "containerRegistry"}]
    return {"code": "BadRequest", "message": message, "target": "workspace", "details": details, "additionalInfo": []}


def key_error(world: World, encryption: Any) -> dict[str, Any] | None:
    """What is wrong with the vault of a customer-managed key; the operation reports it, as it does the registry's admin user."""
    if not isinstance(encryption, dict) or str(encryption.get("status") or "").lower() != "enabled":
        return None
    given = encryption.get("keyVaultProperties") or {}
    vault = world.resources.get(str(given.get("keyVaultArmId") or "-"))
    if vault is None or not given.get("keyIdentifier"):
        message = f"The key vault '{given.get('keyVaultArmId')}' of the customer-managed key was not found, or no key is named."
    elif vault.properties.get("enableSoftDelete") is False or not vault.properties.get("enablePurgeProtection"):
        message = f"The key vault '{vault.name}' must have soft delete and purge protection enabled for a customer-managed key."
    else:
        return None
    return {"code": "CustomerManagedKeyInvalid", "message": message, "target": "encryption", "details": [], "additionalInfo": []}
