"""A run takes exactly what is stale and idle, looks again before each act, keeps to its limit and time, and reports all."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.cleanup import reports, sweep
from shared.rest import client, errors
from tests import fakes

BUDGET = timedelta(seconds=100)


def run(services, mode="enforce", budget=BUDGET):
    """Run the clean-up and let the queue functions work to the end."""
    report = sweep.sweep(services, mode=mode, caller="a test", budget=budget)
    services.drain()
    return reports.load(report.name, services)


def ends_of(report, outcome):
    """Return the resources with that outcome, below the collection of workspaces."""
    return sorted(line.id.partition("/workspaces/")[2] for line in report.lines if line.outcome == outcome)


def reason_of(report, end):
    """Return the reason of the resource whose id ends so."""
    return next(line.reason for line in report.lines if line.id.endswith(end))


@pytest.fixture
def scene(add_version, add_cluster, add_instance, azure):
    """A stale model version, an idle cluster and an idle instance beside what only looks like them."""
    add_version("m", "1", days=400)
    add_version("m", "2", days=300)
    add_version("deployed", "1", days=400)
    add_version("deployed", "2", days=300)
    azure.put("ws/onlineEndpoints/ep", authMode="Key")
    azure.put("ws/onlineEndpoints/ep/deployments/blue", model="azureml:deployed:1")
    add_cluster("idle")
    add_cluster("kept", tags={"steward-keep": "1"})
    add_cluster("fresh", minutes=3)
    add_instance("mine")


def test_exactly_the_stale_and_the_idle_go(services, azure, scene):
    """One version and one cluster are deleted, one instance is stopped; the rest is kept, each with a reason."""
    report = run(services)
    assert azure.acts() == [
        ("DELETE", "ws/computes/idle"),
        ("POST", "ws/computes/mine/stop"),
        ("DELETE", "ws/models/m/versions/1"),
    ]
    assert ends_of(report, "deleted") == ["ws/computes/idle", "ws/models/m/versions/1"]
    assert ends_of(report, "stopped") == ["ws/computes/mine"]
    assert ends_of(report, "kept") == [
        "ws/computes/fresh",
        "ws/computes/kept",
        "ws/models/deployed/versions/1",
        "ws/models/deployed/versions/2",
        "ws/models/m/versions/2",
    ]
    assert all(line.reason for line in report.lines)
    assert report.status == "Completed"


def test_a_dry_run_changes_nothing_and_says_what_it_would_do(services, azure, scene):
    """Dry run is the default everywhere."""
    report = run(services, mode="dryRun")
    assert azure.acts() == []
    assert services.queue.sent == []
    assert ends_of(report, "would delete") == ["ws/computes/idle", "ws/models/m/versions/1"]
    assert ends_of(report, "would stop") == ["ws/computes/mine"]
    assert (report.status, report.mode) == ("Completed", "dryRun")


def test_every_act_is_an_operation_that_names_the_report(services, scene):
    """The audit entry of what is gone: its line in the report, its operation in the ledger."""
    report = run(services)
    line = next(line for line in report.lines if line.id.endswith("/models/m/versions/1"))
    operation = services.ledger.load(line.operation).operation
    assert (operation.caller, operation.method, operation.status) == (f"cleanup:{report.name}", "DELETE", "Succeeded")
    assert operation.target == line.id
    compute = next(line for line in report.lines if line.id.endswith("/computes/idle"))
    assert "underlyingResourceAction=Delete" in services.ledger.load(compute.operation).operation.query


@pytest.mark.parametrize(
    ("list_path", "answer"),
    [
        (
            "ws/onlineEndpoints",
            client.Response(status=403, url="", body={"error": {"code": "AuthorizationFailed", "message": "No."}}),
        ),
        ("ws/batchEndpoints", errors.UnreachableError("No answer.", delay_s=5, maybe_arrived=True)),
        ("ws/onlineEndpoints/ep/deployments", client.Response(status=200, url="", body=None)),
        ("ws/schedules", errors.ThrottledError("Too many.", delay_s=5, maybe_arrived=False)),
    ],
)
def test_nothing_of_a_workspace_goes_whose_references_cannot_be_read(services, azure, scene, list_path, answer):
    """The report says why; other workspaces are cleaned all the same."""
    azure.answers[azure.at(list_path)] = answer
    azure.put("other", provisioningState="Succeeded")
    other = dict(azure.resources[azure.at("ws/computes/idle")])
    azure.resources[azure.at("other/computes/idle")] = other
    report = run(services)
    assert azure.acts() == [("DELETE", "other/computes/idle")]
    states = {entry["id"].rpartition("/")[2]: entry["status"] for entry in report.workspaces}
    assert states == {"ws": "unreadable", "other": "read"}
    assert report.workspaces[0]["reason"].startswith("nothing more of it was judged")


def test_what_is_touched_meanwhile_is_spared(services, azure, add_version, add_cluster):
    """Each resource and its references are read again right before the act."""
    add_version("m", "1", days=400)
    add_version("m", "2", days=300)
    cluster = add_cluster("idle")

    def deploy_and_use(method, path):
        if path.endswith("/models/m/versions"):  # the list was read: now somebody deploys and starts a job
            azure.put("ws/onlineEndpoints/ep")
            azure.put("ws/onlineEndpoints/ep/deployments/blue", model="azureml:m:1")
        if path.endswith("/computes/idle/runs"):
            cluster["properties"]["properties"]["targetNodeCount"] = 1

    azure.before = deploy_and_use
    report = run(services)
    assert azure.acts() == []
    assert reason_of(report, "/m/versions/1") == "seen again: online deployment blue of endpoint ep refers to it"
    assert reason_of(report, "/computes/idle") == "seen again: it has or wants 1 nodes"


def test_what_is_protected_meanwhile_is_spared(services, azure, add_cluster):
    """Also by a tag on the workspace."""
    add_cluster("idle")

    def protect(_method, path):
        if path.endswith("/computes/idle/runs"):
            azure.put("ws", {"tags": {"steward-keep": ""}}, provisioningState="Succeeded")

    azure.before = protect
    assert reason_of(run(services), "/computes/idle") == "seen again: its workspace has the tag steward-keep"
    assert azure.acts() == []


def test_what_is_gone_meanwhile_is_no_failure(services, azure, add_cluster):
    """Somebody else was quicker."""
    add_cluster("idle")

    def remove(_method, path):
        if path.endswith("/computes/idle/runs"):
            azure.resources.pop(path.partition("/v1.0")[2].removesuffix("/runs"), None)

    azure.before = remove
    assert reason_of(run(services), "/computes/idle") == "seen again: it is gone already"


def test_two_runs_at_once_act_once(services, azure, add_cluster):
    """The second finds the first one's operation under way."""
    add_cluster("idle")
    first = sweep.sweep(services, mode="enforce", caller="timer", budget=BUDGET)
    second = sweep.sweep(services, mode="enforce", caller="somebody", budget=BUDGET)
    services.drain()
    assert azure.acts() == [("DELETE", "ws/computes/idle")]
    assert first.lines[0].operation in second.lines[0].reason
    assert second.lines[0].outcome == "kept"


