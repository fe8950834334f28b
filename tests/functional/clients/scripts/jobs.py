"""MLClient runs a command job on an uploaded data asset, a sweep and a pipeline, streaming each to its end."""

import json
import os
from pathlib import Path

from azure.ai.ml import Input, MLClient, Output, command, dsl, load_component
from azure.ai.ml.entities import Data
from azure.ai.ml.sweep import Choice
from azure.identity import DefaultAzureCredential

client = MLClient(DefaultAzureCredential(), os.environ["SUBSCRIPTION"], os.environ["GROUP"], os.environ["WORKSPACE"])
code = Path("code")
code.mkdir()
(code / "train.py").write_text(Path(__file__).with_name("train.py").read_text())
Path("rows.csv").write_text("a,b")
data = client.data.create_or_update(Data(name="rows", path="rows.csv", type="uri_file"))

base = command(
    code="code",
    command="python train.py --rate ${{inputs.rate}} --data ${{inputs.rows}} --model ${{outputs.model}}",
    inputs={"rate": 0.2, "rows": Input(type="uri_file", path=f"azureml:rows:{data.version}")},
    outputs={"model": Output(type="custom_model")},
    environment="env@latest",
    compute="cpu",
)
job = client.jobs.create_or_update(base)
client.jobs.stream(job.name)
client.jobs.download(job.name, download_path="made", output_name="model")

trial = base(rate=Choice([0.1, 0.3, 0.5]))
sweep = trial.sweep(sampling_algorithm="grid", primary_metric="accuracy", goal="Maximize", compute="cpu")
sweep.set_limits(max_total_trials=3, max_concurrent_trials=2)
swept = client.jobs.create_or_update(sweep)
client.jobs.stream(swept.name)
swept = client.jobs.get(swept.name)
trials = {child.name: child.status for child in client.jobs.list(parent_job_name=swept.name)}

Path("step.yml").write_text(
    """
$schema: https://azuremlschemas.azureedge.net/latest/commandComponent.schema.json
type: command
name: train_step
version: 1
inputs:
  rate: {type: number, default: 0.1}
  data: {type: uri_folder, optional: true}
outputs:
  model: {type: uri_folder}
code: code
environment: azureml:env@latest
command: python train.py --rate ${{inputs.rate}} $[[--data ${{inputs.data}}]] --model ${{outputs.model}}
"""
)
step = load_component(source="step.yml")


@dsl.pipeline(default_compute="cpu")
def two_steps(rate: float) -> dict[str, Output]:
    """The second step reads what the first wrote."""
    first = step(rate=rate)
    second = step(rate=0.5, data=first.outputs.model)
    return {"final": second.outputs.model}


pipeline = client.jobs.create_or_update(two_steps(rate=0.25), experiment_name="two")
client.jobs.stream(pipeline.name)
steps = list(client.jobs.list(parent_job_name=pipeline.name))
client.jobs.download(pipeline.name, download_path="got", output_name="final")
second = next(child for child in steps if child.display_name == "second")
client.jobs.download(second.name, download_path="log", all=True)

Path(os.environ["ANSWER"]).write_text(
    json.dumps(
        {
            "job": client.jobs.get(job.name).status,
            "made": [path.read_text() for path in Path("made").rglob("model.txt")],
            "sweep": swept.status,
            "best": swept.properties["best_child_run_id"],
            "score": swept.properties["score"],
            "trials": trials,
            "pipeline": client.jobs.get(pipeline.name).status,
            "steps": sorted((child.display_name, child.status) for child in steps),
            "final": [path.read_text() for path in Path("got").rglob("model.txt")],
            "log": [path.read_text() for path in Path("log").rglob("std_log.txt")],
        }
    )
)
