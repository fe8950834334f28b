"""Small mistakes in a YAML that is well: what a caller mistypes, forgets, or writes in the wrong place. Pure."""

from __future__ import annotations

import copy
import random
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    type Path = tuple[str | int, ...]

_EXPRESSION = re.compile(r"\$\{\{\s*([\w.]+)\.([\w-]+)\s*\}\}")
_DATA = ("uri_folder", "uri_file", "mltable", "mlflow_model", "custom_model")
_OTHERS: dict[type, tuple[Any, ...]] = {
    str: ({"a": 1}, ["x"], 12),
    int: ("many", {"a": 1}),
    float: ("much", ["x"]),
    bool: ("perhaps", {"a": 1}),
    dict: ("text", 7, ["x"]),
    list: ("text", {"a": 1}),
}


def of(whole: Any) -> Iterator[tuple[str, Any]]:
    """Yield what was done, and the file with that mistake, for every place of a file."""
    for path, value in _places(whole, ()):
        where = ".".join(map(str, path))
        if isinstance(path[-1], str):
            yield f"without {where}", _changed(whole, path, None, drop=True)
            yield f"misspelled {where}", _renamed(whole, path)
        for number, other in enumerate(_OTHERS.get(type(value), ())):
            yield f"{where} is {type(other).__name__} {number}", _changed(whole, path, other)
        if isinstance(value, dict) and value.get("type") in _DATA and "path" in value and "inputs" in path:
            for number, literal in enumerate((12, True, {"value": 3}, "words")):
                yield f"literal {number} for {where}", _changed(whole, path, literal)
        if isinstance(value, str) and _EXPRESSION.search(value):
            yield f"{where} refers to nothing", _changed(whole, path, _EXPRESSION.sub(r"${{\1.nope}}", value))
            yield f"{where} in the old form", _changed(whole, path, value.replace("${{parent.", "${{"))
        if isinstance(value, str) and value.startswith("azureml:"):
            yield f"{where} without azureml:", _changed(whole, path, value.removeprefix("azureml:"))
            yield f"{where} without a version", _changed(whole, path, value.rpartition(":")[0] or value)
        if path[-1] in ("type", "$schema", "auth_mode"):
            yield (
                f"{where} of another kind",
                _changed(whole, path, "pipeline" if path[-1] == "type" else "https://x/sweepJob.schema.json"),
            )
        if value is not None:
            yield f"{where} is null", _changed(whole, path, None)


def sample(whole: Any, count: int, seed: str) -> list[tuple[str, Any]]:
    """Return so many of them, drawn by the seed."""
    every = list(of(whole))
    return every if count >= len(every) else random.Random(seed).sample(every, count)  # noqa: S311 - a sample, no secret


def _places(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    rows = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, each in rows:
        yield (*path, name), each
        yield from _places(each, (*path, name))


def _parent(whole: Any, path: Path) -> tuple[Any, Any]:
    made = copy.deepcopy(whole)
    at = made
    for part in path[:-1]:
        at = at[part]
    return made, at


def _changed(whole: Any, path: Path, value: Any, *, drop: bool = False) -> Any:
    made, at = _parent(whole, path)
    if drop:
        del at[path[-1]]
    else:
        at[path[-1]] = copy.deepcopy(value)
    return made


def _renamed(whole: Any, path: Path) -> Any:
    made, at = _parent(whole, path)
    name = str(path[-1])
    wrong = name[:1] + name[2:] if len(name) > 2 else f"{name}x"  # a letter is missing
    rows = [(wrong if key == path[-1] else key, value) for key, value in at.items()]
    at.clear()
    at.update(rows)
    return made
