"""The entry script of the demo's online deployment: Azure ML's scoring server calls ``init`` once and ``run`` per request."""

import json
import os
from pathlib import Path
from typing import Any

import joblib  # type: ignore[import-not-found]  # lives in the environment deployments run in

_LOADED: list[Any] = []


def init() -> None:
    """Load the registered model; ``AZUREML_MODEL_DIR`` is the folder of its files."""
    found = sorted(Path(os.environ["AZUREML_MODEL_DIR"]).rglob("model.pkl"))
    if not found:
        raise FileNotFoundError("the registered model holds no model.pkl")
    _LOADED.append(joblib.load(found[0]))


def run(raw_data: str) -> list[float]:
    """Predict for ``{"data": [[size_m2, rooms, age_years], ...]}``."""
    rows = json.loads(raw_data)["data"]
    predicted: list[float] = _LOADED[-1].predict(rows).tolist()
    return predicted
