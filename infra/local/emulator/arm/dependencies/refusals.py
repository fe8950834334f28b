"""The refusals of dependencies, as rows: what Azure says, when, and who says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.local.emulator.arm import refusals
from infra.local.emulator.arm.dependencies import state
from infra.local.emulator.refusal import ACCOUNTS, GITHUB, NAMES, Proof, Refusal

if TYPE_CHECKING:
    from infra.local.emulator.resources import Resource
    from infra.local.emulator.world import World


_STORAGE = "https://learn.microsoft.com/rest/api/storagerp/srp_error_codes_common"
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
    Refusal(name="workspace on an account that is not ready", status=409, code="StorageAccountIsNotProvisioned",
        message="The storage account provisioning state must be 'Succeeded' before executing the operation.", proof=Proof.CODE,
        source=f"{GITHUB}Azure/azure-service-operator/issues/3086"),
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
    Refusal(name="role assignment missing", status=404, code="RoleAssignmentNotFound",
        message="The role assignment '{}' is not found."),
)  # fmt: skip


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
