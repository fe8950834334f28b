"""The real parts that a soak disturbs: Azurite on disk, the local Azure, the app on its host; each is ended and started again.

Only processes that were started here are ended, and requests go to 127.0.0.1. Not here: when (chaos), what for (work).
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from infra.local import azurite, processes, stack
from infra.local.emulator import scene
from tests.functional.test_killed import _children

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

CALL_S = 60.0
STORAGE_END_S = 5.0  # it has saved by then, and waits for connections that clients keep
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Answer:
    """An answer of the app; status 0 for a connection that broke."""

    def __init__(self, status: int, body: Any, headers: Mapping[str, str]) -> None:
        self.status, self.body, self.headers = status, body, headers


class Ground:
    """The running parts."""

    def __init__(self, state: Path, workers: int, speed: float) -> None:
        options = stack.Options(state=state, workers=workers, transitions="time", speed=speed)
        self._options = replace(options, port=processes.choose_port(0))
        self._parts = contextlib.ExitStack()
        self._app_parts = contextlib.ExitStack()
        self._guard = threading.Lock()

    def __enter__(self) -> Self:
        """Start everything."""
        try:
            self.storage = self._launch()
            self.azure = self._parts.enter_context(stack.start_azure(self._options, self.storage))
            self.app = self._app_parts.enter_context(stack.start_app(self._options, self.storage, self.azure))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End everything."""
        self._app_parts.close()
        self._parts.close()
        self.storage.stop()

    def _launch(self, known: azurite.Azurite | None = None) -> azurite.Azurite:
        ports = {f"{name}_port": getattr(known, f"{name}_port") if known else 0 for name in ("blob", "queue", "table")}
        return azurite.launch(self._options.state / "storage", accounts=scene.AZURITE_ACCOUNTS, **ports)

    # What chaos does

    def workers(self) -> list[int]:
        """The worker processes of the host."""
        return _children(self.app.part.process.pid)

    def kill_workers(self, pids: list[int]) -> None:
        """SIGKILL some of the host's workers."""
        for pid in set(pids) & set(self.workers()):
            os.kill(pid, signal.SIGKILL)

    def kill_host(self) -> None:
        """SIGKILL the host, with its workers, and start it again."""
        pid, workers = self.app.part.process.pid, self.workers()
        os.kill(pid, signal.SIGKILL)
        self.app.part.process.wait()
        for worker in workers:  # they end with their host, or here
            with contextlib.suppress(ProcessLookupError):
                os.killpg(os.getpgid(worker), signal.SIGKILL) if os.getpgid(worker) == pid else os.kill(worker, signal.SIGKILL)
        self._app_parts.close()
        self.app = self._app_parts.enter_context(stack.start_app(self._options, self.storage, self.azure))

    def restart_storage(self) -> float:
        """SIGTERM Azurite, which saves, and start it again on its disk; returns for how long it was away."""
        began = time.monotonic()
        self.storage.process.send_signal(signal.SIGTERM)
        try:
            self.storage.process.wait(timeout=STORAGE_END_S)
        except subprocess.TimeoutExpired:
            self.storage.stop()
        self.storage = self._launch(self.storage)
        return time.monotonic() - began

    def freeze_storage(self, seconds: float) -> None:
        """Stop Azurite for a while: it takes connections, and says nothing."""
        self.storage.process.send_signal(signal.SIGSTOP)
        try:
            time.sleep(seconds)
        finally:
            self.storage.process.send_signal(signal.SIGCONT)

    # Calls

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Call the app once; a connection that breaks is an answer, too."""
        data, sent = body, {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None and not isinstance(body, bytes):
            data, sent = json.dumps(body).encode(), {"Content-Type": "application/json", **sent}
        url = f"{self.app.url}/api/{path.lstrip('/')}"
        request = urllib.request.Request(url, method=method, data=data, headers={"x-functions-key": self.app.key, **sent})
        try:
            with OPENER.open(request, timeout=CALL_S) as answer:
                return _answer(answer.status, answer.read(), answer.headers)
        except urllib.error.HTTPError as problem:
            return _answer(problem.code, _read(problem), problem.headers)
        except (OSError, urllib.error.URLError, ValueError):
            return Answer(0, {}, {})

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """Call the local Azure's control route."""
        request = urllib.request.Request(f"{self.azure.control}/_control/{path}", method=method)
        request.data = None if body is None else json.dumps(body).encode()
        with OPENER.open(request, timeout=CALL_S) as answer:
            return json.loads(answer.read())


def until(condition: Callable[[], Any], what: str, seconds: float) -> Any:
    """Ask every half second until something holds; return what it gave.

    Raises:
        TimeoutError: it did not.
    """
    end = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.5)
    return found


def _read(problem: urllib.error.HTTPError) -> bytes:
    try:
        return problem.read()
    except OSError:
        return b""


def _answer(status: int, content: bytes, headers: Mapping[str, str]) -> Answer:
    try:
        body = json.loads(content or b"{}")
    except ValueError:
        body = {"text": content.decode("utf-8", "replace")[:200]}
    return Answer(status, body, {name.lower(): value for name, value in headers.items()})
