"""Works through the pages as a person would: in their order, waiting for an operation when a command needs its resource."""

from __future__ import annotations

import json
import re
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import requests

from tests.docs import commands

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

LIMIT_S = 100.0


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
    started: dict[Command, tuple[str, Future[dict[str, Any]]]] = field(default_factory=dict)
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(16))

    def run(self, command: Command) -> commands.Answer:
        """Run one, once the operations on resources that it names have ended."""
        text = command.text + "".join(self._content(name) for name in re.findall(r"@([\w./-]+)", command.text))
        for name, going in list(self.started.values()) if "/cancel" not in text else ():
            if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text):
                going.result()
        answer = commands.run(command.text, self.folder, self.variables, session=command.page)
        if answer.statuses[-1:] == (requests.codes.accepted,) and "operation-location" in answer.headers:
            name = named(json.loads(answer.body)["properties"]["target"])
            self.started[command] = name, self.pool.submit(self._ended, answer.headers["operation-location"])
        return answer

    def end(self, command: Command) -> dict[str, Any] | None:
        """The ended operation that a command started, if it did."""
        return self.started[command][1].result() if command in self.started else None

    def _content(self, name: str) -> str:
        file = self.folder / name
        return file.read_text(errors="replace") if file.is_file() and file.suffix not in (".zip", ".bin") else ""

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


def named(target: str) -> str:
    """The name below the workspace in an ARM id: what later commands call it by. Of anything else, its own."""
    rest = re.sub(r"^.*/providers/Microsoft.MachineLearningServices/", "", target, flags=re.IGNORECASE).split("/")
    return rest[3] if len(rest) > 3 and rest[0] else rest[-1]
