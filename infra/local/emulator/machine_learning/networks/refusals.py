"""The refusals of networks, as rows: what Azure says, when, and who says so."""

from infra.local.emulator.refusal import SPEC, Refusal

ROWS: tuple[Refusal, ...] = (
    Refusal(name="outbound rule of unknown type", status=400, code="UserError", inner="ValidationError",
        message="The value '{}' of type is not one of FQDN, PrivateEndpoint, ServiceTag.", source=SPEC),
    Refusal(name="outbound rule that the isolation mode does not take", status=400, code="UserError", inner="ValidationError",
        message="Only PrivateEndpoint outbound rules are supported when the isolation mode is AllowInternetOutbound.",
        source="https://github.com/microsoft-foundry/foundry-samples/pull/961"),
)  # fmt: skip
