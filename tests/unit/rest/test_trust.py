"""What connections trust is read once for all of them, and they trust no more than before."""

from __future__ import annotations

import os
import shutil

import pytest
import requests
from urllib3 import PoolManager

from shared.rest import transport, trust

URLS = ("https://management.azure.com/a", "https://westeurope.api.azureml.ms/b", "https://account.blob.core.windows.net/c")


@pytest.fixture
def session():
    """Connections of a test's own."""
    with transport.Session() as opened:
        yield opened


def get(session: transport.Session, url: str) -> int:
    """Send one request; returns its status."""
    patience = (5.0, 5.0, 5.0)
    return transport.transmit(session, "GET", url, headers={}, content=None, timeout_s=patience)[0].status_code


def test_connections_share_what_they_trust(session, wire):
    """Three hosts, three connections, one reading of the bundle; requests and urllib3 would read it for each."""
    before = trust._context.cache_info().misses
    assert [get(session, url) for url in URLS] == [200, 200, 200]
    assert wire.connections == 3
    assert trust._context.cache_info().misses - before <= 1


def test_a_bundle_that_was_changed_is_read_again(session, wire, certificate, tmp_path, monkeypatch):
    """A new authority needs no new process."""
    bundle = tmp_path / "bundle.pem"
    shutil.copy(certificate, bundle)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    get(session, URLS[0])
    before = trust._context.cache_info().misses
    os.utime(bundle, (1, 1))
    get(session, URLS[0])
    assert trust._context.cache_info().misses == before + 1
    assert wire.connections == 2


def test_a_certificate_of_another_name_is_refused(session, wire):
    """The authority is trusted, the host is not the one that was asked for."""
    with pytest.raises(transport.NoAnswerError, match="SSLError"):
        get(session, "https://elsewhere.example/")
    assert wire.seen == []


def test_a_request_that_checks_nothing_does_not_spoil_the_others(wire, monkeypatch):
    """Nothing of the app asks for that; if it did, it would have connections of its own."""
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with requests.Session() as session:
        session.mount("https://", trust.TrustingAdapter())
        with pytest.warns(Warning, match="Unverified"):
            assert session.get(URLS[0], verify=False, timeout=5).ok
        with pytest.raises(requests.exceptions.SSLError):
            session.get(URLS[0], timeout=5)


def test_an_adapter_that_is_given_a_folder_leaves_it_to_requests(tmp_path):
    """OpenSSL reads a folder of authorities by itself, one by one."""
    adapter = trust.TrustingAdapter()
    prepared = requests.Request("GET", URLS[0]).prepare()
    _, pool = adapter.build_connection_pool_key_attributes(prepared, str(tmp_path))
    assert pool["ca_cert_dir"] == str(tmp_path)
    assert "ssl_context" not in pool
    assert isinstance(adapter.poolmanager, PoolManager)
