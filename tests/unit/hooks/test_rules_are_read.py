"""Rules are data: every mistake has its line and column, and what was read survives storage."""

from __future__ import annotations

import pytest

from shared.hooks import rule_fields, rules
from shared.rest import errors
from tests.unit.hooks import conftest

GOOD = """
rules:
  - name: deploy
    on: {types: [ModelRegistered, "Contoso.*"], subjects: "models/credit*"}
    read: true
    if: data.modelTags.stage == 'production'
    oncePer: ${{ data.modelName }}:${{ data.modelVersion }}
    rate: 10/1h
    debounce: 30s
    do:
      - request: PUT workspaces/${{ workspace.name }}/models/${{ data.modelName }}-copy/versions/1
        body: {properties: {modelUri: "${{ resource.properties.modelUri }}", when: 2026-01-02}}
      - name: say
        if: steps.step1.status == `200`
        notify: com.contoso.copied
        body: {model: "${{ data.modelName }}"}
"""


def test_a_rule_is_read_with_all_it_says():
    """Types without a namespace are Azure ML's; an unquoted `on` is a key in YAML 1.1's eyes a boolean."""
    (rule,) = rule_fields.parse(GOOD, "a.yaml")
    assert rule.types == ("microsoft.machinelearningservices.modelregistered", "contoso.*")
    assert (rule.rate, rule.per.total_seconds(), rule.debounce.total_seconds(), rule.read) == (10, 3600, 30, True)
    assert [(step.name, step.method, step.notify) for step in rule.steps] == [
        ("step1", "PUT", ""),
        ("say", "", "com.contoso.copied"),
    ]
    assert rule.steps[0].body["properties"]["when"] == "2026-01-02"
    assert rules.Rule.from_json(rule.to_json()) == rule


def test_a_rule_wants_its_types_and_subjects_in_any_casing():
    """Azure's casing is not stable."""
    (rule,) = rule_fields.parse(GOOD, "a.yaml")
    assert rule.wants(conftest.registered())
    assert not rule.wants(conftest.registered(name="other"))


@pytest.mark.parametrize(
    ("change", "place", "said"),
    [
        (("if: data", "iff: data"), "line 6, column 5", "did you mean 'if'"),
        (("data.modelTags.stage ==", "data.[ =="), "line 6", "not a JMESPath"),
        (("rate: 10/1h", "rate: often"), "line 8", "a rate such as"),
        (("debounce: 30s", "debounce: 3 fortnights"), "line 9", "expected a length of time"),
        (("debounce: 30s", "debounce: 30d"), "line 9", "at most 1 day"),
        (("PUT workspaces", "FETCH workspaces"), "line 11", "a method and a path"),
        (("PUT workspaces", "PUT https://example.com/workspaces"), "line 11", "not a URL"),
        (("${{ data.modelName }}-copy", "${{ data.modelName }-copy"), "line 11", "not closed"),
        (("read: true", "read: 1"), "line 5", "true or false"),
        (("name: deploy", "name: de ploy"), "line 3", "is not a valid name"),
        (('types: [ModelRegistered, "Contoso.*"], ', ""), "line 4", "'types' is missing"),
        (("name: say", "name: step1"), "line 11", "two steps"),
        (("notify: com.contoso.copied", "headers: {x: y}"), "line 13", "either 'request'"),
        (("2026-01-02}}", ".nan}}"), "line 12", "JSON has not"),
    ],
)
def test_a_mistake_is_told_with_its_place(change, place, said):
    """Line, column and what was expected."""
    assert GOOD.count(change[0]) >= 1
    with pytest.raises(errors.BadRequestError) as refused:
        rule_fields.parse(GOOD.replace(*change), "a.yaml")
    assert refused.value.error.code == "InvalidRules"
    assert "a.yaml" in refused.value.error.message
    assert place in refused.value.error.message
    assert said in refused.value.error.message


def test_all_mistakes_of_a_file_are_told_at_once():
    """One round trip for the author."""
    with pytest.raises(errors.BadRequestError) as refused:
        rule_fields.parse(GOOD.replace("rate: 10/1h", "rate: x").replace("read: true", "read: maybe"), "a.yaml")
    assert len(refused.value.error.details) == 2


@pytest.mark.parametrize(
    "text", ["", "[]", "rules: {}", "rules:\n  - 5", "rules: [{name: a}]", "&a [*a]", "\t", "rules: !!python/x []"]
)
def test_what_is_no_file_of_rules_is_refused(text):
    """Hostile or empty, always 400 with a place."""
    with pytest.raises(errors.BadRequestError, match="InvalidRules"):
        rule_fields.parse(text, "a.yaml")
