"""The SDK v1's first steps: workspace, experiments, runs, models, datastores, compute targets, secrets."""

import json
import os
from pathlib import Path

from azureml.core import Datastore, Experiment, Model, Run, Workspace
from azureml.core.authentication import ServicePrincipalAuthentication
from azureml.core.compute import AmlCompute, ComputeInstance, ComputeTarget

names = ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET")
auth = ServicePrincipalAuthentication(*(os.environ[name] for name in names))
workspace = Workspace.get(
    os.environ["WORKSPACE"], auth=auth, subscription_id=os.environ["SUBSCRIPTION"], resource_group=os.environ["GROUP"]
)
said = {"workspaces": workspace.name in Workspace.list(os.environ["SUBSCRIPTION"], auth=auth)}

# runs
experiment = Experiment(workspace, "v1")
said["experiments"] = "v1" in [one.name for one in Experiment.list(workspace)]
run = experiment.start_logging(outputs=None, snapshot_directory=None, display_name="first")
run.log("loss", 0.5)
run.log_list("many", [1, 2])
run.tag("stage", "dev")
run.add_properties({"p": "1"})
Path("up.txt").write_text("up")
run.upload_file("outputs/up.txt", "up.txt")
child = run.child_run(name="kid")
child.fail(error_details="broken")
run.flush()
run.complete()
run = Run(experiment, run.id)
said["run"] = [run.get_status(), run.tags, run.properties["p"], run.get_file_names(), [one.status for one in run.get_children()]]
said["error"] = next(iter(run.get_children())).get_details()["error"]["error"]["message"]
for one in run.create_children(count=2):
    one.complete()
said["children"] = sorted(one.status for one in run.get_children())
said["metrics"] = run.get_metrics()
said["tagged"] = [one.id == run.id for one in experiment.get_runs(tags={"stage": "dev"})]

# models
Path("m.pkl").write_text("model")
model = Model.register(workspace, "m.pkl", "v1-model", tags={"a": "b"})
said["model"] = [model.version, Path(Model(workspace, "v1-model").download(target_dir="got", exist_ok=True)).read_text()]
said["models"] = sorted([one.id for one in Model.list(workspace)] + [run.register_model("of-run", model_path="outputs/up.txt").id])

# datastores, compute targets, secrets
default = workspace.get_default_datastore()
place = {"container_name": default.container_name, "account_name": default.account_name, "account_key": default.account_key}
Datastore.register_azure_blob_container(workspace, "mine", **place)
said["datastores"] = sorted(workspace.datastores)
Datastore.get(workspace, "mine").unregister()
made = ComputeTarget.create(workspace, "v1-cluster", AmlCompute.provisioning_configuration(vm_size="STANDARD_D2_V2", max_nodes=1))
made.wait_for_completion(show_output=False)
said["targets"] = sorted(workspace.compute_targets)
made.delete()
desk = ComputeInstance.provisioning_configuration(vm_size="STANDARD_DS3_V2")
ComputeTarget.create(workspace, "v1-desk", desk).wait_for_completion(show_output=False)
said["desk"] = ComputeTarget(workspace, "v1-desk").get_status().state
said["sizes"] = len(AmlCompute.supported_vmsizes(workspace)) > 0
vault = workspace.get_default_keyvault()
vault.set_secret("key", "value")
said["secret"] = [vault.get_secret("key"), vault.list_secrets()]
Path(os.environ["ANSWER"]).write_text(json.dumps(said))
