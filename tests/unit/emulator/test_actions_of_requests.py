"""Which action a request needs, and where: from its method and path, as Azure's own refusals name them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from infra.local.emulator import web
from infra.local.emulator.authorization import dataplane, operations, storage
from infra.local.emulator.authorization.roles import Permission, matches
from infra.local.emulator.authorization.state import Authorization

S, ML = "/subscriptions/s", "Microsoft.MachineLearningServices"
G = f"{S}/resourceGroups/g"
W = f"{G}/providers/{ML}/workspaces/w"
RESOURCES = "Microsoft.Resources/subscriptions"
OWNER = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
WHO = "11111111-2222-3333-4444-555555555555"


@pytest.mark.parametrize(
    ("method", "path", "action", "scope"),
    [
        ("GET", S, f"{RESOURCES}/read", S),
        ("GET", f"{S}/locations", f"{RESOURCES}/locations/read", S),
        ("HEAD", G, f"{RESOURCES}/resourceGroups/read", G),
        ("DELETE", G, f"{RESOURCES}/resourceGroups/delete", G),
        ("POST", f"{G}/moveResources", f"{RESOURCES}/resourceGroups/moveResources/action", G),
        ("GET", f"{S}/providers/{ML}", f"{RESOURCES}/providers/read", S),
        ("POST", f"{S}/providers/{ML}/register", f"{ML}/register/action", S),
        ("PATCH", W, f"{ML}/workspaces/write", W),
        ("GET", f"{W}/computes", f"{ML}/workspaces/computes/read", W),
        ("POST", f"{W}/computes/c/start", f"{ML}/workspaces/computes/start/action", f"{W}/computes/c"),
        ("POST", f"{W}/listNotebookKeys", f"{ML}/workspaces/listNotebookKeys/read", W),
        ("POST", f"{W}/listKeys", f"{ML}/workspaces/listKeys/action", W),
        ("GET", f"{W}/providers/Microsoft.Insights/metrics", "Microsoft.Insights/metrics/read", W),
        ("GET", f"{S}/providers/Microsoft.Authorization/locks", "Microsoft.Authorization/locks/read", S),
        ("POST", f"{S}/providers/Microsoft.Storage/checkNameAvailability", "Microsoft.Storage/checkNameAvailability/read", S),
        ("GET", f"{G}/deployments/d/operations", "Microsoft.Resources/deployments/operations/read", G),
    ],
)
def test_arm_derives_action_and_scope_from_method_and_path(method: str, path: str, action: str, scope: str) -> None:
    """The type in the path and the verb; a POST's last segment; and the exceptions."""
    found = operations.need(method, path)
    assert found is not None
    assert (found.action, found.scope) == (action, scope)


@pytest.mark.parametrize(
    "path",
    [
        "/subscriptions",
        "/tenants",
        f"/providers/{ML}/operations",
        f"{S}/operationresults/1",
        f"{S}/providers/{ML}/locations/l/workspaceOperationsStatus/1",
        f"{S}/providers/Microsoft.Storage/locations/l/asyncoperations/1",
    ],
)
def test_some_requests_need_no_role(path: str) -> None:
    """What is shortened to the caller's own, and what follows an operation that a role on a group sufficed to begin."""
    assert operations.need("GET", path) is None


@pytest.mark.parametrize(
    ("path", "shortened"),
    [
        (f"{S}/resourceGroups", True),
        (f"{S}/providers/{ML}/workspaces", True),
        (f"{G}/providers/Microsoft.Storage/storageAccounts", True),
        (f"{G}/resources", True),
        (f"{S}/providers/Microsoft.Authorization/roleAssignments", False),
        (f"{W}/computes", False),
        (f"{S}/providers/{ML}/locations/l/vmSizes", False),
    ],
)
def test_only_lists_of_resources_are_shortened(path: str, *, shortened: bool) -> None:
    """Any other list is given whole or refused."""
    found = operations.need("GET", path)
    assert found is not None
    assert found.list_of is shortened


