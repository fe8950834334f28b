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
from shared.operations import flows

if TYPE_CHECKING:
    from collections.abc import Iterator

    import azure.functions as func

    from shared.hooks.model import Call
    from shared.operations.models import Operation

_acting: ContextVar[Call | None] = ContextVar("acting", default=None)  # never from the wire: only `acting_for` sets it


@contextmanager
def acting_for(call: Call) -> Iterator[None]:
    """Carry out requests of this thread as a step of a rule's firing."""
    token = _acting.set(call)
    try:
        yield
    finally:
        _acting.reset(token)


def submit(req: func.HttpRequest, request: flows.Request) -> Operation:
    """Accept a request on its sender's terms: Idempotency-Key, caller, and whether it is only to be queued.

    Raises:
        StewardError: see `flows.submit`.
    """
    if call := _acting.get():
        request = replace(request, idempotency_key=call.key, caller=call.caller, origin=call.firing, depth=call.depth)
    else:
        request = replace(request, idempotency_key=http.idempotency_key(req), caller=http.caller(req))
    return flows.submit(request, services.get(), respond_async="respond-async" in http.prefers(req))
