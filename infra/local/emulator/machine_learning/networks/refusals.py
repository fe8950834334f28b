"""The refusals of networks, as rows: what Azure says, when, and who says so."""

from infra.local.emulator.refusal import SPEC, Refusal

ROWS: tuple[Refusal, ...] = (
    Refusal(name="outbound rule of unknown type", status=400, code="UserError", inner="ValidationError",
        message="The value '{}' of type is not one of FQDN, PrivateEndpoint, ServiceTag.", source=SPEC),
)  # fmt: skip
