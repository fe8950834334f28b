"""Fixtures for the local host: a real Azurite and real host processes running the watching app of ``app/``."""

import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import ResourceExistsError
from azure.core.pipeline.transport import RequestsTransport
from azure.storage.queue import QueueClient

from infra.local import azurite

APP = Path(__file__).parent / "app"
PROJECT = Path(__file__).parents[3]
PATIENCE_S = 120.0


def eventually(condition: Callable[[], Any], what: str) -> Any:
    """Poll until the condition holds; its value."""
    deadline = time.monotonic() + PATIENCE_S
    while not (value := condition()):
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(0.01)
    return value


@dataclass
class Answer:
    """An HTTP answer with its header lines as they came."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)

    def header(self, name: str) -> list[str]:
        """The values of all lines of that name."""
        return [value for given, value in self.headers if given.lower() == name.lower()]


@dataclass
class RunningHost:
    """One host process and what the tests ask of it."""

    process: subprocess.Popen[str]
    directory: Path
    queue_name: str
    connection: str
    port: int
    said: list[str] = field(default_factory=list)

    @property
    def keys(self) -> dict[str, Any]:
        """The key file."""
        return json.loads((self.directory / "keys.json").read_text())

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """One request, its path untouched."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            lines = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, lines, encode_chunked="transfer-encoding" in lines)
            response = connection.getresponse()
            return Answer(response.status, response.getheaders(), response.read())
        finally:
            connection.close()

    def seen(self, function: str) -> list[dict[str, Any]]:
        """What a function of the app witnessed, in order."""
        file = self.directory / "witness"
        lines = file.read_text().splitlines() if file.exists() else []
        return [entry for line in lines if (entry := json.loads(line))["function"] == function]

    def log(self) -> str:
        """Standard error so far."""
        return (self.directory / "log").read_text()

    def queue(self, suffix: str = "") -> QueueClient:
        """The work queue, or its poison queue."""
        return QueueClient.from_connection_string(
            self.connection, self.queue_name + suffix, transport=RequestsTransport(use_env_settings=False)
        )

    def put(self, **order: Any) -> None:
        """Queue an order for the function ``work``, as another service would."""
        import base64

        with self.queue() as queue:
            queue.send_message(base64.b64encode(json.dumps(order).encode()).decode())

    def stop(self) -> int:
        """Ask it to stop; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.said += self.process.communicate(timeout=PATIENCE_S)[0].splitlines()
        return self.process.returncode


@pytest.fixture(scope="session")
def storage() -> Iterator[azurite.Azurite]:
    """Azurite in memory, for this folder's tests."""
    with azurite.start(None) as running:
        yield running


@dataclass
class Hosts:
    """Starts host processes and ends them all."""

    connection: str
    directory: Path
    started: list[RunningHost] = field(default_factory=list)
    makes_queue: bool = True

    def launch(self, *arguments: str, root: Path = APP, directory: Path | None = None, **app_settings: str | None) -> RunningHost:
        """Start a host without waiting for it; a setting of ``None`` is left out."""
        directory = directory or self.directory / uuid.uuid4().hex
        directory.mkdir(exist_ok=True)
        values = {
            "AzureWebJobsStorage": self.connection,
            "WORK_QUEUE": f"work-{uuid.uuid4().hex[:12]}",
            "TICK": "0 0 0 1 1 *",
            "WITNESS": str(directory / "witness"),
            "PYTHON_THREADPOOL_THREAD_COUNT": "32",
        } | app_settings
        settings = directory / "local.settings.json"
        settings.write_text(json.dumps({"IsEncrypted": False, "Values": {k: v for k, v in values.items() if v is not None}}))
        command = [sys.executable, "-m", "infra.local.host", "--root", str(root), "--settings", str(settings)]
        command += ["--keys", str(directory / "keys.json"), *(arguments if "--port" in arguments else ("--port", "0", *arguments))]
        with (directory / "log").open("w") as log:
            process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=log, text=True)
        host = RunningHost(process, directory, str(values["WORK_QUEUE"]), self.connection, 0)
        if self.makes_queue and values["WORK_QUEUE"]:  # the host makes none: Microsoft's own does not
            with host.queue() as queue, contextlib.suppress(ResourceExistsError):
                queue.create_queue()
        self.started.append(host)
        return host

    def start(self, *arguments: str, **options: Any) -> RunningHost:
        """Start a host and wait for its READY line."""
        host = self.launch(*arguments, **options)
        assert host.process.stdout is not None
        for line in host.process.stdout:
            host.said.append(line.rstrip())
            if line.startswith("READY "):
                host.port = int(line.rsplit(":", 1)[1])
                return host
        raise AssertionError(f"the host did not start: {host.said} {host.log()}")

    def end(self) -> None:
        """Kill whatever still runs."""
        for host in self.started:
            if host.process.poll() is None:
                host.process.kill()
            host.process.communicate()


@pytest.fixture
def hosts(storage: azurite.Azurite, tmp_path: Path) -> Iterator[Hosts]:
    """Starts hosts for one test."""
    started = Hosts(storage.connection_string(), tmp_path)
    yield started
    started.end()


@pytest.fixture
def changed_app(tmp_path: Path) -> Callable[..., Path]:
    """``changed_app(**sections)``: a copy of the app whose host.json is changed at its top level."""

    def change(**sections: Any) -> Path:
        root = tmp_path / "changed"
        shutil.copytree(APP, root, ignore=shutil.ignore_patterns("__pycache__"))
        document = json.loads((APP / "host.json").read_text()) | sections
        (root / "host.json").write_text(json.dumps(document))
        return root

    return change


@pytest.fixture(scope="module")
def host(storage: azurite.Azurite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHost]:
    """One host for all tests of a module."""
    started = Hosts(storage.connection_string(), tmp_path_factory.mktemp("host"))
    yield started.start()
    started.end()


@pytest.fixture(name="eventually")
def eventually_fixture() -> Callable[[Callable[[], Any], str], Any]:
    """``eventually(condition, what)``: polls with a deadline."""
    return eventually


@pytest.fixture
def alive() -> Callable[[int], bool]:
    """Whether a process is there and not a zombie."""

    def is_alive(pid: int) -> bool:
        try:
            os.kill(pid, 0)
            return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
        except (ProcessLookupError, FileNotFoundError):
            return False

    return is_alive
