"""Receivers of notifications: a webhook, an Event Grid topic or a storage queue, each named by one string.

    https://hooks.contoso.com/ml       a webhook
    http://127.0.0.1:9000/ml           a local one
    eventgrid:https://TOPIC.REGION-1.eventgrid.azure.net/api/events
    queue:NAME                         a queue of the app's own storage account

Each must be listed in STEWARD_CALLBACK_HOSTS: a webhook or topic by its host (and port), a queue as it is written here.
A webhook is sent to the very address that was resolved and checked here, never to a private or link-local one, even if DNS
changes in between; redirects are not followed. Not here: the content (notices), retries (notifications).
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
import ssl
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from shared.rest import errors
from shared.telemetry import threads

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from shared.rest.clouds import Cloud

    LookUp = Callable[..., list[Any]]

TEXT_LIMIT = 2_048
LOOPBACK = "127.0.0.1"
NOT_TOLD = ("steward-", "azure-webjobs-")  # queues of the app and of the platform
CONNECT_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 20.0
DEADLINE_S = 30.0
ANSWER_LIMIT = 4 * 1024  # bytes of an answer that are read; only its status matters
_PLATFORM = ipaddress.ip_address("168.63.129.16")  # a public address, but the Azure wire server of virtual machines
_UNICAST = ipaddress.ip_network("2000::/3")  # the public IPv6 addresses (IANA)
_SPECIAL = tuple(  # special-purpose addresses (IANA) that the library counts as public
    map(ipaddress.ip_network, ("3fff::/20", "2001::/23", "192.88.99.0/24"))  # documentation, protocols, the old 6to4 relays
)
_ISATAP = (0x5EFE, 0x0200_5EFE)  # prefix of an IPv4 address in an IPv6 address (RFC 5214)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_HOST = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
_QUEUE = re.compile(r"[a-z0-9](?!.*--)[a-z0-9-]{1,61}[a-z0-9]")
_URL_CHARACTERS = re.compile(r"[!#$%&'()*+,\-./:;=?@\[\]_~0-9A-Za-z]+")

Way = Literal["webhook", "topic", "queue"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """A receiver of notifications.

    Attributes:
        text: The configured string; its query may hold a secret.
        url: The URL of a webhook or topic.
        host: The host in lower case, or the name of a queue.
    """

    way: Way
    text: str
    url: str = ""
    host: str = ""
    port: int = 443

    @property
    def shown(self) -> str:
        """The text without its query, for people and logs."""
        return self.text.partition("?")[0][:200]

    @property
    def is_local(self) -> bool:
        """Return whether it is a receiver on this machine."""
        return self.host == LOOPBACK


def parse(text: str, allowed: Collection[str], cloud: Cloud, *, field: str) -> Receiver:
    """Parse a receiver, and check by its name whether it is allowed.

    Args:
        text: The string, see above.
        allowed: Hosts of webhooks and topics, and queues: `hooks.contoso.com`, `*.contoso.com`, `127.0.0.1:9000`, `queue:NAME`;
            also a topic or queue in full, which the operator configured for every notification.
        cloud: The cloud whose Event Grid topics may get a token.
        field: The header or setting that holds it, for messages.

    Raises:
        BadRequestError: `InvalidCallback` or `CallbackNotAllowed`, with the field and the expected value.
    """
    if len(text) > TEXT_LIMIT or not _URL_CHARACTERS.fullmatch(text):
        message = f"'{field}' is not a URL; expected at most {TEXT_LIMIT} characters that are valid in a URL."
        raise errors.BadRequestError("InvalidCallback", message, target=field)
    if text.startswith("queue:"):
        name = text.removeprefix("queue:")
        if not _QUEUE.fullmatch(name) or name.startswith(NOT_TOLD):
            expected = "3 to 63 of a-z, 0-9 and -, and no queue of the app or the platform"
            message = f"'{field}' names the queue '{name[:63]}'; expected {expected}."
            raise errors.BadRequestError("InvalidCallback", message, target=field)
        if text not in allowed:
            raise _unlisted(field, text)
        return Receiver(way="queue", text=text, host=name)
    url = text.removeprefix("eventgrid:")
    scheme, host, port = _parts(url, field)
    if url != text and (scheme != "https" or port != 443 or not host.endswith(cloud.event_grid_suffix)):
        message = (
            f"'{field}' is not an Event Grid topic of {cloud.name}; expected https://TOPIC.REGION-1{cloud.event_grid_suffix}/…"
        )
        raise errors.BadRequestError("CallbackNotAllowed", message, target=field)
    named = url != text and text in allowed  # a topic that the operator configured for every notification
    if not named and not any(_listed(host, port, scheme, entry.strip().lower()) for entry in allowed):
        shown = host if port == 443 else f"{host}:{port}"
        raise _unlisted(field, f"{scheme}://{shown}")
    if url != text:
        return Receiver(way="topic", text=text, url=url, host=host)
    return Receiver(way="webhook", text=text, url=url, host=host, port=port)


def _unlisted(field: str, shown: str) -> errors.BadRequestError:
    lists = "webhooks (https) and topics by host, queues as queue:NAME"
    message = f"'{field}' leads to {shown}, which STEWARD_CALLBACK_HOSTS does not list. Ask the operator to add it: {lists}."
    return errors.BadRequestError("CallbackNotAllowed", message, target=field)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The outcome of one attempt.

    Attributes:
        status: The HTTP status, 0 without an answer.
        problem: Why there was no answer.
        retry_after_s: The wait that the receiver asked for.
    """

    status: int = 0
    problem: str = ""
    retry_after_s: float = 0.0

    @property
    def delivered(self) -> bool:
        """Return whether the receiver accepted it: only 2xx, not a redirect."""
        return 200 <= self.status < 300


