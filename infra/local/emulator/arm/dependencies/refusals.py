"""The refusals of dependencies, as rows: what Azure says, when, and who says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.local.emulator.arm import refusals
from infra.local.emulator.arm.dependencies import state
from infra.local.emulator.refusal import ACCOUNTS, GITHUB, LEARN, NAMES, Proof, Refusal

if TYPE_CHECKING:
    from infra.local.emulator.resources import Resource
    from infra.local.emulator.world import World


_STORAGE = "https://learn.microsoft.com/rest/api/storagerp/srp_error_codes_common"
_CREATE_ACCOUNT = "https://learn.microsoft.com/rest/api/storagerp/storage-accounts/create"
_CREATE_VAULT = "https://learn.microsoft.com/rest/api/keyvault/keyvault/vaults/create-or-update"
_CREATE_COMPONENT = "https://learn.microsoft.com/rest/api/application-insights/components/create-or-update"
ROWS: tuple[Refusal, ...] = (
    Refusal(name="storage account name invalid", status=400, code="AccountNameInvalid", message=(
            "{} is not a valid storage account name. Storage account name must be between 3 and 24 characters in length and use "
            "numbers and lower-case letters only."
        ), proof=Proof.TEXT, source=ACCOUNTS),
    Refusal(name="storage account in another group", status=409, code="StorageAccountInAnotherResourceGroup",
        message="The account {} is already in another resource group in this subscription.", proof=Proof.TEXT, source=ACCOUNTS),
    Refusal(name="storage account name taken", status=409, code="StorageAccountAlreadyTaken",
        message="The storage account named {} is already taken.", proof=Proof.TEXT, source=ACCOUNTS),
    Refusal(name="keys of an account that is not ready", status=409, code="StorageAccountIsNotProvisioned",
        message="The storage account provisioning state must be 'Succeeded' before executing the operation.", proof=Proof.TEXT,
        source=_STORAGE),
    Refusal(name="storage account busy", status=409, code="StorageAccountOperationInProgress",
        message="An operation is currently performing on this storage account that requires exclusive access.",
        proof=Proof.CODE, source=_STORAGE),
    Refusal(name="vault name invalid", status=400, code="VaultNameNotValid", message=(
            "The vault name '{}' is invalid. A vault's name must be between 3-24 alphanumeric characters. The name must begin with "
            "a letter, end with a letter or digit, and not contain consecutive hyphens. Follow this link for more information: "
            "https://go.microsoft.com/fwlink/?linkid=2147742"
        ), proof=Proof.TEXT, source=f"{GITHUB}cristianoag/microsoft-teams-apps-company-communicator/issues/28"),
    Refusal(name="vault name taken", status=409, code="VaultAlreadyExists",
        message="The vault name '{}' is already in use. Vault names are globally unique {}", proof=Proof.TEXT,
        source=f"{GITHUB}Esri/arcgis-gitops/issues/174"),
    Refusal(name="vault soft-deleted", status=409, code="ConflictError", message=(
            "A vault with the same name already exists in deleted state. You need to either recover or purge existing key vault. "
            "Follow this link https://go.microsoft.com/fwlink/?linkid=2149745 for more information on soft delete."
        ), proof=Proof.TEXT, source=f"{GITHUB}alan-turing-institute/data-safe-haven/issues/2523"),
    Refusal(name="purge of a protected vault", status=405, code="MethodNotAllowed",
        message="Operation 'DeletedVaultPurge' is not allowed.", proof=Proof.TEXT, source="https://stackoverflow.com/a/64094916"),
    Refusal(name="container registry name invalid", status=400, code="InvalidResourceName", message=(
            "{} is not a valid name. Registry names may contain only alpha numeric characters and must be between 5 and 50 {}"
        ), source=NAMES),
    Refusal(name="container registry name taken", status=409, code="AlreadyInUse", message=(
            "The registry DNS name {}.azurecr.io is already in use. You can check if the name is already claimed using following "
            "API: https://docs.microsoft.com/en-us/rest/api/containerregistry/registries/checknameavailability"
        ), proof=Proof.TEXT, source=f"{GITHUB}MicrosoftDocs/azure-dev-docs/issues/1303"),
    Refusal(name="passwords of a registry without admin user", status=400, code="UnAuthorizedForCredentialOperations",
        message="Cannot perform credential operations for {} as admin user is disabled. {}", proof=Proof.TEXT,
        source=f"{GITHUB}hashicorp/terraform-provider-azurerm/issues/21440"),
    Refusal(name="storage account without kind", status=400, code="AccountPropertyIsInvalid",
        message="Account property kind is invalid for the request.", proof=Proof.TEXT,
        source=f"{GITHUB}kubernetes/kubernetes/issues/65845"),
    Refusal(name="storage account without SKU", status=400, code="AccountPropertyIsInvalid",
        message="Account property sku is invalid for the request.", source=_CREATE_ACCOUNT),
    Refusal(name="storage account of a kind that has no such SKU", status=400, code="InvalidValuesForRequestParameters",
        message="Values for request parameters are invalid: kind, sku.", proof=Proof.TEXT,
        source=f"{GITHUB}hashicorp/terraform-provider-azurerm/issues/8089"),
    Refusal(name="blob account without access tier", status=400, code="MissingRequiredAccountProperty",
        message="Account property accessTier is required for the request.", proof=Proof.TEXT,
        source=f"{GITHUB}Azure/bicep-types-az/issues/2115"),
    Refusal(name="vault without access policies", status=400, code="BadRequest",
        message="The parameter accessPolicies is not specified.", proof=Proof.TEXT,
        source=f"{GITHUB}Azure/azure-sdk-for-net/issues/28677"),
    Refusal(name="vault with a permission that does not exist", status=400, code="BadRequest",
        message="An invalid value was provided for 'accessPolicies'.", proof=Proof.TEXT,
        source=f"{GITHUB}Azure/azure-libraries-for-net/issues/361"),
    Refusal(name="vault without tenant", status=400, code="BadRequest", message="The parameter tenantId is not specified.",
        source=_CREATE_VAULT),
    Refusal(name="vault whose tenant is no GUID", status=400, code="BadRequest",
        message="An invalid value was provided for 'tenantId'.", source=_CREATE_VAULT),
    Refusal(name="vault without SKU", status=400, code="BadRequest", message="The parameter sku is not specified.",
        source=_CREATE_VAULT),
    Refusal(name="vault whose SKU has no family", status=400, code="BadRequest",
        message="The parameter sku.family is not specified.", source=f"{GITHUB}Azure/azure-rest-api-specs/issues/462"),
    Refusal(name="component without properties", status=400, code="BadRequest",
        message="Value cannot be null.\r\nParameter name: 'properties' property must be specified", proof=Proof.TEXT,
        source=f"{GITHUB}Azure/bicep-types-az/issues/1556"),
    Refusal(name="component without kind", status=400, code="BadRequest", message="Value cannot be null.\r\nParameter name: kind",
        source=_CREATE_COMPONENT),
    Refusal(name="component without application type", status=400, code="BadRequest",
        message="Value cannot be null.\r\nParameter name: properties.Application_Type", source=_CREATE_COMPONENT),
    Refusal(name="container registry without SKU", status=400, code="ClassicSkuDeprecated", message=(
            "Classic SKU is now deprecated. Please select a managed SKU. Kindly refer to docs for instructions: "
            "https://docs.microsoft.com/en-us/azure/container-registry/container-registry-upgrade"
        ), proof=Proof.TEXT, source=f"{GITHUB}hashicorp/terraform-provider-azurerm/pull/17248"),
    Refusal(name="container registry of an unknown SKU", status=400, code="InvalidParameter",
        message="The SKU '{}' is not one of Basic, Standard and Premium.",
        source=f"{LEARN}container-registry/container-registry-skus"),
    Refusal(name="private container registry that is not Premium", status=400, code="DisablingPublicNetworkAccessNotSupported",
        message=(
            "Disabling public network access is not supported for the SKU {}. For more information, please visit "
            "https://aka.ms/acr/private-link."
        ), proof=Proof.TEXT, source=f"{GITHUB}hashicorp/terraform-provider-azurerm/pull/26054"),
    Refusal(name="virtual network without addresses", status=400, code="NoAddressPrefixOrPoolProvided", message=(
            "AddressSpace of the virtual network {} does not have any address prefixes in addressPrefixes array. AddressSpace and "
            "prefixes must be specified within properties object."
        ), source=f"{GITHUB}Azure/bicep/issues/2576"),
    Refusal(name="virtual network with an address that is no range", status=400, code="InvalidAddressPrefixFormat", message=(
            "Address prefix {} of resource {} is not formatted correctly. It should follow CIDR notation, for example 10.0.0.0/24."
        ), proof=Proof.TEXT, source=f"{GITHUB}Azure/azure-service-operator/issues/997"),
    Refusal(name="private endpoint whose connection has no name", status=400, code="InvalidRequestFormat",
        message="Cannot parse the request.", proof=Proof.TEXT, source=f"{GITHUB}pulumi/pulumi-azure-nextgen/issues/264"),
    Refusal(name="log workspace name invalid", status=400, code="InvalidParameter", message=(
            "Workspace name must start and end with an alphanumeric character, and may contain only alphanumeric and hyphen "
            "characters. Operation Id: '{}'"
        ), proof=Proof.TEXT, source=f"{GITHUB}Azure/AzureMonitorStarterPacks/issues/173"),
    Refusal(name="name of another neighbour invalid", status=400, code="InvalidResourceName", message="{} is not a valid name. {}",
        source=NAMES),
    Refusal(name="role assignment missing", status=404, code="RoleAssignmentNotFound",
        message="The role assignment '{}' is not found."),
)  # fmt: skip


def check_needs(kind: state.Kind, arm_id: str, body: dict[str, Any]) -> None:
    """Refuse a body without what its kind needs.

    Raises:
        web.Refused: 400, by the first row that is not met.
    """
    for need in kind.needs:
        if text := need.unmet(arm_id, body):
            raise refusals.refuse(400, need.code, text)


def check_provisioned(account: Resource) -> None:
    """Refuse what needs a storage account that is still being made.

    Raises:
        web.Refused: 409 `StorageAccountIsNotProvisioned`.
    """
    if account.type == state.STORAGE.type.lower() and account.state != "Succeeded":
        text = "The storage account provisioning state must be 'Succeeded' before executing the operation."
        raise refusals.refuse(409, "StorageAccountIsNotProvisioned", text)


def check_free(world: World, kind: state.Kind, name: str) -> None:
    """Names of accounts, vaults and registries are taken in all of Azure."""
    other, elsewhere = state.holder(world, kind, name), name.lower() in world.taken
    if other is None and not elsewhere:
        return
    if kind is state.STORAGE and elsewhere:
        raise refusals.refuse(409, "StorageAccountAlreadyTaken", f"The storage account named {name} is already taken.")
    if kind is state.STORAGE:  # the local Azure has one subscription
        text = f"The account {name} is already in another resource group in this subscription."
        raise refusals.refuse(409, "StorageAccountInAnotherResourceGroup", text)
    if kind is state.VAULT:
        text = (
            f"The vault name '{name}' is already in use. Vault names are globally unique so it is possible that the name is "
            "already taken. If you are sure that the vault name was not taken then it is possible that a vault with the same name "
            "was recently deleted but not purged after being placed in a recoverable state. If the vault is in a recoverable state "
            "then the vault will need to be purged before reusing the name. For more information about VaultAlreadyExists, soft "
            "delete and purging a vault follow this link https://go.microsoft.com/fwlink/?linkid=2147740."
        )
        raise refusals.refuse(409, "VaultAlreadyExists", text)
    if kind is state.REGISTRY:
        text = (
            f"The registry DNS name {name.lower()}.azurecr.io is already in use. You can check if the name is already claimed "
            "using following API: https://docs.microsoft.com/en-us/rest/api/containerregistry/registries/checknameavailability"
        )
        raise refusals.refuse(409, "AlreadyInUse", text)
