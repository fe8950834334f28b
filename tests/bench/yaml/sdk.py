"""Run by the interpreter that has azure-ai-ml: the seconds it takes to load each YAML named and make its body."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
import warnings

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)
os.environ["AZURE_ML_CLI_PRIVATE_FEATURES_ENABLED"] = "false"
started = time.perf_counter()

from azure.ai.ml import load_job  # noqa: E402

seconds = {"import": time.perf_counter() - started}
for path in sys.argv[1:]:
    started = time.perf_counter()
    load_job(path)._to_rest_object()
    seconds[path] = time.perf_counter() - started
sys.stdout.write(json.dumps(seconds))
