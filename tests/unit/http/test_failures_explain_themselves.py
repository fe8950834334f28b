"""A failed operation names its cause and the next step, whatever failed: sixty-odd failures, each as Azure words it.

The measure of the issue: of 60 scripted failures of all job types, computes, endpoints, workspaces and assets, 57 at least.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from shared import services
from shared.openapi import document
from shared.operations import advice
from shared.route_table import ROUTES
from tests.fake_azure import GROUP, LOGS, WORKSPACE, Fault, refusal

if TYPE_CHECKING:
    from tests.unit.http.conftest import Answer, App

CLUSTER = {"location": "westeurope", "properties": {"computeType": "AmlCompute", "properties": {"vmSize": "Standard_DS3_v2"}}}
INSTANCE = {"properties": {"computeType": "ComputeInstance", "properties": {"vmSize": "Standard_DS3_v2"}}}
ATTACHED = {
    "properties": {"computeType": "Kubernetes", "resourceId": f"{GROUP}/providers/Microsoft.Kubernetes/connectedClusters/k"}
}
ENDPOINT = {"location": "westeurope", "properties": {"authMode": "Key"}}
DEPLOYMENT = {"location": "westeurope", "properties": {"endpointComputeType": "Managed", "instanceType": "Standard_DS3_v2"}}
BATCH = {"location": "westeurope", "properties": {"compute": "cpu"}}
LOCATED = {"location": "westeurope", "properties": {}}
ASSET = {"properties": {"description": "x"}}
STORE = {"properties": {"datastoreType": "AzureBlob", "credentials": {"credentialsType": "None"}}}
ACCOUNT = {"location": "westeurope", "sku": {"name": "Standard_LRS"}, "kind": "StorageV2"}
VAULT = {"location": "westeurope", "properties": {"tenantId": "t", "sku": {"name": "standard", "family": "A"}}}
SCHEDULE = {"properties": {"trigger": {"triggerType": "Cron", "expression": "0 2 * * *"}, "action": {"actionType": "CreateJob"}}}
DEPLOYED, BATCHED = "workspaces/w1/onlineEndpoints/end1/deployments/blue", "workspaces/w1/batchEndpoints/bat1/deployments/one"
EXITED = "Execution failed. User process 'python' exited with status code 3. Please check log file 'user_logs/std_log.txt'."


type Failure = tuple[str | int, str, Any, str, str, str, str]


def job(kind: str) -> dict[str, Any]:
    """Return the body of a job of a type."""
    return {"properties": {"jobType": kind}}


# How: `job`: the job runs and fails; `later`: accepted, and failed by its poll; a number: refused with that status.
# How, verb and path, body, code, Azure's words, words of the cause, words of the next step.
FAILURES: list[Failure] = [
    ("job", "PUT workspaces/w1/jobs/a", job("Command"), "UserTrainingScriptFailed", EXITED, "status code 3", "fix the code"),
    ("job", "PUT workspaces/w1/jobs/a", job("Command"), "UserError", EXITED, "own code", "jobs/a/logs"),
    ("job", "PUT workspaces/w1/jobs/a", job("Command"), "UserError", "The process was killed; exit code 137.", "137", "log"),
    (
        "job",
        "PUT workspaces/w1/jobs/a",
        job("Command"),
        "JobTimedOut",
        "exceeded its maximum duration",
        "longer than",
        "limits.timeout",
    ),
    ("job", "PUT workspaces/w1/jobs/a", job("Command"), "ScriptNotFound", "The script 'a.py' is not there.", "a.py", "job's code"),
    (
        "job",
        "PUT workspaces/w1/jobs/a",
        job("Command"),
        "ComputeNotFound",
        "'cpu' does not exist.",
        "'cpu'",
        "another one in `compute`",
    ),
    (
        "job",
        "PUT workspaces/w1/jobs/a",
        job("Command"),
        "DataNotFound",
        "The path 'azureml://x' is empty.",
        "azureml://x",
        "storage",
    ),
    (
        "job",
        "PUT workspaces/w1/jobs/a",
        job("Command"),
        "UserError",
        "StreamAccess.NotFound: input 'rows'",
        "rows",
        "path in the message",
    ),
    ("job", "PUT workspaces/w1/jobs/a", job("Command"), "ImageBuildFailure", "pip could not resolve.", "image", "resyncKeys"),
    ("job", "PUT workspaces/w1/jobs/a", job("Command"), "UserError", "Docker image build failed: conda", "image", "build log"),
    (
        "job",
        "PUT workspaces/w1/jobs/a",
        job("Command"),
        "ServiceError",
        "An internal error occurred.",
        "internal error",
        "start it again",
    ),
    ("job", "PUT workspaces/w1/jobs/a", job("Command"), "UserError", "You have exceeded the quota for cores.", "quota", "/usages"),
    ("job", "PUT workspaces/w1/jobs/a", job("Sweep"), "AllTrialsFailed", "No trial completed.", "No trial", "/children"),
    ("job", "PUT workspaces/w1/jobs/a", job("AutoML"), "AllTrialsFailed", "No trial of the AutoML job.", "AutoML", "/children"),
    (
        "job",
        "PUT workspaces/w1/jobs/a",
        job("Pipeline"),
        "PipelineStepFailed",
        "The step train failed.",
        "train",
        "/runs/a/children",
    ),
    ("job", "PUT workspaces/w1/jobs/a", job("Spark"), "UserError", "Spark application: exit code 1", "exit code 1", "jobs/a/logs"),
    (
        "job",
        "PUT workspaces/w1/jobs/a",
        job("Spark"),
        "AuthorizationFailed",
        "no access to 'azureml://x'",
        "permission",
        "Assign a role",
    ),
    (400, "PUT workspaces/w1/jobs/a", job("Command"), "UserError", "environmentId is missing.", "environmentId", "fields"),
    (404, "PUT workspaces/w1/jobs/a", job("Command"), "EnvironmentNotFound", "No environment 'e:1'.", "'e:1'", "create it first"),
    ("later", "PUT workspaces/w1/computes/cpu", CLUSTER, "ClusterCoreQuotaReached", "No cores are left.", "quota", "/usages"),
    ("later", "PUT workspaces/w1/computes/cpu", CLUSTER, "ClusterMinNodesExceedCoreQuota", "4 > 0", "4 > 0", "request more quota"),
    ("later", "PUT workspaces/w1/computes/cpu", CLUSTER, "AllocationFailed", "Allocation failed.", "machine", "/vmSizes"),
    ("later", "PUT workspaces/w1/computes/cpu", CLUSTER, "UserError", "The subnet 's' is full.", "subnet 's'", "virtual network"),
    (
        "later",
        "PUT workspaces/w1/computes/inst",
        INSTANCE,
        "UserError",
        "Not enough capacity for GPUs.",
        "capacity",
        "another VM size",
    ),
    (
        "later",
        "PUT workspaces/w1/computes/inst",
        INSTANCE,
        "SetupScriptFailed",
        "setup.sh ended with 1.",
        "setup.sh",
        "computes/inst",
    ),
    (
        "later",
        "PUT workspaces/w1/computes/k8s",
        ATTACHED,
        "UserError",
        "The Kubernetes cluster is unreachable.",
        "cluster",
        "extension",
    ),
    (400, "PUT workspaces/w1/computes/cpu", CLUSTER, "BadRequest", "The vmSize is not supported.", "vmSize", "preflight"),
    ("later", "POST workspaces/w1/computes/known/start", None, "OutOfCapacity", "No machine.", "No machine", "try again later"),
    (
        "later",
        "DELETE workspaces/w1/computes/known",
        None,
        "ResourceInUse",
        "Jobs run on it.",
        "Jobs run",
        "what the message names",
    ),
    ("later", "PUT workspaces/w1/onlineEndpoints/end1", ENDPOINT, "RoleAssignmentLimitExceeded", "4000.", "role", "user-assigned"),
    (
        "later",
        "PUT workspaces/w1/onlineEndpoints/end1",
        ENDPOINT,
        "ServiceError",
        "Something broke.",
        "Something broke",
        "stays Failed",
    ),
    (409, "PUT workspaces/w1/onlineEndpoints/end1", ENDPOINT, "NameNotAvailable", "'end1' is taken.", "'end1'", "another name"),
    ("later", f"PUT {DEPLOYED}", DEPLOYMENT, "OutOfQuota", "Needed: 8 cores.", "8 cores", "/usages"),
    ("later", f"PUT {DEPLOYED}", DEPLOYMENT, "ImageBuildFailure", "pip failed.", "pip failed", "new version"),
    ("later", f"PUT {DEPLOYED}", DEPLOYMENT, "ResourceNotReady", "User container has crashed.", "crashed", "blue/logs"),
    ("later", f"PUT {DEPLOYED}", DEPLOYMENT, "UserError", "The liveness probe failed.", "probe", "score.py"),
    ("later", f"PUT {DEPLOYED}", DEPLOYMENT, "BadArgument", "Unable to download user model.", "user model", "right to read"),
    ("later", f"PUT {DEPLOYED}", DEPLOYMENT, "BadArgument", "Invalid template function.", "template", "preflight"),
    ("later", f"PUT {DEPLOYED}", DEPLOYMENT, "SecretsInjectionError", "No access to 'kv'.", "'kv'", "connection or vault"),
    ("later", f"PUT {DEPLOYED}", DEPLOYMENT, "WorkspaceManagedNetworkNotReady", "Not there.", "network", "provisionManagedNetwork"),
    (
        "later",
        f"PUT {DEPLOYED}",
        DEPLOYMENT,
        "OperationCanceled",
        "Another one came first.",
        "Another one",
        "no other operation on it is running",
    ),
    ("later", f"PUT {DEPLOYED}", DEPLOYMENT, "InternalServerError", "Sorry.", "Sorry", "blue/logs"),
    (400, f"PUT {DEPLOYED}", DEPLOYMENT, "ValidationError", "instanceType is unknown.", "instanceType", "message names"),
    ("later", "PUT workspaces/w1/batchEndpoints/bat1", ENDPOINT, "ServiceError", "Broken.", "Broken", "PUT it again"),
    ("later", f"PUT {BATCHED}", BATCH, "UserError", "The mini batch size is wrong.", "mini batch", "message names"),
    ("later", "PUT workspaces/w1/serverlessEndpoints/s1", ENDPOINT, "ModelNotFound", "No model.", "No model", "scope"),
    ("later", "PUT workspaces/ws2", LOCATED, "CustomerManagedKeyInvalid", "No purge protection.", "key", "wrap and unwrap"),
    ("later", "PUT workspaces/ws2", LOCATED, "StorageAccountUnreachable", "'st1' cannot be reached.", "'st1'", "diagnose"),
    ("later", "PUT workspaces/ws2", LOCATED, "ContainerRegistryAdminUserDisabled", "'acr1'", "acr1", "adminUserEnabled"),
    ("later", "PUT workspaces/ws2", LOCATED, "ServiceError", "It failed.", "It failed", "ws2/diagnose"),
    (400, "PUT workspaces/ws2", LOCATED, "BadRequest", "A soft-deleted workspace exists.", "deleted", "purge"),
    (400, "PUT workspaces/ws2", LOCATED, "InvalidResourceReference", "'st9' was not found.", "'st9'", "create what it names first"),
    (400, "PUT workspaces/ws2", LOCATED, "LocationNotAvailableForResourceType", "Regions: a, b.", "region", "one of the regions"),
    (403, "PUT workspaces/ws2", LOCATED, "AuthorizationFailed", "The client cannot write.", "permission", "make doctor"),
    (403, "PUT workspaces/ws2", LOCATED, "RequestDisallowedByPolicy", "Policy 'no-public'.", "no-public", "exemption"),
    (403, "PUT workspaces/ws2", LOCATED, "ReadOnlyDisabledSubscription", "Read only.", "disabled", "owner"),
    (409, "DELETE workspaces/w1/datastores/workspaceblobstore", None, "ScopeLocked", "A lock 'keep'.", "'keep'", "lock's owner"),
    (412, "PATCH workspaces/w1", {"tags": {"a": "b"}}, "PreconditionFailed", "The etag differs.", "etag", "Read it again"),
    ("later", "PUT registries/reg1", LOCATED, "RegistryRegionFailed", "westeurope is full.", "westeurope", "request id"),
    (400, "PUT workspaces/w1/models/m/versions/1", ASSET, "UserError", "No file at the modelUri.", "modelUri", "fields"),
    (409, "PUT workspaces/w1/data/d/versions/1", ASSET, "UserError", "The version already exists.", "exists", "next version"),
    (400, "PUT workspaces/w1/environments/e/versions/1", ASSET, "UserError", "The conda file is no YAML.", "conda", "environment"),
    (400, "PUT workspaces/w1/components/c/versions/1", ASSET, "UserError", "The command is missing.", "command", "fields"),
    (
        403,
        "PUT workspaces/w1/datastores/d1",
        STORE,
        "LinkedAuthorizationFailed",
        "No action on 'st1'.",
        "'st1'",
        "wait some minutes",
    ),
    (400, "PUT workspaces/w1/schedules/s1", SCHEDULE, "ValidationError", "The expression is wrong.", "expression", "fields"),
    (
        409,
        "PUT providers/Microsoft.Storage/storageAccounts/st1",
        ACCOUNT,
        "StorageAccountAlreadyTaken",
        "x",
        "taken",
        "another name",
    ),
    (409, "PUT providers/Microsoft.KeyVault/vaults/kv-1", VAULT, "VaultAlreadyExists", "kv-1", "kv-1", "recover or purge"),
    (400, "PUT workspaces/ws2", LOCATED, "SomethingNew", "A code from tomorrow.", "tomorrow", "message names"),
]


def _failed(app: App, how: str | int, call: str, body: Any, code: str, message: str) -> Answer:
    """Send a request that fails so, let time pass, and read its operation."""
    azure, (verb, path) = app.steward.azure, call.split()
    azure.put(f"{WORKSPACE}/computes/known", {"properties": {"properties": {"state": "Running"}}})
    azure.put(f"{WORKSPACE}/onlineEndpoints/end1", ENDPOINT)
    content = json.dumps(body) if body else b""
    error = {"code": code, "message": message}
    where = path if path.startswith(("providers", "workspaces/ws2", "registries")) else path.partition("workspaces/w1/")[2]
    if isinstance(how, int):
        azure.faults.append(Fault(method=verb, match=where.rpartition("/")[2], response=refusal(how, code, message), times=9))
    else:
        ml = f"{GROUP}/providers/Microsoft.MachineLearningServices"
        azure.failing[f"{ml}/{path.removesuffix('/start')}"] = error
    answer = app.send(verb, path, content, prefer="respond-async")
    assert answer.status == 202, answer.content
    app.steward.drive()
    azure.faults.clear()
    return app.send("GET", f"operations/{answer.body['name']}")


@pytest.mark.parametrize("failure", FAILURES, ids=lambda each: f"{each[1]} {each[3]}")
def test_the_operation_says_why_and_what_to_do(app: App, failure: Failure) -> None:
    """In its own answer: Azure's words in the cause, a step that fits, and a page."""
    how, call, body, code, message, cause, step = failure
    shown = _failed(app, how, call, body, code, message).body
    told = shown["properties"].get("explanation")
    assert shown["status"] == "Failed"
    assert told, shown
    assert cause.lower() in told["cause"].lower(), told
    assert code in told["cause"]
    assert step.lower() in told["next"].lower(), told
    assert told["page"].startswith(("https://learn.microsoft.com/azure/", "docs/"))


