"""The Event Grid webhook: ``/runtime/webhooks/EventGrid?functionName=NAME``.

Answers as the platform's Event Grid extension does (HttpRequestProcessor in Azure/azure-sdk-for-net): the header
``aeg-event-type`` decides; every event of a delivery is one run, all at once; one failure makes the whole delivery 500,
and Event Grid would send it again. What the extension cannot read is an exception there: 500, too.
"""

import json
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from infra.local.host.functions import Function
from infra.local.host.invocation import InvocationLostError
from infra.local.host.keys import Keys
from infra.local.host.runner import Runner
from infra.local.host.web import Request, Response, text

log = logging.getLogger("Host.Triggers.EventGrid")
_ALL_AT_ONCE = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class EventGridTrigger:
    """The webhook of all Event Grid functions.

    Attributes:
        functions: Name to function.
        keys: The system keys open it.
        runner: Runs a function.
    """

    functions: Mapping[str, Function]
    keys: Keys
    runner: Runner

    def answer(self, request: Request) -> Response:
        """Answer a handshake or run the function for each event."""
        if refusal := self.keys.refusal(request.key(), "system"):
            return Response(status=refusal)
        name = {key.lower(): value for key, value in request.parameters()}.get("functionname", "")
        function = self.functions.get(name)
        if function is None:
            return text(404, f"cannot find function: '{name}'")
        if request.method == "OPTIONS":
            return _abuse_protection(request)
        try:
            return self._handle(function, request)
        except (ValueError, KeyError, IndexError, TypeError) as problem:
            log.error("a delivery to %s cannot be read: %r", function.name, problem)  # noqa: TRY400 - a caller's fault
            return Response(status=HTTPStatus.INTERNAL_SERVER_ERROR)

    def _handle(self, function: Function, request: Request) -> Response:
        event_type = (request.header("aeg-event-type") or "").lower()
        if request.method != "POST" or event_type not in ("subscriptionvalidation", "notification", "unsubscribe"):
            return Response(status=HTTPStatus.BAD_REQUEST)
        if event_type == "unsubscribe":
            return Response(status=HTTPStatus.ACCEPTED)
        events = _events(request.read_body())
        return _validation(events) if event_type == "subscriptionvalidation" else self._deliver(function, events)

    def _run(self, function: Function, event: str) -> bool:
        """Run a function for one event (JSON text); returns whether it succeeded."""
        try:
            return self.runner.run(function, {function.parameter: ("json", event)}, reason="EventGrid trigger fired.").error is None
        except InvocationLostError:
            return False

    def _deliver(self, function: Function, events: list[Any]) -> Response:
        with ThreadPoolExecutor(max_workers=_ALL_AT_ONCE) as threads:
            succeeded = all(list(threads.map(lambda event: self._run(function, json.dumps(event)), events)))
        if succeeded:
            return Response(status=HTTPStatus.ACCEPTED)
        return text(500, f"Exception while executing function: Functions.{function.name}")


def _events(body: bytes) -> list[Any]:
    document = json.loads(body)
    if not isinstance(document, (list, dict)):
        raise TypeError("neither a JSON array nor an object")
    return document if isinstance(document, list) else [document]


def _validation(events: list[Any]) -> Response:
    """Event Grid's handshake; in the CloudEvents schema ``data`` is JSON in a string."""
    data = events[0]["data"]
    code = (json.loads(data) if isinstance(data, str) else data)["validationCode"]
    return text(200, json.dumps({"validationResponse": code}))


def _abuse_protection(request: Request) -> Response:
    """The CloudEvents webhook handshake: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/http-webhook.md."""
    origin = request.header("webhook-request-origin")
    if not origin:
        return Response(status=HTTPStatus.BAD_REQUEST)
    return Response(headers=(("WebHook-Allowed-Origin", origin),))
