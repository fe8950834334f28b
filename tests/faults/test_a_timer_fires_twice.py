"""The platform may fire a timer twice for one moment (seen under Microsoft's own host): each runs twice at once, on Azurite."""

from __future__ import annotations

import re
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import azure.functions as func
import pytest
from azure.storage.queue import QueueClient, TextBase64DecodePolicy

from functions import cleanup, reconcile
from infra.local import azurite, stack
from shared import services
from shared.cleanup.run import runs
from shared.durable import worker
from shared.files import upload_inbox
from shared.notify import deliveries, notices, notifications
from shared.operations import flows
from shared.settings import Settings
from tests.fake_azure import SUBSCRIPTION
from tests.steward import Steward

if TYPE_CHECKING:
    from collections.abc import Iterator

BODY: dict[str, Any] = {"location": "westeurope", "properties": {}}
POLICY = """\
disable: ["*"]
policies:
  - name: minutely
    kind: modelVersion
    staleWhen: {olderThan: P90D}
    schedule: "0 * * * * *"
"""
TIMERS = {"reconcile_operations": reconcile.reconcile, "purge_operations": reconcile.purge, "cleanup_timer": cleanup.tick}
ROUNDS = 3


class Timer(func.TimerRequest):
    """A timer that fired in time."""

    @property
    def past_due(self) -> bool:
        """Tell that it is not late."""
        return False


@pytest.fixture
def steward() -> Iterator[Steward]:
    """The app on real storage, which its functions find; Azure stays a fake."""
    with azurite.start(None) as running:
        made = Steward()
        settings = Settings(
            storage=running.connection_string(), subscription_id=SUBSCRIPTION, resource_group="rg1", notify=("queue:told",)
        )
        app: Any = services.Services(settings=settings, clock=made.clock)
        app.__dict__.update(client=made.process.client, addresses=made.process.addresses)
        made.process = app
        services.use(app)
        yield made
        services.use(None)


def twice(name: str) -> None:
    """Run a timer's function twice at the same moment."""
    function = TIMERS[name]._function.get_user_function()
    barrier, trouble = threading.Barrier(2), list[Exception]()

    def fire() -> None:
        barrier.wait()
        try:
            function(Timer())
        except Exception as problem:  # noqa: BLE001 - shown by the assertion
            trouble.append(problem)

    both = [threading.Thread(target=fire) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert not trouble


def emptied(name: str) -> list[str]:
    """Take all messages of a queue of the account."""
    connection = services.get().settings.storage
    with QueueClient.from_connection_string(connection, name, message_decode_policy=TextBase64DecodePolicy()) as queue:
        seen = [message.content for message in queue.receive_messages(max_messages=32)]
        queue.clear_messages()
    return seen


def test_every_timer_is_here() -> None:
    """A new timer is a new test."""
    sources = "".join(path.read_text() for path in (stack.ROOT / "functions").glob("*.py"))
    assert set(re.findall(r'function_name\("(\w+)"\)\n@blueprint.timer_trigger', sources)) == set(TIMERS)


def test_what_is_overdue_is_put_back_once(steward: Steward) -> None:
    """One message for each operation, however many find it overdue; a receiver is told once, whatever messages there are."""
    app = services.get()
    for number in range(ROUNDS):
        operations = [steward.submit("PUT", f"workspaces/r{number}x{each}", BODY, respond_async=True) for each in range(4)]
        about = f"about{number}"
        notice = notices.Notice(about=about, type="t", subject="s", at=app.clock(), data={})
        notifications.tell(notice, ("queue:told",), app)
        emptied("steward-operations")
        emptied("steward-notifications")
        steward.clock.advance(timedelta(minutes=10).total_seconds())
        twice("reconcile_operations")
        assert len(emptied("steward-operations")) == len(operations)
        for message in emptied("steward-notifications"):
            worker.take((notifications.MACHINE,), message, app)
        assert [each.status for each in deliveries.of(about, app)] == ["Delivered"]
        assert len(emptied("told")) == 1
        for operation in operations:
            flows.cancel(steward.stored(operation), app, abandon=True)


def test_what_is_old_goes_once(steward: Steward) -> None:
    """Of two that delete a row or a blob the later finds it gone."""
    app = services.get()
    for number in range(ROUNDS):
        for each in range(4):
            operation = steward.submit(
                "PUT", f"workspaces/p{number}x{each}", BODY, respond_async=True, idempotency_key=f"{number}{each}"
            )
            flows.cancel(steward.stored(operation), app, abandon=True)
            upload_inbox.open_upload(app.blobs, app.clock(), caller="c", name="n", limit=9)
        steward.clock.advance(timedelta(days=32).total_seconds())
        twice("purge_operations")
        assert list(app.ledger.rows.query()) == []
        assert list(app.blobs.names("uploads/")) == []


def test_a_policy_that_came_due_is_one_run(steward: Steward) -> None:
    """The moment and the policies are the run's name: the second finds it there."""
    app = services.get()
    app.blobs.put("cleanup/policies/ours.yaml", POLICY.encode())
    for number in range(1, ROUNDS + 1):
        twice("cleanup_timer")
        assert len(list(app.journal.runs())) == number
        assert len(emptied("steward-cleanup")) == 1
        for run in list(app.journal.runs(only_open=True)):
            runs.cancel(run.name, app)
        steward.clock.advance(60)
