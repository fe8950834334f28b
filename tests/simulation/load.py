"""What callers, events and timers ask of the app in a simulated run: one row for each sort of work, drawn by weight.

A caller whose connection broke sends the same again under the same key. Not here: what must come of it (judge).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shared.api.call import Call
from shared.api.resources import provision
from shared.hooks import inbox, rule_store
from shared.hooks.events import Event
from shared.operations import acceptance, flows
from shared.recipes import run_steps
from shared.rest import errors
from tests.fake_azure import ML, WORKSPACE
from tests.faults.test_every_machine import RULES, _recipe_run
from tests.simulation import judge

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from tests.simulation.judge import Verdict
    from tests.simulation.world import World

GAPS_S = (0.0, 0.3, 0.9, 3.0, 10.0, 30.0)
AGAIN_S = (1.0, 5.0, 20.0)
TRIES = 60
COMPUTE = {"location": "westeurope", "properties": {"computeType": "AmlCompute"}}
SHARED = (  # targets that many requests change; other clients change those that are called so
    ("workspaces/w1/computes/own", "compute"),
    ("workspaces/w1/computes/foreign", "compute"),
    ("workspaces/w1/onlineEndpoints/own", "endpoint"),
    ("workspaces/w1/onlineEndpoints/foreign", "endpoint"),
    ("workspaces/w1/models/own/versions/1", "model"),
    ("workspaces/w1/models/foreign/versions/1", "model"),
    ("workspaces/own", "workspace"),
    ("workspaces/foreign", "workspace"),
)
RECIPE = """
steps:
  one: {{request: PUT workspaces/w1/computes/{name}-one, needs: [],
    body: {{location: westeurope, properties: {{computeType: AmlCompute}}}}}}
  two: {{request: PUT workspaces/w1/computes/{name}-two, needs: [],
    body: {{location: westeurope, properties: {{computeType: AmlCompute}}}}}}
  rest: {{wait: PT2M, needs: [one, two]}}
  gone: {{request: "DELETE workspaces/w1/computes/${{{{ steps.one.result.name }}}}"}}
