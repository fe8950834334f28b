"""The hooks in process: rules in a container, events in, the app's own API as what rules call, and fakes for the rest."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from shared import services
from shared.durable import sweep
from shared.hooks import events, firings, inbox, rule_requests, rule_store
from shared.operations import steps
from shared.rest import errors
from shared.settings import Settings
from tests.fake_azure import SUBSCRIPTION, WORKSPACE
from tests.fakes import FakeRows, Held, Killed
from tests.steward import Steward

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.chains.asked import Answer, Call
    from shared.hooks.firing_record import Firing

MAX_DEQUEUE = 5
ML = "Microsoft.MachineLearningServices"


@dataclass(kw_only=True)
class Hooks:
    """The app with rules.

    Attributes:
        calls: What rules asked of the API.
        trouble: What messages ended with.
        settings: The app's, from the next start on.
    """

    steward: Steward = field(default_factory=Steward)
    calls: list[Call] = field(default_factory=list)
    trouble: list[Exception] = field(default_factory=list)
    settings: Settings = field(default_factory=lambda: Settings(subscription_id=SUBSCRIPTION, resource_group="rg1"))

    def __post_init__(self) -> None:
        self.hook_rows = FakeRows("hooks", self.steward.fuse)
        self.restart()

    def restart(self) -> None:
        """Begin a new process on the same storage."""
        process = self.steward.restart()
        self.app = services.Services(settings=self.settings, clock=self.steward.clock)
        for name in ("client", "addresses", "ledger", "queue", "event_queue", "notification_queue", "due"):
            self.app.__dict__[name] = getattr(process, name)
        self.app.__dict__["blobs"] = self.steward.blobs
        self.app.__dict__["hook_rows"] = self.hook_rows
        self.app.__dict__["access_rows"] = self.steward.access_rows
        self.app.__dict__["perform"] = self.perform
        services.use(self.app)

    def rules(self, text: str, file: str = "a.yaml") -> None:
        """Put a file of rules into the container."""
        self.steward.blobs.put(rule_store.PREFIX + file, text.encode())
        self.app.rule_store.changed()

    def happen(self, *given: events.Event) -> None:
        """Put events on the queue as a delivery does."""
        inbox.store(given, self.app)

    def perform(self, call: Call) -> Answer:
        """Note what a rule asks, and do it."""
        self.calls.append(call)
        return rule_requests.perform(call, self.app)

    def step(self) -> bool:
        """Deliver one message of either queue; False when none is visible."""
        message = self.steward.event_queue.receive()
        if message:
            self._deliver(message)
            return True
        return self.steward.step()

    def drive(self, seconds: float = 3600.0) -> None:
        """Run all functions, timers included, until nothing is left to do or the time is over; a killed process is restarted."""
        clock = self.steward.clock
        end, next_timer = clock() + timedelta(seconds=seconds), clock() + timedelta(seconds=60)
        while clock() <= end:
            try:
                while self.step():
                    pass
                if clock() >= next_timer:
                    next_timer = clock() + timedelta(seconds=60)
                    self._fire_timer()
                    continue
            except Killed:
                self.restart()
                continue
            due = [message.visible_at for queue in (self.steward.queue, self.steward.event_queue) for message in queue.messages]
            running = [row for row in self.hook_rows.rows.values() if row.columns.get("status") == "Running"]
            if not due and not self.steward.open.rows and not running:
                return
            following = max(clock(), min([next_timer, *due]))
            if following > end:
                clock.now = max(clock(), end)
                return
            clock.now = following

    def _fire_timer(self) -> None:
        """Fire the timer; when it fails the platform fires it again a minute later."""
        try:
            sweep.reconcile((steps.MACHINE, firings.MACHINE), self.app)
        except errors.TransientError as problem:
            self.trouble.append(problem)

    def firings(self, **asked: Any) -> list[Firing]:
        """Return what fired, the newest first."""
        return firings.newest(50, self.app, **asked)

    def _deliver(self, message: Held) -> None:
        try:
            inbox.take(message.text, self.app)
        except Exception as problem:  # noqa: BLE001 - what the platform does
            self.trouble.append(problem)
            if message.dequeue_count < MAX_DEQUEUE:
                message.visible_at = self.steward.clock() + timedelta(seconds=10)
                return
            inbox.bury(message.text, self.app, "every attempt failed")
        self.steward.event_queue.delete(message)


def registered(number: int = 1, name: str = "credit", **tags: str) -> events.Event:
    """A model version was registered."""
    data = {"ModelName": name, "ModelVersion": str(number), "ModelTags": tags, "ModelProperties": {}}
    return events.Event(
        id=f"{name}-{number}", source=WORKSPACE, type=f"{ML}.ModelRegistered", subject=f"models/{name}:{number}", data=data
    )


@pytest.fixture
def hooks() -> Iterator[Hooks]:
    """A fresh app with no rules."""
    yield Hooks()
    services.use(None)
