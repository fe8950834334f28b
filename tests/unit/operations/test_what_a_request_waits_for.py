"""Requests that would harm each other in Azure go one after the other, whoever sends them and however they are written."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from shared.catalog import kinds
from shared.operations import listing, models
from shared.rest import ids
from tests.fake_azure import GROUP, ML, WORKSPACE, Fault, refusal
from tests.fakes import Killed
from tests.steward import Steward

ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/st2"
ACCOUNT_BODY = {"location": "westeurope", "sku": {"name": "Standard_LRS"}, "kind": "StorageV2"}
RULE = {"properties": {"type": "FQDN", "destination": "pypi.org", "category": "UserDefined"}}
PATHS = [f"workspaces/w1/outboundRules/rule{n}" for n in range(3)]
SOON = timedelta(milliseconds=500)
COMPUTE = {"properties": {"computeType": "AmlCompute"}}


def listed(steward: Steward, target: str) -> set[str]:
    """What `operations?target=` shows."""
    wanted = listing.Wanted(top=50, target=ids.parse(target))
    return {each.id for each in listing.page(wanted, steward.ledger, steward.clock(), lambda: False)[0]}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "workspaces/w1", {"tags": {"a": "b"}}),
        ("POST", "workspaces/w1/provisionManagedNetwork", None),
        ("PUT", "workspaces/w1/outboundRules/other", RULE),
        ("PUT", "workspaces/W1/OUTBOUNDRULES/Other", RULE),
        ("DELETE", "workspaces/w1/outboundRules/rule9", None),
        ("PUT", "workspaces/w1/privateEndpointConnections/p1", {"properties": {}}),
    ],
)
def test_what_shares_a_managed_network_waits_for_its_turn(steward: Steward, method: str, path: str, body: Any) -> None:
    """Azure keeps it in one object: what is written later is written without what is under way."""
    first = steward.submit("PUT", PATHS[0], RULE)
    second = steward.submit(method, path, body)
    assert (first.phase, second.phase) == ("following", "waiting")
    steward.drive()
    assert [steward.load(each).status for each in (first, second)] == ["Succeeded", "Succeeded"]


def test_rules_of_two_workspaces_do_not_wait_for_each_other(steward: Steward) -> None:
    """Their networks are two."""
    steward.azure.put(f"{ML}/workspaces/w2", {"location": "westeurope"})
    steward.submit("PUT", PATHS[0], RULE)
    assert steward.submit("PUT", "workspaces/w2/outboundRules/rule0", RULE).phase == "following"
    assert steward.submit("PUT", "workspaces/w1/computes/c1", COMPUTE).phase == "following"


def test_operations_are_found_by_their_target_wherever_their_lane_is(steward: Steward) -> None:
    """By the rule, and not by the workspace whose lane it is; also one that an older app kept in the target's own partition."""
    made = [steward.submit("PUT", path, RULE) for path in PATHS]
    patched = steward.submit("PATCH", "workspaces/w1", {"tags": {}})
    assert len({each.partition for each in (*made, patched)}) == 1
    for operation in (*made, patched):
        assert listed(steward, operation.target) == {operation.id}
        target = ids.parse(operation.target)
        assert steward.ledger.open_on(target) == {target.key: [operation.id]}
    target = ids.parse(made[0].target)
    own = models.partitions_of(target)[1]
    assert own != models.partition_of(target)
    steward.drive()


def test_only_what_azure_keeps_in_one_object_shares_a_lane() -> None:
    """Everything else has its own: a compute does not wait for its workspace."""
    shared = {kind.path for kind in kinds.KINDS if kind.lane}
    assert shared == {"workspaces/outboundRules", "workspaces/privateEndpointConnections"}
    compute = ids.parse(f"{WORKSPACE}/computes/c1")
    assert kinds.lane_of(compute) == compute
    assert models.partitions_of(compute) == (models.partition_of(compute),)


@pytest.mark.parametrize("spelling", [ACCOUNT, ACCOUNT.lower(), ACCOUNT.removeprefix("/")])
def test_a_workspace_waits_for_the_account_that_it_stands_on(steward: Steward, spelling: str) -> None:
    """Sent before it, it would be refused, or fail later: the app knows both."""
    account = steward.submit("PUT", ACCOUNT, ACCOUNT_BODY, respond_async=True)
    steward.clock.now += SOON
    body = {"location": "westeurope", "properties": {"storageAccount": spelling}}
    workspace = steward.submit("PUT", "workspaces/w2", body)
    assert (workspace.phase, workspace.calls) == ("accepted", {})
    assert any(each.what == "waits" and account.id in each.detail for each in workspace.timeline)
    steward.drive()
    ended = [steward.load(each) for each in (account, workspace)]
    assert [each.status for each in ended] == ["Succeeded", "Succeeded"]
    assert ended[1].sent_at >= ended[0].ended_at


@pytest.mark.parametrize("spelling", [ACCOUNT, ACCOUNT.upper(), f"{ACCOUNT}/"])
@pytest.mark.parametrize("where", ["w2", "w3"])
def test_an_account_is_not_deleted_under_the_workspaces_that_are_made_on_it(steward: Steward, spelling: str, where: str) -> None:
    """Whichever of two workspaces names it, and however: the DELETE came later, and goes later."""
    names = {"w2": "other", "w3": "other", where: "st2"}
    made = []
    for name, account in names.items():
        body = {
            "properties": {"storageAccount": spelling.replace("st2", account).replace("ST2", account)},
            "location": "westeurope",
        }
        made.append(steward.submit("PUT", f"workspaces/{name}", body, respond_async=True))
        steward.clock.now += SOON
    steward.azure.put(ACCOUNT, ACCOUNT_BODY)
    gone = steward.submit("DELETE", ACCOUNT)
    assert (gone.phase, gone.calls) == ("accepted", {})
    steward.drive()
    ended = [steward.load(each) for each in (*made, gone)]
    assert [each.status for each in ended] == ["Succeeded"] * 3
    assert ended[2].sent_at >= max(each.ended_at for each in ended[:2] if each.target.endswith(where))
    assert any(each.what == "waits" and "makes what stands on it" in each.detail for each in ended[2].timeline)


