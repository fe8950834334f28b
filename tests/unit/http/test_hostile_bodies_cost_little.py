"""Bodies made to exhaust the app, at every door that reads one: a refusal or an answer, within seconds and megabytes.

`make test` sends each shape once; `make nightly` sends each at four sizes, and whatever Hypothesis grows of them.
"""

from __future__ import annotations

import io
import itertools
import json
import time
import tracemalloc
import warnings
import zipfile
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from urllib3 import encode_multipart_formdata

from tests import tables

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.sweep

MEGABYTE = 1024 * 1024
CPU_LIMIT_S = 10.0  # of the process; half as fast while memory is traced
MEMORY_LIMIT = 256 * MEGABYTE
SIZE = 400_000  # characters of a hostile text; below the limits of bytes, so that the parsers see it
JSON, YAML, CLOUD = "application/json", "application/yaml", "application/cloudevents-batch+json"
EVENT = {"specversion": "1.0", "id": "1", "type": "t", "source": "s"}

TEXTS: dict[str, Callable[[int], str]] = {
    "brackets": lambda size: "[" * size,
    "brackets and back": lambda size: "[" * (size // 2) + "]" * (size // 2),
    "braces": lambda size: '{"a":' * (size // 5),
    "flow of braces": lambda size: "{a: " * (size // 4),
    "flow of commas": lambda size: "{" + "a," * (size // 2),
    "indents": lambda size: "".join(" " * n + "a:\n" for n in range(int((2 * size) ** 0.5))),
    "dashes": lambda size: "- " * (size // 2),
    "anchors": lambda size: "\n".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" if n else "a0: &a0 x" for n in range(size // 40)),
    "merges": lambda size: "\n".join(
        f"m{n}: &m{n} {{<<: *m{n - 1}, k{n}: 1}}" if n else "m0: &m0 {k: 1}" for n in range(size // 40)
    ),
    "base 60": lambda size: "a: 1" + ":59" * (size // 3),
    "a long integer": lambda size: '{"properties": {"a": ' + "9" * size + "}}",
    "a long float": lambda size: '{"properties": {"a": 1.' + "9" * size + "e9999}}",
    "a hexadecimal": lambda size: "a: 0x" + "f" * size,
    "a long text": lambda size: '{"name": "' + "x" * size + '"}',
    "escapes": lambda size: '{"name": "' + "\\u0000" * (size // 6) + '"}',
    "lone surrogates": lambda size: '{"name": "' + "\\ud800" * (size // 6) + '"}',
    "many keys": lambda size: json.dumps({f"k{n}": n for n in range(size // 12)}),
    "one key often": lambda size: "{" + ",".join(['"k": 1'] * (size // 7)) + "}",
    "many values": lambda size: "[" + "1," * (size // 2) + "1]",
    "quotes": lambda size: '"' * size,
    "single quotes": lambda size: "a: '" + "''" * (size // 2),
    "backslashes": lambda size: '"' + "\\" * size,
    "tags": lambda size: "!!python/object:os.system " * (size // 26),
    "percents": lambda size: "%" * size,
    "question marks": lambda size: "? " * (size // 2),
    "pipes": lambda size: "a: |\n" + " \n" * (size // 2),
    "tabs": lambda size: "\t" * size,
    "nul": lambda size: "\0" * size,
    "byte order marks": lambda size: "\ufeff" * (size // 3),
    "templates": lambda size: json.dumps({"name": "${{" * (size // 3)}),
    "documents": lambda size: "---\n" * (size // 4),
    "comments": lambda size: "#\n" * (size // 2),
    "events": lambda size: json.dumps([EVENT] * (size // 60)),
    "deep events": lambda size: '[{"specversion":"1.0","id":"1","type":"t","source":"s","data":' + "[" * size,
    "a rule's expressions": lambda size: (
        "rules:\n  - name: r\n    on: {types: ['*'], where: \""
        + "to_string(" * (size // 10)
        + '"}\n    do: {request: GET workspaces}\n'
    ),
    "a rule's pipes": lambda size: (
        "rules:\n  - name: r\n    on: {types: ['*'], where: \"data.s"
        + "|[to_string(@),to_string(@)]" * (size // 28)
        + '"}\n    do: {request: GET workspaces}\n'
    ),
    "a policy's filters": lambda size: (
        "policies:\n  - name: p\n    resource: workspaces/computes\n    filters: ["
        + "{not: [" * (size // 7)
        + "\n    actions: [report]\n"
    ),
}
KEY = {"role": "reader", "hash": "0" * 64}
TEXTS |= {
    "a key's scope": lambda size: json.dumps({**KEY, "scope": {"below": ["workspaces/a"] * (size // 16)}}),
    "a key's path": lambda size: json.dumps({**KEY, "scope": {"below": ["/".join(["workspaces"] * (size // 11))]}}),
}
DOORS = [
    ("PUT", "workspaces/w1/jobs/j1", JSON),
    ("PUT", "workspaces/w1/jobs/j1", YAML),
    ("POST", "translate?path=workspaces/w1/jobs", YAML),
    ("PUT", "events/rules/r1", YAML),
    ("POST", "events/test", JSON),
    ("POST", "events", JSON),
    ("POST", "events", CLOUD),
    ("PUT", "cleanup/policies/p1", YAML),
    ("POST", "cleanup", JSON),
    ("PUT", "keys/k1", JSON),
    ("POST", "uploads", JSON),
    ("POST", "workspaces/w1/computes/c1/start", JSON),
]


def spent(app: Any, method: str, path: str, body: bytes, **headers: str) -> Any:
    """Send a request, and return its answer; refuse what costs too much. Memory is traced at night: that costs as much again."""
    if tables.WHOLE:
        tracemalloc.start()
    began = time.process_time()
    try:
        answer = app.send(method, path, body, **headers)
        seconds, peak = time.process_time() - began, tracemalloc.get_traced_memory()[1]
    finally:
        if tables.WHOLE:
            tracemalloc.stop()
    assert seconds < CPU_LIMIT_S * (2 if tables.WHOLE else 1), f"{method} {path}: {seconds:.1f} s of CPU"
    assert peak < MEMORY_LIMIT, f"{method} {path}: {peak // MEGABYTE} MB"
    assert answer.status < 500, answer.content[:500]
    return answer


def _cases() -> list[Any]:
    """Every shape at some door, each door with some shapes; the whole product at night."""
    pairs = itertools.product(TEXTS, DOORS)
    every = list(pairs)
    few = [pair for number, pair in enumerate(every) if tables.WHOLE or number % len(DOORS) == number // len(DOORS) % len(DOORS)]
    return [pytest.param(name, door, id=f"{name}-{door[0]} {door[1]} {door[2]}") for name, door in few]


@pytest.mark.parametrize(("name", "door"), _cases())
def test_a_hostile_text_costs_little(name: str, door: tuple[str, str, str], app: Any) -> None:
    """Refused or answered, never a server error."""
    method, path, media = door
    for size in (1_000, 30_000, SIZE, 2_000_000) if tables.WHOLE else (SIZE // 4,):
        spent(app, method, path, TEXTS[name](size).encode("utf-8", "surrogatepass"), **{"content-type": media})


def _zip(*names: str, content: bytes = b"x", times: int = 1) -> bytes:
    """Return a zip whose entries hold `content` so many times."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED if times > 1 else zipfile.ZIP_STORED) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a name that comes twice
        for name in names:
            with archive.open(name, "w") as entry:
                for _ in range(times):
                    entry.write(content)
    return out.getvalue()


def _many(count: int) -> bytes:
    """Return a zip that says it has so many entries, and has a table of contents of that length."""
    entry = b"PK\x01\x02" + bytes(24) + (1).to_bytes(2, "little") + bytes(16) + b"a"
    table = entry * count
    end64 = b"PK\x06\x06" + (44).to_bytes(8, "little") + bytes(12) + count.to_bytes(8, "little") * 2
    end64 += len(table).to_bytes(8, "little") + bytes(8)
    locator = b"PK\x06\x07" + bytes(4) + len(table).to_bytes(8, "little") + (1).to_bytes(4, "little")
    return table + end64 + locator + b"PK\x05\x06" + bytes(4) + b"\xff" * 12 + bytes(2)


def _bomb() -> bytes:
    """Return a zip of 64 MB of nothing that says it is small."""
    content = bytearray(_zip("a", content=bytes(MEGABYTE), times=64))
    at = content.index(b"PK\x01\x02") + 24
    content[at : at + 4] = (10).to_bytes(4, "little")
    return bytes(content)


ZIPS: dict[str, Callable[[], bytes]] = {
    "a million entries": lambda: _many(1_000_000),
    "ten thousand and one": lambda: _zip(*map(str, range(10_001)), content=b""),
    "a bomb": lambda: _zip("a", content=bytes(MEGABYTE), times=600),
    "a bomb that lies": _bomb,
    "paths": lambda: _zip("../a", "/b", "C:\\c", "a/../../b", "a\0b"),
    "one name often": lambda: _zip(*["a"] * 50),
    "cut": lambda: _zip("a")[:-10],
    "ends only": lambda: b"PK\x05\x06" * 20_000,
    "another locator": lambda: _zip("a")[:-22] + b"PK\x06\x07" + b"\xff" * 16 + _zip("a")[-22:-12] + b"\xff" * 12,
    "zlib": lambda: zlib.compress(bytes(MEGABYTE)),
}
RUN = {"runDefinitionFile": ("r.json", b'{"Configuration": {}}')}


@pytest.mark.parametrize("name", ZIPS)
def test_a_hostile_zip_costs_little(name: str, app: Any) -> None:
    """As code of a job, as files of a YAML, as a project of the first API."""
    content = ZIPS[name]()
    yaml = ("s.yml", b"command: ls\nenvironment: azureml:e:1\ncompute: azureml:c\ncode: src\n")
    for method, path, parts in (
        ("POST", "workspaces/w1/jobs", {"spec": ("s.json", b'{"properties": {"jobType": "Command"}}'), "code": ("c.zip", content)}),
        ("POST", "workspaces/w1/jobs", {"spec": yaml, "files": ("c.zip", content)}),
        ("POST", "workspaces/w1/experiments/e/startrun", {"projectZipFile": ("p.zip", content), **RUN}),
    ):
        body, media = encode_multipart_formdata(parts)
        spent(app, method, path, body, **{"content-type": media})


FORM = "multipart/form-data; boundary=b"
HEAD = b'--b\r\nContent-Disposition: form-data; name="'
FORMS: dict[str, tuple[str, Callable[[int], bytes]]] = {
    "parts": (FORM, lambda size: (HEAD + b'a"\r\n\r\n\r\n') * (size // 60) + b"--b--"),
    "numbered parts": (
        FORM,
        lambda size: b"".join(HEAD + b'%d"\r\n\r\n\r\n' % n for n in range(min(size // 60, 9_000))) + b"--b--",
    ),
    "boundaries": (FORM, lambda size: b"--b\r\n" * (size // 5)),
    "almost boundaries": (FORM, lambda size: HEAD + b'spec"\r\n\r\n' + b"\r\n--" * (size // 4)),
    "a long head": (FORM, lambda size: HEAD + b"x" * size),
    "many headers": (FORM, lambda size: b"--b\r\n" + b"a: b\r\n" * (size // 6) + b"\r\n"),
    "many parameters": (FORM, lambda size: b"--b\r\nContent-Disposition: form-data" + b"; a=b" * (size // 5) + b"\r\n\r\n"),
    "an open quote": (FORM, lambda size: HEAD + b"\\" * min(size, 8_000) + b"\r\n\r\n\r\n--b--"),
    "no end": (FORM, lambda size: HEAD + b'spec"\r\n\r\n' + b"x" * size),
    "a long boundary": ("multipart/form-data; boundary=" + "b" * 8_000, lambda size: b"--" + b"b" * size),
    "an empty boundary": ('multipart/form-data; boundary=""', lambda size: b"--\r\n" * (size // 4)),
    "boundaries in the type": ("multipart/form-data" + "; boundary=b" * 500, lambda size: b"--b" * (size // 3)),
    "one letter": ("multipart/form-data; boundary=-", lambda size: b"-" * size),
}


@pytest.mark.parametrize("name", FORMS)
def test_a_hostile_form_costs_little(name: str, app: Any) -> None:
    """Whatever its boundaries and heads are like."""
    media, made = FORMS[name]
    for size in (1_000, SIZE, 90 * MEGABYTE) if tables.WHOLE else (SIZE // 4, MEGABYTE):
        for path in ("workspaces/w1/jobs", "workspaces/w1/experiments/e/startrun", "translate"):
            spent(app, "POST", path, made(size), **{"content-type": media})


LONG = 60_000  # the platform's front end takes less than 64 KB of a URL
ODD = [
    "\x00",
    "\x7f",
    "\u202e",
    "\ud7ff",
    "\U0001f4a9",
    "%00",
    "%2e%2e%2f",
    "%ff",
    "%",
    "'",
    '"',
    "\\",
    "$",
    "${{ event }}",
    "\u0660",
]


@pytest.mark.parametrize("text", tables.sample([*ODD, "x"], 6, seed="odd"), ids=ascii)
def test_a_hostile_query_or_header_costs_little(text: str, app: Any) -> None:
    """Long ones, and what no name holds."""
    from urllib.parse import quote

    long = quote(text * (LONG // len(text.encode()) // 3), safe="%")
    for path in (
        "operations",
        "workspaces",
        "workspaces/w1/jobs",
        "cleanup/reports",
        "events/firings",
        "audit",
        "keys",
        long[:8_000],
    ):
        for name in ("$top", "target", "below", "$skipToken", "since", "caller", "status", long[:8_000]):
            spent(app, "GET", f"{path}?{name}={long}", b"")
    for header in (
        "prefer",
        "idempotency-key",
        "upload-id",
        "callback-url",
        "content-type",
        "traceparent",
        "x-ms-client-request-id",
    ):
        spent(app, "POST", "workspaces/w1/jobs", b"{}", **{header: text * (LONG // len(text))})


GROWN = st.recursive(
    st.sampled_from(
        ["[", "{", "]", "}", ":", ",", "- ", "? ", "&a ", "*a", "<<: *a", "|", ">", "'", '"', "\\", "\n", "\t", " ", "1", "0x"]
    ),
    lambda inner: st.tuples(inner, inner).map("".join) | st.tuples(inner, st.integers(1, 60)).map(lambda two: two[0] * two[1]),
    max_leaves=8,
).map(lambda text: text[:SIZE])


@settings(
    max_examples=4_000 if tables.WHOLE else 40,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)
@given(text=GROWN, door=st.sampled_from(DOORS))
def test_a_text_that_grows_out_of_marks_costs_little(text: str, door: tuple[str, str, str], run_app: Any) -> None:
    """What YAML and JSON are made of, repeated into each other."""
    method, path, media = door
    with run_app() as app:
        spent(app, method, path, text.encode(), **{"content-type": media})
