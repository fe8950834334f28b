"""Where a path lives: on ARM, or on the API server of the workspace's region, found through its `discoveryUrl`.

The article's way: GET the workspace, GET its `discoveryUrl`, use `api`. Both answers are remembered for an hour. Not here:
which path belongs to which server (catalog.kinds).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Literal

from shared.rest import azure_versions, errors, ids

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.rest.client import Client

Plane = Literal[
    "arm", "history", "execution", "modelmanagement", "metric", "artifact", "datastore", "hyperdrive", "modelregistry"
]  # fmt: skip

PLANE_VERSIONS: dict[str, str] = {
    "history": "v1.0",
    "execution": "v1.0",
    "modelmanagement": "v1.0",
    "metric": "v2.0",
    "artifact": "v2.0",
    "datastore": "v1.0",
    "hyperdrive": "v1.0",
    "modelregistry": "v1.0",
}
CALLERS_PLANES = frozenset(PLANE_VERSIONS)
REMEMBER_S = 3_600.0


class Addresses:
    """Builds the URL of a path; safe to use from many threads (a race costs one more discovery).

    Args:
        client: Sends the discovery requests.
        clock: Seconds, for forgetting.
    """

    def __init__(self, client: Client, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._servers: dict[str, tuple[float, str]] = {}

    def url(self, plane: str, path: str, query: str, *, workspace: str) -> str:
        """Return the absolute URL of `path` (an ARM id, action included) on `plane`.

        Args:
            plane: `arm`, or a path of the regional API server.
            path: Starts with `/subscriptions/`.
            query: Without `?`; holds api-version.
            workspace: ARM id of the workspace; read only for the regional planes.

        Raises:
            RejectedError: the workspace does not exist.
            TransientError: Azure did not answer.
        """
        if plane == "arm":
            return ids.url(self._client.cloud.arm, path, raw=query)
        return ids.url(ids.below(self.api_server(workspace), plane, PLANE_VERSIONS[plane]), path, raw=query)

    def api_server(self, workspace: str) -> str:
        """Return e.g. `https://westeurope.api.azureml.ms`.

        Raises:
            RejectedError: the workspace does not exist, or `WorkspaceNotReady`.
            TransientError: Azure did not answer.
        """
        key = workspace.lower()
        known = self._servers.get(key)
        if known and self._clock() - known[0] < REMEMBER_S:
            return known[1]
        server = _text(self.discover(workspace), "api").rstrip("/")
        if not server:
            raise _not_ready(workspace, "The workspace's discoveryUrl names no API server.", status=502)
        self._servers[key] = (self._clock(), server)
        return server

    def discover(self, workspace: str) -> Any:
        """Return what the workspace's `discoveryUrl` says now: service → server, e.g. `api`, `history`, `modelmanagement`.

        Raises:
            RejectedError: the workspace does not exist, or `WorkspaceNotReady`.
            TransientError: Azure did not answer.
        """
        answer = self._client.send("GET", ids.url(self._client.cloud.arm, workspace, azure_versions.ML)).checked()
        discovery_url = _text(_member(answer.body, "properties"), "discoveryUrl")
        if not discovery_url:
            raise _not_ready(workspace, "The workspace has no discoveryUrl yet.", status=409)
        return self._client.send("GET", discovery_url).checked().body


def _member(body: Any, name: str) -> Any:
    return body.get(name) if isinstance(body, dict) else None


def _text(body: Any, name: str) -> str:
    found = _member(body, name)
    return found if isinstance(found, str) else ""


def _not_ready(workspace: str, message: str, *, status: int) -> errors.RejectedError:
    return errors.RejectedError(errors.AzureError(code="WorkspaceNotReady", message=message, target=workspace), status=status)
