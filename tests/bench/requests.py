"""What a caller waits for, alone and with others: each request of the app beside the least that can be asked of the host.

That least is `GET health`, a function that does next to nothing; what is handed on to Azure stands beside the same request sent
to the local Azure without the app, a score beside the least function that hands one on, what is only accepted beside the row and
the message that it comes to. All go in rounds, there and back, so
that a busy machine slows all of them alike; then ratios of medians are what counts.
Not here: what the requests cost in storage (storage_calls), a fresh process (cold_start).
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import requests
from requests.adapters import HTTPAdapter

from infra.local import stack
from infra.local.demo.client import Steward
from infra.local.emulator import scene
from tests.bench import bodies, processes, storage_speed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CALLERS = (1, 16, 32)
ROUNDS = 4
EACH = {1: 12, 16: 48, 32: 64}  # requests of a round
ROWS = {"data": [[float(n)] * 4 for n in range(50)]}  # 1 KB
ARM = f"https://management.azure.com{bodies.WORKSPACE_ID}"
VERSION = "api-version=2024-10-01"
LEAST = "GET health"
LIBRARIES = "a row and a message by Azure's libraries"
GOALS = {  # request, callers → what is to be reached
    ("PUT computes/{c}, respond-async", 1): "≤ 1.7 x, ≤ 3 CPU ms",
    ("PUT computes/{c}, respond-async", 16): "≤ 1.7 x, ≤ 3 CPU ms",
    ("PUT computes/{c}, respond-async", 32): "≤ 1.7 x, ≤ 3 CPU ms, ≥ 300/s",
    ("PUT computes/{c}", 16): "≤ 5 x",
    ("POST score", 16): "≤ 1.18 x",  # 85 % of what the host alone can do
}
ONWARD = """
import os
import azure.functions as func
import requests
app, session = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION), requests.Session()
session.mount("https://", requests.adapters.HTTPAdapter(pool_maxsize=32))
headers = {"Authorization": f"Bearer {os.environ['SCORING_KEY']}", "Content-Type": "application/json"}

@app.route("score", methods=["POST"])
def score(req: func.HttpRequest) -> func.HttpResponse:
    answer = session.post(os.environ["SCORING_URI"], data=req.get_body(), headers=headers, timeout=60)
    return func.HttpResponse(answer.content, status_code=answer.status_code, mimetype="application/json")
"""  # what the host alone can do with a score


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request; `beside` is the name of the one that it is compared with."""

    name: str
    send: Callable[[], requests.Response | None]
    beside: str = LEAST


@dataclass(slots=True, kw_only=True)
class Timed:
    """How long one kind of request took, with so many callers at once.

    Attributes:
        seconds: Of each.
        worker_s: Processor time of the app's worker for all of them.
        wall_s: From the first to the last answer.
    """

    seconds: list[float] = field(default_factory=list)
    worker_s: float = 0.0
    wall_s: float = 0.0

    @property
    def median_ms(self) -> float:
        """Half of them took no longer."""
        return statistics.median(self.seconds) * 1000

    @property
    def p95_ms(self) -> float:
        """Nineteen of twenty took no longer."""
        return statistics.quantiles(self.seconds, n=20)[-1] * 1000

    @property
    def worker_ms(self) -> float:
        """Processor time of the worker for one."""
        return self.worker_s / len(self.seconds) * 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """All of it.

    Attributes:
        asked: The requests, in the order to show.
        timed: Name and number of callers → how long it took.
        megabytes: Most memory that the worker ever held.
    """

    asked: list[Asked]
    timed: dict[tuple[str, int], Timed]
    megabytes: float

    def ratio(self, each: Asked, callers: int) -> float:
        """How many times as long as what it is compared with."""
        return self.timed[each.name, callers].median_ms / self.timed[each.beside, callers].median_ms


def run() -> Result:
    """Measure, on a stack of its own whose operations are not followed meanwhile: a poll would be in a request's way.

    Raises:
        RuntimeError: a request was refused.
    """
    with tempfile.TemporaryDirectory() as state:
        options = stack.Options(state=Path(state), transitions="immediate", events=False)
        with stack.start_storage(options) as storage, stack.start_azure(options, storage) as azure:
            with stack.start_app(options, storage, azure) as app:
                caller = Steward(app.url, app.key, app.master_key)
                bodies.workspace(caller)
                door = bodies.endpoint(caller)
                caller.close()
            bodies.transitions(azure, "time", 0.1)  # nothing that is begun from here on ends
            quiet = dataclasses.replace(options, settings={"AzureWebJobs.poll_operation.Disabled": "true"})
            with contextlib.ExitStack() as running:
                app, alone = (
                    running.enter_context(stack.start_app(each, storage, azure)) for each in (quiet, _alone(options, *door))
                )
                session, bare, direct = (running.enter_context(_session()) for _ in range(3))
                session.headers["x-functions-key"], bare.headers["x-functions-key"] = app.key, alone.key
                direct.proxies, direct.verify = {"https": azure.proxy}, str(azure.ca)
                ours = (*_of_app(session, f"{app.url}/api"), _of_host(bare, f"{alone.url}/api"))
                asked = [*ours, _of_libraries(storage.connection_string()), *_of_azure(direct, *door)]
                workers = [pid for each in (app, alone) for pid in processes.workers(each.part.process.pid)]
                return Result(asked=asked, timed=_measure(asked, workers), megabytes=processes.peak_mb(workers[0]))


