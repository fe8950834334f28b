"""What an answer means for an operation, as pure decisions: (operation, answer, now) in, next state and delay out.

No I/O here; steps sends and stores. `delay_s` is None when the operation has ended.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shared.catalog import kinds
from shared.operations import proof, redaction
from shared.rest import client, errors, ids, long_running

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from shared.catalog.kinds import Kind
    from shared.operations.models import Operation, Phase
    from shared.rest.client import Response

BUSY_DELAY_S = 15.0
ON_ITS_WAY = timedelta(seconds=45)  # a send whose worker never saw an answer may take effect until then
WAITS_DELAY_S = 5.0
BUSY_LIMIT = timedelta(hours=1)
NOTED_ATTEMPTS = 3
REGISTER_DELAY_S = 5.0
REGISTER_LIMIT = 120
SEND_LIMIT = timedelta(hours=24)  # a request that Azure cannot take for so long is given up
HTTP_GONE = 404
FAILED_LATER = errors.OperationFailedError.http_status  # accepted, and ended otherwise: no conflict, and no mistake at the door
DIFFERENCES_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The operation after one step, and in how many seconds the next is due."""

    operation: Operation
    delay_s: float | None


def kind_of(operation: Operation) -> Kind:
    """Return the row of the table that an operation was accepted under."""
    plane, _, full_type = operation.kind.partition(":")
    namespace, _, path = full_type.partition("/")
    return kinds.by_type()[plane, namespace.lower(), path.lower()]


def kind_key(kind: Kind) -> str:
    """Return what `kind_of` reads."""
    return f"{kind.plane}:{kind.full_type}"


def is_run(operation: Operation) -> bool:
    """Return whether the operation started a job or run: it goes on for hours, Azure can cancel it, its lane is free meanwhile."""
    return bool(kind_of(operation).cancel) and (operation.method == "PUT" or operation.plane == "execution")


def plain_end(operation: Operation) -> int:
    """Return the status of a success: 204 of a deletion, 201 of what Azure made at once, else 200."""
    if operation.method == "DELETE" and operation.result is None:
        return 204
    return operation.http_status if operation.http_status in (200, 201) and operation.result is not None else 200


def declared_end(operation: Operation) -> int:
    """Return the status of a success that the specification declares: Azure's own where it ended at once, else the kind's."""
    if operation.follow is None and operation.http_status:
        return operation.http_status
    kind = kind_of(operation)
    action = kind.action(operation.action) if operation.action else None
    if operation.method == "DELETE":
        return kind.deleted
    return action.ended if action else plain_end(operation)


def template(operation: Operation, resource_url: str) -> long_running.Follow:
    """Return how an operation of this kind is followed, before the first answer chose a URL."""
    kind = kind_of(operation)
    first_s, most_s = kind.interval_s
    creates = operation.plane == "execution" or (operation.method == "POST" and not operation.action)
    method = "PUT" if creates else operation.method  # startrun and a POST on a collection create, as a PUT would
    return long_running.Follow(
        style="resource",
        url=resource_url,
        resource_url=resource_url,
        method=method,
        state_field=kind.state_field if method == "PUT" else long_running.PROVISIONING_STATE,
        interval_s=first_s,
        max_interval_s=most_s,
    )


def first_answer(operation: Operation, response: Response, resource_url: str, now: datetime) -> Step:
    """Judge Azure's answer to the request itself."""
    operation = operation.noted(now, "sent", f"{response.status} {response.request_id or ''}".strip())
    if _sent_before(operation) and operation.method == "DELETE" and response.status == HTTP_GONE:  # an earlier one did it
        return _end(replace(operation, status="Succeeded", http_status=200), now)
    if not response.ok:
        return _refused(operation, response, now)
    outcome = long_running.begin(template(operation, resource_url), response, now=now)
    return moved(replace(operation, http_status=response.status), outcome, now)


