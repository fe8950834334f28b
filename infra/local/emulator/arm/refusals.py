"""ARM's own refusals, in ARM's words. Each function returns the exception to raise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.local.emulator import web
from infra.local.emulator.refusal import ACCOUNTS, ERRORS, GITHUB, LEARN, RECORDED, Proof, Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from infra.local.emulator.world import World

_REGISTER = f"{LEARN}azure-resource-manager/troubleshooting/error-register-resource-provider"
_TAGS = "https://github.com/Azure/azure-powershell/blob/main/src/Migrate/Migrate.Autorest/custom/New-AzMigrateServerReplication.ps1"
_TAG_LIMITS = f"{LEARN}azure-resource-manager/management/tag-resources"
ROWS: tuple[Refusal, ...] = (
    Refusal(name="token missing", status=401, code="AuthenticationFailed",
        message="Authentication failed. The 'Authorization' header is missing."),
    Refusal(name="token unreadable", status=401, code="InvalidAuthenticationToken", message="The access token is invalid."),
    Refusal(name="token of another audience", status=401, code="InvalidAuthenticationTokenAudience", message=(
            "The access token has been obtained for wrong audience or resource '{}'. It should exactly match with one of the "
            "allowed audiences {}."
        ), proof=Proof.TEXT, source=f"{GITHUB}Azure-Samples/active-directory-dotnetcore-daemon-v2/issues/145"),
    Refusal(name="token expired", status=401, code="ExpiredAuthenticationToken",
        message="The access token expiry UTC time '{}' is earlier than current UTC time '{}'.", proof=Proof.CODE, source=RECORDED),
    Refusal(name="too many requests", status=429, code="SubscriptionRequestsThrottled",
        message="Number of requests for subscription '{}' and operation '{}' exceeded the backend storage limit. {}",
        proof=Proof.CODE, source=f"{LEARN}azure-resource-manager/management/request-limits-and-throttling"),
    Refusal(name="api-version missing", status=400, code="MissingApiVersionParameter",
        message="The api-version query parameter (?api-version=) is required for all requests.", proof=Proof.CODE,
        source=f"{GITHUB}Azure/azure-sdk-for-go/issues/22571"),
    Refusal(name="api-version unknown to the type", status=400, code="NoRegisteredProviderFound", message=(
            "No registered resource provider found for location '{}' and API version '{}' for type '{}'. The supported "
            "api-versions are '{}'. The supported locations are '{}'."
        ), proof=Proof.CODE, source=_REGISTER),
    Refusal(name="api-version unknown to ARM", status=400, code="InvalidApiVersionParameter",
        message="The api-version '{}' is invalid. The supported versions are '{}'."),
    Refusal(name="subscription malformed", status=400, code="InvalidSubscriptionId",
        message="The provided subscription identifier '{}' is malformed or invalid.", proof=Proof.TEXT,
        source=f"{GITHUB}Azure/apiops/issues/460"),
    Refusal(name="subscription missing", status=404, code="SubscriptionNotFound",
        message="The subscription '{}' could not be found.", proof=Proof.CODE, source=ERRORS),
    Refusal(name="resource group missing", status=404, code="ResourceGroupNotFound",
        message="Resource group '{}' could not be found.", proof=Proof.TEXT,
        source=f"{GITHUB}MicrosoftLearning/mslearn-azure-ml/pull/27"),
    Refusal(name="resource group being deleted", status=409, code="ResourceGroupBeingDeleted",
        message="The resource group '{}' is in deprovisioning state and cannot perform this operation.", proof=Proof.TEXT,
        source=f"{GITHUB}Azure/azure-cli/issues/28679"),
    Refusal(name="provider unknown", status=404, code="InvalidResourceNamespace", message="The resource namespace '{}' is invalid.",
        proof=Proof.CODE, source=ERRORS),
    Refusal(name="type unknown", status=404, code="InvalidResourceType", message=(
            "The resource type '{}' could not be found in the namespace '{}' for api version '{}'. The supported api-versions are "
            "'{}'."
        ), proof=Proof.CODE, source=ERRORS),
    Refusal(name="provider not registered", status=409, code="MissingSubscriptionRegistration", message=(
            "The subscription is not registered to use namespace '{}'. See https://aka.ms/rps-not-found for how to register "
            "subscriptions."
        ), proof=Proof.CODE, source=_REGISTER),
    Refusal(name="body not JSON", status=400, code="InvalidRequestContent",
        message="The request content was invalid and could not be deserialized: '{}'.", proof=Proof.CODE, source=ERRORS),
    Refusal(name="body too large", status=413, code="RequestContentTooLarge",
        message="The request content size exceeds the maximum size of 4 MB.", proof=Proof.TEXT,
        source=f"{GITHUB}Azure/azure-api-management-devops-resource-kit/issues/594"),
    Refusal(name="verb not supported", status=405, code="UnsupportedHttpMethod",
        message="The requested resource does not support http method '{}'."),
    Refusal(name="resource missing", status=404, code="ResourceNotFound", message=(
            "The Resource '{}' under resource group '{}' was not found. For more details please go to "
            "https://aka.ms/ARMResourceNotFoundFix"
        ), proof=Proof.TEXT, source=f"{GITHUB}Azure/bicep/issues/13457"),
    Refusal(name="parent missing", status=404, code="ParentResourceNotFound",
        message="Failed to perform '{}' on resource(s) of type '{}', because the parent resource '{}' could not be found.",
        proof=Proof.CODE, source=f"{LEARN}azure-resource-manager/troubleshooting/error-parent-resource"),
    Refusal(name="location missing", status=400, code="LocationRequired",
        message="The location property is required for this definition.", proof=Proof.CODE, source=ERRORS),
    Refusal(name="location unknown", status=400, code="LocationNotAvailableForResourceType", message=(
            "The provided location '{}' is not available for resource type '{}'. List of available regions for the resource type "
            "is '{}'."
        ), proof=Proof.TEXT, source=f"{GITHUB}Azure/azure-rest-api-specs/pull/8577"),
    Refusal(name="location changed", status=409, code="InvalidResourceLocation", message=(
            "The resource '{}' already exists in location '{}' in resource group '{}'. A resource with the same name cannot be "
            "created in location '{}'. Please select a new resource name."
        ), proof=Proof.TEXT, source=ACCOUNTS),
    Refusal(name="too many tags", status=400, code="InvalidTags",
        message="Too many tags specified. Requested tag count - '{}'. Maximum number of tags allowed - '50'.", proof=Proof.CODE,
        source=_TAGS),
    Refusal(name="tag name too long", status=400, code="InvalidTagName", message=(
            "Tag key too large. Following tag name '{}' exceeded the maximum length. Maximum allowed length for tag name - '512' "
            "characters."
        ), proof=Proof.CODE, source=_TAGS),
    Refusal(name="tag name of a storage account too long", status=400, code="InvalidTagName", message=(
            "Tag key too large. Following tag name '{}' exceeded the maximum length. Maximum allowed length for tag name - '128' "
            "characters."
        ), source=_TAG_LIMITS),
    Refusal(name="tag name with reserved characters", status=400, code="InvalidTagNameCharacters",
        message="The tag names '{}' have reserved characters '<,>,%,&,\\,?,/' or control characters.", proof=Proof.CODE,
        source=_TAGS),
    Refusal(name="tag value too long", status=400, code="InvalidTagValueLength", message=(
            "Tag value too large. Following tag value '{}' exceeded the maximum length. Maximum allowed length for tag value - "
            "'256' characters."
        ), proof=Proof.CODE, source=_TAGS),
    Refusal(name="reserved word in a name", status=400, code="ReservedResourceName",
        message="The resource name '{}' or a part of the name is a trademarked or reserved word.", proof=Proof.TEXT,
        source=f"{GITHUB}MicrosoftDocs/azure-docs/issues/80822"),
    Refusal(name="denied by policy", status=403, code="RequestDisallowedByPolicy",
        message="Resource '{}' was disallowed by policy. Policy identifiers: '{}'.", proof=Proof.TEXT,
        source=f"{GITHUB}microsoft/vscode-apimanagement/issues/348"),
    Refusal(name="status URL changed", status=403, code="AuthorizationFailed",
        message="The signature of the operation URL is missing or does not match; {}"),
    Refusal(name="skip token unreadable", status=400, code="InvalidSkipToken", message="The skip token is invalid."),
    Refusal(name="page size unreadable", status=400, code="InvalidQueryParameterValue",
        message="The value '{}' of the query parameter '$top' is invalid."),
)  # fmt: skip


def refuse(
    status: int, code: str, message: str, *, target: str | None = None, headers: Mapping[str, str] | None = None
) -> web.Refused:
    """Any gateway refusal."""
    return web.Refused(web.arm_error(status, code, message, target=target, headers=headers))


def invalid_content(why: str) -> web.Refused:
    """The body cannot be read."""
    return refuse(400, "InvalidRequestContent", f"The request content was invalid and could not be deserialized: '{why}'.")


def resource_not_found(resource_type: str, name: str, group: str) -> web.Refused:
    """404 for a resource; `resource_type` in ARM's case, `name` with the parents' names for a nested one."""
    namespace, _, kinds = resource_type.partition("/")
    path = "/".join(f"{kind}/{part}" for kind, part in zip(kinds.split("/"), name.split("/"), strict=False))
    message = (
        f"The Resource '{namespace}/{path}' under resource group '{group}' was not found. For more details please go to "
        "https://aka.ms/ARMResourceNotFoundFix"
    )
    return refuse(404, "ResourceNotFound", message)


def parent_not_found(resource_type: str, parent_id: str, *, verb: str) -> web.Refused:
    """404 because the parent is not there."""
    message = (
        f"Failed to perform '{verb}' on resource(s) of type '{resource_type}', because the parent resource '{parent_id}' "
        "could not be found."
    )
    return refuse(404, "ParentResourceNotFound", message)


def group_not_found(name: str) -> web.Refused:
    """404 for a resource group."""
    return refuse(404, "ResourceGroupNotFound", f"Resource group '{name}' could not be found.")


def version_refused(kind: str, version: str, supported: Iterable[str], location: str, locations: Iterable[str]) -> web.Refused:
    """The api-version is not one of the type's."""
    message = (
        f"No registered resource provider found for location '{location}' and API version '{version}' for type '{kind}'. "
        f"The supported api-versions are '{', '.join(supported)}'. The supported locations are '{', '.join(locations)}'."
    )
    return refuse(400, "NoRegisteredProviderFound", message)


