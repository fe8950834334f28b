"""The recipes that come with the app, run as they are, on real parts; and taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from infra.local.demo.client import Steward
from infra.local.emulator import scene

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.local import stack

KINDS = {
    "st": "Microsoft.Storage/storageAccounts",
    "kv": "Microsoft.KeyVault/vaults",
    "in": "Microsoft.Insights/components",
    "cr": "Microsoft.ContainerRegistry/registries",
}
TRAIN = """python - <<'E'
import mlflow, mlflow.pyfunc, pathlib
class Twice(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return model_input * 2
pathlib.Path("outputs").mkdir(exist_ok=True)
mlflow.pyfunc.save_model("outputs/model", python_model=Twice())
E"""


@pytest.fixture
def steward(app: stack.App) -> Iterator[Steward]:
    """A caller of the app."""
    caller = Steward(app.url, app.key, app.master_key)
    yield caller
    caller.close()


def cooked(steward: Steward, path: str, body: Any = None, status: str = "Succeeded") -> dict[str, Any]:
    """Start a run and follow it to its end, as any operation."""
    run = steward.follow(steward.send("POST", path, json=body, expect=202)).operation
    assert run["status"] == status, run
    return run


def there(steward: Steward, name: str, suffix: str) -> list[str]:
    """Which of the resources of a recipe's workspace exist."""
    paths = {kind: f"providers/{kind}/{name}{short}{suffix}" for short, kind in KINDS.items()} | {"workspace": f"workspaces/{name}"}
    return sorted(kind for kind, path in paths.items() if steward.send("GET", path, expect=(200, 404)).status_code == 200)


def test_a_workspace_with_everything_is_made_torn_down_and_taken_back(steward: Steward) -> None:
    """One body, one request, four dependencies; gone again with one request, in either way; nothing of another's."""
    before = steward.get("providers/Microsoft.Storage/storageAccounts")["value"]
    body = {"parameters": {"name": "mlcook", "location": scene.LOCATION}}
    dry = steward.send("POST", "recipes/workspace-with-everything?dryRun=true", json=body).json()
    assert (dry["status"], dry["problems"]) == ("ok", [])
    made = cooked(steward, "recipes/workspace-with-everything", body)
    ids = {step["name"]: step.get("made", "") for step in made["properties"]["steps"]}
    suffix = ids["storage"].rpartition("mlcookst")[2]
    everything = sorted([*KINDS.values(), "workspace"])
    assert there(steward, "mlcook", suffix) == everything
    again = cooked(steward, "recipes/workspace-with-everything", body)
    assert not any("made" in step for step in again["properties"]["steps"])
    cooked(steward, "recipes/teardown", {"parameters": {"name": "mlcook"}})
    assert there(steward, "mlcook", suffix) == []
    body["parameters"] |= {"name": "mlcooktwo", "team": "churn", "budget": "500", "size": "Standard_DS2_v2"}
    made = cooked(steward, "recipes/team-sandbox", body)
    expiries = steward.get("expiries?below=workspaces/mlcooktwo")["value"]
    assert [each["target"].rpartition("/")[2] for each in expiries] == ["team"]
    undone = cooked(steward, f"recipes/runs/{made['name']}/undo")
    outcome = {step["name"]: (step["status"], step.get("reason", "")) for step in undone["properties"]["steps"]}
    assert set(outcome.values()) == {("Succeeded", "")}, outcome
    assert steward.get("providers/Microsoft.Storage/storageAccounts")["value"] == before


@pytest.mark.nightly
def test_a_model_is_trained_registered_and_served(steward: Steward) -> None:
    """In a workspace with what it needs; the job's model answers at the new endpoint, which `undo` takes away again."""
    home = "workspaces/ml-recipes"
    head = {"location": scene.LOCATION, "identity": {"type": "SystemAssigned"}}
    needs = {"storageAccount": scene.STORAGE_ID, "keyVault": scene.KEY_VAULT_ID, "applicationInsights": scene.INSIGHTS_ID}
    steward.done("PUT", home, json={**head, "properties": needs})
    image = {"image": "mcr.microsoft.com/azureml/minimal-ubuntu22.04-py39-cpu-inference:latest", "osType": "Linux"}
    environment = steward.done("PUT", f"{home}/environments/training/versions/1", json={"properties": image})["id"]
    inner = {"vmSize": "Standard_D1", "vmPriority": "Dedicated", "scaleSettings": {"minNodeCount": 0, "maxNodeCount": 1}}
    cluster = {"location": scene.LOCATION, "properties": {"computeType": "AmlCompute", "properties": inner}}
    steward.done("PUT", f"{home}/computes/cpu", json=cluster)
    values = {"workspace": "ml-recipes", "model": "twice", "endpoint": "twice-rec", "command": TRAIN, "compute": "cpu"}
    values |= {"environment": environment, "location": scene.LOCATION, "size": "Standard_DS2_v2"}
    run = cooked(steward, "recipes/train-register-deploy", {"parameters": values})
    found = steward.get(f"{home}/onlineEndpoints/twice-rec")
    assert found["properties"]["traffic"] == {"blue": 100}
    asked = {"input_data": {"columns": ["x"], "index": [0], "data": [[21]]}}
    scored = steward.send("POST", f"{home}/onlineEndpoints/twice-rec/score", json=asked).json()
    assert "42" in str(scored)
    cooked(steward, "recipes/train-register-deploy", {"parameters": values}, status="Failed")  # the endpoint's name is taken
    undone = cooked(steward, f"recipes/runs/{run['name']}/undo")
    outcome = {step["name"]: step["status"] for step in undone["properties"]["steps"]}
    assert outcome["endpoint"] == "Succeeded", undone
    steward.send("GET", f"{home}/onlineEndpoints/twice-rec", expect=404)
