"""Microsoft's and CNCF's own libraries send to `/api/events` in every mode they have, and read what the app sends."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import requests
from azure.core.credentials import AzureKeyCredential
from azure.core.messaging import CloudEvent as AzureCloudEvent
from azure.eventgrid import EventGridEvent, EventGridPublisherClient
from cloudevents.core.bindings import http as bindings
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from infra.local.emulator import scene
from infra.local.emulator.authorization.roles import EVENT_DATA_SENDER

if TYPE_CHECKING:
    from collections.abc import Callable

ML = "Microsoft.MachineLearningServices"
WORKSPACE_ID = f"{scene.GROUP_ID}/providers/{ML}/workspaces/ml-hooks"
NOTICE = """
rules:
  - name: seen
    on: {types: [ModelRegistered], subjects: ["models/sent*"]}
    do: {notify: contoso.model.seen, body: {model: "${{ data.modelName }}", version: "${{ data.modelVersion }}"}}
"""


def event_grid(ground: Any, model: str) -> int:
    """Two events in the Event Grid schema."""
    data = {"ModelName": model, "ModelVersion": 1, "ModelTags": {}}
    events = [
        EventGridEvent(subject=f"models/{model}:1", event_type=f"{ML}.ModelRegistered", data=data, data_version="") for _ in "ab"
    ]
    for event in events:
        event.topic = WORKSPACE_ID
    return publish(ground, events)


def azure_cloud(ground: Any, model: str) -> int:
    """Two CloudEvents of azure-core, which its client sends as a batch."""
    data = {"modelName": model, "modelVersion": "1"}
    kind = f"{ML}.ModelRegistered"
    return publish(ground, [AzureCloudEvent(source=WORKSPACE_ID, type=kind, data=data, subject=f"models/{model}:1") for _ in "ab"])


def cncf_through_azure(ground: Any, model: str) -> int:
    """A CNCF event as the dictionary that Microsoft's client takes."""
    return publish(ground, [json.loads(bindings.to_structured(cncf(model), JSONFormat()).body)])


def structured(ground: Any, model: str) -> int:
    """One event, whole in the body."""
    return post(ground, bindings.to_structured(cncf(model), JSONFormat()))


def binary(ground: Any, model: str) -> int:
    """One event, its attributes as headers; one of them not ASCII."""
    return post(ground, bindings.to_binary(cncf(model), JSONFormat()))


def publish(ground: Any, events: list[Any]) -> int:
    """Send by Microsoft's client, which takes 200 alone for success."""
    client = EventGridPublisherClient(f"{ground.parts.app.url}/api/events", AzureKeyCredential("unused"))
    with client:
        client.send(events, headers={"x-functions-key": ground.parts.app.key})
    return len(events)


def cncf(model: str) -> CloudEvent:
    """An event of the CNCF's library."""
    attributes = {"id": str(uuid.uuid4()), "source": WORKSPACE_ID, "type": f"{ML}.ModelRegistered", "specversion": "1.0"}
    attributes |= {"subject": f"models/{model}:1", "time": datetime.now(UTC), "datacontenttype": "application/json", "city": "Köln"}
    return CloudEvent(attributes, {"modelName": model, "modelVersion": 1})


def post(ground: Any, message: Any) -> int:
    """Send what the library made."""
    answer = requests.post(
        f"{ground.parts.app.url}/api/events",
        data=message.body,
        headers={**message.headers, "x-functions-key": ground.parts.app.key},
        timeout=30,
        proxies={"http": ""},
    )
    assert answer.status_code == requests.codes.ok, answer.text
    return 1


@pytest.mark.parametrize("send", [event_grid, azure_cloud, cncf_through_azure, structured, binary])
def test_what_an_official_client_sends_fires_rules(send: Callable[[Any, str], int], ground: Any) -> None:
    """Each event fires the rule once, with its data readable in either casing."""
    ground.rules("clients", NOTICE)
    model = f"sent-{send.__name__.replace('_', '-')}"
    count = send(ground, model)
    found = ground.until(
        lambda: (
            len(ours := [each for each in ground.ended("seen") if each["event"]["subject"] == f"models/{model}:1"]) >= count
            and ours
        ),
        "the firings",
    )
    assert [each["status"] for each in found] == ["Succeeded"] * count
    assert len({each["event"]["id"] for each in found}) == count