def test_a_delete_waits_for_nothing_else(steward: Steward) -> None:
    """Not for a workspace on another account, for a later one, or for a compute; and not for ever."""
    body = {"location": "westeurope", "properties": {"storageAccount": f"{ACCOUNT}x"}}
    steward.submit("PUT", "workspaces/w2", body, respond_async=True)
    steward.clock.now += SOON
    steward.azure.put(ACCOUNT, ACCOUNT_BODY)
    assert steward.submit("DELETE", ACCOUNT).calls == {"write": 1}
    assert steward.submit("DELETE", "workspaces/w1/computes/c9").calls.get("write") == 1
    steward.drive()


def test_two_that_name_each_other_do_not_wait_for_ever(steward: Steward) -> None:
    """Only the later one waits."""
    first = steward.submit("PUT", "workspaces/w2", {"location": "x", "properties": {"hubResourceId": f"{ML}/workspaces/w3"}})
    second = steward.submit("PUT", "workspaces/w3", {"location": "x", "properties": {"hubResourceId": f"{ML}/workspaces/w2"}})
    steward.drive()
    assert [steward.load(each).status for each in (first, second)] == ["Succeeded", "Succeeded"]


@pytest.mark.parametrize("status", [400, 404, 409])
def test_what_is_refused_for_what_is_still_being_made_is_sent_again(steward: Steward, status: int) -> None:
    """Any id in any body: the refusal is final when that has ended."""
    compute = steward.submit("PUT", "workspaces/w1/computes/c1", COMPUTE)
    steward.clock.now += SOON
    steward.azure.faults.append(
        Fault(method="PUT", match="/jobs/", response=refusal(status, "ComputeNotFound", "The compute was not found."))
    )
    body = {"properties": {"jobType": "Command", "computeId": f"{WORKSPACE}/computes/c1"}}
    job = steward.submit("POST", "workspaces/w1/jobs", body)
    assert (job.phase, job.status) == ("accepted", "Running")
    steward.drive()
    assert [steward.load(each).status for each in (compute, job)] == ["Succeeded", "Succeeded"]


def test_a_refusal_stands_when_nothing_that_the_body_names_is_being_made(steward: Steward) -> None:
    """At once, as Azure says it."""
    steward.azure.faults.append(Fault(method="PUT", match="/jobs/", response=refusal(404, "ComputeNotFound", "m")))
    body = {"properties": {"jobType": "Command", "computeId": f"{WORKSPACE}/computes/c1"}}
    job = steward.submit("POST", "workspaces/w1/jobs", body)
    assert job.error
    assert (job.status, job.http_status, job.error.code) == ("Failed", 404, "ComputeNotFound")


@pytest.mark.parametrize(
    ("versions", "ends"),
    [
        ("'2021-03-01, 2025-12-01'", "NoRegisteredProviderFound"),
        ("'2025-12-01,2025-09-01'", "NoRegisteredProviderFound"),
        ("''", "looked"),
    ],
)
def test_an_api_version_that_the_provider_does_not_know_is_refused_at_once(steward: Steward, versions: str, ends: str) -> None:
    """Azure's own first answer is the 400 with the versions there are: no look at the provider is needed."""
    message = f"No registered resource provider found for location 'x'. The supported api-versions are {versions}."
    steward.azure.faults.append(
        Fault(method="PUT", match="/computes/", response=refusal(400, "NoRegisteredProviderFound", message))
    )
    operation = steward.submit("PUT", "workspaces/w1/computes/c1", COMPUTE, api_version="2099-01-01")
    if ends == "looked":
        assert operation.phase == "registering"
        return
    assert operation.error
    assert (operation.status, operation.http_status, operation.error.code, operation.calls) == ("Failed", 400, ends, {"write": 1})


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_process_that_dies_anywhere_in_a_shared_lane_leaves_it_in_order(after: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Between its place in the lane and the send, too: what came later still waits, and each is done once."""
    for nth in range(1, 30):
        steward = Steward()
        first = steward.submit("PUT", PATHS[0], RULE)
        steward.fuse.blow(nth, after=after)
        with suppress(Killed):
            steward.submit("PUT", PATHS[1], RULE)
            steward.drive()
        steward.restart()
        third = steward.submit("PATCH", "workspaces/w1", {"tags": {"a": "b"}})
        steward.fuse.disarm()
        steward.drive()
        every = steward.ledger.newest(top=5)
        assert {each.status for each in every} == {"Succeeded"}, nth
        assert {first.id, third.id} <= {each.id for each in every}
        in_turn = sorted(every, key=lambda each: each.sent_at or each.created_at)
        assert all(one.ended_at <= two.sent_at for one, two in pairwise(in_turn) if one.ended_at and two.sent_at), nth
        assert steward.azure.count("^PUT workspaces/w1/outboundRules/rule1$") == len(every) - 2
        assert not steward.open.rows
        assert [key for _, key in steward.rows.rows if key == "lane"] == []
