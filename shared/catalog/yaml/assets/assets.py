"""Environments, models and data assets, registered by name or defined inside another YAML.

Field names and their REST counterparts are those of the CLI (v2) YAML schema for environment, model and data and of
Microsoft.MachineLearningServices' versions of them. Not here: components.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.catalog.yaml import drafts, references
from shared.text import yaml_values
from shared.text.yaml_values import anything, choice, integer, mapping, named, record, sequence, text

if TYPE_CHECKING:
    from shared.catalog.yaml.drafts import Draft, Pending
    from shared.catalog.yaml.references import LocalPath
    from shared.text.yaml_document import Cursor

SHOWN = ("$schema", "id", "creation_context", "latest_version")  # what `show` adds; never sent
AUTO_DELETE = record(
    {"value": text, "condition": choice("created_greater_than", "last_accessed_greater_than", fold=yaml_values.snake)}
)
DATA_TYPES = ("uri_file", "uri_folder", "mltable")
MODEL_TYPES = ("custom_model", "mlflow_model", "triton_model")

_ROUTE = record({"port": integer, "path": text}, required=("port", "path"))
_TEMPLATE = record({"asset_id": text})
_ENVIRONMENT_FIELDS = {
    "description": text,
    "tags": named(anything),
    "auto_delete_setting": AUTO_DELETE,
    "build": record({"dockerfile_path": text, "path": references.path_or_uri}),
    "image": text,
    "conda_file": anything,
    "inference_config": record(
        {"liveness_route": _ROUTE, "scoring_route": _ROUTE, "readiness_route": _ROUTE},
        required=("liveness_route", "scoring_route", "readiness_route"),
    ),
    "os_type": choice("linux", "windows"),
    "datastore": text,
}
_UNUSED = (*SHOWN, "intellectual_property")
NAMED_ENVIRONMENT = record(
    {"name": text, "version": yaml_values.version, **_ENVIRONMENT_FIELDS}, required=("name",), ignored=_UNUSED
)
INLINE_ENVIRONMENT = record(_ENVIRONMENT_FIELDS, ignored=(*_UNUSED, "name", "version"))
_MODEL_FIELDS = {
    "name": text,
    "type": choice(*MODEL_TYPES),
    "path": references.path_or_uri,
    "version": yaml_values.version,
    "description": text,
    "properties": mapping(),
    "tags": mapping(),
    "stage": text,
    "flavors": mapping(mapping()),
    "datastore": text,
    "system_metadata": mapping(),
    "default_deployment_template": _TEMPLATE,
    "allowed_deployment_templates": sequence(_TEMPLATE),
}
_MODEL_UNUSED = (*SHOWN, "utc_time_created", "job_name", "intellectual_property")
MODEL = record(_MODEL_FIELDS, required=("name", "path"), ignored=_MODEL_UNUSED)
INLINE_MODEL = record(_MODEL_FIELDS, ignored=_MODEL_UNUSED)
DATA = record(
    {
        "name": text,
        "description": text,
        "tags": named(anything),
        "version": yaml_values.version,
        "auto_delete_setting": AUTO_DELETE,
        "datastore": text,
        "path": references.path_or_uri,
        "type": choice(*DATA_TYPES, fold=yaml_values.same),
    },
    required=("path",),
    ignored=(*SHOWN, "properties"),
)


def named_environment_body(draft: Draft, at: Cursor) -> dict[str, Any]:
    """Translate an environment to be registered under its name."""
    return environment_body(draft, at, NAMED_ENVIRONMENT(at), anonymous=False)


def named_model_body(draft: Draft, at: Cursor) -> dict[str, Any]:
    """Translate a model to be registered under its name."""
    return model_body(draft, at, MODEL(at), anonymous=False)


def environment_body(draft: Draft, at: Cursor, fields: dict[str, Any], *, anonymous: bool) -> dict[str, Any]:
    """Return the ARM body of an environment version from its fields."""
    if isinstance(at.value, dict) and ("channels" in at.value or "dependencies" in at.value):
        raise at.refusal("This is a conda file; an environment names it under 'conda_file', beside 'image'.")
    build = fields.get("build")
    if fields.get("image") is None and build is None:
        raise at.refusal("The environment has neither 'image' nor 'build'; a 'conda_file' goes on top of an image.")
    if fields.get("image") and build:
        raise at.refusal("The environment has both 'image' and 'build'; give it one of the two.")
    routes = fields.get("inference_config")
    properties: dict[str, Any] = {
        "condaFile": _conda(at, fields.get("conda_file")),
        "image": fields.get("image") or None,
        "build": _build(draft, build, fields.get("datastore")) if build is not None else None,
        "osType": fields.get("os_type"),
        "tags": fields.get("tags") or None,
        "isAnonymous": anonymous,
        "isArchived": False,
        "inferenceConfig": {yaml_values.camel(name): route for name, route in routes.items()} if routes else None,
        "description": fields.get("description"),
    }
    return {"properties": filled(properties)}


def environment_reference(draft: Draft, at: Cursor, *, with_name: bool = False) -> str | Pending:
    """Return the id of an environment that a field names or defines inline.

    Args:
        draft: The translation.
        at: The field.
        with_name: An inline one that has a name keeps it (deployments do; jobs and components make it anonymous).
    """
    if isinstance(at.value, str) and at.value.startswith("file:"):
        at = at.open(at.value.removeprefix("file:"))
    if isinstance(at.value, dict):
        keeps_name = with_name and "name" in at.value
        fields = NAMED_ENVIRONMENT(at) if keeps_name else INLINE_ENVIRONMENT(at)
        body = environment_body(draft, at, fields, anonymous=not keeps_name)
        name, version = (fields["name"], fields.get("version")) if keeps_name else (None, None)
        return draft.register("environments", body, name=name, version=version, anonymous=references.ANONYMOUS_ENVIRONMENT)
    reference = ENVIRONMENT_NAME(at)
    return draft.versioned("environments", reference, at)


ENVIRONMENT_NAME = references.asset("environments")


def model_body(draft: Draft, at: Cursor, fields: dict[str, Any], *, anonymous: bool) -> dict[str, Any]:
    """Return the ARM body of a model version from its fields."""
    path = fields.get("path")
    last = str(path.path if isinstance(path, references.LocalPath) else path).rpartition("/")[2]
    if fields.get("type") == "mlflow_model" and "." in last and last not in (".", ".."):
        raise at.child("path").refusal(f"An mlflow_model is a folder, and '{last[:120]}' has a dot like a file: name its folder.")
    default, allowed = fields.get("default_deployment_template"), fields.get("allowed_deployment_templates")
    properties = {
        "description": fields.get("description"),
        "tags": _texts(fields.get("tags") or {}),
        "properties": _texts(fields.get("properties") or {}),
        "flavors": {name: {"data": data} for name, data in fields["flavors"].items()} if fields.get("flavors") else None,
        "modelType": fields.get("type", "custom_model"),
        "modelUri": _long(draft, located(draft, fields.get("path"), "model", fields.get("datastore"))),
        "stage": None if default or allowed else fields.get("stage"),
        "isAnonymous": anonymous,
        "isArchived": False,
        "defaultDeploymentTemplate": {"assetId": default.get("asset_id")} if default else None,
        "allowedDeploymentTemplates": [{"assetId": each.get("asset_id")} for each in allowed] if allowed else None,
    }
    return {"properties": filled(properties)}


def model_reference(draft: Draft, at: Cursor) -> str | Pending:
    """Return the id of a model that a field names or defines inline."""
    if isinstance(at.value, dict):
        fields = INLINE_MODEL(at)
        body = model_body(draft, at, fields, anonymous="name" not in fields)
        return draft.register("models", body, name=fields.get("name"), version=fields.get("version"), anonymous="")
    reference = references.asset("models")(at)
    return draft.versioned("models", reference, at)


def data_body(draft: Draft, at: Cursor) -> dict[str, Any]:
    """Translate a data asset."""
    fields = DATA(at)
    kind = fields.get("type", "uri_folder")
    _expect_data(draft, at.child("path"), fields["path"], kind)
    properties = {
        "description": fields.get("description"),
        "isAnonymous": False,
        "tags": fields.get("tags") or {},
        "isArchived": False,
        "properties": {},
        "dataUri": located(draft, fields["path"], "data", fields.get("datastore")),
        "dataType": kind,
        "autoDeleteSetting": auto_delete(fields.get("auto_delete_setting")),
        "referencedUris": _referenced_uris(at, fields["path"]) if kind == "mltable" else None,
    }
    return {"properties": filled(properties)}


def _expect_data(draft: Draft, at: Cursor, path: str | LocalPath, kind: str) -> None:
    """Have a look that what a data asset's path leads to is of its type."""
    if not isinstance(path, references.LocalPath):
        return
    shown = path.shown[:120]
    if kind == "mltable":
        draft.expect(
            path,
            "data",
            "file",
            at.refusal(f"An mltable is a folder with the file 'MLTable': '{shown}' has none."),
            inside="MLTable",
        )
    elif kind == "uri_file":
        draft.expect(path, "data", "file", at.refusal(f"'{shown}' is a folder: name a file of it, or write type: uri_folder."))
    else:
        draft.expect(path, "data", "folder", at.refusal(f"'{shown}' is a file: name its folder, or write type: uri_file."))


