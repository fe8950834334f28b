"""What polls answer: bodies per service, running words, failures inside a 200, signed URLs, results behind Locations."""

import re
from typing import Any

import pytest

from tests.functional.emulator.bodies import CLUSTER, INSTANCE, PLACE, SCHEDULE
from tests.functional.emulator.client import ARM, WORKSPACES, Client, workspace_body


def polls(azure: Client, url: str, count: int) -> list[dict[str, Any]]:
    """The bodies of so many polls; each is HTTP 200 without Retry-After."""
    answers = [azure.arm("GET", url) for _ in range(count)]
    assert {answer.status_code for answer in answers} == {200}
    assert not any("Retry-After" in answer.headers for answer in answers)
    return [answer.json() for answer in answers]


def test_workspaces_and_computes_say_in_progress_and_then_100_percent(azure: Client) -> None:
    """`{"status":"InProgress"}`, then `{"status":"Succeeded","percentComplete":100.0}`, and nothing else."""
    azure.control("PUT", "transitions", {"default": "polls:2"})
    first = azure.arm("PUT", f"{WORKSPACES}/lab", workspace_body())
    expected = [{"status": "InProgress"}] * 2 + [{"status": "Succeeded", "percentComplete": 100.0}] * 2
    assert polls(azure, first.headers["Azure-AsyncOperation"], 4) == expected
    compute = azure.arm("PUT", f"{WORKSPACES}/lab/computes/cpu", CLUSTER)
    assert polls(azure, compute.headers["azure-asyncoperation"], 4) == expected


def test_a_workspaces_location_is_202_with_both_headers_and_then_the_workspace(azure: Client) -> None:
    """`type=location`: empty while it runs; then 200 with the result."""
    azure.control("PUT", "transitions", {"workspace": "polls:1"})
    first = azure.arm("PUT", f"{WORKSPACES}/lab", workspace_body())
    running = azure.arm("GET", first.headers["Location"])
    assert (running.status_code, running.content) == (202, b"")
    assert running.headers["Location"] == first.headers["Location"]
    assert running.headers["Azure-AsyncOperation"] == first.headers["Azure-AsyncOperation"]
    done = azure.arm("GET", first.headers["Location"])
    assert (done.status_code, done.json()["name"]) == (200, "lab")


def test_an_endpoint_is_updating_while_it_is_created(azure: Client) -> None:
    """`oe:`: id, name, startTime, percentComplete 0.0, status Updating; then endTime, 100.0, Succeeded."""
    workspace = azure.workspace()
    azure.control("PUT", "transitions", {"onlineEndpoint": "polls:1"})
    first = azure.arm("PUT", f"{workspace}/onlineEndpoints/line", {**PLACE, "properties": {"authMode": "Key"}})
    running, done = polls(azure, first.headers["azure-asyncoperation"], 2)
    assert set(running) == {"id", "name", "startTime", "percentComplete", "status"}
    assert (running["status"], running["percentComplete"]) == ("Updating", 0.0)
    assert running["id"].endswith(f"/mfeOperationsStatus/{running['name']}")
    assert re.fullmatch(r"oe:[0-9a-f-]{36}:[0-9a-f-]{36}", running["name"])
    assert set(done) == {*running, "endTime"}
    assert (done["status"], done["percentComplete"]) == ("Succeeded", 100.0)


def test_a_newer_endpoint_ends_at_zero_percent(azure: Client) -> None:
    """`oeidp:` (2024-07 and later): Succeeded with percentComplete 0.0."""
    first = azure.arm(
        "PUT", f"{azure.workspace()}/onlineEndpoints/line", {**PLACE, "properties": {"authMode": "Key"}}, version="2024-10-01"
    )
    (done,) = polls(azure, first.headers["azure-asyncoperation"], 1)
    assert done["name"].startswith("oeidp:")
    assert (done["status"], done["percentComplete"]) == ("Succeeded", 0.0)


@pytest.mark.parametrize(("version", "has_percent"), [("2023-10-01", True), ("2025-06-01", False)])
def test_newer_batch_endpoints_tell_no_percentage(azure: Client, version: str, has_percent: bool) -> None:  # noqa: FBT001
    """`be:` has percentComplete, `bebes:` has id, name and status only."""
    workspace = azure.workspace()
    azure.control("PUT", "transitions", {"batchEndpoint": "polls:1"})
    first = azure.arm("PUT", f"{workspace}/batchEndpoints/line", {**PLACE, "properties": {"authMode": "AADToken"}}, version=version)
    for body in polls(azure, first.headers["azure-asyncoperation"], 2):
        assert ("percentComplete" in body) is has_percent


