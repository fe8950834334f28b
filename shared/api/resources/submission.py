"""Submission: a request becomes an operation under its sender's name, with its idempotency key and callbacks.

Not here: what the request asks for (provision, act, run).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from shared.api.call import RuleRun
from shared.operations import acceptance, flows
from shared.rest import errors

if TYPE_CHECKING:
    from shared.api.call import App, Call
    from shared.operations.models import Operation
    from shared.settings import Settings

CALLBACK_LIMIT = 5


def submit(call: Call, request: acceptance.Request, app: App) -> Operation:
    """Accept a request on its sender's terms: idempotency key, caller, whom to tell, and whether it is only to be queued.

    Raises:
        BadRequestError: `InvalidCallback`, `CallbackNotAllowed`.
        StewardError: see `flows.submit`.
    """
    call.refuse_asks("Prefer", "Idempotency-Key", "Callback-Url", "Upload-Id")
    receivers = (*callbacks(call, app.settings), *app.settings.notify)
    request = replace(request, notify=tuple(dict.fromkeys(receivers)))
    request = replace(request, caller=call.by(app.settings))
    if isinstance(sender := call.sender, RuleRun):
        request = replace(request, idempotency_key=sender.key, origin=sender.firing, depth=sender.depth)
    else:
        request = replace(request, idempotency_key=call.idempotency_key())
    return flows.submit(request, app, respond_async="respond-async" in call.prefers)


def callbacks(call: Call, settings: Settings) -> tuple[str, ...]:
    """Return whom the caller wants told: the `Callback-Url` header, several separated by spaces or commas.

    Raises:
        BadRequestError: `InvalidCallback`, `CallbackNotAllowed`.
    """
    given = tuple(call.header("callback-url").replace(",", " ").split())
    if not given:
        return ()
    from shared.notify import receivers

    if len(given) > CALLBACK_LIMIT:
        message = f"'Callback-Url' names {len(given)} receivers; {CALLBACK_LIMIT} are taken."
        raise errors.BadRequestError("InvalidCallback", message, target="Callback-Url")
    return tuple(receivers.parse(text, settings.callback_hosts, settings.cloud, field="Callback-Url").text for text in given)
