"""Deployments: managed and Kubernetes online, batch ones of a model and of a pipeline component."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.catalog.yaml import references
from shared.catalog.yaml.assets import assets
from shared.catalog.yaml.assets.assets import filled
from shared.catalog.yaml.jobs import execution, jobs
from shared.text.yaml_values import (
    anything,
    boolean,
    camel,
    choice,
    either,
    integer,
    mapping,
    named,
    number,
    pascal,
    record,
    sequence,
    snake,
    text,
)

if TYPE_CHECKING:
    from shared.catalog.yaml.drafts import Draft
    from shared.text.yaml_document import Cursor
    from shared.text.yaml_values import Shape

_SHOWN = ("$schema", "id", "provisioning_state", "creation_context")
_FIELDS: dict[str, Shape] = {
    "name": text,
    "endpoint_name": text,
    "description": text,
    "tags": mapping(),
    "properties": mapping(),
    "model": anything,
    "code_configuration": record({"code": references.code, "scoring_script": text}, ignored=("$schema",)),
    "environment": anything,
    "environment_variables": mapping(),
}
_PROBE = record(dict.fromkeys(("period", "initial_delay", "timeout", "success_threshold", "failure_threshold"), integer))
_UNSCALED = record({"type": choice("default", fold=snake)}, required=("type",))  # all that a managed deployment takes
_SCALE = either(
    _UNSCALED,
    record(
        {
            "type": choice("target_utilization", fold=snake),
            **dict.fromkeys(("polling_interval", "target_utilization_percentage", "min_instances", "max_instances"), integer),
        },
        required=("type",),
    ),
)
_COLLECTION = record(
    {
        "enabled": choice("true", "false"),
        "data": either(record({"name": text, "path": text, "version": text, "data_id": text}), text),
        "client_id": text,
    },
    required=("enabled",),
)
_COLLECTOR = record(
    {
        "collections": named(_COLLECTION),
        "rolling_rate": choice("minute", "day", "hour"),
        "sampling_rate": number,
        "request_logging": record({"capture_headers": sequence(text)}),
    }
)
_ONLINE: dict[str, Shape] = {
    **_FIELDS,
    "app_insights_enabled": boolean,
    "scale_settings": _SCALE,
    "request_settings": record(
        dict.fromkeys(("request_timeout_ms", "max_concurrent_requests_per_instance", "max_queue_wait_ms"), integer)
    ),
    "liveness_probe": _PROBE,
    "readiness_probe": _PROBE,
    "instance_count": integer,
    "type": choice("managed", "kubernetes", fold=snake),
    "model_mount_path": text,
    "instance_type": text,
    "data_collector": _COLLECTOR,
}
MANAGED = record(
    {
        **_ONLINE,
        "scale_settings": _UNSCALED,
        "egress_public_network_access": choice("enabled", "disabled"),
        "private_network_connection": boolean,
    },
    required=("name", "endpoint_name", "instance_type"),
    ignored=_SHOWN,
)
_AMOUNTS = record({"cpu": text, "memory": text, "gpu": text, "nvidia.com/gpu": text})
KUBERNETES = record(
    {**_ONLINE, "resources": record({"requests": _AMOUNTS, "limits": _AMOUNTS})},
    required=("name", "endpoint_name"),
    ignored=_SHOWN,
)
_OUTPUT = choice("append_row", "summary_only")
_BATCH_SETTINGS: dict[str, Shape] = {
    "error_threshold": integer,
    "retry_settings": record({"max_retries": integer, "timeout": integer}),
    "mini_batch_size": integer,
    "logging_level": text,
    "output_action": _OUTPUT,
    "output_file_name": text,
    "max_concurrency_per_instance": integer,
}
_BATCH_TYPE = choice("pipeline", "model")
BATCH = record(
    {
        **_FIELDS,
        **_BATCH_SETTINGS,
        "compute": references.compute,
        "resources": execution.RESOURCES,
        "type": _BATCH_TYPE,
        "job_definition": references.short("jobs"),
        "component": text,
    },
    required=("name", "endpoint_name"),
    ignored=_SHOWN,
)
MODEL_BATCH = record(
    {
        **_FIELDS,
        "compute": references.compute,
        "error_threshold": integer,
        "resources": execution.RESOURCES,
        "type": _BATCH_TYPE,
        "settings": record(
            {**_BATCH_SETTINGS, "instance_count": integer, "environment_variables": mapping()}, required=("mini_batch_size",)
        ),
    },
    required=("name", "endpoint_name", "compute"),
    ignored=_SHOWN,
)
PIPELINE_BATCH = record(
    {
        "name": text,
        "endpoint_name": text,
        "component": anything,
        "settings": mapping(),
        "type": _BATCH_TYPE,
        "job_definition": anything,
        "tags": mapping(),
        "description": text,
    },
    ignored=("$schema",),
)


def _amounts(amounts: dict[str, str]) -> dict[str, str]:
    """Return CPU, memory and GPUs; Kubernetes' own name for the last is allowed."""
    return {"gpu" if name == "nvidia.com/gpu" else name: value for name, value in amounts.items()}


