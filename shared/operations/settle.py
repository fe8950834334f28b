"""What an answer means for an operation, as pure decisions: (operation, answer, now) in, next state and delay out.

No I/O here; steps sends and stores. `delay_s` is None when the operation has ended.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared.catalog import bodies, kinds
from shared.operations import redaction
from shared.rest import errors, ids, long_running

if TYPE_CHECKING:
    from shared.catalog.kinds import Kind
    from shared.operations.models import Operation, Phase
    from shared.rest.client import Response

BUSY_DELAY_S = 15.0
BUSY_LIMIT = timedelta(hours=1)
NOTED_ATTEMPTS = 3
REGISTER_DELAY_S = 5.0
REGISTER_LIMIT = 120
SEND_LIMIT = timedelta(hours=24)  # a request that Azure cannot take for so long is given up
CLOCK_SKEW = timedelta(seconds=1)
# Where resources say when they were made and changed: most in systemData, computes (also) in properties, v1 on top
CREATED = ("systemData.createdAt", "properties.createdOn", "createdUtc", "createdTime")
MODIFIED = ("systemData.lastModifiedAt", "properties.modifiedOn", "lastModifiedUtc", "updatedTime")
HTTP_GONE = 404


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
    """Tell whether the operation started a job or run: it goes on for hours, Azure can cancel it, its lane is free meanwhile."""
    return bool(kind_of(operation).cancel) and (operation.method == "PUT" or operation.plane == "execution")


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
            status = 500 if outcome.unknown else 409
            error = _with_hint(operation, outcome.error)
            if outcome.unknown:
                error = replace(error, target=operation.target)
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
    ended = replace(operation, status=status, error=error, http_status=http_status, result=body)  # type: ignore[arg-type]
    return _end(ended, now)


def cancel(operation: Operation, reason: errors.AzureError, now: datetime) -> Step:
    """End an operation as Canceled on its caller's word."""
    return fail(operation, reason, now, http_status=409, canceled=True)


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
        phase = "accepted"
    if phase not in ("sending", "following") and now - operation.created_at > SEND_LIMIT:
        return fail(operation, problem.error, now, http_status=problem.status)
    attempts = operation.attempts + (phase != "registering")  # there they count the looks at the provider
    delay_s = min(problem.delay_s * 2 ** min(operation.attempts, 5), 600.0)
    if operation.attempts < NOTED_ATTEMPTS:
        operation = operation.noted(now, "postponed", f"{problem.error.code}: {problem.error.message}")
    return Step(operation=replace(operation, phase=phase, attempts=attempts), delay_s=delay_s)


def arrived(operation: Operation, response: Response, body: Any, resource_url: str, now: datetime) -> Step:
    """Settle a write whose answer was lost, from a GET of its target made afterwards.

    It arrived if the target exists (create), is in progress, or was modified after the send. It is sent again only if it
    did not arrive and nothing else changed. Otherwise the operation ends OutcomeUnknown with what to look at.
    """
    if not response.ok and response.status != HTTP_GONE:
        return unknown(operation, now, response.error())
    verdict = _verdict(operation, response, body)
    operation = operation.noted(now, "looked up", f"the request {verdict}")
    if verdict == "arrived":
        if response.status == HTTP_GONE:
            return _end(replace(operation, status="Succeeded", http_status=200), now)
        outcome = long_running.resume(template(operation, resource_url), response, now=now)
        return moved(replace(operation, http_status=200, error=None), outcome, now)
    return _send_again(operation, now) if verdict == "did not arrive" else unknown(operation, now)


def _send_again(operation: Operation, now: datetime) -> Step:
    """Go back to the start with a request that did not arrive, unless it was refused, cannot be repeated or took too long."""
    if operation.error:
        return fail(operation, operation.error, now, http_status=operation.http_status)
    if not operation.secret and now - operation.created_at <= SEND_LIMIT:
        return Step(operation=replace(operation, phase="accepted"), delay_s=0.0)
    message = "The request did not reach Azure and its secret was not kept; send it again."
    if not operation.secret:
        message = f"The request did not reach Azure for {SEND_LIMIT.total_seconds() / 3600:.0f} hours."
    return fail(operation, errors.AzureError(code="NotSent", message=message), now, http_status=503)


