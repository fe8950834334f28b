"""MLflow's search language as Azure ML takes it: comparisons joined by AND; orders by attributes only.

Source: https://learn.microsoft.com/azure/machine-learning/how-to-track-experiments-mlflow (there is no OR, and no order by
metrics, parameters or tags).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

type Value = str | float | None
type Lookup = Callable[[str, str], Value]
type Predicate = Callable[[Lookup], bool]

_ENTITIES = {
    **dict.fromkeys(("metrics", "metric"), "metrics"),
    **dict.fromkeys(("params", "param", "parameters", "parameter"), "params"),
    **dict.fromkeys(("tags", "tag"), "tags"),
    **dict.fromkeys(("attributes", "attribute", "attr", "run"), "attributes"),
}
_KEY = r"""(?:(?P<entity>[A-Za-z]+)\.)?(?P<key>`[^`]+`|"[^"]+"|[\w./-]+)"""
_TERM = re.compile(
    rf"\s*{_KEY}\s*(?P<operator>!=|>=|<=|=|>|<|\b(?:NOT\s+)?(?:ILIKE|LIKE|IN)\b)\s*"
    r"""(?P<value>'[^']*'|"[^"]*"|\((?:\s*'[^']*'\s*,?)+\)|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)\s*""",
    re.IGNORECASE,
)
_AND = re.compile(r"AND\b", re.IGNORECASE)
_ORDER = re.compile(rf"\s*{_KEY}(?:\s+(?P<direction>ASC|DESC))?\s*", re.IGNORECASE)


def _like(text: str, pattern: str) -> bool:
    return re.fullmatch(".*".join(re.escape(part) for part in pattern.split("%")), text, re.DOTALL) is not None


_ANY_TYPE: dict[str, Callable[[Any, Any], bool]] = {"=": lambda a, b: a == b, "!=": lambda a, b: a != b}
_NUMBERS: dict[str, Callable[[Any, Any], bool]] = {
    **_ANY_TYPE,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
}
_TEXTS: dict[str, Callable[[Any, Any], bool]] = {
    **_ANY_TYPE,
    "LIKE": _like,
    "ILIKE": lambda a, b: _like(a.lower(), b.lower()),
    "IN": lambda a, b: a in b,
    "NOT IN": lambda a, b: a not in b,
}


class FilterError(Exception):
    """The filter or order cannot be read; the message is for the caller."""


def _named(match: re.Match[str], attributes: Mapping[str, type]) -> tuple[str, str]:
    entity, key = match["entity"], match["key"].strip('`"')
    kind = "attributes" if entity is None else _ENTITIES.get(entity.lower())
    if kind is None:
        raise FilterError(f"{entity!r} is not one of metrics, params, tags and attributes.")
    if kind == "attributes" and key not in attributes:
        raise FilterError(f"{key!r} is not an attribute; expected one of {', '.join(sorted(attributes))}.")
    return kind, key


def parse(filter_text: str, attributes: Mapping[str, type]) -> Predicate:
    """The predicate of a filter; an empty one always holds.

    Args:
        filter_text: e.g. `metrics.loss < 0.5 AND params.depth = '3' AND attributes.status = 'FINISHED'`.
        attributes: the attributes by name, with `str` or `float`.

    Raises:
        FilterError: it cannot be read.
    """
    terms: list[Predicate] = []
    at, more = 0, bool(filter_text.strip())
    while more:
        match = _TERM.match(filter_text, at)
        if match is None:
            raise FilterError(f"The filter cannot be read at {filter_text[at : at + 30]!r}; comparisons are joined by AND.")
        terms.append(_term(match, attributes))
        at, more = match.end(), match.end() < len(filter_text)
        if more:
            joined = _AND.match(filter_text, at)
            if joined is None:
                raise FilterError(f"The filter has {filter_text[at : at + 30]!r} where AND is expected.")
            at = joined.end()
    return lambda lookup: all(term(lookup) for term in terms)


def _term(match: re.Match[str], attributes: Mapping[str, type]) -> Predicate:
    kind, key = _named(match, attributes)
    operator = re.sub(r"\s+", " ", match["operator"].upper())
    is_number = kind == "metrics" or (kind == "attributes" and attributes[key] is float)
    compare = (_NUMBERS if is_number else _TEXTS).get(operator)
    if compare is None:
        raise FilterError(f"The comparison {operator} does not go with {kind}.{key}.")
    wanted = _value(match["value"], is_number=is_number, several=operator.endswith("IN"), upper=key == "status")

    def holds(lookup: Lookup) -> bool:
        found = lookup(kind, key)
        return found is not None and compare(found, wanted)

    return holds


def _value(written: str, *, is_number: bool, several: bool, upper: bool) -> Any:
    """The value of a term; a status may be written in any case."""
    quoted = written[0] in "'\"("
    if is_number == quoted or several != written.startswith("("):
        kind = "a number" if is_number else "a list of texts in brackets" if several else "a text in quotation marks"
        raise FilterError(f"The filter has {written} where {kind} is expected.")
    if is_number:
        return float(written)
    found = re.findall(r"'([^']*)'", written) if several else written[1:-1]
    return found.upper() if upper and isinstance(found, str) else found


def ordered[T](items: Sequence[T], orders: Sequence[str], attributes: Mapping[str, type], lookup: Callable[[T], Lookup]) -> list[T]:
    """The items by orders such as `attributes.start_time DESC`; what has no value comes last.

    Raises:
        FilterError: an order that cannot be read, or that Azure ML does not support.
    """
    found = list(items)
    for order in reversed(orders):
        match = _ORDER.fullmatch(order)
        if match is None:
            raise FilterError(f"The order {order!r} cannot be read.")
        kind, key = _named(match, attributes)
        if kind != "attributes":
            raise FilterError(f"The order {order!r} is not supported: runs are ordered by attributes only.")
        there = [item for item in found if lookup(item)(kind, key) is not None]
        absent = [item for item in found if lookup(item)(kind, key) is None]
        there.sort(key=lambda item: lookup(item)(kind, key), reverse=(match["direction"] or "").upper() == "DESC")  # type: ignore[arg-type, return-value]  # one type for one key
        found = there + absent
    return found
