"""MLClient keeps assets as people do: an environment built here, what a job wrote as data and model, labels, archives, networks."""

import json
import os
from pathlib import Path

from azure.ai.ml import Input, MLClient, MpiDistribution, Output, command
from azure.ai.ml.entities import (
    BuildContext,
    Data,
    Environment,
    FqdnDestination,
    KubernetesOnlineEndpoint,
    ManagedNetwork,
    Model,
    PrivateEndpointDestination,
    Workspace,
)
from azure.ai.ml.sweep import BanditPolicy, Uniform
from azure.identity import DefaultAzureCredential

client = MLClient(DefaultAzureCredential(), os.environ["SUBSCRIPTION"], os.environ["GROUP"], os.environ["WORKSPACE"])
NAME = client.workspace_name
said = {}

# environments
Path("context").mkdir()
Path("context/Dockerfile").write_text("FROM python:3.13\n")
client.environments.create_or_update(Environment(name="built", version="1", build=BuildContext(path="context")))
client.environments.create_or_update(Environment(name="plain", image="python:3.13"))
client.environments.create_or_update(Environment(name="plain", image="python:3.12"))
said["latest"] = client.environments.get("plain", label="latest").image
said["versions"] = [one.version for one in client.environments.list(name="plain")]
client.environments.archive("plain", version="1")
said["active"] = [one.version for one in client.environments.list(name="plain")]
said["built"] = client.environments.get("built", "1").build.path

# what a job writes becomes data; its model is registered from there
Path("rows").mkdir()
Path("rows/a.txt").write_text("a")
Path("rows/b.txt").write_text("b")
rows = client.data.create_or_update(Data(name="letters", version="1", path="rows", type="uri_folder"))
job = client.jobs.create_or_update(
    command(
        command="cat ${{inputs.rows}}/* > ${{outputs.joined}}/all.txt && cp ${{outputs.joined}}/all.txt ${{outputs.model}}/m.txt",
        inputs={"rows": Input(type="uri_folder", path="azureml:letters:1", mode="download")},
        outputs={"joined": Output(type="uri_folder", name="joined", version="1"), "model": Output(type="custom_model")},
        environment="plain@latest",
        compute="cpu",
        instance_count=1,
        distribution=MpiDistribution(process_count_per_instance=1),
        environment_variables={"ONE": "1"},
        tags={"kind": "joined"},
    )
)
client.jobs.stream(job.name)
said["joined"] = client.data.get("joined", version="1").path.partition("/datastores/")[2]
made = client.models.create_or_update(
    Model(name="letters", path=f"azureml://jobs/{job.name}/outputs/model", type="custom_model", tags={"stage": "dev"})
)
client.models.download("letters", made.version, download_path="got")
said["model"] = [path.read_text() for path in Path("got").rglob("m.txt")]
made.tags["stage"] = "prod"
said["stage"] = client.models.create_or_update(made).tags["stage"]
client.models.archive("letters", version=made.version)
said["models"] = [one.version for one in client.models.list(name="letters")]
client.models.restore("letters", version=made.version)
again = client.jobs.get(job.name)
again.tags["looked"] = "yes"
said["tags"] = client.jobs.create_or_update(again).tags
listed = [one.name for one in client.jobs.list()]
said["listed"] = job.name in listed

# a sweep that stops early
trial = command(
    command="python -c \"import mlflow; mlflow.log_metric('score', float('${{inputs.rate}}'))\"",
    inputs={"rate": 0.1},
    environment="plain@latest",
    compute="cpu",
)
sweep = trial(rate=Uniform(0.1, 0.9)).sweep(
    sampling_algorithm="random",
    primary_metric="score",
    goal="Maximize",
    compute="cpu",
    early_termination_policy=BanditPolicy(slack_factor=0.1, evaluation_interval=1),
)
sweep.set_limits(max_total_trials=2, max_concurrent_trials=2, timeout=600)
swept = client.jobs.create_or_update(sweep)
client.jobs.stream(swept.name)
said["sweep"] = client.jobs.get(swept.name).status

# endpoints without deployments
client.online_endpoints.begin_create_or_update(
    KubernetesOnlineEndpoint(name=f"k8s-{NAME}", compute="k8s", auth_mode="key")
).result()
client.online_endpoints.begin_delete(f"k8s-{NAME}").result()

# the workspace: changed, closed off
network = ManagedNetwork(
    isolation_mode="AllowOnlyApprovedOutbound", outbound_rules=[FqdnDestination(name="pypi", destination="pypi.org")]
)
found = client.workspaces.get(NAME)
found.description, found.tags["team"] = "letters", "us"
client.workspaces.begin_update(Workspace(name=NAME, description="letters", tags={"team": "us"}, managed_network=network)).result()
found = client.workspaces.get(NAME)
said["workspace"] = [found.description, found.tags["team"], found.managed_network.isolation_mode]
account = found.storage_account
rule = PrivateEndpointDestination(name="files", service_resource_id=account, subresource_target="file", spark_enabled=False)
client.workspace_outbound_rules.begin_create(NAME, rule).result()
said["rules"] = sorted(one.name for one in client.workspace_outbound_rules.list(NAME) if one.category == "UserDefined")
client.workspaces.begin_provision_network(workspace_name=NAME).result()
client.workspace_outbound_rules.begin_remove(NAME, "files").result()
Path(os.environ["ANSWER"]).write_text(json.dumps(said))
