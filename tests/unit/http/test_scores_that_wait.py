"""Asynchronous scores over HTTP: what is accepted, who reads and cancels them, and what is refused instead of ignored."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from shared.endpoints import score_answers, snapshots
from tests.fake_azure import WORKSPACE
from tests.unit.http.test_roles_and_scopes import code, name_key

if TYPE_CHECKING:
    from tests.unit.http.conftest import Answer, App

PATH = "workspaces/w1/onlineEndpoints/echo"
URI = "https://echo.westeurope.inference.ml.azure.com/score"
BODY = '{"data": [1]}'
ASYNC = {"prefer": "respond-async"}


@pytest.fixture(autouse=True)
def _served(app: App) -> None:
    app.steward.azure.put(f"{WORKSPACE}/onlineEndpoints/echo", {"properties": {"authMode": "Key", "scoringUri": URI}})
    app.steward.azure.put(f"{WORKSPACE}/onlineEndpoints/echo/deployments/blue", {"properties": {}})


def park(app: App) -> None:
    """Leave the endpoint as another installation parked it: its wake fails."""
    endpoint = app.steward.azure.resources[f"{WORKSPACE}/onlineEndpoints/echo".lower()]
    endpoint["tags"] = {snapshots.TAG: "since then: blue"}
    del app.steward.azure.resources[f"{WORKSPACE}/onlineEndpoints/echo/deployments/blue".lower()]


def score(app: App, body: str = BODY, query: str = "", **headers: str) -> Answer:
    """Score, whatever the answer."""
    return app.send("POST", f"{PATH}/score{query}", body, **headers)


def scored(app: App, **headers: str) -> str:
    """Score asynchronously to the end; returns the operation's id."""
    accepted = score(app, **ASYNC, **headers)
    assert accepted.status == 202, accepted.content
    app.steward.drive()
    return str(accepted.body["name"])


def test_202_then_the_endpoints_own_answer(app: App) -> None:
    """Location leads to it: its status, bytes and type, its own headers, and no cookie."""
    accepted = score(app, **ASYNC)
    assert (accepted.status, accepted.body["properties"]["phase"]) == (202, "preparing")
    result = accepted.headers["location"].partition("/api/")[2]
    assert app.send("GET", result).status == 202
    app.steward.drive()
    answer = app.send("GET", result)
    assert (answer.status, answer.content.decode(), answer.headers["content-type"]) == (200, BODY, "application/json")
    assert answer.headers["x-model"] == "m"
    assert "set-cookie" not in answer.headers
    shown = app.send("GET", f"operations/{accepted.body['name']}").body
    assert (shown["status"], shown["properties"]["result"]["bytes"]) == ("Succeeded", len(BODY))
    assert shown["properties"]["request"].endswith("/onlineEndpoints/echo/score")
    listed = app.send("GET", f"operations?target={PATH}").body["value"]
    assert [each["name"] for each in listed] == [accepted.body["name"]]


def test_an_answer_is_taken_once_and_head_takes_nothing(app: App) -> None:
    """Then 410, which says what to do."""
    result = f"operations/{scored(app)}/result"
    assert app.send("HEAD", f"{result}?take=true").status == 200
    assert app.send("GET", f"{result}?take=true").content.decode() == BODY
    gone = app.send("GET", result)
    assert (gone.status, code(gone)) == (410, "AnswerGone")
    assert "Score again" in gone.said
    assert not [name for name in app.steward.blobs.blobs if name.startswith(score_answers.FOLDER)]


def test_a_scorer_reads_and_cancels_its_own_scores_only(app: App) -> None:
    """What a model answers is its caller's data; operators see to all of them."""
    keys = {name: name_key(app, name, role) for name, role in
            (("mine", "scorer"), ("other", "scorer"), ("looks", "reader"), ("ops", "operator"))}  # fmt: skip
    accepted = score(app, **ASYNC, x_functions_key=keys["mine"]).body["name"]
    canceled = {name: app.send("POST", f"operations/{accepted}/cancel", x_functions_key=key) for name, key in keys.items()
                if name != "mine"}  # fmt: skip
    assert {name: answer.status for name, answer in canceled.items()} == {"other": 403, "looks": 403, "ops": 200}
    own = score(app, **ASYNC, x_functions_key=keys["mine"]).body["name"]
    assert app.send("POST", f"operations/{own}/cancel", x_functions_key=keys["mine"]).body["status"] == "Canceled"
    result = f"operations/{scored(app, x_functions_key=keys['mine'])}/result"
    read = {name: app.send("GET", result, x_functions_key=key).status for name, key in keys.items()}
    assert read == {"mine": 200, "other": 403, "looks": 403, "ops": 200}
    compute = {"location": "westeurope", "properties": {"computeType": "AmlCompute", "properties": {"vmSize": "STANDARD_DS3_V2"}}}
    put = app.send("PUT", "workspaces/w1/computes/cpu", json.dumps(compute), **ASYNC)
    assert app.send("POST", f"operations/{put.body['name']}/cancel", x_functions_key=keys["mine"]).status == 403


