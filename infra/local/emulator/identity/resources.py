"""Entra ID's endpoints as client libraries use them: both token endpoints, OIDC and instance discovery, the keys.

Only the client-credentials flow is there; any other is refused as Entra ID refuses what an app may not do.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from infra.local.emulator import clouds, scene, web

if TYPE_CHECKING:
    from infra.local.emulator.world import World

routes = web.Routes(clouds.LOGIN)

_RESOURCES = (
    *clouds.ARM_AUDIENCES,
    *clouds.ML_AUDIENCES,
    "https://storage.azure.com",
    "https://vault.azure.net",
    "https://graph.microsoft.com",
    "https://eventgrid.azure.net",
)


def _refuse(world: World, code: int, error: str, text: str, *, status: int = 400) -> web.Response:
    moment, trace, correlation = f"{world.now():%Y-%m-%d %H:%M:%SZ}", str(uuid.uuid4()), str(uuid.uuid4())
    body = {
        "error": error,
        "error_description": (f"AADSTS{code}: {text} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {moment}"),
        "error_codes": [code],
        "timestamp": moment,
        "trace_id": trace,
        "correlation_id": correlation,
        "error_uri": f"https://login.microsoftonline.com/error?code={code}",
    }
    return web.answer(body, status=status)


def known_resource(resource: str) -> bool:
    """Whether a token can be had for this resource (storage accounts and the list above)."""
    plain = resource.rstrip("/").lower()
    return plain in _RESOURCES or clouds.storage_service(plain.removeprefix("https://")) is not None


def _tenant_refusal(world: World, tenant: str) -> web.Response | None:
    if tenant.lower() in {scene.TENANT_ID, "common", "organizations"}:
        return None
    text = (
        f"Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the "
        "correct cloud. Check with your subscription administrator, this may happen if there are no active "
        "subscriptions for the tenant."
    )
    return _refuse(world, 90002, "invalid_request", text)


def _client_refusal(world: World, tenant: str, form: dict[str, str]) -> web.Response | None:
    for name in ("grant_type", "client_id", "client_secret"):
        if not form.get(name):
            text = f"The request body must contain the following parameter: '{name}'."
            return _refuse(world, 900144, "invalid_request", text)
    if form["grant_type"] != "client_credentials":
        return _refuse(
            world, 70003, "unsupported_grant_type", f"The app requested an unsupported grant type '{form['grant_type']}'."
        )
    if refused := _tenant_refusal(world, tenant):
        return refused
    client = form["client_id"]
    known = scene.APPLICATIONS.get(client.lower())
    if known is None:
        text = (
            f"Application with identifier '{client}' was not found in the directory '{scene.SUBSCRIPTION_NAME}'. This can "
            "happen if the application has not been installed by the administrator of the tenant or consented to by any "
            "user in the tenant. You may have sent your authentication request to the wrong tenant."
        )
        return _refuse(world, 700016, "unauthorized_client", text)
    if form["client_secret"] != known[0]:
        text = (
            "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not "
            f"the client secret ID, for a secret added to app '{client}'."
        )
        return _refuse(world, 7000215, "invalid_client", text, status=401)
    return None


def _resource_refusal(world: World, resource: str) -> web.Response:
    text = (
        f"The resource principal named {resource} was not found in the tenant named {scene.SUBSCRIPTION_NAME}. This can "
        "happen if the application has not been installed by the administrator of the tenant or consented to by any user "
        "in the tenant. You might have sent your authentication request to the wrong tenant."
    )
    return _refuse(world, 500011, "invalid_resource", text)


def _minted(world: World, client: str, resource: str) -> tuple[str, int]:
    object_id = scene.APPLICATIONS[client][1]
    return world.tokens.mint(audience=resource, tenant_id=scene.TENANT_ID, app_id=client, object_id=object_id)


@routes.route("POST", "/{tenant}/oauth2/token")
def token_v1(world: World, request: web.Request) -> web.Response:
    """The v1 endpoint (`resource=`), whose numbers are strings."""
    form = request.form()[0]
    if refused := _client_refusal(world, request.params["tenant"], form):
        return refused
    resource = form.get("resource", "")
    if not known_resource(resource):
        return _resource_refusal(world, resource)
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
    if refused := _client_refusal(world, request.params["tenant"], form):
        return refused
    scope = form.get("scope", "").split(" ")[0]
    resource, marker, _ = scope.rpartition("/.default")
    if not marker:
        text = f"The provided value for the input parameter 'scope' is not valid. It must end in '/.default': {scope}."
        return _refuse(world, 1002012, "invalid_scope", text)
    if not known_resource(resource):
        return _resource_refusal(world, resource)
    token, seconds = _minted(world, form["client_id"].lower(), resource)
    body: dict[str, Any] = {
        "token_type": "Bearer",
        "expires_in": seconds,
        "ext_expires_in": seconds,
        "access_token": token,
    }
    if seconds >= 7200:
        body["refresh_in"] = seconds // 2
    return web.answer(body, headers={"Cache-Control": "no-store, no-cache"})


@routes.route("GET", "/{tenant}/.well-known/openid-configuration")
@routes.route("GET", "/{tenant}/v2.0/.well-known/openid-configuration")
def openid_configuration(world: World, request: web.Request) -> web.Response:
    """OIDC discovery for a tenant; which version, the path says."""
    tenant = request.params["tenant"]
    if refused := _tenant_refusal(world, tenant):
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