def _alone(options: stack.Options, uri: str, key: str) -> stack.Options:
    """The least function that hands a score on, on a host of its own."""
    root = options.state / "alone"
    root.mkdir()
    (root / "function_app.py").write_text(ONWARD)
    (root / "host.json").write_bytes((options.root / "host.json").read_bytes())
    return dataclasses.replace(options, root=root, state=root, settings={"SCORING_URI": uri, "SCORING_KEY": key})


def _of_host(session: requests.Session, url: str) -> Asked:
    return Asked(
        name="POST score, the least function",
        send=lambda: session.post(f"{url}/score", json=ROWS, timeout=60),
        beside="POST score, without the app",
    )


def _of_libraries(connection: str) -> Asked:
    libraries = storage_speed.Libraries(connection)
    libraries.make_queue()
    return Asked(name=LIBRARIES, send=lambda: storage_speed.WORK["insert, message"](libraries))


def _session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=max(CALLERS)))
    return session


def _of_app(session: requests.Session, url: str) -> Iterator[Asked]:
    names = (f"{url}/{bodies.WORKSPACE}/computes/cpu{n}x" for n in itertools.count(1))
    later = {"Prefer": "respond-async"}
    followed = session.put(next(names), json=bodies.cluster(), headers=later, timeout=60).headers["Operation-Location"]
    yield Asked(name=LEAST, send=lambda: session.get(f"{url}/health", timeout=60))
    yield Asked(name="GET operations/{id}", send=lambda: session.get(followed, timeout=60))
    yield Asked(
        name="PUT computes/{c}, respond-async",
        send=lambda: session.put(next(names), json=bodies.cluster(), headers=later, timeout=60),
        beside=LIBRARIES,
    )
    yield Asked(
        name="PUT computes/{c}",
        send=lambda: session.put(next(names), json=bodies.cluster(), timeout=60),
        beside="PUT computes/{c}, without the app",
    )
    yield Asked(
        name="POST jobs",
        send=lambda: session.post(f"{url}/{bodies.WORKSPACE}/jobs", json=bodies.job(), timeout=60),
        beside="PUT jobs/{j}, without the app",
    )
    yield Asked(
        name="GET computes/{c}",
        send=lambda: session.get(f"{url}/{bodies.WORKSPACE}/computes/cpu0", timeout=60),
        beside="GET computes/{c}, without the app",
    )
    yield Asked(
        name="POST score",
        send=lambda: session.post(f"{url}/{bodies.ENDPOINT}/score", json=ROWS, timeout=60),
        beside="POST score, the least function",
    )


def _of_azure(session: requests.Session, uri: str, key: str) -> Iterator[Asked]:
    form = {"grant_type": "client_credentials", "client_id": scene.CLIENT_ID, "client_secret": scene.CLIENT_SECRET}
    signed_in = session.post(
        f"https://login.microsoftonline.com/{scene.TENANT_ID}/oauth2/token",
        data={**form, "resource": "https://management.azure.com/"},
        timeout=60,
    ).json()
    own, keyed = {"Authorization": f"Bearer {signed_in['access_token']}"}, {"Authorization": f"Bearer {key}"}
    names = (f"{ARM}/computes/direct{n}x?{VERSION}" for n in itertools.count(1))
    jobs = (f"{ARM}/jobs/direct{n}x?{VERSION}" for n in itertools.count(1))
    yield Asked(
        name="PUT computes/{c}, without the app",
        send=lambda: session.put(next(names), json=bodies.cluster(), headers=own, timeout=60),
    )
    yield Asked(
        name="PUT jobs/{j}, without the app", send=lambda: session.put(next(jobs), json=bodies.job(), headers=own, timeout=60)
    )
    yield Asked(
        name="GET computes/{c}, without the app",
        send=lambda: session.get(f"{ARM}/computes/cpu0?{VERSION}", headers=own, timeout=60),
    )
    yield Asked(
        name="POST score, without the app",
        send=lambda: session.post(uri, json=ROWS, headers=keyed, timeout=60),
    )


def _measure(asked: list[Asked], workers: list[int]) -> dict[tuple[str, int], Timed]:
    with ThreadPoolExecutor(max(CALLERS)) as pool:  # opens what is opened once, every connection
        for each in asked:
            list(pool.map(_once, [each] * 2 * max(CALLERS)))
    timed = {(each.name, callers): Timed() for callers in CALLERS for each in asked}
    for number in range(ROUNDS):
        for callers in CALLERS:
            with ThreadPoolExecutor(callers) as pool:
                for each in asked if number % 2 == 0 else reversed(asked):
                    kept = timed[each.name, callers]
                    before, began = sum(map(processes.cpu_s, workers)), time.perf_counter()
                    kept.seconds += pool.map(_once, [each] * EACH[callers])
                    kept.wall_s += time.perf_counter() - began
                    kept.worker_s += sum(map(processes.cpu_s, workers)) - before
    return timed


def _once(asked: Asked) -> float:
    began = time.perf_counter()
    answer = asked.send()
    took = time.perf_counter() - began
    if answer is not None and not answer.ok:
        message = f"{asked.name} was answered {answer.status_code}: {answer.text[:300]}"
        raise RuntimeError(message)
    return took
