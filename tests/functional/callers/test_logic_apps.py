"""The workflows of docs/logic-apps.md, run as Logic Apps runs them: a success, and a failure that is told in Azure's words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.functional.callers.conftest import QUOTA
from tests.functional.callers.logic_apps import Callbacks, Run, callbacks

if TYPE_CHECKING:
    from tests.functional.callers.conftest import Place

SCHEMA = "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#"
PUTS = "requests?method=PUT&path=/computes/cpu"
ACTION = {"type", "inputs", "runAfter", "limit", "runtimeConfiguration", "operationOptions", "expression", "actions", "else"}
HTTP = {"method", "uri", "queries", "headers", "body", "authentication", "retryPolicy"}
TYPES = {"Http": HTTP, "HttpWebhook": {"subscribe", "unsubscribe"}, "Terminate": {"runStatus", "runError"}}


@pytest.fixture(params=[0, 1], ids=["http", "webhook"])
def definition(request: pytest.FixtureRequest, blocks: dict[tuple[str, str], list[str]]) -> Any:
    """A workflow of the page."""
    return json.loads(blocks["Call the app from Logic Apps and Power Automate", "json"][request.param])


def started(definition: Any, place: Place, called: Callbacks) -> Run:
    """A run with the local app's address and key."""
    given = {"steward": place.steward, "stewardKey": place.key}
    return Run(definition=definition, given=given, wire=place.wire(), callbacks=called)


def test_a_workflow_has_the_shape_of_one(definition: Any) -> None:
    """Members that the schema has, actions that come after ones there are, and a key that no run history shows."""
    assert definition["$schema"] == SCHEMA
    assert set(definition) == {"$schema", "contentVersion", "parameters", "triggers", "actions", "outputs"}
    assert definition["parameters"]["stewardKey"] == {"type": "SecureString"}
    for action in definition["actions"].values():
        assert set(action) <= ACTION
        assert set(action["runAfter"]) <= set(definition["actions"])
        assert not (isinstance(action.get("inputs"), dict) and set(action["inputs"]) - TYPES[action["type"]])
        if "stewardKey" in json.dumps(action):
            assert action["runtimeConfiguration"]["secureData"]["properties"] == ["inputs"]


def test_a_workflow_goes_on_when_azure_is_done(definition: Any, place: Place, called_back: Callbacks) -> None:
    """By following `Location` without a header, or by being called back; a second run of its name is no second PUT to Azure."""
    called_back.came.clear()
    run = started(definition, place, called_back).run()
    assert (run.status, run.error) == ("Succeeded", {})
    assert run.wire.seen[0].endswith(" 202")
    if "Outcome" in run.outputs:
        assert len(run.wire.seen) == 1
        assert run.outputs["Outcome"]["data"]["status"] == "Succeeded"
        assert "$content" in run.outputs["Cluster"]["body"], "the form that the expression is there for"
    else:
        assert len(run.wire.seen) > 1
        assert run.outputs["Cluster"]["body"]["properties"]["provisioningState"] == "Succeeded"
        assert place.key not in json.dumps(run.outputs), "what later actions and the run history see"
    before = len(place.azure.call("GET", PUTS))
    again = Run(definition=definition, given=run.given, wire=place.wire(), callbacks=called_back, name=run.name).run()
    assert again.status == "Succeeded"
    assert len(place.azure.call("GET", PUTS)) == before


def test_a_workflow_says_why_it_failed(definition: Any, place: Place, called_back: Callbacks) -> None:
    """Accepted by Azure, failed later: code and message are Azure's."""
    called_back.came.clear()
    place.fail_next("/computes/cpu")
    run = started(definition, place, called_back).run()
    assert (run.status, run.error) == ("Failed", QUOTA)


def test_without_the_pattern_an_action_ends_with_the_operation(blocks: dict[tuple[str, str], list[str]], place: Place) -> None:
    """`DisableAsyncPattern`: the output is the 202, and its `name` is the operation's id."""
    definition = json.loads(blocks["Call the app from Logic Apps and Power Automate", "json"][0])
    definition["actions"]["Cluster"]["operationOptions"] = "DisableAsyncPattern"
    with callbacks() as unused:
        run = started(definition, place, unused).run()
    output = run.outputs["Cluster"]
    assert (run.status, output["statusCode"]) == ("Succeeded", 202)
    answer = place.send("GET", f"operations/{output['body']['name']}?wait=30")
    assert answer.json()["status"] == "Succeeded"
