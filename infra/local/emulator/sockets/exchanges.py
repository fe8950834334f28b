"""Whole requests and answers, written down for tests that hold them to Azure's own description (`--exchanges FOLDER`).

One file for each process, one line of JSON for each exchange. Without the option nothing is kept. Storage is not in it.
"""

from __future__ import annotations

import json
import os
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from infra.local.emulator import web

LONGEST = 1 << 20  # bytes; a larger body is not kept
RESET = {"reset": True}  # what stands between the exchanges of two worlds


class Exchanges:
    """Appends to a file of its own in `folder`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = (folder / f"{os.getpid()}.jsonl").open("a", encoding="utf-8")
        self._lock = threading.Lock()

    def keep(self, request: web.Request, response: web.Response, *, scripted: bool) -> None:
        """One exchange; `scripted`: a fault rule took part in it."""
        principal = request.notes.get("principal")
        line = {
            **{name: getattr(request, name) for name in ("method", "host", "path")},
            "query": request.raw_query,
            "client": principal.app_id if principal else "",
            "scripted": scripted,
            "body": _json(request.body),
            "status": response.status,
            "answer": _json(response.body),
        }
        self._write(line)

    def reset(self) -> None:
        """The world begins again."""
        self._write(RESET)

    def _write(self, line: dict[str, Any]) -> None:
        with self._lock:
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()


def _json(body: bytes) -> Any:
    """What it says; a text that starts with `!` when it is not JSON, or too long to be kept."""
    if not body:
        return None
    if len(body) > LONGEST:
        return "!too long"
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return "!not JSON"
