"""Event Grid in ARM: event subscriptions at any scope, system topics with theirs, custom topics.

A PUT of an event subscription is 201 with `provisioningState` Creating and Azure-AsyncOperation; it ends when the webhook
answered the validation handshake, or failed to. Not here: what a subscription asks for (`subscriptions.py`).
"""

from __future__ import annotations

import threading
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from infra.local.emulator import web
from infra.local.emulator.arm import gateway, lists, long_running, refusals, writes
from infra.local.emulator.arm.event_grid import responses, state
from infra.local.emulator.events import destinations, publishing, subscriptions
from infra.local.emulator.events.happened import EVENT_GRID_SCHEMA
from infra.local.emulator.operations import OperationFailedError
from infra.local.emulator.resources import Resource, merge_patch

if TYPE_CHECKING:
    from infra.local.emulator.events.subscriptions import Subscription
    from infra.local.emulator.world import World

routes = web.Routes(r".*")
PROVIDER = "Microsoft.EventGrid"
_GROUP = "/subscriptions/{subscription}/resourceGroups/{group}/providers"
SYSTEM_TOPICS, TOPICS = f"{_GROUP}/{PROVIDER}/systemTopics", f"{_GROUP}/{PROVIDER}/topics"
_TAIL = f"/providers/{PROVIDER}/eventSubscriptions"
_OF_EVENT_GRID = ("topic", "provisioningState")  # members that it says itself
_CHANGED = (  # EventSubscriptionUpdateParameters, 2022-06-15
    "destination", "deliveryWithResourceIdentity", "filter", "labels", "expirationTimeUtc", "eventDeliverySchema", "retryPolicy",
    "deadLetterDestination", "deadLetterWithResourceIdentity",
)  # fmt: skip
_SCOPES = ("/subscriptions/{subscription}", "/subscriptions/{subscription}/{rest*}")
_OF_TOPICS = tuple(f"{topics}/{{topic}}/eventSubscriptions" for topics in (SYSTEM_TOPICS, TOPICS))
_STATUS = f"/subscriptions/{{subscription}}/providers/{PROVIDER}/locations/{{location}}/operationsStatus/{{operation}}"


def _topic_of(world: World, request: web.Request) -> str:
    """What a path's event subscription listens to.

    Raises:
        web.Refused: 404, there is no such thing.
    """
    low = request.path.lower()
    if "topic" in request.params:
        found = world.resources.get(request.path[: low.index("/eventsubscriptions")])
        if found is None:
            kind = "systemTopics" if "/systemtopics/" in low else "topics"
            raise refusals.resource_not_found(f"{PROVIDER}/{kind}", request.params["topic"], request.params["group"])
        return str(found.properties.get("source") or found.id)
    scope = request.path[: low.rindex(_TAIL.lower())]
    found = world.resources.get(scope)
    if found is None:
        name = scope.rpartition("/")[2]
        raise refusals.refuse(404, "ResourceNotFound", f"The Resource '{scope}' under '{name}' was not found.")
    return found.id


def _existing(world: World, request: web.Request, path: str | None = None) -> Resource:
    found = world.resources.get(path or request.path)
    if found is None:
        text = f"Event subscription {(path or request.path).rpartition('/')[2]} does not exist."
        raise refusals.refuse(404, "ResourceNotFound", text)
    return found


def _put(world: World, request: web.Request) -> web.Response:
    topic, properties = _topic_of(world, request), gateway.body_object(request).get("properties") or {}
    stays = writes.left_out(world, world.resources.get(request.path), (*properties, *_OF_EVENT_GRID))
    return _kept(world, request, topic, {**stays, **properties})


def _patch(world: World, request: web.Request) -> web.Response:
    """EventSubscriptions_Update: the members stand in the body itself, and each replaces the one that is there."""
    found, body = _existing(world, request), gateway.body_object(request)
    change = {name: body[name] for name in _CHANGED if name in body}
    return _kept(world, request, _topic_of(world, request), {**found.hidden["given"], **change})


