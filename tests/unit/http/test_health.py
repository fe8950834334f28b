"""Health answers whatever callers keep the app busy with."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import azure.functions as func

from functions import pages, waiting
from shared import services

if TYPE_CHECKING:
    from tests.unit.http.conftest import App


def test_health_does_not_wait_where_callers_queue(app: App) -> None:
    """Every thread of the callers' pool is taken, and more wait for one."""
    assert app
    release = threading.Event()
    request = func.HttpRequest(method="GET", url="http://localhost:7071/api/health", body=b"")

    async def asked() -> int:
        callers = [asyncio.ensure_future(waiting.in_thread(release.wait)) for _ in range(services.get().settings.threads + 8)]
        await asyncio.sleep(0)
        try:
            return (await asyncio.wait_for(pages.health(request), 20)).status_code
        finally:
            release.set()
            await asyncio.gather(*callers)

    assert asyncio.run(asked()) == 200
