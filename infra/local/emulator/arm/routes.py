"""ARM as one service: the gateway in front, its own resources and the providers behind."""

from infra.local.emulator import clouds, web
from infra.local.emulator.arm import (
    cloud_metadata,
    deleted_vaults,
    dependencies,
    deployments,
    gateway,
    locks,
    metrics,
    names,
    neighbours,
    resource_lists,
    subscriptions,
    tags,
)
from infra.local.emulator.authorization import routes as authorization
from infra.local.emulator.events import routes as events
from infra.local.emulator.events import topic_types
from infra.local.emulator.machine_learning.routes import PARTS

routes = web.Routes(clouds.ARM, guard=gateway.guard, not_found=gateway.not_found, finish=gateway.finish, locked=True)
_SERVICES = (
    *(subscriptions, cloud_metadata, resource_lists, tags, locks, authorization, topic_types, events, metrics),
    *(names, deleted_vaults, dependencies, neighbours, deployments),
)
for part in (*(service.routes for service in _SERVICES), *PARTS):
    routes.include(part)
