"""No page can hide a command from the test that executes them all; links lead to a page, and to a heading of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests import tables
from tests.docs import answers, commands, exempt

if TYPE_CHECKING:
    from pathlib import Path

PAGES = commands.pages()
NAMES = [path.name for path in PAGES]
SHOWN = {"json", "yaml", "text", "csv", "python", "javascript", "kusto", "bicep", "csharp"}  # languages of what is only shown
LINES = 200
BEGINS = re.compile(r"^\s*(?:\$ |(?:curl|az|azd|make|python3?|func|export|until) )", re.MULTILINE)


@tables.each("path", PAGES)
def test_each_block_says_what_it_holds(path: Path) -> None:
    """A block without a language, or indented in a list, would not be read."""
    text = path.read_text()
    for block in commands.blocks(text):
        assert block.language in {*commands.SHELLS, *SHOWN}, block.text
    assert len(re.findall(r"^\s*```", text, re.MULTILINE)) == 2 * len(commands.blocks(text))


@tables.each("path", PAGES)
def test_no_command_stands_where_it_is_only_shown(path: Path) -> None:
    """Commands stand in `sh` blocks, and those are executed."""
    for block in commands.blocks(path.read_text()):
        if block.language in ("text", "json", "csv"):
            assert not BEGINS.search(block.text), block.text


@pytest.mark.parametrize("pattern", exempt.REASONS)
def test_a_reason_for_not_running_is_needed_by_some_page(pattern: str) -> None:
    """The list gets shorter when a page does."""
    every = [part for path in PAGES for part in commands.paragraphs(path.read_text())]
    assert any(re.search(pattern, part, re.MULTILINE) for part in every)


def test_a_call_of_the_app_is_never_exempt() -> None:
    """Whatever else stands in the command."""
    assert exempt.reason("az group list")
    assert not exempt.reason('az group list && curl "$STEWARD/workspaces"')


@pytest.mark.parametrize(("page", "test"), exempt.ELSEWHERE.items())
def test_a_page_that_is_executed_elsewhere_is_named_there(page: str, test: str) -> None:
    """Its own test reads it."""
    assert page in (commands.ROOT / test).read_text()


def slug(heading: str) -> str:
    """Return the anchor that GitHub gives a heading."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


ANCHORS = {path: {slug(found) for found in re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)} for path in PAGES}
LINKS = [
    (path, page, anchor) for path in PAGES for page, anchor in re.findall(r"\]\(([^)#\s]*\.md)?#([^)\s]+)\)", path.read_text())
]


def test_a_link_into_a_page_leads_to_a_heading() -> None:
    """As GitHub spells it."""
    assert len(LINKS) > 20
    assert not [
        f"{path.name}: {page}#{anchor}"
        for path, page, anchor in LINKS
        if anchor not in ANCHORS[(path.parent / page).resolve() if page else path]
    ]


def test_every_page_is_found_from_the_first() -> None:
    """README.md links to the index of docs/, which links to each page."""
    assert "(docs/README.md)" in (commands.ROOT / "README.md").read_text()
    index = (commands.ROOT / "docs" / "README.md").read_text()
    assert not [path.name for path in PAGES if path.name != "README.md" and f"({path.name})" not in index]


def test_a_page_has_at_most_200_lines() -> None:
    """A longer one is two tasks."""
    assert not [f"{path.name}: {lines}" for path in PAGES if (lines := len(path.read_text().splitlines())) > LINES]


def test_blank_lines_in_a_here_document_do_not_end_a_command() -> None:
    """What a page writes into a file may have paragraphs of its own."""
    page = "```sh\ncat > a.py <<'EOF'\nx = 1\n\ny = 2\nEOF\n\n# says 1\ncurl a\n```\n\n```json answer\n[1]\n```\n"
    assert commands.shown(page) == [("cat > a.py <<'EOF'\nx = 1\n\ny = 2\nEOF", None), ("# says 1\ncurl a", [1])]


def test_a_shell_remembers_what_its_page_has_set(tmp_path: Path) -> None:
    """Variables and functions; another page's shell knows nothing of them."""
    commands.run("NAME='two words' && twice() { echo $1 $1; }", tmp_path, {}, session="one")
    assert commands.run('twice "$NAME"', tmp_path, {}, session="one").body == "two words two words\n"
    assert commands.run('echo "${NAME:-none}"', tmp_path, {}, session="two").body == "none\n"


@pytest.mark.parametrize(
    ("shown", "real", "same"),
    [
        ({"a": 1}, {"a": 7, "b": 2}, True),
        ({"a": 1}, {"b": 2}, False),
        ({"a": "x…z"}, {"a": "xyz"}, True),
        ({"a": "x…z"}, {"a": "xy"}, False),
        ({"a": True}, {"a": 1}, False),
        ({"a": None}, {"a": None}, True),
        ([{"n": "b"}], [{"n": "a"}, {"n": "b"}], True),
        ([{"n": "c"}], [{"n": "a"}], False),
        ({"a": {}}, {"a": []}, False),
    ],
)
def test_an_answer_has_what_is_shown_of_it(shown: object, real: object, same: bool) -> None:  # noqa: FBT001 - a case's outcome
    """Members that are shown must be there; any number will do, a text may be left out in part."""
    assert (not answers.missing(shown, real)) is same
