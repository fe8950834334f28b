"""A run reads the same of ARM once, in each process: what acts decide by is read again, and so is what failed or has grown old."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from shared.cleanup.facts import pacing
from shared.cleanup.run import conduct
from shared.rest import clouds
from shared.rest.client import Response
from shared.settings import Settings

if TYPE_CHECKING:
    from shared.rest.clouds import Cloud

ARM = "https://management.azure.com/subscriptions/s/resourceGroups/g"


@dataclass
class Azure:
    """Answers each request with its number."""

    cloud: Cloud = clouds.PUBLIC
    status: int = 200
    padding: int = 0
    sent: list[str] = field(default_factory=list)

    def send(self, method: str, url: str, **_more: Any) -> Response:
        """See `Client.send`."""
        self.sent.append(f"{method} {url}")
        content = json.dumps({"number": len(self.sent), "more": "x" * self.padding}).encode()
        return Response(status=self.status, url=url, body=json.loads(content), content=content)


@dataclass
class Clock:
    """Monotonic seconds."""

    now: float = 0.0

    def __call__(self) -> float:
        """Return the present."""
        return self.now


def paced(azure: Azure, memo: pacing.Memo | None) -> pacing.Paced:
    """Return what a unit reads through."""
    inner: Any = azure
    places: Any = None
    return pacing.Paced(
        inner=inner, places=places, buckets=pacing.Buckets(), settings=Settings(), sleep=lambda _seconds: None, memo=memo
    )


def test_the_same_is_read_once_and_each_reader_has_a_body_of_its_own() -> None:
    """What one of them changes no other sees; only new reads count."""
    azure = Azure()
    reader = paced(azure, pacing.Memo())
    first = reader.send("GET", f"{ARM}/a")
    first.body["number"] = "changed"
    again = reader.send("GET", f"{ARM}/a")
    assert (again.status, again.body["number"]) == (200, 1)
    assert reader.send("GET", f"{ARM}/b").body["number"] == 2
    assert (len(azure.sent), reader.count.arm) == (2, 2)


@pytest.mark.parametrize(
    ("method", "url", "status", "padding"),
    [
        ("POST", f"{ARM}/a", 200, 0),
        ("GET", "https://westeurope.api.azureml.ms/history/v1.0/a", 200, 0),
        ("GET", f"{ARM}/a", 404, 0),
        ("GET", f"{ARM}/a", 200, pacing.MEMO_LARGEST),
    ],
    ids=["asked by POST", "another server", "not found", "large"],
)
def test_everything_else_is_read_each_time(method: str, url: str, status: int, padding: int) -> None:
    """It may differ, or takes too much room."""
    azure = Azure(status=status, padding=padding)
    reader = paced(azure, pacing.Memo())
    assert [reader.send(method, url).body["number"] for _ in range(2)] == [1, 2]


def test_what_has_grown_old_is_read_again() -> None:
    """A run may take hours."""
    azure, clock = Azure(), Clock()
    reader = paced(azure, pacing.Memo(clock))
    seen = []
    for now in (0.0, pacing.MEMO_S - 1, pacing.MEMO_S, 2 * pacing.MEMO_S - 1, 2 * pacing.MEMO_S):
        clock.now = now
        seen.append(reader.send("GET", f"{ARM}/a").body["number"])
    assert seen == [1, 1, 2, 2, 3]


def test_it_is_bounded_by_bytes_and_the_oldest_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the subscription's size."""
    monkeypatch.setattr(pacing, "MEMO_BYTES", 500)
    azure = Azure()
    reader = paced(azure, pacing.Memo())
    for number in range(50):
        reader.send("GET", f"{ARM}/{number}")
    assert reader.send("GET", f"{ARM}/49").body["number"] == 50
    assert reader.send("GET", f"{ARM}/0").body["number"] == 51


def test_each_run_reads_for_itself() -> None:
    """The next one begins with nothing; one run's units share what a process read."""
    reads, azure = pacing.Buckets(), Azure()
    seen = [paced(azure, reads.memo(run)).send("GET", f"{ARM}/a").body["number"] for run in ("r1", "r1", "r2", "r1")]
    assert seen == [1, 1, 2, 3]


def test_an_act_is_decided_by_what_is_read_anew() -> None:
    """Between the verdict and the act somebody may have begun to use it."""
    services: Any = SimpleNamespace(client=Azure(), addresses=None, reads=pacing.Buckets(), settings=Settings())
    run: Any = SimpleNamespace(name="r1")
    work = conduct.Conduct(run=run, chosen=(), policies={}, services=services, claim=lambda: None)
    services.reads.memo("r1").keep(f"{ARM}/a", Azure().send("GET", f"{ARM}/a"))
    assert [work.azure.send("GET", f"{ARM}/a").body["number"] for _ in range(2)] == [1, 2]
