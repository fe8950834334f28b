"""Microsoft's own long-running poller (azure-mgmt-core's ARMPolling) follows the local Azure to the end."""

from typing import Any

import pytest
from azure.core import PipelineClient
from azure.core.exceptions import HttpResponseError
from azure.core.pipeline.policies import RequestIdPolicy
from azure.core.polling import LROPoller
from azure.core.rest import HttpRequest
from azure.identity import ClientSecretCredential
from azure.mgmt.core.policies import ARMChallengeAuthenticationPolicy
from azure.mgmt.core.polling.arm_polling import ARMPolling

from infra.local.emulator import scene
from tests.functional.emulator.bodies import CLUSTER, PLACE
from tests.functional.emulator.client import ARM, VERSION, WORKSPACES, Client, workspace_body


@pytest.fixture
def official(azure: Client, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A pipeline as a management client builds it, authenticated by azure-identity, through the proxy."""
    monkeypatch.setenv("HTTPS_PROXY", azure.azure.proxy)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", azure.azure.ca)
    with ClientSecretCredential(scene.TENANT_ID, scene.CLIENT_ID, scene.CLIENT_SECRET) as credential:
        policy = ARMChallengeAuthenticationPolicy(credential, f"{ARM}/.default")
        with PipelineClient(ARM, policies=[RequestIdPolicy(), policy]) as client:

            def begin(method: str, path: str, body: Any = None) -> Any:
                request = HttpRequest(method, f"{ARM}{path}?api-version={VERSION}", json=body)
                response = client.send_request(request, _return_pipeline_response=True)
                response.http_response.raise_for_status()
                polling = ARMPolling(timeout=0.01)
                return LROPoller(client, response, lambda answer: answer.http_response, polling)  # type: ignore[arg-type]

            yield begin


@pytest.mark.parametrize("rule", ["immediate", "polls:2"])
def test_the_official_poller_creates_and_deletes_everything(azure: Client, official: Any, rule: str) -> None:
    """Workspace (202 empty), compute (201, no Location), endpoint (201, Location = itself), deletes (202, `null`)."""
    azure.control("PUT", "transitions", {"default": rule})
    made = official("PUT", f"{WORKSPACES}/lab", workspace_body()).result()
    assert made.json()["properties"]["provisioningState"] == "Succeeded"
    made = official("PUT", f"{WORKSPACES}/lab/computes/cpu", CLUSTER).result()
    assert made.json()["properties"]["provisioningState"] == "Succeeded"
    made = official("PUT", f"{WORKSPACES}/lab/onlineEndpoints/line", {**PLACE, "properties": {"authMode": "Key"}}).result()
    assert made.json()["properties"]["provisioningState"] == "Succeeded"
    for path in ("lab/onlineEndpoints/line", "lab/computes/cpu", "lab"):
        official("DELETE", f"{WORKSPACES}/{path}").result()
        assert azure.arm("GET", f"{WORKSPACES}/{path}").status_code == 404


def test_the_official_poller_raises_what_the_operation_says(official: Any) -> None:
    """The registry without its admin user: HttpResponseError with the local Azure's message."""
    body = workspace_body()
    body["properties"]["containerRegistry"] = scene.REGISTRY_WITHOUT_ADMIN_ID
    with pytest.raises(HttpResponseError, match="admin user"):
        official("PUT", f"{WORKSPACES}/lab", body).result()
