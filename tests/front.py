"""The HTTP functions in process: a request goes to the function that the platform would ask, as the platform hands it over."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit

import azure.functions as func

from functions import routes
from infra.local.host import paths
from shared.api import route
from shared.route_table import ROUTES

BASE = "http://localhost:7071/api"


def respond(method: str, path: str, body: bytes | str = b"", **headers: str) -> func.HttpResponse:
    """Send one request; `path` stands below the prefix, or is a whole URL as a nextLink is. `_` of a header's name is `-`."""
    trigger, req = asked(method, path, body, **headers)
    return asyncio.run(trigger(req))


def asked(method: str, path: str, body: bytes | str = b"", **headers: str) -> tuple[Any, func.HttpRequest]:
    """Return the function that the platform would ask, and the request as it would hand it over."""
    url = path if "://" in path else f"{BASE}/{path}"
    parts = urlsplit(url, allow_fragments=False)
    decoded = paths.decode(parts.path)
    url = parts._replace(path=paths.encode(decoded)).geturl()  # as the platform writes it
    below = decoded.removeprefix("/api/")
    whole = "" not in below.rstrip("/").split("/")[:2]
    row = route.find(ROUTES, method, below.rstrip("/")) if whole else None
    trigger = routes.TRIGGERS[row.trigger] if row else routes.anything_else
    req = func.HttpRequest(
        method=method,
        url=url,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        params={},
        route_params=_taken(row.template, below) if row else {"rest": below},
        body=body.encode() if isinstance(body, str) else body,
    )
    return trigger, req


def told(answer: func.HttpResponse) -> tuple[int, Any]:
    """Return status and JSON of an answer."""
    return answer.status_code, json.loads(answer.get_body() or b"null")


def _taken(template: str, path: str) -> dict[str, str]:
    """Return what the braces of a route take of a path."""
    if template.endswith(route.REST):
        return {"rest": path.partition("/")[2]}
    pairs = zip(template.split("/"), path.split("/"), strict=False)
    return {wanted.strip("{}"): given for wanted, given in pairs if wanted.startswith("{")}
