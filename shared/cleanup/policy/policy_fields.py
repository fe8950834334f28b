"""The fields of a policy: what each may hold, as `model.Policy` has it.

Not here: which conditions and actions fit which kind (targets, policies), files (policies).
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shared.cleanup.policy import hours, model, ncrontab, queries, targets
from shared.text import durations, yaml_sheets, yaml_values

if TYPE_CHECKING:
    from shared.text.yaml_document import Cursor
    from shared.text.yaml_sheets import Reader, Sheet

COUNT_LIMIT = 100_000
IDLE_SHUTDOWN = (timedelta(minutes=15), timedelta(days=3))  # what Azure takes (its own specification of idleTimeBeforeShutdown)
TAG_NAME_LIMIT, TAG_VALUE_LIMIT = 512, 256  # of ARM
MODES = ("dryRun", "enforce")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)
_SPENDING = re.compile(r"(\d{1,9}(?:\.\d{1,4})?)\s*/\s*(\S.*)", re.ASCII)
_CLOCK = re.compile(r"\d{1,2}:\d{2}(?![\d:])", re.ASCII)
_BAD_IN_TAG_NAMES = frozenset("<>%&\\?/")


def name(at: Cursor, sheet: Sheet) -> str | None:
    """A policy's name: part of addresses and tags."""
    found = yaml_sheets.text(at, sheet)
    if found is not None and not _NAME.fullmatch(found):
        sheet.note(at, "expected letters, digits, '.', '_' and '-', 63 at most, a letter or digit first")
        return None
    return found


def globs_by_name(at: Cursor, sheet: Sheet) -> tuple[tuple[str, str], ...] | None:
    """A mapping of names to one glob or several, as pairs."""
    if not isinstance(at.value, dict):
        sheet.note(at, f"expected a mapping of names to globs, not {yaml_values.noun(at.value)}")
        return None
    pairs: list[tuple[str, str]] = []
    for child in at.children():
        key = child.path[-1]
        if not isinstance(key, str) or not key:
            sheet.note(child, f"expected text as the name, not {yaml_values.noun(key)}; put it in quotation marks", at_key=True)
        else:
            pairs += [(key, glob) for glob in yaml_sheets.texts(child, sheet) or ()]
    return tuple(pairs)


def query(at: Cursor, sheet: Sheet) -> str | None:
    """A JMESPath."""
    return yaml_sheets.checked(queries.check, at, sheet)


def schedule(at: Cursor, sheet: Sheet) -> str | None:
    """An NCRONTAB."""
    if at.value == "":
        return ""
    return yaml_sheets.checked(ncrontab.parse, at, sheet)


def length(at: Cursor, sheet: Sheet) -> timedelta | None:
    """A length of time, zero included."""
    if isinstance(at.value, int | float) and not isinstance(at.value, bool):
        sheet.note(at, f"{at.value} of what? Expected a unit, such as {at.value}d or P{at.value}D")
        return None
    return yaml_sheets.by(durations.parse, at, sheet)


def some_length(at: Cursor, sheet: Sheet) -> timedelta | None:
    """A length of time above zero."""
    found = length(at, sheet)
    if found is not None and not found:
        sheet.note(at, "expected more than zero")
        return None
    return found


def idle_shutdown(at: Cursor, sheet: Sheet) -> timedelta | None:
    """What Azure takes as the idle time before a shutdown."""
    found = length(at, sheet)
    if found is not None and not IDLE_SHUTDOWN[0] <= found <= IDLE_SHUTDOWN[1]:
        sheet.note(at, "expected 15 minutes to 3 days, as Azure requires")
        return None
    return found


def flag(at: Cursor, sheet: Sheet) -> bool | None:
    """True: a condition that need not hold is left out."""
    if at.value is not True:
        sheet.note(at, "expected true; leave the condition out if it need not hold")
        return None
    return True


def working_hours(at: Cursor, sheet: Sheet) -> hours.Hours | None:
    """Working hours with their time zone."""
    readers: dict[str, Reader] = {"timeZone": yaml_sheets.text, "days": yaml_sheets.texts, "from": time_of_day, "to": time_of_day}
    before = len(sheet.problems)
    found = yaml_sheets.record(at, sheet, readers, ("timeZone", "from", "to"))
    if len(sheet.problems) > before:
        return None
    try:
        return hours.hours(found["timeZone"], found.get("days", hours.WORKING_DAYS), found["from"], found["to"])
    except ValueError as problem:
        sheet.note(at, str(problem))
        return None


def time_of_day(at: Cursor, sheet: Sheet) -> str | None:
    """A time such as 08:00; without quotation marks YAML reads 18:00 as the number 1080, so the text itself is looked at."""
    if isinstance(at.value, int) and (written := _CLOCK.match(sheet.raw(at))):
        return written[0]
    return yaml_sheets.checked(hours.minutes, at, sheet)


def stuck(at: Cursor, sheet: Sheet) -> targets.Stuck | None:
    """States of a job, and for how long in them is too long."""
    readers: dict[str, Reader] = {"status": states, "longerThan": some_length}
    found = yaml_sheets.record(at, sheet, readers, ("status", "longerThan"))
    if "status" not in found or "longerThan" not in found:
        return None
    return targets.Stuck(statuses=found["status"], longer_than=found["longerThan"])


