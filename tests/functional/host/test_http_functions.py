"""HTTP functions on the local host see what they would see in Azure, and callers get what they would get there."""

import http.client
import socket
import threading

import pytest


def raw(host, data: bytes) -> bytes:
    """Send bytes as they are; everything that comes back until the host closes."""
    with socket.create_connection(("127.0.0.1", host.port), timeout=30) as connection:
        connection.sendall(data)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
        return received


def test_a_binary_body_arrives_and_returns_unchanged(host):
    """Every byte value survives the way to the worker process and back."""
    body = bytes(range(256)) * 5000
    answer = host.send("POST", "/api/echo", body, content_type="application/octet-stream")
    assert (answer.status, answer.body) == (200, body)
    assert answer.header("content-type") == ["application/octet-stream"]
    assert answer.header("x-echo") == ["1"]


@pytest.mark.parametrize("body", [b"0\r\n\r\n", b"3\r\none\r\n0\r\n\r\n", b"zz\r\n", b"3\r\nabcdef\r\n"])
def test_a_chunked_body_never_arrives(host, body):
    """H1: the function gets no byte of it, well-formed or not, and sees the header."""
    head = b" HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = raw(host, b"POST /api/describe/x" + head + body)
    assert b'"length": 0' in answer
    assert b'"transfer-encoding": "chunked"' in answer


def test_a_path_is_decoded_once_and_the_url_is_written_from_it(host):
    """H8: a slash that was percent-encoded stays text, as in Kestrel, once or twice encoded."""
    for sent in ("%2F", "%252F"):
        seen = host.send("GET", f"/api/describe/a%20b{sent}c%C3%A9/7?q=%20x").json()
        assert seen["url"] == f"http://127.0.0.1:{host.port}/api/describe/a%20b%2Fc%C3%A9/7?q=%20x"
        assert seen["route"] == {"name": "a b%2Fcé", "number": "7"}
        assert seen["params"] == {"q": " x"}


def test_repeated_headers_and_parameters_are_joined_and_empty_parameters_vanish(host):
    """GrpcMessageConversionExtensions of the platform does so; header names come in lower case."""
    answer = raw(
        host,
        b"GET /api/describe/x?a=1&a=2&empty= HTTP/1.1\r\nHost: h\r\nX-Twice: 1\r\nx-TWICE: 2\r\nConnection: close\r\n\r\n",
    )
    assert b'"params": {"a": "1,2"}' in answer
    assert b'"x-twice": "1,2"' in answer


def test_a_parameter_the_path_does_not_reach_is_left_out(host):
    """Neither an optional parameter nor an empty catch-all appears in route_params."""
    assert host.send("GET", "/api/describe/x").json()["route"] == {"name": "x"}
    assert host.send("GET", "/api/things").json()["route"] == {}
    assert host.send("GET", "/api/things/a/b%20c/").json()["route"] == {"rest": "a/b c/"}


def test_the_first_function_by_name_answers_not_the_most_specific(host):
    """``a_catch_all`` takes GET things/special; only the method it does not have reaches ``z_specific``."""
    assert host.send("GET", "/api/things/special").json()["function"] == "a_catch_all"
    assert host.send("POST", "/api/things/special").json()["function"] == "z_specific"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/nothing"),
        ("GET", "/echo"),
        ("OPTIONS", "/api/echo"),
        ("GET", "/api/describe/x/not-a-number"),
        ("GET", "/api/describe"),
        ("POST", "/api/things/other"),
        ("HEAD", "/api/things/other"),
        ("GET", "/api//describe/x"),
        ("GET", "//api/describe/x"),
        ("GET", "/api/things//x"),
    ],
)
def test_what_no_function_answers_is_404(host, method, path):
    """H7, H9: a method that no function has is 404 too (methods are route constraints), and so is an empty segment."""
    assert host.send(method, path).status == 404


def test_literals_of_a_route_ignore_case(host):
    """ASP.NET Core routes do."""
    assert host.send("POST", "/API/Echo", b"x").body == b"x"


