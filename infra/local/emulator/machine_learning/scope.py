"""What every handler below a workspace needs: the workspace itself, ids, and Azure ML's way of saying "not found"."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

from infra.local.emulator import scene, web
from infra.local.emulator.arm import gateway, refusals

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.local.emulator.resources import Resource
    from infra.local.emulator.world import World

NAMESPACE = "Microsoft.MachineLearningServices"
PROVIDER = f"/subscriptions/{{subscription}}/providers/{NAMESPACE}"
GROUP = f"/subscriptions/{{subscription}}/resourceGroups/{{group}}/providers/{NAMESPACE}"
WORKSPACE = f"{GROUP}/workspaces/{{workspace}}"


def workspace_id(request: web.Request) -> str:
    """The ARM id of the workspace in the path."""
    params = request.params
    group = f"/subscriptions/{params['subscription']}/resourceGroups/{params['group']}"
    return f"{group}/providers/{NAMESPACE}/workspaces/{params['workspace']}"


def workspace(world: World, request: web.Request, kind: str) -> Resource:
    """The workspace in the path; `kind` is the child's collection, for the refusal.

    Raises:
        web.Refused: 404 `ParentResourceNotFound`, or 409 while a write meets a workspace that is not ready.
    """
    arm_id = workspace_id(request)
    found = world.resources.get(arm_id)
    if found is None:
        verb = {"GET": "read", "DELETE": "delete", "POST": "action"}.get(request.method, "write")
        raise refusals.parent_not_found(f"workspaces/{kind}", arm_id, verb=verb)
    if request.method in {"PUT", "PATCH"} and found.state not in {"Succeeded", "Updating"}:
        doing = {"Creating": "is being created", "Deleting": "is being deleted"}.get(found.state, f"is in state {found.state}")
        text = f"The workspace '{found.name}' {doing}; nothing can be created in it now."
        raise refused(409, "Conflict", text, inner=("WorkspaceNotReady",))
    return found


def location(found: Resource) -> str:
    """The region of a workspace."""
    return str(found.body["location"])


def resource_url(request: web.Request, arm_id: str) -> str:
    """The Location that a 201 carries: the resource itself, not something to poll."""
    return f"https://{request.host}{arm_id}?api-version={request.query['api-version']}"


def caller(request: web.Request) -> str:
    """Who systemData says it was."""
    return request.principal.app_id if request.principal else scene.CLIENT_ID


def refused(status: int, code: str, message: str, *, inner: tuple[str, ...] = ()) -> web.Refused:
    """A refusal of the managementfrontend (shape b)."""
    return web.Refused(web.frontend_error(status, code, message, inner=inner))


def invalid(message: str, *inner: str) -> web.Refused:
    """400 `UserError` of the managementfrontend."""
    return refused(400, "UserError", message, inner=("BadArgument", *inner))


def inferencing(code: str, field: str, message: str) -> web.Refused:
    """400 of the service behind managed endpoints: its own error is a JSON text in the message of the only detail.

    Recorded in public: https://github.com/MicrosoftLearning/mslearn-azure-ml/issues/30
    """
    said = {
        "errors": {field: [message]},
        "type": "https://tools.ietf.org/html/rfc7231#section-6.5.1",
        "title": "One or more validation errors occurred.",
        "status": 400,
        "traceId": f"00-{uuid.uuid4().hex}-{uuid.uuid4().hex[:16]}-01",
    }
    text = f"InferencingClient HttpRequest error, error detail: {json.dumps(said, separators=(',', ':'))}"
    return unreadable(code, text)


def unreadable(code: str, message: str) -> web.Refused:
    """400 `BadRequest` with the useful code in the only detail.

    Recorded in public: https://github.com/Azure/azure-cli-extensions/issues/5583
    """
    detail = {"code": code, "message": message, "details": [], "additionalInfo": []}
    error = {"code": "BadRequest", "message": "The request is invalid.", "details": [detail], "additionalInfo": []}
    return web.Refused(web.answer({"error": error}, status=400))


def missing(what: str, name: str) -> web.Refused:
    """404 in Azure ML's own form: `UserError`, with the useful code inside."""
    text = f"{what} {name} was not found."
    return refused(404, "UserError", text, inner=("NotFound", f"{what.replace(' ', '')}NotFound"))


