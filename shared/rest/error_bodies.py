"""What Azure says when it refuses: every shape of error body that was ever recorded, read to one `AzureError`.

ARM's envelope, Azure ML's own (a generic code on top, the useful one nested), OData (`odata.error`, a message in a language),
problem details (RFC 9457), a registry's list of errors, storage's XML, plain text, nothing; names in any casing.
Not here: which errors there are and what to do about them (rest.errors).
"""

from __future__ import annotations

import html
import json
import re
from typing import Any

from shared.rest.errors import MESSAGE_LIMIT, AzureError

READ_LIMIT = 16_000  # of a foreign message, before it is cleaned: bodies hold up to 12 kB of stack trace (docs/protocol.md §6.1)
DETAIL_LIMIT = 20
DEPTH_LIMIT = 5

# Azure ML bodies quote cluster-internal addresses, .NET stack traces and tenant ids; none of it is for our callers.
# A cluster's own hosts end in `.svc`, with a scheme or without; what follows "Request: VERB" without one is such, whatever its end.
_INTERNAL_URL = re.compile(r"(?:https?://|(?<![\w./@:-]))[\w.-]+\.svc(?![\w-])(?:[:./?][^\s\"']*)?", re.IGNORECASE)
_INTERNAL_REQUEST = re.compile(r"(\bRequest: [A-Z]{3,7} )(?!https?://)[^\s\"']*[./][^\s\"']*", re.IGNORECASE)
_STACK_FRAME = re.compile(
    r"(?<!\s)\s+(?:at [\w.<>`+\[\],|$&]+\([^)\n]*\)(?: in \S+:line \d+)?"
    r"|--- End of [^\n]*? ---"
    r"|File \"[^\"\n]*\", line \d+, in [^\n]*)"
)
_GUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_TENANT_ID = re.compile(
    rf"((?:tenant|directory)\w{{0,10}}[^\w\n]{{1,6}}(?:id[^\w\n]{{1,6}})?"
    rf"|(?:sts\.windows\.net|sts\.chinacloudapi\.cn|login\.microsoftonline\.(?:com|us)|login\.chinacloudapi\.cn)/){_GUID}",
    re.IGNORECASE,
)
_GENERIC_CODES = frozenset(
    {"", "usererror", "systemerror", "serviceerror", "badrequest", "error", "invalidrequest", "notfound", "unknown", "unknownerror"}
    | {"validationerror", "invalid"}
)
# Texts that say nothing by themselves; what is wrong stands in the details.
_EMPTY_WORDS = frozenset({
    "the request is invalid", "one or more validation errors occurred", "the specified resource was not found",
    "a retryable error occurred", "the requested resource was not found", "resource not found", "not found", "bad request",
    "an error occurred", "an unexpected error occurred", "internal server error",
})  # fmt: skip
_WRAPPERS = ("error", "odata.error", "errorresponse", "remoteexception")
_SPEAKING = ("code", "errorcode", "message", "messageformat", "detail", "title")
_STATUS_CODES = {
    400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 405: "MethodNotAllowed", 409: "Conflict",
    412: "PreconditionFailed", 429: "TooManyRequests", 500: "InternalServerError", 502: "BadGateway", 503: "ServiceUnavailable",
    504: "GatewayTimeout",
}  # fmt: skip


def unfold(status: int, body: Any) -> AzureError:
    """Read any of Azure's error bodies.

    Args:
        status: The HTTP status, used when the body says nothing.
        body: Parsed JSON, text (storage answers XML), or None.

    Returns:
        The error with the most useful code on top and internal addresses, stack traces and tenant ids taken out.
    """
    usual = _STATUS_CODES.get(status) or (f"Http{status}" if status >= 300 else "Unknown")
    if isinstance(body, dict):
        error = _unwrapped(body)
        if error:
            return _read(error, usual)
    if isinstance(body, str) and body.strip():
        return _read_text(status, body, usual)
    return AzureError(code=usual, message=f"Azure answered {status} without a {'message' if body else 'body'}.")


def speaks(error: Any) -> bool:
    """Return whether the value of an `error` member says anything: some are null, empty, or all their members are."""
    return isinstance(error, dict) and bool(_unwrapped(error))


def _unwrapped(body: dict[str, Any], depth: int = 0) -> dict[str, Any]:
    """Return the object that says what went wrong, names in lower case, out of whatever it is wrapped in; {} for none."""
    own = _lowered(body)
    for wrapper in _WRAPPERS if depth < DEPTH_LIMIT else ():
        inner = own.get(wrapper)
        if isinstance(inner, dict) and (found := _unwrapped(inner, depth + 1)):
            return found
    listed = [error for error in _list(own.get("errors")) if isinstance(error, dict)]
    if listed and not own.get("message"):  # a container registry
        return {**_lowered(listed[0]), "details": listed[1:]}
    said = own.get("error")
    if isinstance(said, str) and re.fullmatch(r"[\w.-]+", said):  # Entra ID: "invalid_client", and a description
        return {"code": said, "message": own.get("error_description") or own.get("message") or said}
    if isinstance(said, str) and said.strip():
        return {**own, "message": own.get("message") or said}
    return own if any(own.get(name) for name in _SPEAKING) else {}


