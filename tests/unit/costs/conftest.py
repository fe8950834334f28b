"""The app's costs on the local Azure itself, in this process, both on one clock that only tests move; and what really was there."""

from __future__ import annotations

import json
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from infra.local.emulator import clouds as emulated
from infra.local.emulator import scene, web
from infra.local.emulator import services as emulator_services
from infra.local.emulator import world as emulator_world
from infra.local.emulator.runner import nodes
from infra.local.emulator.runs import Run
from infra.local.emulator.scenes import population, seeding
from infra.local.emulator.sockets.app import App
from infra.local.emulator.storage.accounts import StorageAccounts
from shared import services
from shared.cleanup.facts import pacing
from shared.costs import cost_looks, prices
from shared.operations import ledger
from shared.rest import addresses, client, clouds, errors
from shared.settings import Settings
from tests import front
from tests.fakes import Clock, FakeBlobs, FakeRows, Fuse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from infra.local.emulator.resources import Resource

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
PRICES = b"currency,EUR\nSTANDARD_DS3_V2,0.25\nSTANDARD_NC6S_V3,3.5\n"
EXPERIMENT = "nightly"


class WorldClock(emulator_world.Clock):
    """The local Azure's clock, which is the tests'."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock

    def now(self) -> datetime:
        """See Clock."""
        return self.clock()


@dataclass(frozen=True, kw_only=True)
class Client:
    """The app's client, its requests answered by the local Azure without a socket between them."""

    app: App
    cloud: clouds.Cloud = clouds.PUBLIC
    tokens: dict[str, str] = field(default_factory=dict)

    def send(self, method: str, url: str, *, body: Any = None, **_options: Any) -> client.Response:
        """See Client.send."""
        parts = urlsplit(url)
        audience = (emulated.ARM_AUDIENCES if parts.netloc.startswith("management.") else emulated.ML_AUDIENCES)[0]
        who = {"tenant_id": scene.TENANT_ID, "app_id": scene.CLIENT_ID, "object_id": scene.OBJECT_ID}
        if audience not in self.tokens:
            self.tokens[audience], _ = self.app.world.tokens.mint(audience=audience, lifetime_s=10**7, **who)
        token = self.tokens[audience]
        answer = self.app.handle(
            web.Request(
                method=method,
                host=parts.netloc,
                path=parts.path,
                query={name.lower(): value for name, value in parse_qsl(parts.query, keep_blank_values=True)},
                headers={"authorization": f"Bearer {token}", "content-type": "application/json"},
                body=b"" if body is None else json.dumps(body).encode(),
                raw_query=parts.query,
            )
        )
        if answer.status >= 500:
            raise errors.AzureUnavailableError("Azure is down.", delay_s=1.0, maybe_arrived=False)
        return client.Response(
            status=answer.status, url=url, headers={name.lower(): value for name, value in answer.headers},
            body=json.loads(answer.body) if answer.body else None,
        )  # fmt: skip


@dataclass(kw_only=True)
class Truth:
    """Node-hours by minute: (resource, owner, experiment, size, idle) → moment → nodes."""

    nodes: dict[tuple[str, str, str, str, bool], dict[datetime, float]] = field(default_factory=lambda: defaultdict(dict))

    def lines(self, since: datetime, until: datetime) -> Iterator[tuple[tuple[str, str, str, str, bool], float]]:
        """Yield what there was in a window, in node-hours."""
        for line, by_minute in self.nodes.items():
            if hours := sum(count for at, count in by_minute.items() if since <= at < until) / 60:
                yield line, hours


