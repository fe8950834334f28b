"""Works through the pages as a person would: each is pasted as it stands, without a pause between its commands."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import requests

from tests.docs import commands

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LIMIT_S = 200.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command of a page: which one it is, and the answer that the page shows for it, as JSON (`null`: none)."""

    page: str
    number: int
    text: str
    shown: str


@dataclass(slots=True, kw_only=True)
class Reader:
    """Runs commands; follows what they start in the background.

    Args:
        folder: Where the reader works.
        variables: What the shell is given.
    """

    folder: Path
    variables: Mapping[str, str]
    started: dict[Command, Future[dict[str, Any]]] = field(default_factory=dict)
    pages: set[str] = field(default_factory=set)
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(16))

    def run(self, command: Command) -> commands.Answer:
        """Run a command at once. Only between pages is there a pause, until every operation has ended."""
        if command.page not in self.pages:
            wait(self.started.values())
            self.pages.add(command.page)
        answer = commands.run(command.text, self.folder, self.variables, session=command.page)
        if answer.statuses[-1:] == (requests.codes.accepted,) and "operation-location" in answer.headers:
            self.started[command] = self.pool.submit(self._ended, answer.headers["operation-location"])
        return answer

    def end(self, command: Command) -> dict[str, Any] | None:
        """The ended operation that a command started, if it did."""
        return self.started[command].result() if command in self.started else None

    def _ended(self, url: str) -> dict[str, Any]:
        deadline = time.monotonic() + LIMIT_S
        with requests.Session() as session:
            session.trust_env = False
            session.headers["x-functions-key"] = self.variables["KEY"]
            while time.monotonic() < deadline:
                found = session.get(url, params={"wait": "20"}, timeout=60).json()
                if found["status"] in ("Succeeded", "Failed", "Canceled"):
                    return dict(found)
        raise AssertionError(f"not ended after {LIMIT_S} s: {found}")
