"""Microsoft's own LRO poller (azure-core, as ARM's clients use it) follows our operations as it follows ARM's."""

from typing import Any

import pytest
from azure.core import PipelineClient
from azure.core.exceptions import HttpResponseError
from azure.core.pipeline.policies import HeadersPolicy, RequestIdPolicy, RetryPolicy
from azure.core.polling import LROPoller
from azure.core.polling.base_polling import LROBasePolling
from azure.core.rest import HttpRequest

from infra.local import stack
from infra.local.emulator import scene

WORKSPACE = {
    "location": scene.LOCATION,
    "identity": {"type": "SystemAssigned"},
    "properties": {
        "storageAccount": scene.STORAGE_ID,
        "keyVault": scene.KEY_VAULT_ID,
        "applicationInsights": scene.INSIGHTS_ID,
        "containerRegistry": scene.REGISTRY_ID,
    },
}
CLUSTER = {
    "location": scene.LOCATION,
    "properties": {"computeType": "AmlCompute", "properties": {"vmSize": "Standard_D1", "scaleSettings": {"maxNodeCount": 1}}},
}


def begin(app: stack.App, method: str, path: str, body: Any = None) -> LROPoller[Any]:
    """Send a request and hand Azure's poller the answer."""
    client: PipelineClient[Any, Any] = PipelineClient(
        base_url=app.url, policies=[RequestIdPolicy(), HeadersPolicy({"x-functions-key": app.key}), RetryPolicy(retry_total=0)]
    )
    initial = client._pipeline.run(HttpRequest(method, f"{app.url}/api/{path}", json=body))

    def deserialize(response: Any) -> Any:
        content = response.http_response
        return content.json() if content.body() else None

    return LROPoller(client, initial, deserialize, LROBasePolling(timeout=1))


@pytest.fixture(scope="module")
def workspace(app: stack.App) -> str:
    """A workspace made through the poller."""
    made = begin(app, "PUT", "workspaces/ws-pollers", WORKSPACE).result(timeout=60)
    assert made["properties"]["provisioningState"] == "Succeeded"
    return "workspaces/ws-pollers"


def test_a_put_is_followed_to_the_resource(workspace: str, app: stack.App) -> None:
    """Azure-AsyncOperation is polled, then the resource is read from the PUT's own URL."""
    made = begin(app, "PUT", f"{workspace}/computes/cluster1", CLUSTER).result(timeout=60)
    assert made["name"] == "cluster1"
    assert made["properties"]["provisioningState"] == "Succeeded"


def test_a_delete_is_followed_to_its_end(workspace: str, app: stack.App) -> None:
    """After a 202 to DELETE the poller ends with the status monitor, which has no result."""
    begin(app, "PUT", f"{workspace}/computes/cluster2", CLUSTER).result(timeout=60)
    poller = begin(app, "DELETE", f"{workspace}/computes/cluster2")
    assert "result" not in poller.result(timeout=60)["properties"]
    assert poller.status() == "Succeeded"


def test_a_failure_is_raised_with_azures_reason(app: stack.App) -> None:
    """A registry without its admin user is accepted and fails later; the poller raises the operation's error."""
    body = {**WORKSPACE, "properties": {**WORKSPACE["properties"], "containerRegistry": scene.REGISTRY_WITHOUT_ADMIN_ID}}
    poller = begin(app, "PUT", "workspaces/ws-noadmin", body)
    with pytest.raises(HttpResponseError, match=r"(?i)admin"):
        poller.result(timeout=60)
    assert poller.status() == "Failed"
