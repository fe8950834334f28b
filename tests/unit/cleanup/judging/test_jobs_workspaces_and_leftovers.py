"""Jobs that hang, workspaces that failed or that nobody uses, and what gone workspaces left behind."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.cleanup.facts import survey
from shared.cleanup.policy import model, targets
from shared.cleanup.verdict import judge
from shared.rest import client, errors, ids
from tests.estate import GROUP, ML, NOW, SUBSCRIPTION, ago

STUCK = {"stuckFor": targets.Stuck(statuses=("Queued", "NotStarted"), longer_than=timedelta(hours=24))}


def test_a_job_that_has_waited_for_too_long_is_cancelled(world, verdicts):
    """Counted from its creation, because it never started."""
    world.job("stuck", status="Queued", run={"createdUtc": ago(2)})
    world.job("fresh", status="Queued", run={"createdUtc": ago(hours=3)})
    world.job("busy", status="Running", run={"createdUtc": ago(2)})
    world.job("over", status="Completed", run={"createdUtc": ago(2)})
    found = verdicts("job", STUCK, action="cancel")
    assert {name: verdict.action for name, verdict in found.items()} == {"stuck": "cancel", "fresh": "none", "busy": "none"}
    assert found["stuck"].reason == "Queued for 2 days, longer than 1 day"


def test_a_job_that_waits_again_has_waited_since_it_started(world, verdicts):
    """Preempted, it is queued once more."""
    world.job("again", status="Queued", run={"createdUtc": ago(9), "startTimeUtc": ago(hours=2)})
    assert verdicts("job", STUCK, action="cancel")["again"].action == "none"


@pytest.mark.parametrize("created", [None, ago(-1)])
def test_a_job_whose_age_is_not_known_is_kept(world, verdicts, created):
    """Or one from the future."""
    place = world.job("stuck", status="Queued", run={"createdUtc": created})
    world.resources[place.path]["systemData"] = {}
    assert verdicts("job", STUCK, action="cancel")["stuck"].action == "none"


def test_a_job_that_runs_for_ever_is_told_by_its_start(world, verdicts):
    """Not by its creation: it may have waited."""
    week = {"runningLongerThan": timedelta(days=7)}
    world.job("endless", run={"createdUtc": ago(30), "startTimeUtc": ago(9)})
    world.job("late", run={"createdUtc": ago(30), "startTimeUtc": ago(1)})
    world.job("untold", run={"createdUtc": ago(30)})
    found = verdicts("job", week, action="cancel")
    assert {name: verdict.action for name, verdict in found.items()} == {"endless": "cancel", "late": "none", "untold": "none"}
    assert found["untold"].unknown


def test_a_step_of_a_pipeline_is_its_parents_business(world, verdicts):
    """Only jobs that somebody started are judged."""
    world.job("step", status="Queued", run={"createdUtc": ago(2), "parentRunId": "pipeline"})
    assert verdicts("job", STUCK, action="cancel") == {}


def test_a_cancelled_job_is_not_cancelled_again(world, verdicts):
    """Cancelling takes time."""
    world.job("j", status="CancelRequested", run={"createdUtc": ago(9)})
    stuck = {"stuckFor": targets.Stuck(statuses=("CancelRequested",), longer_than=timedelta(hours=1))}
    assert verdicts("job", stuck, action="cancel")["j"].reason == "its status is CancelRequested"


def test_a_v1_run_is_judged_by_run_history_alone(world, verdicts):
    """ARM knows no such job."""
    world.run("v1", status="NotStarted", createdUtc=ago(3), tags={"steward-keep": ""})
    world.run("v1b", status="NotStarted", createdUtc=ago(3))
    found = verdicts("job", STUCK, action="cancel")
    assert (found["v1"].reason, found["v1b"].action) == ("it has the tag steward-keep", "cancel")


def test_old_jobs_that_ended_are_found_in_arms_list(world, verdicts):
    """Only where a policy asks for age alone; one that has not ended has no such age."""
    world.job("old", status="Completed", properties={"EndTimeUtc": "2025-01-01 09:00:00"})
    world.job("new", status="Failed", properties={"EndTimeUtc": "2026-03-01 09:00:00"})
    world.job("on", status="Running")
    found = verdicts("job", {"olderThan": timedelta(days=90)}, action="archive")
    assert {name: verdict.action for name, verdict in found.items()} == {"old": "archive", "new": "none", "on": "none"}


def test_judged_again_a_job_is_what_arm_says_now(world):
    """It started meanwhile; or it is gone."""
    place = world.job("stuck", status="Running")
    world.resources[place.path]["systemData"] = {"createdAt": ago(4)}
    policy = model.Policy(name="p", kind="job", action="cancel", stale_when=STUCK)
    assert judge.again(policy, place, world.survey(), {}, world, NOW).verdict.reason == "its status is Running"
    world.resources[place.path]["properties"]["status"] = "Queued"
    assert judge.again(policy, place, world.survey(), {}, world, NOW).verdict.action == "cancel"
    gone = ids.parse(f"{ML}/workspaces/ws/jobs/gone")
    assert judge.again(policy, gone, world.survey(), {}, world, NOW) is None


# ── workspaces and leftovers ────────────────────────────────────────────────────────────────────────────────────────


def of_subscription(world, kind, stale_when, action="notify", group=""):
    """Judge a subscription; name → verdict."""
    policy = model.Policy(name="p", kind=kind, action=action, stale_when=stale_when)
    scope = ids.ResourceId(subscription=SUBSCRIPTION, resource_group=group)
    found = judge.subscription([policy], scope, survey.merge([]), {}, world, NOW)
    return {each.subject.id.name: each.verdict for each in found}


def test_a_workspace_without_runs_for_long_is_told_by_run_history(world):
    """The newest run of any experiment, and anything under way."""
    half = {"noRuns": timedelta(days=180)}
    for name in ("ws2", "ws3", "ws4"):
        world.workspace(name)
    world.run("r", "ws2", status="Completed", createdUtc=ago(10))
    world.run("r", "ws3", status="Completed", createdUtc=ago(200))
    world.run("r", "ws4", status="Running", createdUtc=ago(200))
    found = of_subscription(world, "workspace", half)
    assert {name: verdict.action for name, verdict in found.items()} == {
        "ws": "notify", "ws2": "none", "ws3": "notify", "ws4": "none",
    }  # fmt: skip
    assert (found["ws"].reason, found["ws4"].reason) == ("no job was ever started in it", "run r is Running")


def test_only_a_failed_workspace_that_holds_nothing_may_be_deleted(world):
    """A change that failed leaves a workspace full of things."""
    world.workspace("full", provisioningState="Failed")
    world.put("workspaces/full/computes/cpu")
    world.workspace("empty", provisioningState="Failed")
    world.workspace("never", provisioningState="Failed", discoveryUrl=None)
    world.workspace("untold", provisioningState="Failed")
    world.answers[f"{ML}/workspaces/untold/computes"] = client.Response(status=403, url="", body=None)
    found = of_subscription(world, "workspace", {"failed": True}, "delete")
    assert {name: verdict.action for name, verdict in found.items()} == {
        "ws": "none", "full": "none", "empty": "delete", "never": "delete", "untold": "none",
    }  # fmt: skip
    assert (found["full"].reason, found["untold"].unknown) == ("it has computes (cpu)", True)


STORAGE = f"{GROUP}/Microsoft.Storage/storageAccounts"


@pytest.fixture
def debris(world):
    """A living workspace's account, a failed one's vault, a gone one's registry and account, and a stranger's account."""

    def add(kind, name, **body):
        path = f"{GROUP}/{kind}/{name}"
        world.resources[path] = {"id": path, "name": name, "type": kind, "properties": {"creationTime": ago(90)}, **body}
        return path

    mine = add("Microsoft.Storage/storageAccounts", "wsstorage0123456789ab")
    vault = add("Microsoft.KeyVault/vaults", "any-vault", systemData={"createdAt": ago(90)})
    gone = f"{ML}/workspaces/Gone"
    add("Microsoft.ContainerRegistry/registries", "anyregistry", tags={f"hidden-link:{gone}": "Resource"})
    add("Microsoft.Storage/storageAccounts", "oldprojestorageab12cd34ef")
    add("Microsoft.Storage/storageAccounts", "payroll")
    world.workspace("ws", storageAccount=mine.upper())
    world.workspace("bad", provisioningState="Failed", keyVault=vault)
    return world


def test_leftovers_are_reported_with_soft_evidence_and_never_touched(debris):
    """By a failed workspace, by a tag, by the kind of name; what a living workspace names is none."""
    found = of_subscription(debris, "leftover", {"orphaned": True, "olderThan": timedelta(days=30)}, action="delete")
    assert {name: verdict.action for name, verdict in found.items()} == {
        "any-vault": "notify", "anyregistry": "notify", "oldprojestorageab12cd34ef": "notify",
    }  # fmt: skip
    assert found["any-vault"].reason.startswith("workspace bad, which failed, names it")
    assert "names workspace gone, which no longer exists" in found["anyregistry"].reason
    assert found["oldprojestorageab12cd34ef"].evidence[0] == "soft evidence: its name only"


def test_a_leftover_of_a_workspace_that_is_there_again_is_none(debris):
    """Whatever its name."""
    debris.workspace("gone")
    debris.workspace("old-projects")
    found = of_subscription(debris, "leftover", {"orphaned": True})
    assert set(found) == {"any-vault"}


def test_a_scope_of_one_group_reports_that_group_only_but_knows_all_workspaces(debris):
    """A workspace of another group may use it."""
    assert of_subscription(debris, "leftover", {"orphaned": True}, group="elsewhere") == {}
    assert len(of_subscription(debris, "leftover", {"orphaned": True}, group="RG")) == 3


def test_nothing_is_left_over_while_some_workspaces_cannot_be_seen(debris):
    """ARM leaves out those that the app may not read: one of them may name the vault."""
    debris.actions = ("Microsoft.MachineLearningServices/registries/read",)
    with pytest.raises(errors.RejectedError, match=r"it lacks Microsoft\.MachineLearningServices/workspaces/read at") as refused:
        of_subscription(debris, "leftover", {"orphaned": True})
    assert refused.value.error.code == "NotSeen"


def test_a_leftover_is_seen_again_by_the_same_evidence(debris):
    """It is reported as long as it is one."""
    policy = model.Policy(name="p", kind="leftover", action="notify", stale_when={"orphaned": True})
    place = ids.parse(f"{GROUP}/Microsoft.KeyVault/vaults/any-vault")
    assert judge.again(policy, place, survey.merge([]), {}, debris, NOW).verdict.action == "notify"
    debris.workspace("good", keyVault=place.path)
    assert judge.again(policy, place, survey.merge([]), {}, debris, NOW) is None


@pytest.mark.parametrize(
    "member",
    [
        {"action": {"jobDefinition": {"sourceJobId": "over"}}},
        {"action": {"jobDefinition": {"inputs": {"m": {"uri": "azureml://jobs/over/outputs/model/paths/m/"}}}}},
        {"action": {"jobDefinition": {"inputs": {"m": {"uri": "runs:/over/model"}}}}},
        {"action": {"jobDefinition": {"inputs": {"m": {"uri": "azureml://datastores/ws/paths/ExperimentRun/dcid.over/m"}}}}},
    ],
)
def test_a_job_that_a_schedule_repeats_or_reads_is_not_deleted(world, verdicts, member):
    """Its definition, or its outputs, are needed at the next turn."""
    for name in ("over", "over-and-done"):
        world.job(name, status="Completed", properties={"EndTimeUtc": ago(300)}, experimentName="e")
    world.put("workspaces/ws/schedules/nightly", isEnabled=False, **member)
    found = verdicts("job", {"olderThan": timedelta(days=90)})
    assert {name: verdict.action for name, verdict in found.items()} == {"over": "none", "over-and-done": "delete"}
    assert "schedule nightly" in found["over"].reason
