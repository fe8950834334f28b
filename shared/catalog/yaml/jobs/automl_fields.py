"""What an AutoML job may hold, by task: tables, images and text. The models' parameters are names and kinds only: a table."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from shared.catalog.yaml import inputs
from shared.catalog.yaml.jobs import execution, jobs
from shared.text import yaml_values
from shared.text.yaml_values import (
    anything,
    boolean,
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
)

if TYPE_CHECKING:
    from shared.text.yaml_document import Cursor
    from shared.text.yaml_values import Shape

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
WORDS = {  # REST spellings that Pascal case does not give
    "auc_weighted": "AUCWeighted", "r2_score": "R2Score", "iou": "IOU", "sgd": "SGD", "svm": "SVM", "linear_svm": "LinearSVM",
    "knn": "KNN", "light_gbm": "LightGBM", "xg_boost_classifier": "XGBoostClassifier", "xg_boost_regressor": "XGBoostRegressor",
    "tcn_forecaster": "TCNForecaster", "tf_idf": "TfIdf", "wo_e_target_encoder": "WoETargetEncoder",
    "light_gbm_classifier": "LightGBMClassifier", "light_gbm_regressor": "LightGBMRegressor",
    "logistic_regression_cv": "LogisticRegressionCV", "elastic_net_cv": "ElasticNetCV",
    "seasontrend": "SeasonTrend",
}  # fmt: skip
ONE_METRIC = ("text_ner", "text_classification_multilabel")  # nothing to choose, so nothing is sent
PARTS = ("training_data", "validation_data", "test_data")
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
_SWEEP = record(
    {"sampling_algorithm": jobs.SAMPLING, "early_termination": jobs.EARLY_TERMINATION}, required=("sampling_algorithm",)
)
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
TEXT_PARAMETERS = tuple(_MODELS["text"])


def _fields(task: str) -> dict[str, Shape]:
    _, metrics, family = TASKS[task]
    fields: dict[str, Shape] = {
        **jobs.BASE_FIELDS,
        "type": choice("automl"),
        "task": choice(task, fold=snake),
        "environment_id": text,
        "environment_variables": named(text),
        "outputs": named(either(yaml_values.binding, inputs.OUTPUT)),
        "resources": execution.RESOURCES,
        "queue_settings": execution.QUEUE,
        "log_verbosity": choice("not_set", "debug", "info", "warning", "error", "critical", fold=snake),
        **dict.fromkeys(PARTS, _INPUT),
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
    fields |= {
        "sweep": _SWEEP,
        "training_parameters": record(_MODELS[model]),
        "search_space": sequence(
            record({name: either(jobs.choices(shape), *jobs.CONTINUOUS, shape) for name, shape in _MODELS[model].items()})
        ),
    }
    fields["featurization" if family == "text" else "test_data_size"] = (
        record({"dataset_language": text}) if family == "text" else number
    )
    return fields


def read_job(at: Cursor) -> dict[str, Any]:
    """Read an AutoML job or node; its `task` says which fields it may have."""
    task = at.get("task")
    if task is None:
        raise at.refusal("The field 'task' is missing.")
    name = choice(*TASKS, fold=snake)(replace(task, bindings=False))
    required = ("type", "task", "training_data") if name == "text_ner" else ("type", "task", "target_column_name", "training_data")
    job: dict[str, Any] = record(_fields(name), required=required, ignored=jobs.SHOWN)(at)
    return job
