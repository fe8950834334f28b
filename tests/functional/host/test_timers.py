"""Timers on the local host: NCRONTAB with seconds, run now, past due after a pause, one run at a time."""

import json
from datetime import UTC, datetime

import pytest
from azure.storage.blob import BlobServiceClient

from infra.local.host import schedule
from infra.local.host.functions import Function
from infra.local.host.timer_trigger import missed, monitor_path


def at(text: str) -> datetime:
    """A moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "after", "due"),
    [
        ("0 */5 * * * *", "2026-01-01 00:00:00", "2026-01-01 00:05:00"),
        ("*/10 * * * * *", "2026-01-01 00:00:05.5", "2026-01-01 00:00:10"),
        ("30 0 3 * * *", "2026-01-01 03:00:30", "2026-01-02 03:00:30"),
        ("0 30 9 * * MON-FRI", "2026-01-02 09:30:00", "2026-01-05 09:30:00"),
        ("0 30 9 * January Monday", "2026-01-01 00:00:00", "2026-01-05 09:30:00"),
        ("0 0 0 13 * FRI", "2026-01-01 00:00:00", "2026-02-13 00:00:00"),
        ("*/5 * * * *", "2026-01-01 00:00:00", "2026-01-01 00:05:00"),
    ],
)
def test_a_schedule_is_due_when_ncrontab_says(expression, after, due):
    """Day of month and day of week must both fit: Friday the 13th is really one."""
    assert schedule.next_due(expression, at(after)) == at(due)


@pytest.mark.parametrize(
    ("expression", "now", "expected"),
    [
        ("0 0 * * * *", "2026-01-01 01:00:01", True),
        ("0 0 * * * *", "2026-01-01 00:59:59", False),
        ("0 0 0 * * *", "2026-01-01 01:00:01", False),
    ],
)
def test_a_timer_was_missed_if_it_came_due_meanwhile(expression, now, expected):
    """The last case has a new schedule: what the old one would have done does not count."""
    status = {"Next": "2026-01-01T01:00:00+00:00", "LastUpdated": "2026-01-01T00:00:00+00:00"}
    assert missed(expression, status, at(now)) is expected


def test_a_timer_fires_by_its_setting_and_once_even_with_two_workers(hosts, eventually):
    """``%TICK%`` is every second; no second has two runs."""
    host = hosts.start("--workers", "2", TICK="* * * * * *")
    eventually(lambda: len(host.seen("tick")) >= 3, "three seconds")
    moments = [line.split("Timer fired at ")[1][:19] for line in host.log().splitlines() if "Timer fired at" in line]
    assert len(moments) == len(set(moments))


def test_a_timer_can_be_run_now(hosts, eventually):
    """POST /admin/functions/NAME with the master key: 202, and the function is not told that it is late."""
    host = hosts.start()
    assert host.send("POST", "/admin/functions/tick", b"{}", content_type="application/json").status == 401
    sent = {"content_type": "application/json", "x_functions_key": host.keys["masterKey"]}
    assert host.send("POST", "/admin/functions/tick", b'{"input": ""}', **sent).status == 202
    assert eventually(lambda: host.seen("tick"), "the run")[0]["past_due"] is False


def test_a_timer_may_run_at_every_start(hosts, changed_app, eventually):
    """That is ``run_on_startup``; it is not late then."""
    root = changed_app()
    code = (root / "function_app.py").read_text()
    (root / "function_app.py").write_text(code.replace("run_on_startup=False", "run_on_startup=True"))
    host = hosts.start(root=root)
    assert eventually(lambda: host.seen("tick"), "the run")[0]["past_due"] is False


def test_a_timer_that_came_due_while_the_host_was_down_fires_at_the_start(hosts, storage, eventually):
    """``past_due`` is true; when it was due is remembered where the platform does, in azure-webjobs-hosts."""
    host = hosts.launch()
    eventually(lambda: "READY" in (host.process.stdout.readline()), "the first start")
    function = Function(name="tick", id="", trigger={}, outputs=())
    path = monitor_path(hosts_root(), function)
    with BlobServiceClient.from_connection_string(storage.connection_string()) as service:
        blob = service.get_blob_client("azure-webjobs-hosts", path)
        status = json.loads(eventually(lambda: blob.exists() and blob.download_blob().readall(), "the status"))
        assert status["Next"].endswith("-01-01T00:00:00+00:00")
        assert host.stop() == 0
        status |= {"Next": "2026-01-01T00:00:00+00:00", "LastUpdated": "2025-06-01T00:00:00+00:00"}
        blob.upload_blob(json.dumps(status), overwrite=True)
        again = hosts.start()
        seen = eventually(lambda: again.seen("tick"), "the late run")
        assert seen[0]["past_due"] is True
        assert seen[0]["status"]["Next"] == "2026-01-01T00:00:00+00:00"
        eventually(lambda: json.loads(blob.download_blob().readall())["Next"] > "2026-01-02", "the status is renewed")


def hosts_root():
    """The folder of the watching app."""
    from pathlib import Path

    return (Path(__file__).parent / "app").resolve()
