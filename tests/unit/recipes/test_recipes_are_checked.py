"""What cannot be is refused before anything is sent, all of it at once, each at its field; a dry run only says it."""

from __future__ import annotations

from typing import Any

import pytest

from shared.recipes import recipe_fields, recipe_store
from shared.rest import errors
from shared.text.problems import InvalidFileError
from tests import front
from tests.fake_azure import WORKSPACE
from tests.unit.recipes.conftest import CLUSTER, Kitchen

PUT = {"request": "PUT workspaces/w1/computes/cpu", "body": CLUSTER}
WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"steps": {"a": PUT}, "paramters": {}}, "paramters", "did you mean 'parameters'?"),
    ({"steps": {"a": {**PUT, "retri": 1}}}, "steps.a.retri", "did you mean 'retry'?"),
    ({"steps": {"a": {"request": "GET workspaces/w1", "wait": "PT1S"}}}, "steps.a", "expected one of request"),
    ({"steps": {"a": {"body": {}}}}, "steps.a", "expected one of request, notify, wait, until, approve"),
    ({"steps": {"a": PUT, "b": {**PUT, "needs": ["c"]}}}, "steps.b.needs", "there is no step 'c'"),
    ({"steps": {"a": {**PUT, "needs": ["b"]}, "b": {**PUT, "needs": ["a"]}}}, "steps", "in a circle"),
    ({"steps": {"a": {"wait": "soon"}}}, "steps.a.wait", "a length of time"),
    ({"steps": {"a": {"until": "GET workspaces/w1"}}}, "steps.a", "'expect' is missing"),
    ({"steps": {"a": {"until": "PUT workspaces/w1", "expect": "status"}}}, "steps.a.until", "only reads"),
    ({"steps": {"a": {"approve": {}}}}, "steps.a.approve", "'by' is missing"),
    ({"steps": {"a": {"request": "GET workspaces/${{ parameters.x }}"}}}, "steps.a.request", "the recipe has none"),
    (
        {"parameters": {"name": "x"}, "steps": {"a": {"request": "GET workspaces/${{ parameters.nam }}"}}},
        "steps.a.request",
        "'name'",
    ),
    ({"steps": {"a": {"request": "GET workspaces/${{ steps.b.result }}"}, "b": PUT}}, "steps.a.request", "it is the first step"),
    ({"steps": {"a": {"request": "GET workspaces/${{ a[ }}"}}}, "steps.a.request", "is not a JMESPath expression"),
    ({"steps": {"a": {"request": "GET wrkspaces/w1"}}}, "steps.a.request", "did you mean 'workspaces'?"),
    ({"steps": {"a": {"request": "POST recipes/teardown"}}}, "steps.a.request", "cannot start another recipe"),
    ({"steps": {"a": {**PUT, "retry": {"times": 3, "on": ["Throtled"]}}}}, "steps.a.retry.on", "did you mean 'Throttled'?"),
    ({"steps": {"a": PUT}, "onFailure": "go"}, "onFailure", "stop"),
    ({"parameters": {"n": {"type": "int"}}, "steps": {"a": PUT}}, "parameters.n.type", "there is no type 'int'"),
    ({"parameters": {"n": {"type": "integer", "default": "2"}}, "steps": {"a": PUT}}, "parameters.n.default", "expected integer"),
    ({"parameters": {"n": {"pattern": "(?=a)+"}}, "steps": {"a": PUT}}, "parameters.n.pattern", "no reference to a group"),
    ({"parameters": {"n": {"pattern": "a" * 201}}, "steps": {"a": PUT}}, "parameters.n.pattern", "at most 200 characters"),
    (
        {"parameters": {"n": {"pattern": "(a|aa)+", "default": "a" * 30_000 + "b"}}, "steps": {"a": PUT}},
        "parameters.n.default",
        "does not match",
    ),
]


