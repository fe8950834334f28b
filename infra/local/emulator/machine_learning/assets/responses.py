"""What an answer shows of assets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from infra.local.emulator import web
    from infra.local.emulator.resources import Resource


def visible(request: web.Request, found: list[Resource]) -> list[Resource]:
    """What `listViewType` (default ActiveOnly) lets through."""
    view = request.query.get("listviewtype", "ActiveOnly").lower()
    if view == "all":
        return found
    archived = view == "archivedonly"
    return [
        item
        for item in found
        if bool(item.properties.get("isArchived")) is archived and (archived or not item.properties.get("isAnonymous"))
    ]


def shown(request: web.Request, item: Resource) -> dict[str, Any]:
    """What a GET answers; a registry's front end names its assets `azureml://registries/…`."""
    if "registry" not in request.params or request.host.startswith("management."):
        return item.body
    tail = item.id[item.id.lower().index("/registries/") + 1 :]
    return {**item.body, "id": f"azureml://{tail}"}
