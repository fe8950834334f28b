"""Steps 8 and 9: the clean-up timer takes exactly what is stale; then everything else is deleted."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from infra.local.demo.client import StepError
from infra.local.demo.deploying import ENDPOINT_PATH, model_body
from infra.local.demo.story import (
    COMPUTE,
    IDLE_COMPUTE,
    MODEL,
    STALE_MODEL,
    WORKSPACE_ID,
    WORKSPACE_PATH,
    check,
    cluster_body,
)

if TYPE_CHECKING:
    from infra.local.demo.story import Story

NOT_FOUND = 404
REPORT_PATIENCE_S = 60.0


def make_stale(story: Story) -> str:
    """Versions of a model that nobody deployed for years and a cluster that nobody uses: made young, then aged."""
    for version in ("1", "2"):
        story.app.done("PUT", f"{WORKSPACE_PATH}/models/{STALE_MODEL}/versions/{version}", json=model_body(story.run_id))
    story.app.done("PUT", f"{WORKSPACE_PATH}/computes/{IDLE_COMPUTE}", json=cluster_body())
    for path, since in ((f"models/{STALE_MODEL}/versions/1", 2020), (f"models/{STALE_MODEL}/versions/2", 2021)):
        _patch(story, path, _aged(since))
    on = {"createdOn": _day(2022), "modifiedOn": _day(2022), "properties": {"allocationStateTransitionTime": _day(2022)}}
    _patch(story, f"computes/{IDLE_COMPUTE}", {**_aged(2022), "properties": on})
    return "made and aged; the newest version is to be kept"


def clean_up(story: Story) -> str:
    """Fire the timer: exactly those two go, and the report says so."""
    before = _inventory(story)
    known = {report["id"] for report in story.app.list("cleanup/reports")}
    story.app.run_timer("cleanup_timer")
    report = _new_report(story, known)
    gone = before - _inventory(story)
    expected = {f"models/{STALE_MODEL}/versions/1", f"computes/{IDLE_COMPUTE}"}
    reasons = {line["id"].removeprefix(f"{WORKSPACE_ID}/"): line["reason"] for line in report["resources"]}
    why = [f"{each}: {reasons.get(each, 'not looked at')}" for each in sorted(gone ^ expected)]
    check(gone == expected, f"gone are {sorted(gone)}, not {sorted(expected)}; {'; '.join(why)}")
    entries = {line["id"].removeprefix(f"{WORKSPACE_ID}/"): line for line in report["resources"] if line["outcome"] == "deleted"}
    check(set(entries) == expected, f"the report's deleted resources are {sorted(entries)}")
    for line in entries.values():
        audit = story.app.get(f"operations/{line['operation']}")
        check(
            audit["properties"]["caller"] == f"cleanup:{report['name']}", f"the audit entry names {audit['properties']['caller']}"
        )
    return f"{len(gone)} of {len(before)} gone, each with its audit entry"


def delete_endpoint(story: Story) -> str:
    """The endpoint with its deployment."""
    story.app.done("DELETE", ENDPOINT_PATH)
    story.app.send("GET", ENDPOINT_PATH, expect=NOT_FOUND)
    return "gone"


def delete_models(story: Story) -> str:
    """Version 1 as the article does it, through model management; version 2 through ARM."""
    path = f"{WORKSPACE_PATH}/models/{MODEL}"
    story.app.done("PUT", f"{path}/versions/2", json=model_body(story.run_id))
    story.app.done("DELETE", f"{path}/versions/2")
    story.app.send("GET", f"{path}/versions/2", expect=NOT_FOUND)
    story.app.done("DELETE", f"modelmanagement/v1.0/{WORKSPACE_PATH}/models/{MODEL}:1")
    story.app.send("GET", f"{path}/versions/1", expect=NOT_FOUND)
    return "both gone"


def delete_workspace(story: Story) -> str:
    """The cluster, then the workspace."""
    for path in (f"{WORKSPACE_PATH}/computes/{COMPUTE}", WORKSPACE_PATH):
        story.app.done("DELETE", path)
        story.app.send("GET", path, expect=NOT_FOUND)
    return "gone"


def _day(year: int) -> str:
    return f"{year}-01-01T00:00:00.0000000Z"


def _aged(year: int) -> dict[str, Any]:
    return {"systemData": {"createdAt": _day(year), "lastModifiedAt": _day(year)}}


def _patch(story: Story, path: str, body: dict[str, Any]) -> None:
    """Change what the local Azure has stored, as no caller could."""
    story.azure.call("PATCH", "resources", params={"id": f"{WORKSPACE_ID}/{path}"}, json=body)


def _inventory(story: Story) -> set[str]:
    """Every compute and model version of the workspace."""
    computes = {f"computes/{compute['name']}" for compute in story.app.list(f"{WORKSPACE_PATH}/computes")}
    models = [model["name"] for model in story.app.list(f"{WORKSPACE_PATH}/models")]
    versions = {
        f"models/{model}/versions/{version['name']}"
        for model in models
        for version in story.app.list(f"{WORKSPACE_PATH}/models/{model}/versions")
    }
    return computes | versions


def _new_report(story: Story, known: set[str]) -> dict[str, Any]:
    deadline = time.monotonic() + REPORT_PATIENCE_S
    while time.monotonic() < deadline:
        for report in story.app.list("cleanup/reports"):
            if report["id"] not in known and report.get("endTime"):
                return story.app.get(f"cleanup/reports/{report['name']}")  # type: ignore[no-any-return]
        time.sleep(0.5)
    raise StepError(f"the timer left no report within {REPORT_PATIENCE_S:.0f} s")
