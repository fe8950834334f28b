"""The five kinds of assets: what a version of each must hold, and what of it can never change. Data, no behaviour."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, replace

from infra.local.emulator.machine_learning import scope


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetKind:
    """One kind.

    Attributes:
        collection: the segment in ids, e.g. `models`.
        home: what such assets belong to, `workspaces` or `registries`.
        title: in messages, e.g. `Model`.
        required: properties of which one must be given.
        fixed: properties that no later PUT may change.
        uri: the property that names files, or empty.
        enums: property → its values; the first is the default.
        kept: properties that a container must name and keeps, as its versions do.
        states: whether an answer shows `provisioningState`.
        more: what else of a version can change later, and as what it begins.
    """

    collection: str
    title: str
    required: tuple[str, ...]
    fixed: tuple[str, ...]
    uri: str = ""
    home: str = "workspaces"
    enums: tuple[tuple[str, tuple[str, ...]], ...] = ()
    kept: tuple[str, ...] = ()
    states: bool = True
    more: tuple[tuple[str, object], ...] = ()

    @property
    def later(self) -> dict[str, object]:
        """`more`, by name."""
        return deepcopy(dict(self.more))

    @property
    def state(self) -> dict[str, str]:
        """What an answer's properties say of the state."""
        return {"provisioningState": "Succeeded"} if self.states else {}

    @property
    def type(self) -> str:
        """The container's type as ARM writes it."""
        return f"{scope.NAMESPACE}/{self.home}/{self.collection}"


KINDS = (
    AssetKind(
        collection="models",
        title="Model",
        required=("modelUri",),
        fixed=("modelUri", "modelType"),
        uri="modelUri",
        enums=(("modelType", ("custom_model", "mlflow_model", "triton_model", "CustomModel", "MLFlowModel", "TritonModel")),),
        more=(("flavors", {}), ("stage", None)),
    ),
    AssetKind(
        collection="environments",
        title="Environment",
        required=("image", "build", "condaFile"),
        fixed=("image", "build", "condaFile"),
        more=(("stage", None),),
    ),
    AssetKind(collection="codes", title="Code", required=("codeUri",), fixed=("codeUri",), uri="codeUri"),
    AssetKind(
        collection="data",
        title="Data",
        required=("dataUri",),
        fixed=("dataUri", "dataType"),
        uri="dataUri",
        enums=(("dataType", ("uri_folder", "uri_file", "mltable")),),
        kept=("dataType",),
        states=False,
    ),
    AssetKind(collection="components", title="Component", required=("componentSpec",), fixed=("componentSpec",)),
)
REGISTRY_KINDS = tuple(replace(kind, home="registries") for kind in KINDS)
