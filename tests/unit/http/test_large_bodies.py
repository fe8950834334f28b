"""A large multipart body costs its own size and a few blocks: the platform hands it over whole, and no part of it is copied."""

from __future__ import annotations

import gc
import io
import os
import sys
import tracemalloc
import zipfile
from typing import Any

import pytest
from urllib3 import encode_multipart_formdata

from shared.durable import storage
from shared.files import transfers
from shared.rest import streams
from shared.rest.client import Response

MEGABYTE = 1024 * 1024
SIZE = 90 * MEGABYTE
SHARE = 0.2  # of the body's size, beyond a function that only receives it


def drained(source: streams.Source) -> int:
    """Read a source to its end as the storage library does, and return its size."""
    with source.open() as stream:
        return sum(len(block) for block in iter(lambda: stream.read(4 * MEGABYTE), b""))


def zipped(count: int, size: int) -> bytes:
    """Return a zip of stored files that are no two alike."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number in range(count):
            archive.writestr(f"src/{number}.bin", os.urandom(size // count))
    return out.getvalue()


CASES = {
    "a file": (
        "PUT",
        "workspaces/w1/models/m/versions/1",
        lambda size: {"spec": '{"properties": {}}', "model": ("m.bin", os.urandom(size))},
    ),
    "a zip": (
        "PUT",
        "workspaces/w1/models/m/versions/1",
        lambda size: {"spec": '{"properties": {}}', "model": ("m.zip", zipped(3, size))},
    ),
    "loose files": (
        "POST",
        "workspaces/w1/jobs",
        lambda size: (
            {"spec": "command: python 0.bin\nenvironment: azureml:e:1\ncompute: azureml:c\ncode: src\n"}
            | {f"src/{number}.bin": (f"{number}.bin", os.urandom(size // 6)) for number in range(6)}
        ),
    ),
    "a run of the first API": (
        "POST",
        "workspaces/w1/experiments/e/startrun",
        lambda size: {
            "projectZipFile": ("p.zip", zipped(3, size)),
            "runDefinitionFile": ("r.json", b'{"Configuration": {"Script": "a.py"}}'),
        },
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_large_body_costs_a_fifth_of_itself_beyond_itself(case: str, run_app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Recorded, put aside, hashed and sent on: of a model, code and a project zip, from the request's own bytes."""
    method, path, parts = CASES[case]
    small, body = (encode_multipart_formdata(parts(size), boundary="b" * 30)[0] for size in (6_000, SIZE))
    media = {"content-type": f"multipart/form-data; boundary={'b' * 30}"}
    kept: dict[str, int] = {}
    sent: list[int] = []

    def put(name: str, content: bytes | streams.Source, **_: Any) -> None:
        kept[name] = drained(streams.of(content))

    def send_signed(method: str, url: str, *, content: bytes | None = None, **_: Any) -> Response:
        sent.append(len(content or b""))
        return Response(status=404 if method == "HEAD" else 201, url=url)

    def start_run(_url: str, _path: str, _run: str, files: Any) -> Response:
        sent.append(drained(streams.multipart(files)[0]))
        return Response(status=200, url="", body={"runId": "r"})

    with run_app() as app:
        monkeypatch.setattr(app.steward.blobs, "put", put)
        monkeypatch.setattr(app.steward.blobs, "look", lambda name: storage.BlobInfo(size=kept[name], etag="e"))
        monkeypatch.setattr(app.steward.azure, "send_signed", send_signed)
        monkeypatch.setattr(app.steward.azure, "_start_run", start_run)
        assert app.send(method, path, small, **media).status < 300  # imports are not what is measured
        tracemalloc.start()
        try:
            answer = app.send(method, path, body, **media)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert answer.status < 300, answer.content
    assert max(kept.values()) >= SIZE
    assert sum(sent) >= SIZE, "it was sent on within the request"
    assert peak < SHARE * len(body), f"{peak / len(body):.2f} times its size"


@pytest.mark.parametrize(
    ("method", "path", "parts", "status"),
    [
        (
            "PUT",
            "workspaces/w1/models/m/versions/1",
            {"spec": '{"properties": {}}', "model": ("m.bin", bytes(8 * MEGABYTE))},
            (200, 201),
        ),
        ("PUT", "workspaces/w1/models/m/versions/1", {"spec": ("s.json", bytes(8 * MEGABYTE))}, (413,)),
        (
            "POST",
            "workspaces/w1/experiments/e/startrun",
            {"projectZipFile": bytes(8 * MEGABYTE), "runDefinitionFile": b"{}"},
            (400,),
        ),
    ],
)
def test_a_body_is_let_go_with_its_answer(method: str, path: str, parts: Any, status: tuple[int, ...], run_app: Any) -> None:
    """Accepted or refused: no circle of references keeps it until some garbage collection."""
    with run_app() as app:
        body, media = encode_multipart_formdata(parts)
        gc.disable()
        try:
            held = []
            for _ in range(6):
                assert app.send(method, path, body, **{"content-type": media}).status in status
                held.append(sys.getrefcount(body))
        finally:
            gc.enable()
        assert held[-1] - held[0] < len(held), f"references to it after each request: {held}"


def test_blocks_fit_what_a_large_body_may_cost() -> None:
    """The memory of puts under way is a part of it."""
    assert transfers.BYTES_AT_ONCE < SHARE * 90 * MEGABYTE
