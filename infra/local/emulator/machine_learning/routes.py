"""The parts of Microsoft.MachineLearningServices, in the order their routes are tried."""

from infra.local.emulator.machine_learning import statuses
from infra.local.emulator.machine_learning.assets import resources as assets
from infra.local.emulator.machine_learning.batch_endpoints import resources as batch_endpoints
from infra.local.emulator.machine_learning.computes import actions as compute_actions
from infra.local.emulator.machine_learning.computes import resources as computes
from infra.local.emulator.machine_learning.connections import resources as connections
from infra.local.emulator.machine_learning.datastores import resources as datastores
from infra.local.emulator.machine_learning.jobs import resources as jobs
from infra.local.emulator.machine_learning.networks import resources as networks
from infra.local.emulator.machine_learning.online_deployments import resources as online_deployments
from infra.local.emulator.machine_learning.online_endpoints import resources as online_endpoints
from infra.local.emulator.machine_learning.plain_kinds import actions as plain_actions
from infra.local.emulator.machine_learning.plain_kinds import resources as plain_kinds
from infra.local.emulator.machine_learning.registries import assets as registry_assets
from infra.local.emulator.machine_learning.registries import resources as registries
from infra.local.emulator.machine_learning.schedules import resources as schedules
from infra.local.emulator.machine_learning.workspaces import actions as workspace_actions
from infra.local.emulator.machine_learning.workspaces import resources as workspaces

PARTS = (
    statuses.routes, workspaces.routes, workspace_actions.routes, computes.routes, compute_actions.routes, datastores.routes,
    connections.routes, networks.routes, assets.routes, jobs.routes, online_endpoints.routes, online_deployments.routes,
    batch_endpoints.routes, schedules.routes, plain_kinds.routes, plain_actions.routes, registries.routes,
    registry_assets.routes,
)  # fmt: skip
