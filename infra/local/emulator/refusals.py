"""The refusals that callers of Azure meet most, as a table: what Azure says, when, and who says so.

The code that raises them is in the module that `raised_in` names. `tests/functional/emulator/test_refusals.py` provokes each
row with a real request and holds the answer to the row, so the table and the code cannot drift apart.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class Moment(StrEnum):
    """When a caller learns of it."""

    REQUEST = "in the answer to the request"
    OPERATION = "in the poll: the request is accepted, the operation ends as Failed"
    RESOURCE = "in the resource: HTTP 200, the error stands in its body"


class Proof(StrEnum):
    """How sure the row is."""

    TEXT = "code and text"
    CODE = "the code; the exact text is unknown"
    BEHAVIOUR = "that it is refused; code and exact text are unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One row.

    Attributes:
        name: what was wrong.
        status: the HTTP status of the answer at `moment`.
        code: `error.code`, as it stands on top; empty for an answer without a body.
        inner: the useful code, however deep it stands; empty where `code` is it.
        message: the text, `{}` for what varies.
        moment: when a caller learns of it.
        raised_in: the module below `infra/local/emulator` that raises it.
        proof: how much `source` proves.
        source: a page of Microsoft's, or a public issue in which Azure said so; `recorded` for recorded traffic of the
            official clients; empty where there is none.
    """

    name: str
    status: int
    code: str
    message: str
    raised_in: str
    inner: str = ""
    moment: Moment = Moment.REQUEST
    proof: Proof = Proof.BEHAVIOUR
    source: str = ""

    @property
    def pattern(self) -> re.Pattern[str]:
        """The message as a regular expression."""
        return re.compile(".+".join(re.escape(part) for part in self.message.split("{}")), re.DOTALL)


_LEARN = "https://learn.microsoft.com/azure/"
_ERRORS = f"{_LEARN}azure-resource-manager/troubleshooting/common-deployment-errors"
_NAMES = f"{_LEARN}azure-resource-manager/management/resource-name-rules"
_ACCOUNTS = f"{_LEARN}azure-resource-manager/troubleshooting/error-storage-account-name"
_STORAGE = "https://learn.microsoft.com/rest/api/storagerp/srp_error_codes_common"
_REGISTER = f"{_LEARN}azure-resource-manager/troubleshooting/error-register-resource-provider"
_TAGS = "https://github.com/Azure/azure-powershell/blob/main/src/Migrate/Migrate.Autorest/custom/New-AzMigrateServerReplication.ps1"
_TAG_LIMITS = f"{_LEARN}azure-resource-manager/management/tag-resources"
_LIMITS = f"{_LEARN}machine-learning/how-to-manage-quotas"
_TROUBLE = f"{_LEARN}machine-learning/how-to-troubleshoot-online-endpoints"
_GITHUB = "https://github.com/"
_SPEC = f"{_GITHUB}Azure/azure-rest-api-specs (machinelearningservices, stable/2024-10-01)"
_RECORDED = "recorded"

