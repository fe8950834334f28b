"""A storm: one subscriber is sent many events at a set rate, some twice, out of order, and some that are none.

What was sent can be read afterwards, so that a test can count. Not here: the deliveries themselves, which go as any other's.
"""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from infra.local.emulator.events import happened

if TYPE_CHECKING:
    from infra.local.emulator.world import World

MALFORMED: tuple[bytes, ...] = (
    b"",
    b"null",
    b"{",
    b"[]",
    b"\xff\xfe\x00",
    b'"text"',
    b'{"id": 1, "eventType": "x"}',
    b'{"id": "", "eventType": "Microsoft.MachineLearningServices.ModelRegistered"}',
    b'{"specversion": "0.3", "id": "a", "source": "b", "type": "c"}',
    b'{"version": 99, "events": []}',
    b'{"firing": "../../etc/passwd"}',
    b'{"version": 1, "blob": "hooks/rules/a.yaml"}',
    b"[" * 100_000,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Storm:
    """What is asked for.

    Attributes:
        subscription: ARM id of the subscriber.
        rate: events per second, 0 for as fast as it goes.
        duplicated, malformed: how many of them, from 0 to 1.
        window: events are shuffled within so many.
        name: begins the ids and model names, so that two storms differ.
    """

    subscription: str
    workspace: str
    count: int = 100
    rate: float = 0.0
    duplicated: float = 0.0
    malformed: float = 0.0
    window: int = 1
    name: str = "storm"
    tags: dict[str, str] = field(default_factory=dict)
    seed: int = 1


@dataclass(slots=True)
class Told:
    """How far a storm is."""

    events: int = 0
    sent: int = 0
    malformed: int = 0
    done: bool = False


def begin(world: World, asked: Storm) -> Told:
    """Start one in the background.

    Raises:
        KeyError: there is no such subscription.
    """
    found = world.grid.get(asked.subscription)
    if found is None:
        raise KeyError(asked.subscription)
    contents = _contents(world, asked, found.schema)
    told = Told(events=asked.count)

    def blow() -> None:
        began = time.monotonic()
        for n, content in enumerate(contents):
            if asked.rate:
                time.sleep(max(0.0, began + n / asked.rate - time.monotonic()))
            try:
                world.grid.deliver(asked.subscription, content)
            except KeyError:  # it was deleted meanwhile
                break
            told.sent += 1
            told.malformed += isinstance(content, bytes)
        told.done = True

    threading.Thread(target=blow, daemon=True).start()
    return told


def _contents(world: World, asked: Storm, schema: str) -> list[Any]:
    chance = random.Random(asked.seed)  # noqa: S311 - a storm is to be the same each time
    contents: list[Any] = []
    for n in range(1, asked.count + 1):
        event = happened.Event(
            id=f"{asked.name}-{n}",
            type=f"{happened.ML}.ModelRegistered",
            topics=(asked.workspace,),
            subject=f"models/{asked.name}:{n}",
            at=world.now(),
            data={"ModelName": asked.name, "ModelVersion": n, "ModelTags": asked.tags, "ModelProperties": {}},
        )
        contents += [event.to_json(schema, asked.workspace)] * (2 if chance.random() < asked.duplicated else 1)
        if chance.random() < asked.malformed:
            contents.append(chance.choice(MALFORMED))
    window = max(1, asked.window)
    for at in range(0, len(contents), window):
        part = contents[at : at + window]
        chance.shuffle(part)
        contents[at : at + window] = part
    return contents
