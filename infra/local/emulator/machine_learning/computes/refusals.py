"""What is refused of a compute: its name, its settings, its quota."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.local.emulator import web
from infra.local.emulator.arm import refusals as arm_refusals
from infra.local.emulator.machine_learning.quotas import state as quota
from infra.local.emulator.machine_learning.quotas import vm_sizes
from infra.local.emulator.operations import OperationFailedError
from infra.local.emulator.refusal import GITHUB, LEARN, NAMES, RECORDED, SPEC, Moment, Proof, Refusal

if TYPE_CHECKING:
    from infra.local.emulator.resources import Resource
    from infra.local.emulator.world import World

ROWS: tuple[Refusal, ...] = (
    Refusal(name="compute name invalid", status=400, code="UserError", inner="InvalidComputeName",
        message="The compute name '{}' is invalid: {}", source=NAMES),
    Refusal(name="instance name taken in the region", status=400, code="UserError", inner="InvalidComputeName",
        message="The specified name {} is already in use and is therefore unavailable",
        source=f"{GITHUB}microsoft/MCW-ML-Ops/issues/28"),
    Refusal(name="compute type missing", status=400, code="UserError", inner="ValidationError",
        message="The property computeType is required.", source=SPEC),
    Refusal(name="schedule of an instance without an action", status=400, code="UserError", inner="ValidationError",
        message="The property action of a schedule is required: Start or Stop.", source=SPEC),
    Refusal(name="compute type unknown", status=400, code="UserError", inner="ValidationError",
        message="The compute type '{}' is not supported.", source=SPEC),
    Refusal(name="provider of a compute not registered", status=409, code="MissingSubscriptionRegistration", message=(
            "The subscription is not registered to use namespace '{}'. See https://aka.ms/rps-not-found for how to register "
            "subscriptions."
        ), source=f"{LEARN}machine-learning/how-to-manage-workspace#resource-provider-errors"),
    Refusal(name="VM size unknown", status=400, code="UserError", inner="InvalidPropertyValue", message=(
            "The specified value {} for property Cluster.Properties.VMSize is not a supported VM size. See additional details for "
            "supported VM sizes. {}"
        )),
    Refusal(name="VM size missing", status=400, code="UserError", inner="InvalidPropertyValue",
        message="The specified value  for property Cluster.Properties.VMSize is not a supported VM size. {}"),
    Refusal(name="VM size changed", status=400, code="UserError", inner="ImmutableProperty",
        message="The VM size of an existing compute cannot be changed. {}",
        source=f"{LEARN}machine-learning/how-to-create-attach-compute-cluster"),
    Refusal(name="scale settings invalid", status=400, code="UserError", inner="InvalidPropertyValue",
        message="The scale settings are invalid: minNodeCount {}, maxNodeCount {}."),
    Refusal(name="instance without public address", status=400, code="UserError", inner="InvalidPropertyValue",
        message="{}enableNodePublicIp{}", proof=Proof.CODE, source=RECORDED),
    Refusal(name="compute busy", status=409, code="UserError", inner="ResourceOperationInProgress",
        message="The specified compute {} is in state {}; another operation on it is already running."),
    Refusal(name="compute missing", status=404, code="", message="", proof=Proof.TEXT, source=RECORDED),
    Refusal(name="no quota for a cluster's nodes", status=200, code="ClusterMinNodesExceedCoreQuota", moment=Moment.OPERATION,
        message=(
            "The specified subscription has a {} family vCPU quota of {} and cannot accomodate for at least {} requested managed "
            "compute nodes which maps to {} vCPUs. {}"
        ), proof=Proof.TEXT, source=f"{GITHUB}ansible-collections/azure/pull/2209"),
    Refusal(name="cluster that got no quota", status=200, code="ClusterMinNodesExceedCoreQuota", moment=Moment.RESOURCE, message=(
            "The specified subscription has a {} family vCPU quota of {} and cannot accomodate for at least {} requested managed "
            "compute nodes which maps to {} vCPUs. {}"
        ), proof=Proof.TEXT, source=f"{GITHUB}ansible-collections/azure/pull/2209 and {RECORDED}"),
    Refusal(name="no quota in all", status=200, code="ClusterMinNodesExceedCoreQuota", moment=Moment.OPERATION, message=(
            "The specified subscription has a total vCPU quota of {} and cannot accomodate for at least {} requested managed "
            "compute nodes which maps to {} vCPUs. {}"
        ), proof=Proof.CODE,
        source=f"{GITHUB}ansible-collections/azure/pull/2209 (the code), {GITHUB}Azure/mlops-v2/issues/81 (the text)"),
    Refusal(name="start of a cluster", status=400, code="UserError", inner="NotSupported",
        message="start with computeType AmlCompute is not supported.", proof=Proof.CODE,
        source="https://learn.microsoft.com/rest/api/azureml/compute/start"),
    Refusal(name="restart of a stopped instance", status=409, code="UserError", inner="InvalidComputeState",
        message="The compute instance {} is in state {}; restart is not possible."),
    Refusal(name="idle time out of range", status=400, code="UserError", inner="InvalidPropertyValue",
        message="idleTimeBeforeShutdown '{}' must be between 15 minutes and 3 days.", source=SPEC),
)  # fmt: skip

TYPES = (
    "AmlCompute", "ComputeInstance", "AKS", "Kubernetes", "VirtualMachine", "HDInsight", "DataFactory", "Databricks",
    "DataLakeAnalytics", "SynapseSpark",
)  # fmt: skip

# Of a cluster's inner properties: what the service writes, and the priority, which nothing changes.
STATE = frozenset({
    "vmPriority", "allocationState", "allocationStateTransitionTime", "errors", "currentNodeCount", "targetNodeCount",
    "nodeStateCounts",
})  # fmt: skip

OWN = frozenset({"AmlCompute", "ComputeInstance"})

PROVIDERS = {"ComputeInstance": "Microsoft.Notebooks", "AKS": "Microsoft.ContainerService"}  # "Resource provider errors"


def refused(status: int, code: str, message: str, *, inner: tuple[str, ...] = (), region: str = "") -> web.Refused:
    """A refusal of the compute service (shape c)."""
    return web.Refused(web.service_error(status, code, message, inner=inner, component="machinelearningcompute", location=region))


def busy(found: Resource, region: str) -> web.Refused:
    """409: an operation on it is not finished."""
    text = f"The specified compute {found.name} is in state {found.state}; another operation on it is already running."
    return refused(409, "UserError", text, inner=("Conflict", "ResourceOperationInProgress"), region=region)


def kind(given: str, region: str) -> str:
    """The type of compute that is meant, in whatever case it is written; 400 for an unknown one."""
    for kind in TYPES:
        if kind.lower() == given.lower():
            return kind
    raise refused(
        400, "UserError", f"The compute type '{given}' is not supported.", inner=("BadRequest", "ValidationError"), region=region
    )


def check_provider(world: World, workspace: Resource, kind: str) -> None:
    """The subscription must have registered the provider that this type of compute needs beside Azure ML's own."""
    if kind in PROVIDERS:
        arm_refusals.check_registered(world, workspace.id, PROVIDERS[kind])


