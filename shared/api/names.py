"""Names of the app's own headers, preferences and fields: an unknown name is refused with the nearest known one.

Pure. Not here: which names a route accepts (strict).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from shared.rest import errors
from shared.text import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

EXPIRES = ("Expires-In", "Expires-At")
ASKS = ("Prefer", "Idempotency-Key", "Callback-Url", *EXPIRES, "Upload-Id")  # headers that change how a request is carried out
READ = (*ASKS, "traceparent", "WebHook-Request-Origin", "x-ms-client-request-id")  # all of the app's own headers
HANDED_ON = ("azureml-model-deployment",)  # if it were dropped, a score would reach another deployment
OTHERWISE = {  # names that other tools have for this app's headers
    **dict.fromkeys(("idempotency", "idempotency-token", "idempotent", "request-key"), "Idempotency-Key"),
    **dict.fromkeys(("callback", "notify-url", "webhook-url"), "Callback-Url"),
    **dict.fromkeys(("ttl", "expires-after"), "Expires-In"),
    **dict.fromkeys(("preflight", "dry-run", "dryrun", "what-if"), "the query parameter preflight=true"),
}
PREFERENCES = ("wait", "respond-async")
CONDITIONS = ("If-Match", "If-Unmodified-Since", "If-None-Match")  # preconditions on the resource's state
ALIKE = 0.65  # similarity of two names from which a hint does not mislead
FOR_CACHES = "If-None-Match"  # on a GET it is safe to ignore: a full answer is valid
OTHER_VERBS = ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override")


def check_spelling(headers: Mapping[str, str]) -> None:
    """Refuse misspelled headers and preferences (one edit from the app's own), and preferences with an invalid value.

    Raises:
        BadRequestError: `UnknownHeader`, `InvalidHeader`.
    """
    ours = (*READ, *CONDITIONS, *HANDED_ON)
    known = {each.lower() for each in ours}
    for name in headers:
        low = name.lower()
        written = () if low in known or low.startswith("ce-") else {low, low.removeprefix("x-")}
        near = next((near for each in written if (near := did_you_mean.nearest(each, ours, same=True) or OTHERWISE.get(each))), "")
        if near:
            meant = near if " " in near else f"'{near}'"
            message = f"There is no header '{name[:80]}'; did you mean {meant}?"
            raise errors.BadRequestError("UnknownHeader", message, target=name[:80])
    value = next((value for name, value in headers.items() if name.lower() == "prefer"), "")
    _check_preferences(preferences(value))


def check_conditions(headers: Mapping[str, str], verb: str, what: str) -> None:
    """Refuse preconditions, which this app cannot check, and headers that override the verb.

    Raises:
        BadRequestError: `UnsupportedHeader`.
    """
    for name in CONDITIONS:
        if name.lower() in headers and not (verb == "GET" and name == FOR_CACHES):
            message = (
                f"{what} cannot honour '{name}': Azure Machine Learning compares no ETags and would carry out the request anyway. "
                "Omit the header; requests to one resource run in order."
            )
            raise errors.BadRequestError("UnsupportedHeader", message, target=name)
    for name in OTHER_VERBS:
        if name.lower() in headers:
            message = f"{what} cannot honour '{name}'; send the request with the verb itself."
            raise errors.BadRequestError("UnsupportedHeader", message, target=name)


def _check_preferences(given: Mapping[str, str]) -> None:
    """Refuse a misspelled preference and an invalid value; unknown preferences are ignored (RFC 7240)."""
    for name, wanted in given.items():
        word = re.split(r"[\s:]", name)[0]
        if word != name and (word in PREFERENCES or did_you_mean.nearest(word, PREFERENCES)):
            message = f"'Prefer: {name[:50]}' is not valid; expected for example 'Prefer: wait=30' or 'Prefer: respond-async'."
            raise errors.BadRequestError("InvalidHeader", message, target="Prefer")
        if name not in PREFERENCES and (near := did_you_mean.nearest(name, PREFERENCES)):
            message = f"There is no preference '{name[:80]}'; did you mean 'Prefer: {near}'?"
            raise errors.BadRequestError("UnknownHeader", message, target="Prefer")
        shown = f"'Prefer: {name}{'=' if wanted else ''}{wanted[:50]}'"
        if name == "wait" and not (wanted.isascii() and wanted.isdigit()):
            message = f"{shown} is not a whole number of seconds; expected for example 'Prefer: wait=30', at most 60."
            raise errors.BadRequestError("InvalidHeader", message, target="Prefer")
        if name == "respond-async" and wanted:
            message = f"{shown} has a value; expected 'Prefer: respond-async' without one."
            raise errors.BadRequestError("InvalidHeader", message, target="Prefer")


def check_headers(headers: Mapping[str, str], honoured: Collection[str], what: str) -> None:
    """Refuse headers that a request cannot honour.

    Raises:
        BadRequestError: `UnsupportedHeader`.
    """
    asked = {name.lower(): value for name, value in headers.items()}
    for name in ASKS:
        value = asked.get(name.lower(), "").strip()
        if not value or name in honoured:
            continue
        if name == "Prefer" and "respond-async" not in preferences(value):  # answered at once: no wait
            continue
        shown = f"{name}: respond-async" if name == "Prefer" else name
        message = f"{what} cannot honour '{shown}'; omit it."
        raise errors.BadRequestError("UnsupportedHeader", message, target=name)


def check_fields(body: Mapping[str, object], known: Collection[str]) -> None:
    """Refuse unknown fields in a body of the app's own.

    Raises:
        BadRequestError: `UnknownField`.
    """
    for name in body:
        if name not in known:
            message = f"There is no field '{name[:80]}'{hint(did_you_mean.alike(name, known, ALIKE), known)}"
            raise errors.BadRequestError("UnknownField", message, target=name[:80])


def preferences(value: str) -> dict[str, str]:
    """Return the preferences of a Prefer header (RFC 7240), names in lower case; the first of repeated ones counts."""
    out: dict[str, str] = {}
    for part in value.replace(";", ",").split(","):
        name, _, wanted = part.strip().partition("=")
        if name:
            out.setdefault(name.strip().lower(), wanted.strip().strip('"'))
    return out


def hint(near: str, known: Collection[str]) -> str:
    """Return the end of a refusal: the nearest known name, or all known names."""
    if near:
        return f"; did you mean '{near}'?"
    return f"; expected one of: {listed(known)}." if known else "; none is expected here. Omit it."


def listed(names: Collection[str]) -> str:
    """Return names as a message shows them."""
    return ", ".join(names) or "none"
