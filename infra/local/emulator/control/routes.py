"""Control over plain http: `/_control/…`, and the managed-identity endpoint `/msi/token`.

docs/local-azure.md lists every route with an example.
"""

from __future__ import annotations

import dataclasses
import math
import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from infra.local.emulator import resources, scene, traffic, web
from infra.local.emulator.authorization import control as roles
from infra.local.emulator.events import control as events
from infra.local.emulator.faults import Fault
from infra.local.emulator.identity import managed
from infra.local.emulator.runs import Run, RunExistsError
from infra.local.emulator.scenes import docs as docs_scene
from infra.local.emulator.scenes import population, seeding
from infra.local.emulator.world import KEEP, REPLACE, Policy

if TYPE_CHECKING:
    from infra.local.emulator.world import World

routes = web.Routes(r".*", not_found=lambda _world, request: _bad(f"no control route {request.method} {request.path}", 404))
routes.route("GET", "/msi/token")(managed.token)
routes.include(events.routes)
routes.include(roles.routes)


def _bad(message: str, status: int = 400) -> web.Response:
    return web.answer({"error": message}, status=status)


def _body(request: web.Request, kind: type) -> Any:
    """The JSON body.

    Raises:
        web.Refused: it is not JSON, or not of this kind.
    """
    try:
        body = request.json()
    except ValueError as error:
        raise web.Refused(_bad(f"not JSON: {error}")) from None
    if not isinstance(body, kind):
        raise web.Refused(_bad(f"expected a JSON {kind.__name__}"))
    return body


@routes.route("POST", "/_control/reset")
def reset(world: World, _request: web.Request) -> web.Response:
    """Back to the scene: resources, runs, faults, clock, limits, log; transitions stay."""
    world.reset()
    seeding.seed(world)
    return web.answer({"reset": True})


@routes.route("POST", "/_control/scenes")
def add_scene(world: World, request: web.Request) -> web.Response:
    """`{"name":"cleanup","workspaces":4,…}`, `{"name":"docs"}`: see `seeding.py`."""
    sizes = _body(request, dict)
    name, facts = sizes.pop("name", ""), bool(sizes.pop("facts", True))
    if name == "docs" and not sizes:
        return web.answer(docs_scene.seed(world))
    if name != "cleanup":
        return _bad(f"no scene {name!r}; there are cleanup and docs")
    try:
        return web.answer(seeding.seed_cleanup(world, sizes, facts=facts))
    except (TypeError, ValueError, RunExistsError) as error:
        return _bad(f"{type(error).__name__}: {error}")


@routes.route("GET", "/_control/transitions")
def transitions(world: World, _request: web.Request) -> web.Response:
    """The rules by kind."""
    return web.answer(world.transitions.as_json())


@routes.route("PUT", "/_control/transitions")
def set_transitions(world: World, request: web.Request) -> web.Response:
    """`{"default":"polls:2","compute.start":"time","speed":20}`; kinds not named keep their rule."""
    for kind, rule in _body(request, dict).items():
        try:
            if kind == "speed":
                world.transitions.speed = _speed(rule)
            else:
                world.transitions.set(kind, str(rule))
        except (TypeError, ValueError) as error:
            return _bad(str(error))
    return web.answer(world.transitions.as_json())


def _speed(given: Any) -> float:
    """Durations are divided by it."""
    speed = float(given)
    if not 0 < speed < math.inf:
        raise ValueError(f"speed is a number above 0, not {given!r}")
    return speed


@routes.route("DELETE", "/_control/transitions")
def reset_transitions(world: World, _request: web.Request) -> web.Response:
    """Back to what the command line said."""
    world.transitions.reset()
    return web.answer(world.transitions.as_json())


@routes.route("GET", "/_control/faults")
def faults(world: World, _request: web.Request) -> web.Response:
    """The rules, with how often each was used."""
    return web.answer([dataclasses.asdict(fault) for fault in world.faults.all()])


@routes.route("POST PUT", "/_control/faults")
def add_faults(world: World, request: web.Request) -> web.Response:
    """One rule or a list; PUT replaces all there are."""
    try:
        body = request.json()
        rules = [Fault.from_json(rule) for rule in (body if isinstance(body, list) else [body])]
    except (ValueError, TypeError, AttributeError) as error:
        return _bad(str(error))
    if request.method == "PUT":
        world.faults.replace([])
    return web.answer([world.faults.add(rule).id for rule in rules])


@routes.route("DELETE", "/_control/faults")
def delete_faults(world: World, _request: web.Request) -> web.Response:
    """No faults any more."""
    world.faults.replace([])
    return web.answer([])


