"""The commands that a page shows, and how a test runs one: as a reader would, in a shell. Not here: what must come of them."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PAGES_WAIT_S = 100
# Whatever curl is asked for, it also says the status, and keeps the headers and the body for whoever looks at them.
CURL = "curl() { command curl -sS -D headers.txt -o body.txt -w '%{http_code}' \"$@\"; }"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a command came back with: an HTTP status (0: it called nothing), headers in lower case, the body."""

    status: int
    headers: Mapping[str, str]
    body: str


def paragraphs(page: str) -> list[str]:
    """Return the commands of the page's ```bash blocks: what stands between blank lines, comments included."""
    blocks = re.findall(r"^```bash\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    return [part.strip() for block in blocks for part in re.split(r"\n\s*\n", block) if part.strip()]


def curls(page: str) -> list[str]:
    """Return the curl commands of all the page's blocks, each to the end of its continued lines."""
    blocks = re.findall(r"```\n(.*?)```", page, re.DOTALL)
    return [found for block in blocks for found in re.findall(r"^curl (?:.*\\\n)*.*$", block, re.MULTILINE)]


def run(command: str, folder: Path, variables: Mapping[str, str], *, before: str = "") -> Answer:
    """Run a command in a folder and read what its curl kept there.

    Raises:
        subprocess.CalledProcessError: it did not end well; its stderr is in the error's notes.
    """
    for name in ("headers.txt", "body.txt"):
        (folder / name).unlink(missing_ok=True)
    try:
        done = subprocess.run(
            ["bash", "-c", f"set -e\n{CURL}\n{before}\n{command}"],
            cwd=folder,
            env={**os.environ, "no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1", **variables},
            capture_output=True,
            text=True,
            timeout=PAGES_WAIT_S,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        error.add_note(error.stderr)
        raise
    if not (folder / "headers.txt").exists():
        return Answer(status=0, headers={}, body=done.stdout)
    lines = [line.partition(":") for line in (folder / "headers.txt").read_text().splitlines() if ":" in line]
    body = folder / "body.txt"
    return Answer(
        status=int(done.stdout[-3:]),
        headers={name.lower(): value.strip() for name, _, value in lines},
        body=body.read_text() if body.exists() else "",
    )
