"""Tags as a resource of their own (`Microsoft.Resources/tags/default` at any scope), and the names used in a subscription."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from infra.local.emulator import web
from infra.local.emulator.arm import gateway, lists, refusals
from infra.local.emulator.resources import merge_patch

if TYPE_CHECKING:
    from infra.local.emulator.resources import Resource
    from infra.local.emulator.world import World

routes = web.Routes(r".*")
TYPE = "Microsoft.Resources/tags"
_TAIL = f"/providers/{TYPE}/default"


def _tagged(world: World, request: web.Request) -> Resource:
    scope = request.path[: -len(_TAIL)]
    found = world.resources.get(scope)
    if found is None:
        raise refusals.refuse(404, "ResourceNotFound", f"The resource '{scope}' could not be found.")
    return found


def _answer(found: Resource) -> web.Response:
    body = {"id": f"{found.id}{_TAIL}", "name": "default", "type": TYPE, "properties": {"tags": found.body.get("tags") or {}}}
    return web.answer(body)


def _given(request: web.Request) -> tuple[str, dict[str, str]]:
    """The operation and the tags of a body.

    Raises:
        web.Refused: 400.
    """
    body = gateway.body_object(request)
    tags = (body.get("properties") or {}).get("tags")
    if not isinstance(tags, dict) or not all(isinstance(value, str) for value in tags.values()):
        raise refusals.invalid_content("The property 'properties.tags' is an object of texts")
    return str(body.get("operation") or ""), tags


def _get(world: World, request: web.Request) -> web.Response:
    return _answer(_tagged(world, request))


def _put(world: World, request: web.Request) -> web.Response:
    found, (_, tags) = _tagged(world, request), _given(request)
    found.body["tags"] = dict(tags)
    return _answer(found)


def _patch(world: World, request: web.Request) -> web.Response:
    found, (operation, tags) = _tagged(world, request), _given(request)
    kept: dict[str, str] = found.body.get("tags") or {}
    changed: dict[str, Any] = {
        "merge": merge_patch(kept, tags),
        "replace": dict(tags),
        "delete": {name: value for name, value in kept.items() if tags.get(name) != value},
    }
    if operation.lower() not in changed:
        raise refusals.invalid_content(f"The operation '{operation}' is not one of Merge, Replace, Delete")
    found.body["tags"] = changed[operation.lower()]
    return _answer(found)


def _delete(world: World, request: web.Request) -> web.Response:
    _tagged(world, request).body.pop("tags", None)
    return web.empty(200)


@routes.route("GET", "/subscriptions/{subscription}/tagNames")
def names(world: World, request: web.Request) -> web.Response:
    """The names and values in use, each with how often."""
    subscription = request.path.rpartition("/")[0]
    used = _used(world, subscription)
    known = dict.fromkeys([*(name for name, _ in used), *_predefined(world, subscription)])
    return lists.page(world, request, [_details(world, subscription, name, used) for name in known])


def _used(world: World, subscription: str) -> Counter[tuple[str, str]]:
    tagged = [*filter(None, [world.resources.get(subscription)]), *world.resources.below(subscription)]
    return Counter(pair for one in tagged for pair in (one.body.get("tags") or {}).items())


@routes.route("PUT DELETE", "/subscriptions/{subscription}/tagNames/{name}")
@routes.route("PUT DELETE", "/subscriptions/{subscription}/tagNames/{name}/tagValues/{value}")
def predefine(world: World, request: web.Request) -> web.Response:
    """A name or a value that can be chosen before a resource has it; one in use is not deleted."""
    subscription, name, value = (request.params.get(part, "") for part in ("subscription", "name", "value"))
    scope = f"/subscriptions/{subscription}"
    used, kept = _used(world, scope), _predefined(world, scope)
    if request.method == "DELETE":
        there = value in kept.get(name, ()) if value else name in kept
        if any(of == name and value in {"", its} for of, its in used) or (there and not value and kept[name]):
            raise refusals.refuse(409, "TagInUse", f"The tag '{value or name}' is in use, or has values. Delete those first.")
        if there and value:
            kept[name].remove(value)
        elif there:
            del kept[name]
        return web.empty(200 if there else 204)
    if value and name not in kept:
        raise refusals.refuse(404, "TagNameNotFound", f"The tag name '{name}' could not be found.")
    there = value in kept.get(name, ()) if value else name in kept
    kept.setdefault(name, [])
    if value and not there:
        kept[name].append(value)
    shown = _details(world, scope, name, used)
    body = next(one for one in shown["values"] if one["tagValue"] == value) if value else shown
    return web.answer(body, status=200 if there else 201)


def _details(world: World, subscription: str, name: str, used: Counter[tuple[str, str]]) -> dict[str, Any]:
    arm_id = f"{subscription}/tagNames/{name}"
    of_name = {value: count for (of, value), count in used.items() if of == name}
    values = [
        {"id": f"{arm_id}/tagValues/{value}", "tagValue": value, "count": {"type": "Total", "value": of_name.get(value, 0)}}
        for value in dict.fromkeys([*of_name, *_predefined(world, subscription).get(name, ())])
    ]
    count = {"type": "Total", "value": sum(of_name.values())}
    return {"id": arm_id, "tagName": name, "count": count, "values": values}


def _predefined(world: World, subscription: str) -> dict[str, list[str]]:
    """Names, each with its values, that were put without a resource."""
    kept: dict[str, list[str]] = world.notes.setdefault("tag names", {}).setdefault(subscription.lower(), {})
    return kept


for _scope in ("/subscriptions/{subscription}", "/subscriptions/{subscription}/{rest*}"):
    for _verb, _handler in (("GET", _get), ("PUT", _put), ("PATCH", _patch), ("DELETE", _delete)):
        routes.route(_verb, f"{_scope}{_TAIL}")(_handler)
