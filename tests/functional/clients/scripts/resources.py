"""MLClient makes computes, connections, datastores and data of each of its classes, cancels a job and packages a model."""

import json
import os
from pathlib import Path

from azure.ai.ml import MLClient, command
from azure.ai.ml.entities import (
    AadCredentialConfiguration,
    AccessKeyConfiguration,
    AccountKeyConfiguration,
    AmlCompute,
    APIKeyConnection,
    AzureAISearchConnection,
    AzureAIServicesConnection,
    AzureBlobDatastore,
    AzureBlobStoreConnection,
    AzureContentSafetyConnection,
    AzureDataLakeGen1Datastore,
    AzureDataLakeGen2Datastore,
    AzureFileDatastore,
    AzureMLOnlineInferencingServer,
    AzureOpenAIConnection,
    AzureSpeechServicesConnection,
    BaseEnvironment,
    CertificateConfiguration,
    CodeConfiguration,
    ComputeInstance,
    ComputeSchedules,
    ComputeStartStopSchedule,
    CronTrigger,
    Data,
    IdentityConfiguration,
    KubernetesCompute,
    ManagedIdentityConfiguration,
    MicrosoftOneLakeConnection,
    Model,
    ModelPackage,
    NoneCredentialConfiguration,
    OneLakeConnectionArtifact,
    OpenAIConnection,
    PatTokenConfiguration,
    SasTokenConfiguration,
    SerpConnection,
    ServerlessConnection,
    ServicePrincipalConfiguration,
    SynapseSparkCompute,
    UsernamePasswordConfiguration,
    VirtualMachineCompute,
    VirtualMachineSshSettings,
    WorkspaceConnection,
)
from azure.identity import DefaultAzureCredential

client = MLClient(DefaultAzureCredential(), os.environ["SUBSCRIPTION"], os.environ["GROUP"], os.environ["WORKSPACE"])
GROUP_ID = f"/subscriptions/{os.environ['SUBSCRIPTION']}/resourceGroups/{os.environ['GROUP']}"
said = {}

# computes
ASIDE = f"{GROUP_ID}/providers"
evening = ComputeStartStopSchedule(trigger=CronTrigger(expression="0 19 * * *", time_zone="UTC"), action="Stop")
instance = ComputeInstance(
    name="desk-a",
    size="Standard_DS3_v2",
    idle_time_before_shutdown_minutes=60,
    schedules=ComputeSchedules(compute_start_stop=[evening]),
    identity=IdentityConfiguration(type="system_assigned"),
)
computes = [
    instance,
    AmlCompute(name="low", size="Standard_DS3_v2", tier="low_priority", max_instances=1),
    KubernetesCompute(
        name="k8s",
        resource_id=f"{ASIDE}/Microsoft.ContainerService/managedClusters/aks",
        namespace="ml",
        identity=IdentityConfiguration(type="system_assigned"),
    ),
    VirtualMachineCompute(
        name="machine",
        resource_id=f"{ASIDE}/Microsoft.Compute/virtualMachines/vm",
        ssh_settings=VirtualMachineSshSettings(admin_username="me", admin_password="not-a-secret"),
    ),
    SynapseSparkCompute(name="sparks", resource_id=f"{ASIDE}/Microsoft.Synapse/workspaces/w/bigDataPools/sparks"),
]
for compute in computes:
    client.compute.begin_create_or_update(compute).result()
client.compute.begin_stop("desk-a").result()
said["stopped"] = client.compute.get("desk-a").state
client.compute.begin_start("desk-a").result()
client.compute.begin_restart("desk-a").result()
low = client.compute.get("low")
low.max_instances = 3
client.compute.begin_update(low).result()
said["resized"] = client.compute.get("low").max_instances
said["nodes"] = [node.node_id for node in client.compute.list_nodes("low")]
said["sizes"] = "Standard_DS3_v2" in [size.name for size in client.compute.list_sizes()]
said["usage"] = bool(list(client.compute.list_usage()))
client.compute.begin_delete("machine", action="Detach").result()
said["computes"] = {one.name: type(one).__name__ for one in client.compute.list()}

