"""docs/policies.md and docs/policy-kinds.md: every example is a file of policies, every field and action is real."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from shared.cleanup.policy import policies, policy_fields, targets
from shared.text import problems

DOCS = Path(__file__).parents[3] / "docs"
PAGE = "".join((DOCS / name).read_text(encoding="utf-8") for name in ("policies.md", "policy-kinds.md"))
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_every_example_is_a_file_that_is_read(number):
    """A reader copies it."""
    found = policies.read(EXAMPLES[number], f"example {number}")
    assert found.policies or found.disabled


def test_what_an_example_says_it_replaces_or_turns_off_is_shipped():
    """Names of shipped policies change here, too."""
    shipped = {policy.name for policy in policies.shipped()}
    assert f"{len(shipped)} come with the app" in PAGE
    assert policies.parse(EXAMPLES[0], "first")[0].name in shipped
    assert set(policies.read(EXAMPLES[1], "second").disabled) - {"*-workspaces"} <= shipped


@pytest.mark.parametrize("name", policy_fields.POLICY)
def test_every_field_is_in_the_table(name):
    """What a policy may hold."""
    assert re.search(rf"^\| `{name}` \|", PAGE, re.MULTILINE)


@pytest.mark.parametrize("name", [*policy_fields.WHERE, *targets.ACTIONS])
def test_every_filter_and_every_action_is_in_a_table(name):
    """Likewise."""
    assert re.search(rf"^\| `{name}` \|", PAGE, re.MULTILINE)


def test_the_mistakes_it_shows_are_told_in_these_words():
    """The first example, misspelt."""
    wrong = EXAMPLES[0].replace("olderThan", "olderThen").replace("P7D ", "7   ")
    with pytest.raises(problems.InvalidFileError) as caught:
        policies.parse(wrong, "cleanup/policies/ours.yaml")
    for problem in caught.value.problems:
        assert str(problem) in PAGE
