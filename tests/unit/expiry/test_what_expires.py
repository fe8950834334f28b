"""A resource that was made with a deadline is ended at that time, once, if it is still the one that was made."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from shared import machines, services
from shared.durable import sweep
from shared.expiry import expiries, expiry_record
from shared.rest import errors
from tests.fake_azure import WORKSPACE, Fault, refusal
from tests.fakes import START
from tests.unit.expiry.conftest import CLUSTER, COMPUTE, Stage

if TYPE_CHECKING:
    from collections.abc import Callable

EIGHT = 8 * 3600
ENDPOINT = {"location": "westeurope", "properties": {"authMode": "Key"}}


def test_a_compute_is_deleted_within_seconds_of_its_time(stage: Stage) -> None:
    """Not early, not twice, and the operation says why."""
    made = stage.put(expires_in="PT8H")
    assert (made["status"], made["act"], made["kind"]) == ("Pending", "delete", "computeCluster")
    stage.wait(EIGHT - 61)
    assert not stage.deletes()
    stage.wait(120)
    at = datetime.fromisoformat(made["at"])
    assert stage.deletes() == ["DELETE workspaces/w1/computes/gpu"]
    assert timedelta(0) <= stage.sent_at("DELETE") - at < timedelta(seconds=10)
    ended = stage.expiry(made["name"])
    assert ended["status"] == "Done"
    operation = stage.send("GET", ended["operation"].lstrip("/"))[1]
    assert operation["properties"]["caller"] == f"expiry:{made['name']}"
    assert "requested by function key" in operation["properties"]["timeline"][0]["detail"]


def test_it_is_announced_a_day_and_an_hour_before_and_its_end_is_said(stage: Stage) -> None:
    """What has passed when it is set is left out."""
    stage.put(expires_in="P2D")
    stage.wait(24 * 3600 - 120)
    assert stage.told() == []
    stage.wait(120)
    assert stage.told() == ["expiry.inADay"]
    stage.wait(23 * 3600)
    assert stage.told() == ["expiry.inADay", "expiry.inAnHour"]
    stage.wait(3700)
    assert stage.told() == ["expiry.inADay", "expiry.inAnHour", "expiry.done"]


def test_the_end_of_its_create_and_that_of_its_act_put_it_on_the_queue(stage: Stage) -> None:
    """Nothing is looked at in between: a message each, two of the timer (an hour before, and its time), and one in case of loss."""
    made = stage.put(expires_in="PT8H")
    stage.wait(EIGHT + 120)
    ended = stage.expiry(made["name"])
    act = stage.send("GET", ended["operation"].lstrip("/"))[1]
    assert (ended["status"], ended["endedAt"][:19]) == ("Done", act["endTime"][:19])
    sent = [json.loads(text)["expiry"] for text, _ in stage.world.queue("cleanup_queue").sent]
    assert sent == [made["name"]] * 5


def test_nothing_is_announced_that_is_past_when_it_is_set(stage: Stage) -> None:
    """An hour is neither a day before nor an hour before."""
    stage.put(expires_in="PT30M")
    stage.wait(1900)
    assert stage.told() == ["expiry.done"]


def test_a_namesake_is_never_touched(stage: Stage) -> None:
    """It was made later: its creation time is another one."""
    made = stage.put(expires_in="PT8H")
    stage.wait(600)
    stage.namesake()
    stage.wait(EIGHT + 600)
    assert not stage.deletes()
    ended = stage.expiry(made["name"])
    assert (ended["status"], ended["reason"]) == ("Gone", "another resource has its name now")
    assert "expiry.gone" in stage.told()


def test_a_namesake_that_was_made_before_the_create_was_looked_at_is_not_taken_for_it(stage: Stage) -> None:
    """The create's own answer says when its resource was made."""
    status, answer = stage.send("PUT", COMPUTE, CLUSTER, expires_in="PT8H")
    assert status == 202
    stage.clock.advance(60)
    stage.azure.get(f"{WORKSPACE}/computes/gpu")
    followed = stage.world.queue("cleanup_queue").messages
    while held := stage.world.queue("queue").receive():  # the create ends, and nothing of its expiry is done yet
        assert stage.world._taken("queue", held)
        stage.world.queue("queue").delete(held)
        stage.clock.advance(5)
    assert followed
    stage.namesake()
    stage.wait(EIGHT + 600)
    assert not stage.deletes()
    assert stage.expiry(answer["properties"]["expires"]["name"])["status"] == "Gone"


