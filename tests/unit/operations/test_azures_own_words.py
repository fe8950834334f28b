"""What Azure says when something fails, in its own words and shapes, becomes a cause and a next step that fits.

Words from Microsoft's troubleshooting pages and from public issues; the outer code is mostly `UserError` or `BadRequest`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from shared.operations import advice, settle
from shared.operations.models import Operation
from shared.rest import error_bodies
from tests import tables

NOW = datetime(2026, 11, 30, tzinfo=UTC)
HOME = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices"
DEPLOYMENT = "workspaces/onlineEndpoints/deployments"
GENERIC = "If the message names nothing to change"


def flat(code: str, message: str) -> dict[str, Any]:
    """The gateway's own form."""
    return {"error": {"code": code, "message": message}}


def nested(inner: str, message: str, outer: str = "UserError") -> dict[str, Any]:
    """The form of the management front end: the useful code lies in an InnerError."""
    value = {"code": "BadRequest", "innerError": {"code": inner, "innerError": None}}
    return {
        "error": {
            "code": outer,
            "message": message,
            "details": [],
            "additionalInfo": [{"type": "InnerError", "info": {"value": value}}],
        }
    }


def detailed(inner: str, message: str) -> dict[str, Any]:
    """The form of the management front end for a request that it does not read: the useful code lies in the details."""
    return {"error": {"code": "BadRequest", "message": "The request is invalid.", "details": [{"code": inner, "message": message}]}}


def older(inner: str, message: str) -> dict[str, Any]:
    """The form of the older services."""
    error: dict[str, Any] = {
        "code": "UserError",
        "severity": None,
        "message": message,
        "messageParameters": {},
        "details": [],
        "debugInfo": None,
    }
    error["innerError"] = {"code": "BadArgument", "innerError": {"code": inner}}
    return {"error": error, "correlation": {"operation": "x"}, "environment": "westeurope"}


def explained(kind: str, status: int, body: Any, method: str = "PUT") -> dict[str, str]:
    """Return what a failed operation says."""
    names = {"workspaces": "w", "computes": "cpu", "jobs": "j", "deployments": "blue", "onlineEndpoints": "e", "services": "s"}
    path = "/".join(f"{part}/{names.get(part, 'x')}" for part in kind.split("/"))
    operation = Operation(
        id="p-s", target=f"{HOME}/{path}", kind=f"arm:Microsoft.MachineLearningServices/{kind}", method=method, plane="arm",
        path=f"{HOME}/{path}", query="", created_at=NOW, due_at=NOW, phase="ended", status="Failed",
        error=error_bodies.unfold(status, body), http_status=settle.FAILED_LATER if status == 200 else status,
    )  # fmt: skip
    return advice.explain(operation, "https://x/api")


