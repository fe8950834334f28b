"""What would stop a PATCH, a DELETE or an action: asked with requests that only read, each case with its sound counterpart."""

from __future__ import annotations

from typing import Any

import pytest

from shared.catalog import kinds, paths
from shared.preflight import changes, checks
from shared.settings import Settings
from tests import tables
from tests.unit.operations.test_preflight import EVERYTHING, Azure

SCOPE = Settings(subscription_id="s", resource_group="g")
W1 = "workspaces/w1"
GROUP = "/subscriptions/s/resourceGroups/g"
INSTANCE = {"properties": {"computeType": "ComputeInstance", "properties": {"state": "Running"}}}
STOPPED = {"properties": {"computeType": "ComputeInstance", "properties": {"state": "Stopped"}}}
CLUSTER = {
    "location": "westeurope",
    "properties": {
        "computeType": "AmlCompute",
        "properties": {"vmSize": "Standard_D1", "scaleSettings": {"minNodeCount": 0, "maxNodeCount": 2}},
    },
}
SCALED = {"properties": {"properties": {"scaleSettings": {"minNodeCount": 3}}}}


def found(method: str, path: str, body: dict[str, Any] | None = None, **answers: Any) -> dict[str, set[str]]:
    """Return the codes of what is wrong by check; everything else that is asked for is there and allowed."""
    azure: Any = Azure(**{"permissions": EVERYTHING, "denyAssignments": {"value": []}, "locks": {"value": []}} | answers)
    target = paths.resolve(path, SCOPE)
    out: dict[str, set[str]] = {}
    for finding in checks.run(target, body or {}, azure, method=method):
        if finding.ok is False:
            assert finding.message.endswith((".", "?")), finding
            out.setdefault(finding.check, set()).add(finding.code)
    assert azure.methods <= {"GET"}
    out.pop("parent", None)
    return out


@tables.each(
    ("method", "path", "body", "there", "wrong"),
    [
        ("POST", f"{W1}/computes/c/start", None, CLUSTER, {"NotSupported"}),
        ("POST", f"{W1}/computes/c/start", None, STOPPED, set()),
        ("POST", f"{W1}/computes/c/restart", None, STOPPED, {"InvalidComputeState"}),
        ("POST", f"{W1}/computes/c/restart", None, INSTANCE, set()),
        (
            "POST",
            f"{W1}/computes/c/updateIdleShutdownSetting",
            {"idleTimeBeforeShutdown": "PT5M"},
            INSTANCE,
            {"InvalidPropertyValue"},
        ),
        (
            "POST",
            f"{W1}/computes/c/updateIdleShutdownSetting",
            {"idleTimeBeforeShutdown": "30m"},
            INSTANCE,
            {"InvalidPropertyValue"},
        ),
        ("POST", f"{W1}/computes/c/updateIdleShutdownSetting", {"idleTimeBeforeShutdown": "PT30M"}, INSTANCE, set()),
        ("POST", f"{W1}/onlineEndpoints/e/token", None, {"properties": {"authMode": "Key"}}, {"AuthModeMismatch"}),
        ("POST", f"{W1}/onlineEndpoints/e/token", None, {"properties": {"authMode": "AMLToken"}}, set()),
        ("POST", f"{W1}/onlineEndpoints/e/regenerateKeys", {"keyType": "Both"}, {"properties": {}}, {"InvalidValue"}),
        ("POST", f"{W1}/onlineEndpoints/e/regenerateKeys", {"keyType": "primary"}, {"properties": {}}, set()),
        (
            "POST",
            f"{W1}/datastores/d/listSecrets",
            None,
            {"properties": {"credentials": {"credentialsType": "None"}}},
            {"NoCredentials"},
        ),
        ("POST", f"{W1}/datastores/d/listSecrets", None, {"properties": {"credentials": {"credentialsType": "Sas"}}}, set()),
        ("DELETE", f"{W1}/datastores/d", None, {"properties": {"isDefault": True}}, {"DefaultDatastore"}),
        ("DELETE", f"{W1}/datastores/d", None, {"properties": {"isDefault": False}}, set()),
        ("DELETE", f"{W1}/jobs/j", None, {"properties": {"status": "Running"}}, {"JobNotTerminal"}),
        ("DELETE", f"{W1}/jobs/j", None, {"properties": {"status": "Failed"}}, set()),
        ("DELETE", f"{W1}/schedules/x", None, {"properties": {"isEnabled": True}}, {"ActiveSchedule"}),
        ("DELETE", f"{W1}/schedules/x", None, {"properties": {"isEnabled": False}}, set()),
        ("POST", f"{W1}/jobs/j/cancel", None, {"properties": {"status": "Completed", "jobType": "Pipeline"}}, {"JobEnded"}),
        ("POST", f"{W1}/jobs/j/cancel", None, {"properties": {"status": "Running", "jobType": "Pipeline"}}, set()),
        ("DELETE", f"{W1}/onlineEndpoints/e", None, {"properties": {"provisioningState": "Updating"}}, {"ResourceBusy"}),
        ("DELETE", f"{W1}/computes/c", None, {"properties": {"provisioningState": "Updating"}}, set()),
        ("DELETE", f"{W1}/computes/c", None, {"properties": {"provisioningState": "Deleting"}}, {"ResourceBusy"}),
        ("PATCH", W1, {"tags": {"a": "b"}}, {"properties": {"provisioningState": "Updating"}}, {"ResourceBusy"}),
        ("POST", f"{W1}/listKeys", None, {"properties": {"provisioningState": "Updating"}}, set()),
    ],
)
def test_the_resource_as_it_stands_is_looked_at(
    method: str, path: str, body: dict[str, Any] | None, there: dict[str, Any], wrong: set[str]
) -> None:
    """What Azure would refuse is named; its counterpart is not."""
    target = paths.resolve(path, SCOPE)
    assert found(method, path, body, **{f"{target.id.path}?": there}).get(changes.CHECK, set()) == wrong


