"""The fields of a rule in YAML: reads each into `rules.Rule`, and reports every mistake with line and column.

Not here: what a rule is (rules), how fields are read in general (text.yaml_sheets).
"""

from __future__ import annotations

import math
import re
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from shared.chains import expressions
from shared.hooks import rule_checks
from shared.hooks.event_target import ML_TYPE
from shared.hooks.rules import CODE, Rule, Step
from shared.text import durations, yaml_sheets, yaml_values
from shared.text.problems import InvalidFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from shared.text.yaml_document import Cursor
    from shared.text.yaml_sheets import Reader, Sheet

RULE_LIMIT = 200
STEP_LIMIT = 20
LONGEST = timedelta(days=1)  # of a rate's window and of a debounce
COUNT_LIMIT = 100_000
HEADERS = (
    "prefer",
    "azureml-model-deployment",
    "content-type",
    "expires-in",
    "expires-at",
)  # headers of the API; those that identify a sender are set by the app
SHORT_TYPES = ("ModelRegistered", "ModelDeployed", "RunCompleted", "RunStatusChanged", "DatasetDriftDetected")
# Azure's spelling of each type, by its lower-case form.
SPELLED = {
    name.lower(): name
    for name in (
        *(f"Microsoft.MachineLearningServices.{name}" for name in SHORT_TYPES),
        *(
            f"Microsoft.Resources.Resource{verb}{end}"
            for verb in ("Write", "Delete", "Action")
            for end in ("Success", "Failure", "Cancel")
        ),
    )
}

_RULE_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9-]{0,62}", re.ASCII)
_STEP_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]{0,62}", re.ASCII)  # as expressions take it
_REQUEST = re.compile(r"(GET|PUT|PATCH|POST|DELETE)\s+(\S.*)", re.DOTALL)


def parse(text: str, source: str) -> tuple[Rule, ...]:
    """Read a file of rules.

    Args:
        text: YAML: `rules:` and a list.
        source: The name of the file in messages.

    Raises:
        InvalidFileError: a `BadRequestError`, code `InvalidRules`; every mistake with line, column and field, in `details`.
    """
    top, sheet = yaml_sheets.opened(text, source, CODE)
    found = yaml_sheets.record(top, sheet, {"rules": rules}, ("rules",))
    if sheet.problems:
        raise InvalidFileError(CODE, sheet.problems)
    return tuple(found["rules"])


def rules(at: Cursor, sheet: Sheet) -> tuple[Rule, ...]:
    """The list of rules of a file."""
    if not isinstance(at.value, list) or len(at.value) > RULE_LIMIT:
        sheet.note(at, f"expected a list of at most {RULE_LIMIT} rules")
        return ()
    found = [rule for child in at.children() if (rule := _rule(child, sheet)) is not None]
    _unique(at, sheet, (rule.name for rule in found), "rules")
    return tuple(found)


def _rule(at: Cursor, sheet: Sheet) -> Rule | None:
    """One rule; None if any part of it was refused."""
    before = len(sheet.problems)
    at = on_as_written(at)
    found = yaml_sheets.record(at, sheet, _RULE, ("name", "on", "do"))
    if len(sheet.problems) > before:
        return None
    rate, per = found.pop("rate", (None, None))
    named = {"if": "condition", "oncePer": "once_per", "do": "steps"}
    values = {named.get(name, name): value for name, value in found.items() if name != "on"}
    rule = Rule(**values, **found["on"], **({"rate": rate, "per": per} if rate else {}), source=sheet.source)
    rule_checks.rule(at, sheet, rule)
    return rule if len(sheet.problems) == before else None


def on_as_written(at: Cursor) -> Cursor:
    """Return a mapping with its field `on`, which YAML 1.1 reads as `true` unless it is quoted."""
    if not isinstance(at.value, dict) or True not in at.value or "on" in at.value:
        return at
    marks = at.document.marks
    marks.update({(*at.path, "on", *path[len(at.path) + 1 :]): mark for path, mark in list(marks.items()) if _under_true(path, at)})
    return at.having({("on" if key is True else key): value for key, value in at.value.items()})


def _under_true(path: tuple[Any, ...], at: Cursor) -> bool:
    return len(path) > len(at.path) and path[: len(at.path)] == at.path and path[len(at.path)] is True


def _on(at: Cursor, sheet: Sheet) -> dict[str, tuple[str, ...]]:
    return yaml_sheets.record(at, sheet, {"types": _types, "subjects": _globs, "sources": _globs}, ("types",))


def _types(at: Cursor, sheet: Sheet) -> tuple[str, ...] | None:
    """Globs of event types; Azure ML's own may be written without `Microsoft.MachineLearningServices.`."""
    short = {name.lower() for name in SHORT_TYPES}
    found = _globs(at, sheet)
    types = None if found is None else tuple(ML_TYPE + glob if glob in short else glob for glob in found)
    for problem in filter(None, (rule_checks.event_type(each, SHORT_TYPES) for each in types or ())):
        sheet.note(at, problem)
    return types


def _globs(at: Cursor, sheet: Sheet) -> tuple[str, ...] | None:
    found = yaml_sheets.texts(at, sheet)
    return None if found is None else tuple(glob.strip().lower() for glob in found)


def _steps(at: Cursor, sheet: Sheet) -> tuple[Step, ...] | None:
    """A step, or a list of them."""
    listed = list(at.children()) if isinstance(at.value, list) else [at]
    if not 0 < len(listed) <= STEP_LIMIT:
        sheet.note(at, f"expected 1 to {STEP_LIMIT} requests or notifications")
        return None
    found = [step for position, child in enumerate(listed, 1) if (step := _step(child, sheet, position)) is not None]
    _unique(at, sheet, (step.name for step in found), "steps")
    return tuple(found)


