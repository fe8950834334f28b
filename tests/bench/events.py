"""Event Grid batches to `/api/events` at full speed, each event counted afterwards, beside bare queue puts of the same messages."""

from __future__ import annotations

import json
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
from azure.storage.queue import QueueClient, TextBase64DecodePolicy, TextBase64EncodePolicy

from infra.local import stack
from infra.local.emulator import scene

if TYPE_CHECKING:
    from collections.abc import Iterator

BATCH = 100  # events of one delivery
SENDERS = 8
QUEUE = "steward-events"
WORKSPACE_ID = f"{scene.GROUP_ID}/providers/Microsoft.MachineLearningServices/workspaces/ml-bench"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of it.

    Attributes:
        sent, found: Events that were answered with 200, and how many different ones of them are in the queue.
        seconds: Of the sending.
        messages: In the queue.
        bare_per_s: Events per second when the same messages are put by as many threads straight into an empty queue.
    """

    sent: int
    found: int
    seconds: float
    messages: int
    bare_per_s: float

    @property
    def per_s(self) -> float:
        """Events accepted per second."""
        return self.sent / self.seconds


def run(seconds: float = 20.0, workers: int = 2) -> Result:
    """Send for so long to an app of so many worker processes, whose queue function is off, so that everything can be counted.

    Raises:
        RuntimeError: a delivery was refused.
    """
    with tempfile.TemporaryDirectory() as state:
        off = {"AzureWebJobs.hooks_queue.Disabled": "true"}
        options = stack.Options(state=Path(state), events=False, workers=workers, settings=off)
        with stack.start(options) as parts:
            began = time.monotonic()
            sent = _send(parts.app, seconds)
            took = time.monotonic() - began
            with _queue(parts, QUEUE) as queue:
                messages = list(_all(queue))
            ids = {event["id"] for message in messages for event in json.loads(message)["events"]}
            return Result(
                sent=sent, found=len(ids), seconds=took, messages=len(messages), bare_per_s=_bare(parts, messages, len(ids))
            )


def _send(app: stack.App, seconds: float) -> int:
    end = time.monotonic() + seconds
    lock = threading.Lock()
    total = [0, 0]

    def work() -> None:
        with requests.Session() as session:
            session.trust_env = False
            session.headers["x-functions-key"] = app.key
            while time.monotonic() < end:
                with lock:
                    total[0] += 1
                    number = total[0]
                answer = session.post(f"{app.url}/api/events", json=_batch(number), timeout=60)
                if answer.status_code != requests.codes.ok:
                    message = f"a delivery was answered {answer.status_code}: {answer.text[:300]}"
                    raise RuntimeError(message)
                with lock:
                    total[1] += BATCH

    with ThreadPoolExecutor(SENDERS) as pool:
        for each in [pool.submit(work) for _ in range(SENDERS)]:
            each.result()
    return total[1]


def _batch(number: int) -> list[dict[str, Any]]:
    return [
        {
            "id": f"{number}-{n}",
            "topic": WORKSPACE_ID,
            "subject": f"models/flat-prices:{number * BATCH + n}",
            "eventType": "Microsoft.MachineLearningServices.ModelRegistered",
            "eventTime": "2026-11-21T06:10:00.1234560Z",
            "data": {"ModelName": "flat-prices", "ModelVersion": n, "ModelTags": {"stage": "test"}, "ModelProperties": {}},
            "dataVersion": "",
            "metadataVersion": "1",
        }
        for n in range(BATCH)
    ]


def _all(queue: QueueClient) -> Iterator[str]:
    while found := list(queue.receive_messages(max_messages=32, messages_per_page=32, visibility_timeout=600)):
        for message in found:
            yield message.content


def _bare(parts: stack.Stack, messages: list[str], events: int) -> float:
    """Put the same messages by as many threads; returns events per second."""
    with _queue(parts, "bare") as queue:
        queue.create_queue()
        began = time.monotonic()
        with ThreadPoolExecutor(SENDERS) as pool:
            list(pool.map(queue.send_message, messages))
        return events / (time.monotonic() - began)


def _queue(parts: stack.Stack, name: str) -> QueueClient:
    return QueueClient.from_connection_string(
        parts.storage.connection_string(),
        name,
        message_encode_policy=TextBase64EncodePolicy(),
        message_decode_policy=TextBase64DecodePolicy(),
    )
