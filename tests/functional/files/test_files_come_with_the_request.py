"""One request brings a resource and its files; the app puts them into the workspace's storage and registers last."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.functional.files.conftest import Caller

    Lying = Callable[[str], dict[str, bytes]]
    Zip = Callable[[dict[str, bytes | str]], bytes]


def spec(**properties: Any) -> tuple[str, str, str]:
    """Return the part `spec` of a multipart body."""
    return ("spec.json", json.dumps({"properties": properties}), "application/json")


def test_a_model_of_several_files_comes_as_a_zip(caller: Caller, lying: Lying, zip_of: Zip) -> None:
    """It is unpacked, as `az ml model create --path ./folder` would lay it down."""
    files = {"MLmodel": "flavors: {}", "data/model.pkl": b"\x00\x01"}
    answer = caller.send(
        "PUT",
        "models/m-folder/versions/1",
        files={"spec": spec(modelType="custom_model"), "model": ("my-model.zip", zip_of(files), "application/zip")},
    )
    model = caller.resource(answer)
    uri = model["properties"]["modelUri"]
    assert uri.startswith("azureml://subscriptions/")
    assert uri.endswith("/my-model")
    assert lying(uri) == {"MLmodel": b"flavors: {}", "data/model.pkl": b"\x00\x01"}


def test_a_model_of_one_file_stays_one_file(caller: Caller, lying: Lying) -> None:
    """Its URI is the file's."""
    answer = caller.send("PUT", "models/m-file/versions/1", files={"spec": spec(), "model": ("model.pkl", b"pickle")})
    uri = caller.resource(answer)["properties"]["modelUri"]
    assert uri.endswith("/model.pkl")
    assert lying(uri) == {"": b"pickle"}


def test_data_says_by_its_content_what_it_is_unless_its_type_says_so(caller: Caller, lying: Lying, zip_of: Zip) -> None:
    """A zip is a folder; as `uri_file` it is a file that happens to be a zip."""
    packed = zip_of({"a.csv": "1,2\n"})
    folder = caller.send("PUT", "data/d-folder/versions/1", files={"spec": spec(), "data": ("d.zip", packed)})
    file = caller.send("PUT", "data/d-file/versions/1", files={"spec": spec(dataType="uri_file"), "data": ("d.zip", packed)})
    found = caller.resource(folder)["properties"]
    assert found["dataType"] == "uri_folder"
    assert found["dataUri"].endswith("/d/")
    assert lying(found["dataUri"]) == {"a.csv": b"1,2\n"}
    found = caller.resource(file)["properties"]
    assert found["dataUri"].endswith("/d.zip")
    assert lying(found["dataUri"]) == {"": packed}


def test_loose_parts_are_a_folder_by_their_names(caller: Caller, lying: Lying) -> None:
    """As many clients send a folder: one part a file, named by its path."""
    loose = {"train/a.csv": ("a.csv", b"1"), "test/b.csv": ("b.csv", b"2")}
    answer = caller.send("PUT", "data/d-loose/versions/1", files={"spec": spec(dataType="uri_folder"), **loose})
    assert lying(caller.resource(answer)["properties"]["dataUri"]) == {"train/a.csv": b"1", "test/b.csv": b"2"}


def test_files_under_one_name_are_told_apart_by_their_own(caller: Caller, lying: Lying) -> None:
    """As browsers send a folder; the same name twice is a mistake."""
    several = [("spec", spec(dataType="uri_folder")), ("f", ("train/a.csv", b"1")), ("f", ("b.csv", b"2"))]
    answer = caller.send("PUT", "data/d-several/versions/1", files=several)
    assert lying(caller.resource(answer)["properties"]["dataUri"]) == {"train/a.csv": b"1", "b.csv": b"2"}
    answer = caller.send("PUT", "data/d-twice/versions/1", files=[*several, ("f", ("b.csv", b"3"))])
    assert (answer.status_code, answer.json()["error"]["target"]) == (400, "b.csv")


