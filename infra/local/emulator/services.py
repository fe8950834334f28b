"""Every service, in the order in which hosts are tried. ARM is one: its door in front, the providers behind."""

from infra.local.emulator import clouds, web
from infra.local.emulator.arm import gateway
from infra.local.emulator.arm.authorization import resources as authorization
from infra.local.emulator.arm.dependencies import access_policies, blob_services, deleted_vaults, names, neighbours
from infra.local.emulator.arm.dependencies import resources as dependencies
from infra.local.emulator.arm.deployments import resources as deployments
from infra.local.emulator.arm.event_grid import resources as events
from infra.local.emulator.arm.event_grid import topic_types
from infra.local.emulator.arm.locks import resources as locks
from infra.local.emulator.arm.metrics import resources as metrics
from infra.local.emulator.arm.subscriptions import cloud_metadata, resource_lists
from infra.local.emulator.arm.subscriptions import resources as subscriptions
from infra.local.emulator.arm.tags import resources as tags
from infra.local.emulator.dataplane import routes as dataplane
from infra.local.emulator.dataplane import scope
from infra.local.emulator.events import publishing
from infra.local.emulator.identity import resources as identity
from infra.local.emulator.machine_learning import routes as machine_learning
from infra.local.emulator.machine_learning import value_types, words
from infra.local.emulator.machine_learning.registries import assets as registry_assets
from infra.local.emulator.mlflow import routes as mlflow
from infra.local.emulator.serving import batch, scoring, web_services
from infra.local.emulator.world import World


def _guard(world: World, request: web.Request) -> web.Request:
    """ARM's door, then what no provider can read."""
    request = gateway.guard(world, request)
    words.check(request)
    value_types.check(request)
    return request


arm = web.Routes(clouds.ARM, guard=_guard, not_found=gateway.not_found, finish=gateway.finish, locked=True)
_PROVIDERS = (
    *(subscriptions, cloud_metadata, resource_lists, tags, locks, authorization, topic_types, events, metrics),
    *(names, deleted_vaults, access_policies, blob_services, dependencies, neighbours, deployments),
)
for _part in (*(provider.routes for provider in _PROVIDERS), *machine_learning.PARTS):
    arm.include(_part)
dataplane.routes.include(mlflow.routes)
for _path in ("batchEndpoints/{endpoint}/jobs", "batchEndpoints/{endpoint}/deployments/{deployment}/jobs"):
    dataplane.routes.route("GET", f"{registry_assets.FRONT_END}{scope.WORKSPACE}/{_path}")(batch.jobs_of)

ALL = (identity.routes, arm, dataplane.routes, scoring.routes, web_services.routes, publishing.routes)