def test_there_are_sixty_of_all_sorts() -> None:
    """Job types, computes, endpoints, workspaces, assets."""
    assert len(FAILURES) >= 60
    paths = " ".join(f"{each[1]} {each[2]}" for each in FAILURES)
    jobs = {"Command", "Sweep", "AutoML", "Pipeline", "Spark"}
    computes = {"AmlCompute", "ComputeInstance", "Kubernetes"}
    endpoints = {"onlineEndpoints", "batchEndpoints", "serverlessEndpoints"}
    for sort in jobs | computes | endpoints | {"workspaces/ws2", "models", "data/", "environments", "components"}:
        assert sort in paths


LINE = (
    "loading rows\npassword=hunter2 and AccountKey=abc123== in one line\nTraceback (most recent call last):\nValueError: no rows\n"
)


def test_a_failed_job_shows_the_end_of_its_log_and_nothing_of_it_is_stored(app: App) -> None:
    """The run's own error and the last lines, secrets masked; where the whole log is; `/result` is 422."""
    app.steward.azure.blobs["/azureml/std_log.txt"] = (b"x" * 400 + b"\n") * 100 + LINE.encode()
    assert LOGS.endswith("/azureml")
    answer = _failed(app, "job", "PUT workspaces/w1/jobs/a", job("Command"), "UserError", EXITED)
    told = answer.body["properties"]["explanation"]
    assert told["log"]["name"] == "user_logs/std_log.txt"
    assert told["log"]["url"] == f"http://localhost:7071/api{WORKSPACE}/jobs/a/logs?file=user_logs/std_log.txt"
    assert told["log"]["lines"][-3:] == [
        "password=[masked] and AccountKey=[masked] in one line",
        "Traceback (most recent call last):",
        "ValueError: no rows",
    ]
    assert len(told["log"]["lines"]) == 20
    assert max(map(len, told["log"]["lines"])) <= 301
    assert "ValueError" not in app.steward.everything_stored()
    described = document.build(ROUTES)["components"]
    jsonschema.validate(answer.body, {"$ref": "#/components/schemas/Operation", "components": described})
    shown = described["schemas"]["Operation"]["properties"]["properties"]["properties"]["explanation"]["properties"]
    assert told.keys() == shown.keys()
    assert told["log"].keys() == shown["log"]["properties"].keys() - {"problem"}
    result = app.send("GET", f"operations/{answer.body['name']}/result")
    assert result.status == 422
    extra = next(each for each in result.body["error"]["additionalInfo"] if each["type"] == "Explanation")
    assert "fix the code" in extra["info"]["next"]


