"""Handle a request: check it, then call its route's handler. Without a route, the refusal lists the routes that exist."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from shared.api import answer, strict
from shared.api.access import admission, approvals, audit
from shared.api.answer import Answer, Later
from shared.catalog import kinds
from shared.operations.models import Operation
from shared.rest import errors
from shared.telemetry import trace
from shared.text import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.api.call import Call
    from shared.api.route import Outcome, Route

BODY_LIMIT = 100_000_000  # bytes of a request; above 104,857,600 the platform answers 500 without a body
CHUNKED = (
    "The body was sent in chunks (Transfer-Encoding) and did not arrive: Azure Functions hands on only a body with Content-Length. "
    "Send that header; in .NET use StringContent, or await the content's LoadIntoBufferAsync() before you send it."
)


def carry_out(call: Call, route: Route, app: Any) -> Outcome:
    """Check a call against its route and its sender's rights, and carry it out.

    Changes and reads of secrets are audited.

    Raises:
        StewardError: the request is refused, or fails.
    """
    check_body(call)
    if route.anonymous:
        strict.check(call, route)
        return route.handler(call, app)
    try:
        call, asked = admission.admitted(call, route, app)
    except errors.BadRequestError as problem:
        audit.refused(call, problem)
        raise
    strict.check(call, route)
    if what := approvals.deletes(call, asked, app):
        return approvals.ask(what, call, app, asked)
    if not audit.wanted(route, asked):
        return route.handler(call, app)
    return _audited(call, route, asked, app)


def _audited(call: Call, route: Route, asked: admission.Asked | None, app: Any) -> Outcome:
    entry = audit.entry(call, route, asked, app)
    recorded = asked is None or asked.secret or asked.row is None or asked.direct  # the other requests become operations
    if recorded:
        audit.write(entry, app)
    try:
        outcome = route.handler(call, app)
    except errors.StewardError as problem:
        audit.ended(entry, app, recorded=recorded, status=problem.status, code=problem.error.code)
        raise
    if isinstance(outcome, Operation):
        audit.ended(entry, app, recorded=recorded, status=outcome.http_status or 202, operation=outcome.id)
    else:
        audit.ended(entry, app, recorded=recorded, status=outcome.status if isinstance(outcome, Answer) else 202)
    return outcome


def answered(call: Call, route: Route, app: Any) -> Answer | Later:
    """Return the answer to a call, or a `Later` if the caller wants to wait; it joins the trace of the call's `traceparent`.

    Raises:
        StewardError: the request is refused, or fails.
    """
    if app is not None and app.settings.address:
        call = replace(call, base=app.settings.address)
    with trace.bound(trace.parse(call.header(trace.HEADER))):
        outcome = carry_out(call, route, app)
        if isinstance(outcome, Operation):
            outcome = answer.followed(outcome, call, app)
        return outcome.answer() if isinstance(outcome, Later) and (outcome.ended or not outcome.wait_s) else outcome


def at_once(call: Call, route: Route, app: Any) -> Answer:
    """Return the answer to a call of a route without waiting.

    Raises:
        StewardError: see `answered`.
    """
    found = answered(call, route, app)
    return found.answer() if isinstance(found, Later) else found


def check_body(call: Call) -> None:
    """Refuse a body that did not arrive, is too large or is compressed, before the body is parsed.

    Raises:
        BadRequestError: `LengthRequired` (411), `RequestContentTooLarge` (413), `UnsupportedMediaType` (415).
    """
    if "transfer-encoding" in call.headers and not call.body:
        raise errors.BadRequestError("LengthRequired", CHUNKED, target="Content-Length", status=411)
    if len(call.body) > BODY_LIMIT:
        takes = f"a request takes {BODY_LIMIT}. POST /api/uploads opens an upload for larger files."
        message = f"The body has {len(call.body)} bytes; {takes}"
        raise errors.BadRequestError("RequestContentTooLarge", message, target="body", status=413)
    encoding = call.header("content-encoding").strip()
    if encoding.lower() not in ("", "identity") and call.body:
        message = f"The body has the Content-Encoding '{encoding[:50]}'; expected an uncompressed body without that header."
        raise errors.BadRequestError("UnsupportedMediaType", message, target="Content-Encoding", status=415)


def refusal(method: str, path: str, rows: Sequence[Route]) -> errors.StewardError:
    """Return why no route matches a request: an empty segment, a verb that the path does not have, or an unknown name."""
    plain = path.rstrip("/")
    if "" in plain.split("/")[1:]:
        message = f"'{path[:200]}' has an empty segment; remove it, or use /api/arm/, which accepts empty segments."
        return errors.BadRequestError("InvalidPath", message, target="path")
    if verbs := {each.verb for each in rows if each.takes(plain)}:
        allow = sorted(verbs | ({"HEAD"} if "GET" in verbs else set()))
        return errors.MethodNotAllowedError(f"'{plain[:200]}' has no {method}; it has {', '.join(allow)}.", allow)
    first, _, below = plain.partition("/")
    there = sorted({each.template.split("/")[0] for each in rows}, key=str.lower)
    if first.lower() not in {name.lower() for name in there}:
        if meant := _lies(first, below):
            message = f"There is no '{first[:100]}' here: {meant}"
            return errors.BadRequestError("UnknownKind", message, target="path", status=404)
        return _unknown("There", first, there)
    follows = {each.template.partition("/")[2] for each in rows if each.template.lower().startswith(f"{first.lower()}/")}
    return _unknown(f"Below '{first}' there", below, sorted(follows))


def _lies(first: str, below: str) -> str:
    """Return where what a path begins with lies, when that is below a workspace, or when the path has our own prefix twice."""
    if first.lower() == "api" and below:
        return f"the paths begin behind /api. Leave one of them out: /api/{below[:100]}."
    low = f"workspaces/{first}".lower()
    kind = next((kind for kind in kinds.KINDS if kind.path.lower() == low), None)
    return f"it lies in a workspace: workspaces/{{workspace}}/{kind.path.partition('/')[2]}." if kind else ""


def _unknown(where: str, name: str, there: list[str]) -> errors.StewardError:
    hint = did_you_mean.hint(name, there, f"there is {', '.join(there) or 'nothing'}.")
    return errors.BadRequestError("UnknownKind", f"{where} is no '{name[:100]}'; {hint}", target="path", status=404)
