"""How servers are reached, worked out once for each; and the certificate authorities that connections trust, read once for all.

`requests` has urllib3 read the whole bundle again for every connection: 10 to 20 ms of processor time each, a good part of a cold
start and of every burst of callers. Which bundle it is stays `requests`' to say (`REQUESTS_CA_BUNDLE`, else certifi's), and so
do the proxy, and that names are checked. Not here: pools, what is sent (transport, durable.storage_pool).
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import requests
from requests.adapters import DEFAULT_CA_BUNDLE_PATH, HTTPAdapter
from urllib3.util.ssl_ import create_urllib3_context

if TYPE_CHECKING:
    import ssl

    from urllib3.connectionpool import HTTPConnectionPool


class Way(NamedTuple):
    """How a server is reached.

    Attributes:
        pool: The connections to it.
        before: What a request's target begins with: the server's address where a proxy is asked for it, else ''.
        bundle: The certificate authorities that are trusted.
        changed_ns: When that file was changed last.
    """

    pool: HTTPConnectionPool
    before: str
    bundle: Path
    changed_ns: int


class Ways:
    """The ways of a session's servers, as `requests` finds them in this environment: half of what `requests` itself costs."""

    def __init__(self, session: requests.Session) -> None:
        self._session = session
        self._known: dict[str, Way] = {}

    def to(self, base: str) -> Way:
        """Return the way to a server, by scheme and authority.

        Raises:
            RequestException: it has no such name.
        """
        way = self._known.get(base)
        if way is None or way.pool.pool is None or way.changed_ns != _changed_ns(way.bundle):  # closed: one of many servers
            way = self._known[base] = self._find(base)
        return way

    def forget(self, base: str) -> None:
        """Find the way to a server again: the proxy may be another one by now."""
        self._known.pop(base, None)

    def _find(self, base: str) -> Way:
        request = self._session.prepare_request(requests.Request("GET", f"{base}/"))
        said: Any = self._session.merge_environment_settings(request.url, {}, None, None, None)
        verify, proxies = said["verify"], said["proxies"]
        adapter: Any = self._session.get_adapter(f"{base}/")
        bundle = _bundle(verify)
        changed_ns = _changed_ns(bundle)
        pool = adapter.get_connection_with_tls_context(request, verify, proxies=proxies, cert=None)
        adapter.cert_verify(pool, request.url, verify, None)
        target = adapter.request_url(request, proxies)
        return Way(pool, target.removesuffix("/") if "://" in target else "", bundle, changed_ns)


class TrustingAdapter(HTTPAdapter):
    """An adapter whose connections share what they trust."""

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> tuple[Any, Any]:
        """Name the shared context among what a pool is made with."""
        host, pool = super().build_connection_pool_key_attributes(request, verify, cert)
        kept: dict[str, Any] = {**pool}
        if context := _context_for(verify):
            kept.pop("ca_certs", None)
            kept["ssl_context"] = context
        return host, kept

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Keep urllib3 from reading the bundle into the context again; a proxy that speaks TLS itself needs it by name."""
        shared = getattr(conn, "conn_kw", {}).get("ssl_context") is not None
        by_tls = getattr(conn, "proxy", None) is not None and conn.proxy.scheme == "https"
        if shared and not by_tls and not cert:
            conn.cert_reqs = "CERT_REQUIRED"
        else:
            super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]


def _context_for(verify: Any) -> ssl.SSLContext | None:
    """Return the context of a bundle; None when there is nothing to share (no check, a folder, no such file)."""
    bundle = _bundle(verify)
    return _context(bundle, bundle.stat().st_mtime_ns) if verify and bundle.is_file() else None


def _bundle(verify: Any) -> Path:
    return Path(verify if isinstance(verify, str) else DEFAULT_CA_BUNDLE_PATH)


def _changed_ns(bundle: Path) -> int:
    """Return when a bundle was changed last, 0 when there is no such file."""
    try:
        return bundle.stat().st_mtime_ns
    except OSError:
        return 0


@lru_cache(maxsize=4)
def _context(bundle: Path, _changed_ns: int) -> ssl.SSLContext:
    """Read a bundle; once more when the file has changed."""
    context = create_urllib3_context()
    context.load_verify_locations(bundle)
    return context