def test_protected_models_and_workspaces_are_left_alone(services, azure, add_version, add_cluster):
    """The tag on a model protects its versions, on a workspace all that is in it."""
    add_version("m", "1", days=400)
    add_version("m", "2", days=300)
    azure.resources[azure.at("ws/models/m")]["properties"]["tags"] = {"steward-keep": "yes"}
    assert reason_of(run(services), "/m/versions/1") == "its model has the tag steward-keep"
    add_cluster("idle")
    azure.put("ws", {"tags": {"steward-keep": "yes"}}, provisioningState="Succeeded")
    report = run(services)
    assert report.workspaces[0]["status"] == "skipped"
    assert azure.acts() == []


def test_archived_and_anonymous_versions_are_seen(services, azure, add_version):
    """Without listViewType=All they vanish, and with them the order of the versions."""
    add_version("m", "1", days=400, isArchived=True)
    add_version("m", "2", days=350, isAnonymous=True)
    add_version("m", "3", days=300)
    assert ends_of(run(services), "deleted") == ["ws/models/m/versions/1", "ws/models/m/versions/2"]


def test_a_run_stops_at_its_limit_and_says_so(services, azure, add_cluster):
    """Five acts; the other two are named, and left to later runs."""
    for number in range(7):
        add_cluster(f"idle{number}x")
    report = run(services)
    assert len(azure.acts()) == 5
    assert ends_of(report, "limit reached") == ["ws/computes/idle5x", "ws/computes/idle6x"]
    assert report.notes == ["The limit of 5 was reached; the rest is left to later runs."]
    assert len(run(services, mode="dryRun").lines) == 2


def test_a_limit_of_none_stops_everything(services, azure, scene):
    """STEWARD_CLEANUP_LIMIT=0 is the switch that turns the acting off."""
    services.settings = replace(services.settings, cleanup_limit=0)
    run(services)
    assert azure.acts() == []


