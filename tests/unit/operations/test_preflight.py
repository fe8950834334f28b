"""Preflight and guards against whatever Azure may answer: never an exception, never an `ok` that Azure did not say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.catalog import paths
from shared.preflight import checks, guards, known_words, value_types
from shared.preflight.findings import Question
from shared.rest import client as rest
from shared.rest import clouds, errors
from shared.settings import Settings
from tests.spec import bodies as realistic

SCOPE = Settings(subscription_id="s", resource_group="g")
VAULT = "/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/v"
IDENTITY = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i"
GRANT = {"objectId": "P1", "permissions": {"keys": ["Get", "WrapKey", "UnwrapKey"]}}
READER = {**GRANT, "permissions": {"keys": ["get"]}}
GOOD_VAULT = {"location": "West Europe", "properties": {"enablePurgeProtection": True, "accessPolicies": [GRANT]}}
KEYED = {
    "location": "westeurope",
    "properties": {
        "encryption": {
            "keyVaultProperties": {"keyVaultArmId": VAULT, "keyIdentifier": "https://v.vault.azure.net/keys/k/1"},
            "identity": {"userAssignedIdentity": IDENTITY},
        }
    },
}
EVERYTHING = {"value": [{"actions": ["*"], "notActions": []}]}


class Azure:
    """Answers by what a path contains; anything else is 404."""

    cloud = clouds.PUBLIC

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.methods: set[str] = set()
        self.asked: list[str] = []

    def send(self, method: str, url: str, *, body: Any = None) -> rest.Response:
        """See `client.Client.send`; the one POST of a preflight asks for a name."""
        self.asked.append(url)
        self.methods.add(method if "/checkNameAvailability?" not in url else "GET")
        for part, answer in self.answers.items():
            if part in url:
                if isinstance(answer, Exception):
                    raise answer
                return rest.Response(status=200, url=url, body=answer)
        return rest.Response(status=404, url=url, body={"error": {"code": "ResourceNotFound", "message": "no"}})

    def pages(self, url: str) -> Any:
        """See `client.Client.pages`."""
        return iter((self.send("GET", url).body or {}).get("value", []))


ASKED = cast("rest.Client", Azure())


def found(path: str, body: dict[str, Any], **answers: Any) -> dict[str, list[tuple[bool | None, str]]]:
    """Return ok and code by check."""
    azure: Any = Azure(**answers)
    out: dict[str, list[tuple[bool | None, str]]] = {}
    for finding in checks.run(paths.resolve(path, SCOPE), body, azure):
        out.setdefault(finding.check, []).append((finding.ok, finding.code))
    assert azure.methods <= {"GET"}
    return out


NAMES = ("value", "name", "properties", "location", "resourceTypes", "limit", "actions")
PATHS = ("workspaces/w1x", "workspaces/w1x/computes/cpu1", "workspaces/w1x/onlineEndpoints/e1x/deployments/d1x")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(JSON, st.sampled_from(PATHS))
def test_whatever_azure_answers_is_read(answer: Any, path: str) -> None:
    """Junk makes unknowns and problems, no exception."""
    body = {
        "location": "westeurope",
        "properties": {"instanceType": "Standard_D1", "properties": {"vmSize": "x"}, **KEYED["properties"]},
    }
    everything = found(path, body, subscriptions=answer)
    assert everything["permission"][0][0] is not True or isinstance(answer, dict)


@settings(max_examples=100, deadline=None)
@given(JSON.filter(lambda value: isinstance(value, dict)))
def test_whatever_the_body_is_is_read(body: Any) -> None:
    """A preflight of nonsense tells that it is nonsense."""
    assert (False, "MissingField") in found("workspaces/w1x/computes/cpu1", body)["fields"]


def test_a_service_that_fails_is_unknown() -> None:
    """Every check that Azure does not answer says so, by its own name."""
    problem = errors.UnreachableError("gone", delay_s=1.0, maybe_arrived=False)
    told = found("workspaces/w1x", KEYED, subscriptions=problem)
    assert {ok for check in ("parent", "free", "provider", "reference", "permission", "vault") for ok, _ in told[check]} == {None}


@pytest.mark.parametrize(
    ("change", "codes"),
    [
        ({}, set()),
        ({"location": "northeurope"}, {"OtherRegion"}),
        ({"properties": {**GOOD_VAULT["properties"], "enableSoftDelete": False}}, {"SoftDeleteOff"}),
        ({"properties": {**GOOD_VAULT["properties"], "enablePurgeProtection": False}}, {"PurgeProtectionOff"}),
        ({"properties": {"enablePurgeProtection": True, "accessPolicies": []}}, {"NoKeyAccess"}),
        (
            {"properties": {"enablePurgeProtection": True, "accessPolicies": [READER]}},
            {"NoKeyAccess"},
        ),
        ({"properties": {"enablePurgeProtection": True, "enableRbacAuthorization": True}}, {"Unknown"}),
    ],
)
def test_a_vault_is_judged_by_the_documents_list(change: dict[str, Any], codes: set[str]) -> None:
    """Soft delete, purge protection, region, and the three permissions of the identity that reads the key."""
    told = found("workspaces/w1x", KEYED, vaults=GOOD_VAULT | change, userAssignedIdentities={"properties": {"principalId": "p1"}})
    assert {code for _, code in told["vault"]} - {"Ok"} == codes


@pytest.mark.parametrize(
    ("actions", "not_actions", "ok"),
    [
        (["*"], [], True),
        (["Microsoft.MachineLearningServices/*"], [], True),
        (["microsoft.machinelearningservices/WORKSPACES/write"], [], True),
        (["*/read"], [], False),
        (["*"], ["Microsoft.MachineLearningServices/workspaces/*"], False),
        (["*"], ["Microsoft.Authorization/*/Write"], True),
        (["[*"], [], False),
    ],
)
def test_wildcards_of_roles(actions: list[str], not_actions: list[str], ok: bool) -> None:  # noqa: FBT001 - a table's column
    """Any casing; what is excluded is excluded."""
    told = found("workspaces/w1x", {}, permissions={"value": [{"actions": actions, "notActions": not_actions}]})
    assert told["permission"][0][0] is ok


ROLE = "/subscriptions/s/providers/Microsoft.Authorization/roleDefinitions/"
CRYPTO = {"dataActions": ["Microsoft.KeyVault/vaults/keys/read", "Microsoft.KeyVault/vaults/keys/*wrap/action"]}
BY_ROLES = {"location": "westeurope", "properties": {"enablePurgeProtection": True, "enableRbacAuthorization": True}}


def assigned(*roles: str, **more: Any) -> dict[str, Any]:
    """Return a list of role assignments."""
    return {"value": [{"properties": {"roleDefinitionId": ROLE + role, **more}} for role in roles]}


@pytest.mark.parametrize(
    ("assignments", "definitions", "code"),
    [
        (assigned("crypto"), {"crypto": CRYPTO}, "Ok"),
        (assigned("owner", "crypto"), {"owner": {"actions": ["*"]}, "crypto": CRYPTO}, "Ok"),
        (
            assigned("half", "other"),
            {"half": {"dataActions": ["*/read"]}, "other": {"dataActions": ["*/wrap/action"]}},
            "NoKeyAccess",
        ),
        (assigned("owner"), {"owner": {"actions": ["*"], "dataActions": []}}, "NoKeyAccess"),
        (assigned("all"), {"all": {"dataActions": ["*"], "notDataActions": ["Microsoft.KeyVault/*/unwrap/action"]}}, "NoKeyAccess"),
        (assigned(), {}, "NoKeyAccess"),
        (assigned("gone"), {}, "Unknown"),
        (assigned("crypto", condition="@Resource[…]"), {"crypto": CRYPTO}, "Unknown"),
        ({**assigned("owner"), "nextLink": "https://more"}, {"owner": {"actions": ["*"]}}, "Unknown"),
        ({"value": "junk"}, {}, "Unknown"),
    ],
)
def test_a_vault_of_roles_is_judged_by_the_roles_of_the_identity(
    assignments: dict[str, Any], definitions: dict[str, Any], code: str
) -> None:
    """Data actions of every role at or above the vault, groups included; a condition or an unreadable role is no yes and no no."""
    azure: Any = Azure(
        **{f"roleDefinitions/{name}?": {"properties": {"permissions": [row]}} for name, row in definitions.items()},
        roleAssignments=assignments,
        **{"vaults/v?": BY_ROLES},
        userAssignedIdentities={"properties": {"principalId": "p1"}},
    )
    findings = checks.run(paths.resolve("workspaces/w1x", SCOPE), KEYED, azure)
    assert [row.code for row in findings if row.check == "vault"][-1] == code
    assert any(
        "/vaults/v/providers/Microsoft.Authorization/roleAssignments" in url and "assignedTo%28%27p1%27%29" in url
        for url in azure.asked
    )


@pytest.mark.parametrize(("role", "ok"), [(CRYPTO, None), ({"dataActions": ["*/read"]}, False)])
def test_the_principal_of_cosmos_is_not_guessed(role: dict[str, Any], ok: bool | None) -> None:  # noqa: FBT001 - a table's column
    """Without an identity Azure Cosmos DB reads the key, whose object id ARM does not tell: somebody's role is no yes."""
    keyed = {**KEYED, "properties": {"encryption": {**KEYED["properties"]["encryption"], "identity": None}}}
    answers = {
        "roleDefinitions/r?": {"properties": {"permissions": [role]}},
        "roleAssignments": assigned("r"),
        "vaults/v?": BY_ROLES,
    }
    assert found("workspaces/w1x", keyed, **answers)["vault"][-1][0] is ok


