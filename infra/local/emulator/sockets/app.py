"""From a request to its answer: the log of received requests, fault rules, the service that owns the host."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from infra.local.emulator import clouds, web
from infra.local.emulator.resources import stamp
from infra.local.emulator.world import Received

if TYPE_CHECKING:
    from collections.abc import Sequence

    from infra.local.emulator.faults import Fault
    from infra.local.emulator.sockets.exchanges import Exchanges
    from infra.local.emulator.world import World


CONTROL = "/_control/"  # is neither logged nor broken by faults


class App:
    """The local Azure as one function from request to response.

    Args:
        world: the state.
        services: in order; the first that serves the host answers.
        exchanges: where whole requests and answers are written down, if anywhere.
    """

    def __init__(self, world: World, services: Sequence[web.Routes], exchanges: Exchanges | None = None) -> None:
        self.world = world
        self._exchanges = exchanges
        self._services = tuple(services)
        self._order = 0
        self._order_lock = threading.Lock()

    def knows(self, host: str) -> bool:
        """Whether some service (or Azurite) answers for this host name."""
        return clouds.storage_service(host) is not None or any(service.serves(host) for service in self._services)

    def handle(self, request: web.Request) -> web.Response:
        """Answer one request.

        Raises:
            web.Dropped: a fault rule wants the connection closed without an answer.
        """
        if request.path.startswith(CONTROL):
            if self._exchanges is not None and request.path == f"{CONTROL}reset":
                self._exchanges.reset()
            return self._answer(request)
        order, began = self._next_order(), time.monotonic()
        fault = self.world.faults.take(request.method, request.where)
        status: int | None = None
        try:
            response = self._with_fault(request, fault)
            status = response.status
        finally:
            self._record(request, order, status, fault, time.monotonic() - began)
        if self._exchanges is not None:
            self._exchanges.keep(request, response, scripted=fault is not None)
        return response

    def before(self, request: web.Request) -> Fault | None:
        """The fault rule for a request that is handed on as a byte stream (storage)."""
        return self.world.faults.take(request.method, request.where)

    def handed_on(self, request: web.Request, status: int | None, fault: Fault | None, seconds: float) -> None:
        """Log such a request."""
        self._record(request, self._next_order(), status, fault, seconds)

    def _next_order(self) -> int:
        with self._order_lock:
            self._order += 1
            return self._order

    def _with_fault(self, request: web.Request, fault: Fault | None) -> web.Response:
        if fault is None:
            return self._answer(request)
        if fault.action == "drop_before":
            raise web.Dropped
        if fault.action == "respond":
            return faulty(fault)
        if fault.action == "delay":
            time.sleep(fault.delay_s)
        if fault.action == "fail_operation":
            request = replace(request, operation_error=fault.error)
        response = self._answer(request)
        if fault.action == "drop_after":
            raise web.Dropped
        return faulty(fault) if fault.action == "respond_after" else response

    def _answer(self, request: web.Request) -> web.Response:
        self.world.operations.settle()
        for service in self._services:
            if service.serves(request.host):
                return service.handle(self.world, request)
        return web.arm_error(421, "MisdirectedRequest", f"The local Azure has no host {request.host}.")

    def _record(self, request: web.Request, order: int, status: int | None, fault: Fault | None, seconds: float) -> None:
        self.world.received.append(
            Received(
                order=order,
                at=stamp(self.world.now()),
                method=request.method,
                host=request.host,
                path=request.path,
                query=request.raw_query,
                status=status,
                request_id=request.id,
                client_request_id=request.headers.get("x-ms-client-request-id"),
                correlation_id=request.headers.get("x-ms-correlation-request-id"),
                fault=fault.id if fault else None,
                seconds=round(seconds, 4),
            )
        )


def faulty(fault: Fault) -> web.Response:
    """The answer that a fault rule gives."""
    if fault.body is None:
        return web.empty(fault.status, fault.headers)
    if isinstance(fault.body, str):
        content_type = () if any(name.lower() == "content-type" for name in fault.headers) else (("Content-Type", "text/plain"),)
        return web.Response(status=fault.status, headers=(*content_type, *fault.headers.items()), body=fault.body.encode())
    return web.answer(fault.body, status=fault.status, headers=fault.headers)