@pytest.mark.parametrize("path", ["/api/things/../echo", "/api/x/%2e%2e/echo", "/api/./echo"])
def test_dot_segments_are_resolved_before_routing(host, path):
    """As Kestrel does, so that no route is reached under another name."""
    assert host.send("POST", path, b"dots").body == b"dots"


@pytest.mark.parametrize("status", [200, 201, 202, 204, 304, 400, 404, 409, 418, 429, 500, 503, 599])
def test_any_status_is_handed_on(host, status):
    """Also those without a body and without a name."""
    answer = host.send("GET", f"/api/answer/{status}")
    assert answer.status == status
    assert answer.body == (b"" if status in (204, 304) else b"body")


def test_a_functions_answer_is_chunked(host):
    """H10: without Content-Length; HEAD has neither, and what the host itself answers has a length."""
    answer = host.send("GET", "/api/answer/200")
    assert (answer.header("transfer-encoding"), answer.header("content-length")) == (["chunked"], [])
    head = host.send("HEAD", "/api/answer/200")
    assert (head.status, head.body, head.header("transfer-encoding"), head.header("content-length")) == (200, b"", [], [])
    assert host.send("GET", "/api/nothing").header("content-length") == ["0"]


def test_an_http_1_0_client_gets_a_functions_answer_up_to_the_connections_end(host):
    """HTTP/1.0 knows no chunks."""
    answer = raw(host, b"POST /api/echo HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nold")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\nold")
    assert b"chunked" not in answer


def test_each_cookie_is_a_header_of_its_own(host):
    """H10: the worker library takes cookies apart, the host puts them together again; attributes keep the library's case."""
    cookies = host.send("GET", "/api/answer/200").header("set-cookie")
    assert len(cookies) == 2
    assert {"a=1", "HttpOnly", "Path=/", "SameSite=Lax"} == set(cookies[0].split("; "))
    assert {"b=2", "Max-Age=60", "Secure"} == set(cookies[1].split("; "))


def test_a_function_that_raises_is_an_empty_500_and_a_traceback_in_the_log(host):
    """The caller learns nothing, the developer everything."""
    answer = host.send("GET", "/api/raises")
    assert (answer.status, answer.body) == (500, b"")
    assert 'raise RuntimeError("deliberate")' in host.log()


def test_a_log_line_shows_level_function_and_invocation(host, eventually):
    """Python logging in the app appears on the host's standard error."""
    invocation = host.send("GET", "/api/logs?who=me").body.decode()
    eventually(lambda: f"warn Function.logs.User: a warning from me (Id={invocation})" in host.log(), "the log line")


def test_a_header_with_a_line_break_never_leaves_the_host(host):
    """Kestrel refuses it; the caller gets 500 and no smuggled header."""
    answer = host.send("GET", "/api/smuggles?value=a%0d%0aX-Evil:%201")
    assert answer.status == 500
    assert answer.header("x-evil") == []


def test_a_body_over_100_mb_is_an_empty_500_before_it_is_read(host):
    """H5: the length alone decides; the connection is closed."""
    answer = raw(host, b"POST /api/echo HTTP/1.1\r\nHost: h\r\nContent-Length: 104857601\r\n\r\nbegin")
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert b"Content-Length: 0\r\n" in answer


LONG = b"x" * 8192
HOST = b"Host: h\r\n"