@routes.route("GET", "/_control/requests")
def requests(world: World, request: web.Request) -> web.Response:
    """What was received, in order; `method`, `host`, `path` (regular expressions, searched) and `after` (order) filter."""
    try:
        wanted = {
            name: re.compile(request.query[name], re.IGNORECASE) for name in ("method", "host", "path") if name in request.query
        }
        after = int(request.query.get("after", "0"))
    except (re.error, ValueError) as error:
        return _bad(str(error))
    found = [
        dataclasses.asdict(entry)
        for entry in sorted(world.received, key=lambda entry: entry.order)
        if entry.order > after and all(pattern.search(getattr(entry, name)) for name, pattern in wanted.items())
    ]
    return web.answer(found)


@routes.route("DELETE", "/_control/requests")
def forget_requests(world: World, _request: web.Request) -> web.Response:
    """Empty the log."""
    world.received.clear()
    return web.answer([])


@routes.route("GET", "/_control/clock")
def clock(world: World, _request: web.Request) -> web.Response:
    """The local Azure's time."""
    return web.answer({"now": resources.stamp(world.now())})


@routes.route("POST", "/_control/clock")
def advance(world: World, request: web.Request) -> web.Response:
    """`{"advance_s": 3600}` moves the time on."""
    try:
        world.clock.advance(float(_body(request, dict)["advance_s"]))
    except (KeyError, TypeError, ValueError):
        return _bad('expected {"advance_s": seconds}')
    return clock(world, request)


@routes.route("GET", "/_control/resources")
def resource(world: World, request: web.Request) -> web.Response:
    """`?id=ARM id`: the stored body; without it all ids."""
    with world.lock:
        if "id" not in request.query:
            return web.answer([found.id for found in world.resources])
        found = world.resources.get(request.query["id"])
        return web.answer(found.body) if found else _bad("no such resource", 404)


@routes.route("POST", "/_control/resources")
def add_resources(world: World, request: web.Request) -> web.Response:
    """`[{"id":ARM id,"body":{…},"days":200,"changed":3}, …]`: as if each had been made, and changed, so many days ago."""
    try:
        with world.lock:
            for one in _body(request, list):
                changed = None if one.get("changed") is None else float(one["changed"])
                population.put(world, str(one["id"]), dict(one["body"]), days=float(one.get("days") or 0), changed=changed)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return _bad(f"expected a list of objects with id and body: {error!r}")
    return web.answer({"resources": len(_body(request, list))})


@routes.route("POST", "/_control/runs")
def add_runs(world: World, request: web.Request) -> web.Response:
    """`[{"workspace":ARM id,"run":id,"status":"Queued","days":3,"target":"cpu","definition":{…}}, …]`: runs begun so long ago."""
    try:
        for one in _body(request, list):
            definition, more = (
                dict(one.get("definition") or {}),
                {"target": one.get("target"), "lasted": float(one.get("lasted") or 0)},
            )
            home, name, status = str(one["workspace"]), str(one["run"]), str(one["status"])
            population.run(world, home, name, status=status, days=float(one.get("days") or 0), **more, **definition)
    except (KeyError, TypeError, ValueError, AttributeError, RunExistsError) as error:
        return _bad(f"expected a list of objects with workspace, run and status: {error!r}")
    return web.answer({"runs": len(_body(request, list))})


@routes.route("PATCH", "/_control/resources")
def patch_resource(world: World, request: web.Request) -> web.Response:
    """`?id=ARM id`, JSON merge patch on the stored body, systemData and read-only fields included (to age things)."""
    body = _body(request, dict)
    with world.lock:
        found = world.resources.get(request.query.get("id", ""))
        if found is None:
            return _bad("no such resource", 404)
        found.body = resources.merge_patch(found.body, body)
        return web.answer(found.body)


@routes.route("PATCH", "/_control/runs")
def patch_run(world: World, request: web.Request) -> web.Response:
    """`?workspace=ARM id&run=id`: set fields of a run; the times as ISO text."""
    changes = _body(request, dict)
    if unknown := set(changes) - {field.name for field in dataclasses.fields(Run)}:
        return _bad(f"a run has no {', '.join(sorted(unknown))}")
    try:
        for name in ("created_at", "started_at", "ended_at"):
            if changes.get(name):
                changes[name] = datetime.fromisoformat(changes[name])
    except (TypeError, ValueError) as error:
        return _bad(str(error))
    run = world.runs.update(request.query.get("workspace", ""), request.query.get("run", ""), **changes)
    return web.answer({"runId": run.run_id, "status": run.status}) if run else _bad("no such run", 404)


@routes.route("POST", "/_control/traffic")
def add_traffic(world: World, request: web.Request) -> web.Response:
    """`{"endpoint":ARM id,"deployment":"blue","status":200,"times":5,"days_ago":3,"took_ms":80}`: requests of then."""
    body = _body(request, dict)
    try:
        at = world.now() - timedelta(days=float(body.get("days_ago") or 0))
        status, times = int(body.get("status") or 200), int(body.get("times") or 1)
        took_ms = float(body["took_ms"]) if "took_ms" in body else None
        traffic.count(world, str(body["endpoint"]), str(body["deployment"]), status, at=at, times=times, took_ms=took_ms)
    except (KeyError, TypeError, ValueError) as error:
        return _bad(f"expected an endpoint and a deployment, and numbers: {error}")
    return web.answer({"counted": times})


