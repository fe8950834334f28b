"""What the app says that compute cost is what the local Azure knows was there: within 2 %, whatever it is grouped by."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from infra.local.emulator.scenes import population
from tests.unit.costs.conftest import START

if TYPE_CHECKING:
    from datetime import datetime

    from tests.unit.costs.conftest import Life

DS3, NC6 = "STANDARD_DS3_V2", "Standard_NC6s_v3"
PRICE = {DS3: 0.25, NC6.upper(): 3.5}
NEAR = 0.02


@pytest.fixture(scope="module")
def lived(life: Life) -> Life:
    """Three days: clusters scale, instances idle and stop, a deployment is scaled, things are deleted; all in Azure itself."""
    home, world = life.home, life.world
    population.endpoint(world, home, "churn", days=0)
    blue = life.by("ada", population.deployment(world, f"{home}/onlineEndpoints/churn", "blue", days=0, instanceType=DS3))
    cpu = life.by("platform", population.cluster(world, home, "cpu", low=1, high=6, days=0))
    life.by("ada", population.instance(world, home, "ada-ci", state="Running", operated=0, days=0))
    bob = life.by("bob", population.instance(world, home, "bob-ci", state="Running", operated=0, days=0))
    life.live(7 * 60 + 13)

    life.run("train-1", owner="ada", count=3, hours=17)  # it spans the edge of a window
    life.run("train-2", owner="bob", count=2, hours=5, experiment="tuning")
    life.run("train-3", owner="bob", count=4, hours=3, experiment="tuning")  # it waits for nodes
    life.run("notebook", owner="ada", target="ada-ci", hours=6)
    life.live(10 * 60 + 41)

    life.arm("POST", f"{bob}/stop")
    life.arm("PATCH", blue, {"sku": {"name": "Default", "capacity": 3}})
    life.run("serverless", owner="ada", target=None, size=NC6, count=2, hours=7)
    life.run("pipeline", owner="ada", target="cpu", kind="Pipeline", hours=4).parent_run_id = None
    life.waiting.pop()  # it occupies nothing itself
    life.run("step", owner="ada", count=2, hours=4, parent_run_id="pipeline")
    life.live(9 * 60 + 7)

    life.arm("PATCH", cpu, {"properties": {"properties": {"scaleSettings": {"minNodeCount": 0, "maxNodeCount": 3}}}})
    green = life.by("bob", population.deployment(world, f"{home}/onlineEndpoints/churn", "green", days=0, instanceType=NC6))
    other = population.workspace(world, "ml2", days=0)
    life.by("eve", population.cluster(world, other, "gpu", low=2, high=2, days=0))
    life.live(12 * 60 + 22)

    life.arm("POST", f"{bob}/start")
    life.run("gone", owner="bob", count=1, hours=7, experiment="tuning")
    life.run("long", owner="eve", count=2, hours=200, experiment="forever")  # it goes on at the end
    life.live(9 * 60 + 33)

    world.runs.delete(home, "gone")  # a job's history is deleted
    life.run("hidden", owner="bob", count=1, hours=8).archived = True
    life.arm("DELETE", green)
    life.live(11 * 60 + 31)

    life.arm("DELETE", bob)
    for each in list(world.resources.below(other)):
        world.resources.delete(each.id)
    world.resources.delete(other)
    life.live(9 * 60 + 18)
    return life


def truth(life: Life, by: str, since: datetime, until: datetime) -> dict[str, list[float]]:
    """Return hours, idle hours and money by name of the group."""
    out: dict[str, list[float]] = {}
    for (resource, owner, experiment, size, idle), hours in life.truth.lines(since, until):
        parts = resource.split("/")
        deployed, serverless = "onlineEndpoints" in parts, parts[-2] == "jobs"
        name = {
            "owner": owner,
            "experiment": experiment,
            "compute": "" if deployed else "serverless" if serverless else parts[-1],
            "endpoint": parts[-3] if deployed else "",
            "workspace": parts[8],
        }[by]
        sums = out.setdefault(name, [0.0, 0.0, 0.0])
        sums[0] += hours
        sums[1] += hours if idle else 0.0
        sums[2] += hours * PRICE[size.upper()]
    return out


def near(found: float, true: float) -> bool:
    """Within 2 %."""
    return abs(found - true) <= max(NEAR * true, 0.011)  # answers have two digits


WINDOWS = {
    "all of it": (timedelta(0), timedelta(days=30)),
    "edges in the middle of runs": (timedelta(hours=11, minutes=37), timedelta(hours=33, minutes=11)),
    "the end": (timedelta(hours=44, minutes=3), timedelta(hours=69, minutes=29)),
}


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("by", ["owner", "experiment", "compute", "endpoint", "workspace"])
def test_hours_and_money_are_the_truth_within_two_percent(lived: Life, by: str, window: str) -> None:
    """For each group alone, and together."""
    since, until = START + WINDOWS[window][0], min(START + WINDOWS[window][1], lived.clock())
    found = lived.costs(f"by={by}&since={since:%Y-%m-%dT%H:%M:%SZ}&until={until:%Y-%m-%dT%H:%M:%SZ}")
    wanted = truth(lived, by, since, until)
    shown = {row["name"]: [row["nodeHours"], row["idleHours"], row["money"]] for row in found["value"]}
    assert set(shown) == set(wanted)
    assert len(wanted) > 1
    wrong = {name: (shown[name], wanted[name]) for name in wanted if not all(map(near, shown[name], wanted[name]))}
    assert not wrong
    total = [sum(column) for column in zip(*wanted.values(), strict=True)]
    assert all(map(near, [found["total"][name] for name in ("nodeHours", "idleHours", "money")], total))
    assert (found["currency"], found["priceSource"]) == ("EUR", "cleanup/prices.csv")
