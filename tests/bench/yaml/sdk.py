"""Run by the interpreter that has azure-ai-ml: the seconds it takes to load each YAML named as LOADER:PATH and make its body.

Each file is loaded so often in a row, and the least counts; a file whose body needs more than that has none.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)
os.environ["AZURE_ML_CLI_PRIVATE_FEATURES_ENABLED"] = "false"
started = time.perf_counter()

from azure.ai import ml  # noqa: E402

seconds = {"import": time.perf_counter() - started}
times = int(sys.argv[1])
for named in sys.argv[2:]:
    loader, _, path = named.partition(":")
    load = getattr(ml, f"load_{loader}", None)
    os.chdir(Path(path).parent)  # from where some kinds resolve paths
    try:
        for _ in range(times if load else 0):
            started = time.perf_counter()
            load(path)._to_rest_object()
            seconds[path] = min(seconds.get(path, 1e9), time.perf_counter() - started)
    except Exception:  # noqa: BLE001
        seconds.pop(path, None)
sys.stdout.write(json.dumps(seconds))
