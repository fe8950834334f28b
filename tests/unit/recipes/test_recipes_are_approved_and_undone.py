"""A step waits for the approval of another one; `undo` deletes what a run made, where it is still that."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared import services
from shared.hooks import firings, inbox
from shared.hooks.events import Event
from shared.hooks.rule_store import PREFIX
from tests.fake_azure import WORKSPACE
from tests.unit.recipes.conftest import CLUSTER, Kitchen

MADE = {
    "old": {"request": "PUT workspaces/w1/computes/old", "body": CLUSTER},
    "one": {"request": "PUT workspaces/w1/computes/one", "body": CLUSTER},
    "two": {"request": "PUT workspaces/w1/computes/two", "body": CLUSTER},
}


@pytest.fixture
def gated(kitchen: Kitchen) -> tuple[Kitchen, str, dict[str, str]]:
    """A run that `ops` began and that waits for `leads`."""
    keys = {name: kitchen.key(name, "operator") for name in ("ops", "leads", "others")}
    steps = {"ok": {"approve": {"by": "leads"}, "for": "P2D"}, "then": MADE["one"]}
    name = kitchen.start(steps, x_functions_key=keys["ops"])
    kitchen.drive(60)
    assert kitchen.steps(name)["ok"]["waitsFor"] == "the approval of leads"
    return kitchen, name, keys


def test_only_who_the_step_names_approves_it_and_not_who_began_it(gated: tuple[Kitchen, str, dict[str, str]]) -> None:
    """Then the run goes on, and says who it was."""
    kitchen, name, keys = gated
    for who, code in (("ops", "SecondPersonNeeded"), ("others", "RoleNeeded")):
        status, told = kitchen.ask("POST", f"recipes/runs/{name}/approve", x_functions_key=keys[who])
        assert (status, told["error"]["code"]) == (403, code)
    assert kitchen.ask("POST", f"recipes/runs/{name}/approve?step=then", x_functions_key=keys["leads"])[0] == 409
    assert kitchen.ask("POST", f"recipes/runs/{name}/approve", x_functions_key=keys["leads"])[0] == 200
    kitchen.drive()
    assert kitchen.run(name)["status"] == "Succeeded"
    assert kitchen.steps(name)["ok"]["approvedBy"] == "key:leads"
    assert kitchen.ask("POST", f"recipes/runs/{name}/approve", x_functions_key=keys["leads"])[0] == 409


def test_the_name_of_a_key_is_no_role(kitchen: Kitchen) -> None:
    """A step that an admin must approve is not approved by a key that is only called so."""
    keys = {name: kitchen.key(name, role) for name, role in (("ops", "operator"), ("admin", "operator"), ("boss", "admin"))}
    name = kitchen.start({"ok": {"approve": {"by": "admin"}, "for": "P2D"}}, x_functions_key=keys["ops"])
    kitchen.drive(60)
    status, told = kitchen.ask("POST", f"recipes/runs/{name}/approve", x_functions_key=keys["admin"])
    assert (status, told["error"]["code"]) == (403, "RoleNeeded")
    assert kitchen.ask("POST", f"recipes/runs/{name}/approve", x_functions_key=keys["boss"])[0] == 200


def test_what_is_not_approved_in_time_fails(gated: tuple[Kitchen, str, dict[str, str]]) -> None:
    """Two days here; nothing was sent."""
    kitchen, name, _ = gated
    kitchen.drive(3 * 86_400)
    assert kitchen.run(name)["error"]["code"] == "NotApproved"
    assert not kitchen.steward.azure.effects


def test_a_request_that_the_settings_put_under_approval_is_waited_for(kitchen: Kitchen) -> None:
    """202 for the approval is no success: the step goes on once that is given, and fails where it is refused."""
    app = replace(kitchen.app, settings=replace(kitchen.settings, approvals=frozenset({"workspaces"})))
    app.__dict__.update({name: value for name, value in kitchen.app.__dict__.items() if name not in ("settings", "clock")})
    kitchen.app = app
    services.use(app)
    keys = {name: kitchen.key(name, "admin") for name in ("asks", "decides")}
    names = []
    for number in range(2):
        kitchen.steward.azure.put(f"{WORKSPACE}{number}", {"location": "westeurope", "properties": {}})
        step = {"request": f"DELETE workspaces/w1{number}?force=true"}
        names.append(kitchen.start({"gone": step}, x_functions_key=keys["asks"]))
    kitchen.drive(60)
    asked = {each["target"][-3:]: each["name"] for each in kitchen.ask("GET", "approvals")[1]["value"]}
    assert set(kitchen.states(names[0]).values()) == {"Running"}
    assert kitchen.ask("POST", f"approvals/{asked['w10']}/approve", x_functions_key=keys["decides"])[0] in (200, 202)
    assert kitchen.ask("POST", f"approvals/{asked['w11']}/refuse", x_functions_key=keys["decides"])[0] == 200
    kitchen.drive()
    assert [kitchen.run(name)["status"] for name in names] == ["Succeeded", "Failed"]
    assert kitchen.steward.azure.count("^DELETE") == 1


def _undone(kitchen: Kitchen, name: str) -> dict[str, Any]:
    status, run = kitchen.ask("POST", f"recipes/runs/{name}/undo")
    assert status == 202, run
    kitchen.drive()
    done = kitchen.run(run["name"])
    assert (done["status"], done["properties"]["undoes"]) == ("Succeeded", name)
    return kitchen.steps(run["name"])


def test_undo_deletes_what_the_run_made_newest_first(kitchen: Kitchen) -> None:
    """What was there before is not its own; what was made again since is another one's."""
    kitchen.steward.azure.put(f"{WORKSPACE}/computes/old", CLUSTER)
    name = kitchen.start({**MADE, "three": {**MADE["one"], "request": "PUT workspaces/w1/computes/three"}})
    kitchen.drive()
    kitchen.steward.azure.effects.clear()
    kitchen.steward.azure.put(f"{WORKSPACE}/computes/two", CLUSTER)  # by another one, under the same name
    told = kitchen.ask("POST", f"recipes/runs/{name}/undo?dryRun=true")[1]["value"]
    assert [(each["name"], each["outcome"]) for each in told] == [("three", "deleted"), ("two", "kept"), ("one", "deleted")]
    assert not kitchen.steward.azure.count("^DELETE")
    steps = _undone(kitchen, name)
    gone = [effect for effect in kitchen.steward.azure.effects if effect.startswith("DELETE")]
    assert gone == ["DELETE workspaces/w1/computes/three", "DELETE workspaces/w1/computes/one"]
    assert "it may belong to someone else" in steps["two"]["reason"]
    assert {step: found["reason"] for step, found in _undone(kitchen, name).items()}["one"] == "it no longer exists"


