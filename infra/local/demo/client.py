"""A caller of the app's HTTP API, and a reader of the local Azure's control route; nothing here knows the steps."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TERMINAL = frozenset({"Succeeded", "Failed", "Canceled"})
PATIENCE_S = 300.0


class StepError(Exception):
    """A step did not end as it should; the message says what came instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """An operation of the app that came to its end.

    Attributes:
        operation: The operation resource: ``id``, ``status``, ``error``, ``properties``, …
        polls: How often we asked.
    """

    operation: dict[str, Any]
    polls: int

    @property
    def status(self) -> str:
        """``Succeeded``, ``Failed`` or ``Canceled``."""
        return str(self.operation["status"])

    @property
    def error(self) -> dict[str, Any]:
        """ARM's error; empty without one."""
        return self.operation.get("error") or {}


class Steward:
    """The app's HTTP API with a function key.

    Args:
        url: Of the app, e.g. ``http://127.0.0.1:7071``.
        key: A function key.
        master_key: For ``/admin``.
        watch: Called with what a followed operation is doing, for a progress line.
    """

    def __init__(self, url: str, key: str, master_key: str, watch: Callable[[str], None] = lambda _: None) -> None:
        self.url = url
        self.watch = watch
        self._master_key = master_key
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["x-functions-key"] = key

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def send(self, method: str, path: str, *, expect: int | tuple[int, ...] = 200, **options: Any) -> requests.Response:
        """One request to ``/api/{path}`` (or to a whole URL of the app).

        Args:
            method: HTTP method.
            path: Below ``/api/``.
            expect: The statuses that are right.
            options: As ``requests`` takes them: ``json``, ``files``, ``headers``, …

        Raises:
            StepError: Another status came; with the error's code and message.
        """
        url = path if path.startswith("http") else f"{self.url}/api/{path}"
        response = self._session.request(method, url, timeout=120, allow_redirects=False, **options)
        expected = (expect,) if isinstance(expect, int) else expect
        if response.status_code not in expected:
            wanted = " or ".join(map(str, expected))
            raise StepError(f"{method} {path}: {response.status_code} instead of {wanted}: {describe(response)}")
        return response

    def get(self, path: str) -> Any:
        """The JSON of a GET."""
        return self.send("GET", path).json()

    def pages(self, path: str) -> list[list[dict[str, Any]]]:
        """The pages of a collection, by its ``nextLink``."""
        page = self.get(path)
        pages = [page["value"]]
        while page.get("nextLink"):
            page = self.get(page["nextLink"])
            pages.append(page["value"])
        return pages

    def list(self, path: str) -> list[dict[str, Any]]:
        """A whole collection."""
        return [item for page in self.pages(path) for item in page]

    def follow(self, accepted: requests.Response) -> Ended:
        """Wait for the operation that a 202 names; the app holds each question until it has ended, two seconds at most.

        Raises:
            StepError: It takes longer than five minutes.
        """
        url = accepted.headers["Operation-Location"]
        deadline = time.monotonic() + PATIENCE_S
        polls = 0
        while True:
            operation = self.send("GET", f"{url}?wait=2").json()
            polls += 1
            if operation["status"] in TERMINAL:
                return Ended(operation=operation, polls=polls)
            self.watch(str(operation["properties"].get("azureStatus") or operation["status"]))
            if time.monotonic() > deadline:
                raise StepError(f"still {operation['status']} after {PATIENCE_S:.0f} s: {url}")

    def done(self, method: str, path: str, *, expect: int | tuple[int, ...] = (200, 201, 202, 204), **options: Any) -> Any:
        """Send a change and see it through; its result.

        Returns:
            The resource, or None where there is none (a DELETE).

        Raises:
            StepError: It was refused, or its operation did not succeed.
        """
        response = self.send(method, path, expect=expect, **options)
        if response.status_code == requests.codes.accepted:
            ended = self.follow(response)
            if ended.status != "Succeeded":
                raise StepError(f"{method} {path}: {ended.status}: {_words(ended.error)}")
            return self.result(ended)
        return response.json() if response.content else None

    def result(self, ended: Ended) -> Any:
        """The resource that an operation made, or None where it made none (a DELETE)."""
        response = self.send("GET", f"operations/{ended.operation['name']}/result", expect=(200, 201, 204))
        return response.json() if response.content else None

    def run_timer(self, function: str) -> None:
        """Have the host run a timer function now.

        Raises:
            StepError: There is no such function.
        """
        url = f"{self.url}/admin/functions/{function}"
        response = self._session.post(url, json={}, headers={"x-functions-key": self._master_key}, timeout=30)
        if response.status_code != requests.codes.accepted:
            raise StepError(f"POST /admin/functions/{function}: {response.status_code}: {describe(response)}")


class Control:
    """The control route of the local Azure.

    Args:
        url: Its base, without ``/_control``.
    """

    def __init__(self, url: str) -> None:
        self._url = f"{url}/_control"
        self._session = requests.Session()
        self._session.trust_env = False

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def call(self, method: str, path: str, *, json: Any = None, params: Mapping[str, str] | None = None) -> Any:
        """One request; its JSON.

        Raises:
            StepError: It was refused.
        """
        response = self._session.request(method, f"{self._url}/{path}", json=json, params=params, timeout=30)
        if not response.ok:
            raise StepError(f"{method} /_control/{path}: {response.status_code}: {describe(response)}")
        return response.json() if response.content else None

    def requests(self, *, after: int = 0) -> list[dict[str, Any]]:
        """The requests that the local Azure received after the one of that ``order``, in order."""
        received: list[dict[str, Any]] = self.call("GET", "requests", params={"after": str(after)})
        return received


def describe(response: requests.Response) -> str:
    """The error code and message of an answer, or the beginning of its text."""
    try:
        error = response.json()["error"]
    except (ValueError, KeyError, TypeError):
        return response.text[:300] or "no body"
    return _words(error)


def _words(error: Mapping[str, Any]) -> str:
    return f"{error.get('code')}: {error.get('message')}"
