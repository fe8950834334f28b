"""Asynchronous scores of a parked endpoint: whether each has one answer, its own, how fast that goes, and what one costs.

Workers are killed meanwhile; half of the requests are sent twice under their key, as a caller does that heard no answer. Each body
has a number, and the model sends it back. Not here: one request's time (requests).
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import requests

from tests.bench import bodies, masses

MODEL = "import json\n\ndef init():\n    pass\n\ndef run(raw_data):\n    return json.loads(raw_data)\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of all of them.

    Attributes:
        sent: Different requests.
        accepted_s: How many were accepted in a second, repeated ones counted.
        answered_s: How many had ended in a second, from the first request to the last end.
        most_s: The same, of the 99 % that ended first: a killed worker's last ones wait until their lease is over.
        lost: Without an answer, or with another one's.
        duplicates: Keys that made more than one operation.
        spent: What one cost, in words.
    """

    sent: int
    accepted_s: float
    answered_s: float
    most_s: float
    lost: int
    duplicates: int
    spent: str


def run(count: int, callers: int, kills: int, every_s: float) -> Result:
    """Send so many at an endpoint that is parked, by so many callers at once, while workers die."""
    with masses.ground(callers) as ground:
        bodies.endpoint(ground.caller, MODEL)
        ground.caller.done("POST", f"{bodies.ENDPOINT}/park")
        with ground.spending(kills, every_s), ThreadPoolExecutor(callers) as pool:
            wanted = [number for number in range(count) for _ in range(1 + number % 2)]
            began = time.monotonic()
            accepted = list(pool.map(lambda number: (number, _accepted(ground, number)), wanted))
            took_s = time.monotonic() - began
            operations: dict[int, set[str]] = {}
            for number, name in accepted:
                operations.setdefault(number, set()).add(name)
            names = {number: next(iter(found)) for number, found in operations.items()}
            list(pool.map(lambda name: _ended(ground, name), names.values()))
        answers = list(ThreadPoolExecutor(callers).map(lambda each: (each[0], _answer(ground, each[1])), names.items()))
        spans = [masses.span(ground.caller.get(f"operations/{name}")) for name in names.values()]
    first, ends = min(begin for begin, _ in spans), sorted(end for _, end in spans)
    return Result(
        sent=count,
        accepted_s=len(wanted) / took_s,
        answered_s=count / (ends[-1] - first),
        most_s=0.99 * count / (ends[int(0.99 * count) - 1] - first),
        lost=sum(answer != {"n": number} for number, answer in answers),
        duplicates=sum(len(found) > 1 for found in operations.values()),
        spent=ground.spent(count, "score"),
    )


def _accepted(ground: masses.Ground, number: int) -> str:
    """Send one until it is accepted; returns its operation."""
    headers = {"Prefer": "respond-async", "Idempotency-Key": f"score-{number}"}
    answer = ground.ask("POST", f"{bodies.ENDPOINT}/score", json={"n": number}, headers=headers)
    if answer.status_code != requests.codes.accepted:
        message = f"score {number} was not accepted: {answer.status_code} {answer.text[:300]}"
        raise RuntimeError(message)
    return str(answer.json()["name"])


def _ended(ground: masses.Ground, name: str) -> None:
    """Wait until one has ended."""
    end = time.monotonic() + masses.PATIENCE_S
    while time.monotonic() < end and not ground.ask("GET", f"operations/{name}?wait=60").json().get("endTime"):
        pass


def _answer(ground: masses.Ground, name: str) -> object:
    """Return the answer of one; None when there is none."""
    answer = ground.ask("GET", f"operations/{name}/result")
    return answer.json() if answer.status_code == requests.codes.ok else None
