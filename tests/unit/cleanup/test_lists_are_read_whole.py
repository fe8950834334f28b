"""A list is read whole or not at all, and run history is asked before ARM's jobs."""

import pytest

from shared.cleanup import inventory
from shared.rest import client, errors, ids

WS = ids.parse(
    "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg"
    "/providers/Microsoft.MachineLearningServices/workspaces/ws"
)


def page(body, status=200):
    """Return an answer with that body."""
    return client.Response(status=status, url="", body=body)


def refusal(status):
    """Return an answer that refuses."""
    return page({"error": {"code": "Refused", "message": "No."}}, status)


def test_all_pages_are_read(azure, add_cluster):
    """The small Azure has two items a page."""
    for name in ("a1", "b1", "c1", "d1", "e1"):
        add_cluster(name)
    assert [body["name"] for body in inventory.listing(WS.child("computes"), azure_only(azure))] == ["a1", "b1", "c1", "d1", "e1"]


@pytest.mark.parametrize("body", [None, "", "<html/>", [], {}, {"value": None}, {"value": [1]}, {"value": [{"id": "x"}]}])
def test_an_answer_that_is_no_list_is_an_error_not_an_empty_list(azure, body):
    """What a half-read list lacks would look unused."""
    azure.answers[f"{WS.path}/onlineEndpoints"] = page(body)
    with pytest.raises(errors.RejectedError) as raised:
        inventory.references(WS, azure_only(azure))
    assert raised.value.error.code == "IncompleteList"


def test_a_list_without_end_is_an_error(azure):
    """A server that repeats its nextLink would be followed for ever."""
    again = {"value": [], "nextLink": f"https://management.azure.com{WS.path}/computes?api-version=1"}
    azure.answers[f"{WS.path}/computes"] = page(again)
    with pytest.raises(errors.RejectedError, match="more than 2000 pages"):
        list(inventory.listing(WS.child("computes"), azure_only(azure)))


@pytest.mark.parametrize("family", ["onlineEndpoints", "batchEndpoints"])
def test_every_deployment_of_every_endpoint_is_looked_at(azure, family):
    """Three endpoints are two pages; each has two deployments."""
    for endpoint in ("e1", "e2", "e3"):
        azure.put(f"ws/{family}/{endpoint}")
        for number in (1, 2):
            azure.put(f"ws/{family}/{endpoint}/deployments/d{number}", model={"assetId": f"azureml:{endpoint}:{number}"})
    found = inventory.references(WS, azure_only(azure))
    assert found.deployments == 6
    assert found.of_model("e3", "2").endswith("deployment d2 of endpoint e3")


def test_disabled_schedules_and_v1_services_are_looked_at(azure):
    """A schedule that is disabled today may be enabled tomorrow."""
    azure.put("ws/schedules/nightly", isEnabled=False, action={"jobDefinition": {"computeId": f"{WS.path}/computes/cpu"}})
    azure.answers[f"/modelmanagement/v1.0{WS.path}/services"] = page({"value": [{"name": "old", "models": [{"id": "m:1"}]}]})
    found = inventory.references(WS, azure_only(azure))
    assert (found.schedules, found.of_compute("CPU")) == (1, "schedule nightly")
    assert (found.services, found.of_model("M", "1")) == (1, "v1 service old")


@pytest.mark.parametrize(("status", "fails"), [(404, False), (410, False), (403, True), (400, True)])
def test_a_workspace_that_has_no_v1_services_any_more_can_be_judged(azure, status, fails):
    """404 and 410 say that there are none; a refusal to tell does not."""
    azure.answers[f"/modelmanagement/v1.0{WS.path}/services"] = refusal(status)
    if fails:
        with pytest.raises(errors.RejectedError):
            inventory.references(WS, azure_only(azure))
    else:
        assert inventory.references(WS, azure_only(azure)).services == 0


def test_run_history_tells_what_ran_on_a_compute(azure):
    """Reading stops at the first run that is not over."""
    over = {"runId": "r1", "status": "Completed", "createdUtc": "2026-01-01T00:00:00Z", "endTimeUtc": "2026-01-01T02:00:00Z"}
    azure.runs["ws/cpu"] = [over, over, over]
    found = inventory.runs_on(WS, "cpu", azure_only(azure))
    assert (found.count, found.active, str(found.last_at)) == (3, "", "2026-01-01 02:00:00+00:00")
    azure.runs["ws/cpu"] = [over, {"runId": "r2", "status": "NotResponding"}, over]
    found = inventory.runs_on(WS, "cpu", azure_only(azure))
    assert (found.count, found.active) == (2, "run r2 is NotResponding")


@pytest.mark.parametrize("status", [None, "", "Queued", "Finalizing", "CancelRequested", "Paused", "SomethingNew"])
def test_only_completed_failed_and_canceled_are_over(azure, status):
    """Anything else counts as under way, also what nobody has seen yet."""
    azure.runs["ws/cpu"] = [{"runId": "r", "status": status}]
    assert inventory.runs_on(WS, "cpu", azure_only(azure)).active


def test_a_continuation_token_without_a_link_is_followed(azure):
    """Run history names both in its specification, and each may be missing."""
    seen = []

    def interfere(_method, path):
        if path.endswith("/runs"):
            seen.append(path)
            last = len(seen) > 1
            run = {"runId": f"r{len(seen)}", "status": "Running" if last else "Completed"}
            azure.answers[path] = page({"value": [run], **({} if last else {"continuationToken": "a+b/c"})})

    azure.before = interfere
    assert inventory.runs_on(WS, "cpu", azure_only(azure)).active == "run r2 is Running"


def test_where_run_history_has_no_such_list_the_jobs_tell(azure):
    """ARM cannot filter jobs: all are read, archived ones too, and those of the compute count."""
    azure.answers[f"/history/v1.0{WS.path}/computes/cpu/runs"] = refusal(404)
    azure.put("ws/jobs/other", status="Running", computeId=f"{WS.path}/computes/gpu")
    azure.put("ws/jobs/done", status="Completed", computeId="cpu", properties={"EndTimeUtc": "2026-01-01 02:00:00"})
    found = inventory.runs_on(WS, "cpu", azure_only(azure))
    assert (found.count, found.active, str(found.last_at)) == (1, "", "2026-01-01 02:00:00+00:00")
    azure.put("ws/jobs/step", status="Queued", isArchived=True, jobs={"a": {"computeId": f"azureml:{WS.path}/computes/CPU"}})
    assert inventory.runs_on(WS, "cpu", azure_only(azure)).active == "job step is Queued"


class azure_only:  # noqa: N801 - reads as a verb where it is used
    """The two services that reading needs."""

    def __init__(self, azure):
        self.client = self.addresses = azure
