"""Subscriptions, locations, resource groups and resource providers."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from infra.local.emulator import scene, web
from infra.local.emulator.arm import gateway, lists, long_running, refusals, versions, writes
from infra.local.emulator.arm.subscriptions import responses, state
from infra.local.emulator.resources import Resource

if TYPE_CHECKING:
    from infra.local.emulator.world import World

routes = web.Routes(r".*")


@routes.route("GET", "/subscriptions")
def subscriptions(world: World, request: web.Request) -> web.Response:
    """The caller's subscriptions."""
    return lists.page(world, request, [found.body for found in world.resources.of_type("microsoft.resources/subscriptions")])


@routes.route("GET", "/subscriptions/{subscription}")
def subscription(world: World, request: web.Request) -> web.Response:
    """One subscription (the guard has seen that it exists)."""
    found = world.resources.get(request.path)
    if found is None:
        raise refusals.refuse(404, "SubscriptionNotFound", "The subscription could not be found.")
    return web.answer(found.body)


@routes.route("GET", "/tenants")
def tenants(world: World, request: web.Request) -> web.Response:
    """The caller's one tenant."""
    domain = "localazure.onmicrosoft.com"
    tenant = {
        "id": f"/tenants/{scene.TENANT_ID}",
        "tenantId": scene.TENANT_ID,
        "countryCode": "NL",
        "displayName": scene.SUBSCRIPTION_NAME,
        "domains": [domain],
        "tenantCategory": "Home",
        "defaultDomain": domain,
        "tenantType": "AAD",
    }
    return lists.page(world, request, [tenant])


@routes.route("GET", "/subscriptions/{subscription}/locations")
def locations(_world: World, request: web.Request) -> web.Response:
    """The regions."""
    base = f"/subscriptions/{request.params['subscription']}/locations"
    return web.answer({"value": [responses.location(base, name) for name in versions.LOCATIONS]})


# ── resource groups ──────────────────────────────────────────────────────────────────────────────────────────────────
@routes.route("GET HEAD", "/subscriptions/{subscription}/resourceGroups/{group}")
def group(world: World, request: web.Request) -> web.Response:
    """One group; HEAD answers 204 or 404."""
    found = world.resources.get(request.path)
    if request.method == "HEAD":
        return web.empty(204 if found else 404)
    if found is None:
        raise refusals.group_not_found(request.params["group"])
    return web.answer(found.body)


@routes.route("PUT", "/subscriptions/{subscription}/resourceGroups/{group}")
def put_group(world: World, request: web.Request) -> web.Response:
    """Create or update: 201 or 200, at once."""
    body, name = gateway.body_object(request), request.params["group"]
    location = str(body.get("location") or "").lower().replace(" ", "")
    if not location:
        raise refusals.location_required()
    if location not in versions.LOCATIONS:
        text = f"The provided location '{location}' is not available for resource group. List of available regions is "
        raise refusals.refuse(400, "LocationNotAvailableForResourceGroup", f"{text}'{','.join(versions.LOCATIONS)}'.")
    found = world.resources.get(request.path)
    if found is not None and found.body["location"] != location:
        raise refusals.location_changed(name, found.body["location"], name, location)
    made = world.resources.put(state.group_resource(request.params["subscription"], name, location, body.get("tags")))
    return web.answer(made.body, status=201 if found is None else 200)


@routes.route("PATCH", "/subscriptions/{subscription}/resourceGroups/{group}")
def patch_group(world: World, request: web.Request) -> web.Response:
    """Change tags."""
    found = world.resources.get(request.path)
    if found is None:
        raise refusals.group_not_found(request.params["group"])
    body = writes.patch_of(found.type, gateway.body_object(request))
    if "tags" in body:
        found.body["tags"] = body["tags"] or {}
    return web.answer(found.body)


@routes.route("DELETE", "/subscriptions/{subscription}/resourceGroups/{group}")
def delete_group(world: World, request: web.Request) -> web.Response:
    """202 with Location and `Retry-After: 15`; everything in the group goes with it."""
    found = world.resources.get(request.path)
    if found is None:
        raise refusals.group_not_found(request.params["group"])
    found.properties["provisioningState"] = "Deleting"
    operation = world.operations.begin(
        kind="resourceGroup", target=found.id, finish=partial(_remove_group, world, found), error=request.operation_error
    )
    url = f"https://{request.host}/subscriptions/{request.params['subscription']}/operationresults/{operation.id}"
    location = long_running.signed(world, f"{url}?api-version={request.query['api-version']}")
    return web.empty(202, {"Location": location, "Retry-After": "15"})


def _remove_group(world: World, found: Resource) -> None:
    from infra.local.emulator.arm.dependencies import state as dependencies

    for kind, remove in state.REMOVE.items():
        for inside in world.resources.below(found.id, of_type=kind):
            remove(world, inside)
    for removed in world.resources.delete(found.id):
        dependencies.removed(world, removed)
    world.authorization.forget_below(found.id)


