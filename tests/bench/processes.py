"""What Linux knows of a process: its children, its processor time, its memory; and a process of Microsoft's SDK."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from infra.local import bootstrap
from infra.local.emulator import scene

if TYPE_CHECKING:
    from infra.local import stack


def workers(pid: int) -> list[int]:
    """The processes that a host has started."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for thread in threads for child in (thread / "children").read_text().split()]


def cpu_s(pid: int) -> float:
    """Processor time since its start, its own and the kernel's for it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def tree_cpu_s(pid: int) -> float:
    """Processor time of a host, of its workers, and of those that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ended_s = (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")
    return cpu_s(pid) + ended_s + sum(map(cpu_s, workers(pid)))


def peak_mb(pid: int) -> float:
    """The most memory that it ever held."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) / 1024


def ml_client(azure: stack.Azure, script: str, *arguments: str) -> str:
    """Run a script of Microsoft's SDK in its own environment, signed in to the local Azure; returns what it prints.

    Raises:
        RuntimeError: it failed.
    """
    outside = {name: value for name, value in os.environ.items() if "proxy" not in name.lower() and not name.startswith("AZURE_")}
    trusted = dict.fromkeys(("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"), str(azure.ca))
    signed_in = {"AZURE_TENANT_ID": scene.TENANT_ID, "AZURE_CLIENT_ID": scene.CLIENT_ID, "AZURE_CLIENT_SECRET": scene.CLIENT_SECRET}
    ran = subprocess.run(
        [str(bootstrap.LOCAL / "sdk" / "bin" / "python"), "-c", script, *arguments],
        env=outside | trusted | signed_in | {"HTTPS_PROXY": azure.proxy, "NO_PROXY": "127.0.0.1,localhost"},
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        raise RuntimeError(f"MLClient failed: {ran.stderr[-1_000:]}")
    return ran.stdout
