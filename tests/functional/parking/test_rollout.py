"""A served endpoint gets a bad deployment, which loses its traffic, and a good one, which gets all of it: on the whole app."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from tests.functional.parking.test_park_score_wake import ENDPOINT, SCORE, WAIT_S, score, steward

if TYPE_CHECKING:
    from infra.local.demo.client import Steward

__all__ = ["steward"]
ROLLOUT = f"{ENDPOINT}/rollout"
ASKS = {"steps": [50, 100], "bake": "PT1S", "gate": {"errorRate": {"atMost": 0.01}, "leastRequests": 3}, "keepOld": "PT0S"}
assert SCORE


def ended(caller: Steward, name: str) -> Any:
    """Call the endpoint until a rollout has ended; returns it."""
    deadline = time.monotonic() + WAIT_S
    while True:
        found = caller.get(f"{ROLLOUT}/{name}")
        if "endTime" in found:
            return found
        assert score(caller).status_code == 200
        assert time.monotonic() < deadline, found


def begin(caller: Steward, name: str, **asks: Any) -> str:
    """Begin a rollout of a deployment like the live one; returns its id."""
    body = {
        "deployment": name,
        "body": {"like": "blue", "properties": {"environmentVariables": {"WORKER_COUNT": "1"}}},
        **ASKS,
        **asks,
    }
    return str(caller.send("POST", ROLLOUT, expect=(202,), json=body).json()["name"])


def test_a_bad_model_loses_its_traffic_and_a_good_one_gets_all(steward: Steward) -> None:
    """The bad one answers otherwise than the live one; blue goes when green has everything."""
    other = {"like": "blue", "properties": {"environmentVariables": {"WORKER_COUNT": "2"}}}
    bad = ended(steward, begin(steward, "bad", body=other, golden=[{"send": {"x": 1}}]))
    assert (bad["status"], bad["traffic"]) == ("RolledBack", {"blue": 100})
    assert "from is another value: a text of 1 characters" in bad["history"][-1]["reason"]
    good = ended(steward, begin(steward, "good", smoke=[{"send": {"x": 1}, "expect": "body.from == '1'"}], golden=[{"send": 2}]))
    assert (good["status"], good["traffic"]) == ("Succeeded", {"blue": 0, "good": 100}), good
    assert steward.get(ENDPOINT)["properties"]["traffic"].get("good") == 100
    assert "blue" not in {each["name"] for each in steward.list(f"{ENDPOINT}/deployments")}
    assert [each["name"] for each in steward.list(ROLLOUT)] == [good["name"], bad["name"]]