def moved(operation: Operation, outcome: long_running.Outcome, now: datetime) -> Step:
    """Carry an outcome into the operation; what must not be stored stays behind."""
    body = redaction.redacted(kind_of(operation), outcome.body, action=operation.action)
    match outcome:
        case long_running.Done():
            return _end(replace(operation, status="Succeeded", result=body), now)
        case long_running.Failed():
            status = 500 if outcome.unknown else FAILED_LATER
            error = replace(outcome.error, target=operation.target) if outcome.unknown else outcome.error
            return fail(operation, error, now, http_status=status, canceled=outcome.canceled, body=body)
        case long_running.Pending():
            if operation.follow is None or outcome.follow.state != operation.follow.state:
                operation = operation.noted(now, "state", outcome.follow.state or "in progress")
            changed = replace(
                operation,
                phase="following",
                status="Running",
                follow=outcome.follow,
                percent=outcome.percent if outcome.percent is not None else operation.percent,
                resource=body if isinstance(body, dict) else operation.resource,
                attempts=0,
                body=None,  # it is Azure's by now
                files={},
                plan=None,
            )
            return Step(operation=changed, delay_s=outcome.delay_s)


def fail(
    operation: Operation,
    error: errors.AzureError,
    now: datetime,
    *,
    http_status: int,
    canceled: bool = False,
    body: Any = None,
) -> Step:
    """End an operation as Failed or Canceled, with Azure's own error; the resource as it stands goes along."""
    status = "Canceled" if canceled else "Failed"
    error = redaction.plain_error(error)
    ended = replace(operation, status=status, error=error, http_status=http_status, result=body)  # type: ignore[arg-type]
    return _end(ended, now)


def cancel(operation: Operation, reason: errors.AzureError, now: datetime) -> Step:
    """End an operation as Canceled on its caller's word."""
    return fail(operation, reason, now, http_status=FAILED_LATER, canceled=True)


def waits_for(operation: Operation, before: str, now: datetime) -> Step:
    """Look again soon whether the operation has ended that makes what the body names."""
    if operation.attempts == 0:
        why = "makes what stands on it" if operation.method == "DELETE" else "makes what the body names"
        operation = operation.noted(now, "waits", f"operation {before} {why}")
    waiting = replace(operation, phase="accepted", attempts=operation.attempts + 1, sent_azure=None)
    return Step(operation=waiting, delay_s=WAITS_DELAY_S)


def shown(operation: Operation, now: datetime) -> Step:
    """End an action whose effect is seen."""
    operation = operation.noted(now, "looked up", f"{operation.action} took effect: the key has changed")
    return _end(replace(operation, status="Succeeded", http_status=200), now)


def postponed(operation: Operation, problem: errors.TransientError, now: datetime, *, looking: bool = False) -> Step:
    """Say when to try again after Azure could not take the request: sent again if it cannot have arrived, else looked up.

    Args:
        operation: As it was when the request was made.
        problem: What became of it.
        now: The present.
        looking: The request only looked for what had become of the write.
    """
    phase: Phase = operation.phase
    if phase == "sending" and not problem.maybe_arrived and not looking:
        phase, operation = "accepted", replace(operation, sent_azure=None)
    if phase not in ("sending", "following") and now - operation.created_at > SEND_LIMIT:
        return fail(operation, problem.error, now, http_status=problem.status)
    attempts = operation.attempts + (phase != "registering")  # there they count the looks at the provider
    delay_s = max(problem.delay_s, min(problem.delay_s * 2 ** min(operation.attempts, 5), 600.0))
    if operation.attempts < NOTED_ATTEMPTS:
        operation = operation.noted(now, "postponed", f"{problem.error.code}: {problem.error.message}")
    return Step(operation=replace(operation, phase=phase, attempts=attempts), delay_s=delay_s)


