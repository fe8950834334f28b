"""The local host starts only what can run, says so, and stops without losing anything."""

import signal
import threading

import pytest

from infra.local.host import settings


def refused(hosts, *arguments, **options):
    """Exit code and log of a host that does not start."""
    host = hosts.launch(*arguments, **options)
    return host.process.wait(timeout=30), host.log()


def test_a_start_lists_the_functions_and_says_ready(hosts):
    """Names, methods and routes as ``func start`` prints them, then one line for machines."""
    host = hosts.start()
    assert f"  z_specific: [GET,POST] http://localhost:{host.port}/api/things/special" in host.said
    assert f"  work: queueTrigger {host.queue_name}" in host.said
    assert host.said[-1] == f"READY http://127.0.0.1:{host.port}"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_waits_for_what_is_running(hosts, tmp_path, eventually, alive, number):
    """The caller gets the answer, the exit code is 0, no worker stays."""
    host = hosts.start()
    file, answers = tmp_path / "go", []
    caller = threading.Thread(target=lambda: answers.append(host.send("GET", f"/api/waits?file={file}").body))
    caller.start()
    pid = eventually(lambda: host.seen("waits"), "the request is under way")[0]["pid"]
    host.process.send_signal(number)
    eventually(lambda: host.process.stdout.readline().startswith("Stopping"), "the host is stopping")
    file.touch()
    caller.join()
    assert answers == [b"done"]
    assert host.process.wait(timeout=30) == 0
    assert not alive(pid)


def test_a_signal_that_arrives_twice_is_one_stop(hosts, tmp_path, eventually):
    """A terminal and a parent process may both pass on the same Ctrl-C."""
    host = hosts.start()
    file, answers = tmp_path / "go", []
    caller = threading.Thread(target=lambda: answers.append(host.send("GET", f"/api/waits?file={file}").body))
    caller.start()
    eventually(lambda: host.seen("waits"), "the request is under way")
    host.process.send_signal(signal.SIGINT)
    eventually(lambda: host.process.stdout.readline().startswith("Stopping"), "the host is stopping")
    host.process.send_signal(signal.SIGINT)
    host.process.send_signal(signal.SIGTERM)
    file.touch()
    caller.join()
    assert (answers, host.process.wait(timeout=30)) == ([b"done"], 0)


def test_a_second_ctrl_c_ends_at_once(hosts, tmp_path, eventually, alive):
    """For those who do not want to wait; the workers go, too."""
    host = hosts.start()
    host.put(wait=str(tmp_path / "never"))
    pid = eventually(lambda: host.seen("work"), "the run")[0]["pid"]
    host.process.send_signal(signal.SIGINT)
    eventually(lambda: host.process.send_signal(signal.SIGINT) or host.process.poll() == 130, "the end")
    eventually(lambda: not alive(pid), "the worker is gone")


def test_what_does_not_finish_within_the_grace_keeps_its_message(hosts, tmp_path, eventually):
    """Neither deleted nor released: it comes back late."""
    host = hosts.start("--grace-s", "0.2")
    with host.queue() as queue:
        host.put(wait=str(tmp_path / "never"))
        eventually(lambda: host.seen("work"), "the run")
        assert host.stop() == 0
        assert "cut off" in host.log()
        assert queue.get_queue_properties().approximate_message_count == 1
        assert queue.peek_messages() == []


def test_the_workers_end_with_a_host_that_was_killed(hosts, eventually, alive):
    """They notice that nobody is there any more."""
    host = hosts.start()
    pid = host.send("GET", "/api/describe/x").json()["pid"]
    assert alive(pid)
    host.process.kill()
    eventually(lambda: not alive(pid), "the worker is gone")


def test_two_workers_share_the_work(hosts, tmp_path, eventually):
    """``--workers 2``: what runs at the same time runs in both."""
    host = hosts.start("--workers", "2")
    file = tmp_path / "go"
    callers = [threading.Thread(target=host.send, args=("GET", f"/api/waits?file={file}")) for _ in range(4)]
    for caller in callers:
        caller.start()
    seen = eventually(lambda: len(entries := host.seen("waits")) == 4 and entries, "four requests under way")
    file.touch()
    for caller in callers:
        caller.join()
    assert len({entry["pid"] for entry in seen}) == 2


def test_an_app_that_cannot_be_imported_stops_the_start_with_its_traceback(hosts, tmp_path):
    """In Azure all functions would silently vanish."""
    (tmp_path / "host.json").write_text('{"version": "2.0"}')
    (tmp_path / "function_app.py").write_text("import azure.functions as func\n\nraise RuntimeError('at import')\n")
    code, log = refused(hosts, root=tmp_path)
    assert code == 1
    assert 'function_app.py", line 3' in log
    assert "RuntimeError: at import" in log