@tables.each(
    ("kind", "status", "body", "step"),
    [
        # Deployments: https://learn.microsoft.com/azure/machine-learning/how-to-troubleshoot-online-endpoints
        (
            DEPLOYMENT,
            200,
            flat("BadArgument", "Startup task failed due to authorization error: the identity lacks permissions."),
            "right to read",
        ),
        (DEPLOYMENT, 200, flat("BadArgument", "Unable to download user container image acr.azurecr.io/x:1."), "image exist"),
        (DEPLOYMENT, 200, flat("BadArgument", "Request for CPU (or memory) must be less than or equal to limits."), "PUT it again"),
        (
            DEPLOYMENT,
            200,
            nested(
                "OutOfQuota", "Not enough quota available for Standard_DS3_v2. Current usage/limit: 96/100. Additional needed: 8"
            ),
            "/usages",
        ),
        (
            DEPLOYMENT,
            200,
            flat("ResourceNotReady", "User container has crashed or terminated. Please see troubleshooting guide."),
            "fix score.py",
        ),
        (DEPLOYMENT, 200, flat("UserError", "The container registry 'acr' could not be found or is being deleted."), "exist"),
        (DEPLOYMENT, 200, flat("ImagePullLoopBackOff", "The image couldn't be downloaded from the registry."), "registry"),
        (DEPLOYMENT, 200, flat("DeploymentCrashLoopBackOff", "The container crashed initializing."), "fix score.py"),
        (DEPLOYMENT, 200, flat("KubernetesCrashLoopBackOff", "One or more pods crashed: exit code 1."), "log"),
        (DEPLOYMENT, 200, flat("UserScriptInitFailed", "The init function of score.py threw an exception."), "fix score.py"),
        (DEPLOYMENT, 200, flat("UserScriptImportError", "No module named 'pandas' in score.py."), "environment"),
        (DEPLOYMENT, 200, flat("UserScriptFunctionNotFound", "score.py has no run function."), "score.py"),
        (DEPLOYMENT, 200, flat("PodUnschedulable", "Insufficient nvidia.com/gpu: 0 of 3 nodes are available."), "node"),
        (DEPLOYMENT, 200, flat("PodOutOfMemory", "The container was OOMKilled."), "memory"),
        (DEPLOYMENT, 200, flat("ACRSecretError", "The image pull secret of the registry could not be created."), "registry"),
        (DEPLOYMENT, 200, flat("TokenRefreshFailed", "The extension's token could not be refreshed."), "extension"),
        (DEPLOYMENT, 200, flat("ScoringFeUnhealthy", "The azureml-fe is not ready."), "kubectl"),
        (DEPLOYMENT, 200, flat("InvalidDeploymentSpec", "The instance type 'gpu' is not found in the cluster."), "PUT"),
        (DEPLOYMENT, 200, flat("InferencingClientCreateDeploymentFailed", "The model's blob cannot be read."), "log"),
        (
            "workspaces/onlineEndpoints",
            400,
            older(
                "InferencingClientCallFailed",
                "There is already an endpoint with this name. Endpoint name needs to be unique.",
            ),
            "another name",
        ),
        ("workspaces/onlineEndpoints", 200, flat("SubscriptionNotRegistered", "Microsoft.Cdn is not registered."), "/register"),
        # Jobs: how-to-debug-pipeline-failure, public issues of azureml-examples and MachineLearningNotebooks
        (
            "workspaces/jobs",
            200,
            flat(
                "UserError",
                "AzureMLCompute job failed. ExecutionFailed: [{'exit_code': 1, 'error_message': 'ModuleNotFoundError'}]",
            ),
            "fix the code",
        ),
        (
            "workspaces/jobs",
            200,
            flat("UserError", "The process exited with code 137: OOMKilled, the container ran out of memory."),
            "memory",
        ),
        (
            "workspaces/jobs",
            200,
            flat("ScriptExecution.WriteStreams.Authentication", "Authentication failed for the output."),
            "identity may read",
        ),
        (
            "workspaces/jobs",
            200,
            flat("UserError", "Unable to pull the Docker image acr.azurecr.io/x: unauthorized, AcrPull"),
            "resyncKeys",
        ),
        ("workspaces/jobs", 200, flat("JobNodePreempted", "The low priority node was preempted."), "priority"),
        (
            "workspaces/jobs",
            200,
            flat("UserError", "Your job was cancelled because it exceeded the maximum run duration."),
            "limits.timeout",
        ),
        (
            "workspaces/jobs",
            400,
            nested("ComputeNotFound", "Compute 'cpu' was not found in workspace 'w'."),
            "another one in `compute`",
        ),
        (
            "workspaces/jobs",
            400,
            nested("InvalidInputType", "The input 'rows' of the job a is a uri_folder; a value was given."),
            "fields",
        ),
        ("workspaces/jobs", 409, nested("CancelPipelineRunInTerminalStatus", "The run is in terminal status."), "ended"),
        # Computes
        (
            "workspaces/computes",
            200,
            older(
                "ClusterMinNodesExceedCoreQuota",
                "The specified subscription has a DSv3 family vCPU quota of 0 and cannot accomodate 4 nodes",
            ),
            "/usages",
        ),
        ("workspaces/computes", 200, flat("OSProvisioningTimedOut", "The VM did not finish provisioning in time."), "again"),
        ("workspaces/computes", 200, flat("SetupScriptFailed", "The setup script exited with 1."), "setup script"),
        (
            "workspaces/computes",
            409,
            older("InvalidComputeState", "The compute instance is in state Stopping; start is not possible."),
            "state",
        ),
        (
            "workspaces/computes",
            400,
            older("InvalidPropertyValue", "The specified value x for property VMSize is not a supported VM size."),
            "vmSizes",
        ),
        # Workspaces, registries, networks
        ("workspaces", 400, flat("ValidationError", "Missing dependent resources in workspace json"), "storageAccount"),
        (
            "workspaces",
            400,
            flat("BadRequest", "Soft-deleted workspace exists. Please purge or recover it. https://aka.ms/wsoftdelete"),
            "purge",
        ),
        (
            "workspaces",
            400,
            flat("FailedIdentityOperation", "Identity operation for resource failed: user-assigned identity 'i' does not exist."),
            "identity",
        ),
        (
            "workspaces",
            409,
            flat("ResourceGroupBeingDeleted", "The resource group 'g' is in deprovisioning state."),
            "another resource group",
        ),
        (
            "workspaces/outboundRules",
            400,
            flat("ValidationError", "Rule type must be FQDN, PrivateEndpoint or ServiceTag."),
            "fields",
        ),
        (
            "workspaces/outboundRules",
            200,
            flat("PrivateEndpointCreationFailed", "The private endpoint could not be approved."),
            "private endpoint",
        ),
        ("registries", 409, flat("RegistryNameNotAvailable", "The registry name 'r' is taken."), "another name"),
        # Assets, datastores, connections, schedules
        (
            "workspaces/data/versions",
            400,
            nested("AssetPropertyImmutable", "Data d with version 1 is already registered and cannot be changed."),
            "next version",
        ),
        ("workspaces/models/versions", 400, nested("DatastorePathNotFound", "The specified path does not exist: models/x"), "path"),
        ("workspaces/datastores", 400, nested("InvalidCredentials", "The key does not open the storage account 'st1'."), "key"),
        ("workspaces/connections", 400, older("ValidationError", "The property category is required."), "fields"),
        (
            "workspaces/schedules",
            200,
            nested("ActiveSchedule", "The schedule nightly is enabled. Disable it before it is deleted."),
            "isEnabled",
        ),
        (
            DEPLOYMENT,
            200,
            nested("DeploymentHasTraffic", "Deployment blue has 100% of the endpoint's traffic and cannot be deleted."),
            "traffic",
        ),
        (
            "workspaces/datastores",
            400,
            nested("DefaultDatastore", "The default datastore of a workspace cannot be deleted."),
            "default",
        ),
        ("workspaces/jobs", 409, nested("JobNotTerminal", "The job j is in status Running; cancel it first."), "cancel"),
        # Public bug reports; the number is the issue's
        # Azure/azure-cli-extensions 5583, Azure/azure-sdk-for-python 35387
        (DEPLOYMENT, 400, detailed("MissingDriverProgram", "Could not find driver program in the request."), "codeConfiguration"),
        # Azure/azure-sdk-for-python 41586 and 44114
        (
            "workspaces/batchEndpoints",
            400,
            flat(
                "UserError", 'Errors: [{"PropertyName": "Tags.Values[6]", "ErrorMessage": "Tag values must not be null or empty."}]'
            ),
            "every tag",
        ),
        # MicrosoftDocs/azure-docs 103778, mlflow/mlflow 11103, Azure/azure-sdk-for-python 33978
        (
            "workspaces/models/versions",
            400,
            detailed("ModelAssetPathNotFoundInStorage", "No blobs found in storage at model asset path: azureml/HD_0/model/"),
            "upload",
        ),
        (
            "workspaces/jobs",
            200,
            flat(
                "UserError", "Model asset creation API failed with {'message': 'No blobs found in storage at model asset path: a/'}"
            ),
            "upload",
        ),
        (
            "workspaces/models/versions",
            400,
            detailed("NoMatchingArtifactsFoundFromJob", "No artifacts matching outputs/model.pkl found from Job."),
            "upload",
        ),
        # microsoft/vscode-tools-for-ai 2096
        (
            "workspaces/computes",
            400,
            flat(
                "StartComputeInstanceOnlyAllowedInStoppedState", "Start is only allowed when the instance i is in 'stopped' state"
            ),
            "its state",
        ),
        # MicrosoftDocs/azure-docs 85756 and 39532, Azure-Samples/ai-studio-in-a-box 7, Azure/MachineLearningNotebooks 1043
        ("workspaces/computes", 200, flat("UserError", "The Compute Instance i encountered an unusable node."), "create it"),
        (
            "workspaces/jobs",
            200,
            flat("UserError", "AZFMountError: unable to mount Azure File Info: Could not mount //# at #m:"),
            "445",
        ),
        ("workspaces/computes", 200, flat("StorageMountError", "Setup failed with error: Failed to mount storage."), "445"),
        (
            "workspaces/jobs",
            200,
            flat("UserError", "AzureMLCompute cluster gpu is in failed state and thus not ready."),
            "w/computes/",
        ),
        # microsoft/microsoft-foundry-for-vscode 280, microsoft/foundry-dev-tools 440, pulumi/pulumi-azure-native 3687
        (
            "workspaces/serverlessEndpoints",
            200,
            flat(
                "UserError",
                "Error occurred when subscribing to Marketplace: Marketplace Subscription purchase eligibility check failed",
            ),
            "billing account",
        ),
        (
            "workspaces/serverlessEndpoints",
            400,
            nested("ServerlessOfferNotFound", "Serverless offer 'o' not found in service namespace 'n'."),
            "modelSettings.modelId",
        ),
        # Azure/azure-sdk-for-python 40288, 47389, 31263 and 31166; Azure/azureml-assets 2919
        (
            "workspaces/schedules",
            400,
            older("InvalidJobsOverride", "Invalid jobs override for pipeline job since source job j is specified."),
            "sourceJobId",
        ),
        (
            "workspaces/jobs",
            400,
            nested("JobPropertyImmutable", "A job with this name already exists. InputBindings cannot be changed."),
            "another name",
        ),
        (
            "workspaces/jobs",
            200,
            flat("NoAuthenticationInformation", "Server failed to authenticate the request."),
            "identity may read",
        ),
        (
            "workspaces/batchEndpoints/deployments",
            500,
            {"error": {"code": "ServiceError", "message": "Received 500 from a service request", "details": []}},
            "support",
        ),
        (
            "registries/models/versions",
            400,
            flat("UserError", "Asset m was deleted at 07/17/2023 16:50:49 +00:00, it cannot be recreated."),
            "next version",
        ),
    ],
)
def test_azures_words_lead_to_a_step_that_fits(kind: str, status: int, body: Any, step: str) -> None:
    """Not the general one; the words stay in the cause."""
    told = explained(kind, status, body)
    assert not told["next"].startswith(GENERIC), told
    assert step.lower() in told["next"].lower(), told
    assert body["error"]["message"][:40] in told["cause"], told
