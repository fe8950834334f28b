"""Lists of resources of any type in a subscription and in a group, and of the groups: filtered and expanded as ARM's clients ask.

Source: Resources_List and Resources_ListByResourceGroup of Microsoft.Resources (fields, `substringof`, tags left out when a
filter names them). Not here: lists of one type; each provider has its own.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from infra.local.emulator import web
from infra.local.emulator.arm import lists, odata, refusals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from infra.local.emulator.resources import Resource
    from infra.local.emulator.world import World

routes = web.Routes(r".*")
# Have a region, and are not tracked by ARM: a list of all resources does not hold them.
_NOT_TRACKED = frozenset({
    "microsoft.resources/subscriptions", "microsoft.resources/resourcegroups", "microsoft.resources/deployments",
    "microsoft.machinelearningservices/workspaces/computes",
})  # fmt: skip
_SHOWN = ("kind", "location", "tags", "sku", "plan", "managedBy", "identity")
_PARTS = {"identity": ("principalId",), "plan": ("publisher", "product", "name", "version", "promotionCode")}
_FIELDS = frozenset(
    {"location", "resourcetype", "name", "resourcegroup", "tagname", "tagvalue", *_PARTS}
    | {f"{whole}/{part}".lower() for whole, parts in _PARTS.items() for part in parts}
)
_EXPANSIONS: dict[str, Callable[[Resource], Any]] = {
    "createdtime": lambda found: (found.body.get("systemData") or {}).get("createdAt"),
    "changedtime": lambda found: (found.body.get("systemData") or {}).get("lastModifiedAt"),
    "provisioningstate": lambda found: found.state or "Succeeded",
}
_EXPANDED = {"createdtime": "createdTime", "changedtime": "changedTime", "provisioningstate": "provisioningState"}


def tracked(world: World, scope: str) -> list[Resource]:
    """The resources that ARM lists below a subscription or a group."""
    return [found for found in world.resources.below(scope) if found.body.get("location") and found.type not in _NOT_TRACKED]


@routes.route("GET", "/subscriptions/{subscription}/resources")
@routes.route("GET", "/subscriptions/{subscription}/resourceGroups/{group}/resources")
def resources(world: World, request: web.Request) -> web.Response:
    """All resources that `$filter` lets through, without their properties."""
    text = request.query.get("$filter")
    holds = _filter(text, _FIELDS, ("substringof", "startswith"))
    expand = _expansions(request)
    by_tags = "tagname" in (text or "").lower() or "tagvalue" in (text or "").lower()
    found = [one for one in tracked(world, request.path.rpartition("/")[0]) if any(map(holds, _lookups(one)))]
    return lists.page(world, request, [_shown(one, expand, by_tags=by_tags) for one in found])


@routes.route("GET", "/subscriptions/{subscription}/resourceGroups")
def groups(world: World, request: web.Request) -> web.Response:
    """The resource groups; `$filter` knows tags only."""
    holds = _filter(request.query.get("$filter"), frozenset({"tagname", "tagvalue"}))
    there = world.resources.children(request.path.rpartition("/")[0], "resourceGroups")
    return lists.page(world, request, [one.body for one in there if any(map(holds, _lookups(one)))])


def _filter(text: str | None, fields: frozenset[str], functions: tuple[str, ...] = ()) -> odata.Predicate:
    try:
        return odata.parse(text, lambda name: name.lower() in fields, functions)
    except odata.FilterError as error:
        message = f"Invalid $filter '{text}' specified in the query string. {error}"
        raise refusals.refuse(400, "InvalidFilterInQueryString", message) from None


def _expansions(request: web.Request) -> list[str]:
    wanted = [name.strip() for name in request.query.get("$expand", "").split(",") if name.strip()]
    if unknown := [name for name in wanted if name.lower() not in _EXPANSIONS]:
        message = f"Invalid $expand '{unknown[0]}' specified in the query string. It is one of {', '.join(_EXPANDED.values())}."
        raise refusals.refuse(400, "InvalidExpandInQueryString", message)
    return [name.lower() for name in wanted]


def _lookups(found: Resource) -> Iterator[Callable[[str], Any]]:
    """What a filter sees of a resource: once for each of its tags, because name and value belong together."""
    names = _names(found)
    fields: dict[str, Any] = {
        "location": found.body["location"],
        "resourcetype": found.body.get("type"),
        "name": names,
        "resourcegroup": found.id.split("/")[4],
    }
    for whole, parts in _PARTS.items():
        inner = found.body.get(whole) if isinstance(found.body.get(whole), dict) else {}
        fields[whole] = inner.get("type") or inner.get("name") if inner else None
        fields |= {f"{whole}/{part}".lower(): (inner or {}).get(part) for part in parts}
    for name, value in (found.body.get("tags") or {"": ""}).items():
        yield partial(_field, {**fields, "tagname": name or None, "tagvalue": value or None})


def _field(fields: dict[str, Any], name: str) -> Any:
    return fields.get(name.lower())


def _names(found: Resource) -> str:
    """The name of a nested resource has its parents' in front."""
    return "/".join(found.id.rpartition("/providers/")[2].split("/")[2::2])


def _shown(found: Resource, expand: list[str], *, by_tags: bool) -> dict[str, Any]:
    shown = {name: found.body[name] for name in _SHOWN if found.body.get(name) and not (by_tags and name == "tags")}
    more = {_EXPANDED[name]: _EXPANSIONS[name](found) for name in expand}
    return {"id": found.id, "name": _names(found), "type": found.body.get("type"), **shown, **more}
