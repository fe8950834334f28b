"""Which computes are idle, on what evidence; each documented trap keeps what a naive look would take."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from shared.cleanup.policy import hours
from shared.rest import client
from tests.estate import ML, NOW, ago

TWO_HOURS = timedelta(hours=2)
IDLE = {"idleFor": TWO_HOURS}


def stopped(verdicts, **more):
    """Judge instance `ci` for being idle for two hours."""
    return verdicts("computeInstance", IDLE, action="stop", **more)["ci"]


def test_a_running_instance_that_nobody_operated_is_idle_with_its_evidence(world, verdicts):
    """The facts are those that Azure told; what stopping saves is an hour of its size."""
    world.instance()
    found = stopped(verdicts)
    assert (found.action, found.reason) == ("stop", "idle for 20 hours, longer than 2 hours, no run under way")
    assert found.since == NOW - timedelta(hours=20)
    assert dict(found.saves) == {"vmSize": "STANDARD_DS3_V2", "nodes": 1}
    assert "state Running" in found.evidence
    assert "lastOperation Start Succeeded at 2026-03-01T13:00Z" in found.evidence
    assert "looked at 0 runs" in found.evidence


@pytest.mark.parametrize(
    ("inner", "reason"),
    [
        ({"state": "Stopped"}, "its state is Stopped"),
        ({"state": "JobRunning"}, "its state is JobRunning"),
        ({"state": None}, "its state is unknown"),
        ({"lastOperation": None}, "its lastOperation is unknown"),
        (
            {"lastOperation": {"operationName": "Restart", "operationTime": ago(1), "operationStatus": "InProgress"}},
            "Restart is under",
        ),
        ({"lastActivityTime": ago(minutes=5)}, "idle for 5 minutes, not for 2 hours"),
    ],
)
def test_an_instance_at_work_or_untold_is_kept(world, verdicts, inner, reason):
    """A missing fact keeps, too."""
    world.instance(**inner)
    found = stopped(verdicts)
    assert found.action == "none"
    assert found.reason.startswith(reason)


def test_trap_ssh_sessions_do_not_count_as_activity_so_an_instance_open_to_ssh_is_kept(world, verdicts):
    """A stop could hit a user whom nobody can see."""
    world.instance(sshSettings={"sshPublicAccess": "Enabled"})
    found = stopped(verdicts)
    assert (found.action, found.unknown) == ("none", True)
    assert "SSH" in found.reason


@pytest.mark.parametrize(
    "inner", [{"customServices": [{"name": "rstudio"}]}, {"applications": [{"displayName": "Jupyter"}, {"displayName": "rstudio"}]}]
)
def test_trap_a_custom_application_hides_its_users(world, verdicts, inner):
    """Azure's own idle shutdown never fires while one runs, for the same reason."""
    world.instance(**inner)
    found = stopped(verdicts)
    assert (found.action, found.unknown) == ("none", True)
    assert "custom application rstudio" in found.reason


def test_the_applications_that_every_instance_has_hide_nobody(world, verdicts):
    """Jupyter and its like are listed on each."""
    world.instance(applications=[{"displayName": "Jupyter"}, {"displayName": "Jupyter Lab"}], customServices=None)
    assert stopped(verdicts).action == "stop"


def test_trap_azures_own_idle_shutdown_sees_notebooks_and_terminals_so_it_is_left_to_it(world, verdicts):
    """Whoever works in a notebook leaves no run and no operation."""
    world.instance(idleTimeBeforeShutdown="PT1H")
    assert stopped(verdicts).reason.startswith("Azure's own idle shutdown (PT1H) watches it")


def test_trap_setting_idle_shutdown_never_lowers_one_that_is_set(world, verdicts):
    """Lowering it below the present idle span begins the idle time again; only what lacks one gets one."""
    world.instance()
    world.instance("other", idleTimeBeforeShutdown="P3D")
    found = verdicts("computeInstance", {"lacksIdleShutdown": True}, action="setIdleShutdown")
    assert (found["ci"].action, found["other"].action) == ("setIdleShutdown", "none")
    assert verdicts("computeInstance", {}, action="setIdleShutdown")["other"].reason == "it has idle shutdown after P3D"


