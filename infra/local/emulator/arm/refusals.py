"""ARM's own refusals, in ARM's words. Each function returns the exception to raise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.local.emulator import web

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


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
    """A property that must be an ARM id is none."""
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
