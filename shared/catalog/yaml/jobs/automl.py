"""AutoML: tables, images and text, as jobs of their own and as nodes of a pipeline.

A job is REST in camel case; a node stays YAML, normalised. What they may hold is in `automl_fields`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.catalog.yaml import inputs
from shared.catalog.yaml.assets.assets import filled
from shared.catalog.yaml.jobs import automl_fields, execution, jobs
from shared.text import yaml_values
from shared.text.yaml_values import camel

if TYPE_CHECKING:
    from shared.catalog.yaml.drafts import Draft
    from shared.text.yaml_document import Cursor


def job_body(draft: Draft, at: Cursor) -> dict[str, Any]:
    """Translate an AutoML job."""
    job = automl_fields.read_job(at)
    rest, metrics, family = automl_fields.TASKS[job["task"]]
    details: dict[str, Any] = {
        "targetColumnName": job.get("target_column_name") if job["task"] != "text_ner" else None,
        "logVerbosity": yaml_values.pascal(job.get("log_verbosity", "info")),
        "taskType": rest,
        "validationDataSize": job.get("validation_data_size"),
        "primaryMetric": _word(job.get("primary_metric", metrics[0])) if job["task"] not in automl_fields.ONE_METRIC else None,
        "limitSettings": _limits(job.get("limits"), family),
    }
    for part in automl_fields.PARTS:
        if part in job:
            value = job[part] if isinstance(job[part], dict) else {"path": job[part], "type": "mltable"}
            details[camel(part)] = inputs.input_body(draft, at.child(part), {"type": "mltable", **value})
    details |= _table(job) if family == "table" else _model(job, family)
    jobs.check_remote(at, job)
    resources = job.get("resources")
    properties = {
        **jobs.base_body(draft, job),
        "environmentId": job.get("environment_id"),
        "environmentVariables": job.get("environment_variables"),
        "outputs": {name: inputs.output_body(value) for name, value in job.get("outputs", {}).items()},
        "resources": _resources(resources) if resources is not None else None,
        "queueSettings": execution.queue_body(job.get("queue_settings")),
        "taskDetails": filled(details),
        "jobType": "AutoML",
    }
    return {"properties": filled(properties)}


def _resources(resources: dict[str, Any]) -> dict[str, Any]:
    """Return an AutoML job's resources, which the CLI sends in snake case."""
    names = ("locations", "instance_count", "instance_type", "shm_size", "max_instance_count", "docker_args")
    return {name: resources[name] for name in names if name in resources}


def node_fields(at: Cursor) -> dict[str, Any]:
    """Read an AutoML node of a pipeline."""
    return automl_fields.read_job(at)


def node_body(draft: Draft, name: str, at: Cursor, job: dict[str, Any]) -> dict[str, Any]:
    """Return an AutoML node of a pipeline."""
    _, metrics, family = automl_fields.TASKS[job["task"]]
    out = {key: value for key, value in job.items() if key not in ("compute", "outputs", "inputs", "identity", "services")}
    out["name"] = name
    out["tags"] = job.get("tags", {})
    out["properties"] = job.get("properties", {})
    if family != "text":
        out["log_verbosity"] = job.get("log_verbosity", "info")
    default = "accuracy" if job["task"] == "classification" else metrics[0]  # other than a job's own
    out["primary_metric"] = job.get("primary_metric", default)
    if "compute" in job:
        out["compute"] = f"azureml:{draft.compute(job['compute'])}"
    if "resources" in job:
        out["resources"] = {"properties": {}, **job["resources"]}
    for part in automl_fields.PARTS:
        if isinstance(job.get(part), dict):
            value = job[part]
            where = at.child(part)
            path = inputs.input_body(draft, where, {"type": "mltable", **value})
            out[part] = filled({"mode": value.get("mode"), "type": value.get("type", "mltable"), "path": path.get("uri")})
    out["outputs"] = {key: inputs.output_body(value, in_node=True) for key, value in job.get("outputs", {}).items()}
    if family != "table" and "search_space" in job:
        out["search_space"] = [{key: _searched(value) for key, value in space.items()} for space in job["search_space"]]
    if family != "table":
        out["limits"] = {**({"max_nodes": 1, "max_trials": 1} if family == "text" else {}), **job.get("limits", {})}
    termination = job.get("sweep", {}).get("early_termination")
    if termination is not None:
        extra = {"slack_factor": 0.0, "slack_amount": 0.0} if termination["type"] == "bandit" else {}
        defaults = {"evaluation_interval": 0, "delay_evaluation": 0, **extra}
        out["sweep"] = {**job["sweep"], "early_termination": {**defaults, **termination}}
    return out


def _table(job: dict[str, Any]) -> dict[str, Any]:
    features = job.get("featurization")
    training = job.get("training")
    folds = job.get("n_cross_validations")
    out = {
        "featurizationSettings": _features(features) if features is not None else None,
        "trainingSettings": _training(training) if training is not None else None,
        "cvSplitColumnNames": job.get("cv_split_column_names"),
        "nCrossValidations": _mode(folds) if folds is not None else None,
        "weightColumnName": job.get("weight_column_name"),
        "testDataSize": job.get("test_data_size"),
        "positiveLabel": job.get("positive_label"),
    }
    if job.get("forecasting") is not None:
        out["forecastingSettings"] = _forecast(job["forecasting"])
    return out


