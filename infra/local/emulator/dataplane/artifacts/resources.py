"""Files of runs: listed, read, written and signed; by run (history v1.0) or by origin and container (artifact v2.0)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import ResourceNotFoundError

from infra.local.emulator import web
from infra.local.emulator.dataplane import scope
from infra.local.emulator.dataplane.artifacts import responses
from infra.local.emulator.dataplane.history import resources as run_routes
from infra.local.emulator.storage import files as storage
from infra.local.emulator.storage import locations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from infra.local.emulator.storage.locations import Location
    from infra.local.emulator.world import World

routes = web.Routes(r".*")
_BY_RUN = f"{run_routes.EXPERIMENT_RUN}/artifacts"
_BY_RUN_ID = f"{run_routes.RUN}/artifacts"
_OF_EXPERIMENT_ID = f"{run_routes.BASE}/experimentids/{{experiment}}/runs/{{run}}/artifacts"
_RUN_FORMS = (_BY_RUN, _BY_RUN_ID, _OF_EXPERIMENT_ID)
_ALL = f"/artifact/v2.0{scope.WORKSPACE}/artifacts"
_BY_CONTAINER = f"{_ALL}/{{origin}}/{{container}}"


def _place(world: World, request: web.Request) -> tuple[Location, dict[str, Any]]:
    """Where one artifact is, and what it is called.

    Raises:
        web.Refused: 400 without a path.
    """
    return _named(request, world, *responses.owner_of(world, request), responses.path(request))


def _named(
    request: web.Request, world: World, owner: str, origin: str, container: str, path: str
) -> tuple[Location, dict[str, Any]]:
    if not path or ".." in path.split("/"):
        raise scope.bad(request, "The query parameter path names the artifact.")
    return locations.artifact(world, owner, origin, container, path), {"origin": origin, "container": container, "path": path}


def _of_each(methods: str, tail: str, homes: Iterable[str]) -> Callable[[web.Handler], web.Handler]:
    """Decorator: the same handler below each of these paths."""

    def register(handler: web.Handler) -> web.Handler:
        for home in homes:
            routes.route(methods, f"{home}{tail}")(handler)
            if tail:  # the SDK v1 puts the artifact's path behind
                routes.route(methods, f"{home}{tail}/{{path*}}")(handler)
        return handler

    return register


def _signed(world: World, request: web.Request, name: dict[str, Any], location: Location, permission: str = "r") -> dict[str, Any]:
    suffix = storage.storage_suffix(request.host)
    return {"contentUri": storage.sas_url(world, location, permission=permission, suffix=suffix), **name}


def _missing(request: web.Request, name: dict[str, Any]) -> web.Refused:
    text = f"Artifact {name['path']} of {name['container']} was not found."
    return scope.not_found(request, text, "ArtifactNotFound")


def _existing(world: World, request: web.Request) -> tuple[Location, dict[str, Any]]:
    location, name = _place(world, request)
    if not storage.exists(world, location):
        raise _missing(request, name)
    return location, name


@_of_each("GET", "", _RUN_FORMS)
@_of_each("GET", "/path", _RUN_FORMS)
@routes.route("GET", _BY_CONTAINER)
def list_all(world: World, request: web.Request) -> web.Response:
    """The artifacts of a run or container, or those below `path`."""
    return responses.page(world, request, [responses.shown(name) for name in responses.listed(world, request)])


@_of_each("GET", "/prefix/contentinfo", _RUN_FORMS)
@routes.route("GET", f"{_BY_CONTAINER}/prefix/contentinfo")
@routes.route("GET", f"{_ALL}/prefix/contentinfo/{{origin}}/{{container}}/{{path*}}")
def signed_below(world: World, request: web.Request) -> web.Response:
    """The same with a signed URL for each."""
    owner, origin, container = responses.owner_of(world, request)
    found = [
        _signed(world, request, name, locations.artifact(world, owner, origin, container, name["path"]))
        for name in responses.listed(world, request)
    ]
    return responses.page(world, request, found)


@_of_each("GET", "/contentinfo", _RUN_FORMS)
@routes.route("GET", f"{_BY_CONTAINER}/contentinfo")
@routes.route("GET", f"{_ALL}/contentinfo/{{origin}}/{{container}}/{{path*}}")
def content_info(world: World, request: web.Request) -> web.Response:
    """A signed URL to read one artifact."""
    location, name = _existing(world, request)
    return web.answer(_signed(world, request, name, location))


@_of_each("GET", "/artifacturi", _RUN_FORMS)
def artifact_uri(world: World, request: web.Request) -> web.Response:
    """The same as a bare JSON string."""
    location, name = _existing(world, request)
    return web.answer(_signed(world, request, name, location)["contentUri"])


@routes.route("GET", f"{_BY_CONTAINER}/write")
def write_url(world: World, request: web.Request) -> web.Response:
    """A signed URL to write one artifact."""
    location, name = _place(world, request)
    return web.answer(_signed(world, request, name, location, "rcw"))


@_of_each("GET", "/metadata", _RUN_FORMS)
@routes.route("GET", f"{_BY_CONTAINER}/metadata")
@routes.route("GET", f"{_ALL}/metadata/{{origin}}/{{container}}/{{path*}}")
def metadata(world: World, request: web.Request) -> web.Response:
    """What is known of one artifact."""
    location, name = _place(world, request)
    try:
        known = storage.container_client(world, location).get_blob_client(location.path).get_blob_properties()
    except ResourceNotFoundError:
        raise _missing(request, name) from None
    return web.answer(responses.shown(name, etag=known.etag, created=scope.time_text(known.creation_time or known.last_modified)))


@routes.route("GET", f"{_BY_CONTAINER}/content")
@routes.route("GET", f"{_ALL}/content/{{origin}}/{{container}}/{{path*}}")
def content(world: World, request: web.Request) -> web.Response:
    """The bytes of one artifact."""
    location, name = _place(world, request)
    found = storage.read(world, location)
    if found is None:
        raise _missing(request, name)
    return web.Response(headers=(("Content-Type", "application/octet-stream"),), body=found)


@routes.route("POST", f"{_BY_CONTAINER}/content")
@routes.route("POST", f"{_ALL}/content/{{origin}}/{{container}}/{{path*}}")
def upload(world: World, request: web.Request) -> web.Response:
    """Write one artifact; `allowOverwrite=false` refuses an existing one, `append=true` adds to it."""
    location, name = _place(world, request)
    old = storage.read(world, location)
    append = request.query.get("append", "").lower() == "true"
    if old is not None and not append and request.query.get("allowoverwrite", "true").lower() == "false":
        raise scope.refused(request, 409, f"Artifact {name['path']} exists already.", "Conflict", "ArtifactAlreadyExists")
    storage.write(world, location, (old or b"") + request.body if append else request.body)
    return web.answer(responses.shown(name, created=scope.time_text(world.now())))


@routes.route("POST", f"{_ALL}/register")
@routes.route("POST", f"{_ALL}/metadata")
def register(world: World, request: web.Request) -> web.Response:
    """Announce an artifact that is written straight to storage afterwards: `{"origin","container","path"}`."""
    scope.workspace_id(world, request)
    asked = scope.body(request)
    name = {field: scope.text(request, asked, field) or "" for field in ("origin", "container", "path")}
    if not all(name.values()):
        raise scope.bad(request, "An artifact has an origin, a container and a path.")
    return web.answer(responses.shown(name, created=scope.time_text(world.now())))


@routes.route("POST", f"{_ALL}/batch/metadata/{{origin}}/{{container}}")
@_of_each("POST", "/batch/metadata", (*_RUN_FORMS, _BY_CONTAINER))
def announce(world: World, request: web.Request) -> web.Response:
    """`{"paths":[{"path"}]}` to a signed URL for each, to write it to; one that is there already is an error of its own."""
    owner, origin, container = responses.owner_of(world, request)
    found: dict[str, dict[str, Any]] = {"artifacts": {}, "artifactContentInformation": {}, "errors": {}}
    for asked in scope.objects(request, scope.body(request), "paths"):
        path = (scope.text(request, asked, "path") or "").strip("/")
        location, name = _named(request, world, owner, origin, container, path)
        if storage.exists(world, location):
            text = f"Resource Conflict: ArtifactId {origin}/{container}/{path} already exists."
            found["errors"][path] = json.loads(scope.refused(request, 409, text, "Conflict").response.body)
            continue
        found["artifacts"][path] = responses.shown(name, created=scope.time_text(world.now()))
        found["artifactContentInformation"][path] = _signed(world, request, name, location, "rcw") | {"tags": {}}
    return web.answer(found)


@routes.route("DELETE", f"{_BY_CONTAINER}/metadata")
def delete(world: World, request: web.Request) -> web.Response:
    """Forget one artifact; `hardDelete=true` deletes its blob too (without it the blob stays, and so the listing)."""
    location, _ = _existing(world, request)
    if request.query.get("harddelete", "").lower() == "true":
        storage.container_client(world, location).delete_blob(location.path)
    return web.empty(200)
