"""The fields of a component's YAML, by type, and the shapes of their values. Not here: what they become (components)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from shared.catalog.yaml import references
from shared.catalog.yaml.assets import assets
from shared.catalog.yaml.jobs import execution, jobs
from shared.text import yaml_values
from shared.text.yaml_values import anything, boolean, choice, either, integer, mapping, named, record, same, sequence, text

if TYPE_CHECKING:
    from shared.text.yaml_document import Cursor

NAME = re.compile(r"^[a-z][a-z\d_]*$")
PORT_NAME = re.compile(r"^[a-zA-Z_][a-zA-Z0-9_]*(\.[a-zA-Z_][a-zA-Z0-9_]*)*$")  # dots: of a group
DATA_TYPES = ("path", "custom_model", "mlflow_model", "mltable", "triton_model", "uri_file", "uri_folder")
PRIMITIVE_TYPES = {"boolean": "true or false", "integer": "a whole number", "number": "a number", "string": "a text"}
PORT_MODES = ("direct", "download", "eval_download", "eval_mount", "mount", "ro_mount", "rw_mount", "upload", "link")
_BOUND = either(text, yaml_values.number)  # the CLI reads every number as one with a fraction: 0 of a string's default is "0.0"


def component_name(at: Cursor) -> str:
    """A component's name: lower-case letters, digits and underscores."""
    found = text(at)
    if not NAME.match(found):
        raise at.refusal(
            f"'{found[:60]}' is not a component name: expected lower-case letters, digits and underscores, a letter first."
        )
    return found


def port_name(at: Cursor) -> str:
    """The name of an input or output, which expressions refer to: letters, digits, underscores, dots between those of a group."""
    found = text(at)
    if not PORT_NAME.match(found):
        message = (
            f"'{found[:60]}' is not a name of an input or output: expected letters, digits and underscores, not a digit first."
        )
        raise at.refusal(message, at_key=True)
    return found


PARAMETER = record(
    {
        "type": choice(*PRIMITIVE_TYPES, fold=same),
        "optional": boolean,
        "default": either(text, yaml_values.boolean_only, yaml_values.number),
        "description": text,
        "max": _BOUND,
        "min": _BOUND,
        "enum": sequence(text),
    },
    required=("type",),
)
INPUT_PORT = record(
    {
        "type": choice(*DATA_TYPES, fold=same),
        "description": text,
        "optional": boolean,
        "default": text,
        "mode": choice(*PORT_MODES, fold=same),
    },
    required=("type",),
)
OUTPUT_PORT = record(
    {"type": choice(*DATA_TYPES, fold=same), "description": text, "mode": choice(*PORT_MODES, fold=same)}, required=("type",)
)
PRIMITIVE_OUTPUT = record(
    {
        "type": choice(*PRIMITIVE_TYPES, fold=same),
        "description": text,
        "mode": choice(*PORT_MODES, fold=same),
        "early_available": boolean,
    },
    required=("type",),
    unknown="drop",
)
BASE_FIELDS: dict[str, yaml_values.Shape] = {
    "name": component_name,
    "description": text,
    "tags": named(text),
    "version": yaml_values.version,
    "auto_delete_setting": assets.AUTO_DELETE,
    "$schema": text,
    "display_name": text,
    "is_deterministic": boolean,
    "inputs": mapping(either(PARAMETER, INPUT_PORT), key=port_name),
    "outputs": mapping(either(OUTPUT_PORT, PRIMITIVE_OUTPUT), key=port_name),
    "properties": named(anything),
}
_RESOURCES = record(execution.RESOURCE_FIELDS, unknown="drop")
RETRY = record(
    {"timeout": either(integer, yaml_values.binding), "max_retries": either(integer, yaml_values.binding)}, unknown="drop"
)
TASK = record(
    {
        "type": choice("run_function", "model", "function"),
        "code": references.code,
        "entry_script": text,
        "program_arguments": text,
        "model": text,
        "append_row_to": text,
        "environment": anything,
    },
    required=("type", "environment"),
    unknown="drop",
)
PARALLEL_FIELDS: dict[str, yaml_values.Shape] = {
    "resources": _RESOURCES,
    "logging_level": choice("DEBUG", "INFO", "WARNING", fold=same),
    "task": TASK,
    "mini_batch_size": text,
    "partition_keys": sequence(text),
    "input_data": text,
    "retry_settings": RETRY,
    "max_concurrency_per_instance": integer,
    "error_threshold": integer,
    "mini_batch_error_threshold": integer,
}
_COMMAND_FIELDS: dict[str, yaml_values.Shape] = {
    "command": text,
    "code": references.code,
    "environment": anything,
    "resources": _RESOURCES,
    "distribution": execution.COMPONENT_DISTRIBUTION,
    "queue_settings": execution.QUEUE,
    "additional_includes": sequence(text),
}
AUTOML_TASKS = (
    "classification", "regression", "forecasting", "image_classification", "image_classification_multilabel",
    "image_object_detection", "image_instance_segmentation", "text_classification", "text_classification_multilabel", "text_ner",
)  # fmt: skip
# type → (own fields, of these required)
KINDS: dict[str, tuple[dict[str, yaml_values.Shape], tuple[str, ...]]] = {
    "command": (_COMMAND_FIELDS, ("command", "environment")),
    "spark": ({**jobs.SPARK_FIELDS, "additional_includes": sequence(text)}, ("entry",)),
    "parallel": (PARALLEL_FIELDS, ("type",)),
    "data_transfer": (
        {
            "task": choice("copy_data", "import_data", "export_data"),
            "data_copy_mode": choice("merge_with_overwrite", "fail_if_conflict"),
            "source": named(anything),
            "sink": named(anything),
        },
        ("task",),
    ),
    "automl": ({"task": choice(*AUTOML_TASKS, fold=yaml_values.snake)}, ("task",)),
    "import": (
        {"source": mapping(PARAMETER, key=choice("type", "connection", "query", "path", fold=same)), "output": OUTPUT_PORT},
        ("source", "output"),
    ),
}
