"""The app's own roles and what it sends: each request's action is allowed at its scope, and nothing is given that is never sent.

The local Azure derives action and scope from method and path, and judges them by the roles that the Bicep defines and assigns.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from infra.local import roles
from infra.local.emulator import scene
from infra.local.emulator.authorization import dataplane, operations
from infra.local.emulator.authorization.roles import matches
from infra.local.emulator.authorization.state import Authorization
from shared.catalog import kinds
from tests import tables

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
ROLES = ROOT / "infra" / "azure" / "roles"
NAMES = ("steward", "provisioner", "reader", "registrar", "quotas")
METHODS = {"GET": "GET", "LIST": "GET", "PUT": "PUT", "PATCH": "PATCH", "DELETE": "DELETE"}
S = f"/subscriptions/{scene.SUBSCRIPTION_ID}"
TARGET = f"{S}/resourceGroups/{scene.RESOURCE_GROUP}"
ELSEWHERE = f"{S}/resourceGroups/rg-of-another-team"
ML = f"providers/{kinds.ML}"
SERVICES = {"history": "history/v1.0", "modelmanagement": "modelmanagement/v1.0"}
EVERYTHING = {"mayUpdateQuotas": True}
# Lists that a conclusion rests on ("no workspace uses it"): partial ones would do harm.
WHOLE = (
    f"{S}/{ML}/workspaces",
    f"{S}/{ML}/registries",
    *(
        f"{ELSEWHERE}/{ML}/workspaces/w{below}"
        for below in (
            "", "/onlineEndpoints", "/onlineEndpoints/e/deployments", "/batchEndpoints", "/batchEndpoints/e/deployments",
            "/serverlessEndpoints", "/schedules", "/components", "/components/c/versions", "/jobs", "/jobs/j",
        )
    ),
    *(f"{ELSEWHERE}/{ML}/registries/r{below}" for below in ("/components", "/components/c/versions")),
)  # fmt: skip
# What is sent beside the table of kinds: method, path, and a word of the module that sends it.
BESIDE = (
    *(("GET", path, "listing") for path in WHOLE),
    ("POST", f"/history/v1.0{ELSEWHERE}/{ML}/workspaces/w/runs:query", "runs:query"),
    ("GET", f"/history/v1.0{ELSEWHERE}/{ML}/workspaces/w/runs/r", "runs"),
    ("GET", f"/modelmanagement/v1.0{ELSEWHERE}/{ML}/workspaces/w/services", "modelmanagement"),
    *(("GET", f"{at}/providers/Microsoft.Authorization/locks", "locks") for at in (S, TARGET)),
    *(("GET", f"{at}/providers/Microsoft.Authorization/permissions", "permissions") for at in (S, TARGET)),
    *(("GET", f"{at}/providers/Microsoft.Authorization/denyAssignments", "denyAssignments") for at in (S, TARGET)),
    ("GET", f"{TARGET}/providers/Microsoft.KeyVault/vaults/v/providers/Microsoft.Authorization/roleAssignments", "roleAssignments"),
    ("GET", f"{TARGET}/providers/Microsoft.Authorization/roleDefinitions/d", "roleDefinitionId"),
    ("GET", f"{TARGET}/{ML}/workspaces/w/computes/c/providers/Microsoft.Insights/metrics", "metrics"),
    ("GET", f"{S}/providers/Microsoft.Storage", "provider"),
    ("POST", f"{S}/providers/Microsoft.Storage/register", "register"),
    ("GET", f"{S}/providers/Microsoft.KeyVault/locations/westeurope/deletedVaults/v", "deletedVaults"),
    *(
        ("POST", f"{S}/providers/Microsoft.{name}/checkNameAvailability", "checkNameAvailability")
        for name in ("Storage", "KeyVault", "ContainerRegistry")
    ),
    ("GET", f"{TARGET}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i", "userAssignedIdentities"),
    ("GET", f"{TARGET}/providers/Microsoft.Network/virtualNetworks/v/subnets/s", "subnets"),
    # Status URLs that need an action of their own (https://github.com/Azure/mpf/pull/314).
    ("GET", f"{TARGET}/providers/Microsoft.ContainerRegistry/registries/r/operationStatuses/o", "azure-asyncoperation"),
    ("GET", f"{S}/providers/Microsoft.ContainerRegistry/locations/westeurope/operationResults/o", "azure-asyncoperation"),
)
# What ARM asks of whoever links a workspace or compute to these.
LINKED = (
    ("Microsoft.ManagedIdentity/userAssignedIdentities/assign/action", TARGET),
    ("Microsoft.Network/virtualNetworks/subnets/join/action", TARGET),
)


def role(name: str) -> dict[str, Any]:
    """A role's one set of permissions."""
    (permission,) = json.loads((ROLES / f"{name}.json").read_text())["permissions"]
    assert permission["dataActions"] == permission["notDataActions"] == []
    return dict(permission)


GRANTED = {name: role(name)["actions"] for name in NAMES}


