"""Containers and versions of assets as they are kept, and the numbers of versions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from infra.local.emulator.arm import writes
from infra.local.emulator.events import watching
from infra.local.emulator.machine_learning import scope
from infra.local.emulator.resources import Resource

if TYPE_CHECKING:
    from infra.local.emulator.machine_learning.assets.kinds import AssetKind
    from infra.local.emulator.world import World


NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9\-_.]{0,254}")


def changeable() -> dict[str, Any]:
    """What a later PUT may change, as a new one has it."""
    return {"description": None, "tags": {}, "properties": {}, "isArchived": False}


def update(kind: AssetKind, world: World, found: Resource, properties: dict[str, Any]) -> None:
    """Change what a version's PUT may change."""
    found.properties.update(writes.changed(world, f"{kind.type}/versions", properties, {**changeable(), **kind.later}))


def ensure_container(kind: AssetKind, world: World, arm_id: str, by: str, first: dict[str, Any]) -> Resource:
    """The container; made as its own PUT or its first version says, if it is not there.

    Raises:
        web.Refused: 400 for an invalid name.
    """
    found = world.resources.get(arm_id)
    if found is not None:
        return found
    name = arm_id.rpartition("/")[2]
    if not NAME.fullmatch(name):
        raise scope.invalid(f"The name '{name}' is invalid.", "InvalidName")
    properties: dict[str, Any] = {
        **changeable(),
        "latestVersion": None,
        "nextVersion": "1",
        **{name: first[name] for name in kind.kept},
    }
    made = Resource(id=arm_id, body={"id": arm_id, "name": name, "type": kind.type, "properties": {**properties, **kind.state}})
    made.touched(world.now(), by)
    return world.resources.put(made)


def delete_version(world: World, version: Resource) -> None:
    """Delete a version; the numbers of its container go on where they were."""
    world.resources.delete(version.id)
    renumber(world, version.id.rpartition("/versions/")[0])


def renumber(world: World, container_id: str) -> None:
    """Set the latest and the next version of a container."""
    container = world.resources.get(container_id)
    if container is None:
        return
    versions = world.resources.children(container_id, "versions")
    container.properties["latestVersion"] = versions[-1].name if versions else None
    numbers = [int(version.name) + 1 for version in versions if version.name.isdecimal()]
    container.properties["nextVersion"] = str(max([int(container.properties["nextVersion"]), *numbers]))


def register(
    kind: AssetKind, world: World, workspace: Resource, name: str, version: str, properties: dict[str, Any], *, by: str
) -> Resource:
    """Add a version (the checks are done): it, with its container made or renumbered."""
    container = ensure_container(kind, world, f"{workspace.id}/{kind.collection}/{name}", by, properties)
    arm_id = f"{container.id}/versions/{version}"
    defaults: dict[str, Any] = {**changeable(), **kind.later, "isAnonymous": False}
    if kind.collection == "models":
        defaults |= {"jobName": None}
    if kind.collection == "environments":
        defaults |= {"environmentType": "UserCreated", "osType": "Linux", "image": None, "condaFile": None, "build": None}
        defaults |= {"autoRebuild": "Disabled"}
    body = {"id": arm_id, "name": version, "type": f"{kind.type}/versions", "properties": {**defaults, **properties, **kind.state}}
    made = Resource(id=arm_id, body=body)
    made.touched(world.now(), by)
    world.resources.put(made)
    renumber(world, container.id)
    if kind.collection == "models":
        watching.model_registered(world, made)
    return made