def test_trap_a_full_disk_blocks_stopping_and_the_evidence_says_so(world, verdicts):
    """It runs on after a stop that failed."""
    operation = {"operationName": "Stop", "operationTime": ago(1), "operationStatus": "StopFailed"}
    world.instance(lastOperation=operation)
    found = stopped(verdicts)
    assert found.action == "stop"
    assert "its last Stop failed: a full disk can block stopping" in found.evidence


def test_trap_a_run_on_the_instance_keeps_it_whatever_its_operations_say(world, verdicts):
    """Run history by compute is the one list there is."""
    world.instance()
    world.run("train", status="Queued", target="CI")
    assert stopped(verdicts).reason == "run train is Queued"


def test_a_run_that_ended_a_moment_ago_is_when_idleness_begins(world, verdicts):
    """Begun long ago, ended just now."""
    world.instance()
    world.run("train", status="Completed", target="ci", createdUtc=ago(3), endTimeUtc=ago(minutes=20))
    assert stopped(verdicts).reason == "idle for 20 minutes, not for 2 hours"


def test_runs_that_cannot_be_read_keep(world, verdicts):
    """Neither run history nor ARM's jobs answered."""
    refused = client.Response(status=403, url="", body={"error": {"code": "Forbidden", "message": "No."}})
    world.instance()
    world.answers[f"/history/v1.0{ML}/workspaces/ws/computes/ci/runs"] = refused
    world.answers[f"{ML}/workspaces/ws/jobs"] = refused
    found = stopped(verdicts)
    assert (found.action, found.unknown, found.reason) == ("none", True, "its runs could not be read: Forbidden: No.")


def test_a_schedule_that_names_the_instance_keeps_it(world, verdicts):
    """It will run a job there tonight."""
    world.instance()
    world.put("workspaces/ws/schedules/nightly", action={"jobDefinition": {"computeId": "azureml:ci"}})
    assert stopped(verdicts).reason == "schedule nightly in workspace ws refers to it"


@pytest.mark.parametrize("state", ["Creating", "Updating", "Deleting", "Failed", None])
def test_a_compute_that_is_not_ready_is_kept(world, verdicts, state):
    """Its facts are of another moment."""
    world.instance(body={"outer": {"provisioningState": state}})
    assert stopped(verdicts).action == "none"


def test_an_operation_in_the_future_keeps(world, verdicts):
    """The clocks of the app and of Azure differ."""
    world.instance(hours=-3)
    assert stopped(verdicts).action == "none"


# ── clusters ────────────────────────────────────────────────────────────────────────────────────────────────────────


def scaled(verdicts):
    """Judge cluster `cpu`: nodes that its minimum keeps have been idle for two hours."""
    return verdicts("computeCluster", {"idleNodes": True, **IDLE}, action="scaleToZero")["cpu"]


NODES = {"currentNodeCount": 2, "targetNodeCount": 2, "scaleSettings": {"minNodeCount": 2, "maxNodeCount": 4}}


def test_idle_nodes_that_a_minimum_keeps_are_let_go(world, verdicts):
    """Both nodes idle, steady for long, nothing under way."""
    world.cluster(**NODES, nodeStateCounts={"idleNodeCount": 2, "runningNodeCount": 0})
    found = scaled(verdicts)
    assert (found.action, dict(found.saves)) == ("scaleToZero", {"vmSize": "STANDARD_DS3_V2", "nodes": 2})
    assert found.reason == "2 idle nodes, of which its minimum keeps 2, idle for 20 hours, longer than 2 hours, no run under way"


