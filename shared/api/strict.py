"""Checks each route's parameters, headers and body. An unknown name is refused, never ignored.

Otherwise a mistyped filter would widen a request, and a mistyped `preflight` would carry it out. On the app's own routes the row
lists everything that is allowed; on resource paths all other names belong to Azure and pass, unless they are one edit from one of
this app's. Pure. Not here: what the parameters mean (call, jobs.search).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from shared.api import media, names
from shared.jobs import search
from shared.rest import addresses, errors
from shared.text import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from shared.api.call import Call
    from shared.api.route import Route

KEYS = frozenset({"code", "clientid"})  # the platform's own: allowed on every route
LARGEST = 10**9 - 1  # default maximum of a whole number
SAYS_NOTHING = 16  # a body up to this many bytes may be an empty object with spaces
# Azure's own parameters of long-running requests: an ARM client may repeat them at each poll.
REPEATED = frozenset({"api-version", "underlyingresourceaction", "forcetopurge", "skipvalidation"})
AZURE: dict[str, tuple[str, ...]] = {  # the app's own parameters on resource paths, by verb
    "GET": ("api-version", "all"),
    "PUT": ("api-version", "preflight", "set", "expiresin", "expiresat"),
    "PATCH": ("api-version", "preflight", "set"),
    "POST": ("api-version", "preflight", "set", "expiresin", "expiresat", "each"),
    "DELETE": ("api-version", "preflight", "force"),
}
MEANT = {  # the app's own parameters, and the requests they belong to
    "all": "GET of a list",
    "preflight": "PUT, PATCH, DELETE and POST of a resource",
    "force": "DELETE",
    "set": "PUT, PATCH and POST of YAML",
    "expiresin": "PUT of a resource, and POST of a job",
    "expiresat": "PUT of a resource, and POST of a job",
    "each": "POST of an online endpoint's score",
    "abandon": "POST operations/{id}/cancel",
    "wait": "GET operations/{id}; elsewhere send the header Prefer: wait=N",
}
AZURES = ("underlyingResourceAction", "forceToPurge", "skipValidation")  # without them a request may do more than it was meant to
OTHERWISE = {  # other tools' names for ours; if they were ignored, a dry run would be carried out, or an expiry lost
    **dict.fromkeys(("dryrun", "whatif", "validate", "validateonly", "checkonly", "simulate", "noop"), "preflight"),
    **dict.fromkeys(("expires", "expiry", "expiration", "expireafter", "ttl", "timetolive", "deleteafter"), "expiresin"),
}
OF_LISTS = {  # words of other tools on routes of our own, where the route has what they mean
    **dict.fromkeys(("limit", "maxresults", "pagesize", "perpage", "count", "size", "take", "first"), "$top"),
    **dict.fromkeys(("page", "offset", "skip", "cursor", "continuationtoken", "nexttoken"), "$skiptoken"),
    **dict.fromkeys(("dryrun", "whatif", "enforce", "execute"), "mode"),
    **dict.fromkeys(("from", "after", "start", "starttime"), "since"),
    **dict.fromkeys(("to", "before", "end", "endtime"), "until"),
    **dict.fromkeys(("filter", "search", "query", "q"), "find"),
}
SCORED = re.compile(r"/(score|invoke)/?$", re.IGNORECASE)  # paths whose query is not sent to Azure
OF_SCORES = ("each", "api-version")
VIEWED = re.compile(r"/[^/]+/(logs|metrics|discovery)/?$", re.IGNORECASE)  # the app itself answers these
OF_VIEWS = {"logs": ("file", "api-version"), "metrics": ("api-version",), "discovery": ("api-version",)}
SEARCH = search.PARAMETERS | {"$top", "$skiptoken", "all"}
JOBS = frozenset(  # parameters of Azure's own list of jobs, api-version 2025-12-01
    {"$skip", "jobtype", "listviewtype", "asset_name", "scheduled", "scheduleid", "properties", "api-version"}
)


def check(call: Call, route: Route) -> None:
    """Refuse parameters, headers and bodies that the route does not accept.

    Raises:
        BadRequestError: `UnknownParameter`, `InvalidParameter`, `UnknownHeader`, `InvalidHeader`, `UnsupportedHeader`,
            `NotAcceptable` (406), `UnsupportedMediaType` (415) or `UnexpectedBody`.
    """
    what = f"{call.method} {call.path.strip('/')}"[:300]
    names.check_spelling(call.headers)
    names.check_conditions(call.headers, route.verb, what)
    media.check_accept(call.header("accept"), route, what)
    if not route.own:
        _check_azure(route.verb, call.path, call.asked)
        if route.verb == "DELETE" and _says(call) and not _is_regional(call.path):
            message = f"{what} takes no body; use the query parameters: {names.listed(AZURE[route.verb])}."
            raise errors.BadRequestError("UnexpectedBody", message, target="body")
        if route.verb == "GET":
            names.check_headers(call.headers, (), f"{call.method} of a resource")
        return
    taken = KEYS | {each.lower() for each in route.names}
    if route.polled:
        taken |= REPEATED
    for name, _ in call.asked:
        if name.lower() not in taken:
            raise _unknown(name, _meant(name, route.names), route.names)
    _check_values(call.asked, route.names, route.many)
    _check_forms(call, route)
    if not route.polled:
        names.check_headers(call.headers, route.honoured, what)
    says = _says(call)
    if says and not route.body:
        message = f"{what} takes no body; use the query parameters: {names.listed(route.names)}."
        raise errors.BadRequestError("UnexpectedBody", message, target="body")
    if says:
        media.check_content(call.media, route)


def _whole(verb: str, path: str) -> tuple[str, ...]:
    """Return all parameters of a path whose query is not sent to Azure; () where Azure has more."""
    if verb == "POST" and SCORED.search(path):
        return OF_SCORES
    viewed = VIEWED.search(path) if verb == "GET" and not _is_regional(path) else None
    return OF_VIEWS[viewed[1].lower()] if viewed else ()


def _is_regional(path: str) -> bool:
    """Return whether a path belongs to a workspace's regional server, where a DELETE may have a body."""
    return path.strip("/").partition("/")[0].lower() in addresses.CALLERS_PLANES


