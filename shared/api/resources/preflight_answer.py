"""`?preflight=true`: lists all problems of a request at once, without changing anything. Not here: the checks (preflight)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.api import answer
from shared.api.access import admission
from shared.api.resources import expiry_headers

if TYPE_CHECKING:
    from shared.api.answer import Answer
    from shared.api.call import App, Call
    from shared.api.resources.payload import Brought
    from shared.catalog.paths import Target


def asked(call: Call, target: Target) -> bool:
    """Return whether the request is only a preflight.

    Raises:
        BadRequestError: `InvalidParameter`; there is no preflight for this request.
    """
    if target.plane != "arm" or (target.action and target.action.room != "provision"):
        call.refuse_preflight()
    return call.flag("preflight")


def foretell(call: Call, brought: Brought, app: App, *, method: str = "", query: str = "") -> Answer:
    """Return all problems that would stop the request."""
    admission.check_body(call, brought.target.kind, brought.body, app.settings, own=brought.own)
    method = method or call.method
    expiry_headers.asked(call, brought, method, app.settings, app.clock)
    from shared.preflight import checks

    body = brought.body if isinstance(brought.body, dict) else {}
    more: dict[str, Any] = {
        "method": method,
        "query": query,
        "force": call.flag("force"),
        "settings": app.settings,
        "preview": call.is_preview(brought.target),
    }
    return answer.of_json(checks.report(checks.run(brought.target, body, app.client, **more)))
