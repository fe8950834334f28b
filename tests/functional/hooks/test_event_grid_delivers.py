"""The local Azure's Event Grid does what the published one does: filters, batches, schemas, retries, and when it gives up."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from infra.local.emulator import scene
from infra.local.emulator.events import subscriptions
from infra.local.emulator.events.happened import of_workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WORKSPACE_ID = f"{scene.GROUP_ID}/providers/Microsoft.MachineLearningServices/workspaces/ml-hooks"
SUBSCRIBED = "/providers/Microsoft.EventGrid/eventSubscriptions"
HOST = "receiver.contoso.com"
WEBHOOK = {"endpointType": "WebHook", "properties": {"endpointUrl": f"https://{HOST}/hook?code=secret"}}


@pytest.fixture
def receiver(ground: Any, make_receiver: Callable[[], Any]) -> Iterator[Any]:
    """A webhook that Event Grid reaches under a host name; its subscriptions go with it."""
    made = make_receiver()
    ground.azure.call("PUT", "hosts", json={HOST: {"url": f"http://127.0.0.1:{made.server.server_port}"}})
    ground.azure.call("PUT", "events/retries", json={"speed": 100})
    yield made
    for name in ("first", "second"):
        ground.arm("DELETE", f"{WORKSPACE_ID}{SUBSCRIBED}/{name}")
    made.end()


def state(ground: Any, name: str) -> dict[str, Any]:
    """The counts of a subscription."""
    return next(each for each in ground.azure.call("GET", "events/subscriptions") if each["id"].endswith(f"/{name}"))


def test_a_delivery_that_fails_comes_again_and_says_how_often(ground: Any, receiver: Any) -> None:
    """503 and 500 are tried again; the headers are Event Grid's."""
    assert ground.subscribe(WORKSPACE_ID, "first", WEBHOOK, filter={"subjectBeginsWith": "again"})["status"] == "Succeeded"
    receiver.answers = [500, 503]
    event = ground.happens("Contoso.Again", "again/1", {"n": 1})
    ground.until(lambda: state(ground, "first").get("delivered"), "the delivery")
    assert [headers["aeg-delivery-count"] for headers, _ in receiver.got] == ["0", "1", "2"]
    assert {headers["aeg-event-type"] for headers, _ in receiver.got} == {"Notification"}
    assert all(body[0]["id"] == event["id"] and body[0]["topic"] == WORKSPACE_ID for _, body in receiver.got)


@pytest.mark.parametrize("status", [400, 403, 413])
def test_a_delivery_that_is_refused_for_good_is_dropped(status: int, ground: Any, receiver: Any) -> None:
    """Event Grid does not try those again."""
    ground.subscribe(WORKSPACE_ID, "first", WEBHOOK, filter={"subjectBeginsWith": "never"})
    receiver.answers = [status]
    ground.happens("Contoso.Never", "never/1", {})
    ground.until(lambda: state(ground, "first").get("dropped"), "the end")
    assert (len(receiver.got), state(ground, "first")["waiting"]) == (1, 0)


def test_a_subscriber_gets_what_it_asked_for_in_its_schema(ground: Any, receiver: Any) -> None:
    """By type, by the ends of the subject in any case, by a value of the data; as single CloudEvents or as batches."""
    wanted = {
        "includedEventTypes": ["Contoso.Wanted"],
        "subjectEndsWith": "/YES",
        "advancedFilters": [{"operatorType": "NumberGreaterThan", "key": "data.n", "value": 5}],
    }
    batch = {**WEBHOOK, "properties": {**WEBHOOK["properties"], "maxEventsPerBatch": 10}}  # type: ignore[dict-item]
    ground.subscribe(WORKSPACE_ID, "first", WEBHOOK, filter=wanted, eventDeliverySchema="CloudEventSchemaV1_0")
    ground.subscribe(WORKSPACE_ID, "second", batch, filter=wanted, eventDeliverySchema="CloudEventSchemaV1_0")
    for kind, subject, n in (("Wanted", "a/yes", 9), ("Wanted", "a/no", 9), ("Other", "a/yes", 9), ("Wanted", "a/yes", 1)):
        ground.happens(f"Contoso.{kind}", subject, {"n": n})
    ground.until(lambda: len(receiver.got) >= 2, "both deliveries")
    ground.quiet()
    got = {headers["content-type"].partition(";")[0]: body for headers, body in receiver.got}
    assert len(receiver.got) == 2
    assert got["application/cloudevents+json"]["data"] == {"n": 9}
    assert got["application/cloudevents-batch+json"][0]["source"] == WORKSPACE_ID


