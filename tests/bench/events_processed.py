"""Events of the queue taken in by one process, 20 rules looking at each: CPU seconds and storage calls, beside the least there is.

The least: reading the message's JSON, and the same conditions over the same event by the jmespath library itself; nothing asks
storage there. Both sides alternate. Not here: accepting events (events).
"""

from __future__ import annotations

import contextlib
import json
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jmespath

from infra.local import stack
from shared import services
from shared.hooks import events, inbox, rule_store
from shared.settings import Settings
from tests.bench import storage_calls
from tests.bench.events import BATCH, WORKSPACE_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MESSAGES = 10  # of a round
ROUNDS = 5
CONDITION = "data.modelTags.stage == 'production' && starts_with(data.modelName, 'model{}')"
RULE = """
  - name: rule{n}
    on: {{types: [{types}], subjects: ["models/*"]}}
    if: {condition}
    do: {{request: "PUT workspaces/ml-bench/models/x/versions/1", body: {{properties: {{modelUri: x}}}}}}
"""
ASKED = {"no rule wants it": "RunCompleted", "20 rules look, none fires": "ModelRegistered"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Processed:
    """What a batch of events came to.

    Attributes:
        per_s: Events a second, by CPU time.
        least_per_s: The same where the message is only read, and the conditions judged.
        calls: Storage calls a message.
    """

    per_s: float
    least_per_s: float
    calls: float


def run() -> dict[str, Processed]:
    """Return what each sort of rules makes of the same events."""
    with tempfile.TemporaryDirectory() as state, _app(Path(state)) as (app, meter):
        return {name: _measured(types, app, meter) for name, types in ASKED.items()}


@contextlib.contextmanager
def _app(state: Path) -> Iterator[tuple[services.Services, storage_calls.Meter]]:
    meter = storage_calls.Meter()
    with stack.start_storage(stack.Options(state=state)) as storage, contextlib.ExitStack() as open_:
        through: dict[str, Any] = {}
        for service in ("blob", "table"):
            server = storage_calls.Counting(getattr(storage, f"{service}_port"), meter.watch(service))
            open_.callback(server.shutdown)
            through[f"{service}_port"] = server.server_address[1]
        yield services.Services(settings=Settings(storage=replace(storage, **through).connection_string())), meter


def _measured(types: str, app: services.Services, meter: storage_calls.Meter) -> Processed:
    rules = "rules:" + "".join(RULE.format(n=n, types=types, condition=CONDITION.format(n)) for n in range(20))
    app.blobs.put(f"{rule_store.PREFIX}bench.yaml", rules.encode())
    app.rule_store.changed()
    app.ledger.open_on()  # opens its tables
    texts = [text for number in range(MESSAGES) for text in events.packed(_events(number))]
    conditions = [jmespath.compile(CONDITION.format(n)) for n in range(20 if types == "ModelRegistered" else 0)]
    stored_at = app.clock()
    inbox.take(texts[0], app)
    while app.clock() < stored_at + rule_store.CLOCK * 2:  # the messages lie there, as they do where many are to be taken in
        time.sleep(0.1)
    inbox.take(texts[0], app, app.clock())
    meter.settled()
    ours, least = 0.0, 0.0
    for _ in range(ROUNDS):
        ours += _cpu(texts, lambda text: inbox.take(text, app, stored_at))
        least += _cpu(texts, lambda text: _least(text, conditions))
    count = ROUNDS * MESSAGES * BATCH
    calls = meter.settled().total() / (ROUNDS * len(texts))
    return Processed(per_s=count / ours, least_per_s=count / least, calls=calls)


def _events(number: int) -> list[events.Event]:
    data = {"ModelName": "flat-prices", "ModelVersion": "1", "ModelTags": {"stage": "test"}, "ModelProperties": {}}
    kind = "Microsoft.MachineLearningServices.ModelRegistered"
    return [
        events.Event(id=f"{number}-{n}", source=WORKSPACE_ID, type=kind, subject=f"models/flat-prices:{n}", data=data)
        for n in range(BATCH)
    ]


def _least(text: str, conditions: list[jmespath.parser.ParsedResult]) -> None:
    for event in json.loads(text)["events"]:
        seen = {**event, "data": {f"{name[:1].lower()}{name[1:]}": value for name, value in event["data"].items()}}
        for condition in conditions:
            condition.search(seen)


def _cpu(texts: list[str], take: Callable[[str], None]) -> float:
    began = time.process_time()
    for text in texts:
        take(text)
    return time.process_time() - began
