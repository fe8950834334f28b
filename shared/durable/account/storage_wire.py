"""Requests to the app's own storage: signed or with a token, within a time, and again where that may help.

Every operation writes rows and messages. Azure's libraries take several times the processor time for the same request, so rows and
messages go over this wire. Not here: what a table is asked (table_rows), connections (storage_pool), blobs (azure_storage).
"""

from __future__ import annotations

import re
import time
from email.utils import formatdate
from typing import TYPE_CHECKING, NamedTuple, Protocol
from urllib.parse import quote, urlsplit

from shared.rest import azure_versions, errors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from urllib3 import BaseHTTPResponse

    from shared.durable.storage_pool import Connections

STORAGE_DELAY_S = 5.0
TRIES = 3
BACKOFF_S = 0.8  # before the third try; the second comes at once, for most of what fails is a connection that was idle
LEAST_S = 0.1  # that a try gets, when signing in again has taken the time
AGAIN = frozenset({408, 429, 500, 502, 503, 504})
AGAIN_AS_POST = frozenset({500, 503, 504})
UNAUTHORIZED = 401
_CODE = re.compile(rb'(?:"code"\s*:\s*"|<(?:m:)?[Cc]ode>)(\w+)')


class Answer(NamedTuple):
    """What a service answered."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def code(self) -> str:
        """Azure's code of an error, '' where it says none."""
        found = _CODE.search(self.content)
        return found[1].decode() if found else self.headers.get("x-ms-error-code", "")


class Proof(Protocol):
    """What shows who we are."""

    def query(self) -> str:
        """Return what every query string ends with."""

    def headers(self, method: str, path: str, query: Mapping[str, str], sent: Mapping[str, str], length: int) -> dict[str, str]:
        """Return the headers that prove one request; `sent` are its others."""

    def renewed(self, answer: Answer, refused: str) -> bool:
        """Return whether a request that was answered 401 may go out again, with another proof than the `Authorization` refused."""


class Wire:
    """One service of an account: `send` is all there is.

    Args:
        base: Where it is.
        proof: Who we are.
        connections: Its connections; a call with all its tries takes no longer than one answer may.
    """

    def __init__(self, base: str, proof: Proof, connections: Connections) -> None:
        self.base = base.rstrip("/")
        self._server, self._path = urlsplit(self.base)._replace(path="").geturl(), urlsplit(self.base).path
        self._proof = proof
        self._connections = connections

    def send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        headers: Mapping[str, str],
        content: bytes = b"",
        twice: bool = True,
    ) -> Answer:
        """Send one request and return the answer, whatever its status.

        Args:
            method: HTTP verb.
            path: Below the service, its names quoted already.
            query: Names and values; these are quoted here.
            headers: Those of the request itself: the proof, the date and the version come with each try.
            content: The body.
            twice: Whether it may arrive twice: else it goes out again only where it did not arrive, or Azure says that it failed.

        Raises:
            UnreachableError: `StorageUnavailable`; no answer came, or we could not sign in.
        """
        import urllib3

        path, renewed, attempt, end = f"{self._path}{path}", False, 0, 0.0
        while True:
            said = {**headers, "x-ms-date": formatdate(usegmt=True), "x-ms-version": azure_versions.STORAGE_TABLES}
            said |= self._proof.headers(method, path, query or {}, said, len(content))
            end = end or time.monotonic() + self._connections.read_s  # signing in has a bound of its own
            attempt += 1
            try:
                answer = self._sent(method, path, query or {}, said, content, max(end - time.monotonic(), LEAST_S))
            except urllib3.exceptions.HTTPError as broken:
                self._connections.ways.forget(self._server)
                if not (twice or isinstance(broken, urllib3.exceptions.NewConnectionError)) or not self._may(attempt, 0.0, end):
                    raise trouble(type(broken).__name__) from broken
                continue
            if answer.status == UNAUTHORIZED and not renewed:
                renewed = True
                if self._proof.renewed(answer, said.get("Authorization", "")):
                    continue
            after = answer.headers.get("Retry-After", "")
            again = answer.status in (AGAIN if twice else AGAIN_AS_POST) or (answer.status in AGAIN and after)
            if not again or not self._may(attempt, float(after) if after.isdecimal() else 0.0, end):
                return answer

    def _may(self, attempt: int, after_s: float, end: float) -> bool:
        """Wait until the next try, if there may be one."""
        wait_s = max(after_s, 0.0 if attempt == 1 else BACKOFF_S * 2 ** (attempt - 2))
        if attempt >= (TRIES if self._connections.again else 1) or time.monotonic() + wait_s >= end:
            return False
        time.sleep(wait_s)
        return True

    def _sent(
        self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], content: bytes, left_s: float
    ) -> Answer:
        import urllib3

        way = self._connections.ways.to(self._server)
        texts = [*(f"{name}={quote(value, safe='')}" for name, value in query.items()), self._proof.query()]
        asked = "&".join(filter(None, texts))
        began = time.monotonic()
        answer: BaseHTTPResponse = way.pool.urlopen(
            method,
            f"{way.before}{path}?{asked}" if asked else f"{way.before}{path}",
            body=content or None,
            headers=headers,
            retries=False,
            redirect=False,
            assert_same_host=False,
            timeout=urllib3.Timeout(connect=min(self._connections.connect_s, left_s), read=left_s),
        )
        if self._connections.heard:
            self._connections.heard(answer.headers.get("Date", ""), time.monotonic() - began)
        return Answer(answer.status, answer.headers, answer.data)


def trouble(code: str) -> errors.UnreachableError:
    """Return the one error that means "try again"."""
    message = f"The app's own storage failed: {code}."
    return errors.UnreachableError(message, delay_s=STORAGE_DELAY_S, maybe_arrived=True, code="StorageUnavailable")


def expected(answer: Answer, *statuses: int) -> Answer:
    """Return an answer that has one of these statuses.

    Raises:
        UnreachableError: it has another.
    """
    if answer.status in statuses:
        return answer
    raise trouble(answer.code or f"HTTP {answer.status}")
