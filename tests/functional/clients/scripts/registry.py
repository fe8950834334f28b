"""MLClient makes a registry, shares a workspace's model to it, and runs a component of it; schedules and connections too."""

import json
import os
from pathlib import Path

from azure.ai.ml import MLClient, dsl, load_component
from azure.ai.ml.entities import (
    CronTrigger,
    Environment,
    JobSchedule,
    Model,
    PatTokenConfiguration,
    RecurrencePattern,
    RecurrenceTrigger,
    Registry,
    RegistryRegionDetails,
    WorkspaceConnection,
)
from azure.identity import DefaultAzureCredential

credential = DefaultAzureCredential()
client = MLClient(credential, os.environ["SUBSCRIPTION"], os.environ["GROUP"], os.environ["WORKSPACE"])
NAME = f"reg{os.environ['WORKSPACE']}"
regions = [RegistryRegionDetails(location=os.environ["LOCATION"])]
client.registries.begin_create(Registry(name=NAME, location=os.environ["LOCATION"], replication_locations=regions)).result()
Path("model").mkdir()
Path("model/m.txt").write_text("m")
model = client.models.create_or_update(Model(name="shared", path="model", type="custom_model"))
shared = client.models.share(
    name="shared", version=model.version, registry_name=NAME, share_with_name="shared", share_with_version="1"
)

registry = MLClient(credential, os.environ["SUBSCRIPTION"], os.environ["GROUP"], registry_name=NAME)
registry.models.download("shared", version="1", download_path="got")
registry.environments.create_or_update(Environment(name="env", version="1", image="ubuntu:22.04"))
Path("code").mkdir()
Path("code/hello.py").write_text("print('hello from the registry')")
Path("step.yml").write_text(
    f"""
type: command
name: hello
version: "1"
code: code
environment: azureml://registries/{NAME}/environments/env/versions/1
command: python hello.py
"""
)
registry.components.create_or_update(load_component(source="step.yml"))
step = registry.components.get("hello", version="1")


@dsl.pipeline(default_compute="cpu")
def one_step() -> None:
    """The registry's component, in a workspace's pipeline."""
    step()


pipeline = client.jobs.create_or_update(one_step())
client.jobs.stream(pipeline.name)
schedule = JobSchedule(name="nightly", trigger=CronTrigger(expression="0 3 * * *"), create_job=one_step())
client.schedules.begin_create_or_update(schedule).result()
weekly = RecurrenceTrigger(frequency="week", interval=1, schedule=RecurrencePattern(hours=4, minutes=30, week_days=["monday"]))
client.schedules.begin_create_or_update(JobSchedule(name="weekly", trigger=weekly, create_job=one_step())).result()
scheduled = sorted(one.name for one in client.schedules.list())
triggered = client.schedules.trigger("nightly").job_name
client.jobs.stream(triggered)
client.schedules.begin_disable("weekly").result()
client.schedules.begin_delete("weekly").result()
client.schedules.begin_disable("nightly").result()
client.schedules.begin_delete("nightly").result()
secret = PatTokenConfiguration(pat="a-token")
client.connections.create_or_update(WorkspaceConnection(name="git", type="git", target="https://example.com", credentials=secret))
Path(os.environ["ANSWER"]).write_text(
    json.dumps(
        {
            "shared": shared.id,
            "downloaded": [path.read_text() for path in Path("got").rglob("m.txt")],
            "models": [one.name for one in registry.models.list()],
            "pipeline": client.jobs.get(pipeline.name).status,
            "schedules": scheduled,
            "triggered": client.jobs.get(triggered).status,
            "connections": [one.name for one in client.connections.list()],
        }
    )
)
