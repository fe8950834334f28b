"""A served endpoint is parked, a call finds it so and wakes it, and it serves again as before: over HTTP, on the whole app."""

from __future__ import annotations

import io
import json
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from infra.local.demo.client import Steward
from infra.local.emulator import scene

if TYPE_CHECKING:
    from collections.abc import Iterator

    import requests

    from infra.local import stack

WORKSPACE = "workspaces/ml-park"
ENDPOINT = f"{WORKSPACE}/onlineEndpoints/sleeper"
TAG = "steward-parked"
SCORE = """\
import os

def init():
    pass

def run(raw_data):
    return {"from": os.environ["WORKER_COUNT"], "got": raw_data}
"""
WAIT_S = 150.0
CALLS = 6


@pytest.fixture(scope="module")
def steward(app: stack.App) -> Iterator[Steward]:
    """A caller of the app, with a served endpoint of two deployments."""
    caller = Steward(app.url, app.key, app.master_key)
    dependencies = {"storageAccount": scene.STORAGE_ID, "keyVault": scene.KEY_VAULT_ID, "applicationInsights": scene.INSIGHTS_ID}
    head = {"location": scene.LOCATION, "identity": {"type": "SystemAssigned"}}
    caller.done("PUT", WORKSPACE, json={**head, "properties": dependencies})
    caller.done(
        "PUT", f"{WORKSPACE}/environments/plain/versions/1", json={"properties": {"image": "mcr.microsoft.com/azureml/a:1"}}
    )
    caller.done("PUT", ENDPOINT, json={**head, "tags": {"team": "a"}, "properties": {"authMode": "Key"}})
    started = [deploy(caller, name, count) for name, count in (("blue", 1), ("green", 2))]
    assert [caller.follow(each).status if each.status_code == 202 else "Succeeded" for each in started] == ["Succeeded"] * 2
    traffic = {"authMode": "Key", "traffic": {"blue": 100, "green": 0}}
    caller.done("PUT", ENDPOINT, json={**head, "tags": {"team": "a"}, "properties": traffic})
    yield caller
    caller.done("DELETE", ENDPOINT)
    caller.close()


def deploy(caller: Steward, name: str, count: int) -> requests.Response:
    """Begin one deployment; its answers tell its WORKER_COUNT."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("score.py", SCORE)
    spec = {
        "location": scene.LOCATION,
        "sku": {"name": "Default", "capacity": count},
        "properties": {
            "endpointComputeType": "Managed",
            "instanceType": "Standard_DS2_v2",
            "environmentId": "azureml:plain:1",
            "environmentVariables": {"WORKER_COUNT": str(count)},
            "codeConfiguration": {"scoringScript": "score.py"},
        },
    }
    files = {"spec": ("spec.json", json.dumps(spec)), "code": ("code.zip", packed.getvalue())}
    return caller.send("PUT", f"{ENDPOINT}/deployments/{name}", expect=(200, 201, 202), files=files)


def score(caller: Steward, **headers: str) -> requests.Response:
    """One call, whatever its answer."""
    return caller.send("POST", f"{ENDPOINT}/score", expect=tuple(range(200, 600)), json={"x": 1}, headers=headers)


def awake(caller: Steward) -> Any:
    """Score until it answers 200."""
    deadline = time.monotonic() + WAIT_S
    while (answer := score(caller)).status_code != 200:
        assert answer.status_code == 503, answer.text
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.3)
    return answer.json()


def test_a_parked_endpoint_is_woken_by_the_first_calls_and_serves_as_before(steward: Steward) -> None:
    """Tagged and empty; 503 with Retry-After and one wake however many call; then all is back.

    Calls that may wait are kept: each of them is scored once the endpoint is awake, and its caller may stay for that.
    """
    before = steward.get(ENDPOINT)
    assert score(steward).json()["from"] == "1"
    specs = {each["name"]: each["properties"] for each in steward.list(f"{ENDPOINT}/deployments")}
    parked = steward.done("POST", f"{ENDPOINT}/park")
    assert "blue, green" in parked["tags"][TAG]
    assert steward.list(f"{ENDPOINT}/deployments") == []
    assert steward.get(ENDPOINT)["tags"] == {**before["tags"], TAG: parked["tags"][TAG]}
    with ThreadPoolExecutor(CALLS) as pool:
        held = pool.submit(score, steward, Prefer="wait=55")
        answers = list(pool.map(lambda _: score(steward), range(CALLS)))
        keys = [f"sleeper-{number % CALLS}" for number in range(2 * CALLS)]
        kept = list(pool.map(lambda key: score(steward, Prefer="respond-async", **{"Idempotency-Key": key}), keys))
    refused = [answer for answer in answers if answer.status_code == 503]
    assert {answer.json()["error"]["code"] for answer in refused} == {"EndpointParked"}
    assert all(1 <= int(answer.headers["Retry-After"]) <= 60 for answer in refused)
    assert len({answer.headers["Operation-Location"] for answer in refused}) == 1
    assert steward.follow(refused[0]).status == "Succeeded"
    assert (held.result().status_code, held.result().json()["from"]) == (200, "1")
    assert held.result().headers["Preference-Applied"] == "wait=55"
    assert {answer.status_code for answer in kept} == {202}
    ended = {each.operation["name"]: steward.result(each)["from"] for each in map(steward.follow, kept)}
    assert list(ended.values()) == ["1"] * CALLS
    assert awake(steward)["from"] == "1"
    assert score(steward, **{"azureml-model-deployment": "green"}).json()["from"] == "2"
    after = steward.get(ENDPOINT)
    assert (after["tags"], after["properties"]["traffic"]) == (before["tags"], {"blue": 100, "green": 0})
    for each in steward.list(f"{ENDPOINT}/deployments"):
        wanted, found = specs[each["name"]], each["properties"]
        names = ("instanceType", "environmentId", "environmentVariables", "codeConfiguration", "scaleSettings")
        assert {name: found[name] for name in names} == {name: wanted[name] for name in names}


def test_an_endpoint_is_parked_when_its_time_comes(steward: Steward) -> None:
    """Its next PUT has an expiry: the deployments go, the endpoint stays, and a call would wake it."""
    body = steward.get(ENDPOINT)
    head = {"location": scene.LOCATION, "identity": {"type": "SystemAssigned"}, "tags": body["tags"]}
    properties = {"authMode": "Key", "traffic": body["properties"]["traffic"]}
    steward.done("PUT", f"{ENDPOINT}?expiresIn=PT1S", json={**head, "properties": properties})
    deadline = time.monotonic() + WAIT_S
    while not (ended := steward.list(f"expiries?below={ENDPOINT}&status=Done")):
        assert time.monotonic() < deadline, steward.list(f"expiries?below={ENDPOINT}")
        time.sleep(0.3)
    assert (ended[0]["kind"], ended[0]["act"]) == ("onlineEndpoint", "park")
    assert steward.list(f"{ENDPOINT}/deployments") == []
    assert TAG in steward.get(ENDPOINT)["tags"]
