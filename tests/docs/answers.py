"""Whether an answer is as a page shows it. Not here: finding either of them."""

from __future__ import annotations

import re
from typing import Any


def missing(shown: Any, real: Any, where: str = "$") -> list[str]:
    """Return what the page shows and the real answer has not: a line each, empty when it has all.

    `…` in a text stands for any text, a number for any number; of a list some elements may be shown, in any order.
    """
    if isinstance(shown, dict):
        if not isinstance(real, dict):
            return [f"{where}: an object is shown, it is {real!r:.200}"]
        gone = [f"{where}.{name}: is not there" for name in shown if name not in real]
        return gone + [each for name in shown if name in real for each in missing(shown[name], real[name], f"{where}.{name}")]
    if isinstance(shown, list):
        if not isinstance(real, list):
            return [f"{where}: a list is shown, it is {real!r:.200}"]
        return [
            f"{where}: nothing in it is like {part!r:.200}" for part in shown if all(missing(part, each, where) for each in real)
        ]
    return [] if _same(shown, real) else [f"{where}: {shown!r} is shown, it is {real!r:.200}"]


def _same(shown: Any, real: Any) -> bool:
    if isinstance(shown, str):
        pattern = ".*".join(map(re.escape, shown.split("…")))
        return isinstance(real, str) and re.fullmatch(pattern, real, re.DOTALL) is not None
    if isinstance(shown, bool) or shown is None:
        return shown is real
    return isinstance(real, int | float) and not isinstance(real, bool)
