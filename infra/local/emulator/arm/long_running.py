"""The URLs of ARM's operations: signed since 2024 (`t,c,s,h`), so good only byte for byte.

Not here: bodies of status answers; each provider has its own.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING

from infra.local.emulator.arm import refusals

if TYPE_CHECKING:
    from infra.local.emulator import web
    from infra.local.emulator.world import World

_SECRET = secrets.token_bytes(32)
_CERTIFICATE = base64.urlsafe_b64encode(secrets.token_bytes(1530)).decode().rstrip("=")  # about as long as the real one


def _sign(text: str) -> str:
    return base64.urlsafe_b64encode(hmac.digest(_SECRET, text.encode(), hashlib.sha256)).decode().rstrip("=")


def signed(world: World, url: str) -> str:
    """The URL with its signature; the URL has a query already."""
    ticks = 621355968000000000 + int(world.now().timestamp() * 10_000_000)
    base = f"{url}&t={ticks}&c={_CERTIFICATE}"
    return f"{base}&s={_sign(base) * 8}&h={_sign(base + 'h')}"


def check_signature(request: web.Request) -> None:
    """Refuse a status URL that is not what was given out.

    Raises:
        web.Refused: 403.
    """
    url = f"https://{request.host}{request.path}?{request.raw_query}"
    base, _, signature = url.partition("&s=")
    if signature != f"{_sign(base) * 8}&h={_sign(base + 'h')}":
        text = "The signature of the operation URL is missing or does not match; follow the URL exactly as it was given."
        raise refusals.refuse(403, "AuthorizationFailed", text)
