"""PUT, PATCH and DELETE any resource of the catalog."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from shared.api import answer
from shared.api.access import admission
from shared.api.resources import deadline, payload, proxy, submission
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
    query = call.forwarded
    if call.method == "DELETE":
        call.refuse_asks("Prefer", "Idempotency-Key", "Callback-Url")
        query = _with_default(query, target.kind.delete_query)
    else:
        brought = payload.read(call, target, app)
        target, query = brought.target, _with_default(query, brought.query)
        brought = replace(brought, body=bodies.normalised(brought.body))
    preview = call.is_preview(target)
    if call.flag("preflight"):
        return _preflight(call, brought, app, query=query, preview=preview)
    if call.method == "PUT":
        paths.check_name(target)
        bodies.check(target.kind, brought.body or {}, preview=preview)
    if call.method == "PATCH" and not preview:
        bodies.check_patch(target.kind, brought.body)
    if call.method == "DELETE":
        guards.check_delete(target, app.client, force=call.flag("force"))
    return submission.submit(call, brought, app, asked=asked, query=query)


def _preflight(call: Call, brought: payload.Brought, app: App, *, query: str, preview: bool) -> Answer:
    """Tell everything that would stop this PUT; send nothing that changes anything."""
    if call.method != "PUT":
        call.refuse_preflight()
    admission.check_body(call, brought.target.kind, brought.body, app.settings)
    deadline.asked(call, brought, call.method, app.settings, app.clock)
    from shared.preflight import checks

    findings = checks.run(brought.target, brought.body or {}, app.client, query=query, preview=preview)
    return answer.of_json(checks.report(findings))


def _with_default(query: str, default: str) -> str:
    name = default.partition("=")[0].lower()
    given = {part.partition("=")[0].lower() for part in query.split("&")}
    return query if not default or name in given else "&".join(part for part in (query, default) if part)
