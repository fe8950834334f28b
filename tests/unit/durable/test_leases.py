"""A lease is renewed by a thread while its worker is at work, and by nothing afterwards."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import pytest

from shared.durable import lease, storage
from tests.fakes import unavailable

LIMIT_S = 60


@dataclass
class Record:
    """Counts how often its lease was renewed; `problems` come first, and `refused` is set with the last of them."""

    problems: list[Exception] = field(default_factory=list)
    enough: threading.Event = field(default_factory=threading.Event)
    refused: threading.Event = field(default_factory=threading.Event)
    wanted: int = 3

    def renew(self, before: int) -> int:
        """Renew it once."""
        if self.problems:
            if len(self.problems) == 1:
                self.refused.set()
            raise self.problems.pop(0)
        if before + 1 >= self.wanted:
            self.enough.set()
        return before + 1


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "EVERY_S", 0.001)
    monkeypatch.setattr(lease, "AGAIN_S", 0.001)


def test_it_is_renewed_until_the_work_is_done() -> None:
    """And the worker goes on with the record as it was written last."""
    record = Record()
    with lease.kept(0, record.renew) as held:
        assert record.enough.wait(LIMIT_S)
    assert held.checked() >= record.wanted
    assert not [each for each in threading.enumerate() if each.name == "lease"]


def test_what_the_work_ends_with_is_raised_and_the_thread_ends() -> None:
    """A send that fails ends its lease's renewal, too."""
    with pytest.raises(KeyError), lease.kept(0, Record().renew):
        raise KeyError
    assert not [each for each in threading.enumerate() if each.name == "lease"]


def test_short_work_costs_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nearly all work ends long before its lease is to be renewed."""
    monkeypatch.setattr(lease, "EVERY_S", 60.0)
    with lease.kept(0, Record().renew) as held:
        assert not [each for each in threading.enumerate() if each.name == "lease"]
    assert held.checked() == 0


def test_storage_that_fails_is_asked_again() -> None:
    """The lease is longer than a short outage."""
    record = Record(problems=[unavailable(), unavailable()])
    with lease.kept(0, record.renew) as held:
        assert record.enough.wait(LIMIT_S)
    assert held.checked() >= record.wanted


def test_another_worker_has_it() -> None:
    """Nothing is renewed after that, and nothing is recorded."""
    record = Record(problems=[storage.ConflictError()])
    with lease.kept(0, record.renew) as held:
        assert record.refused.wait(LIMIT_S)
    assert (held.lost, held.known) == (True, 0)
    with pytest.raises(storage.ConflictError):
        held.checked()