def post(receiver: Receiver, content: bytes, headers: Mapping[str, str], *, look_up: LookUp | None = None) -> Outcome:
    """Send content to a webhook and return the outcome, also for a failure.

    The connection goes to the address that was checked; a later change of DNS has no effect.

    Args:
        receiver: As `parse` returned it.
        content: The body.
        headers: Request headers.
        look_up: `socket.getaddrinfo`, or a test's.
    """
    try:
        address = _address(receiver, look_up or socket.getaddrinfo)
        if address is None:
            return Outcome(problem=f"{receiver.host} resolves to an address that is not public; expected a public one")
        with _connected(address, receiver) as connection:
            return _exchange(connection, receiver, content, headers)
    except (OSError, HTTPException) as failure:
        return Outcome(problem=f"no answer: {type(failure).__name__}")


@contextmanager
def _connected(address: str, receiver: Receiver) -> Iterator[HTTPConnection]:
    """Connect, with TLS except to a local http receiver; the whole exchange ends after `DEADLINE_S`, even with a slow receiver."""
    secure = urlsplit(receiver.url).scheme == "https"
    channel = socket.create_connection((address, receiver.port), timeout=CONNECT_TIMEOUT_S)
    if secure:  # the handshake comes later: wrapping detaches the socket that the timer would close
        channel = _trust().wrap_socket(channel, server_hostname=receiver.host, do_handshake_on_connect=False)
    try:
        with threads.deadline(DEADLINE_S, partial(_end, channel)):
            if isinstance(channel, ssl.SSLSocket):
                channel.do_handshake()
            channel.settimeout(READ_TIMEOUT_S)
            connection = HTTPConnection(receiver.host, receiver.port)
            connection.default_port = 443 if secure else 80  # the default port, which the Host header omits
            connection.sock = channel
            try:
                yield connection
            finally:
                connection.close()
    finally:
        channel.close()


def _exchange(connection: HTTPConnection, receiver: Receiver, content: bytes, headers: Mapping[str, str]) -> Outcome:
    parts = urlsplit(receiver.url)
    connection.request(
        "POST", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), body=content, headers=dict(headers)
    )
    answer = connection.getresponse()
    answer.read(ANSWER_LIMIT)
    return Outcome(status=answer.status, retry_after_s=_seconds(answer.getheader("Retry-After") or ""))


def _end(channel: socket.socket) -> None:
    """Shut a connection down so that its reader sees the end, without a TLS close."""
    with suppress(OSError):
        socket.socket.shutdown(channel, socket.SHUT_RDWR)


def _trust() -> ssl.SSLContext:
    """Return the TLS context with the same certificate authorities as for requests to Azure."""
    import certifi

    return ssl.create_default_context(cafile=os.environ.get("REQUESTS_CA_BUNDLE") or certifi.where())


def _seconds(text: str) -> float:
    return min(float(text), 86_400.0) if text.strip().isdecimal() and len(text) < 8 else 0.0


def _address(receiver: Receiver, look_up: LookUp) -> str | None:
    """Return the address to connect to, None when any address of the name is not public: mixed addresses suggest an attack."""
    if receiver.is_local:
        return LOOPBACK
    found = [entry[4][0] for entry in look_up(receiver.host, receiver.port, type=socket.SOCK_STREAM)]
    return found[0] if found and all(is_public(each) for each in found) else None


def is_public(address: str) -> bool:
    """Return whether an address is public: not private, loopback, link-local or shared, also when embedded in IPv6."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    inner = [found]
    if isinstance(found, ipaddress.IPv6Address):
        inner += [each for each in (found.ipv4_mapped, found.sixtofour, found.teredo[1] if found.teredo else None) if each]
        if found in _NAT64:
            inner.append(ipaddress.IPv4Address(int(found) & 0xFFFFFFFF))
        elif found.ipv4_mapped is None and found not in _UNICAST:  # `::127.0.0.1`, `::ffff:0:127.0.0.1`, site-local
            return False
        elif int(found) >> 32 & 0xFFFFFFFF in _ISATAP:
            inner.append(ipaddress.IPv4Address(int(found) & 0xFFFFFFFF))
    special = any(each in network for each in inner for network in _SPECIAL if each.version == network.version)
    return not special and all(each.is_global and not each.is_multicast and each != _PLATFORM for each in inner)


def _parts(url: str, field: str) -> tuple[str, str, int]:
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        host, port, parts = "", None, urlsplit("")
    plain_authority = parts.netloc.lower() in (host, f"{host}:{port}")
    if parts.scheme not in ("https", "http") or not _HOST.fullmatch(host) or not plain_authority or parts.fragment:
        message = f"'{field}' is not a receiver's URL; expected https://host/path without user, address or fragment."
        raise errors.BadRequestError("InvalidCallback", message, target=field)
    return parts.scheme, host, port or (443 if parts.scheme == "https" else 80)


def _listed(host: str, port: int, scheme: str, entry: str) -> bool:
    named, _, named_port = entry.partition(":")
    if host == LOOPBACK:
        return named == LOOPBACK and named_port == str(port)
    if scheme != "https" or "." not in host or _is_address(host) or str(port) != (named_port or "443"):
        return False
    return host.endswith(named[1:]) and host != named[2:] if named.startswith("*.") else host == named


def _is_address(host: str) -> bool:
    """Return whether a host is an IP address in any form that resolvers accept: dotted, short, octal or a number."""
    return all(re.fullmatch(r"\d+|0x[0-9a-f]*", label) for label in host.split("."))
