"""A rollout goes on while its deployment does well, back when it does badly, and stops when another one changes something."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared import services
from shared.api.call import Caller
from shared.catalog.grants import Grant
from shared.durable import worker
from shared.rest import errors, ids
from shared.rollouts import rollouts
from tests.fake_azure import Fault, throttled
from tests.fakes import Killed
from tests.serving_azure import ENDPOINT, Model
from tests.unit.rollouts.conftest import BODY

if TYPE_CHECKING:
    from tests.unit.rollouts.conftest import World


def test_a_good_one_gets_all_traffic_and_the_old_one_goes_when_its_time_is_over(world: World) -> None:
    """Created once, a PUT of the whole endpoint a step, each told."""
    world.begin()
    world.until(1900)
    assert (world.record().status, world.azure.traffic()) == ("Running", {"green": 100})
    world.until(900)
    assert (world.record().status, world.record().stage) == ("Succeeded", "keep")
    assert world.azure.count("DELETE") == 0
    world.drive()
    assert world.azure.get(f"{ENDPOINT}/deployments/blue") is None
    assert world.azure.count("PUT .*/deployments/green") == 1
    assert world.azure.count("PUT .*/echo$") == 3
    assert world.events() == ["begun", "step", "step", "step", "succeeded"]
    assert world.azure.seen.failed == 0


@pytest.mark.parametrize(
    ("model", "reason", "steps"),
    [
        (Model(status=500), "smoke[0]", 0),
        (Model(says=1.2), "golden[0]: score is 0.2 away from what is expected; the tolerance is 0.05", 0),
        (Model(fails=0.3), "errorRate is 0.3", 1),
        (Model(took_ms=90), "p95 is 90; the gate allows 75", 1),
    ],
    ids=["smoke", "golden", "errors", "slow"],
)
def test_a_bad_one_loses_its_traffic_at_once(world: World, model: Model, reason: str, steps: int) -> None:
    """In one PUT, and no old deployment is deleted."""
    world.azure.serve(green=model)
    world.begin()
    world.drive()
    found = world.record()
    assert (found.status, world.azure.traffic()) == ("RolledBack", {"blue": 100})
    assert reason in str(found.notes[-1]["reason"])
    assert world.azure.count("PUT .*/echo$") == 2 * steps
    assert world.azure.count("DELETE") == 0
    assert world.events()[-1] == "rolledBack"
    assert world.azure.seen.failed <= world.azure.seen.requests * 0.1 * model.fails


def test_back_within_a_minute_of_what_the_metrics_show(world: World) -> None:
    """The model is bad from the second step on."""
    world.begin()
    while world.azure.traffic().get("green") != 50:
        world.until(20)
    begun = world.clock()
    world.azure.models = {name: Model(fails=0.5) if "green" in name else each for name, each in world.azure.models.items()}
    while world.azure.traffic().get("green"):
        world.until(10)
    assert (world.clock() - begun).total_seconds() <= 61 + 60


@pytest.mark.parametrize("unsure", ["pause", "abort", "go on"])
@pytest.mark.parametrize("blind", [True, False], ids=["no-metrics", "few-requests"])
def test_a_gate_that_cannot_be_sure_does_what_the_plan_says(world: World, unsure: str, blind: bool) -> None:  # noqa: FBT001
    """Paused is told, and promote goes on."""
    world.azure.blind, world.azure.per_minute = blind, 600 if blind else 0.5
    name = world.begin(unsure=unsure, gate={"errorRate": {"atMost": 0.05}, "leastRequests": 50})
    world.until(3600)
    shown = {
        "pause": ("Paused", {"blue": 90, "green": 10}),
        "abort": ("RolledBack", {"blue": 100}),
        "go on": ("Succeeded", {"green": 100}),
    }
    assert (world.record().status, world.azure.traffic()) == shown[unsure]
    if unsure == "pause":
        assert world.events()[-1] == "paused"
        world.azure.blind, world.azure.per_minute = False, 600
        world.send("POST", f"/{name}/promote")
        world.until(1500)
        assert world.record().status == "Succeeded"


def test_a_paused_one_is_watched_and_goes_back_when_it_is_bad(world: World) -> None:
    """Nobody needs to be there."""
    name = world.begin()
    world.until(200)
    world.send("POST", f"/{name}/pause")
    world.until(3000)
    assert (world.record().status, world.azure.traffic()) == ("Paused", {"blue": 90, "green": 10})
    world.azure.models = {name: Model(fails=1.0) if "green" in name else each for name, each in world.azure.models.items()}
    world.until(700)
    assert (world.record().status, world.azure.traffic()) == ("RolledBack", {"blue": 100})


@pytest.mark.parametrize("after_s", [0, 15, 100, 700, 1400])
def test_abort_sets_all_traffic_back_at_any_time(world: World, after_s: int) -> None:
    """In one PUT, if any traffic had moved."""
    name = world.begin()
    world.until(after_s)
    world.send("POST", f"/{name}/abort")
    world.drive()
    assert (world.record().status, world.azure.traffic()) == ("Aborted", {"blue": 100})
    assert world.events()[-1] == "aborted"
    with pytest.raises(errors.BadRequestError, match="nothing to promote"):
        world.send("POST", f"/{name}/promote")


@pytest.mark.parametrize(
    ("after_s", "left", "said"),
    [(after_s, None, "The key 'ci' was revoked") for after_s in (15, 700, 1400, 3000)]
    + [
        (15, Grant(role="scorer"), "'key:ci' has the role scorer; a rollout needs operator"),
        (700, Grant(role="operator", below=(ENDPOINT.lower().rpartition("/")[0] + "/other",)), "is not within its scope"),
        (
            1400,
            Grant(role="operator", kinds=("microsoft.machinelearningservices/workspaces/onlineendpoints",)),
            "does not include the kind",
        ),
        (3000, Grant(role="reader"), "'key:ci' has the role reader"),
    ],
)
def test_a_rollout_does_no_more_than_its_callers_key_may_by_now(world: World, after_s: int, left: Grant | None, said: str) -> None:
    """It goes back, or keeps what is live and the old deployments: the key was revoked, or may no longer have it done."""
    book = services.get().key_book
    book.put("ci", Grant(role="operator"), "a" * 64, "ann")
    world.begin(sender=Caller(name="key:ci", grants=(Grant(role="operator", of="ci"),)))
    world.until(after_s)
    live = world.azure.traffic()
    if left is None:
        book.revoke("ci", "ann")
    else:
        book.put("ci", left, "a" * 64, "ann")
    world.drive()
    over = after_s == 3000
    assert (world.record().status, world.azure.traffic()) == ("Succeeded" if over else "Aborted", live if over else {"blue": 100})
    assert said in "".join(str(each.get("reason")) for each in world.record().notes)
    assert world.azure.get(f"{ENDPOINT}/deployments/blue")


def test_a_bad_one_cannot_be_promoted(world: World) -> None:
    """A caller's word is no better than the figures."""
    world.azure.serve(green=Model(fails=0.3))
    world.azure.blind = True
    name = world.begin()
    world.until(2000)
    assert world.record().status == "Paused"
    world.azure.blind = False
    world.send("POST", f"/{name}/promote")
    world.drive()
    assert (world.record().status, world.azure.traffic()) == ("RolledBack", {"blue": 100})


