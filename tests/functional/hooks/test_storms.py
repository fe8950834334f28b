"""Storms of events on real parts: repeated, shuffled, malformed, over slow storage, while workers die; and rules that loop."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from azure.storage.blob import ContainerClient

from infra.local.emulator import scene
from shared import services, settings
from shared.durable import storage, storage_clock
from shared.hooks import firings

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.nightly

WORKSPACE_ID = f"{scene.GROUP_ID}/providers/Microsoft.MachineLearningServices/workspaces/ml-hooks"
SUBSCRIPTION = f"{WORKSPACE_ID}/providers/Microsoft.EventGrid/eventSubscriptions"
QUEUE = {"endpointType": "StorageQueue", "properties": {"resourceId": scene.APP_ACCOUNT_ID, "queueName": scene.EVENTS_QUEUE}}
RULE = """
rules:
  - name: {name}
    on: {{types: [ModelRegistered], subjects: ["models/{name}:*"]}}
    rate: 10000/1h
    do: {{request: "GET workspaces/ml-hooks"}}
"""


@pytest.fixture
def into(ground: Any) -> Iterator[Any]:
    """Make a subscription that only a storm sends to; it goes again."""
    made = []

    def subscribe(name: str, destination: dict[str, Any], **more: Any) -> str:
        status = ground.subscribe(WORKSPACE_ID, name, destination, filter={"subjectBeginsWith": "nothing"}, **more)
        assert status["status"] == "Succeeded", status
        made.append(f"{SUBSCRIPTION}/{name}")
        return made[-1]

    yield subscribe
    for arm_id in made:
        ground.arm("DELETE", arm_id)


def storm(ground: Any, subscription: str, name: str, **more: Any) -> None:
    """Put a rule for the storm's models in force, and let it begin."""
    ground.rules(name, RULE.format(name=name))
    ground.azure.call("PUT", "events/retries", json={"speed": 100})
    body = {"subscription": subscription, "workspace": WORKSPACE_ID, "name": name, **more}
    ground.azure.call("POST", "events/storm", json=body)


def all_fired(ground: Any, name: str, count: int) -> None:
    """Each event of the storm fired its rule once, and that succeeded."""
    ground.until(lambda: ground.azure.call("GET", "events/storm")["done"], "the end of the storm")
    ground.quiet()
    found = ground.ended(name, count)
    assert {each["status"] for each in found} == {"Succeeded"}
    assert sorted(each["event"]["id"] for each in found) == sorted(f"{name}-{n}" for n in range(1, count + 1))


def dead(ground: Any) -> list[str]:
    """What was put aside."""
    connection = ground.parts.storage.connection_string()
    with ContainerClient.from_connection_string(connection, "azureml-steward") as container:
        return list(container.list_blob_names(name_starts_with="hooks/dead/"))


@pytest.mark.parametrize("schema", [pytest.param("EventGridSchema", marks=pytest.mark.nightly), "CloudEventSchemaV1_0"])
def test_a_storm_on_the_webhook_fires_each_event_once(schema: str, ground: Any, into: Any) -> None:
    """A third comes twice, the order is lost, a tenth is malformed: that is refused with 400, which Event Grid gives up."""
    name = f"hook-{schema[:5].lower()}"
    subscription = into(name, ground.webhook(maxEventsPerBatch=20), eventDeliverySchema=schema)
    storm(ground, subscription, name, count=25, duplicated=0.3, malformed=0.1, window=25)
    all_fired(ground, name, 25)
    counts = next(each for each in ground.azure.call("GET", "events/subscriptions") if each["id"] == subscription)
    told = ground.azure.call("GET", "events/storm")
    assert counts["delivered"] + counts["dropped"] == told["sent"]
    assert 1 <= counts["dropped"] <= told["malformed"]


def test_a_storm_in_the_storage_queue_fires_each_event_once(ground: Any, into: Any) -> None:
    """What is no event is put aside where somebody can look at it, and stops nothing."""
    before = len(dead(ground))
    subscription = into("queue", QUEUE)
    storm(ground, subscription, "queued", count=25, duplicated=0.3, malformed=0.2, window=25)
    all_fired(ground, "queued", 25)
    assert len(dead(ground)) > before