EVERYBODY = {"id": "00000000-0000-0000-0000-000000000000", "type": "SystemDefined"}


@pytest.mark.parametrize(
    ("denied", "ok", "code"),
    [
        ([], True, "Ok"),
        ([{"permissions": [{"actions": ["*/delete"]}], "principals": [EVERYBODY]}], True, "Ok"),
        ([{"permissions": [{"actions": ["*"], "notActions": ["*/write"]}], "principals": [EVERYBODY]}], True, "Ok"),
        ([{"permissions": [{"actions": ["*/write"]}], "principals": [EVERYBODY]}], False, "DenyAssignmentAuthorizationFailed"),
        ([{"permissions": [{"actions": ["*"]}], "principals": [EVERYBODY], "excludePrincipals": [{"id": "x"}]}], None, "Unknown"),
        ([{"permissions": [{"actions": ["*"]}], "principals": [{"id": "somebody"}]}], None, "Unknown"),
    ],
)
def test_a_deny_assignment_wins_over_roles(denied: list[dict[str, Any]], ok: bool | None, code: str) -> None:  # noqa: FBT001
    """Certain only where it is everyone's; whose it is otherwise, ARM does not tell by itself."""
    answers = {"denyAssignments": {"value": [{"name": "d", "properties": row} for row in denied]}}
    assert found("workspaces/w1x", {}, **answers)["deny"] == [(ok, code)]


