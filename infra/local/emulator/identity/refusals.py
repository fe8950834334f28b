"""What Entra refuses, in its words."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from infra.local.emulator import clouds, scene, web

if TYPE_CHECKING:
    from infra.local.emulator.world import World


_RESOURCES = (
    *clouds.ARM_AUDIENCES,
    *clouds.ML_AUDIENCES,
    "https://storage.azure.com",
    "https://vault.azure.net",
    "https://graph.microsoft.com",
    "https://eventgrid.azure.net",
)


def refuse(world: World, code: int, error: str, text: str, *, status: int = 400) -> web.Response:
    """A refusal in the shape that Entra gives it."""
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
    """Whether there are tokens for this resource (storage accounts and the list above)."""
    plain = resource.rstrip("/").lower()
    return plain in _RESOURCES or clouds.storage_service(plain.removeprefix("https://")) is not None


def tenant_refusal(world: World, tenant: str) -> web.Response | None:
    """The refusal of an unknown tenant; None for a known one."""
    if tenant.lower() in {scene.TENANT_ID, "common", "organizations"}:
        return None
    text = (
        f"Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the "
        "correct cloud. Check with your subscription administrator, this may happen if there are no active "
        "subscriptions for the tenant."
    )
    return refuse(world, 90002, "invalid_request", text)


def client_refusal(world: World, tenant: str, form: dict[str, str]) -> web.Response | None:
    """The refusal of a client or its secret; None when both are right."""
    for name in ("grant_type", "client_id", "client_secret"):
        if not form.get(name):
            text = f"The request body must contain the following parameter: '{name}'."
            return refuse(world, 900144, "invalid_request", text)
    if form["grant_type"] != "client_credentials":
        return refuse(
            world, 70003, "unsupported_grant_type", f"The app requested an unsupported grant type '{form['grant_type']}'."
        )
    if refused := tenant_refusal(world, tenant):
        return refused
    client = form["client_id"]
    known = scene.APPLICATIONS.get(client.lower())
    if known is None:
        text = (
            f"Application with identifier '{client}' was not found in the directory '{scene.SUBSCRIPTION_NAME}'. This can "
            "happen if the application has not been installed by the administrator of the tenant or consented to by any "
            "user in the tenant. You may have sent your authentication request to the wrong tenant."
        )
        return refuse(world, 700016, "unauthorized_client", text)
    if form["client_secret"] != known[0]:
        text = (
            "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not "
            f"the client secret ID, for a secret added to app '{client}'."
        )
        return refuse(world, 7000215, "invalid_client", text, status=401)
    return None


def resource_refusal(world: World, resource: str) -> web.Response:
    """The refusal of an audience that the tenant does not know."""
    text = (
        f"The resource principal named {resource} was not found in the tenant named {scene.SUBSCRIPTION_NAME}. This can "
        "happen if the application has not been installed by the administrator of the tenant or consented to by any user "
        "in the tenant. You might have sent your authentication request to the wrong tenant."
    )
    return refuse(world, 500011, "invalid_resource", text)
