"""The app's connections to its storage: as many threads as it has, one pool, nothing thrown away."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from shared import services
from shared.settings import Settings

if TYPE_CHECKING:
    import pytest

THREADS = 16


def test_threads_at_once_keep_a_connection_each_whichever_table_they_use(connection: str, caplog: pytest.LogCaptureFixture) -> None:
    """azure-core's own pool holds ten for every client: the others would sign on again with each request."""
    app = services.Services(settings=Settings(storage=connection, threads=THREADS))
    tables = [app._rows(name) for name in ("first", "second")]
    barrier = threading.Barrier(THREADS)

    def work(number: int) -> None:
        for table in tables:
            barrier.wait()
            assert table.get("p", str(number)) is None

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(work, range(THREADS)))
    connections = app._pool.session.get_adapter("http://127.0.0.1").poolmanager.pools
    opened = sum(connections[key].num_connections for key in list(connections.keys()))
    assert "Connection pool is full" not in caplog.text
    assert opened <= THREADS
