"""Step 6, second half: Azure's events reach the app, and its rules roll out a model that was only registered."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from infra.local.demo.client import StepError
from infra.local.demo.deploying import ENDPOINT_PATH, FLATS, model_body, token
from infra.local.demo.story import DEPLOYMENT, ENDPOINT, MODEL, WORKSPACE_ID, WORKSPACE_PATH, check, state_of
from infra.local.emulator import scene
from infra.local.processes import ROOT

if TYPE_CHECKING:
    from infra.local.demo.story import Story

RULES = ROOT / "shared" / "hooks" / "example_rules.yaml"
CHAIN = ("deploy-production-model", "promote-after-smoke-test")
PATIENCE_S = 180.0


def subscribe(story: Story) -> str:
    """What `az eventgrid event-subscription create` sends: the workspace's events go to the app's storage queue."""
    queue = {"resourceId": scene.APP_ACCOUNT_ID, "queueName": scene.EVENTS_QUEUE}
    wanted = {"properties": {"destination": {"endpointType": "StorageQueue", "properties": queue}}}
    url = f"https://management.azure.com{WORKSPACE_ID}/providers/Microsoft.EventGrid/eventSubscriptions/steward?api-version=2025-02-15"
    headers = {"Authorization": f"Bearer {token(story)}"}
    made = story.outside.put(url, json=wanted, headers=headers, timeout=30)
    check(made.status_code == 201, f"the subscription was answered {made.status_code}: {made.text[:300]}")
    deadline, status = time.monotonic() + PATIENCE_S, made.headers.get("Azure-AsyncOperation")
    while state_of(story.outside.get(url, headers=headers, timeout=30).json()) != "Succeeded":
        if status:
            story.outside.get(status, headers=headers, timeout=30)
        check(time.monotonic() < deadline, "the event subscription does not come to its end")
        time.sleep(0.5)
    put = story.app.send("PUT", "events/rules/examples", data=RULES.read_bytes(), headers={"Content-Type": "application/yaml"})
    return f"{len(put.json()['rules'])} rules in force"


def roll_out(story: Story) -> str:
    """Register version 2 for production, and do nothing else: two rules, one after the other, give it the traffic."""
    body = model_body(story.run_id)
    body["properties"]["tags"] = {"stage": "production", "endpoint": ENDPOINT, "like": DEPLOYMENT}
    story.app.done("PUT", f"{WORKSPACE_PATH}/models/{MODEL}/versions/2", json=body)
    for rule in CHAIN:
        fired = _ended(story, rule)
        check(fired["status"] == "Succeeded", f"rule {rule}: {fired['status']}: {fired.get('error')}")
    traffic = story.app.get(ENDPOINT_PATH)["properties"]["traffic"]
    check(traffic == {f"{MODEL}-2": 100}, f"traffic is {traffic}")
    scored = story.app.send("POST", f"{ENDPOINT_PATH}/score", json={"data": FLATS}).json()
    check(scored == story.scored, f"it answers {scored}, not {story.scored}")
    return f"100 % to {MODEL}-2, by rules alone"


def _ended(story: Story, rule: str) -> dict[str, Any]:
    """The newest firing of a rule, once it has ended.

    Raises:
        StepError: it takes longer than three minutes.
    """
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        found: list[dict[str, Any]] = story.app.get(f"events/firings?rule={rule}")["value"]
        if found and found[0]["status"] != "Running":
            return found[0]
        story.app.watch(f"{rule}: {found[0]['status'] if found else 'waiting for its event'}")
        time.sleep(0.3)
    raise StepError(f"rule {rule} did not come to its end within {PATIENCE_S:.0f} s")