def test_what_is_to_be_kept_is_kept(kitchen: Kitchen) -> None:
    """By its tag, as from the clean-up."""
    name = kitchen.start({"one": MADE["one"]})
    kitchen.drive()
    kitchen.steward.azure.resources[f"{WORKSPACE}/computes/one".lower()]["tags"] = {"Steward-Keep": "yes"}
    assert "steward-keep" in _undone(kitchen, name)["one"]["reason"]


def test_a_run_goes_back_as_far_as_it_came(kitchen: Kitchen) -> None:
    """One that was canceled made what it had submitted; one that goes on is not taken back."""
    name = kitchen.start({"one": MADE["one"], "pause": {"wait": "P1D"}})
    assert kitchen.ask("POST", f"recipes/runs/{name}/undo")[1]["error"]["code"] == "RunNotEnded"
    kitchen.drive(5)
    kitchen.ask("POST", f"recipes/runs/{name}/cancel")
    kitchen.drive()
    assert _undone(kitchen, name)["one"]["status"] == "Succeeded"
    nothing = kitchen.start({"pause": {"wait": "PT0S"}})
    kitchen.drive()
    assert kitchen.ask("POST", f"recipes/runs/{nothing}/undo")[1]["error"]["code"] == "NothingMade"


def test_a_rule_starts_a_recipe_by_its_name(kitchen: Kitchen) -> None:
    """Once for an event that comes twice; the run has the rule's depth, and the parameters that the event brings."""
    recipe = {
        "parameters": {"name": {"type": "string"}},
        "steps": {"one": {**MADE["one"], "request": "PUT workspaces/w1/computes/${{ parameters.name }}"}},
    }
    assert kitchen.ask("PUT", "recipes/mine", recipe)[0] == 200
    rules = """
rules:
  - name: ours
    on: {types: [ModelRegistered]}
    do: {request: POST recipes/mine, body: {parameters: {name: "${{ data.modelName }}"}}}
"""
    status, told = kitchen.ask("PUT", "events/rules/ours", rules)
    assert status == 200, told
    assert kitchen.steward.blobs.get(f"{PREFIX}ours.yaml")
    data = {"ModelName": "credit", "ModelVersion": "1", "ModelTags": {}, "ModelProperties": {}}
    event = Event(id="1", source=WORKSPACE, type="Microsoft.MachineLearningServices.ModelRegistered", subject="m", data=data)
    for _ in range(2):
        inbox.store([event], kitchen.app)
        while held := kitchen.steward.event_queue.receive():
            inbox.take(held.text, kitchen.app)
            kitchen.steward.event_queue.delete(held)
    kitchen.drive()
    (firing,) = firings.newest(5, kitchen.app)
    assert firing.status == "Succeeded", firing.error
    (run,) = kitchen.ask("GET", "recipes/runs")[1]["value"]
    assert (run["status"], run["properties"]["caller"], run["properties"]["recipe"]) == ("Succeeded", "rule:ours", "mine")
    (operation,) = kitchen.steward.ledger.newest(top=5)
    assert (operation.depth, operation.target.rpartition("/")[2]) == (1, "credit")
    wrong = rules.replace("POST recipes/mine", "GET recipes/mine")
    assert "there is no 'recipes'" in kitchen.ask("PUT", "events/rules/wrong", wrong)[1]["error"]["message"]


