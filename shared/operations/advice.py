"""Why an operation ended otherwise than asked, and what to do next: one row a kind of failure, each with the page on it.

Pure. The rows stand from the particular to the general, and the first that fits speaks. Not here: the log of what failed
(jobs.logs), the error itself (rest.error_bodies).
"""

from __future__ import annotations

import re
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING

from shared.rest import ids
from shared.text import words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.operations.models import Operation
    from shared.rest.errors import AzureError

WORDS_LIMIT = 700  # characters of Azure's own words in a cause
_LEARN = "https://learn.microsoft.com/azure/"
_ML = f"{_LEARN}machine-learning/"
_ONLINE_PAGE, _QUOTA_PAGE = f"{_ML}how-to-troubleshoot-online-endpoints", f"{_ML}how-to-manage-quotas"
_FIX, _ROLES = f"{_LEARN}azure-resource-manager/troubleshooting/", f"{_LEARN}role-based-access-control/troubleshooting"
_RUNS = r"workspaces/jobs|workspaces/experiments/runs"
_DEPLOYMENTS = r"workspaces/onlineEndpoints/deployments"
_COMPUTES = r"workspaces/computes"


@dataclass(frozen=True, slots=True)
class Advice:
    """What a failure means.

    Attributes:
        codes: Codes that it is known by, separated by spaces, in any casing.
        cause: What has happened, said before Azure's own words; '' where those say it.
        next: What to do. `{logs}`, `{resource}` and the like stand for URLs of this app (`_links`).
        page: Where to read on.
        message: Pattern that Azure's words hold: one of its codes or this is enough; a row with neither fits any failure.
        kinds: Pattern of the kind's path; '' for any.
        statuses: What the request amounts to over HTTP; empty for any.
    """

    codes: str
    cause: str
    next: str
    page: str
    _: KW_ONLY
    message: str = ""
    kinds: str = ""
    statuses: tuple[int, ...] = ()


