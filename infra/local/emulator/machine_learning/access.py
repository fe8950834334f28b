"""Who may score an endpoint: its keys, its own short-lived tokens, or Entra ID's, by the endpoint's `authMode`."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any

from infra.local.emulator import clouds, scene
from infra.local.emulator.identity.state import TokenRefusedError

if TYPE_CHECKING:
    from infra.local.emulator.resources import Resource
    from infra.local.emulator.world import World

TOKEN_LIFETIME_S = 12 * 3600
REFRESH_AFTER_S = 8 * 3600
# https://learn.microsoft.com/azure/machine-learning/how-to-authenticate-online-endpoint
SCORE = "Microsoft.MachineLearningServices/workspaces/onlineEndpoints/score/action"
KEY_NAMES = ("primaryKey", "secondaryKey")


def audience(endpoint: Resource) -> str:
    """What an endpoint's own tokens are for."""
    return f"https://ml.azure.com/endpoints/{endpoint.id.strip('/').lower()}"


def issue_token(world: World, endpoint: Resource) -> dict[str, Any]:
    """What `POST …/onlineEndpoints/{e}/token` answers; the times are epoch seconds, as recorded traffic shows."""
    token, _ = world.tokens.mint(
        audience=audience(endpoint),
        tenant_id=scene.TENANT_ID,
        app_id=scene.CLIENT_ID,
        object_id=scene.OBJECT_ID,
        lifetime_s=TOKEN_LIFETIME_S,
    )
    now = int(world.now().timestamp())
    return {
        "accessToken": token,
        "tokenType": "Bearer",
        "expiryTimeUtc": now + TOKEN_LIFETIME_S,
        "refreshAfterTimeUtc": now + REFRESH_AFTER_S,
    }


def allows(world: World, endpoint: Resource, authorization: str | None) -> bool:
    """Whether an Authorization header opens an endpoint."""
    mode = str(endpoint.properties.get("authMode") or "Key").lower()
    if mode == "key":
        scheme, _, given = (authorization or "").partition(" ")
        keys = [str(endpoint.secrets[name]) for name in KEY_NAMES if endpoint.secrets.get(name)]
        return scheme.lower() == "bearer" and any(hmac.compare_digest(given.strip().encode(), key.encode()) for key in keys)
    wanted = (audience(endpoint),) if mode == "amltoken" else clouds.ML_AUDIENCES
    try:
        principal = world.tokens.check(authorization, wanted)
    except TokenRefusedError:
        return False
    if mode == "amltoken":  # every holder of one of the endpoint's own tokens may score
        return True
    with world.lock:
        return world.authorization.may(principal.object_id, SCORE, endpoint.id)
