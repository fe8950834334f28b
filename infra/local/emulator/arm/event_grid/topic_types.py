"""The types of topics that the local Azure raises events for, and the event subscriptions of each.

Azure lists those of global topics (a subscription, a resource group) for a subscription or a group, the others by region.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.local.emulator import scene, web
from infra.local.emulator.arm import lists, refusals, versions
from infra.local.emulator.events import happened, subscriptions

if TYPE_CHECKING:
    from infra.local.emulator.resources import Resource
    from infra.local.emulator.world import World

routes = web.Routes(r".*")
_PROVIDER = "/providers/Microsoft.EventGrid"
_SUBSCRIPTION = "/subscriptions/{subscription}"
_GROUP = f"{_SUBSCRIPTION}/resourceGroups/{{group}}"
_TYPES = {
    "Microsoft.Resources.Subscriptions": "Azure Subscriptions",
    "Microsoft.Resources.ResourceGroups": "Resource Groups",
    "Microsoft.MachineLearningServices.Workspaces": "Azure Machine Learning Workspaces",
    "Microsoft.EventGrid.Topics": "Event Grid Topics",
}
_OF_RESOURCES = tuple(
    f"Microsoft.Resources.Resource{did}{how}" for did in ("Write", "Delete", "Action") for how in ("Success", "Failure", "Cancel")
)
_EVENTS = {  # https://learn.microsoft.com/azure/event-grid/event-schema-machine-learning, event-schema-resource-groups
    "Microsoft.Resources.Subscriptions": _OF_RESOURCES,
    "Microsoft.Resources.ResourceGroups": _OF_RESOURCES,
    "Microsoft.MachineLearningServices.Workspaces": tuple(f"{happened.ML}.{name}" for name in happened.ML_NAMES),
}
_GLOBAL = frozenset({"microsoft.resources.subscriptions", "microsoft.resources.resourcegroups"})


def _type(name: str) -> dict[str, Any]:
    everywhere = name.lower() in _GLOBAL
    return {
        "id": f"providers/Microsoft.EventGrid/topicTypes/{name}",
        "name": name,
        "type": "Microsoft.EventGrid/topicTypes",
        "properties": {
            "provider": name.rpartition(".")[0],
            "displayName": _TYPES[name],
            "description": f"{_TYPES[name]} events.",
            "resourceRegionType": "GlobalResource" if everywhere else "RegionalResource",
            "provisioningState": "Succeeded",
            "supportedLocations": ["global"] if everywhere else [display for _, display in versions.REGIONS.values()],
        },
    }


@routes.route("GET", f"{_PROVIDER}/topicTypes")
def list_types(_world: World, _request: web.Request) -> web.Response:
    """All types."""
    return web.answer({"value": [_type(name) for name in _TYPES]})


@routes.route("GET", f"{_PROVIDER}/topicTypes/{{type}}")
def get_type(_world: World, request: web.Request) -> web.Response:
    """One type."""
    return web.answer(_type(_known(request)))


def _events(kind: str) -> web.Response:
    base = f"providers/Microsoft.EventGrid/topicTypes/{kind}/eventTypes"
    value = [
        {
            "id": f"{base}/{name}",
            "name": name,
            "type": "Microsoft.EventGrid/topicTypes/eventTypes",
            "properties": {"displayName": name, "description": f"The event {name}.", "isInDefaultSet": True},
        }
        for name in _EVENTS.get(kind, ())
    ]
    return web.answer({"value": value})


@routes.route("GET", f"{_PROVIDER}/topicTypes/{{type}}/eventTypes")
def events_of_type(_world: World, request: web.Request) -> web.Response:
    """The events of a type of topic; a custom topic has none of its own."""
    return _events(_known(request))


@routes.route("GET", f"{_GROUP}/providers/{{rest*}}/providers/Microsoft.EventGrid/eventTypes")
def events_of_resource(world: World, request: web.Request) -> web.Response:
    """The events of one resource."""
    arm_id = request.path.lower().rpartition("/providers/")[0]
    if world.resources.get(arm_id) is None:
        raise refusals.refuse(404, "ResourceNotFound", f"The Resource '{arm_id}' was not found.")
    of_type, _ = _topic_type(world, arm_id)
    return _events(next((name for name in _EVENTS if name.lower() == of_type), ""))


def _known(request: web.Request) -> str:
    given = request.params["type"]
    found = next((name for name in _TYPES if name.lower() == given.lower()), None)
    if found is None:
        raise refusals.refuse(404, "ResourceNotFound", f"The topic type '{given}' could not be found.")
    return found


def _topic_type(world: World, topic: str) -> tuple[str, str]:
    """Type and region, both lower case, of what a subscription listens to; a global topic's region is `global`."""
    parts = topic.strip("/").lower().split("/")
    if "providers" not in parts:
        return ("microsoft.resources.resourcegroups" if len(parts) > 2 else "microsoft.resources.subscriptions"), "global"
    at = parts.index("providers")
    found = world.resources.get(topic)
    region = str(found.body.get("location") or scene.LOCATION) if found else scene.LOCATION
    return ".".join((parts[at + 1], *parts[at + 2 :: 2])), region.lower().replace(" ", "")


def _listed(world: World, request: web.Request, *, region: str, kind: str = "") -> web.Response:
    scope = request.path.lower().partition("/providers/")[0]

    def wanted(found: Resource) -> bool:
        topic = str(found.properties["topic"])
        of_kind, there = _topic_type(world, topic)
        inside = topic.lower() == scope or topic.lower().startswith(scope + "/")
        return inside and there == region and (not kind or of_kind == kind.lower())

    found = [one.body for one in world.resources.of_type(subscriptions.TYPE.lower()) if wanted(one)]
    return lists.page(world, request, found)


def _of_type(world: World, request: web.Request) -> web.Response:
    return _listed(world, request, region="global", kind=_known(request))


def _of_region(world: World, request: web.Request) -> web.Response:
    return _listed(world, request, region=request.params["location"].lower().replace(" ", ""))


def _of_region_and_type(world: World, request: web.Request) -> web.Response:
    return _listed(world, request, region=request.params["location"].lower().replace(" ", ""), kind=_known(request))


for _scope in (_SUBSCRIPTION, _GROUP):
    _base = f"{_scope}{_PROVIDER}"
    routes.route("GET", f"{_base}/topicTypes/{{type}}/eventSubscriptions")(_of_type)
    routes.route("GET", f"{_base}/locations/{{location}}/eventSubscriptions")(_of_region)
    routes.route("GET", f"{_base}/locations/{{location}}/topicTypes/{{type}}/eventSubscriptions")(_of_region_and_type)
