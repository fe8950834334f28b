"""The admin API under ``/admin``, as far as it makes sense here: run a function now, list functions, keys, the host's state.

All of it but ``/admin/host/ping`` needs the master key. Paths and answers are those of the controllers in
Azure/azure-functions-host (src/WebJobs.Script.WebHost/Controllers).
https://learn.microsoft.com/azure/azure-functions/functions-manually-run-non-http
"""

import contextlib
import json
import re
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

from infra.local.host import http_trigger, key_api, keys, timer_trigger
from infra.local.host.functions import Function
from infra.local.host.invocation import InvocationLostError, Value
from infra.local.host.key_api import NOT_FOUND
from infra.local.host.runner import Runner
from infra.local.host.settings import HostJson
from infra.local.host.web import Request, Response, text

_REASON = "This function was programmatically called via the host APIs."
_UNCACHED = (("Cache-Control", "no-store,no-cache"), ("Pragma", "no-cache"))
_HOST_KEYS = re.compile(r"/admin/host/(keys|functionkeys|systemkeys)(?:/([^/]+))?", re.IGNORECASE)
_FUNCTION = re.compile(r"/admin/functions/([^/]+)(/status|/keys(?:/([^/]+))?)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Admin:
    """Answers admin requests.

    Attributes:
        functions: Name to function.
        keys: The master key opens it.
        runner: Runs a function.
        host_json: For the route prefix, and to show.
        started_s: When the host started, on the monotonic clock.
    """

    functions: Mapping[str, Function]
    keys: keys.Keys
    runner: Runner
    host_json: HostJson
    started_s: float = field(default_factory=time.monotonic)

    def answer(self, request: Request) -> Response:
        """Answer one admin request."""
        path = request.path.rstrip("/")
        if path.lower() == "/admin/host/ping":
            return Response(headers=_UNCACHED) if request.method in ("GET", "POST") else NOT_FOUND
        if refusal := self.keys.refusal(request.key()):
            return Response(status=refusal)
        if named := _HOST_KEYS.fullmatch(path):
            return key_api.answer(self.keys, request, keys.SYSTEM if named[1].lower() == "systemkeys" else keys.HOST, named[2])
        if named := _FUNCTION.fullmatch(path):
            return self._function(request, named[1], (named[2] or "").lower(), named[3])
        return self._host(request, path.lower())

    def _find(self, name: str) -> Function | None:
        return next((one for key, one in self.functions.items() if key.lower() == name.lower()), None)

    def _host(self, request: Request, path: str) -> Response:
        if path == "/admin/warmup":
            return Response()
        if path.startswith("/admin/vfs"):
            return Response(status=HTTPStatus.FORBIDDEN)
        shown: dict[str, Callable[[], object]] = {
            "/admin/functions": lambda: [self._describe(one, _base(request)) for one in self.functions.values()],
            "/admin/host/status": self._status,
            "/admin/host/config": lambda: {"extensions": self.host_json.extensions},
            "/admin/host/extensions": lambda: {"extensions": []},  # they are built in here
            "/admin/host/drain/status": self._drain_status,
        }
        return _json(shown[path]()) if path in shown and request.method == "GET" else NOT_FOUND

    def _function(self, request: Request, name: str, part: str, key: str | None) -> Response:
        function = self._find(name)
        if request.method == "POST" and not part:
            return self._run(function, request)
        if function is None:
            return NOT_FOUND
        if part.startswith("/keys"):
            return key_api.answer(self.keys, request, function.name, key)
        if request.method != "GET":
            return NOT_FOUND
        return _json(
            self._describe(function, _base(request)) if not part else {"errors": [function.error]} if function.error else {}
        )

    def _run(self, function: Function | None, request: Request) -> Response:
        """In the order of FunctionsController: what is sent, then whether the function is there."""
        if not key_api.is_json(request):
            return Response(status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        document = _document(request)
        given = (document or {}).get("input")
        if document is None or isinstance(given, dict | list):  # FunctionInvocation has a text
            return Response(status=HTTPStatus.BAD_REQUEST)
        if function is None or function.error:
            return NOT_FOUND
        given = given if isinstance(given, str) else json.dumps(given) if given is not None else ""
        threading.Thread(target=self._invoke, args=(function, given, request), daemon=True, name="admin-run").start()
        return Response(status=HTTPStatus.ACCEPTED)

    def _invoke(self, function: Function, given: str, request: Request) -> None:
        with contextlib.suppress(InvocationLostError):  # the runner has logged it
            if function.kind == "timerTrigger":
                timer_trigger.run(function, self.runner, _REASON, None, past_due=False)
                return
            inputs: dict[str, Value] = {function.parameter: ("json", given)}
            metadata: dict[str, Value] = {}
            if function.kind == "queueTrigger":
                inputs, metadata = {function.parameter: ("string", given)}, _message_metadata(given)
            elif function.kind == "httpTrigger":
                own = Request(
                    method="POST",
                    path=self._path(function),
                    query="",
                    headers=(("Host", request.header("host") or "localhost"), ("Content-Type", "application/json")),
                    read_body=given.encode,
                )
                inputs = {function.parameter: http_trigger.http_value(own, {})}
            self.runner.run(function, inputs, reason=_REASON, metadata=metadata)

    def _path(self, function: Function) -> str:
        return "/" + f"{self.host_json.route_prefix}/{function.route}".strip("/")

    def _status(self) -> dict[str, Any]:
        return {
            "id": "azureml-steward-local",
            "state": "Running",
            "version": version("azure-functions-runtime"),
            "versionDetails": "local host around azure-functions-runtime",
            "processUptime": round((time.monotonic() - self.started_s) * 1000),
            "workers": self.runner.pool.pids(),
            "invocationsInFlight": self.runner.pool.in_flight(),
            "logLinesDropped": self.runner.pool.dropped_lines(),
        }

    def _drain_status(self) -> dict[str, Any]:
        return {"state": "Disabled", "outstandingInvocations": self.runner.pool.in_flight(), "outstandingRetries": 0}

    def _describe(self, function: Function, base: str) -> dict[str, Any]:
        return {
            "name": function.name,
            "href": f"{base}/admin/functions/{function.name}",
            "invoke_url_template": f"{base}{self._path(function)}" if function.kind == "httpTrigger" else None,
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


def _document(request: Request) -> dict[str, Any] | None:
    """The request's JSON object; ``None`` if it is anything else."""
    try:
        document = json.loads(request.read_body())
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _base(request: Request) -> str:
    return f"http://{request.header('host') or 'localhost'}"


def _json(document: object) -> Response:
    return text(200, json.dumps(document), "application/json; charset=utf-8")
