"""Moves one large upload and a folder of small files through the whole app; reads the processes' peak memory (VmHWM of Linux)."""

from __future__ import annotations

import io
import os
import tempfile
import time
import zipfile
from base64 import b64encode
from pathlib import Path
from typing import Any

import requests

from infra.local import stack
from infra.local.emulator import scene

BLOCK = 8 * 1024 * 1024
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
            return {
                "megabytes": megabytes,
                "seconds": seconds,
                "files": files,
                "files_seconds": time.monotonic() - began,
                "before": before,
                "peaks": _peaks(app.part.process.pid),
            }


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
        answer = session.get(answer.headers.get("Location") or answer.url, params={"wait": "20"}, timeout=60)
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


def _peaks(pid: int) -> dict[str, int]:
    """Return the peak resident MB of a process and its children, by what they are."""
    out: dict[str, int] = {}
    waiting = [pid]
    while waiting:
        at = waiting.pop()
        waiting += [int(child) for task in Path(f"/proc/{at}/task").glob("*/children") for child in task.read_text().split()]
        status = Path(f"/proc/{at}/status").read_text()
        peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
        words = Path(f"/proc/{at}/cmdline").read_text().split("\0")
        name = next((word for word in words if word.startswith("infra.")), words[0])
        out[name] = max(out.get(name, 0), peak // 1024)
    return out
