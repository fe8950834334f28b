"""What is too large for a request is put into the app's storage by a signed URL; a later request names it."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.functional.files.conftest import Caller

BLOCK = 4 * 1024 * 1024


def put_blocks(signed: str, content: bytes) -> None:
    """Put content as blocks and their list, as any block blob client does."""
    ids = []
    for at in range(0, len(content), BLOCK):
        ids.append(base64.b64encode(b"%012d" % at).decode())
        chunk = content[at : at + BLOCK]
        requests.put(f"{signed}&comp=block", params={"blockid": ids[-1]}, data=chunk, timeout=60).raise_for_status()
    listed = "".join(f"<Latest>{each}</Latest>" for each in ids)
    body = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{listed}</BlockList>'
    requests.put(f"{signed}&comp=blocklist", data=body, timeout=60).raise_for_status()


def opened(caller: Caller, name: str, content: bytes) -> str:
    """Open an upload, fill it, return its id."""
    answer = caller.send("POST", "/uploads", json={"name": name})
    assert answer.status_code == 201, answer.text
    put_blocks(answer.json()["sasUri"], content)
    return str(answer.json()["id"])


def spec(**properties: Any) -> dict[str, Any]:
    """Return a body."""
    return {"properties": properties}


def test_a_large_model_goes_by_blocks(caller: Caller, lying: Callable[[str], dict[str, bytes]]) -> None:
    """Header `Upload-Id` beside a JSON body; the file arrives byte for byte."""
    content = bytes(range(256)) * 80_000  # 20 MB: several blocks on both ways
    upload = opened(caller, "weights.bin", content)
    answer = caller.send("PUT", "models/m-upload/versions/1", json=spec(), headers={"Upload-Id": upload})
    uri = caller.resource(answer)["properties"]["modelUri"]
    assert uri.endswith("/weights.bin")
    assert lying(uri) == {"": content}


def test_an_uploaded_zip_is_unpacked(caller: Caller, lying: Callable[[str], dict[str, bytes]], zip_of: Any) -> None:
    """Field `upload` beside the part `spec`; one upload may serve several requests."""
    upload = opened(caller, "d.zip", zip_of({"a/b.txt": "1", "c.txt": "2"}))
    for version in ("1", "2"):
        parts = {"spec": ("spec.json", json.dumps(spec(dataType="uri_folder"))), "upload": (None, upload)}
        answer = caller.send("PUT", f"data/d-upload/versions/{version}", files=parts)
        assert lying(caller.resource(answer)["properties"]["dataUri"]) == {"a/b.txt": b"1", "c.txt": b"2"}


def test_an_upload_that_is_not_there_is_said_so(caller: Caller) -> None:
    """404 for an id that nobody opened, 409 while nothing was put."""
    headers = {"Upload-Id": f"9999999999-{'0' * 32}"}
    answer = caller.send("PUT", "models/none/versions/1", json=spec(), headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "UploadNotFound")
    empty = caller.send("POST", "/uploads").json()["id"]
    answer = caller.send("PUT", "models/none/versions/1", json=spec(), headers={"Upload-Id": empty})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "UploadNotFinished")


def test_the_signed_url_writes_its_own_blob_and_reads_nothing(caller: Caller) -> None:
    """A leaked URL gives nothing away."""
    signed = caller.send("POST", "/uploads").json()["sasUri"]
    requests.put(signed, data=b"x", headers={"x-ms-blob-type": "BlockBlob"}, timeout=30).raise_for_status()
    assert requests.get(signed, timeout=30).status_code in (403, 404)
    other = signed.replace("/content?", "/about.json?")
    answer = requests.put(other, data=b"x", headers={"x-ms-blob-type": "BlockBlob"}, timeout=30)
    assert answer.status_code in (403, 404)


def test_a_zip_that_leads_outside_is_refused_from_an_upload_too(caller: Caller, zip_of: Any) -> None:
    """Only its table of contents is read for that."""
    upload = opened(caller, "x.zip", zip_of({"../x": "1"}))
    answer = caller.send("PUT", "data/out/versions/1", json=spec(dataType="uri_folder"), headers={"Upload-Id": upload})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "InvalidZip")
    assert caller.send("GET", "data/out/versions/1").status_code == 404
