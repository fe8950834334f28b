"""How a new deployment does: its shares of the traffic, its answers beside the live ones, and its figures at the gate. Pure.

Not here: where answers and figures come from, and what follows from a verdict (rollouts).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from shared.text import jmes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from shared.cleanup.facts.metrics import Figures

WHOLE = 100
DIFFERENCES = 5  # that a reason names
TEXT = 60  # characters of a value in a reason
_NOTHING = object()  # in the place of a field that is not there


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a look came to: `good`, `bad`, or `unsure`, which is neither."""

    word: Literal["good", "bad", "unsure"]
    reason: str = ""


def shares(before: Mapping[str, int], new: str, percent: int) -> dict[str, int]:
    """Return the traffic with so much for the new deployment; the others keep their proportions, and the largest what is left."""
    rest = WHOLE - percent
    out = {name: share * rest // WHOLE for name, share in before.items() if share and name.lower() != new.lower()}
    largest = max(out, key=lambda name: before[name])
    out[largest] += rest - sum(out.values())
    return {**out, new: percent}


def expected(expect: Any, status: int, body: Any) -> str:
    """Return why an answer is not the one that is expected, '' where it is: a 2xx, and what a JMESPath or a value says of it."""
    if status // 100 != 2:
        return f"the answer is {status}"
    if not isinstance(expect, str):
        return "" if expect is None else "; ".join(_first(differences(expect, body)))
    try:
        found = jmes.search(expect, {"status": status, "body": body})
    except ValueError as problem:
        return f"'{expect[:TEXT]}' cannot be answered: {problem}"
    return "" if found not in (None, False, "", [], {}) else f"the answer does not hold '{expect[:TEXT]}'"


def differing(live: tuple[int, Any], new: tuple[int, Any], tolerance: float, ignore: Sequence[str]) -> str:
    """Return how the new deployment's answer differs from the live one's; '' where it does not."""
    if live[0] != new[0]:
        return f"the status is {new[0]}, and {live[0]} of the live deployment"
    return "; ".join(_first(differences(live[1], new[1], tolerance, ignore)))


def differences(one: Any, other: Any, tolerance: float = 0.0, ignore: Sequence[str] = (), at: str = "") -> Iterator[str]:
    """Yield the fields in which two JSON values differ; numbers may by the tolerance, relative or absolute."""
    if at in ignore:
        return
    if isinstance(one, dict) and isinstance(other, dict):
        for name in {**one, **other}:
            left, right = one.get(name, _NOTHING), other.get(name, _NOTHING)
            yield from differences(left, right, tolerance, ignore, f"{at}.{name}" if at else str(name))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from differences(left, right, tolerance, ignore, f"{at}[{number}]")
    elif not _equal(one, other, tolerance):
        yield f"{at or 'the answer'} is {_text(other)}, expected {_text(one)}"


def _equal(one: Any, other: Any, tolerance: float) -> bool:
    if all(isinstance(each, int | float) and not isinstance(each, bool) for each in (one, other)):
        return math.isclose(one, other, rel_tol=tolerance, abs_tol=tolerance)
    return type(one) is type(other) and one == other


def verdict(gate: Mapping[str, Any], new: Figures | None, live: Mapping[str, float | None]) -> Verdict:
    """Return how a deployment does by its figures.

    Args:
        gate: The limits.
        new: Its own figures since the step began; None where Azure Monitor shows none.
        live: `errorRate` and `p95` of the live deployment, as last known; None for unknown.
    """
    least = gate["leastRequests"]
    requests, failed = (new.requests, new.errors) if new else (0.0, 0.0)
    own = {"errorRate": failed / max(requests, least), "p95": new.p95_ms if new else None}
    unsure = "" if requests >= least else f"{requests:.0f} requests; the gate asks for {least}"
    for name in ("errorRate", "p95"):
        if name not in gate:
            continue
        value, limit = own[name], gate[name]
        bounds = [float(limit["atMost"])] if "atMost" in limit else []
        if "atMostOf" in limit:
            other = live.get(name)
            bounds += [] if other is None else [other * float(limit.get("times", 1))]
            unsure = unsure or ("" if other is not None else f"{name} of '{limit['atMostOf']}' is not known")
        if value is None:
            unsure = unsure or f"{name} is not known"
        elif bounds and value > min(bounds) and (name == "errorRate" or requests >= least):
            shown = f"{failed / requests:.4g} of {requests:.0f} requests" if name == "errorRate" else f"{value:.4g}"
            return Verdict(word="bad", reason=f"{name} is {shown}; the gate allows {min(bounds):.4g}")
    return Verdict(word="unsure", reason=unsure) if unsure else Verdict(word="good")


def _first(found: Iterator[str]) -> list[str]:
    named = [each for each, _ in zip(found, range(DIFFERENCES + 1), strict=False)]
    return [*named[:DIFFERENCES], "…"] if len(named) > DIFFERENCES else named


def _text(value: Any) -> str:
    shown = "nothing" if value is _NOTHING else repr(value)
    return shown if len(shown) <= TEXT else f"{shown[:TEXT]}…"