ADVICE: tuple[Advice, ...] = (
    # The app's own
    Advice(
        "OutcomeUnknown",
        "Azure's answer was lost, or Azure no longer knows the operation. The request may have taken effect.",
        "Look at the resource: GET {resource}. Send the request again if it is not as you want it.",
        "docs/operations.md#crashes",
    ),
    Advice("Expired", "", "Send the request again if it is still wanted.", "docs/operations.md"),
    Advice(
        "NotSent StewardInternalError RegistrationTimeout",
        "The app could not send the request.",
        "See health/details and the app's log, then send the request again.",
        "docs/troubleshoot.md",
    ),
    Advice(
        "SignInFailed InvalidAuthenticationToken ExpiredAuthenticationToken InvalidAuthenticationTokenTenant",
        "Azure does not accept the app's identity.",
        "Ask the operator to run `make doctor`: it says which setting or role of the identity is wrong.",
        f"{_LEARN}app-service/overview-managed-identity",
    ),
    Advice(
        "UploadPlaceUnusable KeyBasedAuthenticationNotPermitted",
        "The workspace's storage account does not take the app's files.",
        "Assign 'Storage Blob Data Contributor' on that account to the app's identity, then send the request again.",
        f"{_LEARN}storage/common/shared-key-authorization-prevent",
    ),
    # What Azure has too little of
    Advice(
        "ReadOnlyDisabledSubscription DisabledSubscription SubscriptionNotFound InvalidSubscriptionId",
        "The subscription is disabled, or does not exist in this tenant.",
        "Check the subscription's id and its state in the portal; an owner can enable it again.",
        f"{_LEARN}cost-management-billing/manage/subscription-disabled",
    ),
    Advice(
        "OutOfCapacity AllocationFailed ZonalAllocationFailed OverconstrainedAllocationRequest SkuNotAvailable "
        "NotAvailableForSubscription",
        "Azure has no machine of that size left in the region, or does not offer it there.",
        "Choose another VM size or region, or try again later. What the region offers: GET {sizes}.",
        f"{_FIX}error-sku-not-available",
        message=r"(not enough|insufficient|no|lack of) capacity|out of capacity|capacity (is|are) not available",
    ),
    Advice(
        "OutOfQuota QuotaExceeded ClusterCoreQuotaReached ClusterMinNodesExceedCoreQuota ClusterNodeQuotaReached "
        "ResourceQuotaExceeded "
        "SubscriptionCoresQuotaExceeded VMSizeQuotaExceeded QuotaNotAvailable MaximumClusterCountReached "
        "ResourceLimitExceeded JobNodeCountExceedsCoreQuota",
        "The quota is used up.",
        "See what is left: GET {usages}. Use a smaller VM size or fewer instances, delete what is not used, or request more quota.",
        _QUOTA_PAGE,
        message=r"\bquota\b|exceeds? the (limit|maximum) (number )?of|limit of \d+ .{0,40}(reached|exceeded)",
    ),
    Advice(
        "MarketplacePurchaseEligibilityFailed",
        "The subscription may not buy the offer in the Marketplace.",
        "Ask the owner of the billing account to allow Marketplace purchases, to add a payment method, and to look where the offer "
        "is sold; then send the request again.",
        f"{_ML}how-to-deploy-models-serverless",
        message=r"subscribing to marketplace|marketplace .{0,20}purchase eligibil",
    ),
    # Who may do what
    Advice(
        "ScopeLocked",
        "A lock keeps the resource as it is.",
        "Ask the lock's owner to remove it, then send the request again.",
        f"{_LEARN}azure-resource-manager/management/lock-resources",
    ),
    Advice(
        "RequestDisallowedByPolicy RequestDisallowedByAzure PolicyViolation",
        "A policy of the subscription forbids it.",
        "Change the request to what the named policy allows, or ask its owner for an exemption.",
        f"{_FIX}error-policy-requestdisallowedbypolicy",
    ),
    Advice(
        "RoleAssignmentExists RoleAssignmentUpdateNotPermitted RoleAssignmentLimitExceeded",
        "Azure could not assign a role to the resource's identity.",
        "Remove role assignments that are not used or stand in the way, or use a user-assigned identity that has its "
        "roles already.",
        _ROLES,
    ),
    Advice(
        "AuthorizationFailed LinkedAuthorizationFailed Forbidden AuthorizationPermissionMismatch AccessDenied "
        "LinkedAccessCheckFailed "
        "UserAssignedIdentityNotAuthorized InsufficientPermissions Unauthorized PermissionDenied ForbiddenByRbac "
        "ForbiddenByPolicy",
        "The identity that did it lacks a permission.",
        "Assign a role with the action that the message names, at the scope that it names, wait some minutes, and "
        "send the request "
        "again. `make doctor` shows what the app's own identity lacks.",
        _ROLES,
    ),
    Advice(
        "SubscriptionNotRegistered",
        "A resource provider is not registered in the subscription; Azure often does not name it ([N/A]).",
        "Register what an online endpoint needs: POST {providers}/Microsoft.Cdn/register and POST "
        "{providers}/Microsoft.PolicyInsights/register. Wait some minutes, then send the request again.",
        f"{_FIX}error-register-resource-provider",
    ),
    Advice(
        "MissingSubscriptionRegistration NoRegisteredProviderFound",
        "The resource provider is not registered in the subscription, or does not know the api-version.",
        "Register it: POST {providers}/NAMESPACE/register. Leave out `?api-version=` to use the app's own.",
        f"{_FIX}error-register-resource-provider",
    ),
    Advice(
        "DatastorePathNotFound ModelAssetPathNotFoundInStorage NoMatchingArtifactsFoundFromJob",
        "Nothing lies at the path.",
        "Upload the files to the path that the message names, or correct the path, then send the request again.",
        f"{_ML}how-to-datastore",
        message=r"no (blobs found in storage|artifacts matching)",
    ),
    # States that keep a request from being carried out
    Advice(
        "CancelPipelineRunInTerminalStatus JobEnded",
        "The job has ended already.",
        "Nothing is left to cancel; read how it ended: GET {resource}.",
        f"{_ML}how-to-debug-pipeline-failure",
    ),
    Advice(
        "JobNotTerminal",
        "The job has not ended.",
        "Cancel it (POST {resource}/cancel), wait for its end, then send the request again.",
        f"{_ML}how-to-debug-pipeline-failure",
    ),
    Advice(
        "ActiveSchedule",
        "The schedule is enabled.",
        "Disable it: PUT it with properties.isEnabled false; then delete it.",
        f"{_ML}how-to-schedule-pipeline-job",
    ),
    Advice(
        "DeploymentHasTraffic",
        "The deployment receives traffic.",
        "Set its share of the endpoint's traffic to 0 (PUT the endpoint), then delete it.",
        f"{_ML}how-to-safely-rollout-online-endpoints",
    ),
    Advice(
        "DefaultDatastore",
        "It is the workspace's default datastore.",
        "Keep it, or make another datastore the default first.",
        f"{_ML}how-to-datastore",
    ),
    Advice(
        "InvalidComputeState StartComputeInstanceOnlyAllowedInStoppedState",
        "The compute is in another state than the request needs.",
        "Read its state (GET {resource}), wait until it has ended what it does, and send the request again.",
        f"{_ML}how-to-create-compute-instance",
        message=r"only allowed when the instance",
    ),
    Advice(
        "",
        "The compute of the job has failed.",
        "Read its errors (GET {workspace}/computes/NAME), delete it and create it again, then start the job again.",
        f"{_ML}how-to-create-attach-compute-cluster",
        message=r"cluster .{0,80}in (a )?failed state",
        kinds=_RUNS,
    ),
    Advice(
        "StorageMountError AZFMountError",
        "The compute could not mount the storage.",
        "Check that the account exists and that its key or the identity opens it, and let the network reach Storage on "
        "the ports 443 and 445; then send the request again.",
        f"{_ML}how-to-secure-training-vnet",
        message=r"(failed|unable) to mount|could not mount|AZFMountError",
    ),
    Advice(
        "ResourceGroupBeingDeleted",
        "The resource group is being deleted.",
        "Use another resource group, or create it again when its deletion has ended.",
        f"{_FIX}common-deployment-errors",
    ),
    Advice(
        "InvalidCredentials",
        "The credentials do not give access.",
        "Send the present key or token of the account that the message names; keys may have been changed since.",
        f"{_ML}how-to-datastore",
    ),
    Advice(
        "OSProvisioningTimedOut VMExtensionProvisioningError ProvisioningTimeout InternalOperationError",
        "The machine did not start.",
        "Send the request again; if it fails again, delete the compute and create it, or choose another VM size.",
        f"{_ML}how-to-create-compute-instance",
        message=r"unusable node",
        kinds=_COMPUTES,
    ),
    Advice(
        "SetupScriptFailed",
        "The setup script of the instance ended with an error.",
        "Fix the setup script (the studio shows its log), and PUT the instance again: PUT {resource}.",
        f"{_ML}how-to-customize-compute-instance",
        kinds=_COMPUTES,
    ),
    Advice(
        "",
        "The VM size does not exist, or cannot be used here.",
        "Choose a size that the region offers: GET {sizes}; `?preflight=true` checks it.",
        f"{_FIX}error-sku-not-available",
        message=r"not a supported VM size|VM ?size .{0,60}(not (supported|available|found)|unknown)",
        kinds=_COMPUTES,
    ),
    Advice(
        "",
        "A workspace needs its dependencies.",
        "Name properties.storageAccount, keyVault and applicationInsights by their ids; `?preflight=true` shows what is missing.",
        f"{_ML}how-to-manage-workspace",
        message=r"missing dependent resources",
    ),
    Advice(
        "FailedIdentityOperation",
        "Azure could not use the identity that the request names.",
        "Check that the identity exists and that its id is spelled as Azure shows it, then send the request again.",
        f"{_LEARN}active-directory/managed-identities-azure-resources/known-issues",
    ),
    # Containers and nodes, as Kubernetes and Azure ML name what went wrong
    Advice(
        "PodOutOfMemory OOMKilled OutOfMemory",
        "There was not enough memory.",
        "Use a VM size or limits with more memory, or smaller batches; the end of the log (GET {logs}) shows how far it came.",
        f"{_ONLINE_PAGE}#error-resourcenotready",
        message=r"OOM-?killed|out of memory|exit(ed)?( with)?( status)? code:? 137|cuda error: out of memory",
    ),
    Advice(
        "PodUnschedulable InsufficientNodes",
        "No node of the cluster has room for the container.",
        "Add nodes, or ask for less cpu, memory or GPU per instance: kubectl describe node shows what is free.",
        f"{_ML}how-to-troubleshoot-kubernetes-extension",
    ),
    Advice(
        "TokenRefreshFailed GetAADTokenFailed ScoringFeUnhealthy KubernetesUnaccessible InferenceRouterUnhealthy",
        "The Azure ML extension of the cluster does not work.",
        "Look at the extension's pods (kubectl get pods -n azureml), repair or install the extension again, and PUT it again.",
        f"{_ML}how-to-troubleshoot-kubernetes-extension",
        message=r"azureml-fe",
    ),
    Advice(
        "UserScriptInitFailed UserScriptImportError UserScriptFunctionNotFound DeploymentCrashLoopBackOff "
        "KubernetesCrashLoopBackOff CrashLoopBackOff",
        "The container started and its code failed.",
        "Read the end of its log (`log` here, all of it: GET {logs}), fix score.py or add what it imports to the "
        "environment, and PUT "
        "the deployment again.",
        f"{_ONLINE_PAGE}#error-resourcenotready",
    ),
    Advice(
        "JobNodePreempted NodePreempted Preempted",
        "Azure reclaimed a low-priority node.",
        "Start the job again; a compute of dedicated priority is not reclaimed.",
        f"{_ML}how-to-manage-optimize-cost",
        message=r"preempt",
        kinds=_RUNS,
    ),
    Advice(
        "JobTimedOut MaxRunDurationExceeded",
        "The job ran longer than its limits allow.",
        "Raise limits.timeout (or maxRunDurationSeconds) or make the job faster, then start it again. Its logs: GET {logs}.",
        f"{_ML}reference-yaml-job-command",
        message=r"exceed(s|ed) (the |its )?max(imum)? ?(run )?duration|maxRunDuration",
        kinds=_RUNS,
    ),
    # Images and containers
    Advice(
        "ImageBuildFailure ImageBuildFailed EnvironmentBuildFailed ImageBuildTimeout AcrAuthorizationFailure "
        "ImagePullLoopBackOff ImagePullBackOff FailedPullingImage ACRSecretError ACRAuthenticationChallengeFailed "
        "ACRTokenExchangeFailed",
        "The environment's image could not be built or fetched.",
        "Check that the image and its registry exist, and that the identity may pull from it. Read the build log (the "
        "message says where it lies), fix the environment (pin its packages), and register a"
        " new version. "
        "If the registry refuses its keys: POST {workspace}/resyncKeys.",
        f"{_ONLINE_PAGE}#error-imagebuildfailure",
        message=r"image build|build(ing)? (of )?the (docker )?image|docker image|container registry|pull(ing"
        r")? (the )?image|conda (file|error|env(ironment)? (create|update))|CondaHTTPError|ResolvePackageNotFound",
    ),
    Advice(
        "ContainerRegistryAdminUserDisabled AdminUserDisabled",
        "The workspace's container registry has its admin user disabled.",
        "Enable it (PATCH the registry with properties.adminUserEnabled true), and send the request again.",
        f"{_LEARN}container-registry/container-registry-authentication#admin-account",
    ),
    Advice(
        "WorkspaceManagedNetworkNotReady ManagedNetworkNotReady ManagedNetworkProvisioningFailed",
        "The workspace's managed network is not there yet, or is broken.",
        "Provision it: POST {workspace}/provisionManagedNetwork, wait for its end, then send the request again.",
        f"{_ML}how-to-troubleshoot-managed-network",
    ),
    Advice(
        "MissingDriverProgram",
        "Nothing in the deployment would answer the scoring requests.",
        "Set properties.codeConfiguration (codeId and scoringScript), or serve an MLflow or Triton model, or name an "
        "environment with an inferenceConfig; then PUT it again.",
        f"{_ML}how-to-deploy-custom-container",
    ),
    Advice(
        "SecretsInjectionError",
        "A secret that the deployment refers to could not be read.",
        "Give the endpoint's identity the right to read the connection or vault that the message names, and PUT the "
        "deployment again.",
        f"{_ONLINE_PAGE}#error-secretsinjectionerror",
    ),
    Advice(
        "ResourceNotReady ContainerCrashed ContainerTerminated LivenessProbeFailed ReadinessProbeFailed",
        "The container of the deployment did not become ready: its script, its model or a package fails.",
        "Read the end of its log (`log` here, all of it: GET {logs}), fix score.py, the model or the environment, "
        "and PUT the "
        "deployment again.",
        f"{_ONLINE_PAGE}#error-resourcenotready",
        message=r"container has crashed|crashed or terminated|(liveness|readiness) probe|did not become ready|init\(\)",
        kinds=_DEPLOYMENTS,
    ),
    Advice(
        "",
        "The container could not fetch what it serves.",
        "Give the endpoint's identity the right to read the workspace's storage and registry, check that model and "
        "image exist, and "
        "PUT the deployment again. All logs: GET {logs}.",
        f"{_ONLINE_PAGE}#error-badargument",
        message=r"unable to download|startup task failed|StorageInitializer",
        kinds=_DEPLOYMENTS,
    ),
    Advice(
        "BadArgument InvalidTemplateFunctionSpecification ResourceRequestsGreaterThanLimits",
        "A value in the request is not accepted.",
        "Change what the message names, and PUT it again; `?preflight=true` shows what else would stop it.",
        f"{_ONLINE_PAGE}#error-badargument",
    ),
    Advice(
        "OperationCanceled OperationPreempted",
        "Azure stopped the operation because of another one on the same resource.",
        "Wait until no other operation on it is running, then send the request again.",
        f"{_ONLINE_PAGE}#error-operationcanceled",
    ),
    # Jobs and runs
    Advice(
        "PipelineStepFailed PipelineChildRunFailed",
        "A step of the pipeline failed.",
        "Read the step's error and log (here), fix the step, and start the pipeline again. All steps: GET {children}.",
        f"{_ML}how-to-debug-pipeline-failure",
        kinds=_RUNS,
    ),
    Advice(
        "AllTrialsFailed SweepJobFailed HyperDriveAllRunsFailed",
        "No trial completed.",
        "Read a trial's error and log (here), fix the training script or its data, and start again. All trials: GET {children}.",
        f"{_ML}how-to-troubleshoot-auto-ml",
        kinds=_RUNS,
    ),
    Advice(
        "ComputeNotFound ComputeTargetNotFound ClusterNotFound",
        "The compute of the job does not exist.",
        "Create it, or name another one in `compute`, and start the job again.",
        f"{_ML}how-to-create-attach-compute-cluster",
        kinds=_RUNS,
    ),
    Advice(
        "ScriptNotFound CodeNotFound",
        "The job's script is not among its files.",
        "Send the script with the job's code, under the path that the command names, and start the job again.",
        f"{_ML}reference-yaml-job-command",
        kinds=_RUNS,
    ),
    Advice(
        "ScriptExecution.WriteStreams.Authentication ScriptExecution.WriteStreams.NotFound ScriptExecution.StreamAccess "
        "DataNotFound DataAccessError StreamAccess NotFoundDataAccessError Fetch Authentication InputNotFound "
        "OutputNotFound "
        "ScriptExecution.StreamAccess.NotFound ScriptExecution.StreamAccess.Authentication "
        "NoAuthenticationInformation",
        "The job could not read or write its data.",
        "Check the path in the message, and that the compute's identity may read the storage; then start the job again.",
        f"{_ML}how-to-troubleshoot-data-access",
        message=r"StreamAccess|DataAccessError|server failed to authenticate the request|(data|input|blob|file|path)\b"
        r".{0,60}(not found|does not exist|could not be (read|found))",
        kinds=_RUNS,
    ),
    Advice(
        "UserTrainingScriptFailed ExecutionFailed UserProcessExited UserExecutionFailed",
        "The job's own code ended with an error.",
        "Read the end of its log (`log` here, all of it: GET {logs}), fix the code, and start the job again.",
        f"{_ML}how-to-log-view-metrics",
        message=r"exit(ed)?[ _]?(with )?(a )?(status )?code|non-?zero|user process|user error|traceback",
        kinds=_RUNS,
    ),
    # Names, references, values
    Advice(
        "JobPropertyImmutable",
        "A job of that name exists, and a job cannot be changed after it is created.",
        "Send the job under another name. Of the job that is there, change only description, tags, displayName, properties and "
        "isArchived.",
        f"{_ML}how-to-train-model",
        message=r"job with this name already exists",
        kinds=_RUNS,
    ),
    Advice(
        "ServerlessOfferNotFound",
        "No such offer exists.",
        "Name the model instead, in properties.modelSettings.modelId; one that is sold needs its subscription first: "
        "PUT {workspace}/marketplaceSubscriptions/NAME.",
        f"{_ML}how-to-deploy-models-serverless",
    ),
    Advice(
        "InvalidJobsOverride",
        "The pipeline names a job to run again and brings steps of its own.",
        "Leave out `jobs` or `sourceJobId`, and PUT it again.",
        f"{_ML}how-to-schedule-pipeline-job",
        message=r"invalid jobs override",
    ),
    Advice(
        "",
        "A tag has no value; a policy may have handed it down from the resource group or the subscription.",
        "Give every tag of the request a value, and those that a policy adds where they come from; then send the request again.",
        f"{_LEARN}azure-resource-manager/management/tag-resources",
        message=r"tag values must not be null or empty",
    ),
    Advice(
        "StorageAccountAlreadyTaken VaultAlreadyExists AlreadyInUse NameUnavailable NameNotAvailable "
        "RegistryNameNotAvailable ServerlessEndpointNameNotAvailable EndpointAlreadyExists "
        "AccountNameInvalid "
        "ResourceNameInvalid ReservedResourceName ResourceNameAlreadyInUse",
        "The name is taken or not allowed.",
        "Choose another name; for a deleted vault or workspace of your own, recover or purge it first.",
        f"{_FIX}error-reserved-resource-name",
        message=r"already an? \w+ with this name|needs to be unique|name .{0,60}(is taken|not available)",
    ),
    Advice(
        "",
        "A deleted resource still holds the name.",
        "Recover or purge the deleted one, or choose another name.",
        f"{_ML}concept-soft-delete",
        message=r"soft-?deleted|recover(able)? .{0,20}deleted|deleted .{0,20}(state|but recoverable)",
    ),
    Advice(
        "LocationNotAvailableForResourceType LocationRequired InvalidResourceLocation LocationNotAvailable",
        "The resource cannot be in that region.",
        "Name one of the regions in the message. A resource keeps its region: delete it to make it elsewhere.",
        f"{_FIX}error-sku-not-available",
    ),
    Advice(
        "InvalidResourceReference LinkedInvalidPropertyId ResourceGroupNotFound ParentResourceNotFound "
        "ReferencedResourceNotFound "
        "UserAssignedIdentityNotFound ReferencedResourceNotProvisioned StorageAccountIsNotProvisioned "
        "InUseSubnetCannotBeUpdated "
        "LinkedInvalidResourceId",
        "The request refers to something that does not exist or is not ready.",
        "Correct the id in the message, or create what it names first, then send the request again; `?preflight=true`"
        " looks up every id.",
        f"{_FIX}error-not-found",
    ),
    Advice(
        "ResourceNotFound NotFound ModelNotFound EnvironmentNotFound WorkspaceNotFound AssetNotFound",
        "Something that the request needs does not exist.",
        "Check its name and scope in the message, create it first where it is missing, and send the request again.",
        f"{_FIX}error-not-found",
    ),
    Advice(
        "",
        "The attached cluster does not accept it.",
        "Check that the cluster runs and that its extension is installed: kubectl get pods -n azureml. Then send the "
        "request again.",
        f"{_ML}how-to-troubleshoot-kubernetes-compute",
        message=r"kubernetes|azureml-fe|\baks\b",
    ),
    Advice(
        "",
        "The network blocks it.",
        "Check the virtual network, its subnet, private endpoints and DNS as the message names them; then send the request again.",
        f"{_ML}how-to-secure-workspace-vnet",
        message=r"\bsubnet\b|virtual network|private (endpoint|link)|\bvnet\b|firewall|public network access",
    ),
    Advice(
        "CustomerManagedKeyInvalid KeyVaultAccessForbidden KeyNotFound EncryptionKeyNotFound",
        "The customer-managed key cannot be used.",
        "Enable purge protection of the vault, and allow the identity to get, wrap and unwrap the key.",
        f"{_ML}concept-customer-managed-keys",
    ),
    Advice(
        "StorageAccountUnreachable StorageAccountNotFound",
        "The workspace cannot reach its storage account.",
        "Check that the account exists and that its firewall lets the workspace in; POST {workspace}/diagnose says "
        "what else is wrong.",
        f"{_ML}how-to-workspace-diagnostic-api",
    ),
    Advice(
        "PreconditionFailed EtagMismatch",
        "The resource has changed since it was read.",
        "Read it again (GET {resource}), apply your change to that, and send it.",
        f"{_LEARN}azure-resource-manager/management/async-operations",
    ),
    Advice(
        "ResourceInUse Conflict AnotherOperationInProgress ResourceBusy CannotDeleteResource "
        "InUse "
        "ParkInterrupted NothingToPark NotReadyToPark EndpointBusy VariablesNotKept ResourceGroupDeletionBlocked",
        "Something else uses or changes the resource.",
        "End or remove what the message names, then send the request again.",
        f"{_FIX}common-deployment-errors",
    ),
    Advice(
        "AssetPropertyImmutable",
        "The version exists or existed, and a version never changes.",
        "Register the next version instead of this one.",
        f"{_ML}concept-azure-machine-learning-v2",
        message=r"immutable|already (exists|registered)|cannot be recreated",
    ),
    Advice(
        "TooManyRequests",
        "Azure received too many requests.",
        "Send the request again after some minutes, and fewer at once.",
        f"{_LEARN}azure-resource-manager/management/request-limits-and-throttling",
        statuses=(429,),
    ),
    # What an outcome means where no code does
    Advice(
        "",
        "",
        "Check the fields that the message names; `?preflight=true` on the PUT shows all problems.",
        f"{_FIX}common-deployment-errors",
        statuses=(400,),
    ),
    Advice(
        "",
        "The identity that did it lacks a permission.",
        "Assign a role that allows it, and send the request again.",
        _ROLES,
        statuses=(401, 403),
    ),
    Advice(
        "",
        "Something that the request needs does not exist.",
        "Create it first, or correct the name.",
        f"{_FIX}error-not-found",
        statuses=(404,),
    ),
    Advice(
        "",
        "The request conflicts with the current state.",
        "Change or end what the message names, and send the request again.",
        f"{_FIX}common-deployment-errors",
        statuses=(409, 412),
    ),
    Advice(
        "",
        "Azure itself failed.",
        "Read the resource (GET {resource}): it may be there all the same. Send the request again; if it fails again, ask Azure "
        "support with the request id of the time line.",
        f"{_FIX}common-deployment-errors",
        statuses=(500, 502, 503, 504),
    ),
    Advice(
        "",
        "The job failed.",
        "Read the end of its log (`log` here, all of it: GET {logs}), and start it again.",
        f"{_ML}how-to-log-view-metrics",
        kinds=_RUNS,
    ),
    Advice(
        "",
        "The deployment failed.",
        "Read the end of its log (`log` here, all of it: GET {logs}), and PUT it again.",
        _ONLINE_PAGE,
        kinds=_DEPLOYMENTS,
    ),
    Advice(
        "",
        "The batch deployment failed.",
        "Change what the message names, and PUT it again.",
        f"{_ML}how-to-troubleshoot-batch-endpoints",
        kinds=r"workspaces/batchEndpoints.*",
    ),
    Advice(
        "",
        "The endpoint failed.",
        "Read it (GET {resource}); delete one that stays Failed, and PUT it again.",
        _ONLINE_PAGE,
        kinds=r"workspaces/(online|serverless)Endpoints.*",
    ),
    Advice(
        "",
        "The compute failed.",
        "Read its errors (GET {resource}); delete one that stays Failed, and PUT it again.",
        f"{_ML}how-to-create-attach-compute-cluster",
        kinds=_COMPUTES,
    ),
    Advice(
        "",
        "The workspace failed.",
        "Ask what is wrong with it: POST {resource}/diagnose. Fix that, and send the request again.",
        f"{_ML}how-to-workspace-diagnostic-api",
        kinds=r"workspaces",
    ),
    Advice(
        "",
        "",
        "If the message names nothing to change, send the same request again; if it fails again, ask Azure support "
        "with the request id of the time line.",
        f"{_FIX}common-deployment-errors",
    ),
)


