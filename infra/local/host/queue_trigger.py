"""Queue triggers: polls a queue as the platform's storage extension does, and settles each message.

The rules are those of QueueListener and QueueProcessor in Azure/azure-webjobs-sdk: a batch is fetched once no more
than ``newBatchThreshold`` messages are under way; an empty queue is looked at less and less often; a message is
invisible while its function runs and deleted only after success; a failed one comes back after
``visibilityTimeout`` or goes to ``QUEUE-poison``; a poison queue has no poison queue of its own, its failed messages
just stay invisible for their ten minutes. So does a message whose worker process died: how far it came is unknown.
"""

import base64
import binascii
import json
import logging
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.storage.queue import QueueClient, QueueMessage

from infra.local.host.functions import Function
from infra.local.host.invocation import InvocationLostError, Value
from infra.local.host.runner import Runner
from infra.local.host.settings import QueueOptions

log = logging.getLogger("Host.Triggers.Queue")
MINIMUM_POLL_S = 0.1
POISON_POLL_S = 5.0  # a trigger that gives a message up wakes the poison queue's own; only what others put there waits so long
FOREVER = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueTrigger:
    """One queue function and its queue.

    Attributes:
        function: The function to run for each message.
        queue: The queue.
        poison: Where messages go that keep failing; ``None`` for a queue that is itself a poison queue.
        options: host.json.
        runner: Runs the function.
        notify: Called with a queue's name after a message was put there, so that its trigger looks at once.
    """

    function: Function
    queue: QueueClient
    poison: QueueClient | None
    options: QueueOptions
    runner: Runner
    notify: Callable[[str], None] = lambda _name: None

    def process(self, message: QueueMessage) -> None:
        """Run the function for one received message and settle the message."""
        tries = message.dequeue_count or 1
        if tries > self.options.max_dequeue_count:
            self._give_up(message, f"was already tried {tries - 1} times")
            return
        try:
            body = decode(message.content, base64_encoded=self.options.base64)
        except ValueError:
            self._give_up(message, "is not base64")
            return
        try:
            result = self.runner.run(
                self.function,
                {self.function.parameter: self._value(body)},
                reason=f"New queue message detected on '{self.queue.queue_name}'.",
                metadata=metadata(message, body),
                every_s=self.options.invisible_s / 2,
                while_running=lambda: self._hide(message, self.options.invisible_s),
            )
        except InvocationLostError:
            log.warning(
                "message %s of %s: its worker ended; it comes back when its %g s of invisibility are over",
                *(message.id, self.queue.queue_name, self.options.invisible_s),
            )
            return
        if result.error is None:
            self._delete(message)
        elif tries >= self.options.max_dequeue_count:
            self._give_up(message, f"failed {tries} times")
        elif self.poison is not None:
            self._hide(message, self.options.visibility_timeout_s)

    def _value(self, body: bytes) -> Value:
        if str(self.function.trigger.get("dataType", "")).upper() == "BINARY":
            return "bytes", body
        return "string", body.decode(errors="replace")

    def _give_up(self, message: QueueMessage, why: str) -> None:
        if self.poison is None:
            return  # stays invisible, so that it cannot fail in a fast endless loop
        log.warning("message %s of %s %s: moved to %s", message.id, self.queue.queue_name, why, self.poison.queue_name)
        put(self.poison, message.content)
        self.notify(self.poison.queue_name)
        self._delete(message)

    def _hide(self, message: QueueMessage, seconds: float) -> None:
        try:
            hidden = self.queue.update_message(message.id, pop_receipt=message.pop_receipt, visibility_timeout=round(seconds))
        except AzureError as problem:
            log.debug("message %s of %s was not updated: %s", message.id, self.queue.queue_name, problem)
            return
        message.pop_receipt = hidden.pop_receipt

    def _delete(self, message: QueueMessage) -> None:
        try:
            self.queue.delete_message(message.id, pop_receipt=message.pop_receipt)
        except HttpResponseError as problem:  # someone else has it, or it is gone
            log.debug("message %s of %s was not deleted: %s", message.id, self.queue.queue_name, problem)
        except AzureError as problem:
            log.warning("message %s of %s stays in the queue: %s", message.id, self.queue.queue_name, problem)


