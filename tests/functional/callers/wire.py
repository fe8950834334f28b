"""How logic apps and pipelines send a request and follow a 202. Not here: their definitions."""

from __future__ import annotations

import json
import time
from base64 import b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from collections.abc import Mapping

DEADLINE_S = 150.0
LONGEST_PAUSE_S = 0.3  # a real service waits for all of Retry-After


@dataclass(kw_only=True)
class Wire:
    """Sends requests, and remembers them.

    Attributes:
        seen: `METHOD URL status` of each.
        elsewhere: URL → body, of what is no part of the example: a key vault.
    """

    session: requests.Session
    seen: list[str] = field(default_factory=list)
    elsewhere: Mapping[str, Any] = field(default_factory=dict)

    def send(self, method: str, url: str, *, follow: bool, **more: Any) -> requests.Response:
        """Send a request; with `follow` GET the `Location` of a 202 until it is none, without any of the request's headers."""
        answer = self._one(method, url, **more)
        end = time.monotonic() + DEADLINE_S
        while follow and answer.status_code == requests.codes.accepted and answer.headers.get("Location"):
            assert time.monotonic() < end, f"{url} is still 202"
            time.sleep(min(float(answer.headers["Retry-After"]), LONGEST_PAUSE_S))
            answer = self._one("GET", answer.headers["Location"])
        return answer

    def _one(self, method: str, url: str, **more: Any) -> requests.Response:
        if url in self.elsewhere:
            answer = requests.Response()
            answer.status_code, answer._content = 200, json.dumps(self.elsewhere[url]).encode()
            answer.headers["Content-Type"] = "application/json"
        else:
            answer = self.session.request(method, url, timeout=60, allow_redirects=False, **more)
        self.seen.append(f"{method} {url} {answer.status_code}")
        return answer


def content(body: bytes, media: str) -> Any:
    """Return a body as Logic Apps keeps it: JSON as it is, what it does not know as base64 ("Handle content types")."""
    if not body:
        return None
    if media.partition(";")[0].strip() == "application/json":
        return json.loads(body)
    return {"$content-type": media, "$content": b64encode(body).decode()}
