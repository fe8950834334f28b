"""AutoML jobs as ARM takes them (`taskDetails`), judged and turned into what the runner conducts.

Tasks over tables run; tasks over images and text need a GPU and libraries that are not here, and are refused. Names and
defaults: the ARM API's `AutoMLVertical` and what derives from it. Not here: running (`runner/automl_job.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.local.emulator.machine_learning import references, scope
from infra.local.emulator.machine_learning.jobs import command as command_jobs
from infra.local.emulator.runner import automl_job, durations

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.local.emulator.resources import Resource
    from infra.local.emulator.world import World

_TABLES = ("Classification", "Regression", "Forecasting")
_OTHERS = (
    *("ImageClassification", "ImageClassificationMultilabel", "ImageObjectDetection", "ImageInstanceSegmentation"),
    *("TextClassification", "TextClassificationMultilabel", "TextNER"),
)
_CLASS_METRICS = {
    "AUCWeighted": "AUC_weighted",
    "Accuracy": "accuracy",
    "NormMacroRecall": "norm_macro_recall",
    "AveragePrecisionScoreWeighted": "average_precision_score_weighted",
    "PrecisionScoreWeighted": "precision_score_weighted",
}
_NUMBER_METRICS = {
    "NormalizedRootMeanSquaredError": "normalized_root_mean_squared_error",
    "SpearmanCorrelation": "spearman_correlation",
    "R2Score": "r2_score",
    "NormalizedMeanAbsoluteError": "normalized_mean_absolute_error",
}
_MOST_TRIALS = 1000
_AUTO_HORIZON = 7  # what `forecastHorizon: Auto` means here
_NODE_WORDS = {  # a pipeline's node is written as in YAML; these are the names that do not follow from the others by case
    "task": "taskType",
    "limits": "limitSettings",
    "training": "trainingSettings",
    "featurization": "featurizationSettings",
    "forecasting": "forecastingSettings",
    "timeout_minutes": "timeout",
    "trial_timeout_minutes": "trialTimeout",
}


def of(world: World, workspace: Resource, properties: dict[str, Any]) -> tuple[automl_job.AutoML, dict[str, Any]]:
    """The job, and its data by name (`training_data`, `validation_data`, `test_data`).

    Raises:
        web.Refused: 400, with what is wrong.
    """
    details = _of_today(command_jobs.objects(properties, "taskDetails"))
    task = scope.one_of(scope.text_of(details, "taskType"), (*_TABLES, *_OTHERS), "taskType")
    if task in _OTHERS:
        text = (
            f"AutoML tasks of type {task} need a compute with GPUs and their deep-learning libraries. The local Azure has "
            f"neither; it runs {', '.join(_TABLES)}."
        )
        raise scope.invalid(text, "AutoMLTaskNotSupported")
    target = scope.text_of(details, "targetColumnName")
    if not target:
        raise scope.invalid("The field taskDetails.targetColumnName is required.", "ValidationError")
    metrics = _CLASS_METRICS if task == "Classification" else _NUMBER_METRICS
    metric = metrics[scope.one_of(scope.text_of(details, "primaryMetric") or next(iter(metrics)), tuple(metrics), "primaryMetric")]
    limits = command_jobs.objects(details, "limitSettings")
    settings = command_jobs.objects(details, "trainingSettings")
    total = command_jobs.count(limits, "limitSettings.maxTrials", _MOST_TRIALS, most=_MOST_TRIALS)
    exit_score = limits.get("exitScore")
    job = automl_job.AutoML(
        experiment=scope.text_of(properties, "experimentName") or "Default",
        described=_described(details, task, target),
        metric=metric,
        maximize="_error" not in metric,
        algorithms=_algorithms(settings, task),
        ensembles=_ensembles(settings, task),
        total=total,
        concurrent=min(total, command_jobs.count(limits, "limitSettings.maxConcurrentTrials", 1, most=_MOST_TRIALS)),
        timeout_s=durations.seconds(limits.get("timeout") or "PT6H"),
        trial_timeout_s=durations.seconds(limits.get("trialTimeout") or "PT30M"),
        exit_score=float(exit_score) if isinstance(exit_score, int | float) else None,
        patient=limits.get("enableEarlyTermination") is False,
        target=references.compute(world, workspace, scope.text_of(properties, "computeId")),
        environment_variables={key: str(value) for key, value in command_jobs.objects(properties, "environmentVariables").items()},
    )
    return job, _data(details)


def _of_today(details: dict[str, Any]) -> dict[str, Any]:
    """Up to 2022-02-01-preview target and data stood below `dataSettings`; recorded, and taken."""
    given = details.get("dataSettings")
    if not isinstance(given, dict):
        return details
    moved = {"targetColumnName": given.get("targetColumnName")}
    for name in ("trainingData", "validationData", "testData"):
        if isinstance(data := given.get(name), dict):
            moved[name] = data.get("data") or data
    return {**moved, **{name: value for name, value in details.items() if name != "dataSettings"}}


def _data(details: dict[str, Any]) -> dict[str, Any]:
    names = dict(zip(automl_job.DATA, ("trainingData", "validationData", "testData"), strict=True))
    found = {ours: one for ours, theirs in names.items() if (one := command_jobs.objects(details, theirs))}
    if "training_data" not in found:
        raise scope.invalid("The field taskDetails.trainingData is required.", "ValidationError")
    for name, given in found.items():
        if not given.get("uri") and not given.get("value"):
            raise scope.invalid(f"The input {names[name]} has no uri.", "ValidationError")
    return found


def _described(details: dict[str, Any], task: str, target: str) -> dict[str, Any]:
    folds = command_jobs.objects(details, "nCrossValidations")
    features = command_jobs.objects(details, "featurizationSettings")
    described: dict[str, Any] = {
        "task": task,
        "target": target,
        "weight": scope.text_of(details, "weightColumnName") or None,
        "validation": {"folds": folds.get("value"), "size": details.get("validationDataSize")},
        "features": {"mode": str(features.get("mode") or "Auto").capitalize(), "types": features.get("columnNameAndTypes") or {}},
    }
    if task != "Forecasting":
        return described
    asked = command_jobs.objects(details, "forecastingSettings")
    time_column = scope.text_of(asked, "timeColumnName")
    if not time_column:
        raise scope.invalid("The field forecastingSettings.timeColumnName is required for forecasting.", "ValidationError")
    horizon = command_jobs.objects(asked, "forecastHorizon")
    season = command_jobs.objects(asked, "seasonality")
    described["forecasting"] = {
        "time": time_column,
        "series": [str(name) for name in asked.get("timeSeriesIdColumnNames") or []],
        "horizon": horizon.get("value") or (_AUTO_HORIZON if horizon else 1),
        "season": season.get("value"),
        "frequency": asked.get("frequency"),
    }
    return described


def _algorithms(settings: Mapping[str, Any], task: str) -> tuple[str, ...]:
    every = automl_job.ALGORITHMS[task]
    lists = {}
    for name in ("allowedTrainingAlgorithms", "blockedTrainingAlgorithms"):
        given = settings.get(name) or []
        if not isinstance(given, list):
            raise scope.invalid(f"The field {name} must be a list.", "ValidationError")
        lists[name] = {scope.one_of(str(one), every, name) for one in given}
    allowed, blocked = lists.values()
    found = tuple(name for name in every if (not allowed or name in allowed) and name not in blocked)
    if not automl_job.usable(found):
        left = f"; the local Azure has no library for {', '.join(found)}" if found else ""
        raise scope.invalid(f"No training algorithm is left to try{left}.", "NoTrainingAlgorithm")
    return found


def _ensembles(settings: Mapping[str, Any], task: str) -> tuple[str, ...]:
    wanted = {"VotingEnsemble": "enableVoteEnsemble", "StackEnsemble": "enableStackEnsemble"}
    return tuple(name for name, field in wanted.items() if task != "Forecasting" and settings.get(field) is not False)


# ── a node of a pipeline ─────────────────────────────────────────────────────────────────────────────────────────────
def details_of(node: Mapping[str, Any]) -> dict[str, Any]:
    """ARM's `taskDetails` of a pipeline's node, which is written as in YAML: snake_case, minutes, bare modes."""
    details: dict[str, Any] = _camel(
        {name: one for name, one in node.items() if name not in {*automl_job.DATA, "inputs", "outputs"}}
    )
    limits = details.get("limitSettings") or {}
    for name in ("timeout", "trialTimeout"):
        if isinstance(limits.get(name), int | float):
            limits[name] = f"PT{limits[name]}M"
    settings = details.get("trainingSettings") or {}
    for name in ("allowedTrainingAlgorithms", "blockedTrainingAlgorithms"):
        if name in settings:
            settings[name] = [str(one) for one in settings[name]]
    for holder, name in (
        (details, "nCrossValidations"),
        *((details.get("forecastingSettings") or {}, name) for name in ("forecastHorizon", "seasonality")),
    ):
        if name in holder and not isinstance(holder[name], dict):
            auto = str(holder[name]).lower() == "auto"
            holder[name] = {"mode": "Auto"} if auto else {"mode": "Custom", "value": holder[name]}
    return details


def _camel(given: Any) -> Any:
    if not isinstance(given, dict):
        return given
    plain = {"column_name_and_types", "transformer_params"}  # their keys are columns and transformers
    return {
        scope.camel_case(_NODE_WORDS.get(str(name), str(name))): one if name in plain else _camel(one)
        for name, one in given.items()
    }
