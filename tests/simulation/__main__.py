"""Run the simulation: `python -m tests.simulation --seed 17` prints the trace of one run, `--seeds 0-999` judges many."""

from __future__ import annotations

import argparse
import logging
import math
import os
import sys

from tests.simulation import runs


def main() -> int:
    """Run what the command line asks for; 1 when something was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="run this one, and print its trace")
    parser.add_argument("--seeds", default="0-199", help="judge these: first-last")
    parser.add_argument("--operations", type=int, default=50, help="in each run")
    parser.add_argument("--what", default="operations", choices=runs.SORTS, help="sort of work")
    parser.add_argument("--minutes", type=float, default=math.inf, help="begin no further seed after so long")
    parser.add_argument("--processes", type=int, default=os.process_cpu_count(), help="at a time")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    if options.seed is not None:
        run = runs.run(options.seed, options.operations, options.what)
        _say("\n".join([*run.trace, *(run.verdict.wrong or ["nothing is wrong"])]))
        return bool(run.verdict.wrong)
    first, _, last = options.seeds.partition("-")
    tally = runs.many(
        range(int(first), int(last or first) + 1),
        options.operations,
        options.what,
        minutes=options.minutes,
        processes=options.processes,
        say=_say,
    )
    _say("\n".join(tally.lines()))
    return bool(tally.wrong)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