@pytest.mark.parametrize("method", ["PATCH", "DELETE", "POST"])
def test_what_is_not_there_cannot_be_changed(method: str) -> None:
    """A 404 is named, whatever the verb."""
    path = f"{W1}/computes/c" + ("/start" if method == "POST" else "")
    assert found(method, path)[changes.CHECK] == {"ResourceNotFound"}


def test_a_deployment_with_traffic_is_not_deleted() -> None:
    """Its endpoint says what share it has, in any casing of its name."""
    path, endpoint = f"{W1}/onlineEndpoints/e/deployments/Blue", f"{GROUP}/providers/{kinds.ML}/{W1}/onlineEndpoints/e"
    for share, wrong in ((100, {"DeploymentHasTraffic"}), (0, set())):
        there = {f"{endpoint}/deployments/Blue?": {"properties": {}}, f"{endpoint}?": {"properties": {"traffic": {"blue": share}}}}
        assert found("DELETE", path, **there).get(changes.CHECK, set()) == wrong


@tables.each(
    ("method", "level", "scope", "stopped"),
    [
        ("DELETE", "CanNotDelete", GROUP, True),
        ("DELETE", "ReadOnly", f"{GROUP}/providers/{kinds.ML}/{W1}/computes/c", True),
        ("PATCH", "CanNotDelete", GROUP, False),
        ("PATCH", "ReadOnly", GROUP, True),
        ("PUT", "ReadOnly", "/subscriptions/s", True),
        ("POST", "ReadOnly", GROUP, True),
        ("PATCH", "ReadOnly", f"{GROUP}/providers/{kinds.ML}/{W1}/computes/c", False),
        ("DELETE", "ReadOnly", "/subscriptions/s/resourceGroups/g2", False),
    ],
)
def test_locks_stop_what_they_are_for(method: str, level: str, scope: str, stopped: bool) -> None:  # noqa: FBT001 - a table's column
    """Above: both for a DELETE, ReadOnly for the rest. Below: a DELETE alone."""
    lock = {"id": f"{scope}/providers/Microsoft.Authorization/locks/stay", "properties": {"level": level}}
    path = W1 + ("/diagnose" if method == "POST" else "")
    told = found(method, path, {"location": "westeurope"}, locks={"value": [lock]}, **{f"{W1}?": {"properties": {}}})
    assert told.get("lock", set()) == ({"ScopeLocked"} if stopped else set())