def _read(error: dict[str, Any], usual: str, depth: int = 0) -> AzureError:
    """Read one error object, names in lower case; `usual` is its code when it has none."""
    outer = _plain(error.get("code")) or _plain(error.get("errorcode"))
    code, details, message = outer, _details(error, depth), _said(error)
    before, inner, after = _quoted(message) if depth < DEPTH_LIMIT else (message, {}, "")
    if inner:
        wrapped = _read(inner, outer, depth + 1)
        message, code = f"{before}{wrapped.message}{after}", outer if _is_generic(wrapped.code) else wrapped.code
    if _is_generic(code):
        code = _deepest_code(error) or next((d.code for d in details if not _is_generic(d.code)), "") or code
    if not code or code.isdigit():  # an HTTP status
        code = usual or code
    message = _clean(message)
    more = next((d.message for d in details if d.message and d.message not in message), "")
    if more and (not message or message.strip(" .").lower() in _EMPTY_WORDS):
        message = f"{message} {more}".strip()[:MESSAGE_LIMIT]
    return AzureError(
        code=code or "Unknown",
        message=message or "Azure gave no message.",
        target=_clean(_plain(error.get("target"))) or None,
        outer_code=outer if outer and outer != code else None,
        details=details,
    )


def _details(error: dict[str, Any], depth: int) -> tuple[AzureError, ...]:
    """Return the errors below one: `details`, or by field what problem details call `errors`."""
    if depth >= DEPTH_LIMIT:
        return ()
    listed = [_unwrapped(detail) for detail in _list(error.get("details"))[:DETAIL_LIMIT] if isinstance(detail, dict)]
    fields = error.get("errors")
    for field, said in fields.items() if isinstance(fields, dict) else ():
        listed.append({"code": "BadRequest", "message": _plain(_list(said)[0] if _list(said) else said), "target": field})
    return tuple(_read(detail, "Unknown", depth + 1) for detail in listed[:DETAIL_LIMIT] if detail)


def _deepest_code(error: dict[str, Any]) -> str:
    """Follow innerError, also inside additionalInfo[type=InnerError].info.value, to its last code."""
    found = ""
    for info in map(_lowered, _list(error.get("additionalinfo"))):
        value = _lowered(info.get("info")).get("value")
        if str(info.get("type")).lower() == "innererror" and isinstance(value, dict):
            found = _deepest_code({"innererror": value}) or found
    inner = _lowered(error.get("innererror"))
    while inner:
        found = _plain(inner.get("code")) or found
        inner = _lowered(inner.get("innererror"))
    return found


def _is_generic(code: str) -> bool:
    return code.lower() in _GENERIC_CODES or code.isdigit()


def _said(error: dict[str, Any]) -> str:
    """Return what an error says: its message, else its format with the parameters filled in, else a problem's detail."""
    message = error.get("message")
    if isinstance(message, dict):
        message = _lowered(message).get("value")
    if message:
        return str(message)
    text = _plain(error.get("messageformat"))
    parameters = error.get("messageparameters")
    for name, value in parameters.items() if isinstance(parameters, dict) else ():
        text = text.replace("{" + str(name) + "}", str(value))
    return text or _plain(error.get("detail")) or _plain(error.get("title"))


def _quoted(message: str) -> tuple[str, dict[str, Any], str]:
    """Return the error that a message quotes as JSON, and what stands before and after it; (message, {}, '') without one."""
    text = message[:READ_LIMIT]
    start = text.find("{")
    try:
        found, end = json.JSONDecoder().raw_decode(text, start) if start >= 0 else ({}, 0)
    except (ValueError, RecursionError):
        return message, {}, ""
    error = _unwrapped(found) if isinstance(found, dict) else {}
    return (text[:start], error, text[end:]) if error and _said(error) else (message, {}, "")


def _read_text(status: int, text: str, usual: str) -> AzureError:
    found = re.search(r"<Code>([^<]*)</Code>\s*<Message>([^<]*)</Message>", text[:READ_LIMIT])
    if found:
        return AzureError(code=found[1].strip() or usual, message=_clean(html.unescape(found[2])) or "Azure gave no message.")
    plain = html.unescape(re.sub(r"<[^<>]+>", " ", text[:READ_LIMIT]))
    if not plain.strip():
        return AzureError(code=usual, message=f"Azure answered {status} without a message.")
    return _read({"message": plain}, usual)


def _lowered(value: Any) -> dict[str, Any]:
    return {str(name).lower(): member for name, member in value.items()} if isinstance(value, dict) else {}


def _plain(value: Any) -> str:
    """Return a text or a number as text, '' for anything else."""
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _clean(message: str) -> str:
    message = _INTERNAL_URL.sub("[internal address]", message[:READ_LIMIT].lstrip("\ufeff").strip())
    message = _INTERNAL_REQUEST.sub(r"\1[internal address]", message)
    message = _TENANT_ID.sub(r"\1[tenant]", _STACK_FRAME.sub("", message)).strip()
    return message if len(message) <= MESSAGE_LIMIT else message[:MESSAGE_LIMIT] + "…"