def test_what_arm_shows_of_a_subscription_holds_no_key(ground: Any, receiver: Any) -> None:
    """The query of a webhook's URL is shown by getFullUrl alone; the list knows it, and after a DELETE nobody does."""
    ground.subscribe(WORKSPACE_ID, "first", WEBHOOK)
    path = f"{WORKSPACE_ID}{SUBSCRIBED}/first"
    shown = ground.arm("GET", path)
    assert "secret" not in shown.text
    assert shown.json()["properties"]["destination"]["properties"]["endpointBaseUrl"] == f"https://{HOST}/hook"
    assert ground.arm("POST", f"{path}/getFullUrl").json()["endpointUrl"].endswith("code=secret")
    assert path in [each["id"] for each in ground.arm("GET", f"{WORKSPACE_ID}{SUBSCRIBED}").json()["value"]]
    assert ground.arm("DELETE", path).status_code == 200
    assert ground.arm("GET", path).status_code == 404


def test_a_system_topic_has_subscriptions_of_its_own(ground: Any, receiver: Any) -> None:
    """The resource group's: what ends in it, whoever sent it."""
    topic = f"{scene.GROUP_ID}/providers/Microsoft.EventGrid/systemTopics/group"
    made = {"location": "global", "properties": {"source": scene.GROUP_ID, "topicType": "Microsoft.Resources.ResourceGroups"}}
    assert ground.arm("PUT", topic, made).status_code == 201
    body = {"properties": {"destination": WEBHOOK, "filter": {"includedEventTypes": ["Microsoft.Resources.ResourceDeleteSuccess"]}}}
    assert ground.arm("PUT", f"{topic}/eventSubscriptions/deleted", body).status_code == 201
    ground.until(
        lambda: ground.arm("GET", f"{topic}/eventSubscriptions/deleted").json()["properties"]["provisioningState"] == "Succeeded",
        "the handshake",
    )
    environment = {"properties": {"image": "mcr.microsoft.com/azureml/minimal:1", "osType": "Linux"}}
    ground.arm("PUT", f"{WORKSPACE_ID}/environments/gone/versions/1", environment, version="2025-12-01")
    ground.arm("DELETE", f"{WORKSPACE_ID}/environments/gone/versions/1", version="2025-12-01")
    ground.until(lambda: receiver.got, "the event")
    assert receiver.got[0][1][0]["data"]["resourceUri"] == f"{WORKSPACE_ID}/environments/gone/versions/1"
    assert receiver.got[0][1][0]["topic"] == scene.GROUP_ID
    assert ground.arm("DELETE", topic).status_code == 200


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        ({"destination": {"endpointType": "WebHook", "properties": {"endpointUrl": "http://plain"}}}, "https"),
        ({"destination": {"endpointType": "EventHub"}}, "endpointType"),
        ({"destination": {"endpointType": "StorageQueue", "properties": {"resourceId": "/x"}}}, "queueName"),
        ({"destination": WEBHOOK, "eventDeliverySchema": "Mine"}, "eventDeliverySchema"),
        ({"destination": WEBHOOK, "filter": {"advancedFilters": [{"operatorType": "Sounds", "key": "a"}]}}, "operatorTypes"),
        ({"destination": WEBHOOK, "retryPolicy": {"maxDeliveryAttempts": 31}}, "maxDeliveryAttempts"),
    ],
)
def test_what_event_grid_does_not_do_is_refused_by_name(properties: dict[str, Any], said: str, ground: Any) -> None:
    """400 at the PUT."""
    answer = ground.arm("PUT", f"{WORKSPACE_ID}{SUBSCRIBED}/wrong", {"properties": properties})
    assert (answer.status_code, said in answer.text) == (400, True), answer.text


def test_a_queue_that_is_not_there_cannot_be_subscribed(ground: Any) -> None:
    """Event Grid looks for it when the subscription is made."""
    wanted = {"resourceId": scene.APP_ACCOUNT_ID, "queueName": "not-there"}
    ended = ground.subscribe(WORKSPACE_ID, "wrong-queue", {"endpointType": "StorageQueue", "properties": wanted})
    assert (ended["status"], ended["error"]["code"]) == ("Failed", "Endpoint validation")
    assert "Destination endpoint not found" in ended["error"]["message"]


@pytest.mark.parametrize(
    ("operator", "values", "holds"),
    [
        ("StringIn", {"values": ["FAILED"]}, True),
        ("StringNotIn", {"values": ["failed"]}, False),
        ("StringContains", {"values": ["ail"]}, True),
        ("StringBeginsWith", {"values": ["x", "fa"]}, True),
        ("StringEndsWith", {"values": ["x"]}, False),
        ("NumberGreaterThan", {"value": 1}, False),
        ("IsNotNull", {}, True),
        ("IsNullOrUndefined", {}, False),
    ],
)
def test_an_advanced_filter_looks_into_the_data(operator: str, values: dict[str, Any], holds: bool) -> None:  # noqa: FBT001
    """In any case of key and value, as Azure ML's failure notifications are filtered."""
    asked = {"destination": WEBHOOK, "filter": {"advancedFilters": [{"operatorType": operator, "key": "data.RunStatus", **values}]}}
    found = subscriptions.read(f"{WORKSPACE_ID}{SUBSCRIBED}/x", WORKSPACE_ID, asked)
    event = of_workspace("RunStatusChanged", WORKSPACE_ID, "s", {"runStatus": "Failed"}, datetime.now(UTC))
    assert (found.topic_of(event) is not None) is holds
