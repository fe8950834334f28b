"""How a file of policies or rules is read: a reader takes a value at its place, and what it refuses goes on the sheet.

So all mistakes of a file are named at once. Not here: which fields there are (cleanup.policy.fields, hooks.rules).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from shared.text import did_you_mean, yaml_values
from shared.text.problems import InvalidFileError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from shared.text.yaml_document import Cursor

TEXT_LIMIT = 2_000
LIST_LIMIT = 500


@dataclass(slots=True, kw_only=True)
class Sheet:
    """A file while it is read.

    Attributes:
        source: Its name.
        lines: Its text, '' where there is none.
        problems: What was refused so far.
    """

    source: str
    lines: tuple[str, ...] = ()
    problems: list[Problem] = field(default_factory=list)

    def note(self, at: Cursor, message: str, *, at_key: bool = False) -> None:
        """Refuse a value, or its key."""
        line, column = at.place(at_key=at_key)
        self.problems.append(Problem(source=self.source, line=line, column=column, field=_path(at), message=message))

    def raw(self, at: Cursor) -> str:
        """Return the line from where a value stands on, as it was written."""
        line, column = at.place()
        return self.lines[line - 1][column - 1 :] if line <= len(self.lines) else ""


Reader = Callable[["Cursor", Sheet], Any]


def opened(content: str, source: str, code: str) -> tuple[Cursor, Sheet]:
    """Return the top of a YAML file, and the sheet for what will be refused of it.

    Raises:
        InvalidFileError: under `code`; it is no YAML.
    """
    from shared.text import yaml_document

    try:
        top = yaml_document.parse(content)
    except yaml_document.RefusedError as refused:
        problem = Problem(source=source, line=refused.line, column=refused.column, field="", message=refused.reason)
        raise InvalidFileError(code, [problem]) from None
    return top, Sheet(source=source, lines=tuple(content.splitlines()))


def flag(at: Cursor, sheet: Sheet) -> bool | None:
    """True or false."""
    if isinstance(at.value, bool):
        return at.value
    sheet.note(at, f"expected true or false, not {yaml_values.noun(at.value)}")
    return None


def record(at: Cursor, sheet: Sheet, readers: Mapping[str, Reader], required: Iterable[str] = ()) -> dict[str, Any]:
    """Read a mapping's fields; those that were refused are not in what it returns."""
    if not isinstance(at.value, dict):
        expected = f"expected a mapping with {', '.join(readers)}"
        sheet.note(at, f"{expected}, not {yaml_values.noun(at.value)}")
        return {}
    found = {}
    for key in at.value:
        member = at.child(key)
        if key not in readers:
            sheet.note(member, unknown("field", key, readers), at_key=True)
        elif member.value is None:  # what was left empty by mistake must not widen a policy
            sheet.note(member, "expected a value; leave the field out where there is none", at_key=True)
        elif (value := readers[key](member, sheet)) is not None:
            found[key] = value
    for label in required:
        if label not in at.value:
            sheet.note(at, f"'{label}' is missing")
    return found


def unknown(what: str, given: Any, known: Iterable[str]) -> str:
    """Return the message for an unknown name, with the one that was probably meant."""
    return f"there is no {what} '{str(given)[:60]}': {did_you_mean.hint(str(given), list(known), cutoff=0.7)}"


def text(at: Cursor, sheet: Sheet) -> str | None:
    """A string that is not empty."""
    if not isinstance(at.value, str):
        quoted = "; put it in quotation marks" if isinstance(at.value, bool | int | float) else ""
        sheet.note(at, f"expected text, not {yaml_values.noun(at.value)}{quoted}")
    elif not at.value.strip() or len(at.value) > TEXT_LIMIT:
        sheet.note(at, f"expected text of 1 to {TEXT_LIMIT} characters")
    else:
        return at.value
    return None


def choice(what: str, known: Iterable[str]) -> Reader:
    """Return the reader of one of a few words."""
    names = tuple(known)

    def read(at: Cursor, sheet: Sheet) -> str | None:
        found = text(at, sheet)
        if found is not None and found not in names:
            sheet.note(at, unknown(what, found, names))
            return None
        return found

    return read


def texts(at: Cursor, sheet: Sheet) -> tuple[str, ...] | None:
    """One text or a list of them."""
    if not isinstance(at.value, list):
        found = text(at, sheet)
        return None if found is None else (found,)
    if not at.value or len(at.value) > LIST_LIMIT:
        sheet.note(at, f"expected 1 to {LIST_LIMIT} texts")
        return None
    return tuple(found for child in at.children() if (found := text(child, sheet)) is not None)


def number(least: int, most: int, *, whole: bool) -> Reader:
    """Return the reader of a number from `least` to `most`."""

    def read(at: Cursor, sheet: Sheet) -> float | None:
        value = at.value
        fits = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
        if not fits or not math.isfinite(value) or not least <= value <= most:
            sheet.note(at, f"expected a {'whole ' if whole else ''}number from {least} to {most}")
            return None
        return int(value) if whole else float(value)

    return read


def by[T](read: Callable[[str], T], at: Cursor, sheet: Sheet) -> T | None:
    """Read a text by a function that raises ValueError with what it expected."""
    found = text(at, sheet)
    if found is None:
        return None
    try:
        return read(found)
    except ValueError as problem:
        sheet.note(at, str(problem))
        return None


def checked(check: Callable[[str], object], at: Cursor, sheet: Sheet) -> str | None:
    """Return a text that a function raises no ValueError for."""
    return None if by(lambda found: (check(found),), at, sheet) is None else str(at.value)


def _path(at: Cursor) -> str:
    out = ""
    for part in at.path:
        out += f"[{part}]" if isinstance(part, int) else f".{part}" if out else str(part)
    return out[:200]
