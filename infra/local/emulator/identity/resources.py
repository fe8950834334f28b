"""Entra ID's endpoints as client libraries use them: both token endpoints, OIDC and instance discovery, the keys.

Only the client-credentials flow is there; any other is refused as Entra ID refuses what an app may not do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.local.emulator import clouds, scene, web
from infra.local.emulator.identity import refusals

if TYPE_CHECKING:
    from infra.local.emulator.world import World

routes = web.Routes(clouds.LOGIN)


def _minted(world: World, client: str, resource: str) -> tuple[str, int]:
    object_id = scene.APPLICATIONS[client][1]
    return world.tokens.mint(audience=resource, tenant_id=scene.TENANT_ID, app_id=client, object_id=object_id)


@routes.route("POST", "/{tenant}/oauth2/token")
def token_v1(world: World, request: web.Request) -> web.Response:
    """The v1 endpoint (`resource=`), whose numbers are strings."""
    form = request.form()[0]
    if refused := refusals.client_refusal(world, request.params["tenant"], form):
        return refused
    resource = form.get("resource", "")
    if not refusals.known_resource(resource):
        return refusals.resource_refusal(world, resource)
    token, seconds = _minted(world, form["client_id"].lower(), resource)
    now = int(world.now().timestamp())
    body = {
        "token_type": "Bearer",
        "expires_in": str(seconds),
        "ext_expires_in": str(seconds),
        "expires_on": str(now + seconds),
        "not_before": str(now - 300),
        "resource": resource,
        "access_token": token,
    }
    return web.answer(body, headers={"Cache-Control": "no-store, no-cache"})


@routes.route("POST", "/{tenant}/oauth2/v2.0/token")
def token_v2(world: World, request: web.Request) -> web.Response:
    """The v2 endpoint (`scope=RESOURCE/.default`), whose numbers are numbers."""
    form = request.form()[0]
    if refused := refusals.client_refusal(world, request.params["tenant"], form):
        return refused
    scope = form.get("scope", "").split(" ")[0]
    resource, marker, _ = scope.rpartition("/.default")
    if not marker:
        text = f"The provided value for the input parameter 'scope' is not valid. It must end in '/.default': {scope}."
        return refusals.refuse(world, 1002012, "invalid_scope", text)
    if not refusals.known_resource(resource):
        return refusals.resource_refusal(world, resource)
    token, seconds = _minted(world, form["client_id"].lower(), resource)
    body: dict[str, Any] = {"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": token}
    if seconds >= 7200:
        body["refresh_in"] = seconds // 2
    return web.answer(body, headers={"Cache-Control": "no-store, no-cache"})


@routes.route("GET", "/{tenant}/.well-known/openid-configuration")
@routes.route("GET", "/{tenant}/v2.0/.well-known/openid-configuration")
def openid_configuration(world: World, request: web.Request) -> web.Response:
    """OIDC discovery for a tenant; which version, the path says."""
    tenant = request.params["tenant"]
    if refused := refusals.tenant_refusal(world, tenant):
        return refused
    base, v2 = f"https://{request.host}/{tenant}", "/v2.0/" in request.path
    flow = f"{base}/oauth2/v2.0" if v2 else f"{base}/oauth2"
    body = {
        "token_endpoint": f"{flow}/token",
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "jwks_uri": f"{base}/discovery/v2.0/keys" if v2 else f"https://{request.host}/common/discovery/keys",
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "issuer": f"{base}/v2.0" if v2 else f"https://sts.windows.net/{scene.TENANT_ID}/",
        "authorization_endpoint": f"{flow}/authorize",
        "device_authorization_endpoint": f"{flow}/devicecode",
        "end_session_endpoint": f"{flow}/logout",
        "tenant_region_scope": "WW",
        "cloud_instance_name": "microsoftonline.com",
        "cloud_graph_host_name": "graph.windows.net",
        "msgraph_host": "graph.microsoft.com",
    }
    return web.answer(body)


@routes.route("GET", "/common/discovery/instance")
def instance_discovery(_world: World, request: web.Request) -> web.Response:
    """Which authorities belong together; MSAL asks before it trusts one."""
    body = {
        "tenant_discovery_endpoint": f"https://{request.host}/{scene.TENANT_ID}/v2.0/.well-known/openid-configuration",
        "api-version": request.query.get("api-version", "1.1"),
        "metadata": [
            {
                "preferred_network": "login.microsoftonline.com",
                "preferred_cache": "login.windows.net",
                "aliases": ["login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"],
            },
            {
                "preferred_network": "login.partner.microsoftonline.cn",
                "preferred_cache": "login.partner.microsoftonline.cn",
                "aliases": ["login.partner.microsoftonline.cn", "login.chinacloudapi.cn"],
            },
            {
                "preferred_network": "login.microsoftonline.us",
                "preferred_cache": "login.microsoftonline.us",
                "aliases": ["login.microsoftonline.us", "login.usgovcloudapi.net"],
            },
        ],
    }
    return web.answer(body)


@routes.route("GET", "/{tenant}/discovery/keys")
@routes.route("GET", "/{tenant}/discovery/v2.0/keys")
def keys(world: World, _request: web.Request) -> web.Response:
    """The signing key."""
    return web.answer(world.tokens.key_set())
