"""A caller's webhook is told of an operation's end: signed, again after a failure, and nobody else is ever called."""

from __future__ import annotations

from typing import Any

import pytest
from standardwebhooks import Webhook

ENVIRONMENT = {"properties": {"image": "mcr.microsoft.com/azureml/minimal:1", "osType": "Linux"}}


@pytest.mark.parametrize("first", [503, 302])
def test_a_webhook_that_fails_is_told_again_under_the_same_id(first: int, ground: Any, callback: Any, secret: str) -> None:
    """Standard Webhooks' own library accepts the signature; a redirect is a failure that is not followed."""
    before = len(callback.got)
    callback.answers = [first]
    url = f"http://127.0.0.1:{callback.server.server_port}/told?token=mine"
    ground.app.send(
        "PUT",
        f"workspaces/ml-hooks/environments/hook{first}/versions/1",
        json=ENVIRONMENT,
        headers={"Callback-Url": url},
        expect=(200, 201, 202),
    )
    ground.until(lambda: len(callback.got) >= before + 2, "the second attempt")
    got, texts = callback.got[before:], callback.texts[before:]
    assert len({headers["webhook-id"] for headers, _ in got}) == 1
    for (headers, body), text in zip(got, texts, strict=True):
        assert Webhook(secret).verify(text, headers) == body
    assert got[0][1]["type"] == "azureml-steward.operation.succeeded"

    def delivered() -> list[dict[str, Any]]:
        told = ground.app.get(f"operations/{got[0][1]['data']['operationId']}")["properties"]["deliveries"]
        return [each for each in told if each["target"].startswith("http") and each["status"] == "Delivered"]

    (shown,) = ground.until(delivered, "the delivery in the operation")
    assert [each.get("status") for each in shown["attempts"]] == [first, 200]
    assert "mine" not in shown["target"]


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.contoso.com/x",
        "http://127.0.0.1:1/x",
        "https://127.0.0.1/x",
        "http://169.254.169.254/metadata",
        "https://[::1]/x",
        "https://2130706433/x",
        "file:///etc/passwd",
        "queue:steward-operations",
        "queue:azure-webjobs-evil",
        "queue:victim-orders",
        "eventgrid:https://theirs.uksouth-1.eventgrid.azure.net/api/events",
        "eventgrid:https://evil.example/api/events",
    ],
)
def test_a_receiver_that_is_not_listed_is_refused_at_once(url: str, ground: Any) -> None:
    """Before anything is sent to Azure, with the reason."""
    answer = ground.app.send(
        "PUT",
        "workspaces/ml-hooks/environments/never/versions/1",
        json=ENVIRONMENT,
        headers={"Callback-Url": url},
        expect=400,
    )
    assert answer.json()["error"]["code"] in ("InvalidCallback", "CallbackNotAllowed")
    ground.app.send("GET", "workspaces/ml-hooks/environments/never", expect=404)
