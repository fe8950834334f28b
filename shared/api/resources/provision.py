"""PUT, PATCH and DELETE any resource of the catalog."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from shared.api.resources import payload, preflight_answer, proxy, submission
from shared.catalog import bodies, paths
from shared.preflight import guards

if TYPE_CHECKING:
    from shared.api.answer import Answer
    from shared.api.call import App, Call
    from shared.operations.models import Operation


def change(call: Call, app: App) -> Answer | Operation:
    """Check what can be checked without Azure, then carry the request out."""
    if route := proxy.find(call, app):
        return proxy.pass_on(call, route, app)
    target = paths.resolve(call.path, app.settings)
    paths.check_method(target, call.method)
    brought, asked = payload.Brought(target=target), target.path
    query, only_asked = call.forwarded, preflight_answer.asked(call, target)
    if call.method == "DELETE":
        call.refuse_asks("Prefer", "Idempotency-Key", "Callback-Url")
        query = _with_default(query, target.kind.delete_query)
    else:
        brought = payload.read(call, target, app)
        target, query = brought.target, _with_default(query, brought.query)
        brought = replace(brought, body=bodies.normalised(brought.body))
    preview = call.is_preview(target)
    if only_asked:
        return preflight_answer.foretell(call, brought, app, query=query)
    if call.method == "PUT":
        paths.check_name(target)
        bodies.check(target.kind, brought.body or {}, preview=preview)
    if call.method == "PATCH" and not preview:
        bodies.check_patch(target.kind, brought.body)
    if call.method == "DELETE":
        guards.check_delete(target, app.client, app.settings, force=call.flag("force"))
    return submission.submit(call, brought, app, asked=asked, query=query)


def _with_default(query: str, default: str) -> str:
    name = default.partition("=")[0].lower()
    given = {part.partition("=")[0].lower() for part in query.split("&")}
    return query if not default or name in given else "&".join(part for part in (query, default) if part)
