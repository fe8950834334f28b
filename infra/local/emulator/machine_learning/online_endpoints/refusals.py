"""The refusals of online endpoints, as rows: what Azure says, when, and who says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.local.emulator.arm import writes
from infra.local.emulator.machine_learning import scope
from infra.local.emulator.machine_learning.online_endpoints import state
from infra.local.emulator.refusal import GITHUB, LEARN, LIMITS, SPEC, Moment, Proof, Refusal

if TYPE_CHECKING:
    from infra.local.emulator.resources import Resource
    from infra.local.emulator.world import World


ROWS: tuple[Refusal, ...] = (
    Refusal(name="endpoint name invalid", status=400, code="UserError", inner="InvalidEndpointName",
        message="The endpoint name '{}' is invalid: {}", source=LIMITS),
    Refusal(name="endpoint name taken in the region", status=400, code="BadRequest", inner="InferencingClientCallFailed",
        message="{}There is already an endpoint with this name, Endpoint name needs to be unique within a region. {}",
        proof=Proof.CODE, source=f"{GITHUB}Azure/azureml-examples/pull/1931"),
    Refusal(name="endpoint auth mode unknown", status=400, code="UserError", inner="ValidationError",
        message="The value '{}' of authMode is not one of Key, AMLToken, AADToken.", source=SPEC),
    Refusal(name="endpoint identity unknown", status=400, code="ValidationError",
        message="The identity type '{}' is not supported.", source=SPEC),
    Refusal(name="endpoint busy", status=409, code="Conflict", inner="ResourceOperationInProgress",
        message="Another operation on same entity is already running. Entity: {}, state: {}. {}"),
    Refusal(name="traffic does not sum to 100", status=400, code="UserError", inner="InvalidTrafficSum",
        message="The sum of traffic must be either 0 or 100, it is {}.",
        source=f"{LEARN}machine-learning/reference-yaml-endpoint-online"),
    Refusal(name="traffic of an unknown deployment", status=400, code="UserError", inner="TrafficDeploymentNotFound",
        message="Traffic refers to the deployment '{}', which does not exist."),
    Refusal(name="traffic of a failed deployment", status=400, code="UserError", inner="TrafficDeploymentNotReady",
        message="Traffic cannot go to the deployment '{}' in state {}."),
    Refusal(name="more than half mirrored", status=400, code="UserError", inner="InvalidMirrorTraffic",
        message="The share of mirrored traffic is at most 50, not {}.",
        source=f"{LEARN}machine-learning/how-to-safely-rollout-online-endpoints"),
    Refusal(name="two mirrors", status=400, code="UserError", inner="InvalidMirrorTraffic",
        message="Only one deployment of an endpoint can get mirrored traffic.",
        source=f"{LEARN}machine-learning/how-to-safely-rollout-online-endpoints"),
    Refusal(name="mirror with live traffic", status=400, code="UserError", inner="InvalidMirrorTraffic",
        message="The deployment '{}' gets live traffic; it cannot get mirrored traffic, too.",
        source=f"{LEARN}machine-learning/how-to-safely-rollout-online-endpoints"),
    Refusal(name="providers of an endpoint not registered", status=200, code="SubscriptionNotRegistered", moment=Moment.OPERATION,
        message=(
            "Resource provider [N/A] isn't registered with Subscription [N/A]. Please see troubleshooting guide, available here: "
            "https://aka.ms/register-resource-provider"
        ), proof=Proof.TEXT, source=f"{GITHUB}MicrosoftLearning/mslearn-mlops/issues/72"),
    Refusal(name="token of an endpoint opened by keys", status=400, code="UserError", inner="AuthModeMismatch",
        message="The endpoint's authMode is Key; tokens are for AMLToken."),
)  # fmt: skip


# Which ones: https://learn.microsoft.com/answers/questions/2068819/machine-learning-online-endpoint-conflicts-error
PROVIDERS = ("Microsoft.Cdn", "Microsoft.PolicyInsights")
_TAKEN = "There is already an endpoint with this name"
_WHOLE = 100
_MOST_MIRRORED = 50


def check_free(world: World, workspace: Resource, name: str) -> None:
    """Refuse a name that another endpoint of the region has."""
    for other in world.resources.of_type(state.TYPE.lower()):
        if other.name.lower() == name.lower() and other.body["location"] == scope.location(workspace):
            text = f"{_TAKEN}, Endpoint name needs to be unique within a region. Try some other name."
            raise scope.inferencing("InferencingClientCallFailed", "", text)


def unregistered(world: World, found: Resource, properties: dict[str, Any]) -> dict[str, Any] | None:
    """What a new managed endpoint ends with while a provider that Azure puts before it is not registered; it is not named."""
    if properties.get("compute") or all(world.registration_of(found.id, name) == "Registered" for name in PROVIDERS):
        return None
    message = (
        "Resource provider [N/A] isn't registered with Subscription [N/A]. Please see troubleshooting guide, available here: "
        "https://aka.ms/register-resource-provider"
    )
    return {"code": "SubscriptionNotRegistered", "message": message, "details": [], "additionalInfo": []}


def checked_traffic(world: World, found: Resource | None, given: Any) -> dict[str, int]:
    """The shares of traffic, which sum to 0 or 100 and name deployments that are ready.

    Raises:
        web.Refused: 400.
    """
    if given is None:
        return dict(writes.left_out(world, found, ()).get("traffic") or {})
    if not isinstance(given, dict) or not all(isinstance(share, int) and 0 <= share <= _WHOLE for share in given.values()):
        raise scope.invalid("Traffic must map deployment names to whole numbers between 0 and 100.", "InvalidTraffic")
    there = {item.name.lower(): item for item in (world.resources.children(found.id, "deployments") if found else [])}
    for name in given:
        if name.lower() not in there:
            raise scope.invalid(f"Traffic refers to the deployment '{name}', which does not exist.", "TrafficDeploymentNotFound")
        if given[name] and there[name.lower()].state != "Succeeded":
            raise scope.invalid(
                f"Traffic cannot go to the deployment '{name}' in state {there[name.lower()].state}.", "TrafficDeploymentNotReady"
            )
    if sum(given.values()) not in {0, _WHOLE}:
        raise scope.invalid(f"The sum of traffic must be either 0 or 100, it is {sum(given.values())}.", "InvalidTrafficSum")
    return dict(given)


def check_mirror(world: World, found: Resource | None, given: Any, traffic: dict[str, int]) -> None:
    """One deployment, at most half of the requests, and none that gets live traffic, as Azure documents it."""
    if not isinstance(given, dict) or not all(isinstance(share, int) and not isinstance(share, bool) for share in given.values()):
        raise scope.invalid("mirrorTraffic must map a deployment's name to a whole number.", "InvalidMirrorTraffic")
    there = {item.name.lower() for item in (world.resources.children(found.id, "deployments") if found else [])}
    live = {name.lower() for name, share in traffic.items() if share}
    mirrored = {name: share for name, share in given.items() if share}
    if len(mirrored) > 1:
        raise scope.invalid("Only one deployment of an endpoint can get mirrored traffic.", "InvalidMirrorTraffic")
    for name, share in mirrored.items():
        if name.lower() not in there:
            raise scope.invalid(f"mirrorTraffic refers to the deployment '{name}', which does not exist.", "InvalidMirrorTraffic")
        if not 0 < share <= _MOST_MIRRORED:
            raise scope.invalid(f"The share of mirrored traffic is at most {_MOST_MIRRORED}, not {share}.", "InvalidMirrorTraffic")
        if name.lower() in live:
            raise scope.invalid(
                f"The deployment '{name}' gets live traffic; it cannot get mirrored traffic, too.", "InvalidMirrorTraffic"
            )
