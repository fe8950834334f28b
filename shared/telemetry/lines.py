"""Structured log lines: one JSON object a line, with the trace and operation that the work belongs to.

The Functions worker hands a line's text, level and category to Application Insights and drops everything else of a record, so the
text itself is the JSON (`parse_json(message)`); other handlers find the same under `record.steward`. No line holds a header, a
body, a URL or another party's message. Not here: lines for people, which are plain text.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from shared.telemetry import trace

if TYPE_CHECKING:
    import logging

LIMIT = 256  # characters of one value


def event(log: logging.Logger, level: int, what: str, **fields: Any) -> None:
    """Log that something happened.

    Args:
        log: Whose line it is; its name is the category.
        level: `logging.INFO` …
        what: A stable name, `operation.ended`; what queries look for.
        fields: Numbers, booleans and short texts; '' and None are left out.
    """
    if not log.isEnabledFor(level):
        return
    here = trace.current()
    line: dict[str, Any] = {"what": what, "operationId": trace.operation(), "traceId": here.id if here else ""}
    line |= fields
    kept = {name: _short(value) for name, value in line.items() if value is not None and value != ""}
    log.log(level, "%s", json.dumps(kept, ensure_ascii=False), extra={"steward": kept}, stacklevel=2)


def _short(value: Any) -> bool | int | float | str:
    if isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return round(value, 3)
    text = str(value)
    return text if len(text) <= LIMIT else f"{text[: LIMIT - 1]}…"
