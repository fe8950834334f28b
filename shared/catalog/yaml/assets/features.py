"""Feature sets and feature store entities."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from shared.catalog.yaml import references
from shared.catalog.yaml.assets.assets import filled
from shared.catalog.yaml.jobs import schedules
from shared.text.yaml_values import boolean, choice, mapping, named, record, same, sequence, text

if TYPE_CHECKING:
    from shared.catalog.yaml.drafts import Draft
    from shared.text.yaml_document import Cursor

_STAGE = choice("Development", "Production", "Archived", fold=same)
SPECIFICATION_FILE = "FeatureSetSpec.yaml"
FEATURE_SET = record(
    {
        "name": text,
        "version": text,
        "specification": record({"path": references.path_or_uri}, required=("path",)),
        "entities": sequence(text),
        "stage": _STAGE,
        "description": text,
        "tags": named(text),
        "materialization_settings": record(
            {
                "schedule": schedules.RECURRENCE,
                "notification": record({"email_on": sequence(text), "emails": sequence(text)}, required=("email_on", "emails")),
                "resource": record({"instance_type": text}),
                "spark_configuration": mapping(),
                "offline_enabled": boolean,
                "online_enabled": boolean,
            }
        ),
    },
    required=("name", "version", "specification", "entities"),
    ignored=("$schema", "id", "latest_version"),
)
ENTITY = record(
    {
        "name": text,
        "version": text,
        "index_columns": sequence(record({"name": text, "type": text}, required=("name", "type"))),
        "stage": _STAGE,
        "description": text,
        "tags": named(text),
        "properties": named(text),
    },
    required=("name", "version", "index_columns"),
    ignored=("$schema", "id", "latest_version"),
)
_STORES = {(True, True): "OnlineAndOffline", (True, False): "Offline", (False, True): "Online", (False, False): "None"}
_TYPES = {
    "string": "String", "integer": "Integer", "long": "Long", "float": "Float", "double": "Double", "binary": "Binary",
    "datetime": "Datetime", "boolean": "Boolean",
}  # fmt: skip


def feature_set_body(draft: Draft, at: Cursor) -> dict[str, Any]:
    """Translate a feature set; its specification's file is read for the properties Azure keeps beside it."""
    fields = FEATURE_SET(at)
    path = fields["specification"]["path"]
    properties = {}
    if isinstance(path, references.LocalPath):
        written = at.child("specification").child("path")
        specification = written.open(f"{path.shown.rstrip('/')}/{SPECIFICATION_FILE}")
        properties = {
            "featuresetPropertiesVersion": "1",
            "featuresetProperties": json.dumps(_specification(specification)),
        }
    settings = fields.get("materialization_settings")
    body = {
        "description": fields.get("description"),
        "properties": properties,
        "tags": fields.get("tags", {}),
        "entities": fields["entities"],
        "materializationSettings": _materialization(settings) if settings is not None else None,
        "specification": {"path": draft.upload(path, "feature_set") if isinstance(path, references.LocalPath) else path},
        "stage": fields.get("stage", "Development"),
    }
    return {"properties": filled(body)}


def entity_body(_draft: Draft, at: Cursor) -> dict[str, Any]:
    """Translate a feature store entity."""
    fields = ENTITY(at)
    columns = [
        {"columnName": column["name"], "dataType": _TYPES.get(column["type"].lower(), column["type"])}
        for column in fields["index_columns"]
    ]
    body = {
        "description": fields.get("description"),
        "indexColumns": columns,
        "tags": fields.get("tags", {}),
        "properties": fields.get("properties", {}),
        "stage": fields.get("stage", "Development"),
    }
    return {"properties": filled(body)}


def _materialization(settings: dict[str, Any]) -> dict[str, Any]:
    notification = settings.get("notification")
    resource = settings.get("resource")
    stores = (bool(settings.get("offline_enabled")), bool(settings.get("online_enabled")))
    body = {
        "schedule": schedules.trigger_body(settings["schedule"]) if "schedule" in settings else None,
        "notification": {"emailOn": notification["email_on"], "emails": notification["emails"]} if notification else None,
        "resource": filled({"instanceType": resource.get("instance_type")}) if resource else None,
        "sparkConfiguration": settings.get("spark_configuration"),
        "storeType": _STORES[stores],
    }
    return filled(body)


def _specification(at: Cursor) -> dict[str, Any]:
    """Return what Azure keeps of a specification, in the order and names the CLI writes."""
    value = at.value
    if not isinstance(value, dict) or not isinstance(value.get("source"), dict):
        raise at.refusal("Expected a feature set specification with 'source' and 'features'.")
    source = value["source"]
    code = value.get("feature_transformation_code")
    out: dict[str, Any] = {"source": _source(source)}
    if isinstance(code, dict):
        out["featureTransformationCode"] = {"Path": code.get("path"), "TransformerClass": code.get("transformer_class")}
    out["features"] = [
        filled(
            {
                "FeatureName": each.get("name"),
                "DataType": each.get("type"),
                "Description": each.get("description"),
                "Tags": each.get("tags"),
            }
        )
        for each in value.get("features", [])
    ]
    if value.get("index_columns"):
        out["indexColumns"] = [{"ColumnName": each["name"], "DataType": each["type"]} for each in value["index_columns"]]
    for name, written in (("source_lookback", "sourceLookback"), ("temporal_join_lookback", "temporalJoinLookback")):
        if value.get(name):
            out[written] = _delay(value[name])
    return out


def _source(source: dict[str, Any]) -> dict[str, Any]:
    out = {"type": source.get("type"), "path": source.get("path")}
    stamp = source.get("timestamp_column")
    if stamp:
        out["timestampColumn"] = {name: stamp[name] for name in ("name", "format") if name in stamp}
    if source.get("source_delay"):
        out["sourceDelay"] = _delay(source["source_delay"])
    return filled(out)


def _delay(delay: dict[str, Any]) -> dict[str, int]:
    return {name.capitalize(): delay.get(name, 0) for name in ("days", "hours", "minutes")}
