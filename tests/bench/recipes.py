"""A thousand recipes of ten steps that ask nothing of Azure: steps per second, and transactions with storage for each step.

The time is from the first request to the last end; the transactions are counted on the wire, as in storage_calls.
"""

from __future__ import annotations

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from infra.local import stack
from tests.bench import storage_calls

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
        accepted_s: Until the last of them was accepted.
        seconds: Until the last of them had ended.
        calls: Transactions with storage: the app's, and a receive and a delete of each message.
    """

    runs: int
    succeeded: int
    accepted_s: float
    seconds: float
    calls: int

    @property
    def steps(self) -> int:
        """Steps that were taken."""
        return self.runs * len(STEPS)


def run(runs: int = 1_000) -> Result:
    """Start so many and wait for their ends."""
    with tempfile.TemporaryDirectory() as state:
        options = stack.Options(state=Path(state), transitions="immediate", events=False)
        with storage_calls.metered(options) as (caller, meter, _, _):
            meter.settled()
            began = time.monotonic()
            with ThreadPoolExecutor(SENDERS) as pool:
                list(pool.map(lambda _: caller.send("POST", "recipes", expect=202, json={"steps": STEPS}), range(runs)))
            accepted_s, looks = time.monotonic() - began, 0
            while caller.get("recipes/runs?status=Running&$top=1")["value"]:
                looks += 1
                time.sleep(LOOK_S)
            seconds = time.monotonic() - began
            counted = meter.settled()
            calls = counted.total() + counted["message"] - looks
            succeeded = sum(len(page) for page in caller.pages("recipes/runs?status=Succeeded&$top=200"))
            return Result(runs=runs, succeeded=succeeded, accepted_s=accepted_s, seconds=seconds, calls=calls)