def spending(at: Cursor, sheet: Sheet) -> targets.Spending | None:
    """An amount of money, and within which time: `200/1w`."""
    found = _SPENDING.fullmatch(at.value.strip()) if isinstance(at.value, str) else None
    if not found:
        sheet.note(at, "expected an amount of money and a length of time, such as 200/1w or 12.5/P1D")
        return None
    within = yaml_sheets.by(lambda _text: durations.parse(found[2]), at, sheet)
    if within is not None and not within:
        sheet.note(at, "expected a length of time above zero, such as 200/1w")
        return None
    return targets.Spending(amount=float(found[1]), within=within) if within else None


def states(at: Cursor, sheet: Sheet) -> tuple[str, ...] | None:
    """States of jobs that have not ended."""
    found = yaml_sheets.texts(at, sheet)
    bad = [state for state in found or () if state not in targets.JOB_STATES]
    for state in bad:
        sheet.note(at, yaml_sheets.unknown("state of a job under way", state, targets.JOB_STATES))
    return None if bad else found


def conditions(at: Cursor, sheet: Sheet) -> dict[str, Any]:
    """What makes a resource stale: condition → argument."""
    found = yaml_sheets.record(at, sheet, {condition: ARGUMENTS[row.argument] for condition, row in targets.CONDITIONS.items()})
    if at.value == {}:
        sheet.note(at, "expected at least one condition")
    return found


def where(at: Cursor, sheet: Sheet) -> model.Where:
    """Which resources of the kind."""
    return model.Where(**yaml_sheets.record(at, sheet, WHERE))


def protect(at: Cursor, sheet: Sheet) -> dict[str, Any]:
    """Tags and names that keep."""
    return yaml_sheets.record(at, sheet, PROTECT)


def limits(at: Cursor, sheet: Sheet) -> model.Limits:
    """How much one run may do."""
    return model.Limits(**yaml_sheets.record(at, sheet, LIMITS))


def tag(at: Cursor, sheet: Sheet) -> tuple[str, str] | None:
    """A tag's name and value, as ARM takes them."""
    found = yaml_sheets.record(at, sheet, TAG, ("name",))
    label, value = found.get("name"), found.get("value", "")
    if label is None:
        return None
    if len(label) > TAG_NAME_LIMIT or _BAD_IN_TAG_NAMES & set(label) or len(value) > TAG_VALUE_LIMIT:
        sheet.note(at, f"expected a name without <>%&\\?/ of {TAG_NAME_LIMIT} characters and a value of {TAG_VALUE_LIMIT} at most")
        return None
    if label.lower().startswith("steward-"):
        sheet.note(at, "expected another name: the clean-up uses tags that begin with 'steward-'")
        return None
    return (label, value)


def notify(at: Cursor, sheet: Sheet) -> dict[str, Any] | None:
    """Whom to notify: names and values, recorded as they are."""
    if not isinstance(at.value, dict):
        sheet.note(at, f"expected a mapping, such as ownerTag: owner, not {yaml_values.noun(at.value)}")
        return None
    found: dict[str, Any] = {}
    for child in at.children():
        key = child.path[-1]
        if not isinstance(key, str):
            sheet.note(child, f"expected text as the name, not {yaml_values.noun(key)}; put it in quotation marks", at_key=True)
        elif (value := yaml_sheets.texts(child, sheet)) is not None:
            found[key] = list(value) if isinstance(child.value, list) else value[0]
    return found


ARGUMENTS: dict[targets.Argument, Reader] = {
    "duration": some_length,
    "count": yaml_sheets.number(1, COUNT_LIMIT, whole=True),
    "flag": flag,
    "hours": working_hours,
    "stuck": stuck,
    "spending": spending,
}
WHERE: dict[str, Reader] = {
    "subscriptions": yaml_sheets.texts,
    "workspaces": yaml_sheets.texts,
    "names": yaml_sheets.texts,
    "tags": globs_by_name,
    "properties": globs_by_name,
    "query": query,
}
PROTECT: dict[str, Reader] = {"tags": yaml_sheets.texts, "names": yaml_sheets.texts}
LIMITS: dict[str, Reader] = {
    "count": yaml_sheets.number(0, COUNT_LIMIT, whole=True),
    "percent": yaml_sheets.number(0, 100, whole=False),
}
TAG: dict[str, Reader] = {"name": yaml_sheets.text, "value": yaml_sheets.text}
POLICY: dict[str, Reader] = {
    "name": name,
    "description": yaml_sheets.text,
    "kind": yaml_sheets.choice("kind", targets.TARGETS),
    "where": where,
    "staleWhen": conditions,
    "action": yaml_sheets.choice("action", targets.ACTIONS),
    "grace": length,
    "protect": protect,
    "limits": limits,
    "mode": yaml_sheets.choice("mode", MODES),
    "schedule": schedule,
    "tag": tag,
    "idleShutdown": idle_shutdown,
    "notify": notify,
}
