"""The worker process: holds the app, runs invocations. Started by ``pool``, never by hand.

Everything about Python functions (finding them, converting bindings, threads for the sync ones) is done by Microsoft's
``azure_functions_runtime``; here is only the conversation with the parent. It reads ``Invocation``s from the
inherited socket and writes ``("ready", …)``, ``("failed", …)``, ``("log", …)`` and ``("result", id, Result)``.
When the parent is gone it ends at once, as a machine would that lost its power.
"""

import asyncio
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Coroutine
from http.cookies import Morsel
from multiprocessing.connection import Connection
from typing import Any

import azure_functions_runtime as runtime  # type: ignore[import-untyped]
from azure_functions_runtime.utils.executor import invocation_id_cv  # type: ignore[import-untyped]

from infra.local.host import protos
from infra.local.host.invocation import Invocation, Result, Value
from infra.local.host.logs import LIBRARY_LOGGER
from infra.local.host.protos import Message

_loop_id = threading.local()  # on the event loop's thread: the invocation whose task ran last


class _Channel:
    """The socket to the parent; any thread may send."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    def send(self, *message: object) -> None:
        with self._lock:
            self._connection.send(message)

    def receive(self) -> Any:
        return self._connection.recv()


class _Task(asyncio.Task[Any]):
    """A task that belongs to an invocation; a task that it makes belongs to the same one."""

    invocation_id: str | None

    def __init__(self, coro: Coroutine[Any, Any, Any], *, loop: asyncio.AbstractEventLoop, **options: Any) -> None:
        super().__init__(coro, loop=loop, **options)
        self.invocation_id = getattr(asyncio.current_task(loop), "invocation_id", None)


def current_invocation() -> str | None:
    """The invocation that a log line of this moment belongs to, as the platform's worker for Python 3.13 finds it.

    It asks the running task, then the context variable that the library sets for sync functions, then (for callbacks of the event
    loop) which invocation its thread served last. So another thread has none, unless it runs in the context of a sync function.
    """
    task = asyncio.current_task() if asyncio._get_running_loop() is not None else None  # noqa: SLF001 - raises nothing
    found: str | None = getattr(task, "invocation_id", None) or invocation_id_cv.get() or getattr(_loop_id, "value", None)
    return found


class _ForwardLogs(logging.Handler):
    """Sends log records to the parent with the id of the invocation they belong to."""

    def __init__(self, channel: _Channel) -> None:
        super().__init__()
        self._channel = channel
        self.setFormatter(logging.Formatter("%(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith(LIBRARY_LOGGER) and record.levelno < logging.WARNING:
            return  # the library's own chatter; the platform hides it as a system log
        try:
            self._channel.send("log", record.levelno, record.name, self.format(record), current_invocation())
        except Exception:  # noqa: BLE001 - logging must not break the function; handleError is the logging way
            self.handleError(record)


def typed(value: Value) -> Message:
    """The library's shape of a value."""
    kind, content = value
    if kind == "http":
        body = protos.TypedData() if content["body"] is None else protos.TypedData(bytes=content["body"])
        return protos.TypedData(http=Message(**{**content, "body": body}))
    return protos.TypedData(**{kind: content})


def plain(data: Message | None) -> Value | None:
    """What the library answered, as a plain value; an HTTP answer has ``status``, ``headers`` (pairs) and ``body``."""
    kind = None if data is None else data.WhichOneof("data")
    if data is None or kind is None:
        return None
    content = getattr(data, kind)
    if kind != "http":
        return kind, content
    headers = list(content.headers.items()) + [("set-cookie", cookie_header(cookie)) for cookie in content.cookies or ()]
    body = plain(content.body)
    return kind, {"status": int(content.status_code), "headers": headers, "body": body[1] if body else b""}


def cookie_header(cookie: Message) -> str:
    """One ``Set-Cookie`` value of the cookie the library parsed out of the function's answer."""
    morsel: Morsel[str] = Morsel()
    morsel.set(cookie.name, cookie.value, cookie.value)
    for attribute in ("domain", "path"):
        if getattr(cookie, attribute) is not None:
            morsel[attribute] = getattr(cookie, attribute).value
    if cookie.expires is not None:
        morsel["expires"] = _http_date(cookie.expires.value.seconds)
    if cookie.max_age is not None:
        morsel["max-age"] = str(int(cookie.max_age.value))
    morsel["secure"] = bool(cookie.secure and cookie.secure.value)
    morsel["httponly"] = bool(cookie.http_only and cookie.http_only.value)
    same_site = {1: "Lax", 2: "Strict", 3: "None"}.get(int(cookie.same_site))
    if same_site:
        morsel["samesite"] = same_site
    return morsel.OutputString()