def test_deny_assignments_that_cannot_be_read_are_unknown() -> None:
    """Reading them is a permission of its own."""
    assert found("workspaces/w1x", {})["deny"] == [(None, "Unknown")]


VAULT_PATH = "providers/Microsoft.KeyVault/vaults/kv-1"


@pytest.mark.parametrize(
    ("path", "answers", "ok", "code"),
    [
        (VAULT_PATH, {"deletedVaults/kv-1": {"properties": {"scheduledPurgeDate": "2026-12-01"}}}, False, "NameHeldByDeletedVault"),
        (VAULT_PATH, {"checkNameAvailability": {"nameAvailable": True}}, True, "Ok"),
        (
            VAULT_PATH,
            {"checkNameAvailability": {"nameAvailable": False, "reason": "AlreadyExists", "message": "m"}},
            False,
            "AlreadyExists",
        ),
        (VAULT_PATH, {}, None, "Unknown"),
        ("providers/Microsoft.Storage/storageAccounts/st1", {"checkNameAvailability": {"nameAvailable": True}}, True, "Ok"),
        ("providers/Microsoft.Storage/storageAccounts/st1", {"checkNameAvailability": "junk"}, None, "Unknown"),
        (
            "providers/Microsoft.ContainerRegistry/registries/acr12",
            {"checkNameAvailability": {"nameAvailable": False}},
            False,
            "NameTaken",
        ),
    ],
)
def test_names_that_are_taken_worldwide_are_asked_about(
    path: str,
    answers: dict[str, Any],
    ok: bool | None,  # noqa: FBT001 - a table's column
    code: str,
) -> None:
    """That nothing of that name is in the resource group says nothing; a deleted vault keeps its name."""
    assert found(path, {"location": "West Europe"}, **answers)["free"] == [(ok, code)]


@pytest.mark.parametrize("resources", ["x", [7], ["nonsense"], {}, 7])
def test_a_move_that_cannot_be_read_is_refused(resources: Any) -> None:
    """400, whatever stands there."""
    with pytest.raises(errors.BadRequestError):
        guards.check_move(paths.resolve("resourceGroups/g/moveResources", SCOPE), {"resources": resources})


def test_other_resources_move() -> None:
    """Only what breaks is refused."""
    guards.check_move(paths.resolve("resourceGroups/g/moveResources", SCOPE), {"resources": [VAULT]})
    guards.check_move(paths.resolve("workspaces/w/computes/c/start", SCOPE), None)


