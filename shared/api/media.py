"""Media types that each route accepts and returns: another type is refused before the request is carried out. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.catalog import bodies
from shared.rest import errors

if TYPE_CHECKING:
    from shared.api.route import Route

JSON, YAML, ANY = "application/json", "application/yaml", "*/*"
YAML_TYPES = frozenset({YAML, "application/x-yaml", "text/yaml", "text/x-yaml", "text/vnd.yaml"})
VIEWS = ("text/plain", "application/octet-stream")  # of logs and files of a job
ARM = frozenset({"subscriptions", "resourceGroups", "workspaces", "registries", "locations", "providers"})  # Azure answers


def plain(content_type: str) -> str:
    """Return a media type without its parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


def check_accept(accept: str, route: Route, what: str) -> None:
    """Refuse an `Accept` header without any media type that the route returns; which types Azure returns is not known here.

    Raises:
        BadRequestError: `NotAcceptable` (406).
    """
    wanted = [plain(each) for each in accept.split(",") if each.strip() and not _refused(each)]
    given = _given(route)
    if not wanted or ANY in given or any(_matches(each, made) for each in wanted for made in given):
        return
    there = f"it answers with {', '.join(given)}. Send 'Accept: {given[0]}', or omit the header."
    message = f"{what} cannot answer with '{accept[:80]}'; {there}"
    raise errors.BadRequestError("NotAcceptable", message, target="Accept", status=406)


def check_content(content_type: str, route: Route) -> None:
    """Refuse a body whose media type the app's own route does not read; other names of JSON and YAML are accepted.

    Raises:
        BadRequestError: `UnsupportedMediaType` (415).
    """
    sent = plain(content_type)
    taken = {*route.body, *bodies.JSON_TYPES, *(YAML_TYPES if YAML in route.body else ())}
    if not sent or sent in taken or sent.endswith("+json") or ANY in route.body:
        return
    message = f"The body's Content-Type is '{sent[:80]}'; expected {', '.join(route.body)}."
    raise errors.BadRequestError("UnsupportedMediaType", message, target="Content-Type", status=415)


def _given(route: Route) -> tuple[str, ...]:
    if route.role in ("anyone", "events"):  # pages and webhooks
        return (ANY,)
    if route.own:
        return (JSON, *route.answers_as)
    of_arm = route.verb != "POST" and route.template.partition("/")[0] in ARM  # the model decides the media type of a score
    return (JSON, *VIEWS) if of_arm else (ANY,)


def _refused(wanted: str) -> bool:
    """Return whether a media range of `Accept` excludes its type with `q=0`."""
    _, _, quality = wanted.replace(" ", "").lower().partition(";q=")
    return quality.rstrip("0.") == "" and quality != ""


def _matches(wanted: str, made: str) -> bool:
    return wanted in (ANY, "*", made, f"{made.partition('/')[0]}/*") or (made == JSON and wanted.endswith("+json"))
