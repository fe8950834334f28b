"""Every row of both tables, every verb and action, called once through the HTTP functions: exactly that request reaches Azure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from shared import services
from shared.catalog import kinds, proxy_routes
from shared.operations import ledger
from shared.rest import addresses, azure_versions, clouds, permissions
from shared.rest import client as rest
from shared.settings import Settings
from tests import fakes, front, tables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.catalog.kinds import Kind

SUBSCRIPTION, GROUP = "11111111-2222-3333-4444-555555555555", "rg1"
SERVER = "https://westeurope.api.azureml.ms"
WORKSPACE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.MachineLearningServices/workspaces/wsp"


@dataclass
class Recorder:
    """A client that answers everything with 200 and keeps what it was sent, discovery left out."""

    sent: list[tuple[str, str, Any]] = field(default_factory=list)
    cloud: clouds.Cloud = clouds.PUBLIC

    def send(self, method: str, url: str, *, body: Any = None, content: bytes | None = None, **_more: Any) -> rest.Response:
        """See `client.Client.send`."""
        clouds.scope_for(self.cloud, url)
        if url == f"https://management.azure.com{WORKSPACE}?api-version={azure_versions.ML}" and not self.wanted(url):
            return rest.Response(status=200, url=url, body={"properties": {"discoveryUrl": f"{SERVER}/discovery"}}, content=b"{}")
        if url == f"{SERVER}/discovery":
            return rest.Response(status=200, url=url, body={"api": SERVER}, content=b"{}")
        if f"{'/'.join(permissions.PROVIDER)}?" in url:
            return rest.Response(status=200, url=url, body={"value": [{"actions": ["*"]}]}, content=b"{}")
        self.sent.append((method, url, content if body is None else body))
        return rest.Response(status=200, url=url, body={"status": "Completed", "value": []}, content=b"{}")

    whole: str = ""

    def wanted(self, url: str) -> bool:
        """Tell whether the request under test is itself that of the workspace."""
        return urlsplit(url).path == self.whole

    def pages(self, _url: str) -> Iterator[dict[str, Any]]:
        """See `client.Client.pages`."""
        return iter(())

    def token(self, _scope: str) -> str:
        """See `client.Client.token`."""
        return "token"

    def azure_now(self, _url: str) -> None:
        """See `Client.azure_now`."""

    def pressure(self, _subscription: str) -> float:
        """See `client.Client.pressure`."""
        return 0.0


@pytest.fixture
def azure() -> Iterator[Recorder]:
    """The app on fakes, before a client that records."""
    recorder, fuse, clock = Recorder(), fakes.Fuse(), fakes.Clock()
    settings = Settings(subscription_id=SUBSCRIPTION, resource_group=GROUP, previews=True)
    app = services.Services(settings=settings, clock=clock)
    client: Any = recorder
    blobs = fakes.FakeBlobs(fuse)
    app.__dict__.update(
        client=client,
        addresses=addresses.Addresses(client),
        blobs=blobs,
        access_rows=fakes.FakeRows("access", fuse),
        ledger=ledger.Ledger(fakes.FakeRows("rows", fuse), fakes.FakeRows("open", fuse), blobs),
        queue=fakes.FakeQueue(clock, fuse),
    )
    services.use(app)
    yield recorder
    services.use(None)


def name_for(kind: Kind) -> str:
    """Return a name that the kind's rule takes."""
    if kind.path == "providers":
        return "Microsoft.X"
    names = ("wsp", "name1", "nameone", "1")
    return next(name for name in names if kind.name is None or re.fullmatch(kind.name, name))


def patch_for(kind: kinds.Kind) -> dict[str, Any]:
    """A PATCH that the kind takes."""
    body: dict[str, Any] = {"a": "b"}
    for name in reversed(kind.patch[0].split(".")):
        body = {name: body}
    return body


def body_for(kind: Kind) -> dict[str, Any]:
    """Return the least body that a PUT of the kind takes."""
    body: dict[str, Any] = {}
    for path in kind.required:
        *outer, last = path.split(".")
        at = body
        for name in outer:
            at = at.setdefault(name, {})
        allowed = dict(kind.choices).get(path)
        at[last] = allowed[0] if allowed else {} if path == "properties" else "value1"
    return body


def azure_path(kind: Kind, *, collection: bool = False) -> str:
    """Return the path that Azure has for a kind, written down here again."""
    names = [name_for(row) for depth in range(1, len(kind.types) + 1) if (row := ancestor(kind, depth))]
    segments = [part for pair in zip(kind.types, names, strict=True) for part in pair]
    tail = "/".join(segments[:-1] if collection else segments)
    if kind.path == "subscriptions":
        return "/subscriptions" if collection else f"/subscriptions/{SUBSCRIPTION}"
    base = f"/subscriptions/{SUBSCRIPTION}"
    if kind.below_scope:
        return f"{base}/{tail}"
    if kind.scope == "tenant":
        return f"/providers/{kind.namespace}/{tail}"
    group = "" if kind.scope == "subscription" else f"/resourceGroups/{GROUP}"
    return f"{base}{group}/providers/{kind.namespace}/{tail}"


