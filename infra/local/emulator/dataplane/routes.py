"""All of the data plane as one service: every path family answers on each of a region's three hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.local.emulator import web
from infra.local.emulator.backends import FetchError
from infra.local.emulator.dataplane import scope
from infra.local.emulator.dataplane.artifacts import resources as artifacts
from infra.local.emulator.dataplane.assets import resources as v1_assets
from infra.local.emulator.dataplane.data import resources as data_assets
from infra.local.emulator.dataplane.datastores import resources as datastores
from infra.local.emulator.dataplane.discovery import resources as discovery
from infra.local.emulator.dataplane.execution import resources as execution
from infra.local.emulator.dataplane.history import experiments
from infra.local.emulator.dataplane.history import resources as runs
from infra.local.emulator.dataplane.hyperdrive import resources as hyperdrive
from infra.local.emulator.dataplane.metrics import resources as metrics
from infra.local.emulator.dataplane.models import resources as models
from infra.local.emulator.dataplane.secrets import resources as secrets
from infra.local.emulator.dataplane.services import resources as services
from infra.local.emulator.machine_learning.computes import resources as computes
from infra.local.emulator.machine_learning.registries import assets as registry_assets

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
    secrets,
):  # fmt: skip
    routes.include(_family.routes)
registry_assets.add_regional(routes)
_computes = web.Routes(r".*")  # ARM's own, read by way of the region: the SDK v1 lists them so
_computes.route("GET", f"/rp/workspaces{scope.WORKSPACE}/computes")(computes.list_all)
_computes.route("GET", f"/rp/workspaces{computes.COMPUTE}")(computes.get)
routes.include_locked(_computes)
