"""Files of policies: what they say becomes a `Policy`, every mistake is told at its place, a broken file disables only itself."""

from __future__ import annotations

import shutil
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from shared.catalog import kinds
from shared.cleanup.policy import hours, model, ncrontab, policies, targets
from shared.text import problems
from tests import fakes, tables

ROOT = Path(__file__).parents[3]
WHOLE = """
policies:
  - name: old-models
    description: For people
    kind: modelVersion
    where:
      workspaces: ["ml-*", "!ml-prod"]
      names: churn*
      tags: {env: [dev, "!prod"], team: ml}
      properties: {properties.isArchived: "!true"}
      query: ageDays > `30` && starts_with(name, 'churn')
    staleWhen:
      olderThan: 90d
      unchangedFor: P1W
      beyondNewest: 3
    action: delete
    grace: P7D
    protect: {tags: [gold], names: ["*-final"]}
    limits: {count: 5, percent: 12.5}
    mode: enforce
    schedule: "0 0 3 * * Mon-Fri"
    notify: {ownerTag: owner, addresses: [a@example.com, b@example.com]}
"""


def refusal(text):
    """Return the problems of a file that is refused."""
    with pytest.raises(problems.InvalidFileError) as caught:
        policies.parse(text, "mine.yaml")
    return caught.value


def one(fields, kind="modelVersion", stale="{olderThan: 90d}"):
    """Return a file with one policy, from line 2 on, with further fields at the end."""
    return f"policies:\n- name: p\n  kind: {kind}\n  staleWhen: {stale}\n{fields}"


def test_a_policy_is_read_field_by_field():
    """Lengths of time are lengths, globs are pairs, and its place is known."""
    assert policies.parse(WHOLE, "mine.yaml") == (
        model.Policy(
            name="old-models",
            description="For people",
            kind="modelVersion",
            action="delete",
            where=model.Where(
                workspaces=("ml-*", "!ml-prod"),
                names=("churn*",),
                tags=(("env", "dev"), ("env", "!prod"), ("team", "ml")),
                properties=(("properties.isArchived", "!true"),),
                query="ageDays > `30` && starts_with(name, 'churn')",
            ),
            stale_when={
                "olderThan": timedelta(days=90),
                "unchangedFor": timedelta(days=7),
                "beyondNewest": 3,
                "unreferenced": True,
            },
            grace=timedelta(days=7),
            protect_tags=("gold",),
            protect_names=("*-final",),
            limits=model.Limits(count=5, percent=12.5),
            mode="enforce",
            schedule="0 0 3 * * Mon-Fri",
            notify={"ownerTag": "owner", "addresses": ["a@example.com", "b@example.com"]},
            source="mine.yaml, line 3",
        ),
    )


def test_a_policy_is_dry_and_limited_unless_it_says_otherwise():
    """The least that can be said does the least."""
    [policy] = policies.parse(one(""), "mine.yaml")
    assert (policy.mode, policy.limits.count, policy.schedule, policy.action) == ("dryRun", 20, "", "archive")


@pytest.mark.parametrize("action", ["archive", "delete"])
def test_what_is_referred_to_is_never_taken_away_even_if_the_policy_forgets_to_say_so(action):
    """`unreferenced` is implied for versions of assets."""
    [policy] = policies.parse(one(f"  action: {action}"), "mine.yaml")
    assert policy.stale_when["unreferenced"] is True


@pytest.mark.parametrize(("begin", "end"), [("18:00", "06:30"), ('"18:00"', "'06:30'")])
def test_times_of_the_day_need_no_quotation_marks(begin, end):
    """YAML 1.1 reads 18:00 as the number 1080."""
    stale = f"{{outsideHours: {{timeZone: Europe/Berlin, from: {begin}, to: {end}}}}}"
    [policy] = policies.parse(one("", "computeInstance", stale), "mine.yaml")
    assert policy.stale_when["outsideHours"] == hours.Hours(
        time_zone="Europe/Berlin", days=("Mon", "Tue", "Wed", "Thu", "Fri"), begin=1080, end=390
    )