def test_what_is_inside_goes_with_it_and_what_another_one_put_there_keeps_it(kitchen: Kitchen) -> None:
    """A deployment that has traffic is deleted by nothing but its endpoint; a deployment of another one's keeps both."""
    endpoint, head = f"{WORKSPACE}/onlineEndpoints/flats", {"location": "westeurope", "properties": {"authMode": "Key"}}
    steps = {
        "endpoint": {"request": "PUT workspaces/w1/onlineEndpoints/flats", "body": head},
        "blue": {
            "request": "PUT workspaces/w1/onlineEndpoints/flats/deployments/blue",
            "body": {
                "location": "westeurope",
                "sku": {"name": "Default", "capacity": 1},
                "properties": {"endpointComputeType": "Managed"},
            },
        },
    }
    name = kitchen.start(steps)
    kitchen.drive()
    lists = kitchen.steward.azure.resources
    blue = {"name": "blue", "id": f"{endpoint}/deployments/blue"}
    lists[f"{endpoint}/deployments".lower()] = {"value": [blue, {"name": "green", "id": f"{endpoint}/deployments/green"}]}
    assert "deployments/green" in _undone(kitchen, name)["endpoint"]["reason"]
    lists[f"{endpoint}/deployments".lower()] = {"value": [blue]}
    assert {step: found["status"] for step, found in _undone(kitchen, name).items()} == {"endpoint": "Succeeded"}
    assert [each for each in kitchen.steward.azure.effects if each.startswith("DELETE")] == [
        "DELETE workspaces/w1/onlineEndpoints/flats"
    ]


