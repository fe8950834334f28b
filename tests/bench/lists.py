"""A list of many models: one request with `?all=true`, page by page through the app, and page by page straight from Azure."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import requests

from infra.local import stack
from infra.local.emulator import scene
from shared.catalog import kinds

if TYPE_CHECKING:
    from collections.abc import Callable

VERSIONS = 10_000
ROUNDS = 3
LIST = "workspaces/clean-000/models/crowd-000/versions"


def run(versions: int = VERSIONS) -> dict[str, tuple[float, int]]:
    """Return way → seconds for all versions (the median), and the requests that its caller makes.

    Raises:
        RuntimeError: a way lists fewer.
    """
    with tempfile.TemporaryDirectory() as state, requests.Session() as ours, requests.Session() as direct:
        options = stack.Options(state=Path(state), transitions="immediate", events=False)
        with stack.start(options) as parts:
            sizes = {"name": "cleanup", "workspaces": 1, "versions": versions, "models": 1, "computes": 1, "facts": False}
            requests.post(f"{parts.azure.control}/_control/scenes", json=sizes, timeout=300).raise_for_status()
            ours.trust_env = direct.trust_env = False
            ours.headers["x-functions-key"] = parts.app.key
            direct.proxies, direct.verify = {"https": parts.azure.proxy}, str(parts.azure.ca)
            direct.headers["Authorization"] = f"Bearer {_token(direct)}"
            own = f"{parts.app.url}/api/{LIST}"
            azure = f"https://management.azure.com{scene.GROUP_ID}/providers/{kinds.ML}/{LIST}?api-version={kinds.ML_VERSION}"
            ways: dict[str, Callable[[], int]] = {
                "?all=true": lambda: _pages(ours, f"{own}?all=true", versions),
                "page by page": lambda: _pages(ours, own, versions),
                "straight from Azure": lambda: _pages(direct, azure, versions),
            }
            taken: dict[str, list[tuple[float, int]]] = {name: [] for name in ways}
            for _ in range(ROUNDS):
                for name, way in ways.items():
                    began = time.monotonic()
                    asked = way()
                    taken[name].append((time.monotonic() - began, asked))
    return {name: (statistics.median(seconds for seconds, _ in each), each[0][1]) for name, each in taken.items()}


def _pages(session: requests.Session, url: str, least: int) -> int:
    """Read a list to its end; returns how many requests that took."""
    found, asked = 0, 0
    while url:
        answer = session.get(url, timeout=230)
        answer.raise_for_status()
        page = answer.json()
        found, asked, url = found + len(page["value"]), asked + 1, page.get("nextLink", "")
    if found < least:
        message = f"{found} versions were listed, not {least}"
        raise RuntimeError(message)
    return asked


def _token(session: requests.Session) -> str:
    form = {
        "grant_type": "client_credentials",
        "client_id": scene.CLIENT_ID,
        "client_secret": scene.CLIENT_SECRET,
        "resource": "https://management.azure.com/",
    }
    url = f"https://login.microsoftonline.com/{scene.TENANT_ID}/oauth2/token"
    return str(session.post(url, data=form, timeout=30).json()["access_token"])