@pytest.mark.parametrize(
    "inner",
    [
        {"nodeStateCounts": {"idleNodeCount": 1, "runningNodeCount": 1}},
        {"nodeStateCounts": {"idleNodeCount": 1, "preparingNodeCount": 1}},
        {"nodeStateCounts": {"idleNodeCount": 1}},
        {"nodeStateCounts": None},
        {"nodeStateCounts": {"idleNodeCount": 2}, "allocationState": "Resizing"},
        {"nodeStateCounts": {"idleNodeCount": 2}, "allocationStateTransitionTime": None},
        {"nodeStateCounts": {"idleNodeCount": 2}, "allocationStateTransitionTime": ago(hours=1)},
        {"nodeStateCounts": {"idleNodeCount": 2}, "currentNodeCount": None},
        {"nodeStateCounts": {"idleNodeCount": 3}},
        {"nodeStateCounts": {"idleNodeCount": 2, "leavingNodeCount": 1}},
        {"nodeStateCounts": {"idleNodeCount": 2}, "scaleSettings": {"minNodeCount": 0, "maxNodeCount": 4}},
    ],
)
def test_a_cluster_at_work_or_untold_is_kept(world, verdicts, inner):
    """One node at work, or one fact missing, is enough."""
    world.cluster(**{**NODES, **inner})
    assert scaled(verdicts).action == "none"


def test_trap_scale_settings_need_only_a_maximum(world, verdicts):
    """The minimum may be absent: it is 0, and there is nothing to take away."""
    world.cluster(scaleSettings={"maxNodeCount": 4})
    assert scaled(verdicts).reason == "its minimum is 0 nodes"
    assert verdicts("computeCluster", IDLE, action="delete")["cpu"].action == "delete"


def test_trap_a_run_of_an_archived_experiment_keeps_the_cluster(world, verdicts):
    """Archived experiments run on (c7n#11117)."""
    world.cluster(**NODES, nodeStateCounts={"idleNodeCount": 2})
    world.run("hidden", status="Running", target="cpu", hidden=True)
    assert scaled(verdicts).reason == "run hidden is Running"


def test_azure_monitor_speaks_where_it_knows_and_is_not_needed_where_it_does_not(world, verdicts):
    """A node at work ten minutes ago counts; no answer leaves the other facts to decide."""
    world.cluster()
    found = verdicts("computeCluster", IDLE, action="delete")["cpu"]
    assert found.action == "delete"
    assert any(fact.startswith("Azure Monitor: ") for fact in found.evidence)
    point = {"timeStamp": ago(minutes=70), "average": 0.5}
    series = [{"metadatavalues": [{"name": {"value": "ClusterName"}, "value": "CPU"}], "data": [point]}]
    body = {"value": [{"name": {"value": "Active Nodes"}, "timeseries": series}]}
    world.answers[f"{ML}/workspaces/ws/providers/microsoft.insights/metrics"] = client.Response(status=200, url="", body=body)
    assert verdicts("computeCluster", IDLE, action="delete")["cpu"].reason == "idle for 10 minutes, not for 2 hours"


def test_an_attached_compute_is_never_deleted(world, verdicts):
    """Deleting it could take the machine behind it, too."""
    world.cluster(body={"outer": {"isAttachedCompute": True}})
    world.cluster("k8s", body={"outer": {"computeType": "Kubernetes", "provisioningState": "Failed"}})
    assert "attached" in verdicts("computeCluster", IDLE, action="delete")["cpu"].reason
    found = verdicts("compute", {"failed": True}, action="delete")["k8s"]
    assert "of type Kubernetes, is never deleted" in found.reason
    assert verdicts("compute", {"failed": True}, action="notify")["k8s"].action == "notify"


