"""Keys open on the local host what they open in Azure, and nothing more."""

import pytest


@pytest.fixture
def key(host):
    """Key by name: master, function, system."""
    keys = host.keys
    return {
        "none": "",
        "wrong": "x" * 54,
        "function": keys["functionKeys"]["default"],
        "system": keys["systemKeys"]["eventgrid_extension"],
        "master": keys["masterKey"],
    }


@pytest.mark.parametrize(
    ("path", "opened_by"),
    [
        ("/api/secret", {"function", "master"}),
        ("/api/root-only", {"master"}),
        ("/admin/functions", {"master"}),
        ("/admin/host/status", {"master"}),
    ],
)
def test_a_path_opens_to_its_keys_only(host, key, path, opened_by):
    """In the header as in the query; otherwise 401 without a body."""
    for name, value in key.items():
        expected = 200 if name in opened_by else 401
        assert host.send("GET", path, x_functions_key=value).status == expected, name
        answer = host.send("GET", f"{path}?code={value}")
        assert answer.status == expected, name
        assert expected == 200 or answer.body == b""


def test_the_key_file_is_its_owners_alone(host):
    """Made on the first start with random keys."""
    assert (host.directory / "keys.json").stat().st_mode & 0o777 == 0o600


def test_a_function_may_have_keys_of_its_own(hosts, tmp_path):
    """They open that function and no other."""
    directory = tmp_path / "own"
    directory.mkdir()
    (directory / "keys.json").write_text('{"masterKey": "m", "functions": {"secret": {"partner": "p"}, "echo": {"e": "e"}}}')
    host = hosts.start(directory=directory)
    assert host.send("GET", "/api/secret", x_functions_key="p").status == 200
    assert host.send("GET", "/api/secret", x_functions_key="e").status == 401


def test_the_status_tells_the_worker_processes(host, key):
    """So that a test can end one."""
    status = host.send("GET", "/admin/host/status", x_functions_key=key["master"]).json()
    assert status["state"] == "Running"
    assert len(status["workers"]) == 1


def test_the_function_list_tells_bindings_and_addresses(host, key):
    """As ``GET /admin/functions`` does on the platform."""
    listed = {f["name"]: f for f in host.send("GET", "/admin/functions", x_functions_key=key["master"]).json()}
    assert listed["echo"]["invoke_url_template"] == f"http://127.0.0.1:{host.port}/api/echo"
    assert listed["work"]["config"]["bindings"][0]["queueName"] == host.queue_name


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b'{"input": ""}', "text/plain", 415),
        (b"not json", "application/json", 400),
        (b"[]", "application/json", 400),
    ],
)
def test_a_run_now_needs_a_json_object(host, key, body, content_type, status):
    """The platform's admin API says the same."""
    answer = host.send("POST", "/admin/functions/tick", body, content_type=content_type, x_functions_key=key["master"])
    assert answer.status == status


def test_an_http_function_is_not_run_by_the_admin_api(host, key):
    """It has a route for that; an unknown function is 404."""
    sent = {"content_type": "application/json", "x_functions_key": key["master"]}
    assert host.send("POST", "/admin/functions/echo", b"{}", **sent).status == 400
    assert host.send("POST", "/admin/functions/nobody", b"{}", **sent).status == 404


def test_a_queue_function_can_be_run_now_with_a_message(host, key, eventually):
    """The input is the message's text."""
    body = b'{"input": "{\\"by\\": \\"admin\\"}"}'
    sent = {"content_type": "application/json", "x_functions_key": key["master"]}
    assert host.send("POST", "/admin/functions/WORK", body, **sent).status == 202
    seen = eventually(lambda: [e for e in host.seen("work") if e["order"] == {"by": "admin"}], "the run")
    assert seen[0]["dequeue_count"] == 1