@pytest.mark.parametrize(
    ("method", "path", "action"),
    [
        ("POST", f"execution/v1.0{W}/experiments/e/startrun", "experiments/runs/submit/action"),
        ("POST", f"history/v1.0{W}/runs:query", "experiments/runs/read"),
        ("PATCH", f"history/v1.0{W}/runs/r", "experiments/runs/write"),
        ("GET", f"artifact/v2.0{W}/artifacts/content/ExperimentRun/dcid.r/a", "metadata/artifacts/read"),
        ("DELETE", f"modelmanagement/v1.0{W}/models/m:1", "models/delete"),
        ("POST", f"modelmanagement/v1.0{W}/services/s/listkeys", "services/aks/listkeys/action"),
    ],
)
def test_azure_mls_services_ask_for_an_action_on_the_workspace(method: str, path: str, action: str) -> None:
    """As Microsoft's page on its roles names them."""
    assert dataplane.need(method, f"/{path}") == (f"{ML}/workspaces/{action}", W)


@pytest.mark.parametrize(
    ("service", "method", "target", "action"),
    [
        ("blob", "GET", "/?comp=list", "containers/read"),
        ("blob", "PUT", "/c?restype=container", "containers/write"),
        ("blob", "GET", "/c?restype=container&comp=list", "blobs/read"),
        ("blob", "PUT", "/c/a/b.txt?comp=block", "blobs/write"),
        ("blob", "POST", "/?restype=service&comp=userdelegationkey", "generateUserDelegationKey/action"),
        ("queue", "GET", "/q/messages?peekonly=true", "messages/read"),
        ("queue", "GET", "/q/messages", "messages/process/action"),
        ("queue", "DELETE", "/q/messages/m", "messages/delete"),
        ("table", "POST", "/Tables", "tables/write"),
        ("table", "GET", "/t()", "entities/read"),
        ("table", "PATCH", "/t(PartitionKey='p',RowKey='r')", "entities/write"),
    ],
)
def test_storage_asks_for_actions_and_data_actions(service: str, method: str, target: str, action: str) -> None:
    """Containers, queues and tables by action; what is in them by data action."""
    row = storage.row_of(service, web.request_from(method, f"a.{service}.core.windows.net", target, {}, b""))
    assert row is not None
    assert (row.actions + row.data)[0].endswith(f"/{action}")


@pytest.mark.parametrize(
    ("pattern", "action", "named"),
    [
        ("*", "A.B/c/read", True),
        ("*/read", "A.B/c/d/READ", True),
        ("A.B/c/*/read", "a.b/C/d/e/read", True),
        ("A.B/c/*/read", "A.B/c/read", False),
        ("A.B/c", "AxB/c", False),
    ],
)
def test_a_wildcard_stands_for_any_text(pattern: str, action: str, *, named: bool) -> None:
    """Slashes too; nothing else in a pattern is special, and case never counts."""
    assert matches([pattern], action) is named


def test_an_exclusion_of_one_role_does_not_take_from_another() -> None:
    """`notActions` is not a denial: the union of all roles counts."""
    rules = Authorization(lambda: datetime(2026, 1, 1, tzinfo=UTC))
    permissions: Any = [{"actions": ["*"], "notActions": ["A.B/c/write"]}]
    rules.define({"name": "r1", "properties": {"roleName": "less", "permissions": permissions}})
    rules.assign(S, "r1", WHO)
    assert not rules.may(WHO, "A.B/c/write", G)
    rules.assign(G, OWNER, WHO)
    assert rules.may(WHO, "A.B/c/write", G)
    assert not rules.may(WHO, "A.B/c/write", f"{S}/resourceGroups/g2")
    assert not Permission(actions=("*",)).covers("A.B/c/read", data=True)


def test_an_assignment_holds_once_it_is_everywhere() -> None:
    """`delay_s` after it was made; a loaded one at once."""
    now = [datetime(2026, 1, 1, tzinfo=UTC)]
    rules = Authorization(lambda: now[0])
    rules.delay_s = 60
    rules.assign(S, OWNER, WHO)
    assert not rules.may(WHO, "A.B/c/write", G)
    now[0] += timedelta(seconds=60)
    assert rules.may(WHO, "A.B/c/write", G)
    rules.load({"assignments": [{"scope": G, "role": OWNER, "principal": WHO}]})
    assert rules.may(WHO, "A.B/c/write", G)
    assert not rules.may(WHO, "A.B/c/write", S)
