"""A run takes exactly what is stale: looks, chooses within limits, looks again, acts, and tells all of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.cleanup.policy import model
from shared.cleanup.report import reports
from shared.cleanup.run import runs, scopes
from shared.rest import client, errors

OLD = ["DELETE models/old/versions/1", "DELETE models/older/versions/1"]
WS = (
    "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg"
    "/providers/Microsoft.MachineLearningServices/workspaces/ws"
)


def ends(report) -> dict[str, str]:
    """Return what became of each resource, below the workspace."""
    return {reports.place(line)[1]: reports.told(line)["outcome"] for line in report.lines}


def reason(report, end: str) -> str:
    """Return the reason of the resource whose path ends so."""
    return next(line.reason for line in report.lines if line.id.endswith(end))


def test_an_enforcing_policy_takes_what_is_stale(stage, make_policy, gone):
    """The rest is kept, each with the reason."""
    report = stage.run(make_policy())
    assert gone(stage) == OLD
    assert report.run.status == "Completed", report.run.notes
    assert ends(report) == {
        "models/old/versions/1": "deleted",
        "models/old/versions/2": "kept",
        "models/older/versions/1": "deleted",
        "models/older/versions/2": "kept",
        "models/deployed/versions/1": "kept",
        "models/deployed/versions/2": "kept",
        "models/kept/versions/1": "kept",
        "models/kept/versions/2": "kept",
    }
    assert report.totals["outcomes"] == {"deleted": 2, "kept": 6}
    assert all(line.reason for line in report.lines)
    assert "online deployment blue of endpoint ep" in reason(report, "models/deployed/versions/1")


@pytest.mark.parametrize(
    ("asked", "end"), [((), "deleted"), (("workspaces",), "kept"), (("cleanup", "workspaces"), "deleted"), (("rules",), "deleted")]
)
def test_a_workspace_that_another_one_must_approve_is_no_clean_ups_alone(stage, make_policy, gone, asked, end):
    """A failed one that holds nothing; a run that was approved as a whole may."""
    bad = WS.replace("/ws", "/bad")
    dates = {"createdAt": "2025-01-01T00:00:00Z", "lastModifiedAt": "2025-01-01T00:00:00Z"}
    stage.azure.resources[bad] = {
        "id": bad, "name": "bad", "location": "westeurope", "systemData": dates, "properties": {"provisioningState": "Failed"},
    }  # fmt: skip
    stage.settings = replace(stage.settings, approvals=frozenset(asked))
    report = stage.run(make_policy(kind="workspace", stale_when={"failed": True}))
    assert {line.id.rpartition("/")[2]: reports.told(line)["outcome"] for line in report.lines}["bad"] == end
    assert bool(gone(stage)) == (end == "deleted")


def test_a_dry_run_changes_nothing_and_says_what_it_would_do(stage, make_policy, gone):
    """Whatever the policy's own mode is."""
    report = stage.run(make_policy(), mode="dryRun")
    assert gone(stage) == []
    assert {end for end, outcome in ends(report).items() if outcome == "would delete"} == {
        "models/old/versions/1",
        "models/older/versions/1",
    }
    assert stage.queue.sent == []


def test_a_policy_that_only_reports_does_so_beside_one_that_enforces(stage, make_policy, gone):
    """The timer runs both together."""
    report = stage.run(make_policy(name="reports", mode="dryRun"), make_policy(where=model.Where(names=("older",))))
    assert gone(stage) == OLD[1:]
    outcomes = {(line.policy, reports.place(line)[1]): reports.told(line)["outcome"] for line in report.lines}
    assert outcomes["reports", "models/old/versions/1"] == "would delete"
    assert outcomes["models", "models/older/versions/1"] == "deleted"


def test_every_act_is_an_operation_that_names_the_report(stage, make_policy):
    """The audit entry of what is gone."""
    report = stage.run(make_policy(notify={"ownerTag": "owner"}))
    for line in report.acts:
        operation = stage.ledger.load(line.operation).operation
        assert operation.timeline[0].detail.startswith("policy models; to notify: ")
        assert operation.timeline[0].detail.endswith("no deployment among 1 refers to it")
        assert (operation.caller, operation.method, operation.target) == (f"cleanup:{report.run.name}", "DELETE", line.id)


def test_what_is_touched_meanwhile_is_spared(stage, make_policy, gone):
    """Each resource and all that may refer to it are read again right before the act."""

    def meanwhile(method, _path):
        if method == "DELETE":  # while the first goes, somebody deploys the second, in another workspace
            stage.azure.put("batchEndpoints/nightly")
            stage.azure.put("batchEndpoints/nightly/deployments/d", model={"assetId": "azureml:old:1", "referenceType": "Id"})
            stage.clock.advance(60)

    stage.azure.before = meanwhile
    report = stage.run(make_policy())
    assert gone(stage) == OLD[1:]  # the oldest goes first
    assert reason(report, "models/old/versions/1").startswith("seen again: batch deployment d of endpoint nightly")


