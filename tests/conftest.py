"""The order of the files: those that wait for processes first, the longest of them ahead; what only computes fills the gaps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

HERE = Path(__file__).parent
# Below tests/, as many words as needed. A file that none of these begins comes last.
FIRST = (
    "functional/docs",
    "e2e",
    "functional/clients",
    "functional/cleanup",
    "functional/dataplane/test_deployments",
    "functional/emulator/test_no_code",
    "functional/files",
    "functional/hooks",
    "functional/test_killed",
    "functional/host/test_start",
    "functional",
    "faults",
    "deploy",
    "contract",
)


def rank(path: Path) -> int:
    """Return when a file's turn is."""
    name = path.relative_to(HERE).as_posix()
    return next((place for place, start in enumerate(FIRST) if name.startswith(start)), len(FIRST))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort files by their rank; within a file, and among files of one rank, the order stays."""
    items.sort(key=lambda item: rank(item.path))