def arrived(
    operation: Operation, response: Response, body: Any, resource_url: str, now: datetime, *, earlier: Sequence[Any] = ()
) -> Step:
    """Settle a write whose answer was lost, from a GET of its target made afterwards (proof says what that proves).

    It goes on where the request arrived, and is sent again where it did not. While something is still at work on the target,
    it is looked at again. Otherwise the operation ends OutcomeUnknown with the fields that differ.

    Args:
        operation: As it is claimed.
        response: The target.
        body: What was asked for.
        resource_url: The target's URL.
        now: The present.
        earlier: The target as operations before this one left it.
    """
    gone = response.status == HTTP_GONE
    if not response.ok and not gone:
        return unknown(operation, now, (response.error(),))
    sent = proof.Sent(
        kind=kind_of(operation),
        method=operation.method,
        action=operation.action,
        body=body,
        since=operation.sent_azure or _sent_by_answer(operation, response, now),
        own_name=operation.suffix in ids.parse(operation.target).name,
        is_run=is_run(operation),
        earlier=earlier,
    )
    verdict = proof.judge(sent, response.body, gone=gone)
    if verdict.answer == "is still in progress":
        return _look_later(operation, now)
    if verdict.answer != "arrived" and (left := _on_its_way(operation, now)):
        return Step(operation=operation, delay_s=left.total_seconds())
    operation = operation.noted(now, "looked up", f"the request {verdict.answer}")
    match verdict.answer:
        case "may have arrived":
            against = (errors.AzureError(code="Differs", message=each.words, target=each.path) for each in verdict.differences)
            return unknown(operation, now, tuple(against)[:DIFFERENCES_SHOWN])
        case "did not arrive":
            return _send_again(operation, now)
        case _:
            return _goes_on(operation, response, resource_url, now, failed=verdict.answer == "arrived and failed")


def _on_its_way(operation: Operation, now: datetime) -> timedelta | None:
    """Return how long to wait for what a worker sent that has died, or stands still: Azure may take it in only now."""
    left = operation.sent_at + ON_ITS_WAY - now if operation.sent_at and operation.lost_since else timedelta(0)
    return left if left > timedelta(0) else None


def _goes_on(operation: Operation, response: Response, resource_url: str, now: datetime, *, failed: bool) -> Step:
    """Go on with a write that arrived, from its target."""
    if response.status == HTTP_GONE:
        return _end(replace(operation, status="Succeeded", http_status=200), now)
    if failed:
        message = f"The {operation.action} arrived and did not succeed: {proof.last_operation(response.body)}."
        error = errors.AzureError(code="ActionFailed", message=message, target=operation.target)
        return fail(operation, error, now, http_status=FAILED_LATER)
    outcome = long_running.resume(template(operation, resource_url), response, now=now)
    return moved(replace(operation, http_status=200, error=None), outcome, now)


def _sent_by_answer(operation: Operation, response: Response, now: datetime) -> datetime | None:
    """Return Azure's clock at the send, counted back from the answer to the look, for a process that had not heard from Azure."""
    date = client.date_of(response)
    return operation.sent_at + (date - now) if date and operation.sent_at else None


def _look_later(operation: Operation, now: datetime) -> Step:
    """Look again when what is at work on the target has had time to end: whose work it is, only its end shows."""
    if operation.sent_at and now - operation.sent_at > SEND_LIMIT:
        return unknown(operation, now)
    if operation.attempts == 0:
        operation = operation.noted(now, "looked up", "something is at work on the target; it is looked at again")
    return Step(operation=replace(operation, attempts=operation.attempts + 1), delay_s=BUSY_DELAY_S)


def _send_again(operation: Operation, now: datetime) -> Step:
    """Go back to the start with a request that did not arrive, unless it was refused, cannot be repeated or took too long."""
    if operation.error:
        return fail(operation, operation.error, now, http_status=operation.http_status)
    if not operation.secret and now - operation.created_at <= SEND_LIMIT:
        first = operation.sent_azure if is_run(operation) else None  # a job's first request may arrive late, and is as good
        return Step(operation=replace(operation, phase="accepted", attempts=0, sent_azure=first), delay_s=0.0)
    message = "The request did not reach Azure and its secret was not kept; send it again."
    if not operation.secret:
        message = f"The request did not reach Azure for {SEND_LIMIT.total_seconds() / 3600:.0f} hours."
    return fail(operation, errors.AzureError(code="NotSent", message=message), now, http_status=503)


def unknown(operation: Operation, now: datetime, details: tuple[errors.AzureError, ...] = ()) -> Step:
    """End an operation whose effect is not known, saying what to look at; `details` hold the reason or the fields that differ."""
    message = (
        f"Azure's answer to {operation.method} {operation.path} was lost, and the target does not show whether the request took "
        "effect. Look at the target; send the request again if it is not as you want it."
    )
    problem = errors.OutcomeUnknownError(message, target=operation.target)
    return fail(operation, replace(problem.error, details=details), now, http_status=problem.status)


