"""The refusals of networks, as rows: what Azure says, when, and who says so."""

from infra.local.emulator.refusal import LEARN, SPEC, Refusal

ROWS: tuple[Refusal, ...] = (
    Refusal(name="outbound rule of unknown type", status=400, code="UserError", inner="ValidationError",
        message="The value '{}' of type is not one of FQDN, PrivateEndpoint, ServiceTag.", source=SPEC),
    Refusal(name="provider of a managed network not registered", status=409, code="MissingSubscriptionRegistration", message=(
            "The subscription is not registered to use namespace '{}'. See https://aka.ms/rps-not-found for how to register "
            "subscriptions."
        ), source=f"{LEARN}machine-learning/how-to-manage-workspace#resource-provider-errors"),
    Refusal(name="outbound rule that the isolation mode does not take", status=400, code="UserError", inner="ValidationError",
        message="Only PrivateEndpoint outbound rules are supported when the isolation mode is AllowInternetOutbound.",
        source="https://github.com/microsoft-foundry/foundry-samples/pull/961"),
)  # fmt: skip
