"""What an endpoint says of a call, the caller hears: its headers come back, but for those of the transfer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from shared import services
from shared.rest.client import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.catalog.paths import Target
    from tests.unit.http.conftest import App

SAID = {
    "ms-azureml-model-error-statuscode": "429",
    "ms-azureml-model-error-reason": "model_error",
    "azureml-model-deployment": "blue",
    "azureml-model-group": "g",
    "x-ms-run-fn-exec-ms": "3",
    "retry-after": "7",
    "x-request-id": "r",
    "x-of-the-models-own": "yes",
}
NOT_SAID = {
    "set-cookie": "a=b",
    "transfer-encoding": "chunked",
    "content-length": "99",
    "connection": "close",
    "cache-control": "public",
    "Content-Security-Policy": "script-src *",
    "x-content-type-options": "sniff",
    "clear-site-data": '"*"',
    "refresh": "0; url=https://evil.example",
    "Location": "https://evil.example",
    "operation-location": "https://evil.example",
    "access-control-allow-origin": "*",
}


class Scorer:
    """Answers every call as a model that is busy does."""

    def score(self, _target: Target, _content: bytes, _headers: Mapping[str, str]) -> Response:
        """See Scoring.score."""
        return Response(status=424, url="https://e", headers={**SAID, **NOT_SAID, "content-type": "text/plain"}, content=b"busy")


def test_headers_of_the_endpoint_come_back(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """A 424 for a model's 401, 429 and 500 can be told apart."""
    assert app
    monkeypatch.setitem(services.get().__dict__, "scoring", Scorer())
    answer = app.send("POST", "workspaces/w1/onlineEndpoints/e/score", b"{}")
    assert (answer.status, answer.content, answer.headers["content-type"]) == (424, b"busy", "text/plain")
    assert {name: answer.headers.get(name) for name in SAID} == SAID
    assert not {name for name in NOT_SAID if answer.headers.get(name.lower()) == NOT_SAID[name]}


class Foreigner:
    """Answers with headers that HTTP/1.1 as the platform speaks it cannot carry."""

    def __init__(self, media: str) -> None:
        self._media = media

    def score(self, _target: Target, _content: bytes, _headers: Mapping[str, str]) -> Response:
        """See Scoring.score."""
        said = {"x-label": "caf\u00e9", "x-plain": "yes", "x bad": "name", "x-bell": "a\x07b", "content-type": self._media}
        return Response(status=200, url="https://e", headers=said, content=b"[1]")


@pytest.mark.parametrize("media", ["application/json", "application/json; title=caf\u00e9"])
def test_a_header_that_cannot_be_carried_costs_no_answer(app: App, monkeypatch: pytest.MonkeyPatch, media: str) -> None:
    """The platform would answer 500 in its place, and the score would be lost."""
    assert app
    monkeypatch.setitem(services.get().__dict__, "scoring", Foreigner(media))
    answer = app.send("POST", "workspaces/w1/onlineEndpoints/e/score", b"{}")
    assert (answer.status, answer.content, answer.headers["x-plain"]) == (200, b"[1]", "yes")
    assert all(each.isascii() and each.isprintable() for pair in answer.headers.items() for each in pair), answer.headers
    assert not {"x-label", "x bad", "x-bell"} & set(answer.headers)
    assert answer.headers["content-type"] == (media if media.isascii() else "application/octet-stream")
