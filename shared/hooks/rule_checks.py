"""Finds errors in rules that can never work: unknown event types, requests without a route, names that expressions never find.

Unknown types and fields of `data` are allowed, because Azure adds some: only names within two edits of a known one are refused.
Pure. Not here: the form of each field (rule_fields).
"""

from __future__ import annotations

import fnmatch
import re
from typing import TYPE_CHECKING, Any

from shared.api import call as api
from shared.api import names, strict
from shared.api.resources import resource_routes
from shared.catalog import paths, proxy_routes
from shared.chains import expressions
from shared.hooks.event_target import ML_TYPE, OWN_TYPE, RESOURCE_TYPE
from shared.rest import errors
from shared.text import did_you_mean, jmes

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from shared.chains.asked import Asking
    from shared.hooks.rules import Rule
    from shared.text.yaml_document import Cursor
    from shared.text.yaml_sheets import Sheet

RUN = ("experimentId", "experimentName", "runId", "runType", "runTags", "runProperties")
RESOURCE = ("resourceUri", "operationName", "status", "correlationId", "authorization", "httpRequest", "claims", "subscriptionId")
DATA: Mapping[str, tuple[str, ...]] = {  # docs/hooks.md has the table with its sources
    f"{ML_TYPE}modelregistered": ("modelName", "modelVersion", "modelTags", "modelProperties"),
    f"{ML_TYPE}modeldeployed": ("serviceName", "serviceComputeType", "modelIds", "serviceTags", "serviceProperties"),
    f"{ML_TYPE}runcompleted": RUN,
    f"{ML_TYPE}runstatuschanged": (*RUN, "runStatus"),
    f"{ML_TYPE}datasetdriftdetected": (
        "dataDriftId", "dataDriftName", "runId", "baseDatasetId", "targetDatasetId", "driftCoefficient", "startTime", "endTime",
    ),
    **{
        f"{RESOURCE_TYPE}{verb}{end}": (*RESOURCE, "resourceProvider", "tenantId")
        for verb in ("write", "delete", "action")
        for end in ("success", "failure", "cancel")
    },
    **dict.fromkeys((f"{OWN_TYPE}operation.{end}" for end in ("succeeded", "failed", "canceled", "outcomeunknown")), ()),
}  # fmt: skip
EVENT = ("id", "source", "type", "subject", "time", "data", "traceparent")
WORKSPACE = ("id", "name", "resourceGroup", "subscription")
ANSWER = ("status", "body", "operation", "skipped")
# Starting a recipe: the only one of the app's own routes that a rule may use
RECIPE = re.compile(r"POST recipes/(?!runs$)[^/]+", re.IGNORECASE)
ANY = frozenset("*?[")
NAMED_HERE = {"steps": ": it is the first step.", "parameters": ": the recipe has none."}  # names of rules or recipes only
EDITS = 2
FILLED = "filled"  # placeholder for the value of an expression
SCOPE = paths.Anywhere(subscription_id="00000000-0000-0000-0000-000000000000", resource_group=FILLED)


def event_type(glob: str, short: Collection[str]) -> str:
    """Return why no event can have a type, '' if one may; `glob` is in lower case, with its namespace.

    Args:
        glob: As a rule has it.
        short: Azure ML's types in their short form.
    """
    if any(fnmatch.fnmatchcase(each, glob) for each in DATA):
        return ""
    spelled = {each.lower(): each for each in short}
    if ANY & set(glob):
        if any(fnmatch.fnmatchcase(each, glob) for each in spelled):
            return f"'{glob[:100]}' matches no event's type: write '*.{glob[:100]}'"
        near = _begins_like(glob)
    else:
        near = spelled.get(found.removeprefix(ML_TYPE), found) if (found := _near(glob, (*DATA, *spelled))) else ""
    return f"no event has the type '{glob[:100]}': did you mean '{near}'?" if near else ""


def rule(at: Cursor, sheet: Sheet, found: Rule) -> None:
    """Report a rule that can never work although each of its fields is valid."""
    known: dict[str, Collection[str]] = {**dict.fromkeys(EVENT, ()), "event": EVENT, "workspace": WORKSPACE}
    known["data"] = _data_of(found.types)
    known |= {"resource": ()} if found.read else {}
    for name in ("if", "oncePer"):
        if name in at.value:
            check_expressions(at.child(name), sheet, known, alone=name == "if")
    do = at.child("do")
    steps = list(do.children()) if isinstance(do.value, list) else [do]
    taken: dict[str, Collection[str]] = {}
    for place, step in zip(steps, found.steps, strict=True):
        seen = {**known, "steps": taken}
        for name in place.value:
            answered = {"status": (), "body": (), "steps": {**taken, step.name: ANSWER}} if name == "expect" else {}
            if name != "name":
                check_expressions(place.child(name), sheet, {**seen, **answered}, alone=name in ("if", "expect"))
        if step.method and (problem := request(step)):
            sheet.note(place.child("request"), problem)
        taken = {**taken, step.name: ANSWER}


