"""The newest MLflow with Azure ML's plug-in, unchanged, outside a job: experiments, runs, files, models."""

import json
import os
from contextlib import suppress
from pathlib import Path

import mlflow
from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException

HOME = "/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.MachineLearningServices/workspaces/{WORKSPACE}"
mlflow.set_tracking_uri(f"azureml://{os.environ['LOCATION']}.api.azureml.ms/mlflow/v1.0{HOME.format(**os.environ)}")
client = mlflow.MlflowClient()
said = {}


class Doubles(mlflow.pyfunc.PythonModel):
    """A model."""

    def predict(self, context, model_input, params=None):
        """Twice the input."""
        return model_input * 2


# runs
experiment = mlflow.set_experiment("tracked")
said["again"] = mlflow.set_experiment("tracked").experiment_id == experiment.experiment_id
with mlflow.start_run(run_name="parent", tags={"stage": "dev"}) as parent:
    mlflow.log_params({"depth": 3, "rate": 0.1})
    for step, loss in enumerate([0.5, 0.25]):
        mlflow.log_metric("loss", loss, step=step)
    mlflow.log_metric("later", 1.0, synchronous=False).wait()
    with mlflow.start_run(run_name="child", nested=True) as child:
        mlflow.log_metric("loss", 0.75)
    mlflow.log_text("hello", "notes/hello.txt")
    mlflow.log_dict({"a": 1}, "notes/a.json")
    Path("folder/inner").mkdir(parents=True)
    Path("folder/inner/deep.txt").write_text("deep")
    mlflow.log_artifacts("folder", "folder")
found = mlflow.get_run(parent.info.run_id)
said["run"] = [found.info.status, found.data.metrics, found.data.params, found.data.tags["stage"], found.info.run_name]
said["history"] = [metric.value for metric in client.get_metric_history(parent.info.run_id, "loss")]
said["children"] = list(mlflow.search_runs(filter_string=f"tags.mlflow.parentRunId = '{parent.info.run_id}'")["run_id"]) == [
    child.info.run_id
]
said["filtered"] = len(mlflow.search_runs(filter_string="metrics.loss < 0.5 and params.depth = '3'"))
said["files"] = [one.path for one in client.list_artifacts(parent.info.run_id)]
said["text"] = mlflow.artifacts.load_text(f"{parent.info.artifact_uri}/notes/hello.txt")
got = Path(mlflow.artifacts.download_artifacts(artifact_uri=f"{parent.info.artifact_uri}/folder", dst_path="."))
said["downloaded"] = [path.name for path in got.rglob("*.txt")]

# a failed run, a deleted one, an archived experiment
with suppress(ZeroDivisionError), mlflow.start_run() as broken:
    1 / 0  # noqa: B018 - it fails
said["broken"] = mlflow.get_run(broken.info.run_id).info.status
client.delete_run(broken.info.run_id)
said["deleted"] = [
    run.info.run_id for run in client.search_runs([experiment.experiment_id], run_view_type=ViewType.DELETED_ONLY)
] == [broken.info.run_id]
client.restore_run(broken.info.run_id)
gone = mlflow.create_experiment("gone", tags={"why": "test"})
client.delete_experiment(gone)
said["experiments"] = [
    one.name for one in mlflow.search_experiments(filter_string="name ILIKE '%o%'", view_type=ViewType.DELETED_ONLY)
]

# models: some of MLflow 3 asks for what Azure ML does not have; what it saves itself is logged and registered
said["refused"] = {}


def refused(name, call):
    """What a call is refused with."""
    try:
        call()
    except MlflowException as refusal:
        said["refused"][name] = str(refusal)


refused("log_model", lambda: mlflow.pyfunc.log_model(name="model", python_model=Doubles(), pip_requirements=[]))
mlflow.end_run()
mlflow.pyfunc.save_model("saved", python_model=Doubles(), pip_requirements=[])
with mlflow.start_run() as run:
    mlflow.log_artifacts("saved", "model")
refused("register_model", lambda: mlflow.register_model(f"runs:/{run.info.run_id}/model", "doubles"))
refused("list_artifacts", lambda: client.list_artifacts(run.info.run_id, "model"))
refused("rename", lambda: client.rename_registered_model("doubles", "twice"))
of_run = client.create_model_version("doubles", f"{run.info.artifact_uri}/model", run.info.run_id, tags={"from": "run"})
of_folder = mlflow.register_model(f"file://{Path('saved').resolve()}", "doubles")
said["versions"] = [of_run.version, of_folder.version, of_run.run_id == run.info.run_id]
said["predicted"] = [int(mlflow.pyfunc.load_model(f"models:/doubles/{number}").predict(21)) for number in (1, 2)]
client.transition_model_version_stage("doubles", "2", "Production", archive_existing_versions=True)
said["production"] = [one.version for one in client.get_latest_versions("doubles", ["Production"])]
client.update_registered_model("doubles", description="twice")
client.set_registered_model_tag("doubles", "team", "us")
client.set_model_version_tag("doubles", "1", "checked", "yes")
client.delete_model_version_tag("doubles", "1", "from")
model = client.search_registered_models("name = 'doubles'")[0]
said["model"] = [model.description, model.tags, client.get_model_version("doubles", "1").tags]
client.delete_model_version("doubles", "1")
said["left"] = [one.version for one in client.search_model_versions("name = 'doubles'")]
Path(os.environ["ANSWER"]).write_text(json.dumps(said))
