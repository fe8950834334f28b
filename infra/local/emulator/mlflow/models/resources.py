"""The model registry: ARM's models, under MLflow's names.

Source of what it does not have (renaming, deleting a whole model): https://learn.microsoft.com/azure/machine-learning/how-to-manage-models-mlflow
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from infra.local.emulator import web
from infra.local.emulator.backends import FetchError
from infra.local.emulator.dataplane import scope
from infra.local.emulator.machine_learning.assets import kinds as asset_kinds
from infra.local.emulator.machine_learning.assets import state as assets_state
from infra.local.emulator.mlflow import wire
from infra.local.emulator.mlflow.experiments import resources as experiments
from infra.local.emulator.mlflow.models import responses
from infra.local.emulator.mlflow.runs import resources as runs
from infra.local.emulator.mlflow.runs import responses as runs_responses
from infra.local.emulator.storage import files as storage
from infra.local.emulator.storage import locations

if TYPE_CHECKING:
    from infra.local.emulator.resources import Resource
    from infra.local.emulator.world import World

routes = web.Routes(r".*")
_KIND = next(kind for kind in asset_kinds.KINDS if kind.collection == "models")
_MODELS = f"{wire.API}/registered-models"
_VERSIONS = f"{wire.API}/model-versions"
_MODEL_ATTRIBUTES: dict[str, type] = {"name": str, "creation_timestamp": float, "last_updated_timestamp": float}
_VERSION_ATTRIBUTES: dict[str, type] = {
    **dict.fromkeys(("name", "run_id", "source_path", "version_number"), str),
    **dict.fromkeys(("creation_timestamp", "last_updated_timestamp"), float),
}
_RUN_FILES = re.compile(r"ExperimentRun/dcid\.([^/]+)/(.*)")


# ── showing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _models(world: World, request: web.Request) -> list[Resource]:
    owner = scope.workspace_id(world, request)
    with world.lock:
        return [one for one in world.resources.children(owner, "models") if not one.properties.get("isArchived")]


def _model(world: World, request: web.Request, given: dict[str, Any]) -> Resource:
    name = wire.required(given, "name")
    with world.lock:
        found = world.resources.get(f"{scope.workspace_id(world, request)}/models/{name}")
    if found is None:
        raise wire.missing(f"Registered Model with name={name} not found.")
    return found


def _version(world: World, request: web.Request, given: dict[str, Any]) -> Resource:
    model, version = _model(world, request, given), str(given.get("version") or "")
    with world.lock:
        found = world.resources.get(f"{model.id}/versions/{version}")
    if found is None:
        raise wire.missing(f"Model Version (name={model.name}, version={version}) not found.")
    return found


def _touched(world: World, request: web.Request, found: Resource) -> None:
    found.touched(world.now(), _caller(request))


def _caller(request: web.Request) -> str:
    return request.principal.app_id if request.principal else ""


# ── models ───────────────────────────────────────────────────────────────────────────────────────────────────────────
@routes.route("POST", f"{_MODELS}/create")
def create(world: World, request: web.Request) -> web.Response:
    """A model without versions; 400 when the name is taken."""
    given, owner = wire.asked(request), scope.workspace(world, request)
    name, tags = wire.required(given, "name"), wire.pairs(request, given)
    if not assets_state.NAME.fullmatch(name):
        raise wire.invalid(f"The model name {name!r} is invalid.")
    with world.lock:
        if world.resources.get(f"{owner.id}/models/{name}") is not None:
            raise wire.exists(f"Registered Model (name={name}) already exists.")
        made = assets_state.ensure_container(_KIND, world, f"{owner.id}/models/{name}", _caller(request), {})
        made.properties.update({"description": wire.text(given, "description") or None, "tags": tags})
    return web.answer({"registered_model": responses.model_shown(world, made)})


@routes.route("GET", f"{_MODELS}/get")
def get(world: World, request: web.Request) -> web.Response:
    """One model with the newest version of each stage."""
    return web.answer({"registered_model": responses.model_shown(world, _model(world, request, wire.asked(request)))})


@routes.route("GET", f"{_MODELS}/search")
def search(world: World, request: web.Request) -> web.Response:
    """By name, unless `order_by` says otherwise."""
    given = wire.asked(request)
    shown = [responses.model_shown(world, one) for one in sorted(_models(world, request), key=lambda one: one.name)]
    return wire.page(given, experiments.matching(given, shown, _MODEL_ATTRIBUTES), "registered_models", size=100)


@routes.route("PATCH", f"{_MODELS}/update")
def update(world: World, request: web.Request) -> web.Response:
    """The description."""
    given = wire.asked(request)
    found = _model(world, request, given)
    with world.lock:
        found.properties["description"] = wire.text(given, "description")
        _touched(world, request, found)
    return web.answer({"registered_model": responses.model_shown(world, found)})


@routes.route("GET POST", f"{_MODELS}/get-latest-versions")
def latest(world: World, request: web.Request) -> web.Response:
    """The newest version of each of the `stages`, of all of them when none is named."""
    given = wire.asked(request)
    wanted = given.get("stages") or list(responses.STAGES)
    stages = [_stage(str(one)) for one in ([wanted] if isinstance(wanted, str) else wanted)]
    return web.answer({"model_versions": responses.newest_by_stage(world, _model(world, request, given), stages)})


def _stage(text: str) -> str:
    if text.lower() not in responses.STAGES:
        raise wire.invalid(f"The stage {text!r} is not one of {', '.join(responses.STAGES.values())}.")
    return responses.STAGES[text.lower()]


# ── versions ─────────────────────────────────────────────────────────────────────────────────────────────────────────
@routes.route("POST", f"{_VERSIONS}/create")
def create_version(world: World, request: web.Request) -> web.Response:
    """The next version of a model, of the files at `source`; it is ready at once.

    Raises:
        web.Refused: 404 without the model, 400 without the files.
    """
    given, owner = wire.asked(request), scope.workspace(world, request)
    model, source, tags = _model(world, request, given), wire.required(given, "source"), wire.pairs(request, given)
    run_id = wire.text(given, "run_id")
    if run_id:
        runs.existing(world, request, given)
    try:
        place = locations.resolve(world, owner.id.lower(), source)
        storage.check_there(world, place)
        described = storage.exists(world, place.child("MLmodel"))
    except FetchError as error:
        raise wire.invalid(str(error)) from None
    uri = source
    if place.container == locations.ARTIFACTS:
        uri = locations.long(world, owner, f"azureml://datastores/workspaceartifactstore/paths/{place.path}")
    properties = {
        "modelUri": uri,
        "modelType": "mlflow_model" if described else "custom_model",
        "description": wire.text(given, "description") or None,
        "tags": tags,
        "jobName": run_id or None,
    }
    with world.lock:
        number = str(model.properties.get("nextVersion") or 1)
        made = assets_state.register(_KIND, world, owner, model.name, number, properties, by=_caller(request))
        made.hidden["mlflowSource"] = source
    return web.answer({"model_version": responses.version_shown(made)})


@routes.route("GET", f"{_VERSIONS}/get")
def get_version(world: World, request: web.Request) -> web.Response:
    """One version."""
    return web.answer({"model_version": responses.version_shown(_version(world, request, wire.asked(request)))})


@routes.route("GET", f"{_VERSIONS}/search")
def search_versions(world: World, request: web.Request) -> web.Response:
    """The versions of all models, newest first; `filter` is over name, run_id and tags."""
    given = wire.asked(request)
    shown = [responses.version_shown(one) for model in _models(world, request) for one in responses.versions_of(world, model)]
    for one in shown:
        one |= {"source_path": one["source"], "version_number": one["version"]}
    found = experiments.matching(given, shown, _VERSION_ATTRIBUTES)
    return wire.page(given, [_without(one, "source_path", "version_number") for one in found], "model_versions")


def _without(one: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in one.items() if name not in names}


@routes.route("GET", f"{_VERSIONS}/get-download-uri")
def download_uri(world: World, request: web.Request) -> web.Response:
    """Where a version's files are, in a form that azureml-mlflow reads: of a run, or of an upload."""
    found = _version(world, request, wire.asked(request))
    owner, uri = scope.workspace_id(world, request), str(found.properties.get("modelUri"))
    try:
        place = locations.resolve(world, owner, uri)
    except FetchError as error:
        raise wire.missing(str(error)) from None
    of_run = _RUN_FILES.fullmatch(place.path) if place.container == locations.ARTIFACTS else None
    run = world.runs.get(owner, of_run[1]) if of_run else None
    if of_run and run is not None:
        uri = f"{runs_responses.artifact_uri(request, world, run)}/{of_run[2]}"
    elif place.container == locations.ARTIFACTS:
        uri = f"azureml://artifacts/{place.path}"
    return web.answer({"artifact_uri": uri})