# connections
APP = ServicePrincipalConfiguration(tenant_id="t", client_id="c", client_secret="not-a-secret")
USER = UsernamePasswordConfiguration(username="me", password="not-a-secret")
SERVICES = f"{ASIDE}/Microsoft.CognitiveServices/accounts/ai"
connections = [
    AzureOpenAIConnection(name="aoai", azure_endpoint="https://a.openai.azure.com", api_key="k", api_version="2024-06-01"),
    AzureAIServicesConnection(name="ai", endpoint="https://ai.cognitiveservices.azure.com", ai_services_resource_id=SERVICES),
    AzureAISearchConnection(name="search", endpoint="https://s.search.windows.net", api_key="k"),
    AzureContentSafetyConnection(name="safety", endpoint="https://c.cognitiveservices.azure.com", api_key="k"),
    AzureSpeechServicesConnection(name="speech", endpoint="https://p.cognitiveservices.azure.com", api_key="k"),
    APIKeyConnection(name="api", api_base="https://api.example.com", api_key="k"),
    OpenAIConnection(name="openai", api_key="k"),
    SerpConnection(name="serp", api_key="k"),
    ServerlessConnection(name="served", endpoint="https://m.inference.ai.azure.com", api_key="k"),
    AzureBlobStoreConnection(
        name="blob",
        url="https://stewardstorage.blob.core.windows.net",
        account_name="stewardstorage",
        container_name="rows",
        credentials=AccountKeyConfiguration(account_key="k"),
    ),
    MicrosoftOneLakeConnection(
        name="onelake",
        endpoint="https://onelake.dfs.fabric.microsoft.com",
        one_lake_workspace_name="w",
        artifact=OneLakeConnectionArtifact(name="house"),
        credentials=AadCredentialConfiguration(),
    ),
    WorkspaceConnection(name="gen2", type="azure_data_lake_gen2", target="https://a.dfs.core.windows.net", credentials=APP),
    WorkspaceConnection(
        name="repository", type="git", target="https://example.com/r.git", credentials=PatTokenConfiguration(pat="p")
    ),
    WorkspaceConnection(name="feed", type="python_feed", target="https://example.com/feed", credentials=USER),
    WorkspaceConnection(
        name="images",
        type="container_registry",
        target="https://example.azurecr.io",
        credentials=ManagedIdentityConfiguration(client_id="c", resource_id="r"),
    ),
    WorkspaceConnection(
        name="bucket",
        type="s3",
        target="https://b.s3.amazonaws.com",
        credentials=AccessKeyConfiguration(access_key_id="a", secret_access_key="not-a-secret"),
    ),
    WorkspaceConnection(name="snow", type="snowflake", target="jdbc:snowflake://example.com", credentials=USER),
    WorkspaceConnection(name="sql", type="azure_sql_db", target="Server=tcp:example.com", credentials=USER),
    WorkspaceConnection(
        name="synapse", type="azure_synapse_analytics", target="Server=tcp:example.com", credentials=NoneCredentialConfiguration()
    ),
]
for connection in connections:
    client.connections.create_or_update(connection)
said["wanted"] = sorted(one.name for one in connections)
said["connections"] = sorted(one.name for one in client.connections.list())
said["secret"] = client.connections.get("aoai", populate_secrets=True).api_key
client.connections.delete("serp")
said["fewer"] = len(list(client.connections.list()))

# datastores
CERTIFICATE = CertificateConfiguration(
    tenant_id="00000000-0000-0000-0000-00000000000a",
    client_id="00000000-0000-0000-0000-00000000000b",
    certificate="not-a-certificate",
    thumbprint="0123",
)
datastores = [
    AzureBlobDatastore(name="bare", account_name="stewardstorage", container_name="rows"),
    AzureFileDatastore(
        name="share",
        account_name="stewardstorage",
        file_share_name="s",
        credentials=SasTokenConfiguration(sas_token="?sv=1&sig=2"),
    ),
    AzureDataLakeGen1Datastore(name="lake1", store_name="lake", credentials=CERTIFICATE),
    AzureDataLakeGen2Datastore(name="lake2", account_name="stewardstorage", filesystem="raw", credentials=CERTIFICATE),
]
for datastore in datastores:
    client.datastores.create_or_update(datastore)
said["default"] = client.datastores.get_default().name
said["datastores"] = {one.name: type(one).__name__ for one in client.datastores.list()}
client.datastores.delete("lake1")

# data
Path("table").mkdir()
Path("table/a.csv").write_text("a,b\n1,2\n")
Path("table/MLTable").write_text("paths:\n  - file: ./a.csv\ntransformations:\n  - read_delimited:\n      delimiter: ','\n")
table = client.data.create_or_update(Data(name="table", path="table", type="mltable", skip_validation=True))
client.data.archive("table", version=table.version)
client.data.restore("table", version=table.version)
said["table"] = client.data.get("table", label="latest").type

# a job is cancelled
long = command(command="sleep 600", environment="env@latest", compute="cpu")
job = client.jobs.create_or_update(long)
client.jobs.begin_cancel(job.name, polling_interval=0.2).result()
said["canceled"] = client.jobs.get(job.name).status
client.jobs.archive(job.name)
said["archived"] = job.name not in [one.name for one in client.jobs.list()]

# a model is packaged
Path("model").mkdir()
Path("model/m.txt").write_text("m")
Path("score").mkdir()
Path("score/score.py").write_text("def init(): ...\ndef run(given): return given\n")
model = client.models.create_or_update(Model(name="packed", path="model", type="custom_model"))
request = ModelPackage(
    target_environment="azureml:packed:1",
    base_environment_source=BaseEnvironment(type="EnvironmentAsset", resource_id="azureml:env:1"),
    inferencing_server=AzureMLOnlineInferencingServer(
        code_configuration=CodeConfiguration(code="score", scoring_script="score.py")
    ),
)
said["packed"] = client.models.package("packed", model.version, request).name

# the workspace
said["keys"] = bool(client.workspaces.get_keys(client.workspace_name).user_storage_key)
client.workspaces.begin_sync_keys(client.workspace_name).result()
said["diagnosed"] = client.workspaces.begin_diagnose(client.workspace_name).result() is not None
Path(os.environ["ANSWER"]).write_text(json.dumps(said))
