"""The app's operations on fakes: one storage, one Azure, one clock, and as many processes as a test lets die.

`drive` is the platform: it delivers queue messages and fires the reconcile timer until nothing is left to do.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shared import services
from shared.catalog import paths
from shared.durable import due, messages, sweep, worker
from shared.durable.due import DueIndex
from shared.endpoints import score_gates, scoring, waking
from shared.files import plans, upload_steps
from shared.operations import acceptance, flows, ledger, steps
from shared.operations.looks import shared_lists
from shared.rest import addresses, errors, streams
from shared.settings import Settings
from tests.fake_azure import SUBSCRIPTION, FakeAzure
from tests.fakes import Clock, FakeBlobs, FakeQueue, FakeRows, Fuse, Held, Killed

if TYPE_CHECKING:
    from shared.durable.messages import Message
    from shared.operations.ledger import Stored
    from shared.operations.models import Operation

MAX_DEQUEUE = 5
RETRY_S = 10.0  # host.json's visibilityTimeout
TIMER_S = due.TICK.total_seconds()
QUIET_AFTER_S = 48 * 3600.0
SETTINGS = Settings(subscription_id=SUBSCRIPTION, resource_group="rg1")


def advance(text: str, process: Any) -> Stored | None:
    """Take the step of an operation that a message names, or look after a page of what is overdue."""
    if sweep.page((steps.MACHINE,), text, process) is not None:
        return None
    taken: Stored | None = worker.take((steps.MACHINE,), text, process)
    return taken


def look_after(process: Any) -> int:
    """Fire the timer for operations; returns how many had lost their message."""
    return sweep.reconcile((steps.MACHINE,), process)[steps.MACHINE.name]


@dataclass(kw_only=True)
class Process:
    """What one process of the app works with (context.Services)."""

    client: Any
    addresses: Any
    ledger: ledger.Ledger
    queue: Any
    notification_queue: Any
    event_queue: Any
    due: DueIndex
    clock: Clock
    scoring: Any = None
    score_gates: Any = None
    lists: Any = None
    settings: Settings = SETTINGS

    def wake(self, endpoint: Any, parked: Any) -> Any:
        """See `Services.wake`."""
        return waking.begun(endpoint, parked, self)

    def prepare_upload(self, operation: Any, fresh: Any, **until: Any) -> Any:
        """See `Services.prepare_upload`."""
        return services.Services.prepare_upload(self, operation, fresh, **until)


@dataclass(kw_only=True)
class Steward:
    """The app and everything outside of it.

    Attributes:
        poisoned: Messages that reached the poison function.
        trouble: Exceptions that steps ended with.
    """

    clock: Clock = field(default_factory=Clock)
    fuse: Fuse = field(default_factory=Fuse)
    poisoned: list[str] = field(default_factory=list)
    trouble: list[Exception] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rows = FakeRows("rows", self.fuse, self.clock)
        self.open = FakeRows("open", self.fuse, self.clock)
        self.access_rows = FakeRows("access", self.fuse, self.clock)
        self.due_rows = FakeRows("due", self.fuse, self.clock)
        self.blobs = FakeBlobs(self.fuse)
        self.queue = FakeQueue(self.clock, self.fuse)
        self.notification_queue = FakeQueue(self.clock, self.fuse)
        self.event_queue = FakeQueue(self.clock, self.fuse)
        self.azure = FakeAzure(self.clock, self.fuse)
        self.restart()

    def restart(self) -> Process:
        """Begin a new process on the same storage: nothing of the old one's memory is left."""
        client: Any = self.azure
        places = addresses.Addresses(client, clock=self.clock.seconds)
        self.process = Process(
            client=client,
            addresses=places,
            scoring=scoring.Scoring(client, places, clock=self.clock.seconds),
            score_gates=score_gates.Gates(lambda: self.blobs, self.clock.seconds),
            ledger=ledger.Ledger(self.rows, self.open, self.blobs),
            queue=self.queue,
            notification_queue=self.notification_queue,
            event_queue=self.event_queue,
            due=DueIndex(self.due_rows),
            lists=shared_lists.Lists(client, places, self.clock),
            clock=self.clock,
        )
        return self.process

    @property
    def ledger(self) -> ledger.Ledger:
        """The ledger of the present process."""
        return self.process.ledger

    def request(self, method: str, path: str, body: dict[str, Any] | None = None, **more: Any) -> acceptance.Request:
        """Read a request as the HTTP functions do."""
        target = paths.resolve(path, SETTINGS)
        taken = upload_steps.TAKES.get(target.kind.path)
        if taken and taken.part in more.get("files", {}):  # a zip in the part that the kind takes
            more["contents"] = more.pop("files")
            task = plans.Task(
                what="upload", goals=(taken.goal,), purpose=taken.purpose, blob=taken.part, folder="", name=taken.part
            )
            more["plan"] = plans.Plan(tasks=(task,))
        more |= {key: {name: streams.of(data) for name, data in more[key].items()} for key in ("files", "contents") if key in more}
        return acceptance.Request(target=target, method=method, body=body, **more)

    def submit(
        self, method: str, path: str, body: dict[str, Any] | None = None, *, respond_async: bool = False, **more: Any
    ) -> Operation:
        """Send a request to the app."""
        return flows.submit(self.request(method, path, body, **more), self.process, respond_async=respond_async)

    def load(self, operation: Operation | str) -> Operation:
        """Return an operation as it stands in the ledger, payloads in place."""
        return self.ledger.whole(self.stored(operation).operation)

    def stored(self, operation: Operation | str) -> Stored:
        """Return an operation with its etag."""
        found = self.ledger.load(operation if isinstance(operation, str) else operation.id)
        assert found, f"no operation {operation}"
        return found

    def edit(self, operation: Operation | str, **changes: Any) -> Stored:
        """Change an operation's row from outside."""
        stored = self.stored(operation)
        return self.ledger.save(stored, replace(stored.operation, **changes))

    def deliver(self, message: Held) -> None:
        """Run the queue function for one message, as the platform does: gone after success, back after a failure."""
        try:
            advance(message.text, self.process)
        except Exception as problem:  # noqa: BLE001 - what the platform does
            self.trouble.append(problem)
            if message.dequeue_count < MAX_DEQUEUE:
                message.visible_at = self.clock() + timedelta(seconds=RETRY_S)
                return
            self.poisoned.append(message.text)
            worker.give_up((steps.MACHINE,), message.text, self.process, "every attempt failed")
        self.queue.delete(message)

    def step(self) -> bool:
        """Deliver one visible message; False when there is none."""
        message = self.queue.receive()
        if message:
            self.deliver(message)
        return message is not None

    def drive(self, limit_s: float = QUIET_AFTER_S) -> None:
        """Run everything, timer included, until no operation is open and no message is left; a killed process is restarted."""
        end = self.clock() + timedelta(seconds=limit_s)
        next_timer = self.clock() + timedelta(seconds=TIMER_S)
        while self.clock() < end:
            try:
                while self.step():
                    pass
                if self.clock() >= next_timer:
                    next_timer = self.clock() + timedelta(seconds=TIMER_S)
                    self._reconcile()
                    continue
            except Killed:
                self.restart()
                continue
            if not self.open.rows and not self.queue.messages:
                return
            due = [message.visible_at for message in self.queue.messages]
            self.clock.now = max(self.clock(), min([next_timer, *due]))
        left = [row.key for row in self.open.rows.values()], [message.text for message in self.queue.messages]
        raise AssertionError(f"not quiet after {limit_s} s: {left}")

    def _reconcile(self) -> None:
        """Fire the timer; when it fails the platform fires it again a minute later."""
        try:
            look_after(self.process)
        except errors.TransientError as problem:
            self.trouble.append(problem)

    def messages(self, operation: Operation | str) -> list[Message]:
        """Return what is queued for an operation."""
        wanted = operation if isinstance(operation, str) else operation.id
        found = [messages.read(message.text, "operation") for message in self.queue.messages]
        return [message for message in found if message.key[0] == wanted]

    def everything_stored(self) -> str:
        """Return all that tables, blobs and queue hold, for looking for what must not be there."""
        rows = [repr(row) for table in (self.rows, self.open) for row in table.rows.values()]
        blobs = [name + content.decode("utf-8", "replace") for name, content in self.blobs.blobs.items()]
        return "\n".join([*rows, *blobs, *(text for text, _ in self.queue.sent)])
