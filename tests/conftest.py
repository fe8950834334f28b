"""The order of the files: those that wait for processes first, the longest of them ahead; what only computes fills the gaps."""

from __future__ import annotations

from pathlib import Path

import pytest
from _pytest.runner import runtestprotocol

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
# The folders whose session fixtures are running stacks. A stack that waits costs 8 % of a core: its queues are looked at.
WITH_STACKS = ("functional", "e2e")


def rank(path: Path) -> int:
    """Return when a file's turn is."""
    name = path.relative_to(HERE).as_posix()
    return next((place for place, start in enumerate(FIRST) if name.startswith(start)), len(FIRST))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort files by their rank; within a file, and among files of one rank, the order stays."""
    items.sort(key=lambda item: rank(item.path))


def keeps_stacks(item: pytest.Item) -> bool:
    """Whether a test may use a stack that an earlier one has started."""
    return item.path.relative_to(HERE).parts[0] in WITH_STACKS


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """End all stacks after the last test that may use one; pytest would keep them to the end of the session."""
    if nextitem is None or not keeps_stacks(item) or keeps_stacks(nextitem):
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    runtestprotocol(item, nextitem=None)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True
