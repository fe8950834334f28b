"""The composition root: every part once, whoever asks first."""

from __future__ import annotations

import threading

import pytest

from shared import services
from shared.settings import Settings


def test_threads_that_race_at_the_start_share_one_client() -> None:
    """Two clients would sign in twice and keep two connection pools."""
    app = services.Services(settings=Settings())
    barrier = threading.Barrier(16)
    found: list[object] = []

    def ask() -> None:
        barrier.wait()
        found.append(app.client)

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(client) for client in found}) == 1


def test_an_app_without_storage_says_which_settings_are_missing() -> None:
    """When it is first used, not at import; and again the next time."""
    app = services.Services(settings=Settings())
    for _ in range(2):
        with pytest.raises(ValueError, match="AzureWebJobsStorage"):
            _ = app.queue
