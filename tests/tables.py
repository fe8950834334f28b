"""Tables whose cases are judged in one test: it goes on after a case that fails, and names all that did.

For tables whose cases need nothing of their own. What needs a fresh fixture for each case is parametrized. A slow table judges a
sample of its cases, the same ones every time; `make nightly` judges all of them (the mark `sweep`).
"""

from __future__ import annotations

import functools
import inspect
import os
import random
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

WHOLE = bool(os.environ.get("WHOLE_SWEEPS"))  # set by `make nightly`

FAILED = (Exception, pytest.fail.Exception, pytest.skip.Exception)  # a case that is skipped would hide the others


def each(names: str | tuple[str, ...] | list[str], cases: Iterable[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Call the test below with each case; its other parameters are fixtures, and are the same ones for all cases.

    Args:
        names: Of the parameters that a case fills, as `pytest.mark.parametrize` takes them.
        cases: One value each, or a tuple of as many values as there are names.
    """
    wanted = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    table = [(case,) if len(wanted) == 1 else tuple(case) for case in cases]
    assert table, "a table without cases proves nothing"

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(test)
        def all_cases(**fixtures: Any) -> None:
            failed: list[BaseException] = []
            for case in table:
                try:
                    test(**fixtures, **dict(zip(wanted, case, strict=True)))
                except FAILED as problem:
                    problem.add_note(f"the case: {', '.join(f'{value!r:.300}' for value in case)}")
                    failed.append(problem)
            if failed:
                raise BaseExceptionGroup(f"{len(failed)} of {len(table)} cases", failed)

        known = inspect.signature(test)
        fixtures = [parameter for name, parameter in known.parameters.items() if name not in wanted]
        all_cases.__signature__ = known.replace(parameters=fixtures)  # type: ignore[attr-defined]
        return all_cases

    return decorate


def sample[T](cases: Sequence[T], count: int, *, seed: str = "") -> list[T]:
    """Return so many of the cases, drawn by the seed, in their order; all of them in `make nightly`. The test is marked `sweep`."""
    if WHOLE or count >= len(cases):
        return list(cases)
    chosen = random.Random(seed).sample(range(len(cases)), count)  # noqa: S311 - no secret
    return [cases[position] for position in sorted(chosen)]