def auto_delete(setting: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the REST form of `auto_delete_setting`."""
    if setting is None:
        return None
    return filled(
        {"condition": yaml_values.camel(setting["condition"]) if "condition" in setting else None, "value": setting.get("value")}
    )


def located(draft: Draft, path: str | LocalPath | None, purpose: drafts.Purpose, datastore: str | None) -> Any:
    """Return the URI of a path: itself, or what stands for the upload's."""
    if isinstance(path, references.LocalPath):
        return draft.upload(path, purpose, datastore=datastore.removeprefix(references.PREFIX) if datastore else None)
    return path


def _long(draft: Draft, uri: Any) -> Any:
    """Return a datastore URI in the form that names the workspace, as the CLI registers models."""
    if (
        not isinstance(uri, str)
        or not uri.startswith("azureml://datastores/")
        or draft.workspace is None
        or draft.workspace.types[:1] == ("registries",)
    ):
        return uri
    scope, names = draft.workspace, draft.workspace.names
    place = f"azureml://subscriptions/{scope.subscription}/resourcegroups/{scope.resource_group}/workspaces/{names[0]}"
    return f"{place}/{uri.removeprefix('azureml://')}"


def filled(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that have a value."""
    return {name: value for name, value in fields.items() if value is not None}


def _build(draft: Draft, build: dict[str, Any], datastore: str | None) -> dict[str, Any]:
    path = build.get("path")
    uri = draft.upload(path, "environment", datastore=datastore, pattern="{}/") if isinstance(path, references.LocalPath) else path
    return filled({"contextUri": uri, "dockerfilePath": build.get("dockerfile_path")})


def _conda(at: Cursor, conda: Any) -> str | None:
    """Return the conda file's text as the CLI writes it (keys sorted), whether given inline or as a path."""
    import yaml

    field = at.get("conda_file")
    if field is None or not conda:
        return None
    if isinstance(conda, str):
        conda = field.open(conda.removeprefix("file:")).value
    if not isinstance(conda, dict):
        raise field.refusal("Expected the path of a conda file, or what stands in one: a mapping with 'dependencies'.")
    return str(yaml.dump(conda, sort_keys=True, default_flow_style=False))


def _referenced_uris(at: Cursor, path: str | LocalPath) -> list[str] | None:
    """Return the paths an MLTable beside the YAML names; Azure reads others itself."""
    field = at.child("path")
    if not isinstance(path, references.LocalPath) or field.document.source.read is None:
        return None
    source = field.document.source.read(f"{path.path}/MLTable")
    if source is None:
        return None
    from shared.text import yaml_document

    table = yaml_document.parse(source, name=f"{path.path}/MLTable", source=field.document.source)
    if not isinstance(table.value, dict) or "paths" not in table.value:
        raise table.refusal("An MLTable is a mapping with 'paths', which is missing.")
    paths = table.get("paths")
    entries = [each.value for each in paths.children()] if paths is not None and isinstance(paths.value, list) else []
    return [str(value) for entry in entries if isinstance(entry, dict) for value in entry.values()] or None


def _texts(values: dict[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items() if value is not None}
