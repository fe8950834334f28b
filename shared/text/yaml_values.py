"""What a field may hold: small readers that take a value at its place and return it normalised, or refuse it there.

A shape is any function from a `Cursor` to a value. They are as lenient as the CLI's own schema: an integer may be quoted,
an enum in any casing, a boolean `on` or `1`. Not here: which kind has which fields.
"""

from __future__ import annotations

import math
import re
from functools import partial
from typing import TYPE_CHECKING, Any

from shared.text import did_you_mean, problems, yaml_document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from shared.text.yaml_document import Cursor

    Shape = Callable[[Cursor], Any]

_TRUE = frozenset({"t", "true", "on", "y", "yes", "1"})
_FALSE = frozenset({"f", "false", "off", "n", "no", "0"})
_EXPECTED = re.compile(r"^Expected (?:one of )?(.*), got (.*)\.$")
_UNKNOWN = re.compile(r"(Unknown field '.*')(?:; known are (.*)| \(did you mean .*\?\))\.")
NAME_LIMIT = 80  # characters of a name that a message repeats
NOUNS = {
    str: "a string", bool: "a boolean", int: "an integer", float: "a number", dict: "a mapping", list: "a list",
    type(None): "nothing",
}  # fmt: skip


def noun(value: Any) -> str:
    """Name the type of a YAML value for a message."""
    return NOUNS.get(type(value), f"a {type(value).__name__}")


def snake(text: str) -> str:
    """`AADToken` as `aad_token`, as the CLI folds its enums."""
    text = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", text)
    return re.sub("([a-z0-9])([A-Z])", r"\1_\2", text).lower()


def camel(text: str) -> str:
    """`max_total_trials` as `maxTotalTrials`."""
    first, *rest = text.split("_")
    return first + "".join(word.title() for word in rest)


def pascal(text: str) -> str:
    """`low_priority` as `LowPriority`."""
    return "".join(word.title() for word in text.split("_"))


def anything(at: Cursor) -> Any:
    """Any value, as it is."""
    return at.value


def plain(at: Cursor) -> Any:
    """A value that is no mapping and no list."""
    if isinstance(at.value, dict | list):
        raise at.refusal(f"Expected a plain value, got {noun(at.value)}.")
    return at.value


def text(at: Cursor) -> str:
    """A string."""
    if not isinstance(at.value, str):
        raise at.refusal(f"Expected a string, got {noun(at.value)}{_hint(at.value)}.")
    return at.value


def maybe(shape: Shape) -> Shape:
    """`shape`, or null."""

    def read(at: Cursor) -> Any:
        return None if at.value is None else shape(at)

    return read


def version(at: Cursor) -> str:
    """A version: a string, or a number taken as it is written."""
    if isinstance(at.value, str):
        return at.value
    if isinstance(at.value, int | float):
        return str(at.value)
    raise at.refusal(f"Expected a version, got {noun(at.value)}.")


def integer(at: Cursor) -> Any:
    """An integer, quoted or not; a fraction is cut off as the CLI does."""
    if bound(at):
        return at.value
    if isinstance(at.value, int | float | str) and not isinstance(at.value, bool):
        try:
            return int(at.value)
        except (ValueError, OverflowError):
            pass
    raise at.refusal(f"Expected an integer, got {noun(at.value)}.")


def whole(at: Cursor) -> int:
    """An integer that is written as one."""
    if isinstance(at.value, int) and not isinstance(at.value, bool):
        return at.value
    raise at.refusal(f"Expected an integer, got {noun(at.value)}.")


def number(at: Cursor) -> Any:
    """A number, quoted or not."""
    if bound(at):
        return at.value
    if isinstance(at.value, int | float | str) and not isinstance(at.value, bool):
        try:
            found = float(at.value)
        except (ValueError, OverflowError):
            found = math.nan
        if math.isfinite(found):
            return found
    raise at.refusal(f"Expected a number, got {noun(at.value)}.")


def fraction(at: Cursor) -> float:
    """A number that is written with a fraction."""
    if isinstance(at.value, float) and math.isfinite(at.value):
        return at.value
    raise at.refusal(f"Expected a number, got {noun(at.value)}.")


def boolean(at: Cursor) -> Any:
    """A boolean, also as `"true"`, `on` or `1`."""
    if bound(at):
        return at.value
    value = at.value
    if isinstance(value, bool):
        return value
    if isinstance(value, int | str):
        if str(value).lower() in _TRUE:
            return True
        if str(value).lower() in _FALSE:
            return False
    raise at.refusal(f"Expected true or false, got {noun(value)}.")