@pytest.mark.parametrize(
    ("one", "two", "other"),
    [
        ("2026-01-01T10:00:01.1234567Z", "2026-01-01T10:00:01.1234567+00:00", False),
        ("2026-01-01T10:00:01.123Z", "2026-01-01T10:00:01.1234567Z", False),
        ("2026-01-01T10:00:01Z", "2026-01-01T10:00:01.9Z", False),
        ("2026-01-01T10:00:01.5Z", "2026-01-01T10:00:01.9Z", True),
        ("2026-01-01T10:00:01.100000Z", "2026-01-01T10:00:01.100300Z", True),
    ],
)
def test_two_words_on_one_moment_are_compared_as_exactly_as_the_shorter_says(one: str, two: str, *, other: bool) -> None:
    """A namesake may be made within a second."""
    bodies = [{"systemData": {"createdAt": each}} for each in (one, two)]
    assert expiries._is_other(*bodies) is expiries._is_other(*bodies[::-1]) is other


def _tagged(stage: Stage, where: str) -> None:
    stage.azure.resources[where.lower()]["tags"] = {"steward-keep": "true"}


KEEPS: dict[str, tuple[Callable[[Stage], None], str]] = {
    "a lock": (lambda stage: stage.lock(), "the lock 'held' (CanNotDelete) is on"),
    "its tag": (lambda stage: _tagged(stage, f"{WORKSPACE}/computes/gpu"), "it has the tag steward-keep"),
    "its workspace's tag": (lambda stage: _tagged(stage, WORKSPACE), "its workspace has the tag steward-keep"),
    "a schedule": (
        lambda stage: stage.azure.put(f"{WORKSPACE}/schedules/nightly", {"properties": {"compute": f"{WORKSPACE}/computes/gpu"}}),  # type: ignore[arg-type, return-value]
        "schedule nightly in workspace w1 refers to it",
    ),
}


@pytest.mark.parametrize("what", KEEPS)
def test_what_is_held_is_kept_and_the_reason_is_told(stage: Stage, what: str) -> None:
    """By the clean-up's own look; another time can be set, and then it goes if nothing holds it any more."""
    hold, reason = KEEPS[what]
    made = stage.put(expires_in="PT8H")
    before = dict(stage.azure.resources)
    hold(stage)
    stage.wait(EIGHT + 600)
    kept = stage.expiry(made["name"])
    assert (kept["status"], stage.deletes()) == ("Kept", [])
    assert reason in kept["reason"]
    assert stage.told() == ["expiry.inAnHour", "expiry.kept"]
    for held in stage.azure.resources.keys() - before:
        del stage.azure.resources[held]
    for body in stage.azure.resources.values():
        body.pop("tags", None)
    assert stage.send("PATCH", f"expiries/{made['name']}", {"in": "PT1H"})[0] == 200
    stage.wait(3700)
    assert stage.expiry(made["name"])["status"] == "Done"
    assert len(stage.deletes()) == 1


def test_a_create_that_fails_leaves_nothing_to_end(stage: Stage) -> None:
    """Whatever has the name then is not what was asked for."""
    stage.azure.failing[f"{WORKSPACE}/computes/gpu"] = {"code": "OutOfQuota", "message": "No cores."}
    answer = stage.send("PUT", COMPUTE, CLUSTER, expires_in="PT8H")[1]
    stage.wait(EIGHT + 600)
    ended = stage.expiry(answer["properties"]["expires"]["name"])
    assert (ended["status"], stage.deletes()) == ("NotMade", [])
    assert "OutOfQuota" in ended["reason"]


def test_a_create_whose_end_is_not_known_ends_nothing(stage: Stage) -> None:
    """What has the name may be somebody else's."""
    answer = stage.send("PUT", COMPUTE, CLUSTER, expires_in="PT8H")[1]
    name = answer["properties"]["expires"]["name"]
    error = errors.AzureError(code="OutcomeUnknown", message="Lost.")
    stage.world.steward.edit(name, phase="ended", status="Failed", error=error, ended_at=START)
    stage.wait(EIGHT + 600)
    assert (stage.expiry(name)["status"], stage.deletes()) == ("NotMade", [])


def test_a_put_that_azure_refuses_keeps_the_expiry_before(stage: Stage) -> None:
    """Only a create that succeeded replaces it."""
    first = stage.put(expires_in="PT8H")
    stage.azure.faults.append(Fault(method="PUT", match="computes/gpu", response=refusal(400, "Bad", "No.")))
    assert stage.send("PUT", COMPUTE, CLUSTER, expires_in="P1D")[0] == 400
    stage.wait(EIGHT)
    assert stage.expiry(first["name"])["status"] == "Done"


