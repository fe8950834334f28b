"""Which action a request to ARM needs, and at which scope: from its method and path, as ARM derives it.

The rule: the type in the path, then `read`, `write`, `delete`, or for a POST the last segment and `action`. What deviates is a row
of `SPECIAL`, with its source.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

_VERBS = {"GET": "read", "HEAD": "read", "PUT": "write", "PATCH": "write", "DELETE": "delete"}
_LISTS = "https://learn.microsoft.com/azure/role-based-access-control/resource-provider-operations"
RESOURCES = "Microsoft.Resources/subscriptions"
GROUPS = f"{RESOURCES}/resourceGroups"
# Lists of these are not shortened: they are no resources of a group, or belong to what they are asked of.
_NO_RESOURCES = re.compile(
    r"microsoft\.(authorization/.*|resources/(deployments|tags)|insights/(metrics|metricdefinitions|eventtypes))|.*/operations"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What a request must be allowed to do.

    Attributes:
        action: e.g. `Microsoft.MachineLearningServices/workspaces/read`.
        scope: where it is checked.
        shown: the scope as the refusal names it.
        list_of: of a list of resources that ARM shortens to what the caller may read; the action is then each resource's own.
    """

    action: str
    scope: str
    shown: str
    list_of: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Special:
    """An operation that is named otherwise than the rule says.

    Attributes:
        method: of the request.
        operation: pattern of what the rule would name it, in lower case.
        action: its real name, a template of the pattern's groups; empty: every token of the directory may do it.
        source: why.
    """

    method: str
    operation: str
    action: str
    source: str


SPECIAL = (
    Special(
        method="POST",
        operation=r"(microsoft\.(?:storage|keyvault|containerregistry))/checknameavailability/action",
        action=r"\1/checkNameAvailability/read",
        source=f"{_LISTS}: a POST, and named read in all three",
    ),
    Special(
        method="POST",
        operation=r"(microsoft\.machinelearningservices/workspaces/listnotebook(?:accesstoken|keys))/action",
        action=r"\1/read",
        source="https://learn.microsoft.com/azure/machine-learning/how-to-assign-roles, Common scenarios",
    ),
    Special(
        method="GET",
        operation=r"microsoft\.(?:machinelearningservices|storage)/locations/\w*operation\w*/read",
        action="",
        source="Roles of a resource group suffice to make a workspace or an account, whose status lies at the subscription",
    ),
    Special(
        method="GET",
        operation=r"microsoft\.resources/subscriptions/operationresults/read",
        action="",
        source="A Contributor of a resource group alone can delete it and follow that",
    ),
)


def need(method: str, path: str) -> Need | None:
    """What a request needs; None when every signed-in caller may send it."""
    parts = path.strip("/").split("/")
    lowered = [part.lower() for part in parts]
    if lowered[0] != "subscriptions" or len(parts) < 2:
        return None
    found = _of_provider(method, parts, lowered) if "providers" in lowered else _of_arm(method, parts, lowered)
    return _as_named(method, found)


def _as_named(method: str, found: Need) -> Need | None:
    for row in SPECIAL:
        if row.method == method and (match := re.fullmatch(row.operation, found.action.lower())):
            if not row.action:
                return None
            return Need(action=_cased(match.expand(row.action), found.action), scope=found.scope, shown=found.shown)
    return found


def _cased(action: str, written: str) -> str:
    """The action with the case that the path has, as far as they are the same text."""
    same = next((n for n, (a, b) in enumerate(zip(action.lower(), written.lower(), strict=False)) if a != b), len(action))
    return written[:same] + action[same:]


