"""The refusals of subscriptions, as rows: what Azure says, when, and who says so."""

from infra.local.emulator.refusal import GITHUB, Proof, Refusal

ROWS: tuple[Refusal, ...] = (
    Refusal(name="location of a group unknown", status=400, code="LocationNotAvailableForResourceGroup",
        message="The provided location '{}' is not available for resource group. List of available regions is '{}'.",
        proof=Proof.TEXT, source=f"{GITHUB}cloud-barista/cb-spider/issues/527"),
    Refusal(name="filter of resources that cannot be read", status=400, code="InvalidFilterInQueryString",
        message="Invalid $filter '{}' specified in the query string. {}"),
)  # fmt: skip
