"""Custom topics as applications reach them: POST `https://TOPIC.REGION-1.eventgrid.azure.net/api/events`.

Takes the topic's own schema, by token (audience https://eventgrid.azure.net), key or SAS token; what was published is listed
by control and goes to the topic's subscribers. Sources: "Publish events to custom topics", "Authenticate publishing clients".
"""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from infra.local.emulator import clouds, web
from infra.local.emulator.events.happened import CLOUD_EVENTS_SCHEMA, EVENT_GRID_SCHEMA, Event
from infra.local.emulator.identity.state import TokenRefusedError

if TYPE_CHECKING:
    from infra.local.emulator.resources import Resource
    from infra.local.emulator.world import World

SEND = "Microsoft.EventGrid/events/send/action"  # a data action: EventGrid Data Sender has it, Owner does not
AUDIENCES = ("https://eventgrid.azure.net",)
LIMIT = 1024 * 1024
_REQUIRED = {
    EVENT_GRID_SCHEMA: ("id", "subject", "eventType", "eventTime", "data"),
    CLOUD_EVENTS_SCHEMA: ("id", "source", "type", "specversion"),
}
SCHEMAS = tuple(_REQUIRED)
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
        found = _events(request, topic.properties["inputSchema"])
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
    signed = (request.headers.get("authorization") or "").lower().startswith("sharedaccesssignature")
    if (signed or any(request.headers.get(name) for name in ("aeg-sas-key", "aeg-sas-token"))) and (
        topic.properties.get("disableLocalAuth") is True
    ):
        raise _refuse(401, "Unauthorized", "The topic takes no keys and SAS tokens: its disableLocalAuth is true.")
    if given := request.headers.get("aeg-sas-key"):
        if any(hmac.compare_digest(given.encode(), key.encode()) for key in topic.secrets.values()):
            return
        raise _refuse(401, "Unauthorized", "The request authorization key is not authorized for the topic.")
    authorization = request.headers.get("authorization") or ""
    scheme, _, rest = authorization.partition(" ")
    if token := request.headers.get("aeg-sas-token") or (rest if scheme.lower() == "sharedaccesssignature" else ""):
        _check_signature(world, topic, token)
        return
    try:
        principal = world.tokens.check(authorization or None, AUDIENCES)
    except TokenRefusedError as refused:
        raise _refuse(401, "Unauthorized", f"The token is refused: {refused.reason}.") from None
    if not world.authorization.may(principal.object_id, SEND, topic.id, data=True):
        text = (
            "The principal associated with access token presented with the incoming request does not have permission to send data "
            f"to {topic.id}."
        )
        raise _refuse(403, "Forbidden", text)


def _check_signature(world: World, topic: Resource, token: str) -> None:
    """A SAS token, `r=RESOURCE&e=EXPIRY&s=SIGNATURE`, each escaped: made with one of the keys, for this topic, not expired.

    Raises:
        web.Refused: 401.
    """
    signed, _, signature = token.partition("&s=")
    given = {name: values[0] for name, values in parse_qs(signed).items()}
    made = [hmac.digest(b64decode(key), signed.encode(), sha256) for key in topic.secrets.values()]
    if not any(hmac.compare_digest(unquote(signature).encode(), b64encode(one)) for one in made):
        raise _refuse(401, "Unauthorized", "The request authorization key is not authorized for the topic.")
    resource, endpoint = urlsplit(given.get("r", "")), urlsplit(topic.properties["endpoint"])
    if resource.hostname != endpoint.hostname or not endpoint.path.startswith(resource.path.rstrip("/")):
        raise _refuse(401, "Unauthorized", "The SAS token was made for another topic.")
    expiry = _moment(given.get("e", ""))
    if expiry is None or expiry <= world.now():
        raise _refuse(401, "Unauthorized", "The SAS token has expired, or says no time at which it does.")


def _moment(text: str) -> datetime | None:
    """An expiry as Microsoft's libraries write it: ISO 8601, or .NET's invariant form."""
    for read in (datetime.fromisoformat, lambda given: datetime.strptime(given, "%m/%d/%Y %I:%M:%S %p")):  # noqa: DTZ007
        try:
            found = read(text)
        except ValueError:
            continue
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    return None


def _events(request: web.Request, schema: str) -> list[dict[str, Any]]:
    """The events of the body: a list, or one CloudEvent by itself.

    Raises:
        web.Refused: 400, it is not JSON, or not in the topic's schema.
    """
    try:
        body = request.json()
    except ValueError as problem:
        raise _refuse(400, "BadRequest", f"The body is not JSON: {problem}") from None
    found = body if isinstance(body, list) or schema == EVENT_GRID_SCHEMA else [body]
    expected = f"This resource is configured to receive event in '{schema}' schema."
    if not isinstance(found, list):
        raise _refuse(400, "BadRequest", f"{expected} The body is not a list of events.")
    for each in found:
        missing = [name for name in _REQUIRED[schema] if not isinstance(each, dict) or each.get(name) in (None, "")]
        if missing:
            raise _refuse(400, "BadRequest", f"{expected} An event lacks {', '.join(missing)}.")
    return found