def test_what_the_app_sends_is_a_cloud_event_to_the_library(ground: Any) -> None:
    """The CNCF's reader takes the notification, with its extensions."""
    ground.rules("clients", NOTICE)
    model = f"sent-{uuid.uuid4().hex[:8]}"
    structured(ground, model)
    told = ground.until(lambda: [each for each in ground.told() if each["data"].get("model") == model], "the notification")[0]
    read = JSONFormat().read(CloudEvent, json.dumps(told))
    assert (read.get_type(), read.get_specversion()) == ("contoso.model.seen", "1.0")
    assert read.get_extension("sequence") == told["sequence"]


@pytest.mark.parametrize("schema", ["EventGridSchema", "CloudEventSchemaV1_0"])
def test_event_grid_shakes_hands_with_the_webhook_and_the_function(schema: str, ground: Any) -> None:
    """Both destinations, both schemas; a webhook that is none of the app's is refused with the reason."""
    resource = f"{scene.GROUP_ID}/providers/Microsoft.Web/sites/steward/functions/hooks_event_grid"
    function = {"endpointType": "AzureFunction", "properties": {"resourceId": resource}}
    wrong = {
        "endpointType": "WebHook",
        "properties": {"endpointUrl": f"https://steward.azurewebsites.net/api/health?code={schema}"},
    }
    ground.rules("clients", NOTICE)
    model = f"sent-{schema.lower()[:5]}-{uuid.uuid4().hex[:6]}"
    begins = {"subjectBeginsWith": f"models/{model}"}
    for name, destination in (("hook", ground.webhook()), ("function", function)):
        more = {"eventDeliverySchema": schema, "filter": begins}
        assert ground.subscribe(WORKSPACE_ID, f"{name}-{schema[:5]}", destination, **more)["status"] == "Succeeded"
    refused = ground.subscribe(WORKSPACE_ID, "wrong", wrong, eventDeliverySchema=schema)
    assert (refused["status"], refused["error"]["code"]) == ("Failed", "Url validation")
    ground.happens("ModelRegistered", f"models/{model}:1", {"ModelName": model, "ModelVersion": 1})
    ground.quiet()
    counts = {each["id"].rpartition("/")[2]: each for each in ground.azure.call("GET", "events/subscriptions")}
    for name in ("hook", "function"):
        assert counts[f"{name}-{schema[:5]}"]["delivered"] == 1, counts
        ground.arm("DELETE", f"{WORKSPACE_ID}/providers/Microsoft.EventGrid/eventSubscriptions/{name}-{schema[:5]}")
    (firing,) = ground.until(
        lambda: [each for each in ground.ended("seen") if each["event"]["subject"] == f"models/{model}:1"], "the firing"
    )
    assert firing["status"] == "Succeeded"


def test_what_the_app_publishes_reaches_an_event_grid_topic(ground: Any) -> None:
    """With a token for Event Grid and the role that docs/notifications.md names; the topic hands it to its own subscribers."""
    topic = f"{scene.GROUP_ID}/providers/Microsoft.EventGrid/topics/contoso"
    made = ground.arm("PUT", topic, {"location": scene.LOCATION, "properties": {"inputSchema": "CloudEventSchemaV1_0"}})
    assert made.status_code in (200, 201), made.text
    endpoint = made.json()["properties"]["endpoint"]
    held = ground.azure.call("GET", "roles")["assignments"]
    sender = {"scope": topic, "role": EVENT_DATA_SENDER, "principal": scene.APP_OBJECT_ID}
    ground.azure.call("PUT", "roles", json={"assignments": [*held, sender]})
    answer = ground.app.send(
        "PUT",
        "workspaces/ml-hooks/environments/told/versions/1",
        json={"properties": {"image": "mcr.microsoft.com/azureml/minimal:1", "osType": "Linux"}},
        headers={"Callback-Url": f"eventgrid:{endpoint}"},
        expect=(200, 201, 202),
    )
    assert answer.ok
    published = ground.until(lambda: ground.azure.call("GET", "events/published"), "a published event")
    assert published[-1]["topic"] == topic
    assert published[-1]["event"]["type"] == "azureml-steward.operation.succeeded"
