"""Control of Event Grid: what was raised and published, events by hand, where hosts are, retries, storms."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from infra.local.emulator import web
from infra.local.emulator.events import happened, storm
from infra.local.emulator.events.destinations import Local

if TYPE_CHECKING:
    from infra.local.emulator.world import World

routes = web.Routes(r".*")


def _bad(message: str, status: int = 400) -> web.Response:
    return web.answer({"error": message}, status=status)


def _body(request: web.Request) -> dict[str, Any]:
    try:
        body = request.json()
    except ValueError as problem:
        raise web.Refused(_bad(f"not JSON: {problem}")) from None
    if not isinstance(body, dict):
        raise web.Refused(_bad("expected a JSON object"))
    return body


@routes.route("GET", "/_control/events")
def raised(world: World, request: web.Request) -> web.Response:
    """What was raised, oldest first; `?type=` (as it ends) filters."""
    wanted = request.query.get("type", "").lower()
    found = [each for each in list(world.grid.raised) if each.type.lower().endswith(wanted)]
    return web.answer([each.to_json(happened.EVENT_GRID_SCHEMA, each.topics[0]) for each in found])


@routes.route("POST", "/_control/events")
def raise_one(world: World, request: web.Request) -> web.Response:
    """`{"type":"DatasetDriftDetected","topic":ARM id,"subject":"…","data":{…}}`: the event happens; `id` may be set."""
    body = _body(request)
    kind, topic, data = str(body.get("type") or ""), str(body.get("topic") or ""), body.get("data")
    if not kind or not topic.startswith("/subscriptions/") or not isinstance(data, dict):
        return _bad("expected type, topic (an ARM id) and data (an object)")
    more = {"id": str(body["id"])} if "id" in body else {}
    event = happened.Event(
        type=f"{happened.ML}.{kind}" if kind in happened.ML_NAMES else kind,
        topics=(topic,),
        subject=str(body.get("subject") or ""),
        at=world.now(),
        data=data,
        **more,
    )
    world.grid.take(event)
    return web.answer(event.to_json(happened.EVENT_GRID_SCHEMA, topic))


@routes.route("GET", "/_control/events/published")
def published(world: World, _request: web.Request) -> web.Response:
    """What applications published to topics, oldest first."""
    return web.answer(list(world.grid.published))


@routes.route("GET", "/_control/events/subscriptions")
def subscriptions(world: World, _request: web.Request) -> web.Response:
    """Who listens, with counts: waiting, sending, delivered, again, dropped."""
    return web.answer(world.grid.view())


@routes.route("PUT", "/_control/events/retries")
def retries(world: World, request: web.Request) -> web.Response:
    """`{"speed": 100}`: Event Grid's pauses before another attempt (10 s, 30 s, 1 min, …) divided by it."""
    speed = _body(request).get("speed")
    if not isinstance(speed, int | float) or not speed > 0:
        return _bad('expected {"speed": number above 0}')
    world.grid.retry_speed = float(speed)
    return web.answer({"speed": world.grid.retry_speed})


@routes.route("GET", "/_control/hosts")
def hosts(world: World, _request: web.Request) -> web.Response:
    """Where the hosts of destinations are, without keys."""
    return web.answer({name: {"url": local.url} for name, local in world.grid.places.hosts().items()})


@routes.route("PUT", "/_control/hosts")
def set_hosts(world: World, request: web.Request) -> web.Response:
    """`{"steward.azurewebsites.net":{"url":"http://127.0.0.1:7071","systemKey":"…"}}`: destinations there are called here."""
    for name, local in _body(request).items():
        if not isinstance(local, dict) or not str(local.get("url", "")).startswith("http://127.0.0.1:"):
            return _bad("expected host names, each with the url of something on 127.0.0.1")
        world.grid.places.set_host(name, Local(url=local["url"], system_key=str(local.get("systemKey") or "")))
    return hosts(world, request)


@routes.route("POST", "/_control/events/storm")
def begin_storm(world: World, request: web.Request) -> web.Response:
    """`{"subscription":ARM id,"workspace":ARM id,"count":500,"rate":200,"duplicated":0.3,"malformed":0.1,"window":50}`."""
    body = _body(request)
    known = {field.name for field in dataclasses.fields(storm.Storm)}
    if unknown := set(body) - known:
        return _bad(f"a storm has no {', '.join(sorted(unknown))}; it has {', '.join(sorted(known))}")
    try:
        world.notes["storm"] = storm.begin(world, storm.Storm(**body))
    except KeyError as missing:
        return _bad(f"no subscription {missing}", 404)
    except TypeError as problem:
        return _bad(str(problem))
    return sent(world, request)


@routes.route("GET", "/_control/events/storm")
def sent(world: World, _request: web.Request) -> web.Response:
    """How far the last storm is: events, sent (with repetitions and what is malformed), malformed, done."""
    found = world.notes.get("storm")
    return web.answer(dataclasses.asdict(found)) if found else _bad("there was no storm", 404)
