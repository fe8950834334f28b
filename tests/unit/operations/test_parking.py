"""Parking and waking an online endpoint: nothing is lost, nothing is done twice, and what is in use is left alone."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from shared.endpoints import snapshots, waking
from shared.operations import flows
from shared.rest import errors, ids
from tests import tables
from tests.fake_azure import WORKSPACE, FakeAzure, Fault, lost, refusal
from tests.fakes import Killed
from tests.steward import Steward

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.operations.models import Operation
    from shared.rest.client import Response

ENDPOINT = f"{WORKSPACE}/onlineEndpoints/echo"
PATH = "workspaces/w1/onlineEndpoints/echo"
SPEC = {"endpointComputeType": "Managed", "model": f"{WORKSPACE}/models/m/versions/1", "instanceType": "Standard_DS3_v2"}
EFFECTS = [
    "PUT workspaces/w1/onlineEndpoints/echo",
    "DELETE workspaces/w1/onlineEndpoints/echo/deployments/green",
    "DELETE workspaces/w1/onlineEndpoints/echo/deployments/blue",
]


class EndpointAzure(FakeAzure):
    """An Azure that lists deployments, and keeps those that have traffic."""

    def pages(self, url: str) -> Iterator[dict[str, Any]]:
        """See `client.Client.pages`."""
        yield from self.send("GET", url).checked().body["value"]

    def _read(self, url: str, path: str) -> Response:
        if path.endswith("/deployments"):
            found = [copy.deepcopy(each) for key, each in self.resources.items() if key.startswith(f"{path.lower()}/")]
            for each in found:
                each.pop("_error", None)
            answer = super()._read(url, WORKSPACE)
            return replace(answer, body={"value": found})
        return super()._read(url, path)

    def _delete(self, url: str, path: str) -> Response:
        endpoint, _, name = path.partition("/deployments/")
        traffic = self.resources[endpoint.lower()]["properties"].get("traffic") or {}
        assert not traffic.get(name), "a deployment with traffic cannot be deleted"
        return super()._delete(url, path)

    def _put(self, url: str, path: str, body: Any) -> Response:
        for name in body["properties"].get("traffic") or {}:
            assert f"{path}/deployments/{name}".lower() in self.resources, "traffic goes to what is there"
        own = (self.resources.get(path.lower()) or {}).get("properties", {})
        answer = super()._put(url, path, body)
        self.resources[path.lower()]["properties"] |= {name: own[name] for name in ("scoringUri",) if name in own}
        return answer


@pytest.fixture
def steward() -> Steward:
    """An app before an endpoint with two deployments."""
    return prepared()


def prepared() -> Steward:
    """Make one."""
    made = Steward()
    made.azure = EndpointAzure(made.clock, made.fuse)
    made.restart()
    own = {"authMode": "Key", "traffic": {"blue": 90, "green": 10}, "mirrorTraffic": {}, "scoringUri": "https://e/score"}
    made.azure.put(ENDPOINT, {"location": "westeurope", "tags": {"team": "a"}, "properties": own})
    for name, count in (("green", 1), ("blue", 3)):
        body = {
            "location": "westeurope",
            "sku": {"name": "Default", "capacity": count},
            "properties": {**SPEC, "description": name},
        }
        made.azure.put(f"{ENDPOINT}/deployments/{name}", body)
    return made


def state(steward: Steward) -> Any:
    """What callers of Azure see: tags, traffic, capacity of each deployment."""
    endpoint = steward.azure.get(ENDPOINT) or {}
    there = {
        name: found["sku"]["capacity"]
        for name in ("blue", "green")
        if (found := steward.azure.get(f"{ENDPOINT}/deployments/{name}"))
    }
    return endpoint.get("tags"), {name: share for name, share in endpoint["properties"]["traffic"].items() if share}, there


WHOLE = ({"team": "a"}, {"blue": 90, "green": 10}, {"blue": 3, "green": 1})


def run(steward: Steward, action: str, **more: Any) -> Operation:
    """Carry an action out to its end."""
    operation = steward.submit("POST", f"{PATH}/{action}", **more)
    steward.drive()
    return steward.load(operation)


def record(steward: Steward) -> snapshots.Record | None:
    """What is kept."""
    return snapshots.load(ids.parse(ENDPOINT), steward.blobs)


def test_park_takes_everything_and_wake_puts_it_back(steward: Steward) -> None:
    """Tagged and empty in between, the same as before afterwards; nothing is kept any more then."""
    ended = run(steward, "park")
    tags, traffic, there = state(steward)
    assert (ended.status, traffic, there) == ("Succeeded", {}, {})
    assert tags[snapshots.TAG].startswith("since 2026-03-02T09:00:00")
    assert tags[snapshots.TAG].endswith("blue, green")
    assert steward.azure.effects == EFFECTS
    assert run(steward, "wake").status == "Succeeded"
    assert state(steward) == WHOLE
    assert record(steward) is None
    steward.azure.effects.clear()
    assert (run(steward, "wake").status, steward.azure.effects) == ("Succeeded", [])


def test_parking_twice_changes_nothing(steward: Steward) -> None:
    """The second finds it parked."""
    run(steward, "park")
    kept = record(steward)
    assert run(steward, "park").status == "Succeeded"
    assert (steward.azure.effects, record(steward)) == (EFFECTS, kept)


def parked_and_woken(here: Steward) -> tuple[list[Any], int]:
    """Park, then wake, with a caller that asks again after a crash: the operations, and how often the caller saw one."""
    operations: list[Any] = []
    kills = 0
    for action in ("park", "wake"):
        asked = len(operations) + 1
        while len(operations) < asked:
            try:
                operations.append(here.submit("POST", f"{PATH}/{action}", idempotency_key=action))
            except Killed:
                kills += 1
                here.restart()
        here.drive()
    return operations, kills


@pytest.mark.sweep
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_any_moment_it_does_everything_once(after: bool) -> None:  # noqa: FBT001
    """Park, then wake, with the process killed at each I/O call in turn: each write takes effect exactly once."""
    unharmed = prepared()
    before = len(unharmed.fuse.calls)
    parked_and_woken(unharmed)
    total, kills = len(unharmed.fuse.calls) - before, 0
    assert total > 60
    for nth in tables.sample(range(1, total + 1), 45, seed=f"park {after}"):
        here = prepared()
        here.fuse.blow(nth, after=after)
        operations, seen = parked_and_woken(here)
        kills += seen
        here.fuse.disarm()
        assert [here.load(each).status for each in operations] == ["Succeeded", "Succeeded"], nth
        back = [f"PUT workspaces/w1/onlineEndpoints/echo/deployments/{name}" for name in ("blue", "green")]
        assert here.azure.effects == [*EFFECTS, *back, "PUT workspaces/w1/onlineEndpoints/echo"], nth
        assert (state(here), record(here)) == (WHOLE, None), nth
    assert kills > 3


def test_a_deployment_that_is_changed_meanwhile_stops_the_parking_and_all_is_put_back(steward: Steward) -> None:
    """Green is deleted already when somebody changes blue: green comes back, traffic too, and the operation says why."""
    operation = steward.submit("POST", f"{PATH}/park")
    blue = f"{ENDPOINT}/deployments/blue"
    while steward.azure.get(f"{ENDPOINT}/deployments/green"):
        steward.clock.advance(1)
        steward.step()
    steward.azure.put(blue, {**(steward.azure.get(blue) or {}), "sku": {"name": "Default", "capacity": 7}})["systemData"][
        "lastModifiedAt"
    ] = steward.clock().isoformat()
    steward.drive()
    ended = steward.load(operation)
    assert (ended.status, ended.http_status, ended.error and ended.error.code) == ("Failed", 422, "ParkInterrupted")
    assert "blue" in str(ended.error and ended.error.message)
    assert state(steward) == (*WHOLE[:2], {"blue": 7, "green": 1})
    assert steward.azure.count("DELETE .*blue") == 0
    assert record(steward) is None


def test_traffic_that_is_changed_meanwhile_stops_the_parking(steward: Steward) -> None:
    """Before anything was written: nothing is."""
    operation = steward.submit("POST", f"{PATH}/park", respond_async=True)
    steward.step()
    (steward.azure.get(ENDPOINT) or {})["properties"]["traffic"] = {"blue": 100, "green": 0}
    steward.drive()
    ended = steward.load(operation)
    assert (ended.status, ended.error and ended.error.code) == ("Failed", "ParkInterrupted")
    assert steward.azure.effects == []


def test_a_deployment_that_somebody_deletes_meanwhile_does_not_come_back(steward: Steward) -> None:
    """Its share goes to the other one."""
    operation = steward.submit("POST", f"{PATH}/park", respond_async=True)
    steward.step()
    del steward.azure.resources[f"{ENDPOINT}/deployments/green".lower()]
    steward.drive()
    assert steward.load(operation).status == "Succeeded"
    assert run(steward, "wake").status == "Succeeded"
    assert state(steward) == ({"team": "a"}, {"blue": 100}, {"blue": 3})


def test_a_deployment_that_does_not_start_ends_the_wake_by_its_name_and_the_next_wake_tries_again(steward: Steward) -> None:
    """Out of quota: the record stays."""
    run(steward, "park")
    steward.azure.failing[f"{ENDPOINT}/deployments/blue"] = {"code": "OutOfQuota", "message": "Not enough quota."}
    ended = run(steward, "wake")
    assert (ended.status, ended.error and ended.error.code) == ("Failed", "WakeFailed")
    assert "'blue'" in str(ended.error)
    assert "Not enough quota." in str(ended.error)
    assert record(steward)
    assert run(steward, "wake").status == "Succeeded"
    assert state(steward) == WHOLE


def test_a_refused_delete_turns_the_parking_round(steward: Steward) -> None:
    """A lock, say: traffic is given back, and the refusal is the operation's error."""
    steward.azure.faults.append(Fault(method="DELETE", match="green", response=refusal(409, "ScopeLocked", "locked")))
    ended = run(steward, "park")
    assert (ended.status, ended.error and ended.error.code) == ("Failed", "ScopeLocked")
    assert state(steward) == WHOLE


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize("after", [False, True])
def test_lost_answers_and_throttling_only_cost_time(steward: Steward, method: str, after: bool) -> None:  # noqa: FBT001
    """Whether or not the request arrived."""
    steward.azure.faults.append(Fault(method=method, match="onlineEndpoints", problem=lost(arrived=True), after=after, times=3))
    assert run(steward, "park").status == "Succeeded"
    assert run(steward, "wake").status == "Succeeded"
    assert state(steward) == WHOLE
    assert steward.azure.count("DELETE") == 2


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"provisioningState": "Failed"}, "NotReadyToPark"),
        ({"environmentVariables": {"API_KEY": "abc"}}, "VariablesNotKept"),
        ({"environmentVariables": {"URL": "https://x?sig=1"}}, "VariablesNotKept"),
    ],
)
def test_what_could_not_be_put_back_or_not_be_kept_is_not_parked(steward: Steward, change: dict[str, Any], code: str) -> None:
    """409, and nothing was written."""
    (steward.azure.get(f"{ENDPOINT}/deployments/blue") or {})["properties"].update(change)
    ended = run(steward, "park")
    assert (ended.status, ended.http_status, ended.error and ended.error.code) == ("Failed", 409, code)
    assert steward.azure.effects == []
    assert "sig=1" not in steward.everything_stored()


