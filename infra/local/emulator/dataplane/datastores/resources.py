"""The v1 view of datastores; the same ones that ARM shows."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from infra.local.emulator import web
from infra.local.emulator.dataplane import scope
from infra.local.emulator.dataplane.datastores import responses
from infra.local.emulator.machine_learning.datastores import refusals, state

if TYPE_CHECKING:
    from infra.local.emulator.resources import Resource
    from infra.local.emulator.world import World

routes = web.Routes(r".*")
_BASE = f"/datastore/v1.0{scope.WORKSPACE}"
_NAME = re.compile(r"[A-Za-z0-9_]{1,255}")
_PLACES = {"AzureBlob": "containerName", "AzureFile": "fileShareName"}  # what the SDK v1 registers with a key or a SAS
_SECRETS = {"AccountKey": "key", "Sas": "sasToken", "None": ""}


def _all(world: World, request: web.Request) -> list[Resource]:
    owner = scope.workspace_id(world, request)
    with world.lock:
        return world.resources.children(owner, "datastores")


def _with_secret(request: web.Request) -> bool:
    return request.query.get("includesecret", "true").lower() == "true"


@routes.route("GET", f"{_BASE}/datastores")
def list_all(world: World, request: web.Request) -> web.Response:
    """All, or those that `dataStoreNames` lists."""
    names = {name.strip().lower() for name in request.query.get("datastorenames", "").split(",") if name.strip()}
    found = [
        responses.shown(store, with_secret=_with_secret(request))
        for store in _all(world, request)
        if not names or store.name.lower() in names
    ]
    top, token = scope.count_of(request, request.query.get("count")), request.query.get("continuationtoken")
    return web.answer(scope.page(request, found, top=top, token=token, token_name="continuationToken"))  # noqa: S106 - a name


@routes.route("GET", f"{_BASE}/datastores/{{name}}")
def get(world: World, request: web.Request) -> web.Response:
    """One datastore."""
    for store in _all(world, request):
        if store.name.lower() == request.params["name"].lower():
            return web.answer(responses.shown(store, with_secret=_with_secret(request)))
    raise scope.not_found(request, f"Could not find datastore: {request.params['name']}.", "DataStoreNotFound")


@routes.route("POST", f"{_BASE}/datastores")
@routes.route("PUT", f"{_BASE}/datastores/{{name}}")
def register(world: World, request: web.Request) -> web.Response:
    """Make one, or replace it; its account and key are checked unless `skipValidation=true`.

    Raises:
        web.Refused: 400; 409 for a POST of a name that is taken (`createIfNotExists=true` answers the one that is there).
    """
    workspace, asked = scope.workspace(world, request), scope.body(request)
    name = scope.text(request, asked, "name") or ""
    if not _NAME.fullmatch(name):
        raise scope.bad(request, f"The datastore name {name!r} is invalid: letters, digits and underscores are allowed.")
    there = next((one for one in _all(world, request) if one.name.lower() == name.lower()), None)
    if there is not None and request.method == "POST":
        if request.query.get("createifnotexists", "").lower() == "true":
            return web.empty(200)
        raise scope.refused(request, 409, f"The datastore {name} exists already.", "Conflict", "DataStoreExists")
    properties, secret = _given(request, asked)
    with world.lock:
        if request.query.get("skipvalidation", "").lower() != "true":
            try:
                refusals.check(world, properties, secret)
            except web.Refused as refusal:
                raise scope.bad(request, json.loads(refusal.response.body)["error"]["message"]) from None
        if there is not None:
            properties["isDefault"] = there.properties.get("isDefault")
        by = request.principal.app_id if request.principal else ""
        state.store(world, workspace, name, properties, secret, by=by)
    return web.empty(200)


def _given(request: web.Request, asked: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The properties of a datastore as ARM keeps them, and its secret."""
    kind, section = scope.text(request, asked, "dataStoreType") or "", scope.mapping(request, asked, "azureStorageSection")
    if kind not in _PLACES:
        raise scope.bad(request, f"The dataStoreType {kind!r} is not one of {', '.join(_PLACES)}.")
    credential = scope.text(request, section, "credentialType") or "None"
    if credential not in _SECRETS:
        raise scope.bad(request, f"The credentialType {credential!r} is not one of {', '.join(_SECRETS)}.")
    properties = {
        "description": None,
        "tags": scope.texts(request, asked, "tags"),
        "properties": None,
        "isDefault": False,
        "credentials": {"credentialsType": credential},
        "datastoreType": kind,
        "accountName": scope.text(request, section, "accountName"),
        _PLACES[kind]: scope.text(request, section, "containerName"),
        "endpoint": scope.text(request, section, "endpoint") or "core.windows.net",
        "protocol": scope.text(request, section, "protocol") or "https",
        "serviceDataAccessAuthIdentity": "None",
    }
    if not properties["accountName"] or not properties[_PLACES[kind]]:
        raise scope.bad(request, "The azureStorageSection of a datastore has an accountName and a containerName.")
    value = scope.text(request, section, "credential")
    return properties, {"secretsType": credential} | ({_SECRETS[credential]: value} if _SECRETS[credential] else {})


@routes.route("DELETE", f"{_BASE}/datastores/{{name}}")
def delete(world: World, request: web.Request) -> web.Response:
    """200; 204 when it is missing. The default one stays."""
    found = next((one for one in _all(world, request) if one.name.lower() == request.params["name"].lower()), None)
    if found is None:
        return web.empty(204)
    if found.properties.get("isDefault"):
        raise scope.bad(request, "The default datastore of a workspace cannot be deleted.")
    with world.lock:
        world.resources.delete(found.id)
    return web.empty(200)


@routes.route("GET", f"{_BASE}/default")
def get_default(world: World, request: web.Request) -> web.Response:
    """The default datastore."""
    for store in _all(world, request):
        if store.properties.get("isDefault"):
            return web.answer(responses.shown(store, with_secret=_with_secret(request)))
    raise scope.not_found(request, "The workspace has no default datastore.", "DataStoreNotFound")


@routes.route("PUT", f"{_BASE}/default/{{name}}")
def set_default(world: World, request: web.Request) -> web.Response:
    """Make another one the default."""
    stores = _all(world, request)
    if request.params["name"].lower() not in {store.name.lower() for store in stores}:
        raise scope.not_found(request, f"Could not find datastore: {request.params['name']}.", "DataStoreNotFound")
    with world.lock:
        for store in stores:
            store.properties["isDefault"] = store.name.lower() == request.params["name"].lower()
    return web.empty(200)