"""


@dataclass(kw_only=True)
class Asked:
    """A piece of work.

    Attributes:
        number: Which one.
        what: A row of `SORTS`.
        method, path, mark: Of its write, where it is one.
        record: The id of its operation, or of its run, as soon as that is known.
        begun, accepted: When its first request began, and when it was answered at last.
        refused: The reason why it was not accepted.
        notify: Whether its end is to be told.
    """

    number: int
    what: str
    method: str = ""
    path: str = ""
    mark: str = ""
    record: str = ""
    begun: datetime | None = None
    accepted: datetime | None = None
    refused: str = ""
    notify: bool = False
    more: dict[str, Any] = field(default_factory=dict)


def _body(mark: str, kind: str) -> dict[str, Any]:
    properties = {"computeType": "AmlCompute"} if kind == "compute" else {}
    return {"location": "westeurope", "tags": {"mark": mark}, "properties": properties}


def _submits(asked: Asked, world: World, body: Any) -> Callable[[Any], None]:
    notify, later = ("queue:told",) if asked.notify else (), world.drawn.random() < 0.4
    request = world.steward.request(asked.method, asked.path, body, idempotency_key=f"key {asked.number}", notify=notify)
    asked.record = acceptance.identified(request)[0]
    return lambda app: _sent(flows.submit(request, app, respond_async=later))


def _sent(_operation: Any) -> None:
    return None


def _change(asked: Asked, world: World) -> Callable[[Any], None]:
    """PUT, PATCH or DELETE of a target that others change, too."""
    path, kind = world.drawn.choice(SHARED)
    asked.path, asked.method = path, world.drawn.choice(("PUT", "PUT", "PUT", "PATCH", "DELETE"))
    if kind == "model" or (asked.method == "DELETE" and kind == "workspace"):
        asked.method = "PUT"
    body = (
        None if asked.method == "DELETE" else _body(asked.mark, kind) if asked.method == "PUT" else {"tags": {"mark": asked.mark}}
    )
    if asked.method != "DELETE" and world.drawn.random() < world.rates.fails:
        world.azure.failing[f"{ML}/{path}"] = {"code": "Boom", "message": "It failed."}
    return _submits(asked, world, body)


def _job(asked: Asked, world: World) -> Callable[[Any], None]:
    asked.method, asked.path = "POST", "workspaces/w1/jobs"
    return _submits(asked, world, {"properties": {"jobType": "Command", "command": f"python {asked.number}.py"}})


def _act(asked: Asked, world: World) -> Callable[[Any], None]:
    """Stop, start or restart an instance of its own."""
    name = f"workspaces/w1/computes/ci{asked.number}"
    made = {"operationName": "Create", "operationTime": (world.azure.now() - timedelta(days=7)).isoformat()}
    own = {"lastOperation": {**made, "operationStatus": "Succeeded"}}
    world.azure.put(f"{ML}/{name}", {"properties": {"computeType": "ComputeInstance", "properties": own}})
    asked.method, asked.path = "POST", f"{name}/{world.drawn.choice(('start', 'stop', 'restart'))}"
    return _submits(asked, world, None)


def _expiring(asked: Asked, world: World) -> Callable[[Any], None]:
    asked.path = f"workspaces/w1/computes/exp{asked.number}"
    headers = {"expires-in": "PT3M", "idempotency-key": f"key {asked.number}", "content-type": "application/json"}
    call = Call(method="PUT", path=asked.path, headers=headers, body=json.dumps(COMPUTE).encode())

    def sent(app: Any) -> None:
        answer: Any = provision.change(call, app)
        status = getattr(answer, "status", 202)
        if isinstance(status, int) and status >= 500:
            raise errors.UnreachableError("503", delay_s=5.0, maybe_arrived=True)

    return sent


def _recipe(asked: Asked, world: World) -> Callable[[Any], None]:
    asked.record = f"{asked.number:032x}"
    run = _recipe_run(asked.record, world, RECIPE.format(name=f"r{asked.number}"))
    asked.notify = True
    return lambda app: _sent(run_steps.begin(run, app))


def _event(asked: Asked, _world: World) -> Callable[[Any], None]:
    data = {"ModelName": f"evt{asked.number}", "ModelVersion": "1", "ModelTags": {}, "ModelProperties": {}}
    kind = "Microsoft.MachineLearningServices.ModelRegistered"
    event = Event(id=f"event-{asked.number}", source=WORKSPACE, type=kind, subject=f"models/evt{asked.number}:1", data=data)
    return lambda app: _sent(inbox.store([event], app))


SORTS: dict[str, tuple[int, Callable[[Asked, World], Callable[[Any], None]]]] = {
    "change": (60, _change),
    "job": (8, _job),
    "act": (12, _act),
    "expiring": (6, _expiring),
    "recipe": (5, _recipe),
    "event": (6, _event),
}


class Load:
    """So many pieces of work of all sorts, on what is there before the first."""

    def __init__(self, world: World, count: int) -> None:
        world.steward.blobs.blobs[f"{rule_store.PREFIX}a.yaml"] = RULES.encode()
        for path, kind in SHARED:
            world.azure.put(f"{ML}/{path}", _body("before", kind))
        self._world, self._asked = world, begin(world, count)

    def over(self) -> bool:
        """See `runs.Load`."""
        return all(each.accepted or each.refused for each in self._asked)

    def judge(self, *, quiet: bool) -> Verdict:
        """See `runs.Load`."""
        return judge.judge(self._world, self._asked, quiet=quiet)


def begin(world: World, count: int) -> list[Asked]:
    """Plan so many pieces of work; returns them, to be judged when all has come to rest."""
    names, weights = list(SORTS), [weight for weight, _ in SORTS.values()]
    at, all_asked = 0.0, []
    for number in range(count):
        at += world.drawn.choice(GAPS_S)
        asked = Asked(number=number, what=world.drawn.choices(names, weights)[0], mark=f"m{number}")
        asked.notify = world.drawn.random() < 0.3
        all_asked.append(asked)
        world.plan(at, lambda asked=asked: _ask(asked, world))  # type: ignore[misc]
        if world.drawn.random() < 0.1:
            foreign = world.drawn.choice([path for path, _ in SHARED if "foreign" in path])
            world.plan(at + world.drawn.uniform(0, 5), lambda path=foreign: world.foreign(f"{ML}/{path}"))  # type: ignore[misc]
    return all_asked


def _ask(asked: Asked, world: World) -> None:
    asked.begun = world.clock()
    work = SORTS[asked.what][1](asked, world)
    world.say(f"asks {asked.number} {asked.what} {asked.method} {asked.path}")
    _try(asked, world, work, TRIES)


def _try(asked: Asked, world: World, work: Callable[[Any], None], left: int) -> None:
    """Send the request; again, if the connection breaks or the app says that it cannot now."""

    def again() -> None:
        assert left, f"{asked} was never answered"
        world.plan(world.drawn.choice(AGAIN_S), lambda: _try(asked, world, work, left - 1))

    def ended(problem: Exception | None) -> None:
        if isinstance(problem, errors.TransientError):
            again()
        elif problem is not None:
            if not isinstance(problem, errors.StewardError):
                raise problem
            asked.refused = f"{problem.error.code}: {problem.error.message}"
            world.say(f"request {asked.number} is refused: {asked.refused}")
        else:
            asked.accepted = world.clock()

    world.spawn(f"caller {asked.number}", work, ended, record=asked.record, died=again)
