"""JMESPath over a resource's document: checked when the policy is read, so that no typing mistake widens what it matches.

Beyond the grammar and the functions: the names on the document's top level (`"prod"` in double quotes is such a name, not
text). Not here: the document itself (filters), JMESPath itself (text.jmes).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from shared.text import did_you_mean, jmes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# What `filters.document` offers, with what it is.
NAMES: Mapping[str, str] = {
    "id": "the resource's ARM id",
    "name": "its name; of an asset the asset's, the version apart",
    "version": "of an asset, as text",
    "kind": "the policy's kind, e.g. `modelVersion`",
    "workspace": "the name of the workspace",
    "resourceGroup": "the name of the resource group",
    "subscription": "the subscription's id",
    "location": "the region; the workspace's where it has none of its own",
    "tags": "its tags as an object, wherever Azure keeps them",
    "properties": "ARM's `properties`, as Azure lists them",
    "resource": "the whole of what Azure lists of it",
    "parent": "`{name, tags, properties}` of the model of a version or the endpoint of a deployment, else null",
    "createdAt": "when it was made, ISO 8601 in UTC; null when Azure does not show it",
    "changedAt": "when it was last changed; the clean-up's own mark does not count as a change",
    "ageDays": "days since `createdAt`, with fractions; a query that reads it never holds where it is not known",
    "unchangedDays": "days since `changedAt`; likewise",
    "siblings": "how many of its kind and parent there are, itself included",
    "rank": "its place among them, 1 is the newest",
    "newerActive": "how many newer ones are not archived",
}
_QUOTES = "text stands in single quotation marks; numbers, true, false and null in backticks"
AGES = frozenset({"ageDays", "unchangedDays"})

_FIRST_ONLY = frozenset(
    {"subexpression", "pipe", "projection", "value_projection", "filter_projection", "index_expression", "flatten"}
)
_NO_NAMES = frozenset({"expref", "literal", "current", "identity", "index", "slice"})


def check(query: str) -> None:
    """Refuse a query that could not mean what it says.

    Raises:
        ValueError: where in the query, and what was expected.
    """
    for name in _read(query)[1]:
        if name not in NAMES:
            hint = did_you_mean.hint(name, NAMES, f"expected one of {', '.join(NAMES)}; {_QUOTES}")
            raise ValueError(f"the document has no '{name[:60]}': {hint}")


def holds(query: str, document: Mapping[str, Any]) -> str:
    """Return '' when the query is true of the document (as JMESPath means it: not null, false or empty), else the reason."""
    _, names = _read(query)
    for name in sorted(names & AGES):
        if document.get(name) is None:
            return f"the query reads its {name}, which is unknown"
    try:
        found = jmes.search(query, document)
    except ValueError as problem:
        return f"the query could not be answered: {str(problem)[:200]}"
    return "" if _is_true(found) else "the query does not hold for it"


@lru_cache(maxsize=256)
def _read(query: str) -> tuple[Any, frozenset[str]]:
    """Return the query's tree, and the names it reads on the document's top level."""
    try:
        tree = jmes.read(query)
    except jmes.GrammarError as problem:
        place = f" at character {problem.position + 1}" if problem.position is not None else ""
        hint = f"{_QUOTES}: tags.env == 'dev' && ageDays > `90`"
        raise ValueError(f"this is not JMESPath{place}: expected an expression; {hint}") from None
    return tree, frozenset(_names(tree))


def _names(node: Mapping[str, Any]) -> Iterator[str]:
    kind, children = node["type"], node["children"]
    if kind == "field":
        yield str(node["value"])
    elif kind not in _NO_NAMES:
        for child in children[:1] if kind in _FIRST_ONLY else children:
            yield from _names(child)


def _is_true(value: Any) -> bool:
    return not (value is None or value is False or (isinstance(value, str | list | dict) and not value))
