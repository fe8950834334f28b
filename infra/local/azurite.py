"""Starts and stops Azurite, Microsoft's storage emulator: real queues, tables and blobs on this machine.

It is not an installer (``bootstrap.py`` is) and knows nothing of the app or of the local Azure.
"""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

HERE = Path(__file__).parent
PRELOADED = (HERE / "end_with_parent.cjs", HERE / "azurite_lookups.cjs")
PROGRAM = HERE / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"
DEV_ACCOUNT = "devstoreaccount1"
# Published by Microsoft for every emulator: https://learn.microsoft.com/azure/storage/common/storage-use-azurite
DEV_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
START_LIMIT_S = 120.0
_LISTENING = re.compile(r"Azurite (Blob|Queue|Table) service is successfully listening at http://127\.0\.0\.1:(\d+)")


class AzuriteError(Exception):
    """Azurite is not installed, or did not start; the message says which and shows its last words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Azurite:
    """A running Azurite: where it listens and whose accounts it holds.

    Attributes:
        blob_port: TCP port of the blob service on 127.0.0.1.
        queue_port: TCP port of the queue service.
        table_port: TCP port of the table service.
        accounts: Account name to base64 key (or ``key1:key2``); ``devstoreaccount1`` is always among them.
        process: The Node process.
    """

    blob_port: int
    queue_port: int
    table_port: int
    accounts: Mapping[str, str]
    process: subprocess.Popen[bytes]

    def connection_string(self, account: str = DEV_ACCOUNT) -> str:
        """A connection string for ``account``, as the storage SDKs take it.

        Raises:
            KeyError: The account was not named at the start.
        """
        return ";".join(
            (
                "DefaultEndpointsProtocol=http",
                f"AccountName={account}",
                f"AccountKey={self.accounts[account].split(':')[0]}",
                f"BlobEndpoint=http://127.0.0.1:{self.blob_port}/{account}",
                f"QueueEndpoint=http://127.0.0.1:{self.queue_port}/{account}",
                f"TableEndpoint=http://127.0.0.1:{self.table_port}/{account}",
            )
        )

    def check(self) -> None:
        """Raise when Azurite has ended.

        Raises:
            AzuriteError: It has.
        """
        if self.process.poll() is not None:
            raise AzuriteError(f"Azurite ended by itself (exit code {self.process.returncode})")

    def stop(self) -> None:
        """End Azurite and wait for it; a second call does nothing. What it held on disk is saved first."""
        if self.process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def launch(
    directory: Path | None,
    *,
    blob_port: int = 0,
    queue_port: int = 0,
    table_port: int = 0,
    accounts: Mapping[str, str] | None = None,
) -> Azurite:
    """Start Azurite and return once all three services answer; the caller must ``stop()`` it.

    It also ends when this process ends, however that comes about.

    Args:
        directory: Where it keeps its data and ``azurite.log``; ``None`` keeps everything in memory.
        blob_port: TCP port of the blob service; 0 takes a free one. Likewise the other two.
        queue_port: See ``blob_port``.
        table_port: See ``blob_port``.
        accounts: Account name to base64 key, or ``key1:key2``, besides ``devstoreaccount1``.

    Raises:
        AzuriteError: Not installed, a port is taken, or it did not come up within two minutes.
    """
    named = {DEV_ACCOUNT: DEV_KEY, **(accounts or {})}
    where = ["--inMemoryPersistence"] if directory is None else ["--location", str(directory)]
    if directory is not None:
        directory.mkdir(parents=True, exist_ok=True)
    command = [
        *(_node(), *(f"--require={each}" for each in PRELOADED), str(PROGRAM), *where, "--silent"),
        *("--skipApiVersionCheck", "--disableTelemetry"),
        *("--blobPort", str(blob_port), "--queuePort", str(queue_port), "--tablePort", str(table_port)),
    ]
    environment = os.environ | {"AZURITE_ACCOUNTS": ";".join(f"{name}:{key}" for name, key in named.items())}
    with _log(directory) as log:
        process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True)
        try:
            ports = _wait_for_ports(process, log)
        except BaseException:
            process.kill()
            process.communicate()
            raise
    return Azurite(
        blob_port=ports["Blob"],
        queue_port=ports["Queue"],
        table_port=ports["Table"],
        accounts=named,
        process=process,
    )


@contextlib.contextmanager
def start(
    directory: Path | None,
    *,
    blob_port: int = 0,
    queue_port: int = 0,
    table_port: int = 0,
    accounts: Mapping[str, str] | None = None,
) -> Iterator[Azurite]:
    """``launch`` for a ``with`` block: stopped at its end."""
    running = launch(directory, blob_port=blob_port, queue_port=queue_port, table_port=table_port, accounts=accounts)
    try:
        yield running
    finally:
        running.stop()


def search_path() -> str:
    """Where Node and npm are looked for: beside this Python first (bootstrap put them there because it had to)."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])


def _node() -> str:
    program = shutil.which("node", path=search_path())
    if program is None:
        raise AzuriteError("Node 20 or newer is not installed; `make demo` fetches it")
    if not PROGRAM.exists():
        raise AzuriteError(f"Azurite is not installed in {PROGRAM.parents[3]}; `make demo` installs it")
    return program


def _log(directory: Path | None) -> IO[bytes]:
    return tempfile.TemporaryFile() if directory is None else (directory / "azurite.log").open("w+b")


def _wait_for_ports(process: subprocess.Popen[bytes], log: IO[bytes]) -> dict[str, int]:
    deadline = time.monotonic() + START_LIMIT_S
    while True:
        said = os.pread(log.fileno(), 1 << 16, 0).decode(errors="replace")
        ports = {name: int(port) for name, port in _LISTENING.findall(said)}
        if len(ports) == 3:
            return ports
        if process.poll() is not None or time.monotonic() > deadline:
            raise AzuriteError(f"Azurite did not start: {said.strip()[-600:] or 'it said nothing'}")
        time.sleep(0.02)
