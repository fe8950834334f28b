"""Steps 6d to 6f and 8c: a score wakes a parked endpoint, a rollout watches itself, a recipe is taken back, an expiry ends."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from infra.local.demo.client import StepError
from infra.local.demo.deploying import ENDPOINT_PATH, FLATS
from infra.local.demo.story import DEPLOYMENT, MODEL, WORKSPACE_PATH, check, cluster_body

if TYPE_CHECKING:
    from infra.local.demo.story import Story

LIVE, NEW = f"{MODEL}-2", "green"
PATIENCE_S = 120.0
HURRY = 4  # a deployment takes five minutes in Azure: enough is shown of that by now
RECIPE = {
    "steps": {
        "image": {
            "request": f"PUT {WORKSPACE_PATH}/environments/short/versions/1",
            "body": {"properties": {"image": "mcr.microsoft.com/azureml/minimal-ubuntu22.04-py39-cpu-inference:latest"}},
        },
        "rows": {
            "request": f"PUT {WORKSPACE_PATH}/data/rows/versions/1",
            "body": {"properties": {"dataType": "uri_file", "dataUri": "azureml://datastores/workspaceblobstore/paths/rows.csv"}},
        },
    }
}


def wake_by_score(story: Story) -> str:
    """The endpoint is parked; a score that may wait is kept, wakes it, and is answered as before. From here on Azure is quicker."""
    story.azure.call("PUT", "transitions", json={"speed": HURRY * story.azure.call("GET", "transitions")["speed"]})
    story.app.done("DELETE", f"{ENDPOINT_PATH}/deployments/{DEPLOYMENT}")
    story.app.done("POST", f"{ENDPOINT_PATH}/park")
    check(not story.app.list(f"{ENDPOINT_PATH}/deployments"), "the parked endpoint has deployments")
    later = {"Prefer": "respond-async"}
    ended = story.app.follow(story.app.send("POST", f"{ENDPOINT_PATH}/score", expect=202, headers=later, json={"data": FLATS}))
    check(ended.status == "Succeeded", f"the score ended {ended.status}: {ended.error}")
    answer = story.app.result(ended)
    check(answer == story.scored, f"it answers {answer}, not {story.scored}")
    return "one call, answered when the endpoint was awake"


def guarded_rollout(story: Story) -> str:
    """A new deployment is asked first, compared with the live one, watched at half of the traffic, then gets all of it."""
    asks = {
        "deployment": NEW,
        "body": {"like": LIVE, "tags": {"rollout": "no"}},  # the tag by which a rule would promote it
        "smoke": [{"send": {"data": FLATS}, "expect": f"length(body) == `{len(FLATS)}`"}],
        "golden": [{"send": {"data": FLATS}, "tolerance": 0.01}],
        "steps": [50, 100],
        "bake": "PT1S",
        "gate": {"errorRate": {"atMost": 0.01}, "leastRequests": 2},
    }
    place = f"{ENDPOINT_PATH}/rollout/{story.app.send('POST', f'{ENDPOINT_PATH}/rollout', expect=202, json=asks).json()['name']}"
    found: dict[str, Any] = {}
    deadline = time.monotonic() + PATIENCE_S
    while "endTime" not in found:
        check(time.monotonic() < deadline, f"the rollout is {found.get('stage')} after {PATIENCE_S:.0f} s")
        story.app.send("POST", f"{ENDPOINT_PATH}/score", json={"data": FLATS})
        found = story.app.send("GET", place, headers={"Prefer": "wait=1"}).json()
        story.app.watch(f"{found['status']}, {found['stage']} {found.get('percent', '')}")
    check(found["status"] == "Succeeded", f"the rollout is {found['status']}: {found['history'][-1]}")
    check(found["traffic"].get(NEW) == 100, f"traffic is {found['traffic']}")
    return f"smoke, golden, 50 %, 100 % to {NEW}"


def recipe(story: Story) -> str:
    """Two requests as one run, followed as an operation; `undo` deletes what it made, and nothing else."""
    ran = story.app.send("POST", "recipes", expect=(200, 202), headers={"Prefer": "wait=60"}, json=RECIPE).json()
    check(ran["status"] == "Succeeded", f"the run is {ran['status']}: {ran.get('error')}")
    back = story.app.send("POST", f"recipes/runs/{ran['name']}/undo", expect=(200, 202), headers={"Prefer": "wait=60"}).json()
    check(back["status"] == "Succeeded", f"the undo is {back['status']}: {back.get('error')}")
    for path in ("environments/short/versions/1", "data/rows/versions/1"):
        story.app.send("GET", f"{WORKSPACE_PATH}/{path}", expect=404)
    return f"{len(ran['properties']['steps'])} steps, then taken back"


def expire(story: Story) -> str:
    """A cluster for three seconds: the app deletes it, and says so."""
    path = f"{WORKSPACE_PATH}/computes/short-lived"
    story.app.done("PUT", path, headers={"Expires-In": "PT3S"}, json=cluster_body())
    deadline = time.monotonic() + PATIENCE_S
    while True:
        (found,) = story.app.list(f"expiries?below={path}")
        if found["status"] not in ("Pending", "Acting"):
            break
        if time.monotonic() > deadline:
            raise StepError(f"the expiry is {found['status']} after {PATIENCE_S:.0f} s")
        story.app.watch(found["status"])
        time.sleep(0.3)
    check(found["status"] == "Done", f"the expiry is {found['status']}: {found.get('reason')}")
    story.app.send("GET", path, expect=404)
    return "made for 3 s, gone"
