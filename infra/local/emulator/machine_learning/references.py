"""What jobs and deployments refer to: environments, code, models, computes; found, or refused with the name that is wrong."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from infra.local.emulator.machine_learning import scope
from infra.local.emulator.machine_learning.quotas import vm_sizes
from infra.local.emulator.storage import locations

if TYPE_CHECKING:
    from infra.local.emulator.resources import Resource
    from infra.local.emulator.world import World

_SHORT = re.compile(r"azureml:(?!//)([\w.-]+)(?::([\w.-]+)|@(latest|default))")
_REGISTRY = re.compile(
    r"azureml://registries/[\w.-]+/(?:environments|models)/[\w.-]+(?:/(?:versions|labels)/[\w.-]+)?", re.IGNORECASE
)
_IN_REGISTRY = re.compile(
    r"(?:azureml:)?azureml://registries/([\w.-]+)/\w+/([\w.-]+)(?:/(versions|labels)/([\w.-]+))?", re.IGNORECASE
)
_LABELLED = re.compile(r"(/.+)/labels/(?:latest|default)", re.IGNORECASE)
_CURATED = re.compile(r"azureml://registries/azureml/|AzureML-", re.IGNORECASE)


def asset(world: World, workspace: Resource, collection: str, given: str, title: str) -> Resource | None:
    """The asset version that an ARM id or `azureml:NAME:VERSION` names; None for one of a registry that is not here.

    Raises:
        web.Refused: 400, it does not exist.
    """
    text = given.strip()
    if (match := _IN_REGISTRY.fullmatch(text)) and (registry := _registry(world, match[1])) is not None:
        container = f"{registry.id}/{collection}/{match[2]}"
        named = (match[3] or "").lower() == "versions"
        found = world.resources.get(f"{container}/versions/{match[4]}") if named else newest(world, container)
        if found is None:
            raise scope.invalid(f"{title} '{given}' was not found.", f"{title}NotFound")
        return found
    if _REGISTRY.fullmatch(text) or _CURATED.search(text):
        return None
    text = re.sub(r"^azureml:(?=/subscriptions/)", "", text, flags=re.IGNORECASE)
    if text.startswith("azureml://") and "/workspaces/" in text.lower():
        text = f"{workspace.id}/{text[text.lower().index('/workspaces/') + 12 :].partition('/')[2]}"
    if match := _SHORT.fullmatch(text):
        container = f"{workspace.id}/{collection}/{match[1]}"
        found = newest(world, container) if match[3] else world.resources.get(f"{container}/versions/{match[2]}")
    elif (match := _LABELLED.fullmatch(text)) and f"/{collection}/" in text.lower():
        found = newest(world, match[1])
    else:
        found = world.resources.get(text) if f"/{collection}/" in text.lower() else None
    if found is None:
        raise scope.invalid(f"{title} '{given}' was not found.", f"{title}NotFound")
    return found


def newest(world: World, container_id: str) -> Resource | None:
    """The version that the labels `latest` and `default` mean; None where there is no version."""
    versions = world.resources.children(container_id, "versions")
    return versions[-1] if versions else None


def is_mlflow(model: Resource) -> bool:
    """Whether a model version is an MLflow model, in any spelling of its type."""
    return str(model.properties.get("modelType") or "").replace("_", "").lower() == "mlflowmodel"


def _registry(world: World, name: str) -> Resource | None:
    return next((one for one in world.resources.of_type(locations.REGISTRY_TYPE) if one.name.lower() == name.lower()), None)


def environment(world: World, workspace: Resource, given: str) -> dict[str, Any]:
    """The properties of the environment that a job or deployment asks for.

    Raises:
        web.Refused: 400, it does not exist.
    """
    found = asset(world, workspace, "environments", given, "Environment")
    if found is None:
        return {"name": given, "environmentType": "Curated"}
    name = found.id.split("/")[-3]
    return {"name": name, "version": found.name, **found.properties}


def compute(world: World, workspace: Resource, given: str) -> str | None:
    """The name of the compute that an id or name means; None for serverless.

    Raises:
        web.Refused: 400, it does not exist.
    """
    text = re.sub(r"^azureml:", "", given.strip(), flags=re.IGNORECASE)
    if not text or text.lower() in {"serverless", "local"}:
        return None
    arm_id = text if text.startswith("/") else f"{workspace.id}/computes/{text}"
    found = world.resources.get(arm_id)
    if found is None:
        raise scope.invalid(f"Compute '{given}' was not found in workspace '{workspace.name}'.", "ComputeNotFound")
    return found.name


def instance_type(given: str) -> str:
    """A VM size that managed deployments support.

    Raises:
        web.Refused: 400.
    """
    size = vm_sizes.find(given)
    if size is None:
        raise scope.invalid(
            f"Instance type '{given}' is not supported. Supported: {', '.join(s.name for s in vm_sizes.SIZES)}.",
            "InvalidInstanceType",
        )
    return size.name
