"""What the jobs of these tests run: logs a metric, reads data when given some, writes a model."""

import argparse
from pathlib import Path

import mlflow

parser = argparse.ArgumentParser()
parser.add_argument("--rate", type=float, default=0.1)
parser.add_argument("--data")
parser.add_argument("--model", type=Path)
given = parser.parse_args()
print("rate", given.rate)  # noqa: T201 - what a job prints is its log
mlflow.log_metric("accuracy", 1 - abs(given.rate - 0.3))
if given.data:
    root = Path(given.data)
    files = [root] if root.is_file() else sorted(path for path in root.rglob("*") if path.is_file())
    print("data", [path.read_text() for path in files])  # noqa: T201
if given.model:
    (given.model / "model.txt").write_text(f"{given.rate}")