def test_what_is_protected_or_locked_meanwhile_is_spared(stage, make_policy, gone):
    """Also by a tag on its model, or a lock on its workspace."""
    group = WS.partition("/providers/")[0]

    def meanwhile(method, path):
        if method == "GET" and path.endswith("/models/older/versions"):
            stage.azure.resources[f"{WS}/models/old"]["properties"]["tags"] = {"Steward-Keep": "x"}
            lock = f"{WS}/models/older/providers/Microsoft.Authorization/locks/audit"
            body = {"id": lock, "name": "audit", "properties": {"level": "ReadOnly"}}
            stage.azure.answers["GET", f"{group}/providers/Microsoft.Authorization/locks"] = [
                client.Response(status=200, url="", body={"value": [body]}) for _ in range(9)
            ]
            stage.clock.advance(15)

    stage.azure.before = meanwhile
    report = stage.run(make_policy())
    assert gone(stage) == []
    assert "its asset has the tag steward-keep" in reason(report, "models/old/versions/1")
    assert "the lock 'audit' (ReadOnly) is on models older" in reason(report, "models/older/versions/1")


def test_locks_that_cannot_be_read_keep_everything(stage, make_policy, gone):
    """A missing fact keeps the resource."""
    refused = client.Response(status=403, url="", body={"error": {"code": "AuthorizationFailed", "message": "No."}})
    path = f"{WS.partition('/providers/')[0]}/providers/Microsoft.Authorization/locks"
    stage.azure.answers["GET", path] = [refused] * 50
    report = stage.run(make_policy())
    assert gone(stage) == []
    assert reason(report, "models/old/versions/1").startswith("its locks could not be read: AuthorizationFailed")


def test_one_list_that_cannot_be_read_keeps_every_asset(stage, make_policy, gone):
    """After some tries; the report says which list, and the run ends."""
    down = errors.AzureUnavailableError("503", delay_s=5, maybe_arrived=True)
    stage.azure.answers["GET", f"{WS}/schedules"] = [down] * 100
    report = stage.run(make_policy())
    assert gone(stage) == []
    assert "what refers to it is not known: workspace ws could not be read completely" in reason(report, "models/old/versions/1")
    assert any("could not be read" in note for note in report.run.notes)


def test_the_limit_is_applied_before_the_first_act(stage, make_policy, gone):
    """The oldest goes; the run says what it leaves, and why."""
    report = stage.run(make_policy(limits=model.Limits(count=1)))
    assert gone(stage) == ["DELETE models/older/versions/1"]
    assert ends(report)["models/old/versions/1"] == "limit reached"
    assert report.run.notes == ("models: 2 to delete, and its limits (1) allow 1: the run stops there and leaves 1.",)


@pytest.mark.parametrize(("percent", "count"), [(0, 0), (12, 0), (13, 1), (24.9, 1), (25, 2)])
def test_a_share_of_what_exists_limits_too(stage, make_policy, gone, percent, count):
    """Rounded down: of eight versions, 12 % is none."""
    stage.run(make_policy(limits=model.Limits(count=20, percent=percent)))
    assert len(gone(stage)) == count


def test_two_policies_that_want_the_same_resource_act_once(stage, make_policy, gone):
    """The first in order has it."""
    report = stage.run(make_policy(name="a", action="archive"), make_policy(name="b"))
    assert gone(stage) == ["PUT models/old/versions/1", "PUT models/older/versions/1"]
    assert {line.policy for line in report.acts} == {"a"}


def test_two_runs_at_once_act_once(stage, make_policy, gone):
    """Whichever comes second finds it gone."""
    stage.start(make_policy())
    stage.clock.advance(1)
    stage.start(make_policy(), scope=scopes.Scope(within=(WS,)))  # one policy twice over one scope is refused
    stage.drive()
    assert gone(stage) == OLD


def test_the_switch_stops_a_run_before_its_next_act(stage, make_policy, gone):
    """What was submitted is followed to its end."""
    stage.azure.before = lambda method, _path: stage.off() if method == "DELETE" else None
    report = stage.run(make_policy())
    assert len(gone(stage)) == 1
    assert (report.run.status, sorted(report.totals["outcomes"])) == ("Stopped", ["deleted", "kept", "not done"])
    with pytest.raises(errors.BadRequestError, match="CleanupOff"):
        stage.start(make_policy())


def test_a_run_can_be_canceled(stage, make_policy, gone):
    """Nothing more is submitted."""
    begun = stage.start(make_policy())
    runs.cancel(begun.name, stage)
    stage.drive()
    assert gone(stage) == []
    assert stage.report(begun.name).run.status == "Stopped"


def test_what_azure_refuses_stands_in_the_report(stage, make_policy):
    """With Azure's own words; the others go."""
    body = {"error": {"code": "ScopeLocked", "message": "Locked."}}
    stage.azure.answers["DELETE", f"{WS}/models/old/versions/1"] = [client.Response(status=409, url="", body=body)]
    report = stage.run(make_policy())
    failed = next(line for line in report.acts if line.outcome == "failed")
    assert (failed.id, failed.error["code"]) == (f"{WS}/models/old/versions/1", "ScopeLocked")
    assert report.totals["outcomes"] == {"deleted": 1, "failed": 1, "kept": 6}


