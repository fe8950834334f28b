"""Transfer of files to blob storage: several at once, block by block, within limits for the whole process.

Not here: destinations and their SAS (places), reading the files (content).
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
FIRST_BLOCK = 8 * 1024 * 1024  # of early versions; a transfer keeps the block size that it began with
BLOCKS_LIMIT = 40_000  # of the 50,000 blocks that a blob may have
PUTS_AT_ONCE = 8  # for all transfers of a process
BYTES_AT_ONCE = 3 * BLOCK


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Progress of a transfer: number of complete files, and of blocks (of at least `block` bytes) of the next one."""

    block: int
    files: int = 0
    blocks: int = 0
    done: bool = False


def exists(place: Place, client: Client) -> bool:
    """Return whether a blob exists."""
    answer = client.send_signed("HEAD", place.signed, headers={"x-ms-version": azure_versions.STORAGE_DATA})
    return answer.status != 404 and bool(answer.checked())


def mark(place: Place, client: Client) -> None:
    """Write an empty blob."""
    _put(place, client, b"")


def transfer(members: Sequence[Member], place: Place, start: Progress, client: Client, overdue: Callable[[], bool]) -> Progress:
    """Upload files below a place, continuing an earlier attempt, until all are uploaded or `overdue` stops it.

    Files and blocks are read one after the other and uploaded several at once. A file of several blocks exists only when its
    list of blocks is committed. The returned progress counts only what has arrived.

    Raises:
        RejectedError: storage refused.
        TransientError: storage did not answer; uncommitted blocks stay for a week.
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
    """The running requests of one transfer; threads and memory are shared by the whole process.

    Leaving the context waits for all of them, so that no request runs on after the transfer has failed.
    """

    def __init__(self) -> None:
        self._going: deque[Future[None]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        wait(self._going)

    def begin(self, size: int, read: Callable[[], bytes], put: Callable[[bytes], None]) -> None:
        """Read at most `size` bytes when memory is available, and upload them in another thread.

        Raises:
            StewardError: an earlier request failed.
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
        """Wait for all requests.

        Raises:
            StewardError: a request failed.
        """
        while self._going:
            self._going.popleft().result()


class _Room:
    """The limits of this process: running requests, and their bytes in memory."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._requests = self._bytes = 0

    def take(self, size: int) -> None:
        """Wait until `size` bytes are available; a request above the limit runs alone."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._requests < PUTS_AT_ONCE and (not self._bytes or self._bytes + size <= BYTES_AT_ONCE)
            )
            self._requests += 1
            self._bytes += size

    def leave(self, size: int) -> None:
        """Release the memory of a request."""
        with self._changed:
            self._requests -= 1
            self._bytes -= size
            self._changed.notify_all()


_room = _Room()


def _put_and_leave(size: int, put: Callable[[bytes], None], held: list[bytes]) -> None:
    try:
        put(held.pop())  # no reference is left when its memory is released
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
