"""Each end reaches each receiver at least once, signed, with a stable id, through failures, hangs and kills."""

from __future__ import annotations

import itertools
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from shared.durable import worker
from shared.notify import notices, notifications, receivers
from shared.rest.client import Response
from tests.fake_azure import Fault
from tests.unit.notifications.conftest import OLD_SECRET, SECRET, Teller

if TYPE_CHECKING:
    from tests.unit.notifications.conftest import Receiver


def test_the_end_of_an_operation_is_a_cloud_event(teller: Teller) -> None:
    """With what it takes to know how it went, and no secret of the receiver's in what callers see."""
    operation = teller.ended(teller.receiver.url)
    teller.drive()
    (event,) = teller.events
    assert (event["specversion"], event["type"]) == ("1.0", "azureml-steward.operation.succeeded")
    assert event["subject"].endswith("/computes/cpu")
    assert event["data"]["operationId"] == operation
    (delivery,) = teller.deliveries(operation)
    assert (delivery["status"], delivery["tried"]) == ("Delivered", 1)
    assert "SECRET-CODE" not in json.dumps(delivery)


def test_signatures_are_standard_webhooks(teller: Teller, monkeypatch: pytest.MonkeyPatch) -> None:
    """One for each secret in force, so that a receiver may hold either while they are changed."""
    teller.ended(teller.receiver.url)
    teller.drive()
    headers, body = teller.receiver.got[0]
    monkeypatch.setattr("standardwebhooks.webhooks.datetime", _Frozen(teller))
    for secret in (SECRET, OLD_SECRET):
        assert Webhook(secret).verify(body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body + b" ", headers)
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + "A" * 32).verify(body, headers)


class _Frozen:
    """The library's clock, standing where the test's stands."""

    def __init__(self, teller: Teller) -> None:
        self.teller = teller

    def now(self, tz: Any = None) -> Any:
        """Return the test's present."""
        return self.teller.steward.clock().astimezone(tz)

    def __getattr__(self, name: str) -> Any:
        from datetime import datetime

        return getattr(datetime, name)


def test_what_fails_is_told_again_with_growing_delays(teller: Teller) -> None:
    """Server errors, then success: the same id each time."""
    teller.receiver.answers = [(500, {}), (503, {"Retry-After": "4000"}), (302, {}), (404, {}), (200, {})]
    operation = teller.ended(teller.receiver.url)
    began = teller.steward.clock()
    teller.drive()
    assert len({event["id"] for event in teller.events}) == 1
    (delivery,) = teller.deliveries(operation)
    assert (delivery["status"], delivery["tried"]) == ("Delivered", 5)
    assert [each.get("status") for each in delivery["attempts"]] == [500, 503, 302, 404, 200]
    assert teller.steward.clock() - began >= timedelta(seconds=5 + 4_000 + 1_800 + 7_200)


def test_a_receiver_that_is_gone_is_not_told_again(teller: Teller) -> None:
    """410 stops."""
    teller.receiver.answers = [(410, {})]
    operation = teller.ended(teller.receiver.url)
    teller.drive()
    assert [delivery["status"] for delivery in teller.deliveries(operation)] == ["Gone"]
    assert len(teller.receiver.got) == 1


def test_who_never_answers_is_given_up_after_three_days(teller: Teller) -> None:
    """All attempts are recorded."""
    teller.receiver.answers = [(500, {})]
    operation = teller.ended(teller.receiver.url)
    began = teller.steward.clock()
    teller.drive()
    (delivery,) = teller.deliveries(operation)
    assert (delivery["status"], delivery["tried"]) == ("Failed", len(notifications.DELAYS_S) + 1)
    assert timedelta(days=3) < teller.steward.clock() - began < timedelta(days=4)


def test_one_bad_receiver_does_not_keep_another(teller: Teller) -> None:
    """Each has a delivery of its own; one that is no longer listed is told nothing, and the reason is recorded."""
    operation = teller.ended("https://hooks.elsewhere.example/", teller.receiver.url)
    teller.drive(60)
    found = {delivery["target"]: delivery for delivery in teller.deliveries(operation)}
    assert found[teller.receiver.url.partition("?")[0]]["status"] == "Delivered"
    assert "STEWARD_CALLBACK_HOSTS" in found["https://hooks.elsewhere.example/"]["attempts"][0]["problem"]


@pytest.mark.parametrize("after", [False, True])
def test_a_kill_at_any_call_still_tells(receiver: Receiver, *, after: bool) -> None:
    """At least once, the same id, delivered in the end."""
    for nth in itertools.count(1):
        receiver.got.clear()
        teller = Teller(receiver=receiver)
        operation = teller.ended(receiver.url)
        teller.steward.fuse.blow(nth, after=after)
        teller.drive()
        survived = teller.steward.fuse.armed
        teller.steward.fuse.disarm()
        assert [delivery["status"] for delivery in teller.deliveries(operation)] == ["Delivered"], nth
        assert len({event["id"] for event in teller.events}) == 1
        assert 1 <= len(teller.events) <= 2
        if survived:
            return


