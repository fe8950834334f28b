"""The commands that a page shows, and how a test runs one: as a reader would, in a shell. Not here: what must come of them.

How a page is written, so that tests can work through it (any page of docs/, and README.md):

* Each block says what it holds. ```` ```sh ```` (or `bash`) holds commands, and every one of them is executed; no other block may
  hold any: `json`, `yaml`, `text`, `csv`, `python`, … are only shown.
* A command is what stands between blank lines (those inside of a here-document do not count). Commands run in the page's order, in
  one shell for the page: variables that one sets are there for the next. Files stay from page to page.
* Given are the variables that `make up` writes to `.local/up/env.sh` (`infra.local.__main__.exports`): `$STEWARD`, `$KEY`,
  `$SUBSCRIPTION`, `$RESOURCE_GROUP`, `$STORAGE_KEY`, `$ACCOUNT` (the app's storage account), `$CONTROL` (the local Azure's control
  route), and those by which curl reaches the local Azure under Azure's own host names.
* Comments on top of a command say how it ends where that is not well: `# 409 Code: …` (refused so), `# ends Code` (accepted; its
  operation fails so, or is `Canceled`). `# says TEXT`, any number of times: what stands in the answer, besides. A JSON
  list as the comment at the end of a line stands in it, too.
* ```` ```json answer ```` behind a block is what its last command is answered with: each member that is shown must be in the real
  answer; `…` stands for any text in a string, a number for any number, and a list for some of the real one's elements.
* What nothing on this machine could run is listed with its reason in `exempt.py`.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# A page builds on what those before it have made; the others stand for themselves.
ORDER = (
    "provision",
    "provision-resources",
    "provision-compute",
    "provision-assets",
    "provision-delete",
    "run",
    "run-jobs",
    "run-find",
    "run-schedules",
    "score",
    "score-tokens",
    "score-batch",
    "parking",
    "asynchronous-scoring",
    "rollout",
    "expiry",
    "legacy-v1",
    "plan",
    "operate",
    "troubleshoot",
    "clean-up",
    "hooks",
    "rules",
    "article",
    "article-workspaces",
    "article-runs",
)
ROOT = Path(__file__).parents[2]
PAGES_WAIT_S = 200
FENCE = re.compile(r"^```(\w*)[ ]?([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SHELLS = ("sh", "bash")
HERE = re.compile(r"<<-?\s*(['\"]?)(\w+)\1")
# Whatever curl is asked for, it also keeps the headers and the body for whoever looks at them, and the status of each call.
CURL = """curl() {
  command curl -sS --suppress-connect-headers -D "$NOTES/headers.txt" "$@" | tee "$NOTES/body.txt" &&
    grep '^HTTP/' "$NOTES/headers.txt" | tail -n 1 >> "$NOTES/statuses.txt"
}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block of a page: its language, what else stands in its first line, its text."""

    language: str
    info: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a command came back with: the HTTP status of each call, the last one's headers in lower case, its body."""

    statuses: tuple[int, ...]
    headers: Mapping[str, str]
    body: str


def pages() -> list[Path]:
    """Return every page, README.md last."""
    return [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"]


def blocks(page: str) -> list[Block]:
    """Return the fenced blocks of a page."""
    return [Block(language=language, info=info.strip(), text=text) for language, info, text in FENCE.findall(page)]


def paragraphs(page: str) -> list[str]:
    """Return the commands of a page, comments included."""
    return [command for command, _ in shown(page)]


def shown(page: str) -> list[tuple[str, Any]]:
    """Return the commands of a page, each with the answer that the page shows for it, or None."""
    out: list[tuple[str, Any]] = []
    for block in blocks(page):
        if block.language in SHELLS:
            out += [(part, None) for part in _parts(block.text)]
        elif (block.language, block.info) == ("json", "answer"):
            out[-1] = out[-1][0], json.loads(block.text)
    return out


def told(page: str) -> list[tuple[str, list[str]]]:
    """Return (the paragraph right before it, '' for none; its commands) of each block of commands."""
    out, end = [], 0
    for found in FENCE.finditer(page):
        prose = re.sub(r"^#+ .*$", "", page[end : found.start()], flags=re.MULTILINE)
        before = [part for part in prose.split("\n\n") if part.strip()]
        end = found.end()
        if found[1] in SHELLS:
            out.append((before[-1] if before else "", list(_parts(found[3]))))
    return out


def _parts(text: str) -> Iterator[str]:
    """Yield what stands between blank lines, here-documents whole."""
    part: list[str] = []
    ends: list[str] = []
    for line in [*text.splitlines(), ""]:
        if ends:
            ends = ends[1:] if line.strip() == ends[0] else ends
        elif not line.strip():
            if part:
                yield "\n".join(part)
            part = []
            continue
        else:
            ends = [found[2] for found in HERE.finditer(line)]
        part.append(line)


def run(command: str, folder: Path, variables: Mapping[str, str], *, session: str = "shell") -> Answer:
    """Run a command in a folder and read what its curl kept.

    Args:
        command: With its comments.
        folder: Where its files are; programs in its folder `bin` come first.
        variables: What the shell is given, besides what earlier commands of the same shell have set.
        session: A name; one shell's variables and functions are kept from command to command.

    Raises:
        subprocess.CalledProcessError: it did not end well; what it wrote is in the error's notes.
    """
    notes = folder / ".notes"
    notes.mkdir(exist_ok=True)
    for name in ("headers.txt", "body.txt", "statuses.txt"):
        (notes / name).unlink(missing_ok=True)
    kept = notes / f"{session}.sh"
    restore = f'. "{kept}"' if kept.exists() else ":"
    script = f'set -eo pipefail\n{restore}\n{CURL}\nset -a\n{command}\n{{ export -p; declare -f; }} > "{kept}"'
    plain = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    path = os.pathsep.join([str(folder / "bin"), str(Path(sys.executable).parent), plain.get("PATH", "")])
    try:
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=folder,
            env={**plain, "NO_PROXY": "127.0.0.1", **variables, "PATH": path, "NOTES": str(notes)},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PAGES_WAIT_S,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        error.add_note(f"{error.stderr}\n{error.stdout}")
        raise
    return _answer(notes, done.stdout)


def _answer(notes: Path, printed: str) -> Answer:
    if not (notes / "headers.txt").exists():
        return Answer(statuses=(), headers={}, body=printed)
    last = [part for part in (notes / "headers.txt").read_text().split("HTTP/") if part.strip()][-1].splitlines()
    lines = [line.partition(":") for line in last[1:] if ":" in line]
    body = notes / "body.txt"
    return Answer(
        statuses=tuple(int(line.split()[1]) for line in (notes / "statuses.txt").read_text().splitlines()),
        headers={name.lower(): value.strip() for name, _, value in lines},
        body=body.read_text(errors="replace") if body.exists() else "",
    )