MISTAKES = [
    ("  stalewhen: {}", 5, 3, "policies[0].stalewhen", "did you mean 'staleWhen'?"),
    ("  action: archiv", 5, 11, "policies[0].action", "did you mean 'archive'?"),
    ("  action: park", 5, 11, "policies[0].action", "it has notify, tag, archive, delete"),
    ("  mode: Enforce", 5, 9, "policies[0].mode", "did you mean 'enforce'?"),
    ("  grace: 7", 5, 10, "policies[0].grace", "such as 7d or P7D"),
    ("  grace: P1M", 5, 10, "policies[0].grace", "months and years have no fixed length"),
    ("  grace: soon", 5, 10, "policies[0].grace", "expected a length of time such as P90D"),
    ("  where: {workspaces: }", 5, 11, "policies[0].where.workspaces", "leave the field out"),
    ("  where: {names: [on]}", 5, 19, "policies[0].where.names[0]", "put it in quotation marks"),
    ("  where: {query: ageDays > 90}", 5, 18, "policies[0].where.query", "at character 11"),
    ("  where: {query: nmae == 'x'}", 5, 18, "policies[0].where.query", "did you mean 'name'?"),
    ("  where: {query: 'name == \"x\"'}", 5, 18, "policies[0].where.query", "text stands in single quotation marks"),
    ("  where: {query: \"contians(name, 'x')\"}", 5, 18, "policies[0].where.query", "did you mean 'contains'?"),
    ("  where: {query: contains(name)}", 5, 18, "policies[0].where.query", "contains takes 2 arguments, not 1"),
    ("  where: {tags: [a]}", 5, 17, "policies[0].where.tags", "expected a mapping"),
    ("  limits: {count: -1}", 5, 19, "policies[0].limits.count", "whole number from 0"),
    ("  limits: {count: true}", 5, 19, "policies[0].limits.count", "whole number from 0"),
    ("  schedule: 0 0 3 * *  *  *", 5, 13, "policies[0].schedule", "expected five or six fields"),
    ("  schedule: 0 0 0 30 2 *", 5, 13, "policies[0].schedule", "it is never due"),
    ("  action: tag", 5, 11, "policies[0].action", "needs the field tag"),
    ("  action: tag\n  tag: {name: steward-keep}", 6, 8, "policies[0].tag", "the clean-up uses tags"),
    ("  tag: {name: a}", 5, 3, "policies[0].tag", "beside the action tag only"),
    ("  idleShutdown: 5m", 5, 17, "policies[0].idleShutdown", "15 minutes to 3 days"),
    ("  action: notify\n  grace: 7d", 6, 3, "policies[0].grace", "done at once"),
    ("  notify: everybody", 5, 11, "policies[0].notify", "such as ownerTag: owner"),
    ("- name: p\n  kind: job\n  staleWhen: {olderThan: 1d}", 5, 9, "policies[1].name", "occurs twice"),
]


@tables.each(("fields", "line", "column", "field", "expected"), MISTAKES)
def test_a_mistake_is_told_with_file_line_column_field_and_what_was_expected(fields, line, column, field, expected):
    """Somebody who wrote the file finds the place without searching."""
    [found] = [problem for problem in refusal(one(fields)).problems if expected in problem.message]
    assert (found.source, found.line, found.column, found.field) == ("mine.yaml", line, column, field)


