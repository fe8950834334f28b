"""What run history tells of a job or run besides itself: its logs and metrics. Read, never stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.catalog import kinds
from shared.rest import errors, ids

if TYPE_CHECKING:
    from shared.catalog.paths import Target
    from shared.rest.addresses import Addresses
    from shared.rest.client import Client

METRIC_LIMIT = 100  # whose values are asked for
LOG_LIMIT = 256 * 1024  # bytes of each log, its end


def logs(target: Target, client: Client, addresses: Addresses, *, only: str = "") -> dict[str, Any]:
    """Return `{"status", "value": [{"name", "content"}]}`: the end of every log file, or of the one called `only`.

    Raises:
        RejectedError: Azure knows no such run.
        BadRequestError: `NoSuchLog` (404), naming those there are.
    """
    details = client.send("GET", _run_url(target, "history", "details", addresses)).checked().body or {}
    files: dict[str, str] = details.get("logFiles") or {}
    if only and only not in files:
        message = f"There is no log '{only[:200]}'; there are {', '.join(files) or 'none yet'}."
        raise errors.BadRequestError("NoSuchLog", message, target="file", status=404)
    value = []
    for name, url in files.items():
        if only in ("", name):
            answer = client.send_signed("GET", url, headers={"x-ms-version": "2021-08-06", "Accept": "*/*"})
            content = answer.content[-LOG_LIMIT:].decode("utf-8-sig", errors="replace") if answer.ok else ""
            value.append({"name": name, "content": content})
    return {"status": details.get("status"), "value": value}


def metrics(target: Target, client: Client, addresses: Addresses) -> dict[str, Any]:
    """Return the run's metrics as the metric service lists them, each of the first `METRIC_LIMIT` with all its values.

    The service's list has names without values, which it tells metric by metric.

    Raises:
        RejectedError: Azure knows no such run.
    """
    url = _run_url(target, "metric", "list", addresses)
    found: dict[str, Any] = client.send("POST", url, body={}).checked().body or {"value": []}
    whole = _run_url(target, "metric", "full", addresses)
    for metric in found.get("value", [])[:METRIC_LIMIT]:
        answer = client.send("POST", whole, body={"metricName": metric.get("name")})
        if answer.ok and isinstance(answer.body, dict):  # deleted since the list: it stays without values
            metric["value"] = answer.body.get("value") or []
    return found


def _run_url(target: Target, plane: str, tail: str, addresses: Addresses) -> str:
    """A job's name is its run id; run history finds a run by its id alone (docs/protocol.md §5)."""
    path = ids.below(target.workspace.path, "runs", target.id.name, tail)
    return addresses.url(plane, path, f"api-version={kinds.V1_VERSION}", workspace=target.workspace.path)
