"""`python -m automl.trial --training PLACE [--validation PLACE] [--test PLACE]`: one AutoML trial, described by `trial.json`.

Reads the data, measures one candidate as the job's validation says, fits it on all of the training data, logs its metrics
with MLflow's REST API and leaves `outputs/model.pkl` and `outputs/mlflow-model`. Not here: which candidates are tried.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np  # type: ignore[import-not-found]  # lives in the prepared environment
import requests
import sklearn  # type: ignore[import-not-found]
import yaml
from sklearn.model_selection import KFold, StratifiedKFold, train_test_split  # type: ignore[import-not-found]
from sklearn.utils.validation import has_fit_parameter  # type: ignore[import-not-found]

from . import candidates, scoring, tables
from .forecaster import SIMPLE, Forecaster

_FEW_ROWS, _SOME_ROWS = 1000, 20_000  # Azure's defaults: 10 folds below the first, 3 below the second, then a tenth held out
_SEASONS = {"D": 7, "W": 52, "M": 12, "MS": 12, "H": 24, "Q": 4, "QS": 4}


class Trial:
    """One candidate on one table.

    Args:
        described: `trial.json`.
        table: the training data.
    """

    def __init__(self, described: dict[str, Any], table: tables.Table) -> None:
        self.described = described
        self.classifies = described["task"] == "Classification"
        self.forecasts = described["task"] == "Forecasting"
        target, weight = str(described["target"]), described.get("weight")
        table = tables.Table(columns=table.columns, rows=_with_target(table, target))
        self.numeric = not self.classifies or all(candidates.is_number(value) for value in table.column(target))
        self.target = self.truth(table)
        self.weights = np.array([float(value or 0) for value in table.column(str(weight))]) if weight else None
        self.dropped = {target, *([str(weight)] if weight else [])}
        features = table.without(self.dropped)
        self.columns, self.rows = features.columns, np.array(features.rows, dtype=object)
        chosen = described.get("features") or {}
        self.kinds = candidates.purposes(self.columns, self.rows, chosen.get("types") or {}, raw=chosen.get("mode") == "Off")
        if not self.forecasts and not any(self.kinds.values()):
            raise tables.BadTableError("No column of the data says anything: all are constant or different in every row.")

    def truth(self, table: tables.Table) -> Any:
        """The target column of a table as the estimator takes it."""
        values = table.column(str(self.described["target"]))
        if not self.numeric:
            return np.array([str(value) for value in values])
        if wrong := [value for value in values if not candidates.is_number(value)]:
            raise tables.BadTableError(f"The target column holds {wrong[0]!r}, which is no number.")
        numbers = np.array([float(str(value)) for value in values])
        return numbers.astype(int) if self.classifies and np.all(numbers == numbers.astype(int)) else numbers

    def apart(self, table: tables.Table) -> tuple[Any, Any]:
        """Features and truth of another table, its columns in the order of the training data."""
        table = tables.Table(columns=table.columns, rows=_with_target(table, str(self.described["target"])))
        places = [table.column(name) for name in self.columns]
        return np.array([list(row) for row in zip(*places, strict=True)], dtype=object), self.truth(table)

    def fitted(self, where: Any) -> Any:
        """The candidate, fitted on some of the rows."""
        if self.forecasts:
            return self._forecaster().fit(self.rows[where], self.target[where])
        made = candidates.estimator(self.described["candidate"], self.kinds, classifies=self.classifies)
        last = made.steps[-1] if hasattr(made, "steps") else None
        weighted = self.weights is not None and last is not None and has_fit_parameter(last[1], "sample_weight")
        more = {f"{last[0]}__sample_weight": self.weights[where]} if weighted and last and self.weights is not None else {}
        return made.fit(self.rows[where], self.target[where], **more)

    def _forecaster(self) -> Forecaster:
        asked, candidate = self.described["forecasting"], self.described["candidate"]
        name, time_column = str(candidate["algorithm"]), str(asked["time"])
        if missing := [one for one in (time_column, *asked["series"]) if one not in self.columns]:
            raise tables.BadTableError(f"The column {missing[0]!r} is not in the data.")
        regressor = None if name in SIMPLE else candidates.algorithm(candidate, classifies=False)
        season = int(asked.get("season") or _SEASONS.get(str(asked.get("frequency") or "D").upper(), 1))
        return Forecaster(name, int(candidate["variant"]), regressor, self.columns, time_column, asked["series"], season)

    def measured(self, model: Any, features: Any, truth: Any) -> dict[str, float]:
        """The metrics of a fitted candidate."""
        if self.classifies:
            return scoring.of_classes(model, features, truth)
        return scoring.of_numbers(model.predict(features), truth)

    def splits(self) -> list[tuple[Any, Any]]:
        """Rows to fit on and rows to measure on, once for each fold."""
        asked, count = self.described.get("validation") or {}, len(self.target)
        if self.forecasts:
            return self._rolling(int(asked.get("folds") or 1))
        folds = asked.get("folds") or (
            None if asked.get("size") else 10 if count < _FEW_ROWS else 3 if count < _SOME_ROWS else None
        )
        least = int(min(np.unique(self.target, return_counts=True)[1])) if self.classifies else count
        if folds:
            folds = max(2, min(int(folds), count))
            by_class = self.classifies and least >= 2
            kind = (
                StratifiedKFold(min(folds, least), shuffle=True, random_state=0)
                if by_class
                else KFold(folds, shuffle=True, random_state=0)
            )
            return list(kind.split(self.rows, self.target))
        size = float(asked.get("size") or 0.1)
        together = self.target if self.classifies and least >= 2 else None
        return [tuple(train_test_split(np.arange(count), test_size=size, random_state=0, stratify=together))]

    def _rolling(self, folds: int) -> list[tuple[Any, Any]]:
        """The last periods of time are measured on, those before them fitted on; one horizon earlier with each fold."""
        at = self.columns.index(str(self.described["forecasting"]["time"]))
        times = sorted({row[at] for row in self.rows})
        horizon = min(int(self.described["forecasting"]["horizon"]), max(1, len(times) // 3))
        found = []
        for fold in range(folds):
            end = len(times) - fold * horizon
            if end - horizon < 2:
                break
            shown = set(times[end - horizon : end])
            earlier = set(times[: end - horizon])
            found.append(tuple(np.array([n for n, row in enumerate(self.rows) if row[at] in part]) for part in (earlier, shown)))
        if not found:
            raise tables.BadTableError(f"The data has {len(times)} points in time, too few to hold {horizon} of them out.")
        return found


def _with_target(table: tables.Table, target: str) -> list[list[str | None]]:
    return [row for row, value in zip(table.rows, table.column(target), strict=True) if value is not None]


# ── what is left behind ──────────────────────────────────────────────────────────────────────────────────────────────
def log(metrics: dict[str, float], parameters: dict[str, str]) -> None:
    """Write metrics and parameters into the run, as MLflow does."""
    at = int(time.time() * 1000)
    body = {
        "run_id": os.environ["MLFLOW_RUN_ID"],
        "metrics": [{"key": name, "value": value, "timestamp": at, "step": 0} for name, value in metrics.items()],
        "params": [{"key": name, "value": value} for name, value in parameters.items()],
    }
    headers = {"Authorization": f"Bearer {os.environ['MLFLOW_TRACKING_TOKEN']}"}
    url = f"{os.environ['MLFLOW_TRACKING_URI'].replace('azureml://', 'https://')}/api/2.0/mlflow/runs/log-batch"
    answer = requests.post(url, json=body, headers=headers, timeout=60)
    answer.raise_for_status()


def save(trial: Trial, model: Any, folder: Path) -> None:
    """`model.pkl`, and an MLflow model that is loaded without this package unless it forecasts."""
    home = folder / "mlflow-model"
    home.mkdir(parents=True)
    pickled = pickle.dumps(model)
    for place in (folder, home):
        (place / "model.pkl").write_bytes(pickled)
    versions = [f"scikit-learn=={sklearn.__version__}", f"numpy=={np.__version__}"]
    python = ".".join(str(part) for part in sys.version_info[:3])
    flavor: dict[str, Any] = {"loader_module": "mlflow.sklearn", "model_path": "model.pkl"}
    flavors: dict[str, Any] = {
        "sklearn": {"pickled_model": "model.pkl", "serialization_format": "pickle", "sklearn_version": sklearn.__version__}
    }
    if trial.forecasts:
        flavor, flavors = {"loader_module": "automl.forecaster", "data": "model.pkl", "code": "code"}, {}
        (home / "code" / "automl").mkdir(parents=True)
        for name in ("__init__.py", "forecaster.py"):
            shutil.copyfile(Path(__file__).with_name(name), home / "code" / "automl" / name)
    numeric = set(trial.kinds["Numeric"])
    inputs = [{"name": name, "type": "double" if at in numeric else "string"} for at, name in enumerate(trial.columns)]
    outputs = [{"name": str(trial.described["target"]), "type": "double" if trial.numeric else "string"}]
    described = {
        "artifact_path": "outputs/mlflow-model",
        "run_id": os.environ["MLFLOW_RUN_ID"],
        "flavors": {"python_function": {**flavor, "python_version": python, "env": "conda.yaml"}, **flavors},
        "signature": {"inputs": json.dumps(inputs), "outputs": json.dumps(outputs)},
    }
    conda = {"name": "model", "dependencies": [f"python={python}", "pip", {"pip": versions}]}
    (home / "MLmodel").write_text(yaml.safe_dump(described))
    (home / "conda.yaml").write_text(yaml.safe_dump(conda))
    (folder / "conda_env_v_1_0_0.yml").write_text(yaml.safe_dump(conda))
    (home / "requirements.txt").write_text("\n".join(versions) + "\n")


def main() -> None:
    """Run the trial; what is wrong with the data is said in one line and ends it with code 1."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--training", type=Path, required=True)
    parser.add_argument("--validation", type=Path)
    parser.add_argument("--test", type=Path)
    options = parser.parse_args()
    described = json.loads(Path("trial.json").read_text())
    try:
        trial = Trial(described, tables.read(options.training))
        everything = np.arange(len(trial.target))
        if options.validation is not None:
            model = trial.fitted(everything)
            metrics = trial.measured(model, *trial.apart(tables.read(options.validation)))
        else:
            folds = [trial.measured(trial.fitted(fit), trial.rows[held], trial.target[held]) for fit, held in trial.splits()]
            metrics, model = scoring.averaged(folds), trial.fitted(everything)
        if options.test is not None:
            tested = trial.measured(model, *trial.apart(tables.read(options.test)))
            metrics |= {f"test_{name}": value for name, value in tested.items()}
    except (tables.BadTableError, ValueError) as error:
        raise SystemExit(f"{type(error).__name__}: {error}") from None
    for name, value in sorted(metrics.items()):
        print(f"{name} = {value:.6g}")
    save(trial, model, Path("outputs"))
    candidate = described["candidate"]
    scaler = "" if trial.forecasts or "members" in candidate else candidates.scaler_name(candidate)
    log(metrics, {"run_algorithm": str(candidate["algorithm"]), "run_preprocessor": scaler})


if __name__ == "__main__":
    main()
