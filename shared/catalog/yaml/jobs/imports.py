"""Data imports (`az ml data import`): a pipeline job of one built-in step, or the action of a schedule.

Source of the bodies: what `DataOperations.import_data` of azure-ai-ml sends. Not here: data assets that are there already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.catalog.yaml import references
from shared.catalog.yaml.assets.assets import filled
from shared.text import yaml_values
from shared.text.yaml_values import anything, choice, either, named, record, sequence, text

if TYPE_CHECKING:
    from shared.catalog.yaml.drafts import Draft
    from shared.text.yaml_document import Cursor

MANAGED = "azureml://datastores/workspacemanageddatastore"  # Azure chooses the place in it
_NAME = "${{name}}"
_PARAMETER = record({"name": text, "value": text, "type": text}, required=("name", "value"))
PLACE = either(  # outside Azure ML: where data comes from or goes to
    record(
        {
            "type": choice("database"),
            **dict.fromkeys(("connection", "query", "table_name", "stored_procedure"), text),
            "stored_procedure_params": sequence(_PARAMETER),
        },
        required=("type", "connection"),
    ),
    record({"type": choice("file_system"), "connection": text, "path": text}, required=("connection",)),
)
IMPORT = record(
    {
        "name": text,
        "description": text,
        "tags": named(anything),
        "version": yaml_values.version,
        "path": text,
        "datastore": text,
        "type": choice("mltable", "uri_folder"),
        "source": PLACE,
    },
    required=("name", "path", "source"),
    ignored=("$schema", "id", "creation_context", "latest_version", "properties"),
)


def builtin(task: str, source_type: str) -> str:
    """Return the id of Azure's own component that imports from, or exports to, a `database` or `file_system`."""
    return f"{references.REGISTRIES}azureml/components/{task}_{source_type}/versions/0.0.1"


def import_body(draft: Draft, at: Cursor) -> dict[str, Any]:
    """Translate a data import to the job that carries it out and registers the data."""
    data = IMPORT(at)
    source = {"type": "file_system", **data["source"]}
    label = f"data_import_{data['name']}"
    description = data.get("description") or label
    sink = {
        "uri": _place(at),
        "job_output_type": "mltable" if source["type"] == "database" else "uri_folder",
        "name": data["name"],
        "version": data.get("version"),
    }
    step = {
        "type": "data_transfer",
        "task": "import_data",
        "display_name": label,
        "source": source,
        "computeId": draft.compute("serverless"),
        "outputs": {"sink": filled(sink)},
        "componentId": builtin("import_data", source["type"]),
        "_source": "BUILTIN",
    }
    properties = {
        "jobType": "Pipeline",
        "displayName": label,
        "description": description,
        "experimentName": label,
        "tags": data.get("tags", {}),
        "properties": {"azureml.materializationAssetName": data["name"]},
        "settings": {"force_rerun": True, "_source": "CLASS"},
        "jobs": {label: step},
        "inputs": {},
        "outputs": {},
        "isArchived": False,
    }
    return {"properties": properties}


def definition(at: Cursor) -> dict[str, Any]:
    """Return the `dataImportDefinition` of a schedule's action."""
    data = IMPORT(at)
    source = data["source"]
    body = {
        "isAnonymous": False,
        "isArchived": False,
        "dataType": "uri_folder",
        "dataUri": data["path"],
        "source": {
            "sourceType": source.get("type", "file_system"),
            **{name: source[name] for name in ("connection", "query", "path") if name in source},
        },
        "description": data.get("description"),
        "properties": {},
        "tags": data.get("tags", {}),
        "assetName": data.get("name"),
    }
    return filled(body)


def _place(at: Cursor) -> str:
    """Return where the data goes: a folder of its own name, unless the path has that already."""
    path = str(at.child("path").value)
    if path == MANAGED or path.startswith(f"{MANAGED}/"):
        if path.rstrip("/") != MANAGED:
            raise at.child("path").refusal(f"Azure chooses the place in the managed datastore: write {MANAGED}.")
        path = f"{MANAGED}/paths"
    return path if _NAME in path else f"{path.rstrip('/')}/{_NAME}"
