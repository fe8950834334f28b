"""Undoing a run: a second run deletes what the first one created, newest first, and continues after failures.

Not here: what is deleted at all (undo_checks), how (run_steps).
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from shared.recipes import undo_checks
from shared.recipes.recipe import Recipe, Step
from shared.rest import ids

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shared.chains.asked import Taken
    from shared.durable.records import Versioned
    from shared.recipes.recipe_run import Run

ATTEMPTS = 20  # of taking one run back


def recipe_of(run: Run, services: undo_checks.Services) -> Recipe:
    """Return the steps that undo a run."""
    begun = sorted(((taken.began_at, name) for name, taken in run.steps.items() if taken.began_at), reverse=True)
    every = {name: made for _, name in begun if (made := _made(run.steps[name], services))}
    steps: list[Step] = []
    for name, made in every.items():
        if not any(_below(made, other) for other in every.values()):  # what is in another one goes with it
            before = (steps[-1].name,) if steps else ()
            path = "/".join(ids.segment(each) for each in str(made["id"]).strip("/").split("/"))
            inside = [dict(other) for other in every.values() if _below(other, made)]
            steps.append(Step(name=name, verb="remove", needs=before, path=path, made={**made, "inside": inside}))
    return Recipe(name=run.recipe.name, steps=tuple(steps), goes_on=True)


def _below(made: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return str(made["id"]).lower().startswith(f"{str(other['id']).lower()}/")


def _made(taken: Taken, services: undo_checks.Services) -> Mapping[str, Any]:
    """Return what a step created, {} for nothing; if the run did not wait for it, its operation."""
    if taken.made or not taken.operation or taken.state == "Succeeded" or taken.fresh is False:
        return taken.made
    stored = services.ledger.load(taken.operation)
    if stored is None or stored.operation.method != "PUT":
        return {}
    return {"id": stored.operation.target, "operation": taken.operation}


def run_of(run: Run, recipe: Recipe, made: Run, load: Callable[[str], Versioned[Run] | None]) -> Run:
    """Return the run that undoes another one: the one under way, or the next attempt."""
    for attempt in range(ATTEMPTS):
        name = hashlib.sha256(f"undo\n{run.id}\n{attempt}".encode()).hexdigest()[:32]
        known = load(name)
        if known is None or not known.value.ended:
            break
    return replace(made, id=name, recipe=recipe, undoes=run.id, digest=f"undo {run.id}")


def dry(recipe: Recipe, services: undo_checks.Services) -> dict[str, Any]:
    """Return what would be deleted, in order, and what would be kept and why."""
    out = []
    for step in recipe.steps:
        kept = undo_checks.reason(step.made, services)
        said = {"outcome": "kept", "reason": kept} if kept else {"outcome": "deleted"}
        out.append({"name": step.name, "id": step.made["id"], **said})
    return {"value": out}
