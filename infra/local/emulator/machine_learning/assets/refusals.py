"""The refusals of assets, as rows: what Azure says, when, and who says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.local.emulator.backends import FetchError
from infra.local.emulator.machine_learning import scope
from infra.local.emulator.refusal import LEARN, SPEC, Proof, Refusal
from infra.local.emulator.storage import files as storage
from infra.local.emulator.storage import locations

if TYPE_CHECKING:
    from infra.local.emulator.machine_learning.assets.kinds import AssetKind
    from infra.local.emulator.resources import Resource
    from infra.local.emulator.world import World


ROWS: tuple[Refusal, ...] = (
    Refusal(name="data version changed", status=400, code="UserError", inner="AssetPropertyImmutable",
        message="Data {} with version {} is already registered and cannot be changed. Only description, tags, {}",
        source=f"{LEARN}machine-learning/how-to-create-data-assets"),
    Refusal(name="environment version changed", status=409, code="UserError", inner="AssetPropertyImmutable",
        message="Environment {} with version {} is already registered and cannot be changed. Only description, tags, {}"),
    Refusal(name="files of a model missing", status=400, code="UserError", inner="DatastorePathNotFound",
        message="The specified path does not exist: {}"),
    Refusal(name="asset without its files", status=400, code="UserError", inner="ValidationError",
        message="Data: dataUri is required.", source=SPEC),
    Refusal(name="asset name invalid", status=400, code="UserError", inner="InvalidName", message="The name '{}' is invalid.",
        source=SPEC),
    Refusal(name="environment name reserved", status=400, code="UserError", inner="InvalidName",
        message="Environment name can not start with the prefix AzureML. To alter a curated environment first create a copy of it.",
        proof=Proof.TEXT, source="https://github.com/MicrosoftDocs/azure-docs/issues/65770"),
    Refusal(name="conda file that is no text", status=400, code="UserError", inner="ValidationError",
        message="The field condaFile must be a string.", source=SPEC),
    Refusal(name="asset missing", status=404, code="UserError", inner="ModelNotFound", message="Model {} was not found."),
)  # fmt: skip


def check_new(kind: AssetKind, world: World, workspace: Resource, name: str, properties: dict[str, Any]) -> None:
    """Refuse a new version whose name is reserved, that lacks a field, or whose files are not there.

    Raises:
        web.Refused: 400.
    """
    if kind.collection == "environments" and name.lower().startswith("azureml"):
        text = "Environment name can not start with the prefix AzureML. To alter a curated environment first create a copy of it."
        raise scope.invalid(text, "InvalidName")
    if not any(properties.get(each) for each in kind.required):
        raise scope.invalid(f"{kind.title}: {' or '.join(kind.required)} is required.", "ValidationError")
    for field, values in kind.enums:
        properties[field] = scope.one_of(scope.text_of(properties, field) or values[0], values, field)
    if kind.collection in {"models", "codes"}:
        uri = scope.text_of(properties, kind.uri)
        if uri.startswith("git+"):  # recorded: taken as it is; who runs it learns whether it can be fetched
            return
        try:
            place = locations.resolve(world, workspace.id.lower(), uri)
            if next(iter(storage.files(world, place)), None) is None:
                raise scope.invalid(f"The specified path does not exist: {uri}", "DatastorePathNotFound")
        except FetchError as error:
            raise scope.invalid(str(error), "DatastorePathNotFound") from None