def test_a_failed_step_speaks_for_its_pipeline(app: App) -> None:
    """The pipeline's own error says only which step; the step's error and log say why."""
    runs, azure = f"{WORKSPACE}/runs".lower(), app.steward.azure
    azure.resources[f"{runs}/a/children"] = {
        "value": [{"runId": "ok", "status": "Completed"}, {"runId": "bad", "status": "Failed"}]
    }
    azure.resources[f"{runs}/bad/children"] = {"value": []}
    azure.resources[f"{runs}/a/children"]["value"][1]["error"] = {"error": {"code": "UserError", "message": "no rows are left"}}
    azure.resources[f"{runs}/bad/details"] = {"logFiles": {"user_logs/std_log.txt": f"{LOGS}/step.txt?sig=SAS"}}
    azure.blobs["/azureml/step.txt"] = b"the step said this"
    answer = _failed(app, "job", "PUT workspaces/w1/jobs/a", job("Pipeline"), "PipelineStepFailed", "The step train failed.")
    told = answer.body["properties"]["explanation"]
    assert "bad: UserError: no rows are left" in told["cause"]
    assert told["log"]["lines"] == ["the step said this"]
    assert told["log"]["of"].endswith("/jobs/bad")


def test_a_failed_deployment_shows_the_end_of_its_containers_log(app: App) -> None:
    """As POST getLogs has it; GET `…/logs` has all of it."""
    app.steward.azure.logs[f"{WORKSPACE}/onlineEndpoints/end1/deployments/blue"] = "ImportError: no module named 'x'\n"
    answer = _failed(app, "later", f"PUT {DEPLOYED}", DEPLOYMENT, "ResourceNotReady", "User container has crashed.")
    log = answer.body["properties"]["explanation"]["log"]
    assert (log["name"], log["lines"]) == ("InferenceServer", ["ImportError: no module named 'x'"])
    listed = app.send("GET", f"{DEPLOYED}/logs").body["value"]
    assert [each["name"] for each in listed] == ["InferenceServer", "StorageInitializer"]
    assert app.send("GET", f"{DEPLOYED}/logs?file=InferenceServer").content == b"ImportError: no module named 'x'\n"
    assert app.send("GET", log["url"].partition("/api/")[2]).status == 200


