"""Azure's long-running operations as a pure state machine: answer in, next state out. No I/O, no clock of its own.

Order of strategies as in azure-core: status URL (`Azure-AsyncOperation`), `Location`, the resource's own state, already done.
With what real Azure ML traffic adds (facts, each also a test):

* a `Location` on a 201 is the resource, not a URL to poll, unless it names another place while the resource is not ready
  (ElasticSan, API Management, Cosmos DB); a 202 may lack `Location` (compute) or the status URL (cancel, diagnose);
* the status URL can stand only in the body, at `properties.properties.AzureAsyncOperationUri`; one in a header is asked even
  beside a terminal state, which may be that of the operation before;
* running is whatever is not terminal (`Updating` while deleting); `percentComplete` proves nothing;
* failure is HTTP 200 with `status: Failed`; bodies may be empty or `null`; a deleted compute's 404 has no body;
* a `Location` may answer 200 with an operation that failed (`status`, `error`), or with the resource itself;
* after `Succeeded` a resource may lag behind, or have another word for it (`Ready`): it is looked at some times, then done;
* status URLs may be signed: they are kept byte for byte;
* v1 model management names an operation by the last segment of `Operation-Location` only, and its state in `state`
  (docs/protocol.md §9).

Not here: reading an answer (rest.operation_answers), sending (rest.client), recording and waiting (operations.flows).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from shared.rest import client, error_bodies, errors, poll_delays
from shared.rest import operation_answers as answers

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from shared.rest.client import Response

Style = Literal["status_url", "location", "resource", "result"]

PROVISIONING_STATE = "properties.provisioningState"
JOB_STATUS = "properties.status"
SUCCEEDED = frozenset({"succeeded", "completed", "healthy"})  # Healthy: a v1 web service
FAILED = frozenset({"failed", "timedout", "unhealthy", "unschedulable"})
CANCELED = frozenset({"canceled", "cancelled"})
MISSES_ALLOWED = 6
LOOKS_AFTER_SUCCESS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Follow:
    """Where an operation stands between two polls; stored with it.

    Attributes:
        style: `status_url`: read top-level `status`; `location`: 202 is running; `resource`: read the resource's own
            state; `result`: the operation is done, its result is still to be read.
        url: What to GET next, byte for byte.
        resource_url: The resource itself.
        state_field: Dotted path of the resource's own state: `properties.provisioningState`, or `properties.status` of a job.
        interval_s: The pause before the next poll when Azure names none, and no usual end is near; grows to `max_interval_s`.
        ends: When such an operation usually ends, in seconds from `began_s`.
        began_s: When it began, in seconds since 1970; 0 where that is not known.
        looked_s: When it was seen to go on last, in seconds from `began_s`.
        unknown: Stored members that this version does not know (durable.codec).
        misses: Polls in a row that said nothing (404 of a fresh resource, empty body), or of a result that is not ready.
    """

    style: Style
    url: str
    resource_url: str
    method: str
    location: str = ""
    state_field: str = PROVISIONING_STATE
    interval_s: float = 2.0
    max_interval_s: float = 30.0
    ends: list[float] = field(default_factory=list)
    began_s: float = 0.0
    looked_s: float = 0.0
    misses: int = 0
    state: str = ""
    unknown: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """Not finished: GET `follow.url` after `delay_s` seconds. `body` is the resource when the answer held it."""

    follow: Follow
    delay_s: float
    percent: float | None = None
    body: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """Finished as asked; `body` is the resource or the action's result, None when there is none."""

    body: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """Finished otherwise. `canceled`: a caller canceled it; `unknown`: Azure lost track and nothing proves the outcome."""

    error: errors.AzureError
    canceled: bool = False
    unknown: bool = False
    body: Any = None

    @property
    def unexplained(self) -> bool:
        """Azure gave no reason."""
        return self.error.message.endswith(answers.NO_REASON)


Outcome = Pending | Done | Failed


