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

from shared.catalog import kinds, yaml
from shared.openapi import document
from shared.rest import ids
from shared.route_table import ROUTES
from tests.docs import commands, exempt

ROOT = Path(__file__).parents[2]
FILE = ROOT / "shared" / "openapi" / "examples.json"
PAGES = [
    ROOT / "docs" / f"{name}.md"
    for name in ("provision", "run", "score", "legacy-v1", "files", "yaml", "plan", "operate", "clean-up", "hooks")
]
POLICIES = ROOT / "docs" / "policies.md"  # begins with a file of policies
CORPUS = ROOT / "tests" / "corpus"
CORPUS_OF = {  # operation id → kind of the YAML, and a file that names no other file
    "registries_put": ("registry", "registry/two-regions.yml"),
    "workspaces_computes_put": ("compute", "compute/cluster-full.yml"),
    "workspaces_jobs_put": ("job", "job/command-curated.yml"),
    "workspaces_jobs_post": ("job", "job/command-minimal.yml"),
    "workspaces_schedules_put": ("schedule", "schedule/by-id.yml"),
    "workspaces_onlineEndpoints_deployments_put": ("online_deployment", "online_deployment/registry-model.yml"),
    "workspaces_batchEndpoints_deployments_put": ("batch_deployment", "pipeline_component_batch_deployment/registered.yml"),
    "workspaces_serverlessEndpoints_put": ("serverless_endpoint", "serverless_endpoint/endpoint.yml"),
    "workspaces_environments_versions_put": ("environment", "environment/image.yml"),
    "workspaces_data_versions_put": ("data", "data/folder-in-cloud.yml"),
    "workspaces_models_versions_put": ("model", "model/from-datastore.yml"),
    "workspaces_components_versions_put": ("component", "component/loose.yml"),
    "workspaces_datastores_put": ("datastore", "datastore/blob-none.yml"),
    "workspaces_connections_put": ("connection", "connection/git.yml"),
    "workspaces_featurestoreEntities_versions_put": ("feature_store_entity", "feature_store_entity/entity.yml"),
    "registries_environments_versions_put": ("environment", "environment/image.yml"),
    "registries_models_versions_put": ("model", "model/from-web.yml"),
    "registries_data_versions_put": ("data", "data/https.yml"),
}
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
    _of_corpus(out)
    return json.dumps(dict(sorted(out.items())), indent=1, ensure_ascii=False) + "\n"


def _of_corpus(out: dict[str, list[dict[str, Any]]]) -> None:
    """Add what the tests' own YAML becomes, ahead of what may be of an older api-version, and the YAML where there is none."""
    for name, (folder, path) in CORPUS_OF.items():
        text = (CORPUS / path).read_text(encoding="utf-8")
        types = next(each for each in yaml.KINDS[folder] if each.startswith(name.partition("_")[0])).split("/")
        names = ("ml1", "churn", "1")[: len(types)]
        target = ids.ResourceId(subscription=ZERO, resource_group="my-group", namespace=kinds.ML, types=tuple(types), names=names)
        found = yaml.translate(text, kind=folder, target=target, location="westeurope")
        assert (found.uploads, found.registrations, found.labels) == ((), (), ()), path
        kept = out.setdefault(name, [])
        medias = {each["media"] for each in kept}
        what = folder.replace("_", " ")
        kept.insert(0, {"media": "application/json", "summary": f"A {what}: the body that its YAML becomes", "value": found.body})
        if "application/yaml" not in medias:
            kept.append({"media": "application/yaml", "summary": f"The same {what} as YAML of az ml", "value": text})


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
        out += [(verb.upper(), pattern, it["operationId"], path.count("{")) for verb, it in item.items()]
    return [(verb, pattern, name) for verb, pattern, name, _ in sorted(out, key=lambda each: each[3])]


def _operation(templates: list[tuple[str, re.Pattern[str], str]], verb: str, path: str) -> str:
    return next((name for each, pattern, name in templates if each == verb and pattern.fullmatch(path)), "")
