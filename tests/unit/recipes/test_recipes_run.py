"""A run takes its steps in the order of their needs, passes values, waits, retries, and stops at a failure."""

from __future__ import annotations

from typing import Any

import pytest

from shared.rest.client import Response
from tests.fake_azure import WORKSPACE, Fault
from tests.unit.recipes.conftest import CLUSTER, Kitchen


def _cluster(name: str, **more: Any) -> dict[str, Any]:
    return {"request": f"PUT workspaces/w1/computes/{name}", "body": CLUSTER, **more}


def test_steps_follow_each_other_and_pass_values(kitchen: Kitchen) -> None:
    """By default each comes after the one before; `result` is what the step was answered."""
    steps = {
        "made": _cluster("${{ parameters.name }}"),
        "read": {"request": "GET workspaces/w1/computes/${{ steps.made.result.name }}", "expect": "result.name == 'cpu'"},
        "gone": {"request": "DELETE workspaces/w1/computes/${{ steps.read.result.name }}"},
    }
    name = kitchen.start(steps, parameters={"name": {"type": "string", "default": "cpu"}})
    kitchen.drive()
    run = kitchen.run(name)
    assert run["status"] == "Succeeded"
    assert run["percentComplete"] == 100
    assert set(kitchen.states(name).values()) == {"Succeeded"}
    assert kitchen.steward.azure.effects == ["PUT workspaces/w1/computes/cpu", "DELETE workspaces/w1/computes/cpu"]
    operation = kitchen.steward.ledger.load(kitchen.steps(name)["made"]["operation"])
    assert operation
    assert (operation.operation.caller, operation.operation.origin) == ("recipe:run", f"recipe:{name}")


def test_steps_without_needs_run_side_by_side(kitchen: Kitchen) -> None:
    """Both are sent at once, and what needs both waits for the slower one."""
    steps = {"a": _cluster("aaa", needs=[]), "b": _cluster("bbb", needs=[]), "c": _cluster("ccc", needs=["a", "b"])}
    name = kitchen.start(steps)
    began = kitchen.steward.clock()
    kitchen.drive(5)
    assert kitchen.states(name) == {"a": "Running", "b": "Running", "c": "Waiting"}
    assert kitchen.steward.azure.count("^PUT") == 2
    kitchen.drive()
    assert kitchen.run(name)["status"] == "Succeeded"
    assert (kitchen.steward.clock() - began).total_seconds() < 3600


def test_a_failure_stops_what_follows(kitchen: Kitchen) -> None:
    """The run fails with the step's error; what was under way is followed to its end."""
    kitchen.steward.azure.failing[f"{WORKSPACE}/computes/bad"] = {"code": "Preempted", "message": "No room."}
    steps = {"good": _cluster("good", needs=[]), "bad": _cluster("bad", needs=[]), "after": _cluster("after")}
    steps["pause"] = {"wait": "P1D", "needs": []}
    name = kitchen.start(steps)
    kitchen.drive()
    run = kitchen.run(name)
    assert (run["status"], run["error"]["code"]) == ("Failed", "Preempted")
    assert kitchen.states(name) == {"good": "Succeeded", "bad": "Failed", "after": "NotTaken", "pause": "Canceled"}
    status, told = kitchen.ask("GET", f"recipes/runs/{name}/result")
    assert (status, told["error"]["code"], told["error"]["target"]) == (422, "Preempted", f"/recipes/runs/{name}")


@pytest.mark.parametrize(("on", "status"), [(["Preempted"], "Succeeded"), (["Throttled"], "Failed"), (["Any"], "Succeeded")])
def test_a_failure_is_retried_by_its_class(kitchen: Kitchen, on: list[str], status: str) -> None:
    """Each try is a request of its own; another failure than those named ends the run."""
    kitchen.steward.azure.failing[f"{WORKSPACE}/computes/spot"] = {"code": "Preempted", "message": "No room."}
    name = kitchen.start({"spot": _cluster("spot", retry={"times": 2, "on": on})})
    kitchen.drive()
    assert kitchen.run(name)["status"] == status
    assert kitchen.steward.azure.count("^PUT workspaces/w1/computes/spot") == (2 if status == "Succeeded" else 1)


def test_a_second_try_is_no_other_steps_request(kitchen: Kitchen) -> None:
    """However the other step is named: both are carried out."""
    kitchen.steward.azure.failing[f"{WORKSPACE}/computes/spot"] = {"code": "Preempted", "message": "No room."}
    steps = {"spot": _cluster("spot", retry={"times": 1, "on": ["Preempted"]}), "spot-1": _cluster("other", needs="spot")}
    name = kitchen.start(steps)
    kitchen.drive()
    assert kitchen.states(name) == {"spot": "Succeeded", "spot-1": "Succeeded"}, kitchen.steps(name)
    assert kitchen.steward.azure.count("^PUT workspaces/w1/computes/other") == 1


