"""From a trial's description to an estimator: featurization by column, a scaler, an algorithm, or an ensemble of such.

Only classes of scikit-learn and numpy's own functions are in an estimator, so its pickle loads wherever these are.
"""

from __future__ import annotations

from typing import Any

import numpy as np  # type: ignore[import-not-found]  # lives in the prepared environment
from sklearn import ensemble, linear_model, naive_bayes, neighbors, svm, tree  # type: ignore[import-not-found]
from sklearn.compose import ColumnTransformer  # type: ignore[import-not-found]
from sklearn.feature_extraction.text import HashingVectorizer  # type: ignore[import-not-found]
from sklearn.impute import SimpleImputer  # type: ignore[import-not-found]
from sklearn.pipeline import make_pipeline  # type: ignore[import-not-found]
from sklearn.preprocessing import (  # type: ignore[import-not-found]
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    StandardScaler,
)

MOST_CATEGORIES = 25  # more distinct texts than this are text, not categories
_TEXT_FEATURES = 64
_STRENGTHS = (1.0, 0.1, 10.0)
_TREES = ({"n_estimators": 50}, {"n_estimators": 100, "max_depth": 8}, {"n_estimators": 25, "min_samples_leaf": 3})
_DEPTHS = ({"max_depth": 8}, {"max_depth": 4}, {"min_samples_leaf": 5})
_BOOSTS = ({"n_estimators": 50}, {"n_estimators": 100, "learning_rate": 0.05}, {"n_estimators": 50, "max_depth": 5})
_NEIGHBORS = ({"n_neighbors": 5}, {"n_neighbors": 3, "weights": "distance"}, {"n_neighbors": 9, "weights": "distance"})

_CLASSIFIERS: dict[str, tuple[Any, tuple[dict[str, Any], ...]]] = {
    "LogisticRegression": (linear_model.LogisticRegression, tuple({"C": c, "max_iter": 500} for c in _STRENGTHS)),
    "SGD": (linear_model.SGDClassifier, tuple({"loss": "log_loss", "alpha": 1e-4 * c} for c in _STRENGTHS)),
    "MultinomialNaiveBayes": (naive_bayes.MultinomialNB, tuple({"alpha": c} for c in _STRENGTHS)),
    "BernoulliNaiveBayes": (naive_bayes.BernoulliNB, tuple({"alpha": c} for c in _STRENGTHS)),
    "SVM": (svm.SVC, tuple({"C": c} for c in _STRENGTHS)),
    "LinearSVM": (svm.LinearSVC, tuple({"C": c} for c in _STRENGTHS)),
    "KNN": (neighbors.KNeighborsClassifier, _NEIGHBORS),
    "DecisionTree": (tree.DecisionTreeClassifier, _DEPTHS),
    "RandomForest": (ensemble.RandomForestClassifier, _TREES),
    "ExtremeRandomTrees": (ensemble.ExtraTreesClassifier, _TREES),
    "GradientBoosting": (ensemble.GradientBoostingClassifier, _BOOSTS),
}
_REGRESSORS: dict[str, tuple[Any, tuple[dict[str, Any], ...]]] = {
    "ElasticNet": (linear_model.ElasticNet, tuple({"alpha": 0.01 * c} for c in _STRENGTHS)),
    "GradientBoosting": (ensemble.GradientBoostingRegressor, _BOOSTS),
    "DecisionTree": (tree.DecisionTreeRegressor, _DEPTHS),
    "KNN": (neighbors.KNeighborsRegressor, _NEIGHBORS),
    "LassoLars": (linear_model.LassoLars, tuple({"alpha": 0.001 * c} for c in _STRENGTHS)),
    "SGD": (linear_model.SGDRegressor, tuple({"alpha": 1e-4 * c} for c in _STRENGTHS)),
    "RandomForest": (ensemble.RandomForestRegressor, _TREES),
    "ExtremeRandomTrees": (ensemble.ExtraTreesRegressor, _TREES),
}
_SCALERS = {"StandardScalerWrapper": StandardScaler, "MaxAbsScaler": MaxAbsScaler, "MinMaxScaler": MinMaxScaler}