def test_storage_that_hangs_for_a_while_loses_no_event(ground: Any, into: Any) -> None:
    """Azurite is stopped in the middle: deliveries wait or are refused with 503, and Event Grid brings them again."""
    subscription = into("slow", ground.webhook())
    azurite = ground.parts.storage.process.pid
    storm(ground, subscription, "slow", count=40, rate=80)
    ground.until(lambda: ground.azure.call("GET", "events/storm")["sent"] >= 10, "some of the storm")
    os.kill(azurite, signal.SIGSTOP)
    try:
        ground.until(lambda: ground.azure.call("GET", "events/storm")["done"], "the end of the storm")
    finally:
        os.kill(azurite, signal.SIGCONT)
    all_fired(ground, "slow", 40)


def test_workers_that_die_lose_no_event(ground: Any, into: Any) -> None:
    """SIGKILL in the middle of a storm, three times: each event has fired its rule, or its message is in the queue still.

    The ten minutes that such a message is invisible are not waited for: the same storm comes again instead, and the minute
    and a half until a firing counts as lost are skipped.
    """
    subscription = into("killed", QUEUE)
    host = ground.parts.app.part.process.pid
    storm(ground, subscription, "killed", count=40, rate=20)
    for part in (8, 18, 28):
        ground.until(lambda part=part: ground.azure.call("GET", "events/storm")["sent"] >= part, "a part of the storm")
        for worker in ground.until(lambda: children(host), "a worker"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
    ground.until(lambda: ground.azure.call("GET", "events/storm")["done"], "the end of the storm")
    ground.quiet()
    fired = {each["event"]["id"] for each in ground.until(lambda: answered(ground, "killed"), "an answer")}
    with ground.queue("steward-events") as queue:
        assert queue.get_queue_properties().approximate_message_count >= 40 - len(fired)
    storm(ground, subscription, "killed", count=40)
    ground.until(lambda: len(answered(ground, "killed")) == 40, "40 firings")
    ground.until(lambda: not left_over(ground, "killed"), "the ends of what was cut short")
    all_fired(ground, "killed", 40)


def left_over(ground: Any, rule: str) -> list[dict[str, Any]]:
    """The firings that still run; each is made overdue, and the timer that looks for those is fired."""
    running = [each for each in answered(ground, rule) if each["status"] == "Running"]
    app = services.Services(settings=settings.from_environ({"AzureWebJobsStorage": ground.parts.storage.connection_string()}))
    for each in running:
        if (row := app.hook_rows.get(firings.PARTITION, each["name"])) and row.columns["status"] == "Running":
            row.columns["due_at"] = storage_clock.utc_now()
            with contextlib.suppress(storage.ConflictError):
                app.hook_rows.write([storage.Change(verb="replace", row=row)])
    if running:
        ground.app.run_timer("reconcile_operations")
        time.sleep(0.5)
    return running


def answered(ground: Any, rule: str) -> list[dict[str, Any]]:
    """The firings of a rule; none where a dying worker did not answer."""
    try:
        return list(ground.firings(rule))
    except Exception:  # noqa: BLE001 - whatever a request meets when the process behind it is killed
        return []


def children(pid: int) -> list[int]:
    """The live children of a process."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = status.read_text().rpartition(")")[2].split()
            if int(fields[1]) == pid and fields[0] != "Z":
                found.append(int(status.parent.name))
    return found


def test_a_rule_whose_own_doing_fires_it_again_is_stopped(ground: Any) -> None:
    """Each firing registers the next model, whose event Azure raises; the sixth is refused, and nothing follows."""
    ground.rules(
        "loop",
        """
rules:
  - name: loop
    on: {types: [ModelRegistered], subjects: ["models/loop-*"]}
    do:
      request: PUT workspaces/ml-hooks/models/${{ data.modelName }}-x/versions/1
      body: {properties: {modelType: custom_model, modelUri: "${{ data.modelTags.uri }}", tags: "${{ data.modelTags }}"}}
""",
    )
    uri = f"https://{scene.STORAGE_ACCOUNT}.blob.core.windows.net/loop/model.txt"
    connection = ground.parts.storage.connection_string(scene.STORAGE_ACCOUNT)
    with ContainerClient.from_connection_string(connection, "loop") as container:
        container.create_container()
        container.upload_blob("model.txt", b"y = x")
    ground.happens("ModelRegistered", "models/loop-:1", {"ModelName": "loop-", "ModelVersion": 1, "ModelTags": {"uri": uri}})
    found = ground.ended("loop", 6)
    assert sorted((each["depth"], each["status"]) for each in found) == [
        *((depth, "Succeeded") for depth in range(1, 6)),
        (6, "Refused"),
    ]
    refused = next(each for each in found if each["status"] == "Refused")
    assert refused["error"]["code"] == "RuleLoop"
