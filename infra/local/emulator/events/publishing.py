"""Custom topics as applications reach them: POST `https://TOPIC.REGION-1.eventgrid.azure.net/api/events`.

Takes both schemas, by token (audience https://eventgrid.azure.net) or key; what was published is listed by control and
goes to the topic's subscribers. Source: "Publish events to custom topics".
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any

from infra.local.emulator import clouds, web
from infra.local.emulator.events.happened import Event
from infra.local.emulator.identity.tokens import TokenRefusedError

if TYPE_CHECKING:
    from infra.local.emulator.resources import Resource
    from infra.local.emulator.world import World

AUDIENCES = ("https://eventgrid.azure.net",)
LIMIT = 1024 * 1024
_REQUIRED = {
    "EventGridSchema": ("id", "subject", "eventType", "eventTime", "data"),
    "cloud": ("id", "source", "type", "specversion"),
}
routes = web.Routes(clouds.EVENT_GRID, not_found=lambda _world, _request: web.empty(404))


def _refuse(status: int, code: str, text: str) -> web.Refused:
    return web.Refused(web.answer({"error": {"code": code, "message": text, "details": []}}, status=status))


@routes.route("POST", "/api/events")
def publish(world: World, request: web.Request) -> web.Response:
    """200 without a body; 401, 400 or 413 with the reason."""
    with world.lock:
        topic = _topic(world, request)
        _check_caller(world, request, topic)
        if request.query.get("api-version") != "2018-01-01":
            raise _refuse(400, "BadRequest", "The api-version query parameter is 2018-01-01.")
        if len(request.body) > LIMIT:
            raise _refuse(413, "RequestEntityTooLarge", "The request exceeds the limit of 1048576 bytes.")
        found = _events(request)
    for each in found:
        world.grid.published.append({"topic": topic.id, "event": each})
        kind, subject = str(each.get("type") or each.get("eventType")), str(each.get("subject") or "")
        world.grid.take(Event(type=kind, topics=(topic.id,), subject=subject, at=world.now(), data={}, raw=each))
    return web.empty(200)


def _topic(world: World, request: web.Request) -> Resource:
    for found in world.resources.of_type("microsoft.eventgrid/topics"):
        if found.properties["endpoint"].split("/")[2] == request.host:
            return found
    raise _refuse(404, "NotFound", f"There is no topic {request.host}.")


def _check_caller(world: World, request: web.Request, topic: Resource) -> None:
    if given := request.headers.get("aeg-sas-key"):
        if any(hmac.compare_digest(given.encode(), key.encode()) for key in topic.secrets.values()):
            return
        raise _refuse(401, "Unauthorized", "The request authorization key is not authorized for the topic.")
    try:
        world.tokens.check(request.headers.get("authorization"), AUDIENCES)
    except TokenRefusedError as refused:
        raise _refuse(401, "Unauthorized", f"The token is refused: {refused.reason}.") from None


def _events(request: web.Request) -> list[dict[str, Any]]:
    try:
        body = request.json()
    except ValueError as problem:
        raise _refuse(400, "BadRequest", f"The body is not JSON: {problem}") from None
    found = body if isinstance(body, list) else [body]
    for each in found:
        cloud = isinstance(each, dict) and "specversion" in each
        missing = [
            name
            for name in _REQUIRED["cloud" if cloud else "EventGridSchema"]
            if not isinstance(each, dict) or each.get(name) in (None, "")
        ]
        if missing:
            raise _refuse(400, "BadRequest", f"This resource is configured for events with {', '.join(missing)}.")
    return found
