"""Minutes of work on the real parts while processes, storage and Azure fail: `python -m tests.soak --minutes 30 --seed 1`.

It writes `soak.json` and `soak.md` into `--folder`; `--figures soak.json` prints the block of docs/reliability.md.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from tests.soak import judge, report
from tests.soak.chaos import Chaos
from tests.soak.ground import Ground
from tests.soak.work import Callers, prepare

CALLERS = 4
REDELIVERED_S = 720.0  # until what a dead worker had received comes again, and is done
SETTLE_S = 420.0  # after the last disturbance; expiries, rollouts and lanes end meanwhile
SPEED = 20.0


def main() -> int:
    """Soak, judge, report; 1 when something was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0, help="of work; some more until all has ended")
    parser.add_argument("--seed", type=int, default=1, help="of what is asked for and of what goes wrong")
    parser.add_argument("--workers", type=int, default=2, help="worker processes of the host")
    parser.add_argument("--folder", type=Path, default=Path(".local/soak"), help="where the report goes")
    parser.add_argument("--figures", type=Path, help="print the figures of a report, and do nothing else")
    asked = parser.parse_args()
    if asked.figures:
        _say(report.figures(json.loads(asked.figures.read_text())))
        return 0
    found = soak(asked.minutes, asked.seed, asked.workers)
    asked.folder.mkdir(parents=True, exist_ok=True)
    (asked.folder / "soak.json").write_text(json.dumps(found, indent=2) + "\n")
    (asked.folder / "soak.md").write_text(report.whole(found))
    _say(report.whole(found))
    return bool(found["wrong"])


def soak(minutes: float, seed: int, workers: int) -> dict[str, Any]:
    """Run for so long; return the report."""
    state = Path(tempfile.mkdtemp(prefix="soak-"))
    with Ground(state, workers, SPEED) as ground:
        _say(f"preparing in {state}")
        prepare(ground)
        callers, chaos, over = Callers(ground=ground, seed=seed), Chaos(ground=ground, seed=seed, say=_say), threading.Event()
        threads = [threading.Thread(target=callers.run, args=(number, over), daemon=True) for number in range(CALLERS)]
        threads.append(threading.Thread(target=_watch, args=(callers, over), daemon=True))
        for thread in threads:
            thread.start()
        ending = threading.Timer(minutes * 60, over.set)
        ending.start()
        try:
            chaos.run(over)  # in this thread: Linux ends the children of a thread that has ended
        finally:
            ending.cancel()
            over.set()
        ground.control("DELETE", "faults")
        for thread in threads:
            thread.join()
        _say(f"{len(callers.all_asked)} pieces of work; waiting until all have ended")
        end = time.monotonic() + SETTLE_S
        while [each for each in callers.all_asked if not callers.follow(each)] and time.monotonic() < end:
            time.sleep(1.0)
        _wait_for_expiries(ground, end)
        end = time.monotonic() + REDELIVERED_S
        while judge.missing(ground, callers.all_asked, chaos) and time.monotonic() < end:
            time.sleep(5.0)
        found = judge.judge(ground, callers.all_asked, chaos)
    asked = f"--minutes {minutes:g} --seed {seed}"
    if found["wrong"]:
        _say(f"logs and settings are kept in {state}")
    else:
        shutil.rmtree(state, ignore_errors=True)
    return {"command": f'make soak ARGS="{asked}"', "minutes": minutes, "seed": seed, "workers": workers, **found}


def _watch(callers: Callers, over: threading.Event) -> None:
    """See when each piece of work ends, as its caller would."""
    while not over.wait(1.0):
        under_way = [each for each in callers.all_asked if each.record and not each.ended]
        for asked in sorted(under_way, key=lambda each: each.sort not in judge.QUICK)[:60]:
            callers.follow(asked)


def _wait_for_expiries(ground: Ground, end: float) -> None:
    while time.monotonic() < end:
        answer = ground.call("GET", "expiries?status=Pending")
        acting = ground.call("GET", "expiries?status=Acting")
        if answer.status == acting.status == 200 and not answer.body["value"] and not acting.body["value"]:
            return
        time.sleep(2.0)


def _say(text: str) -> None:
    sys.stdout.write(f"{time.strftime('%H:%M:%S')} {text}\n" if "\n" not in text else f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
