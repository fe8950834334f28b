"""MLClient makes a workspace (a template deployment), a cluster and an environment."""

import json
import os
from pathlib import Path

from azure.ai.ml import MLClient
from azure.ai.ml.entities import AmlCompute, Environment, Workspace
from azure.identity import DefaultAzureCredential

client = MLClient(DefaultAzureCredential(), os.environ["SUBSCRIPTION"], os.environ["GROUP"], os.environ["WORKSPACE"])
made = client.workspaces.begin_create(Workspace(name=os.environ["WORKSPACE"], location=os.environ["LOCATION"])).result()
cluster = client.compute.begin_create_or_update(AmlCompute(name="cpu", size="Standard_DS2_v2", max_instances=2)).result()
conda = {"name": "env", "dependencies": ["python=3.10"]}
environment = client.environments.create_or_update(Environment(name="env", image="ubuntu:22.04", conda_file=conda))
Path(os.environ["ANSWER"]).write_text(
    json.dumps({"name": made.name, "storage": made.storage_account, "cluster": cluster.name, "version": environment.version})
)
