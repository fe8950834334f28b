"""Computes followed to their end in Azure's real time: GETs of ARM for each, and how late its end is noticed; beside MLClient.

Both make the same number of computes at once in one workspace, by turns. The least there is: one GET that sees the end, and one
of the result. Not here: many at once (following_many), ends that Azure's events tell of (completion).
"""

from __future__ import annotations

import json
import statistics
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from infra.local import stack
from infra.local.demo.client import Steward
from infra.local.emulator import scene
from tests.bench import bodies, processes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LEAST = 2
ML_CLIENT = """
import json, sys, time
from concurrent.futures import ThreadPoolExecutor
from azure.ai.ml import MLClient
from azure.ai.ml.entities import AmlCompute
from azure.identity import EnvironmentCredential
subscription, group, workspace, *names = sys.argv[1:]
client = MLClient(EnvironmentCredential(), subscription, group, workspace)
def make(name):
    client.compute.begin_create_or_update(AmlCompute(name=name, size="Standard_D1", max_instances=1)).result()
    return name, time.time()
with ThreadPoolExecutor(len(names)) as pool:
    print(json.dumps(dict(pool.map(make, names))))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """What one way came to.

    Attributes:
        gets: Of ARM, for each compute.
        late_s: From Azure's end until it was noticed: median.
        latest_s: The longest of these.
    """

    gets: float
    late_s: float
    latest_s: float


def run(computes: int = 20, rounds: int = 2) -> dict[str, Followed]:
    """Follow so many, so often, by each way."""
    with tempfile.TemporaryDirectory() as state:
        options = stack.Options(state=Path(state), transitions="immediate", events=False)
        with stack.start(options) as parts:
            caller = Steward(parts.app.url, parts.app.key, parts.app.master_key)
            bodies.workspace(caller)
            bodies.transitions(parts.azure, "time")
            ways: dict[str, Callable[[list[str]], Mapping[str, float]]] = {
                "ours": lambda names: _ours(caller, names),
                "MLClient": lambda names: _theirs(parts.azure, names),
            }
            found: dict[str, list[tuple[float, list[float]]]] = {name: [] for name in ways}
            for turn in range(rounds):
                for way, follow in ways.items():
                    names = [f"{way[:2].lower()}{turn}n{number}x" for number in range(computes)]
                    found[way].append(_measured(parts.azure, names, follow))
            caller.close()
    return {
        way: Followed(
            gets=statistics.mean(gets for gets, _ in turns),
            late_s=statistics.median(each for _, late in turns for each in late),
            latest_s=max(each for _, late in turns for each in late),
        )
        for way, turns in found.items()
    }


def _measured(
    azure: stack.Azure, names: list[str], follow: Callable[[list[str]], Mapping[str, float]]
) -> tuple[float, list[float]]:
    """Return the GETs for each compute, and the seconds by which each end was noticed late."""
    control(azure, "DELETE", "requests")
    ended = follow(names)
    gets = len(control(azure, "GET", "requests?host=management&method=GET"))
    due = {each["target"].lower(): each["dueAt"] for each in control(azure, "GET", "state")["operations"]}
    ends = {name: datetime.fromisoformat(due[f"{bodies.WORKSPACE_ID}/computes/{name}".lower()]).timestamp() for name in names}
    return gets / len(names), [ended[name] - ends[name] for name in names]


def control(azure: stack.Azure, method: str, path: str) -> Any:
    """Ask the local Azure's control route."""
    answer = requests.request(method, f"{azure.control}/_control/{path}", timeout=60)
    answer.raise_for_status()
    return answer.json()


def _ours(caller: Steward, names: list[str]) -> dict[str, float]:
    paths = [f"{bodies.WORKSPACE}/computes/{name}" for name in names]
    accepted = [caller.send("PUT", path, expect=202, json=bodies.cluster()) for path in paths]
    ended = [caller.follow(answer).operation["endTime"] for answer in accepted]
    return {name: datetime.fromisoformat(at).timestamp() for name, at in zip(names, ended, strict=True)}


def _theirs(azure: stack.Azure, names: list[str]) -> dict[str, float]:
    said = processes.ml_client(azure, ML_CLIENT, scene.SUBSCRIPTION_ID, scene.RESOURCE_GROUP, "ml-bench", *names)
    ended: dict[str, float] = json.loads(said.splitlines()[-1])
    return ended
