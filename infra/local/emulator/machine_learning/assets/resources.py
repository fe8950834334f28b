"""Assets: containers and versions of models, environments, code, data and components; all synchronous.

A PUT answers 201 with Location = the resource, or 200. What is archived or anonymous hides from a list unless
`listViewType` says otherwise.
"""

from __future__ import annotations

import re
import uuid
from functools import partial
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import AzureError

from infra.local.emulator import clouds, web
from infra.local.emulator.arm import gateway, lists, writes
from infra.local.emulator.backends import FetchError
from infra.local.emulator.machine_learning import references, scope
from infra.local.emulator.machine_learning.assets import kinds as asset_kinds
from infra.local.emulator.machine_learning.assets import refusals, responses, state
from infra.local.emulator.machine_learning.registries import resources as registries
from infra.local.emulator.storage import files as storage
from infra.local.emulator.storage import locations

if TYPE_CHECKING:
    from infra.local.emulator.machine_learning.assets.kinds import AssetKind
    from infra.local.emulator.resources import Resource
    from infra.local.emulator.world import World

routes = web.Routes(r".*")
_VERSION = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9\-_.:]{0,254}")  # recorded: `18.04:2022`
_DEFAULT_VERSION = "azureml_default"  # recorded: the clients' `components.get(name)`, answered under the id of the label


def home(kind: AssetKind, world: World, request: web.Request) -> Resource:
    """The workspace or the registry that the assets of this path belong to.

    Raises:
        web.Refused: 404.
    """
    return registries.existing(world, request) if kind.home == "registries" else scope.workspace(world, request, kind.collection)


def _container_id(kind: AssetKind, world: World, request: web.Request) -> str:
    return f"{home(kind, world, request).id}/{kind.collection}/{request.params['name']}"


def _list_containers(kind: AssetKind, world: World, request: web.Request) -> web.Response:
    found = responses.visible(request, world.resources.children(home(kind, world, request).id, kind.collection))
    return lists.page(world, request, [responses.shown(request, item) for item in found])


def _get_container(kind: AssetKind, world: World, request: web.Request) -> web.Response:
    found = world.resources.get(_container_id(kind, world, request))
    if found is None:
        raise scope.missing(f"{kind.title} container", request.params["name"])
    return web.answer(responses.shown(request, found))


def put_container(kind: AssetKind, world: World, request: web.Request) -> web.Response:
    """Create (201) or change (200) what holds the versions."""
    arm_id, properties = _container_id(kind, world, request), scope.properties_of(gateway.body_object(request))
    fresh = world.resources.get(arm_id) is None
    for name in kind.kept:
        if not properties.get(name):
            raise scope.invalid(f"The field {name} is required.", "ValidationError")
    found = state.ensure_container(kind, world, arm_id, scope.caller(request), properties)
    found.properties.update(writes.changed(world, kind.type, properties, state.changeable()))
    found.touched(world.now(), scope.caller(request))
    return web.answer(
        found.body, status=201 if fresh else 200, headers={"location": scope.resource_url(request, arm_id)} if fresh else {}
    )


def delete(kind: AssetKind, world: World, request: web.Request) -> web.Response:
    """A container or a version; 204 when it is missing. Version numbers go on where they were."""
    arm_id = _container_id(kind, world, request) + (f"/versions/{request.params['version']}" if "version" in request.params else "")
    if not world.resources.delete(arm_id):
        return web.empty(204)
    state.renumber(world, _container_id(kind, world, request))
    return web.empty(200)


# ── versions ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def _list_versions(kind: AssetKind, world: World, request: web.Request) -> web.Response:
    container_id = _container_id(kind, world, request)
    if digest := request.query.get("hash"):  # "is it there already?": any version of any name with these files
        found = world.resources.below(container_id.rpartition("/")[0])
        same = [item.body for item in found if (item.properties.get("properties") or {}).get("hash_sha256") == digest]
        return lists.page(world, request, same)
    if world.resources.get(container_id) is None and kind.home == "workspaces":  # a registry answers an empty list
        raise scope.missing(f"{kind.title} container", request.params["name"])
    found = responses.visible(request, world.resources.children(container_id, "versions"))
    if wanted := request.query.get("version"):
        found = [item for item in found if item.name == wanted]
    for tag in filter(None, request.query.get("tags", "").split(",")):
        key, given, value = tag.partition("=")
        found = [
            item for item in found if key in (tags := item.properties.get("tags") or {}) and (not given or str(tags[key]) == value)
        ]
    if "desc" in request.query.get("$orderby", "").lower():
        found = found[::-1]
    return lists.page(world, request, [responses.shown(request, item) for item in found])


def version_of(kind: AssetKind, world: World, request: web.Request) -> Resource:
    """The version in the path.

    Raises:
        web.Refused: 404.
    """
    name, version = request.params["name"], request.params["version"]
    found = world.resources.get(f"{_container_id(kind, world, request)}/versions/{version}")
    if found is None:
        raise scope.missing(kind.title, f"{name}:{version}")
    return found


def _get_version(kind: AssetKind, world: World, request: web.Request) -> web.Response:
    if kind.collection == "components" and request.params["version"] == _DEFAULT_VERSION:
        container_id = _container_id(kind, world, request)
        if newest := references.newest(world, container_id):
            return web.answer({**responses.shown(request, newest), "id": f"{container_id}/labels/default"})
    return web.answer(responses.shown(request, version_of(kind, world, request)))