@pytest.mark.parametrize("said", ["body", "tag"])
def test_variables_are_kept_when_the_owner_says_that_none_is_a_secret(steward: Steward, said: str) -> None:
    """By the request or by the endpoint's tag; harmless ones need no word."""
    own = (steward.azure.get(f"{ENDPOINT}/deployments/blue") or {})["properties"]
    own["environmentVariables"] = {"MODE": "fast", "WORKER_COUNT": "4"}
    (steward.azure.get(ENDPOINT) or {})["tags"].update({snapshots.VARIABLES_TAG: "store"} if said == "tag" else {})
    ended = run(steward, "park", body={"environmentVariables": "store"} if said == "body" else None)
    assert ended.status == "Succeeded"
    assert run(steward, "wake").status == "Succeeded"
    found = steward.azure.get(f"{ENDPOINT}/deployments/blue") or {}
    assert found["properties"]["environmentVariables"] == {"MODE": "fast", "WORKER_COUNT": "4"}


@pytest.mark.parametrize(
    ("name", "value", "harmless"),
    [
        ("WORKER_COUNT", "4", True),
        ("ANY", "true", True),
        ("ANY", "", True),
        ("ANY", "12345678", False),
        ("ANY", "${{azureml://connections/openai/credentials/key}}", True),
        ("ANY", "${{azureml://connections/a}} and more", False),
        ("MODE", "fast", False),
    ],
)
def test_a_variable_is_kept_only_when_it_cannot_be_a_secret(name: str, value: str, harmless: bool) -> None:  # noqa: FBT001
    """A known setting, a small number, nothing, or a reference to a connection."""
    assert snapshots.plain(name, value) is harmless


