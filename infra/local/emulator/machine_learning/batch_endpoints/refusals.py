"""The refusals of batch endpoints, as rows: what Azure says, when, and who says so."""

from infra.local.emulator.refusal import LIMITS, Refusal

ROWS: tuple[Refusal, ...] = (
    Refusal(name="batch endpoint name invalid", status=400, code="UserError", inner="InvalidEndpointName",
        message="The endpoint name '{}' is invalid.", source=LIMITS),
    Refusal(name="default deployment unknown", status=400, code="UserError", inner="DeploymentNotFound",
        message="The default deployment '{}' does not exist."),
)  # fmt: skip
