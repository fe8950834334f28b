"""What a request may ask for, by route: parameters, headers, whether it has a body. What is not known is refused, never ignored.

A mistyped name would otherwise widen or carry out what was meant to be narrow or only asked. On the app's own routes the
table (own) is the whole list; on paths of Azure's kinds all other names are Azure's own and stay free, unless they are one
edit away from one of ours. Pure. Not here: what the parameters mean (functions.parameters, operations.search).
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from shared.jobs import search
from shared.openapi import own, parts
from shared.rest import errors

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

KEYS = frozenset({"code", "clientid"})  # of the platform: any route takes them
ASKS = ("Prefer", "Idempotency-Key", "Callback-Url", "Expires-In", "Upload-Id")  # headers that ask for something
READ = (*ASKS, "traceparent", "WebHook-Request-Origin", "x-ms-client-request-id")  # all that this app reads by a name of its own
PREFERENCES = ("wait", "respond-async")
AZURE: dict[str, tuple[str, ...]] = {  # what is ours on paths of Azure's kinds, by verb
    "GET": ("api-version",),
    "PUT": ("api-version", "preflight", "set"),
    "PATCH": ("api-version", "set"),
    "POST": ("api-version", "set"),
    "DELETE": ("api-version", "force"),
}
MEANT = {  # ours, and what each is for
    "preflight": "PUT of a resource",
    "force": "DELETE",
    "set": "PUT, PATCH and POST of YAML",
    "wait": "GET operations/{id}; elsewhere send the header Prefer: wait=N",
}
SEARCH = search.PARAMETERS | {"$top", "$skiptoken"}
JOBS = frozenset(  # of Azure's own list of jobs, api-version 2025-12-01
    {"$skip", "jobtype", "listviewtype", "asset_name", "scheduled", "scheduleid", "properties", "api-version"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What one of our own routes takes.

    Attributes:
        path: Matches its path below `/api/`.
        names: Parameters, as they are written.
        many: Those that may be given several times.
        headers: Those of `ASKS` that it honours.
        body: Whether it has one.
        polled: Clients of ARM follow it, and some repeat the query of their first request: other names stay free.
    """

    path: re.Pattern[str]
    names: tuple[str, ...]
    many: frozenset[str]
    headers: frozenset[str]
    body: bool
    polled: bool


@cache
def routes() -> Mapping[str, tuple[Route, ...]]:
    """Return our own routes by verb."""
    known = parts.component_parts()["parameters"]
    found: dict[str, list[Route]] = {}
    for row in own.ROUTES:
        verb, _, path = row.call.partition(" ")
        given: list[parts.Json] = [
            known[name] if isinstance(schema, str) else {"name": name, "in": "query", "schema": schema}
            for name, schema in row.query.items()
        ]
        query = [each for each in given if each["in"] == "query"]
        route = Route(
            path=re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path.strip("/"))), re.IGNORECASE),
            names=tuple(each["name"] for each in query),
            many=frozenset(each["name"] for each in query if each["schema"].get("type") == "array"),
            headers=frozenset(each["name"] for each in given if each["in"] == "header"),
            body=bool(row.body),
            polled=row.polled,
        )
        found.setdefault(verb, []).append(route)
    return {verb: tuple(rows) for verb, rows in found.items()}


def check(method: str, path: str, query: str, headers: Mapping[str, str], *, body: bool) -> None:
    """Refuse what the route of a request does not know.

    Args:
        method: Its verb.
        path: Below `/api/`.
        query: As it was sent.
        headers: By name.
        body: Whether it has one that says something.

    Raises:
        BadRequestError: `UnknownParameter`, `InvalidParameter`, `UnknownHeader`, `UnsupportedHeader` or `UnexpectedBody`.
    """
    verb = "GET" if method == "HEAD" else method
    given = parse_qsl(query, keep_blank_values=True)
    _check_spelling(headers)
    route = next((row for row in routes().get(verb, ()) if row.path.fullmatch(path.strip("/"))), None)
    if route is None:
        _check_azure(verb, path, given)
        if verb == "GET":
            check_headers(headers, (), f"{method} of a resource")
        return
    taken = KEYS | {each.lower() for each in route.names}
    for name, _ in given:
        near = nearest(name, route.names)
        if name.lower() not in taken and (near or not route.polled or name.lower() in MEANT):
            raise _unknown(name, near or _alike(name, route.names), route.names)
    _check_values(given, route.names, route.many)
    if not route.polled:
        check_headers(headers, route.headers, f"{method} {path.strip('/')}")
    if body and not route.body:
        message = f"{method} {path.strip('/')} takes no body; what it can be asked stands in the query: {_listed(route.names)}."
        raise errors.BadRequestError("UnexpectedBody", message, target="body")


def check_headers(headers: Mapping[str, str], honoured: Collection[str], what: str) -> None:
    """Refuse headers that ask for what a request cannot be given.

    Raises:
        BadRequestError: `UnsupportedHeader`.
    """
    asked = {name.lower(): value for name, value in headers.items()}
    for name in ASKS:
        value = asked.get(name.lower(), "").strip()
        if not value or name in honoured:
            continue
        if name == "Prefer" and "respond-async" not in preferences(value):  # what is answered at once has waited long enough
            continue
        shown = f"{name}: respond-async" if name == "Prefer" else name
        message = f"{what} cannot honour '{shown}'; send it without."
        raise errors.BadRequestError("UnsupportedHeader", message, target=name)


