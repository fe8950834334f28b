"""Each operation of Azure ML that Microsoft describes is called once on the local Azure, and the answer is as described.

In one process, without sockets. What really runs (jobs, deployments) is another test's business: here both stand still.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infra.local import azurite
from infra.local.emulator import scene, services, web
from infra.local.emulator.scenes import seeding
from infra.local.emulator.sockets.app import App
from infra.local.emulator.storage.accounts import StorageAccounts
from infra.local.emulator.world import World
from shared.catalog import kinds
from tests.spec import bodies, described
from tests.spec.distil import ML, NEWEST

if TYPE_CHECKING:
    from collections.abc import Iterator

PREVIEWS = sorted({action.preview for kind in kinds.KINDS for action in kind.actions if action.preview})
# What is described and not served here, and the line of docs/local-azure.md, "Limits", that says so.
UNSERVED = {
    **dict.fromkeys(
        [
            *(f"{verb} workspaces/{{}}/labelingJobs/{{}}" for verb in ("GET", "PUT", "DELETE")),
            *(f"POST workspaces/{{}}/labelingJobs/{{}}/{action}" for action in ("exportLabels", "pause", "resume")),
            "GET workspaces/{}/labelingJobs",
        ],
        "labeling jobs",
    ),
    "PATCH workspaces/{}/jobs/{}": "PATCH of a job",
    "POST registries/{}/models/{}/versions/{}/package": "packages of a registry's models",
    **dict.fromkeys(
        [f"GET locations/{{}}/{name}" for name in ("availableQuota", "availableQuota/default", "quotaAndUsage")],
        "`availableQuota`, `quotaAndUsage`",
    ),
}
DOCS = Path(__file__).parents[3] / "docs" / "local-azure.md"
BELOW = re.compile(rf"(?:/subscriptions/\{{\}}(?:/resourceGroups/\{{\}})?)?/providers/{ML}/")


class Still:
    """A backend of jobs and of deployments: it takes them, and they stay as they are; a job that is canceled ends."""

    state, failure, url = "healthy", "", "http://127.0.0.1:9"

    def __init__(self, world: World) -> None:
        self.world = world

    def submit(self, job: Any) -> None:
        """Take it."""

    def conduct(self, workspace_id: str, run_id: str, work: Any) -> None:
        """Take it."""

    def cancel(self, workspace_id: str, run_id: str) -> None:
        """End it."""
        self.world.runs.update(workspace_id, run_id, status="Canceled")

    def forget(self, workspace_id: str) -> None:
        """Leave them."""

    def deploy(self, request: Any) -> Still:
        """It serves at once."""
        return self

    def logs(self, container: str, tail: int) -> str:
        """What a server says first."""
        return f"{container}: ready"

    def stop(self) -> None:
        """Nothing to end."""


class Sweep:
    """The local Azure in this process, and what has been called on it."""

    def __init__(self, world: World) -> None:
        self.world, self.app = world, App(world, services.ALL)
        self.called: set[tuple[str, str]] = set()
        self.problems: list[str] = []
        token, _ = world.tokens.mint(
            audience=f"https://{described.ARM}/", tenant_id=scene.TENANT_ID, app_id=scene.CLIENT_ID, object_id=scene.OBJECT_ID
        )
        self.headers = {"Authorization": f"Bearer {token}", "Host": described.ARM}

    def send(self, method: str, path: str, body: Any = None, *, version: str = NEWEST, query: str = "") -> described.Exchange:
        """One request, checked; its operation is followed to its end."""
        target = f"{path}?api-version={version}{query}"
        sent = b"" if body is None else json.dumps(body).encode()
        response = self.app.handle(web.request_from(method, described.ARM, target, self.headers, sent))
        exchange = described.Exchange(
            method=method,
            host=described.ARM,
            path=path,
            query=target.partition("?")[2],
            client="",
            scripted=False,
            body=body,
            status=response.status,
            answer=json.loads(response.body) if response.body else None,
        )
        _, operation = described.of(exchange)
        self.problems += described.problems(exchange)
        if operation is not None:
            self.called.add((operation.version, f"{method} {operation.template}"))
        refused = response.status >= 400
        if refused != (operation is not None and short(operation) in UNSERVED):
            self.problems.append(f"{method} {path} @{version} answers {response.status}: {response.body.decode()[:300]}")
        headers = {name.lower(): value for name, value in response.headers}
        if response.status in {201, 202} and (follow := headers.get("azure-asyncoperation", headers.get("location", ""))):
            host, _, rest = follow.removeprefix("https://").partition("/")
            if host == described.ARM:
                last = self.app.handle(web.request_from("GET", host, f"/{rest}", self.headers, b""))
                if b'"Failed"' in last.body:
                    self.problems.append(f"{method} {path} @{version} fails: {last.body.decode()[:300]}")
        return exchange


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sweep]:
    """The scene, a workspace with one of each kind, and a folder of files in its storage."""
    with azurite.start(None, accounts=scene.AZURITE_ACCOUNTS) as storage:
        state = tmp_path_factory.mktemp("azure")
        ports = (storage.blob_port, storage.queue_port, storage.table_port)
        accounts = StorageAccounts(ports, lambda name, key: azurite.launch(state / name, accounts={name: key}))
        world = World(workdir=state, storage=accounts)
        world.jobs_backend = world.serving_backend = Still(world)
        seeding.seed(world)
        made = Sweep(world)
        container = accounts.blob_service(scene.STORAGE_ACCOUNT).create_container(bodies.CONTAINER)
        for name in ("score.py", "set/FeatureSetSpec.yaml"):
            container.upload_blob(f"files/{name}", b"features:\n  - {name: sum, type: long}\n")
        for path, body in bodies.puts().items():
            made.send("PUT", f"{bodies.HOME}/{path}", body)
        yield made
        world.stop()


def wanted() -> list[described.Operation]:
    """Every operation of the newest version, and those that only a preview has; what reads first, what deletes last."""
    known = described.operations()
    newest = known[f"{ML}@{NEWEST}".lower()]
    stable = {(one.method, one.template) for one in newest}
    previews = [one for version in PREVIEWS for one in known[f"{ML}@{version}".lower()] if (one.method, one.template) not in stable]
    order = ("PUT", "GET", "PATCH", "POST", "DELETE")
    return sorted([*newest, *previews], key=lambda one: (order.index(one.method), -one.template.count("/")))


def short(operation: described.Operation) -> str:
    """The method and what stands below the namespace."""
    return f"{operation.method} {BELOW.sub('', operation.template)}"


def path_of(operation: described.Operation) -> str:
    """The template with the names of what the scene has."""
    fixed = {"subscriptions": scene.SUBSCRIPTION_ID, "resourceGroups": scene.RESOURCE_GROUP, **bodies.NAMES}
    fixed |= bodies.NAMED.get(short(operation), {})
    segments = operation.template.split("/")
    names: list[str] = []
    for before, segment in zip(["", *segments], segments, strict=False):
        deployment = bodies.DEPLOYMENTS[names[-3]] if before == "deployments" else ""
        names.append((deployment or fixed.get(before, "any")) if segment == "{}" else segment)
    return "/".join(names)


def test_every_operation_is_as_described(sweep: Sweep) -> None:
    """Status, body and errors of each, once; not one is refused, and each is called."""
    for operation in wanted():
        version = operation.version.rpartition("@")[2]
        if (operation.version, f"{operation.method} {operation.template}") not in sweep.called:
            body = bodies.BODIES.get(short(operation))
            sweep.send(operation.method, path_of(operation), body, version=version, query=bodies.QUERY.get(short(operation), ""))
    assert not sweep.problems, "\n".join(sweep.problems)


def test_what_is_not_served_stands_in_the_docs() -> None:
    """Every line of `UNSERVED`."""
    listed = DOCS.read_text().partition("## Limits")[2].partition("\n## ")[0]
    assert not {line for line in UNSERVED.values() if line not in " ".join(listed.split())}
