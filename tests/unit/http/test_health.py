"""`health` reads storage each time it is asked, and answers in time whatever storage does."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING, Any

import azure.functions as func
import pytest

from functions import answering, routes, waiting
from shared import services
from shared.settings import Settings
from tests import front
from tests.fakes import unavailable
from tests.steward import Steward

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def app() -> Iterator[Steward]:
    """The app on fakes."""
    steward = Steward()
    own = services.Services(settings=Settings(), clock=steward.clock)
    own.__dict__["ledger"] = steward.ledger
    services.use(own)
    yield steward
    services.use(None)


def _ask() -> tuple[int, Any]:
    return front.told(front.respond("GET", "health"))


def test_storage_that_goes_away_after_a_first_success_is_seen(app: Steward, caplog: pytest.LogCaptureFixture) -> None:
    """It was up for ever after the first time; the log has the reason."""
    caplog.set_level(logging.ERROR)
    assert _ask() == (200, {"status": "up"})
    assert app.fuse.calls == ["rows.get"]
    app.fuse.fail(1, after=False)
    assert _ask() == (503, {"status": "down"})
    assert "StorageUnavailable" in caplog.text
    assert _ask() == (200, {"status": "up"})


def test_storage_that_does_not_answer_is_down_within_its_time(
    app: Steward, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The calls of callers have threads of their own."""
    assert answering.PROBE_S == 2.0
    monkeypatch.setattr(answering, "PROBE_S", 0.05)
    silent = threading.Event()

    def get(*_: Any) -> None:
        silent.wait(60)
        raise unavailable()

    try:
        with monkeypatch.context() as frozen:
            frozen.setattr(app.rows, "get", get)
            assert _ask() == (503, {"status": "down"})
            assert _ask() == (503, {"status": "down"})
    finally:
        silent.set()
    assert "no answer within" in caplog.text


def test_settings_that_cannot_be_used_are_down_with_the_reason_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A load balancer says nothing; the log must."""
    services.use(None)
    monkeypatch.setenv("STEWARD_CLOUD", "none")
    assert _ask() == (503, {"status": "down"})
    assert "STEWARD_CLOUD is 'none'" in caplog.text


def test_health_does_not_wait_where_callers_queue(app: Steward) -> None:
    """Every thread of the callers' pool is taken, and more wait for one."""
    assert app
    release = threading.Event()
    request = func.HttpRequest(method="GET", url="http://localhost:7071/api/health", body=b"")

    async def asked() -> int:
        callers = [asyncio.ensure_future(waiting.in_thread(release.wait)) for _ in range(services.get().settings.threads + 8)]
        await asyncio.sleep(0)
        try:
            return (await asyncio.wait_for(routes.TRIGGERS["health"](request), 20)).status_code
        finally:
            release.set()
            await asyncio.gather(*callers)

    assert asyncio.run(asked()) == 200


def test_a_verb_that_the_function_has_not_is_refused(app: Steward) -> None:
    """The platform's "run now" sends POST to a function, whatever its verbs."""
    assert app
    request = func.HttpRequest(method="POST", url="http://localhost:7071/api/health", body=b"")
    answered = asyncio.run(routes.TRIGGERS["health"](request))
    assert (answered.status_code, answered.headers["Allow"]) == (405, "GET, HEAD")