class Life:
    """A local Azure that lives by the minute, the app that looks at it, and the truth about it."""

    def __init__(self, clock: Clock, world: emulator_world.World) -> None:
        self.clock, self.world, self.truth = clock, world, Truth()
        self.client: Any = Client(app=App(world, emulator_services.ALL))
        seeding.seed(world)
        self.home = population.workspace(world, "ml1", days=0)
        settings = Settings(subscription_id=scene.SUBSCRIPTION_ID, resource_group=scene.RESOURCE_GROUP)
        self.app: Any = services.Services(settings=settings, clock=clock)
        self.fuse = Fuse()
        rows, blobs = (
            {name: FakeRows(name, self.fuse, clock) for name in ("ledger", "open", "costs", "access", "cleanup")},
            FakeBlobs(),
        )
        blobs.put(prices.PRICES, PRICES)
        self.blobs, self.rows = blobs, rows
        self.app.__dict__.update(
            client=self.client,
            addresses=addresses.Addresses(self.client, clock=clock.seconds),
            ledger=ledger.Ledger(rows["ledger"], rows["open"], blobs),
            cost_rows=rows["costs"],
            access_rows=rows["access"],
            cleanup_rows=rows["cleanup"],
            blobs=blobs,
            reads=pacing.Buckets(clock.seconds),
        )
        services.use(self.app)
        self.waiting: list[tuple[Run, int, int]] = []
        self.ends: list[tuple[datetime, Run]] = []

    def arm(self, method: str, path: str, body: Any = None, *, version: str = "2025-12-01") -> client.Response:
        """Send a request to Azure, as somebody does who does not ask the app."""
        answer: client.Response = self.client.send(method, f"https://management.azure.com{path}?api-version={version}", body=body)
        assert answer.ok, answer.body
        return answer

    def by(self, owner: str, arm_id: str) -> str:
        """Say who created a resource."""
        self.resource(arm_id).body["systemData"]["createdBy"] = owner
        return arm_id

    def resource(self, arm_id: str) -> Resource:
        """Return what the local Azure keeps."""
        found = self.world.resources.get(arm_id)
        assert found, arm_id
        return found

    def run(
        self, name: str, *, owner: str, target: str | None = "cpu", hours: float = 2, count: int = 1, home: str = "", **more: Any
    ) -> Run:
        """Submit a run; it begins when its compute has nodes for it, and ends by itself."""
        resources = {"instanceCount": count, **({"instanceType": more.pop("size")} if "size" in more else {})}
        run = Run(
            run_id=name, workspace_id=(home or self.home).lower(), created_at=self.clock(), target=target, created_by=owner,
            definition={"jobType": "Command", "resources": resources}, **{"kind": "Command", "experiment": EXPERIMENT, **more},
        )  # fmt: skip
        self.world.runs.create(run)
        self.waiting.append((run, count, round(hours * 60)))
        return run

    def live(self, minutes: int) -> None:
        """Let time pass; the app's timer fires every five minutes."""
        for _ in range(minutes):
            self._work()
            if self.clock().minute % 5 == 0:
                cost_looks.tick(self.app)
            self._note()
            self.clock.now += MINUTE

    def _work(self) -> None:
        """Begin and end runs; nodes come and go by the local Azure's own rules."""
        now = self.clock()
        self.world.operations.settle()
        for at, run in [each for each in self.ends if each[0] <= now]:
            self.ends.remove((at, run))
            if compute := self._compute(run):
                nodes.release(compute, run.run_id, now)
            self.world.runs.update(run.workspace_id, run.run_id, status="Completed")
        for run, count, minutes in list(self.waiting):
            compute = self._compute(run)
            if run.target is None or (compute and nodes.take(compute, run.run_id, count, now)):
                self.waiting.remove((run, count, minutes))
                self.world.runs.update(run.workspace_id, run.run_id, status="Running")
                self.ends.append((now + minutes * MINUTE, run))
        for compute in self.world.resources.of_type(f"{population.ML.lower()}/workspaces/computes"):
            nodes.settle(compute, now)

    def _compute(self, run: Run) -> Resource | None:
        return self.world.resources.get(f"{run.workspace_id}/computes/{run.target}") if run.target else None

    def _note(self) -> None:
        """Write down what is there in this minute."""
        now = self.clock()
        running = {run.run_id: run for _, run in self.ends}
        for resource in self.world.resources:
            owner = str(resource.body.get("systemData", {}).get("createdBy"))
            if resource.type.endswith("workspaces/computes"):
                inner = resource.properties["properties"]
                size = inner["vmSize"]
                there = list(resource.hidden.get("nodes", ()))
                busy = [running[node["runId"]] for node in there if node["runId"] in running]
                whole = len(there) if resource.properties["computeType"] == "AmlCompute" else int(inner["state"] != "Stopped")
                for run in busy:
                    self._count((resource.id, run.created_by, run.experiment, size, False), now, 1)
                self._count((resource.id, owner, "", size, True), now, whole - len(busy))
            elif resource.type.endswith("onlineendpoints/deployments"):
                kind = resource.properties["instanceType"]
                self._count((resource.id, owner, "", kind, False), now, resource.body["sku"]["capacity"])
        for run in running.values():
            if run.target is None and (size := run.definition["resources"].get("instanceType")):
                line = (f"{run.workspace_id}/jobs/{run.run_id}", run.created_by, run.experiment, size, False)
                self._count(line, now, run.definition["resources"]["instanceCount"])

    def _count(self, line: tuple[str, str, str, str, bool], at: datetime, count: float) -> None:
        if count:
            self.truth.nodes[line][at] = self.truth.nodes[line].get(at, 0) + count

    def costs(self, query: str = "", **headers: str) -> Any:
        """Ask the app."""
        status, body = front.told(front.respond("GET", f"costs?{query}", **headers))
        assert status == 200, body
        return body


@contextmanager
def begun(path: Path) -> Iterator[Life]:
    """Begin a local Azure with one workspace, in which nothing has happened yet."""
    clock = Clock(START)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(emulator_world, "Clock", lambda: WorldClock(clock))
        world = emulator_world.World(workdir=path, storage=StorageAccounts((1, 1, 1)))
    yield Life(clock, world)
    services.use(None)
    world.stop()


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Life]:
    """One for all tests of a module."""
    with begun(tmp_path_factory.mktemp("azure")) as found:
        yield found


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Life]:
    """One for a single test."""
    with begun(tmp_path) as found:
        yield found
