"""``python -m tests.bench.yaml``: pipelines of growing size, and the corpus, here and in azure-ai-ml; nothing is registered."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from infra.local import bootstrap
from shared.catalog import yaml as translations
from tests.functional.yaml import conversation
from tests.functional.yaml.conftest import CORPUS, FILES
from tests.functional.yaml.test_same_as_the_sdk import translated

if TYPE_CHECKING:
    from collections.abc import Callable

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
    """Measure and print."""
    subprocess.run([sys.executable, bootstrap.__file__, "sdk"], check=True, capture_output=True)
    with tempfile.TemporaryDirectory() as folder:
        paths = {size: Path(folder) / f"{size}.yml" for size in SIZES}
        for size, path in paths.items():
            path.write_text(PIPELINE + "".join(STEP.format(n=n) for n in range(size)))
        texts = {size: path.read_text() for size, path in paths.items()}
        ours = {size: statistics.median([_translated(text) for _ in range(TIMES)]) for size, text in texts.items()}
        theirs = [_sdk(1, [f"job:{path}" for path in paths.values()]) for _ in range(TIMES)]
        table = Table("a pipeline of", "here, ms", "azure-ai-ml, ms", "times", "goal", title="From YAML to a body (medians)")
        for size, path in paths.items():
            table.add_row(f"{size} steps", *_beside(ours[size], statistics.median([each[str(path)] for each in theirs])), "")
    _corpus(table)
    Console().print(table)


def _corpus(table: Table) -> None:
    """Add every file of the corpus whose body azure-ai-ml makes without asking Azure; of each the least of so many times counts."""
    theirs = _sdk(TIMES, [f"{Path(name).parts[0]}:{CORPUS / name}" for name in FILES])
    both = {name: theirs[str(CORPUS / name)] for name in FILES if str(CORPUS / name) in theirs}
    ours = {name: min(_timed(lambda name=name: translated(name)) for _ in range(TIMES)) for name in both}
    ratios = [both[name] / ours[name] for name in both]
    middle = sorted(both, key=lambda name: both[name] / ours[name])[len(both) // 2]
    ms = (f"{statistics.median(each.values()) * 1000:.2f}" for each in (ours, both))
    table.add_row(f"median of {len(both)} files", *ms, f"{statistics.median(ratios):.1f}", "≥ 10")
    table.add_row(f"  that is {middle}", *_beside(ours[middle], both[middle]), "")
    table.add_row(f"the {len(both)} files, in all", *_beside(sum(ours.values()), sum(both.values())), "≥ 25")
    table.add_row("the least", "", "", f"{min(ratios):.1f}", "")


def _beside(ours: float, theirs: float) -> tuple[str, str, str]:
    return f"{ours * 1000:.2f}", f"{theirs * 1000:.1f}", f"{theirs / ours:.1f}"


def _translated(text: str) -> float:
    return _timed(lambda: translations.translate(text, kind="job", target=conversation.WORKSPACE.child("jobs")))


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _sdk(times: int, named: list[str]) -> dict[str, float]:
    python = bootstrap.SDK_VENV / "bin" / "python"
    command = [str(python), "-W", "ignore", str(Path(__file__).with_name("sdk.py")), str(times), *named]
    return dict(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


if __name__ == "__main__":
    main()
