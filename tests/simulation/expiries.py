"""Expiries in a simulated run: many that end in time, and some that must not: made again, kept, moved, dropped.

Not here: what goes wrong besides (world).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shared.api.call import Call
from shared.api.resources import provision
from shared.expiry import expiries, expiry_record
from shared.rest import errors
from tests.fake_azure import ML
from tests.simulation.judge import Verdict
from tests.simulation.load import COMPUTE
from tests.simulation.world import Rates

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from shared.expiry.expiry_record import Expiry
    from tests.simulation.world import World

# As things go wrong in Azure: of a thousand answers, one is slow and a few are lost
USUAL = Rates(
    switch=0.05, storage=0.0005, outage=0.00005, kill=0.0002, freeze=0.00005, azure=0.01, reads=0.003, slow=0.001, at_once=24
)
PROMPT_S = 120.0  # after its time: 999 of 1,000
GAPS_S = (12.0, 3.0, 0.3)  # between two requests of a run, on average twice as short
LENGTHS_S = (120, 300, 900)
FATES = {"plain": 84, "made again": 6, "kept": 4, "moved": 3, "dropped": 3}
LOOKED = timedelta(seconds=60)  # before a deletion, at most


@dataclass(kw_only=True)
class Asked:
    """One resource that is to expire.

    Attributes:
        number, length_s: Which, and after how long.
        fate: A row of `FATES`.
        answered: When its request was accepted.
        refused: The reason why it was not.
        met: When its fate came.
        until: The moment to which it was moved.
    """

    number: int
    length_s: int
    fate: str
    answered: datetime | None = None
    refused: str = ""
    met: datetime | None = None
    until: datetime | None = None

    @property
    def path(self) -> str:
        """The resource's path below the provider."""
        return f"workspaces/w1/computes/exp{self.number}"


class Expiries:
    """So many of them."""

    def __init__(self, world: World, count: int) -> None:
        self.world, drawn = world, world.drawn
        self.asked = []
        at, gap_s = 0.0, drawn.choice(GAPS_S)
        for number in range(count):
            at += drawn.uniform(0, gap_s)
            fate = drawn.choices(list(FATES), list(FATES.values()))[0]
            asked = Asked(number=number, length_s=drawn.choice(LENGTHS_S), fate=fate)
            self.asked.append(asked)
            world.plan(at, lambda asked=asked: self._try(self._creates(asked), asked))  # type: ignore[misc]
            if fate != "plain":
                world.plan(at + drawn.uniform(0.1, 0.9) * asked.length_s, lambda asked=asked: self._meet(asked))  # type: ignore[misc]

    def over(self) -> bool:
        """See `runs.Load`."""
        return all(each.answered or each.refused for each in self.asked)

    # What callers and other clients do

    def _creates(self, asked: Asked) -> Callable[[Any], None]:
        headers = {
            "expires-in": f"PT{asked.length_s}S",
            "idempotency-key": f"key {asked.number}",
            "content-type": "application/json",
        }
        call = Call(method="PUT", path=asked.path, headers=headers, body=json.dumps(COMPUTE).encode())

        def sent(app: Any) -> None:
            status = getattr(provision.change(call, app), "status", 202)
            if isinstance(status, int) and status >= 500:
                raise errors.UnreachableError("503", delay_s=5.0, maybe_arrived=True)
            asked.answered = asked.answered or self.world.clock()

        return sent

    def _try(self, work: Callable[[Any], None], asked: Asked) -> None:
        def again() -> None:
            self.world.plan(self.world.drawn.choice((1.0, 5.0, 20.0)), lambda: self._try(work, asked))

        def ended(problem: Exception | None) -> None:
            if isinstance(problem, errors.TransientError):
                again()
            elif isinstance(problem, errors.StewardError):
                asked.refused = asked.refused or ("" if asked.answered else problem.error.code)
                self.world.say(f"refused: {problem}")
            elif problem is not None:
                raise problem

        self.world.spawn(f"caller {asked.number}", work, ended, died=again)

    def _meet(self, asked: Asked) -> None:
        """Let its fate come, once it is there and bound."""
        found = self._record(asked)
        resource = self.world.azure.get(f"{ML}/{asked.path}")
        if not asked.answered or found is None or not found.made:
            self.world.plan(10.0, lambda: self._meet(asked))
        elif found.status != "Pending" or not resource or self.world.clock() > found.at - 2 * LOOKED:
            asked.fate = "plain"
        elif asked.fate in ("moved", "dropped"):
            self._try(lambda app: self._steered(asked, found.id, app), asked)
        elif asked.fate == "kept":
            resource["tags"] = {"steward-keep": ""}
            asked.met = self.world.clock()
        else:
            self.world.azure.forget(f"{ML}/{asked.path}")
            self.world.azure.put(f"{ML}/{asked.path}", COMPUTE)["systemData"]["createdAt"] = self.world.azure.now().isoformat()
            asked.met = self.world.clock()

    def _steered(self, asked: Asked, name: str, app: Any) -> None:
        known = expiries.load(name, app)
        if known is None:  # it was dropped, and the answer was lost
            asked.met = self.world.clock()
        elif asked.fate == "dropped":
            expiries.drop(known, app)
            asked.met = self.world.clock()
        elif known.value.moved:
            asked.met = self.world.clock()
        else:
            asked.until = known.value.at + timedelta(seconds=600)
            expiries.move(known, asked.until, app)
            asked.met = self.world.clock()

    def _record(self, asked: Asked) -> Expiry | None:
        rows = self.world.tables["cleanup_rows"].rows.values()
        found = [each for each in rows if each.columns.get("target") == f"{ML}/{asked.path}".lower()]
        return expiry_record.from_row(found[0]) if found else None

    # What must hold

    def judge(self, *, quiet: bool) -> Verdict:
        """See `runs.Load`."""
        self.world.fuse.looking = True
        verdict = Verdict(recoveries=self.world.recoveries, counts=self.world.counts)
        verdict.wrong += [] if quiet else [f"stuck: {list(self.world.steward.due_rows.rows)}"]
        for asked in self.asked:
            found = self._record(asked)
            verdict.ends[f"expiry {asked.fate} {found and found.status}"] += 1
            verdict.wrong += [f"{each} [{asked} {found and found.status}]" for each in self._one(asked, found, verdict)]
        return verdict

    def _one(self, asked: Asked, found: Expiry | None, verdict: Verdict) -> list[str]:
        if found is None or asked.refused:
            return [f"lost: no expiry {asked.refused}"]
        gone = [each.at for each in self.world.effects if each.write == "DELETE" and each.path == asked.path]
        ends = {"made again": "Gone", "kept": "Kept", "dropped": "Canceled"}
        if asked.met and asked.fate in ends:
            return ([f"wrong: deleted though {asked.fate}"] if gone else []) + (
                [f"wrong: {found.reason}"] if found.status != ends[asked.fate] else []
            )
        due = asked.until if asked.met and asked.until else found.at
        wrong = (
            []
            if (len(gone), found.status) == (1, "Done")
            else [f"{'twice' if len(gone) > 1 else 'lost'}: {len(gone)} deletions, {found.reason}"]
        )
        wrong += ["wrong: early"] if any(at < due - timedelta(seconds=1) for at in gone) else []
        verdict.late_s += [(at - due).total_seconds() for at in gone]
        return wrong
