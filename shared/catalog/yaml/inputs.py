"""Inputs and outputs of jobs: literals, expressions, data and models by reference or from the user's disk.

The REST form differs only in casing between a job (`jobInputType`) and a node of a pipeline (`job_input_type`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from shared.catalog.yaml import references
from shared.text import yaml_values
from shared.text.yaml_values import boolean, choice, either, fraction, integer, named, number, record, text, whole

if TYPE_CHECKING:
    from shared.catalog.yaml.drafts import Draft
    from shared.text.yaml_document import Cursor

FOLDER = "uri_folder"
INPUT_MODES = {
    "mount": "ReadOnlyMount",
    "rw_mount": "ReadWriteMount",
    "ro_mount": "ReadOnlyMount",
    "download": "Download",
    "eval_mount": "EvalMount",
    "eval_download": "EvalDownload",
    "direct": "Direct",
}
OUTPUT_MODES = {"mount": "ReadWriteMount", "upload": "Upload", "rw_mount": "ReadWriteMount", "direct": "Direct"}
OUTPUT_TYPES = ("uri_file", "uri_folder", "custom_model", "mlflow_model", "mltable", "triton_model")
PARENT_INPUT = re.compile(r"^\$\{\{\s*parent\.(inputs|outputs|jobs)\.")

PRIMITIVE = either(whole, fraction, text, boolean)
LITERAL = record({"value": either(text, boolean, integer, number)}, required=("value",))
_READ = ("download", "ro_mount", "direct")


def _data(modes: tuple[str, ...], types: tuple[str, ...], *, on_compute: bool) -> yaml_values.Shape:
    fields: dict[str, yaml_values.Shape] = {"mode": choice(*modes), "type": choice(*types), "path": text, "datastore": text}
    if on_compute:
        fields["path_on_compute"] = text
    return record(fields)


DATA_INPUT = _data(_READ, ("uri_file", "uri_folder"), on_compute=True)
MODEL_INPUT = _data(_READ, ("custom_model", "mlflow_model", "triton_model"), on_compute=False)
TABLE_INPUT = _data((*_READ, "eval_mount", "eval_download"), ("mltable",), on_compute=True)
_FORMS = either(DATA_INPUT, MODEL_INPUT, TABLE_INPUT, LITERAL, PRIMITIVE)


def INPUT(at: Cursor) -> Any:  # noqa: N802  # a shape among shapes
    """An input in any of its forms."""
    for name in ("optional", "default", "min", "max"):
        if isinstance(at.value, dict) and name in at.value:
            raise at.child(name).refusal(f"'{name}' belongs to a component's inputs; a job's input has its value.", at_key=True)
    return _FORMS(at)


INPUTS = named(INPUT)
OUTPUT = record(
    {
        "name": text,
        "version": yaml_values.version,
        "mode": choice("mount", "upload", "rw_mount", "direct"),
        "type": choice(*OUTPUT_TYPES),
        "path": text,
    },
    ignored=("$schema",),
)


OUTPUTS = named(yaml_values.maybe(OUTPUT))  # null: an output that is only named


def is_literal(value: Any) -> bool:
    """Return whether a loaded input is a value rather than data."""
    return not isinstance(value, dict) or "value" in value


def literal(value: Any) -> Any:
    """Return the value of a literal input however it was written."""
    return value["value"] if isinstance(value, dict) else value


def input_body(draft: Draft, at: Cursor, value: Any, *, in_node: bool = False) -> dict[str, Any]:
    """Return the REST form of one loaded input; `in_node`: of a pipeline's node."""
    style = _snaked if in_node else _camelled
    if is_literal(value):
        return style({"value": str(literal(value)), "job_input_type": "literal"})
    path = value.get("path")
    mode = INPUT_MODES.get(value["mode"], value["mode"]) if "mode" in value else None
    if not path:
        raise at.refusal("The input has no path.")
    if yaml_values.is_binding(path):
        body = {"value": path, "mode": mode, "job_input_type": "literal"}
        if "path_on_compute" in value and not in_node:
            body["path_on_compute"] = value["path_on_compute"]
        return style(body)
    kind = value.get("type", FOLDER)
    uri = input_uri(draft, at, path, kind=kind, datastore=value.get("datastore"))
    return style({"uri": uri, "mode": mode, "job_input_type": kind})


def input_uri(draft: Draft, at: Cursor, path: str, *, kind: str, datastore: str | None = None) -> Any:
    """Return the URI of a path: an id, itself, or what stands for an upload's."""
    field = at.get("path") or at
    if references.is_url(path):
        return path
    reference = path.removeprefix(references.PREFIX)
    if path.startswith(references.PREFIX) or (path.startswith("/subscriptions/") and "/versions/" in path):
        asset = "models" if kind in ("mlflow_model", "custom_model") else "data"
        return draft.versioned(asset, reference, field)
    local = references.local(field.having(path))
    store = datastore.removeprefix(references.PREFIX) if datastore else None
    return draft.upload(local, "input", datastore=store, pattern="{}/" if kind == FOLDER else "{}")


def inputs_body(draft: Draft, at: Cursor | None, values: dict[str, Any], *, in_node: bool = False) -> dict[str, Any]:
    """Return the REST form of loaded inputs; `at` is where they stand."""
    if at is None:
        return {}
    return {name: input_body(draft, at.get(name) or at, value, in_node=in_node) for name, value in values.items()}


def output_body(value: Any, *, in_node: bool = False) -> dict[str, Any]:
    """Return the REST form of one loaded output."""
    if isinstance(value, str):
        return {"value": value, "type": "literal"}
    value = value or {}
    mode = OUTPUT_MODES.get(value["mode"], value["mode"]) if "mode" in value else None
    path = value.get("path")
    if in_node and yaml_values.is_binding(path) and PARENT_INPUT.match(str(path)):
        body = {"value": path, "type": "literal", "mode": mode, "name": value.get("name"), "version": value.get("version")}
        return {name: each for name, each in body.items() if each is not None}
    kind = value.get("type", FOLDER)
    if in_node:
        return _snaked(
            {"uri": path, "mode": mode, "job_output_type": kind, "name": value.get("name"), "version": value.get("version")}
        )
    body = {
        "uri": path,
        "mode": mode,
        "job_output_type": kind,
        "asset_name": value.get("name"),
        "asset_version": value.get("version"),
    }
    return _camelled(body)


def _camelled(body: dict[str, Any]) -> dict[str, Any]:
    return {yaml_values.camel(name): value for name, value in body.items() if value is not None}


def _snaked(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if value is not None}
