"""Callers who wait for an operation: how often they have the ledger read, and how many of them there may be."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from functions import waiting
from shared import services
from shared.api import answer, call

if TYPE_CHECKING:
    from tests.unit.http.conftest import App


def test_a_minutes_wait_costs_a_third_of_the_reads_of_an_even_pace() -> None:
    """An even pace of a quarter second is 240; what ends soon is seen as soon as with that."""
    at, looks = 0.0, []
    while at < call.WAIT_LIMIT_S:
        pause = waiting.pause_s(at)
        assert pause <= max(waiting.STEP_S, at * waiting.SHARE)
        at += pause
        looks.append(at)
    assert looks[:8] == [0.25 * number for number in range(1, 9)]
    assert len(looks) <= 80


def test_who_waits_leaves_room_for_everybody_else(app: App) -> None:
    """As many as may work wait; the next one is answered at once, with how it stands. A place that is left is another's."""
    body = json.dumps({"properties": {"computeType": "AmlCompute", "properties": {"vmSize": "STANDARD_DS3_V2"}}})
    operation_id = app.send("PUT", "workspaces/w1/computes/cpu", body, prefer="respond-async").body["name"]
    stored = services.get().ledger.load(operation_id)
    assert stored
    asked = call.Call(method="GET", path="x", headers={"prefer": "wait=60"})
    later = answer.followed(stored.operation, asked, services.get())

    async def crowd() -> list[bool]:
        crowded = [asyncio.create_task(waiting.for_end(later)) for _ in range(services.get().settings.threads)]
        await asyncio.sleep(0)
        late = asyncio.create_task(waiting.for_end(later))
        assert (await late) is later
        crowded.pop().cancel()
        await asyncio.sleep(0)
        next_one = asyncio.create_task(waiting.for_end(later))
        await asyncio.sleep(0)
        left = [task.done() for task in (*crowded, next_one)]
        for task in (*crowded, next_one):
            task.cancel()
        await asyncio.gather(*crowded, next_one, return_exceptions=True)
        return left

    assert not any(asyncio.run(crowd()))
