"""``python -m tests.bench.yaml``: pipelines of growing size, here and in azure-ai-ml; no network, so no registrations either."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from infra.local import bootstrap
from shared.catalog import yaml as translations
from tests.functional.yaml import conversation

SIZES = (1, 20, 100)
TIMES = 5
STEP = """\
  step_{n}:
    type: command
    component: azureml:train_model:3
    compute: azureml:cpu-cluster
    resources: {{instance_count: 2, shm_size: 2g}}
    environment_variables: {{LEVEL: debug, STEP: "{n}"}}
    inputs:
      rows: ${{{{parent.inputs.rows}}}}
      rate: {n}.5
    outputs:
      model: {{type: mlflow_model, mode: upload}}
"""
PIPELINE = "type: pipeline\ninputs:\n  rows: {type: uri_folder, path: 'azureml:rows:1'}\njobs:\n"


def main() -> None:
    """Measure and print medians."""
    subprocess.run([sys.executable, bootstrap.__file__, "sdk"], check=True, capture_output=True)
    with tempfile.TemporaryDirectory() as folder:
        paths = {size: Path(folder) / f"{size}.yml" for size in SIZES}
        for size, path in paths.items():
            path.write_text(PIPELINE + "".join(STEP.format(n=n) for n in range(size)))
        texts = {size: path.read_text() for size, path in paths.items()}
        ours = {size: _median([_translated(text) for _ in range(TIMES)]) for size, text in texts.items()}
        theirs = [_sdk([str(path) for path in paths.values()]) for _ in range(TIMES)]
        table = Table("a pipeline of", "here, ms", "azure-ai-ml, ms", "times", title="From YAML to a body (medians)")
        for size, path in paths.items():
            sdk = _median([each[str(path)] for each in theirs])
            table.add_row(f"{size} steps", f"{ours[size] * 1000:.1f}", f"{sdk * 1000:.0f}", f"{sdk / ours[size]:.0f}")
    Console().print(table)


def _translated(text: str) -> float:
    started = time.perf_counter()
    translations.translate(text, kind="job", target=conversation.WORKSPACE.child("jobs"))
    return time.perf_counter() - started


def _sdk(paths: list[str]) -> dict[str, float]:
    python = bootstrap.SDK_VENV / "bin" / "python"
    command = [str(python), "-W", "ignore", str(Path(__file__).with_name("sdk.py")), *paths]
    return dict(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def _median(values: list[float]) -> float:
    return statistics.median(values)


main()
