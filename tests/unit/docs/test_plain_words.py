"""Text that users read has the field's words: the docs, the dashboard, every message of the app, and all prose of infra/."""

from __future__ import annotations

import re
import tokenize
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.docs import commands

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT = Path(__file__).parents[3]
NOT_PLAIN = re.compile(
    r"\b(?:tells?|told|telling|anew|whoever|whomever|nobody|somebody|everybody|anybody|it came to"
    r"|(?:is|are|was|were|be|been) had|(?:is|are) none of)\b|(?<!there )\bis none(?=[;,.])",
    re.IGNORECASE,
)
NAMES = re.compile(r"tell-of-failed-runs|`told`|untold, told:|^\"told\"$")  # of a shipped rule, and of stored members
LINE = 140
DASHBOARD = sorted((ROOT / "shared" / "pages" / "dashboard").glob("*.*"))
COMMENT = re.compile(r"/\*.*?\*/|^\s*//.*$", re.DOTALL | re.MULTILINE)
TEXT_OF_SCRIPT = re.compile(r'"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`')


def prose(path: Path) -> str:
    """Return a page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.DOTALL | re.MULTILINE)


def all_texts(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, text) of every text and comment in a module, docstrings, too; nothing of one without an odd word."""
    if not odd(path.read_text()):
        return
    kinds = (tokenize.STRING, tokenize.FSTRING_MIDDLE, tokenize.COMMENT)
    with path.open("rb") as file:
        yield from ((token.start[0], token.string) for token in tokenize.tokenize(file.readline) if token.type in kinds)


def odd(text: str) -> list[str]:
    """Return the words of a text that are not plain."""
    return [found[0] for found in NOT_PLAIN.finditer(NAMES.sub("", text))]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Nobody is told", ["Nobody", "told"]),
        ("its grace begins anew", ["anew"]),
        ("what is had beforehand", ["is had"]),
        ("'W1' is none; expected", ["is none"]),
        ("its name matches none of a*, b*", []),
        ("The caller gets the resource", []),
    ],
)
def test_the_search_finds_what_it_is_for(text: str, found: list[str]) -> None:
    """A search that finds nothing proves nothing."""
    assert odd(text) == found


def test_the_docs_have_plain_words() -> None:
    """Prose and tables; blocks hold commands, data and what the app answers."""
    assert not [f"{path.name}: {each}" for path in commands.pages() for each in odd(prose(path))]


def test_the_app_has_plain_words() -> None:
    """Every text, docstring and comment of the app, whichever error or answer it ends in."""
    modules = [*(ROOT / "shared").rglob("*.py"), *(ROOT / "functions").rglob("*.py")]
    found = [f"{path.relative_to(ROOT)}:{line}: {each}" for path in modules for line, text in all_texts(path) for each in odd(text)]
    assert len(modules) > 100
    assert not found


def texts_of_bicep(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, text) of the comments and of the texts in a module of Bicep, descriptions among them."""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        yield from ((number, text) for text in re.findall(r"'((?:[^'\\]|\\.)*)'|(//.*)$", line) for text in text if text)


def test_the_search_reads_comments_and_texts(tmp_path: Path) -> None:
    """Of Bicep and of Python, docstrings and parts of f-strings included."""
    bicep, python = tmp_path / "a.bicep", tmp_path / "a.py"
    bicep.write_text("@description('Nobody is here')\nparam x string // whoever\n")
    python.write_text('"""Told."""\nx = f"{1} anew"  # somebody\n')
    assert [each for _, text in texts_of_bicep(bicep) for each in odd(text)] == ["Nobody", "whoever"]
    assert [each for _, text in all_texts(python) for each in odd(text)] == ["Told", "anew", "somebody"]


def test_infra_has_plain_words() -> None:
    """Messages, docstrings and comments of the doctor, the demo, the package and the local Azure; Bicep; descriptions of roles."""
    files = [path for path in (ROOT / "infra").rglob("*") if "node_modules" not in path.parts]
    texts: dict[Path, Iterable[tuple[int, str]]] = {path: all_texts(path) for path in files if path.suffix == ".py"}
    texts |= {path: texts_of_bicep(path) for path in files if path.suffix == ".bicep"}
    texts |= {path: enumerate(path.read_text().splitlines(), 1) for path in (ROOT / "infra" / "azure" / "roles").glob("*.json")}
    found = [
        f"{path.relative_to(ROOT)}:{line}: {each}" for path, read in texts.items() for line, text in read for each in odd(text)
    ]
    assert len(texts) > 250
    assert not found


def test_the_dashboard_has_plain_words() -> None:
    """What its scripts and its page write, comments left out."""
    found = []
    for path in DASHBOARD:
        text = COMMENT.sub("", path.read_text())
        shown = [one or other for one, other in TEXT_OF_SCRIPT.findall(text)] if path.suffix == ".js" else [text]
        found += [f"{path.name}: {each}" for part in shown if " " in part and path.suffix in (".js", ".html") for each in odd(part)]
    assert not found


def test_a_line_of_the_docs_is_not_too_long() -> None:
    """A page is read in a terminal and in a diff, too. Tables and shown data are as wide as what they hold; commands are not."""
    found = []
    for path in sorted((ROOT / "docs").glob("*.md")):
        pasted = [block.text for block in commands.blocks(path.read_text()) if block.language in commands.SHELLS]
        lines = [line for text in (prose(path), *pasted) for line in text.splitlines() if not line.startswith("|")]
        found += [f"{path.name}: {line[:60]} … ({len(line)})" for line in lines if len(line) > LINE]
    assert not found