@pytest.mark.parametrize(
    ("status", "request_line", "headers"),
    [
        (200, b"GET /api/describe/x?q=%s HTTP/1.1" % LONG[: 8192 - 33], HOST),
        (414, b"GET /api/describe/x?q=%s HTTP/1.1" % LONG[: 8192 - 32], HOST),
        (200, b"", HOST + b"".join(b"H%d: x\r\n" % number for number in range(98))),
        (431, b"", HOST + b"".join(b"H%d: x\r\n" % number for number in range(99))),
        (200, b"", HOST + (b"A: " + b"x" * 8000 + b"\r\n") * 4),
        (431, b"", HOST + (b"A: " + b"x" * 8200 + b"\r\n") * 4),
        (400, b"", b""),
        (400, b"", HOST + HOST),
        (400, b"", b"Host: a b\r\n"),
        (400, b"", HOST + b"A: x\r\n folded\r\n"),
        (400, b"", HOST + b"A : x\r\n"),
        (400, b"", HOST + b"no colon\r\n"),
        (400, b"", HOST + b": no name\r\n"),
        (400, b"", HOST + b"A: caf\xc3\xa9\r\n"),
        (400, b"", HOST + b"A: x\0y\r\n"),
        (400, b"", HOST + b"Content-Length: three\r\n"),
        (400, b"", HOST + b"Content-Length: -1\r\n"),
        (400, b"", HOST + b"Content-Length: 0\r\nContent-Length: 0\r\n"),
        (400, b"", HOST + b"Content-Length: +1\r\n"),
        (400, b"", HOST + b"Content-Length: 9223372036854775808\r\n"),
        (500, b"POST /api/echo HTTP/1.1", HOST + b"Content-Length: 9223372036854775807\r\n"),
        (400, b"", HOST + b"Transfer-Encoding: gzip\r\n"),
        (400, b"GET /api/describe/caf\xc3\xa9 HTTP/1.1", HOST),
        (400, b"GET  /api/describe/x HTTP/1.1", HOST),
        (200, b"GET /api/describe/x   HTTP/1.1", HOST),
        (400, b"GET %2Fapi/describe/x HTTP/1.1", HOST),
        (400, b"GET ?q=x HTTP/1.1", HOST),
        (400, b"GET /api/describe/x HTTP/1.10", HOST),
        (400, b"GET /api/describe/x", HOST),
        (400, b"G\xcbT /api/describe/x HTTP/1.1", HOST),
        (505, b"GET /api/describe/x HTTP/2.0", HOST),
        (505, b"GET /api/describe/x http/1.1", HOST),
        (500, b"GET /api/describe/x HTTP/1.0", b""),
        (200, b"GET /api/describe/x HTTP/1.0", HOST),
        (404, b"GET /api/nothing HTTP/1.0", b""),
    ],
)
def test_a_request_has_kestrels_limits(host, status, request_line, headers):
    """H6: what is over them, or malformed, never reaches a function; the answer has no body and ends the connection."""
    ending = b"" if b"1.0" in request_line else b"Connection: close\r\n"
    answer = raw(host, (request_line or b"GET /api/describe/x HTTP/1.1") + b"\r\n" + headers + ending + b"\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"\r\nConnection: close" in head
    assert status == 200 or body == b""


@pytest.mark.parametrize(
    ("request_line", "host_header", "status", "allow"),
    [
        # Http1Connection of dotnet/aspnetcore: OnStartLine chooses the form, EnsureHostHeaderExists compares it with Host
        (b"GET http://h/api/describe/x HTTP/1.1", b"h", 200, b""),
        (b"GET http://h:80/api/describe/x HTTP/1.1", b"h:80", 200, b""),
        (b"GET http://h:8080/api/describe/x HTTP/1.1", b"h:8080", 200, b""),
        (b"GET http://user@h/api/describe/x HTTP/1.1", b"h", 200, b""),
        (b"GET http://elsewhere/api/describe/x HTTP/1.1", b"h", 400, b""),
        (b"GET http://h:8080/api/describe/x HTTP/1.1", b"h", 400, b""),
        (b"GET ftp://h/api/describe/x HTTP/1.1", b"h", 400, b""),
        (b"GET api/describe/x HTTP/1.1", b"h", 400, b""),
        (b"GET ?q=1 HTTP/1.1", b"h", 400, b""),
        (b"GET describe HTTP/1.1", b"h", 405, b"CONNECT"),
        (b"CONNECT h:80 HTTP/1.1", b"h:80", 404, b""),
        (b"CONNECT h:80 HTTP/1.1", b"h", 400, b""),
        (b"OPTIONS * HTTP/1.1", b"h", 404, b""),
        (b"GET * HTTP/1.1", b"h", 405, b"OPTIONS"),
        (b"TRACE /api/things/x HTTP/1.1", b"h", 404, b""),
        (b"FETCH /api/things/x HTTP/1.1", b"h", 404, b""),
        (b"FETCH /api/describe/x HTTP/1.1", b"h", 200, b""),  # a function without methods takes any
        (b"get /api/things/x HTTP/1.1", b"h", 200, b""),  # HttpMethodRouteConstraint ignores case
        (b"GET /api/describe/x HTTP/1.1 more", b"h", 400, b""),
        (b"GET /api/describe/x http/1.1", b"h", 505, b""),
        (b"POST /api/echo HTTP/1.0", b"h", 400, b""),  # LengthRequiredHttp10 of Http1MessageBody
        (b"PUT /api/echo HTTP/1.0", b"h", 400, b""),
        (b"DELETE /api/echo HTTP/1.0", b"h", 200, b""),
        (b"POST /api/echo HTTP/1.1", b"h", 200, b""),
    ],
)
def test_a_target_has_the_form_that_its_method_asks_for(host, request_line, host_header, status, allow):
    """H6: as Kestrel reads a request line."""
    answer = raw(host, request_line + b"\r\nHost: " + host_header + b"\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 %d " % status), answer
    assert (b"\r\nAllow: " + allow + b"\r\n" in answer) == bool(allow)


@pytest.mark.parametrize(
    ("query", "params"),
    [
        (b"a=1&A=2", {"a": "1,2"}),  # ASP.NET's QueryCollection ignores case; the first spelling stays
        (b"q=a+b%20c%2Fd", {"q": "a b c/d"}),
        (b"q=%FF%C3%A9%zz", {"q": "%FFé%zz"}),  # Uri.UnescapeDataString leaves what is not UTF-8
        (b"q=a%2Bb&&x", {"q": "a+b"}),
        (b"q=a=b;c", {"q": "a=b;c"}),
    ],
)
def test_a_query_is_read_as_asp_net_reads_it(host, query, params):
    """Names in any case are one, and what cannot be decoded stays; GrpcMessageConversionExtensions leaves empty ones out."""
    assert host.send("GET", f"/api/describe/x?{query.decode()}").json()["params"] == params


def test_the_url_has_the_scheme_and_the_host_that_the_front_end_forwards(host):
    """AppServiceHeaderFixupMiddleware of the platform's host, which runs on Linux plans."""
    seen = host.send("GET", "/api/describe/x", x_forwarded_proto="https", disguised_host="app.azurewebsites.net").json()
    assert seen["url"] == "https://app.azurewebsites.net/api/describe/x"


def test_requests_sent_together_are_answered_in_order(host):
    """HTTP/1.1 pipelining: Kestrel goes on with what is in the buffer."""
    one = b"POST /api/echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\none"
    two = b"GET /api/none HTTP/1.1\r\nHost: h\r\n\r\n"
    three = b"POST /api/echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nConnection: close\r\n\r\nthree"
    answers = raw(host, one + two + three).split(b"HTTP/1.1 ")[1:]
    assert [each[:3] for each in answers] == [b"200", b"404", b"200"]
    assert b"one" in answers[0]
    assert b"three" in answers[2]


@pytest.mark.parametrize(("version", "connection", "stays"), [
    (b"1.1", b"", True), (b"1.1", b"keep-alive", True), (b"1.1", b"Close", False), (b"1.1", b"x, close", False),
    (b"1.0", b"", False), (b"1.0", b"keep-alive", True),
])  # fmt: skip
def test_a_connection_stays_as_both_ends_want(host, version, connection, stays):
    """RFC 9112 §9.3; the host's own answers have a length, so that they end without the connection."""
    first = b"GET /api/none HTTP/" + version + b"\r\nHost: h\r\n" + (b"Connection: " + connection + b"\r\n") * bool(connection)
    answers = raw(host, first + b"\r\nGET /api/none HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    assert answers.count(b"HTTP/1.1 404 ") == (2 if stays else 1)


def test_empty_lines_before_a_request_are_skipped(host):
    """RFC 9112 §2.2; Kestrel does."""
    answer = raw(host, b"\r\n\r\nGET /api/describe/x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")


def test_the_client_is_told_to_continue_only_when_the_body_is_wanted(host):
    """A 404 needs no body; a function that reads it does."""
    refused = raw(
        host,
        b"POST /api/none HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n",
    )
    assert refused.startswith(b"HTTP/1.1 404 ")
    wanted = raw(
        host,
        b"POST /api/echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
    )
    assert wanted.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 ")


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"Content-Length: -1\r\n\r\n",
        b"Content-Length: 1\r\n\r\nx",
    ],
)
def test_a_malformed_body_never_reaches_a_function(host, head):
    """Contradicting lengths are where request smuggling begins. The last one is well-formed but aimed at a NUL path."""
    path = b"/api/describe/%00" if head.endswith(b"\n\r\nx") else b"/api/echo"
    answer = raw(host, b"POST " + path + b" HTTP/1.1\r\nHost: h\r\nConnection: close\r\n" + head)
    assert answer.startswith(b"HTTP/1.1 400 ")


