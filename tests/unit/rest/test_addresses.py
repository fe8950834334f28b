"""Where a path lives: ARM, or the API server that the workspace's discoveryUrl names."""

from __future__ import annotations

import pytest

from shared.rest import addresses, clouds, errors
from shared.rest.client import Response

WORKSPACE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
DISCOVERY = "https://westeurope.api.azureml.ms/discovery"
FOUND = {"properties": {"discoveryUrl": DISCOVERY}}


class Azure:
    """Answers a workspace's GET and its discovery; counts."""

    cloud = clouds.PUBLIC

    def __init__(self, workspace=FOUND, discovery=None, status=200):
        self.bodies = {DISCOVERY: discovery or {"api": "https://westeurope.api.azureml.ms/", "history": "https://elsewhere"}}
        self.workspace, self.status, self.seen = workspace, status, []

    def send(self, method, url, **_more):
        """Answer by URL."""
        self.seen.append((method, url))
        return Response(status=self.status, url=url, body=self.bodies.get(url, self.workspace))


def test_an_arm_path_needs_no_discovery():
    """Most requests cost one request."""
    azure = Azure()
    url = addresses.Addresses(azure).url("arm", f"{WORKSPACE}/computes/c", "api-version=1", workspace=WORKSPACE)
    assert (url, azure.seen) == (f"https://management.azure.com{WORKSPACE}/computes/c?api-version=1", [])


@pytest.mark.parametrize(("plane", "version"), addresses.PLANE_VERSIONS.items())
def test_a_regional_path_is_found_through_the_workspaces_discovery_url(plane, version):
    """The article's way: GET the workspace, GET its discoveryUrl, use `api`."""
    azure = Azure()
    url = addresses.Addresses(azure).url(plane, f"{WORKSPACE}/experiments", "", workspace=WORKSPACE)
    assert url == f"https://westeurope.api.azureml.ms/{plane}/{version}{WORKSPACE}/experiments"
    assert [method for method, _ in azure.seen] == ["GET", "GET"]


def test_a_server_is_remembered_for_an_hour_whatever_the_casing():
    """Two requests a workspace and hour."""
    now = [0.0]
    azure = Azure()
    found = addresses.Addresses(azure, clock=lambda: now[0])
    for workspace in (WORKSPACE, WORKSPACE.upper(), WORKSPACE.lower()):
        found.api_server(workspace)
    assert len(azure.seen) == 2
    now[0] = addresses.REMEMBER_S + 1
    found.api_server(WORKSPACE)
    assert len(azure.seen) == 4


@pytest.mark.parametrize(
    "body",
    [None, {}, "text", [], {"properties": None}, {"properties": {"discoveryUrl": None}}, {"properties": {"discoveryUrl": 7}}],
)
def test_a_workspace_that_is_not_ready_yet_says_so(body):
    """While it is being made it has no discoveryUrl."""
    with pytest.raises(errors.RejectedError) as refused:
        addresses.Addresses(Azure(workspace=body)).api_server(WORKSPACE)
    assert (refused.value.error.code, refused.value.status) == ("WorkspaceNotReady", 409)


@pytest.mark.parametrize("body", [{"other": "x"}, {"api": None}, {"api": ["x"]}, "text", [1]])
def test_a_discovery_without_an_api_server_is_azures_fault(body):
    """502, and no crash."""
    with pytest.raises(errors.RejectedError) as refused:
        addresses.Addresses(Azure(discovery=body)).api_server(WORKSPACE)
    assert refused.value.status == 502


def test_a_workspace_that_does_not_exist_is_azures_404():
    """Its own error comes through."""
    azure = Azure(workspace={"error": {"code": "ResourceNotFound", "message": "m"}}, status=404)
    with pytest.raises(errors.RejectedError) as refused:
        addresses.Addresses(azure).api_server(WORKSPACE)
    assert (refused.value.error.code, refused.value.status) == ("ResourceNotFound", 404)
