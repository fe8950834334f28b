"""GET jobs by status, compute, tag and time: run history answers, page by page, and reads like ARM's list."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote

import pytest

from infra.local.emulator import scene

CLUSTER = {
    "location": scene.LOCATION,
    "properties": {"computeType": "AmlCompute", "properties": {"vmSize": "Standard_D1", "scaleSettings": {"maxNodeCount": 1}}},
}
JOBS = [
    # name, experiment, command, tags
    ("red1", "red", "echo one", {"team": "it's ours", "stage": "dev"}),
    ("red2", "red", "exit 3", {"stage": "prod"}),
    ("blue1", "blue", "echo two", {"stage": "dev"}),
    ("blue2", "blue", "echo three", {}),
    ("green1", "green", "exit 4", {"stage": "dev"}),
]


@pytest.fixture(scope="module")
def jobs(caller, workspace: str) -> str:
    """Five jobs in three experiments, ended; returns the path of their list."""
    caller.done("PUT", f"{workspace}/computes/search-cpu", json=CLUSTER)
    environment = caller.done("PUT", f"{workspace}/environments/plain/versions/1", json={"properties": {"image": "python:3.13"}})
    for name, experiment, command, tags in JOBS:
        properties = {
            "jobType": "Command",
            "command": command,
            "environmentId": environment["id"],
            "computeId": f"{scene.GROUP_ID}/providers/Microsoft.MachineLearningServices/{workspace}/computes/search-cpu",
            "experimentName": experiment,
            "tags": tags,
        }
        answer = caller.send("PUT", f"{workspace}/jobs/{name}", json={"properties": properties}, headers={"Prefer": "wait=30"})
        assert answer.status_code in (200, 201, 202, 422), answer.text
    return f"{workspace}/jobs"


def names(caller, path: str) -> list[str]:
    """Return the names that a search finds, over all its pages."""
    found, url = [], path
    for _ in range(20):
        answer = caller.send("GET", url)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert body["source"] == "run history"
        found += [job["name"] for job in body["value"]]
        if "nextLink" not in body:
            return found
        url = body["nextLink"].partition("/api/")[2]
    raise AssertionError(found)


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("status=Completed", {"red1", "blue1", "blue2"}),
        ("status=failed", {"red2", "green1"}),
        ("status=Completed,Failed", {"red1", "red2", "blue1", "blue2", "green1"}),
        ("status=Completed&status=Failed&experiment=blue", {"blue1", "blue2"}),
        ("compute=search-cpu&status=Failed", {"red2", "green1"}),
        ("compute=elsewhere", set()),
        ("tag=stage", {"red1", "red2", "blue1", "green1"}),
        ("tag=stage=dev", {"red1", "blue1", "green1"}),
        ("tag=stage=dev&tag=team", {"red1"}),
        (f"tag={quote('team=it' + chr(39) + 's ours')}", {"red1"}),
        ("since=2020-01-01&experiment=red", {"red1", "red2"}),
        ("since=2199-01-01T00:00:00Z", set()),
        ("archived=true&experiment=green", {"green1"}),
    ],
)
def test_jobs_are_found(caller, jobs, query, wanted):
    """One value or several, a tag's name or its value with a quote in it, a date or a time."""
    assert set(names(caller, f"{jobs}?{query}")) == wanted


@pytest.mark.parametrize("query", ["status=Completed,Failed", "compute=search-cpu", "experiment=red"])
def test_pages_hold_every_job_once(caller, jobs, query):
    """However small the pages are, nothing is told twice and nothing is left out; the newest is first in each experiment's list."""
    whole = names(caller, f"{jobs}?{query}")
    assert names(caller, f"{jobs}?{query}&$top=1") == whole
    assert len(whole) == len(set(whole))


def test_a_found_job_reads_like_arms(caller, jobs):
    """Same id, name and properties as in ARM's own list, as far as run history tells."""
    (found,) = caller.send("GET", f"{jobs}?tag=team").json()["value"]
    whole = caller.send("GET", f"{jobs}/red1").json()
    assert found["id"].lower() == whole["id"].lower()
    assert found["type"] == whole["type"]
    for name in ("status", "jobType", "experimentName", "tags"):
        assert found["properties"][name] == whole["properties"][name]


def test_archived_jobs_are_found_on_request(caller, jobs, workspace):
    """Run history calls them hidden."""
    caller.send("PATCH", f"history/v1.0/{workspace}/runs/blue2", json={"hidden": True})
    assert set(names(caller, f"{jobs}?experiment=blue")) == {"blue1"}
    assert set(names(caller, f"{jobs}?experiment=blue&archived=true")) == {"blue1", "blue2"}
    caller.send("PATCH", f"history/v1.0/{workspace}/runs/blue2", json={"hidden": False})


def test_a_search_sends_an_odata_filter(caller, azure, jobs):
    """Statuses, tags and time go to Azure; quotes are doubled."""
    before = azure.last()
    since = (datetime.now(UTC) - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert names(caller, f"{jobs}?compute=search-cpu&tag={quote('team=it' + chr(39) + 's ours')}&since={since}") == ["red1"]
    (sent,) = azure.since(before, path="/computes/search-cpu/runs$")
    assert "tags/team eq 'it''s ours' and CreatedUtc ge " in unquote(str(sent["query"]))


@pytest.mark.parametrize(
    "query",
    [
        "status=Sideways",
        "since=yesterday",
        "tag=a%20b=c",
        "archived=perhaps",
        "$top=0&status=Failed",
        "status=Failed&$skipToken=xx",
    ],
)
def test_a_parameter_that_cannot_be_is_refused(caller, azure, jobs, query):
    """400 names it and what was expected; Azure is not asked."""
    before = azure.last()
    answer = caller.send("GET", f"{jobs}?{query}")
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["target"] in ("status", "since", "tag", "archived", "$top", "$skipToken")
    assert not azure.since(before, path="runs")


def test_without_these_parameters_arm_answers(caller, jobs):
    """ARM's list, with ARM's parameters."""
    body = caller.send("GET", f"{jobs}?$skip=0").json()
    assert "source" not in body
    assert {job["name"] for job in body["value"]} >= {"red1", "blue1"}
