"""What in the local Azure raises an event: the end of a write to ARM, a run's change, a model, a v1 service.

Azure ML's own events come from its services; nothing is raised for endpoints, computes or workspaces but the Resource
Manager's. Sources: the two event schema pages. A registry raises none.
"""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

from infra.local.emulator import scene
from infra.local.emulator.events import happened
from infra.local.emulator.operations import CANCELED, FAILED, SUCCEEDED

if TYPE_CHECKING:
    from infra.local.emulator import web
    from infra.local.emulator.operations import Operation
    from infra.local.emulator.resources import Resource
    from infra.local.emulator.world import World

_WHAT = {"PUT": "Write", "PATCH": "Write", "DELETE": "Delete", "POST": "Action"}
_OUTCOMES = {SUCCEEDED: "Success", FAILED: "Failure", CANCELED: "Cancel"}
_BAD = 400
_TOO_MANY = 429


def before_write(world: World, request: web.Request) -> None:
    """Note where the operations stand, so that the one that a request begins is known."""
    request.notes["operations"] = world.operations.count()


def after_write(world: World, request: web.Request, response: web.Response) -> None:
    """Raise a write's event: now when it ended with its answer, else at the end of the operation that it began."""
    if request.principal is None or request.method not in _WHAT or response.status == _TOO_MANY:
        return
    begun = world.operations.since(request.notes.get("operations", 0))
    if response.status >= _BAD or not begun:
        _raise(world, request, "Failure" if response.status >= _BAD else "Success")
        return

    def ended(operation: Operation) -> None:
        _raise(world, request, _OUTCOMES[operation.status])

    begun[0].then = ended


def _raise(world: World, request: web.Request, outcome: str) -> None:
    path, what = request.path, _WHAT[request.method]
    parts = path.strip("/").split("/")
    if parts[0].lower() != "subscriptions" or len(parts) < 4:
        return
    resource_id, action = path, what.lower()
    if what == "Action":
        resource_id, action = path.rpartition("/")[0], f"{parts[-1]}/action"
    event = happened.of_resource(
        what,
        outcome,
        resource_id,
        f"{_type(resource_id)}/{action}",
        world.now(),
        caller=(request.principal.object_id if request.principal else "", scene.TENANT_ID),
        request={
            "clientRequestId": request.headers.get("x-ms-client-request-id") or request.id,
            "correlationId": request.headers.get("x-ms-correlation-request-id") or str(uuid.uuid4()),
            "method": request.method,
            "url": f"https://{request.host}{path}",
        },
    )
    world.grid.take(event)


def _type(arm_id: str) -> str:
    """The type of a resource as its id writes it, e.g. `Microsoft.MachineLearningServices/workspaces/computes`."""
    parts = arm_id.strip("/").split("/")
    lowered = [part.lower() for part in parts]
    if "providers" not in lowered:
        return "Microsoft.Resources/subscriptions/resourceGroups"
    at = len(lowered) - 1 - lowered[::-1].index("providers")
    return "/".join([parts[at + 1], *parts[at + 2 :: 2]]) if at + 1 < len(parts) else "Microsoft.Resources/providers"


def model_registered(world: World, version: Resource) -> None:
    """A model version was registered, by ARM or by v1."""
    workspace_id, _, rest = version.id.partition("/models/")
    if "/workspaces/" not in workspace_id.lower():
        return
    name, number = rest.split("/")[0], version.name
    properties = version.properties
    data = {
        "ModelName": name,
        "ModelVersion": int(number) if number.isdecimal() and number.isascii() else number,
        "ModelTags": _texts(properties.get("tags")),
        "ModelProperties": _texts(properties.get("properties")),
    }
    event = happened.of_workspace("ModelRegistered", workspace_id, f"models/{name}:{number}", data, world.now())
    world.grid.take(event)


def service_deployed(world: World, service: Resource) -> None:
    """A v1 web service is up."""
    workspace_id, shown = service.id.partition("/services/")[0], service.body["service"]
    data = {
        "ServiceName": service.name,
        "ServiceComputeType": str(shown.get("computeType") or ""),
        "ModelIds": ",".join(str(each) for each in service.hidden.get("modelIds") or ()),
        "ServiceTags": _texts(shown.get("kvTags")),
        "ServiceProperties": _texts(shown.get("properties")),
    }
    event = happened.of_workspace("ModelDeployed", workspace_id, f"endpoints/{service.name}", data, world.now())
    world.grid.take(event)


def _texts(given: Any) -> dict[str, str]:
    return {
        str(name): value if isinstance(value, str) else json.dumps(value)
        for name, value in (given.items() if isinstance(given, dict) else ())
    }