def purposes(columns: list[str], values: Any, given: dict[str, str], *, raw: bool) -> dict[str, list[int]]:
    """Which columns are `Numeric`, `Categorical`, `Text`; those without any information are in none.

    Args:
        columns: names.
        values: an array of objects, one row for each example.
        given: column name to purpose, as the user chose.
        raw: only numeric columns count (featurization is off).
    """
    found: dict[str, list[int]] = {"Numeric": [], "Categorical": [], "Text": []}
    for at, name in enumerate(columns):
        kind = given.get(name) or _purpose(values[:, at])
        if kind in found and not (raw and kind != "Numeric"):
            found[kind].append(at)
    return found


def _purpose(values: Any) -> str:
    there = [value for value in values if value is not None]
    distinct = set(there)
    if len(distinct) < 2:
        return "Ignore"
    if all(is_number(value) for value in distinct):
        return "Numeric"
    if len(distinct) <= MOST_CATEGORIES:
        return "Categorical"
    return "Text" if any(" " in str(value) for value in distinct) else "Ignore"  # a code of its own for each row


def is_number(value: Any) -> bool:
    """Whether a value is a finite number, or the text of one."""
    try:
        return bool(np.isfinite(float(value)))
    except (TypeError, ValueError):
        return False


def scaler_name(described: dict[str, Any]) -> str:
    """The scaler of a trial, as its `run_preprocessor`."""
    if "NaiveBayes" in str(described["algorithm"]):
        return "MinMaxScaler"  # no negative features
    return list(_SCALERS)[int(described["variant"]) % len(_SCALERS)]


def estimator(described: dict[str, Any], kinds: dict[str, list[int]], *, classifies: bool) -> Any:
    """The estimator of a trial.

    Args:
        described: `algorithm` and `variant`; for ensembles `members`, each described so.
        kinds: see `purposes`.
        classifies: else it regresses.
    """
    name = str(described["algorithm"])
    if name in {"VotingEnsemble", "StackEnsemble"}:
        return _ensemble(
            name, [estimator(one, kinds, classifies=classifies) for one in described["members"]], classifies=classifies
        )
    scaler = _SCALERS[scaler_name(described)]
    scaled = scaler(clip=True) if scaler is MinMaxScaler else scaler()
    return make_pipeline(_featurizer(kinds), scaled, algorithm(described, classifies=classifies))


def algorithm(described: dict[str, Any], *, classifies: bool) -> Any:
    """The algorithm alone, with the hyperparameters of its variant."""
    made, variants = (_CLASSIFIERS if classifies else _REGRESSORS)[str(described["algorithm"])]
    parameters = variants[int(described["variant"]) % len(variants)]
    seeded = {"random_state": 0} if "random_state" in made().get_params() else {}
    return made(**parameters, **seeded)


def _ensemble(name: str, members: list[Any], *, classifies: bool) -> Any:
    named = [(f"member{at}", one) for at, one in enumerate(members)]
    if name == "VotingEnsemble":
        if not classifies:
            return ensemble.VotingRegressor(named)
        soft = all(hasattr(one, "predict_proba") for one in members)
        return ensemble.VotingClassifier(named, voting="soft" if soft else "hard")
    if classifies:
        return ensemble.StackingClassifier(named, final_estimator=linear_model.LogisticRegression(max_iter=500), cv=3)
    return ensemble.StackingRegressor(named, final_estimator=linear_model.ElasticNet(alpha=0.01), cv=3)


def _featurizer(kinds: dict[str, list[int]]) -> Any:
    parts: list[tuple[str, Any, Any]] = []
    if kinds["Numeric"]:
        numbers = make_pipeline(FunctionTransformer(np.asarray, kw_args={"dtype": float}), SimpleImputer())
        parts.append(("numeric", numbers, kinds["Numeric"]))
    if kinds["Categorical"]:
        texts = FunctionTransformer(np.asarray, kw_args={"dtype": str})
        parts.append(("categorical", make_pipeline(texts, OneHotEncoder(handle_unknown="ignore")), kinds["Categorical"]))
    parts += [
        (f"text{at}", HashingVectorizer(n_features=_TEXT_FEATURES, alternate_sign=False, preprocessor=str), at)
        for at in kinds["Text"]
    ]
    return ColumnTransformer(parts, sparse_threshold=0)
