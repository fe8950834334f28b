"""How an operation's end is noticed: by polling alone, and by Azure's events with rare polls, side by side in one run.

Two stacks in real time (`time`), each with the same computes and workspaces. Azure's end is when the local Azure's operation was
due; ours is the operation's own endTime.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import requests

from infra.local import stack
from infra.local.emulator import scene

EACH = 50  # workspaces, and as many computes
PATIENCE_S = 600.0
RARE_POLLS_S = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Medians of one way.

    Attributes:
        operations: How many were followed.
        polls: ARM polls of one.
        delay_s: From Azure's end to our Succeeded.
        slowest_s: The longest such delay.
    """

    operations: int
    polls: float
    delay_s: float
    slowest_s: float


def run(speed: float = 1.0) -> tuple[Result, Result]:
    """Without events, and with them; `speed` divides Azure's real durations (a workspace takes 60 s).

    Raises:
        RuntimeError: an operation did not succeed.
    """
    with ThreadPoolExecutor(2) as pool:
        without, with_events = pool.submit(_one, speed, events=False), pool.submit(_one, speed, events=True)
        return without.result(), with_events.result()


def _one(speed: float, *, events: bool) -> Result:
    settings = {"STEWARD_POLL_WITH_EVENTS": str(RARE_POLLS_S)} if events else {}
    with tempfile.TemporaryDirectory() as state:
        options = stack.Options(state=Path(state), transitions="immediate", speed=speed, events=events, settings=settings)
        with stack.start(options) as parts, requests.Session() as session:
            session.trust_env = False
            session.headers["x-functions-key"] = parts.app.key
            url = f"{parts.app.url}/api"
            _ended(session, session.put(f"{url}/workspaces/ml-bench", json=_workspace(), timeout=60))
            session.put(f"{parts.azure.control}/_control/transitions", json={"default": "time", "speed": speed}, timeout=30)
            answers = [session.put(f"{url}/workspaces/ml-bench-{n}", json=_workspace(), timeout=60) for n in range(EACH)]
            answers += [
                session.put(f"{url}/workspaces/ml-bench/computes/cpu{n}x", json=_cluster(), timeout=60) for n in range(EACH)
            ]
            found = [_ended(session, answer) for answer in answers]
            due = _due(session, parts)
    delays = [_seconds(due[each["properties"]["target"].lower()], each["endTime"]) for each in found]
    polls = [each["properties"]["azureCalls"].get("poll", 0) for each in found]
    return Result(operations=len(found), polls=statistics.median(polls), delay_s=statistics.median(delays), slowest_s=max(delays))


def _due(session: requests.Session, parts: stack.Stack) -> dict[str, str]:
    """When Azure was done with each target."""
    known = session.get(f"{parts.azure.control}/_control/state", timeout=30).json()["operations"]
    return {each["target"].lower(): each["dueAt"] for each in known}


def _seconds(begin: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds()


def _ended(session: requests.Session, answer: requests.Response) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE_S
    url = answer.headers.get("Operation-Location", "")
    while url and time.monotonic() < deadline:
        found: dict[str, Any] = session.get(url, params={"wait": "30"}, timeout=60).json()
        if found["status"] == "Succeeded":
            return found
        if found["status"] in ("Failed", "Canceled"):
            break
    message = f"an operation did not succeed: {answer.status_code} {answer.text[:300]}"
    raise RuntimeError(message)


def _workspace() -> dict[str, Any]:
    properties = {"storageAccount": scene.STORAGE_ID, "keyVault": scene.KEY_VAULT_ID, "applicationInsights": scene.INSIGHTS_ID}
    return {"location": scene.LOCATION, "identity": {"type": "SystemAssigned"}, "properties": properties}


def _cluster() -> dict[str, Any]:
    scale = {"minNodeCount": 0, "maxNodeCount": 1}
    inner = {"vmSize": "Standard_D1", "vmPriority": "Dedicated", "scaleSettings": scale}
    return {"location": scene.LOCATION, "properties": {"computeType": "AmlCompute", "properties": inner}}
