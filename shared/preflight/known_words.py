"""Checks the values of enums and discriminators anywhere in a body against Azure's specification.

Not here: values that the kind's row lists itself (catalog.kinds, `choices`), properties (preflight.fields).
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.preflight.findings import Finding, Question, unseen, wrong
from shared.text import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator

_KNOWN = Path(__file__).parents[1] / "catalog" / "known_words.json"  # made by infra/known_properties.py
_OF_PREVIEWS = {"distributionType": ("Ray",)}  # accepted by the stable version, too: docs/local-azure.md
_STEPS = {  # of a pipeline, whose jobs have no type: as the clients write them
    "properties.jobs.*.inputs.*.job_input_type": "properties.inputs.*.jobInputType",
    "properties.jobs.*.outputs.*.job_output_type": "properties.outputs.*.jobOutputType",
}
_MOST = 20  # wrong values that are reported at most


def check(question: Question) -> Iterator[Finding]:
    """Yield values that Azure does not know; for an extensible enum or a preview, only as a possible problem."""
    kind, preview = question.target.kind, "preview" in question.target.api_version
    own = {path for path, _ in kind.choices} | {"identity.type"}  # catalog.bodies
    found = 0
    for certain, paths in _known(kind.full_type):
        for path, taken in paths.items():
            for at, given in standing(question.body, path.split(".")) if path not in own else ():
                known = (*taken, *_OF_PREVIEWS.get(path.rpartition(".")[2], ()))
                if found < _MOST and isinstance(given, str) and given and _folded(given) not in map(_folded, known):
                    found += 1
                    said = f"'{given[:80]}' is not one of {', '.join(known)}.{_hint(given, known)}"
                    if certain and not preview:
                        yield wrong(at, "InvalidValue", said)
                    else:
                        yield unseen(at, f"{said} These are the values of {kind.api_version}; Azure may accept more.")


def _hint(given: str, known: tuple[str, ...]) -> str:
    near = did_you_mean.alike(given, known)
    return f" Did you mean '{near}'?" if near else ""


def standing(value: Any, path: list[str], at: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values at a path, each with its location; `*` matches each member of an object or a list."""
    if not path:
        yield at.lstrip("."), value
        return
    held: dict[Any, Any] = value if isinstance(value, dict) else {}
    if path[0] != "*":
        held = {path[0]: held[path[0]]} if path[0] in held else {}
    elif isinstance(value, list):
        held = dict(enumerate(value))
    for name, each in held.items():
        yield from standing(each, path[1:], f"{at}[{name}]" if isinstance(name, int) else f"{at}.{name[:80]}")


def _folded(word: str) -> str:
    return word.replace("_", "").replace(" ", "").lower()


@cache
def _known(full_type: str) -> tuple[tuple[bool, dict[str, tuple[str, ...]]], ...]:
    """Return the values of a kind's enums by path: closed enums, and extensible ones."""
    found = json.loads(_KNOWN.read_text(encoding="utf-8")).get(full_type) or {}
    out = []
    for name, paths in found.items():
        steps = {step: paths[path] for step, path in _STEPS.items() if path in paths}
        out.append((name == "known", {path: tuple(words.split("|")) for path, words in (paths | steps).items()}))
    return tuple(out)
