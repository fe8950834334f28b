"""shared/openapi/examples.json: what the commands of the docs send, by operation of the OpenAPI document.

A shell reads the pages, as their readers do; its curl only notes what it was given. Not here: whether the commands work (tests of
the pages run each), what a schema says of them (tests of the document).
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from shared.openapi import document
from shared.route_table import ROUTES
from tests.docs import commands, exempt

ROOT = Path(__file__).parents[2]
FILE = ROOT / "shared" / "openapi" / "examples.json"
PAGES = [
    ROOT / "docs" / f"{name}.md"
    for name in ("provision", "run", "score", "legacy-v1", "files", "yaml", "plan", "operate", "clean-up", "hooks")
]
POLICIES = ROOT / "docs" / "policies.md"  # begins with a file of policies
MOST = 3  # of one operation
MEDIA = frozenset({"application/json", "application/yaml", "application/cloudevents+json", "multipart/form-data"})
ZERO = "00000000-0000-0000-0000-000000000000"
VARIABLES = {"STEWARD": "/api", "KEY": "key", "SUBSCRIPTION": ZERO, "RESOURCE_GROUP": "my-group", "STORAGE_KEY": "the-account-key"}
# Every argument in a line of its own file, whatever is in it; stdin only where it is asked for. Nothing else is called.
NOTED = """
az() { :; }; python() { :; }; python3() { :; }
curl() {
  local call; call=$(mktemp -p "$CALLS" "$PARAGRAPH.XXXXXX")
  printf '%s\\0' "$@" > "$call"
  case " $* " in *" @- "*) cat > "$call.stdin" ;; esac
}
"""


def text() -> str:
    """Return the file: operation id → up to three examples, each `{"media", "summary", "value"}`."""
    templates = _templates()
    policy = re.findall(r"^```yaml\n(.*?)^```", POLICIES.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)[0]
    shown = {"media": "application/yaml", "summary": "A file of policies", "value": policy}
    out: dict[str, list[dict[str, Any]]] = {"cleanup_policies_check": [shown]}
    for summary, call, stdin, folder in _calls([part for page in PAGES for part in _said(page.read_text(encoding="utf-8"))]):
        verb, path, media, body = _read(call, stdin, folder)
        found = _operation(templates, verb, path)
        if not found or body is None or media not in MEDIA:
            continue
        kept = out.setdefault(found, [])
        if len(kept) < MOST and body not in [each["value"] for each in kept]:
            kept.append({"media": media, "summary": summary, "value": body})
    return json.dumps(dict(sorted(out.items())), indent=1, ensure_ascii=False) + "\n"


def _calls(paragraphs: list[tuple[str, str]]) -> list[tuple[str, list[str], str, dict[str, str]]]:
    """Return (what the page says of it, arguments, stdin, the files there are) of each curl that succeeds."""
    with tempfile.TemporaryDirectory() as place:
        work, notes = Path(place, "work"), Path(place, "calls")
        work.mkdir(), notes.mkdir()
        script = "\n".join([NOTED, *(f"PARAGRAPH={number:03}\n{part}\n" for number, (_, part) in enumerate(paragraphs))])
        environment = {**VARIABLES, "CALLS": str(notes), "PATH": "/usr/local/bin:/usr/bin:/bin"}
        subprocess.run(["bash", "-c", script], cwd=work, env=environment, check=True, capture_output=True, timeout=100)
        files = {str(path.relative_to(work)): path.read_text() for path in work.rglob("*") if path.is_file()}
        out = []
        for path in sorted(notes.iterdir(), key=lambda each: (each.name[:3], each.stat().st_mtime_ns)):
            said, part = paragraphs[int(path.name[:3])]
            if path.suffix == ".stdin" or re.search(r"^# (?:[45]\d\d|ends) ", part, re.MULTILINE):
                continue
            stdin = path.with_name(f"{path.name}.stdin")
            given = path.read_text().split("\0")[:-1]
            out.append((said, given, stdin.read_text() if stdin.exists() else "", files))
    return out


def _said(page: str) -> list[tuple[str, str]]:
    """Return the commands of a page, each with the first sentence before its block, without markdown."""
    out, plain = [], ""
    for prose, block in commands.told(page):
        whole = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", " ".join(prose.split())).replace("`", "").replace("**", "")
        first = re.split(r"(?<=[.;]) ", whole.strip(" :.|"))[0].rstrip(".;") or plain
        plain = first if len(first) <= 120 else f"{first[:119]}…"
        loops = re.compile(r"^(?:until|for) ", re.MULTILINE)  # over answers, which there are none of
        out += [(plain, part) for part in block if not exempt.reason(part) and not loops.search(part)]
    return out


def _read(call: list[str], stdin: str, files: dict[str, str]) -> tuple[str, str, str, Any]:
    """Return verb, path, media type and body of a call; None for a body that no example shows."""
    verb, url, media, body, form = "", "", "", None, {}
    arguments = iter(call)
    for argument in arguments:
        if argument == "-X":
            verb = next(arguments)
        elif argument == "-H":
            name, _, value = next(arguments).partition(":")
            media = value.strip() if name.lower() == "content-type" else media
        elif argument in ("-d", "--data", "--data-binary"):
            given = next(arguments)
            body = stdin if given == "@-" else files.get(given[1:]) if given.startswith("@") else given
        elif argument == "-F":
            name, _, value = next(arguments).partition("=")
            form[name] = files.get(value[1:].partition(";")[0]) if value.startswith("@") else value
        elif argument.startswith("/api/"):
            url = argument
        elif argument in ("-o", "-T", "-w"):
            next(arguments)
    verb = verb or ("POST" if body is not None or form else "GET")
    path = urlsplit(url).path.removeprefix("/api")
    if form:
        return verb, path, "multipart/form-data", {"spec": form["spec"]} if form.get("spec") else None
    if body is None or not (media in ("", "application/json") or media.endswith("+json")):
        return verb, path, media, body
    return verb, path, "application/json" if media in ("", "application/json-patch+json") else media, json.loads(body)


def _templates() -> list[tuple[str, re.Pattern[str], str]]:
    """Return (verb, pattern, operation id), those with the most words first."""
    out = []
    for path, item in document.build(ROUTES)["paths"].items():
        pattern = re.compile(re.sub(r"{\w+}", "[^/]+", path.replace(".", r"\.")), re.IGNORECASE)
        out += [(verb.upper(), pattern, it["operationId"], path.count("{")) for verb, it in item.items() if verb != "servers"]
    return [(verb, pattern, name) for verb, pattern, name, _ in sorted(out, key=lambda each: each[3])]


def _operation(templates: list[tuple[str, re.Pattern[str], str]], verb: str, path: str) -> str:
    return next((name for each, pattern, name in templates if each == verb and pattern.fullmatch(path)), "")
