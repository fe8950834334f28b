"""One realistic body for each operation that takes one: what the sweep over all operations sends.

Paths are those below a resource group's `providers/Microsoft.MachineLearningServices`. Names are chosen here, once.
"""

from __future__ import annotations

from typing import Any

from infra.local.emulator import scene

PLACE = {"location": scene.LOCATION}
HOME = f"{scene.GROUP_ID}/providers/Microsoft.MachineLearningServices"
LAB = f"{HOME}/workspaces/lab"
CONTAINER = "sweep"
FILES = f"https://{scene.STORAGE_ACCOUNT}.blob.core.windows.net/{CONTAINER}/files"  # a folder with files in it
ENVIRONMENT = f"{LAB}/environments/env/versions/1"
COMMAND = {"jobType": "Command", "command": "echo hello", "environmentId": ENVIRONMENT, "computeId": f"{LAB}/computes/cpu"}
COMPONENT = {
    "$schema": "https://azuremlschemas.azureedge.net/latest/commandComponent.schema.json",
    "name": "part",
    "version": "1",
    "type": "command",
    "command": "echo hello",
    "environment": f"azureml:{ENVIRONMENT}",
}


KEPT = {"data": {"dataType": "uri_folder"}}  # what a container must name


def of(properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A body of properties."""
    return {"properties": properties, **more}


def puts() -> dict[str, Any]:
    """What is created, in this order."""
    container = of({"description": "made by the sweep", "tags": {"by": "sweep"}})
    versions = {
        "codes": of({"codeUri": FILES}),
        "environments": of({"image": "ubuntu:22.04", "osType": "Linux"}),
        "data": of({"dataType": "uri_folder", "dataUri": FILES, "description": "rows"}),
        "models": of({"modelType": "custom_model", "modelUri": FILES}),
        "components": of({"componentSpec": COMPONENT}),
    }
    assets = {
        f"{home}/{family}/{name}{end}": body
        for home in ("workspaces/lab", "registries/shared")
        for family, version in versions.items()
        for name in ("env" if family == "environments" else "part",)
        for end, body in (
            ("", {**container, "properties": {**container["properties"], **KEPT.get(family, {})}}),
            ("/versions/1", version),
        )
    }
    return {
        "workspaces/lab": of(
            {
                "friendlyName": "A workspace",
                "containerRegistry": scene.REGISTRY_ID,
                "keyVault": scene.KEY_VAULT_ID,
                "applicationInsights": scene.INSIGHTS_ID,
                "storageAccount": scene.STORAGE_ID,
                "managedNetwork": {"isolationMode": "AllowOnlyApprovedOutbound"},
            },
            identity={"type": "SystemAssigned"},
            **PLACE,
        ),
        "registries/shared": of(
            {
                "regionDetails": [
                    {
                        "location": scene.LOCATION,
                        "acrDetails": [{"systemCreatedAcrAccount": {"acrAccountSku": "Premium"}}],
                        "storageAccountDetails": [
                            {
                                "systemCreatedStorageAccount": {
                                    "storageAccountType": "Standard_LRS",
                                    "storageAccountHnsEnabled": False,
                                }
                            }
                        ],
                    }
                ]
            },
            identity={"type": "SystemAssigned"},
            **PLACE,
        ),
        "workspaces/lab/computes/cpu": of(
            {
                "computeType": "AmlCompute",
                "properties": {
                    "vmSize": "Standard_DS3_v2",
                    "vmPriority": "Dedicated",
                    "scaleSettings": {"maxNodeCount": 2, "minNodeCount": 0, "nodeIdleTimeBeforeScaleDown": "PT2M"},
                },
            },
            **PLACE,
        ),
        "workspaces/lab/computes/desk": of(
            {
                "computeType": "ComputeInstance",
                "properties": {"vmSize": "Standard_DS3_v2", "sshSettings": {"sshPublicAccess": "Disabled"}},
            },
            **PLACE,
        ),
        "workspaces/lab/computes/kube": of(
            {
                "computeType": "AKS",
                "resourceId": f"{scene.GROUP_ID}/providers/Microsoft.ContainerService/managedClusters/kube",
                "properties": {"agentCount": 1},
            },
            **PLACE,
        ),
        "workspaces/lab/datastores/rows": of(
            {
                "datastoreType": "AzureBlob",
                "accountName": scene.STORAGE_ID.rpartition("/")[2],
                "containerName": "rows",
                "credentials": {
                    "credentialsType": "AccountKey",
                    "secrets": {"secretsType": "AccountKey", "key": scene.storage_keys(scene.STORAGE_ACCOUNT)[0]},
                },
            }
        ),
        "workspaces/lab/connections/git": of(
            {
                "category": "Git",
                "target": "https://github.com/contoso/code",
                "authType": "PAT",
                "credentials": {"pat": "not-a-token"},
            }
        ),
        "workspaces/lab/outboundRules/pypi": of({"type": "FQDN", "destination": "pypi.org", "category": "UserDefined"}),
        "workspaces/lab/privateEndpointConnections/pe": of(
            {"privateLinkServiceConnectionState": {"status": "Approved", "description": "by the sweep"}}, **PLACE
        ),
        "workspaces/lab/capabilityHosts/host": of({"capabilityHostKind": "Agents"}),
        **assets,
        "workspaces/lab/featurestoreEntities/account": container,
        "workspaces/lab/featurestoreEntities/account/versions/1": of(
            {"indexColumns": [{"columnName": "id", "dataType": "String"}]}
        ),
        "workspaces/lab/featuresets/sums": container,
        "workspaces/lab/featuresets/sums/versions/1": of(
            {"specification": {"path": f"{FILES}/set"}, "entities": ["azureml:account:1"], "stage": "Development"}
        ),
        "workspaces/lab/jobs/hello": of(COMMAND),
        "workspaces/lab/jobs/ended": of(COMMAND),
        "workspaces/lab/schedules/nightly": of(
            {
                "isEnabled": False,
                "trigger": {"triggerType": "Cron", "expression": "0 2 * * *", "timeZone": "UTC"},
                "action": {"actionType": "CreateJob", "jobDefinition": COMMAND},
            }
        ),
        "workspaces/lab/onlineEndpoints/online": of({"authMode": "Key"}, identity={"type": "SystemAssigned"}, **PLACE),
        "workspaces/lab/onlineEndpoints/tokens": of({"authMode": "AMLToken"}, identity={"type": "SystemAssigned"}, **PLACE),
        "workspaces/lab/onlineEndpoints/online/deployments/blue": of(
            {
                "endpointComputeType": "Managed",
                "instanceType": "Standard_DS3_v2",
                "model": f"{LAB}/models/part/versions/1",
                "environmentId": ENVIRONMENT,
                "codeConfiguration": {"codeId": f"{LAB}/codes/part/versions/1", "scoringScript": "score.py"},
                "scaleSettings": {"scaleType": "Default"},
            },
            sku={"name": "Default", "capacity": 1},
            **PLACE,
        ),
        "workspaces/lab/batchEndpoints/batch": of({"authMode": "AADToken"}, **PLACE),
        "workspaces/lab/batchEndpoints/batch/deployments/all": of(
            {
                "model": {"referenceType": "Id", "assetId": f"{LAB}/models/part/versions/1"},
                "environmentId": ENVIRONMENT,
                "codeConfiguration": {"codeId": f"{LAB}/codes/part/versions/1", "scoringScript": "score.py"},
                "compute": f"{LAB}/computes/cpu",
                "outputAction": "AppendRow",
            },
            **PLACE,
        ),
        "workspaces/lab/serverlessEndpoints/serverless": of(
            {"modelSettings": {"modelId": "azureml://registries/azureml-meta/models/Llama"}, "authMode": "Key"},
            sku={"name": "Consumption"},
            **PLACE,
        ),
        "workspaces/lab/marketplaceSubscriptions/llama": of({"modelId": "azureml://registries/azureml-meta/models/Llama"}),
    }


PUBLISH = {"registryName": "shared", "destinationName": "published", "destinationVersion": "1"}
UPLOAD = {"pendingUploadType": "TemporaryBlobReference"}
# By method and template below the namespace; what is not here is sent without a body.
BODIES: dict[str, Any] = {
    "PATCH registries/{}": {"tags": {"by": "sweep"}},
    "PATCH workspaces/{}": of({"description": "changed"}, tags={"by": "sweep"}),
    "PATCH workspaces/{}/batchEndpoints/{}": {"tags": {"by": "sweep"}},
    "PATCH workspaces/{}/batchEndpoints/{}/deployments/{}": of({"description": "changed"}),
    "PATCH workspaces/{}/computes/{}": of({"properties": {"scaleSettings": {"maxNodeCount": 1, "minNodeCount": 0}}}),
    "PATCH workspaces/{}/connections/{}": of({"category": "Git", "authType": "PAT", "target": "https://github.com/contoso/other"}),
    "PATCH workspaces/{}/onlineEndpoints/{}": {"tags": {"by": "sweep"}},
    "PATCH workspaces/{}/onlineEndpoints/{}/deployments/{}": {"tags": {"by": "sweep"}},
    "PATCH workspaces/{}/serverlessEndpoints/{}": {"tags": {"by": "sweep"}},
    "POST registries/{}/codes/{}/versions/{}/startPendingUpload": UPLOAD,
    "POST registries/{}/data/{}/versions/{}/startPendingUpload": UPLOAD,
    "POST registries/{}/models/{}/versions/{}/startPendingUpload": UPLOAD,
    "POST registries/{}/datareferences/{}/versions/{}": {
        "assetId": "azureml://registries/shared/data/part/versions/1",
        "blobUri": FILES,
    },
    "POST registries/{}/removeRegions": of({"regionDetails": [{"location": "northeurope"}]}, **PLACE),
    **{
        f"POST workspaces/{{}}/{name}/{{}}/versions/{{}}/publish": PUBLISH
        for name in ("codes", "components", "data", "environments", "models")
    },
    "POST workspaces/{}/codes/{}/versions/{}/startPendingUpload": UPLOAD,
    "POST workspaces/{}/diagnose": {"value": {}},
    "POST workspaces/{}/featuresets/{}/versions/{}/backfill": {
        "featureWindow": {"featureWindowStart": "2026-01-01T00:00:00Z", "featureWindowEnd": "2026-01-02T00:00:00Z"}
    },
    "POST workspaces/{}/onlineEndpoints/{}/deployments/{}/getLogs": {"containerType": "InferenceServer", "tail": 10},
    "POST workspaces/{}/onlineEndpoints/{}/regenerateKeys": {"keyType": "Primary"},
    "POST workspaces/{}/serverlessEndpoints/{}/regenerateKeys": {"keyType": "Primary"},
    "POST workspaces/{}/provisionManagedNetwork": {"includeSpark": False},
    "POST locations/{}/updateQuotas": {"value": []},
    # previews
    "POST workspaces/{}/computes/{}/customServices": [
        {"name": "rstudio", "image": {"type": "docker", "reference": "rocker/rstudio"}}
    ],
    "POST workspaces/{}/computes/{}/updateIdleShutdownSetting": {"idleTimeBeforeShutdown": "PT30M"},
    "POST workspaces/{}/computes/{}/resize": {"targetVMSize": "Standard_DS3_v2"},
    "POST workspaces/{}/computes/{}/updateDataMounts": [],
    "POST workspaces/{}/computes/{}/enableSso": {"enableSSO": True},
    "POST workspaces/{}/computes/{}/updateSchedules": {"computeStartStop": []},
    "POST workspaces/{}/schedules/{}/trigger": {"scheduleTime": "2026-01-01T00:00:00Z"},
    "POST workspaces/{}/models/{}/versions/{}/package": {
        "targetEnvironmentId": f"{LAB}/environments/packed",
        "inferencingServer": {"serverType": "AzureMLOnline"},
    },
    "POST workspaces/{}/featuresets/{}/versions/{}/listMaterializationJobs": {},
}
# The names behind the segments of a template; in `NAMED`, of one operation.
NAMES = {
    "workspaces": "lab", "registries": "shared", "computes": "desk", "datastores": "rows", "connections": "git",
    "outboundRules": "pypi", "privateEndpointConnections": "pe", "capabilityHosts": "host", "codes": "part",
    "environments": "env", "data": "part", "models": "part", "components": "part", "versions": "1",
    "featurestoreEntities": "account", "featuresets": "sums", "features": "sum", "jobs": "hello", "schedules": "nightly",
    "onlineEndpoints": "online", "batchEndpoints": "batch", "serverlessEndpoints": "serverless",
    "marketplaceSubscriptions": "llama", "locations": scene.LOCATION, "datareferences": "part",
}  # fmt: skip
DEPLOYMENTS = {"onlineEndpoints": "blue", "batchEndpoints": "all"}
NAMED = {
    "POST workspaces/{}/onlineEndpoints/{}/token": {"onlineEndpoints": "tokens"},
    "POST workspaces/{}/jobs/{}/cancel": {"jobs": "ended"},
    "DELETE workspaces/{}/jobs/{}": {"jobs": "ended"},
    "PATCH workspaces/{}/computes/{}": {"computes": "cpu"},
    "POST workspaces/{}/computes/{}/listNodes": {"computes": "cpu"},
    "POST workspaces/{}/computes/{}/listKeys": {"computes": "kube"},
}
QUERY = {"DELETE workspaces/{}/computes/{}": "&underlyingResourceAction=Delete"}
