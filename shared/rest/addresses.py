"""Where a path lives: on ARM, or on the API server of the workspace's region, found through its `discoveryUrl`.

The article's way: GET the workspace, GET its `discoveryUrl`, use `api`. Both answers are remembered for an hour. Not here:
which path belongs to which server (catalog.kinds).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal

from shared.rest import errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.rest.client import Client

Plane = Literal["arm", "history", "execution", "modelmanagement", "metric"]

PLANE_VERSIONS: dict[str, str] = {"history": "v1.0", "execution": "v1.0", "modelmanagement": "v1.0", "metric": "v2.0"}
CALLERS_PLANES = frozenset({"history", "execution", "modelmanagement"})
WORKSPACE_VERSION = "2025-12-01"
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
        base = self._client.cloud.arm if plane == "arm" else f"{self.api_server(workspace)}/{plane}/{PLANE_VERSIONS[plane]}"
        return f"{base}{path}?{query}" if query else f"{base}{path}"

    def api_server(self, workspace: str) -> str:
        """Return e.g. `https://westeurope.api.azureml.ms`."""
        key = workspace.lower()
        known = self._servers.get(key)
        if known and self._clock() - known[0] < REMEMBER_S:
            return known[1]
        found = self._client.send("GET", f"{self._client.cloud.arm}{workspace}?api-version={WORKSPACE_VERSION}").checked().body
        discovery_url = str((found.get("properties") or {}).get("discoveryUrl") or "")
        if not discovery_url:
            error = errors.AzureError(code="WorkspaceNotReady", message="The workspace has no discoveryUrl yet.", target=workspace)
            raise errors.RejectedError(error, status=409)
        server = str(self._client.send("GET", discovery_url).checked().body["api"]).rstrip("/")
        self._servers[key] = (self._clock(), server)
        return server
