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
    ("path", "opened_by", "known"),
    [
        ("/api/secret", {"function", "master"}, 401),
        ("/api/root-only", {"master"}, 401),
        ("/admin/functions", {"master"}, 403),
        ("/admin/host/status", {"master"}, 403),
    ],
)
def test_a_path_opens_to_its_keys_only(host, key, path, opened_by, known):
    """In the header as in the query; otherwise 401 without a body, below /admin 403 for a key that opens something else (H10)."""
    for name, value in key.items():
        expected = 200 if name in opened_by else 401 if name in ("none", "wrong") else known
        assert host.send("GET", path, x_functions_key=value).status == expected, name
        for parameter in ("code", "CODE"):  # H9
            answer = host.send("GET", f"{path}?{parameter}={value}")
            assert answer.status == expected, name
            assert expected == 200 or answer.body == b""


def test_the_key_in_the_header_comes_first(host, key):
    """Also when it is wrong or empty: AuthenticationLevelHandler of the platform."""
    for given in ("", "wrong"):
        assert host.send("GET", f"/api/secret?code={key['function']}", x_functions_key=given).status == 401


def test_a_function_sees_the_key_and_the_principal_as_they_were_sent(host, key):
    """H9: the app can find its own row for the key; a principal from outside is not removed, so it proves nothing."""
    forged = {"x_ms_client_principal": "forged", "x_ms_client_principal_name": "anyone"}
    seen = host.send("GET", f"/api/describe/x?CODE={key['function']}", x_functions_key=key["function"], **forged).json()
    assert seen["headers"]["x-functions-key"] == key["function"]
    assert seen["params"]["CODE"] == key["function"]
    assert (seen["headers"]["x-ms-client-principal"], seen["headers"]["x-ms-client-principal-name"]) == ("forged", "anyone")


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
    ("function", "body", "content_type", "status"),
    [
        ("tick", b'{"input": ""}', "text/plain", 415),
        ("tick", b"not json", "application/json", 400),
        ("tick", b"[]", "application/json", 400),
        ("tick", b"", "application/json", 400),
        ("tick", b'{"input": {"a": 1}}', "application/json", 400),
        ("tick", b'{"input": [1]}', "text/json", 400),
        ("tick", b'{"input": ""}', "application/merge-patch+json", 202),
        ("no-function", b"not json", "application/json", 400),
        ("no-function", b'{"input": ""}', "application/json", 404),
    ],
)
def test_a_run_now_needs_a_json_object_with_a_text(host, key, function, body, content_type, status):
    """FunctionsController.Invoke: what is sent is read first; FunctionInvocation.Input is a text. A refusal has no body."""
    answer = host.send("POST", f"/admin/functions/{function}", body, content_type=content_type, x_functions_key=key["master"])
    assert (answer.status, answer.body) == (status, b"")


@pytest.mark.parametrize(("method", "status"), [("GET", 200), ("POST", 200), ("DELETE", 404), ("PUT", 404)])
def test_a_ping_needs_no_key_and_is_not_cached(host, method, status):
    """HostController.Ping: GET and POST; MVC without endpoint routing answers another method with 404."""
    answer = host.send(method, "/admin/host/ping")
    assert (answer.status, answer.body) == (status, b"")
    assert answer.header("cache-control") == (["no-store,no-cache"] if status == 200 else [])


@pytest.mark.parametrize(
    ("header", "query", "status"),
    [
        ("function", "", 200),
        (None, "function", 200),
        ("wrong", "function", 401),  # the header comes first, also where it is wrong or empty
        ("", "function", 401),
        ("function", "wrong", 200),
    ],
)
def test_the_header_comes_before_the_query(host, key, header, query, status):
    """AuthenticationLevelHandler.GetAuthorizationKeyInfoAsync."""
    sent = {} if header is None else {"x_functions_key": key.get(header, "")}
    assert host.send("GET", f"/api/secret?CODE={key.get(query, '')}", **sent).status == status


def test_the_first_of_several_keys_counts(host, key):
    """StringValues.First, in the header and in the query."""
    assert host.send("GET", f"/api/secret?code={key['function']}&code=x").status == 200
    assert host.send("GET", f"/api/secret?code=x&code={key['function']}").status == 401


def test_a_key_is_set_by_json_only(hosts):
    """KeysController.Put binds its body: 415 for another content type; the master key in any case."""
    host = hosts.start()
    path, sent = "/admin/host/keys/partner", {"x_functions_key": host.keys["masterKey"]}
    assert host.send("PUT", path, b'{"value": "mine"}', content_type="text/plain", **sent).status == 415
    assert host.send("DELETE", "/admin/host/systemkeys/_MASTER", **sent).status == 400


def test_an_http_function_is_run_by_the_admin_api_too(host, key, tmp_path, eventually):
    """H15: 202, and it runs; an unknown function is 404."""
    sent = {"content_type": "application/json", "x_functions_key": key["master"]}
    assert host.send("POST", "/admin/functions/raises", b"{}", **sent).status == 202
    eventually(lambda: "Executed 'Functions.raises' (Failed" in host.log(), "the run")
    assert host.send("POST", "/admin/functions/nobody", b"{}", **sent).status == 404


