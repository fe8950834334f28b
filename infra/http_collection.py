"""Writes docs/steward.http from the curl commands of the pages: the same requests, to be sent from an editor.

VS Code's REST Client, JetBrains' HTTP client and Visual Studio read the file. `python -m infra.http_collection` renews it; a test
compares. A command that uploads a file, reads an earlier answer, or goes to the local Azure's control routes is left out.
Not here: running the commands (tests/functional/docs).
"""

from __future__ import annotations

import re
import shlex
import sys
from dataclasses import dataclass, field
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
FILE = DOCS / "steward.http"
PROVISION = ("provision", "provision-resources", "provision-compute", "provision-assets", "provision-delete")
RUN = ("run", "run-jobs", "run-find", "run-schedules")
SCORE = ("score", "score-tokens", "score-batch", "parking")
PAGES = (*PROVISION, *RUN, "plan", *SCORE, "operate", "troubleshoot", "clean-up", "rules")
BLOCK = re.compile(r"^## (?P<title>[^\n]+)$|^```sh\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
HEREDOC = re.compile(r"^cat > (?P<file>\S+) <<'?EOF'?\n(?P<text>.*?)^EOF$", re.MULTILINE | re.DOTALL)
EXPORT = re.compile(r'^export (?P<name>\w+)="(?P<value>[^"]*)"$', re.MULTILINE)
SET_BELOW = {"STEWARD": "http://127.0.0.1:7071/api", "KEY": "", "SUBSCRIPTION": "00000000-0000-0000-0000-000000000001"}
SET_BELOW |= {"RESOURCE_GROUP": "rg-steward"}
HEAD = """# The requests of the pages in docs/, made by `python -m infra.http_collection`.
# Set the first lines: `make up` prints the key, and writes it to .local/up/env.sh.
"""


@dataclass(slots=True)
class Request:
    """One command, as the file has it."""

    method: str = "GET"
    url: str = ""
    headers: list[str] = field(default_factory=list)
    body: str = ""

    def text(self) -> str:
        """Return its lines."""
        return "\n".join([f"{self.method} {self.url}", *self.headers, *(["", self.body] if self.body else [])])


def commands(block: str) -> list[str]:
    """Return the commands of a block, each on one line; comments and files are not among them."""
    plain = HEREDOC.sub("", block).replace("\\\n", " ")
    found: list[str] = []
    for line in plain.splitlines():  # a quoted body may have several lines
        if found and found[-1].count("'") % 2:
            found[-1] += f"\n{line}"
        elif line.strip() and not line.startswith("#"):
            found.append(line)
    return found


def request(command: str, files: dict[str, str]) -> Request | None:
    """Return the request that a curl command sends; None for a command of another sort."""
    if not command.startswith("curl ") or re.search(r"\$\(|\$[a-z_]|[|>&]\s|\$CONTROL|\$STORAGE_KEY|\$OPERATION", command):
        return None
    words = iter(shlex.split(command)[1:])
    made = Request()
    for word in words:
        if word in ("-X", "--request"):
            made.method = next(words)
        elif word in ("-H", "--header"):
            made.headers.append(next(words))
        elif word in ("-d", "--data", "--data-binary"):
            given = next(words)
            if given.startswith("@") and given[1:] not in files:
                return None
            made.body = files[given[1:]].rstrip("\n") if given.startswith("@") else given
            made.method = "POST" if made.method == "GET" else made.method
        elif word.startswith("-"):
            if word not in ("-s", "-S", "-sS", "-i", "-f", "-sf", "-L"):  # a file, a loop, …
                return None
        else:
            made.url = word
    return made if "$STEWARD" in made.url else None


def collection() -> str:
    """Return the file's text."""
    variables, parts, seen = dict(SET_BELOW), [], set()
    for page in PAGES:
        title = ""
        files: dict[str, str] = {}
        for match in BLOCK.finditer((DOCS / f"{page}.md").read_text(encoding="utf-8")):
            if match["title"]:
                title = match["title"]
                continue
            variables |= {each["name"]: each["value"] for each in EXPORT.finditer(match["text"])}
            files |= {each["file"]: each["text"] for each in HEREDOC.finditer(match["text"])}
            made = [found.text() for command in commands(match["text"]) if (found := request(command, files))]
            for text in made:
                if text not in seen:
                    seen.add(text)
                    parts.append(f"### {page}: {title or 'first'}\n{text}\n")
    for name in [name for name, value in variables.items() if ": " in value]:  # a whole header: no tool takes one from a variable
        parts = [part.replace(f"${name}", variables[name]) for part in parts]
    parts = [part for part in parts if _names(part) <= variables.keys()]
    used = _names("".join(parts))
    while more := _names("".join(variables[name] for name in used)) - used:
        used |= more
    lines = [f"@{name} = {_bound(value)}" for name, value in variables.items() if name in SET_BELOW or name in used]
    return HEAD + "\n".join(lines) + "\n\n" + "\n".join(map(_bound, parts))


def _names(text: str) -> set[str]:
    return set(re.findall(r"\$\{?([A-Z_]+)\}?", text))


def _bound(text: str) -> str:
    return re.sub(r"\$\{?([A-Z_]+)\}?", r"{{\1}}", text)


def main() -> int:
    """Renew the file."""
    FILE.write_text(collection(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
