"""Random rollouts of random models, with kills, foreign changes and a silent Azure Monitor: none ends on a bad model."""

from __future__ import annotations

import random
from typing import Any

from shared import services
from tests import tables
from tests.serving_azure import ENDPOINT, Model
from tests.unit.rollouts.conftest import World

MODELS = {
    "good": Model(),
    "good, a little slower": Model(took_ms=60, says=1.01),
    "does not start": Model(),
    "fails": Model(fails=0.3),
    "fails always": Model(fails=1.0),
    "slow": Model(took_ms=200),
    "answers otherwise": Model(says=2),
    "refuses": Model(status=424),
}
GOOD = ("good", "good, a little slower")
LIMIT_S = 20 * 3600


def changed(world: World, dice: random.Random) -> str:
    """Let another one change something, if there is something to change."""
    what = dice.choice(["traffic", "blue", "green"])
    if what == "traffic":
        world.azure.resources[ENDPOINT.lower()]["properties"]["traffic"] = {
            "blue": 100 - (share := dice.randrange(1, 9)),
            "green": share,
        }
        return what if f"{ENDPOINT}/deployments/green".lower() in world.azure.resources else ""
    found = world.azure.resources.get(f"{ENDPOINT}/deployments/{what}".lower())
    if found:
        found["systemData"]["lastModifiedAt"] = world.clock().isoformat()
    return what if found else ""


def lived(seed: int) -> tuple[World, str, str]:
    """Live through one; returns the world, what the model was, and what another one changed."""
    dice = random.Random(seed)  # noqa: S311 - a replay needs the same
    world, name = World(), dice.choice(list(MODELS))
    world.azure.serve(green=MODELS[name])
    if name == "does not start":
        world.azure.failing[f"{ENDPOINT}/deployments/green"] = {"code": "OutOfQuota", "message": "no cores"}
    steps = sorted(dice.sample(range(5, 95, 5), dice.randrange(1, 4)))
    plan: dict[str, Any] = {"steps": [*steps, 100], "bake": dice.choice(["PT2M", "PT10M", "PT1H"])}
    plan["keepOld"] = dice.choice(["PT0S", "PT30M"])
    plan["mirror"] = dice.choice([None, {"percent": 20, "for": "PT5M"}])
    plan["smoke"] = (
        dice.choice([None, [{"send": 1, "expect": {"echo": 1, "score": dice.choice([1.0])}}]]) if name == "refuses" else None
    )
    at, other = dice.uniform(0, 4000), ""
    world.begin(**plan)
    begun = world.clock()
    kills = [dice.randrange(1, 120) for _ in range(dice.randrange(4))]
    foreign = dice.random() < 0.25
    while not world.record().over and (world.clock() - begun).total_seconds() < LIMIT_S:
        if kills and not world.fuse.armed:
            world.fuse.blow(kills.pop(), after=dice.random() < 0.5)
        if foreign and (world.clock() - begun).total_seconds() > at:
            foreign, other = False, changed(world, dice) if world.record().under_way else ""
        world.minute()
    world.fuse.disarm()
    return world, name, other


@tables.each("seed", tables.sample(range(1000), 15, seed="rollouts"))
def test_no_rollout_ends_on_a_bad_model(seed: int) -> None:
    """It ends, with one deployment created; the traffic is all at the good one, or as another one has set it."""
    world, name, other = lived(seed)
    found, traffic, effects = world.record(), world.azure.traffic(), world.azure
    services.use(None)
    said = (seed, name, other, found.status, traffic, [*found.notes][-6:])
    assert found.over, said
    assert effects.count("PUT .*/deployments/green") <= 1, said
    if found.status == "Succeeded":
        assert name in GOOD, said
        assert other or traffic == {"green": 100}, said
        assert other or effects.get(f"{ENDPOINT}/deployments/blue") is None, said
    elif not other:
        assert name not in GOOD, said
        assert (found.status, traffic) == ("Failed" if name == "does not start" else "RolledBack", {"blue": 100}), said
        assert effects.get(f"{ENDPOINT}/deployments/blue"), said
        assert effects.count("PUT .*/echo$") <= 2 + bool(found.plan["mirror"]), said
    canary = found.plan["steps"][0] / 100
    assert other or effects.seen.failed <= effects.seen.requests * canary * MODELS[name].fails + 1, said
