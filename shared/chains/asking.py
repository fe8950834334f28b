"""A step of a chain, taken as far as it goes now: its request, what that becomes, what it is answered.

A request carries an Idempotency-Key of its chain and step: taken twice, it is done once. Rules and recipes take their steps
here; what is recorded, and which step comes next, is theirs (hooks.firings, recipes.run_steps). What a request does is the
API's, handed in as `perform`.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote, unquote

from shared.api.access import approvals
from shared.chains import expressions
from shared.chains.asked import NOTIFY, Answer, Call, Taken, shown
from shared.durable import unreadable, worker
from shared.durable.unreadable import UnreadableError
from shared.rest import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from shared.chains.asked import Asking, State
    from shared.operations.ledger import Ledger

ANSWER_LIMIT = 16 * 1024  # characters of an answer kept for later steps; of a larger one only its size is kept
PRIVATE = "The answer may hold keys or tokens: `expect` can read it, and it is not recorded."
NO_RECEIVER = "The setting STEWARD_NOTIFY names no receiver of a 'notify' step."
NOT_DONE = (408, 429, 500, 502, 503, 504)
ATTEMPTS = 12
LONGEST_PAUSE_S = 600.0
WAIT_AGAIN = timedelta(minutes=10)  # how often a step looks itself whether the operation it waits for has ended
LOOK_AGAIN = timedelta(minutes=1)  # at an approval that a request waits for


class Services(worker.World, approvals.Services, Protocol):
    """What a step needs of the composition root."""

    @property
    def ledger(self) -> Ledger: ...  # noqa: D102

    def perform(self, call: Call) -> Answer:
        """Make a request of the app's API."""


class Chain(Protocol):
    """What a step belongs to."""

    @property
    def sort(self) -> str:
        """What it is called: rule, or recipe."""

    def seen(self) -> dict[str, Any]:
        """Return what a step's expressions see; `steps` holds the answers so far."""

    def call_of(self, step: Any, taken: Taken) -> Call:
        """Return the request of a step.

        Raises:
            NothingThereError: an expression of its path or headers finds nothing.
            BadRequestError: `InvalidPath`; a value would leave its segment.
        """

    def failed(self, step: Any, taken: Taken, status: int, error: errors.AzureError, now: datetime) -> Taken:
        """Return what becomes of a step whose request failed."""

    def made(self, step: Any, taken: Taken, answer: Answer, services: Any) -> Mapping[str, str]:
        """Return what a request made, {} where that is not kept."""


def guarded(take: Callable[[], Taken], step: Asking, taken: Taken, now: datetime) -> Taken:
    """Return what a step comes to, whatever stops it."""
    try:
        return take()
    except errors.TransientError as problem:
        return again(taken, problem.error, now, problem.delay_s)
    except expressions.NothingThereError as nothing:
        return failed(taken, errors.AzureError(code="ExpressionFoundNothing", message=f"{nothing}.", target=step.name), now)
    except errors.PermanentError as problem:
        return failed(taken, problem.error, now)


def may_delete(step: Asking) -> bool:
    """Return whether a step may delete: now, by an expiry that it sets, or by a recipe that it starts, as that is or becomes."""
    path, _, query = unquote(step.path).lower().partition("?")
    expires = "expires" in query or "${{" in query or any(name.startswith("expires-") for name in step.headers)
    return step.method == "DELETE" or path.strip("/").startswith("recipes/") or expires


def take(step: Asking, taken: Taken, chain: Chain, services: Services) -> Taken:
    """Make a step's request, or look what it became."""
    if taken.operation or taken.approval:
        return waited(step, taken, chain, services)
    if left_out := unmet(step, taken, chain, services.clock()):
        return left_out
    return answered(step, taken, services.perform(chain.call_of(step, taken)), chain, services)


def unmet(step: Asking, taken: Taken, chain: Chain, now: datetime) -> Taken | None:
    """Return a step that is left out, since its `if` does not hold; None for one that is taken."""
    if not step.when or taken.attempts or expressions.holds(step.when, chain.seen()):
        return None
    return ended(replace(taken, reason=f"'if' does not hold: {step.when}"), "Skipped", now)


def waited(step: Asking, taken: Taken, chain: Chain, services: Services) -> Taken:
    """Look whether what a request became has ended: an approval first, where one is asked for."""
    now = services.clock()
    if taken.approval:
        given = decided(taken.approval, step.name, services)
        if given is None:
            return replace(taken, at=now + LOOK_AGAIN)
        if not given.operation:
            return answered(step, replace(taken, approval=""), given, chain, services)
        taken = replace(taken, approval="", operation=given.operation)
    found = end_of(taken.operation, services.ledger)
    if found is None:
        return replace(taken, at=now + WAIT_AGAIN) if taken.at is None or taken.at <= now else taken
    return answered(step, taken, found, chain, services)


def answered(step: Asking, taken: Taken, answer: Answer, chain: Chain, services: Services) -> Taken:
    """Go on after an answer: what it asks to wait for, or what it says."""
    now = services.clock()
    if answer.skipped:
        return ended(replace(taken, reason=answer.skipped), "Skipped", now)
    if answer.operation:
        return replace(taken, operation=answer.operation, attempts=0, at=now + WAIT_AGAIN)
    if answer.approval:
        return replace(taken, approval=answer.approval, attempts=0, at=now + LOOK_AGAIN)
    if answer.status in NOT_DONE and not taken.operation:
        return again(taken, error_of(answer), now, None)
    return _judged(step, taken, answer, chain, services)


