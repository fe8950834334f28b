"""Reads what local Azures wrote down while tests ran, and says what of it is not as Microsoft describes it.

An answer is judged whoever asked; a request when the app sent it. What a test puts in against the description comes back in
answers until the local Azure is reset: those are not judged, nor are those of a fault rule. Not here: the rules (`described.py`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from infra.local.emulator import scene
from infra.local.emulator.sockets.exchanges import RESET
from tests.spec import described

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(slots=True)
class Judge:
    """Goes on where it stopped.

    Attributes:
        folder: Where the files of the exchanges are.
    """

    folder: Path
    _read: dict[str, int] = field(default_factory=dict)
    _odd: set[str] = field(default_factory=set)

    def problems(self) -> list[str]:
        """What is wrong with the exchanges since the last call: each line once, with how often."""
        counted: dict[str, int] = {}
        for file in sorted(self.folder.glob("*.jsonl")):
            with file.open("rb") as lines:
                lines.seek(self._read.get(file.name, 0))
                whole = [line for line in lines if line.endswith(b"\n")]
            self._read[file.name] = self._read.get(file.name, 0) + sum(map(len, whole))
            for line in map(json.loads, whole):
                if line == RESET:
                    self._odd = {one for one in self._odd if not one.startswith(f"{file.name} ")}
                    continue
                for problem in self._of(file.name, described.Exchange(**line)):
                    counted[problem] = counted.get(problem, 0) + 1
        return [f"{times} x {problem}" for problem, times in sorted(counted.items())]

    def _of(self, world: str, exchange: described.Exchange) -> list[str]:
        found = described.problems(exchange)
        asked = [one for one in found if ": request" in one or ": query" in one or "no such operation" in one]
        path = f"{world} {exchange.path.lower()}"
        if exchange.method in {"PUT", "PATCH"} and exchange.status < 400 and described.odd(exchange):
            self._odd.add(path)
        if exchange.client != scene.APP_CLIENT_ID:
            found = [one for one in found if one not in asked]
        return found if not self._touches(path) else [one for one in found if one in asked]

    def _touches(self, path: str) -> bool:
        """Whether it shows something that a test put in against the description: itself, a list of its kind, its action."""
        kind = path.rpartition("/")[2]
        return path in self._odd or path.rpartition("/")[0] in self._odd or any(one.split("/")[-2] == kind for one in self._odd)