def test_a_message_that_comes_twice_makes_one_series_of_attempts(teller: Teller) -> None:
    """A stale message ends silently: retries do not multiply."""
    teller.receiver.answers = [(500, {})]
    teller.ended(teller.receiver.url)
    (first,) = teller.steward.notification_queue.messages
    for _ in range(4):
        worker.take((notifications.MACHINE,), first.text, teller.app)
    assert len(teller.receiver.got) == 1


def test_a_queue_is_told(teller: Teller) -> None:
    """The CloudEvent as a message of the app's account."""
    operation = teller.ended("queue:outcomes")
    teller.drive()
    ((text, _),) = teller.queues["outcomes"].sent
    assert json.loads(text)["data"]["operationId"] == operation


def test_a_topic_is_told_with_a_token(teller: Teller) -> None:
    """CloudEvents in a batch, the api-version added, refused once and told again."""
    url = "https://t.westeurope-1.eventgrid.azure.net/api/events"
    denied = Response(status=403, url=url, body={"error": {"code": "Forbidden", "message": "no"}})
    teller.steward.azure.faults = [
        Fault(method="POST", match="eventgrid", response=denied),
        Fault(method="POST", match="eventgrid", response=Response(status=200, url=url), times=9),
    ]
    operation = teller.ended(f"eventgrid:{url}")
    teller.drive()
    (delivery,) = teller.deliveries(operation)
    assert [each["status"] for each in delivery["attempts"]] == [403, 200]
    assert f"POST {url}?api-version=2018-01-01" in teller.steward.azure.requests


def test_large_data_is_cut(teller: Teller) -> None:
    """Standard Webhooks asks for less than 20 kB."""
    notice = notices.Notice(
        about="r1",
        type="azureml-steward.cleanup.completed",
        subject="/x",
        at=teller.steward.clock(),
        data={"a": 1, "b": "x" * 50_000},
    )
    notifications.tell(notice, (teller.receiver.url,), teller.app)
    teller.drive()
    (event,) = teller.events
    assert event["data"] == {"a": 1, "truncated": True}


def test_sequences_sort_by_what_happened_first(teller: Teller) -> None:
    """As text, which is how the extension compares them."""
    now = teller.steward.clock()
    made = [
        notices.Notice(about=str(n), type="t", subject="s", at=now + timedelta(seconds=n), data={}).event("x")["sequence"]
        for n in (0, 5, 50, 5_000)
    ]
    assert made == sorted(made)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"version":9}', '{"about":1}'])
def test_a_hostile_message_ends_in_the_poison_queue(teller: Teller, text: str) -> None:
    """A ValueError, which the platform counts; the poison function records what it can and never fails the app."""
    with pytest.raises((ValueError, AttributeError)):
        worker.take((notifications.MACHINE,), text, teller.app)


def test_the_way_a_receiver_hangs_is_recorded(teller: Teller, monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer is an attempt like any other."""
    monkeypatch.setattr(receivers, "READ_TIMEOUT_S", 0.05)
    monkeypatch.setattr(receivers, "post", lambda *_a, **_k: receivers.Outcome(problem="no answer: TimeoutError"))
    operation = teller.ended(teller.receiver.url)
    assert teller.step()
    (delivery,) = teller.deliveries(operation)
    assert delivery["attempts"][0]["problem"] == "no answer: TimeoutError"
    assert delivery["status"] == "Pending"


@pytest.mark.parametrize("status", [200, 410, 500])
def test_what_opens_a_receiver_is_kept_until_it_was_told_for_the_last_time(teller: Teller, status: int) -> None:
    """The query of a Callback-Url; a message that comes again tells no second time."""
    teller.receiver.answers = [(status, {})]
    operation = teller.ended(teller.receiver.url, "queue:outcomes")
    again = list(teller.steward.notification_queue.sent)
    teller.drive()
    told = len(teller.receiver.got)
    assert {each["status"] for each in teller.deliveries(operation)} == {
        "Delivered",
        {200: "Delivered", 410: "Gone", 500: "Failed"}[status],
    }
    for text, _ in again:
        teller.steward.notification_queue.send(text)
    teller.drive()
    assert len(teller.receiver.got) == told
    assert len(teller.deliveries(operation)) == 2
    assert "SECRET-CODE" not in repr(teller.rows.rows) + teller.steward.everything_stored()