STALE = [
    ("modelVersion", "{idleFor: 2h}", 15, "does not have the condition idleFor; it has olderThan"),
    ("modelVersion", "{olderThan: 0d}", 26, "expected more than zero"),
    ("modelVersion", "{beyondNewest: 0}", 29, "whole number from 1"),
    ("modelVersion", "{unreferenced: false}", 29, "expected true; leave the condition out"),
    ("modelVersion", "{}", 14, "at least one condition"),
    ("job", "{stuckFor: {status: Completed, longerThan: 1d}}", 34, "no state of a job under way 'Completed'"),
    ("job", "{olderThan: 1d}", 3, "to cancel a job needs one of the conditions stuckFor, runningLongerThan"),
    ("computeInstance", "{olderThan: 1d}", 3, "to stop a computeInstance needs one of the conditions idleFor"),
    ("computeInstance", "{outsideHours: {timeZone: Berlin, from: 08:00, to: 18:00}}", 29, "there is no time zone 'Berlin'"),
    ("computeInstance", "{outsideHours: {timeZone: UTC, from: 900, to: 18:00}}", 51, "put it in quotation marks"),
    ("computeInstance", "{outsideHours: {timeZone: UTC, from: 08:00, to: 08:00}}", 29, "a time span"),
    ("computeInstance", "{outsideHours: {timeZone: UTC, days: Mo, from: 08:00, to: 09:00}}", 29, "'Mo' is not a day"),
]


@pytest.mark.parametrize(("kind", "stale", "column", "expected"), STALE, ids=[row[1] for row in STALE])
def test_a_condition_that_cannot_be_meant_is_refused_at_its_place(kind, stale, column, expected):
    """A condition the kind does not know, an argument of the wrong type, and an act without evidence of disuse."""
    [problem] = refusal(one("", kind, stale)).problems
    assert (problem.line, problem.column) == (4, column)
    assert expected in problem.message


def test_all_mistakes_of_a_file_are_told_at_once_and_in_order():
    """The error is ours, of the code InvalidPolicy, with the others as its details."""
    text = one("  mode: no\n  limits: {cuont: 1}") + "\n- {name: q, kind: modl, staleWhen: {olderThan: 1d}}"
    found = refusal(text)
    assert [(problem.line, problem.column) for problem in found.problems] == [(5, 9), (6, 12), (7, 19)]
    assert found.error.code == "InvalidPolicy"
    assert found.status == 400
    assert "mine.yaml, line 5, column 9" in found.error.message
    assert "and 2 more problems" in found.error.message
    assert len(found.error.details) == 3


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("policies: [\n", 2, 1),
        ("a: 1\na: 2", 2, 1),
        ("policies: !!python/object:os.system {}", 1, 11),
        ("policies: 5", 1, 11),
        ("polices: []", 1, 1),
        ("- a", 1, 1),
        ("", 1, 1),
        ("policies: []\n---\npolicies: []", 2, 1),
    ],
)
def test_what_is_no_file_of_policies_is_refused_at_its_place(text, line, column):
    """Not YAML, YAML's own traps, and another shape altogether."""
    found = refusal(text).problems[0]
    assert (found.line, found.column) == (line, column)


def test_every_kind_has_a_shipped_policy_and_all_of_them_are_dry():
    """The app finds everything it knows from the first night on, and touches nothing."""
    found = policies.shipped()
    assert {policy.kind for policy in found} == set(targets.TARGETS)
    assert {policy.mode for policy in found} == {"dryRun"}
    assert all(ncrontab.parse(policy.schedule) for policy in found)
    assert all(policy.description for policy in found)
    kept = [policy for policy in found if policy.action == "delete"]
    assert all(policy.grace >= timedelta(days=7) and policy.limits.percent for policy in kept)


@pytest.mark.parametrize("name", [name for name, row in targets.CONDITIONS.items()])
def test_every_condition_is_known_to_some_kind_and_used_by_a_shipped_policy(name):
    """No condition without a use."""
    assert any(name in row.conditions for row in targets.TARGETS.values())
    assert any(name in policy.stale_when for policy in policies.shipped())


