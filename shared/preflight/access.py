"""Access, as far as ARM shows it: permissions, deny assignments, locks and role assignments of a principal.

Not here: access policies of vaults (customer_keys).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.catalog import bodies, kinds
from shared.preflight.findings import Finding, Question, rows_of, unknown
from shared.rest import azure_versions, errors, ids
from shared.rest import permissions as role_permissions

if TYPE_CHECKING:
    from collections.abc import Iterator

EVERYONE = "00000000-0000-0000-0000-000000000000"  # this id in a deny assignment means everyone
DEFINITIONS_LIMIT = 20  # role definitions that one check reads at most


def permissions(question: Question) -> Iterator[Finding]:
    """Check whether a role assignment at the resource group allows the action for the app's identity, wildcards included."""
    action, scope = _action(question), _scope(question)
    answer = question.read(_authorization(scope, "permissions"), azure_versions.AUTHORIZATION)
    if not answer.ok or not isinstance(answer.body, dict):
        yield unknown("permission", action, answer.error())
    elif role_permissions.granted(rows_of(answer.body), action):
        yield Finding(check="permission", target=action, ok=True, code="Ok", message="A role assignment allows the action.")
    else:
        message = f"The app's identity has no role at {scope} that allows this action. Assign one."
        yield Finding(check="permission", target=action, ok=False, code="AuthorizationFailed", message=message)


def denials(question: Question) -> Iterator[Finding]:
    """Check deny assignments (of managed applications, blueprints and deployment stacks), which override every role."""
    action, scope = _action(question), _scope(question)
    answer = question.read(_authorization(scope, "denyAssignments"), azure_versions.AUTHORIZATION)
    if not answer.ok or not _is_list(answer.body):
        error = answer.error()
        yield unknown("deny", action, errors.AzureError(code=error.code, message=f"{error.message} (deny assignments of {scope})"))
        return
    found = [row for row in rows_of(answer.body) if _denies(row, action)]
    if not found and answer.body.get("nextLink"):
        message = f"{scope} has more deny assignments than the app reads."
        yield Finding(check="deny", target=action, ok=None, code="Unknown", message=message)
    elif not found:
        yield Finding(check="deny", target=action, ok=True, code="Ok", message="No deny assignment covers the action.")
    for row in found:
        name = bodies.dig(row, "properties.denyAssignmentName") or row.get("name")
        told = [str(each.get("id")).lower() for each in rows_of(row.get("properties"), "principals")]
        certain = EVERYONE in told and not rows_of(row.get("properties"), "excludePrincipals")
        message = f"The deny assignment '{name}' covers the action" + (
            " for everyone." if certain else "; ARM does not show whether it applies to the app's identity."
        )
        code = "DenyAssignmentAuthorizationFailed" if certain else "Unknown"
        yield Finding(check="deny", target=action, ok=False if certain else None, code=code, message=message)


def locks(question: Question) -> Iterator[Finding]:
    """Check locks on the resource and above it; a DELETE is also stopped by locks below it, and by both lock levels."""
    path, key = question.target.id.path, question.target.id.key
    answer = question.read(_authorization(path, "locks"), azure_versions.LOCKS)
    if not answer.ok or not _is_list(answer.body):
        yield unknown("lock", path, answer.error())
        return
    held = 0
    for row in rows_of(answer.body):
        scope, _, name = str(row.get("id") or "").rpartition("/providers/Microsoft.Authorization/locks/")
        level, where = str(bodies.dig(row, "properties.level")), scope.lower().rstrip("/")
        below = question.method == "DELETE" and where.startswith(f"{key}/")
        if (question.method == "DELETE" or level.lower() == "readonly") and (below or f"{key}/".startswith(f"{where}/")):
            held += 1
            message = f"The lock '{name}' ({level}) on {scope} prevents the change. Remove the lock first."
            yield Finding(check="lock", target=scope, ok=False, code="ScopeLocked", message=message)
    if answer.body.get("nextLink"):
        yield Finding(check="lock", target=path, ok=None, code="Unknown", message="There are more locks than the app reads.")
    elif not held:
        yield Finding(check="lock", target=path, ok=True, code="Ok", message="No lock prevents the change.")


def holds(question: Question, scope: str, data_actions: tuple[str, ...], principal: str) -> bool | None:
    """Return whether roles at or above `scope` allow all of `data_actions`.

    Args:
        question: The preflight.
        scope: ARM id.
        data_actions: For example `Microsoft.KeyVault/vaults/keys/wrap/action`.
        principal: The object id of the identity, '' for everyone.

    Returns:
        None when an assignment cannot be judged (it has a condition, or Azure refused to show it) and no other one is enough.
    """
    wanted = {"$filter": f"assignedTo('{principal}')"} if principal else {}  # includes assignments to its groups
    answer = question.read(_authorization(scope, "roleAssignments"), azure_versions.AUTHORIZATION, wanted)
    if not answer.ok or not _is_list(answer.body):
        return None
    granted: list[dict[str, Any]] = []
    looked = 0
    whole = not answer.body.get("nextLink")
    for row in rows_of(answer.body):
        role = str(bodies.dig(row, "properties.roleDefinitionId") or "")
        definition = (
            question.read(role, azure_versions.AUTHORIZATION) if role.startswith("/") and looked < DEFINITIONS_LIMIT else None
        )
        looked += 1
        if definition is None or not definition.ok or bodies.dig(row, "properties.condition"):
            whole = False
            continue
        granted += rows_of(bodies.dig(definition.body, "properties"), "permissions")
    if all(role_permissions.granted(granted, each, "dataActions", "notDataActions") for each in data_actions):
        return True
    return False if whole else None


def _is_list(body: Any) -> bool:
    return isinstance(body, dict) and isinstance(body.get("value"), list)


def _action(question: Question) -> str:
    kind, wanted = question.target.kind, question.wanted
    # a resource group's permissions are named after its subscription
    name = f"{kind.namespace}/{'subscriptions/' if kind.namespace == kinds.RESOURCES else ''}{kind.path}"
    if question.target.action is None:
        return f"{name}/{'delete' if wanted == 'DELETE' else 'write'}"
    # https://learn.microsoft.com/azure/machine-learning/how-to-assign-roles: named read, though it is a POST
    return f"{name}/{wanted}/read" if wanted.startswith("listnotebook") else f"{name}/{question.target.action.name}/action"


def _scope(question: Question) -> str:
    target = question.target.id
    return ids.group(target.subscription, target.resource_group if target.types else "")


def _authorization(scope: str, what: str) -> str:
    return ids.below(scope, "providers", "Microsoft.Authorization", what)


def _denies(row: dict[str, Any], action: str) -> bool:
    return role_permissions.granted(rows_of(row.get("properties"), "permissions"), action)
