"""Logs and metrics of a job or run, read from run history."""

from __future__ import annotations

from typing import Any

import pytest

from shared.catalog import paths
from shared.jobs import history, logs
from shared.rest import addresses, clouds, errors
from shared.rest.client import Response
from tests.fakes import Clock
from tests.steward import SETTINGS

API = "https://westeurope.api.azureml.ms"
LOGS = {
    "user_logs/std_log.txt": "https://st.blob.core.windows.net/c/std_log.txt?sig=SAS",
    "system_logs/lifecycler.log": "https://st.blob.core.windows.net/c/lifecycler.log?sig=SAS",
}


class HistoryAzure:
    """A client that knows one run."""

    cloud = clouds.PUBLIC

    def __init__(self, logs: dict[str, str] | None = None) -> None:
        self.logs = LOGS if logs is None else logs
        self.asked: list[str] = []

    def send(self, method: str, url: str, *, body: Any = None, **_: Any) -> Response:
        """Answer what history asks."""
        self.asked.append(f"{method} {url}")
        if "/metric/v2.0/" in url:
            name = (body or {}).get("metricName")
            listed = [{"name": each, "value": []} for each in ("loss", "gone")]
            values = {"name": name, "value": [{"data": {"loss": 0.5}}, {"data": {"loss": 0.25}}]}
            status = 404 if name == "gone" else 200
            return Response(status=status, url=url, body={"value": listed} if "/list?" in url else values)
        return self._history(url)

    def _history(self, url: str) -> Response:
        body: dict[str, Any] = {"status": "Completed", "logFiles": self.logs}
        if url.endswith("/discovery"):
            body = {"api": API}
        if "/workspaces/w1?" in url:
            body = {"properties": {"discoveryUrl": f"{API}/discovery"}}
        return Response(status=200, url=url, body=body)

    def send_signed(self, method: str, url: str, **_: Any) -> Response:
        """Answer a log, as bytes."""
        self.asked.append(f"{method} signed {url.partition('?')[0]}")
        name = url.partition("?")[0].rpartition("/")[2]
        return Response(
            status=404 if "lifecycler" in name else 200, url=url, content=b"\xef\xbb\xbfl\xc3\xb6g \xff of " + name.encode()
        )


def _logs(azure: HistoryAzure, path: str = "workspaces/w1/jobs/j1/logs", *, only: str = "") -> dict[str, Any]:
    client: Any = azure
    return logs.read(paths.resolve(path, SETTINGS).id, client, addresses.Addresses(client, clock=Clock().seconds), only=only)


def test_every_log_is_read_and_one_that_is_not_there_yet_is_empty() -> None:
    """With the run's state, so that a caller knows whether more is to come; bad bytes do not matter."""
    found = _logs(HistoryAzure())
    assert found["status"] == "Completed"
    assert found["value"] == [
        {"name": "user_logs/std_log.txt", "content": "lög \ufffd of std_log.txt"},
        {"name": "system_logs/lifecycler.log", "content": ""},
    ]


def test_one_log_can_be_asked_for() -> None:
    """The others are not fetched."""
    azure = HistoryAzure()
    assert [log["name"] for log in _logs(azure, only="user_logs/std_log.txt")["value"]] == ["user_logs/std_log.txt"]
    assert sum("signed" in asked for asked in azure.asked) == 1


def test_a_log_that_there_is_not_is_a_404_that_names_those_there_are() -> None:
    """Also when there are none yet."""
    with pytest.raises(errors.BadRequestError, match=r"user_logs/std_log\.txt") as missing:
        _logs(HistoryAzure(), only="other.txt")
    assert missing.value.status == 404
    with pytest.raises(errors.BadRequestError, match="none yet"):
        _logs(HistoryAzure({}), only="other.txt")


def test_a_job_and_a_run_are_found_by_their_run_id_alone() -> None:
    """docs/protocol.md §5.2: no experiment in the path."""
    for path, name in (("workspaces/w1/jobs/j1/logs", "j1"), ("workspaces/w1/experiments/e/runs/r1/logs", "r1")):
        azure = HistoryAzure()
        _logs(azure, path)
        assert any(f"{API}/history/v1.0/" in asked and f"/workspaces/w1/runs/{name}/details?" in asked for asked in azure.asked)


def test_metrics_are_asked_of_the_metric_service() -> None:
    """The list has names, each metric its values; one that was deleted meanwhile stays without."""
    azure = HistoryAzure()
    client: Any = azure
    found = history.metrics(
        paths.resolve("workspaces/w1/jobs/j1/metrics", SETTINGS), client, addresses.Addresses(client, clock=Clock().seconds)
    )
    assert [(each["name"], [value["data"] for value in each["value"]]) for each in found["value"]] == [
        ("loss", [{"loss": 0.5}, {"loss": 0.25}]),
        ("gone", []),
    ]
    assert any("/metric/v2.0/" in asked and asked.startswith("POST") for asked in azure.asked)
