"""The record of one run of a recipe: the result of each step, and which step is next. Pure.

Not here: taking a step (run_steps).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from shared.chains.asked import OVER, State, Taken, shown
from shared.durable import codec, lease, versions
from shared.operations import models
from shared.recipes.recipe import Recipe, Step
from shared.rest import errors
from shared.text import times

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from shared.catalog.statuses import OfRun as Status

VERSION = 1
LOST = lease.LEASE  # how long after its due time a step counts as lost

NOTHING = Taken()


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run.

    Attributes:
        id: 128 bits: random, or of the Idempotency-Key and its sender.
        digest: The hash of the request: the same key with another request is refused.
        recipe: The recipe as it was when the run started.
        parameters: Name → value.
        group: The id of the app's own resource group.
        suffix: Six characters of that group and the parameter `name`, for names that are unique in all of Azure.
        caller: Who started it; if that is a rule, `author` is the rule's author.
        grants: What that caller may do; the run may do no more.
        depth: The number of rules that led to it.
        steps: Name → the state of the step.
        due_at: When its next step is overdue.
        notify: The receivers to notify of its end.
        undoes: The run that this one undoes.
    """

    id: str
    recipe: Recipe
    caller: str
    created_at: datetime
    due_at: datetime
    digest: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    group: str = ""
    suffix: str = ""
    author: str = ""
    grants: tuple[Mapping[str, Any], ...] = ()
    depth: int = 0
    status: Status = "Running"
    steps: Mapping[str, Taken] = field(default_factory=dict)
    notify: tuple[str, ...] = ()
    trace: str = ""
    undoes: str = ""
    ended_at: datetime | None = None
    error: errors.AzureError | None = None
    unknown: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        """Whether the run has ended."""
        return self.status != "Running"

    @property
    def origin(self) -> str:
        """The mark of its operations: when one ends, the run continues."""
        return models.RECIPE_ORIGIN + self.id

    @property
    def stopping(self) -> bool:
        """Whether a step failed, so that no other step begins."""
        return not self.recipe.goes_on and any(taken.state == "Failed" for taken in self.steps.values())

    def taken(self, name: str) -> Taken:
        """Return the state of a step."""
        return self.steps.get(name, NOTHING)

    def having(self, name: str, taken: Taken) -> Run:
        """Return the run with a changed step."""
        return replace(self, steps={**self.steps, name: taken})

    def next(self, now: datetime, looked: Collection[str] = ()) -> Step | None:
        """Return a step that can run now: the first that is due, or whose needs have ended.

        Args:
            now: The present.
            looked: Steps that were polled just now without news.
        """
        for step in self.recipe.steps:
            taken = self.taken(step.name)
            if step.name in looked or taken.over:
                continue
            if taken.state == "Running":
                if taken.operation or (taken.at and taken.at <= now and not self.stopping):
                    return step
            elif not self.stopping and all(self._clear(need) for need in step.needs):
                return step
        return None

    def _clear(self, need: str) -> bool:
        state = self.taken(need).state
        return state in ("Succeeded", "Skipped") or (self.recipe.goes_on and state in OVER)

    def settled(self, now: datetime) -> Run:
        """Return the run as ended if no step is under way and none can begin; after a failure, a step that only waits ends, too."""
        run = self
        if run.stopping:
            for name in [name for name, taken in run.steps.items() if taken.state == "Running" and not taken.operation]:
                run = run.having(name, replace(run.steps[name], state="Canceled", ended_at=now, reason="another step failed"))
        states = [run.taken(step.name).state for step in run.recipe.steps]
        if "Running" in states or (not run.stopping and "Waiting" in states):
            return run
        failed = next((taken for taken in run.steps.values() if taken.state == "Failed"), None)
        error = errors.AzureError.from_json(dict(failed.error)) if failed and failed.error else None
        return run.over("Failed" if failed else "Succeeded", now, error)

    def over(self, status: Status, now: datetime, error: errors.AzureError | None = None) -> Run:
        """Return the run as ended, without what may hold a secret: bodies, answers, and texts that name nothing."""
        steps = {name: replace(taken, body=None, at=None) for name, taken in self.steps.items()}
        for step in self.recipe.steps:
            taken = steps.get(step.name, NOTHING)
            if not taken.over:
                state: State = "NotTaken" if taken.state == "Waiting" else "Canceled"
                steps[step.name] = replace(taken, state=state, ended_at=now)
        named, bare = self.told_parameters, self.recipe.bare()
        return replace(self, status=status, ended_at=now, error=error, steps=steps, recipe=bare, parameters=named)

    @property
    def told_parameters(self) -> dict[str, Any]:
        """The parameters as others may read them: numbers and names in paths; any other value may be a secret."""
        if self.ended:
            return dict(self.parameters)
        return {
            name: value if isinstance(value, int | float) or (isinstance(value, str) and self.recipe.places(name)) else None
            for name, value in self.parameters.items()
        }

    def pause_s(self, now: datetime) -> float:
        """Return in how many seconds the next step is due."""
        moments = [taken.at for taken in self.steps.values() if taken.state == "Running" and taken.at]
        return max(0.0, (min(moments) - now).total_seconds()) if moments else 0.0

    def seen(self) -> dict[str, Any]:
        """Return the values that a step's expressions can use."""
        steps = {name: shown(taken) for name, taken in self.steps.items() if taken.state in ("Succeeded", "Skipped")}
        began = {
            "id": self.id,
            "group": self.group,
            "suffix": self.suffix,
            "by": self.caller,
            "startedAt": times.iso(self.created_at),
        }
        return {"parameters": dict(self.parameters), "run": began, "steps": steps}

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {
            **codec.written(self),
            "version": VERSION,
            "recipe": self.recipe.to_json(),
            "steps": {name: taken.to_json() for name, taken in self.steps.items()},
            "created_at": times.iso(self.created_at),
            "due_at": times.iso(self.due_at),
            "ended_at": times.iso(self.ended_at) if self.ended_at else None,
            "error": self.error.to_json() if self.error else None,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Run:
        """Read back what `to_json` wrote.

        Raises:
            ValueError: it was written by a newer version of the app.
        """
        versions.check(stored, VERSION, f"run {stored['id']}")
        found = codec.members(cls, stored) | codec.moments(stored, ("created_at", "due_at", "ended_at"))
        return cls(
            **found
            | {
                "recipe": Recipe.from_json(found["recipe"]),
                "steps": {name: Taken.from_json(taken) for name, taken in found["steps"].items()},
                "grants": tuple(found["grants"]),
                "notify": tuple(found["notify"]),
                "error": errors.AzureError.from_json(found["error"]) if found["error"] else None,
            }
        )

    def view(self) -> dict[str, Any]:
        """Return it as callers read it: as an operation, with its steps."""
        states = [self.taken(step.name).state for step in self.recipe.steps]
        out: dict[str, Any] = {"id": f"/recipes/runs/{self.id}", "name": self.id, "status": self.status}
        out |= {"startTime": times.iso(self.created_at)} | ({"endTime": times.iso(self.ended_at)} if self.ended_at else {})
        out["percentComplete"] = 100 * sum(state in OVER for state in states) // max(1, len(states))
        if self.error:
            out["error"] = self.error.to_json()
        said = {"recipe": self.recipe.name, "caller": self.caller, "undoes": self.undoes}
        steps = [_view(self.taken(step.name), step) for step in self.recipe.steps]
        known = {"parameters": self.told_parameters, "steps": steps}
        out["properties"] = {name: value for name, value in said.items() if value} | known
        return out


def _view(taken: Taken, step: Step) -> dict[str, Any]:
    """Return it as callers read it."""
    out: dict[str, Any] = {"name": step.name, "does": step.does, "status": taken.state, "needs": list(step.needs)}
    waits = f"the approval of {', '.join(step.by)}" if step.verb == "approve" and taken.state == "Running" else ""
    told = {"startTime": taken.began_at, "endTime": taken.ended_at, "next": taken.at if taken.state == "Running" else None}
    out |= {name: times.iso(value) for name, value in told.items() if value}
    said = {"answer": taken.status, "operation": taken.operation, "waitsFor": waits, "approvedBy": taken.by}
    said |= {"approval": taken.approval, "made": taken.made.get("id"), "reason": taken.reason, "tries": taken.tries}
    return out | {name: value for name, value in said.items() if value} | ({"error": taken.error} if taken.error else {})
