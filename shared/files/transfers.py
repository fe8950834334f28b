"""Files on their way into blob storage: several at once, block by block, within bounds that hold for the whole process.

Not here: where they go and by what proof (places), what is read (content).
"""

from __future__ import annotations

import threading
from base64 import b64encode
from collections import deque
from concurrent.futures import Future, wait
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import TYPE_CHECKING, Self
from urllib.parse import quote

from shared.rest import azure_versions
from shared.telemetry import threads

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shared.files.content import Member
    from shared.files.places import Place
    from shared.rest.client import Client

BLOCK = 4 * 1024 * 1024  # bytes
FIRST_BLOCK = 8 * 1024 * 1024  # of the first versions; a transfer goes on with the blocks that it began with
BLOCKS_LIMIT = 40_000  # of the 50,000 that a blob may have
PUTS_AT_ONCE = 8  # of a process, whatever it transfers
BYTES_AT_ONCE = 3 * BLOCK


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a transfer got: whole files, and blocks (of `block` bytes at least) of the next one."""

    block: int
    files: int = 0
    blocks: int = 0
    done: bool = False


def exists(place: Place, client: Client) -> bool:
    """Return whether a blob is there."""
    answer = client.send_signed("HEAD", place.signed, headers={"x-ms-version": azure_versions.STORAGE_DATA})
    return answer.status != 404 and bool(answer.checked())


def mark(place: Place, client: Client) -> None:
    """Write an empty blob."""
    _put(place, client, b"")


def transfer(members: Sequence[Member], place: Place, start: Progress, client: Client, overdue: Callable[[], bool]) -> Progress:
    """Put files below a place, from where an earlier attempt got to, until all are there or `overdue` says to stop.

    They are read one after the other and put several at once: files and blocks alike. A file of several blocks exists only
    when its list of blocks is committed. What is returned has arrived, all of it.

    Raises:
        RejectedError: storage refused.
        TransientError: it did not answer; blocks that arrived stay for a week.
    """
    at = start
    with _Puts() as puts:
        while at.files < len(members):
            member = members[at.files]
            block = max(at.block, -(-member.size // BLOCKS_LIMIT))
            target = place.below(member.name)
            with member.open() as stream:
                if member.size <= block:
                    puts.begin(member.size, partial(stream.read, block), partial(_put, target, client))
                    at = Progress(block=at.block, files=at.files + 1)
                else:
                    stream.seek(at.blocks * block)
                    while at.blocks * block < member.size:
                        operation = f"&comp=block&blockid={_block_id(at.blocks)}"
                        put = partial(_put, target, client, operation=operation)
                        puts.begin(block, partial(stream.read, block), put)
                        at = replace(at, blocks=at.blocks + 1)
                        if overdue():
                            puts.wait()
                            return at
                    puts.wait()
                    _put(target, client, _block_list(at.blocks), operation="&comp=blocklist")
                    at = Progress(block=at.block, files=at.files + 1)
            if overdue():
                break
        puts.wait()
    return replace(at, done=at.files >= len(members))


class _Puts:
    """Requests under way for one transfer; their threads and their memory are the whole process's.

    Leaving waits for all of them, so that nothing of a transfer goes on after it has failed.
    """

    def __init__(self) -> None:
        self._going: deque[Future[None]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        wait(self._going)

    def begin(self, size: int, read: Callable[[], bytes], put: Callable[[bytes], None]) -> None:
        """Read at most `size` bytes when there is room for them and put them in another thread.

        Raises:
            StewardError: an earlier one failed.
        """
        while self._going and self._going[0].done():
            self._going.popleft().result()
        _room.take(size)
        try:
            self._going.append(_threads().submit(_put_and_leave, size, put, [read()]))
        except BaseException:
            _room.leave(size)
            raise

    def wait(self) -> None:
        """Wait for all of them.

        Raises:
            StewardError: one failed.
        """
        while self._going:
            self._going.popleft().result()


class _Room:
    """How many requests may be under way in this process, and how many bytes of theirs in memory."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._requests = self._bytes = 0

    def take(self, size: int) -> None:
        """Wait until there is room; what is larger than all of it gets it alone."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._requests < PUTS_AT_ONCE and (not self._bytes or self._bytes + size <= BYTES_AT_ONCE)
            )
            self._requests += 1
            self._bytes += size

    def leave(self, size: int) -> None:
        """Make room for others."""
        with self._changed:
            self._requests -= 1
            self._bytes -= size
            self._changed.notify_all()


_room = _Room()


def _put_and_leave(size: int, put: Callable[[bytes], None], held: list[bytes]) -> None:
    try:
        put(held.pop())  # no frame and no list holds it when others are given its room
    finally:
        _room.leave(size)


@cache
def _threads() -> threads.Pool:
    return threads.Pool(max_workers=PUTS_AT_ONCE, thread_name_prefix="put")


def _put(target: Place, client: Client, content: bytes, *, operation: str = "") -> None:
    headers = {"x-ms-version": azure_versions.STORAGE_DATA, **({} if operation else {"x-ms-blob-type": "BlockBlob"})}
    client.send_signed("PUT", f"{target.signed}{operation}", content=content, headers=headers).checked()


def _block_id(number: int) -> str:
    return quote(b64encode(b"%08d" % number).decode(), safe="")


def _block_list(count: int) -> bytes:
    blocks = "".join(f"<Latest>{b64encode(b'%08d' % number).decode()}</Latest>" for number in range(count))
    return f'<?xml version="1.0" encoding="utf-8"?><BlockList>{blocks}</BlockList>'.encode()
