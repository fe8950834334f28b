"""Which computes are idle, on what evidence; a missing fact keeps."""

import copy
from datetime import UTC, datetime, timedelta

import pytest

from shared.cleanup import verdicts
from shared.cleanup.references import References

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
RULES = verdicts.Rules(model_days=90, model_keep=2, idle_minutes=120)
LONG_AGO = "2026-03-01T20:00:00.0000000+00:00"
JUST_NOW = "2026-03-02T08:30:00.0000000+00:00"

CLUSTER = {
    "name": "cpu",
    "tags": None,
    "properties": {
        "computeType": "AmlCompute",
        "provisioningState": "Succeeded",
        "createdOn": LONG_AGO,
        "modifiedOn": LONG_AGO,
        "properties": {
            "scaleSettings": {"maxNodeCount": 1},
            "allocationState": "Steady",
            "allocationStateTransitionTime": LONG_AGO,
            "currentNodeCount": 0,
            "targetNodeCount": 0,
            "nodeStateCounts": {"idleNodeCount": 0, "runningNodeCount": 0},
        },
    },
}
INSTANCE = {
    "name": "mine",
    "properties": {
        "computeType": "ComputeInstance",
        "provisioningState": "Succeeded",
        "properties": {
            "state": "Running",
            "lastOperation": {"operationName": "Start", "operationTime": LONG_AGO, "operationStatus": "Succeeded"},
        },
    },
}


def changed(body, path, value):
    """Return `body` with another value at a dotted path; KeyError takes the member away."""
    out = copy.deepcopy(body)
    *outer, last = path.split(".")
    place = out
    for name in outer:
        place = place[name]
    if value is KeyError:
        del place[last]
    else:
        place[last] = value
    return out


def judged(body, references=None):
    """Judge a compute by its resource alone."""
    return verdicts.compute(body["name"], body, references or References(), RULES, NOW)


def test_an_empty_cluster_goes_with_its_evidence():
    """No node, none wanted, steady for thirteen hours."""
    found = judged(CLUSTER)
    assert found.action == "delete"
    assert found.reason == "no nodes and idle for 13 hours, longer than 120 minutes"
    assert "0 nodes, minimum 0, allocation Steady" in found.evidence
    assert "steady since 2026-03-01T20:00Z" in found.evidence


def test_a_running_instance_that_nobody_operated_is_stopped_not_deleted():
    """Stopping can be undone."""
    found = judged(INSTANCE)
    assert found.action == "stop"
    assert found.reason == "running and idle for 13 hours, longer than 120 minutes"


INNER = "properties.properties"


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        ("tags", {"Steward-Keep": "yes"}, "it has the tag steward-keep"),
        ("properties.computeType", "Kubernetes", "an attached compute"),
        ("properties.computeType", None, "an attached compute"),
        ("properties.isAttachedCompute", True, "an attached compute"),
        ("properties.provisioningState", "Creating", "its provisioningState is Creating"),
        ("properties.provisioningState", None, "its provisioningState is not told"),
        ("properties.properties", None, "its properties are missing"),
        (f"{INNER}.currentNodeCount", 1, "it has or wants 1 nodes"),
        (f"{INNER}.targetNodeCount", 2, "it has or wants 2 nodes"),
        (f"{INNER}.nodeStateCounts.idleNodeCount", 3, "it has or wants 3 nodes"),
        (f"{INNER}.currentNodeCount", None, "its currentNodeCount or targetNodeCount is not told"),
        (f"{INNER}.targetNodeCount", KeyError, "its currentNodeCount or targetNodeCount is not told"),
        (f"{INNER}.scaleSettings", {"minNodeCount": 1, "maxNodeCount": 2}, "its minimum is 1 nodes"),
        (f"{INNER}.allocationState", "Resizing", "its allocationState is Resizing"),
        (f"{INNER}.allocationState", None, "its allocationState is not told"),
        (f"{INNER}.allocationStateTransitionTime", None, "its allocationStateTransitionTime is not told"),
        (f"{INNER}.allocationStateTransitionTime", "soon", "its allocationStateTransitionTime is not told"),
        (f"{INNER}.allocationStateTransitionTime", JUST_NOW, "idle for 30 minutes, not for 120 minutes"),
        ("properties.modifiedOn", JUST_NOW, "idle for 30 minutes, not for 120 minutes"),
        ("properties.modifiedOn", "2026-03-02T02:00:00-08:00", "idle for 0 minutes, not for 120 minutes"),
        ("systemData", {"lastModifiedAt": JUST_NOW}, "idle for 30 minutes, not for 120 minutes"),
    ],
)
def test_a_cluster_is_kept_by_any_one_fact(path, value, reason):
    """Each condition is needed; what is null while Creating keeps."""
    found = judged(changed(CLUSTER, path, value))
    assert found.action == "none"
    assert found.reason.startswith(reason)