@pytest.mark.parametrize("target", targets.TARGETS.values(), ids=lambda row: row.name)
def test_a_kind_is_a_row_of_the_catalog_and_consistent(target):
    """Types are those the app can act on; actions and conditions exist; what needs evidence can have it."""
    known = {kind.path for kind in kinds.KINDS}
    assert target.report_only == (target.type == "")
    assert target.report_only or {target.type, target.container or target.type} <= known
    assert target.action in target.actions
    assert set(target.actions) <= set(targets.ACTIONS)
    assert set(target.conditions) <= set(targets.CONDITIONS)
    for action in set(target.actions) - {"notify", "tag", "setIdleShutdown"}:
        assert target.needs[action], "an act that takes something away needs evidence"
        assert set(target.needs[action]) <= set(target.conditions)


def test_the_shipped_file_is_part_of_the_deployment_package(tmp_path):
    """`.funcignore` has the syntax of a .gitignore."""
    shutil.copy(ROOT / ".funcignore", tmp_path / ".gitignore")
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True, timeout=60)

    def is_left_out(path):
        return not subprocess.run(["git", "check-ignore", "-q", path], cwd=tmp_path, check=False, timeout=60).returncode

    assert not is_left_out(f"shared/cleanup/{policies.SHIPPED}")
    assert is_left_out("docs/policies.md")


def loaded(**files):
    """Load what is in force with these files in storage."""
    blobs = fakes.FakeBlobs()
    for name, text in files.items():
        blobs.put(f"cleanup/policies/{name}.yaml", text if isinstance(text, bytes) else text.encode())
    found, wrong = policies.load(blobs)
    return {policy.name: policy for policy in found}, wrong


def test_without_files_the_shipped_policies_are_in_force():
    """Nothing needs to be set up."""
    assert loaded() == ({policy.name: policy for policy in policies.shipped()}, ())


def test_a_policy_in_storage_replaces_the_shipped_one_of_the_same_name():
    """However the name is cased; the others stay."""
    text = one("  mode: enforce").replace("name: p", "name: Stale-Model-Versions")
    found, wrong = loaded(mine=text)
    assert found["Stale-Model-Versions"].mode == "enforce"
    assert "stale-model-versions" not in found
    assert len(found) == len(policies.shipped())
    assert not wrong


def test_shipped_policies_can_be_turned_off():
    """All, or some by a glob; one's own are not meant."""
    found, _ = loaded(mine=one("") + "\ndisable: ['*']")
    assert set(found) == {"p"}
    found, _ = loaded(mine="disable: ['*-workspaces', leftovers]")
    assert {"failed-workspaces", "forgotten-workspaces", "leftovers"} & set(found) == set()
    assert "idle-instances" in found


def test_a_broken_file_disables_only_itself_and_is_told():
    """The others, and the shipped ones, stay in force."""
    found, wrong = loaded(
        broken=one("  mod: enforce").replace("name: p", "name: b"), bytes=b"\xff\xfe", good=b"\xef\xbb\xbf" + one("").encode()
    )
    assert "p" in found
    assert "b" not in found
    assert len(found) == len(policies.shipped()) + 1
    assert [(problem.source, problem.line) for problem in wrong] == [
        ("cleanup/policies/broken.yaml", 5),
        ("cleanup/policies/bytes.yaml", 1),
    ]


def test_of_two_files_with_one_name_the_first_is_in_force_and_the_other_is_told():
    """By the names of the files, so that it is the same one each time."""
    found, [problem] = loaded(a=one("  limits: {count: 1}"), b=one("  limits: {count: 2}"))
    assert found["p"].limits.count == 1
    assert (problem.source, problem.line) == ("cleanup/policies/b.yaml", 2)
    assert "cleanup/policies/a.yaml, line 2" in problem.message


def test_other_blobs_beside_the_files_are_none_of_them():
    """Reports stand in the same container; a README may stand beside the policies."""
    blobs = fakes.FakeBlobs()
    blobs.put("cleanup/policies/README.md", b"# ours")
    blobs.put("cleanup/20260101T000000Z-1/run.json", b"{}")
    assert policies.load(blobs) == (policies.shipped(), ())