def _step(at: Cursor, sheet: Sheet, position: int) -> Step | None:
    before = len(sheet.problems)
    found = yaml_sheets.record(at, sheet, _STEP)
    if isinstance(at.value, dict) and ("request" in at.value) == ("notify" in at.value):
        sheet.note(at, "expected either 'request' (METHOD path) or 'notify' (a type of notification)")
    if len(sheet.problems) > before:
        return None
    method, path = found.pop("request", ("", ""))
    found["when"] = found.pop("if", "")
    return Step(**{"name": f"step{position}", **found, "method": method, "path": path})


def request(at: Cursor, sheet: Sheet) -> tuple[str, str] | None:
    """A method and a path of this app's API."""
    text = template(at, sheet)
    matched = _REQUEST.fullmatch(text.strip()) if text is not None else None
    if matched is None:
        if text is not None:
            sheet.note(at, "expected a method and a path, such as PUT workspaces/ml1/models/m/versions/1")
        return None
    path = matched[2].strip().lstrip("/").removeprefix("api/")
    if path.lower().startswith(("http:", "https:")):
        sheet.note(at, "a rule sends requests of this app's own API: expected a path, not a URL")
        return None
    return matched[1], path


def headers(at: Cursor, sheet: Sheet) -> dict[str, str]:
    """Headers of the API that a step may send."""
    lowered = at.having({str(key).lower(): value for key, value in at.value.items()}) if isinstance(at.value, dict) else at
    return yaml_sheets.record(lowered, sheet, dict.fromkeys(HEADERS, template))


def body(at: Cursor, sheet: Sheet) -> Any:
    """Any JSON value, with `${{ … }}`."""
    try:
        value = _plain(at.value)
        expressions.check_all(value)
    except ValueError as bad:
        sheet.note(at, str(bad))
        return None
    return value


def _rate(at: Cursor, sheet: Sheet) -> tuple[int, timedelta] | None:
    """`10/1h`."""
    text = yaml_sheets.text(at, sheet)
    count, slash, per = (text or "").partition("/")
    if text is None:
        return None
    if not slash or not count.strip().isdecimal() or not 0 < int(count[:9]) <= COUNT_LIMIT:
        sheet.note(at, f"expected a rate such as 10/1h, with a count of up to {COUNT_LIMIT}")
        return None
    length = _length(at.having(per.strip()), sheet)
    return (int(count), length) if length else None


def _length(at: Cursor, sheet: Sheet) -> timedelta | None:
    found = yaml_sheets.by(durations.parse, at, sheet)
    if found is not None and not timedelta(0) < found <= LONGEST:
        sheet.note(at, f"expected more than zero and at most {durations.words(LONGEST)}")
        return None
    return found


def expression(at: Cursor, sheet: Sheet) -> str | None:
    """A JMESPath expression."""
    return yaml_sheets.checked(expressions.check, at, sheet)


def template(at: Cursor, sheet: Sheet) -> str | None:
    """A string with `${{ … }}`."""
    return yaml_sheets.checked(expressions.check_all, at, sheet)


def _named(pattern: re.Pattern[str], expected: str) -> Reader:
    def read(at: Cursor, sheet: Sheet) -> str | None:
        found = yaml_sheets.text(at, sheet)
        if found is not None and not pattern.fullmatch(found):
            sheet.note(at, f"'{found[:60]}' is not a valid name: expected {expected}, up to 63")
            return None
        return found

    return read


def _unique(at: Cursor, sheet: Sheet, names: Iterable[str], what: str) -> None:
    listed = list(names)
    if twice := sorted({name for name in listed if listed.count(name) > 1}):
        sheet.note(at, f"two {what} have the name '{twice[0]}'")


def _plain(value: Any) -> Any:
    """Return a YAML value as a JSON value: a date becomes a string.

    Raises:
        ValueError: JSON has no such value.
    """
    match value:
        case dict():
            return {_key(key): _plain(inner) for key, inner in value.items()}
        case list():
            return [_plain(inner) for inner in value]
        case date():
            return value.isoformat()
        case float() if not math.isfinite(value):
            message = f"{value} is not a JSON number"
            raise ValueError(message)
        case None | bool() | int() | float() | str():
            return value
        case _:
            message = f"expected a JSON value, not {yaml_values.noun(value)}"
            raise ValueError(message)


def _key(key: Any) -> str:
    if not isinstance(key, str):
        message = f"the name {key!r} is not text: put it in quotation marks"
        raise ValueError(message)  # noqa: TRY004 - one exception for every value that JSON lacks
    return key


_RULE: dict[str, Callable[[Cursor, Sheet], Any]] = {
    "name": _named(_RULE_NAME, "letters, digits and -"),
    "description": yaml_sheets.text,
    "enabled": yaml_sheets.flag,
    "on": _on,
    "read": yaml_sheets.flag,
    "if": expression,
    "oncePer": template,
    "rate": _rate,
    "debounce": _length,
    "do": _steps,
}
_STEP: dict[str, Callable[[Cursor, Sheet], Any]] = {
    "name": _named(_STEP_NAME, "letters, digits and _, as expressions take it"),
    "request": request,
    "notify": template,
    "headers": headers,
    "body": body,
    "if": expression,
    "expect": expression,
}
