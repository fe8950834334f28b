"""The certificate authorities that connections trust, read once for all of them.

`requests` has urllib3 read the whole bundle again for every connection: 10 to 20 ms of processor time each, a good part of a cold
start and of every burst of callers. Which bundle it is stays `requests`' to say (`REQUESTS_CA_BUNDLE`, else certifi's), and so
does that names are checked. Not here: pools, what is sent (transport, durable.storage_pool).
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from requests.adapters import DEFAULT_CA_BUNDLE_PATH, HTTPAdapter
from urllib3.util.ssl_ import create_urllib3_context

if TYPE_CHECKING:
    import ssl


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
    bundle = Path(verify if isinstance(verify, str) else DEFAULT_CA_BUNDLE_PATH)
    return _context(bundle, bundle.stat().st_mtime_ns) if verify and bundle.is_file() else None


@lru_cache(maxsize=4)
def _context(bundle: Path, _changed_ns: int) -> ssl.SSLContext:
    """Read a bundle; once more when the file has changed."""
    context = create_urllib3_context()
    context.load_verify_locations(bundle)
    return context