ROWS: tuple[Refusal, ...] = (
    # ── ARM's door ───────────────────────────────────────────────────────────────────────────────────────────────────
    Refusal(
        name="token missing", status=401, code="AuthenticationFailed", raised_in="arm/gateway",
        message="Authentication failed. The 'Authorization' header is missing.",
    ),
    Refusal(
        name="token unreadable", status=401, code="InvalidAuthenticationToken", message="The access token is invalid.",
        raised_in="arm/gateway",
    ),
    Refusal(
        name="token of another audience", status=401, code="InvalidAuthenticationTokenAudience", raised_in="arm/gateway",
        message=(
            "The access token has been obtained for wrong audience or resource '{}'. It should exactly match with one of the "
            "allowed audiences {}."
        ),
        proof=Proof.TEXT, source=f"{_GITHUB}Azure-Samples/active-directory-dotnetcore-daemon-v2/issues/145",
    ),
    Refusal(
        name="token expired", status=401, code="ExpiredAuthenticationToken", raised_in="arm/gateway",
        message="The access token expiry UTC time '{}' is earlier than current UTC time '{}'.",
        proof=Proof.CODE, source=_RECORDED,
    ),
    Refusal(
        name="too many requests", status=429, code="SubscriptionRequestsThrottled", raised_in="arm/throttling",
        message="Number of requests for subscription '{}' and operation '{}' exceeded the backend storage limit. {}",
        proof=Proof.CODE, source=f"{_LEARN}azure-resource-manager/management/request-limits-and-throttling",
    ),
    Refusal(
        name="api-version missing", status=400, code="MissingApiVersionParameter", raised_in="arm/gateway",
        message="The api-version query parameter (?api-version=) is required for all requests.",
        proof=Proof.CODE, source=f"{_GITHUB}Azure/azure-sdk-for-go/issues/21408",
    ),
    Refusal(
        name="api-version unknown to the type", status=400, code="NoRegisteredProviderFound", raised_in="arm/refusals",
        message=(
            "No registered resource provider found for location '{}' and API version '{}' for type '{}'. The supported "
            "api-versions are '{}'. The supported locations are '{}'."
        ),
        proof=Proof.CODE, source=_REGISTER,
    ),
    Refusal(
        name="api-version unknown to ARM", status=400, code="InvalidApiVersionParameter", raised_in="arm/gateway",
        message="The api-version '{}' is invalid. The supported versions are '{}'.",
    ),
    Refusal(
        name="subscription malformed", status=400, code="InvalidSubscriptionId", raised_in="arm/gateway",
        message="The provided subscription identifier '{}' is malformed or invalid.",
        proof=Proof.TEXT, source=f"{_GITHUB}MicrosoftDocs/azure-docs/issues/77959",
    ),
    Refusal(
        name="subscription missing", status=404, code="SubscriptionNotFound", raised_in="arm/gateway",
        message="The subscription '{}' could not be found.",
        proof=Proof.CODE, source=_ERRORS,
    ),
    Refusal(
        name="resource group missing", status=404, code="ResourceGroupNotFound", raised_in="arm/refusals",
        message="Resource group '{}' could not be found.", proof=Proof.TEXT,
        source=f"{_GITHUB}MicrosoftLearning/mslearn-azure-ml/pull/27",
    ),
    Refusal(
        name="resource group being deleted", status=409, code="ResourceGroupBeingDeleted", raised_in="arm/limits",
        message="The resource group '{}' is in deprovisioning state and cannot perform this operation.", proof=Proof.TEXT,
        source=f"{_GITHUB}Azure/azure-cli/issues/28679",
    ),
    Refusal(
        name="provider unknown", status=404, code="InvalidResourceNamespace", raised_in="arm/gateway",
        message="The resource namespace '{}' is invalid.",
        proof=Proof.CODE, source=_ERRORS,
    ),
    Refusal(
        name="type unknown", status=404, code="InvalidResourceType", raised_in="arm/refusals",
        message=(
            "The resource type '{}' could not be found in the namespace '{}' for api version '{}'. The supported api-versions are "
            "'{}'."
        ),
        proof=Proof.CODE, source=_ERRORS,
    ),
    Refusal(
        name="provider not registered", status=409, code="MissingSubscriptionRegistration", raised_in="arm/refusals",
        message=(
            "The subscription is not registered to use namespace '{}'. See https://aka.ms/rps-not-found for how to register "
            "subscriptions."
        ),
        proof=Proof.CODE, source=_REGISTER,
    ),
    Refusal(
        name="body not JSON", status=400, code="InvalidRequestContent", raised_in="arm/refusals",
        message="The request content was invalid and could not be deserialized: '{}'.",
        proof=Proof.CODE, source=_ERRORS,
    ),
    Refusal(
        name="body too large", status=413, code="RequestContentTooLarge", raised_in="arm/limits",
        message="The request content size exceeds the maximum size of 4 MB.", proof=Proof.TEXT,
        source=f"{_GITHUB}Azure/azure-api-management-devops-resource-kit/issues/594",
    ),
    Refusal(
        name="verb not supported", status=405, code="UnsupportedHttpMethod", raised_in="arm/refusals",
        message="The requested resource does not support http method '{}'.",
    ),
    Refusal(
        name="resource missing", status=404, code="ResourceNotFound", raised_in="arm/refusals",
        message=(
            "The Resource '{}' under resource group '{}' was not found. For more details please go to "
            "https://aka.ms/ARMResourceNotFoundFix"
        ),
        proof=Proof.TEXT, source=f"{_GITHUB}Azure/bicep/issues/13457",
    ),
    Refusal(
        name="parent missing", status=404, code="ParentResourceNotFound", raised_in="arm/refusals",
        message=(
            "Failed to perform '{}' on resource(s) of type '{}', because the parent resource '{}' could not be found."
        ),
        proof=Proof.CODE, source=f"{_LEARN}azure-resource-manager/troubleshooting/error-parent-resource",
    ),
    Refusal(
        name="location missing", status=400, code="LocationRequired", raised_in="arm/refusals",
        message="The location property is required for this definition.",
        proof=Proof.CODE, source=_ERRORS,
    ),
    Refusal(
        name="location unknown", status=400, code="LocationNotAvailableForResourceType", raised_in="arm/refusals",
        message=(
            "The provided location '{}' is not available for resource type '{}'. List of available regions for the resource type "
            "is '{}'."
        ),
        proof=Proof.TEXT, source=f"{_GITHUB}Azure/azure-rest-api-specs/pull/8577",
    ),
    Refusal(
        name="location of a group unknown", status=400, code="LocationNotAvailableForResourceGroup",
        raised_in="arm/subscriptions/resources",
        message="The provided location '{}' is not available for resource group. List of available regions is '{}'.",
        proof=Proof.TEXT, source=f"{_GITHUB}cloud-barista/cb-spider/issues/527",
    ),
    Refusal(
        name="location changed", status=409, code="InvalidResourceLocation", raised_in="arm/refusals",
        message=(
            "The resource '{}' already exists in location '{}' in resource group '{}'. A resource with the same name cannot be "
            "created in location '{}'. Please select a new resource name."
        ),
        proof=Proof.TEXT, source=_ACCOUNTS,
    ),
    Refusal(
        name="too many tags", status=400, code="InvalidTags", raised_in="arm/limits",
        message="Too many tags specified. Requested tag count - '{}'. Maximum number of tags allowed - '50'.",
        proof=Proof.CODE, source=_TAGS,
    ),
    Refusal(
        name="tag name too long", status=400, code="InvalidTagName", raised_in="arm/limits",
        message=(
            "Tag key too large. Following tag name '{}' exceeded the maximum length. Maximum allowed length for tag name - '512' "
            "characters."
        ),
        proof=Proof.CODE, source=_TAGS,
    ),
    Refusal(
        name="tag name of a storage account too long", status=400, code="InvalidTagName", raised_in="arm/limits",
        message=(
            "Tag key too large. Following tag name '{}' exceeded the maximum length. Maximum allowed length for tag name - '128' "
            "characters."
        ),
        source=_TAG_LIMITS,
    ),
    Refusal(
        name="tag name with reserved characters", status=400, code="InvalidTagNameCharacters", raised_in="arm/limits",
        message="The tag names '{}' have reserved characters '<,>,%,&,\\,?,/' or control characters.",
        proof=Proof.CODE, source=_TAGS,
    ),
    Refusal(
        name="tag value too long", status=400, code="InvalidTagValueLength", raised_in="arm/limits",
        message=(
            "Tag value too large. Following tag value '{}' exceeded the maximum length. Maximum allowed length for tag value - "
            "'256' characters."
        ),
        proof=Proof.CODE, source=_TAGS,
    ),
    Refusal(
        name="reserved word in a name", status=400, code="ReservedResourceName", raised_in="arm/limits",
        message="The resource name '{}' or a part of the name is a trademarked or reserved word.", proof=Proof.TEXT,
        source=f"{_GITHUB}MicrosoftDocs/azure-docs/issues/80822",
    ),
    Refusal(
        name="denied by policy", status=403, code="RequestDisallowedByPolicy", raised_in="arm/limits",
        message="Resource '{}' was disallowed by policy. Policy identifiers: '{}'.", proof=Proof.TEXT,
        source=f"{_GITHUB}microsoft/vscode-apimanagement/issues/348",
    ),
    Refusal(
        name="locked against deletion", status=409, code="ScopeLocked", raised_in="arm/locks/resources",
        message=(
            "The scope '{}' cannot perform delete operation because following scope(s) are locked: '{}'. Please remove the lock "
            "and try again."
        ),
        proof=Proof.TEXT, source=f"{_GITHUB}Azure/azure-cli/issues/20232",
    ),
    Refusal(
        name="locked against writes", status=409, code="ScopeLocked", raised_in="arm/locks/resources",
        message=(
            "The scope '{}' cannot perform write operation because following scope(s) are locked: '{}'. Please remove the lock "
            "and try again."
        ),
        proof=Proof.CODE, source=f"{_LEARN}azure-resource-manager/management/lock-resources",
    ),
    Refusal(
        name="lock level unknown", status=400, code="InvalidLockLevel", message="The lock level '{}' is none of {}.",
        raised_in="arm/locks/resources",
    ),
    Refusal(
        name="lock missing", status=404, code="LockNotFound", message="The lock '{}' could not be found.",
        raised_in="arm/locks/resources",
    ),
    Refusal(
        name="status URL changed", status=403, code="AuthorizationFailed", raised_in="arm/long_running",
        message="The signature of the operation URL is missing or does not match; {}",
    ),
    Refusal(
        name="skip token unreadable", status=400, code="InvalidSkipToken", message="The skip token is invalid.",
        raised_in="arm/lists",
    ),
    Refusal(
        name="page size unreadable", status=400, code="InvalidQueryParameterValue", raised_in="arm/lists",
        message="The value '{}' of the query parameter '$top' is invalid.",
    ),
    # ── the neighbours ───────────────────────────────────────────────────────────────────────────────────────────────
    Refusal(
        name="storage account name invalid", status=400, code="AccountNameInvalid", raised_in="arm/dependencies/resources",
        message=(
            "{} is not a valid storage account name. Storage account name must be between 3 and 24 characters in length and use "
            "numbers and lower-case letters only."
        ),
        proof=Proof.TEXT, source=_ACCOUNTS,
    ),
    Refusal(
        name="storage account in another group", status=409, code="StorageAccountInAnotherResourceGroup",
        raised_in="arm/dependencies/resources", message="The account {} is already in another resource group in this subscription.",
        proof=Proof.TEXT, source=_ACCOUNTS,
    ),
    Refusal(
        name="storage account name taken", status=409, code="StorageAccountAlreadyTaken", raised_in="arm/dependencies/resources",
        message="The storage account named {} is already taken.", proof=Proof.TEXT, source=_ACCOUNTS,
    ),
    Refusal(
        name="keys of an account that is not ready", status=409, code="StorageAccountIsNotProvisioned",
        raised_in="arm/dependencies/resources",
        message="The storage account provisioning state must be 'Succeeded' before executing the operation.",
        proof=Proof.TEXT, source=_STORAGE,
    ),
    Refusal(
        name="workspace on an account that is not ready", status=409, code="StorageAccountIsNotProvisioned",
        raised_in="arm/dependencies/resources",
        message="The storage account provisioning state must be 'Succeeded' before executing the operation.", proof=Proof.CODE,
        source=f"{_GITHUB}Azure/azure-service-operator/issues/3086",
    ),
    Refusal(
        name="storage account busy", status=409, code="StorageAccountOperationInProgress", raised_in="arm/dependencies/resources",
        message="An operation is currently performing on this storage account that requires exclusive access: {}.",
        proof=Proof.CODE, source=_STORAGE,
    ),
    Refusal(
        name="vault name invalid", status=400, code="VaultNameNotValid", raised_in="arm/dependencies/resources",
        message=(
            "The vault name '{}' is invalid. A vault's name must be between 3-24 alphanumeric characters. The name must begin with "
            "a letter, end with a letter or digit, and not contain consecutive hyphens. Follow this link for more information: "
            "https://go.microsoft.com/fwlink/?linkid=2147742"
        ),
        proof=Proof.TEXT, source=f"{_GITHUB}cristianoag/microsoft-teams-apps-company-communicator/issues/28",
    ),
    Refusal(
        name="vault name taken", status=409, code="VaultAlreadyExists", raised_in="arm/dependencies/resources",
        message="The vault name '{}' is already in use. Vault names are globally unique {}", proof=Proof.TEXT,
        source=f"{_GITHUB}Esri/arcgis-gitops/issues/174",
    ),
    Refusal(
        name="vault soft-deleted", status=409, code="ConflictError", raised_in="arm/dependencies/resources",
        message=(
            "A vault with the same name already exists in deleted state. You need to either recover or purge existing key vault. "
            "Follow this link https://go.microsoft.com/fwlink/?linkid=2149745 for more information on soft delete."
        ),
        proof=Proof.TEXT, source=f"{_GITHUB}alan-turing-institute/data-safe-haven/issues/2523",
    ),
    Refusal(
        name="purge of a protected vault", status=405, code="MethodNotAllowed", raised_in="arm/dependencies/deleted_vaults",
        message="Operation 'DeletedVaultPurge' is not allowed.", proof=Proof.TEXT,
        source="https://stackoverflow.com/a/64094916",
    ),
    Refusal(
        name="filter of resources that cannot be read", status=400, code="InvalidFilterInQueryString",
        raised_in="arm/subscriptions/resource_lists", message="Invalid $filter '{}' specified in the query string. {}",
    ),
    Refusal(
        name="deployment of a subscription moves", status=409, code="InvalidDeploymentLocation",
        raised_in="arm/deployments/resources",
        message="Invalid deployment location '{}'. The deployment '{}' already exists in location '{}'.", proof=Proof.CODE,
        source="https://learn.microsoft.com/azure/azure-resource-manager/templates/deploy-to-subscription#deployment-location-and-name",
    ),
    Refusal(
        name="container registry name invalid", status=400, code="InvalidResourceName", raised_in="arm/dependencies/resources",
        message="{} is not a valid name. Registry names may contain only alpha numeric characters and must be between 5 and 50 {}",
        source=_NAMES,
    ),
    Refusal(
        name="container registry name taken", status=409, code="AlreadyInUse", raised_in="arm/dependencies/resources",
        message=(
            "The registry DNS name {}.azurecr.io is already in use. You can check if the name is already claimed using following "
            "API: https://docs.microsoft.com/en-us/rest/api/containerregistry/registries/checknameavailability"
        ),
        proof=Proof.TEXT, source=f"{_GITHUB}MicrosoftDocs/azure-dev-docs/issues/1303",
    ),
    Refusal(
        name="passwords of a registry without admin user", status=400, code="UnAuthorizedForCredentialOperations",
        raised_in="arm/dependencies/resources", message="Cannot perform credential operations for {} as admin user is disabled. {}",
        proof=Proof.TEXT, source=f"{_GITHUB}hashicorp/terraform-provider-azurerm/issues/21440",
    ),
    Refusal(
        name="role assignment missing", status=404, code="RoleAssignmentNotFound", raised_in="arm/dependencies/neighbours",
        message="The role assignment '{}' is not found.",
    ),
    # ── workspaces ───────────────────────────────────────────────────────────────────────────────────────────────────
    Refusal(
        name="workspace name invalid", status=400, code="ValidationError", raised_in="machine_learning/workspaces/refusals",
        message="The workspace name '{}' is invalid: {}", source=_NAMES,
    ),
    Refusal(
        name="workspace without dependencies", status=400, code="ValidationError",
        raised_in="machine_learning/workspaces/refusals",
        message="Missing dependent resources in workspace json", proof=Proof.TEXT,
        source=f"{_GITHUB}Azure/azure-cli/issues/28980",
    ),
    Refusal(
        name="workspace soft-deleted", status=400, code="BadRequest", raised_in="machine_learning/workspaces/state",
        message="Soft-deleted workspace exists. Please purge or recover it. https://aka.ms/wsoftdelete",
        source=f"{_LEARN}machine-learning/concept-soft-delete",
    ),
    Refusal(
        name="dependency missing", status=400, code="InvalidResourceReference", raised_in="arm/refusals",
        message=(
            "Resource {} referenced by resource {} was not found. Please make sure that the referenced resource exists, and that "
            "both resources are in the same region."
        ),
        proof=Proof.CODE, source=_ERRORS,
    ),
    Refusal(
        name="dependency is no id", status=400, code="LinkedInvalidPropertyId", raised_in="arm/refusals",
        message=(
            "Property id '{}' at path '{}' is invalid. Expect fully qualified resource Id that start with "
            "'/subscriptions/{subscriptionId}' or '/providers/{resourceProviderNamespace}/'."
        ),
        proof=Proof.CODE, source=_ERRORS,
    ),
    Refusal(
        name="dependency of another type", status=400, code="ValidationError", raised_in="machine_learning/workspaces/refusals",
        message="The property {} must be the id of a {}, not of a {}.",
    ),
    Refusal(
        name="workspace without identity", status=400, code="ValidationError", raised_in="machine_learning/workspaces/refusals",
        message="The workspace needs an identity. Make sure to create your workspace using a client which support MSI.",
    ),
    Refusal(
        name="identity type unknown", status=400, code="ValidationError", raised_in="machine_learning/scope",
        message="The identity type '{}' is not supported.", source=_SPEC,
    ),
    Refusal(
        name="user-assigned identity missing", status=404, code="UserAssignedIdentityNotFound",
        raised_in="machine_learning/scope", message="The identity '{}' was not found.", proof=Proof.CODE, source=_RECORDED,
    ),
    Refusal(
        name="storage account of a workspace changed", status=400, code="ValidationError",
        raised_in="machine_learning/workspaces/refusals", message="The property storageAccount of a workspace cannot be changed.",
        source=f"{_LEARN}machine-learning/how-to-manage-workspace",
    ),
    Refusal(
        name="workspace busy", status=409, code="Conflict", inner="ResourceOperationInProgress", raised_in="machine_learning/scope",
        message="Another operation on same entity is already running. Entity: {}, state: {}. {}",
    ),
    Refusal(
        name="workspace not ready for children", status=409, code="Conflict", inner="WorkspaceNotReady",
        raised_in="machine_learning/scope", message="The workspace '{}' {}; nothing can be created in it now.",
    ),
    Refusal(
        name="registry without admin user", status=200, code="BadRequest", moment=Moment.OPERATION,
        inner="ContainerRegistryAdminUserDisabled", raised_in="machine_learning/workspaces/refusals",
        message="The container registry '{}' does not have its admin user enabled, {}",
        source=f"{_GITHUB}MicrosoftDocs/azure-docs/issues/69632",
    ),
    Refusal(
        name="customer-managed key without a vault", status=200, code="CustomerManagedKeyInvalid", moment=Moment.OPERATION,
        raised_in="machine_learning/workspaces/refusals",
        message="The key vault '{}' of the customer-managed key was not found, {}",
        source=f"{_LEARN}machine-learning/concept-customer-managed-keys",
    ),
    Refusal(
        name="project without hub", status=400, code="ValidationError", raised_in="machine_learning/workspaces/refusals",
        message="A workspace of kind Project needs the hubResourceId of an existing hub.",
    ),
    # ── computes ─────────────────────────────────────────────────────────────────────────────────────────────────────
    Refusal(
        name="compute name invalid", status=400, code="UserError", inner="InvalidComputeName",
        raised_in="machine_learning/computes/resources", message="The compute name '{}' is invalid: {}", source=_NAMES,
    ),
    Refusal(
        name="compute type missing", status=400, code="UserError", inner="ValidationError",
        raised_in="machine_learning/computes/resources",
        message="The property computeType is required.", source=_SPEC,
    ),
    Refusal(
        name="compute type unknown", status=400, code="UserError", inner="ValidationError",
        raised_in="machine_learning/computes/refusals",
        message="The compute type '{}' is not supported.", source=_SPEC,
    ),
    Refusal(
        name="VM size unknown", status=400, code="UserError", inner="InvalidPropertyValue",
        raised_in="machine_learning/computes/refusals",
        message=(
            "The specified value {} for property Cluster.Properties.VMSize is not a supported VM size. See additional details for "
            "supported VM sizes. {}"
        ),
    ),
    Refusal(
        name="VM size missing", status=400, code="UserError", inner="InvalidPropertyValue",
        raised_in="machine_learning/computes/refusals",
        message="The specified value  for property Cluster.Properties.VMSize is not a supported VM size. {}",
    ),
    Refusal(
        name="VM size changed", status=400, code="UserError", inner="ImmutableProperty",
        raised_in="machine_learning/computes/refusals",
        message="The VM size of an existing compute cannot be changed. {}",
        source=f"{_LEARN}machine-learning/how-to-create-attach-compute-cluster",
    ),
    Refusal(
        name="scale settings invalid", status=400, code="UserError", inner="InvalidPropertyValue",
        raised_in="machine_learning/computes/refusals",
        message="The scale settings are invalid: minNodeCount {}, maxNodeCount {}.",
    ),
    Refusal(
        name="instance without public address", status=400, code="UserError", inner="InvalidPropertyValue",
        raised_in="machine_learning/computes/refusals", message="{}enableNodePublicIp{}", proof=Proof.CODE, source=_RECORDED,
    ),
    Refusal(
        name="compute busy", status=409, code="UserError", inner="ResourceOperationInProgress",
        raised_in="machine_learning/computes/refusals",
        message="The specified compute {} is in state {}; another operation on it is already running.",
    ),
    Refusal(
        name="compute missing", status=404, code="", message="", raised_in="machine_learning/computes/resources", proof=Proof.TEXT,
        source=_RECORDED,
    ),
    Refusal(
        name="no quota for a cluster's nodes", status=200, code="ClusterMinNodesExceedCoreQuota", moment=Moment.OPERATION,
        raised_in="machine_learning/computes/refusals",
        message=(
            "The specified subscription has a {} family vCPU quota of {} and cannot accomodate for at least {} requested managed "
            "compute nodes which maps to {} vCPUs. {}"
        ),
        proof=Proof.TEXT, source=f"{_GITHUB}ansible-collections/azure/pull/2209",
    ),
    Refusal(
        name="cluster that got no quota", status=200, code="ClusterMinNodesExceedCoreQuota", moment=Moment.RESOURCE,
        raised_in="machine_learning/computes/refusals",
        message=(
            "The specified subscription has a {} family vCPU quota of {} and cannot accomodate for at least {} requested managed "
            "compute nodes which maps to {} vCPUs. {}"
        ),
        proof=Proof.TEXT, source=f"{_GITHUB}ansible-collections/azure/pull/2209 and {_RECORDED}",
    ),
    Refusal(
        name="no quota in all", status=200, code="ClusterMinNodesExceedCoreQuota", moment=Moment.OPERATION,
        raised_in="machine_learning/computes/refusals",
        message=(
            "The specified subscription has a total vCPU quota of {} and cannot accomodate for at least {} requested managed "
            "compute nodes which maps to {} vCPUs. {}"
        ),
        proof=Proof.TEXT, source=f"{_GITHUB}Azure/mlops-v2/issues/81",
    ),
    Refusal(
        name="start of a cluster", status=400, code="UserError", inner="NotSupported",
        raised_in="machine_learning/computes/actions",
        message="start with computeType AmlCompute is not supported.", proof=Proof.CODE,
        source="https://learn.microsoft.com/rest/api/azureml/compute/start",
    ),
    Refusal(
        name="restart of a stopped instance", status=409, code="UserError", inner="InvalidComputeState",
        raised_in="machine_learning/computes/actions", message="The compute instance {} is in state {}; restart is not possible.",
    ),
    Refusal(
        name="idle time out of range", status=400, code="UserError", inner="InvalidPropertyValue",
        raised_in="machine_learning/computes/actions",
        message="idleTimeBeforeShutdown '{}' must be between 15 minutes and 3 days.", source=_SPEC,
    ),
    # ── online endpoints and deployments ─────────────────────────────────────────────────────────────────────────────
    Refusal(
        name="endpoint name invalid", status=400, code="UserError", inner="InvalidEndpointName",
        raised_in="machine_learning/online_endpoints/resources", message="The endpoint name '{}' is invalid: {}", source=_LIMITS,
    ),
    Refusal(
        name="endpoint name taken in the region", status=400, code="BadRequest", inner="InferencingClientCallFailed",
        raised_in="machine_learning/online_endpoints/resources",
        message="{}There is already an endpoint with this name, Endpoint name needs to be unique within a region. {}",
        proof=Proof.CODE, source=f"{_GITHUB}Azure/azureml-examples/pull/1931",
    ),
    Refusal(
        name="endpoint auth mode unknown", status=400, code="UserError", inner="ValidationError",
        raised_in="machine_learning/scope", message="The value '{}' of authMode is none of Key, AMLToken, AADToken.",
        source=_SPEC,
    ),
    Refusal(
        name="endpoint identity unknown", status=400, code="ValidationError", raised_in="machine_learning/scope",
        message="The identity type '{}' is not supported.", source=_SPEC,
    ),
    Refusal(
        name="endpoint busy", status=409, code="Conflict", inner="ResourceOperationInProgress", raised_in="machine_learning/scope",
        message="Another operation on same entity is already running. Entity: {}, state: {}. {}",
    ),
    Refusal(
        name="too many endpoints in the region", status=400, code="UserError", inner="OutOfQuota",
        raised_in="machine_learning/quotas/refusals", message="The limit of {} endpoints in {} is reached. Current usage: {}.",
        proof=Proof.CODE, source=f"{_TROUBLE} and {_LIMITS}",
    ),
    Refusal(
        name="traffic does not sum to 100", status=400, code="UserError", inner="InvalidTrafficSum",
        raised_in="machine_learning/online_endpoints/resources", message="The sum of traffic must be either 0 or 100, it is {}.",
        source=f"{_LEARN}machine-learning/reference-yaml-endpoint-online",
    ),
    Refusal(
        name="traffic of an unknown deployment", status=400, code="UserError", inner="TrafficDeploymentNotFound",
        raised_in="machine_learning/online_endpoints/resources",
        message="Traffic refers to the deployment '{}', which does not exist.",
    ),
    Refusal(
        name="traffic of a failed deployment", status=400, code="UserError", inner="TrafficDeploymentNotReady",
        raised_in="machine_learning/online_endpoints/resources", message="Traffic cannot go to the deployment '{}' in state {}.",
    ),
    Refusal(
        name="more than half mirrored", status=400, code="UserError", inner="InvalidMirrorTraffic",
        raised_in="machine_learning/online_endpoints/resources", message="The share of mirrored traffic is at most 50, not {}.",
        source=f"{_LEARN}machine-learning/how-to-safely-rollout-online-endpoints",
    ),
    Refusal(
        name="two mirrors", status=400, code="UserError", inner="InvalidMirrorTraffic",
        raised_in="machine_learning/online_endpoints/resources",
        message="Only one deployment of an endpoint can get mirrored traffic.",
        source=f"{_LEARN}machine-learning/how-to-safely-rollout-online-endpoints",
    ),
    Refusal(
        name="mirror with live traffic", status=400, code="UserError", inner="InvalidMirrorTraffic",
        raised_in="machine_learning/online_endpoints/resources",
        message="The deployment '{}' gets live traffic; it cannot get mirrored traffic, too.",
        source=f"{_LEARN}machine-learning/how-to-safely-rollout-online-endpoints",
    ),
    Refusal(
        name="token of an endpoint opened by keys", status=400, code="UserError", inner="AuthModeMismatch",
        raised_in="machine_learning/online_endpoints/resources", message="The endpoint's authMode is Key; tokens are for AMLToken.",
    ),
    Refusal(
        name="deployment name invalid", status=400, code="UserError", inner="InvalidDeploymentName",
        raised_in="machine_learning/online_deployments/resources", message="The deployment name '{}' is invalid.", source=_LIMITS,
    ),
    Refusal(
        name="deployment on an endpoint that is not ready", status=409, code="UserError", inner="EndpointNotReady",
        raised_in="machine_learning/online_deployments/resources",
        message="Cannot create a deployment in endpoint {}: its provisioning state is {}. Try again later.",
    ),
    Refusal(
        name="no quota for a deployment and its reserve", status=400, code="BadRequest",
        inner="InferencingClientCreateDeploymentFailed", raised_in="machine_learning/online_deployments/resources",
        message=(
            "{}Not enough quota available for {} in SubscriptionId {}. Current usage/limit: {}/{}. Additional needed: {} Please "
            "see troubleshooting guide, available here: https://aka.ms/oe-tsg#error-outofquota{}"
        ),
        proof=Proof.TEXT, source=f"{_GITHUB}MicrosoftLearning/mslearn-azure-ml/issues/30",
    ),
    Refusal(
        name="instance type unknown", status=400, code="UserError", inner="InvalidInstanceType",
        raised_in="machine_learning/references", message="Instance type '{}' is not supported. Supported: {}.",
        source=f"{_LEARN}machine-learning/reference-managed-online-endpoints-vm-sku-list",
    ),
    Refusal(
        name="no instances", status=400, code="UserError", inner="InvalidCapacity",
        raised_in="machine_learning/online_deployments/resources", message="sku.capacity must be a whole number, 1 or more.",
    ),
    Refusal(
        name="too many instances", status=400, code="UserError", inner="InvalidCapacity",
        raised_in="machine_learning/online_deployments/resources",
        message="sku.capacity must be at most {}, it is {}.", source=_LIMITS,
    ),
    Refusal(
        name="too many deployments of an endpoint", status=400, code="UserError", inner="OutOfQuota",
        raised_in="machine_learning/quotas/refusals",
        message="The limit of {} deployments of an endpoint is reached. Current usage: {}.", source=_LIMITS,
    ),
    Refusal(
        name="too many deployments in the region", status=400, code="UserError", inner="OutOfQuota",
        raised_in="machine_learning/quotas/refusals", message="The limit of {} deployments in {} is reached. Current usage: {}.",
        source=_LIMITS,
    ),
    Refusal(
        name="deployment without environment", status=400, code="UserError", inner="ValidationError",
        raised_in="machine_learning/online_deployments/resources",
        message="The field environmentId is required unless the model is an MLflow model.",
    ),
    Refusal(
        name="model of a deployment unknown", status=400, code="UserError", inner="ModelNotFound",
        raised_in="machine_learning/references", message="Model '{}' was not found.",
    ),
    Refusal(
        name="deletion of a deployment with traffic", status=200, code="UserError", inner="DeploymentHasTraffic",
        moment=Moment.OPERATION, raised_in="machine_learning/online_deployments/resources",
        message="Deployment {} has {}% of the endpoint's traffic and cannot be deleted. Set its traffic to 0 first.",
        source=_RECORDED,
    ),
    Refusal(
        name="container that crashes", status=200, code="ResourceNotReady", moment=Moment.OPERATION,
        raised_in="machine_learning/online_deployments/resources",
        message=(
            "User container has crashed or terminated: {} Please see troubleshooting guide, available here: "
            "https://aka.ms/oe-tsg#error-resourcenotready"
        ),
        proof=Proof.CODE, source=_TROUBLE,
    ),
    # ── batch endpoints, serverless endpoints ────────────────────────────────────────────────────────────────────────
    Refusal(
        name="batch endpoint name invalid", status=400, code="UserError", inner="InvalidEndpointName",
        raised_in="machine_learning/batch_endpoints/resources", message="The endpoint name '{}' is invalid.", source=_LIMITS,
    ),
    Refusal(
        name="default deployment unknown", status=400, code="UserError", inner="DeploymentNotFound",
        raised_in="machine_learning/batch_endpoints/resources", message="The default deployment '{}' does not exist.",
    ),
    Refusal(
        name="serverless endpoint name taken", status=400, code="UserError", inner="ServerlessEndpointNameNotAvailable",
        raised_in="machine_learning/plain_kinds/resources",
        message="Serverless endpoint name '{}' is not available. Please select a different name.", proof=Proof.TEXT,
        source=f"{_GITHUB}Azure-Samples/azureai-foundry-finetuning-raft/issues/45",
    ),
    # ── schedules ────────────────────────────────────────────────────────────────────────────────────────────────────
    Refusal(
        name="schedule without trigger", status=400, code="UserError", inner="ValidationError",
        raised_in="machine_learning/schedules/resources", message="A schedule needs a trigger and an action.", source=_SPEC,
    ),
    Refusal(
        name="cron expression of six fields", status=400, code="UserError", inner="InvalidTrigger",
        raised_in="machine_learning/schedules/resources",
        message="The cron expression {} is not MINUTES HOURS DAYS MONTHS DAYS-OF-WEEK.",
        source=f"{_LEARN}machine-learning/how-to-schedule-pipeline-job",
    ),
    Refusal(
        name="cron expression that NCrontab does not read", status=400, code="UserError", inner="InvalidTrigger",
        raised_in="machine_learning/schedules/resources", message="The cron expression {} is not understood: {}", source=_SPEC,
    ),
    Refusal(
        name="time zone unknown", status=400, code="UserError", inner="InvalidTrigger",
        raised_in="machine_learning/schedules/resources",
        message="The time zone {} is not known.", source=_SPEC,
    ),
    Refusal(
        name="frequency unknown", status=400, code="UserError", inner="InvalidTrigger",
        raised_in="machine_learning/schedules/resources",
        message="The frequency {} is none of {}.", source=_SPEC,
    ),
    Refusal(
        name="deletion of an enabled schedule", status=200, code="UserError", inner="ActiveSchedule", moment=Moment.OPERATION,
        raised_in="machine_learning/schedules/resources",
        message="The schedule {} is enabled. Disable it (isEnabled: false) before it is deleted.", source=_RECORDED,
    ),
    # ── jobs ─────────────────────────────────────────────────────────────────────────────────────────────────────────
    Refusal(
        name="job name used", status=400, code="UserError", inner="JobPropertyImmutable",
        raised_in="machine_learning/jobs/resources",
        message=(
            "A job with this name already exists. If you are trying to create a new job, use a different name. If you are trying "
            "to update an existing job, the existing job's {} cannot be changed. Only description, tags, displayName, properties, "
            "and isArchived can be updated."
        ),
        source=f"{_GITHUB}Azure/azureml-examples/pull/3061",
    ),
    Refusal(
        name="job name invalid", status=400, code="UserError", inner="InvalidJobName", raised_in="machine_learning/jobs/resources",
        message="The job name '{}' is invalid.", source=_SPEC,
    ),
    Refusal(
        name="job type unknown", status=400, code="UserError", inner="ValidationError", raised_in="machine_learning/scope",
        message="The value '{}' of jobType is none of {}.", source=_SPEC,
    ),
    Refusal(
        name="job without command", status=400, code="UserError", inner="ValidationError",
        raised_in="machine_learning/jobs/command", message="The field command is required for a command job.", source=_SPEC,
    ),
    Refusal(
        name="compute of a job unknown", status=400, code="UserError", inner="ComputeNotFound",
        raised_in="machine_learning/references", message="Compute '{}' was not found in workspace '{}'.",
    ),
    Refusal(
        name="environment of a job unknown", status=400, code="UserError", inner="EnvironmentNotFound",
        raised_in="machine_learning/references", message="Environment '{}' was not found.",
    ),
    Refusal(
        name="code of a job unknown", status=400, code="UserError", inner="CodeNotFound",
        raised_in="machine_learning/references", message="Code '{}' was not found.",
    ),
    Refusal(
        name="deletion of a job that runs", status=409, code="UserError", inner="JobNotTerminal",
        raised_in="machine_learning/jobs/resources",
        message="The job {} is in status {}; cancel it first.",
    ),
    Refusal(
        name="job missing", status=404, code="UserError", inner="JobNotFound", raised_in="machine_learning/scope",
        message="Job {} was not found.", proof=Proof.CODE, source=_RECORDED,
    ),
    # ── assets, datastores, connections, registries ──────────────────────────────────────────────────────────────────
    Refusal(
        name="data version changed", status=400, code="UserError", inner="AssetPropertyImmutable",
        raised_in="machine_learning/assets/resources",
        message="Data {} with version {} is already registered and cannot be changed. Only description, tags, {}",
        source=f"{_LEARN}machine-learning/how-to-create-data-assets",
    ),
    Refusal(
        name="environment version changed", status=409, code="UserError", inner="AssetPropertyImmutable",
        raised_in="machine_learning/assets/resources",
        message="Environment {} with version {} is already registered and cannot be changed. Only description, tags, {}",
    ),
    Refusal(
        name="files of a model missing", status=400, code="UserError", inner="DatastorePathNotFound",
        raised_in="machine_learning/assets/resources", message="The specified path does not exist: {}",
    ),
    Refusal(
        name="asset without its files", status=400, code="UserError", inner="ValidationError",
        raised_in="machine_learning/assets/resources", message="Data: dataUri is required.", source=_SPEC,
    ),
    Refusal(
        name="asset name invalid", status=400, code="UserError", inner="InvalidName", raised_in="machine_learning/assets/resources",
        message="The name '{}' is invalid.", source=_SPEC,
    ),
    Refusal(
        name="asset missing", status=404, code="UserError", inner="ModelNotFound", raised_in="machine_learning/scope",
        message="Model {} was not found.",
    ),
    Refusal(
        name="account of a datastore missing", status=400, code="UserError", inner="StorageAccountNotFound",
        raised_in="machine_learning/datastores/resources", message="The storage account '{}' was not found.",
    ),
    Refusal(
        name="key of a datastore wrong", status=400, code="UserError", inner="InvalidCredentials",
        raised_in="machine_learning/datastores/refusals", message="The key does not open the storage account '{}'.",
    ),
    Refusal(
        name="key where shared keys are off", status=400, code="UserError", inner="KeyBasedAuthenticationNotPermitted",
        raised_in="machine_learning/datastores/refusals",
        message="Key based authentication is not permitted on this storage account.",
        proof=Proof.CODE, source=f"{_LEARN}storage/common/shared-key-authorization-prevent",
    ),
    Refusal(
        name="deletion of the default datastore", status=400, code="UserError", inner="DefaultDatastore",
        raised_in="machine_learning/datastores/resources", message="The default datastore of a workspace cannot be deleted.",
    ),
    Refusal(
        name="secrets of a datastore without credentials", status=400, code="UserError", inner="NoCredentials",
        raised_in="machine_learning/datastores/resources", message="The datastore has no credentials.",
    ),
    Refusal(
        name="connection without category", status=400, code="UserError", inner="ValidationError",
        raised_in="machine_learning/connections/resources", message="The property category is required.", source=_SPEC,
    ),
    Refusal(
        name="connection missing", status=404, code="UserError", inner="ConnectionNotFound",
        raised_in="machine_learning/connections/resources", message="Connection {} can't be found in this workspace",
    ),
    Refusal(
        name="outbound rule of unknown type", status=400, code="UserError", inner="ValidationError",
        raised_in="machine_learning/scope", message="The value '{}' of type is none of FQDN, PrivateEndpoint, ServiceTag.",
        source=_SPEC,
    ),
    Refusal(
        name="registry name taken", status=409, code="RegistryNameNotAvailable", raised_in="machine_learning/registries/resources",
        message="The registry name '{}' is taken.", source=f"{_LEARN}machine-learning/how-to-manage-registries",
    ),
    Refusal(
        name="registry missing", status=404, code="UserError", inner="RegistryNotFound",
        raised_in="machine_learning/registries/resources",
        message="The registry '{}' was not found.", proof=Proof.CODE, source=_RECORDED,
    ),
)  # fmt: skip
