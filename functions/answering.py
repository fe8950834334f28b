"""Answering a call by its route: in a thread, waiting where the caller asks for it; a failure in ARM's envelope."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from functions import waiting
from shared import services
from shared.api import answer
from shared.rest import errors
from shared.telemetry import threads

if TYPE_CHECKING:
    from shared.api.answer import Answer
    from shared.api.call import Call
    from shared.api.route import Route

log = logging.getLogger("steward.http")
health_log = logging.getLogger("steward.health")

PROBE_S = 2.0


async def answered(call: Call, route: Route) -> Answer:
    """Answer a call; HEAD as GET."""
    from shared.api.resources import browse

    try:
        found = await _found(replace(call, method="GET", head=True) if call.method == "HEAD" else call, route)
    except errors.StewardError as problem:
        found = answer.of_error(problem)
        _let_go(problem)
        return found
    except Exception:
        log.exception("unexpected failure of %s", call.method)
        error = errors.AzureError(code="InternalError", message="The app failed; its log holds the reason.")
        return answer.of_json({"error": error.to_json()}, 500)
    return browse.exists(call, found) if call.method == "HEAD" else found


def _let_go(problem: BaseException | None) -> None:
    """Part a failure and its causes from the frames they came through: those hold the body until some garbage collection."""
    while problem:
        problem.__traceback__, problem.__cause__ = None, None
        problem.__context__, problem = None, problem.__context__


async def _found(call: Call, route: Route) -> Answer:
    from shared.api import handling

    if route.probe:
        return await _probed(call, route)
    if route.anonymous:  # the same for every caller, also where the app's settings cannot be used
        return await threads.run(None, lambda: handling.at_once(call, route, None))
    return await waiting.answered(lambda: handling.answered(call, route, services.get()))


async def _probed(call: Call, route: Route) -> Answer:
    """Answer 503 when settings or storage are out of order; in a thread that no caller can hold, within two seconds."""
    from shared.api import handling

    try:
        work = threads.run(_probes(), lambda: handling.at_once(call, route, services.get()))
        return await asyncio.wait_for(work, PROBE_S)
    except errors.BadRequestError:
        raise
    except Exception as problem:  # noqa: BLE001 - whatever it is, the app is not up
        late = isinstance(problem, TimeoutError)
        reason = f"no answer within {PROBE_S:.0f} s" if late else f"{type(problem).__name__}: {problem}"
        health_log.error("health: down: %.300s", reason)
        return answer.of_json({"status": "down"}, 503)


@cache
def _probes() -> threads.Pool:
    return threads.Pool(max_workers=1, thread_name_prefix="health")