def test_an_act_that_arm_throttles_for_long_is_judged_again(stage, make_policy, gone):
    """Not sent within a minute, it is never sent: what was true need not be true any more."""
    throttled = errors.ThrottledError("429", delay_s=90, maybe_arrived=False)
    stage.azure.answers["DELETE", f"{WS}/models/old/versions/1"] = [throttled]

    def meanwhile(method, path):
        if method == "DELETE" and path.endswith("old/versions/1"):
            stage.azure.touch("models/old/versions/1", **{"steward-keep": "now"})

    stage.azure.before = meanwhile
    report = stage.run(make_policy())
    assert gone(stage) == OLD[1:]
    assert reason(report, "models/old/versions/1") == "seen again: it has the tag steward-keep"


def test_an_act_that_was_throttled_is_done_in_the_end(stage, make_policy, gone):
    """Nothing changed meanwhile."""
    throttled = errors.ThrottledError("429", delay_s=90, maybe_arrived=False)
    stage.azure.answers["DELETE", f"{WS}/models/old/versions/1"] = [throttled, throttled]
    report = stage.run(make_policy())
    assert gone(stage) == OLD
    assert report.totals["outcomes"] == {"deleted": 2, "kept": 6}


def test_references_of_other_workspaces_are_read_again_after_five_minutes(stage, make_policy, gone):
    """A long run does not act on old knowledge."""

    def meanwhile(method, _path):
        if method == "DELETE":
            stage.clock.advance(600)

    stage.azure.before = meanwhile
    report = stage.run(make_policy())
    assert gone(stage) == OLD
    assert report.run.round >= 2


def test_a_notification_is_recorded_with_the_owner(stage, make_policy, gone):
    """Nothing is sent to Azure; a dry run says that it would."""
    notifying = make_policy(action="notify", notify={"ownerTag": "Owner"})
    report = stage.run(notifying)
    assert gone(stage) == []
    line = next(line for line in report.lines if line.id.endswith("models/old/versions/1"))
    assert (reports.told(line)["outcome"], line.notify) == ("notified", {"ownerTag": "Owner", "owner": "ana"})
    stage.clock.advance(1)
    assert stage.run(notifying, mode="dryRun").totals["outcomes"] == {"kept": 6, "would notify": 2}


def test_a_subscription_that_cannot_be_listed_fails_the_run(stage, make_policy):
    """The report says so."""
    path = "/subscriptions/00000000-0000-0000-0000-000000000001/providers/Microsoft.MachineLearningServices/workspaces"
    stage.azure.answers["GET", path] = [
        client.Response(status=403, url="", body={"error": {"code": "AuthorizationFailed", "message": "No."}})
    ]
    report = stage.run(make_policy())
    assert report.run.status == "Failed"
    assert "could not be listed: AuthorizationFailed" in report.run.notes[0]


def test_archiving_keeps_everything_else_of_a_version(stage, make_policy):
    """A PUT replaces: what it lacks would be gone."""
    before = dict(stage.azure.resources[f"{WS}/models/old/versions/1"]["properties"])
    stage.run(make_policy(action="archive"))
    assert stage.azure.resources[f"{WS}/models/old/versions/1"]["properties"] == {**before, "isArchived": True}


def test_a_name_that_nobody_could_have_chosen_is_not_a_run(stage):
    """Neither does it reach into the table."""
    with pytest.raises(errors.BadRequestError, match="ReportNotFound"):
        stage.report("../secrets")


def test_a_workspace_too_large_for_one_message_goes_on_in_the_next(stage, make_policy, gone):
    """Asset by asset: nothing is judged twice, nothing is left out."""

    def slow(method, path):
        if method == "GET" and path.endswith("/versions"):
            stage.clock.advance(70)

    stage.azure.before = slow
    report = stage.run(make_policy(), make_policy(name="again", mode="dryRun"))
    assert gone(stage) == OLD
    assert len(report.lines) == 16
    assert len({(line.policy, line.id) for line in report.lines}) == 16
    assert next(unit for unit in report.units if unit.id).attempt > 3


def test_what_a_workspace_refers_to_that_was_made_during_the_run_counts(stage, make_policy, gone):
    """A long run looks for new workspaces before it acts."""
    other = WS.replace("/workspaces/ws", "/workspaces/new")

    def meanwhile(method, path):
        if method == "GET" and path.endswith("/models/old/versions") and other not in stage.azure.resources:
            stage.clock.advance(400)
            stage.azure.resources[other] = {**stage.azure.resources[WS], "id": other, "name": "new"}
            for tail, properties in (("", {}), ("/deployments/d", {"model": {"assetId": f"{WS}/models/old/versions/1"}})):
                path = f"{other}/batchEndpoints/nightly{tail}"
                body = {"id": path, "name": path.rpartition("/")[2], "properties": properties}
                stage.azure.resources[path] = body

    stage.azure.before = meanwhile
    report = stage.run(make_policy())
    assert gone(stage) == OLD[1:]
    assert "of endpoint nightly in workspace new refers to it" in reason(report, "models/old/versions/1")
