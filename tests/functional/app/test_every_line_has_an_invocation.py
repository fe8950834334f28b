"""Every structured line that docs/observability.md promises arrives: the host drops lines without an invocation, as Azure does."""

from __future__ import annotations

import json
import re
import time
from base64 import b64encode
from typing import TYPE_CHECKING, Any

import pytest
import requests
from azure.data.tables import TableClient
from azure.storage.queue import QueueClient

from infra.local import stack
from infra.local.demo.client import Control, Steward
from infra.local.emulator import scene

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PAGE = (stack.ROOT / "docs" / "observability.md").read_text()
PROMISED = re.findall(
    r"`([a-z.]+)`", "".join(re.findall(r"^\| (`[a-z.`, ]+`) \| (?:debug|information|warning|error)", PAGE, re.MULTILINE))
)
LINE = re.compile(r'Function\.(\w+)\.User: (\{"what": .*\}) \(Id=[0-9a-f-]{36}\)$', re.MULTILINE)
PATIENCE_S = 120.0
ONE_MACHINE = "clock.skew"  # the clocks of one machine do not differ: tests/unit/durable has the test of this line
AT_START = "setting.unusable"
WORKSPACE = "workspaces/ml-lines"
RULE = "rules:\n- {name: lines, on: {types: [lines.asked]}, do: [{request: GET workspaces}]}\n"
EVENT = {"specversion": "1.0", "id": "lines-1", "source": "/lines", "type": "lines.asked", "subject": "x"}


class Ground:
    """The app with debug lines on, the local Azure, and the host's log."""

    def __init__(self, parts: stack.Stack, log: Path) -> None:
        self.app = Steward(parts.app.url, parts.app.key, parts.app.master_key)
        self.azure = Control(parts.azure.control)
        self.parts = parts
        self._log = log

    def lines(self) -> list[tuple[str, dict[str, Any]]]:
        """Function and content of each structured line that arrived."""
        return [(name, json.loads(text)) for name, text in LINE.findall(self.log())]

    def log(self) -> str:
        """The host's log so far."""
        return self._log.read_text(errors="replace")

    def run(self, function: str) -> None:
        """Run a timer's function now."""
        url, headers = f"{self.parts.app.url}/admin/functions/{function}", {"x-functions-key": self.parts.app.master_key}
        assert requests.post(url, json={}, headers=headers, timeout=30).status_code == 202

    def with_fault(self, status: int, match: str, method: str, path: str, **more: Any) -> None:
        """Ask the app something while Azure answers with an error."""
        self.azure.call("POST", "faults", json={"action": "respond", "match": match, "status": status, "times": None, "body": {}})
        try:
            self.app.send(method, path, expect=(200, 403, 429, 502, 503), **more)
        finally:
            self.azure.call("DELETE", "faults")

    def foreign_row(self) -> None:
        """Put a row that is not the app's where reconcile looks, and have it look."""
        with TableClient.from_connection_string(self.parts.storage.connection_string(), "stewardopen") as client:
            client.upsert_entity({"PartitionKey": "0foreign", "RowKey": "row", "note": "not ours"})
            self.run("reconcile_operations")

    def poison(self, queue: str) -> None:
        """Put a message where what kept failing goes."""
        with QueueClient.from_connection_string(self.parts.storage.connection_string(), f"{queue}-poison") as client:
            client.send_message(b64encode(b'{"no": "message of ours"}').decode())


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """A stack of its own: its log is read as a whole."""
    settings = {
        "STEWARD_NOTIFY": "queue:told",
        "STEWARD_CLEANUP_REPORT_DAYS": "half a year",
        "PYTHON_ENABLE_DEBUG_LOGGING": "1",
        "AzureFunctionsJobHost__logging__logLevel__Function": "Debug",
    }
    options = stack.Options(state=tmp_path_factory.mktemp("lines"), settings=settings, events=False)  # ends are found by polls
    with stack.start(options) as parts:
        yield Ground(parts, options.state / "logs" / "host.log")


def workspace() -> dict[str, Any]:
    """The least a workspace needs."""
    properties = {"storageAccount": scene.STORAGE_ID, "keyVault": scene.KEY_VAULT_ID, "applicationInsights": scene.INSIGHTS_ID}
    return {"location": scene.LOCATION, "identity": {"type": "SystemAssigned"}, "properties": properties}


def fires(ground: Ground) -> None:
    """A rule fires for an event that a webhook brings."""
    ground.app.send("PUT", "events/rules/lines.yaml", data=RULE, headers={"Content-Type": "application/yaml"})
    ground.app.send("POST", "events", json=EVENT, headers={"Content-Type": "application/cloudevents+json"})


def expires(ground: Ground) -> None:
    """A cluster goes two seconds after it was made."""
    size = {"vmSize": "Standard_DS2_v2", "scaleSettings": {"minNodeCount": 0, "maxNodeCount": 1}}
    cluster = {"location": scene.LOCATION, "properties": {"computeType": "AmlCompute", "properties": size}}
    ground.app.done("PUT", f"{WORKSPACE}/computes/soon", json=cluster, headers={"Expires-In": "PT2S"})


def rolls_out(ground: Ground) -> None:
    """A rollout begins at an endpoint, and ends before it has done anything."""
    live = f"{scene.GROUP_ID}/providers/Microsoft.MachineLearningServices/{WORKSPACE}/onlineEndpoints/rolled"
    served = {"endpointComputeType": "Managed", "instanceType": "Standard_DS2_v2"}
    made = {"authMode": "Key", "traffic": {"blue": 100}, "provisioningState": "Succeeded"}
    bodies = {live: made, f"{live}/deployments/blue": {**served, "provisioningState": "Succeeded"}}
    seeds = [{"id": arm_id, "body": {"location": scene.LOCATION, "properties": each}} for arm_id, each in bodies.items()]
    ground.azure.call("POST", "resources", json=seeds)
    body = {"location": scene.LOCATION, "properties": served}
    path = f"{WORKSPACE}/onlineEndpoints/rolled/rollout"
    began = ground.app.send("POST", path, json={"deployment": "green", "body": body}, expect=202)
    ground.app.send("POST", f"{path}/{began.json()['name']}/abort", expect=(200, 202))


