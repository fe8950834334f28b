"""What the processes of a run do in which order, and when they end what they started."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from xdist.scheduler import LoadFileScheduling

if TYPE_CHECKING:
    from collections.abc import Generator

    from xdist.remote import Producer

HERE = Path(__file__).parent
# One process runs a row, file after file: its fixtures of the session start a stack once, and a stack that waits costs CPU, too.
# The longest row begins first. Below tests/, as many words as needed; a file in no row is a row of its own.
ROWS = (
    ("functional/docs",),
    ("functional/clients",),
    ("functional/emulator",),
    ("functional/cleanup",),
    ("functional/dataplane",),
    ("e2e/test_demo", "e2e/test_up"),
    ("functional/host", "functional/local_stack", "functional/yaml"),
    ("functional/pages", "functional/parking", "functional/recipes"),
    ("functional/app", "functional/backup", "functional/catalog", "functional/doctor", "functional/files"),
    ("functional/hooks", "functional/callers"),
    ("e2e/test_dashboard",),
    ("functional/dashboard",),
    ("deploy",),
    ("functional/test_killed",),
    ("contract",),
)
# Of the files in no row, those that take longest; the others come after them.
LONG = ("faults", "simulation", "unit/yaml", "unit/http", "unit/openapi", "unit/operations")


def row(name: str) -> int | None:
    """Return the number of the row that a file belongs to, by its path below tests/."""
    return next((number for number, starts in enumerate(ROWS) if name.startswith(starts)), None)


def rank(name: str) -> tuple[int, int]:
    """Return when a file's turn is."""
    number = row(name)
    if number is not None:
        return number, next(place for place, start in enumerate(ROWS[number]) if name.startswith(start))
    return len(ROWS), next((place for place, start in enumerate(LONG) if name.startswith(start)), len(LONG))


def name_of(item: pytest.Item) -> str:
    """Return the path of a test's file below tests/."""
    return str(item.path).removeprefix(f"{HERE}/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort files by their rank; within a file, and among files of one rank, the order stays."""
    items.sort(key=lambda item: rank(name_of(item)))


def pytest_collection_finish() -> None:
    """Leave eight thousand tests and their modules out of every later search for garbage: they stay until the end."""
    gc.collect()
    gc.freeze()


class Rows(LoadFileScheduling):  # type: ignore[misc]
    """Gives a process a row at a time."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        number = row(file.removeprefix("tests/"))
        return file if number is None else ROWS[number][0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Rows | None:
    """Use `Rows` for `--dist loadfile`."""
    return Rows(config, log) if config.getoption("dist") == "loadfile" else None


def folders(item: pytest.Item) -> set[str]:
    """Return the folders that a test lies in; a row is left with all of its folders."""
    parts = name_of(item).split("/")[:-1]
    number = row(name_of(item))
    return {f"{'' if number is None else number}:{'/'.join(parts[:count])}" for count in range(1, len(parts) + 1)}


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
            if any(f"{fixture.baseid}/".startswith(f"tests/{folder.partition(':')[2]}/") for folder in left):
                fixture.finish(request)
                self._started.remove(started)
        return result


def pytest_configure(config: pytest.Config) -> None:
    """Have `Ends` at work, and no connection of a test read 140 public certificates, which takes 30 ms each time."""
    os.environ["LOCAL_AZURE_ROOTS"] = "own"
    config.pluginmanager.register(Ends(), "ends")
