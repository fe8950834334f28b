"""The refusals of assets, as rows: what Azure says, when, and who says so."""

from infra.local.emulator.refusal import LEARN, SPEC, Refusal

ROWS: tuple[Refusal, ...] = (
    Refusal(
        name="data version changed", status=400, code="UserError", inner="AssetPropertyImmutable",
        raised_in="machine_learning/assets/resources",
        message="Data {} with version {} is already registered and cannot be changed. Only description, tags, {}",
        source=f"{LEARN}machine-learning/how-to-create-data-assets",
    ),
    Refusal(
        name="environment version changed", status=409, code="UserError", inner="AssetPropertyImmutable",
        raised_in="machine_learning/assets/resources",
        message="Environment {} with version {} is already registered and cannot be changed. Only description, tags, {}",
    ),
    Refusal(
        name="files of a model missing", status=400, code="UserError", inner="DatastorePathNotFound",
        raised_in="machine_learning/assets/resources", message="The specified path does not exist: {}",
    ),
    Refusal(
        name="asset without its files", status=400, code="UserError", inner="ValidationError",
        raised_in="machine_learning/assets/resources", message="Data: dataUri is required.", source=SPEC,
    ),
    Refusal(
        name="asset name invalid", status=400, code="UserError", inner="InvalidName", raised_in="machine_learning/assets/resources",
        message="The name '{}' is invalid.", source=SPEC,
    ),
    Refusal(
        name="asset missing", status=404, code="UserError", inner="ModelNotFound", raised_in="machine_learning/scope",
        message="Model {} was not found.",
    ),
)  # fmt: skip
