"""A list is read whole or not at all; run history is asked before ARM's jobs, and no further back than it matters."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.cleanup.facts import activity, inventory
from shared.rest import client, errors, ids
from tests.estate import ML, NOW, SUBSCRIPTION, ago

WS = ids.parse(f"{ML}/workspaces/ws")
HISTORY = f"/history/v1.0{ML}/workspaces/ws/computes/cpu/runs"


def page(body, status=200):
    """Return an answer with that body."""
    return client.Response(status=status, url="", body=body)


def runs_on(world, compute="cpu", since=NOW - timedelta(hours=2)):
    """Return what ran on a compute."""
    return activity.on_compute(WS, compute, world, since=since)


def test_all_pages_are_read(world):
    """The small Azure has two items a page."""
    for name in ("a1", "b1", "c1", "d1", "e1"):
        world.cluster(name)
    assert [body["name"] for body in inventory.listing(WS.child("computes"), world)] == ["a1", "b1", "c1", "d1", "e1"]


@pytest.mark.parametrize("body", [None, "", "<html/>", [], {}, {"value": None}, {"value": [1]}, {"value": [{"id": "x"}]}])
def test_an_answer_that_is_no_list_is_an_error_not_an_empty_list(world, body):
    """What a half-read list lacks would look unused."""
    world.answers[f"{ML}/workspaces/ws/computes"] = page(body)
    with pytest.raises(errors.RejectedError) as raised:
        list(inventory.listing(WS.child("computes"), world))
    assert raised.value.error.code == "IncompleteList"


def test_a_list_without_end_is_an_error(world):
    """A server that repeats its nextLink would be followed for ever."""
    again = {"value": [], "nextLink": f"https://management.azure.com{ML}/workspaces/ws/computes?api-version=1"}
    world.answers[f"{ML}/workspaces/ws/computes"] = page(again)
    with pytest.raises(errors.RejectedError, match="more than 2000 pages"):
        list(inventory.listing(WS.child("computes"), world))


@pytest.mark.parametrize("asked", [None, {"top": 2}])
def test_a_continuation_token_is_followed_in_the_query_or_in_the_body(asked):
    """Run history names it in its specification, with or without a link."""
    seen = []

    class Pages:
        @property
        def client(self):
            """Itself."""
            return self

        def send(self, method, url, *, body=None):
            """Answer a page, and a token but for the last."""
            seen.append((method, url, body))
            return page({"value": [{"n": len(seen)}], **({} if len(seen) == 3 else {"continuationToken": "a+b/c", "nextLink": ""})})

    assert [each["n"] for each in inventory.items("https://x/runs?api-version=1", Pages(), asked)] == [1, 2, 3]
    if asked is None:
        assert seen[1] == ("GET", "https://x/runs?api-version=1&$continuationtoken=a%2Bb%2Fc", None)
    else:
        assert seen[1] == ("POST", "https://x/runs?api-version=1", {"top": 2, "continuationToken": "a+b/c"})


def test_workspaces_have_canonical_ids(world):
    """Azure's own casing is not stable."""
    body = world.resources[f"{ML}/workspaces/ws"]
    body["id"] = body["id"].replace("resourceGroups", "resourcegroups").replace("Microsoft.Machine", "microsoft.machine")
    assert [each["id"] for each in inventory.workspaces(SUBSCRIPTION, "rg", world)] == [WS.path]


def test_run_history_tells_what_ran_on_a_compute(world):
    """In any casing of its name; when the last of them began or ended."""
    for number in range(3):
        world.run(f"r{number}", status="Completed", target="CPU", createdUtc=ago(3), endTimeUtc=ago(number))
    found = runs_on(world)
    assert (found.count, found.active, found.last_at) == (3, "", NOW)


@pytest.mark.parametrize("status", [None, "", "Queued", "Finalizing", "CancelRequested", "Paused", "NotResponding", "SomethingNew"])
def test_only_completed_failed_and_canceled_are_over(world, status):
    """Anything else counts as under way, also what nobody has seen yet."""
    world.run("r", status=status, target="cpu")
    assert runs_on(world).active.startswith("run r is ")


def test_a_run_under_way_is_found_however_old_and_where_the_filter_is_ignored(world):
    """A server that answers everything is not believed to have filtered."""
    world.answers[HISTORY] = page({"value": [{"runId": "x", "status": "Completed"}, {"runId": "old", "status": "Running"}]})
    assert runs_on(world).active == "run old is Running"


def test_no_more_runs_are_read_than_can_matter(world):
    """A job lives for 21 days at most: what was made long before the span has ended before it."""
    for number in range(activity.TOP * 3):
        world.run(f"r{number}", status="Completed", target="cpu", createdUtc=ago(60 + number), endTimeUtc=ago(60 + number))
    assert runs_on(world).count == activity.TOP
    assert runs_on(world, since=NOW - timedelta(days=400)).count == activity.TOP * 3


def test_where_run_history_has_no_such_list_the_jobs_tell(world):
    """ARM cannot filter jobs: all are read, archived ones too, and those of the compute count."""
    world.answers[HISTORY] = page({"error": {"code": "NotFound", "message": "No."}}, 404)
    world.put("workspaces/ws/jobs/other", status="Running", computeId=f"{ML}/workspaces/ws/computes/gpu")
    world.put("workspaces/ws/jobs/done", status="Completed", computeId="cpu", properties={"EndTimeUtc": "2026-01-01 02:00:00"})
    found = runs_on(world)
    assert (found.count, found.active, str(found.last_at)) == (1, "", "2026-01-01 02:00:00+00:00")
    steps = {"a": {"computeId": f"azureml:{ML}/workspaces/ws/computes/CPU"}}
    world.put("workspaces/ws/jobs/step", status="Queued", isArchived=True, jobs=steps)
    assert runs_on(world).active == "job step is Queued"


def test_an_azure_that_is_away_is_no_reason_to_look_elsewhere(world):
    """A server error is tried again later, by whoever asked."""
    world.answers[HISTORY] = errors.AzureUnavailableError("down", delay_s=10, maybe_arrived=True)
    with pytest.raises(errors.AzureUnavailableError):
        runs_on(world)


def test_a_workspace_with_a_recent_run_costs_one_call(world):
    """Run history tells of each experiment when its newest run was made."""
    world.run("r", experimentName="one", status="Completed", createdUtc=ago(300))
    listed = [{"name": "one", "latestCreatedRunCreatedUtc": ago(300)}, {"name": "two", "latestCreatedRunCreatedUtc": ago(3)}]
    world.answers[f"/history/v1.0{ML}/workspaces/ws/experiments:query"] = page({"value": listed})
    found = activity.newest(WS, world, since=NOW - timedelta(days=180))
    assert (found.last_at, len(world.calls)) == (NOW - timedelta(days=3), 1)
    old = activity.newest(WS, world, since=NOW - timedelta(days=2))
    assert (old.last_at, old.count) == (NOW - timedelta(days=3), 1)