def _kept(world: World, request: web.Request, topic: str, properties: dict[str, Any]) -> web.Response:
    try:
        wanted = subscriptions.read(request.path, topic, properties)
    except subscriptions.SubscriptionError as problem:
        raise refusals.refuse(400, "InvalidRequest", str(problem)) from None
    made = Resource(id=request.path, body=responses.body(wanted, properties), hidden={"given": properties})
    made.touched(world.now(), "")
    world.resources.put(made)
    operation_id = _begin(world, made, wanted)
    url = f"https://{request.host}" + _STATUS.format(
        subscription=request.params["subscription"], location="westeurope", operation=operation_id
    )
    url = long_running.signed(world, f"{url}?api-version={request.query['api-version']}")
    return web.answer(made.body, status=201, headers={"Azure-AsyncOperation": url})


def _begin(world: World, made: Resource, wanted: Subscription) -> str:
    """Shake hands in the background; the operation ends with the outcome."""
    outcome: list[str] = []

    def ask() -> None:
        outcome.append(destinations.handshake(wanted, str(uuid.uuid4()), world.now(), world.grid.places))

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()

    def finish() -> dict[str, Any]:
        if outcome[0]:
            made.properties["provisioningState"] = "Failed"
            code = "Endpoint validation" if wanted.destination.kind == "StorageQueue" else "Url validation"
            raise OperationFailedError({"code": code, "message": outcome[0]})
        made.properties["provisioningState"] = "Succeeded"
        world.grid.subscribe(wanted)
        return made.body

    return world.operations.begin(
        kind="eventSubscription", target=made.id, finish=finish, ready=lambda: bool(outcome) or not thread.is_alive()
    ).id


@routes.route("GET", _STATUS)
def status(world: World, request: web.Request) -> web.Response:
    """The state of a PUT."""
    long_running.check_signature(request)
    operation = world.operations.poll(request.params["operation"])
    if operation is None:
        raise refusals.refuse(404, "ResourceNotFound", "The operation could not be found.")
    told: dict[str, Any] = {"id": request.path, "name": operation.id, "status": operation.status}
    return web.answer({**told, "error": operation.error} if operation.error else told)


def _get(world: World, request: web.Request) -> web.Response:
    return web.answer(_existing(world, request).body)


def _list(world: World, request: web.Request) -> web.Response:
    prefix = request.path.lower() + "/"
    found = [each.body for each in world.resources if each.id.lower().startswith(prefix)]
    return web.answer({"value": found})


def _delete(world: World, request: web.Request) -> web.Response:
    world.grid.unsubscribe(request.path)
    return web.empty(200 if world.resources.delete(request.path) else 204)


def _full_url(world: World, request: web.Request) -> web.Response:
    path = request.path.rpartition("/")[0]
    _existing(world, request, path)
    found = world.grid.get(path)
    return web.answer({"endpointUrl": found.destination.url if found else None})


def seed(world: World, topic: str, name: str, account_id: str, queue: str) -> None:
    """A subscription that is there from the start: all of a topic's events into a storage queue."""
    properties = {
        "destination": {"endpointType": "StorageQueue", "properties": {"resourceId": account_id, "queueName": queue}},
        "filter": {},
    }
    arm_id = f"{topic}{_TAIL}/{name}"
    wanted = subscriptions.read(arm_id, topic, properties)
    made = Resource(id=arm_id, body=responses.body(wanted, properties), hidden={"given": properties})
    made.properties["provisioningState"] = "Succeeded"
    made.touched(world.now(), "")
    world.resources.put(made)
    world.grid.subscribe(wanted)


# ── topics ───────────────────────────────────────────────────────────────────────────────────────────────────────────
@routes.route("PUT", f"{SYSTEM_TOPICS}/{{topic}}")
def put_system_topic(world: World, request: web.Request) -> web.Response:
    """A name for the events of one resource."""
    body = gateway.body_object(request)
    properties = body.get("properties") or {}
    source, kind = str(properties.get("source") or ""), str(properties.get("topicType") or "")
    if not body.get("location"):
        raise refusals.location_required()
    if not kind or world.resources.get(source) is None:
        raise refusals.refuse(400, "InvalidRequest", f"A system topic has a topicType and the source {source!r} must exist.")
    return state.kept(world, request, body, f"{PROVIDER}/systemTopics", {"source": source, "topicType": kind})


