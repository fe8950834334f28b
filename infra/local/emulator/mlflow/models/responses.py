"""Models and their versions as MLflow shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.local.emulator.mlflow import wire

if TYPE_CHECKING:
    from infra.local.emulator.resources import Resource
    from infra.local.emulator.world import World


STAGES = {stage.lower(): stage for stage in ("None", "Staging", "Production", "Archived")}


def _times(found: Resource) -> dict[str, Any]:
    system = found.body.get("systemData") or {}
    return {
        "creation_timestamp": wire.millis(system.get("createdAt")),
        "last_updated_timestamp": wire.millis(system.get("lastModifiedAt")),
    }


def version_shown(found: Resource) -> dict[str, Any]:
    """A version of a model."""
    properties = found.properties
    return {
        "name": found.id.split("/")[-3],
        "version": found.name,
        **_times(found),
        "user_id": (found.body.get("systemData") or {}).get("createdBy") or "",
        "current_stage": properties.get("stage") or "None",
        "description": properties.get("description") or "",
        "source": found.hidden.get("mlflowSource") or properties.get("modelUri"),
        "run_id": properties.get("jobName") or "",
        "status": "READY",
        "tags": wire.listed(properties.get("tags") or {}),
    }


def versions_of(world: World, model: Resource) -> list[Resource]:
    """The versions that are not archived, newest first."""
    with world.lock:
        found = world.resources.children(model.id, "versions")
    return [one for one in reversed(found) if not one.properties.get("isArchived")]


def newest_by_stage(world: World, model: Resource, stages: list[str]) -> list[dict[str, Any]]:
    """The newest version in each of the stages."""
    newest: dict[str, dict[str, Any]] = {}
    for one in versions_of(world, model):
        newest.setdefault(one.properties.get("stage") or "None", version_shown(one))
    return [newest[stage] for stage in stages if stage in newest]


def model_shown(world: World, found: Resource) -> dict[str, Any]:
    """A model with its newest versions."""
    return {
        "name": found.name,
        **_times(found),
        "description": found.properties.get("description") or "",
        "latest_versions": newest_by_stage(world, found, list(STAGES.values())),
        "tags": wire.listed(found.properties.get("tags") or {}),
    }
