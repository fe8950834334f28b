"""Many workers with one message, on Azurite: etags, not luck, decide who sends."""

from __future__ import annotations

import threading
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from infra.local import azurite
from shared import services
from shared.durable import azure_storage, storage
from shared.operations import ledger
from shared.rest import addresses, errors
from shared.settings import Settings
from tests.steward import Process, Steward, advance, look_after

if TYPE_CHECKING:
    from collections.abc import Iterator

WORKERS = 6
BODY: dict[str, Any] = {"location": "westeurope", "properties": {}}


@pytest.fixture(scope="module")
def connection() -> Iterator[str]:
    """The connection string of an Azurite of this module's own."""
    with azurite.start(None) as running:
        yield running.connection_string()


@pytest.fixture
def steward(connection: str) -> Iterator[Steward]:
    """The app on real tables and blobs; queue and Azure stay fakes."""
    from azure.storage.blob import BlobServiceClient

    app, name = Steward(), uuid.uuid4().hex
    account = services.Services(settings=Settings(storage=connection))
    with BlobServiceClient.from_connection_string(connection) as containers:
        rows, opened = (account._rows(f"{prefix}{name}") for prefix in ("l", "o"))
        blobs = azure_storage.AzureBlobs(lambda: containers.create_container(name))
        client: Any = app.azure
        app.process = Process(
            client=client,
            addresses=addresses.Addresses(client, clock=app.clock.seconds),
            ledger=ledger.Ledger(rows, opened, blobs),
            queue=app.queue,
            notification_queue=app.notification_queue,
            event_queue=app.event_queue,
            due=app.process.due,
            lists=app.process.lists,
            clock=app.clock,
        )
        yield app


def _at_once(work: Any) -> list[Any]:
    """Run `work(number)` in several threads at the same moment and return what they gave or raised."""
    barrier, out = threading.Barrier(WORKERS), []

    def run(number: int) -> None:
        barrier.wait()
        try:
            out.append(work(number))
        except Exception as problem:  # noqa: BLE001 - shown by the assertion
            out.append(problem)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return out


def test_of_many_workers_with_one_message_one_sends(steward: Steward) -> None:
    """The claim is an etag: the others end silently."""
    for number in range(5):
        steward.submit("PUT", f"workspaces/many{number}", BODY, respond_async=True)
        text = steward.queue.sent[-1][0]
        outcomes = _at_once(lambda _, text=text: advance(text, steward.process))
        assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)]
        assert steward.azure.count(f"PUT workspaces/many{number}$") == 1


def test_of_many_requests_with_one_key_one_is_accepted(steward: Steward) -> None:
    """All of them get the same operation."""
    outcomes = _at_once(lambda _: steward.submit("PUT", "workspaces/keyed", BODY, idempotency_key="k").id)
    assert len(set(outcomes)) == 1
    assert steward.azure.count("PUT workspaces/keyed$") == 1


def test_many_requests_for_one_target_all_enter_its_lane(steward: Steward) -> None:
    """Nobody is lost and one is first."""
    outcomes = _at_once(lambda number: steward.submit("PATCH", "workspaces/w1", {"tags": {"n": str(number)}}, respond_async=True))
    assert sorted(operation.phase for operation in outcomes) == ["accepted", *["waiting"] * (WORKERS - 1)]
    while steward.queue.messages:
        steward.clock.now = max(steward.clock(), min(message.visible_at for message in steward.queue.messages))
        steward.step()
    assert {steward.load(operation).status for operation in outcomes} == {"Succeeded"}
    assert steward.azure.count("PATCH") == WORKERS
    assert list(steward.ledger.open.listed()) == []


def test_reconcile_in_many_places_wakes_an_operation_once(steward: Steward) -> None:
    """Every instance's timer may fire: one message comes of it."""
    operation = steward.submit("PUT", "workspaces/woken", BODY, respond_async=True)
    steward.queue.messages.clear()
    steward.clock.advance(120)
    counts = _at_once(lambda _: look_after(steward.process))
    assert sum(counts) == len(steward.messages(operation)) == 1


def test_a_table_that_was_deleted_is_storage_out_of_reach(connection: str) -> None:
    """Nobody was there first: taken for a lost race, an acceptance would try again at once, and for ever."""
    from azure.data.tables import TableServiceClient

    with TableServiceClient.from_connection_string(connection) as service:
        rows = services.Services(settings=Settings(storage=connection))._rows("gone")
        service.delete_table("gone")
        row = storage.Row(partition="p", key="k", columns={"n": 1}, etag='W/"1"')
        for verb in ("insert", "replace", "delete"):
            with pytest.raises(errors.TransientError):
                rows.write([storage.Change(verb=verb, row=row)])  # type: ignore[arg-type] # one of the three
        with pytest.raises(errors.TransientError):
            rows.write([storage.Change(verb="insert", row=row), storage.Change(verb="insert", row=replace(row, key="l"))])
        with pytest.raises(errors.TransientError):
            rows.get("p", "k")