@routes.route("GET", "/subscriptions/{subscription}/operationresults/{operation}")
def operation_result(world: World, request: web.Request) -> web.Response:
    """The Location of ARM's own operations: 202 with the same headers, then 200."""
    long_running.check_signature(request)
    operation = world.operations.poll(request.params["operation"])
    if operation is None:
        raise refusals.refuse(404, "ResourceNotFound", "The operation could not be found.")
    if not operation.ended:
        headers = {"Location": f"https://{request.host}{request.path}?{request.raw_query}", "Retry-After": "15"}
        return web.empty(202, headers)
    if operation.error is not None:
        return web.answer({"error": operation.error}, status=409)
    return web.answer(operation.result) if operation.result is not None else web.empty(200)


# ── resource providers ───────────────────────────────────────────────────────────────────────────────────────────────


def _namespace(request: web.Request) -> str:
    namespace = request.params["namespace"].lower()
    if namespace not in versions.NAMESPACES:
        raise refusals.refuse(
            404, "InvalidResourceNamespace", f"The resource namespace '{request.params['namespace']}' is invalid."
        )
    return namespace


@routes.route("GET", "/subscriptions/{subscription}/providers")
def providers(world: World, request: web.Request) -> web.Response:
    """The resource providers and their registration."""
    return lists.page(
        world, request, [responses.provider(world, request.params["subscription"], name) for name in versions.NAMESPACES]
    )


@routes.route("GET", "/providers")
def providers_of_the_tenant(world: World, request: web.Request) -> web.Response:
    """The same without a subscription, and so without a registration."""
    return lists.page(world, request, [responses.provider(world, "", name) for name in versions.NAMESPACES])


@routes.route("GET", "/subscriptions/{subscription}/providers/{namespace}")
def provider(world: World, request: web.Request) -> web.Response:
    """One provider; a GET is what moves a registration on (it has no status URL)."""
    namespace = _namespace(request)
    return web.answer(responses.provider(world, request.params["subscription"], namespace))


@routes.route("POST", "/subscriptions/{subscription}/providers/{namespace}/register")
@routes.route("POST", "/subscriptions/{subscription}/providers/{namespace}/unregister")
def register(world: World, request: web.Request) -> web.Response:
    """200 with `Registering` (or `Unregistering`); no status URL: GET the provider."""
    namespace = _namespace(request)
    leaving = request.path.lower().endswith("/unregister")
    target = f"/subscriptions/{request.params['subscription']}/providers/{namespace}"
    goal = "NotRegistered" if leaving else "Registered"
    if world.registration_of(target, namespace) != goal and not world.operations.running(target):
        world.register(target, namespace, "Unregistering" if leaving else "Registering")
        finish = partial(world.register, target, namespace, goal)
        world.operations.begin(kind="provider", target=target, finish=finish, error=request.operation_error)
    return web.answer(responses.provider(world, request.params["subscription"], namespace))


@routes.route("GET", "/providers/{namespace}/operations")
def provider_operations(_world: World, request: web.Request) -> web.Response:
    """The provider's operations (actions for role definitions)."""
    written = versions.NAMESPACES[_namespace(request)]
    kinds = [name.partition("/")[2] for name in versions.TYPES if name.startswith(written.lower() + "/")]
    value = [
        {
            "name": f"{written}/{kind}/{verb}",
            "isDataAction": False,
            "display": {"provider": written, "resource": kind, "operation": verb},
        }
        for kind in kinds
        for verb in ("read", "write", "delete")
    ]
    return web.answer({"value": value})


def seed(world: World) -> None:
    """The scene's subscriptions, groups and registrations."""
    for subscription_id, title in scene.SUBSCRIPTIONS.items():
        arm_id = f"/subscriptions/{subscription_id}"
        body = {
            "id": arm_id,
            "subscriptionId": subscription_id,
            "tenantId": scene.TENANT_ID,
            "displayName": title,
            "state": "Enabled",
            "subscriptionPolicies": {
                "locationPlacementId": "Internal_2014-09-01",
                "quotaId": "Internal_2014-09-01",
                "spendingLimit": "Off",
            },
            "authorizationSource": "RoleBased",
        }
        world.resources.put(Resource(id=arm_id, body=body))
    for name, location in scene.RESOURCE_GROUPS.items():
        world.resources.put(state.group_resource(scene.SUBSCRIPTION_ID, name, location))
    world.resources.put(state.group_resource(scene.LAB_SUBSCRIPTION_ID, scene.LAB_GROUP, scene.LOCATION))
    for subscription_id in scene.SUBSCRIPTIONS:
        for namespace in scene.REGISTERED_PROVIDERS:
            world.register(f"/subscriptions/{subscription_id}", namespace, "Registered")