def test_what_is_kept_holds_no_signed_url_and_nothing_read_only() -> None:
    """What Azure adds would be refused or is a secret."""
    body = {
        "id": "x",
        "systemData": {},
        "location": "westeurope",
        "tags": None,
        "identity": {"type": "UserAssigned", "principalId": "p", "userAssignedIdentities": {"/u": {"clientId": "c"}}},
        "properties": {
            "provisioningState": "Succeeded",
            "scoringUri": "u",
            "model": "m",
            "description": None,
            "properties": {"AzureAsyncOperationUri": "https://signed", "a": "b"},
        },
    }
    assert snapshots.putable(body) == {
        "location": "westeurope",
        "identity": {"type": "UserAssigned", "userAssignedIdentities": {"/u": {}}},
        "properties": {"model": "m", "properties": {"a": "b"}},
    }


def test_no_signed_url_outlives_the_operation(steward: Steward) -> None:
    """While it is followed it is in the row; then no more, and never in the view."""
    operation = steward.submit("POST", f"{PATH}/park")
    assert "sIgNaTuRe" not in json.dumps(operation.view())
    steward.drive()
    rows = [repr(row) for row in steward.rows.rows.values()]
    assert not any("sIgNaTuRe" in row for row in rows)


def test_a_parking_that_has_begun_cannot_be_cancelled_half_way(steward: Steward) -> None:
    """409 `NotCancelable`; one that has not begun is."""
    begun = steward.submit("POST", f"{PATH}/park")
    with pytest.raises(errors.BadRequestError, match="NotCancelable"):
        flows.cancel(steward.stored(begun), steward.process)
    steward.drive()
    waiting = steward.submit("POST", f"{PATH}/wake", respond_async=True)
    assert flows.cancel(steward.stored(waiting), steward.process).status == "Canceled"


