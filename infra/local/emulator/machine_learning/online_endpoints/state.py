"""What is kept of an online endpoint: a new one, and its identity."""

from __future__ import annotations

import secrets
import uuid
from typing import TYPE_CHECKING, Any

from infra.local.emulator import clouds, scene, web
from infra.local.emulator.arm import writes
from infra.local.emulator.machine_learning import access, scope
from infra.local.emulator.resources import Resource

if TYPE_CHECKING:
    from infra.local.emulator.world import World


TYPE = f"{scope.NAMESPACE}/workspaces/onlineEndpoints"
DEFAULTS: dict[str, Any] = {"description": None, "compute": None, "mirrorTraffic": {}, "publicNetworkAccess": "Enabled"}


def identity(world: World, found: Resource, body: dict[str, Any]) -> dict[str, Any]:
    """The identity that is asked for, with the ids that the endpoint has."""
    wanted = scope.identity(world, writes.kept_whole(world, found, body, "identity")) or {"type": "SystemAssigned"}
    ids = {name: found.body["identity"][name] for name in ("principalId", "tenantId") if name in found.body["identity"]}
    return {**wanted, **ids}


def new(world: World, request: web.Request, workspace: Resource, body: dict[str, Any]) -> Resource:
    """A new endpoint with its keys."""
    arm_id, region = f"{workspace.id}/onlineEndpoints/{request.params['endpoint']}", scope.location(workspace)
    host = f"{request.params['endpoint'].lower()}.{region}.{clouds.sibling(request.host, 'inference')}"
    given = dict(body["properties"])
    own = dict(given.pop("keys", None) or {})
    identity = scope.identity(world, body.get("identity")) or {"type": "SystemAssigned"}
    whole = {
        "id": arm_id,
        "name": request.params["endpoint"],
        "type": TYPE,
        "location": region,
        "tags": body.get("tags") or {},
        "kind": body.get("kind") or "Managed",
        "identity": {**identity, "principalId": str(uuid.uuid4()), "tenantId": scene.TENANT_ID},
        "properties": {
            **DEFAULTS,
            **given,
            "traffic": given["traffic"] or {},
            "properties": {**(given.get("properties") or {}), "azureml.onlineendpointid": arm_id.lower()},
            "scoringUri": f"https://{host}/score",
            "swaggerUri": f"https://{host}/swagger.json",
        },
    }
    keys = {name: own.get(name) or secrets.token_urlsafe(24) for name in access.KEY_NAMES}
    return Resource(id=arm_id, body=whole, secrets=keys)
