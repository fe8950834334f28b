"""Experiments: a name for runs that belong together. One exists from its first run, or because it was created."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any

from infra.local.emulator import web
from infra.local.emulator.dataplane import scope

if TYPE_CHECKING:
    from datetime import datetime

    from infra.local.emulator.world import World

routes = web.Routes(r".*")
_NAME = re.compile(r"[A-Za-z0-9][\w-]{0,254}")
_BASE = f"/history/v1.0{scope.WORKSPACE}"
_TIME_FIELDS = ("createdUtc", "archivedTime")


def valid_name(name: str) -> bool:
    """Whether run history takes it as an experiment's name."""
    return _NAME.fullmatch(name) is not None


def ensure(world: World, workspace_id: str, name: str) -> dict[str, Any]:
    """The experiment of this name (any case), made when absent."""
    with world.lock:
        known: dict[tuple[str, str], dict[str, Any]] = world.notes.setdefault("experiments", {})
        key = (world.generation(workspace_id), name.lower())
        if key not in known:
            known[key] = {
                "experimentId": str(uuid.uuid4()),
                "name": name,
                "description": None,
                "createdUtc": world.now(),
                "tags": {},
                "archivedTime": None,
            }
        return known[key]


def experiment_id(world: World, workspace_id: str, name: str) -> str:
    """The id of an experiment."""
    return str(ensure(world, workspace_id, name)["experimentId"])


def all_of(world: World, workspace_id: str) -> list[dict[str, Any]]:
    """The experiments of a workspace, those of ARM's jobs included, oldest first."""
    for run in world.runs.of(workspace_id):
        ensure(world, workspace_id, run.experiment)
    with world.lock:
        known, here = world.notes.setdefault("experiments", {}), world.generation(workspace_id)
        return [found for (owner, _), found in known.items() if owner == here]


def _shown(world: World, workspace_id: str, experiment: dict[str, Any]) -> dict[str, Any]:
    runs = world.runs.of(workspace_id, experiment=experiment["name"])
    latest = runs[-1] if runs else None
    times = {name: scope.time_text(experiment[name]) for name in _TIME_FIELDS}
    return {
        **experiment,
        **times,
        "latestCreatedRunCreatedUtc": scope.time_text(latest.created_at) if latest else None,
        "latestCreatedRunId": latest.run_id if latest else None,
        "latestModifiedRunId": latest.run_id if latest else None,
    }


def _named(world: World, request: web.Request) -> tuple[str, dict[str, Any]]:
    owner = scope.workspace_id(world, request)
    wanted, by = (request.params["id"], "experimentId") if "id" in request.params else (request.params["experiment"], "name")
    for found in all_of(world, owner):
        if str(found[by]).lower() == wanted.lower():
            return owner, found
    raise scope.not_found(request, f"Experiment {wanted} was not found.", "ExperimentNotFound")


@routes.route("GET", f"{_BASE}/experiments")
def list_all(world: World, request: web.Request) -> web.Response:
    """All experiments that are not archived, paged by `$top` and `$continuationtoken`."""
    owner = scope.workspace_id(world, request)
    shown = [_shown(world, owner, found) for found in all_of(world, owner) if not found["archivedTime"]]
    top = scope.count_of(request, request.query.get("$top"))
    token = request.query.get("$continuationtoken") or request.query.get("continuationtoken")
    return web.answer(scope.page(request, shown, top=top, token=token, token_name="$continuationToken"))  # noqa: S106 - a name


@routes.route("POST", f"{_BASE}/experiments:query")
def query(world: World, request: web.Request) -> web.Response:
    """The same with the paging in the body; `viewType` All shows archived ones too."""
    owner, asked = scope.workspace_id(world, request), scope.body(request)
    view = (scope.text(request, asked, "viewType") or "ActiveOnly").lower()
    found = [one for one in all_of(world, owner) if view == "all" or bool(one["archivedTime"]) is (view == "archivedonly")]
    top, token = scope.count_of(request, scope.field(asked, "top")), scope.text(request, asked, "continuationToken")
    shown = [_shown(world, owner, one) for one in found]
    return web.answer(scope.page(request, shown, top=top, token=token, token_name="continuationToken"))  # noqa: S106 - a name


@routes.route("GET", f"{_BASE}/experiments/{{experiment}}")
@routes.route("GET", f"{_BASE}/experimentids/{{id}}")
def get(world: World, request: web.Request) -> web.Response:
    """One experiment."""
    return web.answer(_shown(world, *_named(world, request)))


@routes.route("POST", f"{_BASE}/experiments/{{experiment}}")
def create(world: World, request: web.Request) -> web.Response:
    """Create it, or answer the one that is there."""
    owner, name = scope.workspace_id(world, request), request.params["experiment"]
    if not valid_name(name):
        raise scope.bad(request, f"The experiment name {name!r} is invalid.", "InvalidExperimentName")
    return web.answer(_shown(world, owner, ensure(world, owner, name)))


@routes.route("PATCH", f"{_BASE}/experimentids/{{id}}")
def modify(world: World, request: web.Request) -> web.Response:
    """`{"archive","description","tags"}`: tags are merged."""
    owner, found = _named(world, request)
    changes = scope.body(request)
    description, tags = scope.text(request, changes, "description"), scope.texts(request, changes, "tags")
    with world.lock:
        if (archive := scope.field(changes, "archive")) is not None:
            archived: datetime | None = world.now() if archive else None
            found["archivedTime"] = archived
        if description is not None:
            found["description"] = description
        found["tags"] = {**found["tags"], **tags}
    return web.answer(_shown(world, owner, found))


@routes.route("DELETE", f"{_BASE}/experimentids/{{id}}/tags")
def delete_tags(world: World, request: web.Request) -> web.Response:
    """The body lists the names of the tags to remove (`{"tags":[…]}`)."""
    owner, found = _named(world, request)
    gone = scope.names(request, "tags")
    with world.lock:
        found["tags"] = {name: value for name, value in found["tags"].items() if name not in gone}
    return web.answer(_shown(world, owner, found))