def touched(world: World, what: str) -> None:
    """Another one changes something."""
    endpoint = world.azure.resources[ENDPOINT.lower()]
    if what == "traffic":
        endpoint["properties"]["traffic"] = {"blue": 70, "green": 30}
    elif what == "mirror":
        endpoint["properties"]["mirrorTraffic"] = {"blue": 5}
    elif what == "endpoint":
        for name in [key for key in world.azure.resources if key.startswith(ENDPOINT.lower())]:
            del world.azure.resources[name]
    else:
        world.azure.resources[f"{ENDPOINT}/deployments/{what}".lower()]["systemData"]["lastModifiedAt"] = "2026-03-03T00:00:00Z"


@pytest.mark.parametrize("what", ["traffic", "mirror", "blue", "green", "endpoint"])
def test_it_stops_when_another_one_changes_something(world: World, what: str) -> None:
    """Nothing is touched any more; that is told."""
    world.begin()
    world.until(200)
    writes = len(world.azure.effects)
    touched(world, what)
    left = world.azure.traffic()
    world.drive()
    assert (world.record().status, world.azure.traffic(), len(world.azure.effects)) == ("Stopped", left, writes)
    assert world.events()[-1] == "stopped"


@pytest.mark.parametrize("what", ["traffic", "blue"])
def test_the_old_one_stays_if_it_was_changed_or_has_traffic_again(world: World, what: str) -> None:
    """Only what this rollout left without traffic is deleted."""
    world.begin()
    world.until(3000)
    assert world.record().stage == "keep"
    touched(world, what)
    world.drive()
    assert (world.record().status, world.azure.count("DELETE")) == ("Succeeded", 0)


def test_a_mirror_comes_before_the_steps_and_goes_with_the_first(world: World) -> None:
    """Mirrored requests are in no metric here: that is no reason to stop."""
    world.begin(mirror={"percent": 20, "for": "PT5M"})
    world.until(200)
    assert (world.azure.traffic(), world.azure.traffic("mirrorTraffic")) == ({"blue": 100}, {"green": 20})
    world.until(400)
    assert (world.azure.traffic(), world.azure.traffic("mirrorTraffic")) == ({"blue": 90, "green": 10}, {})
    world.drive()
    assert world.record().status == "Succeeded"


def test_a_deployment_that_cannot_be_created_ends_it(world: World) -> None:
    """With Azure's reason; nothing else was touched."""
    world.azure.failing[f"{ENDPOINT}/deployments/green"] = {"code": "OutOfQuota", "message": "no cores"}
    world.begin()
    world.drive()
    assert (world.record().status, world.azure.traffic(), world.events()) == ("Failed", {"blue": 100}, ["begun", "failed"])
    assert "OutOfQuota" in str(world.record().notes[-1]["reason"])


