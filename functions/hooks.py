"""Event Grid trigger, HTTP webhook and queue: events in; the rules that say what follows, and what came of them."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

import azure.functions as func

from functions import http, parameters, routes, yaml_files
from shared import services
from shared.durable import messages
from shared.rest import errors
from shared.telemetry import trace

if TYPE_CHECKING:
    from shared.hooks import matching
    from shared.hooks.rules import Rule

blueprint = func.Blueprint()
log = logging.getLogger("steward.hooks")

LIST_LIMIT = 200
STATUSES = ("Running", "Succeeded", "Failed", "Refused")
ORIGIN_HEADER = "webhook-request-origin"


@blueprint.function_name("hooks_event_grid")
@blueprint.event_grid_trigger("event")
def on_event_grid(event: func.EventGridEvent) -> None:
    """Put an event that Event Grid's own subscription delivers on the queue; both schemas."""
    from shared.hooks import events, inbox

    inbox.store([events.of(_raw(event))], services.get())


@routes.route(blueprint, "hooks_webhook", "events", ["POST", "OPTIONS"])
async def on_webhook(req: func.HttpRequest) -> func.HttpResponse:
    """POST `events`: a delivery in either schema, 200 once it is stored; OPTIONS: the CloudEvents handshake."""
    return await http.answer(req, _handshake if req.method == "OPTIONS" else _accept)


@blueprint.function_name("hooks_queue")
@blueprint.queue_trigger("message", messages.EVENT_QUEUE, "AzureWebJobsStorage")
def on_message(message: func.QueueMessage) -> None:
    """Take in events, or take the next step of a firing."""
    from functions import acting
    from shared.hooks import inbox

    inbox.take(message.get_body().decode("utf-8", errors="replace"), services.get(), acting.perform)


@blueprint.function_name("hooks_poison")
@blueprint.queue_trigger("message", f"{messages.EVENT_QUEUE}-poison", "AzureWebJobsStorage")
def on_poison(message: func.QueueMessage) -> None:
    """Keep a message that kept failing where an operator can look at it. What cannot be kept is not taken off the queue.

    A poison queue has no second poison queue: the platform leaves its message where it is, and brings it again after ten minutes.
    """
    from shared.hooks import inbox
    from shared.operations import observing

    text = message.get_body().decode("utf-8", errors="replace")
    observing.poisoned(messages.EVENT_QUEUE)
    inbox.bury(text, services.get(), "every attempt failed; the app's log holds the reason")


@routes.route(blueprint, "hooks_test", "events/test", ["POST"])
async def try_event(req: func.HttpRequest) -> func.HttpResponse:
    """POST `events/test`: which rules an event would fire, and what they would send; nothing is sent."""
    return await http.answer(req, _try)


@routes.route(blueprint, "hooks_rules", "events/rules", ["GET"])
async def list_rules(req: func.HttpRequest) -> func.HttpResponse:
    """GET `events/rules`: the rules in force, and what is wrong with the files that are not."""
    return await http.answer(req, _rules)


@routes.route(blueprint, "hooks_rule_file", "events/rules/{file}", ["GET", "PUT", "DELETE"])
async def rule_file(req: func.HttpRequest) -> func.HttpResponse:
    """GET, PUT or DELETE `events/rules/{file}`: one YAML file of rules, refused with line and column when it is wrong."""
    return await http.answer(req, _rule_file)


@routes.route(blueprint, "hooks_firings", "events/firings", ["GET"])
async def list_firings(req: func.HttpRequest) -> func.HttpResponse:
    """GET `events/firings?$top=&rule=&status=`: rules that fired, the newest first."""
    return await http.answer(req, _firings)


@routes.route(blueprint, "hooks_firing", "events/firings/{id}", ["GET"])
async def read_firing(req: func.HttpRequest) -> func.HttpResponse:
    """GET `events/firings/{id}`: one of them, step by step."""
    return await http.answer(req, _firing)


def _raw(event: Any) -> dict[str, Any]:
    """Return the event as it was on the wire; the platform's library reads both schemas into classes of its own."""
    common = {"id": event.id, "subject": event.subject, "data": event.get_json()}
    if hasattr(event, "specversion"):
        when = event.time.isoformat() if event.time else None
        more = {name: value for name, value in event.extension_attrs.items() if name.lower() == trace.HEADER}
        return {**common, **more, "specversion": "1.0", "source": event.source, "type": event.type, "time": when}
    when = event.event_time.isoformat() if event.event_time else None
    return {**common, "topic": event.topic, "eventType": event.event_type, "eventTime": when}


