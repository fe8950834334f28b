"""A clean-up in a simulated run: a preview that is approved, or a run that enforces at once, while others change what it has found.

They lock, keep, use, change and make again what is stale. Not here: what goes wrong besides (world).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shared.cleanup.report import reports
from shared.cleanup.run import runs
from shared.rest import errors
from shared.text import times
from tests.simulation.judge import Verdict
from tests.unit.cleanup.runs import conftest as clean

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from shared.cleanup.run.journal import Run
    from tests.simulation.world import Effect, World

GUARDS = ("locked", "kept", "used", "changed", "made again")
GUARDED = 0.4  # share of the models
UNREAD = ("is not known", "could not be read", "could not be sent")  # reasons to keep what another run will look at
PARTLY = ("it was not fully judged", "checking it failed")
LENGTH_S = 900.0  # within so long after the beginning
WATCH_S = 15.0
# What others do so soon before a deletion was not seen; the look may take long, and an operation is sent within a minute of it
UNSEEN, UNSEEN_DISTURBED = timedelta(seconds=75), timedelta(seconds=240)


@dataclass(kw_only=True)
class Guard:
    """What another client did so that a model must not go."""

    path: str
    what: str
    at: datetime


class CleanUps:
    """One run over so many stale models."""

    def __init__(self, world: World, count: int) -> None:
        self.world, self.models = world, world.models
        drawn = world.drawn
        self.policy = clean.policy(name="models")
        self.begun_at, self.preview, self.name = world.clock(), "", ""
        self.previews = drawn.random() < 0.7
        self.guards: list[Guard] = []
        self.gone: list[tuple[Effect, datetime]] = []
        self.refused = ""
        self.stale = [f"models/m{number}/versions/1" for number in range(count)] + [
            "models/old/versions/1",
            "models/older/versions/1",
        ]
        for number, path in enumerate(self.stale[:count]):
            self.models.put(path, days=400 + number, modelUri="u", tags={})
            self.models.put(f"models/m{number}/versions/2", days=300, modelUri="u", tags={})
            if drawn.random() < GUARDED:
                what = drawn.choice(GUARDS)
                world.plan(drawn.uniform(0, LENGTH_S), lambda path=path, what=what: self._guard(path, what))  # type: ignore[misc]
        world.watch = lambda effect: self.gone.append((effect, world.disturbed_at))
        world.plan(1.0, self._begin)
        world.plan(WATCH_S, self._look)

    def over(self) -> bool:
        """See `runs.Load`."""
        run = self._run(self.name)
        return bool(self.refused or (run and run.ended))

    # What callers and other clients do

    def _begin(self) -> None:
        """Ask for a preview, or for the run itself; asked again, it is the same one."""
        asked = runs.Asked(mode="dryRun" if self.previews else "enforce", caller="a caller", at=self.begun_at, seed="simulated")

        def sent(app: Any) -> None:
            name = runs.start([self.policy], asked, app).name
            self.preview, self.name = (name, "") if self.previews else ("", name)

        self._try(sent)

    def _look(self) -> None:
        """Approve the preview as soon as it has ended."""
        if self.over():
            return
        found = self._run(self.preview)
        if found and found.ended and not self.name:
            self._try(lambda app: self._approve(found.name, app))
        self.world.plan(WATCH_S, self._look)

    def _approve(self, name: str, app: Any) -> None:
        self.name = runs.approve(name, caller="a caller", services=app).name

    def _try(self, work: Callable[[Any], None]) -> None:
        def again() -> None:
            self.world.plan(self.world.drawn.choice((1.0, 5.0, 20.0)), lambda: self._try(work))

        def ended(problem: Exception | None) -> None:
            if isinstance(problem, errors.TransientError):
                again()
            elif isinstance(problem, errors.StewardError):
                self.refused = f"{problem.error.code}: {problem.error.message}"
                self.world.say(f"refused: {self.refused}")
            elif problem is not None:
                raise problem

        self.world.spawn("caller", work, ended, died=again)

    def _guard(self, path: str, what: str) -> None:
        """Let another client see to it that a model stays."""
        full = f"{clean.WS}/{path}"
        body = self.models.resources.get(full)
        if body is None:
            return
        at = clean.iso(self.world.clock())
        if what == "locked":
            lock = f"{full}{clean.LOCKS}/keep"
            self.models.resources[f"{clean.GROUP}{clean.LOCKS}/{path.replace('/', '-')}"] = {
                "id": lock, "name": "keep", "properties": {"level": "CanNotDelete"},
            }  # fmt: skip
        elif what == "kept":
            body["properties"]["tags"]["steward-keep"] = ""
            body["systemData"]["lastModifiedAt"] = at
        elif what == "used":
            name = path.split("/")[1]
            self.models.put(f"onlineEndpoints/ep/deployments/{name}", provisioningState="Succeeded", model=full)
        else:
            body["systemData"]["lastModifiedAt"] = at
            body["systemData"]["createdAt"] = at if what == "made again" else body["systemData"]["createdAt"]
        self.world.say(f"FOREIGN {what} {path}")
        self.guards.append(Guard(path=path, what=what, at=self.world.clock()))

    def _run(self, name: str) -> Run | None:
        looking, self.world.fuse.looking = self.world.fuse.looking, True
        try:
            kept = self.world.app.journal.load(name) if name else None
        finally:
            self.world.fuse.looking = looking
        return kept.value if kept else None

    # What must hold

    def judge(self, *, quiet: bool) -> Verdict:
        """See `runs.Load`."""
        self.world.fuse.looking = True
        verdict, run = Verdict(recoveries=self.world.recoveries, counts=self.world.counts), self._run(self.name)
        if not quiet or run is None or not run.ended:
            preview = self._run(self.preview)
            nothing = preview and preview.ended and self.refused.startswith("NotApprovable")
            return (
                verdict
                if quiet and nothing
                else _with(verdict, f"stuck: {preview and preview.status} {run and run.status} {self.refused}")
            )
        verdict.ends[f"clean-up {run.status}"] += 1
        verdict.ends.update({f"acts {name}": number for name, number in run.totals["outcomes"].items()})
        deleted = Counter(each.path for each, _ in self.gone)
        verdict.wrong += [f"wrong: the run {run.status} {run.notes}"] if run.status != "Completed" else []
        verdict.wrong += [f"twice: {path}" for path, number in deleted.items() if number > 1]
        younger = {each.path.replace("/1", "/2") for each in self.guards if each.what in ("changed", "made again")}  # are then
        strange = set(deleted) - {*self.stale, *younger}
        verdict.wrong += [f"wrong: deleted {path}, which is not stale" for path in strange]
        verdict.wrong += self._reported(set(deleted))
        for guard in self.guards:
            if guard.what == "changed" and self._knew_of(guard):
                continue
            for effect, disturbed_at in self.gone:
                unseen = UNSEEN if disturbed_at <= guard.at else UNSEEN_DISTURBED
                if effect.path == guard.path and effect.at - guard.at > unseen:
                    verdict.wrong.append(f"wrong: deleted {(effect.at - guard.at).total_seconds():.0f} s after it was {guard.what}")
        return verdict

    def _knew_of(self, guard: Guard) -> bool:
        """Whether the run found the model as it was after that change: such a one is old by its making, and may go."""
        return any(line.id.endswith(guard.path) and line.stamp.endswith(times.iso(guard.at)) for line in self._report().lines)

    def _reported(self, deleted: set[str]) -> list[str]:
        """The report says what was done; what was left alone although it is stale has a reason that is not its own."""
        lines = {line.id.removeprefix(f"{clean.WS}/"): line for line in self._report().lines}
        guarded, wrong = {each.path for each in self.guards}, []
        found = [run for name in (self.preview, self.name) if (run := self._run(name))]
        # A run that could not read all says so: what it did not read is in no line.
        in_part = any(each in note for run in found for note in run.notes for each in PARTLY)
        for path in self.stale:
            line = lines.get(path)
            if line is None and (in_part or path in guarded) and path not in deleted:
                continue
            if line is None or (line.outcome == "done") != (path in deleted):
                wrong.append(f"told: {path} is {'gone' if path in deleted else 'there'}, the report says {line and line.outcome}")
            elif path not in deleted and path not in guarded and not any(word in line.reason for word in UNREAD):
                wrong.append(f"lost: {path} is still there: {line.reason}")
        return wrong

    def _report(self) -> reports.Report:
        return reports.load(self.name, reports.Page(top=reports.MOST), self.world.app)


def _with(verdict: Verdict, problem: str) -> Verdict:
    verdict.wrong.append(problem)
    return verdict
