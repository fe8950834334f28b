"""The scene "cleanup": seeded by one control call, seen through ARM as if it had always been there."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from tests.functional.emulator.client import Client

SIZES = {"name": "cleanup", "workspaces": 2, "models": 2, "versions": 30, "computes": 6}


@pytest.fixture
def made(azure: Client) -> Any:
    """What the scene says it made."""
    return azure.control("POST", "scenes", SIZES)


def one(facts: list[dict[str, Any]], end: str) -> str:
    """The id that ends so."""
    return next(str(fact["id"]) for fact in facts if fact["id"].endswith(end))


def test_its_resources_are_old_and_listed(azure: Client, made: Any) -> None:
    """Both workspaces, their models' versions and computes are in ARM's lists, with the ages that were told."""
    first, second = made["workspaces"]
    assert {item["id"] for item in azure.arm("GET", first.rpartition("/")[0]).json()["value"]} >= {first, second}
    versions = azure.arm("GET", f"{second}/models/crowd-000/versions").json()["value"]
    assert len(versions) == 15
    age = datetime.now(UTC) - datetime.fromisoformat(versions[0]["systemData"]["createdAt"])
    assert abs(age - timedelta(days=141)) < timedelta(hours=1)
    states = [item["properties"]["properties"].get("state") for item in azure.arm("GET", f"{second}/computes").json()["value"]]
    assert states == ["Running", "Running", None, "Stopped", None, "Running"]
    runs = azure.arm("GET", f"{first}/jobs").json()["value"]
    assert {"Queued", "Running", "Completed"} == {item["properties"]["status"] for item in runs}


def test_what_is_stale_can_be_acted_on(azure: Client, made: Any) -> None:
    """A version is deleted, an idle instance stopped, a stuck job cancelled, idle nodes scaled away."""
    stale = made["stale"]
    assert azure.arm("DELETE", one(stale, "clean-000/models/crowd-000/versions/1")).status_code == 200
    assert azure.arm("POST", f"{one(stale, 'computes/idle-00x')}/stop").status_code == 202
    stuck = one(stale, "jobs/stuck")
    assert azure.arm("POST", f"{stuck}/cancel").status_code == 202
    assert azure.arm("GET", stuck).json()["properties"]["status"] == "Canceled"
    scale = {"properties": {"properties": {"scaleSettings": {"minNodeCount": 0, "maxNodeCount": 4}}}}
    assert azure.arm("PATCH", one(stale, "computes/warm-02x"), scale).status_code == 202
    assert azure.arm("DELETE", one(stale, "onlineEndpoints/quiet")).status_code == 202
    archived = one(stale, "environments/trap-deployed/versions/2")
    body = azure.arm("GET", archived).json()
    body["properties"]["isArchived"] = True
    assert azure.arm("PUT", archived, body).status_code == 200


def test_what_a_lock_keeps_cannot_be_deleted(azure: Client, made: Any) -> None:
    """409 `ScopeLocked`."""
    answer = azure.arm("DELETE", one(made["kept"], "models/trap-locked/versions/1"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "ScopeLocked")


def test_it_can_be_had_without_the_lists_and_a_wrong_size_is_refused(azure: Client) -> None:
    """Counts instead of facts; 400 for a scene or a size that there is none of."""
    told = azure.control("POST", "scenes", {**SIZES, "facts": False})
    assert (told["stale"] > 50, told["kept"] > 50) == (True, True)
    for wrong in ({"name": "party"}, {"name": "cleanup", "colours": 3}):
        assert requests.post(f"{azure.azure.control}/_control/scenes", json=wrong, timeout=10).status_code == 400


def test_single_resources_and_runs_of_any_age_can_be_added(azure: Client) -> None:
    """A resource with its ages, a run with its times; 400 for what is none."""
    workspace = azure.workspace()
    model = f"{workspace}/models/old/versions/1"
    container = {"properties": {"nextVersion": "2", "isArchived": False}}
    both = [{"id": model.partition("/versions")[0], "body": container, "days": 300}]
    both.append({"id": model, "body": {"properties": {"isArchived": False}}, "days": 300, "changed": 2})
    azure.control("POST", "resources", both)
    data = azure.arm("GET", model).json()["systemData"]
    ages = [(datetime.now(UTC) - datetime.fromisoformat(data[name])).days for name in ("createdAt", "lastModifiedAt")]
    assert ages == [300, 2]
    azure.control("POST", "runs", [{"workspace": workspace, "run": "late", "status": "Queued", "days": 3}])
    job = azure.arm("GET", f"{workspace}/jobs/late").json()
    assert (job["properties"]["status"], job["type"]) == ("Queued", "Microsoft.MachineLearningServices/workspaces/jobs")
    for path in ("resources", "runs"):
        assert requests.post(f"{azure.azure.control}/_control/{path}", json=[{"id": 1}], timeout=10).status_code == 400
