"""Azure ML's own services check the roles on the workspace: which action each family of paths needs.

Sources: https://learn.microsoft.com/azure/machine-learning/how-to-assign-roles (common scenarios, the data scientist's role) and
https://learn.microsoft.com/azure/role-based-access-control/permissions/ai-machine-learning. Where they name no finer action,
reading is the collection's `read`, and a change its `write` or `delete`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.local.emulator import web
    from infra.local.emulator.world import World

_ML = "Microsoft.MachineLearningServices"
_SCOPE = re.compile(
    rf"(/subscriptions/[^/]+/resourceGroups/[^/]+/providers/{re.escape(_ML)}/(?:workspaces|registries)/[^/]+)(/.*)?", re.IGNORECASE
)
_CHANGES = {"PUT": "write", "PATCH": "write", "POST": "write", "DELETE": "delete"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Paths of a service, and what they need.

    Attributes:
        path: pattern of the service and of what follows the workspace's id.
        action: below the workspace; `{verb}` is the method's own.
        method: pattern of it.
    """

    path: str
    action: str
    method: str = ".*"


ROWS = (
    Row(path=r"(execution|hyperdrive)/(?:.*/)?cancel", action="experiments/runs/write"),
    Row(path=r"(history|hyperdrive)/(?:.*/)?runs/[^/]+/cancel", action="experiments/runs/write"),
    Row(path=r"(execution|hyperdrive)/.*", action="experiments/runs/submit/action"),
    Row(path=r"history/.*(:query|rundata)", action="experiments/runs/read", method="POST"),
    Row(path=r"history/(?:.*/)?artifacts(/.*)?", action="metadata/artifacts/{verb}"),
    Row(path=r"history/(?:.*/)?runs(/.*)?", action="experiments/runs/{verb}"),
    Row(path=r"history/.*", action="experiments/{verb}"),
    Row(path=r"artifact/.*", action="metadata/artifacts/{verb}"),
    Row(path=r"metric/(?:.*/)?(list|lastvalues|full|sample)", action="experiments/runs/read"),
    Row(path=r"metric/.*", action="experiments/runs/write"),
    Row(path=r"mlflow/(?:.*/)?experiments/search", action="experiments/read"),
    Row(path=r"mlflow/(?:.*/)?experiments/delete", action="experiments/delete"),
    Row(path=r"mlflow/(?:.*/)?experiments/.*", action="experiments/{verb}"),
    Row(path=r"mlflow/(?:.*/)?runs/search", action="experiments/runs/read"),
    Row(path=r"mlflow/(?:.*/)?registered-models/get-latest-versions", action="models/read"),
    Row(path=r"mlflow/(?:.*/)?delete-tag", action="models/write", method="DELETE"),
    Row(path=r"mlflow/(?:.*/)?(registered-models|model-versions)/.*", action="models/{verb}"),
    Row(path=r"mlflow/.*", action="experiments/runs/{verb}"),
    Row(path=r"datastore/.*", action="datastores/{verb}"),
    Row(path=r"data/.*", action="data/versions/read"),
    Row(path=r"credential/.*:getbatch", action="read"),
    Row(path=r"credential/.*", action="read", method="GET"),
    Row(path=r"credential/.*", action="write"),
    Row(path=r"modelmanagement/(?:.*/)?services/[^/]+/listkeys", action="services/aks/listkeys/action"),
    Row(path=r"modelmanagement/(?:.*/)?services/[^/]+/(token|logs)", action="services/read"),
    Row(path=r"modelmanagement/(?:.*/)?services(/.*)?", action="services/aks/{verb}", method="P.*|DELETE"),
    Row(path=r"modelmanagement/(?:.*/)?(services|operations)(/.*)?", action="services/read"),
    Row(path=r"modelmanagement/(?:.*/)?models/list", action="models/read"),
    Row(path=r"modelmanagement/(?:.*/)?models(/.*)?", action="models/{verb}"),
    Row(path=r"modelmanagement/(?:.*/)?assets(/.*)?", action="metadata/artifacts/{verb}"),
)


def need(method: str, path: str) -> tuple[str, str] | None:
    """The action and the scope of a request; None where the path names no workspace or registry."""
    match = _SCOPE.search(path)
    if match is None:
        return None
    scope, behind = match[1], match[2] or ""
    home = "registries" if "/registries/" in scope.lower() else "workspaces"
    verb = _CHANGES.get(method, "read")
    service = f"{path.strip('/').split('/')[0]}{behind}"
    for row in ROWS:
        if re.fullmatch(row.method, method) and re.fullmatch(row.path, service, re.IGNORECASE):
            return f"{_ML}/{home}/{row.action.format(verb=verb)}", scope
    # the front end's own paths look as ARM's do
    kinds = [part for part in behind.strip("/").split("/")[0::2] if part]
    return "/".join((_ML, home, *kinds, verb)), scope


def check(world: World, request: web.Request, refused: Callable[..., web.Refused]) -> None:
    """Refuse what the caller's roles do not allow.

    Args:
        world: everything.
        request: with its principal.
        refused: the service's own refusal: request, status, message, inner codes.

    Raises:
        web.Refused: 403, in the words that Azure ML's services use.
    """
    found = need(request.method, request.path)
    if found is None or request.principal is None:
        return
    action, scope = found
    with world.lock:
        if world.authorization.may(request.principal.object_id, action, scope):
            return
    text = (
        f"Identity(object id: {request.principal.object_id}) does not have permissions for {action} actions. Please refer to "
        "https://aka.ms/azureml-auth-troubleshooting to fix the permissions issue."
    )
    raise refused(request, 403, text, "AuthorizationError", "Forbidden")
