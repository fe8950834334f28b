"""The serving backend: each online deployment is Microsoft's inference server with the user's own score.py and model.

An MLflow model alone is served by a script of ours (`mlflow_score.py`).

Not here: the HTTP of the scoring hosts (`scoring.py`), and what a deployment is in ARM.
"""

from __future__ import annotations

import http.client
import logging
import os
import shutil
import threading
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from infra.local.emulator.backends import FetchError
from infra.local.emulator.runner import environments, prepared, processes
from infra.local.emulator.runner.prepared import already

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from infra.local.emulator.backends import DeploymentRequest
    from infra.local.emulator.world import World

SERVER = Path(__file__).with_name("server.py")
NO_CODE_SCRIPT = Path(__file__).with_name("mlflow_score.py")
START_LIMIT_S = 120.0
GRACE_S = 3.0
_LOOK_S = 0.05
_STOP_S = 3.0
_FROM_THIS_PROCESS = ("LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH")
_LOG = logging.getLogger("emulator.serving")


class Deployment:
    """One deployment that is being started or served; see `world.Serving`. Thread-safe.

    Args:
        request: what to serve.
        folder: its own; removed when it is stopped.
        python: the interpreter of the prepared environment.
        environment: installs that of `python`, when it is first needed.
        extra: environment variables for every deployment.
    """

    def __init__(
        self, request: DeploymentRequest, *, folder: Path, python: Path, environment: Callable[[], None], extra: Mapping[str, str]
    ) -> None:
        self._request = request
        self._folder = folder
        self._python = python
        self._environment = environment
        self._extra = dict(extra)
        self._ending = threading.Event()
        self._port = 0
        self._failure = ""
        self._state = "starting"
        self.thread = threading.Thread(target=self._live, name=f"deployment {request.deployment_id}", daemon=True)
        self.thread.start()

    @property
    def state(self) -> str:
        """`starting`, `healthy` or `failed`."""
        return self._state

    @property
    def failure(self) -> str:
        """Why it failed, for the user; empty otherwise."""
        return self._failure

    @property
    def url(self) -> str:
        """Base URL of the local server; valid once healthy."""
        return f"http://127.0.0.1:{self._port}"

    def logs(self, container: str, tail: int) -> str:
        """The last lines of `InferenceServer` or `StorageInitializer`; empty for any other container."""
        try:
            lines = (self._folder / f"{container}.log").read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return ""
        return "\n".join(lines[-tail:]) if tail > 0 else ""

    def stop(self) -> None:
        """End it; returns at once."""
        self._ending.set()

    # ── in its own thread ────────────────────────────────────────────────────────────────────────────────────────────
    def _live(self) -> None:
        try:
            self._serve()
        except (FetchError, prepared.NotPreparedError, environments.BadEnvironmentError) as mistake:
            self._say("StorageInitializer", str(mistake))
            self._fail(f"{mistake} See the log of the container StorageInitializer (getLogs).")
        except Exception as bug:  # noqa: BLE001 - a deployment must not stay in `starting` because of a mistake of ours
            _LOG.exception("deployment %s", self._request.deployment_id)
            self._fail(f"{type(bug).__name__}: {bug}")
        self._ending.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _fail(self, why: str) -> None:
        if not self._ending.is_set():
            self._failure, self._state = why, "failed"

    def _say(self, container: str, *lines: str) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / f"{container}.log").open("a", encoding="utf-8") as log:
            log.writelines(f"{line}\n" for line in lines)

    def _serve(self) -> None:
        self._say("InferenceServer", *environments.lines(self._request.environment), "")
        self._environment()
        script = self._prepare()
        if self._ending.is_set() or script is None:
            return
        port_file = self._folder / "port"
        running = processes.launch(
            [str(self._python), str(SERVER), str(port_file), str(script)],
            folder=script.parent,
            environment=self._variables(script),
            log=self._folder / "InferenceServer.log",
            grace_s=GRACE_S,
        )
        try:
            self._watch(running, port_file)
        finally:
            running.end()
            running.wait(GRACE_S + 1)

    def _prepare(self) -> Path | None:
        """Fill the code and model folders; the scoring script, or None after a failure."""
        code, model = self._folder / "code", self._model_folder()
        code.mkdir(parents=True)
        model.mkdir(parents=True)
        if self._request.model is not None:
            self._say("StorageInitializer", f"Downloading the model to {self._request.model_folder or 'the model folder'}")
            self._request.model(model)
        if self._request.code is not None:
            self._say("StorageInitializer", "Downloading the code")
            self._request.code(code)
        self._say("StorageInitializer", "Done")
        if not self._request.scoring_script:
            return self._no_code(code, model)
        script = (code / self._request.scoring_script).resolve()
        if not script.is_relative_to(code.resolve()) or not script.is_file():
            self._fail(f"The scoring script {self._request.scoring_script!r} is not in the deployment's code.")
            return None
        return script

    def _no_code(self, code: Path, model: Path) -> Path | None:
        """The scoring script for an MLflow model that comes alone."""
        if next(model.rglob("MLmodel"), None) is None:
            self._fail("A deployment without a scoring script needs an MLflow model: its folder holds no file named MLmodel.")
            return None
        self._say("InferenceServer", "No scoring script: the MLflow model is served as its MLmodel file says.", "")
        return Path(shutil.copyfile(NO_CODE_SCRIPT, code / "score.py")).resolve()

    def _model_folder(self) -> Path:
        root = self._folder / "azureml-models"
        folder = (root / self._request.model_folder).resolve()
        return folder if folder.is_relative_to(root.resolve()) else root

    def _variables(self, script: Path) -> dict[str, str]:
        return {
            **{name: os.environ[name] for name in _FROM_THIS_PROCESS if name in os.environ},
            "PATH": os.pathsep.join([str(self._python.parent), os.environ.get("PATH", os.defpath)]),
            "HOME": str(self._folder),
            "PYTHONUNBUFFERED": "1",
            "GUNICORN_CMD_ARGS": "--no-control-socket",
            **self._extra,
            "AML_APP_ROOT": str(script.parent),
            "AZUREML_APP_ROOT": str(script.parent),
            "AZUREML_ENTRY_SCRIPT": script.name,
            "AZUREML_MODEL_DIR": str(self._model_folder()),
            "SERVICE_NAME": self._request.deployment_id.rpartition("/")[2],
            **{str(name): str(value) for name, value in self._request.environment_variables.items()},
        }

    def _watch(self, running: processes.Leashed, port_file: Path) -> None:
        """Wait until it answers, then until it dies or is stopped."""
        deadline = time.monotonic() + START_LIMIT_S
        while not self._ending.is_set():
            code = running.wait(_LOOK_S if self._state == "starting" else _LOOK_S * 10)
            if code is not None:
                self._fail(self._crashed(code))
                return
            if self._state == "starting" and self._answers(port_file):
                self._state = "healthy"
            elif self._state == "starting" and time.monotonic() > deadline:
                self._fail(f"The server did not become ready within {START_LIMIT_S:g} seconds. {self._last_words()}")
                return

    def _crashed(self, code: int) -> str:
        return f"User container has crashed or terminated (exit code {code}). {self._last_words()}"

    def _last_words(self) -> str:
        lines = [line for line in self.logs("InferenceServer", 400).splitlines() if line.strip()]
        told = [line for line in lines if line[:1].isalpha() and ("Error" in line or "Exception" in line) and ": " in line]
        own = [line for line in told if not line.startswith("azureml_inference_server_http.")]
        last = f" It said: {own[-1][:300]}" if own else ""
        return f"See the log of the container InferenceServer (getLogs).{last}"

    def _answers(self, port_file: Path) -> bool:
        if not self._port:
            text = port_file.read_text(encoding="ascii") if port_file.exists() else ""
            if not text:
                return False
            self._port = int(text)
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=1.0)
        try:
            connection.request("GET", "/")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


class ProcessServing:
    """Starts deployments as processes; see `backends.ServingBackend`.

    Args:
        world: the state.
        python: the interpreter of the prepared environment.
        prepare: installs the environment when it is first needed.
        extra: more environment variables for deployments, asked for when one starts.
    """

    def __init__(
        self, world: World, python: Path, *, prepare: Callable[[], None] = already, extra: Callable[[], Mapping[str, str]] = dict
    ) -> None:
        self._world = world
        self._python = python
        self._prepare = prepare
        self._extra = extra
        self._lock = threading.Lock()
        self._all: list[Deployment] = []

    def deploy(self, request: DeploymentRequest) -> Deployment:
        """Begin to serve; the handle shows the rest."""
        folder = self._world.workdir / "deployments" / uuid.uuid4().hex
        made = Deployment(request, folder=folder, python=self._python, environment=self._prepare, extra=self._extra())
        with self._lock:
            self._all = [deployment for deployment in self._all if deployment.thread.is_alive()] + [made]
        return made

    def stop(self) -> None:
        """End every process; waits for them, but not for long (each would end with this process anyway)."""
        with self._lock:
            found = list(self._all)
        for deployment in found:
            deployment.stop()
        for deployment in found:
            deployment.thread.join(_STOP_S)
