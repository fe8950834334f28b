"""All of the data plane as one service: every path family answers on each of a region's three hosts."""

from __future__ import annotations

from infra.local.emulator import web
from infra.local.emulator.dataplane import (
    artifacts,
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

# Longer paths first within a family: `runs/{run}/artifacts` before `runs/{run}` needs no order, as `{run}` is one segment.
routes = web.Routes(scope.HOSTS, guard=scope.guard, not_found=scope.no_route)
for _family in (
    discovery, execution, experiments, artifacts, metrics, runs, models, v1_assets, services, datastores, hyperdrive, mlflow,
):  # fmt: skip
    routes.include(_family.routes)
