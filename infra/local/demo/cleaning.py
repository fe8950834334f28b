"""Steps 8 and 9: by two policies the clean-up timer takes exactly what is stale; then everything else is deleted."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from azure.storage.blob import BlobServiceClient

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
REPORT_PATIENCE_S = 90.0
POLICIES = """\
disable: ["*"]
policies:
  - name: demo-models
    description: Versions beyond the newest that are old and that nothing refers to
    kind: modelVersion
    staleWhen: {olderThan: P90D, beyondNewest: 1, unreferenced: true}
    action: delete
    mode: enforce
    limits: {count: 5}
    schedule: "* * * * * *"
  - name: demo-clusters
    description: Clusters without use for hours
    kind: computeCluster
    staleWhen: {unusedFor: PT2H}
    action: delete
    mode: enforce
    limits: {count: 5}
    schedule: "* * * * * *"
"""


def make_stale(story: Story) -> str:
    """Versions of a model that were not deployed for years, and a cluster without use: made young, then aged."""
    for version in ("1", "2"):
        story.app.done("PUT", f"{WORKSPACE_PATH}/models/{STALE_MODEL}/versions/{version}", json=model_body(story.run_id))
    story.app.done("PUT", f"{WORKSPACE_PATH}/computes/{IDLE_COMPUTE}", json=cluster_body())
    for path, since in ((f"models/{STALE_MODEL}/versions/1", 2020), (f"models/{STALE_MODEL}/versions/2", 2021)):
        _patch(story, path, _aged(since))
    on = {"createdOn": _day(2022), "modifiedOn": _day(2022), "properties": {"allocationStateTransitionTime": _day(2022)}}
    _patch(story, f"computes/{IDLE_COMPUTE}", {**_aged(2022), "properties": on})
    return "made and aged; the newest version is to be kept"


def clean_up(story: Story) -> str:
    """Put policies into the app's storage, fire the timer: exactly those two go, and the report says so."""
    before = _inventory(story)
    read = story.app.send("POST", "cleanup/policies", data=POLICIES).json()["value"]
    check(len(read) == 2, f"the policies read as {read}")
    with BlobServiceClient.from_connection_string(story.storage) as service:
        service.get_blob_client("azureml-steward", "cleanup/policies/demo.yaml").upload_blob(POLICIES.encode(), overwrite=True)
    story.app.run_timer("cleanup_timer")
    report = _report(story)
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


def read_costs(story: Story) -> str:
    """Node-hours by owner since the app first looked, and the same as CSV in FOCUS columns."""
    found = story.app.get("costs?by=owner&since=24h")
    check("not an invoice" in found["estimate"], f"it says of itself: {found['estimate']}")
    header = story.app.send("GET", "costs?by=workspace&format=csv").text.partition("\n")[0]
    check("BilledCost" in header and "ResourceId" in header, f"the columns are {header}")
    return f"{found['total']['nodeHours']:.2f} node-hours, by {len(found['value'])} owners: an estimate"


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


def _report(story: Story) -> dict[str, Any]:
    """The first report of the demo's policies, once it has ended."""
    deadline = time.monotonic() + REPORT_PATIENCE_S
    while time.monotonic() < deadline:
        ours = [each for each in story.app.list("cleanup/reports") if each["policies"] == ["demo-models", "demo-clusters"]]
        if ours and ours[-1].get("endTime"):  # they come newest first
            return story.app.get(f"cleanup/reports/{ours[-1]['name']}")  # type: ignore[no-any-return]
        time.sleep(0.5)
    raise StepError(f"the timer left no report within {REPORT_PATIENCE_S:.0f} s")
