"""Collections as ARM pages them: `{"value":[…],"nextLink":…}`, and no nextLink at all on the last page."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote_plus

from infra.local.emulator import web
from infra.local.emulator.arm import refusals
from infra.local.emulator.authorization import refusals as door

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from infra.local.emulator.world import World


def page(world: World, request: web.Request, items: Sequence[Mapping[str, Any]], *, size: int | None = None) -> web.Response:
    """One page of a collection.

    `$top` makes pages smaller; a nextLink is given as long as more items follow, `$top` or not, and its query is the
    request's own, encoded again (a space becomes `+`, escapes are lower case), with `$skipToken`.

    Raises:
        web.Refused: a `$top` or `$skipToken` that cannot be read.
    """
    items, start = door.visible(world, request, items), _start(request)
    count = min(size or world.limits.page_size, _top(request) or world.limits.page_size)
    body: dict[str, Any] = {"value": list(items[start : start + count])}
    if start + count < len(items):
        body["nextLink"] = _next_link(request, start + count)
    return web.answer(body)


def _top(request: web.Request) -> int | None:
    text = request.query.get("$top")
    if text is None:
        return None
    if not text.isdecimal() or int(text) == 0:
        raise refusals.refuse(400, "InvalidQueryParameterValue", f"The value '{text}' of the query parameter '$top' is invalid.")
    return int(text)


def _start(request: web.Request) -> int:
    token = request.query.get("$skiptoken") or request.query.get("$skip")
    if not token:
        return 0
    if token.isdecimal() and "$skip" in request.query:
        return int(token)
    try:
        return int(base64.b64decode(token, validate=True))
    except (binascii.Error, ValueError):
        raise refusals.refuse(400, "InvalidSkipToken", "The skip token is invalid.") from None


def _next_link(request: web.Request, start: int) -> str:
    pairs = [
        (name, value)
        for name, value in parse_qsl(request.raw_query, keep_blank_values=True)
        if name.lower() not in {"$skiptoken", "$skip"}
    ]
    pairs.append(("$skipToken", base64.b64encode(str(start).encode()).decode()))
    query = "&".join(f"{name}={_escape(value)}" for name, value in pairs)
    return f"https://{request.host}{request.path}?{query}"


def _escape(value: str) -> str:
    return re.sub(r"%[0-9A-F]{2}", lambda match: match[0].lower(), quote_plus(value))