@pytest.mark.parametrize("change", ["revoked", "narrowed", "lowered"])
def test_a_run_may_do_no_more_than_its_key_may_by_now(kitchen: Kitchen, change: str) -> None:
    """Whoever takes a key's rights away takes them from what it began, too: the next request is refused."""
    key = kitchen.key("ops", "operator")
    name = kitchen.start({"later": {"wait": "PT2H"}, "then": MADE["one"]}, x_functions_key=key)
    kitchen.drive(60)
    if change == "revoked":
        assert kitchen.ask("DELETE", "keys/ops")[0] == 200
    else:
        less = {"role": "reader"} if change == "lowered" else {"role": "operator", "scope": {"below": ["workspaces/w9"]}}
        assert kitchen.ask("PUT", "keys/ops", less)[0] == 200
    kitchen.drive(3 * 3600)
    codes = {"revoked": "KeyRevoked", "narrowed": "OutOfScope", "lowered": "RoleNeeded"}
    assert kitchen.steps(name)["then"]["error"]["code"] == codes[change]
    assert (kitchen.run(name)["status"], kitchen.steward.azure.effects) == ("Failed", [])


def test_a_run_of_a_release_before_ends_with_its_key_too(kitchen: Kitchen) -> None:
    """It kept whose key it was by name alone."""
    key = kitchen.key("ops", "operator")
    name = kitchen.start({"later": {"wait": "PT2H"}, "then": MADE["one"]}, x_functions_key=key)
    rows = kitchen.tables["hook_rows"].rows
    for at, row in rows.items():
        bare = {
            each: str(value).replace(', "of": "ops"', "") if each.startswith("json") else value
            for each, value in row.columns.items()
        }
        assert bare != row.columns or '"of"' not in str(row.columns)
        rows[at] = replace(row, columns=bare)
    assert kitchen.ask("DELETE", "keys/ops")[0] == 200
    kitchen.drive(3 * 3600)
    assert kitchen.steps(name)["then"]["error"]["code"] == "KeyRevoked"


def test_a_schedule_that_deletes_waits_for_a_second_person_and_ends_with_its_key(kitchen: Kitchen) -> None:
    """As a rule that deletes does; once its author's key is revoked, nothing is started."""
    app = replace(kitchen.app, settings=replace(kitchen.settings, approvals=frozenset({"rules"})))
    app.__dict__.update({name: value for name, value in kitchen.app.__dict__.items() if name not in ("settings", "clock")})
    kitchen.app = app
    services.use(app)
    keys = {name: kitchen.key(name, "admin") for name in ("asks", "decides")}
    kitchen.steward.azure.put(f"{WORKSPACE}/computes/cpu", CLUSTER)
    recipe = {"schedule": "0 0 * * * *", "steps": {"gone": {"request": "DELETE workspaces/w1/computes/cpu"}}}
    status, asked = kitchen.ask("PUT", "recipes/hourly", recipe, x_functions_key=keys["asks"])
    assert (status, asked["what"]) == (202, "rules")
    lasting = {"request": "PUT workspaces/w1/computes/cpu", "body": CLUSTER, "headers": {"Expires-In": "PT1H"}}
    status, other = kitchen.ask("PUT", "recipes/hourly", {**recipe, "steps": {"gone": lasting}}, x_functions_key=keys["asks"])
    assert (status, other["what"]) == (202, "rules"), other
    assert kitchen.ask("GET", "recipes/hourly")[0] == 404
    at = f"approvals/{asked['name']}/approve"
    assert kitchen.ask("POST", at, x_functions_key=keys["asks"])[1]["error"]["code"] == "SecondPersonNeeded"
    status, put = kitchen.ask("POST", at, x_functions_key=keys["decides"])
    assert (status, put["by"]) == (200, "key:asks"), put
    assert kitchen.ask("DELETE", "keys/asks")[0] == 200
    kitchen.drive(2 * 3600)
    assert "KeyRevoked" in kitchen.ask("GET", "recipes/hourly")[1]["schedule"]["problem"]
    assert not kitchen.steward.azure.effects
