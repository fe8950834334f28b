"""A thousand recipes of ten steps that ask nothing of Azure, while workers are killed: steps per second, and what a step costs.

The time is from the first request to the last end. Each recipe is sent under a key, again where no answer came, and must have one
run with its own answers. Not here: recipes that make something (tests/functional/recipes).
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import requests

from tests.bench import masses

SENDERS = 8
LOOK_S = 1.0
TELL, PAUSE = {"notify": "bench.step", "body": {"n": "${{ run.id }}"}}, {"wait": "PT0S"}
STEPS = {f"step{n}": TELL if n % 2 else PAUSE for n in range(10)}  # nobody is to be told: such a step is left out


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of it.

    Attributes:
        runs: Recipes that were started.
        succeeded: Those that ended well.
        duplicates: Runs without a request of their own.
        accepted_s: Until the last of them was accepted.
        seconds: Until the last of them had ended.
        most_s: Until 99 % had ended: what a killed worker had in hand waits until its lease is over.
        spent: What a step cost, in words.
    """

    runs: int
    succeeded: int
    duplicates: int
    accepted_s: float
    seconds: float
    most_s: float
    spent: str

    @property
    def steps(self) -> int:
        """Steps that were taken."""
        return self.runs * len(STEPS)


def run(runs: int, kills: int, every_s: float) -> Result:
    """Start so many and wait for their ends."""
    with masses.ground(SENDERS) as ground:
        looks, began = 0, time.monotonic()
        with ground.spending(kills, every_s):
            with ThreadPoolExecutor(SENDERS) as pool:
                names = set(pool.map(lambda number: _started(ground, number), range(runs)))
            accepted_s = time.monotonic() - began
            while ground.ask("GET", "recipes/runs?status=Running&$top=1").json()["value"]:
                looks += 1
                time.sleep(LOOK_S)
            seconds = time.monotonic() - began
        ground.calls -= looks
        ended = {each["name"]: masses.span(each) for each in ground.caller.list("recipes/runs?status=Succeeded&$top=200")}
        first, ends = min(begin for begin, _ in ended.values()), sorted(end for _, end in ended.values())
        return Result(
            runs=runs,
            succeeded=len(names & ended.keys()),
            duplicates=len(ended.keys() - names) + runs - len(names),
            accepted_s=accepted_s,
            seconds=seconds,
            most_s=ends[int(0.99 * len(ends)) - 1] - first,
            spent=ground.spent(runs * len(STEPS), "step"),
        )


def _started(ground: masses.Ground, number: int) -> str:
    answer = ground.ask("POST", "recipes", json={"steps": STEPS}, headers={"Idempotency-Key": f"recipe-{number}"})
    if answer.status_code != requests.codes.accepted:
        message = f"recipe {number} was not accepted: {answer.status_code} {answer.text[:300]}"
        raise RuntimeError(message)
    return str(answer.json()["name"])
