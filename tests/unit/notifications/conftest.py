"""A receiver that answers as a test wants, and the app's notifications on fakes in front of it."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from shared import services
from shared.durable import sweep, worker
from shared.notify import deliveries, notifications
from shared.settings import Settings
from tests.fake_azure import SUBSCRIPTION
from tests.fakes import FakeQueue, FakeRows, Killed
from tests.steward import Steward

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OLD_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


class Receiver(ThreadingHTTPServer):
    """A webhook on this machine.

    Attributes:
        answers: What the next requests get: status, headers; the last one stays.
        got: What came: headers in lower case, and the body.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[tuple[int, dict[str, str]]] = [(200, {})]
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.trickle_s = 0.0

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.server_address[1]}"

    @property
    def url(self) -> str:
        """Where it is; the query is a secret."""
        return f"http://{self.address}/hook?code=SECRET-CODE"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        """Answer as told."""
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
        status, headers = self.server.answers[0]
        if len(self.server.answers) > 1:
            self.server.answers.pop(0)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0" if not self.server.trickle_s else "1000000")
        self.end_headers()
        end = time.monotonic() + self.server.trickle_s
        while time.monotonic() < end:
            try:
                self.wfile.write(b"x")
            except OSError:
                return
            time.sleep(0.02)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A webhook that answers 200."""
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@dataclass(kw_only=True)
class Teller:
    """The app with one receiver listed."""

    receiver: Receiver
    steward: Steward = field(default_factory=Steward)
    queues: dict[str, FakeQueue] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rows = FakeRows("deliveries", self.steward.fuse)
        self.settings = Settings(
            subscription_id=SUBSCRIPTION,
            resource_group="rg1",
            callback_hosts=(self.receiver.address, "*.contoso.com", "queue:outcomes", "*.eventgrid.azure.net"),
            webhook_secrets=(("", SECRET), ("", OLD_SECRET)),
        )
        self.restart()

    def restart(self) -> None:
        """Begin a new process on the same storage."""
        process = self.steward.restart()
        self.app = services.Services(settings=self.settings, clock=self.steward.clock)
        for name in ("client", "addresses", "ledger", "queue", "event_queue", "notification_queue", "due"):
            self.app.__dict__[name] = getattr(process, name)
        self.app.__dict__["delivery_rows"] = self.rows
        self.app.__dict__["queue_named"] = lambda name: self.queues.setdefault(name, FakeQueue(self.steward.clock))
        services.use(self.app)

    def ended(self, *targets: str) -> str:
        """Let an operation end of which each target is to be told; returns its id."""
        body = {"location": "westeurope", "properties": {"computeType": "AmlCompute"}}
        operation = self.steward.submit("PUT", "workspaces/w1/computes/cpu", body, notify=targets, idempotency_key="k")
        self.steward.drive()
        return operation.id

    def step(self) -> bool:
        """Deliver one message; False when none is visible."""
        queue = self.steward.notification_queue
        message = queue.receive()
        if message:
            worker.take((notifications.MACHINE,), message.text, self.app)
            queue.delete(message)
        return message is not None

    def drive(self, seconds: float = 400_000.0) -> None:
        """Deliver and wait until nothing is left."""
        clock, queue = self.steward.clock, self.steward.notification_queue
        end, tick = clock() + timedelta(seconds=seconds), clock() + timedelta(seconds=60)
        while clock() < end:
            try:
                while self.step():
                    pass
                if clock() >= tick:
                    tick = clock() + timedelta(seconds=60)
                    sweep.reconcile((notifications.MACHINE,), self.app)
                    continue
            except Killed:
                self.restart()
                clock.advance(600)
                continue
            if not queue.messages and not self.steward.due_rows.rows:
                return
            clock.now = max(clock(), min([tick, *(message.visible_at for message in queue.messages)]))

    def deliveries(self, about: str) -> list[dict[str, Any]]:
        """Return them as callers read them."""
        return [delivery.view() for delivery in deliveries.of(about, self.app)]

    @property
    def events(self) -> list[dict[str, Any]]:
        """What the receiver got."""
        return [json.loads(body) for _, body in self.receiver.got]


@pytest.fixture
def teller(receiver: Receiver) -> Iterator[Teller]:
    """The app with one receiver listed."""
    yield Teller(receiver=receiver)
    services.use(None)