def _judged(step: Asking, taken: Taken, answer: Answer, chain: Chain, services: Services) -> Taken:
    """Return a step after its last answer, which must be a success, or what `expect` says."""
    now = services.clock()
    known = replace(taken, status=answer.status, body=kept(answer), attempts=0)
    if step.expect and not expressions.holds(step.expect, seen_with(step, known, answer, chain)):
        message = f"The answer to '{step.name}' ({answer.status}) does not meet 'expect' of the {chain.sort}: {step.expect}"
        error = errors.AzureError(code="NotExpected", message=message, target=step.name)
        return chain.failed(step, known, answer.status, error, now)
    if answer.status >= 400 and not step.expect:
        return chain.failed(step, known, answer.status, error_of(answer), now)
    return ended(replace(known, made=chain.made(step, known, answer, services)), "Succeeded", now)


def seen_with(step: Asking, known: Taken, answer: Answer, chain: Chain) -> dict[str, Any]:
    """Return what `expect` sees: the answer whole, and as a later step would find it."""
    seen = chain.seen()
    own = {"steps": {**seen["steps"], step.name: shown(replace(known, state="Succeeded"))}}
    return {**seen, **own, "status": answer.status, "body": answer.body, "result": answer.body}


def again(taken: Taken, error: errors.AzureError, now: datetime, delay_s: float | None) -> Taken:
    """Return a step that is taken again later; failed after `ATTEMPTS`."""
    attempts = taken.attempts + 1
    if attempts >= ATTEMPTS:
        return failed(taken, error, now)
    pause = max(delay_s or 0.0, min(2.0**attempts, LONGEST_PAUSE_S))
    return replace(taken, attempts=attempts, at=now + timedelta(seconds=pause))


def failed(taken: Taken, error: errors.AzureError, now: datetime) -> Taken:
    """Return a step that failed."""
    return ended(replace(taken, error=error.to_json()), "Failed", now)


def ended(taken: Taken, state: State, now: datetime) -> Taken:
    """Return a step that is over."""
    return replace(taken, state=state, at=None, ended_at=now)


def decided(approval_id: str, step: str, services: Services) -> Answer | None:
    """Return what a request that waited for an approval came to; None while it waits.

    Raises:
        BadRequestError: `ApprovalRefused`, `ApprovalExpired`; `ApprovalNotFound`, it is no longer kept.
    """
    found = approvals.load(approval_id, services).value
    if found.status == "Pending" or (found.status == "Approved" and not found.answered):
        return None
    if found.status != "Approved":
        message = f"Its request was {found.status.lower()}" + (f" by {found.by}." if found.by else ".")
        raise errors.BadRequestError(f"Approval{found.status}", message, target=step)
    return Answer(status=found.answered, operation=found.operation)


def end_of(operation_id: str, ledger: Ledger) -> Answer | None:
    """Return what an operation that a step waits for came to; None while it goes on, or cannot be read now.

    Raises:
        BadRequestError: `OperationNotFound`; it is no longer kept.
    """
    try:
        stored = ledger.load(operation_id)
    except UnreadableError as problem:  # it may be readable again
        unreadable.note(f"operation {operation_id}", problem)
        return None
    if stored is None:
        raise errors.BadRequestError("OperationNotFound", f"The operation {operation_id} is no longer kept.")
    operation = stored.operation
    if not operation.ended:
        return None
    body: Any = ledger.whole(operation).result
    if operation.status != "Succeeded":
        error = operation.error or errors.AzureError(code=operation.status, message="The operation ended without a reason.")
        body = {"error": error.to_json()}
    return Answer(status=operation.end_status, body=body)


def request_of(step: Asking, seen: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members of a call that a step's own fields make.

    Raises:
        NothingThereError: an expression of its path or headers finds nothing.
        BadRequestError: `InvalidPath`; a value would leave its segment.
    """
    path = expressions.text(step.path, seen, encode=segment)
    return {
        "method": step.method or NOTIFY,
        "path": path if step.method else expressions.text(step.notify, seen),
        "headers": {name: expressions.text(value, seen) for name, value in step.headers.items()},
        "body": expressions.render(step.body, seen),
    }


def segment(text: str) -> str:
    """Return a value as it stands in a path: always within its own segment."""
    if text in (".", "..", ""):
        raise errors.BadRequestError(
            "InvalidPath", f"An expression in the path finds '{text}', which is not a name.", target="request"
        )
    return quote(text, safe="")


def kept(answer: Answer) -> Any:
    """Return what is recorded of an answer for later steps."""
    if answer.private:
        return {"$omitted": PRIVATE}
    length = len(json.dumps(answer.body))
    return answer.body if length <= ANSWER_LIMIT else {"$omitted": length}


def error_of(answer: Answer) -> errors.AzureError:
    """Return the error that an answer is."""
    inner = answer.body.get("error") if isinstance(answer.body, dict) and not answer.foreign else None
    if isinstance(inner, dict) and isinstance(inner.get("code"), str) and isinstance(inner.get("message"), str):
        return errors.AzureError(code=inner["code"], message=inner["message"])
    return errors.AzureError(code="RequestFailed", message=f"The answer was {answer.status}.")