def test_the_next_put_replaces_the_expiry(stage: Stage) -> None:
    """Also of a resource that is there already."""
    first = stage.put(expires_in="PT8H")
    second = stage.put(expires_in="PT20H")
    assert (stage.expiry(first["name"])["status"], second["status"]) == ("Replaced", "Pending")
    stage.wait(EIGHT + 600)
    assert not stage.deletes()
    stage.wait(12 * 3600)
    assert len(stage.deletes()) == 1


def test_the_one_before_waits_for_a_put_that_has_not_ended(stage: Stage) -> None:
    """Its time comes between the next PUT and the moment at which that one's expiry is known to hold."""
    first = stage.put(expires_in="PT1H")
    stage.wait(3600 - 65)
    second = stage.send("PUT", COMPUTE, CLUSTER, expires_in="PT8H")[1]["properties"]["expires"]["name"]
    stage.world.queue("cleanup_queue").messages.clear()
    takes = stage.world._taken
    stage.world._taken = lambda name, held: second in held.text or takes(name, held)  # type: ignore[method-assign]
    stage.wait(600)
    assert not stage.deletes()
    assert second in stage.expiry(first["name"])["reason"]
    stage.world._taken = takes  # type: ignore[method-assign]
    stage.wait(1800)
    assert [stage.expiry(name)["status"] for name in (first["name"], second)] == ["Replaced", "Pending"]
    assert not stage.deletes()