def test_a_registry_is_found_in_use_in_any_casing() -> None:
    """Azure's casing is not stable, and the article's ids lack their first slash."""
    target = paths.resolve("providers/Microsoft.ContainerRegistry/registries/acr", SCOPE)
    used = target.id.path.upper().lstrip("/")
    azure: Any = Azure(
        permissions=EVERYTHING,
        workspaces={"value": [{"id": "/w", "properties": {"containerRegistry": used}}, {"id": "/v", "properties": None}]},
    )
    with pytest.raises(errors.BadRequestError, match="/w"):
        guards.check_delete(target, azure, SCOPE, force=False)
    guards.check_delete(target, azure, SCOPE, force=True)
    guards.check_delete(paths.resolve("providers/Microsoft.KeyVault/vaults/v", SCOPE), azure, SCOPE, force=False)


def test_a_registry_that_a_workspace_of_another_subscription_uses_stays() -> None:
    """And while one of the app's subscriptions cannot be seen, every registry does."""
    target = paths.resolve("providers/Microsoft.ContainerRegistry/registries/acr", SCOPE)
    wide = replace(SCOPE, other_subscriptions=("s2",))
    used = {"value": [{"id": "/far", "properties": {"containerRegistry": target.id.path}}]}
    rights = {"subscriptions/s/providers/Microsoft.Authorization": EVERYTHING, "subscriptions/s/": {"value": []}}
    seen: Any = Azure(**rights, **{"subscriptions/s2/providers/Microsoft.Authorization": EVERYTHING, "subscriptions/s2/": used})
    with pytest.raises(errors.BadRequestError, match="used by /far"):
        guards.check_delete(target, seen, wide, force=False)
    guards.check_delete(target, seen, SCOPE, force=False)
    with pytest.raises(errors.RejectedError, match="at /subscriptions/s2"):
        guards.check_delete(target, cast("Any", Azure(**rights)), wide, force=False)


def test_nobody_can_tell_who_uses_a_registry_so_it_stays() -> None:
    """A list that fails is no permission to delete."""
    azure: Any = Azure(permissions=EVERYTHING, workspaces=errors.UnreachableError("gone", delay_s=1.0, maybe_arrived=False))
    target = paths.resolve("providers/Microsoft.ContainerRegistry/registries/acr", SCOPE)
    with pytest.raises(errors.TransientError):
        guards.check_delete(target, azure, SCOPE, force=False)


@pytest.mark.parametrize(
    "permissions",
    [{"value": []}, {"value": [{"actions": ["*"], "notActions": ["Microsoft.MachineLearningServices/*"]}]}, {"error": "x"}],
)
def test_a_list_that_may_be_partial_is_no_permission_to_delete(permissions: dict[str, Any]) -> None:
    """ARM leaves out the workspaces that the app may not read: the refusal names the action and the scope; `force` does not ask."""
    azure: Any = Azure(permissions=permissions, workspaces={"value": []})
    target = paths.resolve("providers/Microsoft.ContainerRegistry/registries/acr", SCOPE)
    with pytest.raises(errors.RejectedError, match="Not all workspaces of the subscription can be seen") as refused:
        guards.check_delete(target, azure, SCOPE, force=False)
    assert refused.value.error.code == "NotSeen"
    guards.check_delete(target, azure, SCOPE, force=True)


ENDPOINT = {"value": [{"name": "blue", "properties": {"provisioningState": "Succeeded"}}, {"name": "sick", "properties": {}}]}
SERVED = {"environmentId": "e", "codeConfiguration": {"codeId": "c"}, "model": "azureml:m:1"}
JOB = {"jobType": "Command", "command": "ls"}
WORKSPACE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w1x"
DEPLOYED = "workspaces/w1x/onlineEndpoints/e1x/deployments/d1x"
STATES = {
    "/workspaces/busy?": {"location": "westeurope", "properties": {"provisioningState": "Updating", "keyVault": VAULT}},
    "/data/d/versions/1?": {"properties": {"dataUri": "https://a/b.csv"}},
    "/jobs/used?": {"properties": JOB},
    "/locations?": {"value": [{"name": "westeurope"}]},
    "/storageAccounts?": {"value": [{"name": "own", "properties": {"allowSharedKeyAccess": False}}]},
    "checkNameAvailability": {"nameAvailable": True},
    "/registries?": {
        "value": [
            {"id": "/subscriptions/s/resourceGroups/x/providers/Microsoft.MachineLearningServices/registries/r1", "name": "r1"}
        ]
    },
    "/onlineEndpoints/line/deployments?": ENDPOINT,
    "/models/custom/versions/1?": {"properties": {"modelType": "custom_model"}},
    "/models/mlflow/versions/1?": {"properties": {"modelType": "mlflow_model"}},
    "/models/triton/versions/1?": {"properties": {"modelType": "TritonModel"}},
    "/environments/plain/versions/1?": {"properties": {"image": "i"}},
    "/environments/server/versions/1?": {"properties": {"image": "i", "inferenceConfig": {"scoringRoute": {"port": 80}}}},
}