def explain(operation: Operation, base: str) -> dict[str, str]:
    """Return cause, next step and page of an operation that ended otherwise than asked; {} for any other.

    Args:
        operation: The operation.
        base: The app's own address with its prefix, for requests that can be pasted.
    """
    error = operation.error
    if not operation.ended or error is None:
        return {}
    said = words.short(f"{error.code}: {error.message}", WORDS_LIMIT)
    if operation.status == "Canceled" and not error.code.startswith("JobTimedOut"):
        return {"cause": f"The operation was canceled. {said}", "next": "Send the request again if it is still wanted."}
    found = next(row for row in ADVICE if _fits(row, operation, error))
    return {
        "cause": f"{found.cause} {said}".strip(),
        "next": found.next.format_map(_links(operation, base)),
        "page": found.page,
    }


def _fits(row: Advice, operation: Operation, error: AzureError) -> bool:
    kind = operation.kind.partition(":")[2].partition("/")[2]
    if not re.fullmatch(row.kinds or ".*", kind) or operation.http_status not in (row.statuses or (operation.http_status,)):
        return False
    named = set(row.codes.lower().split())
    return (
        not (named or row.message)
        or any(code.lower() in named for code in _codes(error))
        or bool(row.message and re.search(row.message, " ".join(_words(error)), re.IGNORECASE))
    )


def _codes(error: AzureError) -> Iterator[str]:
    yield from filter(None, (error.code, error.outer_code))
    for detail in error.details:
        yield from _codes(detail)


def _words(error: AzureError) -> Iterator[str]:
    yield error.message
    for detail in error.details:
        yield from _words(detail)


def _links(operation: Operation, base: str) -> dict[str, str]:
    """Return the URLs that a next step may name."""
    target = ids.parse(operation.target)
    region = ids.below(ids.provider(target.subscription, "Microsoft.MachineLearningServices"), "locations", "REGION")
    run = ids.below(target.ancestor(1).path, "runs", target.name)
    return {
        "resource": f"{base}{target.path}",
        "logs": ids.below(f"{base}{target.path}", "logs"),
        "workspace": f"{base}{target.ancestor(1).path}",
        "children": ids.below(f"{ids.below(base, 'history', 'v1.0')}{run}", "children"),
        "usages": ids.below(f"{base}{region}", "usages"),
        "sizes": ids.below(f"{base}{region}", "vmSizes"),
        "providers": ids.below(f"{base}{ids.group(target.subscription)}", "providers"),
    }
