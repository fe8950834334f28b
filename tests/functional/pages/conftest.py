"""A caller with the key, one without, and the document that the app itself serves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.local import stack


@pytest.fixture(scope="module")
def anybody() -> Iterator[requests.Session]:
    """Somebody without a key, straight to the app."""
    with requests.Session() as session:
        session.trust_env = False
        yield session


@pytest.fixture(scope="module")
def caller(app: stack.App) -> Iterator[requests.Session]:
    """Somebody with a function key."""
    with requests.Session() as session:
        session.trust_env = False
        session.headers["x-functions-key"] = app.key
        yield session


@pytest.fixture(scope="module")
def described(app: stack.App, anybody: requests.Session) -> Any:
    """What `openapi.json` says."""
    return anybody.get(f"{app.url}/api/openapi.json", timeout=60).json()