def online_deployment_body(draft: Draft, at: Cursor) -> dict[str, Any]:
    """Translate an online deployment; `type` or `$schema` says whose compute it runs on."""
    schema = str(at.value.get("$schema", "")).lower()
    kubernetes = str(at.value.get("type", "")).lower() == "kubernetes" or "kubernetes" in schema
    fields = (KUBERNETES if kubernetes else MANAGED)(at)
    limits = fields.get("resources")
    properties = {
        **_served(draft, at, fields),
        "model": assets.model_reference(draft, at.child("model")) if fields.get("model") else None,
        "modelMountPath": fields.get("model_mount_path"),
        "scaleSettings": _scale(fields.get("scale_settings")),
        "environmentVariables": fields.get("environment_variables", {}),
        "appInsightsEnabled": fields.get("app_insights_enabled", False),
        "requestSettings": _requests(fields.get("request_settings")),
        "livenessProbe": _probe(fields.get("liveness_probe")),
        "readinessProbe": _probe(fields.get("readiness_probe")),
        "instanceType": fields.get("instance_type"),
        "dataCollector": _collector(draft, fields),
        "endpointComputeType": "Kubernetes" if kubernetes else "Managed",
    }
    if limits is not None:
        properties["containerResourceRequirements"] = {
            f"containerResource{name}": _amounts(limits[part])
            for part, name in (("requests", "Requests"), ("limits", "Limits"))
            if part in limits
        }
    if fields.get("private_network_connection"):  # REST has it as a property only
        properties["properties"] = {**properties["properties"], "private-network-connection": True}
    if fields.get("egress_public_network_access"):
        properties["egressPublicNetworkAccess"] = fields["egress_public_network_access"]
    sku = filled({"name": "Default", "capacity": fields.get("instance_count")})
    return filled({"location": draft.location, "properties": filled(properties), "tags": fields.get("tags", {}), "sku": sku})


def batch_deployment_body(draft: Draft, at: Cursor) -> dict[str, Any]:
    """Translate a batch deployment in any of its three YAML forms."""
    schema = str(at.value.get("$schema", "")).lower()
    if "pipelinecomponentbatch" in schema or (at.value.get("type") == "pipeline" and at.get("model") is None):
        return _pipeline_batch(draft, at)
    settings_apart = at.get("settings") is not None or "modelbatch" in schema
    fields = (MODEL_BATCH if settings_apart else BATCH)(at)
    settings = fields.get("settings", {}) if settings_apart else fields
    action = settings.get("output_action")
    retry = settings.get("retry_settings")
    model = assets.model_reference(draft, at.child("model")) if fields.get("model") else None
    resources = fields.get("resources")
    if resources is None and settings.get("instance_count"):
        resources = {"instance_count": settings["instance_count"]}
    properties = {
        **_served(draft, at, fields),
        "model": {"assetId": model, "referenceType": "Id"} if model else None,
        "outputFileName": settings.get("output_file_name"),
        "outputAction": pascal(action) if action else None,
        "errorThreshold": settings.get("error_threshold"),
        "resources": _batch_resources(resources),
        "retrySettings": _retry(retry) if retry is not None else None,
        "loggingLevel": settings.get("logging_level"),
        "miniBatchSize": settings.get("mini_batch_size"),
        "maxConcurrencyPerInstance": settings.get("max_concurrency_per_instance"),
        "environmentVariables": settings.get("environment_variables", None if settings_apart else {}),
        "compute": draft.compute(fields.get("compute")),
    }
    return filled({"location": draft.location, "properties": filled(properties), "tags": fields.get("tags", {})})


def _pipeline_batch(draft: Draft, at: Cursor) -> dict[str, Any]:
    from shared.catalog.yaml.jobs import pipelines

    fields = PIPELINE_BATCH(at)
    component = at.get("component")
    job = at.get("job_definition")
    if component is None and job is None:
        raise at.refusal("The field 'component' is missing.")
    found, details = pipelines.batch_component(draft, component) if component is not None else pipelines.of_job(draft, job or at)
    configuration = {
        "settings": fields.get("settings", {}),
        "componentId": {"assetId": found, "referenceType": "Id"},
        "deploymentConfigurationType": "PipelineComponent",
        **details,
    }
    properties = {
        "deploymentConfiguration": configuration,
        "description": fields.get("description"),
        "errorThreshold": -1,
        "maxConcurrencyPerInstance": 1,
        "miniBatchSize": 10,
        "outputFileName": "predictions.csv",
    }
    return filled({"location": draft.location, "properties": filled(properties), "tags": fields.get("tags", {})})


