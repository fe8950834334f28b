"""AutoML: tables, images and text, as jobs of their own and as nodes of a pipeline.

A job is REST in camel case; a node stays YAML, normalised. The models' parameters are names and kinds only: a table.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from shared.catalog.yaml import execution, inputs, jobs, shapes
from shared.catalog.yaml.assets import filled
from shared.catalog.yaml.shapes import (
    anything,
    boolean,
    boolean_only,
    camel,
    choice,
    either,
    integer,
    mapping,
    named,
    number,
    record,
    sequence,
    snake,
    text,
    whole,
)

if TYPE_CHECKING:
    from shared.catalog.yaml.document import Cursor
    from shared.catalog.yaml.references import Draft
    from shared.catalog.yaml.shapes import Shape

_WEIGHTED = ("auc_weighted", "accuracy", "norm_macro_recall", "average_precision_score_weighted", "precision_score_weighted")
_ERRORS = ("spearman_correlation", "normalized_root_mean_squared_error", "r2_score", "normalized_mean_absolute_error")
# by `task`: (REST name, primary metrics with the default first, family)
TASKS: dict[str, tuple[str, tuple[str, ...], str]] = {
    "classification": ("Classification", _WEIGHTED, "table"),
    "regression": ("Regression", ("normalized_root_mean_squared_error", *_ERRORS), "table"),
    "forecasting": ("Forecasting", ("normalized_root_mean_squared_error", *_ERRORS), "table"),
    "image_classification": ("ImageClassification", ("accuracy", *_WEIGHTED), "image"),
    "image_classification_multilabel": ("ImageClassificationMultilabel", ("iou", *_WEIGHTED), "image"),
    "image_object_detection": ("ImageObjectDetection", ("mean_average_precision",), "image"),
    "image_instance_segmentation": ("ImageInstanceSegmentation", ("mean_average_precision",), "image"),
    "text_classification": ("TextClassification", ("accuracy", *_WEIGHTED), "text"),
    "text_classification_multilabel": ("TextClassificationMultilabel", ("accuracy",), "text"),
    "text_ner": ("TextNER", ("accuracy",), "text"),
}
_WORDS = {  # REST spellings that Pascal case does not give
    "auc_weighted": "AUCWeighted", "r2_score": "R2Score", "iou": "IOU", "sgd": "SGD", "svm": "SVM", "linear_svm": "LinearSVM",
    "knn": "KNN", "light_gbm": "LightGBM", "xg_boost_classifier": "XGBoostClassifier", "xg_boost_regressor": "XGBoostRegressor",
    "tcn_forecaster": "TCNForecaster", "tf_idf": "TfIdf", "wo_e_target_encoder": "WoETargetEncoder",
    "light_gbm_classifier": "LightGBMClassifier", "light_gbm_regressor": "LightGBMRegressor",
    "logistic_regression_cv": "LogisticRegressionCV", "elastic_net_cv": "ElasticNetCV",
    "seasontrend": "SeasonTrend",
}  # fmt: skip
_ONE_METRIC = ("text_ner", "text_classification_multilabel")  # nothing to choose, so nothing is sent
_PARTS = ("training_data", "validation_data", "test_data")
_INPUT = either(inputs.TABLE_INPUT, text)
_AUTO_OR_INTEGER = either(choice("auto"), integer)
_TEXTS = either(text, sequence(text))
_FORECASTING = record(
    {
        "country_or_region_for_holidays": text,
        "cv_step_size": integer,
        "forecast_horizon": _AUTO_OR_INTEGER,
        "target_lags": either(choice("auto"), integer, sequence(integer)),
        "target_rolling_window_size": _AUTO_OR_INTEGER,
        "time_column_name": text,
        "time_series_id_column_names": _TEXTS,
        "frequency": text,
        "feature_lags": choice("none", "auto"),
        "seasonality": _AUTO_OR_INTEGER,
        "short_series_handling_config": choice("none", "auto", "pad", "drop"),
        "use_stl": choice("none", "season", "seasontrend"),
        "target_aggregate_function": choice("none", "sum", "max", "min", "mean"),
        "features_unknown_at_forecast_time": _TEXTS,
    }
)


def _folded(at: Cursor) -> str:
    return snake(text(at))


_TRAINING = record(
    {
        **dict.fromkeys(
            (
                "enable_dnn_training",
                "enable_model_explainability",
                "enable_onnx_compatible_models",
                "enable_stack_ensemble",
                "enable_vote_ensemble",
            ),
            boolean,
        ),
        "ensemble_model_download_timeout_minutes": integer,
        "stack_ensemble_settings": record(
            {
                "stack_meta_learner_kwargs": mapping(),
                "stack_meta_learner_train_percentage": number,
                "stack_meta_learner_type": _folded,
            }
        ),
        "training_mode": choice("auto", "distributed", "non_distributed", fold=snake),
        "allowed_training_algorithms": sequence(_folded),
        "blocked_training_algorithms": sequence(_folded),
    }
)
_TABLE_FEATURES = record(
    {
        "dataset_language": text,
        "mode": choice("auto", "off", "custom"),
        "blocked_transformers": sequence(_folded),
        "column_name_and_types": named(text),
        "transformer_params": mapping(sequence(record({"fields": sequence(text), "parameters": named(anything)})), key=_folded),
        "enable_dnn_featurization": boolean,
    }
)
_SWEEP = record({"sampling_algorithm": jobs.SAMPLING, "early_termination": jobs.EARLY_TERMINATION})
_LIMITS = {
    "table": {
        "enable_early_termination": boolean,
        "exit_score": number,
        **dict.fromkeys(
            ("max_concurrent_trials", "max_cores_per_trial", "max_nodes", "max_trials", "timeout_minutes", "trial_timeout_minutes"),
            integer,
        ),
    },
    "image": dict.fromkeys(("max_concurrent_trials", "max_trials", "timeout_minutes"), integer),
    "text": dict.fromkeys(
        ("max_concurrent_trials", "max_trials", "max_nodes", "timeout_minutes", "trial_timeout_minutes"), integer
    ),
}
_SHARED_MODEL: dict[str, Shape] = {
    **dict.fromkeys(("ams_gradient", "distributed", "early_stopping", "enable_onnx_normalization", "nesterov"), boolean),
    **dict.fromkeys(("advanced_settings", "checkpoint_run_id", "model_name", "augmentations"), text),
    **dict.fromkeys(
        ("beta1", "beta2", "learning_rate", "momentum", "step_lr_gamma", "warmup_cosine_lr_cycles", "weight_decay"), number
    ),
    **dict.fromkeys(
        (
            "checkpoint_frequency", "early_stopping_delay", "early_stopping_patience", "evaluation_frequency",
            "gradient_accumulation_step", "layers_to_freeze", "number_of_epochs", "number_of_workers", "random_seed",
            "step_lr_step_size", "training_batch_size", "validation_batch_size", "warmup_cosine_lr_warmup_epochs",
        ),
        integer,
    ),
    "learning_rate_scheduler": choice("none", "warmup_cosine", "step", fold=snake),
    "optimizer": choice("none", "sgd", "adam", "adamw", fold=snake),
}  # fmt: skip
_MODELS: dict[str, dict[str, Shape]] = {
    "classification": {
        **_SHARED_MODEL,
        **dict.fromkeys(("training_crop_size", "validation_crop_size", "validation_resize_size", "weighted_loss"), integer),
    },
    "detection": {
        **_SHARED_MODEL,
        **dict.fromkeys(("box_detections_per_image", "image_size", "max_size", "min_size"), integer),
        **dict.fromkeys(
            (
                "box_score_threshold", "nms_iou_threshold", "tile_overlap_ratio", "tile_predictions_nms_threshold",
                "validation_iou_threshold",
            ),
            number,
        ),
        **dict.fromkeys(("tile_grid_size", "log_training_metrics", "log_validation_loss"), text),
        "model_size": choice("none", "small", "medium", "large", "extra_large", fold=snake),
        "multi_scale": boolean,
        "validation_metric_type": choice("none", "coco", "voc", "coco_voc", fold=snake),
    },
    "text": {
        **dict.fromkeys(
            ("gradient_accumulation_steps", "number_of_epochs", "training_batch_size", "validation_batch_size"), integer
        ),
        **dict.fromkeys(("learning_rate", "warmup_ratio", "weight_decay"), number),
        "model_name": text,
        "learning_rate_scheduler": choice(
            "none", "linear", "cosine", "cosine_with_restarts", "polynomial", "constant", "constant_with_warmup", fold=snake
        ),
    },
}  # fmt: skip
_TEXT_PARAMETERS = tuple(_MODELS["text"])


def _fields(task: str) -> dict[str, Shape]:
    _, metrics, family = TASKS[task]
    fields: dict[str, Shape] = {
        **jobs.BASE_FIELDS,
        "type": choice("automl"),
        "task": choice(task, fold=snake),
        "environment_id": text,
        "environment_variables": named(text),
        "outputs": named(either(shapes.binding, inputs.OUTPUT)),
        "resources": execution.RESOURCES,
        "queue_settings": execution.QUEUE,
        "log_verbosity": choice("not_set", "debug", "info", "warning", "error", "critical", fold=snake),
        **dict.fromkeys(_PARTS, _INPUT),
        "limits": record(_LIMITS[family]),
        "primary_metric": choice(*dict.fromkeys(metrics), fold=snake),
        "target_column_name": text,
        "validation_data_size": number,
    }
    if family == "table":
        fields |= {
            "featurization": _TABLE_FEATURES,
            "cv_split_column_names": sequence(text),
            "n_cross_validations": _AUTO_OR_INTEGER,
            "weight_column_name": text,
            "test_data_size": number,
            "training": _TRAINING,
            "positive_label": text,
        }
        if task == "forecasting":
            fields["forecasting"] = _FORECASTING
        return fields
    model = "text" if family == "text" else "classification" if "classification" in task else "detection"
    flags = jobs.choices(either(boolean_only, jobs.choice_value))
    searched = either(flags, *jobs.CONTINUOUS, whole, number, text, boolean)
    fields |= {
        "sweep": _SWEEP,
        "training_parameters": record(_MODELS[model]),
        "search_space": sequence(record(dict.fromkeys(_MODELS[model], searched))),
    }
    fields["featurization" if family == "text" else "test_data_size"] = (
        record({"dataset_language": text}) if family == "text" else number
    )
    return fields


def _read(at: Cursor) -> dict[str, Any]:
    task = at.get("task")
    if task is None:
        raise at.refusal("The field 'task' is missing.")
    name = choice(*TASKS, fold=snake)(replace(task, bindings=False))
    required = ("type", "task", "training_data") if name == "text_ner" else ("type", "task", "target_column_name", "training_data")
    job: dict[str, Any] = record(_fields(name), required=required, ignored=jobs.SHOWN)(at)
    return job


def job_body(draft: Draft, at: Cursor) -> dict[str, Any]:
    """Translate an AutoML job."""
    job = _read(at)
    rest, metrics, family = TASKS[job["task"]]
    details: dict[str, Any] = {
        "targetColumnName": job.get("target_column_name") if job["task"] != "text_ner" else None,
        "logVerbosity": shapes.pascal(job.get("log_verbosity", "info")),
        "taskType": rest,
        "validationDataSize": job.get("validation_data_size"),
        "primaryMetric": _word(job.get("primary_metric", metrics[0])) if job["task"] not in _ONE_METRIC else None,
        "limitSettings": _limits(job.get("limits", {}), family),
    }
    for part in _PARTS:
        if part in job:
            value = job[part] if isinstance(job[part], dict) else {"path": job[part], "type": "mltable"}
            details[camel(part)] = inputs.input_body(draft, at.child(part), {"type": "mltable", **value})
    details |= _table(job) if family == "table" else _model(job, family)
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
    return _read(at)


def node_body(draft: Draft, name: str, at: Cursor, job: dict[str, Any]) -> dict[str, Any]:
    """Return an AutoML node of a pipeline."""
    _, metrics, family = TASKS[job["task"]]
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
    for part in _PARTS:
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


def _limits(limits: dict[str, Any], family: str) -> dict[str, Any] | None:
    if not limits and family == "table":
        return None
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
            out["trainingMode"] = shapes.pascal(value)
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
    return found if family == "image" else filled({camel(name): found.get(camel(name)) for name in _TEXT_PARAMETERS})


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
        return shapes.pascal(value)
    return value


def _word(name: str) -> str:
    return _WORDS.get(name, shapes.pascal(name))