@routes.route("PATCH", f"{_VERSIONS}/update")
def update_version(world: World, request: web.Request) -> web.Response:
    """The description."""
    given = wire.asked(request)
    found = _version(world, request, given)
    with world.lock:
        found.properties["description"] = wire.text(given, "description")
        _touched(world, request, found)
    return web.answer({"model_version": responses.version_shown(found)})


@routes.route("POST", f"{_VERSIONS}/transition-stage")
def transition(world: World, request: web.Request) -> web.Response:
    """Put a version into a stage; `archive_existing_versions` moves the others of that stage to Archived."""
    given = wire.asked(request)
    found, stage = _version(world, request, given), _stage(wire.required(given, "stage"))
    others = responses.versions_of(world, _model(world, request, given)) if given.get("archive_existing_versions") is True else []
    with world.lock:
        for other in others:
            if other.properties.get("stage") == stage and other.id != found.id:
                other.properties["stage"] = "Archived"
        found.properties["stage"] = stage
        _touched(world, request, found)
    return web.answer({"model_version": responses.version_shown(found)})


@routes.route("DELETE", f"{_VERSIONS}/delete")
def delete_version(world: World, request: web.Request) -> web.Response:
    """Delete one version."""
    found = _version(world, request, wire.asked(request))
    with world.lock:
        assets_state.delete_version(world, found)
    return web.answer({})


# ── tags of both ─────────────────────────────────────────────────────────────────────────────────────────────────────
def _tagged(world: World, request: web.Request, given: dict[str, Any]) -> Resource:
    return (_version if "/model-versions/" in request.path.lower() else _model)(world, request, given)


@routes.route("POST", f"{_MODELS}/set-tag")
@routes.route("POST", f"{_VERSIONS}/set-tag")
def set_tag(world: World, request: web.Request) -> web.Response:
    """Add or replace one tag."""
    given = wire.asked(request)
    found, key = _tagged(world, request, given), wire.required(given, "key")
    with world.lock:
        found.properties["tags"] = {**(found.properties.get("tags") or {}), key: wire.text(given, "value")}
        _touched(world, request, found)
    return web.answer({})


@routes.route("DELETE", f"{_MODELS}/delete-tag")
@routes.route("DELETE", f"{_VERSIONS}/delete-tag")
def delete_tag(world: World, request: web.Request) -> web.Response:
    """Remove one tag; one that is not there does no harm."""
    given = wire.asked(request)
    found, key = _tagged(world, request, given), wire.required(given, "key")
    with world.lock:
        found.properties["tags"] = {name: value for name, value in (found.properties.get("tags") or {}).items() if name != key}
        _touched(world, request, found)
    return web.answer({})
