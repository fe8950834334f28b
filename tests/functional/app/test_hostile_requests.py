"""Whatever a caller sends, the app answers 4xx in ARM's envelope, names the field, and never 500."""

import http.client
import json
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from infra.local import stack
from infra.local.emulator import scene

GROUP = f"subscriptions/{scene.SUBSCRIPTION_ID}/resourceGroups/g"
WORKSPACE = '{"location": "westeurope"}'
DEEP = '{"a":' * 200_000 + "1" + "}" * 200_000


class Answer:
    """Status, headers and JSON of an answer, read with nothing between us and the socket."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status_code = response.status
        self.headers = response.headers
        self.text = response.read().decode()

    def json(self) -> Any:
        """Parse the body."""
        return json.loads(self.text)


def send(app: stack.App, method: str, path: str, content: bytes | str = b"", **headers: str) -> Answer:
    """One request with a function key, its path sent as it stands (requests and urllib3 would tidy it)."""
    parts = urlsplit(app.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    try:
        body = content.encode() if isinstance(content, str) else content
        connection.request(method, f"/api/{path}", body=body, headers={"x-functions-key": app.key, **headers})
        return Answer(connection.getresponse())
    finally:
        connection.close()


BODIES = [
    ("{", 400, "line 1, column 2"),
    ('{"location": }', 400, "line 1, column 14"),
    ('{\n "location": "x"\n "b": 1}', 400, "line 3"),
    ("", 400, "JSON"),
    ("[]", 400, "array"),
    ('"text"', 400, "string"),
    ("null", 400, "null"),
    ("7", 400, "number"),
    ('{"location": NaN}', 400, "NaN"),
    ('{"location": Infinity}', 400, "Infinity"),
    (b"\xff\xfe{}", 400, "UTF-8"),
    ('{"location": "\\ud800"}', 400, "UTF-8"),
    ('{"location": ' + "9" * 5_000 + "}", 400, "cannot be read"),
    (DEEP, 400, "cannot be read"),
    ("{}", 400, "'location'"),
    ('{"location": ""}', 400, "'location'"),
    ('{"location": null}', 400, "'location'"),
    ('{"location": "x", "y": "' + "z" * (4 * 1024 * 1024) + '"}', 413, "4194304"),
]


@pytest.mark.parametrize(("content", "status", "said"), BODIES, ids=lambda value: str(value)[:20])
def test_a_bad_body_is_refused_with_what_was_expected(app: stack.App, content: bytes | str, status: int, said: str) -> None:
    """The message says where the body is wrong; nothing is sent to Azure and nothing is recorded."""
    answer = send(app, "PUT", "workspaces/hostile", content, **{"Content-Type": "application/json"})
    assert answer.status_code == status, answer.text[:300]
    assert said in answer.json()["error"]["message"]
    assert answer.headers["x-ms-request-id"]


PATHS = [
    ("GET", "workspaces/..%2f..%2fsubscriptions", 400),
    ("GET", "workspaces/a%0d%0ab", 400),
    ("GET", "workspaces/" + "w" * 300, 400),
    ("GET", "workspaces/w%3fx", 400),
    ("GET", "workspaces/w%23x", 400),
    ("GET", "workspaces//computes", 400),
    ("GET", "workspaces/w/nosuchkind", 404),
    ("GET", "workspaces/w/computes/c/nosuchview/x/y", 404),
    ("GET", "providers/Microsoft.Compute/virtualMachines/v", 404),
    ("GET", "workspaces/w/computes/c/start", 405),
    ("POST", "workspaces/w/computes/c", 405),
    ("POST", "workspaces/w/computes/c/explode", 404),
    ("PUT", "workspaces/w/computes", 405),
    ("PUT", "workspaces/w/computes/c/start", 405),
    ("PATCH", "workspaces/w/jobs/j", 405),
    ("DELETE", "workspaces", 405),
    ("DELETE", "workspaces/w/jobs/j/logs", 405),
    ("PUT", "workspaces/w", 400),
    ("PUT", "workspaces/-w-", 400),
    ("PUT", "workspaces/ws1/computes/9cpu", 400),
    ("PUT", "workspaces/ws1/onlineEndpoints/UPPER_case!", 400),
    ("PUT", f"{GROUP}/providers/Microsoft.Storage/storageAccounts/Not-Allowed", 400),
    ("GET", "operations/nosuch", 404),
    ("GET", "workspaces/ab%2Fcd/computes", 400),
    ("GET", "workspaces/ab%252Fcd/computes", 400),
    ("GET", "workspace/churn", 404),
    ("GET", "", 404),
    ("GET", "cleanup", 405),
    ("OPTIONS", "workspaces/ws1", 405),
    ("GET", "arm//nothing/like/that", 404),
    ("PUT", "arm//operations/x", 404),
    ("GET", "operations/abc-def", 404),
    ("GET", "operations/..%2f..", 404),
    ("GET", "operations?status=Sideways", 400),
    ("GET", "operations?$top=-1", 400),
    ("GET", "operations?$top=999999999999", 400),
    ("GET", "operations?target=nonsense", 400),
    ("POST", "operations/abc-def/cancel", 404),
    ("GET", "workspaces?api-version=yesterday", 400),
    ("POST", "workspaces/w/jobs", 400),
    ("POST", "workspaces/w/experiments/e/startrun", 415),
]


@pytest.mark.parametrize(("method", "path", "status"), PATHS)
def test_a_bad_path_is_refused_before_azure_is_asked(app: stack.App, method: str, path: str, status: int) -> None:
    """Every path a catch-all could swallow ends in ARM's envelope with the right status."""
    content = WORKSPACE if method in ("PUT", "PATCH") else ""
    answer = send(app, method, path, content, **{"Content-Type": "application/json"})
    assert answer.status_code == status, answer.text[:300]
    error = answer.json()["error"]
    assert error["code"]
    assert error["message"]


