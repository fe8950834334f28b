"""The admin API under ``/admin``, as far as it makes sense here: run a function now, list functions, show the state.

All of it but ``/admin/host/ping`` needs the master key.
https://learn.microsoft.com/azure/azure-functions/functions-manually-run-non-http
"""

import contextlib
import json
import re
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

from infra.local.host import timer_trigger
from infra.local.host.functions import Function
from infra.local.host.invocation import InvocationLostError, Value
from infra.local.host.keys import Keys
from infra.local.host.runner import Runner
from infra.local.host.web import Request, Response, text

_FUNCTION = re.compile(r"/admin/functions/([^/]+)/?", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Admin:
    """Answers admin requests.

    Attributes:
        functions: Name to function.
        keys: The master key opens it.
        runner: Runs a function.
        prefix: Route prefix of HTTP functions.
        started_s: When the host started, on the monotonic clock.
    """

    functions: Mapping[str, Function]
    keys: Keys
    runner: Runner
    prefix: str
    started_s: float = field(default_factory=time.monotonic)

    def answer(self, request: Request) -> Response:
        """Answer one admin request."""
        path = request.path.rstrip("/").lower()
        if path == "/admin/host/ping":
            return Response()
        if not self.keys.opens_admin(request.key()):
            return Response(status=HTTPStatus.UNAUTHORIZED)
        named = _FUNCTION.fullmatch(request.path)
        function = self._find(named[1]) if named else None
        if function and request.method == "POST":
            return self._run(function, request)
        shown = self._show(path, function, f"http://{request.header('host') or 'localhost'}")
        return _json(shown) if shown is not None and request.method == "GET" else Response(status=HTTPStatus.NOT_FOUND)

    def _find(self, name: str) -> Function | None:
        return next((one for key, one in self.functions.items() if key.lower() == name.lower()), None)

    def _show(self, path: str, function: Function | None, base: str) -> object:
        if path == "/admin/host/status":
            return self._status()
        if path == "/admin/functions":
            return [self._describe(one, base) for one in self.functions.values()]
        return self._describe(function, base) if function else None

    def _run(self, function: Function, request: Request) -> Response:
        content_type = (request.header("content-type") or "").split(";")[0].strip().lower()
        if content_type != "application/json":
            return text(415, "send Content-Type: application/json")
        try:
            document = json.loads(request.read_body())
        except ValueError:
            document = None
        if not isinstance(document, dict):
            return text(400, 'send a JSON object such as {"input": "..."}')
        if function.kind == "httpTrigger":
            return text(400, f"{function.name} is an HTTP function: call it by its route")
        given = document.get("input")
        given = given if isinstance(given, str) else json.dumps(given) if given is not None else ""
        threading.Thread(target=self._invoke, args=(function, given), daemon=True, name="admin-run").start()
        return Response(status=HTTPStatus.ACCEPTED)

    def _invoke(self, function: Function, given: str) -> None:
        reason = "This function was programmatically called via the host APIs."
        with contextlib.suppress(InvocationLostError):  # the runner has logged it
            if function.kind == "timerTrigger":
                timer_trigger.run(function, self.runner, reason, None, past_due=False)
            elif function.kind == "queueTrigger":
                inputs: dict[str, Value] = {function.parameter: ("string", given)}
                self.runner.run(function, inputs, reason=reason, metadata=_message_metadata(given))
            else:
                self.runner.run(function, {function.parameter: ("json", given)}, reason=reason)

    def _status(self) -> dict[str, Any]:
        return {
            "id": "azureml-steward-local",
            "state": "Running",
            "version": version("azure-functions-runtime"),
            "versionDetails": "local host around azure-functions-runtime",
            "processUptime": round((time.monotonic() - self.started_s) * 1000),
            "workers": self.runner.pool.pids(),
            "invocationsInFlight": self.runner.pool.in_flight(),
        }

    def _describe(self, function: Function, base: str) -> dict[str, Any]:
        route = f"{self.prefix}/{function.route}".strip("/")
        return {
            "name": function.name,
            "href": f"{base}/admin/functions/{function.name}",
            "invoke_url_template": f"{base}/{route}" if function.kind == "httpTrigger" else None,
            "language": "python",
            "config": {"name": function.name, "bindings": [dict(function.trigger), *map(dict, function.outputs)]},
            "isDisabled": function.disabled,
        }


def _message_metadata(given: str) -> dict[str, Value]:
    """Metadata of a message that never was in a queue."""
    now = json.dumps(datetime.now(UTC).isoformat())
    return {
        "QueueTrigger": ("string", given),
        "Id": ("string", str(uuid.uuid4())),
        "PopReceipt": ("string", ""),
        "DequeueCount": ("json", "1"),
        "InsertionTime": ("json", now),
        "ExpirationTime": ("json", now),
        "NextVisibleTime": ("json", now),
    }


def _json(document: object) -> Response:
    return text(200, json.dumps(document), "application/json; charset=utf-8")
