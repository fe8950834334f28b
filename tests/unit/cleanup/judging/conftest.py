"""A workspace in memory, and the verdicts of one policy on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from shared.cleanup.policy import model
from shared.cleanup.verdict import judge
from tests.estate import ML, NOW, World

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime


@pytest.fixture
def world() -> World:
    """An Azure with one workspace, `ws`, and nothing in it."""
    found = World()
    found.workspace()
    return found


@pytest.fixture
def verdicts(world: World) -> Callable[..., dict[str, model.Verdict]]:
    """Judge a workspace: `verdicts("modelVersion", {"olderThan": …}, action="delete")` → name (of a version `m:1`) → verdict."""

    def judged(
        kind: str, stale_when: dict[str, Any], *, now: datetime = NOW, marks: Any = None, parked: Any = None, **more: Any
    ) -> dict[str, model.Verdict]:
        policy = model.Policy(**{"name": "p", "kind": kind, "action": "delete", "stale_when": stale_when, **more})
        body = world.resources[f"{ML}/workspaces/ws"]
        found = judge.workspace([policy], body, world.survey(parked=parked), marks or {}, world, now)
        return {":".join(each.subject.id.names[1:]): each.verdict for each in found}

    return judged
