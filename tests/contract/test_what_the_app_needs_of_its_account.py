"""Queues, tables and the container: made by the app before they first matter, named where they are missing; on a fresh Azurite."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from azure.storage.queue import QueueServiceClient

from infra.doctor import records
from infra.local import azurite
from shared import health, services
from shared.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def app() -> Iterator[services.Services]:
    """The app's services on an account that has nothing."""
    with azurite.start(None) as running:
        yield services.Services(settings=Settings(storage=running.connection_string()))


def test_what_is_missing_is_named_and_made(app: services.Services) -> None:
    """Three requests look for all of it; a queue that goes later is named, too."""
    assert app.missing() == list(services.OWN)
    assert app.prepare() == list(services.OWN)
    assert (app.missing(), app.prepare()) == ([], [])
    with QueueServiceClient.from_connection_string(app.settings.storage) as account:
        account.delete_queue("steward-events")
    assert app.missing() == [("queue", "steward-events")]
    assert health._missing(app) == ["queue steward-events"]


def test_the_first_queue_that_is_opened_makes_all_that_the_app_needs(app: services.Services) -> None:
    """Any acceptance opens one: then the trigger of each other finds its queue, too."""
    app.notification_queue.send("{}")
    assert app.missing() == []


def test_a_queue_of_a_receiver_is_made_by_itself(app: services.Services) -> None:
    """`STEWARD_NOTIFY=queue:told` names one that is not the app's own."""
    app.queue_named("told").send("{}")
    assert app.missing() == list(services.OWN)


def test_the_doctor_names_what_is_missing_and_makes_it(app: services.Services) -> None:
    """A trigger on a queue that is not there waits without a word: somebody has to say it."""
    told = [each for each in records.look(app) if each.check == records.STORAGE and "is missing" in each.said]
    assert [each.said.split(" is missing")[0] for each in told] == [f"the {sort} {name}" for sort, name in services.OWN]
    assert app.missing() == []