def request(step: Asking) -> str:
    """Return why the API can never accept a request, '' if it may."""
    path, _, query = expressions.filled(step.path, FILLED).partition("?")
    first = path.strip("/").partition("/")[0]
    if RECIPE.fullmatch(f"{step.method} {path.strip('/')}"):
        return ""
    if first.lower() not in {each.lower() for each in resource_routes.LITERALS}:
        near = names.hint(did_you_mean.alike(first, resource_routes.LITERALS), resource_routes.LITERALS)
        return f"a step sends requests for Azure's resources, and there is no '{first[:100]}'{near}"
    call = api.Call(method=step.method, path=path, query=query, headers=dict(step.headers))
    try:
        strict.check(call, resource_routes.of(step.method))
        if proxy_routes.find(path, step.method, SCOPE) is None:
            paths.check_method(paths.resolve(path, SCOPE), step.method)
    except errors.BadRequestError as problem:
        said = problem.error.message
        return "" if f"'{FILLED}'" in said or (FILLED in query and problem.error.code == "InvalidParameter") else said
    return ""


def _data_of(types: Collection[str]) -> tuple[str, ...]:
    """Return the fields of `data` of a rule's event types, () if an unknown type may have any field."""
    if not all(each in DATA and DATA[each] for each in types):
        return ()
    return tuple(dict.fromkeys(name for each in types for name in DATA[each]))


def check_expressions(at: Cursor, sheet: Sheet, known: Mapping[str, Any], *, alone: bool) -> None:
    """Report names in the expressions of a value that never have a value."""
    told = [at.value] if alone else expressions.all_of(at.value)
    for text in told:
        for chain in chains(text):
            if problem := _unfound(chain, known):
                sheet.note(at, problem)


def _unfound(chain: tuple[str, ...], known: Mapping[str, Any]) -> str:
    """Return why a path never has a value, '' if it may."""
    first, rest = chain[0], chain[1:]
    if first == "resource" and first not in known:
        return "'resource' is not read: add 'read: true' to the rule"
    if first not in known:
        return f"an expression finds nothing at '{first[:60]}'{names.hint(_near(first, known), known)}"
    inner: Any = known[first]
    if first == "event" and rest[:1] == ("data",):
        inner, rest, first = known["data"], rest[1:], "event.data"
    if not rest or (not inner and first not in NAMED_HERE):
        return ""
    if rest[0] in inner:
        return _unfound(rest, inner) if isinstance(inner, dict) else ""
    near = _near(rest[0], inner)
    if first in ("data", "event.data") and not near:  # Azure may add fields
        return ""
    hint = names.hint(near, inner) if inner else NAMED_HERE[first]
    return f"an expression finds nothing at '{first}.{rest[0][:60]}'{hint}"


def chains(text: str) -> Iterator[tuple[str, ...]]:
    """Yield the paths that an expression reads from the top of its document."""
    yield from _chains(jmes.read(text))


def _chains(node: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield the paths that an expression reads from the top of its document."""
    children = node["children"]
    match node["type"]:
        case "field":
            yield (node["value"],)
        case "subexpression":
            found = list(_chains(children[0]))
            plain = bool(found) and children[0]["type"] in ("field", "subexpression")
            for child in children[1:]:
                plain = plain and child["type"] == "field"
                if plain:
                    found[-1] = (*found[-1], child["value"])
            yield from found
        case "index_expression" | "pipe" | "projection" | "filter_projection" | "value_projection" | "flatten":
            yield from _chains(children[0])
        case "expref":
            pass
        case _:
            for child in children:
                yield from _chains(child)


def _begins_like(glob: str) -> str:
    """Return a glob with the text before its first `*` corrected, '' if no known type begins similarly."""
    plain = glob[: min(glob.index(each) for each in ANY if each in glob)]
    for each in DATA if len(plain) > 2 * EDITS + 1 else ():
        for length in range(len(plain) - EDITS, len(plain) + EDITS + 1):
            if 0 < _edits(plain, each[:length]) <= EDITS and each[:length].endswith(plain[-1]):
                return each[:length] + glob[len(plain) :]
    return ""


def _near(name: str, known: Collection[str]) -> str:
    """Return the nearest known name within two edits (one edit for short names)."""
    limit = EDITS if len(name) > 2 * EDITS else 1
    found = sorted((_edits(name.lower(), each.lower()), each) for each in known if abs(len(each) - len(name)) <= limit)
    return found[0][1] if found and found[0][0] <= limit else ""


def _edits(one: str, other: str) -> int:
    """Return the edit distance of two strings: letters added, removed, replaced, or swapped with the next."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        older, before, row = before, row, [i]
        for j, b in enumerate(other, 1):
            least = min(before[j] + 1, row[-1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and (a, b) == (other[j - 2], one[i - 2]):
                least = min(least, older[j - 2] + 1)
            row.append(least)
    return row[-1]
