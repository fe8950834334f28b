"""The refusals of registries, as rows: what Azure says, when, and who says so."""

from infra.local.emulator.refusal import LEARN, RECORDED, Proof, Refusal

ROWS: tuple[Refusal, ...] = (
    Refusal(name="registry name taken", status=409, code="RegistryNameNotAvailable", message="The registry name '{}' is taken.",
        source=f"{LEARN}machine-learning/how-to-manage-registries"),
    Refusal(name="registry missing", status=404, code="UserError", inner="RegistryNotFound",
        message="The registry '{}' was not found.", proof=Proof.CODE, source=RECORDED),
)  # fmt: skip
