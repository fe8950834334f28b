"""Moves one large upload and a folder of small files through the whole app; reads the processes' peak memory (VmHWM of Linux)."""

from __future__ import annotations

import io
import os
import statistics
import tempfile
import time
import zipfile
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from infra.local import stack
from infra.local.emulator import scene
from tests.bench import processes

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK = 8 * 1024 * 1024
BODY = 90 * 1024 * 1024  # bytes of a file that comes with its request; the platform takes 100 MB
BODIES = 3
ML_CLIENT = """
import sys, time
from azure.ai.ml import MLClient
from azure.ai.ml.entities import Model
from azure.identity import EnvironmentCredential
subscription, group, workspace, file, version = sys.argv[1:]
client = MLClient(EnvironmentCredential(), subscription, group, workspace)
began = time.monotonic()
client.models.create_or_update(Model(name="client", version=version, path=file, type="custom_model"))
print(time.monotonic() - began)
"""
WORKSPACE = "ml-bench"


def run(megabytes: int = 256, files: int = 1_000) -> dict[str, Any]:
    """Upload so many MB, make a model of them, then one of so many files of 4 KB; return seconds and peak MB of each process.

    Raises:
        RuntimeError: the app did not make the model.
    """
    with tempfile.TemporaryDirectory() as state, stack.start(stack.Options(state=Path(state))) as running:
        app = running.app
        with requests.Session() as session:
            session.trust_env = False
            session.headers["x-functions-key"] = app.key
            _ended(session, session.put(f"{app.url}/api/workspaces/{WORKSPACE}", json=_workspace(), timeout=120))
            opened = session.post(f"{app.url}/api/uploads", json={"name": "weights.bin"}, timeout=60).json()
            _fill(opened["sasUri"], megabytes)
            before = _peaks(app.part.process.pid)
            began = time.monotonic()
            url = f"{app.url}/api/workspaces/{WORKSPACE}/models/weights/versions/1"
            _ended(session, session.put(url, json={"properties": {}}, headers={"Upload-Id": opened["id"]}, timeout=120))
            seconds = time.monotonic() - began
            began = time.monotonic()
            small = {"spec": ("s.json", b'{"properties": {}}'), "model": ("m.zip", _zip(files))}
            _ended(session, session.put(url.replace("weights", "many"), files=small, timeout=120))
            files_seconds = time.monotonic() - began
            return {
                "megabytes": megabytes,
                "seconds": seconds,
                "files": files,
                "files_seconds": files_seconds,
                "before": before,
                "peaks": _peaks(app.part.process.pid),
                "body": _body(session, running, Path(state)),
            }


def _body(session: requests.Session, running: stack.Stack, folder: Path) -> dict[str, float]:
    """Send a file with the request; return seconds, MLClient's seconds, and the worker's memory beside receiving it only.

    What only receives is a request whose body is refused by its size.
    """
    pid, root, as_json = running.app.part.process.pid, f"{running.app.url}/api", {"Content-Type": "application/json"}
    spec, models = ("s.json", b'{"properties": {}}'), f"workspaces/{WORKSPACE}/models"
    taken: dict[str, list[float]] = {"seconds": [], "beyond": [], "client": []}
    for number in range(BODIES + 1):  # the first one warms both up
        content = os.urandom(BODY)
        _forget_peaks(pid)
        refused = session.post(f"{root}/uploads", data=content, headers=as_json, timeout=120)
        if refused.status_code != requests.codes.request_entity_too_large:
            raise RuntimeError(f"the app answered {refused.status_code} to a body of {BODY} bytes")
        received = _worker(pid)
        session.get(f"{root}/{models}", timeout=60)  # by its answer the worker has let go of the refused body
        _forget_peaks(pid)
        files = {"spec": spec, "model": ("m.bin", content)}
        began = time.monotonic()
        answer = session.put(f"{root}/{models}/body/versions/{number}", files=files, timeout=120)
        _ended(session, answer)
        seconds = time.monotonic() - began
        beyond = _worker(pid) - received
        file = folder / f"{number}.bin"
        file.write_bytes(os.urandom(BODY))
        taken["client"].append(_ml_client(running.azure, file, number))
        taken["seconds"].append(seconds)
        taken["beyond"].append(1024 * 1024 * beyond / BODY)
    return {name: statistics.median(values[1:]) for name, values in taken.items()}


def _ml_client(azure: stack.Azure, file: Path, number: int) -> float:
    """Have MLClient make a model of a file, and return the seconds of that call alone."""
    names = (scene.SUBSCRIPTION_ID, scene.RESOURCE_GROUP, WORKSPACE, str(file), str(number))
    return float(processes.ml_client(azure, ML_CLIENT, *names).split()[-1])


def _zip(files: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number in range(files):
            archive.writestr(f"src/{number % 20}/{number}.py", os.urandom(4_096))
    return out.getvalue()


def _fill(signed: str, megabytes: int) -> None:
    ids = [b64encode(b"%08d" % number).decode() for number in range(-(-megabytes * 1024 * 1024 // BLOCK))]
    for block in ids:
        answer = requests.put(f"{signed}&comp=block", params={"blockid": block}, data=os.urandom(BLOCK), timeout=120)
        answer.raise_for_status()
    listed = "".join(f"<Latest>{block}</Latest>" for block in ids)
    body = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{listed}</BlockList>'
    requests.put(f"{signed}&comp=blocklist", data=body, timeout=120).raise_for_status()


def _ended(session: requests.Session, answer: requests.Response) -> None:
    deadline = time.monotonic() + 900
    while answer.status_code == requests.codes.accepted and time.monotonic() < deadline:
        answer = session.get(answer.headers.get("Location") or answer.url, timeout=60)
        time.sleep(0.2)
    if not answer.ok or answer.status_code == requests.codes.accepted:
        message = f"the app answered {answer.status_code}: {answer.text[:500]}"
        raise RuntimeError(message)


def _workspace() -> dict[str, Any]:
    properties = {
        "storageAccount": scene.STORAGE_ID,
        "keyVault": scene.KEY_VAULT_ID,
        "applicationInsights": scene.INSIGHTS_ID,
    }
    return {"location": scene.LOCATION, "identity": {"type": "SystemAssigned"}, "properties": properties}


def _worker(pid: int) -> int:
    """Return the most memory that any process of the app held, in MB: its worker's."""
    return max(_peaks(pid).values())


def _forget_peaks(pid: int) -> None:
    """Have Linux count the most memory again for a process and its children."""
    for at in _family(pid):
        Path(f"/proc/{at}/clear_refs").write_text("5")


def _family(pid: int) -> Iterator[int]:
    """Yield a process and all below it."""
    waiting = [pid]
    while waiting:
        at = waiting.pop()
        waiting += [int(child) for task in Path(f"/proc/{at}/task").glob("*/children") for child in task.read_text().split()]
        yield at


def _peaks(pid: int) -> dict[str, int]:
    """Return the peak resident MB of a process and its children, by what they are."""
    out: dict[str, int] = {}
    for at in _family(pid):
        status = Path(f"/proc/{at}/status").read_text()
        peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
        words = Path(f"/proc/{at}/cmdline").read_text().split("\0")
        name = next((word for word in words if word.startswith("infra.")), words[0])
        out[name] = max(out.get(name, 0), peak // 1024)
    return out
