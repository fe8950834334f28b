"""What can go wrong, as one tree whose first branch answers "what now?".

    StewardError
    ├─ PermanentError            record it and stop
    │   ├─ BadRequestError       the caller's request cannot be sent as it stands
    │   ├─ RejectedError         Azure answered 4xx
    │   │   └─ SignInError       Entra ID refused the app's credential
    │   ├─ OperationFailedError  Azure accepted the request and failed it later
    │   └─ OutcomeUnknownError   it cannot be known whether a write took effect
    └─ TransientError            try again after `delay_s` seconds
        ├─ ThrottledError        429: not processed
        ├─ AzureUnavailableError 408, 5xx: may have been processed
        └─ UnreachableError      no answer at all; `maybe_arrived` says whether the request can have left

Not here: reading what Azure sends (rest.error_bodies), HTTP answers of our own (shared.api.answer).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

MESSAGE_LIMIT = 2_000


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


class MethodNotAllowedError(BadRequestError):
    """There is such a path, but not under that verb; `allow` are the verbs that it takes (RFC 9110 §15.5.6: 405 must say so)."""

    def __init__(self, message: str, allow: Iterable[str], *, target: str = "method") -> None:
        super().__init__("MethodNotAllowed", message, target=target, status=405)
        given = set(allow)
        self.allow = tuple(sorted(given | {"HEAD"} if "GET" in given else given))


class RejectedError(PermanentError):
    """Azure answered 4xx; `status` and `error` are its own."""


class SignInError(RejectedError):
    """`SignInFailed`: Entra ID refused the app's own credential. Azure's answers never become this, whatever code they have."""


class OperationFailedError(PermanentError):
    """Azure accepted the request and the operation ended Failed or Canceled."""

    http_status = 422  # RFC 9110 §15.5.21: understood, and could not be carried out

    def __init__(self, error: AzureError) -> None:
        super().__init__(error, status=self.http_status)


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
