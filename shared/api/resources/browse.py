"""GET any resource or collection of the catalog; the logs of a job, run or deployment, and a run's metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from shared.api import answer
from shared.api.answer import Answer
from shared.api.resources import proxy
from shared.catalog import paths

if TYPE_CHECKING:
    from shared.api.call import App, Call
    from shared.catalog.paths import Target


def browse(call: Call, app: App) -> Answer:
    """Ask Azure and hand its answer on; a list's nextLink leads back here."""
    if route := proxy.find(call, app):
        return proxy.pass_on(call, route, app)
    target = paths.resolve(call.path, app.settings)
    paths.check_method(target, "GET")
    if target.view == "discovery":
        return answer.of_json(app.addresses.discover(target.id.path))
    if target.view == "logs":
        return _logs(call, target, app)
    if target.view == "metrics":
        from shared.jobs import history

        return answer.of_json(history.metrics(target, app.client, app.addresses))
    if target.id.is_collection and target.kind.searchable and (asked := _search_asked(call)):
        return _search(call, target, asked, app)
    url = app.addresses.url(target.plane, target.path, call.azure_query(target.api_version), workspace=target.workspace.path)
    body = _seen(app.client.send("GET", url).checked().body, target, call)
    return answer.of_json(answer.own_next_link(body, url, call))


def _seen(body: Any, target: Target, call: Call) -> Any:
    """Return a list without what its caller is not to see: a list of a group, and a scope of one of its workspaces."""
    if not call.limited or not isinstance(body, dict) or not isinstance(body.get("value"), list):
        return body
    within = [each for each in body["value"] if call.sees(str(each.get("id") or ""), target.kind.full_type)]
    whole = all(grant.reach(target.id) == "all" for grant in call.sender.grants)
    return body if whole else {**body, "value": within}


def _search_asked(call: Call) -> dict[str, list[str]]:
    """Return the query when it asks for what only run history can filter by, else nothing."""
    from shared.jobs import search

    query = parse_qs(call.query, keep_blank_values=True)
    return query if search.PARAMETERS & {name.lower() for name in query} else {}


def _search(call: Call, target: Target, asked: dict[str, list[str]], app: App) -> Answer:
    """Answer a list of jobs from run history, and say so; nextLink is the same search with our own token."""
    from shared.jobs import search

    found, token = search.page(search.read(asked), target.workspace, app.client, app.addresses)
    body = _seen({"value": found, "source": "run history"}, target, call)
    if token:
        body["nextLink"] = answer.next_link(call, token)
    return answer.of_json(body)


def _logs(call: Call, target: Target, app: App) -> Answer:
    """Answer with every log as JSON, or with `?file=` one of them as text."""
    from shared.jobs import logs

    only = call.text("file")
    found = logs.read(target.id, app.client, app.addresses, only=only)
    if only:
        content = str(found["value"][0]["content"]).encode("utf-8", errors="replace")
        return answer.of_bytes(content, "text/plain; charset=utf-8")
    return answer.of_json(found)


def exists(call: Call, found: Answer) -> Answer:
    """Return the answer to HEAD: as to GET; of a resource group, and below `arm/` of any resource, 204.

    That is ARM's own, and `check_existence` of its clients takes no other. An id has a name for each type, a list one less.
    """
    segments = call.path.strip("/").lower().split("/")
    alone = segments[-2:-1] == ["resourcegroups"] or (call.arm and len(segments) % 2 == 0)
    return Answer(status=204) if found.status == 200 and alone else found
