"""How a job can end, in run history's words. Not here: deciding which of these it was."""

from __future__ import annotations

from typing import Any


class JobEndedError(Exception):
    """Raised inside a job's life to end it with this status and error."""

    def __init__(self, status: str, error: dict[str, Any] | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.error = error


def error(code: str, inner: str, message: str) -> dict[str, Any]:
    """An error as run history keeps it; the useful code is the inner one."""
    return {
        "code": code,
        "severity": None,
        "message": message,
        "messageFormat": "{Message}",
        "messageParameters": {"Message": message},
        "referenceCode": None,
        "detailsUri": None,
        "target": None,
        "details": [],
        "innerError": {"code": inner, "innerError": None},
        "debugInfo": None,
        "additionalInfo": None,
    }


def bad_request(inner: str, message: str) -> JobEndedError:
    """The job could not be started as asked."""
    return JobEndedError("Failed", error("UserError", inner, message))


def process_failed(program: str, code: int, log_name: str, tail: str) -> JobEndedError:
    """The user's process ended with a non-zero code."""
    message = (
        f"Execution failed. User process '{program}' exited with status code {code}. "
        f"Please check log file '{log_name}' for error details."
    )
    if tail:
        message += f" Error: {tail}"
    return JobEndedError("Failed", error("UserError", "UserTrainingScriptFailed", message))


def timed_out(limit_s: float) -> JobEndedError:
    """The job ran longer than it may: cancelled, as the specification of `limits.timeout` says."""
    message = f"The run was cancelled because it exceeded its maximum duration of {limit_s:g} seconds."
    return JobEndedError("Canceled", error("UserError", "JobTimedOut", message))


CANCELED = "Canceled"
