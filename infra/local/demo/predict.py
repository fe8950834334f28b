"""Asks a model file for its own predictions: ``python predict.py model.pkl`` with ``[[...], ...]`` on standard input.

Run in the environment that the jobs run in; the demo compares the endpoint's answer with what this prints.
"""

import json
import sys

import joblib  # type: ignore[import-not-found]  # lives in the environment jobs run in

print(json.dumps(joblib.load(sys.argv[1]).predict(json.load(sys.stdin)).tolist()))