def _http_date(seconds: int) -> str:
    from email.utils import formatdate

    return formatdate(seconds, usegmt=True)


async def run(invocation: Invocation) -> Result:
    """Run one invocation through the library."""
    setattr(asyncio.current_task(), "invocation_id", invocation.id)  # noqa: B010 - a task of `_Task`
    _loop_id.value = invocation.id
    response = await runtime.invocation_request(
        protos.request(
            invocation_request=Message(
                invocation_id=invocation.id,
                function_id=invocation.function_id,
                input_data=[protos.ParameterBinding(name=name, data=typed(value)) for name, value in invocation.inputs.items()],
                trigger_metadata={name: typed(value) for name, value in invocation.metadata.items()},
                trace_context=Message(trace_parent=invocation.trace_parent, trace_state="", attributes={}),
                retry_context=Message(retry_count=0, max_retry_count=0, exception=None),
            )
        )
    )
    if response.result.status != protos.StatusResult.Success:
        return Result(error=response.result.exception.message, stack=response.result.exception.stack_trace)
    outputs = {binding.name: plain(binding.data) for binding in response.output_data}
    return Result(
        value=plain(response.return_value),
        outputs={name: value for name, value in outputs.items() if value is not None},
    )


async def load(root: str) -> list[dict[str, Any]]:
    """Import the app and describe its functions.

    Raises:
        ImportError: The app cannot be imported or indexed; the message holds the traceback.
    """
    init = await runtime.worker_init_request(
        protos.request(worker_init_request=Message(capabilities={}, function_app_directory=root))
    )
    if init.result.status != protos.StatusResult.Success:
        raise ImportError(init.result.exception.stack_trace or init.result.exception.message)
    metadata = await runtime.functions_metadata_request(protos.request(functions_metadata_request=Message()))
    functions = metadata.function_metadata_results or []
    for function in functions:
        await runtime.function_load_request(protos.request(function_load_request=Message(function_id=function.function_id)))
    return [
        {
            "name": function.name,
            "id": function.function_id,
            "bindings": list(function.raw_bindings),
            "retry": function.retry_options is not None,
        }
        for function in functions
    ]


async def serve(channel: _Channel, root: str) -> None:
    """Load the app, then run whatever the parent sends until it says stop."""
    runtime.start_threadpool_executor()
    try:
        functions = await load(root)
    except ImportError as problem:
        channel.send("failed", str(problem))
        return
    channel.send("ready", functions)
    loop, inbox = asyncio.get_running_loop(), asyncio.Queue[Invocation | None]()
    loop.set_task_factory(lambda loop, coro, **options: _Task(coro, loop=loop, **options))
    threading.Thread(target=_read, args=(channel, loop, inbox), daemon=True, name="from-host").start()
    running = set[asyncio.Task[None]]()
    while (invocation := await inbox.get()) is not None:
        task = asyncio.create_task(_answer(channel, invocation))
        running.add(task)
        task.add_done_callback(running.discard)


async def _answer(channel: _Channel, invocation: Invocation) -> None:
    try:
        result = await run(invocation)
    except Exception as problem:  # noqa: BLE001 - whatever it was, the host waits for an answer
        result = Result(error=repr(problem), stack="".join(traceback.format_exception(problem)))
    channel.send("result", invocation.id, result)


def _read(channel: _Channel, loop: asyncio.AbstractEventLoop, inbox: asyncio.Queue[Invocation | None]) -> None:
    while True:
        try:
            message = channel.receive()
        except (EOFError, OSError):
            os._exit(1)  # the host is gone: what runs here has no owner any more
        loop.call_soon_threadsafe(inbox.put_nowait, message)
        if message is None:
            return


def main(descriptor: int, root: str) -> None:
    """Entry point: the inherited socket's file descriptor and the app's folder."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the host's to handle
    channel = _Channel(Connection(descriptor))
    os.chdir(root)
    sys.path[0] = root  # instead of the folder this module was found in
    logging.basicConfig(handlers=[_ForwardLogs(channel)], level=_log_level(), force=True)
    asyncio.run(serve(channel, root))


def _log_level() -> int:
    return logging.DEBUG if os.environ.get("PYTHON_ENABLE_DEBUG_LOGGING", "").lower() in ("1", "true") else logging.INFO


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
