"""The refusals of plain kinds, as rows: what Azure says, when, and who says so."""

from infra.local.emulator.refusal import GITHUB, Proof, Refusal

ROWS: tuple[Refusal, ...] = (
    Refusal(
        name="serverless endpoint name taken", status=400, code="UserError", inner="ServerlessEndpointNameNotAvailable",
        raised_in="machine_learning/plain_kinds/resources",
        message="Serverless endpoint name '{}' is not available. Please select a different name.", proof=Proof.TEXT,
        source=f"{GITHUB}Azure-Samples/azureai-foundry-finetuning-raft/issues/45",
    ),
)  # fmt: skip