def begin(template: Follow, response: Response, *, now: datetime) -> Outcome:
    """Judge the first answer (2xx) to a PUT, PATCH, DELETE or POST.

    Args:
        template: Method, resource URL, state field and intervals; its style and url are chosen here.
        response: Azure's answer.
        now: The present, for Retry-After dates.
    """
    body = response.body
    state = answers.state(body, template.state_field)
    ready = response.status == 200 and is_terminal(state)  # then a status URL in the body is that of an operation before
    status_url = response.headers.get("azure-asyncoperation") or ("" if ready else answers.status_url_in(body))
    location = _operation_in_location(template, response, state)
    follow = replace(template, location=location, state=state)
    at_resource = replace(follow, style="resource", url=template.resource_url)
    v1_url = answers.v1_operation_url(template.resource_url, response)
    if not v1_url and template.state_field != PROVISIONING_STATE and template.method in ("PUT", "PATCH"):
        # a job or run that was started is followed by its own status; a changed one is not waited for, as one that had ended
        # before its PUT (archived, say) must be: a new job's PUT is answered 201, and does not end at once
        changed = template.method == "PATCH" or (ready and template.state_field == JOB_STATUS)
        return Done(body=body) if changed else _judge_resource(at_resource, body, response, now)
    status_url = v1_url or status_url
    if status_url:
        return _pending(
            replace(follow, style="status_url", url=answers.absolute(template.resource_url, status_url)), response, now, body
        )
    if location:
        return _pending(replace(follow, style="location", url=follow.location), response, now, body)
    if response.status == 202 and template.method != "POST":
        return _pending(at_resource, response, now, body)
    if template.method in ("PUT", "PATCH") and state:
        return _judge_resource(at_resource, body, response, now)
    return Done(body=body)


def resume(template: Follow, response: Response, *, now: datetime) -> Outcome:
    """Take up an operation whose first answer was lost, from a GET of its resource that proves the write arrived."""
    return _judge_resource(replace(template, style="resource", url=template.resource_url), response.body, response, now)


def advance(follow: Follow, response: Response, *, now: datetime) -> Outcome:
    """Judge one poll: any definite answer, 4xx included."""
    match follow.style:
        case "status_url":
            return _advance_status_url(follow, response, now)
        case "location":
            return _advance_location(follow, response, now)
        case "resource":
            return _advance_resource(follow, response, now)
        case "result":
            return _advance_result(follow, response, now)


def goes_on(follow: Follow, now: datetime) -> Pending:
    """Return when to look again at an operation that another answer showed to be at work."""
    return _pending(follow, client.Response(status=200, url=follow.url), now)


def _advance_status_url(follow: Follow, response: Response, now: datetime) -> Outcome:
    if response.status == 404:
        return _lost(follow, response, now)
    if not response.ok:
        return _refused(follow, response, now)
    body = response.body if isinstance(response.body, dict) else {}
    state = (
        answers.state(body, "status")
        or answers.state(body, "state")
        or answers.state(body, "properties.status")
        or answers.state(body, PROVISIONING_STATE)
    )
    if not state:
        return _unspoken(follow, response, now)
    if state.lower() in SUCCEEDED:
        return _succeeded(follow, response, now)
    if is_terminal(state):
        return Failed(error=answers.operation_error(body, state), canceled=state.lower() in CANCELED)
    return _pending(replace(follow, state=state, misses=0), response, now, percent=answers.percent(body))


def _advance_location(follow: Follow, response: Response, now: datetime) -> Outcome:
    if response.status == 202:
        url = answers.absolute(follow.resource_url, response.headers.get("location", "")) or follow.url
        return _pending(replace(follow, url=url, location=url, misses=0), response, now)
    if response.status == 404:
        return _lost(follow, response, now)
    if not response.ok:
        return _refused(follow, response, now)
    return _judge_end_of_location(follow, response, now)


