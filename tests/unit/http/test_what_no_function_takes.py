"""Unknown paths and verbs get an answer that helps; HEAD goes with GET; below `arm/` lies ARM (callers.md C6, C7; host.md H7)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests import front
from tests.fake_azure import SUBSCRIPTION

if TYPE_CHECKING:
    import azure.functions as func

    from tests.unit.http.conftest import App

pytestmark = pytest.mark.usefixtures("app")


def error(answer: func.HttpResponse) -> dict[str, str]:
    """Return the envelope's error."""
    return dict(json.loads(answer.get_body())["error"])


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("workspace/churn", "did you mean 'workspaces'?"),
        ("cleanups", "did you mean 'cleanup'?"),
        ("nothing", "there is approvals, artifact, audit, cleanup,"),
        ("jobs", "There is no 'jobs' here: it lies in a workspace: workspaces/{workspace}/jobs."),
        ("Computes/cpu", "workspaces/{workspace}/computes."),
        ("api/workspaces/churn", "the paths begin behind /api. Leave one of them out: /api/workspaces/churn."),
        ("mlflow/v1.0/x", "There is no 'mlflow'"),
        ("cleanup/report", "Below 'cleanup' there is no 'report'; did you mean 'reports'?"),
        ("operations/x/results", "Below 'operations' there is no 'x/results'"),
        ("uploads/x", "Below 'uploads' there is no 'x'; there is nothing."),
        ("", "There is no ''"),
        ("arm/workspace/churn", "did you mean 'workspaces'?"),
        ("arm/operations", "There is no 'operations'"),
    ],
)
def test_an_unknown_path_is_404_with_what_there_is(path: str, said: str) -> None:
    """One envelope always; the nearest name where there is one."""
    answer = front.respond("GET", path)
    assert answer.status_code == 404
    assert error(answer)["code"] == "UnknownKind"
    assert said in error(answer)["message"]
    assert answer.headers["x-ms-request-id"]


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "cleanup", "POST"),
        ("GET", "uploads", "POST"),
        ("GET", "operations/x/cancel", "POST"),
        ("DELETE", "operations/x", "GET, HEAD"),
        ("PUT", "cleanup/policies", "GET, HEAD, POST"),
        ("OPTIONS", "health", "GET, HEAD"),
        ("OPTIONS", "workspaces/ws1", "DELETE, GET, HEAD, PATCH, POST, PUT"),
        ("PATCH", "workspaces/ws1/computes", "GET, HEAD"),
        ("GET", "workspaces/ws1/computes/c/start", "POST"),
        ("POST", "workspaces/ws1/computes/c", "DELETE, GET, HEAD, PATCH, PUT"),
        ("PUT", "workspaces/ws1/jobs", "GET, HEAD, POST"),
        ("DELETE", "history/v1.0/workspaces/ws1/experiments/e/runs", "GET, HEAD"),
    ],
)
def test_a_known_path_under_another_verb_is_405_with_allow(method: str, path: str, allow: str) -> None:
    """RFC 9110 §15.5.6: the answer must say which verbs there are."""
    answer = front.respond(method, path)
    assert (answer.status_code, error(answer)["code"]) == (405, "MethodNotAllowed")
    assert answer.headers["Allow"] == allow


def test_an_empty_segment_is_refused_with_the_base_that_takes_it() -> None:
    """`/api/x//y` reaches the last function; `/api//x` no function at all."""
    answer = front.respond("GET", "workspaces//computes")
    assert (answer.status_code, error(answer)["code"]) == (400, "InvalidPath")
    assert "/arm" in error(answer)["message"]


GROUP = f"subscriptions/{SUBSCRIPTION}/resourceGroups/rg1"


EXISTS, MISSING = f"{GROUP}/workspaces/w1", f"{GROUP}/workspaces/ws-no"


@pytest.mark.parametrize("path", [EXISTS, MISSING, f"arm//{MISSING}", "operations", "health", "docs"])
def test_head_is_get_without_its_content(path: str) -> None:
    """The same status; the platform leaves the content out."""
    assert front.respond("HEAD", path).status_code == front.respond("GET", path).status_code


@pytest.mark.parametrize("path", [GROUP, f"arm//{GROUP}"])
def test_head_of_a_resource_group_is_204_or_404_as_arm_answers(app: App, path: str) -> None:
    """`check_existence` of ARM's clients takes nothing else."""
    app.steward.azure.resources[f"/{GROUP}".lower()] = {"name": "rg1"}
    assert front.respond("GET", path).status_code == 200
    answer = front.respond("HEAD", path)
    assert (answer.status_code, answer.get_body()) == (204, b"")
    assert front.respond("HEAD", path.replace("rg1", "rg-no")).status_code == 404


def test_head_of_any_resource_below_arm_is_204() -> None:
    """As ARM answers `check_existence_by_id`."""
    assert front.respond("GET", f"arm/{EXISTS}").status_code == 200
    assert front.respond("HEAD", f"arm/{EXISTS}").status_code == 204


def test_below_arm_empty_segments_are_dropped() -> None:
    """What clients send that put `/` and an id behind the base URL; the query goes with it."""
    for path in (f"arm//{EXISTS}", f"arm/{GROUP}//workspaces/w1/?api-version=2025-09-01", f"ARM/{EXISTS}", f"arm/{EXISTS}//"):
        assert front.respond("GET", path).status_code == 200
