"""A model as the service shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from infra.local.emulator.resources import Resource


def shown(version: Resource) -> dict[str, Any]:
    """A registered version as v1 shows it."""
    name, properties = version.id.split("/")[-3], version.properties
    system = version.body.get("systemData") or {}
    own = dict(properties.get("properties") or {})
    return {
        "id": f"{name}:{version.name}",
        "name": name,
        "framework": own.pop("v1.framework", "Custom"),
        "frameworkVersion": own.pop("v1.frameworkVersion", None),
        "version": int(version.name) if version.name.isdecimal() else version.name,
        "datasets": [],
        "url": properties.get("modelUri"),
        "mimeType": own.pop("v1.mimeType", "application/x-python"),
        "description": properties.get("description"),
        "createdTime": system.get("createdAt"),
        "modifiedTime": system.get("lastModifiedAt"),
        "unpack": own.pop("v1.unpack", "false") == "true",
        "parentModelId": None,
        "runId": own.pop("v1.runId", None) or properties.get("jobName"),
        "experimentName": own.pop("v1.experimentName", None),
        "kvTags": dict(properties.get("tags") or {}),
        "properties": own,
    }
