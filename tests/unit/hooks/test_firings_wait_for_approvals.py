"""A request of a rule that the settings put under approval: 202 for the approval is no success, and the next step waits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared import services
from shared.hooks.firing_record import Firing
from tests.fake_azure import WORKSPACE
from tests.front import respond, told
from tests.unit.hooks.conftest import Hooks, registered

RULE = """
rules:
  - name: tidy
    on: {types: [ModelRegistered]}
    do:
      - {name: gone, request: "DELETE workspaces/w10?force=true"}
      - {name: then, request: "PUT workspaces/w1/computes/after", body: {location: x, properties: {computeType: AmlCompute}}}
"""


@pytest.fixture
def gated(hooks: Hooks) -> Hooks:
    """A rule has fired whose first step needs an approval."""
    app = services.Services(settings=replace(hooks.app.settings, approvals=frozenset({"workspaces"})), clock=hooks.steward.clock)
    app.__dict__.update({name: value for name, value in hooks.app.__dict__.items() if name not in ("settings", "clock")})
    hooks.app = app
    services.use(app)
    hooks.steward.azure.put(f"{WORKSPACE}0", {"location": "westeurope", "properties": {}})
    hooks.rules(RULE)
    hooks.happen(registered())
    hooks.drive(120)
    (firing,) = hooks.firings()
    assert firing.status == "Running", firing.view()
    assert firing.approval == _asked()
    assert firing.view()["steps"][0]["approval"] == firing.approval
    assert hooks.steward.azure.count("^DELETE") == 0
    return hooks


def _asked() -> str:
    (found,) = told(respond("GET", "approvals", b""))[1]["value"]
    return str(found["name"])


def test_the_step_ends_when_what_was_approved_has_ended(gated: Hooks) -> None:
    """Then the next one is taken: once, and in this order."""
    assert told(respond("POST", f"approvals/{_asked()}/approve", b""))[0] in (200, 202)
    gated.drive()
    (firing,) = gated.firings()
    assert firing.status == "Succeeded", firing.error
    assert (firing.approval, gated.steward.azure.count("^DELETE"), gated.steward.azure.count("^PUT.*after")) == ("", 1, 1)


def test_a_refused_approval_fails_the_firing(gated: Hooks) -> None:
    """Who refused it is said; the next step is not taken."""
    assert told(respond("POST", f"approvals/{_asked()}/refuse", b""))[0] == 200
    gated.drive()
    (firing,) = gated.firings()
    assert firing.status == "Failed"
    assert firing.error
    assert firing.error.code == "ApprovalRefused"
    assert "refused by" in firing.error.message
    assert gated.steward.azure.count("after") == 0


def test_an_approval_that_nothing_decides_fails_the_firing_when_it_is_over(gated: Hooks) -> None:
    """After STEWARD_APPROVAL_HOURS."""
    gated.drive(gated.app.settings.approval_hours * 3_600 + 120)
    (firing,) = gated.firings()
    assert firing.error
    assert firing.error.code == "ApprovalExpired"


def test_a_firing_of_an_older_app_waits_for_no_approval(gated: Hooks) -> None:
    """The member is new; a row without it is read."""
    stored = gated.firings()[0].to_json()
    del stored["approval"]
    assert Firing.from_json(stored).approval == ""