def boolean_only(at: Cursor) -> bool:
    """A boolean written as one."""
    if isinstance(at.value, bool):
        return at.value
    raise at.refusal(f"Expected true or false, got {noun(at.value)}.")


def binding(at: Cursor) -> str:
    """A `${{…}}` expression."""
    if holds_binding(at.value):
        return str(at.value)
    raise at.refusal("Expected an expression such as ${{parent.inputs.name}}.")


def bound(at: Cursor) -> bool:
    """Return whether an expression stands where expressions may."""
    may = at.bindings and at.path[-1:] != ("type",)  # what a value is must be known
    return may and holds_binding(at.value)


def holds_binding(value: Any) -> bool:
    """Return whether a value is text with a `${{…}}` expression in it."""
    return isinstance(value, str) and "${{" in value and "}}" in value[value.index("${{") :]


def is_binding(value: Any) -> bool:
    """Return whether a value is one `${{…}}` expression and nothing else."""
    if not isinstance(value, str) or not value.startswith("${{") or not value.endswith("}}"):
        return False
    return len(value[3:-2].split()) <= 1


def lower(value: str) -> str:
    """Fold by lower case."""
    return value.lower()


def same(value: str) -> str:
    """Do not fold."""
    return value


def choice(*values: str, fold: Callable[[str], str] = lower, keep: bool = False) -> Shape:
    """One of `values`, after folding; returned as listed, or as written when `keep`."""
    by_folded = {fold(value): value for value in values}

    def read(at: Cursor) -> str:
        if bound(at):
            return str(at.value)
        if isinstance(at.value, str) and fold(at.value) in by_folded:
            return at.value if keep else fold(at.value)
        shown = ", ".join(by_folded)
        got = f"'{at.value[:60]}'" if isinstance(at.value, str) else noun(at.value)
        if isinstance(at.value, bool) and str(at.value).lower() in by_folded:
            raise at.refusal(f'Expected text, got a boolean: write it in quotes, "{str(at.value).lower()}".')
        raise at.refusal(f"Expected {shown if len(by_folded) == 1 else f'one of {shown}'}, got {got}.")

    return read


class Faults:
    """What was refused so far of something that is read on, so that all of it is said at once."""

    def __init__(self) -> None:
        self.first: yaml_document.RefusedError | None = None

    def add(self, refused: yaml_document.RefusedError) -> None:
        """Keep one; enough are enough."""
        if self.first is None:
            self.first = refused
            return
        self.first.others += (refused, *refused.others)
        if len(self.first.others) >= problems.SHOWN:
            raise self.first

    def read(self, shape: Shape, at: Cursor) -> Any:
        """Return what a shape reads, or None when it refuses."""
        try:
            return shape(at)
        except yaml_document.RefusedError as refused:
            self.add(refused)
            return None

    def done(self) -> None:
        """Raise what was kept: the first, the others with it."""
        if self.first is not None:
            raise self.first


def sequence(item: Shape) -> Shape:
    """A list of `item`."""

    def read(at: Cursor) -> Any:
        if not isinstance(at.value, list):
            raise at.refusal(f"Expected a list, got {noun(at.value)}.")
        faults = Faults()
        out = [faults.read(item, each) for each in at.children()]
        faults.done()
        return out

    return read


def mapping(item: Shape = anything, *, key: Shape = anything) -> Shape:
    """A mapping of free names to `item`."""

    def read(at: Cursor) -> Any:
        if not isinstance(at.value, dict):
            raise at.refusal(f"Expected a mapping, got {noun(at.value)}.")
        faults, out = Faults(), {}
        for each in at.children():
            name = faults.read(key, each.having(each.path[-1]))
            out[name] = faults.read(item, each)
        faults.done()
        return out

    return read


def named(item: Shape) -> Shape:
    """A mapping whose keys are strings."""
    return mapping(item, key=text)


def either(*options: Shape) -> Shape:
    """The first of `options` that takes the value; when none does, the refusal that got furthest.

    A `type` decides which records are asked at all, so that what is said is about the one that was meant.
    """

    def read(at: Cursor) -> Any:
        refusals: list[yaml_document.RefusedError] = []
        notes = at.document.source.notes
        told = len(notes)
        for option in _meant(options, at):
            try:
                return option(at)
            except yaml_document.RefusedError as refusal:
                refusals.append(refusal)
                del notes[told:]
        furthest = max(refusals, key=lambda refusal: (refusal.depth, refusal.line, refusal.column))
        raise _together([each for each in refusals if each.place == furthest.place]) or furthest

    return read


