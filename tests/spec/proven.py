"""Where Microsoft's description and what Azure really does differ: each with the proof."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """A line of the check that is right as it is.

    Attributes:
        pattern: Regular expression, searched in the line (`METHOD …template @version: what`), or in the path.
        proof: What shows that Azure does so. Sections are those of docs/protocol.md.
    """

    pattern: str
    proof: str


_ML = r"…Microsoft\.MachineLearningServices/"
_WORKSPACE = (
    "(etag|properties.(creationTime|enableDataIsolation|sdkTelemetryAppInsightsKey|softDeleteEnabled|subscriptionState|"
    "subscriptionStatusChangeTimeStampUtc))"
)
_OF_TEMPLATES = (
    "(allowRecoverSoftDeletedWorkspace|allowRoleAssignmentOnRG|encryption\\.(SearchAccountArmId|cosmosDbArmId|storageAccountArmId)|"
    "existingWorkspaces|featureStoreSettings\\.computeruntime|hbiWorkspace|provisionNetworkNow|systemDatastoresAuthMode|"
    "workspaceHubConfig): "
)

_HISTORY = (
    Proven(
        pattern=r"@data plane: 200 answer(\.value\[\])?\.(compute|computeRequest|displayName|duration|experimentName|"
        r"lastModifiedUtc|latestModifiedRunId|inputDatasets|outputDatasets|services|submittedBy|tags|"
        r"error\.error\.(additionalInfo|debugInfo|detailsUri|messageFormat|"
        r"messageParameters|referenceCode|severity)): no such member",
        proof="the description is of 2019; azure-ai-ml 1.35.2 (_restclient/runhistory) and azureml-core 1.61 read them; §6 (c)",
    ),
    Proven(
        pattern=r"/experiments:query @data plane: request\.viewType: no such member",
        proof="the description is of 2019; azure-ai-ml 1.35.2 sends it (_restclient/runhistory, ExperimentQueryParams)",
    ),
    Proven(
        pattern=r"/artifacts/(\{\}/\{\}/)?batch/metadata @data plane: 200 answer\."
        r"((artifacts|artifactContentInformation)\.\S+\.tags|errors\.\S+\.(componentName|statusCode|error\.(additionalInfo|debugInfo|detailsUri|messageFormat|messageParameters|"
        r"referenceCode|severity))): no such member",
        proof="the description is of 2019; azureml-mlflow 1.62 (_restclient/artifact/models) reads them; §6 (c)",
    ),
    Proven(
        pattern=r'^POST \S+/runs @data plane: .*policy_config\.name: "DEFAULT" is none of',
        proof="Microsoft's own example sends it so: azure-rest-api-specs, 2019-09-30, examples/createHyperDriveExperiment.json",
    ),
    Proven(
        pattern=r"/services(/\{\})? @data plane: 200 answer(\.value\[\])?\.modelIds: no such member",
        proof="azureml-core 1.61 reads modelIds of a service (webservice.py)",
    ),
)

DEVIATIONS: tuple[Proven, ...] = (
    Proven(pattern=rf"^PUT {_ML}registries/\{{\}} @\S+: status 202;", proof="§9: recorded at 2022-10-01-preview and 2024-04-01"),
    Proven(
        pattern=rf"^PUT {_ML}registries/\{{\}}/\w+/\{{\}}(/versions/\{{\}})? @\S+: status 202;",
        proof="§2: 202 with a Location on the region's front end, which ends with the asset's id",
    ),
    Proven(
        pattern=rf"^PATCH {_ML}workspaces/\{{\}}/computes/\{{\}} @\S+: status 202;", proof="§2: 202 with the resource, `Updating`"
    ),
    Proven(pattern=rf"^PUT {_ML}workspaces/\{{\}} @2019-11-01: 202 answer: .* got nothing", proof="§2: 43 times 202, each empty"),
    Proven(
        pattern=rf"{_ML}workspaces/\{{\}}/computes(/\{{\}})? @2023-10-01: 20\d answer.*\.idleTimeBeforeShutdown: no such member",
        proof="Azure/azure-rest-api-specs#29222: seen in answers of 2023-10-01",
    ),
    Proven(
        pattern=r"Microsoft\.Storage/storageAccounts/\{\}/listkeys @\S+: 200 answer\.keys\[\]\.permissions",
        proof="learn.microsoft.com/cli/azure/storage/account/keys: the answer says FULL",
    ),
    Proven(
        pattern=rf"^\w+ {_ML}workspaces(/\{{\}})? @\S+: 20\d answer(\.value\[\])?\.{_WORKSPACE}: no such member",
        proof="recorded answers of 2021-07-01 to 2024-04-01 hold them (tests/functional/emulator/test_recorded_acceptance.py)",
    ),
    Proven(
        pattern=rf"{_ML}workspaces/\{{\}}/jobs(/\{{\}})? @\S+: 200 answer.*\.jobType: \"Base\" is none of",
        proof="azure-ai-ml 1.35.2 (entities/_job/base_job.py): runs that no job made have the type Base",
    ),
    *_HISTORY,
)
# Where it is not known what Azure answers, or a test itself asks for something odd.
UNKNOWN: tuple[Proven, ...] = (
    Proven(
        pattern=rf"{_ML}workspaces/\{{\}}/jobs(/\{{\}})? @\S+: 200 answer.*\.sweep(Concurrent)?Trials: no such member",
        proof="a job made under the preview version that azure-ai-ml 1.35.2 uses: what another shows of it is not recorded",
    ),
    Proven(
        pattern=rf"^PUT {_ML}workspaces/\{{\}}/computes/\{{\}} @2019-11-01: request\.userAccountCredentials: no such member",
        proof="docs/article.md: the article's own body; a caller's body is handed on as it is",
    ),
    Proven(
        pattern=rf"{_ML}workspaces(/\{{\}})? @\S+: 200 answer(\.value\[\])?\.properties\.{_OF_TEMPLATES}",
        proof="azure-ai-ml 1.35.2 sends them in a template, in a preview version: what others show of them is not recorded",
    ),
    Proven(
        pattern=rf"^GET {_ML}registries/\{{\}}/components(/\{{\}}/versions)? @\S+: query: unknown parameter listviewtype",
        proof="a registry's other assets take it; the clean-up sends it, so that no archived component that refers is missed",
    ),
    Proven(
        pattern=rf"{_ML}workspaces/\{{\}}/jobs(/\{{\}})? @\S+: 200 answer.*\.environmentId: null",
        proof="jobs of a batch deployment that has no environment, and runs that a test seeds: not recorded",
    ),
    Proven(
        pattern=rf"{_ML}workspaces/\{{\}}/connections(/\{{\}})? @\S+: 200 answer.*\.authType: \S+ is none of",
        proof="a connection made under a later version: what an earlier one shows of it is not recorded",
    ),
    Proven(
        pattern=r"/runs/\{\} @data plane: query: unknown parameter \$select",
        proof="tests/functional/catalog/test_v1_data_plane.py: a caller's own query is handed on",
    ),
)
# Paths of which no description says anything.
BESIDES: tuple[Proven, ...] = (
    Proven(
        pattern=r"/computes/[^/]+/updateSchedules$",
        proof="Azure/azure-sdk-for-js, the REST client of 2021-03-01-preview: ComputeUpdateSchedules; later files leave it out",
    ),
    Proven(pattern=r"/locations/[^/]+/\w*[oO]peration\w*/", proof="§3: the status URLs that answers name"),
    Proven(pattern=r"^/discovery$|^/registrymanagement/", proof="§8: discovery of the regional hosts; of registries likewise"),
    Proven(pattern=r"^/(assetstore|environment)/v1\.0/operations/", proof="§3.8: the status URLs of a registry's assets"),
    Proven(pattern=r"/registries/[^/]+/(tempdatarefs|datarefs|import)", proof="azure-ai-ml 1.35.2: a registry's front end"),
    Proven(
        pattern=r"^/history/v1\.0/.*/workspaces/[^/]+/experiments$",
        proof="learn.microsoft.com/azure/machine-learning/how-to-manage-rest: the list of experiments",
    ),
    Proven(pattern=r"/artifacts/content/", proof="azureml-core 1.61 and azureml-mlflow 1.62 put and get the files of a run there"),
    Proven(pattern=r"/operationStatuses/", proof="the status URLs of Microsoft.ContainerRegistry"),
    Proven(
        pattern=r"(?i)/providers/Microsoft\.(Authorization/(denyAssignments|permissions)|\w+/checkNameAvailability|KeyVault/locations/)",
        proof="learn.microsoft.com/rest/api: of other files than those that are distilled here",
    ),
)
