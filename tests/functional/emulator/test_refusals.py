"""The table of refusals, row by row: a real request provokes it, at the stated moment, with the stated status, code and text."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

import infra.local.emulator
from infra.local.emulator.refusal import Moment, Proof, Refusal
from infra.local.emulator.refusals import ROWS, SERVICES
from tests.functional.emulator.client import Client
from tests.functional.emulator.conftest import ML_PYTHON
from tests.functional.emulator.provocations import PROVOKE

ROWS_OF_A_SERVICE = re.compile(r"^ROWS: .*?^\)", re.DOTALL | re.MULTILINE)
NEEDS_PYTHON = {"container that crashes", "no quota for a deployment and its reserve"}


def _error(row: Refusal, answer: requests.Response) -> dict[str, Any]:
    body = answer.json() if answer.content else {}
    if row.moment is Moment.RESOURCE:
        assert body["properties"]["provisioningState"] == "Failed"
        return dict(body["properties"]["provisioningErrors"][0]["error"])
    if row.moment is Moment.OPERATION:
        assert body["status"] == "Failed", answer.text
    return dict(body.get("error") or {})


def _strings(value: Any, name: str) -> Iterator[str]:
    """Every text of a member of that name, at any depth."""
    for key, inner in value.items() if isinstance(value, dict) else ():
        if key == name and isinstance(inner, str):
            yield inner
        yield from _strings(inner, name)
    for inner in value if isinstance(value, list) else ():
        yield from _strings(inner, name)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_azure_refuses_it(azure: Client, row: Refusal) -> None:
    """Status, code, inner code and the message's shape are the row's."""
    if row.name in NEEDS_PYTHON and not ML_PYTHON.exists():
        pytest.skip("the prepared environment is not there")
    answer = PROVOKE[row.name](azure)
    assert answer.status_code == row.status, answer.text
    error = _error(row, answer)
    assert error.get("code", "") == row.code, error
    assert not row.inner or row.inner in set(_strings(error, "code")), error
    assert row.pattern.fullmatch(error.get("message", "")) or any(
        row.pattern.fullmatch(text) for text in _strings(error.get("details") or [], "message")
    ), error


def test_every_row_is_provoked_and_every_provocation_has_a_row() -> None:
    """The names are the same, and no two rows have one name."""
    names = [row.name for row in ROWS]
    assert len(names) == len(set(names)) >= 100
    assert set(names) == set(PROVOKE)


def test_every_row_stands_beside_the_code_that_raises_it_and_has_a_source() -> None:
    """A module of the service, or of the words that several share, holds the code; what is said to be proven has a source."""
    home = Path(infra.local.emulator.__file__).parent
    shared = [home / "arm" / "refusals.py", *(home / "machine_learning").glob("*.py")]
    for service in SERVICES:
        own = Path(str(service.__file__)).parent.glob("*.py")
        text = "".join(ROWS_OF_A_SERVICE.sub("", path.read_text()) for path in (*own, *shared))
        for row in service.ROWS:
            code = row.inner or row.code
            assert code in text or code.endswith("NotFound") or not code, row.name
            assert row.source or row.proof is Proof.BEHAVIOUR, row.name