def check(kind: str, inner: dict[str, Any], found: Resource | None, region: str) -> None:
    """An own compute needs a known size, and keeps it."""
    size = str(inner.get("vmSize") or "")
    if vm_sizes.find(size) is None:
        text = (
            f"The specified value {size} for property Cluster.Properties.VMSize is not a supported VM size. See additional details "
            f"for supported VM sizes. {','.join(known.name.upper() for known in vm_sizes.SIZES)}"
        )
        raise refused(400, "UserError", text, inner=("BadRequest", "InvalidPropertyValue"), region=region)
    if found is not None and str((found.properties.get("properties") or {}).get("vmSize")).lower() != size.lower():
        text = "The VM size of an existing compute cannot be changed. Delete the compute and create it again."
        raise refused(400, "UserError", text, inner=("BadRequest", "ImmutableProperty"), region=region)
    if kind == "AmlCompute":
        check_scale(inner.get("scaleSettings"), region)


def taken(world: World, name: str, region: str) -> str:
    """Why an instance cannot have a name, which is one of the whole region's; empty when it can."""
    for other in world.resources.of_type("microsoft.machinelearningservices/workspaces/computes"):
        same = other.name.lower() == name.lower() and other.properties["computeLocation"] == region
        if same and other.properties["computeType"] == "ComputeInstance":
            return f"The specified name {name} is already in use and is therefore unavailable"
    return ""


