"""No secret that a caller wrote is left in any store once a recipe, rollout, rule, score or approval has ended.

Tables, queues and blobs are read whole, and what others are answered; each place has a canary of its own, as in test_canaries.
"""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from shared import machines, services
from shared.api.access import approvals, key_book
from shared.durable import messages
from shared.endpoints import score_answers
from shared.hooks import inbox, rule_store
from shared.notify import receivers
from shared.notify.receivers import Outcome
from tests import front
from tests.fake_azure import Fault, refusal
from tests.faults.test_every_machine import QUEUES, Platform, _registered
from tests.serving_azure import PATH, Model
from tests.unit.http.test_canaries import JOB, SAS, Canaries
from tests.unit.rollouts.conftest import BODY as ROLLOUT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HOOK = "https://hooks.contoso.com/in?sig={}"
SETTINGS = {"callback_hosts": ("hooks.contoso.com", "queue:told"), "approvals": ("workspaces",)}
RULES = """
rules:
  - name: copied
    on: {types: [ModelRegistered]}
    oncePer: ${{ data.modelName }}
    do:
      - name: made
        request: PUT workspaces/w1/jobs/copied
        body: {properties: {jobType: Command, command: "${{ data.token }}", environmentVariables: {A: "${{ data.token }}"}}}
      - request: GET workspaces/w1/jobs/copied
  - name: quiet
    on: {types: [ModelRegistered]}
    oncePer: ${{ data.modelName }}
    debounce: 90s
    do: {request: "GET workspaces/w1/jobs/${{ data.modelName }}"}
"""


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    """The app, an Azure that serves, and a receiver that takes everything."""
    made = Platform(settings=dict(SETTINGS))
    monkeypatch.setattr(receivers, "post", lambda *_, **__: Outcome(status=200))
    azure: Any = made.steward.azure
    azure.serve(green=Model())
    yield made
    services.use(None)


