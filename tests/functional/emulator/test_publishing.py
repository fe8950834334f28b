"""Publishing to a custom topic: by key, token or SAS token, in the topic's own schema and in no other."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
import requests
from azure.eventgrid import generate_sas

from infra.local.emulator import scene
from tests.functional.emulator.client import Client

VERSION = "2025-02-15"
EVENT = {"id": "1", "subject": "a", "eventType": "t", "eventTime": "2026-01-01T00:00:00Z", "data": {}, "dataVersion": "1"}
CLOUD_EVENT = {"id": "1", "source": "a", "type": "t", "specversion": "1.0"}


@pytest.fixture(params=["EventGridSchema", "CloudEventSchemaV1_0"])
def schema(request: pytest.FixtureRequest) -> str:
    """A topic's schema."""
    return str(request.param)


@pytest.fixture
def topic(azure: Client, schema: str) -> tuple[str, str]:
    """Endpoint and key of a topic of that schema."""
    path = f"{scene.GROUP_ID}/providers/Microsoft.EventGrid/topics/told"
    made = azure.arm("PUT", path, {"location": "westeurope", "properties": {"inputSchema": schema}}, version=VERSION)
    assert made.status_code == 201, made.text
    return made.json()["properties"]["endpoint"], azure.arm("POST", f"{path}/listKeys", version=VERSION).json()["key1"]


def _publish(azure: Client, endpoint: str, body: Any, **headers: str) -> requests.Response:
    return azure.session.post(f"{endpoint}?api-version=2018-01-01", json=body, headers=headers, timeout=20)


def _events(schema: str) -> list[dict[str, Any]]:
    return [EVENT] if schema == "EventGridSchema" else [CLOUD_EVENT]


def test_a_sas_token_of_microsofts_library_is_taken(azure: Client, topic: tuple[str, str], schema: str) -> None:
    """In either header, as long as it has not expired."""
    endpoint, key = topic
    token = generate_sas(endpoint, key, datetime.now(UTC) + timedelta(hours=1))
    assert _publish(azure, endpoint, _events(schema), **{"aeg-sas-token": token}).status_code == 200
    assert _publish(azure, endpoint, _events(schema), Authorization=f"SharedAccessSignature {token}").status_code == 200
    azure.control("POST", "clock", {"advance_s": 3601})
    assert _publish(azure, endpoint, _events(schema), **{"aeg-sas-token": token}).status_code == 401


def test_a_sas_token_as_net_writes_it_is_taken(azure: Client, topic: tuple[str, str], schema: str) -> None:
    """The expiry in the invariant form of .NET, as Microsoft's page shows it."""
    endpoint, key = topic
    expiry = f"{datetime.now(UTC) + timedelta(hours=1):%m/%d/%Y %I:%M:%S %p}"
    signed = f"r={quote(endpoint, safe='')}&e={quote(expiry, safe='')}"
    signature = base64.b64encode(hmac.digest(base64.b64decode(key), signed.encode(), hashlib.sha256)).decode()
    token = f"{signed}&s={quote(signature, safe='')}"
    assert _publish(azure, endpoint, _events(schema), **{"aeg-sas-token": token}).status_code == 200


@pytest.mark.parametrize("wrong", ["key", "topic", "expired", "signature", "nonsense", "no expiry"])
def test_a_wrong_sas_token_is_refused(azure: Client, topic: tuple[str, str], schema: str, wrong: str) -> None:
    """401: another key, another topic, past, changed behind its signature, none at all."""
    endpoint, key = topic
    later = datetime.now(UTC) + timedelta(hours=1)
    other = base64.b64encode(b"another key").decode()
    unsigned = f"r={quote(endpoint, safe='')}"
    bare = base64.b64encode(hmac.digest(base64.b64decode(key), unsigned.encode(), hashlib.sha256)).decode()
    token = {
        "key": lambda: generate_sas(endpoint, other, later),
        "topic": lambda: generate_sas(endpoint.replace("//told.", "//others."), key, later),
        "expired": lambda: generate_sas(endpoint, key, datetime.now(UTC) - timedelta(seconds=1)),
        "signature": lambda: generate_sas(endpoint, key, later).replace("e=20", "e=21"),
        "nonsense": lambda: "nonsense",
        "no expiry": lambda: f"{unsigned}&s={quote(bare, safe='')}",
    }[wrong]()
    answer = _publish(azure, endpoint, _events(schema), **{"aeg-sas-token": token})
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "Unauthorized")


def test_events_of_the_other_schema_are_refused(azure: Client, topic: tuple[str, str], schema: str) -> None:
    """Each schema on the other's topic: 400; nothing is published."""
    endpoint, key = topic
    other = _events("EventGridSchema" if schema != "EventGridSchema" else "CloudEventSchemaV1_0")
    answer = _publish(azure, endpoint, other, **{"aeg-sas-key": key})
    assert answer.status_code == 400
    assert schema in answer.json()["error"]["message"]
    assert azure.control("GET", "events/published") == []


def test_one_event_without_a_list_is_a_cloud_event_only(azure: Client, topic: tuple[str, str], schema: str) -> None:
    """Event Grid's own schema comes in lists."""
    endpoint, key = topic
    answer = _publish(azure, endpoint, _events(schema)[0], **{"aeg-sas-key": key})
    assert answer.status_code == (400 if schema == "EventGridSchema" else 200)


def test_a_schema_of_ones_own_is_refused(azure: Client) -> None:
    """Custom input schemas are not in the local Azure, which says so."""
    path = f"{scene.GROUP_ID}/providers/Microsoft.EventGrid/topics/own"
    body = {"location": "westeurope", "properties": {"inputSchema": "CustomEventSchema"}}
    answer = azure.arm("PUT", path, body, version=VERSION)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "InvalidRequest")


def test_a_regenerated_key_opens_the_topic_and_the_old_one_does_not(azure: Client, topic: tuple[str, str], schema: str) -> None:
    """The other key stays."""
    endpoint, key = topic
    path = f"{scene.GROUP_ID}/providers/Microsoft.EventGrid/topics/told"
    before = azure.arm("POST", f"{path}/listKeys", version=VERSION).json()
    after = azure.arm("POST", f"{path}/regenerateKey", {"keyName": "key1"}, version=VERSION).json()
    assert (after["key2"], after["key1"] != before["key1"]) == (before["key2"], True)
    assert _publish(azure, endpoint, _events(schema), **{"aeg-sas-key": after["key1"]}).status_code == 200
    assert _publish(azure, endpoint, _events(schema), **{"aeg-sas-key": key}).status_code == 401
    assert azure.arm("POST", f"{path}/regenerateKey", {"keyName": "key3"}, version=VERSION).status_code == 400