def _properties(**given: Any) -> dict[str, Any]:
    return {"location": "westeurope", "properties": given}


def _swept(sampling: str, distribution: str) -> dict[str, Any]:
    drawn = {"searchSpace": {"rate": [distribution, [0, 1]]}, "samplingAlgorithm": {"samplingAlgorithmType": sampling}}
    return _properties(jobType="Sweep", **drawn)


def _scheduled(**job: Any) -> dict[str, Any]:
    return _properties(action={"actionType": "CreateJob", "jobDefinition": {**JOB, **job}})


def _watched(**monitor: Any) -> dict[str, Any]:
    return _properties(action={"actionType": "CreateMonitor", "monitorDefinition": monitor})


def _granted(**permissions: list[str]) -> dict[str, Any]:
    return _properties(tenantId="0" * 8 + "-0000-0000-0000-" + "0" * 12, accessPolicies=[{"permissions": permissions}])


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("workspaces/w1x", {"tags": {str(number): "x" for number in range(51)}}, "InvalidTagCount"),
        ("workspaces/w1x", {"tags": {"a/b": "x"}}, "InvalidTagNameCharacters"),
        ("providers/Microsoft.Storage/storageAccounts/acc1", {"tags": {"n" * 129: "x"}}, "InvalidTagName"),
        ("workspaces/w1x/jobs/j1", {"tags": {"a": "x" * 257}}, "InvalidTagValue"),
        ("workspaces/my-windows-lab", {}, "ReservedResourceName"),
        ("workspaces/w1x", _properties(keyVault="kv"), "InvalidResourceId"),
        ("workspaces/w1x", _properties(storageAccount=VAULT), "InvalidResourceId"),
        ("workspaces/busy", {"location": "West Europe"}, "ResourceBusy"),
        ("workspaces/busy", {"location": "northeurope"}, "ImmutableProperty"),
        ("workspaces/busy", _properties(keyVault=f"{VAULT}2"), "ImmutableProperty"),
        (
            "workspaces/w1x/computes/c1",
            _properties(properties={"scaleSettings": {"minNodeCount": 2, "maxNodeCount": 1}}),
            "InvalidPropertyValue",
        ),
        ("workspaces/w1x/onlineEndpoints/line", _properties(traffic={"blue": 60}), "InvalidTrafficSum"),
        ("workspaces/w1x/onlineEndpoints/line", _properties(traffic={"red": 100}), "TrafficDeploymentNotReady"),
        ("workspaces/w1x/onlineEndpoints/line", _properties(traffic={"sick": 100}), "TrafficDeploymentNotReady"),
        ("workspaces/w1x/onlineEndpoints/line", _properties(traffic={"blue": "all"}), "InvalidTraffic"),
        ("workspaces/w1x/onlineEndpoints/line", _properties(mirrorTraffic={"blue": 51}), "InvalidMirrorTraffic"),
        (
            "workspaces/w1x/onlineEndpoints/e1x/deployments/d1x",
            {**_properties(**SERVED), "sku": {"capacity": 0}},
            "InvalidCapacity",
        ),
        ("workspaces/w1x/onlineEndpoints/e1x/deployments/d1x", _properties(codeConfiguration={"codeId": "c"}), "MissingField"),
        (
            "workspaces/w1x/schedules/s1",
            _properties(trigger={"triggerType": "Cron", "expression": "0 0 0 * * *"}),
            "InvalidTrigger",
        ),
        ("workspaces/w1x/schedules/s1", _properties(trigger={"triggerType": "Cron", "expression": "0 0 L * *"}), "InvalidTrigger"),
        (
            "workspaces/w1x/schedules/s1",
            _properties(trigger={"triggerType": "Recurrence", "frequency": "Fortnight"}),
            "InvalidTrigger",
        ),
        ("workspaces/w1x/jobs/j1", _properties(jobType="Command", command=" "), "MissingField"),
        (
            "workspaces/w1x/computes/i1",
            _properties(computeType="ComputeInstance", properties={"schedules": {"computeStartStop": [{"triggerType": "Cron"}]}}),
            "MissingField",
        ),
        ("workspaces/w1x/connections/co1", _properties(category="AzureOpenAI", authType="Key"), "ValidationError"),
        ("workspaces/w1x/environments/AzureML-mine/versions/1", _properties(image="a"), "InvalidName"),
        ("workspaces/w1x/environments/e/versions/1", _properties(image="a", condaFile={"dependencies": []}), "ValidationError"),
        (DEPLOYED, _properties(environmentId="azureml:plain:1"), "MissingDriverProgram"),
        (DEPLOYED, _properties(environmentId="azureml:plain:1", model="azureml:custom:1"), "MissingDriverProgram"),
        (
            DEPLOYED,
            _properties(environmentId=f"{WORKSPACE}/environments/plain/versions/1", model="azureml:custom:1"),
            "MissingDriverProgram",
        ),
        (DEPLOYED, _properties(codeConfiguration={"codeId": "c"}, model="azureml:custom:1"), "MissingField"),
        (
            "workspaces/w1x/batchEndpoints/b1x",
            {"location": "westeurope", "tags": {"owner": ""}, "properties": {}},
            "ValidationError",
        ),
        (
            "workspaces/w1x/schedules/s1",
            _properties(action={"actionType": "CreateJob", "jobDefinition": {"sourceJobId": "azureml:j", "jobs": {"a": {}}}}),
            "InvalidJobsOverride",
        ),
        ("workspaces/w1x/jobs/j1", _properties(jobType="Pipeline", sourceJobId="azureml:j", jobs={"a": {}}), "InvalidJobsOverride"),
        ("workspaces/w1x/jobs/j1", _properties(**JOB, inputs={"rows": {"jobInputType": "uri_fil"}}), "InvalidValue"),
        ("workspaces/w1x/jobs/j1", _properties(**JOB, outputs={"rows": {"jobOutputType": "literal"}}), "InvalidValue"),
        ("workspaces/w1x/jobs/j1", _properties(**JOB, distribution={"distributionType": "PyToch"}), "InvalidValue"),
        ("workspaces/w1x/jobs/j1", _properties(**JOB, identity={"identityType": "managed_identity"}), "InvalidValue"),
        ("workspaces/w1x/jobs/j1", _properties(jobType="Sweep", trial={"distribution": {"distributionType": "x"}}), "InvalidValue"),
        (
            "workspaces/w1x/jobs/j1",
            _properties(**JOB, notificationSetting={"webhooks": {"w": {"webhookType": "x"}}}),
            "InvalidValue",
        ),
        ("workspaces/w1x/schedules/s1", _scheduled(inputs={"rows": {"jobInputType": "csv"}}), "InvalidValue"),
        ("workspaces/w1x/schedules/s1", _watched(signals={"s": {"signalType": "Drift"}}), "InvalidValue"),
        (
            "workspaces/w1x/schedules/s1",
            _watched(signals={"s": {"signalType": "Custom", "inputAssets": {"a": {"inputDataType": "x"}}}}),
            "InvalidValue",
        ),
        (
            "workspaces/w1x/jobs/j1",
            _properties(jobType="Pipeline", jobs={"a": {"inputs": {"rows": {"job_input_type": "folder"}}}}),
            "InvalidValue",
        ),
        (DEPLOYED, _properties(**SERVED, scaleSettings={"scaleType": "Auto"}), "InvalidValue"),
        ("workspaces/w1x", _properties(managedNetwork={"outboundRules": {"r": {"type": "Host"}}}), "InvalidValue"),
        ("providers/Microsoft.KeyVault/vaults/kv-1", _properties(createMode="restore"), "InvalidValue"),
        ("workspaces/w1x/jobs/j1", _swept("Bayesian", "loguniform"), "InvalidSearchSpace"),
        ("workspaces/w1x/jobs/j1", _swept("grid", "uniform"), "InvalidSearchSpace"),
        ("providers/Microsoft.KeyVault/vaults/kv-1", _granted(keys=["get", " list"]), "BadRequest"),
        ("providers/Microsoft.KeyVault/vaults/kv-1", _granted(secrets=["wrapKey"]), "BadRequest"),
        ("workspaces/w1x/jobs/j1", _properties(**JOB, computeId="none"), "ResourceNotFound"),
        ("workspaces/w1x/jobs/used", _properties(**{**JOB, "command": "other"}), "ImmutableProperty"),
        ("workspaces/w1x/data/-d/versions/1", _properties(dataUri="https://a/b.csv"), "InvalidResourceName"),
        ("workspaces/w1x/data/d/versions/2", _properties(dataType="uri_file"), "MissingField"),
        ("workspaces/w1x/data/d/versions/1", _properties(dataUri="https://a/c.csv"), "ImmutableProperty"),
        ("workspaces/w1x/datastores/d1", _properties(accountName="none"), "StorageAccountNotFound"),
        (
            "workspaces/w1x/datastores/d1",
            _properties(accountName="own", credentials={"credentialsType": "AccountKey"}),
            "KeyBasedAuthenticationNotPermitted",
        ),
        ("registries/r1", {"location": "westeurope"}, "NameTaken"),
        ("resourceGroups/new", {"location": "atlantis"}, "LocationNotAvailableForResourceGroup"),
    ],
)
def test_what_cannot_be_is_foretold(path: str, body: dict[str, Any], code: str) -> None:
    """From the body and what is there; each is refused by Azure (the local Azure's table of refusals)."""
    assert (False, code) in [each for findings in found(path, body, **STATES).values() for each in findings]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("workspaces/w1x", {**_properties(keyVault=VAULT), "tags": {"owner": "x" * 256}}),
        ("workspaces/w1x/computes/c1", _properties(properties={"scaleSettings": {"minNodeCount": 0, "maxNodeCount": 1}})),
        ("workspaces/w1x/onlineEndpoints/line", _properties(traffic={"blue": 100})),
        ("workspaces/w1x/onlineEndpoints/line", _properties(traffic={"blue": 0}, mirrorTraffic={"Blue": 50})),
        ("workspaces/w1x/onlineEndpoints/e1x/deployments/d1x", {**_properties(**SERVED), "sku": {"capacity": 1}}),
        (
            "workspaces/w1x/jobs/j1",
            _properties(**JOB, inputs={"rows": {"jobInputType": "UriFile"}, "rate": {"jobInputType": "literal"}}),
        ),
        (
            "workspaces/w1x/jobs/j1",
            _properties(**JOB, distribution={"distributionType": "mpi"}, identity={"identityType": "Managed"}),
        ),
        ("workspaces/w1x/jobs/j1", _swept("Bayesian", "quniform")),
        ("workspaces/w1x/jobs/j1", _swept("Random", "loguniform")),
        ("providers/Microsoft.KeyVault/vaults/kv-1", _granted(keys=["Get", "WrapKey"], certificates=["all"])),
        (DEPLOYED, _properties(model="azureml:mlflow:1")),
        (DEPLOYED, _properties(model="azureml:triton:1")),
        (DEPLOYED, _properties(model="azureml://registries/r/models/m/versions/1")),
        (DEPLOYED, _properties(environmentId="azureml:server:1")),
        (DEPLOYED, _properties(environmentId=f"azureml:{WORKSPACE}/environments/server/versions/1", model="azureml:custom:1")),
        ("workspaces/w1x/batchEndpoints/b1x", {"location": "westeurope", "tags": {"owner": "x"}, "properties": {}}),
        ("workspaces/w1x", {**_properties(), "tags": {"owner": ""}}),
        ("workspaces/w1x/schedules/s1", _properties(trigger={"triggerType": "Cron", "expression": "*/5 0-6,12 1 JAN mon-FRI"})),
        ("workspaces/w1x/schedules/s1", _properties(trigger={"triggerType": "recurrence", "frequency": "week", "interval": 1})),
        ("workspaces/w1x/jobs/used", _properties(**JOB)),
        ("workspaces/w1x/data/d/versions/1", _properties(dataUri="https://A/b.csv/")),
        ("registries/r2", {"location": "westeurope"}),
        ("resourceGroups/new", {"location": "West Europe"}),
    ],
)
def test_what_can_be_is_no_problem(path: str, body: dict[str, Any]) -> None:
    """No row of these checks stands in the way of a good body."""
    told = found(path, body, **STATES)
    assert not [each for name in ("values", "present") for each in told.get(name, []) if each[0] is False]


