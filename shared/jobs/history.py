"""Run history URLs of a job or run, and its metrics. They are read and never stored. Not here: logs (jobs.logs)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.catalog import kinds
from shared.rest import ids

if TYPE_CHECKING:
    from shared.catalog.paths import Target
    from shared.rest.addresses import Addresses, Plane
    from shared.rest.client import Client

METRIC_LIMIT = 100  # metrics whose values are read


def metrics(target: Target, client: Client, addresses: Addresses) -> dict[str, Any]:
    """Return the run's metrics in the order of the metric service, the first `METRIC_LIMIT` with all their values.

    The service's list has names only; the values are read metric by metric.

    Raises:
        RejectedError: Azure has no such run.
    """
    url = run_url(target.id, target.id.name, "list", addresses, plane="metric")
    found: dict[str, Any] = client.send("POST", url, body={}).checked().body or {"value": []}
    whole = run_url(target.id, target.id.name, "full", addresses, plane="metric")
    for metric in found.get("value", [])[:METRIC_LIMIT]:
        answer = client.send("POST", whole, body={"metricName": metric.get("name")})
        if answer.ok and isinstance(answer.body, dict):  # deleted meanwhile: listed without values
            metric["value"] = answer.body.get("value") or []
    return found


def run_url(where: ids.ResourceId, name: str, tail: str, addresses: Addresses, *, plane: Plane = "history") -> str:
    """Return a URL of a run's data: the run is found by its id alone, which is the job's name (docs/protocol.md §5)."""
    workspace = where.ancestor(1).path
    path = ids.below(workspace, "runs", name, tail)
    return addresses.url(plane, path, f"api-version={kinds.V1_VERSION}", workspace=workspace)