def endpoint_missing(world: World, resource_type: str, names: str, group: str) -> web.Refused:
    """404 for an endpoint or a deployment, `names` with its parents'.

    Both forms are recorded for the same requests, and not which comes when: `world.missing` chooses.
    """
    if world.missing == "arm":
        return refusals.resource_not_found(resource_type, names, group)
    workspace, _, rest = names.partition("/")
    what, code = ("deployment", "NoSuchService") if "/" in rest else ("endpoint", "NoSuchEndpoint")
    detail = {"code": code, "message": f"There is no {what} with name: {rest.rpartition('/')[2]} in {workspace}"}
    error = {"code": "NotFound", "message": "The specified resource was not found.", "details": [detail]}
    return web.Refused(web.answer({"error": error}, status=404))


def changed(request: web.Request) -> str:
    """The type of what a PUT or PATCH changes, in lower case and without `workspaces/`; '' for any other request."""
    target = gateway.target_of(request.path)
    if request.method not in {"PUT", "PATCH"} or target.namespace.lower() != NAMESPACE.lower():
        return ""
    return "/".join(target.kinds[1:] or target.kinds).lower()


def standing(value: Any, path: list[str], at: str = "") -> Iterator[tuple[str, Any]]:
    """What stands at a path of a body, each with where: `*` is each member of an object or a list."""
    if not path:
        yield at, value
        return
    held: dict[Any, Any] = value if isinstance(value, dict) else {}
    if path[0] != "*":
        held = {path[0]: held[path[0]]} if path[0] in held else {}
    elif isinstance(value, list):
        held = dict(enumerate(value))
    for name, each in held.items():
        yield from standing(each, path[1:], f"{at}.{name}")


def properties_of(body: dict[str, Any]) -> dict[str, Any]:
    """`properties`, which must be an object.

    Raises:
        web.Refused: 400.
    """
    properties = body.get("properties")
    if not isinstance(properties, dict):
        raise invalid("The properties field is required.", "ValidationError")
    return properties


def text_of(properties: dict[str, Any], name: str) -> str:
    """A text property, empty when absent.

    Raises:
        web.Refused: 400, when it is something else.
    """
    value = properties.get(name)
    if value is not None and not isinstance(value, str):
        raise invalid(f"The field {name} must be a string.", "ValidationError")
    return value or ""


def one_of(value: str, allowed: tuple[str, ...], name: str) -> str:
    """The enum's own spelling of a value, whatever its case or underscores (`uri_file`, `UriFile`).

    Raises:
        web.Refused: 400.
    """
    wanted = value.replace("_", "").lower()
    for candidate in allowed:
        if candidate.replace("_", "").lower() == wanted:
            return candidate
    raise invalid(f"The value '{value}' of {name} is not one of {', '.join(allowed)}.", "ValidationError")


def camel_case(name: str) -> str:
    """ARM's spelling of a name as YAML writes it: `max_trials` is `maxTrials`."""
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def conflict(name: str, state: str) -> web.Refused:
    """409: an operation on the same resource is not finished."""
    text = f"Another operation on same entity is already running. Entity: {name}, state: {state}. Try again when it has finished."
    return refused(409, "Conflict", text, inner=("Conflict", "ResourceOperationInProgress"))


def identity(world: World, given: Any) -> dict[str, Any] | None:
    """The identity of a body: its type in Azure's spelling, its user-assigned ones with their ids; None without one.

    Raises:
        web.Refused: 400 for a type that Azure does not know, 404 for an identity that is not there.
    """
    if given is None:
        return None
    kind = str((given or {}).get("type") or "") if isinstance(given, dict) else ""
    parts = sorted(part.strip().lower() for part in kind.split(","))
    names = {("systemassigned",): "SystemAssigned", ("systemassigned", "userassigned"): "SystemAssigned,UserAssigned"}
    names |= {("userassigned",): "UserAssigned", ("none",): "None"}
    if tuple(parts) not in names:
        text = f"The identity type '{kind}' is not supported."
        details = [{"code": "Invalid", "message": text, "target": "identity"}]
        raise web.Refused(web.arm_error(400, "ValidationError", text, target="identity", details=details))
    identity: dict[str, Any] = {"type": names[tuple(parts)]}
    users = given.get("userAssignedIdentities") or {}
    for user in users:
        if world.resources.get(user) is None:
            text = f"The identity '{user}' was not found."
            raise refusals.refuse(404, "UserAssignedIdentityNotFound", text)
    if users:
        identity["userAssignedIdentities"] = {
            user: {"principalId": str(uuid.uuid4()), "clientId": str(uuid.uuid4())} for user in users
        }
    return identity
