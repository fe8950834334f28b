"""Whether a body's words are among those that Azure knows: every enum and discriminator of the kind's types, wherever it stands.

Not here: words that the kind's row lists itself (catalog.kinds, `choices`), properties (preflight.fields).
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
_OF_PREVIEWS = {"distributionType": ("Ray",)}  # which the stable version takes, too: docs/local-azure.md
_STEPS = {  # of a pipeline, whose jobs have no type: as the clients write them
    "properties.jobs.*.inputs.*.job_input_type": "properties.inputs.*.jobInputType",
    "properties.jobs.*.outputs.*.job_output_type": "properties.outputs.*.jobOutputType",
}
_MOST = 20  # words that are named


def check(question: Question) -> Iterator[Finding]:
    """Yield the words that Azure does not know; of an enum that may grow, and of a preview, it is not certain."""
    kind, preview = question.target.kind, "preview" in question.target.api_version
    own = {path for path, _ in kind.choices} | {"identity.type"}  # catalog.bodies
    found = 0
    for certain, paths in _known(kind.full_type):
        for path, taken in paths.items():
            for at, given in _at(question.body, path.split("."), "") if path not in own else ():
                known = (*taken, *_OF_PREVIEWS.get(path.rpartition(".")[2], ()))
                if found < _MOST and isinstance(given, str) and given and _folded(given) not in map(_folded, known):
                    found += 1
                    said = f"'{given[:80]}' is not one of {', '.join(known)}.{_hint(given, known)}"
                    if certain and not preview:
                        yield wrong(at, "InvalidValue", said)
                    else:
                        yield unseen(at, f"{said} These are known of {kind.api_version}; Azure may know more.")


def _hint(given: str, known: tuple[str, ...]) -> str:
    near = did_you_mean.alike(given, known)
    return f" Did you mean '{near}'?" if near else ""


def _at(value: Any, path: list[str], at: str) -> Iterator[tuple[str, Any]]:
    """Yield what stands at a path, with where; `*` is each member of an object or a list."""
    if not path:
        yield at.lstrip("."), value
        return
    held: dict[Any, Any] = value if isinstance(value, dict) else {}
    if path[0] != "*":
        held = {path[0]: held[path[0]]} if path[0] in held else {}
    elif isinstance(value, list):
        held = dict(enumerate(value))
    for name, each in held.items():
        yield from _at(each, path[1:], f"{at}[{name}]" if isinstance(name, int) else f"{at}.{name[:80]}")


def _folded(word: str) -> str:
    return word.replace("_", "").replace(" ", "").lower()


@cache
def _known(full_type: str) -> tuple[tuple[bool, dict[str, tuple[str, ...]]], ...]:
    """Return the words of a kind by path: those that are all there are, and those that others may join."""
    found = json.loads(_KNOWN.read_text(encoding="utf-8")).get(full_type) or {}
    out = []
    for name, paths in found.items():
        steps = {step: paths[path] for step, path in _STEPS.items() if path in paths}
        out.append((name == "known", {path: tuple(words.split("|")) for path, words in (paths | steps).items()}))
    return tuple(out)
