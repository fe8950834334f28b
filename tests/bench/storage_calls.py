"""What an operation costs in transactions with the app's storage, from its request to its end, and what an idle hour costs.

They are counted on the wire, between the app on its host and Azurite, so that nothing is missed: the app's own calls, and the
platform's receive and delete of each queue message. Looking into empty queues is the platform's and is not counted: its pace
is host.json's `maxPollingInterval`. Not here: how long anything takes (requests).
"""

from __future__ import annotations

import contextlib
import dataclasses
import http.server
import re
import socket
import socketserver
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.local import stack
from infra.local.demo.client import Steward
from tests.bench import bodies

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import requests

POLLS = 3  # running answers of the local Azure before each end
TIMERS = {"reconcile_operations": 180, "cleanup_timer": 60}  # function → runs an hour
GOALS = {"a job": "≤ 8", "followed": "≤ 20", "only queued, then followed": "≤ 20"}  # with so many running answers: five polls
LOOK_S = 0.5
QUIET_S = 1.0  # how long nothing must have been counted for a count to be whole
WORKSPACE = bodies.WORKSPACE
_LINE = re.compile(rb"(GET|PUT|POST|DELETE|PATCH|MERGE|HEAD) /[^ ]* HTTP/1\.1\r\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one request came to.

    Attributes:
        polls: Requests of the app for how Azure gets on with it.
        app: Transactions of the app, by service: `table`, `queue`, `blob`.
        messages: Queue messages handled, each a receive and a delete of the platform's.
    """

    polls: int
    app: Counter[str]
    messages: int

    @property
    def total(self) -> int:
        """All transactions."""
        return self.app.total() + 2 * self.messages


class _Handler(socketserver.BaseRequestHandler):
    """Hands bytes on in both directions and counts the request lines among them."""

    def handle(self) -> None:
        server: Any = self.server
        with socket.create_connection(("127.0.0.1", server.beyond)) as beyond:
            for end in (beyond, self.request):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            back = threading.Thread(target=_pump, args=(beyond, self.request, None), daemon=True)
            back.start()
            _pump(self.request, beyond, server.seen)
            back.join()


def _pump(source: socket.socket, sink: socket.socket, seen: Callable[[bytes], None] | None) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            line = _LINE.match(data)  # a client waits for its answer: the next request begins with what is sent next
            if seen and line:
                seen(line[0])
            sink.sendall(data)
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


class Counting(socketserver.ThreadingTCPServer):
    """Stands between a client and a port of Azurite, and hands on what it is asked to `seen`."""

    daemon_threads = True

    def __init__(self, beyond: int, seen: Callable[[bytes], None]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.beyond, self.seen = beyond, seen
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()


class Meter:
    """Counts what passes to Azurite."""

    def __init__(self) -> None:
        self._count: Counter[str] = Counter()
        self._guard = threading.Lock()
        self._last = time.monotonic()

    def watch(self, service: str) -> Callable[[bytes], None]:
        """Return what is told of each request line to one service."""

        def seen(line: bytes) -> None:
            what = service if service != "queue" else _queue_call(line)
            if what and b"azure-webjobs-hosts" not in line:  # where the platform keeps its timers
                with self._guard:
                    self._count[what] += 1
                    self._last = time.monotonic()

        return seen

    def settled(self) -> Counter[str]:
        """Wait until nothing more happens, and return what was counted since the last time."""
        self._last = time.monotonic()
        while time.monotonic() - self._last < QUIET_S:
            time.sleep(0.05)
        with self._guard:
            found, self._count = self._count, Counter()
        return found


def _queue_call(line: bytes) -> str:
    """Tell a message that was put from one that was handled; looking for one is nothing."""
    if b"/messages" not in line:
        return "queue"
    return {b"POST": "queue", b"DELETE": "message"}.get(line.split()[0], "")


@contextlib.contextmanager
def metered(options: stack.Options, *, timers: bool = False) -> Iterator[tuple[Steward, Meter, str, stack.Azure, stack.App]]:
    """A running stack whose app and host reach their storage through a meter; a receiver of callbacks; the local Azure; the app."""
    meter = Meter()
    with stack.start_storage(options) as storage, stack.start_azure(options, storage) as azure, contextlib.ExitStack() as open_:
        ports = {service: getattr(storage, f"{service}_port") for service in ("blob", "queue", "table")}
        servers = {name: open_.enter_context(Counting(port, meter.watch(name))) for name, port in ports.items()}
        for server in servers.values():
            open_.callback(server.shutdown)
        through = dataclasses.replace(storage, **{f"{name}_port": each.server_address[1] for name, each in servers.items()})
        receiver = open_.enter_context(_receiver())
        off = {} if timers else {f"AzureWebJobs.{name}.Disabled": "true" for name in TIMERS}  # else they are fired by hand
        options = dataclasses.replace(options, settings={"STEWARD_CALLBACK_HOSTS": receiver, **off})
        with stack.start_app(options, through, azure) as app:
            caller = Steward(app.url, app.key, app.master_key)
            bodies.workspace(caller)
            if not timers:
                bodies.transitions(azure, f"polls:{POLLS}")
            yield caller, meter, f"http://{receiver}/ended", azure, app
            caller.close()


@contextlib.contextmanager
def _receiver() -> Iterator[str]:
    class Taken(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Taken) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def run() -> tuple[dict[str, Cost], dict[str, Counter[str]]]:
    """Return what is asked → its cost, and timer → its transactions in an idle hour."""
    with tempfile.TemporaryDirectory() as state:
        options = stack.Options(state=Path(state), transitions="immediate", events=False)
        with metered(options) as (caller, meter, callback, *_):
            callback_once = {"Callback-Url": callback}  # opens what is opened once
            caller.send(
                "PUT",
                f"{WORKSPACE}/environments/plain/versions/1",
                expect=(200, 201),
                json=bodies.environment(),
                headers=callback_once,
            )
            meter.settled()
            idle = {name: _timer(caller, meter, name, runs) for name, runs in TIMERS.items()}
            costs = {name: _cost(caller, meter, ask) for name, ask in _asked(caller, callback).items()}
    return costs, idle


def _asked(caller: Steward, callback: str) -> dict[str, Callable[[], requests.Response]]:
    cluster, plain = bodies.cluster(), bodies.environment()
    versions = f"{WORKSPACE}/environments/plain/versions"

    def put(path: str, body: Any, **headers: str) -> Callable[[], requests.Response]:
        return lambda: caller.send("PUT", path, expect=(200, 201, 202, 400), json=body, headers=headers)

    return {
        "refused at once": put(f"{WORKSPACE}/computes/huge", bodies.cluster("Standard_Unheard_Of")),
        "done at once": put(f"{versions}/2", plain),
        "done at once, with an Idempotency-Key": put(f"{versions}/3", plain, **{"Idempotency-Key": "bench-1"}),
        "done at once, with a callback": put(f"{versions}/4", plain, **{"Callback-Url": callback}),
        "followed": put(f"{WORKSPACE}/computes/cpua", cluster),
        "only queued, then followed": put(f"{WORKSPACE}/computes/cpub", cluster, Prefer="respond-async"),
        "a job": lambda: caller.send("POST", f"{WORKSPACE}/jobs", expect=202, json=bodies.job()),
    }


def _cost(caller: Steward, meter: Meter, ask: Callable[[], requests.Response]) -> Cost:
    url = ask().headers.get("Operation-Location", "")
    found: dict[str, Any] = {}
    looks = 0  # ours: each is one read of a table
    while url and found.get("status") not in ("Succeeded", "Failed", "Canceled"):
        time.sleep(LOOK_S)
        found = caller.send("GET", url).json()
        looks += 1
    counted = meter.settled()
    messages = counted.pop("message", 0)
    counted["table"] -= looks
    polls = found["properties"]["azureCalls"].get("poll", 0) if found else 0
    return Cost(polls=polls, app=+counted, messages=messages)


def _timer(caller: Steward, meter: Meter, name: str, runs: int) -> Counter[str]:
    caller.run_timer(name)
    once = meter.settled()
    return Counter({service: count * runs for service, count in once.items()})
