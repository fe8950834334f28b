"""The refusals of event subscriptions, as rows: what Azure says, when, and who says so."""

from infra.local.emulator.refusal import GITHUB, Moment, Proof, Refusal

ROWS: tuple[Refusal, ...] = (
    Refusal(name="destination of unknown type", status=400, code="InvalidRequest",
        message="The destination's endpointType is one of {}, not {}.", proof=Proof.CODE,
        source=f"{GITHUB}Azure/azure-resource-manager-schemas/issues/983"),
    Refusal(name="queue of an event subscription missing", status=200, code="Endpoint validation", moment=Moment.OPERATION,
        message="Destination endpoint not found. Resource details: {}. Resource should pre-exist before attempting this operation.",
        proof=Proof.CODE, source=f"{GITHUB}hashicorp/terraform-provider-azurerm/issues/30013"),
    Refusal(name="webhook that does not answer the handshake", status=200, code="Url validation", moment=Moment.OPERATION,
        message="Webhook validation handshake failed for {}. {}", proof=Proof.TEXT,
        source=f"{GITHUB}MicrosoftDocs/azure-docs/issues/107285"),
)  # fmt: skip
