"""Leases that are renewed on the tests' clock, as threads renew them in the app; a frozen worker renews none."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from shared.durable import lease

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest

    from tests.fakes import Clock


class Leases:
    """What is at work at the moment.

    Attributes:
        frozen: No sign of life is given: the process is stopped.
    """

    def __init__(self, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
        self.frozen = False
        self._clock = clock
        self._held: list[lease.Held[Any]] = []
        monkeypatch.setattr(lease, "kept", self._kept)

    @contextmanager
    def _kept[K](self, known: K, renew: Callable[[K], K]) -> Iterator[lease.Held[K]]:
        held = lease.Held(known=known, renew=renew)
        self._held.append(held)
        try:
            yield held
        finally:
            self._held.remove(held)

    def advance(self, seconds: float) -> None:
        """Let time pass, with a sign of life of each worker every few seconds."""
        while seconds > 0:
            part = min(seconds, lease.EVERY_S)
            self._clock.advance(part)
            seconds -= part
            for held in () if self.frozen else [each for each in self._held if not each.lost]:
                held.beat()
