"""Works through the page as a person would: in its order, waiting for an operation when a command needs its resource."""

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
    from collections.abc import Iterable, Mapping
    from pathlib import Path

LIMIT_S = 100.0


@dataclass(slots=True, kw_only=True)
class Reader:
    """Runs commands; follows what they start in the background.

    Args:
        folder: Where the reader works.
        variables: What the shell has.
        before: The page's own exports.
        page: All commands, to know what the files that they write hold.
    """

    folder: Path
    variables: Mapping[str, str]
    before: str
    page: Iterable[str]
    started: dict[str, tuple[str, Future[dict[str, Any]]]] = field(default_factory=dict)
    pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(16))

    def run(self, command: str) -> commands.Answer:
        """Run one, once the operations on resources that it names have ended."""
        text = command + "".join(self._files().get(name, "") for name in re.findall(r"@([\w./-]+)", command))
        for name, going in list(self.started.values()) if "/cancel" not in command else ():
            if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text):
                going.result()
        answer = commands.run(command, self.folder, self.variables, before=self.before)
        if answer.status == requests.codes.accepted:
            name = named(json.loads(answer.body)["properties"]["target"])
            self.started[command] = name, self.pool.submit(self._ended, answer.headers["operation-location"])
        return answer

    def end(self, command: str) -> dict[str, Any] | None:
        """The ended operation that a command started, if it did."""
        return self.started[command][1].result() if command in self.started else None

    def _files(self) -> dict[str, str]:
        written = [(re.match(r"cat > (\S+)", part), part) for part in self.page]
        return {found[1]: part for found, part in written if found}

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
    """The name below the workspace in an ARM id: what later commands call it by. For a workspace, its own."""
    rest = re.sub(r"^.*/providers/Microsoft.MachineLearningServices/", "", target, flags=re.IGNORECASE).split("/")
    return rest[3] if len(rest) > 3 else rest[-1]
