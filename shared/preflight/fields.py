"""Missing and misspelled fields: fields that a new resource needs, and unknown properties close to known ones.

Not here: the fields that every PUT checks before it is sent (catalog.bodies).
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.catalog import bodies, needs
from shared.preflight.findings import Finding, Question

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.catalog.kinds import Kind

_KNOWN = Path(__file__).parents[1] / "catalog" / "known_properties.json"  # made by infra/known_properties.py
_SHORTEST = 4  # minimum length; shorter names are one edit from too many others
_MOST = 20  # near misses that are reported at most


def needed(question: Question) -> Iterator[Finding]:
    """Yield missing fields that other fields of the body require, or that a new resource requires."""
    target, body = question.target, question.body
    rows = [row for row in needs.REQUIREMENTS if target.kind.full_type == row.kind and _applies(row, body)]
    exists = any(row.new for row in rows) and question.get(target.id, target.api_version).ok
    for row in rows:
        if not (row.new and exists) and bodies.dig(body, row.path) in (None, ""):
            message = f"'{row.path}' is missing: {row.why}"
            yield Finding(check="fields", target=row.path, ok=False, code=row.code, message=message)


def _applies(row: needs.Requirement, body: dict[str, Any]) -> bool:
    said = str(bodies.dig(body, row.when) or row.otherwise).lower() if row.when else ""
    return not row.when or said in row.values


def near_misses(kind: Kind, body: dict[str, Any]) -> Iterator[Finding]:
    """Yield unknown properties that differ from a known one by one edit or by casing."""
    known = _known().get(kind.full_type, {})
    for _, (path, meant) in zip(range(_MOST), _near(body, "", known), strict=False):
        message = f"{kind.full_type} has no property '{path}'. Did you mean '{meant}'?"
        yield Finding(check="fields", target=path, ok=False, code="UnknownProperty", message=message)


def _near(value: dict[str, Any], path: str, known: dict[str, frozenset[str]]) -> Iterator[tuple[str, str]]:
    names = known.get(path)
    for name, each in value.items() if names else ():
        here = f"{path}.{name}".lstrip(".")
        if names and name not in names:
            meant = next((other for other in sorted(names) if _one_edit(name.lower(), other.lower())), "")
            if meant and (name.lower() == meant.lower() or len(name) >= _SHORTEST):
                yield here[:200], f"{path}.{meant}".lstrip(".")
        elif isinstance(each, dict):
            yield from _near(each, here, known)


def _one_edit(one: str, other: str) -> bool:
    """Return whether one edit (a letter added, removed, replaced, or two swapped) turns one name into the other."""
    if abs(len(one) - len(other)) > 1:
        return False
    start = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    a, b = one[start:], other[start:]
    return a[1:] == b or a == b[1:] or a[1:] == b[1:] or (a[:2] == b[1::-1] and a[2:] == b[2:])


@cache
def _known() -> dict[str, dict[str, frozenset[str]]]:
    found = json.loads(_KNOWN.read_text(encoding="utf-8"))
    return {kind: {path: frozenset(names.split()) for path, names in paths.items()} for kind, paths in found.items()}
