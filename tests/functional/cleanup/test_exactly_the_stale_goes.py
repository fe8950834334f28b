"""The whole way on hundreds of resources: what is stale goes, what only looks so stays, through 429s and killed workers."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import pytest

pytestmark = [pytest.mark.timeout(420), pytest.mark.nightly]  # it waits until killed workers are missed
ASSETS = ("modelVersion", "environmentVersion", "dataVersion", "componentVersion", "codeVersion")
OLD = "{olderThan: P90D, beyondNewest: 3, unreferenced: true}"
POLICIES = "\n".join(
    [
        'disable: ["*"]',
        "policies:",
        *(
            f"  - {{name: {name}, kind: {kind}, staleWhen: {stale}, action: {action}, mode: enforce, limits: {{count: 1000}}}}"
            for name, kind, stale, action in (
                ("models", "modelVersion", OLD, "delete"),
                ("environments", "environmentVersion", OLD, "archive"),
                ("data", "dataVersion", OLD, "delete"),
                ("components", "componentVersion", OLD, "delete"),
                ("code", "codeVersion", OLD, "delete"),
                ("instances", "computeInstance", "{idleFor: PT2H}", "stop"),
                ("clusters", "computeCluster", "{idleNodes: true, idleFor: PT2H}", "scaleToZero"),
                ("failed-computes", "compute", "{failed: true}", "delete"),
                ("unused-computes", "compute", "{unusedFor: P30D}", "delete"),
                ("jobs", "job", "{stuckFor: {status: [Queued], longerThan: P1D}}", "cancel"),
                ("long-jobs", "job", "{runningLongerThan: P7D}", "cancel"),
                ("deployments", "onlineDeployment", "{zeroTrafficFor: P30D, noRequests: P30D}", "delete"),
                ("failed-deployments", "onlineDeployment", "{failed: true}", "delete"),
                ("empty-endpoints", "onlineEndpoint", "{noDeployments: true, unchangedFor: P30D}", "delete"),
                ("leftovers", "leftover", "{orphaned: true}", "notify"),
            )
        ),
    ]
)


@pytest.fixture(scope="module")
def swept(place):
    """One enforcing run over the scene, with ARM throttling it and its workers killed in the middle."""
    place.seed(workspaces=2, models=1, versions=16, computes=6)
    place.policies(POLICIES)
    before = place.there()
    dry = place.ended(place.begin("mode=dryRun"))
    assert place.there() == before
    place.control.call(
        "POST",
        "faults",
        json={"action": "respond", "match": "/models/", "status": 429, "headers": {"Retry-After": "1"}, "times": 3},
    )
    name = place.begin("mode=enforce")
    place.until(name, lambda report: report["outcomes"].get("deleted", 0) >= 10)
    for worker in workers(place):
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker, signal.SIGKILL)
    report = place.ended(name)
    return before, dry, report


def workers(place) -> list[int]:
    """Return the process ids of the host's workers."""
    host = place.parts.app.part.process.pid
    return [int(pid) for pid in Path(f"/proc/{host}/task/{host}/children").read_text().split()]


def short(ids) -> list[str]:
    """Return ids below their workspace, for messages."""
    return sorted(each.rpartition("/workspaces/")[2] for each in ids)


def test_exactly_the_stale_versions_are_gone(place, swept):
    """Deployed in another workspace (azureml://, another case), scheduled, read by a running job, protected, locked: kept."""
    before, _, report = swept
    gone = before - place.there()
    deleted = [kind for kind in ASSETS if kind != "environmentVersion"]
    expected = place.stale(*deleted)
    versions = {each for each in gone if "/versions/" in each}
    assert short(versions - expected) == [], "wrongly deleted"
    assert short(expected - versions) == [], report["notes"]
    assert len(expected) > 50


def test_what_can_be_archived_keeps_everything_else(place, swept):
    """The body is as it was, but for `isArchived`."""
    archived = {key for key in place.there() if "/environments/" in key and place.body(key)["properties"].get("isArchived")}
    assert archived == place.stale("environmentVersion")
    body = place.body(next(iter(archived)))["properties"]
    assert body["image"]


def test_computes_endpoints_and_jobs_end_as_their_policies_say(place, swept):
    """Instances are stopped, minimum nodes taken away, dead deployments deleted, stuck jobs canceled; the others are let be."""
    _, _, report = swept
    outcomes = {(line["id"].lower(), line["policy"]): line["outcome"] for line in report["resources"]}
    did = {key for (key, _), outcome in outcomes.items() if outcome not in ("kept", "notified")}
    kinds = ("computeInstance", "computeCluster", "compute", "job", "onlineDeployment")
    there = place.stale(*kinds, *ASSETS) | {key for key in place.stale("onlineEndpoint") if key.endswith("/empty")}
    assert short(did - there) == [], "wrongly touched"
    assert short(there - did) == []
    assert all(outcome not in ("failed", "not done", "limit reached") for outcome in outcomes.values())
    stopped = place.stale("computeInstance")
    assert {place.body(key)["properties"]["properties"]["state"] for key in stopped} == {"Stopped"}
    scaled = [place.body(key)["properties"]["properties"]["scaleSettings"]["minNodeCount"] for key in place.stale("computeCluster")]
    assert set(scaled) == {0}


def test_each_act_is_one_operation_that_names_the_report(place, swept):
    """However often its workers died: visible, audited, and done once."""
    _, _, report = swept
    acts = [line for line in report["resources"] if line.get("operation")]
    assert len({line["operation"] for line in acts}) == len(acts)
    operation = place.app.get(f"operations/{acts[0]['operation']}")
    assert operation["properties"]["caller"] == f"cleanup:{report['name']}"


def test_the_dry_run_said_the_same(place, swept):
    """What it would have done is what was done."""
    _, dry, report = swept
    would = {(line["id"], line["policy"]) for line in dry["resources"] if line["outcome"].startswith("would")}
    done = {(line["id"], line["policy"]) for line in report["resources"] if line["outcome"] != "kept"}
    assert would == done


def test_leftovers_are_only_reported(place, swept):
    """What was made for a workspace that is gone or failed is never touched."""
    _, _, report = swept
    told = {line["id"].lower(): line["outcome"] for line in report["resources"] if line["kind"] == "leftover"}
    assert set(told) == {key for key, fact in place.facts.items() if fact["kind"] == "leftover"}
    assert set(told.values()) == {"notified"}
