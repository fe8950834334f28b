"""How HTTP functions read requests and answer: the one place where errors and operations become responses.

Handlers run in a thread of the app's own pool and return a response, or an Operation that is then rendered: 202 with
where to follow it, or how it ended. Not here: any decision about Azure (shared).
"""

from __future__ import annotations

import json
import logging
import re
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

import azure.functions as func

from functions import parameters, waiting
from shared import services
from shared.operations.models import Operation
from shared.rest import errors
from shared.telemetry import trace

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from shared.catalog.paths import Target

log = logging.getLogger("steward.http")

LITERALS = (
    "subscriptions",
    "resourceGroups",
    "workspaces",
    "registries",
    "locations",
    "providers",
    "history",
    "execution",
    "modelmanagement",
    "modelregistry",
    "metric",
    "artifact",
    "datastore",
    "hyperdrive",
)
BODY_LIMIT = 100_000_000  # bytes of a request; over 104,857,600 the platform answers 500 without a body
CHUNKED = (
    "The body was sent in chunks (Transfer-Encoding) and did not arrive: Azure Functions hands on only a body with Content-Length. "
    "Send that header; in .NET use StringContent, or await LoadIntoBufferAsync() of the content before it is sent."
)
SAYS_NOTHING = 16  # bytes that may be an empty object and some space; a longer body is not copied to see
NOT_REPEATED = frozenset({"$skiptoken", "code", "clientid"})  # of a query, in a nextLink


async def answer(req: func.HttpRequest, handler: Callable[[func.HttpRequest], func.HttpResponse | Operation]) -> func.HttpResponse:
    """Run `handler` in a thread and turn whatever comes of it into a response; `Prefer: wait=N` is waited for here."""
    return await guarded(_answer(req, handler), req)


async def _answer(req: func.HttpRequest, handler: Callable[[func.HttpRequest], func.HttpResponse | Operation]) -> func.HttpResponse:
    outcome = await waiting.in_thread(_traced, handler, req)
    if not isinstance(outcome, Operation):
        return outcome
    try:
        outcome = await whole(await waiting.for_end(outcome, preferred_wait_s(req)))
    except errors.TransientError as problem:  # it is accepted: the answer must say which one it is
        log.warning("operation %s is answered as last known: %s", outcome.id, problem)
        outcome = replace(outcome, resource=None)
    answered = operation_response(outcome, req)
    if waited_s := preferred_wait_s(req):
        answered.headers["Preference-Applied"] = f"wait={waited_s:.0f}"
    return answered


async def guarded(work: Coroutine[Any, Any, func.HttpResponse], req: func.HttpRequest) -> func.HttpResponse:
    """Return the response that `work` makes, or the one that its failure is; what no route takes or knows is refused here."""
    try:
        check_body(req)
        check(req)
        return await work
    except errors.StewardError as problem:
        return problem_response(problem, req)
    except Exception:
        log.exception("unexpected failure of %s", req.method)
        error = errors.AzureError(code="InternalError", message="The app failed; its log holds the reason.")
        return json_response({"error": error.to_json()}, 500, req)
    finally:
        work.close()  # changes nothing unless the request was refused


def check(req: func.HttpRequest) -> None:
    """Refuse parameters, headers and bodies that the request's route does not know.

    Raises:
        BadRequestError: see `asked.check`.
    """
    from shared.openapi import asked

    content = req.get_body()
    body = len(content) > SAYS_NOTHING or content.strip() not in (b"", b"{}", b"null")
    asked.check(str(req.method).upper(), path(req), raw_query(req), dict(req.headers.items()), body=body)


def refuse_asks(req: func.HttpRequest, *honoured: str) -> None:
    """Refuse headers that ask for what this request cannot be given: all of `asked.ASKS` but those that are honoured.

    Raises:
        BadRequestError: `UnsupportedHeader`.
    """
    from shared.openapi import asked

    asked.check_headers(dict(req.headers.items()), honoured, f"{req.method} {path(req).strip('/')}"[:300])


async def whole(operation: Operation) -> Operation:
    """Return it with resource and result in place; only what lies in a blob is worth another thread's turn."""
    ledger = services.get().ledger
    return operation if ledger.is_whole(operation) else await waiting.in_thread(ledger.whole, operation)


def operation_response(operation: Operation, req: func.HttpRequest) -> func.HttpResponse:
    """Answer a request with how its operation stands: 202 and where to follow it, the resource, or Azure's error.

    Who prefers `respond-async` gets the operation also where a retry finds it ended: one form of answer to read.
    """
    wanted = prefers(req) if req.method != "GET" else {}
    if not operation.ended or ("respond-async" in wanted and "wait" not in wanted):
        return json_response(operation.view(), 202, req, follow_headers(operation, req))
    headers = {"Operation-Id": operation.id}
    if operation.status == "Succeeded":
        if operation.result is None:
            return json_response(None, 204 if operation.method == "DELETE" else 200, req, headers)
        return json_response(operation.result, operation.http_status if operation.http_status in (200, 201) else 200, req, headers)
    error = operation.error or errors.AzureError(code=operation.status, message="The operation ended without a reason.")
    status = operation.http_status if operation.http_status >= 400 else 409
    if status == 503:
        headers["Retry-After"] = "10"
    return json_response({"error": error.to_json()}, status, req, headers)