def test_a_chunked_body_is_411_and_says_how(app: stack.App) -> None:
    """The platform hands on no byte of it (host.md H1): `POST cleanup` would mean every policy."""
    for method, path in (("PUT", "workspaces/ws1"), ("POST", "cleanup"), ("POST", "events"), ("POST", "uploads")):
        headers = {"x-functions-key": app.key, "Content-Type": "application/json"}
        answer = requests.request(method, f"{app.url}/api/{path}", data=iter([b'{"policy":', b'"x"}']), headers=headers, timeout=60)
        assert (answer.status_code, answer.json()["error"]["code"]) == (411, "LengthRequired")
        assert "Content-Length" in answer.json()["error"]["message"]


@pytest.mark.parametrize("path", ["health", "docs", "operations", "operations/nosuch", "workspaces", "arm//workspaces"])
def test_head_is_answered_as_get_is(app: stack.App, path: str) -> None:
    """The same status and type, and nothing behind the headers; the connection can be used again."""
    got, head = send(app, "GET", path), send(app, "HEAD", path)
    assert (head.status_code, head.headers["content-type"]) == (got.status_code, got.headers["content-type"])
    assert head.text == ""


def test_a_405_says_which_verbs_there_are(app: stack.App) -> None:
    """In `Allow`, as RFC 9110 asks."""
    assert send(app, "DELETE", "operations/x").headers["Allow"] == "GET, HEAD"


def test_routes_take_any_casing(app: stack.App) -> None:
    """ARM's own casing is not stable, so ours must not matter."""
    answer = send(
        app,
        "GET",
        f"SUBSCRIPTIONS/{scene.SUBSCRIPTION_ID}/RESOURCEGROUPS/g/PROVIDERS/microsoft.machinelearningservices/WORKSPACES/w/Nope",
    )
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "UnknownKind"


def test_without_a_key_nothing_is_told(app: stack.App) -> None:
    """Only health answers without a function key, and it says only up or down."""
    assert requests.get(f"{app.url}/api/operations", timeout=30).status_code == 401
    assert requests.put(f"{app.url}/api/workspaces/ws1", data=WORKSPACE, timeout=30).status_code == 401
    assert requests.get(f"{app.url}/api/health", timeout=30).json() == {"status": "up"}


MULTIPARTS = [
    ("workspaces/w/jobs", {"spec": ("s.json", b"{}")}, "properties.jobType"),
    ("workspaces/w/jobs", {"code": ("c.zip", b"PK")}, "spec"),
    ("workspaces/w/jobs", {"spec": ("s.json", b'{"properties":{"jobType":"Command"}}'), "code": ("c.zip", b"no zip")}, "code"),
    (
        "workspaces/w/experiments/e/startrun",
        {"projectZipFile": ("p.zip", b"no zip"), "runDefinitionFile": ("d", b"{}")},
        "projectZipFile",
    ),
    ("workspaces/w/experiments/e/startrun", {"runDefinitionFile": ("d", b"{}")}, "projectZipFile"),
]


@pytest.mark.parametrize(("path", "files", "target"), MULTIPARTS)
def test_a_bad_multipart_names_the_part(app: stack.App, path: str, files: dict[str, tuple[str, bytes]], target: str) -> None:
    """The part at fault is the error's target."""
    answer = requests.post(f"{app.url}/api/{path}", files=files, headers={"x-functions-key": app.key}, timeout=60)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["target"] == target


def test_a_broken_multipart_is_no_server_error(app: stack.App) -> None:
    """A boundary that never comes, and none at all."""
    for kind in ("multipart/form-data; boundary=x", "multipart/form-data"):
        answer = send(app, "POST", "workspaces/w/jobs", b"--y\r\nnothing", **{"Content-Type": kind})
        assert answer.status_code == 400
        assert answer.json()["error"]["code"] in ("MissingPart", "InvalidMultipart")


def test_an_idempotency_key_has_a_limit(app: stack.App) -> None:
    """255 characters, as the API says."""
    answer = send(app, "PUT", "workspaces/ws1", WORKSPACE, **{"Idempotency-Key": "k" * 256})
    assert answer.status_code == 400
    assert answer.json()["error"]["target"] == "Idempotency-Key"


def test_half_a_request_does_not_hold_the_app(app: stack.App) -> None:
    """A caller that stops in mid-body and hangs up leaves the app answering others."""
    parts = urlsplit(app.url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10) as half:
        half.sendall(b"PUT /api/workspaces/ws1 HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
    assert requests.get(f"{app.url}/api/health", timeout=30).status_code == 200


def test_errors_are_json_objects_with_an_error(app: stack.App) -> None:
    """One shape for every refusal: ARM's."""
    answer = send(app, "GET", "workspaces/w/nosuchkind")
    assert set(json.loads(answer.text)) == {"error"}
    assert {"code", "message", "target"} >= set(answer.json()["error"])
