"""Named keys on the real host: made by the script, limited by the app, revoked, and never an admin's in between."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import requests

from infra import keys

if TYPE_CHECKING:
    from infra.local import stack


@pytest.fixture
def run(app: stack.App, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """`python -m infra.keys …`: what it prints."""
    for name, value in (("STEWARD", app.url), ("KEY", app.key), ("MASTER_KEY", app.master_key)):
        monkeypatch.setenv(name, value)

    def main(*arguments: str, status: int = 0) -> str:
        assert keys.main(arguments) == status, capsys.readouterr().err
        return capsys.readouterr().out.strip()

    return main


def ask(app: stack.App, method: str, path: str, key: str, body: object = None) -> tuple[int, str]:
    """Send one request; status and code."""
    with requests.Session() as session:
        session.trust_env = False
        answer = session.request(method, f"{app.url}/api/{path}", headers={"x-functions-key": key}, json=body, timeout=60)
        error = answer.json().get("error", {}) if answer.content else {}
        return answer.status_code, str(error.get("code", ""))


def raw(app: stack.App, path: str, headers: list[tuple[str, str]]) -> tuple[int, str]:
    """GET, the target and each line of a header as they stand here; status and code."""
    parts = urlsplit(app.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    try:
        connection.putrequest("GET", f"/api/{path}")
        for name, value in headers:
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, str(json.loads(answer.read() or b"{}").get("error", {}).get("code", ""))
    finally:
        connection.close()


def test_a_named_key_from_its_making_to_its_end(app: stack.App, run) -> None:
    """The platform lets it in, the app limits it; a renewed key is the same name, a revoked one nobody."""
    key = run("make", "ci", "--role", "reader", "--below", "workspaces/ml-team")
    assert ask(app, "GET", "operations", key) == (200, "")
    assert ask(app, "PUT", "workspaces/ml-team", key, {"location": "westeurope"}) == (403, "RoleNeeded")
    assert ask(app, "GET", "workspaces/other", key) == (403, "OutOfScope")
    assert ask(app, "GET", f"operations?code={app.key}", key) == (400, "AmbiguousKey")
    for path, headers in (
        ("keys", [("x-functions-key", key), ("x-functions-key", "another")]),
        (f"keys?#&code={key}", []),
        (f"keys?code={key}", [("disguised-host", "localhost/api/keys?clientid=")]),  # of which the platform makes the URL
        (f"keys?code={key}", [("disguised-host", "localhost/api/keys#")]),
    ):
        assert raw(app, path, headers) in ((400, "AmbiguousKey"), (403, "RoleNeeded")), path
    new = run("rotate", "ci")
    assert ask(app, "GET", "operations", key)[0] == 401
    assert ask(app, "PUT", "workspaces/ml-team", new, {"location": "westeurope"}) == (403, "RoleNeeded")
    run("change", "ci", "--role", "scorer")
    assert '"role": "scorer"' in run("list")
    run("revoke", "ci")
    assert ask(app, "GET", "operations", new)[0] == 401
    assert [each["status"] for each in map(json.loads, run("list").splitlines()) if each["name"] == "ci"] == ["Revoked"]
    requests.put(
        f"{app.url}/admin/host/functionkeys/stray", json={"value": new}, headers={"x-functions-key": app.master_key}, timeout=60
    )
    assert ask(app, "GET", "operations", new) == (403, "KeyRevoked")  # brought back on the platform, it is still refused


def test_a_sign_in_has_a_role_and_no_key(app: stack.App, run) -> None:
    """The platform is asked for nothing: what is kept is about the caller that it signs in."""
    at = "0f0e7a52-6c5c-4c0b-9f0a-3c1d2b5a7e11"
    assert run("make", "trainer", "--principal", at, "--role", "operator", "--below", "workspaces/ml-team") == ""
    assert run("rotate", "trainer", status=1) == ""
    run("change", "trainer", "--role", "reader")
    kept = {each["name"]: each for each in map(json.loads, run("list").splitlines())}["trainer"]
    assert (kept["principal"], kept["role"], kept["status"]) == (at, "reader", "Active")
    run("revoke", "trainer")
    assert run("make", "ci2", "--principal", at, "--role", "reader", status=1) == ""


def test_the_key_of_events_opens_nothing_else(app: stack.App, run) -> None:
    """It is a key of that function: the platform refuses it elsewhere, and the app would."""
    key = run("make", "grid", "--role", "events")
    event = {"id": "1", "eventType": "t", "subject": "s", "eventTime": "2026-01-01T00:00:00Z", "data": {}, "topic": "/t"}
    assert ask(app, "POST", "events", key, [event])[0] == 200
    assert ask(app, "GET", "operations", key)[0] == 401
    run("revoke", "grid")
    assert run("revoke", "nobody", status=1) == ""
