"""The metrics that AutoML reports, under Azure's names; the caller averages the values of the folds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np  # type: ignore[import-not-found]  # lives in the prepared environment
from scipy import stats  # type: ignore[import-untyped]
from sklearn import metrics  # type: ignore[import-not-found]


def of_classes(model: Any, features: Any, truth: Any) -> dict[str, float]:
    """Accuracy and the weighted metrics; those that need probabilities only where the model has them and two classes occur."""
    said = model.predict(features)
    classes = list(model.classes_)
    recall = float(metrics.recall_score(truth, said, average="macro", zero_division=0))
    chance = 1 / len(classes)
    found = {
        "accuracy": float(metrics.accuracy_score(truth, said)),
        "norm_macro_recall": max(0.0, (recall - chance) / (1 - chance)),
        "recall_score_macro": recall,
        "precision_score_weighted": float(metrics.precision_score(truth, said, average="weighted", zero_division=0)),
        "f1_score_weighted": float(metrics.f1_score(truth, said, average="weighted", zero_division=0)),
    }
    scores = _probabilities(model, features)
    occurring = [at for at, one in enumerate(classes) if 0 < int(np.sum(truth == one)) < len(truth)]
    if occurring:  # AUC of one class against the rest, weighted by how often the class occurs
        weights = [int(np.sum(truth == classes[at])) for at in occurring]
        areas = [metrics.roc_auc_score(truth == classes[at], scores[:, at]) for at in occurring]
        precisions = [metrics.average_precision_score(truth == classes[at], scores[:, at]) for at in occurring]
        found["AUC_weighted"] = float(np.average(areas, weights=weights))
        found["average_precision_score_weighted"] = float(np.average(precisions, weights=weights))
    return found


def _probabilities(model: Any, features: Any) -> Any:
    if hasattr(model, "predict_proba"):
        return model.predict_proba(features)
    if not hasattr(model, "decision_function"):  # an ensemble that votes by majority
        said = model.predict(features)
        return np.array([[float(one == label) for label in model.classes_] for one in said])
    margins = np.asarray(model.decision_function(features), dtype=float)
    return np.column_stack([-margins, margins]) if margins.ndim == 1 else margins


def of_numbers(said: Any, truth: Any) -> dict[str, float]:
    """The errors, plain and divided by the range of the truth, R² and rank correlation."""
    said, truth = np.asarray(said, dtype=float), np.asarray(truth, dtype=float)
    spread = float(np.max(truth) - np.min(truth)) or 1.0
    squared, absolute = float(np.sqrt(np.mean((said - truth) ** 2))), float(np.mean(np.abs(said - truth)))
    found = {
        "root_mean_squared_error": squared,
        "normalized_root_mean_squared_error": squared / spread,
        "mean_absolute_error": absolute,
        "normalized_mean_absolute_error": absolute / spread,
    }
    if len(truth) > 1 and np.ptp(truth) > 0:
        found["r2_score"] = float(metrics.r2_score(truth, said))
        found["spearman_correlation"] = float(stats.spearmanr(truth, said)[0]) if np.ptp(said) > 0 else 0.0
    return {name: value for name, value in found.items() if math.isfinite(value)}


def averaged(folds: list[dict[str, float]]) -> dict[str, float]:
    """The mean of each metric over the folds that have it."""
    names = list(dict.fromkeys(name for fold in folds for name in fold))
    return {name: float(np.mean([fold[name] for fold in folds if name in fold])) for name in names}