@pytest.mark.parametrize("states", [None, {}, {"idleNodeCount": None}])
def test_node_states_that_are_not_told_leave_the_counts_to_decide(states):
    """`nodeStateCounts` is optional; the two counts are not."""
    assert judged(changed(CLUSTER, f"{INNER}.nodeStateCounts", states)).action == "delete"


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        (f"{INNER}.state", "Stopped", "its state is Stopped"),
        (f"{INNER}.state", "JobRunning", "its state is JobRunning"),
        (f"{INNER}.state", None, "its state is not told"),
        (f"{INNER}.lastOperation", None, "its lastOperation is not told"),
        (f"{INNER}.lastOperation", {"operationName": "Start"}, "its lastOperation is not told"),
        (f"{INNER}.lastOperation.operationStatus", "InProgress", "Start is under way"),
        (f"{INNER}.lastOperation.operationTime", JUST_NOW, "idle for 30 minutes"),
        (f"{INNER}.idleTimeBeforeShutdown", "PT30M", "Azure's own idle shutdown (PT30M)"),
        ("properties.modifiedOn", JUST_NOW, "idle for 30 minutes"),
    ],
)
def test_an_instance_is_kept_by_any_one_fact(path, value, reason):
    """Azure's own idle shutdown sees notebooks, which no API shows: where it is set, it decides."""
    found = judged(changed(INSTANCE, path, value))
    assert found.action == "none"
    assert found.reason.startswith(reason)


def test_a_compute_that_a_batch_deployment_or_schedule_names_is_kept():
    """An empty cluster may be waiting for tonight's job."""
    references = References()
    references.add({"compute": "azureml:CPU"}, "batch deployment b of endpoint e")
    assert judged(CLUSTER, references).reason == "batch deployment b of endpoint e refers to it"


def test_a_run_that_is_not_over_keeps_its_compute():
    """A queued run needs the cluster that has no node yet."""
    runs = verdicts.Runs(count=3, active="run r3 is Queued", last_at=NOW - timedelta(days=2))
    found = verdicts.after_runs(judged(CLUSTER), runs, RULES, NOW)
    assert (found.action, found.reason) == ("none", "run r3 is Queued")


def test_a_run_that_ended_just_now_makes_the_compute_young():
    """An instance's lastOperation does not move when a run ends on it."""
    runs = verdicts.Runs(count=1, last_at=NOW - timedelta(minutes=5))
    found = verdicts.after_runs(judged(INSTANCE), runs, RULES, NOW)
    assert (found.action, found.reason) == ("none", "idle for 5 minutes, not for 120 minutes")


def test_runs_long_over_are_named_in_the_reason():
    """The verdict says how many runs were looked at."""
    runs = verdicts.Runs(count=12, last_at=NOW - timedelta(days=3))
    found = verdicts.after_runs(judged(CLUSTER), runs, RULES, NOW)
    assert found.action == "delete"
    assert found.reason == "no nodes and idle for 13 hours, longer than 120 minutes, no run among 12 is under way"
    assert "looked at 12 runs, the last at 2026-02-27T09:00Z" in found.evidence
