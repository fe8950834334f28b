"""POST on any resource: the table of kinds says whether it provisions, starts a run, scores or is an action."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from shared.api import answer
from shared.api.access import admission
from shared.api.resources import payload, preflight_answer, proxy, run, score, submission
from shared.catalog import bodies, paths
from shared.preflight import guards
from shared.rest import errors, ids

if TYPE_CHECKING:
    from shared.api.answer import Answer
    from shared.api.call import App, Call
    from shared.catalog.paths import Target
    from shared.operations.models import Operation


def act(call: Call, app: App) -> Answer | Operation:
    """Find the action in the table and call its handler."""
    if route := proxy.find(call, app):
        return proxy.pass_on(call, route, app)
    target = paths.resolve(call.path, app.settings)
    score.refuse_lines(call, target)
    if target.action is None and (on_itself := target.kind.action("")):  # Azure has a POST on the resource itself
        target = replace(target, action=on_itself)
    action = target.action
    if action is None:
        paths.check_method(target, "POST")
        return run.start_job(call, target, app) if target.kind.named_by_us else _create(call, target, app)
    only_asked = preflight_answer.asked(call, target)
    if action.preview and not app.settings.previews:
        message = f"'{action.name}' is a preview ({action.preview}); the setting STEWARD_PREVIEWS=true enables it."
        raise errors.BadRequestError("PreviewNotEnabled", message, target="path", status=403)
    if only_asked and action.direct:
        return preflight_answer.foretell(call, payload.Brought(target=target, body=_body(call, target)), app)
    if action.room == "score":
        return score.score(call, target, app)
    if action.room == "run":
        return run.start_run(call, target, app)
    return _pass_on(call, target, app) if action.direct else _carry_out(call, target, app)


def _pass_on(call: Call, target: Target, app: App) -> Answer:
    """Send the action to Azure and return its answer, which may hold keys or tokens; nothing is stored."""
    call.refuse_asks()
    body = _body(call, target)
    admission.check_body(call, target.kind, body, app.settings)
    url = app.addresses.url(target.plane, target.path, call.azure_query(target.api_version), workspace=target.workspace.path)
    response = app.client.send("POST", url, body=body).checked()
    return answer.of_json(response.body, response.status)


def _create(call: Call, target: Target, app: App) -> Answer | Operation:
    """POST a resource to its collection: the body holds its name."""
    body = bodies.parse(call.body, call.media)
    bodies.check(target.kind, body)
    name = bodies.dig(body, target.kind.posted_name)
    ids.segment(str(name))
    paths.check_name(replace(target, id=replace(target.id, names=(*target.id.names, str(name)))))
    return _carry_out(call, target, app)


def _carry_out(call: Call, target: Target, app: App) -> Answer | Operation:
    brought = payload.Brought(target=target)
    if target.action and target.action.name == "package" and call.body.strip():  # the YAML may name code to upload
        brought = payload.read(call, target, app)
    else:
        call.refuse_asks("Prefer", "Idempotency-Key", "Callback-Url")
        brought = replace(brought, body=_body(call, target))
    if preflight_answer.asked(call, target):
        return preflight_answer.foretell(call, brought, app)
    guards.check_move(target, brought.body)
    return submission.submit(call, brought, app)


def _body(call: Call, target: Target) -> Any:
    if not call.body.strip():
        return None
    read = bodies.parse_list if target.action and target.action.listed else bodies.parse
    return read(call.body, call.media)