@pytest.mark.parametrize("turned", ["off", "unreadable"])
def test_without_a_log_cause_and_step_are_there(app: App, turned: str) -> None:
    """The setting turns it off; a log that cannot be read now says so."""
    azure = app.steward.azure
    if turned == "off":
        own = services.get()
        object.__setattr__(own, "settings", type(own.settings)(**{**_members(own.settings), "failure_logs": False}))
    answer = _failed(app, "job", "PUT workspaces/w1/jobs/a", job("Command"), "UserError", EXITED)
    azure.faults.append(Fault(method="GET", match="/details", response=refusal(403, "AuthorizationFailed", "not yours"), times=9))
    before = len(azure.requests)
    told = app.send("GET", f"operations/{answer.body['name']}").body["properties"]["explanation"]
    assert "status code 3" in told["cause"]
    if turned == "off":
        assert "log" not in told
        assert len(azure.requests) == before
    else:
        assert "not yours" in told["log"]["problem"]


def _members(settings: Any) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in type(settings).__dataclass_fields__}


def test_lists_say_why_without_asking_azure(app: App) -> None:
    """Cause and step of each; no log."""
    _failed(app, "later", "PUT workspaces/w1/computes/cpu", CLUSTER, "ClusterCoreQuotaReached", "No cores are left.")
    before = len(app.steward.azure.requests)
    listed = app.send("GET", "operations").body["value"]
    assert "/usages" in listed[0]["properties"]["explanation"]["next"]
    assert len(app.steward.azure.requests) == before


def test_what_went_well_explains_nothing(app: App) -> None:
    """No `explanation`, and no stale state of Azure's."""
    name = app.send("PUT", "workspaces/w1/computes/cpu", json.dumps(CLUSTER)).body["name"]
    app.steward.drive()
    shown = app.send("GET", f"operations/{name}").body
    assert shown["status"] == "Succeeded"
    assert not {"explanation", "azureStatus"} & shown["properties"].keys()


def test_every_row_can_be_reached_and_has_a_page() -> None:
    """No row stands behind one that fits all that it fits; pages are Microsoft's or this repository's."""
    for row in advice.ADVICE:
        assert row.next
        assert row.page.startswith(("https://learn.microsoft.com/azure/", "docs/"))
    codes = [code for row in advice.ADVICE if not row.kinds for code in row.codes.lower().split()]
    assert len(codes) == len(set(codes)), sorted(code for code in set(codes) if codes.count(code) > 1)
