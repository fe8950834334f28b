"""The contracts with what really runs: the backend of jobs and the backend of deployments.

Not here: the backends themselves (`runner/backend.py`, `serving/deployments.py`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

# Fills an empty folder with files; raises `FetchError`. Called in the backend's own thread, never under the world's lock.
type Fetch = Callable[[Path], None]
# Lives until a job made of jobs ends; ends soon when the event is set. Called in a thread of its own.
type Work = Callable[[threading.Event], None]


class FetchError(Exception):
    """Code or a model could not be fetched; the message is for the user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """What a job backend is asked to run. The `Run` is already in `world.runs` (NotStarted) under the same ids.

    Attributes:
        workspace_id: lower-cased ARM id.
        kind: `v1` (command is an argument list: script and arguments) or `command` (a shell command line).
        code: fills the working folder, or None.
        environment: what the user asked for (image, conda): to be validated and recorded.
        inputs, outputs: ARM's `inputs`/`outputs` of a command job.
        target: the compute's name, None for serverless.
        nodes: nodes that it occupies.
        ranks: of a distributed job: what `runner/scripts/ranks.py` gets.
        timeout_s: the job is cancelled after so long, as the spec of `limits.timeout` says.
    """

    workspace_id: str
    run_id: str
    experiment: str
    kind: str
    command: str | tuple[str, ...]
    code: Fetch | None = None
    environment: Mapping[str, Any] = field(default_factory=dict)
    environment_variables: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    target: str | None = None
    nodes: int = 1
    ranks: Mapping[str, Any] | None = None
    timeout_s: float | None = None


class JobsBackend(Protocol):
    """Runs jobs; writes their progress into `world.runs`. Its methods return at once."""

    def submit(self, job: JobRequest) -> None:
        """Take a job."""

    def conduct(self, workspace_id: str, run_id: str, work: Work) -> None:
        """Take a job made of jobs: `work` starts its children; the `Run` is in `world.runs` already."""

    def cancel(self, workspace_id: str, run_id: str) -> None:
        """End a job soon (its run says CancelRequested already): Canceled, unless it ended by itself before."""

    def forget(self, workspace_id: str) -> None:
        """The workspace is gone: end its jobs."""

    def stop(self) -> None:
        """End every process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentRequest:
    """What a serving backend is asked to serve.

    Attributes:
        deployment_id: ARM id of the online deployment.
        code: fills the code folder, None for a no-code deployment.
        scoring_script: path in the code folder.
        model: fills the model folder, or None.
        model_folder: the folder below AZUREML_MODEL_DIR's parent, as Azure lays it out (`name/version`).
    """

    deployment_id: str
    code: Fetch | None
    scoring_script: str
    model: Fetch | None
    model_folder: str = ""
    environment: Mapping[str, Any] = field(default_factory=dict)
    environment_variables: Mapping[str, str] = field(default_factory=dict)


class Serving(Protocol):
    """One deployment that is being started or served."""

    @property
    def state(self) -> str:
        """`starting`, `healthy` or `failed`; known without waiting."""

    @property
    def failure(self) -> str:
        """Why it failed, for the user; empty otherwise."""

    @property
    def url(self) -> str:
        """Base URL of the local server, e.g. `http://127.0.0.1:40123`; valid once healthy."""

    def logs(self, container: str, tail: int) -> str:
        """The last lines of `InferenceServer` or `StorageInitializer`."""

    def stop(self) -> None:
        """End it; returns at once."""


class ServingBackend(Protocol):
    """Starts deployments; `deploy` returns at once, the handle shows the rest."""

    def deploy(self, request: DeploymentRequest) -> Serving:
        """Begin to serve."""

    def stop(self) -> None:
        """End every process."""
