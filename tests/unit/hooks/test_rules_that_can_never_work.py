"""A rule that no event, no route or no value can satisfy is refused when its file is put, at its line, with what was meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.hooks import rule_checks, rule_fields, rules
from shared.hooks.rule_fields import SHORT_TYPES
from shared.rest import errors

RULE = """
rules:
  - name: one
    on: {types: ["TYPE"]}
    if: "IF"
    do:
      - name: first
        request: REQUEST
      - request: POST workspaces/${{ workspace.name }}/jobs
        if: STEP
        body: {properties: {jobType: Command, tags: {a: "BODY"}}}
        expect: EXPECT
"""
FINE = {
    "TYPE": "RunCompleted", "IF": "data.runType", "REQUEST": "GET workspaces/${{ workspace.name }}/jobs/${{ data.runId }}",
    "STEP": "steps.first.status == `200`", "BODY": "${{ data.runId }}", "EXPECT": "status == `202` && body.id",
}  # fmt: skip


def parsed(**changed: str) -> tuple[rules.Rule, ...]:
    """Read the rule with some of it changed."""
    text = RULE
    for name, value in {**FINE, **changed}.items():
        text = text.replace(name, value)
    return rule_fields.parse(text, "r.yaml")


def test_a_rule_that_can_work_is_taken() -> None:
    """Types of others' events, fields that Azure may add, and what nests."""
    assert parsed()
    for name in ("Contoso.plan", "Microsoft.MachineLearningServices.*", "*", "*Completed", "com.example.run", "RunStatusChanged"):
        assert parsed(TYPE=name, IF="data.x")
    for condition in ("data.somethingNew", "event.data.runId", "length(data.runTags) > `0`", "@", "[0]", "contains(id, 'a')",
                      "data.runTags.[x, y] | [0].z", "data.list[?nmae == 'a'].other", "traceparent"):  # fmt: skip
        assert parsed(IF=condition)
    for asked in ("GET workspaces", "POST workspaces/w/computes/c/stop", "DELETE workspaces/w/models/m/versions/1?force=true",
                  "PATCH workspaces/${{ workspace.name }}", "GET workspaces/w/models/m/versions?tags=stage=production",
                  "POST metric/v2.0/workspaces/w/runs/${{ data.runId }}/full", "PUT /api/workspaces/w/jobs/${{ data.runId }}-2",
                  "GET workspaces/w/${{ data.kind }}/x", "GET workspaces/w/jobs?status=${{ data.x }}"):  # fmt: skip
        assert parsed(REQUEST=asked), asked


@pytest.mark.parametrize(
    ("changed", "place", "said"),
    [
        ({"TYPE": "RunStatusChange"}, "line 4", "did you mean 'RunStatusChanged'?"),
        ({"TYPE": "ModelRegisterd"}, "line 4", "did you mean 'ModelRegistered'?"),
        ({"TYPE": "Microsoft.MachineLearningServices.RunComplete"}, "line 4", "RunCompleted"),
        ({"TYPE": "Microsoft.Resources.ResourceWriteSucces"}, "line 4", "resourcewritesuccess"),
        ({"TYPE": "Microsoft.Resource.ResourceDeleteFailure"}, "line 4", "microsoft.resources.resourcedeletefailure"),
        ({"TYPE": "azureml-steward.operation.succeded"}, "line 4", "azureml-steward.operation.succeeded"),
        ({"TYPE": "Microsoft.MachineLearningService.*"}, "line 4", "'microsoft.machinelearningservices.*'"),
        ({"TYPE": "Run*"}, "line 4", "write '*.run*'"),
        ({"IF": "data.runTyp"}, "line 5", "did you mean 'runType'?"),
        ({"IF": "data.RunType"}, "line 5", "did you mean 'runType'?"),
        ({"IF": "event.data.runTpye == 'x'"}, "line 5", "did you mean 'runType'?"),
        ({"IF": "dat.runType"}, "line 5", "did you mean 'data'?"),
        ({"IF": "nothing.here && id"}, "line 5", "nothing at 'nothing'"),
        ({"IF": "workspace.nmae"}, "line 5", "did you mean 'name'?"),
        ({"IF": "resource.tags.a"}, "line 5", "add 'read: true'"),
        ({"IF": "steps.first.status"}, "line 5", "nothing at 'steps'"),
        ({"IF": "max_by(data.runTags.x, &y) && evnt.id"}, "line 5", "did you mean 'event'?"),
        ({"REQUEST": "GET workspace/w/jobs/j"}, "line 8", "did you mean 'workspaces'?"),
        ({"REQUEST": "GET workspaces/w/job/${{ data.runId }}"}, "line 8", "did you mean 'jobs'?"),
        ({"REQUEST": "GET workspaces/${{ workspace.nam }}/jobs"}, "line 8", "did you mean 'name'?"),
        ({"REQUEST": "POST cleanup?policy=x"}, "line 8", "there is no 'cleanup'"),
        ({"REQUEST": "GET ${{ id }}/jobs"}, "line 8", "a step sends requests for Azure's resources"),
        ({"REQUEST": "POST workspaces/w/computes/c/strat"}, "line 8", "did you mean 'start'?"),
        ({"REQUEST": "GET workspaces/w/computes/c/start"}, "line 8", "is an action: send it as POST"),
        ({"REQUEST": "PATCH workspaces/w/models/m/versions/1"}, "line 8", "no PATCH"),
        ({"REQUEST": "PUT workspaces/w/jobs"}, "line 8", "PUT jobs/{name} names it"),
        ({"REQUEST": "DELETE workspaces/w/jobs/j?forse=true"}, "line 8", "did you mean 'force'?"),
        ({"REQUEST": "GET workspaces/w/jobs?statsu=Failed"}, "line 8", "did you mean 'status'?"),
        ({"STEP": "steps.frst.status"}, "line 10", "did you mean 'first'?"),
        ({"STEP": "steps.first.bdy"}, "line 10", "did you mean 'body'?"),
        ({"STEP": "status == `200`"}, "line 10", "nothing at 'status'"),
        ({"BODY": "${{ data.runIdd }}"}, "line 11", "did you mean 'runId'?"),
        ({"EXPECT": "stauts == `200`"}, "line 12", "did you mean 'status'?"),
    ],
)  # fmt: skip
def test_a_rule_that_can_never_work_is_refused(changed: dict[str, str], place: str, said: str) -> None:
    """Line, what is wrong, what was meant."""
    with pytest.raises(errors.BadRequestError) as refused:
        parsed(**changed)
    assert place in refused.value.error.message
    assert said in refused.value.error.message


def test_every_short_type_is_known() -> None:
    """What may be written short has its fields in the table."""
    assert all(rule_checks.ML_TYPE + name.lower() in rule_checks.DATA for name in SHORT_TYPES)


def test_the_shipped_rules_can_work() -> None:
    """As they stand in the repository."""
    text = (Path(rules.__file__).parent / "example_rules.yaml").read_text()
    assert len(rule_fields.parse(text, "example_rules.yaml")) == 5
