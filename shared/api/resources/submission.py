"""Turn a request into an operation with its sender's name, idempotency key and callbacks.

Not here: what the request asks for (provision, act, run).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from shared.api import names
from shared.api.access import admission
from shared.api.call import RuleRun
from shared.api.resources import expiry_headers
from shared.operations import models
from shared.rest import errors

if TYPE_CHECKING:
    from datetime import datetime

    from shared.api.call import App, Call
    from shared.api.resources.payload import Brought
    from shared.operations.models import Operation
    from shared.settings import Settings

CALLBACK_LIMIT = 5


def submit(call: Call, brought: Brought, app: App, *, queued: bool = False, **more: Any) -> Operation:
    """Accept a request as an operation, with its idempotency key, caller and callbacks.

    Args:
        call: The call.
        brought: The target, body and files.
        app: The composition root.
        queued: Only queue it, even if the caller does not ask for that.
        more: Further members of the request; `method` and `query` replace the call's own.

    Raises:
        BadRequestError: `InvalidCallback`, `CallbackNotAllowed`; what `expiry_headers.asked` refuses.
        StewardError: see `flows.submit`.
    """
    from shared.operations import acceptance, flows

    call.refuse_asks("Prefer", "Idempotency-Key", "Callback-Url", "Upload-Id", *names.EXPIRES)
    ends = expiry_headers.asked(call, brought, more.get("method", call.method), app.settings, lambda: _present(app))
    plan = brought.plan.to_json() if brought.plan and call.limited else None
    admission.check_body(call, brought.target.kind, brought.body, app.settings, plan, own=brought.own)
    sender, receivers = call.sender, (*callbacks(call, app.settings), *app.settings.notify)
    given: dict[str, Any] = {"method": call.method, "query": call.forwarded, "caller": call.by(app.settings)}
    if isinstance(sender, RuleRun):
        given |= {"idempotency_key": sender.key, "origin": sender.firing, "depth": sender.depth}
    else:
        given |= {"idempotency_key": call.idempotency_key()}
    request = acceptance.Request(
        target=brought.target,
        api_version=call.api_version(brought.target.api_version),
        body=brought.body,
        plan=brought.plan,
        contents=brought.contents,
        notify=tuple(dict.fromkeys(receivers)),
        **given | more,
    )
    queued = queued or "respond-async" in call.prefers
    if ends is None:
        return flows.submit(request, app, respond_async=queued)
    from shared.expiry import expiries

    request = replace(request, suffix=models.new_suffix(request.idempotency_key, request.caller), expires=ends[1:])
    expiries.begin(request, ends[0], app)  # checked before the resource exists
    operation = flows.submit(request, app, respond_async=queued)
    expiries.look_soon(operation, ends[0], app)
    return operation


def _present(app: App) -> datetime:
    from shared.expiry import expiries

    return expiries.present(app)


def callbacks(call: Call, settings: Settings) -> tuple[str, ...]:
    """Return the URLs of the `Callback-Url` header, separated by spaces or commas.

    Raises:
        BadRequestError: `InvalidCallback`, `CallbackNotAllowed`.
    """
    given = tuple(call.header("callback-url").replace(",", " ").split())
    if not given:
        return ()
    from shared.notify import receivers

    if len(given) > CALLBACK_LIMIT:
        message = f"'Callback-Url' has {len(given)} URLs; at most {CALLBACK_LIMIT} are allowed."
        raise errors.BadRequestError("InvalidCallback", message, target="Callback-Url")
    return tuple(receivers.parse(text, settings.receivers, settings.cloud, field="Callback-Url").text for text in given)