def test_a_queue_function_can_be_run_now_with_a_message(host, key, eventually):
    """The input is the message's text."""
    body = b'{"input": "{\\"by\\": \\"admin\\"}"}'
    sent = {"content_type": "application/json", "x_functions_key": key["master"]}
    assert host.send("POST", "/admin/functions/WORK", body, **sent).status == 202
    seen = eventually(lambda: [e for e in host.seen("work") if e["order"] == {"by": "admin"}], "the run")
    assert seen[0]["dequeue_count"] == 1


KEY_PATHS = ["/admin/host/keys", "/admin/host/functionkeys", "/admin/host/systemkeys", "/admin/functions/secret/keys"]


@pytest.mark.parametrize("path", KEY_PATHS)
def test_keys_are_listed_made_set_and_removed(hosts, path):
    """H15, as KeysController does: 201 for a new one, 200 for a changed one, 204 for a removed one."""
    host = hosts.start()
    sent = {"x_functions_key": host.keys["masterKey"], "content_type": "application/json"}
    before = host.send("GET", path, **sent).json()
    assert before["links"] == [{"rel": "self", "href": f"http://127.0.0.1:{host.port}{path}"}]
    made = host.send("POST", f"{path}/partner", b"", **sent)
    assert (made.status, made.json()["name"]) == (201, "partner")
    again = host.send("POST", f"{path}/partner", b"", **sent)
    assert again.status == 200
    assert again.json()["value"] != made.json()["value"]
    given = host.send("PUT", f"{path}/partner", b'{"name": "partner", "value": "mine"}', **sent)
    assert (given.status, given.json()["value"]) == (200, "mine")
    assert host.send("PUT", f"{path}/partner", b"{}", **sent).status == 400
    assert host.send("GET", f"{path}/partner", **sent).json()["value"] == "mine"
    assert {"name": "partner", "value": "mine"} in host.send("GET", path, **sent).json()["keys"]
    assert host.send("DELETE", f"{path}/partner", **sent).status == 204
    assert host.send("DELETE", f"{path}/partner", **sent).status == 404
    assert host.send("GET", path, **sent).json()["keys"] == before["keys"]


def test_a_rotated_key_opens_at_once_and_the_old_one_no_more(hosts):
    """H15: what key rotation does; the key file holds it for the next start."""
    host = hosts.start()
    master, old = host.keys["masterKey"], host.keys["functionKeys"]["default"]
    assert host.send("GET", "/api/secret", x_functions_key=old).status == 200
    new = host.send("POST", "/admin/host/keys/default", b"", x_functions_key=master).json()["value"]
    assert host.send("GET", "/api/secret", x_functions_key=old).status == 401
    assert host.send("GET", "/api/secret", x_functions_key=new).status == 200
    assert host.keys["functionKeys"]["default"] == new
    assert (host.directory / "keys.json").stat().st_mode & 0o777 == 0o600


def test_the_master_key_is_a_system_key_that_can_be_renewed_but_not_removed(hosts):
    """H15: ``_master``; it is not in the list."""
    host = hosts.start()
    path, sent = "/admin/host/systemkeys/_master", {"x_functions_key": host.keys["masterKey"]}
    assert host.send("GET", path, **sent).json()["value"] == host.keys["masterKey"]
    assert host.send("DELETE", path, **sent).status == 400
    assert "_master" not in [each["name"] for each in host.send("GET", "/admin/host/systemkeys", **sent).json()["keys"]]
    renewed = host.send("POST", path, b"", **sent)
    assert renewed.status == 200
    assert host.send("GET", "/admin/functions", **sent).status == 401
    assert host.send("GET", "/admin/functions", x_functions_key=renewed.json()["value"]).status == 200


def test_a_function_without_a_key_gets_one_when_they_are_listed(host, key):
    """H15: ``default``; it opens that function."""
    sent = {"x_functions_key": key["master"]}
    (own,) = host.send("GET", "/admin/functions/secret/keys", **sent).json()["keys"]
    assert own["name"] == "default"
    assert host.send("GET", "/api/secret", x_functions_key=own["value"]).status == 200
    assert host.send("GET", "/admin/functions/nobody/keys", **sent).status == 404


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/admin/host/drain/status", 200, {"state": "Disabled", "outstandingInvocations": 0, "outstandingRetries": 0}),
        ("/admin/host/extensions", 200, {"extensions": []}),
        ("/admin/functions/echo/status", 200, {}),
        ("/admin/functions/nobody/status", 404, None),
        ("/admin/warmup", 200, None),
        ("/admin/vfs/site/wwwroot", 403, None),
        ("/admin/nothing", 404, None),
    ],
)
def test_the_rest_of_the_admin_api_answers(host, key, path, status, body):
    """H15; without the master key all of it is refused."""
    answer = host.send("GET", path, x_functions_key=key["master"])
    assert answer.status == status
    assert (answer.json() if body is not None else None) == body
    assert host.send("GET", path).status == 401
    assert host.send("GET", path, x_functions_key=key["function"]).status == 403


def test_the_admin_api_shows_host_json(host, key):
    """H15: GET /admin/host/config."""
    shown = host.send("GET", "/admin/host/config", x_functions_key=key["master"]).json()
    assert shown["extensions"]["queues"]["maxDequeueCount"] == 3