def _handshake(req: func.HttpRequest) -> func.HttpResponse:
    origin = str(req.headers.get(ORIGIN_HEADER, ""))
    if not re.fullmatch(r"[a-zA-Z0-9.*:-]{1,255}", origin):
        message = "OPTIONS asks for the CloudEvents webhook handshake: expected the header WebHook-Request-Origin with a host name."
        raise errors.BadRequestError("InvalidHeader", message, target="WebHook-Request-Origin")
    headers = {"WebHook-Allowed-Origin": origin, "WebHook-Allowed-Rate": "*", "Allow": "POST, OPTIONS"}
    return http.json_response(None, 200, req, headers)


def _accept(req: func.HttpRequest) -> func.HttpResponse:
    from shared.hooks import events, inbox

    found = events.from_http(req.get_body(), {name.lower(): value for name, value in req.headers.items()})
    if found.validation_code:
        return http.json_response({"validationResponse": found.validation_code}, 200, req)
    told = {"accepted": len(found.events), "messages": inbox.store(found.events, services.get())}
    return http.json_response(told, 200, req)  # not 202: Microsoft's own client (azure-eventgrid) takes nothing else for success


def _try(req: func.HttpRequest) -> func.HttpResponse:
    from shared.hooks import events, matching

    found = events.from_http(req.get_body(), {name.lower(): value for name, value in req.headers.items()})
    if found.validation_code:
        raise errors.BadRequestError("InvalidEvent", "This is a handshake, not an event.", target="body")
    app = services.get()
    shown = [{"event": event.to_json(), "rules": [_shown(each) for each in matching.matches(event, app)]} for event in found.events]
    return http.json_response({"value": shown}, 200, req)


def _shown(found: matching.Match) -> dict[str, Any]:
    from shared.hooks import firings

    out: dict[str, Any] = {"rule": found.rule.name, "fires": found.firing is not None, "reason": found.reason}
    if found.firing:
        out["depth"] = found.firing.depth
        out["requests"] = [firings.preview(found.firing, step) for step in found.rule.steps]
    return out


def _rules(req: func.HttpRequest) -> func.HttpResponse:
    app = services.get()
    in_force = [_rule(rule) for rule in app.rule_store.rules()]
    problems = [{"file": each.file, "error": each.error.to_json()} for each in app.rule_store.problems()]
    return http.json_response({"value": in_force, "problems": problems}, 200, req)


def _rule(rule: Rule) -> dict[str, Any]:
    on = {"types": list(rule.types), "subjects": list(rule.subjects), "sources": list(rule.sources)}
    named = {"name": rule.name, "file": rule.source, "description": rule.description, "enabled": rule.enabled}
    return {**named, "on": on, "steps": [step.name for step in rule.steps]}


def _rule_file(req: func.HttpRequest) -> func.HttpResponse:
    from shared.hooks import rules, store

    folder = yaml_files.Folder(
        prefix=store.PREFIX, holds="rules", listing="events/rules", invalid="InvalidRules", missing="RulesNotFound"
    )
    changed = services.get().rule_store.changed
    return yaml_files.answer(req, folder, lambda text, file: [_rule(rule) for rule in rules.parse(text, file)], changed)


def _firings(req: func.HttpRequest) -> func.HttpResponse:
    from shared.hooks import firings

    top = parameters.whole_number(req, "$top", 20, LIST_LIMIT)
    status = parameters.choice(req, "status", STATUSES)
    found = firings.newest(top, services.get(), rule=parameters.text(req, "rule"), status=status)
    return http.json_response({"value": [firing.view() for firing in found]}, 200, req)


def _firing(req: func.HttpRequest) -> func.HttpResponse:
    from shared.hooks import firings

    name = str(req.route_params.get("id", ""))
    found = firings.load(name, services.get()) if re.fullmatch(r"[0-9a-f]{40}", name) else None
    if found is None:
        message = f"There is no firing '{name[:60]}'; GET events/firings lists them."
        raise errors.BadRequestError("FiringNotFound", message, target="id", status=404)
    firing = found.value
    return http.json_response({**firing.view(), "answers": dict(firing.answers)}, 200, req)
