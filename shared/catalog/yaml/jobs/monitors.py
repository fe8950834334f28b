"""Monitoring schedules: which signals, on which data, with which thresholds.

The CLI looks up a deployment's collected data when a signal names none; that needs Azure, so here it is refused with the reason.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from shared.catalog.yaml import inputs, references
from shared.catalog.yaml.assets.assets import filled
from shared.catalog.yaml.jobs import nodes, schedules
from shared.text.yaml_values import boolean, camel, choice, either, integer, mapping, named, number, pascal, record, sequence, text

if TYPE_CHECKING:
    from shared.catalog.yaml.drafts import Draft
    from shared.text.yaml_document import Cursor
    from shared.text.yaml_values import Shape

RUNTIMES = ("3.4", "3.5")  # of Spark, that Azure ML monitors with
_SAFETY = ("groundedness", "relevance", "coherence", "fluency", "similarity")
_SCORE = 3.0  # acceptable score per instance when the YAML names none
_UNNAMED = (
    "The signal has no '{0}'. The CLI then looks up what the deployment collects; here it is written out: "
    "{0}: {{input_data: {{type: uri_folder, path: azureml:NAME:1}}, data_context: model_inputs}} (or model_outputs), "
    "where NAME is the data that collections.model_inputs of the deployment's data_collector names."
)
_TOKEN_SAMPLING = 0.1
_CONTEXT = choice("model_inputs", "model_outputs", "training", "test", "validation", "ground_truth")
_WINDOW = record(dict.fromkeys(("window_start", "window_end", "lookback_window_size", "lookback_window_offset"), text))
_INPUT = either(inputs.DATA_INPUT, inputs.TABLE_INPUT)
_DATA: dict[str, Shape] = {
    "input_data": _INPUT,
    "data_context": _CONTEXT,
    "pre_processing_component": text,
    "data_window": _WINDOW,
    "data_column_names": named(text),
}
_PRODUCTION = record(_DATA)
_REFERENCE = record({**_DATA, "target_column_name": text})
_LLM = record({"input_data": _INPUT, "data_column_names": mapping(), "data_window": _WINDOW})
# one metric each: the first given, in this order, is the one that counts
_NUMERICAL = (
    "jensen_shannon_distance", "normalized_wasserstein_distance", "population_stability_index",
    "two_sample_kolmogorov_smirnov_test",
)  # fmt: skip
_CATEGORICAL = ("jensen_shannon_distance", "population_stability_index", "pearsons_chi_squared_test")
_QUALITY = {
    "null_value_rate": "nullValueRate",
    "data_type_error_rate": "dataTypeErrorRate",
    "out_of_bounds_rate": "outOfBoundsRate",
}
_SEGMENT = record({"feature_name": text, "feature_values": sequence(text)})
_FEATURES = either(record({"top_n_feature_importance": integer}), choice("all_features"), sequence(text))


def _thresholds(numerical: tuple[str, ...], categorical: tuple[str, ...]) -> Shape:
    return record(
        {
            "threshold": number,
            "data_type": choice("numerical", "categorical"),
            "numerical": record(dict.fromkeys(numerical, number)),
            "categorical": record(dict.fromkeys(categorical, number)),
        }
    )


_PAIR: dict[str, Shape] = {"production_data": _PRODUCTION, "reference_data": _REFERENCE}
_FILTER: dict[str, Shape] = {"features": _FEATURES, "feature_type_override": mapping()}
_DRIFT = _thresholds(_NUMERICAL, _CATEGORICAL)
# by `type`: REST name, own fields
SIGNALS: dict[str, tuple[str, dict[str, Shape]]] = {
    "data_drift": ("DataDrift", {**_PAIR, **_FILTER, "metric_thresholds": _DRIFT, "data_segment": _SEGMENT}),
    "data_quality": ("DataQuality", {**_PAIR, **_FILTER, "metric_thresholds": _thresholds(tuple(_QUALITY), tuple(_QUALITY))}),
    "prediction_drift": ("PredictionDrift", {**_PAIR, "metric_thresholds": _DRIFT}),
    "feature_attribution_drift": (
        "FeatureAttributionDrift",
        {
            "production_data": sequence(_PRODUCTION),
            "reference_data": _REFERENCE,
            "metric_thresholds": record({"threshold": number, "normalized_discounted_cumulative_gain": number}),
        },
    ),
    "custom": (
        "Custom",
        {
            "connection": record({"environment_variables": named(text), "secret_config": named(text)}),
            "component_id": references.versioned("components"),
            "metric_thresholds": sequence(record({"threshold": number, "metric_name": text})),
            "input_data": named(_REFERENCE),
            "inputs": named(either(inputs.DATA_INPUT, inputs.TABLE_INPUT, inputs.LITERAL, inputs.PRIMITIVE)),
        },
    ),
    "generation_safety_quality": (
        "GenerationSafetyQuality",
        {
            "production_data": sequence(_LLM),
            "connection_id": text,
            "metric_thresholds": record(
                {
                    name: record({f"aggregated_{name}_pass_rate": number, f"acceptable_{name}_score_per_instance": number})
                    for name in _SAFETY
                }
            ),
            "sampling_rate": number,
        },
    ),
    "generation_token_statistics": (
        "GenerationTokenStatistics",
        {
            "production_data": _LLM,
            "metric_thresholds": record(
                {"totaltoken": record({"total_token_count": number, "total_token_count_per_group": number})}
            ),
            "sampling_rate": number,
        },
    ),
}
MONITOR = record(
    {
        "compute": record({"compute_type": text, "runtime_version": text, "instance_type": text}),
        "monitoring_target": record(
            {
                "model_id": references.versioned("models"),
                "ml_task": choice("classification", "regression", "questionanswering"),
                "endpoint_deployment_id": text,
            }
        ),
        "monitoring_signals": mapping(),
        "alert_notification": either(choice("azmonitoring"), record({"emails": sequence(text)})),
    }
)


def monitor_body(draft: Draft, at: Cursor) -> dict[str, Any]:
    """Translate a monitoring schedule."""
    fields = record({**schedules.SCHEDULE_FIELDS, "create_monitor": MONITOR}, required=("name",), ignored=schedules.SHOWN)(at)
    where, monitor = at.child("create_monitor"), fields["create_monitor"]
    trigger = fields.get("trigger", {"type": "cron"})
    days = {"day": 1, "week": 7, "month": 30}.get(trigger.get("frequency", "week"), 0) * trigger.get("interval", 1)
    window = f"P{days}D" if days else "P1D"
    baseline = f"P{days * 2}D" if days else "P2D"
    signals = where.get("monitoring_signals")
    if signals is None or not signals.value:
        raise where.refusal("Name 'monitoring_signals': the defaults depend on what the deployment collects.")
    definition = {
        "computeConfiguration": _compute(where, monitor.get("compute", {})),
        "monitoringTarget": _target(draft, where, monitor.get("monitoring_target")),
        "signals": {each.path[-1]: _signal(draft, each, window, baseline) for each in signals.children()},
        "alertNotificationSetting": _alert(monitor.get("alert_notification")),
    }
    action = {"actionType": "CreateMonitor", "monitorDefinition": filled(definition)}
    return {"properties": {**schedules.described(at, fields), "action": action}}


def _compute(at: Cursor, compute: dict[str, Any]) -> dict[str, Any]:
    if compute.get("runtime_version") not in RUNTIMES:
        raise at.refusal(f"'compute.runtime_version' must be one of {', '.join(RUNTIMES)}.")
    return filled(
        {
            "runtimeVersion": compute["runtime_version"],
            "instanceType": compute.get("instance_type"),
            "computeIdentity": {"computeIdentityType": "AmlToken"},
            "computeType": "ServerlessSpark",
        }
    )


def _target(draft: Draft, at: Cursor, target: dict[str, Any] | None) -> dict[str, Any] | None:
    if target is None:
        return None
    deployment = (target.get("endpoint_deployment_id") or "").removeprefix(references.PREFIX) or None
    if deployment and not deployment.startswith("/") and draft.workspace is not None:
        endpoint, _, name = deployment.partition(":")
        deployment = draft.workspace.child("onlineEndpoints", endpoint).child("deployments", name).path
    model = target.get("model_id")
    return filled(
        {
            "taskType": target.get("ml_task", "classification"),
            "deploymentId": deployment,
            "modelId": draft.versioned("models", model, at) if model and not deployment else model,
        }
    )


def _alert(alert: Any) -> dict[str, Any] | None:
    if alert is None:
        return None
    if isinstance(alert, str):
        return {"alertNotificationType": "AzureMonitor"}
    setting = {"emails": alert.get("emails"), "emailOn": ["JobFailed", "JobCompleted"]}
    return {"alertNotificationType": "Email", "emailNotificationSetting": setting}


def _signal(draft: Draft, at: Cursor, window: str, baseline: str) -> dict[str, Any]:
    kind = at.get("type")
    if kind is None:
        raise at.refusal("The field 'type' is missing.")
    name = choice(*SIGNALS)(kind)
    rest, own = SIGNALS[name]
    signal = record({"type": choice(name), "alert_enabled": boolean, "properties": mapping(), **own}, required=("type",))(at)
    body: dict[str, Any] = {
        "signalType": rest,
        "mode": "Enabled" if signal.get("alert_enabled") else "Disabled",
        "properties": signal.get("properties"),
    }
    if name == "custom":
        return filled({**body, **_custom(draft, at, signal)})
    body |= _data(draft, at, signal, window, baseline)
    thresholds = signal.get("metric_thresholds", {})
    if name in ("data_drift", "data_quality"):
        body["features"] = _features(signal.get("features"))
        body["featureDataTypeOverride"] = signal.get("feature_type_override")
        segment = signal.get("data_segment")
        body["dataSegment"] = (
            filled({"feature": segment.get("feature_name"), "values": segment.get("feature_values")}) if segment else None
        )
    if name == "prediction_drift":
        body["modelType"] = "classification"
    if name == "feature_attribution_drift":
        gain = thresholds.get("normalized_discounted_cumulative_gain")
        body["metricThreshold"] = filled(
            {"metric": "normalizedDiscountedCumulativeGain", "threshold": {"value": gain} if gain else None}
        )
    else:
        body["metricThresholds"] = (
            _metrics(name, thresholds) if "metric_thresholds" in signal or name.startswith("generation") else None
        )
    if name.startswith("generation"):
        body["workspaceConnectionId"] = signal.get("connection_id")
        body["samplingRate"] = signal.get("sampling_rate") or (_TOKEN_SAMPLING if "token" in name else None)
    return filled(body)


def _data(draft: Draft, at: Cursor, signal: dict[str, Any], window: str, baseline: str) -> dict[str, Any]:
    production = signal.get("production_data")
    if production is None:
        raise at.refusal(_UNNAMED.format("production_data"))
    where = at.child("production_data")
    if isinstance(production, list):
        listed = [_trailing(draft, where.child(index), data, window) for index, data in enumerate(production)]
        body: dict[str, Any] = {"productionData": listed}
    else:
        body = {"productionData": _trailing(draft, where, production, window)}
    if signal["type"].startswith("generation"):
        return body
    if "reference_data" not in signal:
        raise at.refusal(_UNNAMED.format("reference_data"))
    body["referenceData"] = _reference(draft, at.child("reference_data"), signal["reference_data"], window, baseline)
    return body


def _trailing(draft: Draft, at: Cursor, data: dict[str, Any], window: str) -> dict[str, Any]:
    span = data.get("data_window", {})
    size = span.get("lookback_window_size", "default")
    return filled(
        {
            **_input(draft, at, data, whole=True),
            "windowSize": window if size == "default" else size,
            "windowOffset": span.get("lookback_window_offset", "P0D"),
            "inputDataType": "Trailing",
        }
    )


def _reference(draft: Draft, at: Cursor, data: dict[str, Any], window: str, baseline: str) -> dict[str, Any]:
    span = data.get("data_window", {})
    if "lookback_window_size" in span:
        size, offset = span["lookback_window_size"], span.get("lookback_window_offset", "P0D")
        moving = {"windowSize": baseline if size == "default" else size, "windowOffset": window if offset == "default" else offset}
        return filled({**_input(draft, at, data, whole=True), **moving, "inputDataType": "Trailing"})
    if "window_start" in span and "window_end" in span:
        fixed = {f"window{edge.capitalize()}": _midnight(at, span[f"window_{edge}"]) for edge in ("start", "end")}
        return filled({**_input(draft, at, data, whole=True), **fixed, "inputDataType": "Static"})
    return filled({**_input(draft, at, data, whole=False), "inputDataType": "Fixed"})


def _input(draft: Draft, at: Cursor, data: dict[str, Any], *, whole: bool) -> dict[str, Any]:
    given = data.get("input_data", {})
    where = at.get("input_data")
    if where is None or "path" not in given:
        raise at.refusal("The field 'input_data.path' is missing.")
    kind = given.get("type", inputs.FOLDER)
    component = at.get("pre_processing_component")
    return {
        "dataContext": data.get("data_context"),
        "columns": data.get("data_column_names"),
        "jobInputType": kind,
        "uri": inputs.input_uri(draft, where, given["path"], kind=kind, datastore=given.get("datastore")),
        "preprocessingComponentId": nodes.registered(draft, component) if whole and component is not None else None,
    }


def _midnight(at: Cursor, day: str) -> str:
    try:
        found = dt.date.fromisoformat(day)
    except ValueError:
        raise at.refusal(f"'{day[:40]}' is not a date such as 2026-01-31.") from None
    return f"{found.isoformat()}T00:00:00.000Z"


def _features(features: Any) -> dict[str, Any] | None:
    if features is None:
        return None
    if isinstance(features, list):
        return {"filterType": "FeatureSubset", "features": features}
    if isinstance(features, dict):
        return {"filterType": "TopNByAttribution", "top": features.get("top_n_feature_importance", 10)}
    return {"filterType": "AllFeatures"}


def _metrics(name: str, thresholds: dict[str, Any]) -> list[dict[str, Any]]:
    if name == "generation_safety_quality":
        return [metric for each in _SAFETY if each in thresholds for metric in _safety(each, thresholds[each])]
    if name == "generation_token_statistics":
        tokens = thresholds.get("totaltoken", {})
        counts = (("TotalTokenCount", "total_token_count"), ("TotalTokenCountPerGroup", "total_token_count_per_group"))
        return [{"metric": rest, "threshold": {"value": float(tokens.get(key, _SCORE))}} for rest, key in counts] if tokens else []
    if name == "data_quality":
        return [
            {"dataType": part.capitalize(), "metric": rest, "threshold": {"value": thresholds[part][key]}}
            for part in ("numerical", "categorical")
            for key, rest in _QUALITY.items()
            if key in thresholds.get(part, {})
        ]
    found = []
    for part, order in (("numerical", _NUMERICAL), ("categorical", _CATEGORICAL)):
        metric = next((key for key in order if thresholds.get(part, {}).get(key)), None)
        if metric:
            value = {"value": thresholds[part][metric]}
            found.append({"dataType": part.capitalize(), "metric": camel(metric), "threshold": value})
    return found


def _safety(name: str, values: dict[str, Any]) -> list[dict[str, Any]]:
    score = values.get(f"acceptable_{name}_score_per_instance", _SCORE)
    rate = values.get(f"aggregated_{name}_pass_rate", 0.0)
    return [
        {"metric": f"Acceptable{pascal(name)}ScorePerInstance", "threshold": {"value": float(score)}},
        {"metric": f"Aggregated{pascal(name)}PassRate", "threshold": {"value": float(rate)}},
    ]


def _short(path: Any) -> str | None:
    return path if path is None or references.is_url(path) else str(path).removeprefix(references.PREFIX)


def _custom(draft: Draft, at: Cursor, signal: dict[str, Any]) -> dict[str, Any]:
    """A custom signal's component and data stay short: the CLI sends them so, and Azure resolves them."""
    connection = signal.get("connection", {})
    found = {}
    for name, data in signal.get("input_data", {}).items():
        given = data.get("input_data", {})
        found[name] = filled(
            {
                "dataContext": data.get("data_context"),
                "columns": data.get("data_column_names"),
                "jobInputType": given.get("type", inputs.FOLDER),
                "uri": _short(given.get("path")),
                "inputDataType": "Fixed",
            }
        )
    return {
        "componentId": signal.get("component_id"),
        "metricThresholds": [
            filled({"metric": each.get("metric_name"), "threshold": {"value": each["threshold"]} if "threshold" in each else None})
            for each in signal.get("metric_thresholds", [])
        ],
        "inputs": inputs.inputs_body(draft, at.get("inputs"), signal["inputs"]) if "inputs" in signal else None,
        "inputAssets": found or None,
        "workspaceConnection": filled(
            {"environmentVariables": connection.get("environment_variables"), "secrets": connection.get("secret_config")}
        ),
    }