def test_a_connection_survives_an_answer_that_did_not_read_the_body(host):
    """A short body that nobody wanted is skipped."""
    connection = http.client.HTTPConnection("127.0.0.1", host.port, timeout=30)
    connection.request("POST", "/api/none", b"unwanted")
    assert connection.getresponse().read() == b""
    used = connection.sock
    connection.request("POST", "/api/echo", b"wanted")
    assert connection.getresponse().read() == b"wanted"
    assert connection.sock is used
    connection.close()


def test_slow_functions_run_side_by_side(host, tmp_path, eventually):
    """Twenty callers wait at the same time; all are answered once the file is there."""
    file = tmp_path / "go"
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(host.send("GET", f"/api/waits?file={file}").body)) for _ in range(20)]
    before = len(host.seen("waits"))
    for thread in threads:
        thread.start()
    eventually(lambda: len(host.seen("waits")) == before + 20, "twenty functions under way")
    file.touch()
    for thread in threads:
        thread.join()
    assert answers == [b"done"] * 20


def test_the_caller_gets_502_when_the_function_takes_too_long(hosts, tmp_path):
    """Azure's load balancer cuts after 230 s; the function goes on."""
    host = hosts.start("--http-limit-s", "0.2")
    assert host.send("GET", f"/api/waits?file={tmp_path / 'never'}").status == 502


