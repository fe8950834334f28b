"""What could not be processed is shown with its reason, and discarded one by one."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from shared.durable import poison, unreadable
from shared.rest import errors
from tests.fakes import FakeBlobs, Fuse

QUEUE = "steward-operations"
AT = datetime(2026, 11, 30, 8, tzinfo=UTC)


@dataclass
class Held:
    """A poison queue, and the blobs."""

    messages: list[Any] = field(default_factory=list)
    hidden: int = 0
    blobs: FakeBlobs = field(default_factory=lambda: FakeBlobs(Fuse()))

    def poison_queue(self, name: str) -> Any:
        """See `Services.poison_queue`."""
        held = self.messages if name == QUEUE else []
        hidden = self.hidden if name == QUEUE else 0
        return SimpleNamespace(peek=lambda: held, discard=self.discard, hidden=lambda _shown: hidden, clear=self.clear)

    def clear(self) -> None:
        """See `PoisonQueue.clear`."""
        self.messages.clear()
        self.hidden = 0

    def discard(self, message_id: str) -> bool:
        """See `PoisonQueue.discard`."""
        known = [each for each in self.messages if each.id == message_id]
        for each in known:
            self.messages.remove(each)
        return bool(known)


@pytest.fixture
def app() -> Held:
    """One message of each sort, and one blob of each folder."""
    made = Held()
    for name, text in (
        ("m1", base64.b64encode(b'{"operation": "p-1", "key": "x", "password": "hunter2"}').decode()),
        ("m2", "not base64!"),
    ):
        made.messages.append(SimpleNamespace(id=name, content=text, inserted_on=AT, dequeue_count=0))
    unreadable.bury(QUEUE, "?" * 300, ValueError("no JSON"), made.blobs)
    content = {"reason": "no event", "at": "2026-11-30T08:00:00Z", "message": "[]"}
    made.blobs.put("hooks/dead/20261130T080000Z-abc.json", json.dumps(content).encode())
    made.blobs.put("cleanup/prices.csv", b"a,1")
    return made


def test_each_is_shown_with_its_beginning_and_why_it_is_there(app: Held) -> None:
    """A message that the platform cannot read says so; secrets are masked."""
    first, second, buried, event = poison.listed([QUEUE, "steward-cleanup"], app)
    assert (first["place"], first["at"], first["reason"]) == (f"{QUEUE}-poison", "2026-11-30T08:00:00Z", poison.READABLE)
    assert "p-1" in first["text"]
    assert "hunter2" not in first["text"]
    assert (second["text"], second["reason"]) == ("not base64!", poison.UNREADABLE)
    assert (buried["text"], buried["reason"]) == ("?" * poison.SHOWN, "ValueError: no JSON")
    assert (event["reason"], event["at"]) == ("no event", "2026-11-30T08:00:00Z")


def test_each_is_discarded_by_its_id(app: Held) -> None:
    """All that is listed can be removed, and is gone then."""
    for each in poison.listed([QUEUE], app):
        poison.discard(each["id"], [QUEUE], app)
    assert poison.listed([QUEUE], app) == []
    assert app.blobs.get("cleanup/prices.csv")


@pytest.mark.parametrize(
    "poison_id",
    [
        "",
        "x",
        f"{QUEUE}~none",
        "other-queue~m1",
        "cleanup~prices.csv",
        "poison~",
        "poison~..~cleanup~prices.csv",
        "hooks~dead~none.json",
        "hooks~dead~..~..~recipes~x.json",
        "poison~%2e%2e~recipes~x.json",
        "hooks~dead~.~20261130T080000Z-abc.json",
    ],
)
def test_nothing_else_can_be_removed(app: Held, poison_id: str) -> None:
    """A name that is not on the list removes nothing."""
    with pytest.raises(errors.BadRequestError) as refused:
        poison.discard(poison_id, [QUEUE], app)
    assert (refused.value.status, refused.value.error.code) == (404, "PoisonNotFound")
    assert len(poison.listed([QUEUE], app)) == 4


@pytest.mark.parametrize(("hidden", "said"), [(1, "1 message out of sight"), (3, "3 messages out of sight")])
def test_what_the_platform_holds_and_cannot_read_is_shown_and_can_be_removed(app: Held, hidden: int, said: str) -> None:
    """A message that is no base64 is hidden nearly all the time: it is counted, and the queue can be emptied (C22)."""
    with pytest.raises(errors.BadRequestError):
        poison.discard(f"{QUEUE}~hidden", [QUEUE], app)
    app.hidden = hidden
    first = poison.listed([QUEUE], app)[0]
    assert (first["id"], first["text"]) == (f"{QUEUE}~hidden", said)
    assert "not base64" in first["reason"]
    poison.discard(first["id"], [QUEUE], app)
    assert [each["place"] for each in poison.listed([QUEUE], app) if each["place"].endswith("-poison")] == []
