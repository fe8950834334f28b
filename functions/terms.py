"""On whose terms a request is carried out: a caller's own headers, or the rule's whose firing sends it.

Not here: what the request asks for (provision, act, run).
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import TYPE_CHECKING

from functions import http
from shared import services
from shared.operations import acceptance, flows
from shared.rest import errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    import azure.functions as func

    from shared.hooks.firing_record import Call
    from shared.operations.models import Operation
    from shared.settings import Settings

CALLBACK_LIMIT = 5

_acting: ContextVar[Call | None] = ContextVar("acting", default=None)  # never from the wire: only `acting_for` sets it


@contextmanager
def acting_for(call: Call) -> Iterator[None]:
    """Carry out requests of this thread as a step of a rule's firing."""
    token = _acting.set(call)
    try:
        yield
    finally:
        _acting.reset(token)


def submit(req: func.HttpRequest, request: acceptance.Request) -> Operation:
    """Accept a request on its sender's terms: Idempotency-Key, caller, whom to tell, and whether it is only to be queued.

    Raises:
        BadRequestError: `InvalidCallback`, `CallbackNotAllowed`.
        StewardError: see `flows.submit`.
    """
    app = services.get()
    http.refuse_asks(req, "Prefer", "Idempotency-Key", "Callback-Url", "Upload-Id")
    told = (*callbacks(req, app.settings), *(target for target in app.settings.notify))
    request = replace(request, notify=tuple(dict.fromkeys(told)))
    if call := _acting.get():
        request = replace(request, idempotency_key=call.key, caller=call.caller, origin=call.firing, depth=call.depth)
    else:
        request = replace(request, idempotency_key=http.idempotency_key(req), caller=http.caller(req))
    return flows.submit(request, app, respond_async="respond-async" in http.prefers(req))


def callbacks(req: func.HttpRequest, settings: Settings) -> tuple[str, ...]:
    """Return whom the caller wants told: the `Callback-Url` header, several separated by spaces or commas.

    Raises:
        BadRequestError: `InvalidCallback`, `CallbackNotAllowed`.
    """
    given = tuple(str(req.headers.get("callback-url", "")).replace(",", " ").split())
    if not given:
        return ()
    from shared.notify import receivers

    if len(given) > CALLBACK_LIMIT:
        message = f"'Callback-Url' names {len(given)} receivers; {CALLBACK_LIMIT} are taken."
        raise errors.BadRequestError("InvalidCallback", message, target="Callback-Url")
    return tuple(receivers.parse(text, settings.callback_hosts, settings.cloud, field="Callback-Url").text for text in given)
