"""Routes of the hooks: receive events, rules, test an event, firings. Not here: Event Grid and queue (functions)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Protocol, get_args

from shared.api import answer, schemas, yaml_files
from shared.api.route import LARGE, MISSING, Route
from shared.catalog import grants, statuses
from shared.rest import errors

if TYPE_CHECKING:
    from shared.api.access import approvals
    from shared.api.answer import Answer
    from shared.api.call import Call
    from shared.durable.storage import Blobs
    from shared.hooks import matching
    from shared.hooks.rule_store import Store
    from shared.hooks.rules import Rule

    class Services(matching.Services, approvals.Services, Protocol):
        """What these handlers need of the composition root (shared.services)."""

        @property
        def blobs(self) -> Blobs: ...  # noqa: D102
        @property
        def rule_store(self) -> Store: ...  # noqa: D102


LIST_LIMIT = 200
STATUSES: tuple[str, ...] = get_args(statuses.OfFiring)
ORIGIN_HEADER = "webhook-request-origin"
FIRING = schemas.ref("schemas", "Firing")
EVENT = schemas.ref("schemas", "Event")
EVENTS: schemas.Json = {
    "application/json": {"anyOf": [EVENT, {"type": "array", "items": EVENT}]},
    "application/cloudevents+json": EVENT,
    "application/cloudevents-batch+json": {"type": "array", "items": EVENT},
}


def _handshake(call: Call, _app: Services) -> Answer:
    origin = call.header(ORIGIN_HEADER)
    if not re.fullmatch(r"[a-zA-Z0-9.*:-]{1,255}", origin):
        message = "OPTIONS asks for the CloudEvents webhook handshake: expected the header WebHook-Request-Origin with a host name."
        raise errors.BadRequestError("InvalidHeader", message, target="WebHook-Request-Origin")
    headers = {"WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": "*", "Allow": "POST, OPTIONS"}
    return answer.of_json(None, 200, headers)


def _accept(call: Call, app: Services) -> Answer:
    from shared.hooks import events, inbox

    found = events.from_http(call.body, call.headers)
    if found.validation_code:
        return answer.of_json({"validationResponse": found.validation_code})
    keys = [{"id": event.id, "key": event.key} for event in found.events]
    told = {"accepted": len(found.events), "messages": inbox.store(found.events, app), "events": keys}
    return answer.of_json(told)  # not 202: Microsoft's own client (azure-eventgrid) accepts only 200 as success


def _try(call: Call, app: Services) -> Answer:
    from shared.hooks import event_target, events, matching

    found = events.from_http(call.body, call.headers)
    if found.validation_code:
        raise errors.BadRequestError("InvalidEvent", "This is a handshake, not an event.", target="body")
    for target in (target for event in found.events for target in event_target.of(event)):  # a rule may read it
        grants.check_reach(call.sender.grants, call.by(app.settings), target, target.full_type)
    shown = []
    for event in found.events:
        rules = [_shown(each, app) for each in matching.matches(event, app)]
        shown.append({"event": event.to_json(), "rules": rules})
    return answer.of_json({"value": shown})


def _shown(found: matching.Match, app: Services) -> dict[str, Any]:
    from shared.chains import asking
    from shared.hooks import firings

    out: dict[str, Any] = {"rule": found.rule.name, "fires": found.firing is not None, "reason": found.reason}
    if found.firing:
        out["depth"] = found.firing.depth
        told = {} if app.settings.notify else {"skipped": asking.NO_RECEIVER}
        out["requests"] = [{**firings.preview(found.firing, step), **(told if step.notify else {})} for step in found.rule.steps]
    return out


def _rules(_call: Call, app: Services) -> Answer:
    in_force = [_rule(rule, app) for rule in app.rule_store.rules()]
    problems = [{"file": each.file, "error": each.error.to_json()} for each in app.rule_store.problems()]
    return answer.of_json({"value": in_force, "problems": problems})


def _rule(rule: Rule, app: Services) -> dict[str, Any]:
    from shared.chains import asking
    from shared.hooks import rule_fields

    on = {
        "types": [rule_fields.SPELLED.get(each, each) for each in rule.types],
        "subjects": list(rule.subjects),
        "sources": list(rule.sources),
    }
    named = {"name": rule.name, "file": rule.source, "description": rule.description, "enabled": rule.enabled}
    told = [f"Step '{step.name}' will be skipped. {asking.NO_RECEIVER}" for step in rule.steps if step.notify]
    named |= {"author": rule.author["name"]} if rule.author else {}
    warned = {"warnings": told} if told and not app.settings.notify else {}
    return {**named, "on": on, "steps": [step.name for step in rule.steps], **warned}


def _rule_file(call: Call, app: Services) -> Answer:
    from shared.api.access import approvals
    from shared.chains import asking
    from shared.hooks import authors, rule_fields, rule_store

    folder = yaml_files.Folder(
        prefix=rule_store.PREFIX, holds="rules", listing="events/rules", invalid="InvalidRules", missing="RulesNotFound"
    )

    def read(text: str, file: str) -> list[dict[str, Any]]:
        return [_rule(rule, app) for rule in rule_fields.parse(text, file)]

    text = yaml_files.text_of(call, "InvalidRules") if call.method == "PUT" else ""
    given = rule_fields.parse(text, "") if text else ()
    if given and call.limited:
        authors.check_names(call, (rule.name for rule in given), app.rule_store.rules(), app.settings)
    if any(asking.may_delete(step) for rule in given for step in rule.steps) and approvals.wanted("rules", call, app):
        return approvals.ask("rules", call, app)
    own = authors.line(call.by(app.settings), call.sender.grants)
    authors.check_replaceable(call, app.blobs, folder.prefix, app.settings)
    return yaml_files.answered(call, app.blobs, folder, read, app.rule_store.changed, lead=own)


def _firings(call: Call, app: Services) -> Answer:
    from shared.hooks import firings

    top = call.whole_number("$top", 20, LIST_LIMIT)
    status = call.choice("status", STATUSES)
    wanted = {"rule": call.text("rule"), "status": status, "event": call.text("event").lower()}
    found = firings.newest(top + 1, app, before=answer.place(call), **wanted)
    return answer.of_json(answer.page(call, found, top, firings.place, lambda firing: firing.view()))


def _firing(call: Call, app: Services) -> Answer:
    from shared.hooks import firings

    name = _name(call)
    found = firings.load(name, app) if name else None
    if found is None:
        raise _missing(call)
    firing = found.value
    return answer.of_json({**firing.view(), "answers": dict(firing.answers)})


def _cancel(call: Call, app: Services) -> Answer:
    from shared.hooks import firings

    name = _name(call)
    found = firings.cancel(name, app) if name else None
    if found is None:
        raise _missing(call)
    return answer.of_json(found.view())


def _name(call: Call) -> str:
    name = call.named.get("id", "")
    return name if re.fullmatch(r"[0-9a-f]{40}", name) else ""


def _missing(call: Call) -> errors.BadRequestError:
    message = f"There is no firing '{call.named.get('id', '')[:60]}'; GET events/firings lists them."
    return errors.BadRequestError("FiringNotFound", message, target="id", status=404)


ROUTES: tuple[Route, ...] = (
    Route(
        "events_post",
        "POST /events",
        _accept,
        function="hooks_webhook",
        role="events",
        summary="Deliver events: Event Grid's schema or CloudEvents 1.0; 200 once they are stored",
        query={"TraceParent": "", "api-version": schemas.STRING},
        body=EVENTS,
        answers={"200": schemas.OBJECT},
        problems=LARGE,
    ),
    Route(
        "events_handshake",
        "OPTIONS /events",
        _handshake,
        function="hooks_webhook",
        role="events",
        summary="The CloudEvents handshake of webhooks (header `WebHook-Request-Origin`)",
        query={"WebHookRequestOrigin": ""},
        answers={"200": None},
    ),
    Route(
        "events_test",
        "POST /events/test",
        _try,
        function="hooks_test",
        summary="The rules that an event would fire, and the requests that they would send; nothing is sent",
        body=EVENTS,
        answers={"200": schemas.listed(schemas.OBJECT)},
        problems=LARGE,
    ),
    Route(
        "events_rules_list",
        "GET /events/rules",
        _rules,
        function="hooks_rules",
        summary="The rules in force, and the mistakes in invalid files",
        answers={"200": schemas.listed(schemas.OBJECT)},
    ),
    Route(
        "events_firings_list",
        "GET /events/firings",
        _firings,
        function="hooks_firings",
        whole=True,
        summary="Rule runs, newest first",
        query={
            "$top": schemas.top(200),
            "rule": schemas.STRING,
            "status": {"type": "string", "enum": list(STATUSES)},
            "event": schemas.STRING,
            "SkipToken": "",
        },
        answers={"200": schemas.listed(FIRING)},
    ),
    Route(
        "events_firings_get",
        "GET /events/firings/{id}",
        _firing,
        function="hooks_firing",
        whole=True,
        summary="One rule run, step by step",
        answers={"200": FIRING},
        problems=MISSING,
    ),
    Route(
        "events_firings_cancel",
        "POST /events/firings/{id}/cancel",
        _cancel,
        function="hooks_firing_cancel",
        whole=True,
        role="operator",
        summary="Stop before the next step; submitted operations continue",
        answers={"200": FIRING},
        problems=MISSING,
    ),
    *yaml_files.routes("hooks_rule_file", "/events/rules", _rule_file, name="events_rules", holds="rules"),
)