@routes.route("PUT", f"{TOPICS}/{{topic}}")
def put_topic(world: World, request: web.Request) -> web.Response:
    """A topic that applications publish to; its endpoint is served (`publishing.py`)."""
    body = gateway.body_object(request)
    location = str(body.get("location") or "").lower().replace(" ", "")
    if not location:
        raise refusals.location_required()
    given = body.get("properties") or {}
    given = {**writes.left_out(world, world.resources.get(request.path), given), **given}
    schema = str(given.get("inputSchema") or EVENT_GRID_SCHEMA)
    if schema not in publishing.SCHEMAS:
        text = f"The inputSchema '{schema}' is not one of {', '.join(publishing.SCHEMAS)}; the local Azure has no others."
        raise refusals.refuse(400, "InvalidRequest", text)
    endpoint = f"https://{request.params['topic'].lower()}.{location}-1.eventgrid.azure.net/api/events"
    answer = state.kept(world, request, body, f"{PROVIDER}/topics", {**given, "endpoint": endpoint, "inputSchema": schema})
    return replace(answer, status=201)  # an update's, too: Topics_CreateOrUpdate has no other, and the Azure CLI takes none


def _get_topic(world: World, request: web.Request) -> web.Response:
    found = world.resources.get(request.path)
    if found is None:
        kind = f"{PROVIDER}/{'systemTopics' if 'systemtopics' in request.path.lower() else 'topics'}"
        raise refusals.resource_not_found(kind, request.params["topic"], request.params["group"])
    return web.answer(found.body)


def _patch_topic(world: World, request: web.Request) -> web.Response:
    answer = _get_topic(world, request)
    found = world.resources.get(request.path)
    if found is not None:
        found.body = merge_patch(found.body, writes.patch_of(found.type, gateway.body_object(request)))
        found.touched(world.now(), "")
        answer = web.answer(found.body)
    return answer


def _delete_topic(world: World, request: web.Request) -> web.Response:
    gone = world.resources.delete(request.path)
    for each in gone:
        world.grid.unsubscribe(each.id)
    return web.empty(200 if gone else 204)


def _list_topics(world: World, request: web.Request) -> web.Response:
    scope, _, kind = request.path.lower().partition("/providers/")
    return lists.page(world, request, [each.body for each in world.resources.below(scope, of_type=kind)])


@routes.route("POST", f"{TOPICS}/{{topic}}/listKeys")
def list_keys(world: World, request: web.Request) -> web.Response:
    """Both keys of a topic."""
    found = world.resources.get(request.path.rpartition("/")[0])
    if found is None:
        return _get_topic(world, replace(request, path=request.path.rpartition("/")[0]))
    return web.answer(found.secrets)


@routes.route("POST", f"{TOPICS}/{{topic}}/regenerateKey")
def regenerate_key(world: World, request: web.Request) -> web.Response:
    """200 with both keys, the named one new."""
    found = world.resources.get(request.path.rpartition("/")[0])
    if found is None:
        return _get_topic(world, replace(request, path=request.path.rpartition("/")[0]))
    name = str(gateway.body_object(request).get("keyName"))
    if name not in found.secrets:
        raise refusals.refuse(400, "InvalidRequest", f"The keyName '{name}' is not one of {', '.join(found.secrets)}.")
    found.secrets[name] = state.key()
    return web.answer(found.secrets)


for _base in (*(f"{scope}{_TAIL}" for scope in _SCOPES), *_OF_TOPICS):
    routes.route("GET", _base)(_list)
    routes.route("GET", f"{_base}/{{name}}")(_get)
    routes.route("PUT", f"{_base}/{{name}}")(_put)
    routes.route("PATCH", f"{_base}/{{name}}")(_patch)
    routes.route("DELETE", f"{_base}/{{name}}")(_delete)
    routes.route("POST", f"{_base}/{{name}}/getFullUrl")(_full_url)
for _base in (SYSTEM_TOPICS, TOPICS):
    routes.route("GET", _base)(_list_topics)
    routes.route("GET", _base.replace("/resourceGroups/{group}", ""))(_list_topics)
    routes.route("PATCH", f"{_base}/{{topic}}")(_patch_topic)
    routes.route("GET", f"{_base}/{{topic}}")(_get_topic)
    routes.route("DELETE", f"{_base}/{{topic}}")(_delete_topic)