def follow_headers(operation: Operation, req: func.HttpRequest) -> dict[str, str]:
    """Return the headers of a 202: status monitor, result, and when to look again (whole seconds)."""
    monitor = to_follow(req, f"operations/{operation.id}")
    pause_s = operation.follow.interval_s if operation.follow else 2.0
    return {
        "Operation-Location": monitor,
        "Azure-AsyncOperation": monitor,
        "Location": to_follow(req, f"operations/{operation.id}/result"),
        "Retry-After": str(round(min(max(pause_s, 1.0), 10.0))),
    }


def problem_response(problem: errors.StewardError, req: func.HttpRequest) -> func.HttpResponse:
    """Answer with an error of ours in ARM's envelope."""
    headers = {}
    if isinstance(problem, errors.MethodNotAllowedError):
        headers["Allow"] = ", ".join(problem.allow)
    if isinstance(problem, errors.TransientError):
        headers["Retry-After"] = str(max(1, round(problem.delay_s)))
    return json_response({"error": problem.error.to_json()}, problem.status, req, headers)


def json_response(body: Any, status: int, req: func.HttpRequest, headers: Mapping[str, str] | None = None) -> func.HttpResponse:
    """Answer with JSON, or with nothing when `body` is None."""
    if body is None:
        return response(b"", status, req, headers or {})
    content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", errors="replace")
    return response(content, status, req, {"Content-Type": "application/json; charset=utf-8", **(headers or {})})


def response(content: bytes, status: int, req: func.HttpRequest, headers: Mapping[str, str]) -> func.HttpResponse:
    """Answer with a request id, and the caller's own id when it sent one.

    No cache may keep any answer: many hold keys, tokens or signed URLs, and all of them need a function key to be read.
    """
    out = {"x-ms-request-id": str(uuid.uuid4()), "Cache-Control": "no-store", **headers}
    if given := req.headers.get("x-ms-client-request-id"):
        out["x-ms-client-request-id"] = re.sub(r"[^\x20-\x7e]", "", given)[:200]
    return func.HttpResponse(content, status_code=status, headers=out)


def path(req: func.HttpRequest) -> str:
    """Return the request's path below the route prefix, percent-encoded.

    The platform has decoded it once already, all but `%2F`, also in the URL. What a route's `{*rest}` took is read from there,
    so that nothing is decoded twice.
    """
    below = str(urlsplit(str(req.url)).path.partition(_prefix(req))[2])
    rest = req.route_params.get("rest")
    return below if rest is None else f"{below.partition('/')[0]}/{quote(rest, safe='/')}"


def raw_query(req: func.HttpRequest) -> str:
    """Return the query string as it was sent."""
    return str(urlsplit(str(req.url)).query)


def base_url(req: func.HttpRequest) -> str:
    """Return e.g. `https://steward.azurewebsites.net/api`."""
    parts = urlsplit(req.url)
    return f"{parts.scheme}://{parts.netloc}{_prefix(req).rstrip('/')}"


def caller(req: func.HttpRequest) -> str:
    """Return who asks: the principal that the platform signed in, else that a function key was shown.

    A person's token has a name; an application's (a managed identity, a service principal) has none, only an id.
    """
    named = str(req.headers.get("x-ms-client-principal-name") or req.headers.get("x-ms-client-principal-id") or "")
    return named if named and services.get().settings.signed_in else "function key"


def prefers(req: func.HttpRequest) -> dict[str, str]:
    """Return the preferences of the Prefer header (RFC 7240), names in lower case."""
    from shared.openapi import asked

    return asked.preferences(str(req.headers.get("prefer", "")))


def api_version(req: func.HttpRequest, target: Target) -> str:
    """Return the caller's `?api-version=`, or the table's.

    Raises:
        BadRequestError: `InvalidParameter`; it does not look like one.
    """
    return version(req, target.api_version)


def version(req: func.HttpRequest, default: str) -> str:
    """Return the caller's `?api-version=`, or `default`.

    Raises:
        BadRequestError: `InvalidParameter`; it does not look like one.
    """
    return given_version(req, default) or default


def given_version(req: func.HttpRequest, example: str) -> str:
    """Return the caller's own `?api-version=`, '' when there is none; `example` is for the message.

    Raises:
        BadRequestError: `InvalidParameter`; it does not look like one.
    """
    given = parameters.text(req, "api-version")
    if given and not re.fullmatch(r"\d{4}-\d{2}-\d{2}(-[a-z]{1,20})?", given):
        message = f"'api-version' is '{given[:50]}'; expected a date such as {example}."
        raise errors.BadRequestError("InvalidParameter", message, target="api-version")
    return given


