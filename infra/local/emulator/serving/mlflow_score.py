"""Runs inside the prepared environment: the scoring script of a deployment that has only an MLflow model (no code).

Loads what the model's `MLmodel` names as `python_function` and answers Azure's contract for such deployments:
`{"input_data": {"columns": […], "data": [[…]]}}`, a bare list of rows, or columns by name; the answer is the list of
predictions (https://learn.microsoft.com/azure/machine-learning/how-to-deploy-mlflow-models). With pandas, the model
gets a data frame where the columns have names; else it gets an array. A batch deployment calls `score_file` for each CSV file.
"""

from __future__ import annotations

import csv
import importlib
import importlib.util
import json
import os
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np  # type: ignore[import-not-found]  # lives in the prepared environment
import yaml

_DELIMITERS = {".tsv": "\t"}


class BadInputError(ValueError):
    """The request is not what the model's signature asks for; the message is for the caller."""


class Model:
    """A loaded MLflow model.

    Args:
        home: the folder with `MLmodel`.
    """

    def __init__(self, home: Path) -> None:
        described = yaml.safe_load((home / "MLmodel").read_text(encoding="utf-8"))
        flavor = (described.get("flavors") or {}).get("python_function")
        if not flavor:
            raise RuntimeError("The MLflow model has no python_function flavor: it cannot be served without a scoring script.")
        inputs = json.loads((described.get("signature") or {}).get("inputs") or "[]")
        self.columns = [str(one["name"]) for one in inputs if one.get("name") is not None]
        self.model = _loaded(home, flavor)

    def predict(self, columns: list[str] | None, rows: list[list[Any]]) -> list[Any]:
        """One prediction for each row.

        Args:
            columns: what the values of a row are called; None: they stand in the signature's order.
            rows: of plain JSON values.

        Raises:
            BadInputError: columns are missing, or rows of other lengths.
        """
        if columns is not None and self.columns:
            if missing := [name for name in self.columns if name not in columns]:
                raise BadInputError(f"Model is missing inputs {missing}.")
            places = [columns.index(name) for name in self.columns]
            rows = [[row[at] for at in places] for row in rows]
        width = len(self.columns or columns or (rows[0] if rows else ()))
        if any(len(row) != width for row in rows):
            raise BadInputError(f"Each row of the data has {width} values.")
        given = _frame(rows, self.columns or columns)
        found = self.model.predict(given)
        if hasattr(found, "to_dict"):
            found = found.to_dict(orient="records")
        return list(found.tolist() if hasattr(found, "tolist") else found)


def _loaded(home: Path, flavor: dict[str, Any]) -> Any:
    """What predicts. Models of scikit-learn are unpickled here, as `mlflow.sklearn` itself wants pandas."""
    if flavor.get("code"):
        sys.path.insert(0, str(home / flavor["code"]))
    data = home / str(flavor.get("data") or flavor.get("model_path") or "")
    if flavor["loader_module"] == "mlflow.sklearn":
        with (data if data.is_file() else data / "model.pkl").open("rb") as file:
            return pickle.load(file)  # noqa: S301 - the model that the user deploys
    return importlib.import_module(flavor["loader_module"])._load_pyfunc(str(data))  # noqa: SLF001 - MLflow's own contract


def _frame(rows: list[list[Any]], columns: list[str] | None) -> Any:
    if columns and importlib.util.find_spec("pandas") is not None:
        pandas = importlib.import_module("pandas")
        return pandas.DataFrame(rows, columns=columns)
    numeric = all(isinstance(value, int | float) for row in rows for value in row)
    return np.array(rows, dtype=float if numeric else object)


def asked(text: str) -> tuple[list[str] | None, list[list[Any]]]:
    """Columns and rows of a request's body.

    Raises:
        BadInputError: it has none.
    """
    try:
        body = json.loads(text)
    except ValueError as error:
        raise BadInputError(f"The request body is not valid JSON: {error}") from None
    given = body.get("input_data") if isinstance(body, dict) else None
    if isinstance(given, list) and given:
        return None, [row if isinstance(row, list) else [row] for row in given]
    if isinstance(given, dict) and isinstance(given.get("data"), list):
        names = given.get("columns")
        rows = [row if isinstance(row, list) else [row] for row in given["data"]]
        if names is not None and any(len(row) != len(names) for row in rows):
            raise BadInputError(f"Each row of the data has {len(names)} values, one for each column.")
        return ([str(name) for name in names] if names is not None else None), rows
    if isinstance(given, dict) and given and all(isinstance(values, list) for values in given.values()):
        return list(given), [list(row) for row in zip(*given.values(), strict=False)]
    raise BadInputError('The request body has no "input_data" with "columns" and "data", no list of rows, no columns by name.')


def find(folder: str) -> Model:
    """The model below a folder.

    Raises:
        RuntimeError: it has none of them.
    """
    found = sorted(Path(folder).rglob("MLmodel"), key=lambda path: len(path.parts))
    if not found:
        raise RuntimeError("The model's folder holds no file named MLmodel.")
    return Model(found[0].parent)


_LOADED: list[Model] = []


def init() -> None:
    """Load the model."""
    _LOADED.append(find(os.environ["AZUREML_MODEL_DIR"]))


def run(data: Any) -> Any:
    """A request's body to predictions, or a mini-batch of CSV files to rows."""
    if isinstance(data, list):
        return [row for name in data for row in score_file(Path(name))]
    from azureml_inference_server_http.api.aml_response import AMLResponse  # type: ignore[import-not-found]

    try:
        return _LOADED[0].predict(*asked(data))
    except BadInputError as error:
        return AMLResponse({"error": str(error)}, 400, json_str=True)


def score_file(path: Path) -> list[str]:
    """The number, the prediction and the file's name for each row of a CSV file with a header."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        header, *lines = [line for line in csv.reader(file, delimiter=_DELIMITERS.get(path.suffix.lower(), ",")) if line]
    rows = [[_value(text) for text in line] for line in lines]
    return [f"{number} {prediction} {path.name}" for number, prediction in enumerate(_LOADED[0].predict(header, rows))]


def _value(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text or None
