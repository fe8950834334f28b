"""Runs a workflow definition as Logic Apps does, for the actions that docs/logic-apps.md shows."""

from __future__ import annotations

import threading
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from tests.functional.callers import wire
from tests.functional.callers.expressions import evaluated

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.functional.callers.wire import Wire


class Callbacks:
    """Where `listCallbackUrl()` leads to: keeps what comes; shakes hands with Event Grid, too."""

    def __init__(self) -> None:
        self.came = threading.Event()
        self.body: Any = None
        callbacks = self

        class Handler(BaseHTTPRequestHandler):
            def do_OPTIONS(self) -> None:
                self.send_response(200)
                self.send_header("WebHook-Allowed-Origin", "eventgrid.azure.net")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                callbacks.body = wire.content(body, self.headers["Content-Type"])
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()
                callbacks.came.set()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/workflows/w/runs/r/actions/a/run?sp=%2Fruns%2Frun&sv=1.0&sig=signed"


@contextmanager
def callbacks() -> Iterator[Callbacks]:
    """Listen for the length of a `with` block."""
    made = Callbacks()
    thread = threading.Thread(target=made.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.server.shutdown()
        made.server.server_close()
        thread.join()


@dataclass(kw_only=True)
class Run:
    """One run of a definition.

    Attributes:
        status: Of the run.
        error: `{"code", "message"}` that a Terminate action said.
        statuses: Of each action.
        outputs: Of each action.
    """

    definition: Mapping[str, Any]
    given: Mapping[str, str]
    wire: Wire
    callbacks: Callbacks | None = None
    name: str = field(default_factory=lambda: uuid.uuid4().hex)
    status: str = "Running"
    error: Mapping[str, str] = field(default_factory=dict)
    statuses: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)

    def run(self) -> Run:
        """Take all actions whose turn comes; return the run."""
        self._take(self.definition["actions"])
        if self.status == "Running":
            handled = {before for one in self.definition["actions"].values() for before in one["runAfter"]}
            failed = [name for name, status in self.statuses.items() if status == "Failed" and name not in handled]
            self.status = "Failed" if failed else "Succeeded"
        return self

    def _take(self, actions: Mapping[str, Any]) -> None:
        waiting = dict(actions)
        while waiting and self.status == "Running":
            ready = [name for name, one in waiting.items() if all(before in self.statuses for before in one["runAfter"])]
            assert ready, f"nobody comes before {list(waiting)}"
            for name in ready:
                action = waiting.pop(name)
                turn = all(self.statuses[before] in wanted for before, wanted in action["runAfter"].items())
                self.statuses[name] = self._action(name, action) if turn else "Skipped"

    def _action(self, name: str, action: Mapping[str, Any]) -> str:
        match action["type"]:
            case "Http":
                follow = action.get("operationOptions") != "DisableAsyncPattern"
                return self._http(name, self._read(action["inputs"]), follow=follow)
            case "HttpWebhook":
                return self._webhook(name, self._read(action["inputs"]["subscribe"]))
            case "Compose":
                self.outputs[name] = self._read(action["inputs"])
            case "If":
                if self._holds(action["expression"]):
                    self._take(action["actions"])
            case "Terminate":
                inputs = self._read(action["inputs"])
                self.status, self.error = inputs["runStatus"], inputs["runError"]
            case other:
                raise AssertionError(other)
        return "Succeeded"

    def _http(self, name: str, inputs: Mapping[str, Any], *, follow: bool) -> str:
        answer = self.wire.send(
            inputs["method"],
            inputs["uri"],
            follow=follow,
            params=inputs.get("queries"),
            headers=inputs.get("headers"),
            json=inputs.get("body"),
        )
        body = wire.content(answer.content, answer.headers.get("Content-Type", ""))
        self.outputs[name] = {"statusCode": answer.status_code, "headers": dict(answer.headers), "body": body}
        return "Succeeded" if answer.ok else "Failed"

    def _webhook(self, name: str, subscribe: Mapping[str, Any]) -> str:
        if self._http(name, subscribe, follow=False) == "Failed":
            return "Failed"
        assert self.callbacks
        assert self.callbacks.came.wait(wire.DEADLINE_S), "never called back"
        self.outputs[name] = {"body": self.callbacks.body}
        return "Succeeded"

    def _holds(self, expression: Mapping[str, Any]) -> bool:
        ((operator, operands),) = expression.items()
        if operator == "not":
            return not self._holds(operands)
        one, other = self._read(operands)
        assert operator == "equals"
        return bool(one == other)

    def _read(self, value: Any) -> Any:
        parameters = {name: self.given.get(name, one.get("defaultValue")) for name, one in self.definition["parameters"].items()}
        functions = {
            "parameters": parameters.__getitem__,
            "workflow": lambda: {"run": {"name": self.name}},
            "outputs": self.outputs.__getitem__,
            "body": lambda name: self.outputs[name]["body"],
            "listCallbackUrl": lambda: self.callbacks.url if self.callbacks else "",
        }
        return evaluated(value, functions)