def refuse_preflight(req: func.HttpRequest) -> None:
    """Refuse `?preflight=true` where there is none: what was only to be asked must not be done.

    Raises:
        BadRequestError: `InvalidParameter`.
    """
    if parameters.flag(req, "preflight"):
        message = f"'preflight' is for PUT of a resource, not for this {req.method}."
        raise errors.BadRequestError("InvalidParameter", message, target="preflight")


def own_next_link(body: Any, url: str, req: func.HttpRequest) -> Any:
    """Replace Azure's nextLink by ours with the same query, byte for byte: `$skipToken` is Azure's to read.

    Raises:
        RejectedError: `UnexpectedNextLink` (502); it leads elsewhere than the list at `url`.
    """
    if not isinstance(body, dict) or not body.get("nextLink"):
        return body
    asked, follows = urlsplit(url), urlsplit(str(body["nextLink"]))
    if unquote(asked.path).lower().rstrip("/") != unquote(follows.path).lower().rstrip("/"):
        message = "Azure's nextLink leads to another path than the list that was asked for."
        raise errors.RejectedError(errors.AzureError(code="UnexpectedNextLink", message=message), status=502)
    return {**body, "nextLink": f"{base_url(req)}/{path(req)}?{follows.query}"}


def next_link(req: func.HttpRequest, token: str) -> str:
    """Return the request's own URL with a token of ours, for a list that goes on; no key or old token stays in it."""
    kept = [part for part in raw_query(req).split("&") if part and unquote(part.partition("=")[0]).lower() not in NOT_REPEATED]
    return f"{base_url(req)}/{path(req)}?{'&'.join([*kept, f'$skipToken={token}'])}"


def to_follow(req: func.HttpRequest, below: str) -> str:
    """Return a URL of ours that a 202 sends its caller to, with the function key if that came in the URL, as it was sent.

    Who has no say in the headers follows it as it is: Logic Apps repeats an action's `authentication`, which no function key fits
    into (github.com/Azure/logicapps/issues/611), and Durable Functions' URLs have a key for the same reason. Where the header
    has a key, the platform reads that one, and the URL gets none.
    """
    url = f"{base_url(req)}/{below}"
    if req.headers.get("x-functions-key"):
        return url
    given = [part for part in raw_query(req).split("&") if unquote(part.partition("=")[0]).lower() == "code"]
    return f"{url}?{given[0]}" if given else url


def idempotency_key(req: func.HttpRequest) -> str:
    """Return the Idempotency-Key header, '' when there is none.

    Raises:
        BadRequestError: `InvalidHeader`; it is longer than 255 characters.
    """
    key = str(req.headers.get("idempotency-key", ""))
    if len(key) > 255:
        message = f"'Idempotency-Key' has {len(key)} characters; 255 are taken."
        raise errors.BadRequestError("InvalidHeader", message, target="Idempotency-Key")
    return key


def check_body(req: func.HttpRequest) -> None:
    """Refuse a body that did not arrive, that is too large, or that is compressed: by its own name, before it is read as something.

    Raises:
        BadRequestError: `LengthRequired` (411), `RequestContentTooLarge` (413), `UnsupportedMediaType` (415).
    """
    content = req.get_body()
    if "transfer-encoding" in req.headers and not content:
        raise errors.BadRequestError("LengthRequired", CHUNKED, target="Content-Length", status=411)
    if len(content) > BODY_LIMIT:
        message = (
            f"The body has {len(content)} bytes; a request takes {BODY_LIMIT}. POST /api/uploads opens an upload for larger files."
        )
        raise errors.BadRequestError("RequestContentTooLarge", message, target="body", status=413)
    encoding = str(req.headers.get("content-encoding", "")).strip()
    if encoding.lower() not in ("", "identity") and content:
        message = f"The body comes with Content-Encoding '{encoding[:50]}'; expected it as it is, uncompressed."
        raise errors.BadRequestError("UnsupportedMediaType", message, target="Content-Encoding", status=415)


def preferred_wait_s(req: func.HttpRequest) -> float:
    """Return the seconds of `Prefer: wait=N`; a preference that cannot be read is ignored, as RFC 7240 says."""
    text = prefers(req).get("wait", "")
    return min(float(text), waiting.LIMIT_S) if text.isascii() and text.isdigit() else 0.0


def _traced(
    handler: Callable[[func.HttpRequest], func.HttpResponse | Operation], req: func.HttpRequest
) -> func.HttpResponse | Operation:
    """Work as part of the trace that the caller's `traceparent` names, or of a new one."""
    with trace.bound(trace.parse(str(req.headers.get(trace.HEADER, "")))):
        return handler(req)


def _prefix(req: func.HttpRequest) -> str:
    """Return the route prefix with slashes: `/api/` unless host.json says otherwise (then the route's literal tells)."""
    first = str(urlsplit(req.url).path)[:5]
    return first if first.lower() == "/api/" else "/"
