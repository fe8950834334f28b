"""JMESPath as rules and policies may write it: read with its functions checked, and answered within a number of steps.

The library itself goes on for as long as an expression says: `map` in `map` over an event's list takes years, `[@,@]|[@,@]|…`
doubles what it holds each time. jmespath is imported when the first expression is read. Not here: what an expression is
read over (chains.expressions, cleanup.policy.queries).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from shared.text import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

LENGTH = 2_000  # characters
NESTING = 150  # levels; each takes two calls of Python's, which stops at a thousand
STEPS = 500_000  # of one answer, about a second of work; an event of 1 MB has fewer values


class GrammarError(ValueError):
    """A text is no JMESPath; `position` is where, from 0, when the library says."""

    def __init__(self, reason: str, position: int | None) -> None:
        super().__init__(reason)
        self.position = position


class MisfitError(ValueError):
    """A function met a value that it does not take."""


@lru_cache(maxsize=512)
def read(text: str) -> Mapping[str, Any]:
    """Return an expression as the library's tree of nodes.

    Raises:
        GrammarError: it is no JMESPath.
        ValueError: it is too long or nested too deep, or a function of it is unknown or given another number of arguments.
    """
    import jmespath
    from jmespath.exceptions import JMESPathError

    if len(text) > LENGTH:
        message = f"expected {LENGTH} characters at most"
        raise ValueError(message)
    try:
        found: Any = jmespath.compile(text).parsed
    except JMESPathError as bad:
        place = getattr(bad, "lex_position", None)
        raise GrammarError(" ".join(str(bad).split())[:200], place if isinstance(place, int) else None) from None
    except RecursionError:
        raise _too_deep() from None
    _check(found)
    tree: Mapping[str, Any] = found
    return tree


def search(text: str, document: Any) -> Any:
    """Return what an expression finds, None when that is nothing.

    Raises:
        MisfitError: it does not fit what is there.
        TooLongError: a `ValueError` of jmes_steps; it takes too many steps.
        ValueError: as `read`.
    """
    from jmespath.exceptions import JMESPathError

    from shared.text.jmes_steps import Counting

    tree = read(text)
    try:
        return Counting(STEPS).visit(tree, document)
    except (JMESPathError, TypeError) as bad:
        raise MisfitError(str(bad)[:200]) from None
    except RecursionError:
        raise _too_deep() from None


def _check(top: Mapping[str, Any]) -> None:
    from jmespath.functions import Functions

    level = [top]
    for _ in range(NESTING):
        for node in level:
            if node["type"] == "function_expression":
                _check_function(str(node["value"]), len(node["children"]), Functions.FUNCTION_TABLE)
        level = [child for node in level for child in node["children"] if isinstance(child, dict)]
        if not level:
            return
    raise _too_deep()


def _check_function(name: str, given: int, table: Mapping[str, Any]) -> None:
    if name not in table:
        message = f"there is no function '{name[:60]}': {did_you_mean.hint(name, sorted(table))}"
        raise ValueError(message)
    signature = table[name]["signature"]
    many = bool(signature and signature[-1].get("variadic"))
    if given < len(signature) or (not many and given > len(signature)):
        message = f"{name} takes {len(signature)}{' or more' if many else ''} arguments, not {given}"
        raise ValueError(message)


def _too_deep() -> ValueError:
    return ValueError(f"expected an expression that is nested less deeply than {NESTING} levels")