def test_a_function_over_its_time_ends_with_its_worker_process(hosts, changed_app, tmp_path):
    """H10: host.json ``functionTimeout`` is a 500 without a body; the platform restarts the worker process too."""
    host = hosts.start(root=changed_app(functionTimeout="00:00:01"))
    before = host.send("GET", "/api/describe/x").json()["pid"]
    answer = host.send("GET", f"/api/waits?file={tmp_path / 'never'}")
    assert (answer.status, answer.body) == (500, b"")
    assert host.send("GET", "/api/describe/x").json()["pid"] != before


def test_too_many_callers_are_told_so(hosts, changed_app, tmp_path, eventually):
    """That is host.json ``maxOutstandingRequests``: 429 at once, and the others are answered."""
    host = hosts.start(root=changed_app(extensions={"http": {"maxOutstandingRequests": 2, "maxConcurrentRequests": 1}}))
    file, statuses = tmp_path / "go", []
    callers = [
        threading.Thread(target=lambda: statuses.append(host.send("GET", f"/api/waits?file={file}").status)) for _ in range(3)
    ]
    for caller in callers:
        caller.start()
    eventually(lambda: statuses == [429], "one of three is turned away")
    eventually(lambda: len(host.seen("waits")) == 1, "one runs, one waits")
    file.touch()
    for caller in callers:
        caller.join()
    assert sorted(statuses) == [200, 200, 429]


def test_log_levels_of_host_json_are_obeyed(hosts, changed_app):
    """By category, ``default`` for the rest."""
    levels = {"default": "Error", "Function.echo": "Information"}
    host = hosts.start(root=changed_app(logging={"logLevel": levels}))
    host.send("POST", "/api/echo", b"")
    host.send("GET", "/api/logs?who=nobody")
    assert host.stop() == 0
    assert "Executing 'Functions.echo'" in host.log()
    assert "Functions.logs" not in host.log()
    assert "nobody" not in host.log()


def test_the_root_says_that_the_app_is_running(host):
    """Like the platform's home page."""
    answer = host.send("GET", "/")
    assert answer.status == 200
    assert b"up and running" in answer.body
