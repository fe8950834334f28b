"""MLflow with Azure ML's plug-in, and the SDK v1: as Microsoft ships them, in environments of their own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(300)
SCRIPTS = Path(__file__).parent / "scripts"
type Run = Callable[..., dict[str, Any]]


@pytest.mark.nightly
def test_mlflow_tracks_from_outside_and_registers_models(run_command: Run, mlflow_python: Path, client_workspace: str) -> None:
    """What works in Azure works here; MLflow 3's `log_model` fails here as it does there."""
    said = run_command([str(mlflow_python), "-W", "ignore", str(SCRIPTS / "tracking.py")], WORKSPACE=client_workspace)
    assert said["again"]
    assert said["run"] == ["FINISHED", {"loss": 0.25, "later": 1.0}, {"depth": "3", "rate": "0.1"}, "dev", "parent"]
    assert said["history"] == [0.5, 0.25]
    assert said["children"]
    assert said["filtered"] == 1
    assert sorted(said["files"]) == ["folder", "notes"]
    assert (said["text"], said["downloaded"]) == ("hello", ["deep.txt"])
    assert (said["broken"], said["deleted"], said["experiments"]) == ("FAILED", True, ["gone"])
    assert {
        name: text.split(" ")[4] for name, text in said["refused"].items() if "error code 404 != 200. Response body: ''" in text
    } == {
        "log_model": "/api/2.0/mlflow/logged-models",
        "register_model": "/api/2.0/mlflow/logged-models/search",
        "list_artifacts": "/api/2.0/mlflow/logged-models/search",
        "rename": "/api/2.0/mlflow/registered-models/rename",
    }
    assert said["versions"] in ([1, 2, True], ["1", "2", True])
    assert said["predicted"] == [42, 42]
    assert [str(version) for version in said["production"]] == ["2"]
    assert said["model"] == ["twice", {"team": "us"}, {"checked": "yes"}]
    assert [str(version) for version in said["left"]] == ["2"]


def test_the_sdk_v1_takes_its_first_steps(run_command: Run, v1_python: Path, client_workspace: str) -> None:
    """Workspace, experiments, runs, models, datastores, compute targets and secrets."""
    said = run_command([str(v1_python), "-W", "ignore", str(SCRIPTS / "v1.py")], WORKSPACE=client_workspace)
    assert said["workspaces"]
    assert said["experiments"]
    assert said["run"] == ["Completed", {"stage": "dev"}, "1", ["outputs/up.txt"], ["Failed"]]
    assert said["error"] == "broken"
    assert said["children"] == ["Completed", "Completed", "Failed"]
    assert said["metrics"] == {"loss": 0.5, "many": [1, 2]}
    assert said["tagged"] == [True]
    assert said["model"] == [1, "model"]
    assert {"v1-model:1", "of-run:1"} <= set(said["models"])
    assert {"mine", "workspaceblobstore"} <= set(said["datastores"])
    assert {"cpu", "v1-cluster"} <= set(said["targets"])
    assert said["desk"] == "Running"
    assert said["sizes"]
    assert said["secret"] == ["value", [{"name": "key"}]]
