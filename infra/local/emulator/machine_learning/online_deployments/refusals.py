"""The refusals of online deployments, as rows: what Azure says, when, and who says so."""

from infra.local.emulator.refusal import GITHUB, LEARN, LIMITS, RECORDED, TROUBLE, Moment, Proof, Refusal

ROWS: tuple[Refusal, ...] = (
    Refusal(
        name="deployment name invalid", status=400, code="UserError", inner="InvalidDeploymentName",
        raised_in="machine_learning/online_deployments/resources", message="The deployment name '{}' is invalid.", source=LIMITS,
    ),
    Refusal(
        name="deployment on an endpoint that is not ready", status=409, code="UserError", inner="EndpointNotReady",
        raised_in="machine_learning/online_deployments/resources",
        message="Cannot create a deployment in endpoint {}: its provisioning state is {}. Try again later.",
    ),
    Refusal(
        name="no quota for a deployment and its reserve", status=400, code="BadRequest",
        inner="InferencingClientCreateDeploymentFailed", raised_in="machine_learning/online_deployments/resources",
        message=(
            "{}Not enough quota available for {} in SubscriptionId {}. Current usage/limit: {}/{}. Additional needed: {} Please "
            "see troubleshooting guide, available here: https://aka.ms/oe-tsg#error-outofquota{}"
        ),
        proof=Proof.TEXT, source=f"{GITHUB}MicrosoftLearning/mslearn-azure-ml/issues/30",
    ),
    Refusal(
        name="instance type unknown", status=400, code="UserError", inner="InvalidInstanceType",
        raised_in="machine_learning/references", message="Instance type '{}' is not supported. Supported: {}.",
        source=f"{LEARN}machine-learning/reference-managed-online-endpoints-vm-sku-list",
    ),
    Refusal(
        name="no instances", status=400, code="UserError", inner="InvalidCapacity",
        raised_in="machine_learning/online_deployments/resources", message="sku.capacity must be a whole number, 1 or more.",
    ),
    Refusal(
        name="too many instances", status=400, code="UserError", inner="InvalidCapacity",
        raised_in="machine_learning/online_deployments/resources",
        message="sku.capacity must be at most {}, it is {}.", source=LIMITS,
    ),
    Refusal(
        name="deployment without environment", status=400, code="UserError", inner="ValidationError",
        raised_in="machine_learning/online_deployments/resources",
        message="The field environmentId is required unless the model is an MLflow model.",
    ),
    Refusal(
        name="model of a deployment unknown", status=400, code="UserError", inner="ModelNotFound",
        raised_in="machine_learning/references", message="Model '{}' was not found.",
    ),
    Refusal(
        name="deletion of a deployment with traffic", status=200, code="UserError", inner="DeploymentHasTraffic",
        moment=Moment.OPERATION, raised_in="machine_learning/online_deployments/resources",
        message="Deployment {} has {}% of the endpoint's traffic and cannot be deleted. Set its traffic to 0 first.",
        source=RECORDED,
    ),
    Refusal(
        name="container that crashes", status=200, code="ResourceNotReady", moment=Moment.OPERATION,
        raised_in="machine_learning/online_deployments/resources",
        message=(
            "User container has crashed or terminated: {} Please see troubleshooting guide, available here: "
            "https://aka.ms/oe-tsg#error-resourcenotready"
        ),
        proof=Proof.CODE, source=TROUBLE,
    ),
)  # fmt: skip
