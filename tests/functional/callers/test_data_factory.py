"""The pipelines of docs/data-factory.md, run as Data Factory runs them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.functional.callers.conftest import QUOTA
from tests.functional.callers.data_factory import ActivityError, Run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.functional.callers.conftest import Place

WEB = {"method", "url", "headers", "body", "authentication", "httpRequestTimeout", "turnOffAsync", "disableCertValidation"}
POLICY = {"timeout", "retry", "retryIntervalInSeconds", "secureInput", "secureOutput"}
PUTS = "requests?method=PUT&path=/computes/cpu"
VAULT = "https://myvault.vault.azure.net/secrets/steward-key?api-version=7.4"


@pytest.fixture(params=[0, 1], ids=["location", "until"])
def definition(request: pytest.FixtureRequest, blocks: dict[tuple[str, str], list[str]]) -> Any:
    """A pipeline of the page."""
    return json.loads(blocks["Call the app from Data Factory and Synapse", "json"][request.param])


def started(definition: Any, place: Place) -> Run:
    """A run whose key vault holds the local app's key."""
    given = {"steward": place.steward, "key": place.key}
    return Run(definition=definition, given=given, wire=place.wire(elsewhere={VAULT: {"value": place.key}}))


def activities(found: list[Any]) -> Iterator[Any]:
    """All of them, inner ones too."""
    for one in found:
        yield one
        yield from activities(one["typeProperties"].get("activities", []))


def test_a_pipeline_has_the_shape_of_one(definition: Any) -> None:
    """Members that the activities have, dependencies that there are, and a key that no run shows."""
    assert set(definition) == {"name", "properties"}
    every = list(activities(definition["properties"]["activities"]))
    names = [one["name"] for one in every]
    assert len(set(names)) == len(names)
    for one in every:
        assert set(one) <= {"name", "type", "dependsOn", "policy", "typeProperties"}
        assert {each["activity"] for each in one.get("dependsOn", ())} <= set(names)
        if one["type"] == "WebActivity":
            assert set(one["typeProperties"]) <= WEB
            assert set(one["policy"]) <= POLICY
            reads_key = "parameters.key" in json.dumps(one) or "'Key'" in json.dumps(one)
            assert one["policy"].get("secureInput", False) == reads_key
            assert one["policy"].get("secureOutput", False) == (one["name"] == "Key")


def test_a_pipeline_goes_on_when_azure_is_done(definition: Any, place: Place) -> None:
    """By following `Location`, which has the key in it, or by looking; a retry of the run is the same operation."""
    run = started(definition, place).run()
    statuses = [each.rpartition(" ")[2] for each in run.wire.seen]
    assert "202" in statuses
    assert statuses[-1] in ("200", "201")
    assert len(statuses) > 2
    (result,) = (run.outputs[name] for name in ("Cluster", "Result") if name in run.outputs)
    assert result["properties"]["provisioningState"] == "Succeeded"
    assert place.key not in json.dumps(result)
    before = len(place.azure.call("GET", PUTS))
    Run(definition=definition, given=run.given, wire=run.wire, name=run.name).run()
    assert len(place.azure.call("GET", PUTS)) == before


def test_a_pipeline_fails_with_azures_message(definition: Any, place: Place) -> None:
    """Accepted, and failed later."""
    place.fail_next("/computes/cpu")
    with pytest.raises(ActivityError, match=QUOTA["code"]) as failed:
        started(definition, place).run()
    assert QUOTA["message"] in str(failed.value)
