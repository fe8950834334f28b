"""The clean-up's engine on fakes: one storage, an Azure of dictionaries that takes writes, one clock, processes that may die."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from shared.api.access import key_book
from shared.cleanup.facts import pacing
from shared.cleanup.policy import model
from shared.cleanup.report import reports
from shared.cleanup.run import journal, runs
from shared.durable import due, sweep, worker
from shared.operations import ledger, steps
from shared.operations.looks import shared_lists
from shared.rest import client, clouds, errors, ids
from shared.settings import Settings
from tests import fakes, front

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg"
ML = f"{GROUP}/providers/Microsoft.MachineLearningServices"
WS = f"{ML}/workspaces/ws"
LOCKS = "/providers/Microsoft.Authorization/locks"
PERMISSIONS = "/providers/Microsoft.Authorization/permissions"
COLLECTIONS = {"locks", "workspaces", "registries"}


def iso(moment: datetime) -> str:
    """Return a time as ARM writes it."""
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}0+00:00"


def ago(days: float) -> str:
    """Return a time before the test begins."""
    return iso(NOW - timedelta(days=days))


@dataclass
class Azure:
    """Resources by path. Writes take effect at once and change `lastModifiedAt`; every request is one I/O call of the fuse.

    Attributes:
        writes: Method and path below the workspace collection of every request that changed something.
        before: Called before each request: the world changes meanwhile.
        answers: (method, path) → answers that come first, instead of the real one.
        actions: What the app's identity may do at the subscription.
    """

    clock: fakes.Clock
    fuse: fakes.Fuse
    resources: dict[str, dict[str, Any]] = field(default_factory=dict)
    writes: list[str] = field(default_factory=list)
    before: Callable[[str, str], None] = lambda _method, _path: None
    answers: dict[tuple[str, str], list[client.Response | Exception]] = field(default_factory=dict)
    actions: tuple[str, ...] = ("*",)
    cloud: clouds.Cloud = clouds.PUBLIC

    def put(self, path: str, body: dict[str, Any] | None = None, *, days: float = 400, **properties: Any) -> dict[str, Any]:
        """Add a resource below the workspace, with its containers, made and changed that long ago."""
        parts = path.split("/")
        if len(parts) == 4 and parts[2] in ("versions", "deployments") and f"{WS}/{parts[0]}/{parts[1]}" not in self.resources:
            self.put("/".join(parts[:2]), isArchived=False, tags={})
        dates = {"createdAt": ago(days), "lastModifiedAt": ago(days)}
        whole = {"id": f"{WS}/{path}", "name": parts[-1], "systemData": dates, "properties": properties, **(body or {})}
        self.resources[f"{WS}/{path}"] = whole
        return whole

    def touch(self, path: str, **tags: str) -> None:
        """Change a resource as somebody in the portal does."""
        body = self.resources[f"{WS}/{path}"]
        body["properties"].setdefault("tags", {}).update(tags)
        body["systemData"]["lastModifiedAt"] = iso(self.clock())

    def url(self, plane: str, path: str, query: str, *, workspace: str) -> str:
        """See Addresses.url."""
        assert path.lower().startswith(workspace.lower())
        return (
            f"https://management.azure.com{path}?{query}"
            if plane == "arm"
            else f"https://x.api.azureml.ms/{plane}/v1.0{path}?{query}"
        )

    def token(self, _scope: str) -> str:
        """See Client.token."""
        return "token"

    def azure_now(self, _url: str) -> datetime:
        """See `Client.azure_now`."""
        return self.clock().replace(microsecond=0)

    def pressure(self, _subscription: str) -> float:
        """See Client.pressure."""
        return 0.0

    def send(self, method: str, url: str, *, body: Any = None, **_more: Any) -> client.Response:
        """See Client.send."""
        parts = urlsplit(url)
        path, query = unquote(parts.path), parse_qs(parts.query)
        assert "api-version" in query, url
        self.before(method, path)
        with self.fuse.call(f"arm {method}"):
            queued = self.answers.get((method, path), [])
            if queued:
                answer = queued.pop(0)
                if isinstance(answer, Exception):
                    raise answer
                return answer
            if method in ("GET", "POST") and "api.azureml.ms" in url:
                return client.Response(status=200, url=url, body={"value": []})
            return self._read(path, query, url) if method == "GET" else self._write(method, path, body, url)

    def _read(self, path: str, query: dict[str, list[str]], url: str) -> client.Response:
        if path.endswith(PERMISSIONS):
            return client.Response(status=200, url=url, body={"value": [{"actions": list(self.actions)}]})
        if path in self.resources:
            return client.Response(status=200, url=url, body=copy.deepcopy(self.resources[path]))
        tail = path.rpartition("/providers/")[2].split("/")
        if len(tail) % 2 == 1:
            return client.Response(status=404, url=url, body={"error": {"code": "ResourceNotFound", "message": "Not found."}})
        wide = "/resourceGroups/" not in path
        above = ((known.rpartition("/")[0], body) for known, body in self.resources.items())
        found = [body for known, body in above if (re.sub("/resourceGroups/[^/]+", "", known) if wide else known) == path]
        if query.get("listViewType", ["ActiveOnly"]) != ["All"]:
            found = [body for body in found if not body["properties"].get("isArchived")]
        return client.Response(status=200, url=url, body=copy.deepcopy({"value": found}))

    def _write(self, method: str, path: str, body: Any, url: str) -> client.Response:
        self.writes.append(f"{method} {path.removeprefix(f'{WS}/')}")
        known = self.resources.get(path)
        if method == "DELETE":
            self.resources.pop(path, None)
            return client.Response(status=200 if known else 204, url=url)
        if method == "POST":
            self.resources[path.rpartition("/")[0]]["properties"]["properties"]["state"] = "Stopped"
            return client.Response(status=200, url=url)
        if known is None:
            return client.Response(status=404, url=url, body={"error": {"code": "ResourceNotFound", "message": "Not found."}})
        known["tags" if "tags" in body else "properties"] = copy.deepcopy(body["tags"] if "tags" in body else body["properties"])
        known["systemData"]["lastModifiedAt"] = iso(self.clock())
        return client.Response(status=200, url=url, body=copy.deepcopy(known))


@dataclass
class Stage:
    """The app on its storage, and the platform around it; it is the composition root, too."""

    clock: fakes.Clock = field(default_factory=lambda: fakes.Clock(NOW))
    fuse: fakes.Fuse = field(default_factory=fakes.Fuse)
    settings: Settings = field(
        default_factory=lambda: Settings(subscription_id=SUBSCRIPTION, resource_group="rg", address=front.BASE)
    )

    def __post_init__(self) -> None:
        self.azure = Azure(clock=self.clock, fuse=self.fuse)
        self.blobs = fakes.FakeBlobs(self.fuse)
        self.queue, self.cleanup_queue = fakes.FakeQueue(self.clock, self.fuse), fakes.FakeQueue(self.clock, self.fuse)
        self.cleanup_rows = fakes.FakeRows("cleanup", self.fuse)
        self.cost_rows = fakes.FakeRows("costs", self.fuse)
        self.access_rows = fakes.FakeRows("access", self.fuse)
        self.key_book = key_book.Book(self.access_rows, self.clock)
        self.ledger = ledger.Ledger(
            fakes.FakeRows("rows", self.fuse, self.clock), fakes.FakeRows("open", self.fuse, self.clock), self.blobs
        )
        self.due = due.DueIndex(fakes.FakeRows("due", self.fuse, self.clock))
        self.journal = journal.Journal(self.cleanup_rows)
        self.hook_rows = fakes.FakeRows("hooks", self.fuse)
        self.delivery_rows = fakes.FakeRows("deliveries", self.fuse)
        self.notification_queue = fakes.FakeQueue(self.clock, self.fuse)
        self.reads = pacing.Buckets(self.clock.seconds)
        self.lists = shared_lists.Lists(self.azure, self.azure, self.clock)  # type: ignore[arg-type]

    def __getattr__(self, name: str) -> Any:
        """Parts of other rooms: what nobody set is not needed here."""
        if name.endswith("_queue"):
            return fakes.FakeQueue(self.clock)
        raise AttributeError(name)

    @property
    def client(self) -> Azure:
        """The wire."""
        return self.azure

    @property
    def addresses(self) -> Azure:
        """Where paths live."""
        return self.azure

    def start(self, *policies: model.Policy, mode: model.Mode = "enforce", **more: Any) -> journal.Run:
        """Begin a run."""
        return runs.start(policies, runs.Asked(mode=mode, caller="a test", **more), self)

    def run(self, *policies: model.Policy, mode: model.Mode = "enforce") -> reports.Report:
        """Begin a run and let the platform work until it has ended."""
        begun = self.start(*policies, mode=mode)
        self.drive()
        return self.report(begun.name)

    def report(self, name: str) -> reports.Report:
        """Return a report, all lines of it."""
        return reports.load(name, reports.Page(top=reports.MOST), self)

    def drive(self, hours: float = 6) -> None:
        """Deliver messages and fire the timers until no run and no operation is open; a killed process begins again."""
        end, timer = self.clock() + timedelta(hours=hours), self.clock() + timedelta(seconds=60)
        while self.clock() < end:
            try:
                while self._deliver():
                    pass
                if self.clock() >= timer:
                    timer = self.clock() + timedelta(seconds=60)
                    self.tick()
                    continue
                if not list(self.journal.runs(only_open=True)) and not self.queue.messages:
                    return
            except fakes.Killed:
                continue
            due = [held.visible_at for queue in (self.queue, self.cleanup_queue) for held in queue.messages]
            self.clock.now = max(self.clock(), min([timer, *due]))
        raise AssertionError(f"not quiet: {[run.phase for run in self.journal.runs(only_open=True)]}")

    def tick(self) -> int:
        """Fire the timer; returns how many messages of runs and units were lost."""
        woken = sweep.reconcile((steps.MACHINE, runs.RUN, runs.UNIT), self)
        return woken["run"] + woken["unit"]

    def purge(self) -> None:
        """Fire the nightly timer."""
        sweep.parts(sweep.purges((runs.RUN, runs.UNIT), self))

    def _deliver(self) -> bool:
        for queue, machines in ((self.queue, (steps.MACHINE,)), (self.cleanup_queue, (runs.RUN, runs.UNIT))):
            if held := queue.receive():
                worker.take(machines, held.text, self)
                queue.delete(held)
                return True
        return False

    def off(self) -> None:
        """Switch the clean-up off."""
        self.settings = replace(self.settings, cleanup=False)


def throttled(delay_s: float = 5.0) -> errors.ThrottledError:
    """Return what the client raises for a 429."""
    return errors.ThrottledError("Too many requests.", delay_s=delay_s, maybe_arrived=False)


@pytest.fixture
def stage() -> Stage:
    """One workspace with stale, young, deployed and protected versions of models, and an idle and a young instance."""
    return staged()


@pytest.fixture
def make_stage() -> Callable[[], Stage]:
    """Builds the same again."""
    return staged


def staged() -> Stage:
    """Build the stage."""
    found = Stage()
    azure = found.azure
    azure.resources[WS] = {
        "id": WS,
        "name": "ws",
        "location": "westeurope",
        "systemData": {"createdAt": ago(800), "lastModifiedAt": ago(800)},
        "properties": {"provisioningState": "Succeeded", "discoveryUrl": "https://x.api.azureml.ms/discovery"},
    }
    for name in ("old", "older"):
        azure.put(f"models/{name}/versions/1", days=400 if name == "old" else 500, modelUri="u", tags={"owner": "ana"})
        azure.put(f"models/{name}/versions/2", days=300, modelUri="u", tags={})
    azure.put("models/deployed/versions/1", modelUri="u", tags={})
    azure.put("models/deployed/versions/2", days=300, modelUri="u", tags={})
    azure.put("models/kept/versions/1", modelUri="u", tags={"steward-keep": ""})
    azure.put("models/kept/versions/2", days=300, modelUri="u", tags={})
    azure.put("onlineEndpoints/ep", provisioningState="Succeeded", traffic={"blue": 100})
    azure.put("onlineEndpoints/ep/deployments/blue", provisioningState="Succeeded", model=f"{WS}/models/deployed/versions/1")
    return found


def policy(**more: Any) -> model.Policy:
    """Return a policy that deletes stale model versions at once."""
    stale = {"olderThan": timedelta(days=90), "beyondNewest": 1, "unreferenced": True}
    known: dict[str, Any] = {"name": "models", "kind": "modelVersion", "action": "delete", "stale_when": stale, "mode": "enforce"}
    return model.Policy(**known | more)


@pytest.fixture
def make_policy() -> Callable[..., model.Policy]:
    """Builds a policy: `make_policy(grace=timedelta(days=7))`."""
    return policy


@pytest.fixture
def gone() -> Callable[[Stage], list[str]]:
    """Tells the requests that changed something."""
    return lambda stage: sorted(stage.azure.writes)


def resource(path: str) -> ids.ResourceId:
    """Return the id of what is in the workspace."""
    return ids.parse(f"{WS}/{path}")
