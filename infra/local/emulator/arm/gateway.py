"""The door of ARM: what is checked before any provider sees a request, and what every answer carries.

In ARM's order: token, throttling, api-version given, subscription, roles, resource group, provider and type, api-version
supported, registration, locks. Sources: recorded traffic (docs/local-azure.md) and ARM's published limits.
"""

from __future__ import annotations

import logging
import re
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from infra.local.emulator import clouds, scene, web
from infra.local.emulator.arm import limits, refusals, throttling, versions
from infra.local.emulator.arm.locks import refusals as locks_refusals
from infra.local.emulator.arm.subscriptions import cloud_metadata
from infra.local.emulator.authorization import refusals as door
from infra.local.emulator.events import watching
from infra.local.emulator.identity.state import TokenRefusedError

if TYPE_CHECKING:
    from infra.local.emulator.world import World

_LOG = logging.getLogger("emulator.arm")
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_WRITES = frozenset({"PUT", "PATCH", "POST", "DELETE"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What a request's path names.

    Attributes:
        subscription, group, namespace: as in the path; empty when absent.
        kinds: the type's segments, e.g. `("workspaces", "computes")`.
        names: as many names as there are, one fewer than kinds for a collection.
    """

    subscription: str = ""
    group: str = ""
    namespace: str = ""
    kinds: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


def target_of(path: str) -> Target:
    """Read a path."""
    parts = path.strip("/").split("/")
    lowered = [part.lower() for part in parts]
    subscription = parts[1] if lowered[0] == "subscriptions" and len(parts) > 1 else ""
    group = parts[3] if lowered[2:3] == ["resourcegroups"] and len(parts) > 3 else ""
    # the last one: a role assignment lies behind the resource that it is about
    if "providers" not in lowered or (at := len(lowered) - 1 - lowered[::-1].index("providers")) + 1 >= len(parts):
        return Target(subscription=subscription, group=group)
    rest = parts[at + 2 :]
    return Target(subscription=subscription, group=group, namespace=parts[at + 1], kinds=tuple(rest[0::2]), names=tuple(rest[1::2]))


def guard(world: World, request: web.Request) -> web.Request:
    """The checks, in order.

    Raises:
        web.Refused: with ARM's answer.
    """
    if request.path.lower() != cloud_metadata.PATH:
        request = replace(request, principal=_authenticate(world, request))
    throttling.take(world, request)
    version = request.query.get("api-version")
    if not version:
        text = "The api-version query parameter (?api-version=) is required for all requests."
        raise refusals.refuse(400, "MissingApiVersionParameter", text)
    target = target_of(request.path)
    _check_scope(world, request, target)
    _check_version(world, request, target, version)
    limits.check(world, request, target.namespace, target.kinds, target.names)
    locks_refusals.check(world, request)
    if request.method in {"GET", "HEAD"}:
        world.operations.look(request.path)
    watching.before_write(world, request)
    return request


def _authenticate(world: World, request: web.Request) -> Any:
    try:
        return world.tokens.check(request.headers.get("authorization"), clouds.ARM_AUDIENCES)
    except TokenRefusedError as refused:
        raise _token_refusal(world, refused) from None


def _token_refusal(world: World, refused: TokenRefusedError) -> web.Refused:
    allowed = ",".join(f"'{audience}{end}'" for audience in clouds.ARM_AUDIENCES[1::-1] for end in ("/", ""))
    now = f"{world.now():%m/%d/%Y %I:%M:%S %p}"
    code, message = {
        "missing": ("AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing."),
        "invalid": ("InvalidAuthenticationToken", "The access token is invalid."),
        "audience": (
            "InvalidAuthenticationTokenAudience",
            (
                f"The access token has been obtained for wrong audience or resource '{refused.detail}'. "
                f"It should exactly match with one of the allowed audiences {allowed}."
            ),
        ),
        "expired": (
            "ExpiredAuthenticationToken",
            f"The access token expiry UTC time '{refused.detail}' is earlier than current UTC time '{now}'.",
        ),
    }[refused.reason]
    authority = f"https://login.windows.net/{scene.TENANT_ID}"
    challenge = f'Bearer authorization_uri="{authority}", error="invalid_token", error_description="{message}"'
    return refusals.refuse(401, code, message, headers={"WWW-Authenticate": challenge})


def _check_scope(world: World, request: web.Request, target: Target) -> None:
    if target.subscription:
        if not _GUID.fullmatch(target.subscription.lower()):
            text = f"The provided subscription identifier '{target.subscription}' is malformed or invalid."
            raise refusals.refuse(400, "InvalidSubscriptionId", text)
        if world.resources.get(f"/subscriptions/{target.subscription}") is None:
            text = f"The subscription '{target.subscription}' could not be found."
            raise refusals.refuse(404, "SubscriptionNotFound", text)
    door.check(world, request)
    if target.group and world.resources.get(f"/subscriptions/{target.subscription}/resourceGroups/{target.group}") is None:
        own = not target.namespace
        if not (own and request.method in {"PUT", "HEAD"}):
            raise refusals.group_not_found(target.group)


def _check_version(world: World, request: web.Request, target: Target, version: str) -> None:
    namespace = target.namespace.lower()
    if not namespace or (not target.kinds and namespace in versions.NAMESPACES) or target.kinds in {("register",), ("unregister",)}:
        supported = versions.TYPES["microsoft.resources/resources"]
        if not _takes(world, "resources", supported, version):
            text = f"The api-version '{version}' is invalid. The supported versions are '{','.join(reversed(supported))}'."
            raise refusals.refuse(400, "InvalidApiVersionParameter", text)
        return
    written = versions.NAMESPACES.get(namespace)
    if written is None:
        raise refusals.refuse(404, "InvalidResourceNamespace", f"The resource namespace '{target.namespace}' is invalid.")
    kinds = [kind.lower() for kind in target.kinds]
    known = next((name for n in range(len(kinds), 0, -1) if (name := f"{namespace}/{'/'.join(kinds[:n])}") in versions.TYPES), None)
    if known is None:
        raise _type_refused(target, version)
    if not _takes(world, known, versions.TYPES[known], version):
        location = _location_of(world, target) or scene.LOCATION
        kind = known.partition("/")[2]
        raise refusals.version_refused(kind, version, versions.TYPES[known], location, versions.LOCATIONS)
    if request.method in _WRITES and target.subscription and world.registration_of(request.path, namespace) != "Registered":
        raise refusals.not_registered(written)


def _type_refused(target: Target, version: str) -> web.Refused:
    namespace = target.namespace.lower()
    every = sorted({v for name, listed in versions.TYPES.items() if name.startswith(namespace + "/") for v in listed})
    return refusals.type_refused(versions.NAMESPACES[namespace], "/".join(target.kinds), version, every)


def _takes(world: World, kind: str, supported: tuple[str, ...], version: str) -> bool:
    taken = versions.takes(supported, version)
    if taken and version not in supported and (kind, version) not in (seen := world.notes.setdefault("newer versions", set())):
        seen.add((kind, version))
        _LOG.warning("api-version %s of %s is newer than the newest one known here (%s); it is taken", version, kind, supported[-1])
    return taken


def _location_of(world: World, target: Target) -> str:
    group = world.resources.get(f"/subscriptions/{target.subscription}/resourceGroups/{target.group}")
    return str(group.body.get("location", "")) if group else ""


def finish(world: World, request: web.Request, response: web.Response) -> web.Response:
    """The headers of every ARM answer; a write's event is raised, now or at its end.

    A caller that gets 409 waits for an operation: that counts as a look at it, so that `polls:N` ends for every caller.
    """
    if response.status == 409:
        world.operations.look(request.path, above=True)
    watching.after_write(world, request, response)
    correlation = request.headers.get("x-ms-correlation-request-id") or str(uuid.uuid4())
    headers = {
        "Cache-Control": "no-cache",
        "x-ms-request-id": request.id,
        "x-ms-correlation-request-id": correlation,
        "x-ms-routing-request-id": f"WESTEUROPE:{world.now():%Y%m%dT%H%M%SZ}:{correlation}",
        "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
        "X-Content-Type-Options": "nosniff",
        **request.notes.get("rate", {}),
    }
    if request.headers.get("x-ms-return-client-request-id", "").lower() == "true" and "x-ms-client-request-id" in request.headers:
        headers["x-ms-client-request-id"] = request.headers["x-ms-client-request-id"]
    return response.with_headers(headers)


def not_found(world: World, request: web.Request) -> web.Response:
    """No handler: a wrong verb, a type or action below a known one that is not there, a path that is not one of ARM's.

    A HEAD asks what a GET would.
    """
    target = target_of(request.path)
    if request.method == "HEAD":
        return _head(world, request, target)
    if target.namespace:
        if not request.service.knows(request.path):
            raise _type_refused(target, request.query["api-version"])
        raise refusals.method_not_allowed(request.method)
    text = f"The request path {request.path!r} names no resource that the local Azure knows."
    raise refusals.refuse(404, "NotFound", text)


def _head(world: World, request: web.Request, target: Target) -> web.Response:
    """204 for a resource that exists (Resources_CheckExistenceById); a list answers as to a GET, without the body."""
    handler, request = request.service.find(replace(request, method="GET"))
    answer = handler(world, request)
    one = target.namespace and len(target.names) == len(target.kinds)
    return web.empty(204) if one and answer.status == 200 else answer


# What must be an object, or text, wherever a provider reads it; a `null` is as good as absent.
_OBJECTS = frozenset({
    "properties", "tags", "sku", "identity", "userAssignedIdentities", "limits", "resources", "inputs", "outputs", "build",
    "environmentVariables", "codeConfiguration", "traffic", "scaleSettings", "credentials", "secrets", "defaults", "trigger",
    "action", "keys", "userAccountCredentials", "mirrorTraffic",
})  # fmt: skip
_TEXTS = frozenset({"location", "kind", "description", "computeType", "vmSize", "instanceType", "type", "timeout"})
_FREE = frozenset({
    "componentSpec", "action", "inputs", "outputs", "tags", "environmentVariables", "trigger", "flavors", "template",
    "parameters", "jobs",
})  # fmt: skip


def body_object(request: web.Request) -> dict[str, Any]:
    """The body, which must be a JSON object with objects and texts where every provider has them.

    Raises:
        web.Refused: `InvalidRequestContent`.
    """
    try:
        body = request.json()
    except ValueError as error:
        raise refusals.invalid_content(str(error)) from None
    if not isinstance(body, dict):
        raise refusals.invalid_content(
            f"Error converting value of type {type(body).__name__} to type 'ResourceDefinition'. Path ''"
        )
    _check_shape(body, "")
    return body


def _check_shape(body: dict[str, Any], path: str) -> None:
    for name, value in body.items():
        here = f"{path}.{name}".lstrip(".")
        wanted = dict if name in _OBJECTS else str if name in _TEXTS else None
        if wanted is not None and value is not None and not isinstance(value, wanted):
            raise refusals.invalid_content(f"Error converting value {value!r:.60} to type '{wanted.__name__}'. Path '{here}'")
        if isinstance(value, dict) and name not in _FREE:
            _check_shape(value, here)
