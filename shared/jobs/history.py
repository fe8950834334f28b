"""What run history has of a job or run besides itself: where, and its metrics. Read, never stored. Not here: logs (jobs.logs)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.catalog import kinds
from shared.rest import ids

if TYPE_CHECKING:
    from shared.catalog.paths import Target
    from shared.rest.addresses import Addresses, Plane
    from shared.rest.client import Client

METRIC_LIMIT = 100  # whose values are asked for


def metrics(target: Target, client: Client, addresses: Addresses) -> dict[str, Any]:
    """Return the run's metrics as the metric service lists them, each of the first `METRIC_LIMIT` with all its values.

    The service's list has names without values, which it gives metric by metric.

    Raises:
        RejectedError: Azure knows no such run.
    """
    url = run_url(target.id, target.id.name, "list", addresses, plane="metric")
    found: dict[str, Any] = client.send("POST", url, body={}).checked().body or {"value": []}
    whole = run_url(target.id, target.id.name, "full", addresses, plane="metric")
    for metric in found.get("value", [])[:METRIC_LIMIT]:
        answer = client.send("POST", whole, body={"metricName": metric.get("name")})
        if answer.ok and isinstance(answer.body, dict):  # deleted since the list: it stays without values
            metric["value"] = answer.body.get("value") or []
    return found


def run_url(where: ids.ResourceId, name: str, tail: str, addresses: Addresses, *, plane: Plane = "history") -> str:
    """Return where something of a run is: a job's name is its run id, by which alone it is found (docs/protocol.md §5)."""
    workspace = where.ancestor(1).path
    path = ids.below(workspace, "runs", name, tail)
    return addresses.url(plane, path, f"api-version={kinds.V1_VERSION}", workspace=workspace)