def test_a_datastore_that_is_not_validated_is_not_looked_at() -> None:
    """`?skipValidation=true` is what azure-ai-ml sends: Azure tries nothing."""
    azure: Any = Azure(**STATES)
    target = paths.resolve("workspaces/w1x/datastores/d1", SCOPE)
    body = _properties(accountName="none")
    assert "values" in {each.check for each in checks.run(target, body, azure)}
    assert "values" not in {each.check for each in checks.run(target, body, azure, query="skipValidation=true")}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("workspaces/w1x/jobs/j1", {**JOB, "inputs": {"rows": {"jobInputType": "uri_file", "mode": "ro_mountt"}}}),
        ("workspaces/w1x/jobs/j1", {**JOB, "queueSettings": {"jobTier": "Cheap"}}),
        ("workspaces/w1x/jobs/j1", {**JOB, "notificationSetting": {"emailOn": ["JobCompleted", "JobDone"]}}),
        ("workspaces/w1x/jobs/j1?api-version=2024-01-01-preview", {**JOB, "inputs": {"rows": {"jobInputType": "uri_fil"}}}),
    ],
)
def test_a_word_that_azure_may_know_by_now_is_no_ok(path: str, body: dict[str, Any]) -> None:
    """An enum that may grow, and a preview: the words that are known are named, the answer is `unknown`."""
    path, _, version = path.partition("?api-version=")
    target = paths.resolve(path, SCOPE)
    question = Question(target=replace(target, body_version=version), body={"properties": body}, client=ASKED)
    (row,) = known_words.check(question)
    assert (row.ok, row.code) == (None, "Unknown")
    assert " is not one of " in row.message


