"""Long-running operations of Microsoft.MachineLearningServices: headers of the first answer, bodies of the polls.

Each of Azure ML's services has its own style; all differences here are recorded ones (docs/local-azure.md): who sends
Location, who Azure-AsyncOperation, in which case; which body a poll has; no service sends Retry-After.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from infra.local.emulator import web
from infra.local.emulator.arm import long_running
from infra.local.emulator.machine_learning import scope
from infra.local.emulator.resources import stamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.local.emulator.operations import Operation
    from infra.local.emulator.resources import Resource
    from infra.local.emulator.world import World

routes = web.Routes(r".*")
NEW_STYLES_SINCE = "2024-07-01"  # api-versions from which endpoints answer in their newer styles
_TIMEOUT = "x-ms-async-operation-timeout"


def begin(  # noqa: PLR0913 - an operation has this many parts
    world: World,
    request: web.Request,
    resource: Resource,
    *,
    kind: str,
    finish: Callable[[], Any],
    prefix: str = "",
    ready: Callable[[], bool] = lambda: True,
    failed: Callable[[dict[str, Any]], None] | None = None,
    error: dict[str, Any] | None = None,
    workspace: Resource | None = None,
    verb: str = "Updating",
) -> Operation:
    """Start an operation on a resource.

    Args:
        world: the state.
        request: the write; a fault rule may have put an error into it.
        resource: what is written.
        kind: names the transition.
        finish: see `Operation`.
        prefix: the managementfrontend's letters, e.g. `oe`; its ids are `oe:GUID:GUID`.
        ready: see `Operation`.
        failed: default: the resource's provisioningState becomes Failed.
        error: the operation is to end with this error.
        workspace: whose region the URLs carry; default: the resource itself.
        verb: the running word of the managementfrontend.
    """
    home = workspace or resource
    operation_id = str(uuid.uuid4())
    if prefix:
        operation_id = f"{prefix}:{home.properties.get('workspaceId')}:{operation_id}"

    def mark_failed(_error: dict[str, Any]) -> None:
        resource.properties["provisioningState"] = "Failed"

    base = f"https://{request.host}{scope.PROVIDER.format(subscription=home.id.split('/')[2])}/locations/{scope.location(home)}"
    hidden = {"base": base, "version": request.query["api-version"], "verb": verb}
    return world.operations.begin(
        kind=kind,
        target=resource.id,
        finish=finish,
        operation_id=operation_id,
        ready=ready,
        failed=failed or mark_failed,
        error=request.operation_error or error,
        hidden=hidden,
    )


def _url(world: World, operation: Operation, collection: str, query: str = "") -> str:
    """The signed URL of an operation in a collection; the same text each time it is asked for."""
    urls: dict[str, str] = operation.hidden.setdefault("urls", {})
    if collection + query not in urls:
        plain = f"{operation.hidden['base']}/{collection}/{operation.id}?api-version={operation.hidden['version']}{query}"
        urls[collection + query] = long_running.signed(world, plain)
    return urls[collection + query]


# ── headers of first answers ─────────────────────────────────────────────────────────────────────────────────────────
def workspace_headers(world: World, operation: Operation, *, location_only: bool = False) -> dict[str, str]:
    """Workspaces: Location and Azure-AsyncOperation (diagnose: Location only)."""
    headers = {"Location": _url(world, operation, "workspaceOperationsStatus", "&type=location")}
    if not location_only:
        headers["Azure-AsyncOperation"] = _url(world, operation, "workspaceOperationsStatus", "&type=async")
    return headers


def registry_headers(world: World, operation: Operation) -> dict[str, str]:
    """Registries: as workspaces, under a name of their own."""
    return {
        "Location": _url(world, operation, "registryOperationsStatus", "&type=location"),
        "Azure-AsyncOperation": _url(world, operation, "registryOperationsStatus", "&type=async"),
    }


def compute_headers(world: World, operation: Operation) -> dict[str, str]:
    """Computes: Azure-AsyncOperation only, never a Location."""
    return {"azure-asyncoperation": _url(world, operation, "computeOperationsStatus", "&service=new")}


def frontend_headers(world: World, operation: Operation, *, resource_url: str | None = None) -> dict[str, str]:
    """Endpoints, deployments, schedules: a 201's Location is the resource, a 202's is the operation's result."""
    return {
        "location": resource_url or _url(world, operation, "mfeOperationResults"),
        "azure-asyncoperation": status_url(world, operation),
        _TIMEOUT: "PT30M",
    }


def result_headers(world: World, operation: Operation, *, timeout: str | None = None) -> dict[str, str]:
    """Job cancel and regenerateKeys: Location only."""
    return {"location": _url(world, operation, "mfeOperationResults"), **({_TIMEOUT: timeout} if timeout else {})}


