"""The v1 view of models: `modelmanagement/v1.0`, ids `name:version`; the same registry of models that ARM shows."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from infra.local.emulator import web
from infra.local.emulator.backends import FetchError
from infra.local.emulator.dataplane import scope
from infra.local.emulator.dataplane.models import responses
from infra.local.emulator.machine_learning.assets import kinds as asset_kinds
from infra.local.emulator.machine_learning.assets import state as assets_state
from infra.local.emulator.storage import files as storage
from infra.local.emulator.storage import locations

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.local.emulator.resources import Resource
    from infra.local.emulator.world import World

routes = web.Routes(r".*")
BASE = f"/modelmanagement/v1.0{scope.WORKSPACE}"
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,254}")
_KIND = next(kind for kind in asset_kinds.KINDS if kind.collection == "models")
_ORDERS: dict[str, tuple[str, bool]] = {
    "createdatdesc": ("createdTime", True),
    "createdatasc": ("createdTime", False),
    "updatedatdesc": ("modifiedTime", True),
    "updatedatasc": ("modifiedTime", False),
}


def _versions(world: World, workspace_id: str) -> list[Resource]:
    """Every version of every model, newest first; archived and anonymous ones are not v1's to show."""
    with world.lock:
        found = [
            version
            for model in world.resources.children(workspace_id, "models")
            for version in world.resources.children(model.id, "versions")
            if not version.properties.get("isArchived") and not version.properties.get("isAnonymous")
        ]
    return sorted(found, key=lambda version: str((version.body.get("systemData") or {}).get("createdAt")), reverse=True)


def _pairs(request: web.Request, text: object) -> list[tuple[str, str | None]]:
    """`key1,key2=value` as v1's tag and property filters."""
    if isinstance(text, list):
        text = ",".join(str(part) for part in text)
    found = []
    for part in str(text or "").split(","):
        key, given, value = part.strip().partition("=")
        if key:
            found.append((key, value if given else None))
        elif given:
            raise scope.bad(request, f"The filter {part!r} has no name.", "InvalidFilter")
    return found


def _has(values: dict[str, Any], wanted: list[tuple[str, str | None]]) -> bool:
    return all(key in values and (value is None or str(values[key]) == value) for key, value in wanted)


def _listed(world: World, request: web.Request, asked: Callable[[str], Any]) -> web.Response:
    models = [responses.shown(version) for version in _versions(world, scope.workspace_id(world, request))]
    tags, properties = _pairs(request, asked("tags") or asked("tag")), _pairs(request, asked("properties"))
    models = [
        model
        for model in models
        if all(
            not asked(name) or str(model[field] or "").lower() == str(asked(name)).lower()
            for name, field in (("name", "name"), ("framework", "framework"), ("runId", "runId"), ("description", "description"))
        )
        and _has(model["kvTags"], tags)
        and _has(model["properties"], properties)
    ]
    field, descending = _ORDERS.get(str(asked("orderBy") or "CreatedAtDesc").lower(), ("createdTime", True))
    models.sort(key=lambda model: str(model[field]), reverse=descending)
    top = min(scope.count_of(request, asked("count")), world.limits.page_size)
    found = scope.page(request, models, top=top, token=str(asked("$skipToken") or ""), token_name="$skipToken")  # noqa: S106 - a name
    found.pop("continuationToken", None)
    return web.answer(found)


@routes.route("GET", f"{BASE}/models")
def list_all(world: World, request: web.Request) -> web.Response:
    """Newest first; `name`, `framework`, `runId`, `tags`, `properties` filter; `count` and `$skipToken` page."""
    return _listed(world, request, lambda name: request.query.get(name.lower()))


@routes.route("POST", f"{BASE}/models/list")
def list_by_body(world: World, request: web.Request) -> web.Response:
    """The same with the filters in the body."""
    asked = scope.body(request)
    return _listed(world, request, lambda name: scope.field(asked, name))


def _found(world: World, request: web.Request) -> Resource | None:
    """The version that `name:version` means; a bare name means the newest."""
    owner = scope.workspace_id(world, request)
    name, _, version = request.params["id"].rpartition(":")
    if name:
        with world.lock:
            return world.resources.get(f"{owner}/models/{name}/versions/{version}")
    return next((found for found in _versions(world, owner) if found.id.split("/")[-3].lower() == version.lower()), None)


def _existing(world: World, request: web.Request) -> Resource:
    found = _found(world, request)
    if found is None:
        raise scope.refused(request, 404, f"Model with id {request.params['id']} was not found.", "ModelNotFound")
    return found


@routes.route("GET", f"{BASE}/models/{{id}}")
def get(world: World, request: web.Request) -> web.Response:
    """One model."""
    return web.answer(responses.shown(_existing(world, request)))