# ── unused, failed ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_stopped_instance_that_nothing_touched_for_long_is_unused(world, verdicts):
    """Stopped, it still bills its disk; while it runs nobody knows who works in a notebook."""
    world.instance("off", hours=24 * 120, state="Stopped")
    world.instance("on", hours=24 * 120)
    world.instance("young", hours=24 * 10, state="Stopped")
    found = verdicts("compute", {"unusedFor": timedelta(days=90)})
    assert {name: verdict.action for name, verdict in found.items()} == {"off": "delete", "on": "none", "young": "none"}
    assert found["on"].reason.startswith("its state is Running; only a stopped instance")


def test_our_own_mark_does_not_make_a_compute_used(world, verdicts):
    """The tag's PATCH moved modifiedOn."""
    from shared.cleanup.policy import model

    place = world.cluster(hours=24 * 120)
    world.resources[place.path]["properties"]["modifiedOn"] = ago(10)
    at = NOW - timedelta(days=10)
    mark = model.Mark(policy="p", reason="", at=at, due=NOW, changed_before=NOW - timedelta(days=300), changed_after=at)
    unused = {"unusedFor": timedelta(days=90)}
    assert verdicts("compute", unused)["cpu"].action == "none"
    assert verdicts("compute", unused, marks={place.key: mark})["cpu"].action == "delete"


@pytest.mark.parametrize(
    ("inner", "outer", "fails"),
    [
        ({"state": "CreateFailed"}, {}, True),
        ({"state": "Unusable"}, {}, True),
        ({"state": "Stopped"}, {"provisioningState": "Failed"}, True),
        ({"state": "Running"}, {}, False),
        ({"state": "Stopped"}, {"provisioningState": None}, False),
    ],
)
def test_a_failed_or_unusable_instance_is_told_by_its_states(world, verdicts, inner, outer, fails):
    """A provisioningState that is not told is not failed."""
    world.instance(**inner, body={"outer": outer})
    assert (verdicts("compute", {"failed": True})["ci"].action == "delete") is fails


def test_a_cluster_whose_nodes_are_all_unusable_has_failed(world, verdicts):
    """One that has another node has not."""
    world.cluster("bad", currentNodeCount=2, targetNodeCount=2, nodeStateCounts={"unusableNodeCount": 2})
    world.cluster("half", currentNodeCount=2, targetNodeCount=2, nodeStateCounts={"unusableNodeCount": 1, "idleNodeCount": 1})
    found = verdicts("compute", {"failed": True})
    assert (found["bad"].action, found["half"].action) == ("delete", "none")


# ── working hours ───────────────────────────────────────────────────────────────────────────────────────────────────

BERLIN = hours.hours("Europe/Berlin", ["Mon", "Tue", "Wed", "Thu", "Fri"], "08:00", "18:00")


@pytest.mark.parametrize(
    ("now", "stops"),
    [
        (datetime(2026, 3, 2, 6, 59, tzinfo=UTC), True),  # 07:59 in Berlin
        (datetime(2026, 3, 2, 7, 0, tzinfo=UTC), False),
        (datetime(2026, 3, 2, 17, 0, tzinfo=UTC), True),
        (datetime(2026, 3, 1, 12, 0, tzinfo=UTC), True),  # Sunday
        (datetime(2026, 7, 6, 6, 30, tzinfo=UTC), False),  # summer time: 08:30
        (datetime(2026, 7, 6, 16, 30, tzinfo=UTC), True),
    ],
)
def test_outside_of_working_hours_is_by_the_clock_on_the_wall(world, verdicts, now, stops):
    """The time zone's daylight saving is the time zone's."""
    world.instance(hours=0.5)
    found = verdicts("computeInstance", {"outsideHours": BERLIN}, action="stop", now=now)["ci"]
    assert (found.action == "stop") is stops


def test_outside_of_working_hours_a_job_may_go_on(world, verdicts):
    """What runs overnight runs on purpose."""
    world.instance()
    world.run("overnight", target="ci")
    now = datetime(2026, 3, 2, 22, 0, tzinfo=UTC)
    assert verdicts("computeInstance", {"outsideHours": BERLIN}, action="stop", now=now)["ci"].reason == "run overnight is Running"
