"""Pass-through to the v1 data plane: request and answer are not changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.api import answer
from shared.catalog import bodies, kinds, proxy_routes
from shared.rest import ids

if TYPE_CHECKING:
    from shared.api.answer import Answer
    from shared.api.call import App, Call
    from shared.catalog.proxy_routes import Way


def find(call: Call, app: App) -> Way | None:
    """Return the pass-through route of a request; None when a kind of the catalog has its path."""
    return proxy_routes.find(call.path, call.method, app.settings)


def pass_on(call: Call, way: Way, app: App) -> Answer:
    """Send the caller's query, body and content type to Azure; nothing is stored."""
    call.refuse_preflight()
    call.refuse_asks()
    content, headers = _content(call)
    url = app.addresses.url(way.plane, way.path, call.azure_query(kinds.V1_VERSION), workspace=way.workspace.path)
    response = app.client.send(call.method, url, content=content, headers=headers).checked()
    out = (
        {"Operation-Location": link} if (link := _operation_link(call, way, response.headers.get("operation-location", ""))) else {}
    )
    if isinstance(response.body, dict | list) or not response.content:
        return answer.of_json(answer.own_next_link(response.body, url, call), response.status, out)
    media = response.headers.get("content-type", "application/octet-stream")
    return answer.of_bytes(response.content, media, response.status, out)


def _content(call: Call) -> tuple[bytes | None, dict[str, str]]:
    content, media = call.body, call.media
    if not content:
        return None, {"Accept": "*/*"}
    if not media or "json" in media.lower():
        bodies.parse_any(content, media)
    return content, {"Accept": "*/*", "Content-Type": media or "application/json"}


def _operation_link(call: Call, way: Way, named: str) -> str:
    """Return this app's URL of the v1 operation that Azure named (docs/protocol.md §9: only its last segment counts)."""
    name = named.partition("?")[0].rstrip("/").rpartition("/")[2]
    return answer.to_follow(call, ids.below(f"{way.plane}/v1.0{way.workspace.path}", "operations", name)) if name else ""
