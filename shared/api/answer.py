"""The answer to a request: status, headers and bytes, now or when the operation that it waits for has ended.

Makes answers from operations and errors, and links to this API. Not here: HTTP (functions).
"""

from __future__ import annotations

import itertools
import json
import logging
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from shared.rest import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from shared.api.call import App, Call
    from shared.operations.models import Operation

log = logging.getLogger("steward.http")

ALL = "&all=true"  # the parameter that the nextLink of `?all=true` adds to Azure's query
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")  # first characters that make a spreadsheet read a cell as a formula
# A browser must not run, frame or submit content from Azure or a model. The app's pages have headers of their own.
GUARDS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
}
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
NOT_REPEATED = frozenset({"$skiptoken", "code", "clientid"})  # parameters that a nextLink does not repeat


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer.

    Attributes:
        approval: The id of the approval that the request waits for, '' if it was carried out.
        foreign: The body comes from a model, not from the app or Azure.
    """

    status: int = 200
    content: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    approval: str = ""
    foreign: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """An answer that a caller may wait for.

    Attributes:
        ended: There is nothing left to wait for.
        wait_s: How long the caller waits, in seconds.
        look: Checks again; may block.
        answer: Returns the current answer; may block.
    """

    ended: bool
    wait_s: float
    look: Callable[[], Later]
    answer: Callable[[], Answer]


def sendable(answer: Answer) -> dict[str, str]:
    """Return the headers that are valid in HTTP; the platform answers 500 to an invalid one, such as a model may set."""
    plain = {
        name: value
        for name, value in answer.headers.items()
        if _TOKEN.fullmatch(name) and value.isascii() and value.replace("\t", " ").isprintable()
    }
    has_type = any(name.lower() == "content-type" for name in plain)
    return plain if has_type or not answer.content else {**plain, "Content-Type": "application/octet-stream"}


def of_json(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """Answer with JSON, or with an empty body for None."""
    if body is None:
        return Answer(status=status, headers=headers or {})
    content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", errors="replace")
    return of_bytes(content, "application/json; charset=utf-8", status, headers)


def of_bytes(content: bytes, media: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """Answer with content of a type."""
    return Answer(status=status, content=content, headers={"Content-Type": media, **(headers or {})})


def of_csv(rows: Iterable[Iterable[Any]], name: str, headers: Mapping[str, str] | None = None) -> Answer:
    """Answer with a CSV file: UTF-8 with a byte order mark, for spreadsheets; cells that look like formulas are escaped."""
    import csv
    import io

    out = io.StringIO()
    texts = (["" if value is None else str(value) for value in row] for row in rows)
    csv.writer(out).writerows([f"'{text}" if text.startswith(FORMULA) else text for text in row] for row in texts)
    content = out.getvalue().encode("utf-8-sig", errors="replace")
    shown = {"Content-Disposition": f'attachment; filename="{name}.csv"', **(headers or {})}
    return of_bytes(content, "text/csv; charset=utf-8", headers=shown)


def of_error(problem: errors.StewardError) -> Answer:
    """Answer with an error of ours in ARM's envelope."""
    headers = {}
    if isinstance(problem, errors.MethodNotAllowedError):
        headers["Allow"] = ", ".join(problem.allow)
    if isinstance(problem, errors.TransientError):
        headers["Retry-After"] = str(max(1, round(problem.delay_s)))
    return of_json({"error": problem.error.to_json()}, problem.status, headers)


