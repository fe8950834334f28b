"""What the app itself costs: its functions called in this process, without host and worker, beside the least that they can do.

Storage is Azurite and Azure is the local one, each a process of its own, so the processor time is that of the app. The least is the
same request to Azure by urllib3, over a connection that stays open; where the app stores something, with the bare storage requests.
Not here: what a caller waits for (requests), storage alone (storage_speed).
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
import json
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import urllib3

from infra.local import stack
from infra.local.demo.client import Steward
from shared import machines, services
from shared.durable import messages
from tests import front
from tests.bench import bodies, requests, storage_speed
from tests.bench.storage_speed import Timed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from shared.durable.storage import Queue

ROUNDS, EACH = 6, 40
JSON = "application/json"
POLL, QUIET, ACCEPT, PUT, SCORE = (
    "poll step, loaded",
    "poll step, carried",
    "accept, respond-async",
    "PUT done inline",
    "score 1 KB",
)
GOALS = {POLL: (None, 3.0), QUIET: (None, 3.0), ACCEPT: (None, 3.0), SCORE: (1.0, 0.5)}  # p95 ms, CPU ms
LEAST = "the least: "


def run() -> dict[str, Timed]:
    """Return what is done → how long it took; the least of each has its name after `LEAST`."""
    with _work() as work:
        for each in list(work.values()) * 3:  # opens what is opened once
            each()
        timed = {name: Timed() for name in work}
        for number in range(ROUNDS):
            for name in list(work) if number % 2 == 0 else reversed(work):
                kept, cpu_s, began = timed[name], time.process_time(), time.perf_counter()
                kept.seconds += [storage_speed._once(work[name]) for _ in range(EACH)]
                kept.cpu_s += time.process_time() - cpu_s
                kept.wall_s += time.perf_counter() - began
        return timed


@contextlib.contextmanager
def _work() -> Iterator[dict[str, Callable[[], None]]]:
    """The app in this process, on storage and an Azure of its own."""
    with tempfile.TemporaryDirectory() as state, contextlib.ExitStack() as running:
        options = stack.Options(state=Path(state), transitions="immediate", events=False)
        storage = running.enter_context(stack.start_storage(options))
        azure = running.enter_context(stack.start_azure(options, storage))
        with stack.start_app(options, storage, azure) as app:
            caller = Steward(app.url, app.key, app.master_key)
            bodies.workspace(caller)
            uri, key = bodies.endpoint(caller)
            caller.close()
        bodies.transitions(azure, "time", 0.1)  # nothing that is begun from here on ends
        running.enter_context(mock.patch.dict(os.environ, app.settings))
        services.use(None)
        running.callback(services.use, None)
        loop = running.enter_context(contextlib.closing(asyncio.new_event_loop()))
        pool = urllib3.ProxyManager(azure.proxy, ca_certs=str(azure.ca))
        bare = storage_speed.Bare(storage.connection_string())
        storage_speed.Ours(storage.connection_string()).message()  # makes the queue and the table
        yield {**_ours(loop), **_least(pool, bare, uri, key)}


class _Kept:
    """A queue, and what was sent last."""

    def __init__(self, queue: Queue) -> None:
        self._queue, self.last, self.followed = queue, "", ""

    def send(self, text: str, *, delay_s: float = 0.0) -> None:
        """See `storage.Queue.send`."""
        self._queue.send(text, delay_s=delay_s)
        self.last = text


def _ours(loop: asyncio.AbstractEventLoop) -> dict[str, Callable[[], None]]:
    names = (f"{bodies.WORKSPACE}/computes/in{n}x" for n in itertools.count(1))
    cluster, rows = json.dumps(bodies.cluster()).encode(), json.dumps(requests.ROWS).encode()

    def ask(method: str, path: str, body: bytes, **headers: str) -> None:
        trigger, req = front.asked(method, path, body, content_type=JSON, **headers)
        answer = loop.run_until_complete(trigger(req))
        if answer.status_code >= 400:
            raise RuntimeError(answer.get_body())

    app = services.get()
    kept = app.__dict__["queue"] = _Kept(app.queue)
    ask("PUT", next(names), cluster)
    kept.followed = kept.last

    def step(*, carried: bool) -> None:
        kept.last = ""
        machines.take(messages.QUEUE, kept.followed if carried else messages.bare(kept.followed), app)
        if not kept.last:
            message = "the operation that is looked at has ended"
            raise RuntimeError(message)
        kept.followed = kept.last

    return {
        POLL: lambda: step(carried=False),
        QUIET: lambda: step(carried=True),
        ACCEPT: lambda: ask("PUT", next(names), cluster, prefer="respond-async"),
        PUT: lambda: ask("PUT", next(names), cluster),
        SCORE: lambda: ask("POST", f"{bodies.ENDPOINT}/score", rows),
    }


def _least(pool: urllib3.ProxyManager, bare: storage_speed.Bare, uri: str, key: str) -> dict[str, Callable[[], None]]:
    app = services.get()
    token = app.client.token(app.client.cloud.arm_scope)
    names = (f"{requests.ARM}/computes/least{n}x?{requests.VERSION}" for n in itertools.count(1))
    cluster, rows = json.dumps(bodies.cluster()).encode(), json.dumps(requests.ROWS).encode()

    def ask(method: str, url: str, body: bytes | None = None, bearer: str = token) -> None:
        headers = {"Authorization": f"Bearer {bearer}", "Content-Type": JSON}
        answer = pool.request(method, url, body=body, headers=headers)
        if answer.status >= 400:
            raise RuntimeError(answer.data)

    def poll() -> None:
        ask("GET", f"{requests.ARM}/computes/cpu0?{requests.VERSION}")
        bare.message()

    def loaded() -> None:
        bare.read("kept", "a")
        poll()

    def accept() -> None:
        storage_speed.WORK["insert, message"](bare)

    def put() -> None:
        ask("PUT", next(names), cluster)
        accept()

    bare.put(dataclasses.replace(storage_speed.ENTRY, partition="kept"))
    return {
        LEAST + POLL: loaded,
        LEAST + QUIET: poll,
        LEAST + ACCEPT: accept,
        LEAST + PUT: put,
        LEAST + SCORE: lambda: ask("POST", uri, rows, key),
    }
