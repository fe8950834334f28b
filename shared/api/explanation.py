"""The explanation of a failed operation: its cause, the end of its log, the next step.

The log is fetched whenever the operation is read, and never stored; the setting STEWARD_FAILURE_LOGS turns it off. Not here: which
step helps with which failure (operations.advice), where logs are (jobs.logs).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.jobs import logs
from shared.operations import advice, settle
from shared.rest import errors, ids
from shared.text import words

if TYPE_CHECKING:
    from shared.api.call import App, Call
    from shared.operations.models import Operation


def whole(operation: Operation, call: Call, app: App) -> dict[str, Any]:
    """Return `{cause, next, page, log}`; {} for an operation that has not failed."""
    told: dict[str, Any] = dict(advice.explain(operation, call.base))
    began = operation.http_status == settle.FAILED_LATER and (settle.is_run(operation) or operation.method == "PUT")
    if told and began and app.settings.failure_logs and "logs" in settle.kind_of(operation).views:
        _add_log(told, operation, call, app)
    return told


def _add_log(told: dict[str, Any], operation: Operation, call: Call, app: App) -> None:
    try:
        found = logs.tail(ids.parse(operation.target), app.client, app.addresses)
    except errors.StewardError as problem:  # the cause does not depend on the log
        told["log"] = {"problem": f"The log could not be read. {problem.error.message}"}
        return
    if found is None:
        return
    if found.error:
        more = f" {ids.parse(found.of).name}: {found.error.code}: {found.error.message}"
        told["cause"] += words.short(more, advice.WORDS_LIMIT)
    if found.lines:
        told["log"] = {
            "of": found.of,
            "name": found.name,
            "url": f"{ids.below(f'{call.base}{found.of}', 'logs')}?file={found.name}",
            "lines": [*found.lines],
        }
