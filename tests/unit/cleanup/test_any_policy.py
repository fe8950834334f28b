"""Any policy comes back as it went into a run; any text is read or refused, and nothing else happens."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.cleanup.policy import hours, model, policies, targets
from shared.text import problems
from tests import tables

TEXT = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x17F, exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20
).filter(str.strip)
TEXTS = st.lists(TEXT, max_size=3).map(tuple)
NAME = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", fullmatch=True)
PAIRS = st.dictionaries(TEXT, st.lists(TEXT, min_size=1, max_size=2), max_size=3).map(
    lambda found: tuple((name, glob) for name, globs in found.items() for glob in globs)
)
SECONDS = st.integers(1, 300_000_000).map(lambda seconds: timedelta(seconds=seconds))
MINUTE = st.integers(0, 1439)
ARGUMENTS = {
    "duration": SECONDS,
    "count": st.integers(1, 100_000),
    "flag": st.just(value=True),
    "hours": st.builds(
        hours.Hours,
        time_zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York"]),
        days=st.lists(st.sampled_from(hours.DAYS), min_size=1, max_size=7).map(tuple),
        begin=MINUTE,
        end=st.integers(0, 1440),
    ).filter(lambda found: found.begin != found.end),
    "stuck": st.builds(
        targets.Stuck,
        statuses=st.lists(st.sampled_from(targets.JOB_STATES), min_size=1, max_size=3).map(tuple),
        longer_than=SECONDS,
    ),
    "spending": st.builds(
        targets.Spending, amount=st.integers(0, 4 * 10**9 - 1).map(lambda quarters: quarters / 4), within=SECONDS
    ),
}


@st.composite
def whole_policies(draw):
    """Any policy that a file could have."""
    target = draw(st.sampled_from(list(targets.TARGETS.values())))
    action = draw(st.sampled_from(target.actions))
    names = set(draw(st.lists(st.sampled_from(target.conditions), min_size=1, max_size=4)))
    if needed := target.needs.get(action):
        names.add("unreferenced" if target.is_asset else draw(st.sampled_from(needed)))
    percent = draw(st.none() | st.floats(0, 100))
    return model.Policy(
        name=draw(NAME),
        kind=target.name,
        action=action,
        where=model.Where(
            workspaces=draw(TEXTS),
            names=draw(TEXTS),
            tags=draw(PAIRS),
            properties=draw(PAIRS),
            query=draw(st.sampled_from(["", "ageDays > `3`", "tags.env == 'dev' || !contains(name, 'x')"])),
        ),
        stale_when={name: draw(ARGUMENTS[targets.CONDITIONS[name].argument]) for name in names},
        grace=timedelta(0) if action in ("notify", "tag") else draw(SECONDS),
        protect_tags=draw(TEXTS),
        protect_names=draw(TEXTS),
        limits=model.Limits(count=draw(st.integers(0, 100_000)), percent=percent),
        mode=draw(st.sampled_from(["dryRun", "enforce"])),
        schedule=draw(st.sampled_from(["", "0 0 3 * * *", "*/5 * * * Mon-Fri"])),
        tag=("looked-at", draw(TEXT)) if action == "tag" else ("", ""),
        idle_shutdown=timedelta(minutes=draw(st.integers(15, 4320))) if action == "setIdleShutdown" else timedelta(hours=1),
        description=draw(st.just("") | TEXT),
        notify=draw(st.dictionaries(TEXT, TEXT | st.lists(TEXT, min_size=1, max_size=2), max_size=2)),
        source="mine.yaml, line 1",
    )


@pytest.mark.sweep
@settings(max_examples=150 if tables.WHOLE else 50, deadline=None)
@given(whole_policies())
def test_a_policy_comes_back_as_it_was_stored(policy):
    """A run goes on with the policies it began with, after a deploy too; a policy shown is one that could be a file."""
    stored = policies.to_json(policy)
    assert policies.from_json(json.loads(json.dumps(stored))) == policy
    del stored["source"]
    [read] = policies.parse(yaml.safe_dump({"policies": [stored]}, allow_unicode=True), "file.yaml")
    assert policies.to_json(read) == stored | {"source": read.source}


def test_every_shipped_policy_comes_back_as_it_was_stored():
    """As above, for those that everybody has."""
    assert tuple(policies.from_json(policies.to_json(policy)) for policy in policies.shipped()) == policies.shipped()


def test_a_stored_policy_that_is_none_any_more_is_refused():
    """Rather than half understood: its run stops."""
    stored = policies.to_json(policies.shipped()[0]) | {"staleWhen": {"abandoned": True}}
    with pytest.raises(problems.InvalidFileError):
        policies.from_json(stored)


def refusal(text):
    """Return why a file is refused, or None."""
    try:
        policies.parse(text, "any.yaml")
    except problems.InvalidFileError as refused:
        return refused
    return None


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.dates() | st.binary(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT | st.integers() | st.booleans(), inner, max_size=3),
    max_leaves=8,
)
FIELDS = (
    "name", "kind", "where", "staleWhen", "action", "grace", "protect", "limits", "mode", "schedule", "tag", "idleShutdown",
    "notify", "description",
)  # fmt: skip
INNER = (
    "workspaces",
    "names",
    "tags",
    "query",
    "olderThan",
    "outsideHours",
    "stuckFor",
    "timeZone",
    "from",
    "status",
    "count",
    "percent",
)
HOSTILE = st.dictionaries(st.sampled_from(FIELDS), VALUES | st.dictionaries(st.sampled_from(INNER), VALUES, max_size=4), max_size=8)


@pytest.mark.sweep
@settings(max_examples=200 if tables.WHOLE else 60, deadline=None)
@given(st.lists(HOSTILE, min_size=1, max_size=3))
def test_any_values_in_any_field_are_read_or_refused_with_their_place(found):
    """No value of YAML, wherever it stands, ends in anything but a policy or problems inside the file."""
    text = yaml.safe_dump({"policies": found}, allow_unicode=True)
    if refused := refusal(text):
        lines = len(text.splitlines())
        assert all(1 <= problem.line <= lines and problem.column >= 1 for problem in refused.problems)
        assert len(refused.error.message) <= 2_000


@pytest.mark.sweep
@settings(max_examples=200 if tables.WHOLE else 60, deadline=None)
@given(st.text(max_size=200) | st.text("policies:-[]{}&*!|>'\"#%@` \n\tab1", max_size=80))
def test_any_text_is_read_or_refused(text):
    """A file is what somebody uploaded, a picture included."""
    refused = refusal(text)
    assert refused is None or refused.problems


ALIASES = "a: &a [x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{inner}'] * 7)}]\n" for inner, name in ("ab", "bc", "cd", "de", "ef")
)


@pytest.mark.parametrize(
    "text",
    [
        ALIASES + "policies: *f",
        "policies: " + "[" * 5_000,
        "policies: &a [*a]",
        "policies:\n" + "- {name: p, kind: job, staleWhen: {olderThan: 1d}, action: notify}\n" * 300,
        "policies:\n- {name: p, kind: job, staleWhen: {olderThan: 1d}, where: {query: '" + "(" * 1_990 + "'}}",
        "policies:\n- {name: p, kind: job, staleWhen: {olderThan: 1d}, where: {query: '" + "a" * 3_000 + "'}}",
        "policies:\n- {name: p, kind: job, staleWhen: {olderThan: P99999999999999999999D}}",
        "policies:\n- {name: p, kind: job, staleWhen: {olderThan: \uff19\uff10d}}",
        "policies:\n- {name: p, kind: job, staleWhen: {olderThan: 1d}, schedule: '" + "*/1," * 500 + "'}",
    ],
    ids=["aliases", "depth", "itself", "many", "nested query", "long query", "long time", "other digits", "long schedule"],
)
def test_a_file_made_to_hurt_is_refused_quickly(text):
    """Aliases that multiply, depth, numbers beyond any calendar."""
    with pytest.raises(problems.InvalidFileError):
        policies.parse(text, "any.yaml")
