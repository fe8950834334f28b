"""The shell, Python and Azure CLI of docs/callers.md. `az` is no part of this environment: what it would send is sent for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from base64 import b64decode
from typing import TYPE_CHECKING, Any

import pytest

from infra.local.emulator import scene
from infra.local.emulator.authorization.roles import EVENT_DATA_SENDER
from tests.functional.callers.conftest import QUOTA

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.functional.callers.conftest import Place
    from tests.functional.callers.logic_apps import Callbacks

type Blocks = Mapping[tuple[str, str], list[str]]

FIRST = "Call the app from other services"
NOTED = "az() { printf '%s\\0' \"$@\"; printf '\\1'; }\n"


def variables(place: Place) -> dict[str, str]:
    """What a shell has."""
    plain = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    return {**plain, "STEWARD": place.steward, "KEY": place.key, "GROUP": scene.GROUP_ID}


def commands_of_az(text: str, place: Place) -> list[list[str]]:
    """The arguments of each `az` of a block, as a shell reads them."""
    done = subprocess.run(
        ["bash", "-c", NOTED + text], env=variables(place), capture_output=True, text=True, check=True, timeout=30
    )
    return [each.split("\0")[:-1] for each in done.stdout.split("\1")[:-1]]


def options(arguments: list[str]) -> dict[str, list[str]]:
    """`--name` → its values."""
    found: dict[str, list[str]] = {}
    values: list[str] = []
    for argument in arguments:
        if argument.startswith("--"):
            values = found.setdefault(argument.removeprefix("--"), [])
        else:
            values.append(argument)
    return found


def test_the_first_command_waits_for_the_end(blocks: Blocks, place: Place) -> None:
    """One curl: the answer is the cluster."""
    (command,) = blocks[FIRST, "sh"]
    done = subprocess.run(["bash", "-ec", command], env=variables(place), capture_output=True, text=True, check=True, timeout=90)
    assert json.loads(done.stdout)["properties"]["provisioningState"] == "Succeeded"


@pytest.mark.parametrize(("number", "fails"), [(0, ""), (0, "fails"), (1, "")], ids=["requests", "a failure", "azure-core"])
def test_a_program_follows_to_the_end(number: int, fails: str, blocks: Blocks, place: Place) -> None:
    """It prints the state, or ends badly with Azure's message when Azure fails later."""
    if fails:
        place.fail_next("/computes/cpu")
    command = [sys.executable, "-c", blocks["Python", "python"][number]]
    done = subprocess.run(command, env=variables(place), capture_output=True, text=True, check=False, timeout=90)
    said = f"{QUOTA['code']}: {QUOTA['message']}\n"
    assert (done.returncode, done.stdout, done.stderr) == ((1, "", said) if fails else (0, "Succeeded\n", ""))


def test_az_rest_sends_what_the_app_takes(blocks: Blocks, place: Place) -> None:
    """Its headers are NAME=VALUE, its body JSON; without ARM's token."""
    (arguments,) = commands_of_az(blocks["Azure CLI", "sh"][0], place)
    given = options(arguments[1:])
    assert arguments[0] == "rest"
    assert set(given) == {"method", "url", "skip-authorization-header", "headers", "body"}
    headers = dict(each.split("=", 1) for each in given["headers"])
    answer = place.session.request(given["method"][0].upper(), given["url"][0], headers=headers, data=given["body"][0], timeout=90)
    assert answer.status_code in (200, 201), answer.text
    assert answer.json()["properties"]["provisioningState"] == "Succeeded"