def check_free(world: World, name: str, region: str) -> None:
    """400 for an instance whose name is taken."""
    if text := taken(world, name, region):
        raise refused(400, "UserError", text, inner=("BadRequest", "InvalidComputeName"), region=region)


def check_private(world: World, workspace: Resource, region: str) -> None:
    """An instance without a public address needs a private way to its workspace, as recorded."""
    private = world.resources.children(workspace.id, "privateEndpointConnections")
    mode = str((workspace.properties.get("managedNetwork") or {}).get("isolationMode") or "Disabled").lower()
    if not private and mode == "disabled":
        text = (
            "A compute instance with enableNodePublicIp false needs a workspace with a private endpoint or a managed network. "
            "Make one of them first."
        )
        raise refused(400, "UserError", text, inner=("BadRequest", "InvalidPropertyValue"), region=region)


def check_schedules(schedules: Any, region: str) -> None:
    """Each schedule of an instance says what it does: the specification requires it."""
    listed = schedules.get("computeStartStop") if isinstance(schedules, dict) else None
    for each in listed if isinstance(listed, list) else []:
        if str(each.get("action") if isinstance(each, dict) else "").lower() not in ("start", "stop"):
            text = "The property action of a schedule is required: Start or Stop."
            raise refused(400, "UserError", text, inner=("BadRequest", "ValidationError"), region=region)


def check_scale(scale: Any, region: str) -> None:
    """Scale settings must hold a maximum that the minimum does not exceed.

    Raises:
        web.Refused: 400.
    """
    numbers = [scale.get(name) for name in ("minNodeCount", "maxNodeCount")] if isinstance(scale, dict) else [None, None]
    low, high = numbers[0] or 0, numbers[1]
    if not isinstance(low, int) or not isinstance(high, int) or low < 0 or high < low:
        text = f"The scale settings are invalid: minNodeCount {numbers[0]}, maxNodeCount {numbers[1]}."
        raise refused(400, "UserError", text, inner=("BadRequest", "InvalidPropertyValue"), region=region)


def check_quota(world: World, made: Resource, inner: dict[str, Any], region: str) -> None:
    """The nodes that a compute begins with must fit into the quota."""
    size = vm_sizes.find(str(inner["vmSize"]))
    if size is None or str(inner.get("vmPriority")).lower() == "lowpriority":
        return
    single = made.properties["computeType"] == "ComputeInstance"
    nodes = 1 if single else int((inner.get("scaleSettings") or {}).get("minNodeCount") or 0)
    short = quota.short_of(world, made.id.split("/")[2], region, size, nodes * size.cores, without=made.id)
    if short is not None:
        family, _, most = short
        message = (
            f"The specified subscription has a {quota.title(family)} vCPU quota of {most} and cannot accomodate for at least "
            f"{nodes} requested managed compute nodes which maps to {nodes * size.cores} vCPUs. Talk to your Subscription Admin or "
            "refer to https://docs.microsoft.com/azure/machine-learning/how-to-manage-quotas#request-quota-increases to increase "
            f"the {quota.title(family)} vCPU quota"
        )
        raise OperationFailedError(
            {"code": "ClusterMinNodesExceedCoreQuota", "message": message, "details": [], "additionalInfo": []}
        )
