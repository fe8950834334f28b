"""A small Azure for the clean-up: resources by path, lists in pages of two, and a place to interfere before any request."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from shared.operations import flows, ledger
from shared.rest import client, clouds
from shared.settings import Settings
from tests import fakes

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
WORKSPACES = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces"
PAGE = 2


def ago(days: float = 0, minutes: float = 0) -> str:
    """Return a time in the past as ARM writes it."""
    return f"{NOW - timedelta(days=days, minutes=minutes):%Y-%m-%dT%H:%M:%S}.0000000+00:00"


@dataclass
class SmallAzure:
    """Resources by path; it is the client, too.

    Attributes:
        resources: Path in its own casing → body.
        runs: `workspace/compute` → runs as run history lists them.
        answers: Path → answer in place of the real one.
        calls: Method and path of every request, in order.
        before: Called before each request: the world changes meanwhile.
    """

    resources: dict[str, dict[str, Any]] = field(default_factory=dict)
    runs: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    answers: dict[str, client.Response | Exception] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    before: Callable[[str, str], None] = lambda _method, _path: None
    cloud: clouds.Cloud = clouds.PUBLIC

    def at(self, path: str) -> str:
        """Return the whole path of what stands below the collection of workspaces."""
        return f"{WORKSPACES}/{path}".rstrip("/")

    def put(self, path: str, body: dict[str, Any] | None = None, **properties: Any) -> dict[str, Any]:
        """Add a resource below the collection of workspaces."""
        whole = {"id": f"{WORKSPACES}/{path}", "name": path.rpartition("/")[2], "properties": properties, **(body or {})}
        self.resources[f"{WORKSPACES}/{path}"] = whole
        return whole

    def url(self, plane: str, path: str, query: str, *, workspace: str) -> str:
        """See Addresses.url."""
        assert path.startswith(workspace)
        if plane == "arm":
            return f"https://management.azure.com{path}?{query}"
        return f"https://westeurope.api.azureml.ms/{plane}/v1.0{path}?{query}"

    def send(self, method: str, url: str, **_options: Any) -> client.Response:
        """See Client.send."""
        parts = urlsplit(url)
        path, query = unquote(parts.path), parse_qs(parts.query)
        assert "api-version" in query, url
        self.before(method, path)
        self.calls.append((method, path))
        answer = self.answers.get(path)
        if isinstance(answer, Exception):
            raise answer
        if answer is not None:
            return answer
        if method == "DELETE":
            gone = self.resources.pop(path, None)
            return client.Response(status=200 if gone else 204, url=url)
        if method == "POST":
            self.resources[path.rpartition("/")[0]]["properties"]["properties"]["state"] = "Stopped"
            return client.Response(status=200, url=url)
        return (
            client.Response(status=200, url=url, body=copy.deepcopy(self._read(path, query, url)))
            if self._known(path)
            else _missing(url)
        )

    def token(self, _scope: str) -> str:
        """See Client.token."""
        return "token"

    def pressure(self, _subscription: str) -> float:
        """See Client.pressure."""
        return 0.0

    def acts(self) -> list[tuple[str, str]]:
        """Return the requests that changed something, paths from the workspace on."""
        return [(method, path.removeprefix(f"{WORKSPACES}/")) for method, path in self.calls if method != "GET"]

    def _known(self, path: str) -> bool:
        return path in self.resources or path.count("/") % 2 == 1 or path.startswith(("/history", "/modelmanagement"))

    def _read(self, path: str, query: dict[str, list[str]], url: str) -> Any:
        if path in self.resources:
            return self.resources[path]
        if path.startswith("/history"):
            items: list[Any] = self.runs.get("/".join(path.split("/")[-4:-1:2]), [])
        else:
            items = [body for known, body in self.resources.items() if known.rpartition("/")[0] == path]
            if query.get("listViewType", ["ActiveOnly"]) != ["All"]:
                items = [
                    item for item in items if not item["properties"].get("isArchived") and not item["properties"].get("isAnonymous")
                ]
        start = int(query.get("$skip", ["0"])[0])
        page: dict[str, Any] = {"value": items[start : start + PAGE]}
        if start + PAGE < len(items):
            page["nextLink"] = f"{url.partition('&$skip')[0]}&$skip={start + PAGE}"
        return page


def _missing(url: str) -> client.Response:
    return client.Response(status=404, url=url, body={"error": {"code": "ResourceNotFound", "message": "It was not found."}})


@dataclass
class FakeServices:
    """The composition root as the clean-up sees it."""

    azure: SmallAzure
    settings: Settings
    clock: fakes.Clock
    blobs: fakes.FakeBlobs
    queue: fakes.FakeQueue
    ledger: ledger.Ledger

    @property
    def client(self) -> SmallAzure:
        """The wire."""
        return self.azure

    @property
    def addresses(self) -> SmallAzure:
        """Where paths live."""
        return self.azure

    def drain(self) -> None:
        """Let the queue functions work until nothing is due."""
        while message := self.queue.receive():
            flows.advance(message.text, self)
            self.queue.delete(message)


@pytest.fixture
def azure() -> SmallAzure:
    """One workspace, `ws`, with nothing in it."""
    world = SmallAzure()
    world.put("ws", location="westeurope", provisioningState="Succeeded")
    return world


@pytest.fixture
def services(azure: SmallAzure) -> FakeServices:
    """The app's parts in memory; the newest version is kept, 90 days, 120 minutes, at most 5 acts."""
    clock, blobs = fakes.Clock(NOW), fakes.FakeBlobs()
    settings = Settings(
        subscription_id=SUBSCRIPTION, resource_group="rg", cleanup_model_days=90, cleanup_model_keep=1, cleanup_limit=5
    )
    kept = ledger.Ledger(fakes.FakeRows(), fakes.FakeRows("open"), blobs)
    return FakeServices(azure=azure, settings=settings, clock=clock, blobs=blobs, queue=fakes.FakeQueue(clock), ledger=kept)


