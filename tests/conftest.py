"""The order of the files: those that wait for processes first, the longest of them ahead; what only computes fills the gaps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

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
# The folders whose tests share what the session's fixtures start. A stack that waits costs 8 % of a core: its queues are looked at.
TOGETHER = ("functional", "e2e")


def rank(path: Path) -> int:
    """Return when a file's turn is."""
    name = path.relative_to(HERE).as_posix()
    return next((place for place, start in enumerate(FIRST) if name.startswith(start)), len(FIRST))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort files by their rank; within a file, and among files of one rank, the order stays."""
    items.sort(key=lambda item: rank(item.path))


def folders(item: pytest.Item) -> set[str]:
    """Return the folders that a test lies in; those whose tests share a stack are in each other."""
    parts = item.path.relative_to(HERE).parts[:-1]
    return {"/".join(parts[:count]) for count in range(1, len(parts) + 1)} | set(
        TOGETHER if parts[:1] and parts[0] in TOGETHER else ()
    )


class Ends:
    """Ends what a folder's fixtures of the session started after its last test; pytest would keep it to the end of the session.

    It is a plugin of its own: the hooks of a conftest are not asked about fixtures of the session.
    """

    def __init__(self) -> None:
        self._started: list[tuple[pytest.FixtureDef[object], pytest.FixtureRequest]] = []

    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[object], request: pytest.FixtureRequest) -> None:
        """Note what is kept for the whole session."""
        if fixturedef.scope == "session":
            self._started.append((fixturedef, request))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, bool, bool]:
        """End what belongs to the folders that are left, the last one first."""
        result = yield
        left = folders(item) - (folders(nextitem) if nextitem else folders(item))
        for started in reversed(self._started) if left else ():
            fixture, request = started
            if any(f"{fixture.baseid}/".startswith(f"tests/{folder}/") for folder in left):
                fixture.finish(request)
                self._started.remove(started)
        return result


def pytest_configure(config: pytest.Config) -> None:
    """Have `Ends` at work."""
    config.pluginmanager.register(Ends(), "ends")