def _put_version(kind: AssetKind, world: World, request: web.Request) -> web.Response:
    properties, found = checked(kind, world, request)
    if found is not None:
        return web.answer(_updated(kind, world, request, found, properties).body)
    owner = home(kind, world, request)
    made = state.register(
        kind, world, owner, request.params["name"], request.params["version"], properties, by=scope.caller(request)
    )
    return web.answer(made.body, status=201, headers={"location": scope.resource_url(request, made.id)})


def checked(kind: AssetKind, world: World, request: web.Request) -> tuple[dict[str, Any], Resource | None]:
    """The properties of a version's PUT, which can be carried out, and the version if it is there already.

    Raises:
        web.Refused: 400.
    """
    owner = home(kind, world, request)
    properties = dict(scope.properties_of(gateway.body_object(request)))
    version = request.params["version"]
    if not _VERSION.fullmatch(version):
        raise scope.invalid(f"The version '{version}' is invalid.", "InvalidVersion")
    found = world.resources.get(f"{_container_id(kind, world, request)}/versions/{version}")
    if isinstance(spec := properties.get("componentSpec"), dict):  # recorded: Azure fills in what a client leaves out
        properties["componentSpec"] = {"name": request.params["name"], **spec, "version": version}
    if kind.uri and properties.get(kind.uri):
        properties[kind.uri] = locations.long(world, owner, scope.text_of(properties, kind.uri))
    if found is None:
        refusals.check_new(kind, world, owner, request.params["name"], properties)
    return properties, found


def _updated(kind: AssetKind, world: World, request: web.Request, found: Resource, properties: dict[str, Any]) -> Resource:
    for name in kind.fixed:
        if name in properties and _plain(properties[name]) != _plain(found.properties.get(name)):
            text = (
                f"{kind.title} {request.params['name']} with version {found.name} is already registered and cannot be changed. "
                f"Only description, tags, properties and isArchived can be updated; {name} differs."
            )
            status = 409 if kind.collection == "environments" else 400  # on 409 azure-ai-ml goes on to the next version
            raise scope.refused(status, "UserError", text, inner=("Immutable", "AssetPropertyImmutable"))
    state.update(kind, world, found, properties)
    found.touched(world.now(), scope.caller(request))
    return found


def _plain(value: Any) -> Any:
    return value.replace("_", "").lower().rstrip("/") if isinstance(value, str) else value


def _start_pending_upload(kind: AssetKind, world: World, request: web.Request) -> web.Response:
    """A fresh container of the home's storage and a SAS that may write into it."""
    asked = gateway.body_object(request).get("pendingUploadType") if request.body else "TemporaryBlobReference"
    if str(asked) not in {"TemporaryBlobReference", "None"}:
        raise scope.invalid(f"The pendingUploadType '{asked}' is not supported.", "ValidationError")
    body = {
        "pendingUploadId": str(uuid.uuid4()),
        "pendingUploadType": "TemporaryBlobReference",
        "blobReferenceForConsumption": fresh_container(world, request, home(kind, world, request)),
    }
    return web.answer(body)


def fresh_container(world: World, request: web.Request, owner: Resource) -> dict[str, Any]:
    """A new container in the storage of a workspace or registry, with a SAS that may write into it.

    Raises:
        web.Refused: 400, the storage cannot be reached.
    """
    suffix = clouds.sibling(request.host, "storage") if request.host.startswith("management.") else "core.windows.net"
    try:
        account = locations.account_of(world, owner.id)
        name = f"{str(owner.properties.get('workspaceId') or owner.hidden.get('guid') or owner.name)[:8]}-{uuid.uuid4()}"
        place = locations.Location(account=account, container=name, path="")
        storage.container_client(world, place).create_container()
        signed = storage.sas_url(world, place, permission="rcwl", suffix=suffix)
    except (AzureError, FetchError) as error:
        raise scope.refused(400, "UserError", str(error).splitlines()[0], inner=("StorageAccountUnreachable",)) from None
    return {
        "blobUri": place.url(suffix),
        "storageAccountArmId": locations.account_id_of(owner),
        "credential": {"credentialType": "SAS", "sasUri": signed},
    }


def add_reads(into: web.Routes, kind: AssetKind, base: str) -> None:
    """The routes that are alike in workspaces and registries."""
    containers = f"{base}/{kind.collection}"
    into.route("GET", containers)(partial(_list_containers, kind))
    into.route("GET", f"{containers}/{{name}}")(partial(_get_container, kind))
    into.route("GET", f"{containers}/{{name}}/versions")(partial(_list_versions, kind))
    into.route("GET", f"{containers}/{{name}}/versions/{{version}}")(partial(_get_version, kind))
    if kind.collection in {"codes", "models", "data"}:
        into.route("POST", f"{containers}/{{name}}/versions/{{version}}/startPendingUpload")(partial(_start_pending_upload, kind))


def _register() -> None:
    for kind in asset_kinds.KINDS:
        add_reads(routes, kind, scope.WORKSPACE)
        one = f"{scope.WORKSPACE}/{kind.collection}/{{name}}"
        version = f"{one}/versions/{{version}}"
        routes.route("PUT", one)(partial(put_container, kind))
        routes.route("DELETE", one)(partial(delete, kind))
        routes.route("PUT", version)(partial(_put_version, kind))
        routes.route("DELETE", version)(partial(delete, kind))


_register()