def test_a_schedules_status_names_the_operations_results(azure: Client) -> None:
    """`s:`: Creating, Deleting; times at the end only; the id says mfeOperationResults."""
    arm_id = f"{azure.workspace()}/schedules/nightly"
    azure.control("PUT", "transitions", {"schedule": "polls:1"})
    running, done = polls(azure, azure.arm("PUT", arm_id, SCHEDULE).headers["azure-asyncoperation"], 2)
    assert running["status"] == "Creating"
    assert "/mfeOperationResults/s:" in running["id"]
    assert set(done) - set(running) == {"startTime", "endTime"}
    running, _ = polls(azure, azure.arm("DELETE", arm_id).headers["azure-asyncoperation"], 2)
    assert running["status"] == "Deleting"


def test_deleting_an_enabled_schedule_is_accepted_and_fails_in_the_poll(azure: Client) -> None:
    """HTTP 200 with `error`, status Failed, percentComplete 100.0; the schedule stays."""
    arm_id = f"{azure.workspace()}/schedules/nightly"
    made = azure.arm("PUT", arm_id, {"properties": {**SCHEDULE["properties"], "isEnabled": True}})
    azure.arm("GET", made.headers["azure-asyncoperation"])
    first = azure.arm("DELETE", arm_id)
    assert first.status_code == 202
    (failed,) = polls(azure, first.headers["azure-asyncoperation"], 1)
    assert (failed["status"], failed["percentComplete"]) == ("Failed", 100.0)
    assert set(failed["error"]) == {"code", "message", "details", "additionalInfo"}
    assert azure.arm("GET", arm_id).status_code == 200


def test_status_urls_are_signed_and_good_only_byte_for_byte(azure: Client) -> None:
    """About 3 kB with `t,c,s,h`; one changed character, or an api-version appended, and ARM refuses."""
    first = azure.arm("PUT", f"{WORKSPACES}/lab", workspace_body())
    url = first.headers["Azure-AsyncOperation"]
    assert 2000 < len(url) < 4000
    assert all(f"&{name}=" in url for name in "tcsh")
    for spoiled in (url[:-1], f"{url}&api-version=2023-10-01", url.replace("&t=6", "&t=7"), url.partition("&t=")[0]):
        assert azure.arm("GET", spoiled).status_code == 403
    assert azure.arm("GET", url).status_code == 200


def test_a_deleted_workspace_is_deleting_and_then_gone(azure: Client) -> None:
    """GET is 200 with Deleting, then 404 ResourceNotFound; a deleted compute is 404 with an empty body."""
    workspace = azure.workspace()
    azure.arm("GET", azure.arm("PUT", f"{workspace}/computes/cpu", CLUSTER).headers["azure-asyncoperation"])
    azure.control("PUT", "transitions", {"default": "polls:1"})
    poll = azure.arm("DELETE", f"{workspace}/computes/cpu").headers["azure-asyncoperation"]
    assert azure.arm("GET", f"{workspace}/computes/cpu").json()["properties"]["provisioningState"] == "Deleting"
    polls(azure, poll, 2)
    gone = azure.arm("GET", f"{workspace}/computes/cpu")
    assert (gone.status_code, gone.content) == (404, b"")
    poll = azure.arm("DELETE", workspace).headers["Azure-AsyncOperation"]
    assert azure.arm("GET", workspace).json()["properties"]["provisioningState"] == "Deleting"
    polls(azure, poll, 2)
    gone = azure.arm("GET", workspace)
    assert (gone.status_code, gone.json()["error"]["code"]) == (404, "ResourceNotFound")


def test_time_mode_follows_the_recorded_durations(azure: Client) -> None:
    """A compute instance's stop takes its recorded 89 s, divided by the speed, on the local Azure's clock."""
    arm_id = f"{azure.workspace()}/computes/workstation"
    azure.arm("GET", azure.arm("PUT", arm_id, INSTANCE).headers["azure-asyncoperation"])
    azure.control("PUT", "transitions", {"default": "time", "speed": 0.1})
    poll = azure.arm("POST", f"{arm_id}/stop").headers["azure-asyncoperation"]
    azure.control("POST", "clock", {"advance_s": 800})
    assert azure.arm("GET", poll).json()["status"] == "InProgress"
    assert azure.arm("GET", arm_id).json()["properties"]["properties"]["state"] == "Stopping"
    azure.control("POST", "clock", {"advance_s": 100})
    assert azure.arm("GET", arm_id).json()["properties"]["properties"]["state"] == "Stopped"
    assert azure.arm("GET", poll).json()["status"] == "Succeeded"


def test_an_unknown_operation_is_not_found(azure: Client) -> None:
    """Without the signature it is refused before that."""
    url = f"{ARM}{WORKSPACES.partition('/resourceGroups')[0]}/providers/Microsoft.MachineLearningServices/locations/westeurope"
    assert azure.arm("GET", f"{url}/mfeOperationsStatus/oe:1:2?api-version=2023-10-01").status_code == 403
