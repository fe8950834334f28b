"""Thousands of clusters that expire, while workers are killed: none early, none of another that has its name, and how late each is.

One in ten is deleted after its create and made again under its name without a deadline: it must stay. The local Azure's log of
requests says when each was deleted. Not here: every other fate (tests/simulation/expiries).
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tests.bench import bodies, following, masses

if TYPE_CHECKING:
    from concurrent.futures import Future

SENDERS = 8
WORKSPACES = 20
NAMESAKE = 10  # one of so many is made again
PROMPT_S = 120.0
LOOK_S = 2.0
LATER = {"Prefer": "respond-async"}
WELL = frozenset({200, 201, 202, 204})


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of all of them.

    Attributes:
        asked, namesakes: Clusters with a deadline, and those among them whose name another has at that time.
        early, wrong, lost: Deleted before the deadline; namesakes that were deleted; clusters that are still there.
        late: Seconds from the deadline to the deletion, ordered.
        spent: What one cost from its request to its end, in words.
    """

    asked: int
    namesakes: int
    early: int
    wrong: int
    lost: int
    late: list[float]
    spent: str

    @property
    def prompt(self) -> float:
        """The share that was deleted within two minutes of its deadline."""
        return sum(each <= PROMPT_S for each in self.late) / max(1, self.asked - self.namesakes)


def run(count: int, kills: int, every_s: float, per_s: float, hold_s: float) -> Result:
    """Make so many a second, each for so long, and wait until all have come due."""
    with masses.ground(SENDERS) as ground:
        for number in range(WORKSPACES):
            bodies.bare(ground.caller, f"workspaces/ml-expiring-{number}")
        paths = [f"workspaces/ml-expiring-{number % WORKSPACES}/computes/c{number}x" for number in range(count)]
        again = set(paths[::NAMESAKE])
        gone: dict[str, datetime] = {}
        with ground.spending(kills, every_s), ThreadPoolExecutor(SENDERS) as pool:
            began = time.monotonic()
            made = [
                pool.submit(_made, ground, path, hold_s, began + number / per_s, again=path in again)
                for number, path in enumerate(paths)
            ]
            _wait(ground, made, gone)
        due = dict(zip(paths, (each.result() for each in made), strict=True))
        there = {
            f"workspaces/ml-expiring-{number}/computes/{each['name']}"
            for number in range(WORKSPACES)
            for each in ground.caller.list(f"workspaces/ml-expiring-{number}/computes")
        }
    late = sorted((gone[path] - due[path]).total_seconds() for path in paths if path not in again and path in gone)
    return Result(
        asked=count,
        namesakes=len(again),
        early=sum(each < 0 for each in late),
        wrong=len(again - there),
        lost=len(there - again),
        late=late,
        spent=ground.spent(count, "cluster"),
    )


def _made(ground: masses.Ground, path: str, hold_s: float, at: float, *, again: bool) -> datetime:
    """Make one when its turn comes; returns its deadline."""
    time.sleep(max(0.0, at - time.monotonic()))
    due = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=hold_s)
    key = path.replace("/", "-")
    _done(ground, "PUT", path, {"Idempotency-Key": key, "Expires-At": due.isoformat()})
    if again:  # the app carries out changes of one cluster in their order, so nothing is waited for
        _done(ground, "DELETE", path, {"Idempotency-Key": f"{key}-gone", **LATER})
        _done(ground, "PUT", path, {"Idempotency-Key": f"{key}-again", **LATER})
    return due


def _done(ground: masses.Ground, method: str, path: str, headers: dict[str, str]) -> None:
    answer = ground.ask(method, path, headers=headers, json=bodies.cluster() if method == "PUT" else None)
    if answer.status_code not in WELL:
        message = f"{method} {path}: {answer.status_code} {answer.text[:300]}"
        raise RuntimeError(message)


def _wait(ground: masses.Ground, made: list[Future[datetime]], gone: dict[str, datetime]) -> None:
    """Wait until nothing is to expire; enters when the local Azure was asked to delete what."""
    end, seen = time.monotonic() + masses.PATIENCE_S, 0
    while time.monotonic() < end:
        over = all(each.done() for each in made) and not _open(ground)
        for entry in following.control(ground.azure, "GET", f"requests?method=DELETE&host=management&after={seen}"):
            seen = entry["order"]
            if entry["status"] in WELL:
                gone[entry["path"].partition("MachineLearningServices/")[2]] = datetime.fromisoformat(entry["at"])
        if over:
            return
        time.sleep(LOOK_S)


def _open(ground: masses.Ground) -> bool:
    """Return whether something is still to expire."""
    return any(ground.ask("GET", f"expiries?status={each}&$top=1").json()["value"] for each in ("Pending", "Acting"))