def test_a_request_that_azure_cannot_take_now_is_sent_again(kitchen: Kitchen) -> None:
    """An outage is no failure: the same request, under the same key, later."""
    busy = Response(status=503, url="", body={"error": {"code": "ServerBusy", "message": "later"}})
    kitchen.steward.azure.faults.append(Fault(method="GET", match="computes/x", response=busy, times=2))
    name = kitchen.start({"look": {"request": "GET workspaces/w1/computes/x", "expect": "status == `404`"}})
    kitchen.drive()
    assert kitchen.run(name)["status"] == "Succeeded"


def test_waits_are_due_times_and_hold_no_message(kitchen: Kitchen) -> None:
    """Ten minutes later it goes on; until then the queue is empty."""
    name = kitchen.start({"soak": {"wait": "PT10M"}, "then": _cluster("cpu")})
    kitchen.drive(300)
    assert kitchen.states(name) == {"soak": "Running", "then": "Waiting"}
    assert not kitchen.steward.queue.messages
    kitchen.drive()
    assert kitchen.run(name)["status"] == "Succeeded"


@pytest.mark.parametrize(("appears", "status"), [(True, "Succeeded"), (False, "Failed")])
def test_until_looks_again_until_it_holds(kitchen: Kitchen, appears: bool, status: str) -> None:  # noqa: FBT001
    """`every` and `for` bound it; a look that finds nothing is no failure."""
    look = {"until": "GET workspaces/w1/computes/late", "expect": "result.properties.provisioningState == 'Succeeded'"}
    name = kitchen.start({"late": {**look, "every": "PT1M", "for": "PT10M"}})
    kitchen.drive(200)
    if appears:
        kitchen.steward.azure.put(f"{WORKSPACE}/computes/late", CLUSTER)
    kitchen.drive()
    assert kitchen.run(name)["status"] == status
    assert 4 <= sum("computes/late" in each for each in kitchen.steward.azure.requests) <= 11


def test_a_step_is_left_out_where_if_does_not_hold(kitchen: Kitchen) -> None:
    """What needs it goes on."""
    steps = {"maybe": _cluster("aaa", **{"if": "parameters.gpu"}), "then": _cluster("bbb")}
    name = kitchen.start(steps, parameters={"gpu": False})
    kitchen.drive()
    assert kitchen.states(name) == {"maybe": "Skipped", "then": "Succeeded"}


def test_a_notification_without_a_receiver_says_so(kitchen: Kitchen) -> None:
    """It is left out, and the run goes on."""
    name = kitchen.start({"tell": {"notify": "contoso.done", "body": {"x": 1}}})
    kitchen.drive()
    assert "STEWARD_NOTIFY" in kitchen.steps(name)["tell"]["reason"]


def test_the_end_is_told_to_the_callers_receiver(kitchen: Kitchen) -> None:
    """A CloudEvent for the end of the run, once."""
    name = kitchen.start({"pause": {"wait": "PT0S"}}, Callback_Url="queue:told")
    kitchen.drive()
    (held,) = kitchen.told.messages
    assert '"type":"azureml-steward.recipe.succeeded"' in held.text
    assert [each["status"] for each in kitchen.run(name)["properties"]["deliveries"]] == ["Delivered"]


def test_the_same_key_is_the_same_run(kitchen: Kitchen) -> None:
    """Another recipe under it is refused."""
    first = kitchen.start({"pause": {"wait": "PT0S"}}, Idempotency_Key="k")
    assert kitchen.start({"pause": {"wait": "PT0S"}}, Idempotency_Key="k") == first
    status, told = kitchen.ask("POST", "recipes", {"steps": {"pause": {"wait": "PT1S"}}}, Idempotency_Key="k")
    assert (status, told["error"]["code"]) == (400, "IdempotencyKeyReused")


def test_a_canceled_run_takes_no_further_step(kitchen: Kitchen) -> None:
    """What was submitted goes on in Azure."""
    name = kitchen.start({"a": _cluster("aaa"), "b": _cluster("bbb")})
    kitchen.drive(5)
    status, run = kitchen.ask("POST", f"recipes/runs/{name}/cancel")
    assert (status, run["status"]) == (200, "Canceled")
    kitchen.drive()
    assert kitchen.steward.azure.count("computes/bbb") == 0
    assert kitchen.states(name) == {"a": "Canceled", "b": "NotTaken"}
    assert kitchen.ask("GET", f"recipes/runs/{name}/result")[0] == 409


def test_runs_are_listed_newest_first_and_by_page(kitchen: Kitchen) -> None:
    """By recipe and status, with a nextLink."""
    names = []
    for _ in range(3):
        names.append(kitchen.start({"pause": {"wait": "PT0S"}}))
        kitchen.steward.clock.advance(1)
    kitchen.drive()
    status, page = kitchen.ask("GET", "recipes/runs?$top=2&status=Succeeded")
    assert (status, [run["name"] for run in page["value"]]) == (200, names[:0:-1])
    assert kitchen.ask("GET", page["nextLink"].removeprefix("/api/"))[1]["value"][0]["name"] == names[0]
    assert kitchen.ask("GET", "recipes/runs?status=Failed")[1] == {"value": []}
