"""Many operations followed at once in Azure's real time: requests of ARM and of storage for each, and how late its end is noticed.

The app that looks at many in one list, and the same app with a GET for each look, one after the other. Counted are the GETs of
ARM, lists included, and the transactions with the app's storage from the request to the end. Not here: a few, beside MLClient
(following).
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.local import stack
from tests.bench import bodies, following, storage_calls

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.local.demo.client import Steward

SENDERS = 4
LOOK_S = 2.0
AFTER_S = 20.0  # Azure's last end: until then most ends are noticed
ENDED = ("Succeeded", "Failed", "Canceled", "Completed")
PARTS = ("function_app.py", "host.json", "functions", "shared")
ALONE = ("FEW = 3 ", "FEW = 10**9 ")  # of shared_lists: no list is ever asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Many:
    """What one way came to.

    Attributes:
        followed: How many operations.
        gets, transactions: Of ARM, and of the app's storage, for each.
        late_s, p95_s: From Azure's end until it was noticed: median, and what nineteen of twenty keep to.
    """

    followed: int
    gets: float
    transactions: float
    late_s: float
    p95_s: float


def run(sizes: tuple[tuple[int, int], ...] = ((100, 1), (1_000, 20))) -> dict[tuple[str, str], Many]:
    """Return what is followed (so many, in so many workspaces) and by which way → what that came to."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for way, root in (("lists", stack.ROOT), ("own GETs", _alone(Path(folder)))):
            for count, workspaces in sizes:
                found[f"{count} computes in {workspaces}", way] = _followed(root, "computes", count, workspaces)
            found["100 jobs in 1", way] = _followed(root, "jobs", 100, 1)
    return found


def _alone(folder: Path) -> Path:
    """Return a copy of the app that asks for no list."""
    for part in PARTS:
        copy = shutil.copytree if (stack.ROOT / part).is_dir() else shutil.copy
        copy(stack.ROOT / part, folder / part)
    module = folder / "shared/operations/looks/shared_lists.py"
    text = module.read_text()
    if ALONE[0] not in text:
        message = f"{module.name} does not hold {ALONE[0]!r}"
        raise ValueError(message)
    module.write_text(text.replace(*ALONE))
    return folder


def _followed(root: Path, kind: str, count: int, workspaces: int) -> Many:
    with tempfile.TemporaryDirectory() as state:
        options = stack.Options(state=Path(state), transitions="immediate", events=False, root=root)
        with storage_calls.metered(options) as (caller, meter, _, azure, _app):
            bodies.transitions(azure, "immediate")
            paths = list(_paths(caller, kind, count, workspaces))
            bodies.transitions(azure, "time")
            meter.settled()
            following.control(azure, "DELETE", "requests")
            with ThreadPoolExecutor(SENDERS) as pool:
                body = bodies.job() if kind == "jobs" else bodies.cluster()
                answers = list(pool.map(lambda path: caller.send("PUT", path, expect=202, json=body), paths))
            urls = [answer.headers["Operation-Location"] for answer in answers]
            while _pending(azure):
                time.sleep(LOOK_S)
            time.sleep(AFTER_S)
            ended, looks = _ends(caller, urls)
            counted = meter.settled()
            counted["table"] -= looks
            gets = len(following.control(azure, "GET", "requests?host=management&method=GET"))
            due = {each["target"].lower(): each["dueAt"] for each in following.control(azure, "GET", "state")["operations"]}
            late = [_late_s(each, due) for each in ended]
    transactions = counted.total() + counted["message"]
    at_most = sorted(late)[int(0.95 * count)]
    return Many(
        followed=count,
        gets=gets / count,
        transactions=transactions / count,
        late_s=statistics.median(late),
        p95_s=at_most,
    )


def _paths(caller: Steward, kind: str, count: int, workspaces: int) -> Iterator[str]:
    """Make the workspaces, and yield what is to be made in them: those of one workspace follow each other."""
    names = ["ml-bench", *(f"ml-bench-{number}" for number in range(1, workspaces))]
    for name in names[1:]:
        bodies.bare(caller, f"workspaces/{name}")
    for number in range(count):
        yield f"workspaces/{names[number * workspaces // count]}/{kind}/c{number}x"


def _ends(caller: Steward, urls: list[str]) -> tuple[list[dict[str, Any]], int]:
    """Return all operations once they have ended, and how many looks at them that took: each reads one row."""
    ended, looks = [], 0
    for url in urls:
        while True:
            found, looks = caller.send("GET", url).json(), looks + 1
            if found["status"] in ENDED:
                ended.append(found)
                break
            time.sleep(LOOK_S)
    return ended, looks


def _pending(azure: stack.Azure) -> bool:
    """Return whether Azure is still at work."""
    known = following.control(azure, "GET", "state")
    return any(each["status"] not in ENDED for each in known["operations"]) or any(
        state not in ENDED for target, state in known["resources"].items() if "/jobs/" in target
    )


def _late_s(operation: dict[str, Any], due: dict[str, str]) -> float:
    """Return how many seconds after Azure's end an operation ended; a job's result has that itself."""
    known = operation["properties"]
    end = due.get(known["target"].lower()) or known["result"]["systemData"]["lastModifiedAt"]
    return (datetime.fromisoformat(operation["endTime"]) - datetime.fromisoformat(end)).total_seconds()