# what happens → which functions write which lines about it
HAPPENS: dict[str, tuple[Callable[[Ground], object], set[tuple[str, str]]]] = {
    "a resource is made by way of the queue": (
        lambda ground: ground.app.done("PUT", WORKSPACE, json=workspace(), headers={"Prefer": "respond-async"}),
        {
            ("provision_workspaces", "operation.accepted"),
            ("poll_operation", "operation.step"),
            ("poll_operation", "operation.ended"),
            ("notify_deliver", "delivery.attempt"),
        },
    ),
    "a change ends within its request": (
        lambda ground: ground.app.send("DELETE", "workspaces/ml-absent", expect=204),
        {("provision_workspaces", f"operation.{what}") for what in ("accepted", "step", "ended")}
        | {("provision_workspaces", "audit")},
    ),
    "a caller sends two keys": (
        lambda ground: ground.app.send("GET", "operations?code=another", expect=400),
        {("operations_list", "audit.refused")},
    ),
    "a read is throttled": (
        lambda ground: ground.with_fault(429, "/computes", "GET", f"{WORKSPACE}/computes"),
        {("browse_workspaces", "azure.throttled")},
    ),
    "a read is refused": (
        lambda ground: ground.with_fault(403, "/computes", "GET", f"{WORKSPACE}/computes"),
        {("browse_workspaces", "azure.refused")},
    ),
    "Azure fails a check of a preflight, in a thread of its pool": (
        lambda ground: ground.with_fault(503, "Authorization/permissions", "PUT", f"{WORKSPACE}?preflight=true", json=workspace()),
        {("provision_workspaces", "azure.unavailable")},
    ),
    "a rule fires": (fires, {("hooks_queue", "firing.ended")}),
    "a clean-up runs": (
        lambda ground: ground.app.send("POST", "cleanup", headers={"Prefer": "wait=60"}, expect=200),
        {("cleanup_step", "cleanup.ended")},
    ),
    "a recipe runs": (
        lambda ground: ground.app.send("POST", "recipes", json={"steps": {"look": {"request": "GET subscriptions"}}}, expect=202),
        {("poll_operation", "recipe.ended")},
    ),
    "what was made ends": (expires, {("cleanup_step", "expiry.ended")}),
    "a rollout is aborted": (rolls_out, {("poll_operation", "rollout.ended")}),
    "a row of storage cannot be read": (lambda ground: ground.foreign_row(), {("reconcile_operations", "storage.unreadable")}),
    **{
        f"a message of {queue} kept failing": (lambda ground, queue=queue: ground.poison(queue), {(function, "poison")})  # type: ignore[misc]
        for queue, function in (
            ("steward-operations", "poll_poison"),
            ("steward-notifications", "notify_poison"),
            ("steward-events", "hooks_poison"),
            ("steward-cleanup", "cleanup_poison"),
        )
    },
}


def test_every_promised_line_is_looked_for() -> None:
    """A new line in the page is a new row here."""
    looked_for = {what for _, lines in HAPPENS.values() for _, what in lines} | {AT_START, ONE_MACHINE}
    assert looked_for == set(PROMISED)
    assert len(looked_for) == 18


def test_a_setting_that_cannot_be_used_is_named_once_the_app_is_used(ground: Ground) -> None:
    """By whichever function runs first: a timer's, or a request's. `lines` finds none without an invocation."""
    ground.run("reconcile_operations")
    found, end = [], time.monotonic() + PATIENCE_S
    while not found and time.monotonic() < end:
        found = [line for _, line in ground.lines() if line["what"] == AT_START]
    assert [line["setting"] for line in found] == ["STEWARD_CLEANUP_REPORT_DAYS"]


@pytest.mark.parametrize("what", HAPPENS)
def test_lines_arrive_with_the_invocation_of_the_function(ground: Ground, what: str) -> None:
    """From functions of each trigger, sync and async, and from the threads that they use."""
    happen, wanted = HAPPENS[what]
    before = len(ground.lines())
    happen(ground)
    missing, end = wanted, time.monotonic() + PATIENCE_S
    while missing and time.monotonic() < end:
        missing = wanted - {(name, line["what"]) for name, line in ground.lines()[before:]}
    assert not missing, {(name, line["what"]) for name, line in ground.lines()[before:]}


def test_the_line_of_the_timer_that_an_alert_counts_arrives(ground: Ground) -> None:
    """`reconcile-missing` (infra/azure/modules/alerts.bicep) fires when it has not been written for half an hour."""
    ground.run("reconcile_operations")
    end = time.monotonic() + PATIENCE_S
    found = None
    while not found and time.monotonic() < end:
        found = re.search(
            r"info Function\.reconcile_operations\.User: reconcile: .* \(Id=[0-9a-f-]{36}\)$", ground.log(), re.MULTILINE
        )
    assert found


def test_no_line_of_the_app_is_dropped(ground: Ground) -> None:
    """The host counts what carries no invocation."""
    status = requests.get(
        f"{ground.parts.app.url}/admin/host/status", headers={"x-functions-key": ground.parts.app.master_key}, timeout=30
    )
    dropped = status.json()["logLinesDropped"]
    assert not [name for name in dropped if name.startswith(("steward", "azure"))], dropped