@pytest.mark.parametrize(("body", "field", "said"), WRONG, ids=[field + said[:12] for _, field, said in WRONG])
def test_a_mistake_is_named_with_its_field(kitchen: Kitchen, body: dict[str, Any], field: str, said: str) -> None:
    """ARM's envelope; nothing is kept."""
    status, told = kitchen.ask("POST", "recipes", body)
    assert (status, told["error"]["code"]) == (400, "InvalidRecipe")
    assert (told["error"]["target"], said in told["error"]["message"]) == (field, True), told["error"]["message"]
    assert kitchen.ask("PUT", "recipes/mine", body)[0] == 400
    assert kitchen.ask("POST", "recipes?dryRun=true", body)[1]["problems"][0]["target"] == field
    assert not kitchen.steward.blobs.blobs
    assert not kitchen.tables["hook_rows"].rows


def test_all_mistakes_are_told_at_once(kitchen: Kitchen) -> None:
    """In the order of their places."""
    body = {"steps": {"a": {"wait": "soon"}, "b": {"notif": "x"}}, "on": 1}
    status, told = kitchen.ask("POST", "recipes", body)
    assert (status, len(told["error"]["details"])) == (400, 4)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "parameters.n: a value is missing (integer)"),
        ({"n": "2"}, "parameters.n: expected integer, not str"),
        ({"n": True}, "parameters.n: expected integer, not bool"),
        ({"n": 7}, "parameters.n: '7' is not one of 1, 2"),
        ({"n": 1, "m": 1}, "parameters.m: there is no parameter 'm'"),
        ({"n": 1, "s": "A"}, "parameters.s: 'A' does not match [a-z]"),
    ],
)
def test_parameters_are_typed(kitchen: Kitchen, given: dict[str, Any], said: str) -> None:
    """A value of another type is refused by its name."""
    declared = {"n": {"type": "integer", "enum": [1, 2]}, "s": {"pattern": "[a-z]", "default": "x"}}
    assert kitchen.ask("PUT", "recipes/mine", {"parameters": declared, "steps": {"pause": {"wait": "PT0S"}}})[0] == 200
    status, told = kitchen.ask("POST", "recipes/mine", {"parameters": given})
    assert (status, said in told["error"]["message"]) == (400, True), told
    assert kitchen.ask("POST", "recipes/mine?dryRun=true", {"parameters": given})[1]["status"] == "problems"


def test_a_dry_run_shows_the_order_and_the_requests_and_sends_nothing(kitchen: Kitchen) -> None:
    """What depends on answers is named as unknown, and stays as it is written; all else is filled in."""
    tags = {"of": "${{ parameters.name }}", "after": "${{ steps.made.result.id }}"}
    steps = {
        "last": {"request": "DELETE workspaces/w1/computes/${{ steps.made.result.name }}", "needs": ["made"]},
        "made": {"request": "PUT workspaces/w1/computes/${{ parameters.name }}", "body": CLUSTER, "needs": []},
        "two": {"request": "PUT workspaces/w1/computes/two", "body": {**CLUSTER, "tags": tags}, "needs": ["made"]},
        "ok": {"approve": {"by": "leads"}},
    }
    status, told = kitchen.ask("POST", "recipes?dryRun=true", {"parameters": {"name": "cpu"}, "steps": steps})
    assert status == 200
    assert told["order"].index("made") < told["order"].index("last")
    shown = {step["name"]: step for step in told["steps"]}
    assert shown["made"]["request"] == "PUT workspaces/w1/computes/cpu"
    assert "steps.made" in shown["last"]["unknown"]
    assert shown["two"]["body"]["tags"] == {"of": "cpu", "after": tags["after"]}
    assert not kitchen.steward.azure.effects
    assert not kitchen.tables["hook_rows"].rows