def test_a_subscription_hears_of_failures(blocks: Blocks, place: Place, called_back: Callbacks) -> None:
    """The topic and the subscription of the page, made as az makes them; a failure arrives there, a success does not."""
    topic, subscription = commands_of_az(blocks["Event Grid", "sh"][0], place)
    assert (topic[:3], subscription[:3]) == (["eventgrid", "topic", "create"], ["eventgrid", "event-subscription", "create"])
    made = [_topic(place, options(topic[3:])) for _ in ("made", "made again")][-1]
    place.azure.call("PUT", "hosts", json={"hooks.contoso.com": {"url": called_back.url.partition("/workflows")[0]}})
    _subscribed(place, options(subscription[3:]))
    body = {
        "location": scene.LOCATION,
        "properties": {
            "computeType": "AmlCompute",
            "properties": {"vmSize": "Standard_DS3_v2", "scaleSettings": {"maxNodeCount": 1}},
        },
    }
    told = {"Callback-Url": f"eventgrid:{made['properties']['endpoint']}"}
    called_back.came.clear()
    assert place.send("PUT", "workspaces/ml-team/computes/heard", json=body, headers=told).ok
    place.fail_next("/computes/heard")
    assert not place.send("PUT", "workspaces/ml-team/computes/heard", json=body, headers=told).ok
    assert called_back.came.wait(60)
    event = json.loads(b64decode(called_back.body["$content"]))
    assert event["type"] == "azureml-steward.operation.failed"
    assert event["data"]["error"]["code"] == QUOTA["code"]


def _arm(place: Place, path: str, body: Any) -> Any:
    """PUT past the app; the resource once its operation has ended well."""
    answer = place.arm.put(f"https://management.azure.com{path}?api-version=2025-02-15", json=body, timeout=60)
    assert answer.status_code == 201, answer.text  # the only success that the Azure CLI takes
    end = time.monotonic() + 120
    while monitor := answer.headers.get("Azure-AsyncOperation"):
        state = place.arm.get(monitor, timeout=60).json()
        if state["status"] != "InProgress":
            assert state["status"] == "Succeeded", state
            break
        assert time.monotonic() < end
    return answer.json()


def _topic(place: Place, given: Mapping[str, list[str]]) -> Any:
    assert set(given) == {"name", "resource-group", "location", "input-schema"}
    path = (
        f"/subscriptions/{scene.SUBSCRIPTION_ID}/resourceGroups/{given['resource-group'][0]}/providers/Microsoft.EventGrid/topics"
    )
    assert given["input-schema"] == ["cloudeventschemav1_0"]
    body = {"location": given["location"][0], "properties": {"inputSchema": "CloudEventSchemaV1_0"}}
    topic = f"{path}/{given['name'][0]}"
    held = place.azure.call("GET", "roles")["assignments"]  # the page: the app's identity needs the role on the topic
    sender = {"scope": topic, "role": EVENT_DATA_SENDER, "principal": scene.APP_OBJECT_ID}
    place.azure.call("PUT", "roles", json={"assignments": [*held, sender]})
    return _arm(place, topic, body)


def _subscribed(place: Place, given: Mapping[str, list[str]]) -> None:
    assert given["endpoint-type"] == ["webhook"]
    assert given["event-delivery-schema"] == ["cloudeventschemav1_0"]
    path = f"{given['source-resource-id'][0]}/providers/Microsoft.EventGrid/eventSubscriptions/{given['name'][0]}"
    narrowed = {"includedEventTypes": given["included-event-types"], "subjectBeginsWith": given["subject-begins-with"][0]}
    destination = {"endpointType": "WebHook", "properties": {"endpointUrl": given["endpoint"][0]}}
    properties = {"destination": destination, "eventDeliverySchema": "CloudEventSchemaV1_0", "filter": narrowed}
    _arm(place, path, {"properties": properties})


def test_every_block_of_the_page_is_executed(blocks: Blocks) -> None:
    """One that is added needs a test here, or beside this."""
    assert {place: len(found) for place, found in blocks.items()} == {
        (FIRST, "sh"): 1,
        ("GitHub Actions", "yaml"): 1,
        ("Call the app from Logic Apps and Power Automate", "json"): 2,
        ("Call the app from Data Factory and Synapse", "json"): 2,
        ("Python", "python"): 2,
        ("Azure CLI", "sh"): 1,
        ("Event Grid", "sh"): 1,
    }
