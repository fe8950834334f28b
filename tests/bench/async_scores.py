"""Asynchronous scores: how many the app accepts in a second, and whether each of them has one answer, its own.

A worker is killed now and then meanwhile, as a platform does; half of the requests are sent twice under their key, as a caller does
that heard no answer. Each body has a number, and the model sends it back. Not here: one request's time (requests).
"""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import requests
from requests.adapters import HTTPAdapter

from infra.local import stack
from infra.local.demo.client import Steward
from tests.bench import bodies, processes

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_S = 900.0
MODEL = "import json\n\ndef init():\n    pass\n\ndef run(raw_data):\n    return json.loads(raw_data)\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of all of them.

    Attributes:
        sent: Different requests.
        accepted_s: How many were accepted in a second, repeated ones counted.
        answered_s: How many had their answer in a second, from the first request on.
        lost: Without an answer, or with another one's.
        duplicates: Keys that made more than one operation.
        kills: Workers that died meanwhile.
    """

    sent: int
    accepted_s: float
    answered_s: float
    lost: int
    duplicates: int
    kills: int


def run(count: int, callers: int, kills: int) -> Result:
    """Send so many at an endpoint that is parked, by so many callers at once, while workers die."""
    with tempfile.TemporaryDirectory() as state:
        options = stack.Options(state=Path(state), transitions="immediate", events=False)
        with stack.start(options) as parts, requests.Session() as session:
            caller = Steward(parts.app.url, parts.app.key, parts.app.master_key)
            bodies.workspace(caller)
            bodies.endpoint(caller, MODEL)
            caller.done("POST", f"{bodies.ENDPOINT}/park")
            session.trust_env = False
            session.headers["x-functions-key"] = parts.app.key
            session.mount("http://", HTTPAdapter(pool_maxsize=callers))
            found = _measured(session, f"{parts.app.url}/api", count, callers, lambda: _kill(parts), kills)
            caller.close()
            return found


def _measured(session: requests.Session, url: str, count: int, callers: int, kill: Callable[[], None], kills: int) -> Result:
    over, began = threading.Event(), time.monotonic()
    killed = Counter[str]()
    reaper = threading.Thread(target=_reaping, args=(over, kill, kills, killed))
    reaper.start()
    with ThreadPoolExecutor(callers) as pool:
        wanted = [number for number in range(count) for _ in range(1 + number % 2)]
        accepted = list(pool.map(lambda number: (number, _accepted(session, url, number)), wanted))
        took_s = time.monotonic() - began
        operations: dict[int, set[str]] = {}
        for number, name in accepted:
            operations.setdefault(number, set()).add(name)
        answers = list(pool.map(lambda each: (each[0], _answer(session, url, next(iter(each[1])))), operations.items()))
    all_s = time.monotonic() - began
    over.set()
    reaper.join()
    return Result(
        sent=count,
        accepted_s=len(wanted) / took_s,
        answered_s=count / all_s,
        lost=sum(answer != {"n": number} for number, answer in answers),
        duplicates=sum(len(names) > 1 for names in operations.values()),
        kills=killed["workers"],
    )


def _accepted(session: requests.Session, url: str, number: int) -> str:
    """Send one until it is accepted; returns its operation."""
    headers = {"Prefer": "respond-async", "Idempotency-Key": f"score-{number}"}
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            answer = session.post(f"{url}/{bodies.ENDPOINT}/score", json={"n": number}, headers=headers, timeout=60)
        except requests.ConnectionError:
            time.sleep(0.2)
            continue
        if answer.status_code == requests.codes.accepted:
            return str(answer.json()["name"])
        time.sleep(0.2)
    message = f"score {number} was not accepted: {answer.status_code} {answer.text[:300]}"
    raise RuntimeError(message)


def _answer(session: requests.Session, url: str, name: str) -> object:
    """Return the answer of one; None when there is none in time."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            answer = session.get(f"{url}/operations/{name}/result", headers={"Prefer": "wait=20"}, timeout=60)
        except requests.ConnectionError:
            time.sleep(0.2)
            continue
        if answer.status_code == requests.codes.ok:
            return answer.json()
        if answer.status_code < 500 and answer.status_code != requests.codes.accepted:
            return None
        time.sleep(0.2)
    return None


def _reaping(over: threading.Event, kill: Callable[[], None], kills: int, killed: Counter[str]) -> None:
    while killed["workers"] < kills and not over.wait(10.0):
        kill()
        killed["workers"] += 1


def _kill(parts: stack.Stack) -> None:
    """Kill the worker of the app; the host starts another."""
    for worker in processes.workers(parts.app.part.process.pid)[:1]:
        os.kill(worker, signal.SIGKILL)
