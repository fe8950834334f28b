"""Where: workspaces, names, tags, properties and a query; what is missing never widens what is looked at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.cleanup.policy import filters, model, queries
from shared.rest import ids

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SCOPE = "/subscriptions/s-1/resourceGroups/rg/providers/Microsoft.MachineLearningServices"
WORKSPACE = {"name": "ml-dev", "location": "westeurope", "tags": {"Env": "dev"}, "properties": {}}
VERSION = {
    "name": "3",
    "properties": {"isArchived": False, "modelType": "custom_model", "tags": {"team": "red", "score": 7}, "flavors": {"a": 1}},
}


def subject(path="workspaces/ml-dev/models/churn/versions/3", body=VERSION, *, age=100, **more):
    """Return a resource, one hundred days old and unchanged for fifty."""
    made = None if age is None else NOW - timedelta(days=age)
    facts = {"created_at": made, "changed_at": NOW - timedelta(days=50), "siblings": 9, "rank": 4, "newer_active": 3}
    return model.Subject(id=ids.parse(f"{SCOPE}/{path}"), target="modelVersion", body=body, **(facts | more))


def reason(found=None, workspace=WORKSPACE, **where):
    """Return why a policy does not look at a resource; '' when it does."""
    policy = model.Policy(name="p", kind="modelVersion", action="notify", where=model.Where(**where))
    return filters.matches(policy, found or subject(), workspace, NOW) or ""


def test_a_policy_that_says_nothing_looks_at_all_of_its_kind():
    """No filter, no exception."""
    assert reason() == ""


@pytest.mark.parametrize(
    ("globs", "expected"),
    [
        (["ml-*"], True),
        (["ML-DEV"], True),
        (["ml-prod"], False),
        (["*", "!*-dev"], False),
        (["!ml-prod"], True),
        (["ml-prod", "ml-d?v"], True),
        (["*/resourceGroups/rg/*"], True),
        (["*/resourceGroups/other/*"], False),
    ],
)
def test_workspaces_are_named_by_globs_over_name_or_id(globs, expected):
    """In any casing; what begins with `!` is taken away from the others."""
    assert (reason(workspaces=tuple(globs)) == "") is expected


def test_what_is_in_no_workspace_is_none_of_a_named_one():
    """A leftover storage account, for a policy over some workspaces."""
    path = "/subscriptions/s-1/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/a"
    account = model.Subject(id=ids.parse(path), target="leftover", body={})
    assert reason(account, None, workspaces=("*",))
    assert reason(account, None) == ""


@pytest.mark.parametrize(
    ("globs", "expected"),
    [(["churn"], True), (["CH*"], True), (["churn:3"], True), (["churn:4"], False), (["*", "!*:3"], False), (["3"], False)],
)
def test_a_version_goes_by_its_assets_name_or_by_name_and_version(globs, expected):
    """`3` alone names nothing: every model has one."""
    assert (reason(names=tuple(globs)) == "") is expected


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ([("team", "red")], True),
        ([("Team", "RED")], True),
        ([("team", "blue")], False),
        ([("team", "r*"), ("team", "!red")], False),
        ([("owner", "*")], False),
        ([("owner", "!bob")], True),
        ([("score", "7")], True),
        ([("env", "dev")], False),
        ([("env", "!dev")], False),
        ([("env", "!prod")], True),
        ([("team", "red"), ("env", "!dev")], False),
    ],
)
def test_a_tag_to_have_is_its_own_and_a_tag_to_lack_is_nowhere_above_it(tags, expected):
    """A policy for what is not in production must not look into a workspace that is tagged as production."""
    assert (reason(tags=tuple(tags)) == "") is expected


def test_the_tag_of_what_it_belongs_to_counts_against_it_too():
    """A model's tag speaks for its versions."""
    found = subject(parent={"name": "churn", "properties": {"tags": {"stage": "production"}}})
    assert reason(found, tags=(("stage", "!production"),)) == "what it belongs to has a tag stage that is not !production"
    assert reason(found, tags=(("stage", "production"),)) == "its tag stage is unknown, not production"


