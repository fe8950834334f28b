"""MLClient starts an AutoML classification, a Spark job and a pipeline with a parallel step, and looks at what they made."""

import json
import os
from pathlib import Path

from azure.ai.ml import Input, MLClient, Output, automl, dsl, spark
from azure.ai.ml.parallel import RunFunction, parallel_run_function
from azure.identity import DefaultAzureCredential

client = MLClient(DefaultAzureCredential(), os.environ["SUBSCRIPTION"], os.environ["GROUP"], os.environ["WORKSPACE"])
for folder in ("customers", "numbers", "entry", "counting"):
    Path(folder).mkdir()

# AutoML: whoever pays more than 60 leaves
Path("customers/MLTable").write_text("paths:\n  - file: ./rows.csv\ntransformations:\n  - read_delimited:\n      delimiter: ','\n")
rows = [f"{bill},{bill % 7},{'yes' if bill > 60 else 'no'}" for bill in range(1, 121)]
Path("customers/rows.csv").write_text("\n".join(["bill,months,left", *rows]))
classification = automl.classification(
    compute="cpu",
    experiment_name="churn",
    training_data=Input(type="mltable", path="customers"),
    target_column_name="left",
    primary_metric="accuracy",
    n_cross_validations=3,
    outputs={"best_model": Output(type="mlflow_model")},
)
classification.set_limits(max_trials=2, max_concurrent_trials=2, timeout_minutes=5)
classification.set_training(allowed_training_algorithms=["DecisionTree"], enable_stack_ensemble=False, enable_vote_ensemble=False)
learned = client.jobs.create_or_update(classification)

# Spark
Path("counting/count.py").write_text(
    """
import sys
from pathlib import Path

rows = Path(sys.argv[1]).read_text().splitlines()
Path(sys.argv[2], "count.txt").write_text(str(len(rows)))
"""
)
counting = spark(
    experiment_name="count",
    code="counting",
    entry={"file": "count.py"},
    driver_cores=1,
    driver_memory="2g",
    executor_cores=1,
    executor_memory="2g",
    executor_instances=1,
    inputs={"rows": Input(type="uri_file", path="customers/rows.csv", mode="direct")},
    outputs={"counted": Output(type="uri_folder", mode="direct")},
    args="${{inputs.rows}} ${{outputs.counted}}",
    resources={"instance_type": "standard_e4s_v3", "runtime_version": "3.4"},
)
counted = client.jobs.create_or_update(counting)

# a parallel step
for number in range(1, 6):
    Path(f"numbers/{number}.txt").write_text(str(number))
Path("entry/entry.py").write_text(
    """
from pathlib import Path

def init():
    pass

def run(mini_batch):
    return [f"{Path(name).stem} {int(Path(name).read_text()) * 10}" for name in mini_batch]
"""
)
times_ten = parallel_run_function(
    name="times_ten",
    inputs={"numbers": Input(type="uri_folder")},
    outputs={"rows": Output(type="uri_file")},
    input_data="${{inputs.numbers}}",
    mini_batch_size="2",
    instance_count=1,
    max_concurrency_per_instance=2,
    task=RunFunction(code="entry", entry_script="entry.py", environment="azureml:env:1", append_row_to="${{outputs.rows}}"),
)


@dsl.pipeline(default_compute="cpu")
def in_batches(numbers: Input) -> dict[str, Output]:
    """One step over a folder."""
    return {"rows": times_ten(numbers=numbers).outputs.rows}


multiplied = client.jobs.create_or_update(in_batches(numbers=Input(type="uri_folder", path="numbers")))

jobs = {"automl": learned, "spark": counted, "parallel": multiplied}
for job in jobs.values():
    client.jobs.stream(job.name)
client.jobs.download(learned.name, download_path="learned", output_name="best_model")
client.jobs.download(counted.name, download_path="counted", output_name="counted")
client.jobs.download(multiplied.name, download_path="multiplied", output_name="rows")
best = client.jobs.get(learned.name)
said = {name: client.jobs.get(job.name).status for name, job in jobs.items()}
said["type"] = type(best).__name__
said["best"] = best.properties.get("best_child_run_id")
said["children"] = [child.name for child in client.jobs.list(parent_job_name=learned.name)]
said["flavor"] = "python_function" in next(Path("learned").rglob("MLmodel")).read_text()
said["count"] = next(Path("counted").rglob("count.txt")).read_text()
found = [path.read_text().splitlines() for path in Path("multiplied").rglob("*") if path.is_file()]
said["rows"] = sorted(row for lines in found for row in lines)
Path(os.environ["ANSWER"]).write_text(json.dumps(said))
