"""A recipe that is kept with a schedule starts by itself, on real storage and the real host: by its message, or by the timer."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from infra.local.demo.client import Steward
from tests.functional.emulator.client import until

if TYPE_CHECKING:
    from infra.local import stack

MINUTE_S = 60  # a pause of up to this is a message's; a longer one is a row that the timer finds


@pytest.mark.parametrize("ahead_s", [5, pytest.param(MINUTE_S + 10, marks=pytest.mark.nightly)])
def test_a_recipe_starts_at_its_moment_once(app: stack.App, ahead_s: int) -> None:
    """A run of the timer beside it makes no second start."""
    name, planned = f"by-itself-{ahead_s}", datetime.now(UTC) + timedelta(seconds=ahead_s)
    minute = planned.minute if ahead_s > MINUTE_S else "*"  # else one that a slow machine misses comes a minute later
    body = {"schedule": f"{planned.second} {minute} * * * *", "steps": {"look": {"request": "GET workspaces"}}}
    with contextlib.closing(Steward(app.url, app.key, app.master_key)) as steward:
        steward.send("PUT", f"recipes/{name}", json=body, expect=(200, 201))

        def runs() -> list[dict[str, Any]]:
            return list(steward.get(f"recipes/runs?recipe={name}")["value"])

        until(lambda: any(each["status"] == "Succeeded" for each in runs()))
        steward.run_timer("reconcile_operations")
        (run,) = runs()
        schedule = steward.get(f"recipes/{name}")["schedule"]
        steward.send("DELETE", f"recipes/{name}", expect=204)
    moment = datetime.fromisoformat(schedule["last"])
    assert moment.second == planned.second
    assert timedelta() <= datetime.fromisoformat(run["startTime"]) - moment < timedelta(seconds=MINUTE_S)
    assert schedule["lastRun"] == run["id"]
    assert run["properties"]["caller"] == f"schedule:{name}"
