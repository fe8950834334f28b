"""ISO 8601 durations as Azure writes them (`PT30M`, `P1DT2H`). Not here: dates."""

import re

_DURATION = re.compile(
    r"P(?=.)(?:(\d+(?:\.\d+)?)W)?(?:(\d+(?:\.\d+)?)D)?(?:T(?=.)(?:(\d+(?:\.\d+)?)H)?(?:(\d+(?:\.\d+)?)M)?(?:(\d+(?:\.\d+)?)S)?)?",
    re.IGNORECASE,
)
_UNITS_S = (604800, 86400, 3600, 60, 1)


def seconds(text: object) -> float | None:
    """The length of a duration in seconds; None for any other text."""
    match = _DURATION.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        return None
    return sum(float(value or 0) * unit for value, unit in zip(match.groups(), _UNITS_S, strict=True))