def _of_arm(method: str, parts: list[str], lowered: list[str]) -> Need:
    """Subscriptions, resource groups, and what hangs on them without a provider."""
    subscription = f"/subscriptions/{parts[1]}"
    if len(parts) == 2:
        return Need(action=f"{RESOURCES}/read", scope=subscription, shown=subscription)
    if lowered[2] != "resourcegroups":
        whole = lowered[2] == "resources"
        return Need(action=f"{RESOURCES}/{parts[2]}/{_verb(method)}", scope=subscription, shown=subscription, list_of=whole)
    if len(parts) == 3:
        return Need(action=f"{GROUPS}/read", scope=subscription, shown=subscription, list_of=True)
    group = f"{subscription}/resourceGroups/{parts[3]}"
    below = "/".join(parts[4::2]) if lowered[4:5] == ["deployments"] else "/".join(parts[4:])
    if lowered[4:5] == ["resources"]:
        return Need(action=f"{GROUPS}/resources/read", scope=group, shown=group, list_of=True)
    if below:
        kind = "Microsoft.Resources" if lowered[4] == "deployments" else GROUPS
        return Need(action=f"{kind}/{below}/{_verb(method)}", scope=group, shown=group)
    return Need(action=f"{GROUPS}/{_verb(method)}", scope=group, shown=group)


def _of_provider(method: str, parts: list[str], lowered: list[str]) -> Need:
    at = len(lowered) - 1 - lowered[::-1].index("providers")
    outer, namespace, rest = "/" + "/".join(parts[:at]), "/".join(parts[at + 1 : at + 2]), parts[at + 2 :]
    if not rest:
        return Need(action=f"{RESOURCES}/providers/read", scope=outer, shown=outer)
    if lowered[at + 2 :] in (["register"], ["unregister"]):
        return Need(action=f"{namespace}/{rest[0]}/action", scope=outer, shown=outer)
    kinds, names = rest[0::2], rest[1::2]
    posted = method == "POST" and len(kinds) > len(names)
    resource = rest[:-1] if posted else rest
    action = "/".join((namespace, *kinds, _verb(method)))
    listing = not posted and len(kinds) > len(names)
    if listing or not resource:
        parent = resource[:-1]
        scope = f"{outer}/providers/{namespace}/{'/'.join(parent)}" if parent else outer
        in_group = not parent and "resourcegroups" in lowered[:at] and "providers" not in lowered[:at]
        shown = f"{outer}/providers/{namespace}" if in_group else scope
        tracked = (
            listing
            and not parent
            and "providers" not in lowered[:at]
            and not _NO_RESOURCES.fullmatch(f"{namespace}/{kinds[0]}".lower())
        )
        return Need(action=action, scope=scope, shown=shown, list_of=tracked)
    scope = f"{outer}/providers/{namespace}/{'/'.join(resource)}"
    return Need(action=action, scope=scope, shown=scope)


def _verb(method: str) -> str:
    return _VERBS.get(method, "action")


# ── what a body names ────────────────────────────────────────────────────────────────────────────────────────────────
_SUBNET = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.Network/virtualNetworks/[^/]+/subnets/[^/]+", re.IGNORECASE
)
# A compute in a network, and a private endpoint, join its subnet: …/azure/machine-learning/how-to-assign-roles.
_JOINING = re.compile(r"microsoft\.(machinelearningservices/workspaces/computes|network/privateendpoints)/write")
_IDENTITIES = "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action"
_JOIN = "Microsoft.Network/virtualNetworks/subnets/join/action"


def linked(action: str, body: Any) -> list[tuple[str, str]]:
    """Actions, each with its scope, that ARM wants of a caller besides: on what the body links to.

    Sources: https://learn.microsoft.com/entra/identity/managed-identities-azure-resources (assign an identity to any resource),
    https://learn.microsoft.com/azure/azure-resource-manager/management/move-resource-group-and-subscription (the target group).
    """
    found: list[tuple[str, str]] = []
    plain = action.lower()
    if plain.endswith("/write"):
        found += [(_IDENTITIES, one) for one in _identities(body)]
    if _JOINING.fullmatch(plain):
        found += [(_JOIN, one) for one in sorted({one for one in _texts(body) if _SUBNET.fullmatch(one)})]
    if plain == f"{GROUPS}/moveresources/action".lower() and isinstance(body, dict) and body.get("targetResourceGroup"):
        found.append((f"{GROUPS}/write", str(body["targetResourceGroup"])))
    return found


def _identities(body: Any) -> list[str]:
    identity = body.get("identity") if isinstance(body, dict) else None
    named = identity.get("userAssignedIdentities") if isinstance(identity, dict) else None
    return sorted(one for one, kept in named.items() if kept is not None) if isinstance(named, dict) else []


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for one in inner for text in _texts(one)]
