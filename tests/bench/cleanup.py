"""The clean-up's reading beside cloud-custodian's: both list the same seeded subscription, under the same limits of ARM.

The local Azure counts what each asks for. cloud-custodian runs in an environment of its own (.local/c7n), pointed at the local
Azure by the proxy and certificate variables alone, as the app is. Not here: what ours does in the measured process
(cleanup_probe).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from infra.local import bootstrap, processes
from infra.local.emulator import scene

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CUSTODIAN = bootstrap.C7N_VENV / "bin" / "custodian"
THROTTLE = {"enforced": True, "reads": 250, "reads_per_s": 25.0}  # what ARM gives a principal in a subscription
# The resources that both know: ours by kind, theirs as a policy without conditions. Theirs has no resource for the other kinds.
PAIRS = {
    "modelVersion": [{"name": "models", "resource": "azure.machine-learning-model-version"}],
    "computeInstance": [
        {
            "name": "instances",
            "resource": "azure.machine-learning-workspace",
            "filters": [
                {
                    "type": "compute-instances",
                    "attrs": [{"type": "value", "key": "properties.properties.state", "value": "Running"}],
                }
            ],
        }
    ],
    "job": [{"name": "jobs", "resource": "azure.machine-learning-job"}],
    "onlineEndpoint": [{"name": "endpoints", "resource": "azure.machine-learning-online-endpoint"}],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """A subscription: see the scene "cleanup" of the local Azure."""

    workspaces: int
    versions: int
    models: int
    computes: int
    endpoints: int


SMALL = Sizes(workspaces=40, versions=500, models=10, computes=50, endpoints=5)
FEW = Sizes(workspaces=12, versions=500, models=10, computes=50, endpoints=5)
LARGE = Sizes(workspaces=200, versions=500, models=10, computes=50, endpoints=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """What one reader did.

    Attributes:
        resources: How many it looked at.
        calls: Reads of ARM, throttled ones included, as ARM counted them.
        throttled: How many of them were answered 429.
        seconds: From the process's start to its end.
        own: What the process says of itself (ours only).
    """

    resources: int
    calls: int
    throttled: int
    seconds: float
    own: Mapping[str, float]

    def per_1000(self, number: float) -> float:
        """Return a number of it for each 1,000 resources."""
        return number * 1_000 / max(1, self.resources)


class Azure:
    """A running local Azure with the scene in it.

    Args:
        proxy: Its address; its control routes are there, too.
        bundle: Its certificates.
    """

    def __init__(self, proxy: str, bundle: Path) -> None:
        self._control = f"{proxy}/_control"
        self.variables = {
            "HTTPS_PROXY": proxy,
            "NO_PROXY": "127.0.0.1,localhost",
            "REQUESTS_CA_BUNDLE": str(bundle),
            "SSL_CERT_FILE": str(bundle),
            "AZURE_TENANT_ID": scene.TENANT_ID,
            "AZURE_CLIENT_ID": scene.CLIENT_ID,
            "AZURE_CLIENT_SECRET": scene.CLIENT_SECRET,
            "AZURE_SUBSCRIPTION_ID": scene.SUBSCRIPTION_ID,
        }

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """One control call."""
        answer = requests.request(method, f"{self._control}/{path}", json=body, timeout=120)
        answer.raise_for_status()
        return answer.json()

    def seed(self, sizes: Sizes) -> None:
        """Begin again with a subscription of that size."""
        self.control("POST", "reset")
        self.control("POST", "scenes", {"name": "cleanup", "facts": False, **asdict(sizes)})

    def count(self) -> tuple[int, int]:
        """Reads of ARM since the last reset of the log, and how many of them were throttled."""
        found = self.control("GET", "requests?host=management&method=GET")
        return len(found), sum(1 for each in found if each["status"] == 429)


@contextmanager
def local_azure() -> Iterator[Azure]:
    """A local Azure for the length of a ``with`` block; nothing runs in it, so it needs no storage."""
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        ports = ("--blob-port", "1", "--queue-port", "2", "--table-port", "3")
        command = [sys.executable, "-m", "infra.local.emulator", "--state", str(state / "azure"), *ports]
        environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
        with processes.part("local Azure", command, log=state / "log", env=environment) as part:
            said = dict(word.split("=", 1) for word in part.ready.split()[1:])
            yield Azure(said["proxy"], Path(said["ca"]))


def compare(azure: Azure, sizes: Sizes = SMALL) -> dict[str, tuple[Listed, Listed, Listed]]:
    """List what both know, one kind after the other, each with a full bucket: kind → (ours, theirs, ours judging it, too)."""
    if not CUSTODIAN.exists():
        subprocess.run([sys.executable, str(bootstrap.ROOT / "infra/local/bootstrap.py"), "c7n"], check=True)
    azure.seed(sizes)
    found = {kind: (ours(azure, kind, "listed"), theirs(azure, kind), ours(azure, kind, "judged")) for kind in PAIRS}
    instances, filtered, judged = found["computeInstance"]  # theirs filters workspaces by what it reads of their computes
    return {**found, "computeInstance": (instances, replace(filtered, resources=instances.resources), judged)}


def ours(azure: Azure, kind: str, *arguments: str, limits: Mapping[str, Any] = THROTTLE) -> Listed:
    """Read and judge by the clean-up's own code; `arguments` are the probe's."""
    command = [sys.executable, "-m", "tests.bench.cleanup_probe", scene.SUBSCRIPTION_ID, kind, *arguments]
    said, listed = _run(azure, command, limits)
    own = json.loads(said.splitlines()[-1])
    return Listed(resources=int(own["resources"]), own=own, **listed)


def theirs(azure: Azure, kind: str) -> Listed:
    """The same list by cloud-custodian, without its cache."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "policies.json"
        file.write_text(json.dumps({"policies": PAIRS[kind]}))
        command = [str(CUSTODIAN), "run", "--cache-period", "0", "-s", folder, str(file)]
        _, listed = _run(azure, command, THROTTLE)
        found = [json.loads(each.read_text()) for each in Path(folder).glob("*/resources.json")]
    return Listed(resources=sum(map(len, found)), own={}, **listed)


def large(azure: Azure, sizes: Sizes = LARGE) -> Listed:
    """Everything in a large subscription, all kinds and policies, without limits: what counts is the memory it takes."""
    azure.seed(sizes)
    return ours(azure, "all", "unpaced", limits={"enforced": False, "reads": 10**9, "reads_per_s": 1e9})


def repeats(azure: Azure, sizes: Sizes = FEW) -> tuple[Listed, Listed, int]:
    """Return everything in a subscription read as a run does, and read each time; and how many different reads there are."""
    azure.seed(sizes)
    limits = {"enforced": False, "reads": 10**9, "reads_per_s": 1e9}
    kept, again = (ours(azure, "all", "unpaced", *more, limits=limits) for more in ((), ("again",)))
    asked = azure.control("GET", "requests?host=management&method=GET")
    return kept, again, len({(each["path"], each["query"]) for each in asked})


def _run(azure: Azure, command: list[str], limits: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    azure.control("PUT", "limits", dict(limits))  # the buckets are full again
    azure.control("DELETE", "requests")
    environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    began = time.monotonic()
    done = subprocess.run(
        command, env=environment | azure.variables, cwd=bootstrap.ROOT, capture_output=True, text=True, check=False
    )
    seconds = time.monotonic() - began
    if done.returncode:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stderr[-2000:]}")
    calls, throttled = azure.count()
    return done.stdout, {"calls": calls, "throttled": throttled, "seconds": seconds}
