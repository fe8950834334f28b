"""A Functions app made to watch the host: each function tells what it was given.

Non-HTTP functions append one JSON line to the file named by the setting ``WITNESS``. What a message asks for (fail,
wait for a file, die) is in the message.
"""

import asyncio
import contextvars
import json
import logging
import os
import pathlib
import threading
import time
from collections.abc import Callable

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


def witness(**seen: object) -> None:
    """Append what was seen to the witness file, in one write."""
    line = json.dumps({**seen, "pid": os.getpid()}, default=str) + "\n"
    descriptor = os.open(os.environ["WITNESS"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


def described(req: func.HttpRequest, function: str) -> func.HttpResponse:
    """All that a function can see of a request, as JSON."""
    body = {
        "function": function,
        "method": req.method,
        "url": req.url,
        "params": dict(req.params),
        "route": dict(req.route_params),
        "headers": dict(req.headers),
        "length": len(req.get_body()),
        "pid": os.getpid(),
    }
    return func.HttpResponse(json.dumps(body), mimetype="application/json")


def wait_for(path: str) -> None:
    """Block until the file is there."""
    while not pathlib.Path(path).exists():
        time.sleep(0.01)


@app.route(route="echo", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
def echo(req: func.HttpRequest) -> func.HttpResponse:
    """Gives the body back, with the caller's content type."""
    return func.HttpResponse(req.get_body(), mimetype=req.headers.get("content-type", "text/plain"), headers={"X-Echo": "1"})


@app.route(route="describe/{name}/{number:int?}")
def describe(req: func.HttpRequest) -> func.HttpResponse:
    """Tells what it was given."""
    return described(req, "describe")


@app.route(route="things/{*rest}", methods=["GET"])
def a_catch_all(req: func.HttpRequest) -> func.HttpResponse:
    """Comes first by name, so it takes what ``z_specific`` was made for."""
    return described(req, "a_catch_all")


@app.route(route="things/special", methods=["GET", "POST"])
def z_specific(req: func.HttpRequest) -> func.HttpResponse:
    """Only reached by the methods that ``a_catch_all`` leaves."""
    return described(req, "z_specific")


@app.route(route="answer/{status:int}", methods=["GET", "HEAD"])
async def answer(req: func.HttpRequest) -> func.HttpResponse:
    """An async function: answers with the wanted status, cookies and a body."""
    await asyncio.sleep(0)
    response = func.HttpResponse("body", status_code=int(req.route_params["status"]), headers={"X-One": "1"})
    response.headers.add("Set-Cookie", "a=1; Path=/; HttpOnly; SameSite=Lax")
    response.headers.add("Set-Cookie", "b=2; Max-Age=60; Secure")
    return response


@app.route(route="secret", auth_level=func.AuthLevel.FUNCTION)
def secret(req: func.HttpRequest) -> func.HttpResponse:
    """Needs a function or host key."""
    return func.HttpResponse("open")


@app.route(route="root-only", auth_level=func.AuthLevel.ADMIN)
def root_only(req: func.HttpRequest) -> func.HttpResponse:
    """Needs the master key."""
    return func.HttpResponse("open")


@app.route(route="raises")
def raises(req: func.HttpRequest) -> func.HttpResponse:
    """Fails."""
    raise RuntimeError("deliberate")


@app.route(route="smuggles")
def smuggles(req: func.HttpRequest) -> func.HttpResponse:
    """Tries to put a second header into one."""
    return func.HttpResponse("x", headers={"X-Bad": req.params["value"]})


@app.route(route="logs")
def logs(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """Logs one warning and tells its invocation id."""
    logging.getLogger("app").warning("a warning from %s", req.params.get("who"))
    return func.HttpResponse(context.invocation_id)


def in_a_thread(work: Callable[[], object]) -> None:
    """Do it in a thread of its own, and wait for its end."""
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def says(what: str) -> Callable[[], None]:
    """What logs one line."""
    return lambda: logging.getLogger("app.lines").warning("line: %s", what)


@app.route(route="lines/sync")
def lines_sync(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """Logs from each place that a sync function can log from."""
    says("sync body")()
    in_a_thread(lambda: contextvars.copy_context().run(says("sync plain thread")))  # of the thread's own context
    copied = contextvars.copy_context()
    in_a_thread(lambda: copied.run(says("sync copied context")))

    def marked() -> None:
        context.thread_local_storage.invocation_id = context.invocation_id
        says("sync thread_local_storage")()

    in_a_thread(marked)
    return func.HttpResponse(context.invocation_id)


@app.route(route="lines/async")
async def lines_async(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """Logs from each place that an async function can log from."""
    loop, called = asyncio.get_running_loop(), asyncio.Event()

    async def task() -> None:
        says("async task")()

    def callback() -> None:
        says("async call_soon")()
        called.set()

    def marked() -> None:
        context.thread_local_storage.invocation_id = context.invocation_id
        says("async thread_local_storage")()

    says("async body")()
    await asyncio.create_task(task())
    loop.call_soon(callback)
    await called.wait()
    await asyncio.to_thread(says("async to_thread"))
    await loop.run_in_executor(None, says("async run_in_executor"))
    in_a_thread(says("async plain thread"))
    in_a_thread(marked)
    return func.HttpResponse(context.invocation_id)


@app.route(route="waits")
def waits(req: func.HttpRequest) -> func.HttpResponse:
    """Answers once the file named by ``file`` is there."""
    witness(function="waits", begun=True)
    wait_for(req.params["file"])
    return func.HttpResponse("done")


@app.route(route="enqueue", methods=["POST"])
@app.queue_output(arg_name="out", queue_name="%WORK_QUEUE%", connection="AzureWebJobsStorage")
def enqueue(req: func.HttpRequest, out: func.Out[str]) -> func.HttpResponse:
    """Hands the body to the queue by an output binding."""
    out.set(req.get_body().decode())
    return func.HttpResponse(status_code=202)


@app.queue_trigger(arg_name="msg", queue_name="%WORK_QUEUE%", connection="AzureWebJobsStorage")
def work(msg: func.QueueMessage) -> None:
    """Does what the message says: ``fail``, ``wait`` for a file, or nothing."""
    order = json.loads(msg.get_body())
    witness(
        function="work",
        order=order,
        id=msg.id,
        dequeue_count=msg.dequeue_count,
        inserted=msg.insertion_time,
        expires=msg.expiration_time,
        visible=msg.time_next_visible,
        receipt=msg.pop_receipt,
    )
    if "wait" in order:
        wait_for(order["wait"])
        witness(function="work", order=order, ended=True)
    if order.get("fail"):
        raise RuntimeError("deliberate")


@app.queue_trigger(arg_name="msg", queue_name="%WORK_QUEUE%-poison", connection="AzureWebJobsStorage")
def poisoned(msg: func.QueueMessage) -> None:
    """Sees what nobody could digest."""
    witness(function="poisoned", body=msg.get_body().decode(), dequeue_count=msg.dequeue_count)


@app.timer_trigger(arg_name="timer", schedule="%TICK%", run_on_startup=False)
def tick(timer: func.TimerRequest) -> None:
    """Sees the clock."""
    witness(function="tick", past_due=timer.past_due, status=timer.schedule_status)


@app.event_grid_trigger(arg_name="event")
def on_event(event: func.EventGridEvent) -> None:
    """Sees an event; fails if its data says so."""
    witness(function="on_event", id=event.id, subject=event.subject, data=event.get_json())
    if (event.get_json() or {}).get("fail"):
        raise RuntimeError("deliberate")