def of_operation(operation: Operation, call: Call) -> Answer:
    """Answer with the state of an operation: 202 and where to follow it, the resource, or Azure's error.

    With `respond-async` the answer is always the operation, even if a retry finds it ended. Below `arm/` it is Azure's own first
    answer (status and body) with links to this app; an operation that is not sent yet has none.
    """
    queued = _queued(call)
    if call.arm and operation.phase == "following" and not queued:
        return of_json(operation.resource, operation.http_status, follow_headers(operation, call))
    if not operation.ended or queued:
        return of_json(operation.view(), 202, follow_headers(operation, call))
    headers = {"Operation-Id": operation.id}
    if operation.status == "Succeeded":
        from shared.operations import settle

        status = settle.declared_end(operation) if call.arm else settle.plain_end(operation)
        if status == 202:  # the only status that ARM's description has, with a status monitor that has ended
            headers |= follow_headers(operation, call)
        return of_json(None if status == 204 else _with_expiry(operation, call), status, headers)
    if operation.end_status == 503:
        headers["Retry-After"] = "10"
    return of_json({"error": of_end(operation, call)}, operation.end_status, headers)


def _with_expiry(operation: Operation, call: Call) -> Any:
    """Return the resource that an operation created, with the expiry of the request; below `arm/` exactly as Azure returned it."""
    made, expires = operation.result, operation.expires
    if call.arm or not expires or not isinstance(made, dict):
        return made
    return {**made, "properties": {**(made.get("properties") or {}), "expires": expires}}


def _queued(call: Call) -> bool:
    """Return whether the caller wants the operation itself, ended or not."""
    return call.method != "GET" and "respond-async" in call.prefers and "wait" not in call.prefers


def of_end(operation: Operation, call: Call) -> dict[str, Any]:
    """Return ARM's error object of an operation that failed or was canceled, with the explanation in `additionalInfo`."""
    from shared.operations import advice

    error = operation.error or errors.AzureError(code=operation.status, message="The operation ended without a reason from Azure.")
    out, told = error.to_json(), advice.explain(operation, call.base)
    return {**out, "additionalInfo": [*out.get("additionalInfo", []), {"type": "Explanation", "info": told}]} if told else out


def followed(operation: Operation, call: Call, app: App) -> Later:
    """Return the answer to a call that made an operation: its state after `Prefer: wait=N`, or its last known state."""
    call = replace(call, body=b"")  # the request body is not kept in memory while the caller waits

    def look() -> Later:
        try:
            stored = app.ledger.load(operation.id)
        except errors.TransientError as problem:  # the operation is accepted: the answer must name it
            log.warning("storage is out of reach; the answer shows operation %s as last known: %s", operation.id, problem)
            return replace(later, ended=True)
        return followed(stored.operation, call, app) if stored else later

    def answer() -> Answer:
        from shared.endpoints import score_answers

        try:
            shown = app.ledger.whole(operation)
        except errors.TransientError as problem:
            log.warning("storage is out of reach; the answer shows operation %s as last known: %s", operation.id, problem)
            shown = replace(operation, resource=None)
        kept = score_answers.has_answer(shown) and not _queued(call)
        found = _of_score(shown, call, app) if kept else of_operation(shown, call)
        return replace(found, headers={**found.headers, **waited(call)})

    later = Later(ended=operation.ended, wait_s=call.wait_s, look=look, answer=answer)
    return later


def _of_score(operation: Operation, call: Call, app: App) -> Answer:
    """Answer with what the endpoint answered: its status, headers and bytes; `?take=true` deletes the stored answer.

    Raises:
        BadRequestError: `AnswerGone` (410).
    """
    from shared.endpoints import score_answers

    take = call.method == "GET" and not call.head and call.flag("take")
    kept = score_answers.read(operation, app.ledger, app.clock(), app.settings.score_hours, take=take)
    return of_bytes(kept.content, kept.media, kept.status, {**kept.headers, "Operation-Id": operation.id})


def waited(call: Call) -> dict[str, str]:
    """Return the Preference-Applied header for `Prefer: wait=N` with the seconds that the app honours; {} without it."""
    return {"Preference-Applied": f"wait={call.wait_s:.0f}"} if call.wait_s else {}