def test_an_environments_build_context_is_uploaded(caller: Caller, lying: Lying, zip_of: Zip) -> None:
    """`build.contextUri` is the folder's address, with the slash at its end that Azure wants."""
    body = ("spec.json", json.dumps({"properties": {"build": {"dockerfilePath": "Dockerfile"}}}), "application/json")
    context = zip_of({"Dockerfile": "FROM scratch"})
    answer = caller.send("PUT", "environments/e-build/versions/1", files={"spec": body, "context": ("ctx.zip", context)})
    build = caller.resource(answer)["properties"]["build"]
    assert build["dockerfilePath"] == "Dockerfile"
    assert build["contextUri"].startswith("https://")
    assert build["contextUri"].endswith("/ctx/")
    assert lying(build["contextUri"]) == {"Dockerfile": b"FROM scratch"}


def test_the_same_code_is_uploaded_once_however_it_was_packed(caller: Caller, zip_of: Zip) -> None:
    """The version's name is the content's hash, not the zip's."""
    body = {"properties": {"image": "python:3.13"}}
    environment = caller.resource(caller.send("PUT", "environments/e-job/versions/1", json=body))
    job = {"jobType": "Command", "command": "python a.py", "environmentId": environment["id"]}
    first = {"a.py": "print(1)", "b.py": "print(2)"}
    ids = []
    for files in (first, dict(reversed(first.items()))):
        answer = caller.send("POST", "jobs", files={"spec": spec(**job), "code": ("c.zip", zip_of(files))})
        operation = answer.json()
        assert answer.status_code in (200, 201, 202), operation
        target = operation["properties"]["target"] if "target" in operation["properties"] else operation["id"]
        ids.append(caller.send("GET", f"jobs/{target.rpartition('/')[2]}").json()["properties"]["codeId"])
    assert ids[0] == ids[1]


@pytest.mark.parametrize(
    ("path", "part", "content", "code"),
    [
        ("models/x/versions/1", "model", {"../a": "1"}, "InvalidZip"),
        ("data/x/versions/1", "data", {"/etc/a": "1"}, "InvalidZip"),
        ("environments/x/versions/1", "context", b"no zip", "InvalidZip"),
        ("jobs", "code", b"no zip", "InvalidZip"),
    ],
)
def test_files_that_cannot_be_used_are_refused_before_anything_is_registered(
    caller: Caller, zip_of: Zip, path: str, part: str, content: Any, code: str
) -> None:
    """400, and nothing of that name is there."""
    data = zip_of(content) if isinstance(content, dict) else content
    method = "POST" if path == "jobs" else "PUT"
    answer = caller.send(method, path, files={"spec": spec(jobType="Command", command="x"), part: ("f.zip", data)})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
    if method == "PUT":
        assert caller.send("GET", path).status_code == 404


def test_a_kind_without_files_takes_none(caller: Caller) -> None:
    """415 says what to do."""
    answer = caller.send("PUT", "computes/cpu1", files={"spec": spec(computeType="AmlCompute"), "x": ("x", b"1")})
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "UnsupportedMediaType")


def test_more_than_100_mb_is_refused_with_the_other_way(caller: Caller) -> None:
    """Between our limit and the platform's own the answer names uploads."""
    answer = caller.send("PUT", "data/big/versions/1", files={"spec": spec(), "data": ("big.bin", bytes(101_000_000))})
    assert answer.status_code == 413
    assert "/api/uploads" in answer.json()["error"]["message"]


def test_a_connection_that_drops_in_mid_file_leaves_nothing(caller: Caller) -> None:
    """The platform hands a request over whole or not at all: no operation, no asset."""
    before = len(caller.send("GET", "/operations").json()["value"])
    parts = urlsplit(caller.url)
    path = "/api/workspaces/ml-files/models/m-dropped/versions/1"
    head = (
        f"PUT {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nx-functions-key: {caller.session.headers['x-functions-key']}\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 100000\r\n\r\n"
        '--x\r\nContent-Disposition: form-data; name="spec"\r\n\r\n{"properties": {}}\r\n'
        '--x\r\nContent-Disposition: form-data; name="model"; filename="m.bin"\r\n\r\nhalf'
    )
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10) as half:
        half.sendall(head.encode())
    assert caller.send("GET", "models/m-dropped/versions/1").status_code == 404
    assert len(caller.send("GET", "/operations").json()["value"]) == before