@pytest.mark.parametrize(
    ("app_settings", "name", "reason"),
    [
        ({"WORK_QUEUE": None}, "work", "queueName: %WORK_QUEUE% does not resolve to a setting"),
        ({"TICK": "every day"}, "tick", "the schedule 'every day' is not NCRONTAB"),
        ({"TICK": "61 * * * * *"}, "tick", "the schedule '61 * * * * *' is not NCRONTAB"),
        ({"AzureWebJobsStorage": None}, "work", "no setting 'AzureWebJobsStorage' with a storage connection string"),
    ],
)
def test_a_function_that_cannot_be_set_up_is_in_error_and_the_others_run(hosts, app_settings, name, reason):
    """H13: said loudly, in the log, in the list of functions and in the admin API."""
    host = hosts.start(**app_settings)
    assert f"fail Host.Startup: The '{name}' function is in error: " in host.log()
    assert reason in host.log()
    assert any(line.startswith(f"  {name}: ") and "IN ERROR" in line for line in host.said)
    sent = {"x_functions_key": host.keys["masterKey"]}
    (error,) = host.send("GET", f"/admin/functions/{name}/status", **sent).json()["errors"]
    assert reason in error
    assert host.send("POST", f"/admin/functions/{name}", b"{}", content_type="application/json", **sent).status == 404
    assert host.send("POST", "/api/echo", b"runs").body == b"runs"


def test_an_http_function_with_a_bad_route_is_in_error_and_the_others_run(hosts, changed_app):
    """H13: the same for what the host cannot read of a route or a binding."""
    root = changed_app()
    code = (root / "function_app.py").read_text()
    (root / "function_app.py").write_text(code.replace('route="raises"', 'route="raises/{x:unknown}"'))
    host = hosts.start(root=root)
    assert "The 'raises' function is in error: route 'raises/{x:unknown}': unknown constraint 'unknown'" in host.log()
    assert host.send("POST", "/api/echo", b"runs").body == b"runs"


def test_a_taken_port_stops_the_start_and_is_named(hosts):
    """One host per port."""
    host = hosts.start()
    code, log = refused(hosts, "--port", str(host.port))
    assert code == 1
    assert f"port {host.port}" in log


def test_a_folder_without_an_app_stops_the_start(hosts, tmp_path):
    """host.json is what makes a folder an app."""
    code, log = refused(hosts, root=tmp_path)
    assert code == 1
    assert "host.json does not exist" in log


def test_host_json_is_read_with_the_platforms_defaults(tmp_path):
    """The new batch threshold is half the batch size; an empty section changes nothing."""
    (tmp_path / "host.json").write_text('{"version": "2.0", "extensions": {"queues": {"batchSize": 32}}}')
    read = settings.read_host_json(tmp_path)
    assert (read.route_prefix, read.queues.batch_size, read.queues.new_batch_threshold) == ("api", 32, 16)
    assert (read.queues.max_dequeue_count, read.queues.invisible_s, read.function_timeout_s) == (5, 600, 1800)


def test_app_settings_stand_in_the_place_of_host_jsons_values(tmp_path):
    """`AzureFunctionsJobHost__a__b` is how a deployment changes a level or a batch without a new package; names in any case."""
    (tmp_path / "host.json").write_text('{"version": "2.0", "logging": {"logLevel": {"default": "Error"}}}')
    said = {
        "AzureFunctionsJobHost__logging__LogLevel__Default": "Debug",
        "AzureFunctionsJobHost__extensions__queues__batchSize": "3",
        "AzureFunctionsJobHost__extensions__http__maxConcurrentRequests": "7",
        "AzureFunctionsJobHost": "nothing",
    }
    read = settings.read_host_json(tmp_path, said)
    assert (read.log_levels, read.queues.batch_size, read.max_concurrent_requests) == ({"default": 10}, 3, 7)
    with pytest.raises(settings.SettingsError, match=r"'version' of host\.json is a value"):
        settings.read_host_json(tmp_path, {"AzureFunctionsJobHost__version__x": "1"})


@pytest.mark.parametrize(
    "queues",
    [{"batchSize": 33}, {"batchSize": 0}, {"maxDequeueCount": 0}, {"visibilityTimeout": 30}, {"messageEncoding": "utf8"}],
)
def test_values_the_platform_would_refuse_are_refused(tmp_path, queues):
    """So that host.json does not first fail in Azure."""
    import json

    (tmp_path / "host.json").write_text(json.dumps({"version": "2.0", "extensions": {"queues": queues}}))
    with pytest.raises(settings.SettingsError, match=next(iter(queues))):
        settings.read_host_json(tmp_path)


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("AzureWebJobsStorage", {"AzureWebJobsStorage": "A=1"}, "A=1"),
        ("Storage", {"AzureWebJobsStorage": "A=1", "Storage": "B=2"}, "A=1"),
        ("Other", {"Other": "B=2"}, "B=2"),
        ("Other", {"Other": "UseDevelopmentStorage=true;"}, settings.DEVELOPMENT_STORAGE),
    ],
)
def test_a_connection_is_found_by_its_setting(name, given, expected):
    """With the prefix AzureWebJobs first, as on the platform."""
    assert settings.connection_string(name, given, "here") == expected


def test_a_missing_connection_is_named():
    """An identity-based connection is none here."""
    with pytest.raises(settings.SettingsError, match="'Other'"):
        settings.connection_string("Other", {"Other__queueServiceUri": "https://x"}, "here")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("00:00:02", 2), ("00:00:00.1000000", 0.1), ("1.00:00:00", 86400), ("00:05", 300)],
)
def test_a_time_span_is_read_as_dotnet_does(text, seconds):
    """host.json holds .NET time spans."""
    assert settings.time_span_s(text, "x") == seconds
