"""A wire to test on: a CONNECT proxy that is every Azure host at once, with scripted answers and real TLS.

Not here: what the answers are (the tests).
"""

from __future__ import annotations

import contextlib
import datetime as dt
import socket
import socketserver
import ssl
import struct
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

STORAGE = tuple(f"*.{sort}.core.windows.net" for sort in ("blob", "queue", "table"))
HOSTS = ("management.azure.com", "*.api.azureml.ms", *STORAGE, "*.westeurope.inference.ml.azure.com")
RESET = b"RESET"
TRICKLE = b"TRICKLE"
CLOSE = b"CLOSE"


@dataclass(frozen=True)
class Seen:
    """One request as it came off the wire."""

    host: str
    line: str
    headers: dict[str, str]
    body: bytes
    connection: int


@dataclass
class Wire:
    """Answers in order; `RESET` and `CLOSE` end the connection, instead of an answer or after it; `TRICKLE` goes on for ever.

    Attributes:
        reads_slowly: A byte of each request's body at a time.
        over: The test is.
    """

    port: int = 0
    answers: list[list[bytes]] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    refuse_tunnel: bytes = b""
    connections: int = 0
    reads_slowly: bool = False
    over: threading.Event = field(default_factory=threading.Event)

    def will(self, *steps: bytes) -> None:
        """Answer the next request with `steps`."""
        self.answers.append(list(steps))

    def next(self) -> list[bytes]:
        """Return what the next request gets."""
        return self.answers.pop(0) if self.answers else [answer(200, b"{}")]


def answer(status: int, body: bytes = b"", *, media: str = "application/json", **headers: str) -> bytes:
    """Return a raw HTTP answer; `retry_after="5"` becomes `retry-after: 5`."""
    lines = [f"HTTP/1.1 {status} Reason", f"Content-Length: {len(body)}"]
    lines += [f"Content-Type: {media}"] if media else []
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


class _Handler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        wire, context = self.server.wire, self.server.context
        wire.connections += 1
        number, raw = wire.connections, self.request
        with contextlib.suppress(OSError):
            head = _read_head(raw.recv)
            if wire.refuse_tunnel:
                raw.sendall(wire.refuse_tunnel)
                return
            host = head[0].split()[1].rpartition(":")[0]
            raw.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            with context.wrap_socket(raw, server_side=True) as secure:
                while self._exchange(wire, secure, host, number):
                    pass

    def _exchange(self, wire: Wire, secure: ssl.SSLSocket, host: str, number: int) -> bool:
        lines = _read_head(secure.recv)
        if not lines:
            return False
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)}
        body = b""
        while wire.reads_slowly and not wire.over.wait(0.02):
            secure.recv(1)
        while len(body) < int(headers.get("content-length", "0")):
            piece = secure.recv(65536)
            if not piece:  # the caller went away
                return False
            body += piece
        wire.seen.append(Seen(host=host, line=lines[0], headers=headers, body=body, connection=number))
        for step in wire.next():
            if step == TRICKLE:
                while not wire.over.wait(0.02):
                    secure.sendall(b"x")
                return False
            if step == RESET:
                secure.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return False
            if step == CLOSE:
                return False
            secure.sendall(step)
        return True


def _read_head(recv) -> list[str]:
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        piece = recv(1)
        if not piece:
            return []
        data += piece
    return data.decode("latin-1").split("\r\n")


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


def certify(path: Path) -> Path:
    """Write one self-signed certificate for every host, with its key, and return its path."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "wire")])
    start = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=36_500))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in HOSTS]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    path.write_bytes(built.public_bytes(serialization.Encoding.PEM) + secret)
    return path


@contextlib.contextmanager
def running(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    """A running wire that `requests` reaches through the proxy variables, as the app does locally."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.wire, server.context = Wire(port=server.server_address[1]), context
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        for name in ("HTTPS_PROXY", "https_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{server.wire.port}")
        for name in ("NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        yield server.wire
        server.wire.over.set()
        server.shutdown()
        thread.join()
