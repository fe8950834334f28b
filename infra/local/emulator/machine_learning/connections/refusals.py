"""The refusals of connections, as rows: what Azure says, when, and who says so."""

from infra.local.emulator.refusal import SPEC, Refusal

ROWS: tuple[Refusal, ...] = (
    Refusal(
        name="connection without category", status=400, code="UserError", inner="ValidationError",
        raised_in="machine_learning/connections/resources", message="The property category is required.", source=SPEC,
    ),
    Refusal(
        name="connection missing", status=404, code="UserError", inner="ConnectionNotFound",
        raised_in="machine_learning/connections/resources", message="Connection {} can't be found in this workspace",
    ),
)  # fmt: skip
