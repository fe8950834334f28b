"""The sockets behind the proxy: one TLS server for every Azure host name, one plain server for the control routes.

Requests to storage hosts are handed on to Azurite as streams with their Host kept (Azurite reads the account from it).
"""

from __future__ import annotations

import contextlib
import http.client
import logging
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING, Any

import certifi
import trustme
from cheroot import server as cheroot
from cheroot import wsgi
from cheroot.ssl.builtin import BuiltinSSLAdapter

from infra.local.emulator import clouds, web
from infra.local.emulator.authorization import delegation, storage
from infra.local.emulator.sockets import app as app_module

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from infra.local.emulator.sockets.app import App

_LOG = logging.getLogger("emulator.server")
_CHUNK = 1 << 18
_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "proxy-connection"})
type StartResponse = Callable[..., Any]
type Environ = dict[str, Any]


class Authority:
    """A throw-away certificate authority: a certificate for each host name, made when it is first asked for."""

    def __init__(self) -> None:
        self._ca = trustme.CA(organization_name="Local Azure (throw-away)")
        self._lock = threading.Lock()
        self._contexts: dict[str, ssl.SSLContext] = {}

    def write_bundle(self, path: Path, *, public: bool) -> None:
        """Write this authority to a file, with the public roots in front, so that one environment variable suffices; or alone."""
        roots = certifi.contents() if public else ""
        own = self._ca.cert_pem.bytes().decode()
        path.write_text(f"{roots}\n# The local Azure's throw-away authority\n{own}", encoding="utf-8")

    def context(self, host: str) -> ssl.SSLContext:
        """The server context for a host name."""
        with self._lock:
            if host not in self._contexts:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                self._ca.issue_cert(host).configure_cert(context)
                self._contexts[host] = context
            return self._contexts[host]

    def adapter(self, state: Path) -> BuiltinSSLAdapter:
        """What cheroot needs to serve every host name."""
        leaf = self._ca.issue_cert("localhost")
        certificate, key = state / "server.pem", state / "server.key"
        leaf.cert_chain_pems[0].write_to_path(str(certificate))
        leaf.private_key_pem.write_to_path(str(key))
        adapter = BuiltinSSLAdapter(str(certificate), str(key))

        def choose(connection: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
            if name:
                connection.context = self.context(name.lower())

        adapter.context.sni_callback = choose
        return adapter


class _Gateway(wsgi.Gateway_10):
    """Puts the connection into the environ, so that a fault can close it, and the headers as they came: names with `_` too."""

    def get_environ(self) -> Environ:  # type: ignore[override]  # cheroot's stub says None
        environ: Environ = super().get_environ()  # type: ignore[no-untyped-call]
        environ["local.connection"] = self.req.conn
        environ["local.headers"] = {name.decode("latin-1"): value.decode("latin-1") for name, value in self.req.inheaders.items()}
        return environ


class _Message(cheroot.HTTPRequest):
    header_reader = cheroot.HeaderReader()  # the default drops `x-ms-meta-upload_status`, which Azure's clients sign

    def __init__(self, server: cheroot.HTTPServer, conn: cheroot.HTTPConnection) -> None:
        # cheroot reads the `//subscriptions` of a path as a host's name and refuses that, unless it is a proxy
        super().__init__(server, conn, proxy_mode=True)

    def read_request_line(self) -> bool:
        """As cheroot does, and a path begins with a slash."""
        if not super().read_request_line():  # type: ignore[no-untyped-call]
            return False
        if not self.uri.startswith(b"/"):
            self.simple_response("400 Bad Request", "The request-target is a path, which begins with a slash.")
            return False
        return True


class _Connection(cheroot.HTTPConnection):
    RequestHandlerClass = _Message


class _Server(wsgi.Server):
    ConnectionClass = _Connection
    keep_alive_conn_limit = 1000

    def error_log(self, msg: str = "", level: int = 20, traceback: bool = False) -> None:  # noqa: FBT001, FBT002 - cheroot's signature
        _LOG.log(level, "%s", msg, exc_info=traceback)


def make_server(
    application: Callable[[Environ, StartResponse], Iterable[bytes]], *, adapter: BuiltinSSLAdapter | None = None
) -> _Server:
    """A server on a free port of 127.0.0.1, bound and ready to `serve()`; its port is `bind_addr[1]`."""
    server = _Server(("127.0.0.1", 0), application, numthreads=64, request_queue_size=512, timeout=300, shutdown_timeout=1)
    server.gateway = _Gateway
    server.ssl_adapter = adapter
    server.prepare()
    return server


def wsgi_application(app: App) -> Callable[[Environ, StartResponse], Iterable[bytes]]:
    """The WSGI callable for an app."""

    def application(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        account = clouds.storage_service(environ.get("HTTP_HOST", "").partition(":")[0])
        try:
            if account is not None:
                return _hand_on(app, environ, start_response, *account)
            request = _request(environ, _body(environ).read() if _has_body(environ) else b"")
            response = app.handle(request)
        except web.Dropped:
            return _drop(environ, start_response)
        except Exception:  # noqa: BLE001 - the last resort of a server: say so, in the log and to the client
            _LOG.exception("%s %s", environ["REQUEST_METHOD"], environ["REQUEST_URI"])
            response = web.arm_error(500, "InternalServerError", "The local Azure has a bug; its log says more.")
        start_response(_status_line(response.status), [*response.headers, ("Content-Length", str(len(response.body)))])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [response.body]

    return application


def _status_line(status: int) -> str:
    return f"{status} {http.client.responses.get(status, 'Unknown')}"


def _headers(environ: Environ) -> dict[str, str]:
    headers: dict[str, str] = environ["local.headers"]
    return headers


def _request(environ: Environ, body: bytes) -> web.Request:
    return web.request_from(
        environ["REQUEST_METHOD"], environ.get("HTTP_HOST", ""), environ["REQUEST_URI"], _headers(environ), body
    )


def _has_body(environ: Environ) -> bool:
    return bool(environ.get("CONTENT_LENGTH")) or "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower()


def _body(environ: Environ) -> Any:
    return environ["wsgi.input"]


def _drop(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    connection = environ["local.connection"]
    with contextlib.suppress(OSError):
        connection.socket.shutdown(socket.SHUT_RDWR)
    start_response("500 Dropped", [("Content-Length", "0"), ("Connection", "close")])  # written to a closed socket
    return []


def _hand_on(app: App, environ: Environ, start_response: StartResponse, account: str, service: str) -> Iterable[bytes]:
    """One request to a storage host, streamed to Azurite and back."""
    request, began = _request(environ, b""), time.monotonic()
    fault = app.before(request)
    if fault is not None and fault.action == "delay":
        time.sleep(fault.delay_s)
    if fault is not None and fault.action in {"drop_before", "respond"}:
        app.handed_on(request, None if fault.action == "drop_before" else fault.status, fault, 0.0)
        if fault.action == "drop_before":
            raise web.Dropped
        return _plain(start_response, app_module.faulty(fault))
    try:
        port = app.world.storage.port(account, service)
    except KeyError:
        app.handed_on(request, 404, fault, 0.0)
        text = f"The local Azure has no {service} service of a storage account {account}."
        return _plain(start_response, web.storage_error(404, "ResourceNotFound", text, request_id=request.id))
    try:
        instead, query = storage.authorized(app.world, account, service, request), ""
        if "skoid" in request.query:
            query = delegation.query_for_azurite(app.world, account, service, request)
    except web.Refused as refused:
        app.handed_on(request, refused.response.status, fault, time.monotonic() - began)
        return _plain(start_response, refused.response)
    if delegation.is_asked(service, request):
        response = delegation.key(app.world, account, request, _body(environ).read())
        app.handed_on(request, response.status, fault, time.monotonic() - began)
        return _plain(start_response, response)
    answer, upstream = _ask(environ, port, instead or {}, query)
    app.handed_on(request, answer.status, fault, time.monotonic() - began)
    if fault is not None and fault.action == "drop_after":
        upstream.close()
        raise web.Dropped
    headers = [(name, value) for name, value in answer.getheaders() if name.lower() not in _HOP_BY_HOP]
    start_response(f"{answer.status} {answer.reason}", headers)
    return _stream(answer, upstream)


def _plain(start_response: StartResponse, response: web.Response) -> Iterable[bytes]:
    start_response(_status_line(response.status), [*response.headers, ("Content-Length", str(len(response.body)))])
    return [response.body]


def _ask(
    environ: Environ, port: int, instead: dict[str, str], query: str
) -> tuple[http.client.HTTPResponse, http.client.HTTPConnection]:
    upstream = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    uri = f"{environ['REQUEST_URI'].partition('?')[0]}?{query}" if query else environ["REQUEST_URI"]
    upstream.putrequest(environ["REQUEST_METHOD"], uri, skip_host=True, skip_accept_encoding=True)
    for name, value in _headers(environ).items():
        if name.lower() not in _HOP_BY_HOP | {"expect"}:
            upstream.putheader(name, instead.get(name.lower(), value))
    chunked = _has_body(environ) and not environ.get("CONTENT_LENGTH")
    if chunked:
        upstream.putheader("Transfer-Encoding", "chunked")
    upstream.endheaders()
    if _has_body(environ):
        while block := _body(environ).read(_CHUNK):
            upstream.send(b"%x\r\n%b\r\n" % (len(block), block) if chunked else block)
        if chunked:
            upstream.send(b"0\r\n\r\n")
    return upstream.getresponse(), upstream


def _stream(answer: http.client.HTTPResponse, upstream: http.client.HTTPConnection) -> Iterator[bytes]:
    try:
        while block := answer.read(_CHUNK):
            yield block
    finally:
        upstream.close()
