"""The scoring hosts of v1 web services, `{service}-{id}.{region}.azurecontainer.io`. Not here: the services themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.local.emulator import web
from infra.local.emulator.dataplane.services import resources as v1_services
from infra.local.emulator.machine_learning import access
from infra.local.emulator.serving import scoring

if TYPE_CHECKING:
    from infra.local.emulator.world import World

routes = web.Routes(r"[a-z0-9-]+\.[a-z0-9]+\.azurecontainer\.io")


@routes.route("GET POST OPTIONS", "/")
@routes.route("GET POST OPTIONS", "/{path*}")
def score(world: World, request: web.Request) -> web.Response:
    """Let the service answer; what its server says is passed on with its own status, as ACI does."""
    with world.lock:
        service = next((one for one in world.resources.of_type(v1_services.TYPE) if one.hidden["host"] == request.host), None)
        handle = world.serving.get(service.id.lower()) if service else None
    if service is None or handle is None:
        return web.Response(status=404, headers=(("Content-Type", "text/plain"),), body=b"No such service.")
    wanted = service.body["service"]["authEnabled"]
    if wanted and not access.allows(world, service, request.headers.get("authorization")):
        return web.Response(status=401, headers=(("Content-Type", "text/plain"),), body=b"Unauthorized")
    if handle.state != "healthy":
        return web.Response(status=502 if handle.state == "failed" else 503, headers=(("Content-Type", "text/plain"),))
    try:
        answer = scoring.forward(handle, request)
    except TimeoutError:
        answer = None
    return answer or web.Response(status=502, headers=(("Content-Type", "text/plain"),), body=b"Bad Gateway")