def test_the_words_of_every_realistic_body_are_known() -> None:
    """No body that the local Azure takes in its own sweep is doubted."""
    for path, body in realistic.puts().items():
        question = Question(target=paths.resolve(path, SCOPE), body=body, client=ASKED)
        assert not [*known_words.check(question), *value_types.check(question)], path


@pytest.mark.parametrize(
    ("path", "properties", "at", "said"),
    [
        ("jobs/j1", {**JOB, "resources": {"instanceCount": "two"}}, "resources.instanceCount", "is 'two'; expected a whole number"),
        ("jobs/j1", {**JOB, "resources": {"instanceCount": 2**31}}, "resources.instanceCount", "at most 2,147,483,647"),
        ("jobs/j1", {**JOB, "resources": {"instanceCount": 1.5}}, "resources.instanceCount", "is '1.5'"),
        ("jobs/j1", {**JOB, "resources": {"instanceCount": True}}, "resources.instanceCount", "is a boolean"),
        ("jobs/j1", {**JOB, "inputs": []}, "inputs", "is an array; expected an object"),
        ("jobs/j1", {**JOB, "isArchived": "no"}, "isArchived", "expected true or false"),
        ("jobs/j1", {**JOB, "notificationSetting": {"emails": "a@b.c"}}, "notificationSetting.emails", "expected an array"),
        ("jobs/j1", {**JOB, "environmentVariables": {"A": {"B": 1}}}, "environmentVariables.A", "is an object; expected a string"),
        (
            "onlineEndpoints/e1/deployments/d1",
            {"livenessProbe": {"failureThreshold": "3x"}},
            "livenessProbe.failureThreshold",
            "3x",
        ),
        ("models/m1/versions/1", {"flavors": {"onnx": []}}, "flavors.onnx", "expected an object"),
    ],
)
def test_a_value_of_another_type_cannot_be_read(path: str, properties: dict[str, Any], at: str, said: str) -> None:
    """Not one is `ok`: a service that is written in .NET reads no body with such a value."""
    question = Question(target=paths.resolve(f"workspaces/w1x/{path}", SCOPE), body={"properties": properties}, client=ASKED)
    (row,) = value_types.check(question)
    assert (row.ok, row.code, row.target) == (False, "InvalidType", f"properties.{at}")
    assert said in row.message


@pytest.mark.parametrize(
    "properties",
    [
        {"resources": {"instanceCount": "2"}},
        {"resources": {"instanceCount": 2.0}},
        {"resources": None},
        {"isArchived": "False"},
        {"environmentVariables": {"A": 1, "B": None, "C": True}},
        {"tags": {"year": 2026}},
        {"limits": {"jobLimitsType": "Sweep", "trialTimeout": "PT1H", "maxTotalTrials": "4"}},
        {"earlyTermination": {"policyType": "Bandit", "slackFactor": 0.25, "delayEvaluation": 1}},
    ],
)
def test_what_the_service_reads_all_the_same_is_no_problem(properties: dict[str, Any]) -> None:
    """A number in quotes, a flag in quotes, a number for a text, null for anything."""
    target = paths.resolve("workspaces/w1x/jobs/j1", SCOPE)
    assert not list(value_types.check(Question(target=target, body={"properties": {**JOB, **properties}}, client=ASKED)))
