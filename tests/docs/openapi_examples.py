"""shared/openapi/examples.json: what the docs' commands and the sweep's bodies send, and what a GET answers then, by operation.

A shell reads the pages, as their readers do; its curl only notes what it was given. Not here: whether the commands work (tests of
the pages run each), what a schema says of them (tests of the document).
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from shared.catalog import kinds, yaml
from shared.openapi import document, resources
from shared.rest import ids
from shared.route_table import ROUTES
from tests.docs import commands, exempt
from tests.spec import bodies

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
FILE = ROOT / "shared" / "openapi" / "examples.json"
LEFT_OUT = ("asynchronous-scoring", "hooks", "article", "article-workspaces", "article-runs")  # lines of JSON; the same again
PAGES = [ROOT / "docs" / f"{name}.md" for name in (*commands.ORDER, "recipes", "files", "yaml") if name not in LEFT_OUT]
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
ID = "0d6f0d1c2b3a49586776-5a4b3c2d1e0f99887766"
WORKSPACE = f"/subscriptions/{ZERO}/resourceGroups/my-group/providers/Microsoft.MachineLearningServices/workspaces/churn"
ENDED: dict[str, Any] = {
    "id": f"/operations/{ID}", "name": ID, "status": "Succeeded", "startTime": "2026-11-30T08:00:00.000000Z",
    "endTime": "2026-11-30T08:02:10.000000Z", "percentComplete": 100.0,
    "properties": {
        "target": f"{WORKSPACE}/computes/cpu", "kind": "workspaces/computes", "request": f"PUT {WORKSPACE}/computes/cpu",
        "phase": "ended", "outcome": "Succeeded", "caller": "key:ci", "azureCalls": {"write": 1, "poll": 9},
        "timeline": [{"at": "2026-11-30T08:00:00.000000Z", "what": "accepted"}],
    },
}  # fmt: skip
KEPT = {"id": "/keys/ci", "name": "ci", "status": "Active", "role": "operator", "scope": {"below": [WORKSPACE], "kinds": []}}
KEPT |= {"createdAt": "2026-11-30T08:00:00Z", "changedAt": "2026-11-30T08:00:00Z", "by": "function key"}
GROUP = {"id": f"/subscriptions/{ZERO}/resourceGroups/my-group", "name": "my-group", "location": "westeurope"}
SLEEPS = {"endpoint": f"{WORKSPACE}/onlineEndpoints/churn", "parkedAt": "2026-11-30T08:00:00Z"}
SLEEPS |= {"deployments": [{"name": "blue", "instanceType": "Standard_DS3_v2", "instances": 2}]}
MARK = {"resource": f"{WORKSPACE}/models/old/versions/1", "policy": "stale-model-versions", "reason": "not used for 120 days"}
MARK |= {"tagged": True, "markedAt": "2026-11-30T08:00:00Z", "due": "2026-12-07T08:00:00Z"}
ENDS = {
    "id": "/expiries/e1", "name": "e1", "status": "Pending", "at": "2026-11-30T16:00:00Z", "target": f"{WORKSPACE}/computes/try",
    "kind": "computeCluster", "act": "delete", "caller": "key:ci", "createdAt": "2026-11-30T08:00:00Z",
    "createdBy": f"/operations/{ID}",
}  # fmt: skip
ROLLED: dict[str, Any] = {
    "id": f"{WORKSPACE}/onlineEndpoints/churn/rollout/r1", "name": "r1", "endpoint": f"{WORKSPACE}/onlineEndpoints/churn",
    "deployment": "green", "status": "Running", "stage": "step", "percent": 10, "steps": [10, 50, 100], "caller": "key:ci",
    "startTime": "2026-11-30T08:00:00Z", "traffic": {"blue": 90, "green": 10}, "mirrorTraffic": {}, "bake": "10m",
    "unsure": "pause", "before": {"traffic": {"blue": 100}, "mirror": {}},
    "gate": {"errorRate": {"atMost": 0.01}, "leastRequests": 50},
    "history": [{"at": "2026-11-30T08:06:00Z", "what": "step", "reason": "10 % of the traffic"}],
}  # fmt: skip
POISON = {"id": "steward-operations~1f", "place": "steward-operations-poison", "at": "2026-11-30T08:00:00Z", "text": "?"}
COUNTED = {"codes": [], "callers": [{"name": "key:ci", "count": 3}], "kinds": [{"name": "workspaces/computes", "count": 3}]}
WAITS = {"id": "/approvals/a1", "name": "a1", "status": "Pending", "what": "cleanup", "request": "POST cleanup", "caller": "key:ci"}
WAITS |= {"createdAt": "2026-11-30T08:00:00Z", "expiresAt": "2026-12-01T08:00:00Z"}
RUN = {
    "id": "/cleanup/reports/20261130T080000Z-1a2b3c4d",
    "name": "20261130T080000Z-1a2b3c4d",
    "status": "Completed",
    "mode": "dryRun",
}
RUN |= {"caller": "key:ci", "startTime": "2026-11-30T08:00:00Z", "traceId": "4bf92f3577b34da6a3ce929d0e0e4736", "notes": []}
# What the app's own routes are sent where the docs do not.
SENT: dict[str, Any] = {
    "keys_put": {"role": "operator", "scope": {"below": ["workspaces/churn"]}},
    "resourceGroups_put": {"location": "westeurope"},
    "resourceGroups_patch": {"tags": {"team": "churn"}},
    "cleanup_reports_approve": {"except": [f"{WORKSPACE}/models/old/versions/1"]},
}
SUMS = {"nodeHours": 96.5, "idleHours": 12.0, "money": 24.13}
# What the app's own routes answer, and lists that nothing of a PUT is in.
ANSWERS: dict[str, Any] = {
    "health": {"status": "up"},
    "health_poison": {"value": [POISON | {"reason": "It is not base64 text."}]},
    "operations_list": {"value": [ENDED]},
    "operations_get": ENDED,
    "load": {"since": "2026-11-30T07:00:00Z", "until": "2026-11-30T08:00:00Z", "stepS": 3600, "outcomes": {"Succeeded": 3}}
    | {"value": [{"at": "2026-11-30T07:00:00Z", "outcomes": {"Succeeded": 3}}], **COUNTED},
    "parked": {"value": [SLEEPS]},
    "expiries_list": {"value": [ENDS]},
    "expiries_get": ENDS,
    "rollouts": {"value": [ROLLED]},
    "rollout_list": {"value": [ROLLED]},
    "rollout_get": ROLLED,
    "cleanup_savings": {"since": "2026-11-01T00:00:00Z", "runs": 2, "nodeHours": 512.0, "nodeHoursADay": 48.0},
    "costs": {
        "by": "owner",
        "since": "2026-11-01T00:00:00.000000Z",
        "until": "2026-11-30T08:00:00.000000Z",
        "currency": "EUR",
        "estimate": "An estimate from what the app saw in Azure and your own prices, for compute only. It is not an invoice.",
        "priceSource": "cleanup/prices.csv",
        "total": SUMS,
        "complete": True,
        "notSeen": [],
        "value": [{"name": "ada@contoso.com", **SUMS}],
    },
    "cleanup_marks": {"value": [MARK], "count": 1},
    "keys_list": {"value": [KEPT]},
    "keys_get": KEPT,
    "approvals_list": {"value": [WAITS]},
    "approvals_get": WAITS,
    "cleanup_reports_list": {"value": [RUN | {"policies": ["idle-instances"], "outcomes": {"kept": 40, "would stop": 2}}]},
    "subscriptions_get": {"id": f"/subscriptions/{ZERO}", "subscriptionId": ZERO, "displayName": "Ours"},
    "subscriptions_list": {"value": [{"id": f"/subscriptions/{ZERO}", "subscriptionId": ZERO, "displayName": "Ours"}]},
    "resourceGroups_list": {"value": [GROUP]},
    "resourceGroups_get": GROUP,
}
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
    """Return the file: operation id → up to three examples, each `{"media", "summary", "value"}`; with `answer`, of a 200."""
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
    every = [(_operation(templates, verb, path), body) for verb, path, body in _swept()]
    for found, body in (*SENT.items(), *every):
        if found and isinstance(body, dict) and not _json(out.get(found, [])):
            out.setdefault(found, []).append({"media": "application/json", "summary": "A sample", "value": body})
    for name, value in _answers(out).items():
        if any(name == known for _, _, known in templates):
            out.setdefault(name, []).append({"media": "application/json", "summary": "A sample", "value": value, "answer": True})
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


def _json(shown: list[dict[str, Any]]) -> Any:
    """Return the first JSON that an operation is shown with, None without one."""
    return next((each["value"] for each in shown if each["media"] == "application/json"), None)


def _answers(shown: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Return what GETs answer: a resource that was made of the example, a list of it; and the app's own."""
    out: dict[str, Any] = dict(ANSWERS)
    for kind in kinds.KINDS:
        lead = resources.name_of(kind)
        if kind.plane == "arm" and (body := _json(shown.get(f"{lead}_put", []))):
            made = _answer(kind, body)
            out |= {f"{lead}_get": made, f"{lead}_list": {"value": [made]}}
    return out


def _swept() -> Iterator[tuple[str, str, Any]]:
    """Yield verb, path and body of what the test of every operation sends."""
    yield from (("PUT", f"/{path}", body) for path, body in bodies.puts().items())
    for call, body in bodies.BODIES.items():
        verb, _, path = call.partition(" ")
        yield verb, f"/{path}".replace("{}", "x"), body


def _answer(kind: kinds.Kind, body: dict[str, Any]) -> dict[str, Any]:
    """Return a resource as Azure shows one that was made of that body: with its id, and without its secrets."""
    names = [f"my-{each.rstrip('s').lower()}" for each in kind.types]
    below = "/".join(part for pair in zip(kind.types, names, strict=True) for part in pair)
    place = f"/subscriptions/{ZERO}/resourceGroups/my-group/providers/{kind.namespace}/{below}"
    shown = json.loads(json.dumps(body))
    for path in kind.secrets:
        *before, last = path.split(".")
        held = shown
        for name in before:
            held = held.get(name, {}) if isinstance(held, dict) else {}
        if isinstance(held, dict):
            held.pop(last, None)
    return {"id": place, "name": names[-1], "type": kind.full_type, **shown}


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
