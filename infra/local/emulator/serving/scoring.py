"""The scoring hosts `{endpoint}.{region}.inference.ml.azure.com`: who may call, which deployment answers, its answer.

Status codes after Microsoft's list for online endpoints: 401 bad key or token, 404 no deployment with traffic, 424 the
model's own code failed (its status in `ms-azureml-model-error-statuscode`), 503 the deployment is not up yet.
Not here: starting deployments.
"""

from __future__ import annotations

import contextlib
import http.client
import random
import threading
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from infra.local.emulator import clouds, traffic, web
from infra.local.emulator.machine_learning import access
from infra.local.emulator.serving import batch

if TYPE_CHECKING:
    from infra.local.emulator.backends import Serving
    from infra.local.emulator.resources import Resource
    from infra.local.emulator.world import World

ENDPOINT_TYPE = "microsoft.machinelearningservices/workspaces/onlineendpoints"
PIN_HEADER = "azureml-model-deployment"
MAX_BODY_BYTES = 10 << 20  # what online endpoints take
REQUEST_TIMEOUT_S = 90.0  # the largest requestSettings.requestTimeout
_NOT_FORWARDED = frozenset({"host", "authorization", "connection", "content-length", "transfer-encoding", "expect", PIN_HEADER})
_NOT_RETURNED = frozenset({"connection", "content-length", "transfer-encoding", "server", "date", "keep-alive"})
_RANDOM = random.SystemRandom()
_MIRRORS = threading.BoundedSemaphore(8)  # so many mirrored requests under way; more are not sent

routes = web.Routes(
    clouds.INFERENCE, not_found=lambda _world, _request: _error(405, "MethodNotAllowed", "The method is not allowed here.")
)


@routes.route("GET POST OPTIONS", "/")
@routes.route("GET POST OPTIONS", "/{path*}")
def score(world: World, request: web.Request) -> web.Response:
    """Let a deployment of the endpoint answer; what goes to a batch endpoint is `batch`'s."""
    if (batch_endpoint := batch.endpoint_of(world, request.host)) is not None:
        return batch.answer(world, request, batch_endpoint)
    endpoint = _endpoint(world, request)
    if not access.allows(world, endpoint, request.headers.get("authorization")):
        raise web.Refused(_error(401, "Unauthorized", "The request carries no key or token that is valid for this endpoint."))
    if len(request.body) > MAX_BODY_BYTES:
        raise web.Refused(_error(413, "RequestEntityTooLarge", f"A request may have {MAX_BODY_BYTES >> 20} MiB."))
    pinned = request.headers.get(PIN_HEADER)
    name, serving = _choose(world, endpoint, pinned)
    if not pinned:
        _mirror(world, endpoint, request)
    begun = time.monotonic()
    answer = _ask(serving, request) if serving.state == "healthy" else _not_up(serving)
    traffic.count(world, endpoint.id, name, answer.status, took_ms=(time.monotonic() - begun) * 1_000)
    return answer.with_headers({PIN_HEADER: name})


def _error(status: int, code: str, message: str) -> web.Response:
    return web.answer({"error": {"code": code, "message": message}}, status=status)


def _endpoint(world: World, request: web.Request) -> Resource:
    name, region, *_ = request.host.split(".")
    with world.lock:
        for found in world.resources.of_type(ENDPOINT_TYPE):
            location = str(found.body.get("location") or "").replace(" ", "").lower()
            if found.name.lower() == name and location == region:
                return found
    raise web.Refused(_error(404, "EndpointNotFound", f"There is no online endpoint {name} in {region}."))


def _choose(world: World, endpoint: Resource, pinned: str | None) -> tuple[str, Serving]:
    """The deployment that was asked for, or one by the shares of traffic."""
    with world.lock:
        there = {found.name.lower(): found for found in world.resources.children(endpoint.id, "deployments")}
        shares = {str(name).lower(): int(share or 0) for name, share in (endpoint.properties.get("traffic") or {}).items()}
        if pinned:
            if pinned.lower() not in there:
                raise web.Refused(_error(404, "DeploymentNotFound", f"The endpoint has no deployment {pinned!r}."))
            name = pinned.lower()
        else:
            weighted = {name: share for name, share in shares.items() if share > 0 and name in there}
            if not weighted:
                text = "The endpoint does not have any valid deployment with positive traffic weight."
                raise web.Refused(_error(404, "NoDeploymentWithTraffic", text))
            name = _RANDOM.choices(list(weighted), list(weighted.values()))[0]
        serving = world.serving.get(there[name].id.lower())
    if serving is None:
        raise web.Refused(_error(503, "DeploymentNotReady", f"The deployment {there[name].name} is not ready."))
    return there[name].name, serving


def _mirror(world: World, endpoint: Resource, request: web.Request) -> None:
    """Send a share of the requests to the mirror, too; no caller waits for its answer, which is thrown away."""
    with world.lock:
        shares = endpoint.properties.get("mirrorTraffic") or {}
        name, share = next(((str(name), share) for name, share in shares.items() if share), ("", 0))
        serving = world.serving.get(f"{endpoint.id}/deployments/{name}".lower())
    if serving is not None and serving.state == "healthy" and _RANDOM.uniform(0, 100) < share and _MIRRORS.acquire(blocking=False):
        threading.Thread(target=_throw_away, args=(serving, request), name=f"mirror {name}", daemon=True).start()


def _throw_away(serving: Serving, request: web.Request) -> None:
    with contextlib.suppress(TimeoutError):
        forward(serving, request)
    _MIRRORS.release()


def _not_up(serving: Serving) -> web.Response:
    if serving.state == "starting":
        return _error(503, "DeploymentNotReady", "The deployment is starting.").with_headers({"Retry-After": "5"})
    return _error(424, "ModelError", f"The deployment is not healthy. {serving.failure}")


def forward(serving: Serving, request: web.Request) -> web.Response | None:
    """A deployment's own answer to a request, whatever its status; None when its server closes the connection.

    Raises:
        TimeoutError: it does not answer in time.
    """
    local = urlsplit(serving.url)
    connection = http.client.HTTPConnection(local.hostname or "127.0.0.1", local.port, timeout=REQUEST_TIMEOUT_S)
    headers = {name: value for name, value in request.headers.items() if name not in _NOT_FORWARDED}
    target = request.path + (f"?{request.raw_query}" if request.raw_query else "")
    try:
        connection.request(request.method, target, body=request.body, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
    except TimeoutError:
        raise
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    kept = tuple((name, value) for name, value in answer.getheaders() if name.lower() not in _NOT_RETURNED)
    return web.Response(status=answer.status, headers=kept, body=body)


def _ask(serving: Serving, request: web.Request) -> web.Response:
    """The same with the status codes of online endpoints."""
    try:
        answer = forward(serving, request)
    except TimeoutError:
        return _error(408, "RequestTimeout", f"The model did not answer within {REQUEST_TIMEOUT_S:g} seconds.")
    if answer is None:
        return _error(424, "ModelError", "The model's server closed the connection.")
    if answer.status // 100 == 2:
        return answer
    told = {"ms-azureml-model-error-statuscode": str(answer.status), "ms-azureml-model-error-reason": "model_error"}
    return web.Response(status=424, headers=(*answer.headers, *told.items()), body=answer.body)