def send(method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    """Send a request, as the unnamed key."""
    return front.told(front.respond(method, path, b"" if body is None else json.dumps(body), **headers))


def recipe(world: Platform, canaries: Canaries) -> None:
    """A recipe of the request's own, and one by its name with parameters; receivers of their ends."""
    job = {"request": "PUT workspaces/w1/jobs/j8", "body": {"properties": canaries.fill(JOB)}}
    status, said = send("POST", "recipes", {"steps": {"job": job}}, callback_url=canaries.fill(HOOK))
    assert status == 202, said
    text = "${{ parameters.token }} ${{ parameters.more.a }}"
    steps = {
        "job": {
            "request": "PUT workspaces/w1/jobs/${{ parameters.job }}?note=${{ parameters.number }}",
            "body": {"properties": {"jobType": "Command", "command": text}},
        }
    }
    types = {"job": {"type": "string"}, "token": {"type": "string"}, "more": {"type": "object"}, "number": {"type": "integer"}}
    assert send("PUT", "recipes/own", {"parameters": types, "steps": steps})[0] in (200, 201)
    values = {"job": "j9", "token": canaries.one(), "more": {"a": canaries.one()}, "number": 7}
    status, said = send("POST", "recipes/own", {"parameters": values}, callback_url=canaries.fill(HOOK))
    assert status == 202, said


def schedule(world: Platform, canaries: Canaries) -> None:
    """A recipe that starts by itself: it is kept as it was put until it is deleted, and its run keeps nothing of its bodies."""
    job = {"request": "PUT workspaces/w1/jobs/j10", "body": {"properties": canaries.fill(JOB)}}
    status, said = send("PUT", "recipes/timed", {"schedule": "0 2 9 2 3 *", "steps": {"job": job}})
    assert status == 200, said
    world.clock.advance(130)
    machines.reconcile(world.app)
    while held := world.queue("queue").receive():
        machines.take(messages.QUEUE, held.text, world.app)
        world.queue("queue").delete(held)
    assert send("GET", "recipes/runs?recipe=timed")[1]["value"]
    assert send("DELETE", "recipes/timed")[0] == 204
    world.clock.advance(600)


def rollout(world: Platform, canaries: Canaries) -> None:
    """A rollout: the deployment's body, what the new one is asked, a receiver of each step."""
    own = {"like": "blue", "model": "azureml:green:1", "properties": {"environmentVariables": {"A": canaries.one()}}}
    body = {**ROLLOUT, "body": own, "smoke": [{"send": {"x": canaries.one()}, "expect": "body.score"}]}
    body |= {"golden": [{"send": {"x": canaries.one()}}], "steps": [50, 100], "bake": "PT2M"}
    status, said = send("POST", f"{PATH}/rollout", body, callback_url=canaries.fill(HOOK))
    assert status == 202, said


def firing(world: Platform, canaries: Canaries) -> None:
    """Events: data that a rule uses, one too large for a message, one that is debounced, one that no rule wants."""
    world.steward.blobs.blobs[f"{rule_store.PREFIX}a.yaml"] = RULES.encode()
    wanted = _registered()
    for number, more in enumerate(({}, {"pad": "x" * 70_000})):
        data = {**wanted.data, "ModelName": f"m{number}", "token": canaries.one(), **more}
        inbox.store([replace(wanted, id=f"e{number}", data=data)], world.app)
    inbox.store([replace(wanted, id="other", type="other", data={"a": canaries.one()})], world.app)


def score(world: Platform, canaries: Canaries) -> None:
    """Scores that wait: a small body, a large one, lines, their receivers."""
    headers = {"prefer": "respond-async", "azureml_model_deployment": "blue"}
    for body in ({"x": canaries.one()}, {"x": canaries.one(), "pad": "x" * 70_000}):
        status, said = send("POST", f"{PATH}/score", body, callback_url=canaries.fill(HOOK), **headers)
        assert status == 202, said
    lines = "\n".join(json.dumps({"x": canaries.one()}) for _ in range(3))
    answer = front.respond("POST", f"{PATH}/score?each=line", lines, content_type="application/jsonl", **headers)
    assert answer.status_code == 202, answer.get_body()


def operation(world: Platform, canaries: Canaries) -> None:
    """Operations with receivers, sent and queued; one of them is told twice."""
    for number, prefer in enumerate(("", "respond-async")):
        receivers_of = " ".join(canaries.fill([HOOK, HOOK]))
        status, said = send(
            "PUT", f"workspaces/w1/jobs/o{number}", {"properties": canaries.fill(JOB)}, callback_url=receivers_of, prefer=prefer
        )
        assert status in (202, 400), said


def approval(world: Platform, canaries: Canaries) -> None:
    """Requests that wait for another person: refused, forgotten, approved."""
    path, (refused, given) = "workspaces/w1", ("a1", "a2")
    for name in (refused, given, "a3"):
        send("PUT", f"workspaces/{name}", {"location": "westeurope"})
        world.drive()
        headers = {"callback_url": canaries.fill(HOOK), "content_type": "application/json"}
        status, said = send("DELETE", f"workspaces/{name}?own={canaries.one()}", **headers)
        assert status == 202, (path, said)
    waiting = {each["target"].rpartition("/")[2]: each["name"] for each in send("GET", "approvals")[1]["value"]}
    assert send("POST", f"approvals/{waiting[refused]}/refuse")[0] == 200
    key = {"role": "admin", "hash": key_book.hashed("second")}
    assert send("PUT", "keys/second", key)[0] == 200
    status, said = send("POST", f"approvals/{waiting[given]}/approve", x_functions_key="second")
    assert status in (200, 202, 204), said
    world.clock.advance(world.app.settings.approval_hours * 3600 + 60)


def expiry(world: Platform, canaries: Canaries) -> None:
    """What expires: a cluster whose making was told of, and its end."""
    body = {"location": "westeurope", "properties": {"computeType": "AmlCompute", "description": SAS.format(canaries.one())}}
    headers = {"callback_url": canaries.fill(HOOK), "expires_in": "PT2M"}
    status, said = send("PUT", "workspaces/w1/computes/gpu", body, **headers)
    assert status in (200, 201, 202), said


BEGIN: dict[str, Callable[[Platform, Canaries], None]] = {
    each.__name__: each for each in (recipe, schedule, rollout, firing, score, operation, approval, expiry)
}
ELSEWHERE = {"delivery": "each of them", "run": "test_a_clean_up_keeps_no_receiver", "unit": "test_a_clean_up_keeps_no_receiver"}


def test_every_machine_has_canaries() -> None:
    """A new row of MACHINES needs a case here."""
    assert {machine.name for machine in machines.MACHINES} == {*BEGIN, *ELSEWHERE} - {"score", "approval"}


def stored(world: Platform) -> str:
    """All that tables, blobs and queues hold."""
    tables = [world.steward.rows, world.steward.open, world.steward.access_rows, world.steward.due_rows, *world.tables.values()]
    rows = [repr(row) for table in tables for row in table.rows.values()]
    blobs = [name + content.decode("utf-8", "replace") for name, content in world.steward.blobs.blobs.items()]
    return "\n".join([*rows, *blobs, *(held.text for name in QUEUES for held in world.queue(name).messages)])


def answers() -> str:
    """What any reader may ask for."""
    said = []
    for path, members in (
        ("operations", ("", "/result")), ("recipes/runs", ("",)), ("events/firings", ("",)), ("approvals", ("",)),
        ("expiries", ()), ("audit?since=2020-01-01&until=2020-12-31", ()), (f"{PATH}/rollout", ()),
    ):  # fmt: skip
        listed = front.respond("GET", path)
        said.append(listed.get_body().decode())
        for each in json.loads(said[-1]).get("value", ()):
            said += [front.respond("GET", f"{path}/{each['name']}{end}").get_body().decode() for end in members]
    return "".join(said)


@pytest.mark.parametrize("refused", [False, True], ids=["taken", "refused"])
@pytest.mark.parametrize("name", BEGIN)
def test_what_it_was_given_is_gone_once_it_has_ended(
    world: Platform, name: str, caplog: pytest.LogCaptureFixture, *, refused: bool
) -> None:
    """Whether Azure takes what comes of it or refuses it; all tables, blobs and queues, all answers, and the log."""
    caplog.set_level(logging.DEBUG)
    canaries = Canaries()
    if refused:
        canaries.made.append("CANARYsaid")
        said = refusal(400, "BadArgument", "The value 'https://x.example/?sig=CANARYsaid' is wrong.")
        world.steward.azure.faults += [Fault(method="PUT", match=match, response=said, times=9) for match in ("/jobs/", "/green")]
    BEGIN[name](world, canaries)
    world.drive()
    approvals.purge(world.app)
    world.clock.advance(world.app.settings.score_hours * 3600 + 60)  # the answers of a model are kept so long
    score_answers.purge(world.steward.blobs, world.clock(), world.app.settings.score_hours)
    assert len(canaries.made) > 2 or name == "expiry"
    for where, text in (("stored", stored(world)), ("answers", answers()), ("log", caplog.text)):
        found = [f"{each}: …{text[max(0, text.index(each) - 300) : text.index(each)]}" for each in canaries.made if each in text]
        assert not found, (where, found)


@pytest.mark.parametrize(
    "fails", [{"smoke": "body.score == `1`"}, {"smoke": "abs(body.score)"}, {"golden": {"x": 1}}, {"status": 422}]
)
def test_a_rollout_keeps_nothing_of_what_a_model_says(
    world: Platform, fails: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """A smoke test that fails, one that does not fit the answer, golden answers that differ, an error of the model."""
    caplog.set_level(logging.DEBUG)
    canaries, azure = Canaries(), world.steward.azure
    said = {"score": canaries.one(), canaries.one(): [canaries.one()], "error": {"code": canaries.one(), "message": canaries.one()}}
    azure.serve(green=Model(whole=said, status=fails.get("status", 200)))  # type: ignore[attr-defined]
    body = {**ROLLOUT, "smoke": [{"send": {}, "expect": fails.get("smoke", "body.score")}]}
    body |= {"golden": [{"send": fails["golden"]}]} if "golden" in fails else {}
    assert send("POST", f"{PATH}/rollout", body)[0] == 202
    world.drive()
    found = send("GET", f"{PATH}/rollout")[1]["value"][0]
    assert (found["status"], bool(found["history"][-1]["reason"])) == ("RolledBack", True)
    for where, text in (("stored", stored(world)), ("answers", answers()), ("log", caplog.text)):
        assert not [each for each in canaries.made if each in text], (where, found)


def test_what_a_recipe_was_given_is_in_no_answer_while_it_runs(world: Platform) -> None:
    """It is stored for its later steps, and others may read how far it is."""
    canaries = Canaries()
    recipe(world, canaries)
    assert send("PUT", "recipes/slow", {"parameters": {"a": {"type": "string"}}, "steps": {"rest": {"wait": "PT2H"}}})[0] == 200
    said = [json.dumps(send("POST", "recipes/slow", {"parameters": {"a": canaries.one()}}))]
    for each in send("GET", "recipes/runs")[1]["value"]:
        assert each["status"] == "Running", each
        said.append(
            json.dumps([each, send("GET", f"recipes/runs/{each['name']}"), send("GET", f"recipes/runs/{each['name']}/result")])
        )
    assert canaries.made[-1] in stored(world)
    assert not [each for each in canaries.made if each in "".join(said)], said


def test_a_clean_up_keeps_no_receiver(monkeypatch: pytest.MonkeyPatch) -> None:
    """The query of a receiver may be its key: gone once the run has ended and was told of."""
    world, canaries = Platform(cleans=True, settings=dict(SETTINGS)), Canaries()
    told: list[str] = []
    monkeypatch.setattr(receivers, "post", lambda receiver, *_, **__: told.append(receiver.url) or Outcome(status=200))
    policies = json.dumps(
        {"policies": [{"name": "own", "kind": "modelVersion", "staleWhen": {"olderThan": "P90D"}, "action": "delete"}]}
    )
    world.steward.blobs.blobs["cleanup/policies/ours.yaml"] = policies.encode()
    try:
        status, said = send("POST", "cleanup?mode=dryRun", callback_url=canaries.fill(HOOK))
        assert status == 202, said
        world.drive()
        assert canaries.made[0] in "".join(told)
        text = stored(world) + front.respond("GET", f"cleanup/reports/{said['name']}").get_body().decode()
        assert said["name"] in text
        assert canaries.made[0] not in text
    finally:
        services.use(None)