def follow_headers(operation: Operation, call: Call) -> dict[str, str]:
    """Return the headers of a 202: status monitor, result, and Retry-After in whole seconds."""
    monitor = to_follow(call, f"operations/{operation.id}")
    return {
        "Operation-Location": monitor,
        "Azure-AsyncOperation": monitor,
        "Location": to_follow(call, f"operations/{operation.id}/result"),
        "Retry-After": retry_after(operation),
    }


def retry_after(operation: Operation) -> str:
    """Return after how many whole seconds a caller should read an operation again."""
    pause_s = operation.follow.interval_s if operation.follow else 2.0
    return str(round(min(max(pause_s, 1.0), 10.0)))


def own_next_link(body: Any, url: str, call: Call) -> Any:
    """Replace Azure's nextLink with one of this app. The query stays the same, byte for byte: only Azure reads `$skipToken`.

    Raises:
        RejectedError: `UnexpectedNextLink` (502); the link does not lead to the list at `url`.
    """
    if not isinstance(body, dict) or not body.get("nextLink"):
        return body
    asked, follows = urlsplit(url), urlsplit(str(body["nextLink"]))
    if unquote(asked.path).lower().rstrip("/") != unquote(follows.path).lower().rstrip("/"):
        message = "Azure's nextLink leads to another path than the requested list. Read the list again from its first page."
        raise errors.RejectedError(errors.AzureError(code="UnexpectedNextLink", message=message), status=502)
    query = f"{follows.query}{ALL}" if call.flag("all") else follows.query
    return {**body, "nextLink": f"{call.url}?{query}"}


def next_link(call: Call, token: str) -> str:
    """Return the URL of the next page of a list: the call's own URL with a new token, without its key and old token."""
    kept = [part for part in call.query.split("&") if part and unquote(part.partition("=")[0]).lower() not in NOT_REPEATED]
    return f"{call.url}?{'&'.join([*kept, f'$skipToken={token}'])}"


def place(call: Call) -> str:
    """Return the key after which the requested page begins, '' for the first page.

    Raises:
        BadRequestError: `InvalidParameter`; the token is not from such a list.
    """
    token = call.text("$skipToken")
    if token and not re.fullmatch(r"\d{8}T\d{6,12}Z-[0-9a-f]{1,64}", token, re.ASCII):
        message = f"'$skipToken' is '{token[:100]}'; expected the token from a nextLink of this list."
        raise errors.BadRequestError("InvalidParameter", message, target="$skipToken")
    return token


def page[T](
    call: Call, found: Iterable[T], top: int, key: Callable[[T], str], shown: Callable[[T], object], *, newest: bool = True
) -> dict[str, Any]:
    """Return the body of one page, with a nextLink while there is more.

    Args:
        call: The request.
        found: The items, in the order of their keys.
        top: The maximum number of items on a page.
        key: Returns an item's key (`records.place`, or a name that begins with the time).
        shown: Returns an item as JSON.
        newest: The greatest key comes first.
    """
    after = place(call)
    rest = (each for each in found if not after or (key(each) < after if newest else key(each) > after))
    taken = list(itertools.islice(rest, top + 1))
    body: dict[str, Any] = {"value": [shown(each) for each in taken[:top]]}
    return {**body, "nextLink": next_link(call, key(taken[top - 1]))} if top and len(taken) > top else body


def to_follow(call: Call, below: str) -> str:
    """Return a URL of this app for a caller to follow; it holds the function key if the caller sent its key in the URL.

    Some clients cannot set headers when they follow a link: Logic Apps repeats an action's `authentication`, which cannot hold a
    function key (github.com/Azure/logicapps/issues/611); Durable Functions' URLs hold a key for the same reason. A key in the
    header takes precedence on the platform, so the URL then gets none.
    """
    url = f"{call.base}/{below}"
    if call.header("x-functions-key"):
        return url
    given = [part for part in call.query.split("&") if unquote(part.partition("=")[0]).lower() == "code"]
    return f"{url}?{given[0]}" if given else url
