"""Scoring an endpoint that is parked: it is noticed whenever it was parked, and ARM is not asked by every call."""

from __future__ import annotations

from typing import Any

import pytest

from shared.catalog import paths
from shared.endpoints import scoring, snapshots
from shared.rest import addresses, clouds
from shared.rest.client import Response
from tests.fakes import Clock
from tests.steward import SETTINGS

TARGET = paths.resolve("workspaces/w1/onlineEndpoints/e1/score", SETTINGS)


class Azure:
    """A client that knows one endpoint, parked or not, and counts what it is asked."""

    cloud = clouds.PUBLIC

    def __init__(self) -> None:
        self.tags: dict[str, str] = {}
        self.reads = 0

    def send(self, method: str, url: str, **_: Any) -> Response:
        """Answer what scoring asks."""
        self.reads += method == "GET"
        properties = {"scoringUri": "https://e1.westeurope.inference.ml.azure.com/score", "authMode": "Key"}
        return Response(status=200, url=url, body={"tags": self.tags, "properties": properties, "primaryKey": "key"})

    def send_keyed(self, url: str, *_: Any, **__: Any) -> Response:
        """Answer as the endpoint's host does: nothing is behind it while it is parked."""
        return Response(status=404 if self.tags else 200, url=url, body={})


@pytest.fixture
def here() -> tuple[Azure, Clock, scoring.Scoring]:
    """An endpoint, a clock, and who scores."""
    azure, clock = Azure(), Clock()
    client: Any = azure
    return azure, clock, scoring.Scoring(client, addresses.Addresses(client), clock=clock.seconds)


@pytest.mark.parametrize("known", [True, False], ids=["scored before", "first call"])
def test_a_parked_endpoint_is_noticed_and_asked_about_once_in_some_seconds(here: Any, known: bool) -> None:  # noqa: FBT001
    """Also when its address and key were kept from before; a thousand calls are one look."""
    azure, clock, scorer = here
    if known:
        assert scorer.score(TARGET, b"", {}).status == 200
        clock.advance(scoring.LOOK_AGAIN_S)
    azure.tags, azure.reads = {snapshots.TAG: "since then: blue"}, 0
    for _ in range(1000):
        with pytest.raises(snapshots.EndpointParkedError, match="since then: blue"):
            scorer.score(TARGET, b"", {})
    assert azure.reads == 1
    azure.tags = {}
    clock.advance(scoring.LOOK_AGAIN_S)
    assert scorer.score(TARGET, b"", {}).status == 200


def test_a_404_of_an_endpoint_that_is_not_parked_is_its_own(here: Any) -> None:
    """Passed on as it came, with one look in some seconds."""
    azure, _, scorer = here
    azure.send_keyed = lambda url, *_, **__: Response(status=404, url=url, body={"error": "mine"})
    answers = [scorer.score(TARGET, b"", {}) for _ in range(50)]
    assert {answer.status for answer in answers} == {404}
    assert azure.reads == 1
