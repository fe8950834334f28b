"""The app's worker is killed with SIGKILL in the middle of provisioning; started again, it ends the work, done once.

Real parts: the local Functions host, Azurite, the local Azure. The minutes that reconcile gives a lost step are skipped by
making row and entry of the list overdue; everything else happens as it does when a machine goes away.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infra.local import stack
from infra.local.emulator import scene
from shared import services, settings
from shared.durable import storage, storage_clock
from shared.rest import errors
from tests.overdue import overdue_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LIMIT_S = 120.0
WORKSPACE = {
    "location": scene.LOCATION,
    "identity": {"type": "SystemAssigned"},
    "properties": {
        "storageAccount": scene.STORAGE_ID,
        "keyVault": scene.KEY_VAULT_ID,
        "applicationInsights": scene.INSIGHTS_ID,
        "containerRegistry": scene.REGISTRY_ID,
    },
}


@dataclass(frozen=True, kw_only=True)
class Ground:
    """A running stack, and the app's own storage seen from outside."""

    parts: stack.Stack
    ledger: Any

    def app(self, method: str, path: str, body: Any = None, **headers: str) -> dict[str, Any]:
        """Call the app; an answer that a dying worker did not give is {}."""
        request = urllib.request.Request(f"{self.parts.app.url}{path}", method=method)
        request.add_header("x-functions-key", self.parts.app.master_key)
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        if body is not None:
            request.add_header("Content-Type", "application/json")
            request.data = json.dumps(body).encode()
        try:
            with urllib.request.urlopen(request, timeout=LIMIT_S) as answer:
                return json.loads(answer.read() or b"{}")  # type: ignore[no-any-return]
        except (urllib.error.URLError, OSError):
            return {}

    def azure(self, method: str, path: str, body: Any = None) -> Any:
        """Call the local Azure's control route."""
        request = urllib.request.Request(f"{self.parts.azure.control}/_control/{path}", method=method)
        request.data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(request, timeout=LIMIT_S) as answer:
            return json.loads(answer.read())

    def puts(self, name: str) -> int:
        """Count the PUTs of a workspace that reached ARM."""
        return len(self.azure("GET", f"requests?method=PUT&path=workspaces/{name}$"))

    def kill(self) -> None:
        """Kill the worker processes as a failing machine would, and wait until they are gone."""
        killed = _children(self.parts.app.part.process.pid)
        assert killed, "the host has no worker"
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        until(lambda: not set(killed) & set(_children(self.parts.app.part.process.pid)), "the workers are gone")
        until(lambda: _children(self.parts.app.part.process.pid), "the host starts new ones")

    def end(self, operation_id: str) -> dict[str, Any]:
        """Skip the minutes until reconcile may take an operation up, and follow it to its end."""
        deadline = time.monotonic() + LIMIT_S
        while time.monotonic() < deadline:
            found = self.app("GET", f"/api/operations/{operation_id}?wait=2")
            if found.get("endTime"):
                return found
            self.reconcile(operation_id)
        raise AssertionError(f"{operation_id} did not end: {found}")

    def reconcile(self, operation_id: str) -> None:
        """Make an open operation overdue, in its row and in the list that the timer goes by, and fire the timer."""
        stored = self.ledger.load(operation_id)
        if stored and not stored.operation.ended:
            with contextlib.suppress(storage.ConflictError, errors.TransientError):
                overdue = self.ledger.save(stored, replace(stored.operation, due_at=storage_clock.utc_now()))
                self.ledger.open.put(overdue_entry(overdue.operation))
            self.app("POST", "/admin/functions/reconcile_operations", {"input": ""})


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """A stack of its own: its worker will die."""
    options = stack.Options(state=tmp_path_factory.mktemp("killed"), transitions="time", speed=20.0)
    with stack.start(options) as parts:
        own = services.Services(settings=settings.from_environ({"AzureWebJobsStorage": parts.storage.connection_string()}))
        yield Ground(parts=parts, ledger=own.ledger)


def until(condition: Callable[[], Any], what: str) -> Any:
    """Wait for a condition and return what it gave."""
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.01)
    raise AssertionError(f"never came: {what}")