def registration(operation: Operation, response: Response, now: datetime) -> Step:
    """Judge one look at a provider's registration: look, then register (`attempts` 1), then look until Registered.

    A provider found Registered at the first look was not the reason for `NoRegisteredProviderFound`: ARM's refusal stands.
    """
    if not response.ok:
        return fail(operation, response.error(), now, http_status=response.status)
    state = str((response.body or {}).get("registrationState", ""))
    if state.lower() == "registered":
        refused = operation.error
        if operation.attempts == 0 and refused and (refused.outer_code or refused.code) == "NoRegisteredProviderFound":
            return fail(operation, refused, now, http_status=400)
        registered = (*operation.registered, operation.registering.lower())
        operation = operation.noted(now, "registered", operation.registering)
        ready = replace(operation, phase="accepted", registering="", registered=registered, attempts=0, error=None)
        return Step(operation=ready, delay_s=0.0)
    if operation.attempts >= REGISTER_LIMIT:
        message = f"{operation.registering} is still {state} after {REGISTER_LIMIT} looks."
        return fail(operation, errors.AzureError(code="RegistrationTimeout", message=message), now, http_status=FAILED_LATER)
    delay_s = 0.0 if operation.attempts == 0 else REGISTER_DELAY_S
    return Step(operation=replace(operation, attempts=operation.attempts + 1), delay_s=delay_s)


def _refused(operation: Operation, response: Response, now: datetime) -> Step:
    error = response.error()
    quirk = kinds.quirk_of(error.outer_code or error.code, error.message) or kinds.quirk_of(error.code, error.message)
    if quirk and quirk.hint:
        error = replace(error, message=f"{error.message} {quirk.hint}")
    if quirk and quirk.meaning == "busy" and now - operation.created_at < BUSY_LIMIT and not operation.secret:
        operation = operation.noted(now, "busy", error.message) if operation.attempts == 0 else operation
        waiting = replace(operation, phase="accepted", attempts=operation.attempts + 1, sent_azure=None)
        return Step(operation=waiting, delay_s=BUSY_DELAY_S)
    namespace = _namespace_in(error.message) or ids.parse(operation.target).namespace
    unregistered = quirk and quirk.meaning == "unregistered" and not _knows_no_such_version(operation, error.message)
    if unregistered and namespace.lower() not in operation.registered and not operation.secret:
        operation = operation.noted(now, "registering", namespace)
        registering = replace(operation, phase="registering", status="Running", registering=namespace, error=error, attempts=0)
        return Step(operation=registering, delay_s=0.0)
    if _sent_before(operation) and is_run(operation) and operation.error is None:
        # an earlier one may have arrived late, and Azure refuses a second of that name: look once more
        return Step(operation=replace(operation, error=error, http_status=response.status), delay_s=0.0)
    return fail(operation, error, now, http_status=response.status)


def _sent_before(operation: Operation) -> bool:
    return operation.calls.get("write", 0) > 1


def _namespace_in(message: str) -> str:
    """Return the provider namespace that a refusal names, '' when it names none."""
    found = re.search(r"namespace '([A-Za-z0-9.]+)'", message)
    return found[1] if found else ""


def _knows_no_such_version(operation: Operation, message: str) -> bool:
    """Return whether a refusal lists the api-versions that the provider knows without the one that was asked with."""
    listed = re.search(r"supported api-versions are '([^']*)'", message, re.IGNORECASE)
    asked = operation.query.partition("&")[0].removeprefix("api-version=").lower()
    return bool(listed and listed[1].strip()) and asked not in re.split(r"[,;\s]+", (listed[1] if listed else "").lower())


def _end(operation: Operation, now: datetime) -> Step:
    detail = f"{operation.error.code}: {operation.error.message}" if operation.error and operation.status != "Succeeded" else ""
    cleared = operation.error if operation.status != "Succeeded" else None
    ended = replace(
        operation.noted(now, operation.status, detail),
        phase="ended",
        ended_at=now,
        error=cleared,
        follow=None if operation.follow is None else replace(operation.follow, url="", location=""),
        query=operation.query.partition("&")[0],  # the rest is the caller's own
        resource=None,
        body=None,
        files={},
        plan=None,
    )
    return Step(operation=ended, delay_s=None)
