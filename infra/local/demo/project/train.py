"""Fits a regression on data it makes itself and writes the model to ``outputs/``: what the demo's run and job execute.

It is an ordinary training script: Azure ML uploads whatever stands in ``outputs/`` when the script ends.
"""

import argparse
from pathlib import Path

import joblib  # type: ignore[import-not-found]  # lives in the environment jobs run in
import numpy as np  # type: ignore[import-not-found]
from sklearn.ensemble import RandomForestRegressor  # type: ignore[import-not-found]
from sklearn.model_selection import train_test_split  # type: ignore[import-not-found]


def main() -> None:
    """Train, report and save."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--trees", type=int, default=25)
    parser.add_argument("--rows", type=int, default=600)
    options = parser.parse_args()

    random = np.random.default_rng(seed=7)
    size_m2 = random.uniform(30, 200, options.rows)
    rooms = np.round(size_m2 / 30 + random.normal(0, 0.7, options.rows)).clip(1)
    age_years = random.uniform(0, 90, options.rows)
    price = 2500 * size_m2 + 8000 * rooms - 900 * age_years + random.normal(0, 15000, options.rows)
    features = np.column_stack([size_m2, rooms, age_years])
    train_x, test_x, train_y, test_y = train_test_split(features, price, random_state=7)
    print(f"training on {len(train_y)} of {options.rows} flats with {options.trees} trees", flush=True)

    model = RandomForestRegressor(n_estimators=options.trees, random_state=7).fit(train_x, train_y)
    print(f"r2 on {len(test_y)} unseen flats: {model.score(test_x, test_y):.4f}", flush=True)

    outputs = Path("outputs")
    outputs.mkdir(exist_ok=True)
    joblib.dump(model, outputs / "model.pkl")
    print(f"wrote {outputs / 'model.pkl'}", flush=True)


if __name__ == "__main__":
    main()
