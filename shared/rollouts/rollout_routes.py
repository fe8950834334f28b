"""Routes of rollouts: start, read, promote, pause, abort. A rollout that cannot work is refused before anything is sent.

Not here: the fields of the body (rollout_fields), what a rollout does (rollouts).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from shared.api import answer, schemas
from shared.api.answer import Later
from shared.api.call import RuleRun
from shared.api.route import BUSY, LARGE, MISSING, Route
from shared.catalog import bodies, grants, paths
from shared.rest import errors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.api.answer import Answer
    from shared.api.call import Call
    from shared.rest.ids import ResourceId
    from shared.rollouts import rollouts
    from shared.settings import Settings

    class Services(rollouts.Services, Protocol):
        """What these handlers need of the composition root."""

        @property
        def settings(self) -> Settings: ...  # noqa: D102


LIST_LIMIT = 100
FUNCTIONS = {"GET": "browse_workspaces", "POST": "act_workspaces"}
ROLLOUT = schemas.ref("schemas", "Rollout")
BEGUN: schemas.Json = {"application/json": schemas.ref("schemas", "RolloutBody")}


def _endpoint(call: Call, app: Services) -> ResourceId:
    return paths.resolve(call.path[: call.path.lower().rindex("/rollout")], app.settings).id


def _begin(call: Call, app: Services) -> Answer:
    from shared.api.access import admission
    from shared.api.resources import submission
    from shared.operations import models
    from shared.rollouts import endpoint_state, rollout_fields, rollouts
    from shared.rollouts.rollout_record import Rollout

    given = bodies.parse_any(call.body, call.media)
    plan, endpoint, now = rollout_fields.parse(given), _endpoint(call, app), app.clock()
    named, body = endpoint.child("deployments", plan["deployment"]), plan["body"]
    grants.check_reach(call.sender.grants, call.by(app.settings), named, endpoint_state.DEPLOYMENTS.full_type)
    admission.check_body(call, endpoint_state.DEPLOYMENTS, body, app.settings)
    if "like" not in body:
        bodies.check(endpoint_state.DEPLOYMENTS, body)
    key = call.sender.key if isinstance(call.sender, RuleRun) else call.idempotency_key()
    rollout = Rollout(
        id=models.new_suffix(key, f"{call.by(app.settings)}\n{endpoint.key}"),
        endpoint=endpoint.path,
        plan=plan,
        asked_hash=hashlib.sha256(json.dumps(given, sort_keys=True).encode()).hexdigest(),
        caller=call.by(app.settings),
        keys=tuple(dict.fromkeys(grant.of for grant in call.sender.grants if grant.of)),
        notify=tuple(dict.fromkeys((*submission.callbacks(call, app.settings), *app.settings.notify))),
        created_at=now,
        due_at=now,
    )
    if not rollouts.load(rollout.endpoint, rollout.id, app):  # sent again, it finds its own deployment there
        rollout = replace(rollout, **_standing(plan, endpoint, app))
    shown = rollouts.begin(rollout, app)
    headers = {"Location": answer.to_follow(call, f"{call.path.strip('/')}/{shown.id}"), "Retry-After": "10"}
    return answer.of_json(shown.view(), 202, headers)


def _standing(plan: Mapping[str, Any], endpoint: ResourceId, app: Services) -> dict[str, Any]:
    """Return the state of the endpoint, which must be ready for a rollout.

    Raises:
        BadRequestError: it is not.
        RejectedError: Azure knows no such endpoint.
    """
    from shared.endpoints import snapshots
    from shared.rest import long_running
    from shared.rollouts import endpoint_state

    found = endpoint_state.endpoint_of(endpoint.path, app)
    if found is None:
        raise _refused("EndpointNotFound", f"There is no online endpoint '{endpoint.name}'.", "path", 404)
    if tag := snapshots.tag_of(found):
        raise snapshots.EndpointParkedError(endpoint, tag)
    there, traffic, mirror = (
        endpoint_state.deployments_of(endpoint.path, app),
        endpoint_state.shares_of(found),
        endpoint_state.shares_of(found, "mirrorTraffic"),
    )
    if not traffic:
        message = (
            f"No deployment of '{endpoint.name}' has traffic, so there is nothing to compare with. PUT the first one yourself."
        )
        raise _refused("NothingLive", message, "path", 409)
    _check_names(plan, there, traffic)
    if plan["mirror"] and mirror:
        message = (
            f"The endpoint mirrors to {', '.join(mirror)} already; Azure takes one mirror. End that one, or leave 'mirror' out."
        )
        raise _refused("MirrorInUse", message, "mirror", 409)
    live = {name.lower(): there[name.lower()] for name in traffic if name.lower() in there}
    for each in (found, *live.values()):
        state = str(bodies.dig(each, long_running.PROVISIONING_STATE) or "").lower()
        if state not in long_running.SUCCEEDED:
            message = f"'{each['name']}' is {state or 'in no state'}; a rollout begins when it is Succeeded."
            raise _refused("EndpointNotReady", message, "path", 409)
    stamps = {name: snapshots.changed(each) for name, each in live.items()}
    return {"traffic": traffic, "mirror": mirror, "before": {"traffic": traffic, "mirror": mirror}, "stamps": stamps}


def _check_names(plan: Mapping[str, Any], there: Mapping[str, Any], traffic: Mapping[str, int]) -> None:
    """Refuse a new deployment that is there, and others that are not."""
    from shared.rollouts import rollout_fields

    like, live = str(plan["body"].get("like", "")), {name.lower() for name in traffic}
    if plan["deployment"].lower() in there:
        message = f"The deployment '{plan['deployment']}' exists. Choose another name, or delete it first."
        raise _refused("DeploymentExists", message, "deployment", 409)
    if like and like.lower() not in there:
        message = f"There is no deployment '{like[:60]}' of this endpoint; there are {', '.join(there)}."
        raise _refused("DeploymentNotFound", message, "body.like", 404)
    for name in rollout_fields.LIMITS:
        other = str(plan["gate"].get(name, {}).get("atMostOf", ""))
        if other and other.lower() not in live:
            message = f"'{other[:60]}' has no traffic to compare with; live are {', '.join(traffic)}."
            raise _refused("InvalidField", message, f"gate.{name}.atMostOf", 400)


def _list(call: Call, app: Services) -> Answer:
    from shared.rollouts import rollouts
    from shared.rollouts.rollout_record import place

    top = call.whole_number("$top", 20, LIST_LIMIT)
    found = rollouts.newest(_endpoint(call, app).path, top + 1, app, before=answer.place(call))
    return answer.of_json(answer.page(call, found, top, place, lambda each: each.view()))


def _list_all(call: Call, app: Services) -> Answer:
    from shared.rollouts import rollouts
    from shared.rollouts.rollout_record import place

    top, before = call.whole_number("$top", 20, LIST_LIMIT), answer.place(call)
    seen = [each for each in rollouts.everywhere(app) if call.sees(each.endpoint) and (not before or place(each) < before)]
    return answer.of_json(answer.page(call, seen[: top + 1], top, place, lambda each: each.view()))


def _get(call: Call, app: Services, seen: int = -1) -> Later:
    """Return the answer as it stands, or after as long as the caller prefers to wait for something to happen."""
    found = _known(call, app).value
    count = len(found.notes) if seen < 0 else seen
    ended = len(found.notes) != count or found.ended_at is not None
    return Later(ended=ended, wait_s=call.wait_s, look=lambda: _get(call, app, count), answer=lambda: answer.of_json(found.view()))


def _ask(call: Call, app: Services) -> Answer:
    from shared.rollouts import rollouts

    known = _known(call, app)
    return answer.of_json(rollouts.ask(known, call.path.strip("/").rpartition("/")[2].lower(), app).view())


def _known(call: Call, app: Services) -> rollouts.Known:
    from shared.rollouts import rollouts

    name = call.named.get("id", "")
    found = rollouts.load(_endpoint(call, app).path, name, app) if name.isalnum() else None
    if found is None:
        message = f"There is no rollout '{name[:60]}' of this endpoint; GET …/rollout lists them."
        raise _refused("RolloutNotFound", message, "id", 404)
    return found


def _refused(code: str, message: str, target: str, status: int) -> errors.BadRequestError:
    return errors.BadRequestError(code, message, target=target, status=status)


def _row(name: str, call: str, handler: Any, summary: str, **more: Any) -> Route:
    verb, _, below = call.partition(" ")
    path = f"{verb} /workspaces/{{workspaceName}}/onlineEndpoints/{{onlineEndpointName}}/rollout{below}"
    return Route(f"rollout_{name}", path, handler, function=FUNCTIONS[verb], summary=summary, about=4, **more)


ROUTES: tuple[Route, ...] = (
    Route(
        "rollouts",
        "GET /rollouts",
        _list_all,
        summary="The rollouts of all endpoints, newest first",
        query={"$top": schemas.top(LIST_LIMIT), "SkipToken": ""},
        answers={"200": schemas.listed(ROLLOUT)},
    ),
    _row(
        "begin",
        "POST ",
        _begin,
        "Roll out a new deployment: create it, test it, and give it traffic step by step; set the traffic back if it does badly",
        role="operator",
        query={"IdempotencyKey": "", "CallbackUrl": "", "TraceParent": ""},
        body=BEGUN,
        answers={"202": ROLLOUT},
        problems={**MISSING, **BUSY, **LARGE},
    ),
    _row(
        "list",
        "GET ",
        _list,
        "The rollouts of an endpoint, newest first",
        query={"$top": schemas.top(LIST_LIMIT), "SkipToken": ""},
        answers={"200": schemas.listed(ROLLOUT)},
    ),
    _row(
        "get", "GET /{id}", _get, "One rollout, with its history and the latest figures", answers={"200": ROLLOUT}, problems=MISSING
    ),
    *(
        _row(what, f"POST /{{id}}/{what}", _ask, summary, role="operator", answers={"200": ROLLOUT}, problems={**MISSING, **BUSY})
        for what, summary in (
            ("promote", "Continue without waiting for the gate; a bad gate still moves the traffic back"),
            ("pause", "Keep the present share of the traffic until promote"),
            ("abort", "Move all traffic back to where it was"),
        )
    ),
)
