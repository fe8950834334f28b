"""Hostile paths, queries, headers and bodies at random: answered soon, in little memory, and Azure is asked for names alone.

`make nightly` sends 100,000, `make test` a sample. Not here: each hostile shape by itself (test_hostile_bodies_cost_little),
whatever Azure may answer (test_no_request_is_a_server_error).
"""

from __future__ import annotations

import json
import random
import re
import resource
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import pytest

from shared.rest import clouds
from tests.tables import WHOLE
from tests.unit.http.conftest import running
from tests.unit.http.test_hostile_bodies_cost_little import CPU_LIMIT_S, MEMORY_LIMIT, TEXTS
from tests.unit.http.test_no_request_is_a_server_error import KNOWN, MEDIA, NAMES, ODD

if TYPE_CHECKING:
    from tests.unit.http.conftest import App

pytestmark = pytest.mark.sweep

COUNT = 100_000 if WHOLE else 400
BATCH = 200  # requests of one app; then all begins again
PIECES = (
    *ODD, "%2f", "%252f", "%252e%252e", "%3f", "%253Fa=b", "%23", "%2523", "@", "\\", "%5c", ";", "://", "evil.example", ":8443",
    "%0d%0aX: y", "subscriptions", "providers", "workspaces", "&api-version=1", "..;", "%c0%ae",
    "\u2025", "\uff0e\uff0e", "a" * 3_000,
)  # fmt: skip
NAMED = ("storageAccount", "keyVault", "model", "environmentId", "computeId")
SPARE = re.compile(r"[^!-~]")  # no client sends such characters in a URL


def odd_text(chance: random.Random) -> str:
    """A few pieces, one after the other."""
    return "".join(chance.choice((*PIECES, "a", "w1", "/", "-")) for _ in range(chance.randint(1, 4)))


def odd_path(chance: random.Random, path: str) -> str:
    """A path of a kind with some of its segments replaced, or with more."""
    segments = path.split("/")
    for _ in range(chance.choice((0, 1, 1, 2))):
        at = chance.randrange(len(segments) + 1)
        segments[at : at + chance.randint(0, 1)] = [odd_text(chance)]
    return SPARE.sub(lambda found: quote(found[0]), chance.choice(("", "", "", "arm/", "arm//")) + "/".join(segments))


def odd_json(chance: random.Random) -> bytes:
    """A body whose places that become pieces of URLs hold what is none."""
    odd = lambda: unquote(odd_text(chance))  # noqa: E731
    ident = f"/subscriptions/{odd()}/resourceGroups/{odd()}/providers/Microsoft.{odd()}/workspaces/{odd()}"
    body: dict[str, Any] = {
        "location": odd(),
        "name": odd(),
        "resources": [ident, odd()],
        "properties": {
            **{name: chance.choice((odd(), ident)) for name in NAMED},
            "computeType": chance.choice(("AmlCompute", odd())), "jobType": "Command", "command": odd(),
            "scoringUri": f"https://{odd()}/",
            "properties": {"vmSize": odd(), "subnet": {"id": ident}}, "dataUri": f"azureml://datastores/{odd()}/paths/{odd()}",
        },
    }  # fmt: skip
    return json.dumps(body).encode("utf-8", "surrogatepass")


def body_of(chance: random.Random) -> bytes:
    """Nothing, odd pieces of URLs, or a shape made to exhaust: most are small, some as large as they may be."""
    way = chance.random()
    if way < 0.4:
        return b"" if way < 0.15 else odd_json(chance)
    size = int(10 ** chance.uniform(1, 5.6 if chance.random() < 0.02 else 3.5))
    return TEXTS[chance.choice(sorted(TEXTS))](size).encode("utf-8", "surrogatepass")


def sent(app: App, chance: random.Random) -> tuple[str, int]:
    """Send one request; return what it was, and the status."""
    method, path = chance.choice(KNOWN)
    method = method if chance.random() < 0.9 else chance.choice(("GET", "PUT", "PATCH", "DELETE", "POST", "OPTIONS", "HEAD"))
    pairs = [(chance.choice((*NAMES, odd_text(chance))), odd_text(chance)) for _ in range(chance.choice((0, 0, 1, 3)))]
    query = "&".join(f"{quote(name)}={quote(unquote(value))}" for name, value in pairs)
    whole = odd_path(chance, path) + (f"?{query}" if query else "")
    headers = {"content-type": chance.choice((*MEDIA, "application/json", "application/json", "application/yaml"))}
    for name in (
        "prefer",
        "idempotency-key",
        "callback-url",
        "traceparent",
        "host",
        "x-ms-client-principal",
        "upload-id",
        "expires-in",
    ):
        if chance.random() < 0.05:
            headers[name] = SPARE.sub("", unquote(odd_text(chance)))
    answer = app.send(method, whole, body_of(chance), **headers)
    return f"{method} {whole[:400]} {headers}", answer.status


def check_url(asked: str, what: str) -> None:
    """The host is Azure's, each segment is one name however often it is decoded, and there is one api-version."""
    url = asked.partition(" ")[2]
    parts, seen = urlsplit(url), (url, what)
    assert parts.scheme == "https", seen
    assert clouds.is_storage(clouds.PUBLIC, url) or clouds.scope_for(clouds.PUBLIC, url), seen
    assert parts.port in (None, 443), seen
    assert parts.username is None, seen
    for segment in parts.path.split("/")[1:]:
        text = segment
        for _ in range(3):
            assert text not in (".", ".."), seen
            assert not set(text) & set("/\\?#\r\n\0"), seen
            text = unquote(text)
    assert len(parse_qs(parts.query, keep_blank_values=True).get("api-version", [])) <= 1, seen


def peak() -> int:
    """The most memory that the process has ever had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def test_hostile_requests_cost_little_and_ask_azure_for_names_alone() -> None:
    """No server error, none that takes more than ten seconds, and 256 MB above what the process had for all of them together."""
    chance, asked = random.Random(16), 0  # noqa: S311 - no secret
    idle: int | None = None
    for _ in range(COUNT // BATCH):
        with running() as app:
            for _ in range(BATCH):
                known, began = len(app.steward.azure.requests), time.process_time()
                what, status = sent(app, chance)
                seconds = time.process_time() - began
                assert seconds < CPU_LIMIT_S, (what, seconds)
                assert status < 500 or status == 503, (what, status)
                for url in app.steward.azure.requests[known:]:
                    check_url(url, what)
                    asked += 1
        idle = peak() if idle is None else idle
        assert peak() - idle < MEMORY_LIMIT
    assert asked > COUNT / 20
