"""The refusals that callers of Azure meet most, as one table: the rows of every service.

`tests/functional/emulator/test_refusals.py` provokes each row with a real request and holds the answer to the row, so the
table and the code cannot drift apart.
"""

from infra.local.emulator.arm import refusals as arm
from infra.local.emulator.arm.dependencies import refusals as dependencies
from infra.local.emulator.arm.deployments import refusals as deployments
from infra.local.emulator.arm.event_grid import refusals as event_grid
from infra.local.emulator.arm.locks import refusals as locks
from infra.local.emulator.arm.subscriptions import refusals as subscriptions
from infra.local.emulator.machine_learning.assets import refusals as assets
from infra.local.emulator.machine_learning.batch_endpoints import refusals as batch_endpoints
from infra.local.emulator.machine_learning.computes import refusals as computes
from infra.local.emulator.machine_learning.connections import refusals as connections
from infra.local.emulator.machine_learning.datastores import refusals as datastores
from infra.local.emulator.machine_learning.jobs import refusals as jobs
from infra.local.emulator.machine_learning.networks import refusals as networks
from infra.local.emulator.machine_learning.online_deployments import refusals as online_deployments
from infra.local.emulator.machine_learning.online_endpoints import refusals as online_endpoints
from infra.local.emulator.machine_learning.plain_kinds import refusals as plain_kinds
from infra.local.emulator.machine_learning.quotas import refusals as quotas
from infra.local.emulator.machine_learning.registries import refusals as registries
from infra.local.emulator.machine_learning.schedules import refusals as schedules
from infra.local.emulator.machine_learning.workspaces import refusals as workspaces

SERVICES = (
    arm, subscriptions, locks, dependencies, deployments, workspaces, computes, online_endpoints, quotas,
    online_deployments, batch_endpoints, plain_kinds, schedules, jobs, assets, datastores, connections, networks,
    registries, event_grid,
)  # fmt: skip
ROWS = tuple(row for service in SERVICES for row in service.ROWS)