def unknown(operation: Operation, now: datetime, reason: errors.AzureError | None = None) -> Step:
    """End an operation of which nobody can tell whether it took effect, saying what to look at."""
    message = f"It cannot be told whether {operation.method} {operation.path} took effect. Look at the target, then send it again."
    problem = errors.OutcomeUnknownError(message, target=operation.target)
    error = replace(problem.error, details=(reason,)) if reason else problem.error
    return fail(operation, error, now, http_status=problem.status)


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
        return fail(operation, errors.AzureError(code="RegistrationTimeout", message=message), now, http_status=409)
    delay_s = 0.0 if operation.attempts == 0 else REGISTER_DELAY_S
    return Step(operation=replace(operation, attempts=operation.attempts + 1), delay_s=delay_s)


def _refused(operation: Operation, response: Response, now: datetime) -> Step:
    error = response.error()
    quirk = kinds.quirk_of(error.outer_code or error.code, error.message) or kinds.quirk_of(error.code, error.message)
    if quirk and quirk.hint:
        error = replace(error, message=f"{error.message} {quirk.hint}")
    if quirk and quirk.meaning == "busy" and now - operation.created_at < BUSY_LIMIT and not operation.secret:
        operation = operation.noted(now, "busy", error.message) if operation.attempts == 0 else operation
        waiting = replace(operation, phase="accepted", attempts=operation.attempts + 1)
        return Step(operation=waiting, delay_s=BUSY_DELAY_S)
    namespace = _namespace_in(error.message) or ids.parse(operation.target).namespace
    if quirk and quirk.meaning == "unregistered" and namespace.lower() not in operation.registered and not operation.secret:
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


def _verdict(operation: Operation, response: Response, body: Any) -> str:
    if operation.method == "DELETE":
        return _verdict_on_delete(operation, response)
    state = str(bodies.dig(response.body, long_running.PROVISIONING_STATE) or "").lower()
    busy = bool(state) and state not in long_running.SUCCEEDED | long_running.FAILED | long_running.CANCELED
    modified = _moment(response.body, *MODIFIED) or _moment(response.body, *CREATED)
    after = modified is not None and operation.sent_at is not None and modified >= operation.sent_at - CLOCK_SKEW
    if response.status == HTTP_GONE:
        return "did not arrive"
    if is_run(operation):  # its name is ours, or taken by one that is older than the request
        created = _moment(response.body, *CREATED)
        return "arrived" if created is None or created >= operation.created_at - CLOCK_SKEW else "did not arrive"
    if operation.method == "POST":
        row = kind_of(operation).action(operation.action)
        return "did not arrive" if row and row.repeatable else "arrived" if busy or after else "may have arrived"
    if busy or after or holds(response.body, body):
        return "arrived"
    return "did not arrive" if modified is not None else "may have arrived"


def _verdict_on_delete(operation: Operation, response: Response) -> str:
    if response.status == HTTP_GONE:
        return "arrived"
    created = _moment(response.body, *CREATED)
    if created and operation.sent_at and created >= operation.sent_at - CLOCK_SKEW:
        return "may have arrived"  # somebody made it anew meanwhile
    deleting = str(bodies.dig(response.body, long_running.PROVISIONING_STATE)).lower() == "deleting"
    return "arrived" if deleting else "did not arrive"


def _with_hint(operation: Operation, error: errors.AzureError) -> errors.AzureError:
    """Name the next step when Azure gave no reason: a failed job's is in its log."""
    views = kind_of(operation).views
    if "logs" in views and operation.action == "" and error.code.startswith("Resource"):
        return replace(error, message=f"{error.message} Its log may tell: GET {operation.target}/logs.")
    return error


def holds(found: Any, asked: Any) -> bool:
    """Tell whether everything that was asked for stands in what was found."""
    if isinstance(asked, dict):
        return isinstance(found, dict) and bool(asked) and all(holds(found.get(name), value) for name, value in asked.items())
    return bool(found == asked)


def _moment(body: Any, *paths: str) -> datetime | None:
    text = next((text for path in paths if (text := bodies.dig(body, path))), None)
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _end(operation: Operation, now: datetime) -> Step:
    detail = f"{operation.error.code}: {operation.error.message}" if operation.error and operation.status != "Succeeded" else ""
    cleared = operation.error if operation.status != "Succeeded" else None
    ended = replace(
        operation.noted(now, operation.status, detail),
        phase="ended",
        ended_at=now,
        error=cleared,
        follow=None if operation.follow is None else replace(operation.follow, url="", location=""),
        resource=None,
        body=None,
        files={},
        plan=None,
    )
    return Step(operation=ended, delay_s=None)