def _model(job: dict[str, Any], family: str) -> dict[str, Any]:
    sweep = job.get("sweep")
    parameters = job.get("training_parameters")
    spaces = job.get("search_space")
    features = job.get("featurization")
    out: dict[str, Any] = {
        "sweepSettings": _sweep(sweep) if sweep is not None else None,
        "testDataSize": job.get("test_data_size"),
        "searchSpace": [_space(space, family) for space in spaces] if spaces is not None else None,
        "featurizationSettings": {"datasetLanguage": features.get("dataset_language")} if features is not None else None,
    }
    if parameters is not None:
        written = {_rest_name(name): _parameter(name, value) for name, value in parameters.items()}
        out["fixedParameters" if family == "text" else "modelSettings"] = written
    return out


def _limits(given: dict[str, Any] | None, family: str) -> dict[str, Any] | None:
    if given is None and family == "table":
        return None
    limits = given or {}
    out: dict[str, Any] = {}
    for name, value in limits.items():
        timed = name.endswith("_minutes")
        out[camel(name.removesuffix("_minutes"))] = execution.duration(value * 60) if timed else value
    if family == "text":
        out = {"maxNodes": 1, "maxTrials": 1, **out}
    if family == "table":
        out |= {"sweepConcurrentTrials": 0, "sweepTrials": 0}
    return out


def _features(features: dict[str, Any]) -> dict[str, Any]:
    parameters = features.get("transformer_params", {})
    out = {
        "datasetLanguage": features.get("dataset_language"),
        "mode": features.get("mode", "auto"),
        "blockedTransformers": [_word(each) for each in features["blocked_transformers"]]
        if "blocked_transformers" in features
        else None,
        "columnNameAndTypes": features.get("column_name_and_types"),
        "enableDnnFeaturization": features.get("enable_dnn_featurization"),
        "transformerParams": {_word(name): value for name, value in parameters.items()},
    }
    return filled(out)


def _training(training: dict[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, value in training.items():
        if name.endswith("_training_algorithms"):
            out[camel(name)] = [_word(each) for each in value]
        elif name == "ensemble_model_download_timeout_minutes":
            out["ensembleModelDownloadTimeout"] = execution.duration(value * 60)
        elif name == "stack_ensemble_settings":
            kind = value.get("stack_meta_learner_type")
            rest = {camel(key): each for key, each in value.items()}
            out["stackEnsembleSettings"] = {**rest, "stackMetaLearnerType": _word(kind)} if kind else rest
        elif name == "training_mode":
            out["trainingMode"] = yaml_values.pascal(value)
        else:
            out[camel(name)] = value
    return out


def _forecast(settings: dict[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, value in settings.items():
        if name in ("forecast_horizon", "target_rolling_window_size", "seasonality"):
            out[camel(name)] = _mode(value)
        elif name == "target_lags":
            values = value if isinstance(value, list) else [value]
            out["targetLags"] = {"mode": "Auto"} if value == "auto" else {"mode": "Custom", "values": values}
        elif name in ("time_series_id_column_names", "features_unknown_at_forecast_time"):
            out[camel(name)] = value if isinstance(value, list) else [value]
        else:
            out[camel(name)] = value
    return out


def _mode(value: Any) -> dict[str, Any]:
    return {"mode": "Auto"} if value == "auto" else {"value": value, "mode": "Custom"}


def _sweep(sweep: dict[str, Any]) -> dict[str, Any]:
    sampling = sweep.get("sampling_algorithm")
    kind = sampling["type"] if isinstance(sampling, dict) else sampling
    return filled({"samplingAlgorithm": kind, "earlyTermination": jobs.termination_body(sweep.get("early_termination"))})


def _rest_name(name: str) -> str:
    """Return a model parameter's REST name: `step_lr_gamma` is `stepLRGamma`."""
    return camel(name).replace("Lr", "LR") if "_lr_" in name else camel(name)


def _space(space: dict[str, Any], family: str) -> dict[str, Any]:
    found = {_rest_name(name): _searched(value) for name, value in space.items()}
    return found if family == "image" else filled({camel(name): found.get(camel(name)) for name in automl_fields.TEXT_PARAMETERS})


def _searched(value: Any) -> Any:
    """Return a distribution as AutoML writes it: `choice('a','b')`, `uniform(0.1,0.2)`."""
    if not isinstance(value, dict):
        return _quoted(value)
    kind = value["type"]
    values = value.get("values", []) if kind == "choice" else [each for name, each in value.items() if name != "type"]
    return f"{kind}({','.join(_quoted(each) for each in values)})"


def _decimal(value: float) -> str:
    """Write a number without an exponent, as the CLI does in a search space."""
    from decimal import Decimal

    return format(Decimal(repr(value)), "f")


def _quoted(value: Any) -> str:
    if isinstance(value, float):
        return _decimal(value)
    return f"'{value}'" if isinstance(value, str) else str(value)


def _parameter(name: str, value: Any) -> Any:
    if name in ("learning_rate_scheduler", "optimizer", "model_size", "validation_metric_type"):
        return yaml_values.pascal(value)
    return value


def _word(name: str) -> str:
    return automl_fields.WORDS.get(name, yaml_values.pascal(name))
