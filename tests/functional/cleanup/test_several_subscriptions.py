"""Two subscriptions under the roles that infra/azure gives: what one refers to stays in the other, seen or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from infra.local.emulator import scene
from shared.catalog.kinds import ML
from tests.functional.cleanup.conftest import STALE_MODELS

if TYPE_CHECKING:
    from tests.functional.cleanup.conftest import Place

pytestmark = pytest.mark.timeout(420)
LAB = f"/subscriptions/{scene.LAB_SUBSCRIPTION_ID}"
WORKSPACE = f"{LAB}/resourceGroups/{scene.LAB_GROUP}/providers/{ML}/workspaces/lab"


def lab(place: Place, model: str) -> None:
    """Make a workspace in the second subscription, with a deployment of a model of the first."""
    made = {"provisioningState": "Succeeded"}
    bodies = [
        (WORKSPACE, {"discoveryUrl": f"https://{scene.LOCATION}.api.azureml.ms/discovery", **made}),
        (f"{WORKSPACE}/onlineEndpoints/far", {"authMode": "Key", "traffic": {}, **made}),
        (f"{WORKSPACE}/onlineEndpoints/far/deployments/blue", {"endpointComputeType": "Managed", "model": model, **made}),
    ]
    resources = [{"id": id_, "body": {"location": scene.LOCATION, "properties": held}, "days": 90} for id_, held in bodies]
    place.control.call("POST", "resources", json=resources)


def test_what_another_subscription_refers_to_stays_and_everything_while_it_is_not_seen(place: Place) -> None:
    """First without a role there, then with the reader's; the report says which subscription it was."""
    place.seed(workspaces=1, models=1, versions=16, computes=1)
    place.policies(STALE_MODELS)
    stale = sorted(place.stale("modelVersion"))
    lab(place, stale[0])
    before, held = place.there(), place.control.call("GET", "roles")["assignments"]
    place.control.call("PUT", "roles", json={"assignments": [each for each in held if not each["scope"].startswith(LAB)]})
    blind = place.ended(place.begin("mode=enforce"))
    assert place.there() == before
    (unseen,) = [each for each in blind["subscriptions"] if each["status"] == "unreadable"]
    assert unseen["id"] == scene.LAB_SUBSCRIPTION_ID
    assert "AuthorizationFailed" in unseen["reason"]
    place.control.call("PUT", "roles", json={"assignments": held})
    report = place.ended(place.begin("mode=enforce"))
    assert place.there() & set(stale) == {stale[0]}, report["notes"]
    (kept,) = [line for line in report["resources"] if line["id"].lower() == stale[0]]
    assert "deployment blue of endpoint far in workspace lab refers to it" in kept["reason"]
    outcomes = {each["id"]: each["outcomes"] for each in report["subscriptions"]}
    assert outcomes == {scene.SUBSCRIPTION_ID: {"deleted": len(stale) - 1}, scene.LAB_SUBSCRIPTION_ID: {}}


def test_paths_reach_the_listed_subscriptions_alone(place: Place) -> None:
    """Another is refused without a request to Azure, and the list of subscriptions has only those."""
    place.seed(workspaces=1, models=1, versions=1, computes=1)
    lab(place, "azureml:m:1")
    assert place.app.get(f"{WORKSPACE[1:]}/onlineEndpoints/far")["name"] == "far"
    assert {each["subscriptionId"] for each in place.app.get("subscriptions")["value"]} == set(scene.SUBSCRIPTIONS)
    began = max(each["order"] for each in place.control.requests())
    for path in ("subscriptions/x/workspaces", f"arm{WORKSPACE.replace(scene.LAB_SUBSCRIPTION_ID, 'x')}"):
        error = place.app.send("GET", path, expect=403).json()["error"]
        assert (error["code"], "STEWARD_SUBSCRIPTIONS" in error["message"]) == ("SubscriptionNotListed", True)
    assert place.control.requests(after=began) == []
