"""The app's own roles and what it sends to ARM: nothing is missing, nothing is given that it never sends."""

from __future__ import annotations

import fnmatch
import json
from pathlib import Path
from typing import Any

import pytest

from shared.catalog import kinds

ROLES = Path(__file__).parents[2] / "infra" / "azure" / "roles"
NAMES = ("steward", "provisioner", "registrar")
VERBS = {"GET": "read", "LIST": "read", "PUT": "write", "PATCH": "write", "DELETE": "delete"}
NOT_ASKED = {
    "Microsoft.MachineLearningServices/operations/read",  # the list of a provider's operations is open to every token
}
# What is sent beside the table of kinds, and where.
BESIDE = {
    "Microsoft.Insights/metrics/read": "shared/cleanup/facts/metrics.py",
    "Microsoft.Authorization/locks/read": "shared/cleanup/facts/locks.py",
    "Microsoft.Authorization/permissions/read": "shared/preflight/access.py",
    "Microsoft.Authorization/denyAssignments/read": "shared/preflight/access.py",
    "Microsoft.Authorization/roleAssignments/read": "shared/preflight/access.py",
    "Microsoft.Authorization/roleDefinitions/read": "shared/preflight/access.py",
}
# What ARM asks of whoever links a workspace or compute to these, and what a preflight reads of them.
LINKED = {
    "Microsoft.ManagedIdentity/userAssignedIdentities/read",
    "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action",
    "Microsoft.Network/virtualNetworks/subnets/read",
    "Microsoft.Network/virtualNetworks/subnets/join/action",
}


def granted(name: str) -> list[str]:
    """Return the actions of a role."""
    role: dict[str, Any] = json.loads((ROLES / f"{name}.json").read_text())
    (permission,) = role["permissions"]
    assert permission["notActions"] == permission["dataActions"] == permission["notDataActions"] == []
    return list(permission["actions"])


GRANTED = {name: granted(name) for name in NAMES}


def operation(full_type: str, verb: str) -> str:
    """Return ARM's operation of a verb or action on a type."""
    named = full_type
    if full_type in {"Microsoft.Resources/resourceGroups", "Microsoft.Resources/providers"}:
        named = full_type.replace("Microsoft.Resources/", "Microsoft.Resources/subscriptions/")
    if full_type == "Microsoft.Resources/subscriptions":
        return "Microsoft.Resources/subscriptions/read"
    if verb == "register":
        return "Microsoft.MachineLearningServices/register/action"  # of whichever provider the path names
    return f"{named}/{VERBS[verb]}" if verb in VERBS else f"{named}/{verb}/action" if verb else f"{named}/action"


SENT = sorted(
    {
        operation(kind.full_type, verb)
        for kind in kinds.KINDS
        for verb in (*kind.verbs, *(getattr(action, "name", action) for action in kind.actions))
    }
    - NOT_ASKED
)


def covers(pattern: str, wanted: str) -> bool:
    """Tell whether an action of a role, wildcards and all, allows an operation; case never counts."""
    return fnmatch.fnmatchcase(wanted.lower(), pattern.lower())


@pytest.mark.parametrize("wanted", [*SENT, *sorted(BESIDE), *sorted(LINKED)])
def test_a_role_allows_what_the_app_sends(wanted: str) -> None:
    """Every kind, verb and action of the table, and what is sent beside it."""
    assert [name for name in NAMES if any(covers(pattern, wanted) for pattern in GRANTED[name])]


@pytest.mark.parametrize(("role", "pattern"), [(name, pattern) for name in NAMES for pattern in GRANTED[name]])
def test_a_role_allows_nothing_that_the_app_never_sends(role: str, pattern: str) -> None:
    """An action of a role that covers no operation goes."""
    known = [*SENT, *BESIDE, *LINKED, "Microsoft.Resources/providers/read"]
    assert any(covers(pattern, wanted) for wanted in known), f"{role}: {pattern}"


@pytest.mark.parametrize("path", sorted(set(BESIDE.values())))
def test_what_is_sent_beside_the_table_is_sent_where_it_is_said(path: str) -> None:
    """A module that stopped asking takes its permission with it."""
    text = (Path(__file__).parents[2] / path).read_text().lower()
    for wanted in (name for name, where in BESIDE.items() if where == path):
        word = wanted.split("/")[1].lower()
        assert word in text or word == "roledefinitions", wanted


def test_only_azure_ml_is_given_by_wildcard() -> None:
    """Of other providers each operation is named; nothing may write roles or read secrets of vaults."""
    wide = {pattern for patterns in GRANTED.values() for pattern in patterns if "*" in pattern}
    assert wide == {
        *(f"Microsoft.MachineLearningServices/{name}/*" for name in ("workspaces", "registries", "locations")),
        "*/register/action",
    }
    for forbidden in ("Microsoft.Authorization/roleAssignments/write", "Microsoft.KeyVault/vaults/secrets/read"):
        assert not [pattern for patterns in GRANTED.values() for pattern in patterns if covers(pattern, forbidden)]


def test_without_the_provisioner_nothing_outside_azure_ml_is_changed() -> None:
    """The role that everybody gets only reads there."""
    for pattern in GRANTED["steward"]:
        assert pattern.startswith("Microsoft.MachineLearningServices/") or pattern.endswith("/read")
