"""The managed-identity endpoint in its App Service flavour, which the Functions platform gives an app as IDENTITY_ENDPOINT.

It is plain http on the control port, as on the platform. Who knows the X-IDENTITY-HEADER secret gets tokens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.local.emulator import scene, web
from infra.local.emulator.identity import refusals as identity_refusals

if TYPE_CHECKING:
    from infra.local.emulator.world import World

API_VERSION = "2019-08-01"


def token(world: World, request: web.Request) -> web.Response:
    """`GET ?api-version=2019-08-01&resource=…[&client_id=…]` with the header `X-IDENTITY-HEADER`."""
    if request.headers.get("x-identity-header") != scene.IDENTITY_HEADER:
        return _refuse(401, "The X-IDENTITY-HEADER is missing or wrong.")
    if request.query.get("api-version") != API_VERSION:
        return _refuse(400, f"The api-version is not supported; use {API_VERSION}.")
    resource = request.query.get("resource", "")
    if not identity_refusals.known_resource(resource):
        return _refuse(400, f"The resource {resource!r} was not found in the tenant.")
    client = request.query.get("client_id") or scene.MANAGED_IDENTITY_CLIENT_ID
    if client.lower() != scene.MANAGED_IDENTITY_CLIENT_ID:
        return _refuse(
            400, f"No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId: {client}"
        )
    signed, seconds = world.tokens.mint(
        audience=resource,
        tenant_id=scene.TENANT_ID,
        app_id=scene.MANAGED_IDENTITY_CLIENT_ID,
        object_id=scene.MANAGED_IDENTITY_OBJECT_ID,
    )
    body = {
        "access_token": signed,
        "expires_on": str(int(world.now().timestamp()) + seconds),
        "resource": resource,
        "token_type": "Bearer",
        "client_id": scene.MANAGED_IDENTITY_CLIENT_ID,
    }
    return web.answer(body)


def _refuse(status: int, message: str) -> web.Response:
    return web.answer({"statusCode": status, "message": message}, status=status)
