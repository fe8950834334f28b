"""What can go wrong, as one tree whose first branch answers "what now?".

    StewardError
    ├─ PermanentError            record it and stop
    │   ├─ BadRequestError       the caller's request cannot be sent as it stands
    │   ├─ RejectedError         Azure answered 4xx
    │   ├─ OperationFailedError  Azure accepted the request and failed it later
    │   └─ OutcomeUnknownError   nobody can tell whether a write took effect
    └─ TransientError            try again after `delay_s` seconds
        ├─ ThrottledError        429: not processed
        ├─ AzureUnavailableError 408, 5xx: may have been processed
        └─ UnreachableError      no answer at all; `maybe_arrived` tells whether the request can have left

Also here: `unfold`, which reads the error shapes that Azure really sends. Not here: HTTP answers of our own (functions.http).
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import Any

MESSAGE_LIMIT = 2_000
READ_LIMIT = 16_000  # of a foreign message, before it is cleaned: bodies hold up to 12 kB of stack trace (PROTOCOL §6.1)
DETAIL_LIMIT = 20
DEPTH_LIMIT = 5

# Azure ML bodies quote cluster-internal addresses, .NET stack traces and tenant ids; none of it is for our callers.
_INTERNAL_URL = re.compile(r"https?://[^\s\"'/]*\.svc\b[^\s\"']*", re.IGNORECASE)
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
_GENERIC_CODES = frozenset({"", "usererror", "systemerror", "serviceerror", "badrequest", "error", "invalidrequest"})


@dataclass(frozen=True, slots=True, kw_only=True)
class AzureError:
    """One error as Azure meant it: `code` is the most useful code found, `outer_code` the one on top."""

    code: str
    message: str
    target: str | None = None
    outer_code: str | None = None
    details: tuple[AzureError, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return ARM's error object (the value of `error`), without empty members."""
        out: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.target:
            out["target"] = self.target
        if self.outer_code and self.outer_code != self.code:
            out["additionalInfo"] = [{"type": "OuterCode", "info": {"value": self.outer_code}}]
        if self.details:
            out["details"] = [detail.to_json() for detail in self.details]
        return out

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> AzureError:
        """Read back what `to_json` wrote."""
        info = stored.get("additionalInfo") or [{}]
        return cls(
            code=stored["code"],
            message=stored["message"],
            target=stored.get("target"),
            outer_code=info[0].get("info", {}).get("value"),
            details=tuple(cls.from_json(detail) for detail in stored.get("details", ())),
        )


class StewardError(Exception):
    """Base of the tree. `status` is the HTTP status a caller of ours gets for it."""

    def __init__(self, error: AzureError, *, status: int) -> None:
        super().__init__(f"{error.code}: {error.message}")
        self.error = error
        self.status = status


class PermanentError(StewardError):
    """Trying again as it stands would end the same way."""


class BadRequestError(PermanentError):
    """The request names something impossible; `target` is the field or part at fault, `details` are all faults if several."""

    def __init__(
        self, code: str, message: str, *, target: str | None = None, status: int = 400, details: tuple[AzureError, ...] = ()
    ) -> None:
        super().__init__(AzureError(code=code, message=message, target=target, details=details), status=status)


class RejectedError(PermanentError):
    """Azure answered 4xx; `status` and `error` are its own."""


class OperationFailedError(PermanentError):
    """Azure accepted the request and the operation ended Failed or Canceled."""

    def __init__(self, error: AzureError, *, status: int = 409) -> None:
        super().__init__(error, status=status)


class OutcomeUnknownError(PermanentError):
    """A write may or may not have taken effect; `target` is the resource to look at."""

    def __init__(self, message: str, *, target: str) -> None:
        super().__init__(AzureError(code="OutcomeUnknown", message=message, target=target), status=500)


class TransientError(StewardError):
    """Worth trying again after `delay_s` seconds. `maybe_arrived`: the request may have taken effect all the same."""

    code = "ServiceUnavailable"
    http_status = 503

    def __init__(self, message: str, *, delay_s: float, maybe_arrived: bool, code: str | None = None) -> None:
        super().__init__(AzureError(code=code or self.code, message=message), status=self.http_status)
        self.delay_s = delay_s
        self.maybe_arrived = maybe_arrived


class ThrottledError(TransientError):
    """429: Azure counted, and did not process, the request."""

    code = "TooManyRequests"
    http_status = 429


