"""MLClient deploys a local model to an online endpoint and calls it, with a mirror behind it; then scores a folder as a batch.

A second deployment of the batch endpoint is a pipeline component, whose invocation is a pipeline job.
"""

import json
import os
import time
from pathlib import Path

from azure.ai.ml import Input, MLClient, load_component
from azure.ai.ml.entities import (
    BatchEndpoint,
    CodeConfiguration,
    ManagedOnlineDeployment,
    ManagedOnlineEndpoint,
    Model,
    ModelBatchDeployment,
    ModelBatchDeploymentSettings,
    PipelineComponentBatchDeployment,
)
from azure.identity import DefaultAzureCredential

client = MLClient(DefaultAzureCredential(), os.environ["SUBSCRIPTION"], os.environ["GROUP"], os.environ["WORKSPACE"])
NAME = os.environ["WORKSPACE"]
for folder in ("model", "score", "rows"):
    Path(folder).mkdir()
Path("model/factor.txt").write_text("2")
Path("rows/a.txt").write_text("21")
Path("score/score.py").write_text(
    """
import json, os
from pathlib import Path

def init():
    global factor
    factor = int(next(Path(os.environ["AZUREML_MODEL_DIR"]).rglob("factor.txt")).read_text())

def run(given):
    numbers = json.loads(given)["data"] if isinstance(given, str) else [int(Path(one).read_text()) for one in given]
    return [factor * number for number in numbers]
"""
)
Path("ask.json").write_text('{"data": [1, 2]}')
model = client.models.create_or_update(Model(name="doubler", path="model", type="custom_model"))
code = CodeConfiguration(code="score", scoring_script="score.py")
reference, environment = f"azureml:doubler:{model.version}", "env@latest"

online = f"on-{NAME}"
endpoint = client.online_endpoints.begin_create_or_update(ManagedOnlineEndpoint(name=online, auth_mode="key")).result()
deployments = [
    ManagedOnlineDeployment(
        name=name,
        endpoint_name=online,
        model=reference,
        code_configuration=code,
        environment=environment,
        instance_type="Standard_DS3_v2",
        instance_count=1,
    )
    for name in ("blue", "green")
]
for poller in [client.online_deployments.begin_create_or_update(one) for one in deployments]:
    poller.result()
endpoint.traffic, endpoint.mirror_traffic = {"blue": 100}, {"green": 50}
client.online_endpoints.begin_create_or_update(endpoint).result()
scored = client.online_endpoints.invoke(online, request_file="ask.json")
mirrored = ""
deadline = time.monotonic() + 120  # every other request is sent to the mirror too, by chance
while "POST /score 200" not in mirrored and time.monotonic() < deadline:
    client.online_endpoints.invoke(online, request_file="ask.json")
    mirrored = client.online_deployments.get_logs("green", online, lines=50)
keys = client.online_endpoints.get_keys(online)
logs = client.online_deployments.get_logs("blue", online, lines=50)

batch = f"ba-{NAME}"
client.batch_endpoints.begin_create_or_update(BatchEndpoint(name=batch)).result()
settings = ModelBatchDeploymentSettings(
    mini_batch_size=1, instance_count=1, max_concurrency_per_instance=1, output_action="append_row", output_file_name="rows.csv"
)
nightly = ModelBatchDeployment(
    name="nightly",
    endpoint_name=batch,
    model=reference,
    code_configuration=code,
    environment=environment,
    compute="cpu",
    settings=settings,
)
client.batch_deployments.begin_create_or_update(nightly).result()
found = client.batch_endpoints.get(batch)
found.defaults.deployment_name = "nightly"
client.batch_endpoints.begin_create_or_update(found).result()
job = client.batch_endpoints.invoke(endpoint_name=batch, input=Input(type="uri_folder", path="rows"))
client.jobs.stream(job.name)
client.jobs.download(job.name, download_path="got", output_name="score")
listed = [one.name for one in client.batch_endpoints.list_jobs(endpoint_name=batch)]

Path("whole.yml").write_text(
    """
type: pipeline
name: whole
version: "1"
inputs:
  rows: {type: uri_folder}
outputs:
  sum: {type: uri_folder}
jobs:
  add:
    type: command
    command: cat ${{inputs.rows}}/* > ${{outputs.sum}}/all.txt
    environment: azureml:env@latest
    inputs: {rows: "${{parent.inputs.rows}}"}
    outputs: {sum: "${{parent.outputs.sum}}"}
"""
)
component = client.components.create_or_update(load_component(source="whole.yml"))
piped = PipelineComponentBatchDeployment(
    name="piped", endpoint_name=batch, component=component, settings={"default_compute": "cpu"}
)
client.batch_deployments.begin_create_or_update(piped).result()
rows = {"rows": Input(type="uri_folder", path="rows")}
whole = client.batch_endpoints.invoke(endpoint_name=batch, deployment_name="piped", inputs=rows)
client.jobs.stream(whole.name)
client.jobs.download(whole.name, download_path="summed", output_name="sum")
client.online_endpoints.begin_delete(online).result()
client.batch_endpoints.begin_delete(batch).result()
Path(os.environ["ANSWER"]).write_text(
    json.dumps(
        {
            "scored": scored,
            "key": bool(keys.primary_key),
            "logs": logs,
            "mirrored": "POST /score 200" in mirrored,
            "summed": [path.read_text() for path in Path("summed").rglob("all.txt")],
            "batch": [path.read_text() for path in Path("got").rglob("rows.csv")],
            "listed": listed == [job.name],
            "left": [one.name for one in client.online_endpoints.list()],
        }
    )
)
