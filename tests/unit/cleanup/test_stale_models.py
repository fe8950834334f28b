"""Which model versions are stale: old, beyond the newest, unprotected, unused; and the exact reason either way."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.cleanup import verdicts
from shared.cleanup.references import References

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
RULES = verdicts.Rules(model_days=90, model_keep=2, idle_minutes=120)


def version(name, days, *, changed_days=None, archived=False, protected=False):
    """Return a version that is `days` old; None: of unknown age."""
    created = None if days is None else NOW - timedelta(days=days)
    changed = created if changed_days is None else NOW - timedelta(days=changed_days)
    return verdicts.Version(name=name, created_at=created, changed_at=changed, archived=archived, protected=protected)


def judged(*versions, references=None, rules=RULES):
    """Judge versions of the model `m`; verdicts by version."""
    found = verdicts.model_versions("m", versions, references or References(), rules, NOW)
    return {each.name: verdict for each, verdict in found}


def test_an_old_unused_version_beyond_the_newest_goes_with_its_reason():
    """The reason names age, place and how many deployments were looked at."""
    references = References(deployments=14)
    found = judged(*(version(str(n), 900 - n) for n in range(1, 10)), references=references)
    assert found["7"].action == "delete"
    expected = "older than 90 days, version 3 of 9, counted from the newest, no deployment among 14 refers to it"
    assert found["7"].reason == expected
    assert [name for name, verdict in found.items() if verdict.action == "none"] == ["8", "9"]


def test_the_newest_are_kept_by_time_not_by_number():
    """Versions are names: `10` is not newer than `9` because it is larger."""
    found = judged(version("10", 500), version("9", 300), version("2", 200))
    assert {name: verdict.action for name, verdict in found.items()} == {"10": "delete", "9": "none", "2": "none"}


def test_archived_versions_do_not_count_among_the_newest():
    """Two archived newer versions leave the two newest usable ones protected; the archived may go themselves."""
    found = judged(version("1", 500), version("2", 400), version("3", 300, archived=True), version("4", 200, archived=True))
    assert [name for name, verdict in found.items() if verdict.action == "none"] == ["1", "2", "3", "4"]
    found = judged(*(version(str(n), 900 - 100 * n) for n in range(1, 4)), version("0", 850, archived=True))
    assert {name for name, verdict in found.items() if verdict.action == "delete"} == {"0", "1"}


def test_versions_of_the_same_moment_protect_nobody_against_the_other():
    """Of versions that are equally old none counts as newer."""
    found = judged(*(version(str(n), 500) for n in range(5)))
    assert all(verdict.action == "none" for verdict in found.values())


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (version("1", 12), "created 12 days ago, not older than 90 days"),
        (version("1", 90), "created 90 days ago, not older than 90 days"),
        (version("1", -3), "created"),
        (version("1", 500, changed_days=1), "changed 24 hours ago, not older than 90 days"),
        (version("1", 500, protected=True), "it has the tag steward-keep"),
        (version("1", None), "its age is not known"),
    ],
)
def test_what_is_young_touched_protected_or_undated_is_kept(one, reason):
    """A fact that is missing keeps; a change makes it young again; the limit itself is not over the limit."""
    found = judged(one, version("2", 9), version("3", 8))["1"]
    assert found.action == "none"
    assert found.reason.startswith(reason)


def test_a_deployed_version_is_kept_and_the_reason_names_who_uses_it():
    """However old: a version that a deployment refers to is in use."""
    references = References()
    references.add({"model": "azureml:m:1"}, "online deployment blue of endpoint ep")
    found = judged(*(version(str(n), 900 - n) for n in range(1, 5)), references=references)
    assert found["1"].reason == "online deployment blue of endpoint ep refers to it"
    assert (found["1"].action, found["2"].action) == ("none", "delete")


@pytest.mark.parametrize("tags", [{"steward-keep": "true"}, {"Steward-Keep": ""}, {"STEWARD-KEEP ": "until May"}])
def test_the_tag_protects_in_any_casing_with_any_value_in_either_place(tags):
    """Assets keep tags in properties.tags, resources on top."""
    assert verdicts.is_protected({"properties": {"tags": tags}})
    assert verdicts.is_protected({"tags": tags})
    assert not verdicts.is_protected({"tags": None, "properties": {"tags": {"keep": "1"}}})


@pytest.mark.parametrize("text", ["2020-01-01T12:34:56.999Z", "2020-01-01T12:34:56.1234567+00:00", "2020-01-01 12:34:56"])
def test_a_version_is_read_from_azures_times(text):
    """0 to 7 fraction digits, with or without a zone."""
    body = {"name": "1", "systemData": {"createdAt": text}, "properties": {"isArchived": True}}
    found = verdicts.version_of(body)
    assert found.created_at is not None
    assert found.created_at.replace(microsecond=0) == datetime(2020, 1, 1, 12, 34, 56, tzinfo=UTC)
    assert (found.archived, found.protected, found.changed_at) == (True, False, None)


VERSIONS = st.lists(
    st.tuples(st.none() | st.floats(-10, 1000), st.none() | st.floats(-10, 1000), st.booleans(), st.booleans(), st.booleans()),
    max_size=12,
)


@given(VERSIONS, st.integers(0, 4), st.integers(0, 400))
def test_no_version_goes_that_is_used_protected_young_or_among_the_newest(drawn, keep, days):
    """Whatever the facts: a deletion needs every one of its conditions."""
    references = References()
    versions = []
    for number, (created, changed, archived, protected, used) in enumerate(drawn):
        versions.append(version(str(number), created, changed_days=changed, archived=archived, protected=protected))
        if used:
            references.add({"model": f"azureml:m:{number}"}, "deployment")
    rules = verdicts.Rules(model_days=days, model_keep=keep, idle_minutes=1)
    for each, verdict in verdicts.model_versions("m", versions, references, rules, NOW):
        assert verdict.reason
        if verdict.action == "delete":
            assert not each.protected
            assert not drawn[int(each.name)][4]
            assert each.created_at is not None
            assert NOW - max(each.created_at, each.changed_at or each.created_at) > timedelta(days=days)
            newer = [v for v in versions if v.created_at and v.created_at > each.created_at and not v.archived]
            assert len(newer) >= keep
