"""Whether one exchange with the local Azure is as Microsoft describes it: path, method, query, bodies, status.

`problems(exchange)` is all there is to it. What is described comes from `distil.py`; where recordings prove the description
wrong, `proven.py` says so. A version that is not described here is not judged.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from tests.spec import proven
from tests.spec.distil import NULLABLE, READ_ONLY, REQUIRED, WRITE_ONLY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

HERE = Path(__file__).parent
ARM = "management.azure.com"
HYPERDRIVE = "/hyperdrive/"  # HyperDriveErrorResponse: its code is an integer
DATA_PLANE = re.compile(r".+\.(api\.azureml\.ms|(experiments|modelmanagement)\.azureml\.net)")
PYTHON = {"s": str, "i": int, "n": (int, float), "b": bool}
WORDS = {"s": "text", "i": "an integer", "n": "a number", "b": "true or false"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A request and its answer, as the local Azure writes them down (`infra/local/emulator/sockets/exchanges.py`)."""

    method: str
    host: str
    path: str
    query: str
    client: str
    scripted: bool
    body: Any
    status: int
    answer: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What is described of one operation.

    Attributes:
        answers: Type of the body by success status; empty: it has none.
        body: Type of the request's body; empty: it has none.
        query: Parameters besides `api-version`, and whether each must be given; None: not described.
    """

    method: str
    template: str
    version: str
    pattern: re.Pattern[str]
    answers: dict[str, Any]
    body: Any
    query: dict[str, bool] | None

    def __str__(self) -> str:
        """For messages: without what every path begins with."""
        return f"{self.method} …{self.template.rpartition('/providers/')[2]} @{self.version.rpartition('@')[2]}"


@cache
def _types() -> list[dict[str, Any]]:
    types: list[dict[str, Any]] = json.loads((HERE / "types.json").read_text())
    return types


@cache
def operations() -> dict[str, list[Operation]]:
    """What is described, by `namespace@version` in lower case, and `data plane`."""
    described = json.loads((HERE / "operations.json").read_text())["described"]
    return {
        version.lower(): [
            Operation(
                method=method,
                template=template,
                version=version,
                pattern=_pattern(template),
                answers=answers,
                body=body,
                query=query,
            )
            for method, template, answers, body, query in rows
        ]
        for version, rows in described.items()
    }


def _pattern(template: str) -> re.Pattern[str]:
    text = re.escape(template).replace(r"\{\*\}", ".*?").replace(r"\{\}", "[^/]+")
    return re.compile(text, re.IGNORECASE)


def of(exchange: Exchange) -> tuple[str, Operation | None]:
    """The version that the request asks for, empty when it is not described, and the operation that it calls."""
    if exchange.host == ARM:
        query = {name.lower(): value for name, value in parse_qsl(exchange.query)}
        namespace = exchange.path.rpartition("/providers/")[2].partition("/")[0]
        version = f"{namespace}@{query.get('api-version', '')}".lower()
    else:
        version = "data plane" if DATA_PLANE.fullmatch(exchange.host) else ""
    known = operations().get(version)
    if known is None:
        return "", None
    fitting = (one for one in known if one.method == exchange.method and one.pattern.fullmatch(exchange.path))
    return version, min(fitting, key=lambda one: one.template.count("{}"), default=None)


def problems(exchange: Exchange) -> list[str]:
    """What is not as described, one line each."""
    version, operation = of(exchange)
    if not version or exchange.method == "HEAD" or exchange.status in {401, 403, 404, 405, 429}:
        return []
    if operation is None:
        path = re.sub(r"^.*/providers/", "…", exchange.path)
        known = any(re.search(beside.pattern, exchange.path, re.IGNORECASE) for beside in proven.BESIDES)
        return [] if known else [f"{exchange.method} {path} @{version}: no such operation is described"]
    found = [*_request(exchange, operation), *([] if exchange.scripted else _answer(exchange, operation))]
    return [
        f"{operation}: {one}"
        for one in found
        if not any(re.search(line.pattern, f"{operation}: {one}") for line in (*proven.DEVIATIONS, *proven.UNKNOWN))
    ]


def odd(exchange: Exchange) -> bool:
    """Whether an answer that repeats this request's body can be anything but as described, down to the case of a word."""
    _, operation = of(exchange)
    if operation is None or operation.body == "" or not isinstance(exchange.body, (dict, list)):
        return False
    return any(wrong(operation.body, exchange.body, "", answer=False, exact=True))