@routes.route("POST", f"{BASE}/models")
def register(world: World, request: web.Request) -> web.Response:
    """Register the next version of a name: `name`, `url` and `mimeType` are required; the files must be there.

    Raises:
        web.Refused: 400.
    """
    workspace, asked = scope.workspace(world, request), scope.body(request)
    name, url = scope.text(request, asked, "name") or "", scope.text(request, asked, "url") or ""
    if not url or not scope.field(asked, "mimeType"):
        raise scope.bad(request, "A model has a name, a url and a mimeType.", "InvalidModel")
    if not _NAME.fullmatch(name):
        raise scope.bad(request, f"The model name {name!r} is invalid.", "InvalidModelName")
    try:
        place = locations.resolve(world, workspace.id.lower(), url)
        storage.check_there(world, place)
    except FetchError as error:
        raise scope.bad(request, str(error), "ModelFilesNotFound") from None
    with world.lock:
        container = world.resources.get(f"{workspace.id}/models/{name}")
        version = str(container.properties.get("nextVersion") or 1) if container else "1"
        by = request.principal.app_id if request.principal else ""
        made = assets_state.register(_KIND, world, workspace, name, version, _properties(request, asked, url), by=by)
    return web.answer(responses.shown(made))


def _properties(request: web.Request, asked: dict[str, Any], url: str) -> dict[str, Any]:
    own = scope.texts(request, asked, "properties")
    for name in ("framework", "frameworkVersion", "mimeType", "runId", "experimentName"):
        if (value := scope.field(asked, name)) is not None:
            own[f"v1.{name}"] = str(value)
    own["v1.unpack"] = "true" if scope.field(asked, "unpack") else "false"
    return {
        "modelUri": url,
        "modelType": "custom_model",
        "description": scope.text(request, asked, "description"),
        "tags": scope.texts(request, asked, "kvTags"),
        "properties": own,
    }


@routes.route("PATCH", f"{BASE}/models/{{id}}")
def modify(world: World, request: web.Request) -> web.Response:
    """JSON Patch (RFC 6902) on `/description`, `/kvTags/x` (or `/tags/x`) and `/properties/x`."""
    found = _existing(world, request)
    steps = patch_steps(request)
    with world.lock:
        for step in steps:
            _apply(request, found, step)
        found.touched(world.now(), request.principal.app_id if request.principal else "")
    return web.answer(responses.shown(found))


def patch_steps(request: web.Request) -> list[dict[str, Any]]:
    """The operations of a JSON Patch.

    Raises:
        web.Refused: 400, the body is something else.
    """
    try:
        steps = json.loads(request.body.decode("utf-8-sig") or "[]")
    except (ValueError, RecursionError) as error:
        raise scope.bad(request, f"The request body is not valid JSON: {error}", "InvalidJson") from None
    if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
        raise scope.bad(request, "The body is a list of patch operations.", "InvalidPatch")
    return steps


def _apply(request: web.Request, found: Resource, step: dict[str, Any]) -> None:
    operation, path = str(step.get("op")).lower(), str(step.get("path") or "").strip("/").split("/", 1)
    if operation not in {"add", "replace", "remove"}:
        raise scope.bad(request, f"The patch operation {operation!r} is not supported.", "InvalidPatch")
    if path == ["description"]:
        found.properties["description"] = None if operation == "remove" else step.get("value")
        return
    where = {"kvtags": "tags", "tags": "tags", "properties": "properties"}.get(path[0].lower())
    if where is None:
        raise scope.bad(request, f"The path {step.get('path')!r} of a model cannot be changed.", "InvalidPatch")
    values = dict(found.properties.get(where) or {})
    if len(path) == 1:
        values = {} if operation == "remove" else scope.texts(request, step, "value")
    elif operation == "remove":
        values.pop(path[1].replace("~1", "/").replace("~0", "~"), None)
    else:
        values[path[1].replace("~1", "/").replace("~0", "~")] = str(step.get("value"))
    found.properties[where] = values


@routes.route("DELETE", f"{BASE}/models/{{id}}")
def delete(world: World, request: web.Request) -> web.Response:
    """200; 204 when it is missing. A model that a v1 service uses stays: 400."""
    found = _found(world, request)
    if found is None:
        return web.empty(204)
    model_id = responses.shown(found)["id"]
    with world.lock:
        services = world.resources.children(scope.workspace_id(world, request), "services")
        users = [service.name for service in services if model_id in service.hidden["modelIds"]]
        if users:
            text = f"Model {model_id} cannot be deleted: it is used by the service {users[0]}."
            raise scope.refused(request, 400, text, "ModelInUse")
        world.resources.delete(found.id)
    return web.empty(200)