@pytest.mark.parametrize(
    ("path", "glob", "expected"),
    [
        ("properties.isArchived", "false", True),
        ("properties.isArchived", "!true", True),
        ("properties.modelType", "CUSTOM_*", True),
        ("properties.missing", "*", False),
        ("properties.missing", "!x", True),
        ("properties.modelType.deeper", "*", False),
        ("properties.flavors", '{"a":1}', True),
    ],
)
def test_a_property_is_compared_as_text_and_a_missing_one_fits_nothing_it_should_be(path, glob, expected):
    """True and false as ARM writes them."""
    assert (reason(properties=((path, glob),)) == "") is expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("ageDays > `99` && ageDays < `101`", True),
        ("unchangedDays == `50`", True),
        ("name == 'churn' && version == '3' && kind == 'modelVersion'", True),
        ("workspace == 'ml-dev' && resourceGroup == 'rg' && subscription == 's-1' && location == 'westeurope'", True),
        ("tags.team == 'red'", True),
        ("properties.modelType == 'mlflow_model'", False),
        ("resource.name == '3' && parent == `null`", True),
        ("rank == `4` && siblings == `9` && newerActive == `3`", True),
        ("createdAt < changedAt", True),
        ("length(properties.tags) == `2`", True),
        ("properties.missing", False),
        ("`0`", True),  # as JMESPath means it
        ("tags.*", True),
        ("starts_with(properties.missing, 'x')", False),
        ("sort_by(properties.flavors, &x)", False),
    ],
)
def test_a_query_is_asked_of_the_documented_document(query, expected):
    """Whatever cannot be answered is not true."""
    queries.check(query)
    assert (reason(query=query) == "") is expected


def test_an_age_that_is_not_told_is_never_old_enough_however_the_query_asks():
    """In JMESPath alone, `!(ageDays < 30)` would be true of a missing age."""
    found = subject(age=None)
    assert reason(found, query="!(ageDays < `30`)") == "the query reads its ageDays, which is unknown"
    assert reason(found, query="name == 'churn'") == ""


def test_a_query_that_cannot_be_answered_says_why():
    """The reason stands in the report."""
    assert "could not be answered" in reason(query="starts_with(properties.missing, 'x')")


def test_the_document_has_exactly_the_names_that_are_checked():
    """A name in a query that is none of them is refused when the policy is read."""
    assert set(filters.document(subject(), NOW, WORKSPACE)) == set(queries.NAMES)


@pytest.mark.parametrize(
    "query",
    [
        "nmae",
        "a.b",
        "!(tgas.env == 'prod')",
        "[name, verison]",
        "{a: nmae}",
        "tags.env == env",
        "parent == null",
        "nmae | [0]",
        "contains(nmae, 'x')",
        "nmae[?x].y",
    ],
)
def test_a_misspelt_name_is_refused_wherever_the_query_reads_it(query):
    """It would be null there, and what is not equal to null could be everything."""
    with pytest.raises(ValueError, match="the document has no"):
        queries.check(query)


@pytest.mark.parametrize(
    "query",
    [
        "properties.anything.at.all",
        "tags.*.x",
        "resource.x[?y == 'z'].w | [0]",
        "sort_by(parent.x, &y)[0].z",
        "@",
        "tags[?a].b[]",
        "`1`",
    ],
)
def test_names_below_the_top_are_azures_and_not_checked(query):
    """Their shapes are not ours to know."""
    queries.check(query)


@given(st.lists(st.text("ab*?[]!-", max_size=6), max_size=4), st.none() | st.text("ab[]!-", max_size=6))
def test_any_globs_fit_in_any_casing_and_order(globs, value):
    """Never an error; a value that is missing fits nothing that it should be."""
    found = filters.fits(globs, value)
    assert found is filters.fits([glob.upper() for glob in reversed(globs)], None if value is None else value.upper())
    if value is None:
        assert found is all(glob.startswith("!") for glob in globs)
