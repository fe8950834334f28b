"""A stack whose workspace tells the app by webhook what happens in it, and its subscription by storage queue."""

from __future__ import annotations

import io
import json
import threading
import time
import zipfile
from base64 import b64encode
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
import requests
from azure.storage.queue import QueueClient, TextBase64DecodePolicy, TextBase64EncodePolicy

from infra.local import stack
from infra.local.demo.client import Control, Steward
from infra.local.emulator import scene

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WORKSPACE = "ml-hooks"
WORKSPACE_ID = f"{scene.GROUP_ID}/providers/Microsoft.MachineLearningServices/workspaces/{WORKSPACE}"
APP_HOST = "steward.azurewebsites.net"
TOLD = "told"
SECRET = "whsec_" + b64encode(b"a secret that signs nothing else").decode()
WAIT_S = 150.0
SUBSCRIBED = "/providers/Microsoft.EventGrid/eventSubscriptions"


@dataclass(kw_only=True)
class Ground:
    """The app, the local Azure and the app's storage, as a test sees them."""

    parts: stack.Stack
    app: Steward
    azure: Control
    arm_session: requests.Session
    put: set[str] = field(default_factory=set)

    def arm(self, method: str, path: str, body: Any = None, *, version: str = "2025-02-15") -> requests.Response:
        """Call ARM past the app."""
        url = f"https://management.azure.com{path}?api-version={version}"
        return self.arm_session.request(method, url, json=body, timeout=60)

    def subscribe(self, scope: str, name: str, destination: dict[str, Any], **more: Any) -> dict[str, Any]:
        """Make an event subscription and follow it; its last status."""
        body = {"properties": {"destination": destination, **more}}
        answer = self.arm("PUT", f"{scope}{SUBSCRIBED}/{name}", body)
        assert answer.status_code == requests.codes.created, answer.text
        url = answer.headers["Azure-AsyncOperation"]
        return self.until(
            lambda: (found := self.arm_session.get(url, timeout=60).json())["status"] != "InProgress" and found, "the handshake"
        )

    def webhook(self, path: str = "/api/events", **more: Any) -> dict[str, Any]:
        """A destination: the app, called as Event Grid would."""
        return {
            "endpointType": "WebHook",
            "properties": {"endpointUrl": f"https://{APP_HOST}{path}?code={self.parts.app.key}", **more},
        }

    def rules(self, file: str, text: str) -> None:
        """Put a file of rules in force; the fixture takes it away again."""
        self.app.send("PUT", f"events/rules/{file}", data=text.encode(), headers={"Content-Type": "application/yaml"})
        self.put.add(file)

    def firings(self, rule: str) -> list[dict[str, Any]]:
        """What fired of a rule, newest first."""
        return list(self.app.get(f"events/firings?rule={rule}&$top=200")["value"])

    def ended(self, rule: str, count: int = 1) -> list[dict[str, Any]]:
        """The firings of a rule, once there are so many and all have ended."""

        def all_ended() -> list[dict[str, Any]]:
            found = self.firings(rule)
            return found if len(found) >= count and all(each["status"] != "Running" for each in found) else []

        return self.until(all_ended, f"{count} firings of {rule}")

    def happens(self, kind: str, subject: str, data: dict[str, Any], **more: Any) -> dict[str, Any]:
        """Raise an event of the workspace."""
        body = {"type": kind, "topic": WORKSPACE_ID, "subject": subject, "data": data, **more}
        return dict(self.azure.call("POST", "events", json=body))

    def quiet(self) -> None:
        """Wait until Event Grid has nothing on its way and nothing is to be seen in the app's queue of events."""
        with self.queue("steward-events") as queue:
            for _ in range(2):
                self.until(
                    lambda: (
                        not any(each["waiting"] or each["sending"] for each in self.azure.call("GET", "events/subscriptions"))
                        and not queue.peek_messages()
                    ),
                    "an empty queue",
                )

    def queue(self, name: str) -> QueueClient:
        """A queue of the app's account."""
        return QueueClient.from_connection_string(
            self.parts.storage.connection_string(),
            name,
            message_encode_policy=TextBase64EncodePolicy(),
            message_decode_policy=TextBase64DecodePolicy(),
        )

    def told(self) -> list[dict[str, Any]]:
        """The notifications that the app put on the queue."""
        with self.queue(TOLD) as queue:
            return [json.loads(message.content) for message in queue.receive_messages(max_messages=32, visibility_timeout=1)]

    @staticmethod
    def until[T](condition: Callable[[], T], what: str) -> T:
        """Wait for something and return it."""
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            if found := condition():
                return found
            time.sleep(0.2)
        raise AssertionError(f"never came: {what}")


