"""The URLs of ARM's operations: signed since 2024 (`t,c,s,h`), so good only byte for byte.

A client may add parameters behind the signature, as Microsoft's own JavaScript does; what was signed stays as it was.

Not here: bodies of status answers; each provider has its own.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

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
    """Refuse a status URL that lacks something of what was given out, or has another value for it.

    Raises:
        web.Refused: 403.
    """
    url = f"https://{request.host}{request.path}?{request.raw_query}"
    base, _, rest = url.partition("&s=")
    signature = f"{_sign(base) * 8}&h={_sign(base + 'h')}"
    added = rest.removeprefix(signature)
    if not rest.startswith(signature) or (added and (not added.startswith("&") or ({"s", "h"} | _names(base)) & _names(added))):
        text = "The signature of the operation URL is missing or does not match; follow the URL exactly as it was given."
        raise refusals.refuse(403, "AuthorizationFailed", text)


def _names(text: str) -> set[str]:
    """The names of the parameters in a URL or behind one."""
    return {name.lower() for name, _ in parse_qsl(text.partition("?")[2] or text, keep_blank_values=True)}