def ancestor(kind: Kind, depth: int) -> Kind:
    """Return the row of what a kind lies in, or the kind itself where there is none."""
    rows, path = kinds.by_type(), "/".join(kind.types[:depth]).lower()
    keys = [(plane, kind.namespace.lower(), path) for plane in (kind.plane, "arm")]
    return next((rows[key] for key in keys if key in rows), kind)


def request(method: str, path: str, body: Any = None) -> Any:
    """Carry out a request as a caller sends it."""
    return front.respond(method, path.lstrip("/"), b"" if body is None else json.dumps(body), content_type="application/json")


CALLS = [(kind, verb) for kind in kinds.KINDS for verb in sorted(kind.verbs)]
ACTIONS = [(kind, action) for kind in kinds.KINDS for action in kind.actions if action.room == "provision"]


def in_json(sent: Any) -> Any:
    """Return a body as JSON: what is handed on is sent as it came."""
    return json.loads(sent) if isinstance(sent, bytes) else sent


@tables.each(("kind", "verb"), CALLS)
def test_every_verb_of_every_kind_sends_azures_own_request(azure: Recorder, kind: Kind, verb: str) -> None:
    """Path, method, api-version and body are what the table says; the caller's query goes along."""
    azure.sent.clear()
    collection = verb == "LIST"
    path = azure_path(kind, collection=collection)
    azure.whole = path
    method = "GET" if collection else verb
    body: Any = None
    if verb in ("PUT", "PATCH"):
        body = body_for(kind)
    if verb == "PATCH" and (kind.json_patch or kind.patch):
        body = [{"op": "add", "path": "/description", "value": "x"}] if kind.json_patch else patch_for(kind)
    if kind.plane != "arm":
        path = f"/{kind.plane}/v1.0{path}"
    query = f"api-version={kind.api_version}&asked=so%20it%2F"
    if verb == "DELETE" and kind.delete_query:
        query += f"&{kind.delete_query}"
    answer = request(method, f"{path}?asked=so%20it%2F", body)
    assert answer.status_code < 300, answer.get_body()
    sent = [each for each in azure.sent if each[0] == method]
    server = "https://management.azure.com" if kind.plane == "arm" else SERVER
    assert (sent[0][0], sent[0][1], in_json(sent[0][2])) == (method, f"{server}{path}?{query}", body)
    assert {each[0] for each in azure.sent} <= {method, "GET"}


@tables.each(("kind", "action"), ACTIONS)
def test_every_action_of_every_kind_sends_azures_own_request(azure: Recorder, kind: Kind, action: kinds.Action) -> None:
    """A POST of the action's own name below the resource, at the action's own api-version."""
    azure.sent.clear()
    path = azure_path(kind, collection=kind.nameless) + (f"/{action.name}" if action.name else "")
    if kind.plane != "arm":
        path = f"/{kind.plane}/v1.0{path}"
    request("POST", path)
    server = "https://management.azure.com" if kind.plane == "arm" else SERVER
    version = action.preview or kind.api_version
    assert ("POST", f"{server}{path}?api-version={version}", None) in azure.sent


EXPERIMENTS = {"E/": ("experiments/e1/", "experimentids/e1/"), "[E]/": ("experiments/e1/", "experimentids/e1/", "")}


def forms(template: str) -> list[str]:
    """Return the paths that a template stands for, with names filled in."""
    filled = template.replace("{*}", "a/b.txt").replace("{}", "n1:2")
    for start, experiments in EXPERIMENTS.items():
        if filled.startswith(start):
            return [experiment + filled.removeprefix(start) for experiment in experiments]
    return [filled]


PASSED = [(row.plane, form, verb) for row in proxy_routes.PASSAGES for form in forms(row.template) for verb in sorted(row.verbs)]


@tables.each(("plane", "tail", "verb"), PASSED)
def test_every_passage_is_handed_on_as_it_came(azure: Recorder, plane: str, tail: str, verb: str) -> None:
    """Method, path, query and body reach the workspace's own API server unchanged."""
    azure.sent.clear()
    path = f"/{plane}/{addresses.PLANE_VERSIONS[plane]}{WORKSPACE}/{tail}"
    body = {"asked": "ü"} if verb != "GET" else None
    answer = request(verb, f"{path}?$top=1&path=a%2Fb", body)
    content = None if body is None else json.dumps(body).encode()
    assert azure.sent == [(verb, f"{SERVER}{path}?api-version=2019-11-01&$top=1&path=a%2Fb", content)]
    assert answer.status_code == 200


def test_no_passage_hides_a_kind() -> None:
    """What takes time is a kind's: starting and cancelling runs, removing models, everything that changes services."""
    scope = Settings(subscription_id=SUBSCRIPTION, resource_group=GROUP)
    for verb, path in (
        ("POST", "execution/v1.0/workspaces/w/experiments/e/startrun"),
        ("POST", "history/v1.0/workspaces/w/experiments/e/runs/r/cancel"),
        ("DELETE", "modelmanagement/v1.0/workspaces/w/models/m:1"),
        ("POST", "modelmanagement/v1.0/workspaces/w/services"),
        ("PATCH", "modelmanagement/v1.0/workspaces/w/services/s"),
        ("DELETE", "modelmanagement/v1.0/workspaces/w/services/s"),
        ("GET", "workspaces/w/experiments/e/runs/r"),
    ):
        assert proxy_routes.find(path, verb, scope) is None, path