def type_refused(namespace: str, kind: str, version: str, supported: Iterable[str]) -> web.Refused:
    """The namespace has no such type."""
    message = (
        f"The resource type '{kind}' could not be found in the namespace '{namespace}' for api version '{version}'. "
        f"The supported api-versions are '{','.join(supported)}'."
    )
    return refuse(404, "InvalidResourceType", message)


def not_registered(namespace: str) -> web.Refused:
    """409: the subscription has not registered the provider."""
    message = (
        f"The subscription is not registered to use namespace '{namespace}'. See https://aka.ms/rps-not-found for how to "
        "register subscriptions."
    )
    details = [{"code": "MissingSubscriptionRegistration", "target": namespace, "message": message}]
    return web.Refused(web.arm_error(409, "MissingSubscriptionRegistration", message, details=details))


def check_registered(world: World, place: str, *namespaces: str) -> None:
    """The subscription of an ARM id must have registered these providers."""
    for namespace in namespaces:
        if world.registration_of(place, namespace) != "Registered":
            raise not_registered(namespace)


def location_required() -> web.Refused:
    """A tracked resource names its location."""
    return refuse(400, "LocationRequired", "The location property is required for this definition.")


def location_unavailable(location: str, resource_type: str, locations: Iterable[str]) -> web.Refused:
    """No such region, or not for this type."""
    message = (
        f"The provided location '{location}' is not available for resource type '{resource_type}'. List of available regions "
        f"for the resource type is '{','.join(locations)}'."
    )
    return refuse(400, "LocationNotAvailableForResourceType", message)


def location_changed(name: str, old: str, group: str, new: str) -> web.Refused:
    """A resource cannot move."""
    message = (
        f"The resource '{name}' already exists in location '{old}' in resource group '{group}'. A resource with the same name "
        f"cannot be created in location '{new}'. Please select a new resource name."
    )
    return refuse(409, "InvalidResourceLocation", message)


def linked_id_invalid(value: str, path: str) -> web.Refused:
    """A property that must be an ARM id is something else."""
    message = (
        f"Property id '{value}' at path '{path}' is invalid. Expect fully qualified resource Id that start with "
        "'/subscriptions/{subscriptionId}' or '/providers/{resourceProviderNamespace}/'."
    )
    return refuse(400, "LinkedInvalidPropertyId", message)


def linked_missing(value: str, owner: str) -> web.Refused:
    """A property names a resource that is not there."""
    message = (
        f"Resource {value} referenced by resource {owner} was not found. Please make sure that the referenced resource exists, "
        "and that both resources are in the same region."
    )
    return refuse(400, "InvalidResourceReference", message)


def method_not_allowed(method: str) -> web.Refused:
    """The path is right, the verb is not."""
    message = f"The requested resource does not support http method '{method}'."
    return refuse(405, "UnsupportedHttpMethod", message)