def _served(draft: Draft, at: Cursor, fields: dict[str, Any]) -> dict[str, Any]:
    code = fields.get("code_configuration")
    if code:
        _check_code(draft, at.child("code_configuration"), code)
    environment = fields.get("environment")
    return {
        "description": fields.get("description"),
        "properties": fields.get("properties", {}),
        "codeConfiguration": filled(
            {"codeId": jobs.draft_code(draft, code.get("code")), "scoringScript": code.get("scoring_script")}
        )
        if code
        else None,
        "environmentId": assets.environment_reference(draft, at.child("environment"), with_name=True) if environment else None,
    }


def _check_code(draft: Draft, at: Cursor, code: dict[str, Any]) -> None:
    """Refuse code without a scoring script, and code that is neither sent along nor registered.

    Raises:
        RefusedError: At the field.
    """
    for name in ("code", "scoring_script"):
        if not code.get(name):
            raise at.refusal(f"The field '{name}' is missing: 'code' is the folder, 'scoring_script' a file in it.", member=name)
    where, script = code["code"], code["scoring_script"]
    if isinstance(where, references.LocalPath):
        message = f"The code '{where.shown[:120]}' has no file '{script[:120]}'."
        draft.expect(where, "code", "file", at.child("scoring_script").refusal(message), inside=script)
    elif references.is_url(where.removeprefix("git+")) and not where.startswith(references.PREFIX):
        raise at.child("code").refusal("A deployment's code is a folder that is sent along, or azureml:NAME:VERSION.")


def _scale(settings: dict[str, Any] | None) -> dict[str, Any] | None:
    if settings is None:
        return None
    body = {camel(name): value for name, value in settings.items() if name != "type"}
    if "pollingInterval" in body:
        body["pollingInterval"] = execution.duration(body["pollingInterval"])
    return {**body, "scaleType": pascal(settings["type"])}


def _requests(settings: dict[str, Any] | None) -> dict[str, Any] | None:
    if settings is None:
        return None
    body = {
        "maxConcurrentRequestsPerInstance": settings.get("max_concurrent_requests_per_instance"),
        "requestTimeout": _milliseconds(settings.get("request_timeout_ms")),
        "maxQueueWait": _milliseconds(settings.get("max_queue_wait_ms")),
    }
    return filled(body)


def _milliseconds(value: int | None) -> str | None:
    if value is None:
        return None
    seconds, rest = divmod(value, 1000)
    if not rest:
        return str(execution.duration(seconds))
    hours, seconds = divmod(seconds, 3600)
    minutes, seconds = divmod(seconds, 60)
    parts = f"{hours}H" * bool(hours) + f"{minutes}M" * bool(minutes)
    return f"PT{parts}{seconds}.{rest:03d}".rstrip("0") + "S"


def _probe(probe: dict[str, Any] | None) -> dict[str, Any] | None:
    if probe is None:
        return None
    timed = ("period", "initial_delay", "timeout")
    return {camel(name): execution.duration(value) if name in timed else value for name, value in probe.items()}


def _retry(retry: dict[str, Any]) -> dict[str, Any]:
    return filled({"maxRetries": retry.get("max_retries"), "timeout": execution.duration(retry.get("timeout"))})


def _batch_resources(resources: dict[str, Any] | None) -> dict[str, Any] | None:
    if resources is None:
        return None
    body = {
        "instanceCount": resources.get("instance_count"),
        "instanceType": resources.get("instance_type"),
        "properties": resources.get("properties", {}),
    }
    return filled(body)


def _collector(draft: Draft, fields: dict[str, Any]) -> dict[str, Any] | None:
    """Return the data collector; collections without a data asset get one each, as the CLI makes them."""
    collector = fields.get("data_collector")
    if collector is None:
        return None
    rate = collector.get("sampling_rate")
    found: dict[str, Any] = {}
    for name, collection in collector.get("collections", {}).items():
        on = collection["enabled"] == "true"
        data = collection.get("data") or {}
        if isinstance(data, dict) and not data.get("data_id"):
            data_id: Any = _collected(draft, fields, name, data)
        else:
            data_id = data["data_id"] if isinstance(data, dict) else data
        found[name] = filled(
            {
                "clientId": collection.get("client_id"),
                "dataCollectionMode": "enabled" if on else "disabled",
                "dataId": data_id,
                "samplingRate": rate,
            }
        )
    logging = collector.get("request_logging")
    body = {
        "collections": found,
        "rollingRate": collector.get("rolling_rate"),
        "requestLogging": {"captureHeaders": logging.get("capture_headers")} if logging else None,
    }
    return filled(body)


def _collected(draft: Draft, fields: dict[str, Any], name: str, data: dict[str, Any]) -> Any:
    default = f"azureml://datastores/workspaceblobstore/paths/modelDataCollector/{fields['endpoint_name']}/{fields['name']}/{name}"
    body: dict[str, Any] = {
        "isAnonymous": False,
        "tags": {},
        "isArchived": False,
        "properties": {},
        "dataUri": data.get("path") or default,
        "dataType": "uri_folder",
    }
    asset = data.get("name") or f"{fields['endpoint_name']}-{fields['name']}-{name}"
    return draft.register("data", {"properties": body}, name=asset, version=data.get("version") or "1")