def _request(exchange: Exchange, operation: Operation) -> Iterator[str]:
    if exchange.status >= 400:
        return  # refused as it ought to be
    given = {name.lower() for name, _ in parse_qsl(exchange.query, keep_blank_values=True)} - {"api-version"}
    if operation.query is not None:
        known = {name.lower(): must for name, must in operation.query.items()}
        yield from (f"query: unknown parameter {name}" for name in sorted(given - known.keys()))
        yield from (f"query: {name} is required" for name, must in known.items() if must and name not in given)
    if operation.body != "" and isinstance(exchange.body, (dict, list)):
        yield from wrong(operation.body, exchange.body, "request", answer=False, exact=False)


def _answer(exchange: Exchange, operation: Operation) -> Iterator[str]:
    if exchange.status >= 400:
        if not _is_error(exchange.answer, whole=not operation.template.startswith(HYPERDRIVE)):
            yield f"{exchange.status}: the error has none of the recorded shapes: {json.dumps(exchange.answer)[:200]}"
        return
    if str(exchange.status) not in operation.answers:
        yield f"status {exchange.status}; described are {', '.join(operation.answers)}"
        return
    kind = operation.answers[str(exchange.status)]
    if kind == "":
        if exchange.answer is not None:
            yield f"{exchange.status} answer: no body is described; got {json.dumps(exchange.answer)[:80]}"
    elif exchange.answer is None and kind != "*":
        yield f"{exchange.status} answer: a body is described; got nothing"
    else:
        yield from wrong(kind, exchange.answer, f"{exchange.status} answer", answer=True, exact=True)


def _is_error(body: Any, *, whole: bool) -> bool:
    """docs/protocol.md §6: an envelope, v1 model management's flat one, or nothing; not `whole`: the flat one with a number."""
    if body is None:
        return True
    error = body.get("error", body) if isinstance(body, dict) else None
    if not isinstance(error, dict) or not isinstance(error.get("message"), str):
        return False
    return isinstance(error.get("code"), str if whole else int)


def wrong(kind: Any, value: Any, where: str, *, answer: bool, exact: bool) -> Iterator[str]:
    """What is wrong with a value of a type; `where` is its place; `exact`: values of an enum are read in their own case only."""
    if kind == "*":
        return
    if isinstance(kind, list):
        if not isinstance(value, list):
            yield f"{where}: a list is described; got {_shown(value)}"
            return
        for one in value:
            yield from wrong(kind[0], one, f"{where}[]", answer=answer, exact=exact)
    elif isinstance(kind, str):
        if not isinstance(value, PYTHON[kind]) or (isinstance(value, bool) and kind != "b"):
            yield f"{where}: {WORDS[kind]} is described; got {_shown(value)}"
    elif "e" in (item := _types()[kind]):
        if not _among(value, item["e"], exact=exact):
            yield f"{where}: {_shown(value)} is none of {', '.join(map(str, item['e']))}"
    elif not isinstance(value, dict):
        yield f"{where}: an object is described; got {_shown(value)}"
    else:
        yield from _members(item, value, where, answer=answer, exact=exact)


def _members(item: dict[str, Any], value: dict[str, Any], where: str, *, answer: bool, exact: bool) -> Iterator[str]:
    known = dict(item["p"])
    if "d" in item:
        given = value.get(item["d"])
        variant = next((one for one in item["v"] if one == given or (not exact and one.lower() == str(given).lower())), None)
        if variant is None:
            yield f"{where}.{item['d']}: {_shown(given)} is none of {', '.join(item['v'])}"
            return
        known |= {item["d"]: "s"} | _types()[item["v"][variant]]["p"]
    for name, one in value.items():
        kind, flags = _of(known[name]) if name in known else (item.get("m"), 0)
        if kind is None:
            yield f"{where}.{name}: no such member is described"
        elif one is None and not flags & NULLABLE and flags & REQUIRED:
            yield f"{where}.{name}: null, and it is required"
        elif one is not None:
            yield from wrong(kind, one, f"{where}.{name}", answer=answer, exact=exact)
    absent = WRITE_ONLY if answer else READ_ONLY
    for name, one in known.items():
        flags = _of(one)[1]
        if name not in value and flags & REQUIRED and not flags & absent:
            yield f"{where}.{name}: required, and not there"


def _of(one: Any) -> tuple[Any, int]:
    """A member's type and flags; `[type, flags]` has two items, a list type one."""
    return (one[0], one[1]) if isinstance(one, list) and len(one) == 2 else (one, 0)


def _among(value: Any, values: Iterable[Any], *, exact: bool) -> bool:
    return value in values or (not exact and isinstance(value, str) and value.lower() in {str(one).lower() for one in values})


def _shown(value: Any) -> str:
    return json.dumps(value)[:60]
