"""All of the data plane as one service: every path family answers on each of a region's three hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.local.emulator import web
from infra.local.emulator.dataplane import (
    artifacts,
    data_assets,
    datastores,
    discovery,
    execution,
    experiments,
    hyperdrive,
    metrics,
    mlflow,
    models,
    runs,
    scope,
    services,
    v1_assets,
)
from infra.local.emulator.machine_learning import registry_assets
from infra.local.emulator.serving import batch
from infra.local.emulator.world import FetchError

if TYPE_CHECKING:
    from infra.local.emulator.world import World


class _DataPlane(web.Routes):
    """Routes whose handlers may find that a workspace's storage is gone or refuses: 409, in the service's own shape."""

    def handle(self, world: World, request: web.Request) -> web.Response:
        try:
            return super().handle(world, request)
        except FetchError as error:
            return scope.refused(request, 409, str(error), "Conflict", "StorageError").response


# Longer paths first within a family: `runs/{run}/artifacts` before `runs/{run}` needs no order, as `{run}` is one segment.
routes = _DataPlane(scope.HOSTS, guard=scope.guard, not_found=scope.no_route)
for _family in (
    data_assets, discovery, execution, experiments, artifacts, metrics, runs, models, v1_assets, services, datastores, hyperdrive,
    mlflow,
):  # fmt: skip
    routes.include(_family.routes)
registry_assets.add_regional(routes)
for _path in ("batchEndpoints/{endpoint}/jobs", "batchEndpoints/{endpoint}/deployments/{deployment}/jobs"):
    routes.route("GET", f"{registry_assets.FRONT_END}{scope.WORKSPACE}/{_path}")(batch.jobs_of)
