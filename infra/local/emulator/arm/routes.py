"""ARM as one service: the gateway in front, its own resources and the providers behind."""

from infra.local.emulator import clouds, web
from infra.local.emulator.arm import gateway
from infra.local.emulator.arm.authorization import resources as authorization
from infra.local.emulator.arm.dependencies import deleted_vaults, names, neighbours
from infra.local.emulator.arm.dependencies import resources as dependencies
from infra.local.emulator.arm.deployments import resources as deployments
from infra.local.emulator.arm.event_grid import resources as events
from infra.local.emulator.arm.event_grid import topic_types
from infra.local.emulator.arm.locks import resources as locks
from infra.local.emulator.arm.metrics import resources as metrics
from infra.local.emulator.arm.subscriptions import cloud_metadata, resource_lists
from infra.local.emulator.arm.subscriptions import resources as subscriptions
from infra.local.emulator.arm.tags import resources as tags
from infra.local.emulator.machine_learning.routes import PARTS

routes = web.Routes(clouds.ARM, guard=gateway.guard, not_found=gateway.not_found, finish=gateway.finish, locked=True)
_SERVICES = (
    *(subscriptions, cloud_metadata, resource_lists, tags, locks, authorization, topic_types, events, metrics),
    *(names, deleted_vaults, dependencies, neighbours, deployments),
)
for part in (*(service.routes for service in _SERVICES), *PARTS):
    routes.include(part)