def _meant(options: Sequence[Shape], at: Cursor) -> Sequence[Shape]:
    """Leave out the records whose own `type` is another one, unless no record has it."""
    stated = at.get("type")
    if stated is None:
        return options

    def takes(option: Shape) -> bool:
        own = getattr(option, "own_type", None)
        try:
            return own is None or bool(own(stated) or True)
        except yaml_document.RefusedError:
            return False

    meant = [option for option in options if takes(option)]
    return meant if any(hasattr(option, "own_type") for option in meant) else options


def _together(refusals: list[yaml_document.RefusedError]) -> yaml_document.RefusedError | None:
    """Return one refusal that says what several options expected in the same place, None when they cannot be put together."""
    if len(refusals) < 2:
        return None
    unknown = [_UNKNOWN.fullmatch(each.reason) for each in refusals]
    if all(unknown):
        near = next((each for each, match in zip(refusals, unknown, strict=True) if match and match[2] is None), None)
        known = sorted({each for match in unknown if match and match[2] for each in match[2].split(", ")})
        return near or refusals[0].saying(f"{unknown[0][1] if unknown[0] else ''}; known are {', '.join(known)}.")
    found = [_EXPECTED.match(each.reason) for each in refusals]
    if not all(found):
        return None
    wanted = dict.fromkeys(each for match in found if match for each in match[1].split(", "))
    first, got = refusals[0], found[0]
    return first.saying(f"Expected one of {', '.join(wanted)}, got {got[2] if got else ''}.")


def record(
    fields: Mapping[str, Shape],
    *,
    required: Iterable[str] = (),
    nullable: Iterable[str] = (),
    ignored: Iterable[str] = (),
    unknown: str = "refuse",
) -> Shape:
    """A mapping of known fields.

    Args:
        fields: The shape of each.
        required: Those that must be there.
        nullable: Those that may be null (then left out).
        ignored: Read-only ones that `az ml … show` prints: accepted, not sent.
        unknown: What to do with others: `refuse`, `keep` or `drop`.
    """
    skip, empty, must = frozenset(ignored), frozenset(nullable), tuple(required)

    def read(at: Cursor) -> Any:
        if not isinstance(at.value, dict):
            raise at.refusal(f"Expected a mapping, got {noun(at.value)}.")
        out: dict[str, Any] = {}
        faults = Faults()
        for each in at.children():
            name = each.path[-1]
            if name in fields and not (each.value is None and name in empty):
                out[str(name)] = faults.read(partial(_filled, fields[str(name)]), each)
            elif name not in fields and name not in skip:
                faults.read(partial(_other, fields=fields, unknown=unknown, out=out), each)
        for name in must:
            if name not in out:
                faults.add(at.refusal(f"The field '{name}' is missing.", member=name))
        faults.done()
        return out

    if "type" in fields:
        read.own_type = fields["type"]  # type: ignore[attr-defined]  # by which `either` distinguishes records
    return read


def _other(at: Cursor, fields: Mapping[str, Shape], unknown: str, out: dict[str, Any]) -> None:
    name = str(at.path[-1])
    if unknown == "refuse":
        raise at.refusal(f"Unknown field '{name[:NAME_LIMIT]}'{_nearest(name, fields)}.", at_key=True)
    if unknown == "keep":
        out[name] = at.value
    elif unknown == "drop":
        at.note(f"The field '{name[:NAME_LIMIT]}' is not known here and is not sent.", at_key=True)


def _filled(shape: Shape, at: Cursor) -> Any:
    if at.value is None:
        raise at.refusal(f"The field '{at.path[-1]}' is empty.", at_key=True)
    return shape(at)


def _nearest(name: str, fields: Mapping[str, Shape]) -> str:
    found = did_you_mean.alike(name, fields) if len(name) <= NAME_LIMIT else ""
    return f" (did you mean '{found}'?)" if found else f"; known are {', '.join(sorted(fields)[:30])}"


def _hint(value: Any) -> str:
    if isinstance(value, bool | int | float) or type(value).__name__ in ("date", "datetime"):
        return " (quote it to keep it text)"
    return ""