def _children(pid: int) -> list[int]:
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = status.read_text().rpartition(")")[2].split()
            if int(fields[1]) == pid and fields[0] != "Z":
                found.append(int(status.parent.name))
    return found


def _succeeds_once(ground: Ground, operation_id: str, name: str) -> None:
    ended = ground.end(operation_id)
    assert ended["status"] == "Succeeded", ended
    assert ground.puts(name) == 1
    assert ground.azure("GET", f"resources?id={_id(name)}")["properties"]["provisioningState"] == "Succeeded"


def _id(name: str) -> str:
    return f"{scene.GROUP_ID}/providers/Microsoft.MachineLearningServices/workspaces/{name}"


def test_a_worker_killed_while_it_follows_goes_on_after_a_restart(ground: Ground) -> None:
    """The poll's message is lost for ten minutes with the worker; reconcile does not wait for it."""
    begun = ground.app("PUT", "/api/workspaces/ws-followed", WORKSPACE)
    until(lambda: ground.ledger.load(begun["name"]).operation.calls.get("poll"), "a poll")
    ground.kill()
    _succeeds_once(ground, begun["name"], "ws-followed")


def test_a_worker_killed_between_the_send_and_the_answer_sends_nothing_twice(ground: Ground) -> None:
    """ARM took the PUT and nobody read its answer: the look at the workspace tells."""
    rule = {"action": "delay", "method": "PUT", "match": "workspaces/ws-cut", "delay_s": 1.5}
    ground.azure("POST", "faults", rule)
    begun = ground.app("PUT", "/api/workspaces/ws-cut", WORKSPACE, Prefer="respond-async")
    until(lambda: ground.ledger.load(begun["name"]).operation.phase == "sending", "the claim")
    until(lambda: any(fault["used"] for fault in ground.azure("GET", "faults")), "the PUT at ARM")
    ground.kill()
    until(lambda: _id("ws-cut").lower() in [each.lower() for each in ground.azure("GET", "resources")], "the workspace")
    _succeeds_once(ground, begun["name"], "ws-cut")


def test_a_caller_whose_connection_died_with_the_worker_repeats_its_key(ground: Ground) -> None:
    """The accepting worker is killed while ARM works; the same Idempotency-Key finds the one operation."""
    rule = {"action": "delay", "method": "PUT", "match": "workspaces/ws-again", "delay_s": 1.5}
    ground.azure("POST", "faults", rule)
    first = threading.Thread(
        target=ground.app, args=("PUT", "/api/workspaces/ws-again", WORKSPACE), kwargs={"Idempotency_Key": "again"}
    )
    first.start()
    until(lambda: [fault for fault in ground.azure("GET", "faults") if fault["used"] and "ws-again" in fault["match"]], "the PUT")
    ground.kill()
    first.join()
    begun = until(
        lambda: ground.app("PUT", "/api/workspaces/ws-again", WORKSPACE, Idempotency_Key="again").get("name"), "the operation"
    )
    until(lambda: _id("ws-again").lower() in [each.lower() for each in ground.azure("GET", "resources")], "the workspace")
    _succeeds_once(ground, begun, "ws-again")


def test_workers_killed_at_random_moments_finish_the_work(ground: Ground) -> None:
    """Several kills in one life, each after a random number of requests that Azure saw."""
    chance = random.Random(3)  # noqa: S311 - no secret
    begun = ground.app("PUT", "/api/workspaces/ws-random", WORKSPACE, Prefer="respond-async")
    for _ in range(3):
        seen = len(ground.azure("GET", "requests")) + chance.randint(0, 2)
        with contextlib.suppress(AssertionError):
            _until_seen(ground, begun["name"], seen)
        ground.kill()
        if ground.ledger.load(begun["name"]).operation.ended:
            break
        until(lambda: ground.app("GET", "/api/operations"), "an answer")
        ground.reconcile(begun["name"])
    ended = ground.end(begun["name"])
    assert ended["status"] == "Succeeded", ended
    assert ground.puts("ws-random") == 1


def _until_seen(ground: Ground, operation_id: str, requests: int) -> None:
    """Wait until Azure has seen so many requests, or the operation has ended."""
    until(
        lambda: len(ground.azure("GET", "requests")) >= requests or ground.ledger.load(operation_id).operation.ended, "the requests"
    )
