"""Schedules start their jobs when the local Azure's clock says so; the control route moves it on."""

from typing import Any

import pytest

from tests.functional.emulator.client import Client, until

pytestmark = pytest.mark.nightly


@pytest.fixture
def workspace(azure: Client) -> str:
    """A workspace with an environment."""
    arm_id = azure.workspace()
    azure.arm("PUT", f"{arm_id}/environments/env/versions/1", {"properties": {"image": "ubuntu:22.04"}})
    return arm_id


def schedule(workspace: str, action: dict[str, Any] | None = None, **trigger: Any) -> dict[str, Any]:
    """Hourly, a command job."""
    job = {"jobType": "Command", "command": "echo on time", "environmentId": f"{workspace}/environments/env/versions/1"}
    when = {"triggerType": "Recurrence", "frequency": "hour", "interval": 1, **trigger}
    return {
        "properties": {"trigger": when, "action": action or {"actionType": "CreateJob", "jobDefinition": job}, "isEnabled": True}
    }


def started(azure: Client, workspace: str, name: str = "hourly") -> list[dict[str, Any]]:
    """The jobs of a schedule."""
    return list(azure.arm("GET", f"{workspace}/jobs?scheduleId={name}").json()["value"])


def test_a_job_starts_each_hour_under_the_schedules_name(azure: Client, workspace: str) -> None:
    """`hourly-YYYYMMDDThhmmssZ`, which runs; nothing before its time, and nothing when it is disabled."""
    assert azure.arm("PUT", f"{workspace}/schedules/hourly", schedule(workspace)).status_code == 201
    azure.control("POST", "clock", {"advance_s": 1800})
    assert started(azure, workspace) == []
    azure.control("POST", "clock", {"advance_s": 1900})
    until(lambda: [job["properties"]["status"] for job in started(azure, workspace)] == ["Completed"])
    (job,) = started(azure, workspace)
    stamp = job["name"].removeprefix("hourly-")
    assert (len(stamp), stamp[8], stamp[-1], job["properties"]["displayName"]) == (16, "T", "Z", job["name"])
    azure.control("POST", "clock", {"advance_s": 7200})
    until(lambda: len(started(azure, workspace)) == 3)
    body = schedule(workspace)
    body["properties"]["isEnabled"] = False
    azure.arm("PUT", f"{workspace}/schedules/hourly", body)
    azure.control("POST", "clock", {"advance_s": 7200})
    azure.arm("PUT", f"{workspace}/schedules/other", schedule(workspace))
    azure.control("POST", "clock", {"advance_s": 3600})
    until(lambda: len(started(azure, workspace, "other")) == 1)
    assert len(started(azure, workspace)) == 3
    assert len(azure.arm("GET", f"{workspace}/jobs?scheduled=true").json()["value"]) == 4


def test_a_schedule_repeats_a_job_that_was_there(azure: Client, workspace: str) -> None:
    """`sourceJobId` names it."""
    job = {"jobType": "Command", "command": "echo again", "environmentId": f"{workspace}/environments/env/versions/1"}
    azure.arm("PUT", f"{workspace}/jobs/first", {"properties": job})
    action = {"actionType": "CreateJob", "jobDefinition": {"sourceJobId": "first", "jobType": "Command", "experimentName": ""}}
    azure.arm("PUT", f"{workspace}/schedules/hourly", schedule(workspace, action))
    azure.control("POST", "clock", {"advance_s": 3700})
    until(lambda: len(started(azure, workspace)) == 1)
    assert started(azure, workspace)[0]["properties"]["command"] == "echo again"


def test_monitors_and_imports_are_recorded_as_runs(azure: Client, workspace: str) -> None:
    """Completed, and their description says that nothing was done."""
    for kind in ("CreateMonitor", "ImportData"):
        body = schedule(workspace, {"actionType": kind})
        made = azure.arm("PUT", f"{workspace}/schedules/{kind}", body, version="2023-06-01-preview")  # imports: in previews only
        assert made.status_code == 201
    azure.control("POST", "clock", {"advance_s": 3700})
    for kind in ("CreateMonitor", "ImportData"):
        until(lambda kind=kind: len(started(azure, workspace, kind)) == 1)
        shown = started(azure, workspace, kind)[0]["properties"]
        assert (shown["status"], "not carried out" in shown["description"]) == ("Completed", True)


@pytest.mark.parametrize(
    ("version", "action"),
    [
        ("2025-12-01", {"actionType": "ImportData"}),
        (
            "2025-12-01",
            {
                "actionType": "CreateMonitor",
                "monitorDefinition": {"signals": {"s": {"productionData": {"inputDataType": "Trailing"}}}},
            },
        ),
        (
            "2025-12-01",
            {
                "actionType": "CreateMonitor",
                "monitorDefinition": {"signals": {"s": {"productionData": [{"inputDataType": "Odd"}]}}},
            },
        ),
    ],
)
def test_a_discriminator_that_the_version_lacks_is_refused(
    azure: Client, workspace: str, version: str, action: dict[str, Any]
) -> None:
    """400: what only a preview knows goes with that preview."""
    answer = azure.arm("PUT", f"{workspace}/schedules/odd", schedule(workspace, action), version=version)
    assert (answer.status_code, "not one of" in answer.text) == (400, True)


@pytest.mark.parametrize(
    "trigger", [{"timeZone": "Nowhere"}, {"interval": 0}, {"triggerType": "Cron", "expression": "often"}, {"startTime": "soon"}]
)
def test_a_schedule_whose_trigger_is_wrong_is_refused(azure: Client, workspace: str, trigger: dict[str, Any]) -> None:
    """400 InvalidTrigger."""
    answer = azure.arm("PUT", f"{workspace}/schedules/hourly", schedule(workspace, **trigger))
    assert answer.status_code == 400
    assert "InvalidTrigger" in answer.text
