"""The refusals of connections, as rows: what Azure says, when, and who says so."""

from infra.local.emulator import web
from infra.local.emulator.refusal import SPEC, Refusal

ROWS: tuple[Refusal, ...] = (
    Refusal(name="connection without category", status=400, code="UserError", inner="ValidationError",
        message="The property category is required.", source=SPEC),
    Refusal(name="connection of an unknown authType", status=400, code="UserError", inner="ValidationError",
        message="The value '{}' of authType is not one of {}.", source=SPEC),
    Refusal(name="connection missing", status=404, code="UserError", inner="ConnectionNotFound",
        message="Connection {} can't be found in this workspace"),
)  # fmt: skip


def refused(status: int, message: str, *inner: str) -> web.Refused:
    """A refusal of the connections service (shape c)."""
    return web.Refused(web.service_error(status, "UserError", message, inner=inner, component="account-rp"))
