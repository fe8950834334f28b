"""HTTP: hand a request on to the v1 data plane and its answer back, both as they come. browse, act and provision lead here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from functions import http
from shared import services
from shared.catalog import bodies, kinds, paths, proxy_routes
from shared.rest import ids

if TYPE_CHECKING:
    import azure.functions as func

    from shared.catalog.proxy_routes import Way


def way(req: func.HttpRequest) -> Way | None:
    """Return where to hand the request on to; None when a kind has its path."""
    return proxy_routes.find(http.path(req), str(req.method).upper(), services.get().settings)


def pass_on(req: func.HttpRequest, way: Way) -> func.HttpResponse:
    """Ask Azure with the caller's query, body and content type; nothing of it is stored."""
    app = services.get()
    http.refuse_preflight(req)
    http.refuse_asks(req)
    version = http.version(req, kinds.V1_VERSION)
    query = "&".join(part for part in (f"api-version={version}", paths.forwarded_query(http.raw_query(req))) if part)
    url = app.addresses.url(way.plane, way.path, query, workspace=way.workspace.path)
    content, headers = _content(req)
    response = app.client.send(str(req.method).upper(), url, content=content, headers=headers).checked()
    out = (
        {"Operation-Location": link} if (link := _operation_link(req, way, response.headers.get("operation-location", ""))) else {}
    )
    if isinstance(response.body, dict | list) or not response.content:
        return http.json_response(http.own_next_link(response.body, url, req), response.status, req, out)
    out["Content-Type"] = response.headers.get("content-type", "application/octet-stream")
    return http.response(response.content, response.status, req, out)


def _content(req: func.HttpRequest) -> tuple[bytes | None, dict[str, str]]:
    content, media = req.get_body(), str(req.headers.get("content-type", ""))
    if not content:
        return None, {"Accept": "*/*"}
    if not media or "json" in media.lower():
        bodies.parse_any(content, media)
    return content, {"Accept": "*/*", "Content-Type": media or "application/json"}


def _operation_link(req: func.HttpRequest, way: Way, named: str) -> str:
    """Return where the caller can read the v1 operation that Azure named (docs/protocol.md §9: its last segment is what counts)."""
    name = named.partition("?")[0].rstrip("/").rpartition("/")[2]
    return http.to_follow(req, ids.below(f"{way.plane}/v1.0{way.workspace.path}", "operations", name)) if name else ""
