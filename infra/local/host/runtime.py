"""The host put together: from the app's folder to a running host, and back down. The only module that knows all others."""

import dataclasses
import functools
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from infra.local.host import functions, keys, queue_output, routes, settings, storage
from infra.local.host.admin import Admin
from infra.local.host.event_grid import EventGridTrigger
from infra.local.host.functions import Function
from infra.local.host.http_trigger import HttpTrigger, Throttle
from infra.local.host.pool import Pool, worker_environment
from infra.local.host.queue_trigger import QueueListener, QueueTrigger
from infra.local.host.runner import Runner
from infra.local.host.timer_trigger import BlobMonitor, Timer, monitor_path
from infra.local.host.web import Request, Response, Server, text

log = logging.getLogger("Host.Workers")
_HOME = "<!doctype html><title>Azure Functions</title><h1>Your Functions app is up and running</h1>"
_POISON = "-poison"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to run the app; see ``python -m infra.local.host --help``.

    Attributes:
        root: The app's folder.
        port: HTTP port; 0 takes a free one.
        workers: Number of worker processes.
        keys_file: Where the keys are, or shall be.
        queue_poll_s: Longest wait between two looks into a queue, instead of host.json's.
        queue_invisible_s: How long a received message is invisible, instead of the platform's ten minutes.
        grace_s: How long a stop waits for what is running.
        http_limit_s: How long an HTTP caller waits for an answer.
    """

    root: Path
    port: int
    workers: int
    keys_file: Path
    queue_poll_s: float | None = None
    queue_invisible_s: float = 600.0
    grace_s: float = 30.0
    http_limit_s: float = 230.0


@dataclass(slots=True, kw_only=True)
class Host:
    """A running host.

    Attributes:
        functions: Name to function, in the platform's order.
        prefix: Route prefix of the HTTP functions.
        server: Listens for HTTP.
        pool: The worker processes.
        listeners: Name of a queue function to what polls its queue.
        timers: One for each timer function.
        grace_s: How long ``stop`` waits.
    """

    functions: Mapping[str, Function]
    prefix: str
    server: Server
    pool: Pool
    listeners: Mapping[str, QueueListener]
    timers: list[Timer]
    grace_s: float = 30.0

    @property
    def port(self) -> int:
        """The HTTP port it listens on."""
        return self.server.port

    def stop(self) -> bool:
        """Take nothing new, let what runs finish, end the workers; false if something had to be cut off.

        Messages whose function did not finish stay as they are: invisible, to come back late.
        """
        deadline = time.monotonic() + self.grace_s
        sources: list[QueueListener | Timer] = [*self.listeners.values(), *self.timers]
        for source in sources:
            source.stop()
        finished = self.server.stop(self.grace_s)
        for source in sources:
            finished &= source.wait_idle(max(0.0, deadline - time.monotonic()))
        finished &= self.pool.wait_idle(max(0.0, deadline - time.monotonic()))
        self.pool.stop(patience_s=2.0 if finished else 0.0)
        dropped = self.pool.dropped_lines()
        log.log(logging.WARNING if dropped else logging.INFO, "log lines dropped: %d %s", sum(dropped.values()), dropped or "")
        return finished


def start(options: Options, app_settings: Mapping[str, str], host_json: settings.HostJson) -> Host:
    """Start the host; returns once it answers.

    Raises:
        SettingsError: A file is wrong.
        AppLoadError: The app cannot be loaded.
        OSError: The port is taken.
    """
    return _Startup(options, app_settings, host_json).host()


class _Startup:
    """Builds the parts in the order in which they need each other."""

    def __init__(self, options: Options, app_settings: Mapping[str, str], host_json: settings.HostJson) -> None:
        self._options, self._app_settings, self._host_json = options, app_settings, host_json
        self._listeners: dict[str, QueueListener] = {}
        self._answers: tuple[HttpTrigger, Admin, EventGridTrigger] | None = None

    def host(self) -> Host:
        options, host_json = self._options, self._host_json
        server = Server(options.port, self._answer)
        environment = worker_environment(self._app_settings, root=options.root, port=server.port)
        pool = Pool(options.root, environment, count=options.workers, function_timeout_s=host_json.function_timeout_s)
        try:
            known = functions.read(pool.start(), self._app_settings)
            self._wire(known, pool)
            timers = self._timers(known, self._runner(pool))
        except Exception:
            server.server_close()
            pool.stop()
            raise
        for listener in self._listeners.values():
            listener.start()
        for timer in timers:
            timer.start()
        server.start()
        return Host(
            functions={function.name: function for function in known},
            prefix=host_json.route_prefix,
            server=server,
            pool=pool,
            listeners=self._listeners,
            timers=timers,
            grace_s=options.grace_s,
        )

    def _runner(self, pool: Pool) -> Runner:
        deliver = functools.partial(
            queue_output.deliver,
            app_settings=self._app_settings,
            base64_encoded=self._host_json.queues.base64,
            notify=self._notify,
        )
        return Runner(pool=pool, deliver=deliver)

    def _wire(self, known: list[Function], pool: Pool) -> None:
        options, host_json, runner = self._options, self._host_json, self._runner(pool)
        opened = keys.Keys(options.keys_file)
        by_name = {function.name: function for function in known}
        enabled = [function for function in known if function.runs]
        events = {function.name: function for function in enabled if function.kind == "eventGridTrigger"}
        self._answers = (
            HttpTrigger(
                routes=routes.table([function for function in known if not function.error], host_json.route_prefix),
                keys=opened,
                runner=runner,
                limit_s=options.http_limit_s,
                throttle=Throttle(host_json.max_concurrent_requests, host_json.max_outstanding_requests),
            ),
            Admin(functions=by_name, keys=opened, runner=runner, host_json=host_json),
            EventGridTrigger(functions=events, keys=opened, runner=runner),
        )
        for function in enabled:
            if function.kind == "queueTrigger":
                self._listeners[function.name] = QueueListener(self._queue_trigger(function, runner))

    def _queue_trigger(self, function: Function, runner: Runner) -> QueueTrigger:
        name = str(function.trigger["queueName"])
        where = f"function {function.name}"
        connection = settings.connection_string(str(function.trigger["connection"]), self._app_settings, where)
        queues = dataclasses.replace(self._host_json.queues, invisible_s=self._options.queue_invisible_s)
        if self._options.queue_poll_s is not None:
            queues = dataclasses.replace(queues, max_polling_interval_s=self._options.queue_poll_s)
        return QueueTrigger(
            function=function,
            queue=storage.queue(connection, name),
            poison=None if name.endswith(_POISON) else storage.queue(connection, name + _POISON),
            options=queues,
            runner=runner,
            notify=self._notify,
        )

    def _timers(self, known: list[Function], runner: Runner) -> list[Timer]:
        timers = [function for function in known if function.kind == "timerTrigger" and function.runs]
        if not timers:
            return []
        where = f"function {timers[0].name}"
        connection = settings.connection_string("AzureWebJobsStorage", self._app_settings, where)
        root = self._options.root
        return [
            Timer(function, runner, BlobMonitor(connection=connection, path=monitor_path(root, function))) for function in timers
        ]

    def _notify(self, queue_name: str) -> None:
        for listener in self._listeners.values():
            if listener.queue_name == queue_name:
                listener.wake()

    def _answer(self, request: Request) -> Response:
        if self._answers is None:
            return Response(status=HTTPStatus.SERVICE_UNAVAILABLE)
        http, admin, event_grid = self._answers
        path = request.path.lower()
        if path.startswith("/admin/"):
            return admin.answer(request)
        if path.rstrip("/") == "/runtime/webhooks/eventgrid":
            return event_grid.answer(request)
        response = http.answer(request)
        if response is not None:
            return response
        return text(200, _HOME, "text/html; charset=utf-8") if path == "/" else Response(status=HTTPStatus.NOT_FOUND)