class AzureUnavailableError(TransientError):
    """408 or 5xx: Azure may have processed the request before it failed."""


class UnreachableError(TransientError):
    """No HTTP answer: name resolution, connection, TLS or read failed."""

    code = "AzureUnreachable"


def unfold(status: int, body: Any) -> AzureError:
    """Read any of Azure's error bodies (PROTOCOL: ARM gateway, management front end, older ML services, empty, model management).

    Args:
        status: The HTTP status, used when the body says nothing.
        body: Parsed JSON, text (storage answers XML), or None.

    Returns:
        The error with the most useful code on top and internal addresses, stack traces and tenant ids taken out.
    """
    if isinstance(body, dict):
        inner = body.get("error") or body
        if isinstance(inner, dict) and any(inner.get(name) for name in ("code", "message", "messageFormat")):
            return _read(inner)
        if isinstance(inner, str):  # Entra ID: {"error": "invalid_client", "error_description": "AADSTS…"}
            return AzureError(code=inner, message=_clean(str(body.get("error_description") or inner)))
    if isinstance(body, str) and body.strip():
        return _read_text(status, body)
    return AzureError(code=_STATUS_CODES.get(status, f"Http{status}"), message=f"Azure answered {status} without a body.")


_STATUS_CODES = {
    400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 405: "MethodNotAllowed", 409: "Conflict",
    412: "PreconditionFailed", 429: "TooManyRequests", 500: "InternalServerError", 502: "BadGateway", 503: "ServiceUnavailable",
    504: "GatewayTimeout",
}  # fmt: skip


def _read(error: dict[str, Any], depth: int = 0) -> AzureError:
    outer = str(error.get("code") or "")
    listed = _list(error.get("details"))[:DETAIL_LIMIT] if depth < DEPTH_LIMIT else []
    details = tuple(_read(detail, depth + 1) for detail in listed if isinstance(detail, dict))
    code = outer
    if outer.lower() in _GENERIC_CODES:
        code = _deepest_code(error) or next((d.code for d in details if d.code.lower() not in _GENERIC_CODES), "") or outer
    message = _clean(_fill(error)) or next((d.message for d in details if d.message), "")
    return AzureError(
        code=code or "Unknown",
        message=message or "Azure gave no message.",
        target=str(error.get("target") or "")[:MESSAGE_LIMIT] or None,
        outer_code=outer if outer and outer != code else None,
        details=details,
    )


def _deepest_code(error: dict[str, Any]) -> str:
    """Follow innerError, also inside additionalInfo[type=InnerError].info.value, to its last code."""
    found = ""
    for info in _list(error.get("additionalInfo")):
        if isinstance(info, dict) and str(info.get("type")).lower() == "innererror" and isinstance(info.get("info"), dict):
            value = info["info"].get("value")
            if isinstance(value, dict):
                found = _deepest_code({"innerError": value}) or found
    inner: Any = error
    while isinstance(inner, dict):
        inner = inner.get("innerError") or inner.get("innererror")
        if isinstance(inner, dict) and inner.get("code"):
            found = str(inner["code"])
    return found


def _fill(error: dict[str, Any]) -> str:
    """Return the message, filled from messageFormat and messageParameters when the message itself is empty."""
    message = error.get("message")
    if message:
        return str(message)
    text = str(error.get("messageFormat") or "")
    parameters = error.get("messageParameters")
    for name, value in parameters.items() if isinstance(parameters, dict) else ():
        text = text.replace("{" + str(name) + "}", str(value))
    return text


def _read_text(status: int, text: str) -> AzureError:
    found = re.search(r"<Code>([^<]*)</Code>\s*<Message>([^<]*)</Message>", text[:READ_LIMIT])
    if found:
        return AzureError(code=found[1], message=_clean(html.unescape(found[2])))
    plain = _clean(re.sub(r"<[^<>]+>", " ", text[:READ_LIMIT]))
    return AzureError(
        code=_STATUS_CODES.get(status, f"Http{status}"), message=plain or f"Azure answered {status} without a message."
    )


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _clean(message: str) -> str:
    message = _INTERNAL_URL.sub("[internal address]", message[:READ_LIMIT].lstrip("\ufeff").strip())
    message = _TENANT_ID.sub(r"\1[tenant]", _STACK_FRAME.sub("", message)).strip()
    return message if len(message) <= MESSAGE_LIMIT else message[:MESSAGE_LIMIT] + "…"
