"""The whole way: the timer fires, operations delete through ARM, and only what is stale or idle is gone."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from infra.local.emulator import scene

if TYPE_CHECKING:
    from infra.local.demo.client import Steward

WORKSPACE = "workspaces/ml-clean"
OLD = {"systemData": {"createdAt": "2020-01-01T00:00:00.0000000Z", "lastModifiedAt": "2020-01-01T00:00:00.0000000Z"}}
LONG_IDLE = {
    **OLD,
    "properties": {
        "createdOn": "2020-01-01T00:00:00.0000000+00:00",
        "modifiedOn": "2020-01-01T00:00:00.0000000+00:00",
        "properties": {"allocationStateTransitionTime": "2020-01-01T00:00:00.0000000+00:00"},
    },
}
LONG_RUNNING = {
    **LONG_IDLE,
    "properties": {
        **LONG_IDLE["properties"],
        "properties": {"lastOperation": {"operationTime": "2020-01-01T00:00:00.0000000+00:00"}},
    },
}


@pytest.fixture(scope="module")
def scenery(arm, model_uri):
    """Stale and idle things beside what only looks like them."""
    dependencies = {
        "storageAccount": scene.STORAGE_ID,
        "keyVault": scene.KEY_VAULT_ID,
        "applicationInsights": scene.INSIGHTS_ID,
        "containerRegistry": scene.REGISTRY_ID,
    }
    arm.put("", {"identity": {"type": "SystemAssigned"}, "properties": dependencies})
    for model in ("stale", "served", "kept"):
        for version in ("1", "2"):
            tags = {"steward-keep": "yes"} if (model, version) == ("kept", "1") else {}
            arm.put(f"models/{model}/versions/{version}", {"properties": {"modelUri": model_uri, "tags": tags}})
            arm.age(f"models/{model}/versions/{version}", OLD if version == "1" else {})
    scale = {"vmSize": "Standard_D1", "scaleSettings": {"maxNodeCount": 1, "minNodeCount": 0}}
    for name, tags in (("idle-one", {}), ("kept-one", {"Steward-Keep": ""}), ("fresh-one", {}), ("batch-one", {})):
        arm.put(f"computes/{name}", {"tags": tags, "properties": {"computeType": "AmlCompute", "properties": scale}})
        arm.age(f"computes/{name}", {} if name == "fresh-one" else LONG_IDLE)
    arm.put("computes/forgotten", {"properties": {"computeType": "ComputeInstance", "properties": {"vmSize": "Standard_D1"}}})
    arm.age("computes/forgotten", LONG_RUNNING)
    arm.put("batchEndpoints/nightly-ep", {"properties": {}})
    deployed = {"model": {"referenceType": "Id", "assetId": "azureml:served:1"}, "compute": "azureml:batch-one"}
    arm.put("batchEndpoints/nightly-ep/deployments/blue", {"properties": deployed})


def inventory(steward: Steward) -> set[str]:
    """Return every compute and model version of the workspace."""
    found = {f"computes/{compute['name']}" for compute in steward.list(f"{WORKSPACE}/computes")}
    for model in steward.list(f"{WORKSPACE}/models"):
        found |= {f"{model['name']}:{version['name']}" for version in steward.list(f"{WORKSPACE}/models/{model['name']}/versions")}
    return found


def ended(steward: Steward, name: str) -> dict[str, Any]:
    """Return the report once all that it started has ended."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        report = steward.get(f"cleanup/reports/{name}")
        if report.get("endTime"):
            return report
        time.sleep(0.2)
    pytest.fail(f"not ended: {report}")


def test_a_fault_while_references_are_read_keeps_everything(steward, arm, scenery):
    """One page of one list fails: the report names the workspace, and nothing was sent."""
    before = inventory(steward)
    arm.control.call("POST", "faults", json={"action": "respond", "match": "/schedules\\?", "status": 500, "times": None})
    report = steward.send("POST", "cleanup?mode=enforce").json()
    arm.control.call("DELETE", "faults")
    assert [entry["status"] for entry in report["workspaces"]] == ["unreadable"]
    assert report["resources"] == []
    assert inventory(steward) == before


def test_a_dry_run_says_what_the_timer_then_does(steward, arm, scenery):
    """Exactly the stale version and the idle cluster go, the forgotten instance stops; each has its audit entry."""
    before = inventory(steward)
    plan = steward.send("POST", "cleanup").json()
    assert inventory(steward) == before
    planned = {line["id"].rpartition("/workspaces/ml-clean/")[2]: line["action"] for line in plan["resources"]}
    acts = {path: action for path, action in planned.items() if action != "none"}
    assert acts == {"computes/idle-one": "delete", "computes/forgotten": "stop", "models/stale/versions/1": "delete"}

    known = {report["name"] for report in steward.list("cleanup/reports")}
    steward.run_timer("cleanup_timer")
    deadline, new = time.monotonic() + 60, set()
    while not new and time.monotonic() < deadline:
        new = {report["name"] for report in steward.list("cleanup/reports")} - known
        time.sleep(0.2)
    report = ended(steward, new.pop())

    assert report["status"] == "Completed"
    assert before - inventory(steward) == {"computes/idle-one", "stale:1"}
    assert steward.get(f"{WORKSPACE}/computes/forgotten")["properties"]["properties"]["state"] == "Stopped"
    assert [len(report[name]) for name in ("deleted", "stopped", "failed")] == [2, 1, 0]
    reasons = {line["id"].rpartition("/workspaces/ml-clean/")[2]: line["reason"] for line in report["resources"]}
    assert reasons["models/stale/versions/1"].startswith("older than 90 days, version 2 of 2")
    assert reasons["models/served/versions/1"] == "batch deployment blue of endpoint nightly-ep refers to it"
    assert reasons["computes/batch-one"] == "batch deployment blue of endpoint nightly-ep refers to it"
    assert reasons["models/kept/versions/1"] == reasons["computes/kept-one"] == "it has the tag steward-keep"
    for line in report["resources"]:
        if line["action"] != "none":
            operation = steward.get(f"operations/{line['operation']}")
            assert operation["status"] == "Succeeded"
            assert operation["properties"]["caller"] == f"cleanup:{report['name']}"


def test_a_second_run_finds_nothing_left(steward, arm, scenery):
    """What is gone is gone, what is stopped is not running."""
    report = steward.send("POST", "cleanup?mode=enforce").json()
    assert (report["status"], report["deleted"], report["stopped"]) == ("Completed", [], [])
    assert list(report["outcomes"]) == ["kept"]
