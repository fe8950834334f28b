"""Steps 1 to 3: look around, provision a workspace and a compute cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.local.demo.story import (
    COMPUTE,
    WORKSPACE,
    WORKSPACE_PATH,
    check,
    cluster_body,
    state_of,
    workspace_body,
)
from infra.local.emulator import scene

if TYPE_CHECKING:
    from infra.local.demo.story import Story


def list_groups(story: Story) -> str:
    """Every resource group, page by page."""
    pages = story.app.pages("resourceGroups")
    names = {group["name"] for page in pages for group in page}
    check(names == set(scene.RESOURCE_GROUPS), f"the resource groups are {sorted(names)}")
    check(len(pages) > 1, "one page only: nextLink was not exercised")
    return f"{len(names)} groups in {len(pages)} pages"


def list_workspaces(story: Story) -> str:
    """Every workspace of the default resource group."""
    names = [workspace["name"] for workspace in story.app.list("workspaces")]
    check(WORKSPACE not in names, f"{WORKSPACE} exists already")
    return f"{len(names)} workspaces"


def list_subscriptions(story: Story) -> str:
    """Those that the app works in, and what is in the second one: any path may name it."""
    known = {each["subscriptionId"] for each in story.app.list("subscriptions")}
    check(known == set(scene.SUBSCRIPTIONS), f"the subscriptions are {sorted(known)}")
    names = [group["name"] for group in story.app.list(f"subscriptions/{scene.LAB_SUBSCRIPTION_ID}/resourceGroups")]
    check(names == [scene.LAB_GROUP], f"its resource groups are {names}")
    return f"{len(known)} subscriptions, {names[0]} in the second"


def provision_workspace(story: Story) -> str:
    """A workspace on four existing dependencies: 202, then polled to its end by the queue functions."""
    accepted = story.app.send("PUT", WORKSPACE_PATH, json=workspace_body(), expect=202)
    for header in ("Operation-Location", "Azure-AsyncOperation", "Location", "Retry-After"):
        check(header in accepted.headers, f"the 202 has no {header}")
    ended = story.app.follow(accepted)
    check(ended.status == "Succeeded", f"{ended.status}: {ended.error}")
    made = story.app.send("GET", accepted.headers["Location"], expect=(200, 201)).json()
    check(made["name"] == WORKSPACE, f"the result is {made.get('name')}")
    return ended.status


def read_workspace(story: Story) -> str:
    """The workspace itself, and the regional API server that its ``discoveryUrl`` names."""
    workspace = story.app.get(WORKSPACE_PATH)
    check(state_of(workspace) == "Succeeded", f"provisioningState is {state_of(workspace)}")
    check(bool(workspace["identity"].get("principalId")), "it has no identity")
    check(bool(workspace["properties"].get("discoveryUrl")), "it has no discoveryUrl")
    servers = story.app.get(f"{WORKSPACE_PATH}/discovery")
    story.api_server = servers["api"]
    check(story.api_server == f"https://{scene.LOCATION}.api.azureml.ms", f"the API server is {story.api_server}")
    return story.api_server.removeprefix("https://")


def provision_compute(story: Story) -> str:
    """The article's cluster: Azure says 201, the app follows it until it is there."""
    accepted = story.app.send("PUT", f"{WORKSPACE_PATH}/computes/{COMPUTE}", json=cluster_body(), expect=202)
    ended = story.app.follow(accepted)
    check(ended.status == "Succeeded", f"{ended.status}: {ended.error}")
    cluster = story.app.get(f"{WORKSPACE_PATH}/computes/{COMPUTE}")
    check(state_of(cluster) == "Succeeded", f"provisioningState is {state_of(cluster)}")
    scale = cluster["properties"]["properties"]["scaleSettings"]
    check((scale["minNodeCount"], scale["maxNodeCount"]) == (0, 1), f"scale settings are {scale}")
    return ended.status
