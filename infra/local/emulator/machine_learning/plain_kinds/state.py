"""The kinds that are only kept, as rows, and their resources."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infra.local.emulator.machine_learning import scope
from infra.local.emulator.resources import Resource

if TYPE_CHECKING:
    from infra.local.emulator import web
    from infra.local.emulator.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One kind.

    Attributes:
        path: its segments behind the workspace, e.g. `featuresets/versions`.
        title: in messages.
        required: properties that must be given.
        prefix: letters of its operations; empty: every write is done at once.
        tracked: whether it has a location.
        patch: whether it can be patched.
        secrets: properties that no GET shows.
        created: status of a PUT that makes one.
    """

    path: str
    title: str
    required: tuple[str, ...] = ()
    prefix: str = ""
    tracked: bool = False
    patch: bool = False
    secrets: tuple[str, ...] = ()
    created: int = 201

    @property
    def type(self) -> str:
        """As ARM writes it."""
        return f"{scope.NAMESPACE}/workspaces/{self.path}"

    @property
    def template(self) -> str:
        """The path of one resource."""
        return scope.WORKSPACE + "".join(f"/{part}/{{name{n}}}" for n, part in enumerate(self.path.split("/")))


def body_of(
    row: Row,
    workspace: Resource,
    whole_id: str,
    body: dict[str, Any],
    properties: dict[str, Any],
    found: Resource | None,
    stays: dict[str, Any],
) -> dict[str, Any]:
    """The body that a PUT leaves."""
    kept = {name: body[name] for name in ("tags", "identity", "sku", "kind") if body.get(name)}
    if row.tracked:
        kept["location"] = body.get("location") or scope.location(workspace)
    defaults: dict[str, Any] = {}
    if row.path == "marketplaceSubscriptions":
        plan = {"publisherId": "contoso", "offerId": "models", "planId": "pay-as-you-go"}
        defaults = {"marketplacePlan": plan, "marketplaceSubscriptionStatus": "Subscribed"}
    if row.path == "serverlessEndpoints":
        host = f"{whole_id.rpartition('/')[2].lower()}.{scope.location(workspace)}.models.ai.azure.com"
        defaults = {"authMode": "Key", "endpointState": "Online", "inferenceEndpoint": {"uri": f"https://{host}", "headers": {}}}
    if row.path.startswith("feature"):
        defaults = {"description": None, "tags": {}, "properties": {}, "isArchived": False}
        defaults |= {"stage": "Development"} if "/" in row.path else {}
    if row.path == "marketplaceSubscriptions":  # read-only both
        properties = {**properties, "marketplaceSubscriptionStatus": "Subscribed", "marketplacePlan": _plan(properties["modelId"])}
    return {
        "id": whole_id,
        "name": whole_id.rpartition("/")[2],
        "type": row.type,
        **kept,
        "properties": {**defaults, **stays, **properties, "provisioningState": "Updating" if found else "Creating"},
        "systemData": dict(found.body.get("systemData") or {}) if found else {},
    }


def _plan(model_id: Any) -> dict[str, str]:
    """The offer behind a model: the registry's publisher, the model's name. The real ids are in the Marketplace."""
    parts = str(model_id).strip("/").split("/")
    offer = parts[-1].lower()
    publisher = parts[parts.index("registries") + 1] if "registries" in parts[:-1] else "azureml"
    return {"publisherId": publisher.removeprefix("azureml-"), "offerId": offer, "planId": offer}


def ensure_parent(row: Row, world: World, request: web.Request, parent_id: str) -> None:
    """Make the container that a version lies in, if it is not there."""
    if world.resources.get(parent_id) is None:
        body = {
            "id": parent_id,
            "name": parent_id.rpartition("/")[2],
            "type": row.type.rpartition("/")[0],
            "properties": {"isArchived": False, "latestVersion": None, "provisioningState": "Succeeded"},
        }
        made = world.resources.put(Resource(id=parent_id, body=body))
        made.touched(world.now(), scope.caller(request))
