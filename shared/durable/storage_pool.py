"""The app's connections to its own storage: one pool for tables, queues and blobs, as large as its threads may need.

azure-core makes a pool of ten for every client, and each table is a client: what comes in by an eleventh thread is a new TLS
handshake, and a connection thrown away after it. Not here: the wire to Azure ML (rest.transport), what is stored (storage).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests
    from azure.core.pipeline.transport import RequestsTransport

    from shared.rest.trust import Ways

CONNECT_TIMEOUT_S = 20
READ_TIMEOUT_S = 9  # a write, the look whether it arrived, and one more look: no caller waits for longer than 30 seconds
BLOCK = 256 * 1024  # bytes of a download read at a time


@dataclass(frozen=True, kw_only=True)
class Connections:
    """All connections of a process to its storage, and how patient it is with them.

    Attributes:
        session: Them.
        heard: Takes the `Date` of each answer, and how many seconds it took.
        connect_s: How long a server may take to be reached.
        read_s: How long it may take between two bytes of an answer.
        again: Whether what fails is tried again.
    """

    session: requests.Session
    heard: Callable[[str, float], None] | None
    connect_s: float
    read_s: float
    again: bool

    @cached_property
    def ways(self) -> Ways:
        """How its servers are reached."""
        from shared.rest.trust import Ways

        return Ways(self.session)

    @cached_property
    def options(self) -> dict[str, Any]:
        """What clients of Azure's libraries are opened with: they try again what fails at once; of what is silent little.

        The libraries' own patience would hold a caller for minutes (https://github.com/Azure/azure-sdk-for-python/issues/39580).
        """
        from azure.core.pipeline.transport import RequestsTransport

        transport: RequestsTransport = RequestsTransport(
            session=self.session, connection_timeout=self.connect_s, read_timeout=self.read_s, connection_data_block_size=BLOCK
        )
        waits = {"initial_backoff": 1, "increment_base": 1, "random_jitter_range": 0}
        return {"transport": transport, "retry_total": int(self.again), **waits}


def pooled(
    threads: int,
    heard: Callable[[str, float], None] | None = None,
    *,
    connect_s: float = CONNECT_TIMEOUT_S,
    read_s: float | None = None,
    again: bool = True,
) -> Connections:
    """Return the connections of all storage clients of a process; see `Connections`.

    Args:
        threads: How many may use them at once, of each kind: HTTP requests and queue messages have a pool of threads each.
        heard: Takes the `Date` of each answer, and how many seconds it took.
        connect_s: How long a server may take to be reached.
        read_s: How long it may take between two bytes of an answer; None for `READ_TIMEOUT_S`.
        again: Whether what fails is tried again.
    """
    import requests
    from urllib3.util import Retry

    from shared.rest.trust import TrustingAdapter

    session = requests.Session()
    once = Retry(total=False, redirect=False, raise_on_status=False)  # who uses them tries again
    for scheme in ("https://", "http://"):
        session.mount(scheme, TrustingAdapter(pool_maxsize=2 * threads, max_retries=once))
    if heard:
        session.hooks["response"].append(lambda answer, **_: heard(answer.headers.get("Date", ""), answer.elapsed.total_seconds()))
    silent_s = READ_TIMEOUT_S if read_s is None else read_s
    return Connections(session=session, heard=heard, connect_s=connect_s, read_s=silent_s, again=again)