def test_an_endpoint_that_another_installation_parked_is_left_alone(steward: Steward) -> None:
    """Tagged, and nothing kept of it."""
    (steward.azure.get(ENDPOINT) or {})["tags"][snapshots.TAG] = "since then"
    ended = run(steward, "wake")
    assert (ended.status, ended.error and ended.error.code) == ("Failed", "ParkRecordLost")


def test_an_endpoint_made_anew_is_not_given_the_old_ones_deployments(steward: Steward) -> None:
    """The record is of the one that was deleted."""
    run(steward, "park")
    own = {"authMode": "Key", "traffic": {}}
    steward.azure._store(ENDPOINT, {"location": "westeurope", "tags": {}, "properties": own}, "Succeeded")
    steward.azure.effects.clear()
    assert run(steward, "wake").status == "Succeeded"
    assert steward.azure.effects == []


def test_calls_that_find_it_parked_start_one_wake(steward: Steward) -> None:
    """However many: the same operation, until it has failed for a while; then one new one."""
    run(steward, "park")
    target, tag = steward.request("POST", f"{PATH}/score").target, state(steward)[0][snapshots.TAG]
    steward.azure.failing[f"{ENDPOINT}/deployments/blue"] = {"code": "OutOfQuota", "message": "Not enough quota."}
    first = {waking.start(target, tag, steward.process).id for _ in range(5)}
    assert len(first) == 1
    steward.drive()
    failed = waking.start(target, tag, steward.process)
    assert {failed.id} == first
    found = snapshots.EndpointParkedError(target.id, tag)
    told, pause_s = waking.told(found, failed, steward.clock())
    assert "Not enough quota." in told.message
    assert 200 < pause_s <= 300
    steward.clock.advance(301)
    again = {waking.start(target, tag, steward.process).id for _ in range(5)}
    assert len(again) == 1
    assert not again & first
    steward.drive()
    assert state(steward) == WHOLE
    assert urlsplit(told.target or "").path.endswith("echo")


def test_a_wake_that_came_before_this_parking_is_none_for_it(steward: Steward) -> None:
    """Parked again seconds after it was woken: a call starts a wake of its own."""
    run(steward, "park")
    run(steward, "wake")
    run(steward, "park")
    target, tag = steward.request("POST", f"{PATH}/score").target, state(steward)[0][snapshots.TAG]
    wake = waking.start(target, tag, steward.process)
    assert not wake.ended
    steward.drive()
    assert state(steward) == WHOLE