def requests_of(kind: kinds.Kind) -> Iterator[tuple[str, str]]:
    """Method and path of everything that the table lets the app send of a kind, in a target group."""
    if kind.below_scope:
        one, collection = {
            "locations": ("", f"{S}/locations"),
            "resources": ("", f"{TARGET}/resources"),
            "subscriptions": (S, "/subscriptions"),
            "resourceGroups": (TARGET, f"{S}/resourceGroups"),
            "providers": (f"{S}/providers/{kinds.ML}", f"{S}/providers"),
        }[kind.path]
    else:
        at = {"group": TARGET, "any": TARGET, "subscription": S, "tenant": ""}[kind.scope]
        front = f"/{SERVICES[kind.plane]}" if kind.plane in SERVICES else ""
        collection = f"{front}{at}/providers/{kind.namespace}/" + "/name/".join(kind.types)
        one = f"{collection}/name"
    if kind.path == "resources":  # of a whole subscription, too
        yield "GET", f"{S}/resources"
    for verb in sorted(kind.verbs):
        yield METHODS[verb], collection if verb == "LIST" else one
    for action in kind.actions:
        if action.room != "park":  # that is the app's own
            yield "POST", collection if kind.nameless else f"{one}/{action.name}".rstrip("/")


def need(method: str, path: str) -> tuple[str, str] | None:
    """Action and scope, as the local Azure derives them; None when no role is needed."""
    if not path.startswith("/subscriptions/"):
        return dataplane.need(method, path)
    found = operations.need(method, path)
    return (found.action, found.scope) if found else None


SENT = sorted({wanted for kind in kinds.KINDS for asked in requests_of(kind) if (wanted := need(*asked))})
ASKED = sorted({wanted for method, path, _ in BESIDE if (wanted := need(method, path))})


def held(parameters: dict[str, Any]) -> Authorization:
    """What the app's identity holds after a deployment with these parameters."""
    rules = Authorization(lambda: datetime.now(UTC))
    rules.load(roles.shipped(parameters))
    return rules


@pytest.fixture(scope="session")
def given() -> Authorization:
    """The app's roles where roles are given on groups, as by default."""
    return held(EVERYTHING)


@tables.each(("action", "scope"), [*SENT, *ASKED, *LINKED])
def test_a_role_allows_what_the_app_sends_where_it_sends_it(given: Authorization, action: str, scope: str) -> None:
    """Every kind, verb and action of the table in a target group, and what is sent beside it, wherever that is asked."""
    assert given.may(scene.APP_OBJECT_ID, action, scope)


@pytest.mark.parametrize("whole", [False, True])
def test_only_quotas_ask_for_more_than_the_default(*, whole: bool) -> None:
    """Everything but sharing out quotas works with the parameters' defaults, on groups and on the subscription."""
    rules = held({"wholeSubscription": whole})
    refused = {action for action, scope in (*SENT, *ASKED, *LINKED) if not rules.may(scene.APP_OBJECT_ID, action, scope)}
    assert refused == {f"{kinds.ML}/locations/updateQuotas/action"}


def test_the_reader_does_not_depend_on_a_parameter() -> None:
    """An app that may neither provision nor register still sees the subscription's locks and workspaces."""
    rules = held({"mayProvision": False, "mayRegisterProviders": False})
    for action in ("Microsoft.Authorization/locks/read", f"{kinds.ML}/workspaces/read"):
        assert rules.may(scene.APP_OBJECT_ID, action, S)


@tables.each(("name", "pattern"), [(name, pattern) for name in NAMES for pattern in GRANTED[name]])
def test_a_role_allows_nothing_that_the_app_never_sends(name: str, pattern: str) -> None:
    """An action of a role that covers no operation goes."""
    known = [action for action, _ in (*SENT, *ASKED, *LINKED)]
    assert any(matches([pattern], action) for action in [*known, "Microsoft.Resources/providers/read"]), f"{name}: {pattern}"


@pytest.mark.parametrize("word", sorted({word for _, _, word in BESIDE}))
def test_what_is_sent_beside_the_table_is_still_sent(word: str) -> None:
    """A module that stopped asking takes its permission with it."""
    assert any(re.search(re.escape(word), path.read_text(), re.IGNORECASE) for path in (ROOT / "shared").rglob("*.py"))


def test_the_reader_changes_nothing_and_sees_no_secret() -> None:
    """Only `read`, and of what is called so, not the three that answer with a secret."""
    assert all(pattern.endswith("/read") for pattern in GRANTED["reader"])
    secrets = {f"{kinds.ML}/workspaces/{name}/read" for name in ("listNotebookAccessToken", "listNotebookKeys", "metadata/secrets")}
    assert set(role("reader")["notActions"]) == secrets
    assert all(role(name)["notActions"] == [] for name in NAMES if name != "reader")


def test_only_azure_ml_is_given_by_wildcard() -> None:
    """Of other providers each operation is named; nothing may write roles or read secrets of vaults."""
    wide = {pattern for patterns in GRANTED.values() for pattern in patterns if "*" in pattern}
    assert wide == {
        *(f"{kinds.ML}/{name}/*" for name in ("workspaces", "registries")),
        *(f"{kinds.ML}/{name}/*/read" for name in ("workspaces", "registries", "locations")),
        "*/register/action",
    }
    for forbidden in ("Microsoft.Authorization/roleAssignments/write", "Microsoft.KeyVault/vaults/secrets/read"):
        assert not [pattern for patterns in GRANTED.values() for pattern in patterns if matches([pattern], forbidden)]


def test_without_the_provisioner_nothing_outside_azure_ml_is_changed() -> None:
    """The role that everybody gets only reads there."""
    for pattern in GRANTED["steward"]:
        assert pattern.startswith(f"{kinds.ML}/") or pattern.endswith("/read")