def test_a_dry_run_asks_azure_what_would_stop_each_put(kitchen: Kitchen) -> None:
    """What an earlier step makes is not missing; everything else that is missing is told, step by step."""
    below = {"request": "PUT workspaces/absent/computes/cpu", "body": CLUSTER, "needs": []}
    steps = {"nowhere": below, "unnamed": {**PUT, "request": "PUT workspaces/w1/computes/x", "needs": []}}
    told = kitchen.ask("POST", "recipes?dryRun=true", {"steps": steps})[1]
    found = {problem["target"] for problem in told["problems"]}
    assert (told["status"], found) == ("problems", {"steps.nowhere", "steps.unnamed"})
    home = {"request": "PUT workspaces/absent", "body": {"location": "westeurope", "properties": {}}}
    told = kitchen.ask("POST", "recipes?dryRun=true", {"steps": {"home": home, "inside": {**below, "needs": ["home"]}}})[1]
    assert "steps.inside" not in {problem["target"] for problem in told["problems"] if "absent" in problem["message"]}


@pytest.mark.parametrize(
    "step",
    [
        {"request": "POST workspaces/w1/listKeys"},
        {"request": "PUT workspaces/w1/connections/c", "body": {"properties": {"authType": "PAT", "credentials": {"pat": "s"}}}},
    ],
    ids=["answer", "body"],
)
def test_no_secret_is_asked_for_or_brought(kitchen: Kitchen, step: dict[str, Any]) -> None:
    """A run keeps its requests and their answers."""
    status, told = kitchen.ask("POST", "recipes", {"steps": {"a": step}})
    assert (status, told["error"]["code"], told["error"]["target"]) == (400, "SecretInRecipe", "steps.a")


def test_every_steps_role_is_that_of_the_caller(kitchen: Kitchen) -> None:
    """Checked when it starts, all at once; a reader starts none; the run's requests carry the caller's rights."""
    keys = {role: kitchen.key(role, role) for role in ("reader", "operator")}
    steps = {"a": {**PUT, "needs": []}, "b": {"request": "DELETE resourceGroups/rg1", "needs": []}}
    assert kitchen.ask("POST", "recipes", {"steps": steps}, x_functions_key=keys["reader"])[0] == 403
    status, told = kitchen.ask("POST", "recipes", {"steps": steps}, x_functions_key=keys["operator"])
    assert (status, told["error"]["code"], told["error"]["target"]) == (403, "RoleNeeded", "steps.b")
    assert kitchen.ask("PUT", "recipes/mine", {"steps": steps}, x_functions_key=keys["operator"])[0] == 403
    name = kitchen.start({"a": PUT}, x_functions_key=keys["operator"])
    assert kitchen.run(name)["properties"]["caller"] == "key:operator"


def test_a_value_that_is_known_late_gets_no_one_further(kitchen: Kitchen) -> None:
    """Each request is judged again with its caller's scope when it is sent."""
    key = kitchen.key("op", "operator", ["workspaces/w1"])
    steps = {
        "first": {"request": "GET workspaces/w1"},
        "other": {"request": "GET workspaces/${{ steps.first.result.tags.next }}"},
    }
    kitchen.steward.azure.put(WORKSPACE, {"location": "westeurope", "tags": {"next": "foreign"}, "properties": {}})
    name = kitchen.start(steps, x_functions_key=key)
    kitchen.drive()
    assert kitchen.steps(name)["other"]["error"]["code"] == "OutOfScope"
    other = kitchen.key("other", "admin", ["workspaces/w1"])
    assert kitchen.ask("GET", f"recipes/runs/{name}", x_functions_key=other)[0] == 404
    assert kitchen.ask("GET", "recipes/runs", x_functions_key=other)[1] == {"value": []}