def _judge_end_of_location(follow: Follow, response: Response, now: datetime) -> Outcome:
    """Judge the 2xx that ends polling a Location: mostly the result itself, but also an operation that says how it ended."""
    body, state = response.body, answers.state(response.body, "status")
    if state.lower() in FAILED | CANCELED and error_bodies.speaks(answers.dig(body, "error")):
        return Failed(error=answers.operation_error(body, state), canceled=state.lower() in CANCELED)
    if follow.method in ("PUT", "PATCH"):
        if answers.is_resource(follow.resource_url, body):
            return _advance_result(_result_of(follow, follow.resource_url), response, now)
        return _succeeded(follow, response, now)
    if follow.method == "DELETE" and state and not is_terminal(state):
        return _at_once(replace(follow, style="resource", url=follow.resource_url), response, now)
    return Done(body=body if follow.method == "POST" else None)


def _advance_resource(follow: Follow, response: Response, now: datetime) -> Outcome:
    if response.status == 404:
        return Done() if follow.method == "DELETE" else _missed(follow, response, now)
    if not response.ok:
        return _refused(follow, response, now)
    return _judge_resource(follow, response.body, response, now)


def _advance_result(follow: Follow, response: Response, now: datetime) -> Outcome:
    if response.status == 404:
        return Done() if follow.method == "POST" else _missed(follow, response, now)
    if not response.ok:
        return _refused(follow, response, now)
    if follow.method == "POST":
        return _pending(follow, response, now) if response.status == 202 else Done(body=response.body)
    outcome = _judge_resource(follow, response.body, response, now)
    if not isinstance(outcome, Pending):
        return outcome
    if follow.misses >= LOOKS_AFTER_SUCCESS:
        return Done(body=response.body)
    return replace(outcome, follow=replace(outcome.follow, misses=follow.misses + 1))


def _judge_resource(follow: Follow, body: Any, response: Response, now: datetime) -> Outcome:
    """Judge by the resource's own state. One that has none is ready when it was made, except a job: that must say how it ended."""
    state = answers.state(body, follow.state_field)
    failed = state.lower() in FAILED | CANCELED
    if follow.method == "DELETE":  # it still exists; it may have been Failed before, so only one that stays so ends here
        if failed and follow.misses >= MISSES_ALLOWED:
            return Failed(error=answers.resource_error(body, state), body=body)
        return _pending(replace(follow, state=state, misses=follow.misses + 1 if failed else 0), response, now)
    if failed:
        return Failed(error=answers.resource_error(body, state), canceled=state.lower() in CANCELED, body=body)
    if state.lower() in SUCCEEDED or (not state and follow.state_field == PROVISIONING_STATE):
        return Done(body=body)
    if not state:
        return _missed(follow, response, now)
    return _pending(replace(follow, state=state, misses=0), response, now, body)


def _succeeded(follow: Follow, response: Response, now: datetime) -> Outcome:
    """Say what follows a `Succeeded`: read the resource (PUT, PATCH) or what an action gave (POST: at its Location, else here)."""
    if follow.method in ("PUT", "PATCH"):
        return _at_once(_result_of(follow, follow.resource_url), response, now)
    if follow.method == "POST" and follow.location and follow.location != follow.url:
        return _at_once(_result_of(follow, follow.location), response, now)
    given = answers.dig(response.body, "properties") if follow.method == "POST" else None
    return Done(body=given if given and isinstance(given, dict | list) else None)


def _result_of(follow: Follow, url: str) -> Follow:
    return replace(follow, style="result", url=url, state="Succeeded", misses=0)


