"""Regular expressions that callers bring, matched by RE2: its time grows with the text alone. Python's own may go on for years.

Its syntax is that of github.com/google/re2/wiki/Syntax. What looks ahead or back, and a reference to a group, no such library
has. re2 is imported when the first pattern is read.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from re import Pattern

MEMORY = 1 << 20  # bytes of one pattern, read and at work
LENGTH = 100_000  # characters of a text: a tenth of a second with the worst pattern
_AT_MOST = re.compile(r"\{,\d+\}")  # Python's; RE2 takes it for the text itself
UNKNOWN = "There is no looking ahead or back, and no reference to a group."


def matches(pattern: str, text: str) -> bool:
    """Return whether a text matches as a whole.

    Raises:
        ValueError: it is no such pattern, or the text is too long.
    """
    if len(text) > LENGTH:
        message = f"expected a text of {LENGTH} characters at most"
        raise ValueError(message)
    return read(pattern).fullmatch(text) is not None


@lru_cache(maxsize=256)
def read(pattern: str) -> Pattern[str]:
    """Return what matches a pattern.

    Raises:
        ValueError: it is not one; the error says what is wrong.
    """
    import re2

    if found := _AT_MOST.search(pattern):
        message = f"write {{0{found[0][1:]} for {found[0]}"
        raise ValueError(message)
    options = re2.Options()
    options.max_mem, options.never_capture, options.log_errors = MEMORY, True, False
    try:
        known: Pattern[str] = re2.compile(pattern, options)
    except re2.error as bad:
        said = bad.args[0].decode() if isinstance(bad.args[0], bytes) else str(bad)
        more = f". {UNKNOWN}" if "perl operator" in said or "escape" in said else ""
        message = f"{said}{more}"
        raise ValueError(message) from None
    return known