def test_a_scope_holds_for_asynchronous_scores(app: App) -> None:
    """Of the score, and of its result."""
    result = f"operations/{scored(app)}/result"
    key = name_key(app, "there", "scorer", below=["workspaces/w2"])
    assert (code(score(app, **ASYNC, x_functions_key=key)), code(app.send("GET", result, x_functions_key=key))) == (
        "OutOfScope", "OutOfScope")  # fmt: skip


def test_lines_become_an_operation_without_being_asked_to(app: App) -> None:
    """Each answer in its line."""
    accepted = score(app, '{"n": 1}\n{"n": 2}\n', "?Each=LINE")
    assert accepted.status == 202
    app.steward.drive()
    answer = app.send("GET", f"operations/{accepted.body['name']}/result")
    assert (answer.content, answer.headers["content-type"]) == (b'{"n":1}\n{"n":2}\n', "application/jsonl")


@pytest.mark.parametrize(
    ("path", "headers", "target"),
    [
        (f"{PATH}/score?each=word", {}, "each"),
        (f"{PATH}/score?eachh=line", {}, "eachh"),
        (f"{PATH}/listKeys?each=line", {}, "each"),
        ("workspaces/w1/batchEndpoints/b/invoke?each=line", {}, "each"),
        ("workspaces/w1/batchEndpoints/b/invoke", ASYNC, "Prefer"),
        ("modelmanagement/workspaces/w1/services/s/score", ASYNC, "Prefer"),
        (f"{PATH}/score", {"idempotency_key": "k"}, "Idempotency-Key"),
        (f"{PATH}/score", {"callback_url": "queue:told"}, "Callback-Url"),
        (f"{PATH}/score", {**ASYNC, "upload_id": "1"}, "Upload-Id"),
        (f"{PATH}/score", {**ASYNC, "callback_url": "https://elsewhere.example"}, "Callback-Url"),
    ],
)
@pytest.mark.parametrize("parked", [False, True])
def test_what_cannot_be_honoured_is_refused(app: App, parked: bool, path: str, headers: Any, target: str) -> None:  # noqa: FBT001
    """With 400 and its name, parked or not."""
    if parked:
        park(app)
    answer = app.send("POST", path, BODY, **headers)
    assert (answer.status, answer.body["error"]["target"]) == (400, target)
    assert app.steward.azure.count("^SCORE") == 0


def test_wait_is_capped_and_said(app: App) -> None:
    """As everywhere else: a minute at most; who scores without a wish hears nothing of it."""
    assert score(app, prefer="wait=600").headers["preference-applied"] == "wait=60"
    assert "preference-applied" not in score(app).headers


@pytest.mark.parametrize("prefer", ["", "wait=0"])
def test_without_a_wish_a_parked_endpoint_is_503(app: App, prefer: str) -> None:
    """As ever: it says when to come again, and which operation wakes it."""
    park(app)
    answer = score(app, **({"prefer": prefer} if prefer else {}))
    assert (answer.status, code(answer)) == (503, "EndpointParked")
    assert int(answer.headers["retry-after"]) > 0
    assert "/operations/" in answer.headers["operation-location"]


def test_who_waits_at_a_parked_endpoint_has_an_operation(app: App) -> None:
    """It waits for the wake; a wake that fails is the answer then."""
    park(app)
    wake = score(app).headers["operation-location"]
    app.steward.clock.advance(1)
    look = app.steward.fuse
    look.between = lambda name: _drive(app) if name.startswith("rows.get") else None
    answer = score(app, prefer="wait=600")
    look.between = None
    assert (answer.status, code(answer), answer.headers["preference-applied"]) == (503, "EndpointParked", "wait=60")
    assert app.send("GET", wake.partition("/api/")[2]).body["status"] == "Failed"
    assert app.steward.azure.count("^SCORE") == 0


def _drive(app: App) -> None:
    app.steward.fuse.between = None
    app.steward.drive()
