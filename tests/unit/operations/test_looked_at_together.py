"""Many operations in one collection are looked at in one list; whatever the list says, each ends as it would by GETs of its own."""

from __future__ import annotations

import copy
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from shared.operations import redaction, settle
from shared.operations.looks import shared_lists
from shared.rest.client import Response
from tests import fake_azure
from tests.fake_azure import ARM, WORKSPACE, FakeAzure
from tests.steward import Steward

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.operations.models import Operation
    from tests.fakes import Clock, Fuse

COMPUTE = {"location": "westeurope", "properties": {"computeType": "AmlCompute"}}
JOB = {"properties": {"jobType": "Command", "command": "python train.py"}}
ERROR = {"code": "QuotaExceeded", "message": "There are no cores left."}
PAGE = 50
MANY = 40
EVERY_S = 0.05  # between two requests


class ListingAzure(FakeAzure):
    """An Azure whose lists have pages, and are as the test spoils them."""

    def __init__(self, clock: Clock, fuse: Fuse) -> None:
        super().__init__(clock, fuse)
        self.spoil: Callable[[list[dict[str, Any]]], list[dict[str, Any]]] = lambda items: items
        self.lists = 0

    def _read(self, url: str, path: str) -> Response:
        found = super()._read(url, path)
        if not isinstance(found.body, dict) or "value" not in found.body or not path.endswith(("/computes", "/jobs")):
            return found
        self.lists += 1
        first = int((re.findall(r"skip=(\d+)", url) or ["0"])[0])
        shown = [{name: value for name, value in each.items() if name != "_error"} for each in found.body["value"]]
        items = self.spoil(copy.deepcopy(shown))
        rest = {"nextLink": f"{ARM}{path}?api-version=2025-12-01&skip={first + PAGE}"} if len(items) > first + PAGE else {}
        return Response(status=200, url=url, headers=found.headers, body={"value": items[first : first + PAGE], **rest})


@pytest.fixture
def steward() -> Steward:
    """An app whose Azure has such lists."""
    made = Steward()
    made.azure = ListingAzure(made.clock, made.fuse)
    made.restart()
    return made


def lists(steward: Steward) -> ListingAzure:
    """Return the Azure of a test."""
    assert isinstance(steward.azure, ListingAzure)
    return steward.azure


def made(steward: Steward, count: int = MANY, method: str = "PUT", kind: str = "computes") -> list[Operation]:
    """Send so many requests, one soon after another, and follow them to their ends."""
    body = None if method == "DELETE" else JOB if kind == "jobs" else COMPUTE
    begun = []
    for number in range(count):
        begun.append(steward.submit(method, f"workspaces/w1/{kind}/c{number}", body))
        steward.clock.advance(EVERY_S)
    lists(steward).requests.clear()
    steward.drive()
    return [steward.load(each) for each in begun]


def gets(steward: Steward) -> float:
    """Return how many GETs were sent."""
    return sum(each.startswith("GET ") for each in lists(steward).requests)


def shown(steward: Steward, operation: Operation) -> Any:
    """Return an operation's target as its own GET shows it, as far as that is kept."""
    body = {name: value for name, value in (lists(steward).get(operation.target) or {}).items() if name != "_error"}
    return redaction.redacted(settle.kind_of(operation), body)


def late_s(ended: list[Operation], took_s: float) -> list[float]:
    """Return how late each end was noticed."""
    return [(each.ended_at - each.created_at).total_seconds() - took_s for each in ended if each.ended_at]


