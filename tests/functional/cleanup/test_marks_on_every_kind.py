"""Whatever can be marked is: the tag stands where the kind keeps its tags, the mark holds, and the sweep follows."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.nightly

KINDS = {
    "modelVersion": ("{olderThan: P90D, beyondNewest: 3, unreferenced: true}", "archive"),
    "componentVersion": ("{olderThan: P90D, beyondNewest: 3, unreferenced: true}", "archive"),
    "codeVersion": ("{olderThan: P90D, beyondNewest: 3, unreferenced: true}", "delete"),
    "dataVersion": ("{olderThan: P90D, beyondNewest: 3, unreferenced: true}", "archive"),
    "environmentVersion": ("{olderThan: P90D, beyondNewest: 3, unreferenced: true}", "archive"),
    "computeInstance": ("{idleFor: PT2H}", "stop"),
    "computeCluster": ("{idleNodes: true, idleFor: PT2H}", "scaleToZero"),
    "job": ("{stuckFor: {status: [Queued], longerThan: P1D}}", "cancel"),
    "onlineDeployment": ("{zeroTrafficFor: P30D, noRequests: P30D}", "delete"),
    "onlineEndpoint": ("{noDeployments: true, unchangedFor: P30D}", "delete"),
    "workspace": ("{failed: true}", "delete"),
}
HEAD = 'disable: ["*"]\npolicies:\n'
LINE = (
    "  - {{name: {kind}, kind: {kind}, staleWhen: {when}, action: {action}, grace: {grace}, mode: enforce, "
    "limits: {{count: {count}}}}}"
)


def policies(grace: str, count: int = 1) -> str:
    """Return one policy for each kind."""
    lines = [LINE.format(kind=kind, when=when, action=action, grace=grace, count=count) for kind, (when, action) in KINDS.items()]
    return HEAD + "\n".join(lines)


@pytest.fixture(scope="module")
def marked(place):
    """The scene after two runs: one that marks, one that sweeps what it marked."""
    place.seed(workspaces=2, models=1, versions=14, computes=4)
    place.policies(policies("1s"))
    first = place.ended(place.begin("mode=enforce"))
    ids = [line["id"] for line in first["resources"] if line["outcome"] == "marked" and line["kind"] != "job"]
    tags = {arm_id: place.body(arm_id) for arm_id in ids}  # a job's are run history's
    second = place.ended(place.begin("mode=enforce"))
    return first, tags, second


def outcomes(report, *, but: tuple[str, ...] = ("kept", "limit reached")) -> dict[str, set[str]]:
    """Return by kind what became of what was not kept."""
    found: dict[str, set[str]] = {}
    for line in report["resources"]:
        if line["outcome"] not in but:
            found.setdefault(line["kind"], set()).add(line["outcome"])
    return found


def test_the_first_run_marks(marked):
    """Nothing is done to anything yet."""
    first, _, _ = marked
    failed = [(line["id"], line["error"]) for line in first["resources"] if line["outcome"] == "failed"]
    assert failed == []
    assert outcomes(first) == {kind: {"marked"} for kind in KINDS}


def test_the_tag_is_where_the_kind_keeps_its_tags(marked):
    """ARM's own tags, or an asset's in its properties; writing one would overwrite a compute, or mend what failed."""
    _, bodies, _ = marked
    for arm_id, body in bodies.items():
        if "/computes/" in arm_id or body["properties"].get("provisioningState") == "Failed":
            assert "steward-marked" not in str(body)
            continue
        tags = body["properties"].get("tags") if "/versions/" in arm_id else body["tags"]
        assert "; due 20" in tags["steward-marked"], arm_id


def test_the_second_run_sweeps(marked):
    """Our own tag was no touch: each verdict still holds."""
    _, _, second = marked
    done = {
        "computeInstance": "stopped",
        "computeCluster": "scaled to zero",
        "job": "canceled",
        "codeVersion": "deleted",
        "onlineDeployment": "deleted",
        "onlineEndpoint": "deleted",
        "workspace": "deleted",
    }
    found = outcomes(second, but=("kept", "limit reached", "marked"))
    reasons = {line["kind"]: line["reason"] for line in second["resources"] if line["outcome"] == "mark taken off"}
    assert found == {kind: {done.get(kind, "archived")} for kind in KINDS}, reasons