def test_a_run_without_time_leaves_the_rest_to_the_next_which_begins_there(services, azure, add_cluster):
    """The work of one run is bounded; workspaces take turns."""
    add_cluster("idle")
    azure.put("wt", provisioningState="Succeeded")
    azure.put("wx", provisioningState="Succeeded")

    def spend(_method, path):
        if path.endswith("/wt/computes"):
            services.clock.advance(200)

    azure.before = spend
    report = run(services, mode="dryRun")
    assert [(each["id"][-2:], each["status"]) for each in report.workspaces] == [("ws", "read"), ("wt", "left"), ("wx", "left")]
    azure.before = lambda _method, _path: None
    report = run(services, mode="dryRun")
    assert [each["id"][-2:] for each in report.workspaces] == ["wt", "wx", "ws"]
    assert all(each["status"] == "read" for each in report.workspaces)


def test_nothing_is_begun_after_the_time_is_up(services, azure, add_cluster):
    """Also what was judged already."""
    add_cluster("idle")

    def spend(_method, path):
        if path.endswith("/computes/idle/runs"):
            services.clock.advance(200)

    azure.before = spend
    report = run(services)
    assert azure.acts() == []
    assert ends_of(report, "not submitted") == ["ws/computes/idle"]


def test_an_operation_that_fails_stands_in_the_report_with_azures_reason(services, azure, add_cluster):
    """The report is complete only when what it started has ended."""
    add_cluster("idle")
    report = sweep.sweep(services, mode="enforce", caller="timer", budget=BUDGET)
    assert (report.status, report.view().get("endTime")) == ("Running", None)
    body = {"error": {"code": "ComputeBusy", "message": "A job has just begun."}}
    azure.answers[azure.at("ws/computes/idle")] = client.Response(status=400, url="", body=body)
    services.drain()
    settled = reports.load(report.name, services)
    assert (settled.status, settled.lines[0].outcome) == ("Completed", "failed")
    assert settled.lines[0].error["code"] == "ComputeBusy"
    assert settled.view()["failed"] == [settled.lines[0].id]


def test_a_report_outlives_the_operations_it_names(services, azure, scene):
    """Operations go after their retention; what became of each resource stays."""
    name = run(services).name
    services.clock.advance(100 * 24 * 3600)
    assert services.ledger.purge(services.clock()) == 3
    assert ends_of(reports.load(name, services), "deleted") == ["ws/computes/idle", "ws/models/m/versions/1"]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("nth", range(1, 30))
def test_a_run_killed_anywhere_leaves_a_true_report_and_the_next_finishes(services, azure, add_cluster, add_version, nth, after):
    """Storage calls are counted; the process dies before or after the n-th. Nothing else goes than what should."""
    fuse = fakes.Fuse()
    for part in (services.blobs, services.queue, services.ledger._rows, services.ledger._open):
        part._fuse = fuse
    add_cluster("idle")
    add_version("m", "1", days=400)
    add_version("m", "2", days=300)
    fuse.blow(nth, after=after)
    try:
        sweep.sweep(services, mode="enforce", caller="timer", budget=BUDGET)
    except fakes.Killed:
        assert not fuse.armed
    fuse.disarm()
    services.clock.advance(20 * 60)
    sweep.flows.reconcile(services)
    services.drain()
    run(services)
    assert sorted(azure.acts()) == [("DELETE", "ws/computes/idle"), ("DELETE", "ws/models/m/versions/1")]
    found = reports.newest(10, services)
    gone = sorted(end for report in found for end in ends_of(report, "deleted"))
    assert gone == ["ws/computes/idle", "ws/models/m/versions/1"]
    assert {report.status for report in found} <= {"Completed", "Interrupted"}


def test_the_clean_up_needs_a_subscription(services):
    """It never guesses where to work."""
    services.settings = replace(services.settings, subscription_id="")
    with pytest.raises(errors.BadRequestError) as raised:
        run(services)
    assert raised.value.error.code == "ScopeMissing"


def test_a_subscription_that_cannot_be_listed_is_reported(services, azure):
    """The caller gets the error, the report keeps it."""
    azure.answers[azure.at("")] = errors.ThrottledError("Too many.", delay_s=5, maybe_arrived=False)
    with pytest.raises(errors.ThrottledError):
        run(services)
    (report,) = reports.newest(5, services)
    assert report.notes == ["The workspaces could not be listed: TooManyRequests: Too many."]
    assert report.status == "Completed"