def check_fields(body: Mapping[str, object], known: Collection[str]) -> None:
    """Refuse members of a body of ours that are not known.

    Raises:
        BadRequestError: `UnknownField`.
    """
    for name in body:
        if name not in known:
            message = f"There is no field '{name[:80]}'{_hint(_alike(name, known), known)}"
            raise errors.BadRequestError("UnknownField", message, target=name[:80])


def preferences(value: str) -> dict[str, str]:
    """Return the preferences of a Prefer header (RFC 7240), names in lower case."""
    out = {}
    for part in value.replace(";", ",").split(","):
        name, _, wanted = part.strip().partition("=")
        if name:
            out[name.strip().lower()] = wanted.strip().strip('"')
    return out


def nearest(name: str, known: Iterable[str], *, same: bool = False) -> str:
    """Return the known name that is one edit from `name`, hyphens and underscores apart; '' for none, or for the `same` name."""
    plain = _plain(name)
    return next((each for each in known if (same or each.lower() != name.lower()) and _within_one(plain, _plain(each))), "")


def _check_spelling(headers: Mapping[str, str]) -> None:
    known = {each.lower() for each in READ}
    for name in headers:
        low = name.lower()
        near = "" if low in known or low.startswith("ce-") else nearest(low.removeprefix("x-"), READ, same=True)
        if near:
            message = f"There is no header '{name[:80]}'; did you mean '{near}'?"
            raise errors.BadRequestError("UnknownHeader", message, target=name[:80])
    value = next((value for name, value in headers.items() if name.lower() == "prefer"), "")
    for name in preferences(value):
        if name not in PREFERENCES and (near := nearest(name, PREFERENCES)):
            message = f"There is no preference '{name[:80]}'; did you mean 'Prefer: {near}'?"
            raise errors.BadRequestError("UnknownHeader", message, target="Prefer")


def _check_azure(verb: str, path: str, given: list[tuple[str, str]]) -> None:
    """Refuse our own parameters where they mean nothing, and names that are one edit from them; the others are Azure's."""
    ours = AZURE.get(verb, ())
    for name, _ in given:
        low = name.lower()
        if low in MEANT and low not in ours:
            message = f"'{low}' is not for this {verb}: it is for {MEANT[low]}."
            raise errors.BadRequestError("InvalidParameter", message, target=low)
        if low not in MEANT and low != "api-version" and (near := nearest(name, (*MEANT, "api-version"))):
            raise _unknown(name, near, ours)
    if verb == "GET" and re.search(r"(^|/)workspaces/[^/]+/jobs/?$", path, re.IGNORECASE):
        for name, _ in given:
            if name.lower() not in SEARCH | JOBS | KEYS and (near := nearest(name, SEARCH) or _alike(name, SEARCH)):
                raise _unknown(name, near, sorted(SEARCH))
    _check_values(given, ours, frozenset({"set"}))


def _check_values(given: list[tuple[str, str]], names: Collection[str], many: Collection[str]) -> None:
    for name in names:
        values = [value for each, value in given if each.lower() == name.lower()]
        if any(not value.strip() for value in values):
            message = f"'{name}' is missing: its name stands there without a value. Give it one, or leave it out."
            raise errors.BadRequestError("InvalidParameter", message, target=name)
        if len(values) > 1 and name not in many:
            message = f"'{name}' is given {len(values)} times; expected once."
            raise errors.BadRequestError("InvalidParameter", message, target=name)


def _unknown(name: str, near: str, known: Collection[str]) -> errors.BadRequestError:
    message = f"There is no parameter '{name[:80]}'{_hint(near, known)}"
    return errors.BadRequestError("UnknownParameter", message, target=name[:80])


def _hint(near: str, known: Collection[str]) -> str:
    return f"; did you mean '{near}'?" if near else f"; known are: {_listed(known)}."


def _listed(names: Collection[str]) -> str:
    return ", ".join(names) or "none"


def _alike(name: str, known: Collection[str]) -> str:
    by_plain = {_plain(each): each for each in known}
    found = difflib.get_close_matches(_plain(name), by_plain, n=1, cutoff=0.6)
    return by_plain[found[0]] if found else ""


def _plain(name: str) -> str:
    return re.sub(r"[-_$\s]", "", name).lower()


def _within_one(one: str, other: str) -> bool:
    """Tell whether a single letter more, less, other or swapped with the next makes one text of the other."""
    if one == other:
        return True
    if abs(len(one) - len(other)) > 1 or min(len(one), len(other)) < 3:
        return False
    at = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    rest, tail = one[at:], other[at:]
    swapped = rest[:2] == tail[1::-1] and len(tail) > 1 and rest[2:] == tail[2:]
    return rest[1:] == tail[1:] or rest[1:] == tail or rest == tail[1:] or swapped
