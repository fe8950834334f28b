"""When: cron and recurrence triggers, and what every schedule has. Not here: what is done then (schedule_kinds)."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any

from shared.text import yaml_values
from shared.text.yaml_values import anything, choice, either, integer, named, record, sequence, text

if TYPE_CHECKING:
    from shared.text.yaml_document import Cursor

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_ISO = re.compile(r"^(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(\.\d+)?)?\s*(Z|[+-]\d\d:?\d\d)?$")


def moment(at: Cursor) -> str:
    """A date and time in quotes, as the CLI takes it."""
    value = at.value
    if isinstance(value, dt.datetime):
        raise at.refusal(f'Write the time in quotes: "{value.isoformat()}".')
    if isinstance(value, str) and _ISO.match(value):
        return value
    raise at.refusal(f"Expected a date and time such as 2026-07-10T10:00:00, got {yaml_values.noun(value)}.")


_WEEK_DAY = choice(*_DAYS)
PATTERN = record(
    {
        "hours": either(integer, sequence(integer)),
        "minutes": either(integer, sequence(integer)),
        "week_days": either(_WEEK_DAY, sequence(_WEEK_DAY)),
        "month_days": either(integer, sequence(integer)),
    },
    required=("hours", "minutes"),
)
_SPAN = {"start_time": moment, "end_time": moment, "time_zone": text}
CRON = record({"type": choice("cron"), **_SPAN, "expression": text}, required=("type", "expression"))
RECURRENCE = record(
    {
        "type": choice("recurrence"),
        **_SPAN,
        "frequency": choice("minute", "hour", "day", "week", "month"),
        "interval": integer,
        "schedule": PATTERN,
    },
    required=("type", "frequency", "interval"),
)
TRIGGER = either(CRON, RECURRENCE)
SCHEDULE_FIELDS = {
    "name": text,
    "description": text,
    "tags": named(anything),
    "display_name": text,
    "trigger": TRIGGER,
    "properties": named(text),
}
SHOWN = ("$schema", "id", "creation_context", "is_enabled", "provisioning_state")


def compute_trigger_body(trigger: dict[str, Any]) -> dict[str, Any]:
    """Return the REST form of a trigger as computes carry it."""
    return trigger_body(trigger, spaced=False)


def trigger_body(trigger: dict[str, Any], *, spaced: bool = True) -> dict[str, Any]:
    """Return the REST form of a trigger.

    Args:
        trigger: A loaded trigger.
        spaced: Write times with a space between date and time, as the CLI does for schedules.
    """
    body: dict[str, Any] = {
        "startTime": _written(trigger.get("start_time"), spaced=spaced),
        "endTime": _written(trigger.get("end_time"), spaced=spaced),
        "timeZone": trigger.get("time_zone", "UTC"),
    }
    if trigger["type"] == "cron":
        body |= {"triggerType": "Cron", "expression": trigger["expression"]}
    else:
        body |= {
            "triggerType": "Recurrence",
            "frequency": trigger["frequency"],
            "interval": trigger["interval"],
            "schedule": _pattern(trigger.get("schedule", {"hours": [], "minutes": []})),
        }
    return {name: value for name, value in body.items() if value is not None}


def described(at: Cursor, fields: dict[str, Any]) -> dict[str, Any]:
    """Return what every schedule has."""
    if "trigger" not in fields:
        raise at.refusal("The field 'trigger' is missing.")
    body = {
        "description": fields.get("description"),
        "displayName": fields.get("display_name"),
        "tags": fields.get("tags", {}),
        "properties": fields.get("properties", {}),
        "trigger": trigger_body(fields["trigger"]),
    }
    return {name: value for name, value in body.items() if value is not None}


def _pattern(pattern: dict[str, Any]) -> dict[str, Any]:
    names = {"hours": "hours", "minutes": "minutes", "week_days": "weekDays", "month_days": "monthDays"}
    return {rest: value if isinstance(value := pattern[name], list) else [value] for name, rest in names.items() if name in pattern}


def _written(moment_text: str | None, *, spaced: bool) -> str | None:
    if moment_text is None:
        return None
    return moment_text.replace("T", " ", 1) if spaced else moment_text.replace(" ", "T", 1)
