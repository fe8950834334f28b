"""HTTP as the platform has it: a request becomes a call, an answer becomes a response. Not here: who carries it out (routes)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import azure.functions as func

from shared.api.answer import GUARDS, sendable
from shared.api.call import Call, Caller

if TYPE_CHECKING:
    from shared.api.answer import Answer


def call_of(req: func.HttpRequest) -> Call:
    """Return the call that a request is.

    The platform has decoded the path once already, all but `%2F`, also in the URL. What a route's `{*rest}` took is read from
    there, so that nothing is decoded twice. It knows no fragments: a number sign is a character of the query, and hides nothing.
    """
    url = urlsplit(str(req.url), allow_fragments=False)
    prefix = "/api/" if url.path[:5].lower() == "/api/" else "/"  # host.json's routePrefix
    path, rest = url.path.partition(prefix)[2] if prefix == "/" else url.path[5:], req.route_params.get("rest")
    headers = {name.lower(): str(value) for name, value in req.headers.items()}
    code = next((value for name, value in req.params.items() if name.lower() == "code"), "")
    principal = headers.get("x-ms-client-principal-name") or headers.get("x-ms-client-principal-id") or ""
    return Call(
        method=str(req.method).upper(),
        path=path if rest is None else f"{path.partition('/')[0]}/{quote(rest, safe='/')}",
        query=url.query.replace("#", "%23"),
        headers=headers,
        body=req.get_body(),
        named={name: str(value) for name, value in req.route_params.items()},
        base=prefix.rstrip("/"),
        sender=Caller(principal=principal, code=code),
    )


def response_of(answer: Answer, call: Call) -> func.HttpResponse:
    """Return the response to a call, with a request id, and the caller's own id when it sent one.

    No cache may keep any answer: many hold keys, tokens or signed URLs, and all of them need a function key to be read.
    """
    import uuid

    out = {"x-ms-request-id": str(uuid.uuid4()), "Cache-Control": "no-store", **GUARDS, **sendable(answer)}
    if given := call.header("x-ms-client-request-id"):
        out["x-ms-client-request-id"] = re.sub(r"[^\x20-\x7e]", "", given)[:200]
    return func.HttpResponse(answer.content, status_code=answer.status, headers=out)