def test_one_rollout_at_a_time_and_the_same_request_twice_is_one(world: World) -> None:
    """The key finds the first; another body under it is refused; another key finds the endpoint taken."""
    name = world.begin()
    assert world.begin() == name
    with pytest.raises(errors.BadRequestError, match="Use a new key"):
        world.begin(bake="PT1M")
    other = {**BODY, "deployment": "red"}
    with pytest.raises(errors.BadRequestError) as refused:
        world.send("POST", "", other)
    assert refused.value.error.code == "RolloutUnderWay"
    world.drive()
    assert world.send("GET", f"/{name}")["status"] == "Succeeded"
    assert [each["name"] for each in world.send("GET")["value"]] == [name]


def test_the_rollouts_of_all_endpoints_are_listed_for_those_who_may_see_the_endpoint(world: World) -> None:
    """While one is under way the row that says so is no rollout; a caller who is limited elsewhere sees none."""
    name = world.begin()
    assert world.everywhere() == world.everywhere(Grant(role="reader", below=(ids.parse(ENDPOINT).key,))) == [name]
    assert world.everywhere(Grant(role="reader", below=("/subscriptions/another",))) == []


@pytest.mark.parametrize("sent", [True, False], ids=["sent", "accepted"])
def test_an_abort_sets_back_what_a_worker_that_died_had_sent(world: World, sent: bool) -> None:  # noqa: FBT001
    """The record does not know yet that it was sent; the way back finds it by its key."""

    def dies(name: str) -> None:
        if (
            name.startswith("cleanup.write") and world.azure.count("PUT .*/echo$")
            if sent
            else name.endswith("PUT w1/onlineEndpoints/echo")
        ):
            raise Killed(name)

    name = world.begin()
    world.fuse.between = dies
    restarts = 0
    while not restarts:
        try:
            while world._deliver():
                pass
            world._tick()
        except Killed:
            world.restart()
            restarts += 1
        world.clock.advance(1)
    world.fuse.between = None
    assert (world.record().operation, bool(world.record().wanted), world.azure.count("PUT .*/echo$")) == ("", True, int(sent))
    world.send("POST", f"/{name}/abort")
    world.drive()
    assert (world.record().status, world.azure.traffic()) == ("Aborted", {"blue": 100})


@pytest.mark.parametrize("write", ["PUT", "DELETE"])
def test_what_could_not_be_sent_soon_after_a_look_is_not_sent_without_another(world: World, write: str) -> None:
    """Azure throttles for two minutes; the traffic was changed meanwhile, and the old deployment lives again."""
    world.begin()
    match, url = ("echo\\?", "echo") if write == "PUT" else ("/blue\\?", "blue")
    world.azure.faults.append(Fault(method=write, match=match, problem=throttled(120.0)))
    while not any(f"/{url}?" in each for each in world.azure.requests if each.startswith(write)):
        world.until(10)
    world.until(30)
    touched(world, "traffic")
    effects, left = len(world.azure.effects), world.azure.traffic()
    world.drive()
    assert (world.azure.traffic(), world.azure.effects[effects:]) == (left, [])
    assert world.record().status == ("Stopped" if write == "PUT" else "Succeeded")


@pytest.mark.parametrize("write", ["PUT .*/green", "PUT .*/echo$", "DELETE .*/blue"])
def test_throttled_for_minutes_it_goes_on_as_before(world: World, write: str) -> None:
    """Each is sent at last, once."""
    method, _, path = write.partition(" ")
    world.azure.faults.append(Fault(method=method, match=f"/{path.rpartition('/')[2].rstrip('$')}\\?", problem=throttled(120.0)))
    world.begin()
    world.drive()
    assert (world.record().status, world.azure.traffic()) == ("Succeeded", {"green": 100})
    assert world.azure.count(write) == (3 if "echo" in write else 1)
    assert world.azure.faults[0].times == 0


@pytest.mark.parametrize("look", ["GET w1/onlineEndpoints/echo/deployments/green", "GET w1/onlineEndpoints/echo/deployments/blue"])
def test_what_another_worker_did_in_the_same_step_is_no_change_by_others(world: World, look: str) -> None:
    """Both took it at the same time: the one sends, and dies before it can record that, while the other looks."""
    took: list[str] = []

    def between(name: str) -> None:
        if took and took[-1] == "begun" and name.startswith("cleanup.write"):
            raise Killed
        delivered = [held.text for held in world.steward.queue.messages if '"rollout"' in held.text]
        deletes = world.record().stage == "keep"
        if name.endswith(look) and delivered and deletes == look.endswith("blue") and not took:
            took.append("begun")
            with pytest.raises(Killed):
                worker.take((rollouts.MACHINE,), delivered[0], world.app)
            took.append("died")

    world.begin()
    world.fuse.between = between
    world.drive()
    assert took == ["begun", "died"]
    assert (world.record().status, world.azure.traffic()) == ("Succeeded", {"green": 100})
    assert (world.azure.count("PUT .*/green"), world.azure.count("DELETE .*/blue")) == (1, 1)
    assert not [each for each in world.record().notes if each["what"].startswith("kept")]