def test_locks_that_cannot_be_read_are_unknown() -> None:
    """Never `ok`."""
    azure: Any = Azure(permissions=EVERYTHING)
    told = checks.run(paths.resolve(W1, SCOPE), {}, azure, method="DELETE")
    assert [each.ok for each in told if each.check == "lock"] == [None]


def test_a_patch_is_judged_by_what_it_makes_of_the_resource() -> None:
    """Nodes, tags, fields that a PATCH does not change, properties that nothing has."""
    there = {f"{W1}/computes/c?": CLUSTER}
    assert found("PATCH", f"{W1}/computes/c", SCALED, **there)["values"] == {"InvalidPropertyValue"}
    more = {"properties": {"properties": {"scaleSettings": {"minNodeCount": 2}}}}
    assert "values" not in found("PATCH", f"{W1}/computes/c", more, **there)
    assert found("PATCH", f"{W1}/computes/c", {"tags": {"a": "b"}}, **there)["fields"] == {"NotPatchable"}
    assert found("PATCH", W1, {"tags": {"<": "b"}}, **{f"{W1}?": {}})["values"] == {"InvalidTagNameCharacters"}
    near = {"properties": {"descripton": "x"}}
    assert "UnknownProperty" in found("PATCH", W1, near, **{f"{W1}?": {}})["fields"]


@pytest.mark.parametrize(
    ("method", "path", "action"),
    [
        ("DELETE", W1, "Microsoft.MachineLearningServices/workspaces/delete"),
        ("PATCH", W1, "Microsoft.MachineLearningServices/workspaces/write"),
        ("POST", f"{W1}/listKeys", "Microsoft.MachineLearningServices/workspaces/listKeys/action"),
        ("POST", f"{W1}/listNotebookKeys", "Microsoft.MachineLearningServices/workspaces/listnotebookkeys/read"),
        ("DELETE", "resourceGroups/g", "Microsoft.Resources/subscriptions/resourceGroups/delete"),
    ],
)
def test_the_permission_is_that_of_the_request(method: str, path: str, action: str) -> None:
    """As Azure names it; without it the request is foretold to fail."""
    for granted, wrong in (
        ([action], set()),
        (["Microsoft.Storage/*"], {"AuthorizationFailed"}),
    ):
        told = found(method, path, permissions={"value": [{"actions": granted, "notActions": []}]})
        assert told.get("permission", set()) == wrong


def test_what_a_workspace_stands_on_is_not_deleted() -> None:
    """The guard of DELETE speaks in its preflight, too; not with `force`."""
    registry = f"{GROUP}/providers/Microsoft.ContainerRegistry/registries/acr"
    answers = {"providers/Microsoft.MachineLearningServices/workspaces?": {"value": [
        {"id": "w", "properties": {"containerRegistry": registry}}]}, "permissions": EVERYTHING, f"{registry}?": {}}  # fmt: skip
    assert found("DELETE", registry, **answers)["guard"] == {"ResourceInUse"}


def test_every_demand_is_of_a_kind_and_an_action_that_there_is() -> None:
    """A row that nothing asks about would be forgotten."""
    for row in changes.DEMANDS:
        kind = next(each for each in kinds.KINDS if each.full_type == row.kind)
        known = {each.name.lower() for each in kind.actions} | kind.verbs
        assert set(row.on) <= known, row


def test_a_tag_of_a_batch_endpoint_is_taken_away_and_not_emptied() -> None:
    """The service refuses a tag without a value; `null` in a PATCH removes one."""
    told = [found("PATCH", f"{W1}/batchEndpoints/b1x", {"tags": {"a": value}}).get("values") for value in ("", None, "x")]
    assert told == [{"ValidationError"}, None, None]
