"""Bodies of actions: objects, but for the two that Azure takes a list for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from shared.catalog import kinds
from tests.fake_azure import WORKSPACE
from tests.unit.http.test_canaries import Canaries

if TYPE_CHECKING:
    from tests.unit.http.conftest import App

LISTED = {(kind.path, action.name) for kind in kinds.KINDS for action in kind.actions if action.listed}
BOX = "workspaces/w1/computes/box"
SERVICES = [{"name": "rstudio", "environmentVariables": {"A": {"type": "local", "value": "{}"}}}]


@pytest.fixture(autouse=True)
def _there(app: App) -> None:
    app.steward.azure.put(f"{WORKSPACE}/computes/box", {"properties": {"computeType": "ComputeInstance"}})


def test_two_actions_take_lists() -> None:
    """As the preview's specification has them; a new one needs its facts here."""
    assert {("workspaces/computes", "customServices"), ("workspaces/computes", "updateDataMounts")} == LISTED


@pytest.mark.parametrize("name", ["customServices", "updateDataMounts"])
@pytest.mark.parametrize("headers", [{}, {"prefer": "respond-async"}], ids=["inline", "queued"])
@pytest.mark.parametrize("body", ["[]", "{}"], ids=["empty", "full"])
def test_a_list_reaches_azure_as_it_is(app: App, name: str, headers: dict[str, str], body: str) -> None:
    """And nothing of it is left once it has ended."""
    canaries = Canaries()
    sent: Any = canaries.fill(SERVICES) if body == "{}" else []
    answer = app.send("POST", f"{BOX}/{name}", json.dumps(sent), **headers)
    assert answer.status in (200, 202), answer.content
    app.steward.drive()
    assert [given for path, given in app.steward.azure.bodies if path.endswith(name)] == [sent]
    text = app.steward.everything_stored() + app.send("GET", "operations").content.decode()
    assert not [each for each in canaries.made if each in text]


@pytest.mark.parametrize(
    ("name", "body", "said"),
    [
        ("customServices", '{"a": 1}', "is a JSON object; expected a list of objects"),
        ("updateDataMounts", "[1]", "is a list of other things; expected a list of objects"),
        ("customServices", "[" * 100_000, "is nested deeper"),
        ("updateSchedules", "[]", "is a JSON array; expected an object"),
        ("listNodes", "[]", "is a JSON array; expected an object"),
        ("start", "[{}]", "is a JSON array; expected an object"),
    ],
)
def test_the_other_form_is_refused(app: App, name: str, body: str, said: str) -> None:
    """By what it is and what was expected; Azure is asked nothing."""
    before = len(app.steward.azure.requests)
    answer = app.send("POST", f"{BOX}/{name}", body)
    assert (answer.status, answer.body["error"]["code"]) == (400, "InvalidRequestContent")
    assert said in answer.said
    assert len(app.steward.azure.requests) == before
