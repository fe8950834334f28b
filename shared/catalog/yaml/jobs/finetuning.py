"""Fine-tuning jobs of a custom model provider or Azure OpenAI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.catalog.yaml import drafts, inputs
from shared.catalog.yaml.assets.assets import filled
from shared.catalog.yaml.jobs import jobs
from shared.text import yaml_values
from shared.text.yaml_values import choice, either, named, record, sequence, snake, text

if TYPE_CHECKING:
    from shared.catalog.yaml.drafts import Draft
    from shared.text.yaml_document import Cursor

_DATA = either(text, inputs.DATA_INPUT)
FINE_TUNING = record(
    {
        **jobs.BASE_FIELDS,
        "type": choice("finetuning", "fine_tuning"),
        "task": choice("text_completion", "chat_completion", fold=snake),
        "model_provider": choice("custom", "azure_openai", fold=snake),
        "model": either(inputs.MODEL_INPUT, text),
        "training_data": _DATA,
        "validation_data": _DATA,
        "hyperparameters": named(yaml_values.plain),
        "resources": record({"instance_types": sequence(text)}),
        "queue_settings": record({"job_tier": text}),
        "outputs": inputs.OUTPUTS,
    },
    required=("task", "model", "training_data"),
    ignored=jobs.SHOWN,
)
_PROVIDERS = {"custom": "Custom", "azure_openai": "AzureOpenAI"}


def finetuning_body(draft: Draft, at: Cursor) -> dict[str, Any]:
    """Translate a fine-tuning job."""
    job = FINE_TUNING(at)
    provider = job.get("model_provider", "custom")
    model = job["model"] if isinstance(job["model"], dict) else {"path": job["model"], "type": "mlflow_model"}
    details = {
        "taskType": yaml_values.camel(job["task"]),
        "model": inputs.input_body(draft, at.child("model"), model),
        "modelProvider": _PROVIDERS[provider],
        "trainingData": _data(draft, at.child("training_data"), job["training_data"]),
        "validationData": _data(draft, at.child("validation_data"), job["validation_data"]) if "validation_data" in job else None,
        "hyperParameters": job.get("hyperparameters"),
    }
    base = jobs.base_body(draft, job)
    properties = {
        **base,
        "computeId": job.get("compute"),
        "fineTuningDetails": filled(details),
        "outputs": {name: inputs.output_body(value) for name, value in job.get("outputs", {}).items()},
        "resources": {"instanceTypes": job["resources"]["instance_types"]} if job.get("resources") else None,
        "queueSettings": filled({"jobTier": job["queue_settings"].get("job_tier")}) if job.get("queue_settings") else None,
        "jobType": "FineTuning",
    }
    return {"properties": filled(properties)}


def _data(draft: Draft, at: Cursor, data: Any) -> dict[str, Any]:
    value = data if isinstance(data, dict) else {"path": data, "type": "uri_file"}
    found = inputs.input_body(draft, at, {"type": "uri_file", **value})
    uri = found.get("uri")
    if isinstance(uri, drafts.Pending):
        found["uri"] = uri
    return found