@pytest.mark.parametrize("count", [MANY, 120])
def test_many_computes_cost_one_closing_read_each(steward: Steward, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """A status URL ends an operation, so each is asked once; the resource is the list's own item."""
    monkeypatch.setattr(fake_azure, "DURATION_S", 31.0)
    ended = made(steward, count)
    assert {each.status for each in ended} == {"Succeeded"}
    assert [each.result["properties"]["provisioningState"] for each in ended] == ["Succeeded"] * count
    assert [each.calls["poll"] for each in ended].count(1) >= count * 0.9
    assert gets(steward) <= 1.3 * count
    assert sorted(late_s(ended, 31.0))[count // 2] <= 1.5
    assert max(late_s(ended, 31.0)) <= 5.0
    assert steward.fuse.calls.count("queue.send") <= 1.5 * count  # a look before that time brings no news, and costs a message


def test_many_jobs_cost_next_to_nothing(steward: Steward, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job's own status ends it, and the list has the job: no GET of its own, unless as a check of the list."""
    monkeypatch.setattr(fake_azure, "JOB_S", 60.0)
    ended = made(steward, 100, kind="jobs")
    assert {each.status for each in ended} == {"Succeeded"}
    for each in ended:
        assert each.result == shown(steward, each)
    assert gets(steward) <= 0.3 * 100
    assert max(late_s(ended, 60.0)) <= 30.0


def test_a_list_of_nothing_new_ends_nothing(steward: Steward) -> None:
    """Of deletions, too: what is gone from the list is asked for by its operation's own GET."""
    made(steward)
    ended = made(steward, method="DELETE")
    assert {each.status for each in ended} == {"Succeeded"}
    assert gets(steward) <= 1.5 * MANY
    assert lists(steward).count("DELETE") == MANY


def test_few_are_not_looked_at_in_a_list(steward: Steward) -> None:
    """Two GETs cost no more than a list and a closing read."""
    ended = made(steward, shared_lists.FEW - 1)
    assert lists(steward).lists == 0
    assert not any("list" in each.calls for each in ended)


def test_azures_reason_for_a_failure_comes_from_the_status_url(steward: Steward) -> None:
    """The item of a list only says that there is one."""
    lists(steward).failing = {f"{WORKSPACE}/computes/c{number}": ERROR for number in range(0, MANY, 2)}
    ended = made(steward)
    assert [each.status for each in ended] == ["Failed", "Succeeded"] * (MANY // 2)
    assert {each.error.code for each in ended if each.error} == {"QuotaExceeded"}
    assert lists(steward).lists


def before(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Make of each item what it was long before the requests: it had succeeded with other properties."""
    for each in items:
        each["properties"] = {"provisioningState": "Succeeded", "status": "Completed", "old": True}
        each["systemData"] = dict.fromkeys(("createdAt", "lastModifiedAt"), "2026-02-01T00:00:00Z")
    return items


def again(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Make of each item one that another client made later under that name, which has succeeded."""
    for each in items:
        each["properties"] = {"provisioningState": "Succeeded", "status": "Completed", "old": True}
        each["systemData"] = dict.fromkeys(("createdAt", "lastModifiedAt"), "2026-12-01T00:00:00Z")
    return items


def at_work(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Have each item be at work for ever."""
    for each in items:
        each["properties"] |= {"provisioningState": "Updating", "status": "Running"}
    return items


SPOILED: dict[str, Callable[[list[dict[str, Any]]], list[dict[str, Any]]]] = {
    "as it was before": before,
    "made by another request": again,
    "at work for ever": at_work,
    "empty": lambda _: [],
    "without every other one": lambda items: items[::2],
    "without states": lambda items: [{**each, "properties": {}} for each in items],
    "without ids": lambda items: [{**each, "id": None} for each in items],
    "of something else": lambda _: ["x"],  # type: ignore[list-item]
    "failed": lambda items: [
        {**each, "properties": {**each["properties"], "provisioningState": "Failed", "status": "Failed"}} for each in items
    ],
}


@pytest.mark.parametrize("kind", ["computes", "jobs"])
@pytest.mark.parametrize("spoiled", SPOILED)
def test_a_list_that_is_wrong_ends_nothing_wrongly(
    steward: Steward, monkeypatch: pytest.MonkeyPatch, spoiled: str, kind: str
) -> None:
    """It lags behind, shows too little or another's resource: the ends and results are Azure's own, within minutes."""
    monkeypatch.setattr(fake_azure, "JOB_S", 60.0)
    lists(steward).spoil = SPOILED[spoiled]
    ended = made(steward, 10, kind=kind)
    assert lists(steward).lists
    assert {each.status for each in ended} == {"Succeeded"}
    for each in ended:
        assert each.result == shown(steward, each)
        assert each.ended_at
        assert each.ended_at - each.created_at < timedelta(minutes=6)


def test_an_update_is_not_ended_by_what_was_there_before(steward: Steward) -> None:
    """A list that lags shows each resource as it was before the PUT: ready, with the old properties."""
    made(steward, 10)
    old = {each["id"]: copy.deepcopy(each) for each in lists(steward).resources.values() if "/computes/" in each["id"]}
    lists(steward).spoil = lambda items: [old[each["id"]] for each in items]
    lists(steward).lists = 0
    changed = {**COMPUTE, "properties": {**COMPUTE["properties"], "description": "new"}}
    begun = [steward.submit("PUT", f"workspaces/w1/computes/c{number}", changed) for number in range(10)]
    steward.drive()
    assert lists(steward).lists
    for each in map(steward.load, begun):
        assert each.result["properties"]["description"] == "new"
        assert each.result["properties"]["provisioningState"] == "Succeeded"


REFUSALS: dict[str, fake_azure.Fault] = {
    "forbidden": fake_azure.Fault(method="GET", match="", response=fake_azure.refusal(403, "AuthorizationFailed", "No.")),
    "throttled": fake_azure.Fault(method="GET", match="", problem=fake_azure.throttled(7.0)),
    "lost": fake_azure.Fault(method="GET", match="", problem=fake_azure.lost(arrived=True)),
}


@pytest.mark.parametrize("why", REFUSALS)
def test_a_list_that_is_refused_is_left_alone(steward: Steward, why: str) -> None:
    """Each operation is then followed by its own GETs; one list in some minutes is tried."""
    fault = copy.copy(REFUSALS[why])
    fault.match, fault.times = r"/computes\?", 1000
    lists(steward).faults.append(fault)
    ended = made(steward)
    assert {each.status for each in ended} == {"Succeeded"}
    assert not any("list" in each.calls for each in ended)
    assert 1000 - fault.times <= 2


def test_a_list_that_leads_elsewhere_is_not_followed(steward: Steward) -> None:
    """Its nextLink is another collection's: what was found so far counts."""
    seen = lists(steward)._read

    def elsewhere(url: str, path: str) -> Response:
        found = seen(url, path)
        if path.endswith("/computes"):
            found.body["nextLink"] = f"{ARM}{WORKSPACE}/jobs?api-version=2025-12-01"
        return found

    lists(steward)._read = elsewhere  # type: ignore[method-assign]
    ended = made(steward, 3 * PAGE)
    assert {each.status for each in ended} == {"Succeeded"}
    assert not any(urlsplit(each.partition(" ")[2]).path.endswith("/jobs") for each in lists(steward).requests)


def test_what_a_process_keeps_is_bounded(steward: Steward) -> None:
    """Lists are forgotten within seconds, operations with their ends, collections when there are many."""
    made(steward)
    known = steward.process.lists
    steward.clock.advance(60)
    begun = [steward.submit("PUT", f"workspaces/w{n}/computes/c", COMPUTE) for n in range(shared_lists.COLLECTIONS + 20)]
    assert len(known._held) == shared_lists.COLLECTIONS
    assert not any(each.items for each in known._held.values())
    assert sum(len(each.due) + len(each.looked) for each in known._held.values()) <= len(begun)