@pytest.fixture
def add_version(azure: SmallAzure) -> Callable[..., dict[str, Any]]:
    """Add a model version: `add_version("m", "1", days=400, **properties)`."""

    def add(model: str, version: str, *, days: float, changed_days: float | None = None, **properties: Any) -> dict[str, Any]:
        azure.resources.setdefault(
            f"{WORKSPACES}/ws/models/{model}", {"name": model, "properties": {"isArchived": False, "tags": {}}}
        )
        dates = {"createdAt": ago(days), "lastModifiedAt": ago(days if changed_days is None else changed_days)}
        return azure.put(f"ws/models/{model}/versions/{version}", {"systemData": dates}, **properties)

    return add


@pytest.fixture
def add_cluster(azure: SmallAzure) -> Callable[..., dict[str, Any]]:
    """Add an AmlCompute cluster without nodes that has been steady for `minutes`."""

    def add(name: str, *, minutes: float = 1000, tags: dict[str, str] | None = None, **inner: Any) -> dict[str, Any]:
        known = {"scaleSettings": {"maxNodeCount": 1}, "allocationState": "Steady", "currentNodeCount": 0, "targetNodeCount": 0}
        known |= {"allocationStateTransitionTime": ago(minutes=minutes), **inner}
        since = {"createdOn": ago(minutes=minutes), "modifiedOn": ago(minutes=minutes)}
        properties = {"computeType": "AmlCompute", "provisioningState": "Succeeded", **since, "properties": known}
        return azure.put(f"ws/computes/{name}", {"tags": tags}, **properties)

    return add


@pytest.fixture
def add_instance(azure: SmallAzure) -> Callable[..., dict[str, Any]]:
    """Add a running compute instance whose last operation was `minutes` ago."""

    def add(name: str, *, minutes: float = 1000, **inner: Any) -> dict[str, Any]:
        operation = {"operationName": "Start", "operationTime": ago(minutes=minutes), "operationStatus": "Succeeded"}
        known = {"state": "Running", "lastOperation": operation, **inner}
        properties = {"computeType": "ComputeInstance", "provisioningState": "Succeeded", "properties": known}
        return azure.put(f"ws/computes/{name}", {"systemData": {"createdAt": ago(30)}}, **properties)

    return add
