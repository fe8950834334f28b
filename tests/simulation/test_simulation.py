"""The machines in virtual time, with drawn faults: whatever the seed, nothing is lost, ends wrongly, is stuck or done twice.

Operations, and what follows from them, are together in a run; rollouts, clean-ups and expiries are in runs of their own.
`make test` runs 200 seeds on all cores, `make nightly` 10,000 larger ones, too: `SIMULATION_SEEDS=2000-9999` runs these of them,
`SIMULATION_MINUTES=120` begins no further one after so long, and says where to go on.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests import tables
from tests.simulation import runs
from tests.simulation.judge import MOST_LATE_S, MOSTLY_LATE_S

SEEDS, OPERATIONS = 200, 50
PROCESSES = os.process_cpu_count() or 1
OF_SAMPLES = PROCESSES if tables.WHOLE else 1  # a few seeds are done before another process has begun


def _judge(tally: runs.Tally) -> None:
    assert not tally.wrong, "\n".join(tally.lines())
    assert tally.recovery_p95_s <= MOSTLY_LATE_S, tally.lines()
    assert max(tally.recoveries) <= MOST_LATE_S


@pytest.mark.timeout(1800)
def test_no_seed_is_wrong() -> None:
    """Of each seed, 50 pieces of work: changes of shared targets, jobs, actions, expiries, recipes, rules, and what follows."""
    tally = runs.many(range(SEEDS), OPERATIONS, processes=PROCESSES)
    _judge(tally)
    ends = tally.ends
    assert ends["PUT Succeeded"] > 4000
    assert len(tally.recoveries) > 1000
    unknown = sum(count for end, count in ends.items() if "OutcomeUnknown" in end)
    assert unknown < 0.05 * sum(ends.values()), ends


@pytest.mark.nightly
@pytest.mark.timeout(0)
def test_no_large_seed_is_wrong() -> None:
    """100 pieces of work of each of 10,000 seeds."""
    first, _, last = os.environ.get("SIMULATION_SEEDS", "0-9999").partition("-")
    minutes = float(os.environ.get("SIMULATION_MINUTES", "inf"))
    tally = runs.many(range(int(first), int(last) + 1), 100, minutes=minutes, processes=PROCESSES)
    sys.stdout.write("\n".join(tally.lines()))
    _judge(tally)


@pytest.mark.sweep
@pytest.mark.timeout(1800)
def test_no_rollout_is_wrong() -> None:
    """It ends on no bad model, stops where others changed something, and has the traffic back within a minute, in one PUT."""
    tally = runs.many(tables.sample(range(1000), 6, seed="rollouts"), 1, "rollouts", processes=OF_SAMPLES)
    assert not tally.wrong, "\n".join(tally.lines())
    assert len(tally.ends) > 1


@pytest.mark.sweep
@pytest.mark.timeout(1800)
def test_no_clean_up_is_wrong() -> None:
    """It ends; nothing goes that others locked, kept, used, changed or made again; each act is done once, and reported."""
    tally = runs.many(tables.sample(range(300), 3, seed="clean-ups"), 8, "clean-ups", processes=OF_SAMPLES)
    assert not tally.wrong, "\n".join(tally.lines())
    assert tally.ends["acts deleted"] + tally.ends["acts kept"] > 10


@pytest.mark.sweep
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("what", ["expiries", "usual-expiries"])
def test_expiries_end_in_time_and_nothing_else_does(what: str) -> None:
    """None early, none on what was made again, kept, moved or dropped; as things usually are, 999 of 1,000 within two minutes."""
    count = 50 if tables.WHOLE else 25
    tally = runs.many(tables.sample(range(200), 1, seed=what), count, what, processes=OF_SAMPLES)
    assert not tally.wrong, "\n".join(tally.lines())
    assert tally.ends["expiry plain Done"] > 10
    assert what == "expiries" or tally.prompt >= 0.999, tally.lines()


def test_a_seed_replays_to_the_same_byte() -> None:
    """In another process, whatever the order of its sets."""
    command = [sys.executable, "-m", "tests.simulation", "--seed", "17", "--operations", "8"]
    environ = {**os.environ, "PYTHONHASHSEED": "1"}
    shown = subprocess.run(command, env=environ, check=True, capture_output=True, text=True).stdout
    trace = runs.run(17, 8).trace
    assert any("EFFECT" in line for line in trace)
    assert shown == "\n".join([*trace, "nothing is wrong", ""])