ENDED: dict[str, tuple[str, dict[str, Any], str]] = {
    "workspaces": ("workspaces/w2x", {"location": "westeurope", "properties": {}}, "^DELETE workspaces/w2x$"),
    "workspaces/schedules": (
        "workspaces/w1/schedules/s1x", {"properties": {"trigger": {}, "action": {}}}, "^DELETE workspaces/w1/schedules/s1x$"
    ),
    "workspaces/onlineEndpoints/deployments": (
        "workspaces/w1/onlineEndpoints/ep1/deployments/green",
        {"location": "westeurope", "properties": {"endpointComputeType": "Managed"}},
        "^DELETE .*/deployments/green$",
    ),
    "workspaces/batchEndpoints": ("workspaces/w1/batchEndpoints/be1", ENDPOINT, "^DELETE workspaces/w1/batchEndpoints/be1$"),
    "workspaces/batchEndpoints/deployments": (
        "workspaces/w1/batchEndpoints/be0/deployments/one",
        {"location": "westeurope", "properties": {}},
        "^DELETE .*/deployments/one$",
    ),
    "workspaces/serverlessEndpoints": (
        "workspaces/w1/serverlessEndpoints/se1", ENDPOINT, "^DELETE workspaces/w1/serverlessEndpoints/se1$"
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", ENDED)
def test_each_kind_is_ended_as_its_row_says(stage: Stage, kind: str) -> None:
    """By one request."""
    path, body, effect = ENDED[kind]
    for parent in ("onlineEndpoints/ep1", "batchEndpoints/be0"):
        stage.azure.put(f"{WORKSPACE}/{parent}", {"location": "westeurope", "properties": {"traffic": {"blue": 100}}})
    made = stage.put(path, body, expires_in="PT1H")
    stage.wait(3600 + 600)
    ended = stage.expiry(made["name"])
    assert ended["status"] == "Done", ended
    assert stage.azure.count(effect) == 1, stage.azure.effects


def test_a_deployment_with_traffic_is_kept(stage: Stage) -> None:
    """Azure would refuse its deletion, and its callers would be cut off."""
    stage.azure.put(f"{WORKSPACE}/onlineEndpoints/ep1", {"properties": {"traffic": {"green": 10}}})
    made = stage.put(*ENDED["workspaces/onlineEndpoints/deployments"][:2], expires_in="PT1H")
    stage.wait(3700)
    kept = stage.expiry(made["name"])
    assert (kept["status"], kept["reason"]) == ("Kept", "10 % of the endpoint's traffic goes to it")


def test_a_put_without_one_keeps_it(stage: Stage) -> None:
    """An update is no answer to when it ends."""
    made = stage.put(expires_in="PT8H")
    assert stage.send("PUT", COMPUTE, CLUSTER)[0] in (200, 202)
    stage.wait(EIGHT + 60)
    assert stage.expiry(made["name"])["status"] == "Done"


def test_the_same_key_is_the_same_expiry(stage: Stage) -> None:
    """And with another deadline it is another request."""
    one, two = (stage.put(expires_in="PT8H", idempotency_key="k")["name"] for _ in range(2))
    assert one == two
    status, answer = stage.send("PUT", COMPUTE, CLUSTER, expires_in="PT9H", idempotency_key="k")
    assert (status, answer["error"]["code"]) == (400, "IdempotencyKeyReused")


def test_a_key_that_came_without_one_gets_none(stage: Stage) -> None:
    """The refused request must not end what the first one made."""
    stage.send("PUT", COMPUTE, CLUSTER, idempotency_key="k")
    assert stage.send("PUT", COMPUTE, CLUSTER, expires_in="PT1H", idempotency_key="k")[0] == 400
    stage.wait(7200)
    assert not stage.deletes()


def test_a_deleted_expiry_is_forgotten_and_stays_so(stage: Stage) -> None:
    """Its resource stays, also when the create is repeated under its key."""
    made = stage.put(expires_in="PT8H", idempotency_key="k")
    assert stage.send("DELETE", f"expiries/{made['name']}")[0] == 204
    assert stage.send("GET", f"expiries/{made['name']}")[0] == 404
    stage.send("PUT", COMPUTE, CLUSTER, expires_in="PT8H", idempotency_key="k")
    stage.wait(EIGHT + 600)
    assert not stage.deletes()
    assert stage.send("GET", "expiries")[1] == {"value": []}


@pytest.mark.parametrize(("moved", "seconds"), [({"in": "PT1H"}, 3600), ({"at": "2027-01-01T00:00:00+01:00"}, None)])
def test_an_expiry_is_moved(stage: Stage, moved: dict[str, str], seconds: int | None) -> None:
    """Earlier or later."""
    made = stage.put(expires_in="PT8H")
    status, answer = stage.send("PATCH", f"expiries/{made['name']}", moved)
    assert status == 200, answer
    if seconds is None:
        assert answer["at"] == "2026-12-31T23:00:00.000000Z"
        stage.wait(EIGHT + 600)
        assert not stage.deletes()
        return
    stage.wait(seconds - 1)
    assert not stage.deletes()
    stage.wait(60)
    assert len(stage.deletes()) == 1


def test_what_is_over_cannot_be_moved(stage: Stage) -> None:
    """Another PUT sets another one."""
    made = stage.put(expires_in="PT1H")
    stage.wait(3700)
    status, answer = stage.send("PATCH", f"expiries/{made['name']}", {"in": "PT1H"})
    assert (status, answer["error"]["code"]) == (409, "ExpiryEnded")


def test_an_instance_is_stopped_and_one_that_stands_is_left(stage: Stage) -> None:
    """The kind says what is done."""
    body = {"location": "westeurope", "properties": {"computeType": "computeinstance", "properties": {"state": "Running"}}}
    made = stage.put("workspaces/w1/computes/ci1x", body, expires_in="PT8H")
    assert (made["kind"], made["act"]) == ("computeInstance", "stop")
    stage.wait(EIGHT + 60)
    assert stage.azure.count("^POST workspaces/w1/computes/ci1x/stop$") == 1
    assert not stage.deletes()
    body["properties"]["properties"]["state"] = "Stopped"  # type: ignore[index]
    other = stage.put("workspaces/w1/computes/ci2x", body, expires_in="PT1H")
    stage.wait(3700)
    ended = stage.expiry(other["name"])
    assert (ended["status"], ended["reason"]) == ("Done", "its state is Stopped")


def test_a_job_is_canceled(stage: Stage) -> None:
    """While its own operation follows it."""
    body = {"properties": {"jobType": "Command", "command": "sleep"}}
    status, answer = stage.send("POST", "workspaces/w1/jobs", body, expires_in="PT2M")
    assert status == 202
    stage.wait(300)
    ended = stage.expiry(answer["properties"]["expires"]["name"])
    assert (ended["status"], ended["act"]) == ("Done", "cancel")
    assert stage.azure.count("^POST .*/cancel$") == 1


def test_a_job_that_ended_by_itself_is_left(stage: Stage) -> None:
    """There is nothing to cancel."""
    body = {"properties": {"jobType": "Command", "command": "sleep"}}
    answer = stage.send("POST", "workspaces/w1/jobs", body, expires_in="PT2H")[1]
    stage.wait(7300)
    ended = stage.expiry(answer["properties"]["expires"]["name"])
    assert (ended["status"], ended["reason"]) == ("Done", "its status is Completed")
    assert stage.azure.count("/cancel$") == 0


def test_an_endpoint_without_deployments_has_nothing_to_park(stage: Stage) -> None:
    """It costs nothing."""
    made = stage.put("workspaces/w1/onlineEndpoints/ep1", ENDPOINT, expires_in="PT1H")
    assert made["act"] == "park"
    stage.wait(3700)
    assert stage.expiry(made["name"])["reason"] == "it has no deployment to park"


def test_an_act_that_azure_refuses_is_tried_again_and_then_told(stage: Stage) -> None:
    """It is not forgotten, and can be moved."""
    made = stage.put(expires_in="PT1H")
    stage.azure.faults.append(Fault(method="DELETE", match="computes/gpu", response=refusal(403, "No", "Not you."), times=3))
    stage.wait(3600 + 900)
    failed = stage.expiry(made["name"])
    assert (failed["status"], failed["reason"]) == ("Failed", "No: Not you.")
    assert "expiry.failed" in stage.told()
    assert stage.send("PATCH", f"expiries/{made['name']}", {"in": "PT1M"})[0] == 200
    stage.wait(120)
    assert stage.expiry(made["name"])["status"] == "Done"


def test_what_cannot_be_looked_at_is_looked_at_again(stage: Stage) -> None:
    """Azure is out of reach for ten minutes."""
    made = stage.put(expires_in="PT1H")
    stage.wait(3600 - 90)
    out = errors.UnreachableError("out", delay_s=5.0, maybe_arrived=False)
    stage.azure.faults.append(Fault(method="GET", match="computes/gpu", problem=out, times=8))
    stage.wait(1200)
    assert stage.expiry(made["name"])["status"] == "Done"
    assert len(stage.deletes()) == 1


def test_it_waits_while_the_clean_up_is_off() -> None:
    """STEWARD_CLEANUP is the switch for whatever this app ends by itself."""
    from tests.faults.test_every_machine import Platform

    stage = Stage(world=Platform(settings={"cleanup": False}))
    made = stage.put(expires_in="PT1H")
    stage.wait(7200)
    assert "STEWARD_CLEANUP" in stage.expiry(made["name"])["reason"]
    stage.world.settings = {}
    stage.world.restart()
    stage.wait(660)
    assert stage.expiry(made["name"])["status"] == "Done"
    services.use(None)


def test_the_release_before_goes_on_beside_rows_that_it_does_not_know(stage: Stage) -> None:
    """It notes them, and looks after its own; the release that knows them finds them where they were."""
    made = stage.put(expires_in="PT1H")
    before = tuple(machine for machine in machines.MACHINES if machine.name != "expiry")
    status, answer = stage.send("PUT", "workspaces/w1/computes/cpu", CLUSTER)
    assert status == 202
    stage.world.queue("queue").messages.clear()  # lost
    stage.clock.advance(3 * 3600)
    woken: dict[str, Any] = sweep.reconcile(before, stage.world.app)
    assert woken["operation"] == 1
    assert sweep.purges(before, stage.world.app)["run"]() == 0
    assert not list(stage.world.app.journal.runs(only_open=True))
    stage.wait(600)
    assert stage.expiry(made["name"])["status"] == "Done"
    assert answer["status"] == "Running"


def test_old_ones_are_purged(stage: Stage) -> None:
    """With the operations of their time."""
    made = stage.put(expires_in="PT1H")
    stage.wait(3700)
    assert machines.purges(stage.world.app)["expiry"]() == 0
    stage.clock.advance(31 * 86_400)
    assert machines.purges(stage.world.app)["expiry"]() == 1
    assert stage.world.app.cleanup_rows.get(*expiry_record.place_of(made["name"])) is None


def test_a_queue_that_is_longer_than_a_look_counts_delays_the_end_and_no_more(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look counts for a minute, each message waits for longer: the worker that looked acts, and does not queue for it."""
    made = stage.put(expires_in="PT1H")
    queue = stage.world.queue("cleanup_queue")
    send = queue.send
    monkeypatch.setattr(queue, "send", lambda text, *, delay_s=0.0: send(text, delay_s=delay_s + 90.0))
    stage.wait(3600 + 300)
    assert len(stage.deletes()) == 1
    known = expiries.load(made["name"], stage.world.app)
    assert known
    assert known.value.looked_at == stage.sent_at("DELETE")
    stage.wait(300)
    assert stage.expiry(made["name"])["status"] == "Done"