class QueueListener:
    """Polls the queue of one trigger until it is stopped."""

    def __init__(self, trigger: QueueTrigger) -> None:
        options = trigger.options
        self._trigger, self._options = trigger, options
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._under_way = 0
        self._changed = threading.Condition()
        self._threads = ThreadPoolExecutor(
            options.batch_size + options.new_batch_threshold, thread_name_prefix=trigger.queue.queue_name
        )
        self._poller = threading.Thread(target=self._poll, daemon=True, name=f"poll-{trigger.queue.queue_name}")

    @property
    def queue_name(self) -> str:
        """The queue it polls."""
        return str(self._trigger.queue.queue_name)

    def start(self) -> None:
        """Begin to poll, in a thread of its own."""
        self._poller.start()

    def wake(self) -> None:
        """Look into the queue now."""
        self._wake.set()

    def stop(self) -> None:
        """Fetch no more messages; those under way go on."""
        self._stopping.set()
        self._wake.set()
        with self._changed:
            self._changed.notify_all()

    def wait_idle(self, grace_s: float) -> bool:
        """Wait until no message is under way; false if that takes longer than ``grace_s`` seconds."""
        self._poller.join(grace_s)
        with self._changed:
            return self._changed.wait_for(lambda: self._under_way == 0, timeout=grace_s)

    def _poll(self) -> None:
        empty, longest_s = 0, self._options.max_polling_interval_s
        if self._trigger.poison is None:
            longest_s = max(longest_s, POISON_POLL_S)
        while not self._stopping.is_set():
            self._wake.clear()
            batch = self._receive()
            for message in batch:
                with self._changed:
                    self._under_way += 1
                self._threads.submit(self._process, message)
            if batch:
                empty = 0
                with self._changed:
                    self._changed.wait_for(lambda: self._under_way <= self._options.new_batch_threshold or self._stopping.is_set())
            else:
                self._wake.wait(delay_s(empty, longest_s))
                empty += 1

    def _receive(self) -> list[QueueMessage]:
        queue, batch_size = self._trigger.queue, self._options.batch_size
        try:
            pages = queue.receive_messages(
                messages_per_page=batch_size, visibility_timeout=round(self._options.invisible_s)
            ).by_page()
            return list(next(pages, ()))
        except ResourceNotFoundError:
            return []  # the platform makes no queue: its trigger waits for one, without a word
        except AzureError as problem:
            log.warning("queue %s cannot be read: %s", queue.queue_name, str(problem).splitlines()[0])
        return []

    def _process(self, message: QueueMessage) -> None:
        try:
            self._trigger.process(message)
        except Exception:
            log.exception("message %s of %s could not be settled", message.id, self._trigger.queue.queue_name)
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()


def delay_s(empty: int, longest_s: float) -> float:
    """Seconds to wait after the ``empty``-th look (from 0) in a row that found nothing; with 20 % of chance in it."""
    grown = MINIMUM_POLL_S
    if empty > 0:
        grown += MINIMUM_POLL_S * random.uniform(0.8, 1.2) * 2 ** min(empty - 1, 20)  # noqa: S311 - no secret
    return min(longest_s, grown)


def decode(content: str, *, base64_encoded: bool) -> bytes:
    """The bytes in a message.

    Raises:
        ValueError: It should be base64 and is not.
    """
    if not base64_encoded:
        return content.encode()
    try:
        return base64.b64decode("".join(content.split()), validate=True)
    except binascii.Error as problem:
        raise ValueError(str(problem)) from None


def metadata(message: QueueMessage, body: bytes) -> dict[str, Value]:
    """Trigger metadata by the platform's names."""
    return {
        "QueueTrigger": ("string", body.decode(errors="replace")),
        "Id": ("string", message.id),
        "PopReceipt": ("string", message.pop_receipt),
        "DequeueCount": ("json", json.dumps(message.dequeue_count)),
        **{
            name: ("json", json.dumps(moment.isoformat()))
            for name, moment in (
                ("InsertionTime", message.inserted_on),
                ("ExpirationTime", message.expires_on),
                ("NextVisibleTime", message.next_visible_on),
            )
            if moment is not None
        },
    }


def put(queue: QueueClient, content: str) -> None:
    """Add a message that never expires; the queue is created if it is missing."""
    try:
        queue.send_message(content, time_to_live=FOREVER)
    except ResourceNotFoundError:
        create(queue)
        queue.send_message(content, time_to_live=FOREVER)


def create(queue: QueueClient) -> None:
    """Create a queue; it may exist already."""
    try:
        queue.create_queue()
    except ResourceExistsError:
        return
    except AzureError as problem:
        log.warning("queue %s cannot be created: %s", queue.queue_name, str(problem).splitlines()[0])
