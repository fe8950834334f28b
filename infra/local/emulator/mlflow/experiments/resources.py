"""Experiments: run history's own, under MLflow's names. They are archived, never deleted, and cannot be renamed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.local.emulator import web
from infra.local.emulator.dataplane import scope
from infra.local.emulator.dataplane.history import experiments
from infra.local.emulator.mlflow import filters, wire

if TYPE_CHECKING:
    from infra.local.emulator.world import World

routes = web.Routes(r".*")
_ATTRIBUTES: dict[str, type] = {"name": str, "experiment_id": str, "creation_time": float, "last_update_time": float}
_VIEWS = ("ACTIVE_ONLY", "DELETED_ONLY", "ALL")


def _shown(found: dict[str, Any]) -> dict[str, Any]:
    return {
        "experiment_id": found["experimentId"],
        "name": found["name"],
        "artifact_location": "",
        "lifecycle_stage": "deleted" if found["archivedTime"] else "active",
        "creation_time": wire.millis(found["createdUtc"]),
        "last_update_time": wire.millis(found["archivedTime"] or found["createdUtc"]),
        "tags": wire.listed(found["tags"]),
    }


def existing(world: World, request: web.Request, given: dict[str, Any]) -> dict[str, Any]:
    """The experiment of `experiment_id` or `experiment_name`.

    Raises:
        web.Refused: 404.
    """
    name, wanted = wire.text(given, "experiment_name"), wire.text(given, "experiment_id")
    for found in experiments.all_of(world, scope.workspace_id(world, request)):
        if (name and found["name"].lower() == name.lower()) or (wanted and found["experimentId"] == wanted.lower()):
            return found
    raise wire.missing(f"No experiment was found for {name or wanted!r}.")


def view_of(given: dict[str, Any], name: str) -> str:
    """`ACTIVE_ONLY` (the default), `DELETED_ONLY` or `ALL`.

    Raises:
        web.Refused: 400.
    """
    found = (wire.text(given, name) or _VIEWS[0]).upper()
    if found not in _VIEWS:
        raise wire.invalid(f"The parameter {name} is {found!r}; expected one of {', '.join(_VIEWS)}.")
    return found


def in_view(view: str, *, archived: bool) -> bool:
    """Whether a view shows what is, or is not, archived."""
    return view == "ALL" or archived is (view == "DELETED_ONLY")


@routes.route("POST", f"{wire.API}/experiments/create")
def create(world: World, request: web.Request) -> web.Response:
    """A new one; 400 when the name is taken."""
    given, owner = wire.asked(request), scope.workspace_id(world, request)
    name, tags = wire.required(given, "name"), wire.pairs(request, given)
    if not experiments.valid_name(name):
        raise wire.invalid(f"The experiment name {name!r} is invalid.")
    if any(found["name"].lower() == name.lower() for found in experiments.all_of(world, owner)):
        raise wire.exists(f"Experiment '{name}' already exists.")
    made = experiments.ensure(world, owner, name)
    with world.lock:
        made["tags"] = tags
    return web.answer({"experiment_id": made["experimentId"]})


@routes.route("GET", f"{wire.API}/experiments/get-by-name")
@routes.route("GET", f"{wire.API}/experiments/get")
def get(world: World, request: web.Request) -> web.Response:
    """One experiment by `experiment_name` or `experiment_id`."""
    return web.answer({"experiment": _shown(existing(world, request, wire.asked(request)))})


@routes.route("GET POST", f"{wire.API}/experiments/search")
def search(world: World, request: web.Request) -> web.Response:
    """Newest first; `filter` is over name and tags."""
    given, owner = wire.asked(request), scope.workspace_id(world, request)
    view = view_of(given, "view_type")
    there = [one for one in reversed(experiments.all_of(world, owner)) if in_view(view, archived=bool(one["archivedTime"]))]
    found = matching(given, [_shown(one) for one in there], _ATTRIBUTES)
    return wire.page(given, found, "experiments")


def matching(given: dict[str, Any], shown: list[dict[str, Any]], attributes: dict[str, type]) -> list[dict[str, Any]]:
    """Those of the shown things that `filter` lets through, in the order of `order_by`.

    A tag that is absent is empty: MLflow 3 adds ``tag.`mlflow.prompt.is_prompt` != 'true'`` to each search of models.

    Raises:
        web.Refused: 400.
    """

    def lookup(one: dict[str, Any]) -> filters.Lookup:
        tags = {tag["key"]: tag["value"] for tag in one["tags"]}
        return lambda kind, key: tags.get(key, "") if kind == "tags" else one.get(key) if kind == "attributes" else None

    orders = given.get("order_by") or []
    try:
        holds = filters.parse(wire.text(given, "filter"), attributes)
        return filters.ordered(
            [one for one in shown if holds(lookup(one))], [orders] if isinstance(orders, str) else orders, attributes, lookup
        )
    except filters.FilterError as error:
        raise wire.invalid(str(error)) from None


@routes.route("POST", f"{wire.API}/experiments/set-experiment-tag")
def set_tag(world: World, request: web.Request) -> web.Response:
    """Add or replace one tag."""
    given = wire.asked(request)
    found = existing(world, request, given)
    with world.lock:
        found["tags"] = {**found["tags"], wire.required(given, "key"): wire.text(given, "value")}
    return web.answer({})


@routes.route("POST", f"{wire.API}/experiments/delete")
@routes.route("POST", f"{wire.API}/experiments/restore")
def archive(world: World, request: web.Request) -> web.Response:
    """Archive it, or show it again."""
    found = existing(world, request, wire.asked(request))
    with world.lock:
        found["archivedTime"] = world.now() if request.path.endswith("/delete") else None
    return web.answer({})


@routes.route("POST", f"{wire.API}/experiments/update")
def update(world: World, request: web.Request) -> web.Response:
    """Azure ML does not rename experiments (source: see `filters`); 200 when the name is its own."""
    given = wire.asked(request)
    found = existing(world, request, given)
    if wire.text(given, "new_name") not in {"", found["name"]}:
        raise wire.invalid("Renaming experiments is not supported.")
    return web.answer({})