class Receiver:
    """A webhook: shakes hands, keeps what it gets, and answers with the statuses it was told, then 200; a 302 leads to itself."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], Any]] = []
        self.texts: list[str] = []
        self.answers: list[int] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_OPTIONS(self) -> None:
                self._answer(200, b"", {"WebHook-Allowed-Origin": "eventgrid.azure.net"})

            def do_POST(self) -> None:
                text = self.rfile.read(int(self.headers["Content-Length"])).decode()
                body = json.loads(text)
                if self.headers["aeg-event-type"] == "SubscriptionValidation":
                    code = body[0]["data"]["validationCode"]
                    self._answer(200, json.dumps({"validationResponse": code}).encode(), {})
                    return
                status = receiver.answers.pop(0) if receiver.answers else 200
                receiver.texts.append(text)
                receiver.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self._answer(status, b"", {"Location": self.path} if status == 302 else {})

            def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def end(self) -> None:
        """Close it."""
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture(scope="session")
def make_receiver() -> Callable[[], Receiver]:
    """Start a webhook on a free port; whoever starts it ends it."""
    return Receiver


@pytest.fixture(scope="session")
def callback() -> Iterator[Receiver]:
    """A webhook that the app's settings allow and sign for."""
    made = Receiver()
    yield made
    made.end()


@pytest.fixture(scope="session")
def hooked(tmp_path_factory: pytest.TempPathFactory, callback: Receiver) -> Iterator[Ground]:
    """Everything, with one workspace whose events reach the app."""
    settings = {
        "STEWARD_NOTIFY": f"queue:{TOLD}",
        "STEWARD_CALLBACK_HOSTS": f"127.0.0.1:{callback.server.server_port} *.westeurope-1.eventgrid.azure.net",
        "STEWARD_WEBHOOK_SECRETS": SECRET,
    }
    options = stack.Options(state=tmp_path_factory.mktemp("hooks"), settings=settings)
    with stack.start(options) as parts, requests.Session() as session:
        session.trust_env = False
        session.proxies = {"https": parts.azure.proxy}
        session.verify = str(parts.azure.ca)
        form = {"grant_type": "client_credentials", "client_id": scene.CLIENT_ID, "client_secret": scene.CLIENT_SECRET}
        form["scope"] = "https://management.azure.com/.default"
        signed_in = session.post(f"https://login.microsoftonline.com/{scene.TENANT_ID}/oauth2/v2.0/token", data=form, timeout=30)
        session.headers["Authorization"] = f"Bearer {signed_in.json()['access_token']}"
        app, azure = Steward(parts.app.url, parts.app.key, parts.app.master_key), Control(parts.azure.control)
        made = Ground(parts=parts, app=app, azure=azure, arm_session=session)
        keys = json.loads((options.state / "keys.json").read_text())
        azure.call("PUT", "hosts", json={APP_HOST: {"url": parts.app.url, "systemKey": keys["systemKeys"]["eventgrid_extension"]}})
        app.done("PUT", f"workspaces/{WORKSPACE}", json=workspace())
        assert made.subscribe(WORKSPACE_ID, "to-steward", made.webhook(maxEventsPerBatch=50))["status"] == "Succeeded"
        yield made
        app.close()
        azure.close()


@pytest.fixture
def ground(hooked: Ground) -> Iterator[Ground]:
    """The same, without the rules of other tests."""
    yield hooked
    for file in hooked.put:
        hooked.app.send("DELETE", f"events/rules/{file}", expect=204)
    hooked.put.clear()


def workspace() -> dict[str, Any]:
    """The least a workspace needs."""
    properties = {"storageAccount": scene.STORAGE_ID, "keyVault": scene.KEY_VAULT_ID, "applicationInsights": scene.INSIGHTS_ID}
    return {"location": scene.LOCATION, "identity": {"type": "SystemAssigned"}, "properties": properties}


@pytest.fixture(scope="session")
def zip_of() -> Callable[[dict[str, str]], bytes]:
    """Return a zip of files."""

    def zipped(files: dict[str, str]) -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return out.getvalue()

    return zipped


@pytest.fixture(scope="session")
def secret() -> str:
    """What the app signs webhooks with."""
    return SECRET
