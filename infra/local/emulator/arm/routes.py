"""ARM as one service: the gateway in front, its own resources and the providers behind."""

from infra.local.emulator import clouds, web
from infra.local.emulator.arm import dependencies, deployments, gateway, locks, metrics, neighbours, subscriptions
from infra.local.emulator.authorization import routes as authorization
from infra.local.emulator.events import routes as events
from infra.local.emulator.machine_learning.routes import PARTS

routes = web.Routes(clouds.ARM, guard=gateway.guard, not_found=gateway.not_found, finish=gateway.finish, locked=True)
routes.include(subscriptions.routes)
routes.include(locks.routes)
routes.include(authorization.routes)
routes.include(events.routes)
routes.include(metrics.routes)
routes.include(dependencies.routes)
routes.include(neighbours.routes)
routes.include(deployments.routes)
for part in PARTS:
    routes.include(part)
