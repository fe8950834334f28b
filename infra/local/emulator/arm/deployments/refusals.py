"""The refusals of deployments, as rows: what Azure says, when, and who says so."""

from infra.local.emulator.refusal import Proof, Refusal

ROWS: tuple[Refusal, ...] = (
    Refusal(name="deployment of a subscription moves", status=409, code="InvalidDeploymentLocation",
        message="Invalid deployment location '{}'. The deployment '{}' already exists in location '{}'.", proof=Proof.CODE,
        source="https://learn.microsoft.com/azure/azure-resource-manager/templates/deploy-to-subscription#deployment-location-and-name"),
)  # fmt: skip
