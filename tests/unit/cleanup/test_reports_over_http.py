"""The functions: the timer acts by its setting, a caller's run is dry unless told otherwise, reports can be listed and read."""

import asyncio
import json
from dataclasses import replace

import azure.functions as func
import pytest

from functions import cleanup
from shared import services as root
from shared.cleanup import reports


class Timer:
    """What the host hands to a timer function."""

    past_due = False


@pytest.fixture(autouse=True)
def in_place(services):
    """The functions find the fake services."""
    root.use(services)
    yield
    root.use(None)


def ask(function, method, path, params=None, route=None, headers=None):
    """Call an HTTP function; its response and the JSON in it."""
    req = func.HttpRequest(
        method=method,
        url=f"http://localhost:7071/api/{path}",
        params=params or {},
        route_params=route or {},
        headers=headers or {},
        body=b"",
    )
    response = asyncio.run(function(req))
    return response, json.loads(response.get_body())


@pytest.mark.parametrize("params", [{}, {"mode": "dryRun"}, {"mode": "DRYRUN"}])
def test_a_run_on_demand_is_dry_unless_told_otherwise(azure, add_cluster, params):
    """Nothing is sent; 200 with the whole report."""
    add_cluster("idle")
    response, body = ask(cleanup.run_clean_up, "POST", "cleanup", params)
    assert (response.status_code, body["mode"], body["outcomes"]) == (200, "dryRun", {"kept": 0, "would delete": 1})
    assert response.headers["Location"] == f"http://localhost:7071/api/cleanup/reports/{body['name']}"
    assert azure.acts() == []


def test_an_enforcing_run_answers_202_until_what_it_started_has_ended(services, azure, add_cluster):
    """The report's address is the place to look."""
    add_cluster("idle")
    headers = {"x-ms-client-principal-name": "ada@example.com"}  # anybody's claim where the platform signs nobody in
    response, body = ask(cleanup.run_clean_up, "POST", "cleanup", {"mode": "enforce"}, headers=headers)
    assert (response.status_code, body["status"], body["caller"]) == (202, "Running", "function key")
    services.drain()
    response, body = ask(cleanup.read_report, "GET", f"cleanup/reports/{body['name']}", route={"id": body["name"]})
    assert (response.status_code, body["status"], body["deleted"]) == (200, "Completed", [azure.at("ws/computes/idle")])
    assert body["endTime"]
    assert body["resources"][0]["outcome"] == "deleted"


def test_an_unknown_mode_is_refused(azure):
    """A typing error must not decide between looking and deleting."""
    response, body = ask(cleanup.run_clean_up, "POST", "cleanup", {"mode": "enforced"})
    assert (response.status_code, body["error"]["code"]) == (400, "InvalidParameter")
    assert azure.calls == []


@pytest.mark.parametrize("enforce", [False, True])
def test_the_timer_acts_only_where_the_setting_says_so(services, azure, add_cluster, enforce):
    """STEWARD_CLEANUP_MODE is dryRun unless set."""
    add_cluster("idle")
    services.settings = replace(services.settings, cleanup_enforce=enforce)
    cleanup.clean_up(Timer())
    services.drain()
    assert bool(azure.acts()) is enforce
    (report,) = reports.newest(5, services)
    assert (report.caller, report.mode) == ("timer", "enforce" if enforce else "dryRun")


def test_the_timer_does_nothing_without_a_subscription(services, azure, caplog):
    """It says so in the log and does not fail every night."""
    services.settings = replace(services.settings, subscription_id="")
    cleanup.clean_up(Timer())
    assert azure.calls == []
    assert "STEWARD_SUBSCRIPTION_ID is empty" in caplog.text


def test_reports_are_listed_newest_first_without_their_resources(services, add_cluster):
    """`$top` bounds how many are read."""
    add_cluster("idle")
    names = []
    for _ in range(3):
        names.append(ask(cleanup.run_clean_up, "POST", "cleanup")[1]["name"])
        services.clock.advance(60)
    _, body = ask(cleanup.list_reports, "GET", "cleanup/reports")
    assert [each["name"] for each in body["value"]] == names[::-1]
    assert "resources" not in body["value"][0]
    _, body = ask(cleanup.list_reports, "GET", "cleanup/reports", {"$top": "1"})
    assert [each["name"] for each in body["value"]] == names[2:]


@pytest.mark.parametrize("name", ["", "..", "../operations/x", "20260302T090000Z-00000000", "x" * 500, "%00"])
def test_a_report_that_is_not_there_is_404(name):
    """Only names of our own making are looked up in storage."""
    response, body = ask(cleanup.read_report, "GET", "cleanup/reports/x", route={"id": name})
    assert (response.status_code, body["error"]["code"]) == (404, "ReportNotFound")


def test_a_stored_report_reads_back_as_it_was(services, azure, add_cluster, add_instance, add_version):
    """One pair of to_json and from_json; a report of a newer app is refused."""
    add_cluster("idle")
    add_instance("mine")
    add_version("m", "1", days=3)
    name = ask(cleanup.run_clean_up, "POST", "cleanup")[1]["name"]
    stored = json.loads(services.blobs.get(f"cleanup/{name}.json"))
    assert reports.Report.from_json(stored).to_json() == stored
    with pytest.raises(ValueError, match="version 99"):
        reports.Report.from_json({**stored, "version": 99})


def test_kept_resources_beyond_the_limit_are_counted_not_listed(services, monkeypatch, add_cluster):
    """A report of a large subscription stays a few megabytes; what would be acted on is always listed."""
    monkeypatch.setattr(reports, "LINE_LIMIT", 2)
    for number in range(4):
        add_cluster(f"fresh{number}x", minutes=1)
    add_cluster("idle")
    _, body = ask(cleanup.run_clean_up, "POST", "cleanup")
    assert (body["looked"], body["unlisted"], len(body["resources"])) == (5, 2, 3)
    assert body["outcomes"] == {"kept": 4, "would delete": 1}
