"""What a policy can look at, as data: one row per kind, with the conditions and actions it knows. Pure.

A policy that names another condition or action is refused (policies). Not here: how a condition is decided (judge), how an
action is carried out (acts).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

from shared.cleanup.policy import model

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from shared.cleanup.policy.model import Action

Argument = Literal["duration", "count", "flag", "hours", "stuck", "spending"]
Taggable = Literal["tags", "properties.tags", "runHistory", ""]

ALL_VIEWS = "listViewType=All"  # otherwise archived and anonymous ones are left out of the list
JOB_STATES = (
    "NotStarted", "Starting", "Provisioning", "Preparing", "Queued", "Running", "Finalizing", "CancelRequested", "NotResponding",
    "Paused", "Unknown",
)  # fmt: skip
ACTIONS: tuple[str, ...] = tuple(action for action in get_args(model.Action) if action != "none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One thing that can be true of a stale resource.

    Attributes:
        argument: What stands behind it in a policy, and as what `Policy.stale_when` has it: `duration` a timedelta, `count` an int
            from 1, `flag` True, `hours` a `hours.Hours`, `stuck` a `Stuck`, `spending` a `Spending`.
        says: When it holds, for people.
    """

    argument: Argument
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One kind of resource that policies look at.

    Attributes:
        name: As policies spell it.
        type: Type segments below the provider, e.g. `workspaces/models/versions`; '' for resources of several types.
        says: What it is, for people.
        conditions: Those of `CONDITIONS` it knows.
        actions: Those it knows.
        action: What a policy does that names no action.
        needs: Action → conditions of which a policy must name one at least: none takes away what may be in use.
        taggable: Where its tags stand and are written: ARM's own `tags`, `properties.tags` of its body, or run history.
        listing: Query that its list needs, so that nothing is left out.
        compute_type: Only computes of this type; '' for all.
        report_only: Never changed by a policy, whatever that says.
    """

    name: str
    type: str
    says: str
    conditions: tuple[str, ...]
    actions: tuple[Action, ...]
    action: Action
    taggable: Taggable
    needs: Mapping[Action, tuple[str, ...]] = field(default_factory=dict)
    listing: str = ""
    compute_type: str = ""
    report_only: bool = False

    @property
    def is_asset(self) -> bool:
        """Return whether it is a version of an asset: something that others refer to."""
        return self.type.endswith("/versions")

    @property
    def container(self) -> str:
        """The type of what is listed before it, '' for what is listed below the workspace: `workspaces/models`."""
        outer = self.type.rpartition("/")[0]
        return outer if outer != "workspaces" else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stuck:
    """The argument of `stuckFor`: in one of these states for longer than that is stuck. `longer_than` is a `timedelta`."""

    statuses: tuple[str, ...]
    longer_than: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """The argument of `spentMoreThan`: more money than that within such a time, written `200/1w`."""

    amount: float
    within: timedelta


CONDITIONS: dict[str, Condition] = {
    "olderThan": Condition(argument="duration", says="it was made longer ago (a job: it ended longer ago)"),
    "unchangedFor": Condition(argument="duration", says="it was last changed longer ago"),
    "beyondNewest": Condition(argument="count", says="at least so many newer versions of it exist that are not archived"),
    "unreferenced": Condition(
        argument="flag",
        says="no deployment, schedule, v1 service, component or running job refers to it, in any workspace or registry that could",
    ),
    "idleFor": Condition(argument="duration", says="it has been idle for longer, by every fact that Azure shows"),
    "outsideHours": Condition(argument="hours", says="it runs outside of working hours, and no job of its own does"),
    "idleNodes": Condition(argument="flag", says="its minimum keeps nodes that run nothing"),
    "failed": Condition(argument="flag", says="its provisioning failed, or it is unusable"),
    "unusedFor": Condition(argument="duration", says="nothing has used it for longer"),
    "lacksIdleShutdown": Condition(argument="flag", says="it has no idle shutdown of Azure's own"),
    "noTraffic": Condition(argument="duration", says="none of its deployments has had any share of its traffic for longer"),
    "noRequests": Condition(argument="duration", says="Azure Monitor saw no request for longer"),
    "zeroTrafficFor": Condition(argument="duration", says="its share of traffic (and of mirrored traffic) has been 0 for longer"),
    "noDeployments": Condition(argument="flag", says="it has no deployment"),
    "stuckFor": Condition(argument="stuck", says="it has been in one of the states for longer"),
    "runningLongerThan": Condition(argument="duration", says="it started longer ago and has not ended"),
    "noRuns": Condition(argument="duration", says="no job was started in it for longer"),
    "spentMoreThan": Condition(argument="spending", says="it cost more money within that time: an estimate by your own prices"),
    "orphaned": Condition(argument="flag", says="the workspace that it was made for is gone or failed"),
}

_AGE = ("olderThan", "unchangedFor")
_NOTE: tuple[Action, ...] = ("notify", "tag")  # a compute cannot be tagged: a PUT overwrites it


def _asset(name: str, family: str, says: str, *, listing: str = ALL_VIEWS) -> Target:
    return Target(
        name=name,
        type=f"workspaces/{family}/versions",
        says=f"a version of {says}",
        conditions=(*_AGE, "beyondNewest", "unreferenced"),
        actions=(*_NOTE, "archive", "delete"),
        action="archive",
        taggable="properties.tags",
        needs={"archive": ("unreferenced",), "delete": ("unreferenced",)},
        listing=listing,
    )


_ROWS = (
    _asset("modelVersion", "models", "a model"),
    _asset("environmentVersion", "environments", "an environment"),
    _asset("dataVersion", "data", "a data asset; never the data itself"),
    _asset("componentVersion", "components", "a component"),
    _asset(
        "codeVersion", "codes", "a code asset, which is what jobs and deployments were uploaded with", listing=""
    ),  # its list takes no listViewType
    Target(
        name="computeInstance",
        type="workspaces/computes",
        compute_type="ComputeInstance",
        says="a compute instance",
        conditions=("idleFor", "outsideHours", "failed", "unusedFor", "lacksIdleShutdown", "spentMoreThan", *_AGE),
        actions=("notify", "stop", "setIdleShutdown", "delete"),
        action="stop",
        taggable="tags",
        needs={"stop": ("idleFor", "outsideHours", "unusedFor", "spentMoreThan"), "delete": ("idleFor", "failed", "unusedFor")},
    ),
    Target(
        name="computeCluster",
        type="workspaces/computes",
        compute_type="AmlCompute",
        says="a compute cluster",
        conditions=("idleNodes", "idleFor", "failed", "unusedFor", "spentMoreThan", *_AGE),
        actions=("notify", "scaleToZero", "delete"),
        action="scaleToZero",
        taggable="tags",
        needs={"scaleToZero": ("idleNodes", "idleFor", "unusedFor", "spentMoreThan"), "delete": ("idleFor", "failed", "unusedFor")},
    ),
    Target(
        name="compute",
        type="workspaces/computes",
        says="a compute of any type",
        conditions=("failed", "unusedFor", "spentMoreThan", *_AGE),
        actions=("notify", "delete"),
        action="notify",
        taggable="tags",
        needs={"delete": ("failed", "unusedFor")},
    ),
    Target(
        name="onlineEndpoint",
        type="workspaces/onlineEndpoints",
        says="an online endpoint with all its deployments",
        conditions=("noTraffic", "noRequests", "noDeployments", "failed", "spentMoreThan", *_AGE),
        actions=(*_NOTE, "park", "delete"),
        action="park",
        taggable="tags",
        needs={
            "park": ("noTraffic", "noRequests", "spentMoreThan"),
            "delete": ("noTraffic", "noRequests", "noDeployments", "failed"),
        },
    ),
    Target(
        name="onlineDeployment",
        type="workspaces/onlineEndpoints/deployments",
        says="a deployment of an online endpoint",
        conditions=("zeroTrafficFor", "noRequests", "failed", "spentMoreThan", *_AGE),
        actions=(*_NOTE, "delete"),
        action="notify",
        taggable="tags",
        needs={"delete": ("zeroTrafficFor", "noRequests", "failed")},
    ),
    Target(
        name="batchEndpoint",
        type="workspaces/batchEndpoints",
        says="a batch endpoint with all its deployments",
        conditions=("noDeployments", "failed", *_AGE),
        actions=(*_NOTE, "delete"),
        action="notify",
        taggable="tags",
        needs={"delete": ("noDeployments", "failed")},
    ),
    Target(
        name="batchDeployment",
        type="workspaces/batchEndpoints/deployments",
        says="a deployment of a batch endpoint",
        conditions=("failed", *_AGE),
        actions=(*_NOTE, "delete"),
        action="notify",
        taggable="tags",
        needs={"delete": ("failed",)},
    ),
    Target(
        name="job",
        type="workspaces/jobs",
        says="a job",
        conditions=("stuckFor", "runningLongerThan", "spentMoreThan", *_AGE),
        actions=(*_NOTE, "cancel", "archive", "delete"),
        action="cancel",
        taggable="runHistory",
        needs={"cancel": ("stuckFor", "runningLongerThan", "spentMoreThan"), "archive": ("olderThan",), "delete": ("olderThan",)},
        listing=ALL_VIEWS,
    ),
    Target(
        name="workspace",
        type="workspaces",
        says="a workspace; only a failed one can be deleted",
        conditions=("failed", "noRuns", "spentMoreThan", *_AGE),
        actions=(*_NOTE, "delete"),
        action="notify",
        taggable="tags",
        needs={"delete": ("failed",)},
    ),
    Target(
        name="leftover",
        type="",
        says="a storage account, key vault, registry or Application Insights that was made for a workspace that is gone or failed",
        conditions=("orphaned", *_AGE),
        actions=("notify",),
        action="notify",
        taggable="",
        report_only=True,
    ),
)
TARGETS: dict[str, Target] = {row.name: row for row in _ROWS}