def _lost(follow: Follow, response: Response, now: datetime) -> Outcome:
    """Azure lost the operation: after a DELETE it is done, after a PUT the resource shows it, after a POST nothing does."""
    if follow.method == "DELETE":
        return _at_once(replace(follow, style="resource", url=follow.resource_url), response, now)
    if follow.method in ("PUT", "PATCH"):
        return _pending(replace(follow, style="resource", url=follow.resource_url), response, now)
    if follow.misses < MISSES_ALLOWED:  # docs/protocol.md §3.6: seen for regenerateKeys, half a minute after its 202
        return _pending(replace(follow, misses=follow.misses + 1), response, now)
    message = "Azure no longer knows this operation; the action may have taken effect. Look at the resource before repeating it."
    return Failed(error=errors.AzureError(code="OutcomeUnknown", message=message, target=follow.resource_url), unknown=True)


def _unspoken(follow: Follow, response: Response, now: datetime) -> Outcome:
    """Judge a status poll without a status: 204 is done, 202 still running, anything else said nothing."""
    if response.status == 204:
        return _succeeded(follow, response, now)
    return _pending(follow, response, now) if response.status == 202 else _missed(follow, response, now)


def _refused(follow: Follow, response: Response, now: datetime) -> Outcome:
    """Judge a poll that Azure refused: that says nothing about the operation. When it stays so, the resource's own state does.

    A status URL may need a permission of its own, which a role that writes the resource lacks (container registries:
    https://github.com/Azure/mpf/pull/314), or an api-version (https://github.com/Azure/azure-sdk-for-go/issues/21408).
    """
    if follow.misses < MISSES_ALLOWED:
        return _pending(replace(follow, misses=follow.misses + 1), response, now)
    if follow.style in ("status_url", "location") and follow.method != "POST":
        return _pending(replace(follow, style="resource", url=follow.resource_url, misses=0), response, now)
    if follow.style == "result" and follow.method != "POST":  # it has succeeded; only its result cannot be read
        return Done()
    reason = response.error()
    message = (
        f"Azure refuses to show the state of the operation ({response.status} {reason.code}). It may have taken effect: look at "
        "the resource before you repeat it."
    )
    error = errors.AzureError(code="OutcomeUnknown", message=message, target=follow.resource_url, details=(reason,))
    return Failed(error=error, unknown=True)


def _missed(follow: Follow, response: Response, now: datetime) -> Outcome:
    if follow.misses < MISSES_ALLOWED:
        return _pending(replace(follow, misses=follow.misses + 1), response, now)
    if follow.style == "status_url":
        return _pending(replace(follow, style="resource", url=follow.resource_url, misses=0), response, now)
    if response.status == 404:
        return Failed(error=response.error())
    message = f"{follow.resource_url.partition('?')[0].rpartition('/')[2]} does not report its state."
    return Failed(error=errors.AzureError(code="OutcomeUnknown", message=message), unknown=True)


def _pending(follow: Follow, response: Response, now: datetime, body: Any = None, *, percent: float | None = None) -> Pending:
    told_s = client.retry_after_s(response, now=now)
    elapsed_s = now.timestamp() - follow.began_s if follow.began_s else 0.0
    pause_s, interval_s = poll_delays.pause(follow.ends, elapsed_s, follow.interval_s, follow.max_interval_s)
    delay_s = pause_s if told_s is None else max(told_s, 1.0)
    looked = replace(follow, interval_s=interval_s, looked_s=elapsed_s)
    return Pending(follow=looked, delay_s=delay_s, percent=percent, body=body)


def _at_once(follow: Follow, response: Response, now: datetime) -> Pending:
    return replace(_pending(follow, response, now), delay_s=0.0)


def is_terminal(state: str) -> bool:
    """Return whether a state is the last one."""
    return state.lower() in SUCCEEDED | FAILED | CANCELED


def _operation_in_location(template: Follow, response: Response, state: str) -> str:
    """Return the URL of the operation that `Location` names: of any 202; otherwise of a resource that is not ready yet."""
    if response.status == 202:
        return answers.absolute(template.resource_url, response.headers.get("location", ""))
    running = template.method in ("PUT", "PATCH") and state and not is_terminal(state)
    return answers.location_elsewhere(template.resource_url, response) if running else ""