def test_recipes_are_kept_by_name(kitchen: Kitchen) -> None:
    """Put, listed, read, put again as read, started, deleted; one of the app's own comes back."""
    yaml = "parameters: {name: cpu}\nsteps:\n  a:\n    request: PUT workspaces/w1/computes/${{ parameters.name }}\n"
    yaml += "    body: {location: westeurope, properties: {computeType: AmlCompute}}\n    retry: {times: 1, on: [Conflict, 429]}\n"
    assert front.respond("PUT", "recipes/mine", yaml, Content_Type="application/yaml").status_code == 200
    kept = kitchen.ask("GET", "recipes/mine")[1]
    assert kept["properties"]["steps"]["a"]["retry"] == {"times": 1, "on": ["Conflict", 429]}
    assert kitchen.ask("PUT", "recipes/mine", kept["properties"])[1]["properties"] == kept["properties"]
    listed = {each["name"]: each for each in kitchen.ask("GET", "recipes")[1]["value"]}
    assert listed["mine"]["parameters"] == ["name"]
    name = kitchen.ask("POST", "recipes/mine", {"parameters": {"name": "gpu"}})[1]["name"]
    kitchen.drive()
    assert kitchen.run(name)["properties"]["recipe"] == "mine"
    assert kitchen.steward.azure.effects == ["PUT workspaces/w1/computes/gpu"]
    assert kitchen.ask("DELETE", "recipes/mine")[0] == 204
    assert kitchen.ask("GET", "recipes/mine")[1]["error"]["code"] == "RecipeNotFound"
    assert kitchen.ask("DELETE", "recipes/teardown")[1]["error"]["code"] == "RecipeShipped"
    assert kitchen.ask("PUT", "recipes/runs", kept["properties"])[1]["error"]["target"] == "name"


@pytest.mark.parametrize("name", sorted(recipe_store.shipped()))
def test_every_shipped_recipe_can_be_read(name: str) -> None:
    """And says what it is for."""
    recipe = recipe_fields.parse(recipe_store.shipped()[name], name)
    assert recipe.description


def test_json_that_yaml_reads_otherwise_is_read_as_json() -> None:
    """Tabs between values, and characters beyond the first 65,536."""
    recipe = recipe_fields.parse('{\n\t"steps": {"a": {"notify": "x", "body": {"t": "\\ud83d\\ude00"}}}}')
    assert recipe.steps[0].body == {"t": "😀"}
    with pytest.raises(InvalidFileError) as caught:
        recipe_fields.parse("{")
    assert isinstance(caught.value, errors.BadRequestError)


@pytest.mark.parametrize("call", ["POST recipes", "POST recipes?dryRun=true", "PUT recipes/mine", "POST recipes/teardown"])
def test_half_of_a_surrogate_pair_is_a_mistake_of_the_body(kitchen: Kitchen, call: str) -> None:
    """JSON may spell it, UTF-8 cannot."""
    verb, _, path = call.partition(" ")
    status, told = kitchen.ask(verb, path, '{"steps": "\\ud800"}')
    assert status == (200 if "dryRun" in path else 400), told
    assert "half of a surrogate pair" in str(told)


def test_a_dry_run_asks_azure_nothing_of_what_its_sender_may_not(kitchen: Kitchen) -> None:
    """A step beyond the scope or the role is named as such: what Azure says of that place is not theirs to know."""
    key = kitchen.key("team", "operator", below=["workspaces/w2x"])
    vault = "PUT providers/Microsoft.KeyVault/vaults/vault12"
    named = {
        "location": "westeurope",
        "properties": {"computeType": "AmlCompute", "properties": {"subnet": {"id": f"{WORKSPACE}/x"}}},
    }
    for step, wrong in (
        (PUT, "OutOfScope"),
        ({"request": vault, "body": {"location": "westeurope"}}, "RoleNeeded"),
        ({"request": "PUT workspaces/w2x/computes/cpu", "body": named}, "OutOfScope"),
    ):
        before = len(kitchen.steward.azure.requests)
        told = kitchen.ask("POST", "recipes?dryRun=true", {"steps": {"a": step}}, x_functions_key=key)[1]
        assert {each["code"] for each in told["problems"]} == {wrong}, told
        assert len(kitchen.steward.azure.requests) == before
