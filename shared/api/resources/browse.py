"""GET any resource or collection of the catalog; the logs of a job, run or deployment, and a run's metrics."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from shared.api import answer
from shared.api.answer import Answer
from shared.api.resources import proxy
from shared.catalog import paths
from shared.rest import errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.api.call import App, Call
    from shared.catalog.paths import Target
    from shared.rest.client import Response

ALL_BYTES = 16 * 1024**2  # approximate limit of one answer with all pages
ALL_WITHIN = timedelta(seconds=60)  # the platform ends a request at 230 s


def browse(call: Call, app: App) -> Answer:
    """Read from Azure and return its answer; a list's nextLink leads back to this app."""
    every = call.flag("all")
    if route := proxy.find(call, app):
        if every:
            raise _no_list(call)
        return proxy.pass_on(call, route, app)
    target = paths.resolve(call.path, app.settings)
    paths.check_method(target, "GET")
    if every and (target.view or not target.id.is_collection):
        raise _no_list(call)
    if target.view == "discovery":
        return answer.of_json(app.addresses.discover(target.id.path))
    if target.view == "logs":
        return _logs(call, target, app)
    if target.view == "metrics":
        from shared.jobs import history

        return answer.of_json(history.metrics(target, app.client, app.addresses))
    searched = target.id.is_collection and target.kind.searchable and _search_asked(call)
    page = partial(_search if searched else _listed, call, target, app)
    return _whole(page, app) if every else answer.of_json(page("")[0])


def _no_list(call: Call) -> errors.BadRequestError:
    message = f"'all' is for a list of resources; '{call.path[:100]}' is not one. Omit it."
    return errors.BadRequestError("InvalidParameter", message, target="all")


def _listed(call: Call, target: Target, app: App, query: str) -> tuple[Any, Callable[[], bytes]]:
    """Return Azure's answer with a nextLink of this app, and a function that writes its items."""
    asked = query.removesuffix(answer.ALL) or call.azure_query(target.api_version)
    url = app.addresses.url(target.plane, target.path, asked, workspace=target.workspace.path)
    response = app.client.send("GET", url).checked()
    body = _seen(_named(response.body, target, app), target, call)
    return answer.own_next_link(body, url, call), lambda: _items(body["value"], response)


def _items(kept: list[Any], response: Response) -> bytes:
    """Return the items of a page as JSON: Azure's own bytes if all items are kept and the page holds nothing else."""
    body, content = response.body, response.content
    alone = kept is body["value"] and list(body) in (["value"], ["value", "nextLink"])
    if not alone or b"NaN" in content or b"Infinity" in content or not _is_utf8(content):
        return _written(kept)
    end = content.rfind(b'"nextLink"') if "nextLink" in body else len(content)  # inside a JSON string the quotes would be escaped
    return content[content.index(b"[") + 1 : content.rindex(b"]", 0, end)].strip()


def _written(items: list[Any]) -> bytes:
    return answer.of_json(items).content[1:-1]


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except ValueError:
        return False
    return True


def _whole(page: Callable[[str], tuple[Any, Callable[[], bytes]]], app: App) -> Answer:
    """Return all pages of a list as one, up to the limits of size and time; its nextLink leads to the rest."""
    first, items = page("")
    last = first
    if not isinstance(first, dict) or not isinstance(first.get("value"), list):
        return answer.of_json(first)
    found, until = [items()], app.clock() + ALL_WITHIN
    size = len(found[0])
    while last.get("nextLink") and size < ALL_BYTES and app.clock() < until:
        try:
            last, items = page(urlsplit(last["nextLink"]).query)
        except errors.TransientError:  # the pages so far are returned; nextLink leads to the failed one
            break
        found.append(items())
        size += len(found[-1])
    rest = {"nextLink": last["nextLink"]} if last.get("nextLink") else {}
    more = {name: value for name, value in first.items() if name not in ("value", "nextLink")}
    around, opened = answer.of_json({"value": [], **more, **rest}), b'{"value":['
    return replace(around, content=b"".join((opened, b",".join(filter(None, found)), around.content[len(opened) :])))


def _named(body: Any, target: Target, app: App) -> Any:
    """Return the list of subscriptions without those outside the app's scope."""
    if target.id.types != ("subscriptions",) or not isinstance(body, dict) or not isinstance(body.get("value"), list):
        return body
    named = [each for each in body["value"] if paths.is_listed(str(each.get("subscriptionId") or ""), app.settings)]
    return {**body, "value": named}


def _seen(body: Any, target: Target, call: Call) -> Any:
    """Return a list with only the items in the caller's scope, such as one workspace of a listed group."""
    if not call.limited or not isinstance(body, dict) or not isinstance(body.get("value"), list):
        return body
    within = [each for each in body["value"] if call.sees(str(each.get("id") or ""), target.kind.full_type)]
    whole = all(grant.reach(target.id) == "all" for grant in call.sender.grants)
    return body if whole else {**body, "value": within}


def _search_asked(call: Call) -> bool:
    """Return whether a query has a filter that only run history supports."""
    from shared.jobs import search

    return bool(search.PARAMETERS & {name.lower() for name, _ in call.asked})


def _search(call: Call, target: Target, app: App, query: str) -> tuple[Any, Callable[[], bytes]]:
    """Return a list of jobs from run history, with a note of that; nextLink is the same search with the app's own token."""
    from shared.jobs import search

    asked = parse_qs(query or call.query, keep_blank_values=True)
    found, token = search.page(search.read(asked), target.workspace, app.client, app.addresses)
    body = _seen({"value": found, "source": "run history"}, target, call)
    return {**body, "nextLink": answer.next_link(call, token)} if token else body, lambda: _written(body["value"])


def _logs(call: Call, target: Target, app: App) -> Answer:
    """Answer with the list of logs as JSON, or with `?file=` one of them as text."""
    from shared.jobs import logs

    only = call.text("file")
    found = logs.read(target.id, app.client, app.addresses, only=only)
    if only:
        content = str(found["value"][0]["content"]).encode("utf-8", errors="replace")
        return answer.of_bytes(content, "text/plain; charset=utf-8")
    return answer.of_json(found)


def exists(call: Call, found: Answer) -> Answer:
    """Return the answer to HEAD: that of GET, but 204 for a resource group, and below `arm/` for any resource.

    ARM answers 204, the only status that its clients' `check_existence` accepts. An id has a name for each type, a list one less.
    """
    segments = call.path.strip("/").lower().split("/")
    alone = segments[-2:-1] == ["resourcegroups"] or (call.arm and len(segments) % 2 == 0)
    return Answer(status=204) if found.status == 200 and alone else found