@routes.route("POST", "/_control/tokens")
def tokens(world: World, request: web.Request) -> web.Response:
    """`{"lifetime_s": 60}` for tokens given from now on; `{"revoke": token}` makes one expired."""
    body = _body(request, dict)
    if "lifetime_s" in body:
        try:
            world.tokens.lifetime_s = int(body["lifetime_s"])
        except (TypeError, ValueError):
            return _bad(f"lifetime_s is a whole number, not {body['lifetime_s']!r}")
    if "revoke" in body:
        world.tokens.revoke(str(body["revoke"]))
    return web.answer({"lifetime_s": world.tokens.lifetime_s})


@routes.route("PUT", "/_control/limits")
def limits(world: World, request: web.Request) -> web.Response:
    """Token buckets and page size: `{"enforced":true,"reads":5,"reads_per_s":1,"page_size":2}`; also `vm_quota_cores`."""
    known = {field.name for field in dataclasses.fields(world.limits)}
    for name, value in _body(request, dict).items():
        if not isinstance(value, int | float):
            return _bad(f"{name} is a number, not {value!r}")
        if name == "vm_quota_cores":
            world.vm_quota_cores = int(value)
        elif name in known:
            setattr(world.limits, name, value)
        else:
            return _bad(f"no limit {name}; there are vm_quota_cores, {', '.join(sorted(known))}")
    world.notes.pop("buckets", None)
    return web.answer({**dataclasses.asdict(world.limits), "vm_quota_cores": world.vm_quota_cores})


@routes.route("GET PUT", "/_control/policies")
def policies(world: World, request: web.Request) -> web.Response:
    """`[{"name":"no-public-ip","match":"regular expression"}]`: a PUT or PATCH whose path or body matches is denied."""
    if request.method == "PUT":
        try:
            world.policies = tuple(Policy(**one) for one in _body(request, list))
            for one in world.policies:
                re.compile(one.match)
        except (TypeError, re.error) as error:
            world.policies = ()
            return _bad(f"expected a list of objects with name and match: {error}")
    return web.answer([dataclasses.asdict(one) for one in world.policies])


@routes.route("GET PUT", "/_control/taken")
def taken(world: World, request: web.Request) -> web.Response:
    """`["contoso"]`: names of accounts, vaults and container registries that others have somewhere in Azure."""
    if request.method == "PUT":
        world.taken = frozenset(str(name).lower() for name in _body(request, list))
    return web.answer(sorted(world.taken))


_CHOICES = {"put": (KEEP, REPLACE), "missing": ("arm", "service")}


@routes.route("GET PUT", "/_control/unrecorded")
def unrecorded(world: World, request: web.Request) -> web.Response:
    """What is not recorded: `{"put":"keep"}` or `"replace"`, `{"missing":"arm"}` or `"service"` (docs/local-azure.md)."""
    if request.method == "PUT":
        given = {"put": world.unrecorded, "missing": world.missing, **_body(request, dict)}
        for name, choices in _CHOICES.items():
            if given[name] not in choices:
                return _bad(f"{name} is {' or '.join(choices)}, not {given[name]!r}")
        world.unrecorded, world.missing = given["put"], given["missing"]
    return web.answer({"put": world.unrecorded, "missing": world.missing})


@routes.route("PUT", "/_control/providers")
def providers(world: World, request: web.Request) -> web.Response:
    """`{"Microsoft.MachineLearningServices":"NotRegistered"}`, in every subscription, or in the one of `?subscription=`."""
    asked = request.query.get("subscription")
    for subscription in (asked,) if asked else scene.SUBSCRIPTIONS:
        for name, state in _body(request, dict).items():
            world.register(f"/subscriptions/{subscription}", name, str(state))
    return web.answer(_registrations(world))


def _registrations(world: World) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for (subscription, namespace), state in world.registration.items():
        found.setdefault(subscription, {})[namespace] = state
    return found


@routes.route("GET", "/_control/state")
def state(world: World, _request: web.Request) -> web.Response:
    """What is there, in short."""
    world.operations.settle()
    with world.lock:
        body = {
            "now": resources.stamp(world.now()),
            "resources": {found.id: found.state for found in world.resources},
            "operations": [
                {
                    **{name: getattr(op, name) for name in ("id", "kind", "target", "status", "polls", "error")},
                    "startedAt": resources.stamp(op.started_at),
                    "dueAt": resources.stamp(op.due_at),
                }
                for op in world.operations.all()
            ],
            "serving": {name: handle.state for name, handle in world.serving.items()},
            "transitions": world.transitions.as_json(),
            "registration": _registrations(world),
        }
    return web.answer(body)
