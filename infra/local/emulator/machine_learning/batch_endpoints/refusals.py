"""The refusals of batch endpoints, as rows: what Azure says, when, and who says so."""

from infra.local.emulator.refusal import GITHUB, LIMITS, SPEC, Proof, Refusal

ROWS: tuple[Refusal, ...] = (
    Refusal(name="batch endpoint name invalid", status=400, code="UserError", inner="InvalidEndpointName",
        message="The endpoint name '{}' is invalid.", source=LIMITS),
    Refusal(name="batch endpoint with an empty tag", status=400, code="UserError", message=(
            "The Endpoint request provided has the following validation errors. Please resolve them and try again. Errors: {}"
            "Tag values must not be null or empty.{}"
        ), proof=Proof.TEXT, source=f"{GITHUB}Azure/azure-sdk-for-python/issues/41586"),
    Refusal(name="batch endpoint patched with an empty tag", status=400, code="UserError", message=(
            "The Endpoint request provided has the following validation errors. Please resolve them and try again. Errors: {}"
            "Tag values must not be null or empty.{}"
        ), proof=Proof.CODE, source=f"{GITHUB}Azure/azure-sdk-for-python/issues/41586"),
    Refusal(name="configuration of a batch deployment unknown", status=400, code="UserError", inner="ValidationError",
        message="The value '{}' of deploymentConfigurationType is not one of {}.", source=SPEC),
    Refusal(name="reference to a model of an unknown type", status=400, code="UserError", inner="ValidationError",
        message="The value '{}' of referenceType is not one of {}.", source=SPEC),
    Refusal(name="default deployment unknown", status=400, code="UserError", inner="DeploymentNotFound",
        message="The default deployment '{}' does not exist."),
)  # fmt: skip
