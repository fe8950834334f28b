"""The parts of Microsoft.MachineLearningServices, in the order their routes are tried."""

from infra.local.emulator.machine_learning import (
    assets,
    batch_endpoints,
    compute_actions,
    computes,
    connections,
    datastores,
    jobs,
    networks,
    online_deployments,
    online_endpoints,
    registries,
    registry_assets,
    schedules,
    statuses,
    workspace_actions,
    workspaces,
)

PARTS = (
    statuses.routes,
    workspaces.routes,
    workspace_actions.routes,
    computes.routes,
    compute_actions.routes,
    datastores.routes,
    connections.routes,
    networks.routes,
    assets.routes,
    jobs.routes,
    online_endpoints.routes,
    online_deployments.routes,
    batch_endpoints.routes,
    schedules.routes,
    registries.routes,
    registry_assets.routes,
)
