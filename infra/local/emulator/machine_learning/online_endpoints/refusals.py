"""The refusals of online endpoints, as rows: what Azure says, when, and who says so."""

from infra.local.emulator.refusal import GITHUB, LEARN, LIMITS, SPEC, Proof, Refusal

ROWS: tuple[Refusal, ...] = (
    Refusal(
        name="endpoint name invalid", status=400, code="UserError", inner="InvalidEndpointName",
        raised_in="machine_learning/online_endpoints/resources", message="The endpoint name '{}' is invalid: {}", source=LIMITS,
    ),
    Refusal(
        name="endpoint name taken in the region", status=400, code="BadRequest", inner="InferencingClientCallFailed",
        raised_in="machine_learning/online_endpoints/resources",
        message="{}There is already an endpoint with this name, Endpoint name needs to be unique within a region. {}",
        proof=Proof.CODE, source=f"{GITHUB}Azure/azureml-examples/pull/1931",
    ),
    Refusal(
        name="endpoint auth mode unknown", status=400, code="UserError", inner="ValidationError",
        raised_in="machine_learning/scope", message="The value '{}' of authMode is none of Key, AMLToken, AADToken.",
        source=SPEC,
    ),
    Refusal(
        name="endpoint identity unknown", status=400, code="ValidationError", raised_in="machine_learning/scope",
        message="The identity type '{}' is not supported.", source=SPEC,
    ),
    Refusal(
        name="endpoint busy", status=409, code="Conflict", inner="ResourceOperationInProgress", raised_in="machine_learning/scope",
        message="Another operation on same entity is already running. Entity: {}, state: {}. {}",
    ),
    Refusal(
        name="traffic does not sum to 100", status=400, code="UserError", inner="InvalidTrafficSum",
        raised_in="machine_learning/online_endpoints/resources", message="The sum of traffic must be either 0 or 100, it is {}.",
        source=f"{LEARN}machine-learning/reference-yaml-endpoint-online",
    ),
    Refusal(
        name="traffic of an unknown deployment", status=400, code="UserError", inner="TrafficDeploymentNotFound",
        raised_in="machine_learning/online_endpoints/resources",
        message="Traffic refers to the deployment '{}', which does not exist.",
    ),
    Refusal(
        name="traffic of a failed deployment", status=400, code="UserError", inner="TrafficDeploymentNotReady",
        raised_in="machine_learning/online_endpoints/resources", message="Traffic cannot go to the deployment '{}' in state {}.",
    ),
    Refusal(
        name="more than half mirrored", status=400, code="UserError", inner="InvalidMirrorTraffic",
        raised_in="machine_learning/online_endpoints/resources", message="The share of mirrored traffic is at most 50, not {}.",
        source=f"{LEARN}machine-learning/how-to-safely-rollout-online-endpoints",
    ),
    Refusal(
        name="two mirrors", status=400, code="UserError", inner="InvalidMirrorTraffic",
        raised_in="machine_learning/online_endpoints/resources",
        message="Only one deployment of an endpoint can get mirrored traffic.",
        source=f"{LEARN}machine-learning/how-to-safely-rollout-online-endpoints",
    ),
    Refusal(
        name="mirror with live traffic", status=400, code="UserError", inner="InvalidMirrorTraffic",
        raised_in="machine_learning/online_endpoints/resources",
        message="The deployment '{}' gets live traffic; it cannot get mirrored traffic, too.",
        source=f"{LEARN}machine-learning/how-to-safely-rollout-online-endpoints",
    ),
    Refusal(
        name="token of an endpoint opened by keys", status=400, code="UserError", inner="AuthModeMismatch",
        raised_in="machine_learning/online_endpoints/resources", message="The endpoint's authMode is Key; tokens are for AMLToken.",
    ),
)  # fmt: skip
