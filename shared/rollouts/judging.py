"""How well a new deployment does: its share of the traffic, its answers beside the live ones, and its figures at the gate. Pure.

A reason is kept, so it quotes nothing of an answer: it names fields that were expected, and says how what stands there differs.
Not here: where answers and figures come from, and what follows from a verdict (rollouts).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from shared.text import jmes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from shared.cleanup.facts.metrics import Figures

WHOLE = 100
DIFFERENCES = 5  # that a reason names
_NAME = re.compile(r"[A-Za-z_]\w{0,39}", re.ASCII)  # of a field; anything else may be content
_SIZED = {str: "a text of {} characters", dict: "an object of {} fields", list: "a list of {}"}
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
    except ValueError:  # its text may quote the answer
        return "'expect' cannot be read over the answer"
    return "" if found not in (None, False, "", [], {}) else "the answer does not meet 'expect'"


def differing(live: tuple[int, Any], new: tuple[int, Any], tolerance: float, ignore: Sequence[str]) -> str:
    """Return how the new deployment's answer differs from the live one's; '' where it does not."""
    if live[0] != new[0]:
        return f"the status is {new[0]}; the live deployment answers {live[0]}"
    return "; ".join(_first(differences(live[1], new[1], tolerance, ignore)))


def differences(one: Any, other: Any, tolerance: float = 0.0, ignore: Sequence[str] = ()) -> Iterator[str]:
    """Yield how a JSON value differs from the one that is expected; numbers may by the tolerance, relative or absolute."""
    waiting: list[tuple[str, str, Any, Any]] = [("", "", one, other)]  # the path, the path as it is shown, both values
    while waiting:
        at, shown, left, right = waiting.pop()
        if at in ignore:
            continue
        if isinstance(left, dict) and isinstance(right, dict):
            waiting += [
                (_below(at, name), _below(shown, _shown(name, left)), left.get(name, _NOTHING), right.get(name, _NOTHING))
                for name in reversed({**left, **right})
            ]
        elif isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
            waiting += [(f"{at}[{n}]", f"{shown}[{n}]", left[n], right[n]) for n in reversed(range(len(left)))]
        elif difference := _difference(left, right, tolerance):
            yield f"{shown or 'the answer'} {difference}"


def _below(at: str, name: str) -> str:
    return f"{at}.{name}" if at else name


def _shown(name: str, expected: Mapping[str, Any]) -> str:
    """Return a field's name where it is a name, and one that was expected: any other is the answer's own text."""
    return name if name in expected and _NAME.fullmatch(name) else "a field"


def _difference(one: Any, other: Any, tolerance: float) -> str:
    """Return how a value differs from the expected one, '' where it does not: never the value itself."""
    if _is_number(one) and _is_number(other):
        try:
            close, away = math.isclose(one, other, rel_tol=tolerance, abs_tol=tolerance), f"{abs(other - one):.3g}"
        except OverflowError:  # integers may be larger than any float
            close, away = one == other, "far"
        return "" if close else f"is {away} away from what is expected; the tolerance is {tolerance:g}"
    if type(one) is type(other) and one == other:
        return ""
    sort, wanted = _sort(other), _sort(one)
    return f"is {sort}, expected {wanted}" if sort != wanted else f"is another value: {sort}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _sort(value: Any) -> str:
    """Return what a JSON value is, with its size."""
    if isinstance(value, str | dict | list):
        return _SIZED[type(value)].format(len(value))
    return "missing" if value is _NOTHING else "null" if value is None else "a boolean" if isinstance(value, bool) else "a number"


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
    unsure = "" if requests >= least else f"{requests:.0f} requests; the gate needs {least}"
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
