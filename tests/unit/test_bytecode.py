"""Bytecode that is written before the tests run is what pytest takes."""

from pathlib import Path

import pytest
from _pytest.assertion import rewrite

from tests import bytecode


def test_pytest_takes_what_was_written_until_the_module_changes(tmp_path: Path) -> None:
    """Another place or another form would be compiled again by every process."""
    path = tmp_path / "test_one.py"
    path.write_text("def test_one():\n    one = 1\n    assert one == 2\n")
    bytecode.write(path)
    assert rewrite._read_pyc(path, bytecode.place(path))
    path.write_text("def test_one():\n    pass\n")
    assert rewrite._read_pyc(path, bytecode.place(path)) is None


def test_assertions_are_rewritten_in_it(tmp_path: Path) -> None:
    """A failing assertion shows its values."""
    path = tmp_path / "test_one.py"
    path.write_text("def test_one():\n    one = 1\n    assert one == 2\n")
    bytecode.write(path)
    held: dict[str, object] = {}
    exec(rewrite._read_pyc(path, bytecode.place(path)), held)  # noqa: S102 - code of this test
    with pytest.raises(AssertionError, match="assert 1 == 2"):
        held["test_one"]()