def status_url(world: World, operation: Operation) -> str:
    """The managementfrontend's status URL; endpoints repeat it in `properties.properties.AzureAsyncOperationUri`."""
    return _url(world, operation, "mfeOperationsStatus")


# ── polls ────────────────────────────────────────────────────────────────────────────────────────────────────────────
def _polled(world: World, request: web.Request) -> Operation:
    long_running.check_signature(request)
    operation = world.operations.poll(request.params["operation"])
    if operation is None or operation.hidden.get("forgotten"):
        raise scope.refused(404, "NotFound", "The operation was not found.", inner=("OperationNotFound",))
    return operation


def _simple(operation: Operation) -> dict[str, Any]:
    if not operation.ended:
        return {"status": "InProgress"}
    body: dict[str, Any] = {"status": operation.status, "percentComplete": 100.0}
    return {"error": operation.error, **body} if operation.error is not None else body


@routes.route("GET", f"{scope.PROVIDER}/locations/{{location}}/workspaceOperationsStatus/{{operation}}")
def workspace_status(world: World, request: web.Request) -> web.Response:
    """`type=async`: 200 with a status; `type=location`: 202 empty with both headers again, then the result."""
    operation = _polled(world, request)
    if request.query.get("type") != "location":
        return web.answer(_simple(operation))
    if not operation.ended:
        return web.empty(202, workspace_headers(world, operation, location_only=operation.kind == "workspace.diagnose"))
    if operation.error is not None:
        return web.answer({"error": operation.error}, status=400)
    return web.answer(operation.result) if operation.result is not None else web.empty(200)


@routes.route("GET", f"{scope.PROVIDER}/locations/{{location}}/registryOperationsStatus/{{operation}}")
def registry_status(world: World, request: web.Request) -> web.Response:
    """As a workspace's."""
    operation = _polled(world, request)
    if request.query.get("type") == "location" and not operation.ended:
        return web.empty(202, registry_headers(world, operation))
    return workspace_status(world, request)


@routes.route("GET", f"{scope.PROVIDER}/locations/{{location}}/computeOperationsStatus/{{operation}}")
def compute_status(world: World, request: web.Request) -> web.Response:
    """The simple body."""
    return web.answer(_simple(_polled(world, request)))


@routes.route("GET", f"{scope.PROVIDER}/locations/{{location}}/mfeOperationsStatus/{{operation}}")
def frontend_status(world: World, request: web.Request) -> web.Response:
    """Always 200; the body depends on the letters in front of the operation's id."""
    return web.answer(frontend_body(_polled(world, request)))


def frontend_body(operation: Operation) -> dict[str, Any]:
    """The managementfrontend's status body.

    `oe od be bd`: times and percentComplete; `oeidp`: ends at percentComplete 0.0; `bebes bdbes`: neither;
    `s`: no percentComplete, times at the end only, and its id names the operation's *results*.
    """
    prefix = operation.id.partition(":")[0]
    if prefix == "fs":  # the feature store says no more than this
        return _simple(operation) if operation.error else {"status": operation.status}
    collection = "mfeOperationResults" if prefix == "s" else "mfeOperationsStatus"
    base = str(operation.hidden["base"]).partition("://")[2]
    body: dict[str, Any] = {"id": f"/{base.partition('/')[2]}/{collection}/{operation.id}", "name": operation.id}
    timed = prefix in {"oe", "od", "be", "bd", "oeidp"} or (prefix == "s" and operation.ended)
    if timed:
        body["startTime"] = stamp(operation.started_at)
    if timed and operation.ended_at is not None:
        body["endTime"] = stamp(operation.ended_at)
    if prefix in {"oe", "od", "be", "bd", "oeidp"}:
        done = operation.ended and (prefix != "oeidp" or operation.error is not None)
        body["percentComplete"] = 100.0 if done else 0.0
    body["status"] = operation.status if operation.ended else operation.hidden["verb"]
    if prefix == "ch":
        del body["name"]
    if operation.error is not None:
        body = {"error": operation.error, **body, "percentComplete": 100.0}
    return body


@routes.route("GET", f"{scope.PROVIDER}/locations/{{location}}/mfeOperationResults/{{operation}}")
def frontend_result(world: World, request: web.Request) -> web.Response:
    """202 with `{}` and Location = itself; then 200 of length 0 without a content type (a backfill's: its jobs), or the error."""
    operation = _polled(world, request)
    if not operation.ended:
        return web.answer({}, status=202, headers={"location": f"https://{request.host}{request.path}?{request.raw_query}"})
    if operation.error is not None:
        return web.answer({"error": operation.error}, status=400)
    return web.answer(operation.result) if operation.kind == "featuresets.backfill" else web.empty(200)
