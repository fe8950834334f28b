"""Which of the app's log lines arrive: those that belong to an invocation, by the rule of the platform's worker for Python 3.13.

Measured under Microsoft's own host: azure-functions-python-worker#1860, and azure-functions-host#10796, which drops the others.
"""

import pytest

ARRIVES = {
    "sync body": True,
    "sync plain thread": False,
    "sync copied context": True,
    "sync thread_local_storage": False,
    "async body": True,
    "async task": True,
    "async call_soon": True,
    "async to_thread": False,
    "async run_in_executor": False,
    "async plain thread": False,
    "async thread_local_storage": False,
}


@pytest.fixture(scope="module")
def invocations(host):
    """Function name to the invocation that logged from each of its places."""
    return {name: host.send("GET", f"/api/lines/{name}").body.decode() for name in ("sync", "async")}


@pytest.mark.parametrize("where", ARRIVES)
def test_a_line_arrives_with_its_id_or_not_at_all(host, invocations, eventually, where):
    """A line of a thread that knows no invocation is dropped; all others carry the id of theirs."""
    invocation = invocations[where.split()[0]]
    function = f"Function.lines_{where.split()[0]}.User"
    eventually(lambda: f"Executed 'Functions.lines_{where.split()[0]}'" in host.log(), "the end of the invocation")
    assert (f"warn {function}: line: {where} (Id={invocation})" in host.log()) is ARRIVES[where]
    assert host.log().count(f"line: {where} (") == int(ARRIVES[where])


def test_dropped_lines_are_counted_by_their_logger(host, invocations):
    """The admin API has the count, and the log says once for each logger that lines of it are dropped."""
    key = host.keys["masterKey"]
    status = host.send("GET", "/admin/host/status", x_functions_key=key).json()
    assert status["logLinesDropped"] == {"app.lines": list(ARRIVES.values()).count(False)}
    assert host.log().count("a log line of app.lines belongs to no invocation") == 1


def test_the_end_of_the_log_has_the_count(hosts):
    """`log lines dropped: 0` is what an operator looks for."""
    quiet, loud = hosts.start(), hosts.start()
    loud.send("GET", "/api/lines/async")
    quiet.stop()
    loud.stop()
    assert "info Host.Workers: log lines dropped: 0" in quiet.log()
    assert "warn Host.Workers: log lines dropped: 4 {'app.lines': 4}" in loud.log()


def test_the_hosts_own_storage_requests_are_logged_as_far_as_host_json_lets_them(hosts, changed_app):
    """Two entries for each, under the category of the platform's own client: azure-functions-host#8973."""
    loud = hosts.start()
    loud.send("GET", "/api/logs?who=me")
    quiet = hosts.start(root=changed_app(logging={"logLevel": {"default": "Information", "Azure.Core": "Warning"}}))
    quiet.send("GET", "/api/logs?who=me")
    loud.stop()
    quiet.stop()
    assert loud.log().count("info Azure.Core: Request URL: ") > 1
    assert "Azure.Core" not in quiet.log()
    assert "a warning from me" in quiet.log()
