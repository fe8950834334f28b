"""The roles that infra/azure gives the app, for the local Azure: read from the Bicep and roles/*.json, so that there is one truth.

Not here: what a role allows (the local Azure's `authorization`).
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from infra.bicep.evaluation import Deployment
from infra.bicep.functions import SUBSCRIPTION
from infra.local import processes
from infra.local.emulator import scene

if TYPE_CHECKING:
    from collections.abc import Mapping

MAIN = processes.ROOT / "infra" / "azure" / "main.bicep"
# As the template is deployed by default: roles on resource groups. The scene's third group is someone else's.
DEFAULT: Mapping[str, Any] = {
    "environmentName": "local",
    "location": scene.LOCATION,
    "targetResourceGroups": [scene.RESOURCE_GROUP, "rg-analytics"],
}
_IDENTITY = re.compile(r"<id-steward-\d{13}\.[^>]*>")
_PRINCIPALS = (scene.APP_OBJECT_ID, scene.MANAGED_IDENTITY_OBJECT_ID)  # the app signs in as either


def shipped(parameters: Mapping[str, Any] | None = None) -> dict[str, list[dict[str, Any]]]:
    """What a deployment with these parameters, on top of the default ones, gives the app's identity.

    Returns:
        `definitions` and `assignments`, as the local Azure's control route takes them.

    Raises:
        infra.bicep.evaluation.WrongError: it could not be deployed.
    """
    deployment = Deployment(file=MAIN, given={**DEFAULT, **(parameters or {})})
    deployment.run()
    found: dict[str, list[dict[str, Any]]] = {"definitions": [], "assignments": []}
    for made in deployment.made:
        properties = made.body.get("properties") or {}
        if made.kind == "Microsoft.Authorization/roleDefinitions":
            found["definitions"].append({"name": made.name, "properties": properties})
        if made.kind == "Microsoft.Authorization/roleAssignments" and _IDENTITY.fullmatch(properties["principalId"]):
            scope = made.id.partition("/providers/Microsoft.Authorization/")[0]
            role = properties["roleDefinitionId"].rpartition("/")[2]
            found["assignments"] += [{"scope": scope, "role": role, "principal": one} for one in _PRINCIPALS]
    here = json.dumps(found).replace(SUBSCRIPTION, f"/subscriptions/{scene.SUBSCRIPTION_ID}")
    out: dict[str, list[dict[str, Any]]] = json.loads(here)
    return out
