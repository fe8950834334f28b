"""Artifacts as the service shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.local.emulator import web
from infra.local.emulator.dataplane import scope
from infra.local.emulator.storage import files as storage
from infra.local.emulator.storage import locations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.local.emulator.world import World


ORIGIN = "ExperimentRun"


def owner_of(world: World, request: web.Request) -> tuple[str, str, str]:
    """Workspace, origin and container that the path means."""
    if "run" in request.params:
        run = scope.run(world, request)
        return run.workspace_id, ORIGIN, f"dcid.{run.run_id}"
    return scope.workspace_id(world, request), request.params["origin"], request.params["container"]


def path(request: web.Request) -> str:
    """The path in a request's path or query."""
    return (request.params.get("path") or request.query.get("path") or "").strip("/")


def shown(name: dict[str, Any], *, etag: str | None = None, created: str | None = None) -> dict[str, Any]:
    """One artifact."""
    whole = f"{name['origin']}/{name['container']}/{name['path']}"
    return {
        "artifactId": whole,
        **name,
        "etag": etag,
        "createdTime": created,
        "dataPath": {"dataStoreName": "workspaceartifactstore", "relativePath": whole, "sqlDataPath": None},
        "tags": {},
    }


def listed(world: World, request: web.Request) -> Iterator[dict[str, Any]]:
    """The artifacts below the path of a request."""
    owner, origin, container = owner_of(world, request)
    root = locations.artifact(world, owner, origin, container, "")
    wanted = path(request)
    for name, _ in storage.files(world, root):
        if not wanted or name == wanted or name.startswith(wanted + "/"):
            yield {"origin": origin, "container": container, "path": name}


def page(world: World, request: web.Request, items: list[dict[str, Any]]) -> web.Response:
    """One page of artifacts."""
    token = request.query.get("continuationtoken")
    return web.answer(
        scope.page(request, items, top=world.limits.page_size, token=token, token_name="continuationToken")  # noqa: S106 - a name
    )