def _says(call: Call) -> bool:
    return len(call.body) > SAYS_NOTHING or call.body.strip() not in (b"", b"{}", b"null")


def _check_forms(call: Call, route: Route) -> None:
    """Refuse a value that does not match its parameter's schema, before anything is looked up."""
    for name, schema in route.forms.items():
        if "enum" in schema:
            call.choice(name, schema["enum"])
        elif schema.get("type") == "boolean":
            call.flag(name)
        elif schema.get("type") == "integer":
            call.whole_number(name, 0, schema.get("maximum", LARGEST))


def _check_azure(verb: str, path: str, given: Sequence[tuple[str, str]]) -> None:
    """Refuse the app's own parameters where they have no meaning, and misspelled ones; all others are Azure's."""
    ours = AZURE.get(verb, ())
    for name, _ in given:
        low = name.lower()
        if low in MEANT and low not in ours:
            message = f"'{low}' does not apply to this {verb}; it applies to {MEANT[low]}."
            raise errors.BadRequestError("InvalidParameter", message, target=low)
        if low in (*MEANT, *KEYS, *REPEATED):
            continue
        near = did_you_mean.nearest(name, (*MEANT, "api-version", *(AZURES if verb != "GET" else ())))
        if not near and verb != "GET":
            near = OTHERWISE.get(re.sub(r"[\W_]", "", low), "")
        whole = _whole(verb, path)
        if near or (whole and low not in whole):
            raise _unknown(name, near or _meant(name, whole), whole or ours)
    if verb == "GET" and re.search(r"(^|/)workspaces/[^/]+/jobs/?$", path, re.IGNORECASE):
        for name, _ in given:
            if name.lower() not in SEARCH | JOBS | KEYS and (near := _meant(name, SEARCH)):
                raise _unknown(name, near, sorted(SEARCH))
    _check_values(given, ours, frozenset({"set"}))


def _check_values(given: Sequence[tuple[str, str]], known: Collection[str], many: Collection[str]) -> None:
    for name in known:
        values = [value for each, value in given if each.lower() == name.lower()]
        if any(not value.strip() for value in values):
            message = f"'{name}' has no value. Give it one."
            raise errors.BadRequestError("InvalidParameter", message, target=name)
        if len(values) > 1 and name not in many:
            message = f"'{name}' is given {len(values)} times; expected it once."
            raise errors.BadRequestError("InvalidParameter", message, target=name)


def _meant(name: str, known: Collection[str]) -> str:
    word = OF_LISTS.get(re.sub(r"[\W_]", "", name.lower()), "")
    other = next((each for each in known if each.lower() == word), "")
    return did_you_mean.nearest(name, known) or other or did_you_mean.alike(name, known, names.ALIKE)


def _unknown(name: str, near: str, known: Collection[str]) -> errors.BadRequestError:
    message = f"There is no parameter '{name[:80]}'{names.hint(near, known)}"
    return errors.BadRequestError("UnknownParameter", message, target=name[:80])
