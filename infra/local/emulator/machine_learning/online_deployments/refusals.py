"""The refusals of online deployments, as rows: what Azure says, when, and who says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.local.emulator.machine_learning import references, scope
from infra.local.emulator.machine_learning.quotas import state as quota
from infra.local.emulator.machine_learning.quotas import vm_sizes
from infra.local.emulator.refusal import GITHUB, LEARN, LIMITS, RECORDED, SPEC, TROUBLE, Moment, Proof, Refusal

if TYPE_CHECKING:
    from infra.local.emulator.resources import Resource
    from infra.local.emulator.world import World


ROWS: tuple[Refusal, ...] = (
    Refusal(name="deployment name invalid", status=400, code="UserError", inner="InvalidDeploymentName",
        message="The deployment name '{}' is invalid.", source=LIMITS),
    Refusal(name="deployment on an endpoint that is not ready", status=409, code="UserError", inner="EndpointNotReady",
        message="Cannot create a deployment in endpoint {}: its provisioning state is {}. Try again later."),
    Refusal(name="no quota for a deployment and its reserve", status=400, code="BadRequest",
        inner="InferencingClientCreateDeploymentFailed", message=(
            "{}Not enough quota available for {} in SubscriptionId {}. Current usage/limit: {}/{}. Additional needed: {} Please "
            "see troubleshooting guide, available here: https://aka.ms/oe-tsg#error-outofquota{}"
        ), proof=Proof.TEXT, source=f"{GITHUB}MicrosoftLearning/mslearn-azure-ml/issues/30"),
    Refusal(name="instance type unknown", status=400, code="UserError", inner="InvalidInstanceType",
        message="Instance type '{}' is not supported. Supported: {}.",
        source=f"{LEARN}machine-learning/reference-managed-online-endpoints-vm-sku-list"),
    Refusal(name="no instances", status=400, code="UserError", inner="InvalidCapacity",
        message="sku.capacity must be a whole number, 1 or more."),
    Refusal(name="too many instances", status=400, code="UserError", inner="InvalidCapacity",
        message="sku.capacity must be at most {}, it is {}.", source=LIMITS),
    Refusal(name="scale of a deployment unknown", status=400, code="UserError", inner="ValidationError",
        message="The value '{}' of scaleType is not one of {}.", source=SPEC),
    Refusal(name="deployment without environment", status=400, code="UserError", inner="ValidationError",
        message="The field environmentId is required unless the model is an MLflow model."),
    Refusal(name="deployment without code", status=400, code="BadRequest", inner="MissingDriverProgram",
        message="Could not find driver program in the request.", proof=Proof.TEXT,
        source=f"{GITHUB}Azure/azure-cli-extensions/issues/5583"),
    Refusal(name="model of a deployment unknown", status=400, code="UserError", inner="ModelNotFound",
        message="Model '{}' was not found."),
    Refusal(name="deletion of a deployment with traffic", status=200, code="UserError", inner="DeploymentHasTraffic",
        moment=Moment.OPERATION,
        message="Deployment {} has {}% of the endpoint's traffic and cannot be deleted. Set its traffic to 0 first.",
        source=RECORDED),
    Refusal(name="container that crashes", status=200, code="ResourceNotReady", moment=Moment.OPERATION, message=(
            "User container has crashed or terminated: {} Please see troubleshooting guide, available here: "
            "https://aka.ms/oe-tsg#error-resourcenotready"
        ), proof=Proof.CODE, source=TROUBLE),
)  # fmt: skip


def checked_capacity(
    world: World, workspace: Resource, body: dict[str, Any], properties: dict[str, Any], found: Resource | None
) -> int:
    """The number of instances, for which there is quota.

    Raises:
        web.Refused: 400.
    """
    capacity = (body.get("sku") or {}).get("capacity", 1)
    if not isinstance(capacity, int) or capacity < 1:
        raise scope.invalid("sku.capacity must be a whole number, 1 or more.", "InvalidCapacity")
    if properties["endpointComputeType"] != "Managed":
        return capacity  # the cluster has its own instance types and its own room
    if capacity > (most := world.limits.instances_per_deployment):
        raise scope.invalid(f"sku.capacity must be at most {most}, it is {capacity}.", "InvalidCapacity")
    properties["instanceType"] = references.instance_type(scope.text_of(properties, "instanceType") or "Standard_DS3_v2")
    size, subscription = vm_sizes.find(properties["instanceType"]), workspace.id.split("/")[2]
    needed = quota.for_deployment(size, capacity) if size else 0
    without = found.id if found else ""
    short = quota.short_of(world, subscription, scope.location(workspace), size, needed, without=without) if size else None
    if short is not None:
        _, used, most = short
        text = (
            f"Not enough quota available for {properties['instanceType']} in SubscriptionId {subscription}. "
            f"Current usage/limit: {used}/{most}. Additional needed: {needed} Please see troubleshooting guide, "
            "available here: https://aka.ms/oe-tsg#error-outofquota"
        )
        raise scope.inferencing("InferencingClientCreateDeploymentFailed", "VmSize", text)
    return capacity
