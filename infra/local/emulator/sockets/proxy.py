"""The one port that clients know: an HTTPS CONNECT proxy for Azure's host names, and plain HTTP for the control routes.

It reads one request head per connection and then only copies bytes, so it knows nothing of what passes through.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_LOG = logging.getLogger("emulator.proxy")
_CHUNK = 1 << 16


class Proxy:
    """Copies connections to the TLS server (CONNECT to a known host) or the control server (everything else).

    Args:
        knows: whether the local Azure answers for a host name.
        tls_port: the TLS server's port on 127.0.0.1.
        control_port: the control server's port on 127.0.0.1.
    """

    def __init__(self, knows: Callable[[str], bool], *, tls_port: int, control_port: int) -> None:
        self._knows = knows
        self._tls_port = tls_port
        self._control_port = control_port
        self._connections: set[asyncio.Task[None]] = set()

    async def listen(self, port: int) -> asyncio.Server:
        """Listen on 127.0.0.1; port 0 takes a free one."""
        return await asyncio.start_server(self._serve, "127.0.0.1", port, limit=1 << 17, backlog=512)

    async def close(self) -> None:
        """End the open connections."""
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError):
            await self._pass_on(reader, writer)
        with contextlib.suppress(OSError):
            writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, _, rest = head.partition(b" ")
        target = rest.partition(b" ")[0].decode("latin-1")
        if method != b"CONNECT":
            if target.startswith("http://"):
                await _refuse(writer, f"plain http is not forwarded: {target[:200]}")
                return
            await self._join(reader, writer, self._control_port, head)
            return
        host, _, port = target.rpartition(":")
        if port != "443" or not self._knows(host.lower()):
            await _refuse(writer, f"the local Azure has no host {target[:200]}")
            return
        writer.write(b"HTTP/1.1 200 Connection Established\r\n\r\n")
        await writer.drain()
        if first := await reader.read(_CHUNK):  # a client that never speaks must not hold up the TLS server
            await self._join(reader, writer, self._tls_port, first)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int, first: bytes) -> None:
        _acknowledge_at_once(writer)
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            server_writer.write(first)
            await server_writer.drain()
            both = [
                asyncio.create_task(_copy(reader, server_writer, client=writer)),
                asyncio.create_task(_copy(server_reader, writer)),
            ]
            try:
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
                if both[0].done() and both[0].result():  # the client has said all; the answer may still come
                    await asyncio.wait(both, timeout=300)
            finally:
                for task in both:
                    task.cancel()
                await asyncio.gather(*both, return_exceptions=True)
        finally:
            with contextlib.suppress(OSError):
                server_writer.close()


def _acknowledge_at_once(writer: asyncio.StreamWriter) -> None:
    """Behind a proxy urllib3 leaves Nagle's algorithm on: without this a body would wait 40 ms for the head's delayed ACK."""
    if hasattr(socket, "TCP_QUICKACK"):  # Linux; it holds until the kernel changes its mind, so it is set again and again
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, client: asyncio.StreamWriter | None = None) -> bool:
    """Copy until the end; False when the connection broke: a client that was killed in its handshake would hold up the server."""
    with contextlib.suppress(OSError):
        while block := await reader.read(_CHUNK):
            if client is not None:
                _acknowledge_at_once(client)
            writer.write(block)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
        return True
    return False


async def _refuse(writer: asyncio.StreamWriter, why: str) -> None:
    _LOG.warning("refused: %s", why)
    body = f"{why}\n".encode()
    head = f"HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()
