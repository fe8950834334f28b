"""Scoring: keys and tokens go to the URI that Azure named for the endpoint, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest

from shared.catalog import paths
from shared.endpoints import scoring
from shared.rest import addresses, clouds, errors
from shared.rest.client import Response
from tests.fakes import Clock
from tests.steward import SETTINGS

URI = "https://e1.westeurope.inference.ml.azure.com/score"


class ScoringAzure:
    """A client that knows one endpoint and one v1 service, and keeps what it was asked and where keys went."""

    cloud = clouds.PUBLIC

    def __init__(self, **properties: Any) -> None:
        self.properties = {"scoringUri": URI, "authMode": "Key", **properties}
        self.key = "key-1"
        self.asked: list[str] = []
        self.scored: list[tuple[str, str, bytes, dict[str, str]]] = []
        self.statuses: list[int] = []

    def send(self, method: str, url: str, **_: Any) -> Response:
        """Answer what scoring asks."""
        self.asked.append(f"{method} {url.partition('?')[0].rpartition('/')[2]}")
        keys = {"primaryKey": self.key, "accessToken": "aml-token", "expiryTimeUtc": 4_000_000_000}
        body = {"properties": self.properties, **self.properties} if method == "GET" else keys
        if url.endswith("/discovery"):
            body = {"api": "https://westeurope.api.azureml.ms"}
        if "/workspaces/w1?" in url:
            body = {"properties": {"discoveryUrl": "https://westeurope.api.azureml.ms/discovery"}}
        return Response(status=200, url=url, body=body)

    def send_keyed(self, url: str, key: str, *, content: bytes, headers: dict[str, str], timeout_s: float) -> Response:
        """Keep where the key went."""
        assert timeout_s < 230
        self.scored.append((url, key, content, dict(headers)))
        return Response(status=self.statuses.pop(0) if self.statuses else 200, url=url, body=[1])

    def token(self, scope: str) -> str:
        """Return a token that shows its audience."""
        return f"token for {scope}"


def _scorer(azure: ScoringAzure, clock: Clock | None = None, *, plain: bool = False) -> scoring.Scoring:
    client: Any = azure
    seconds = (clock or Clock()).seconds
    return scoring.Scoring(client, addresses.Addresses(client, clock=seconds), plain=plain, clock=seconds)


def _target(path: str = "workspaces/w1/onlineEndpoints/e1/score") -> paths.Target:
    return paths.resolve(path, SETTINGS)


def test_the_key_goes_to_the_uri_that_azure_named() -> None:
    """With the caller's body and nothing of the caller's own proof."""
    azure = ScoringAzure()
    headers = {"Content-Type": "application/json", "x-functions-key": "ours", "Cookie": "c", "azureml-model-deployment": "blue"}
    assert _scorer(azure).score(_target(), b"{}", headers).body == [1]
    assert azure.scored == [(URI, "key-1", b"{}", {"content-type": "application/json", "azureml-model-deployment": "blue"})]


def test_uri_and_key_are_remembered_for_minutes() -> None:
    """Then asked for again."""
    azure, clock = ScoringAzure(), Clock()
    scorer = _scorer(azure, clock)
    for _ in range(3):
        scorer.score(_target(), b"", {})
    assert azure.asked == ["GET e1", "POST listKeys"]
    clock.advance(scoring.REMEMBER_S)
    scorer.score(_target(), b"", {})
    assert len(azure.asked) == 4
    assert len(scorer._doors) == 1


def test_a_key_that_was_changed_is_fetched_anew_once() -> None:
    """A second 401 is the caller's to see."""
    azure = ScoringAzure()
    scorer = _scorer(azure)
    scorer.score(_target(), b"", {})
    azure.key, azure.statuses = "key-2", [401]
    assert scorer.score(_target(), b"", {}).status == 200
    assert [key for _, key, _, _ in azure.scored] == ["key-1", "key-1", "key-2"]
    azure.statuses = [401, 401]
    assert scorer.score(_target(), b"", {}).status == 401


@pytest.mark.parametrize(
    ("mode", "key"), [("Key", "key-1"), ("AMLToken", "aml-token"), ("AADToken", "token for https://ml.azure.com/.default")]
)
def test_each_way_of_signing_in_has_its_proof(mode: str, key: str) -> None:
    """Key, AMLToken, AADToken."""
    azure = ScoringAzure(authMode=mode)
    _scorer(azure).score(_target(), b"", {})
    assert azure.scored[0][1] == key


@pytest.mark.parametrize(
    "uri",
    [
        "https://evil.example/score",
        "https://e1.inference.ml.azure.com.evil.example/score",
        "http://e1.inference.ml.azure.com/score",
        "https://e1.inference.ml.azure.com:8443/score",
        "https://e1.inference.ml.azure.com:80/score",
        "https://user@e1.inference.ml.azure.com/score",
    ],
)
def test_an_entra_token_leaves_for_no_other_host(uri: str) -> None:
    """Also when the setting allows plain URIs, which is for keys."""
    azure = ScoringAzure(authMode="AADToken", scoringUri=uri)
    with pytest.raises(errors.BadRequestError) as refused:
        _scorer(azure, plain=True).score(_target(), b"", {})
    assert (refused.value.error.code, azure.scored) == ("HostNotAllowed", [])


@pytest.mark.parametrize(
    "uri",
    ["http://e1.example/score", "https://10.0.0.1/score", "https://[::1]/score", "https://localhost/score", "https://user@e1.example/s",
     "https://metadata/x", "ftp://e1.example/", "https://", "https://[bad/score", "score"],
)  # fmt: skip
def test_a_plain_or_bare_uri_needs_the_setting(uri: str) -> None:
    """And the key is not even asked for."""
    azure = ScoringAzure(scoringUri=uri)
    with pytest.raises(errors.BadRequestError) as refused:
        _scorer(azure).score(_target(), b"", {})
    assert (refused.value.error.code, refused.value.status, azure.scored) == ("HostNotAllowed", 502, [])
    assert "POST listKeys" not in azure.asked


def test_the_setting_lets_a_plain_uri_pass() -> None:
    """v1 services and Kubernetes endpoints without TLS."""
    azure = ScoringAzure(scoringUri="http://10.0.0.1:80/score")
    assert _scorer(azure, plain=True).score(_target(), b"", {}).ok


def test_an_endpoint_without_a_uri_is_not_ready() -> None:
    """409 with its state, not a failure of ours."""
    azure = ScoringAzure(scoringUri=None, provisioningState="Creating")
    with pytest.raises(errors.BadRequestError, match="Creating") as refused:
        _scorer(azure).score(_target(), b"", {})
    assert (refused.value.status, refused.value.error.code) == (409, "EndpointNotReady")


@pytest.mark.parametrize(("enabled", "key"), [(True, "key-1"), (False, "")])
def test_a_v1_service_is_found_in_model_management(enabled: bool, key: str) -> None:  # noqa: FBT001
    """One without authentication is sent no key."""
    azure = ScoringAzure(authEnabled=enabled)
    _scorer(azure).score(_target("workspaces/w1/services/s1/score"), b"", {})
    assert azure.scored[0][:2] == (URI, key)
    assert ("POST listkeys" in azure.asked) is enabled
