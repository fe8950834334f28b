"""What azure-ai-ml refuses before it sends anything is refused here, and what it takes is taken: siblings of each check."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from infra.local import bootstrap
from shared.catalog import yaml as translations
from shared.text.yaml_document import RefusedError
from tests.functional.yaml import conversation

ENVIRONMENT = 'environment: "azureml:e:1"'
JOB = f"{ENVIRONMENT}\ncompute: azureml:cpu\n"
SWEEP = "type: sweep\nobjective: {goal: minimize, primary_metric: m}\nlimits: {max_total_trials: 2}\nsampling_algorithm: random\n"
SWEEP += "search_space: {y: {type: choice, values: [1]}}\ncompute: azureml:cpu\n"
SPARK_SIZE = "resources: {instance_type: standard_e4s_v3, runtime_version: '3.3'}\n"
SPARK = f"type: spark\nentry: {{file: a.py}}\ncode: .\n{SPARK_SIZE}"
SPARK += "conf: {spark.driver.cores: 1, spark.driver.memory: 2g, spark.executor.cores: 2, spark.executor.memory: 2g, "
SPARK += "spark.executor.instances: 2}\n"
COMPONENT = f'name: c\nversion: "1"\ntype: command\n{ENVIRONMENT}\n'
NOWHERE = 'type: pipeline\ninputs: {seed: 1, rows: {type: uri_folder, path: "azureml:d:1"}}\njobs:\n'
PIPELINE = f"settings: {{default_compute: azureml:cpu}}\n{NOWHERE}"
FIRST = f"  a: {{type: command, command: echo, {ENVIRONMENT}, outputs: {{o: {{type: uri_folder}}}}}}\n"
OWN = f'  a: {{type: command, component: {{type: command, command: "ls ${{{{inputs.rows}}}}", {ENVIRONMENT}, inputs: '
OWN += "{rows: {type: uri_folder}, n: {type: integer, optional: true}, m: {type: number, default: 1}}, "
OWN += "outputs: {o: {type: uri_folder}}}"


ONLINE = f'name: blue\nendpoint_name: e1\ninstance_type: x\ninstance_count: 1\nmodel: "azureml:m:1"\n{ENVIRONMENT}\n'
BATCH = f'name: blue\nendpoint_name: e1\ncompute: azureml:cpu\nmodel: "azureml:m:1"\n{ENVIRONMENT}\n'
AUTOML = "type: automl\ntask: classification\nprimary_metric: accuracy\ntarget_column_name: y\ncompute: azureml:cpu\n"
AUTOML += "training_data: {type: mltable, path: table}\nlimits: {max_trials: 1}\n"
STEP = "type: pipeline\nsettings: {default_compute: azureml:cpu}\njobs:\n a:\n"
SWEPT = "  type: sweep\n  objective: {goal: minimize, primary_metric: m}\n  limits: {max_total_trials: 2}\n"
SWEPT += "  search_space: {y: {type: choice, values: [1]}}\n  sampling_algorithm: random\n"
SWEPT += f'  trial: {{type: command, command: "x ${{{{inputs.y}}}}", {ENVIRONMENT}, inputs: {{y: {{type: integer}}}}}}\n'
DAILY = 'name: s\ntrigger: {type: cron, expression: "0 6 * * *"}\n'
NEW = "\n"


def indented(text: str) -> str:
    """A file as the value of a field."""
    return "".join(f"  {line}\n" for line in text.splitlines())


FILES = {  # beside each of them
    "a.py": "",
    "rows.csv": "a\n1\n",
    "folder/a.py": "",
    "table/MLTable": "paths: [{file: ./rows.csv}]\n",
    "no-table/MLTable": "transformations: []\n",
    "job.yml": f"type: command\ncommand: echo\n{JOB}",
    "pipeline.yml": f"{PIPELINE}{FIRST}",
}


def second(value: str, part: str = "inputs") -> str:
    """A step that brings no component, bound to something."""
    return f'  b: {{type: command, command: "echo", {ENVIRONMENT}, {part}: {{i: "{value}"}}}}\n'


REFUSED = {
    "job/command": f'command: "echo ${{{{inputs.nope}}}}"\n{JOB}',
    "job/sweep": f'{SWEEP}trial: {{command: "x ${{{{inputs.a}}}} ${{{{search_space.z}}}}", {ENVIRONMENT}}}\n',
    "job/spark": f'{SPARK}args: "--a ${{{{inputs.nope}}}}"\n',
    "component/neither": f'{COMPONENT}command: "echo ${{{{inputs.rows}}}} ${{{{outputs.nope}}}}"\n',
    "component/search": f'{COMPONENT}command: "echo ${{{{search_space.x}}}}"\n',
    "component/member": f'{COMPONENT}command: "echo ${{{{inputs.rows.nope}}}}"\ninputs: {{rows: {{type: uri_folder}}}}\n',
    "component/optional": f'{COMPONENT}command: "echo $[[--x ${{{{inputs.nope}}}}]]"\n',
    "job/old-output": PIPELINE + FIRST + second("${{jobs.a.outputs.o}}"),
    "job/old-input": PIPELINE + FIRST + second("${{inputs.seed}}"),
    "job/old-outputs": PIPELINE + FIRST + second("${{outputs.seed}}"),
    "job/old-as-output": PIPELINE + FIRST + second("${{outputs.seed}}", "outputs"),
    "job/old-in-a-component": PIPELINE + OWN + ', inputs: {rows: "${{jobs.x.outputs.o}}"}}\n',
    "job/no-output": PIPELINE + FIRST + second("${{parent.jobs.a.outputs.nope}}"),
    "job/no-input": PIPELINE + FIRST + second("${{parent.jobs.a.inputs.nope}}"),
    "job/no-node": PIPELINE + FIRST + second("${{parent.jobs.zz.outputs.o}}"),
    "job/no-pipeline-input": PIPELINE + FIRST + second("${{parent.inputs.nope}}"),
    "job/no-pipeline-output": PIPELINE + FIRST + second("${{parent.outputs.nope}}", "outputs"),
    "job/no-output-of-a-component": PIPELINE
    + OWN
    + ', inputs: {rows: "${{parent.inputs.rows}}"}}\n'
    + second("${{parent.jobs.a.outputs.nope}}"),
    "job/no-output-of-a-named-one": PIPELINE
    + '  a: {type: command, component: "azureml:c:1"}\n'
    + second("${{parent.jobs.a.outputs.nope}}"),
    "job/command-of-a-step": f'{PIPELINE}  b: {{type: command, command: "echo ${{{{inputs.nope}}}}", {ENVIRONMENT}}}\n',
    "job/number-for-a-folder": PIPELINE + OWN + ", inputs: {rows: 12}}\n",
    "job/value-for-a-folder": PIPELINE + OWN + ", inputs: {rows: {value: 12}}}\n",
    "job/truth-for-a-folder": PIPELINE + OWN + ", inputs: {rows: true}}\n",
    "job/required-input": PIPELINE + OWN + "}\n",
    "job/no-compute": NOWHERE + FIRST,
    "job/no-compute-but-a-component": NOWHERE + '  a: {type: command, component: "azureml:c:1"}\n',
    "job/spark-without-memory": SPARK.replace("spark.driver.memory: 2g, ", ""),
    "job/spark-without-instances": SPARK.replace(", spark.executor.instances: 2", ", spark.x: 2").replace("  spark.x", ""),
    "job/spark-bounds-for-nothing": SPARK.replace(
        "spark.driver.cores: 1", "spark.driver.cores: 1, spark.dynamicAllocation.minExecutors: 1"
    ),
    "job/spark-no-bounds": SPARK.replace("spark.driver.cores: 1", "spark.driver.cores: 1, spark.dynamicAllocation.enabled: true"),
    "job/pipeline-without-type": NOWHERE.removeprefix("type: pipeline\n") + FIRST,
    "job/schema-of-nothing": f'$schema:\ncommand: "echo"\n{JOB}',
    "component/spark-without-type": 'name: c\nversion: "1"\nentry: {file: a.py}\ncode: .\n',
    "environment/conda-list": "name: e\nimage: x/y:1\nconda_file: [pip]\n",
    "environment/conda-number": "name: e\nimage: x/y:1\nconda_file: 12\n",
    "connection/no-key": "name: c\ntype: api_key\napi_base: https://x\n",
    "connection/half-a-password": "name: c\ntype: python_feed\ntarget: https://x\ncredentials: "
    "{type: username_password, password: x}\n",
    "connection/no-container": "name: c\ntype: azure_blob\nurl: https://x\naccount_name: a\n",
    "compute/identity-of-no-type": "name: cpu\ntype: amlcompute\nsize: Standard_D1\nidentity: {}\n",
    "compute/no-published-port": "name: ci\ntype: computeinstance\nsize: Standard_D1\ncustom_applications: "
    "[{name: a, image: {reference: x}, endpoints: [{target: 1}]}]\n",
    "online_deployment/endpoint-of-another-type": "name: blue\nendpoint_name: [e]\ninstance_type: x\ninstance_count: 1\n"
    'model: "azureml:m:1"\n',
    "component/default-of-an-integer": f"{COMPONENT}command: echo\ninputs: {{n: {{type: integer, default: many}}}}\n",
    "component/truth-for-an-integer": f"{COMPONENT}command: echo\ninputs: {{n: {{type: integer, default: true}}}}\n",
    "component/no-end-for-an-integer": f'{COMPONENT}command: echo\ninputs: {{n: {{type: integer, default: "inf"}}}}\n',
    "component/default-of-a-number": f"{COMPONENT}command: echo\ninputs: {{n: {{type: number, default: much}}}}\n",
    "component/default-of-a-boolean": f"{COMPONENT}command: echo\ninputs: {{n: {{type: boolean, default: 1}}}}\n",
    "component/bound-of-an-integer": f"{COMPONENT}command: echo\ninputs: {{n: {{type: integer, min: many}}}}\n",
    "component/bound-of-a-string": f"{COMPONENT}command: echo\ninputs: {{n: {{type: string, max: 3}}}}\n",
    "component/default-of-data": f"{COMPONENT}command: echo\ninputs: {{n: {{type: uri_folder, default: x}}}}\n",
    "component/default-in-a-pipeline": 'name: c\nversion: "1"\ntype: pipeline\njobs: {}\n'
    "inputs: {n: {type: integer, default: many}}\n",
    "job/default-of-a-steps-component": PIPELINE
    + OWN.replace("default: 1", "default: much")
    + ', inputs: {rows: "azureml:d:1"}}\n',
    "datastore/no-such-credential": "name: d\ntype: azure_blob\naccount_name: a\ncontainer_name: c\ncredentials: {sas: x}\n",
    "environment/bare": "name: e\n",
    "environment/image-and-build": "name: e\nimage: x\nbuild: {path: folder}\n",
    "data/file-for-a-folder": "name: d\npath: rows.csv\ntype: uri_folder\n",
    "data/file-for-no-type": "name: d\npath: rows.csv\n",
    "data/folder-for-a-file": "name: d\npath: folder/\ntype: uri_file\n",
    "data/folder-for-a-table": "name: d\npath: folder\ntype: mltable\n",
    "data/table-of-no-paths": "name: d\npath: no-table\ntype: mltable\n",
    "model/file-for-mlflow": "name: m\npath: rows.csv\ntype: mlflow_model\n",
    "model/remote-file-for-mlflow": "name: m\npath: azureml://datastores/a/paths/x/model.pkl\ntype: mlflow_model\n",
    "online_deployment/no-script": f"{ONLINE}code_configuration: {{code: folder}}\n",
    "online_deployment/no-code": f"{ONLINE}code_configuration: {{scoring_script: a.py}}\n",
    "online_deployment/code-elsewhere": f"{ONLINE}code_configuration: {{code: 'git+https://x/y', scoring_script: a.py}}\n",
    "online_deployment/script-not-there": f"{ONLINE}code_configuration: {{code: folder, scoring_script: b.py}}\n",
    "online_deployment/code-is-a-file": f"{ONLINE}code_configuration: {{code: rows.csv, scoring_script: a.py}}\n",
    "batch_deployment/script-not-there": f"{BATCH}code_configuration: {{code: folder, scoring_script: b.py}}\n",
    "job/sweep-here": SWEEP.replace("azureml:cpu", "local") + f'trial: {{command: "x ${{{{search_space.y}}}}", {ENVIRONMENT}}}\n',
    "job/pipeline-here": f"compute: local\n{NOWHERE}{FIRST}",
    "job/automl-here": AUTOML.replace("azureml:cpu", "Local"),
    "job/pipeline-on-nothing": f'compute: ""\n{NOWHERE}{FIRST}',
    "job/spark-twice": f"{SPARK}compute: azureml:cpu\n",
    "job/spark-nowhere": SPARK.replace(SPARK_SIZE, ""),
    "job/spark-size": SPARK.replace("standard_e4s_v3", "standard_ds3_v2"),
    "job/spark-half-a-size": SPARK.replace("instance_type: standard_e4s_v3, ", ""),
    "job/spark-class": SPARK.replace("file: a.py", "class_name: a.B"),
    "job/spark-file-not-there": SPARK.replace("a.py", "b.py"),
    "job/spark-mounts": f"{SPARK}inputs: {{i: {{type: uri_file, path: azureml://datastores/a/paths/b}}}}\n",
    "job/spark-uploads": f"{SPARK}outputs: {{o: {{type: uri_folder, mode: upload}}}}\n",
    "job/spark-step-mounts": STEP + indented(f"{SPARK}inputs: {{i: {{type: uri_file, path: azureml://datastores/a/paths/b}}}}\n"),
    "job/spark-step-without-its-file": STEP + indented(SPARK.replace("a.py", "b.py")),
    "job/sweep-step-without-an-input": STEP + SWEPT.replace("search_space: {y:", "search_space: {z:"),
    "schedule/time-without-quotes": DAILY.replace("}", ", start_time: 2026-12-02T00:00:00}") + "create_job: azureml:j1\n",
    "job/code-of-a-step-left-empty": f"{PIPELINE}  a: {{type: command, command: echo, code: , {ENVIRONMENT}}}\n",
    "job/parallel-component-of-no-type": STEP + "  type: parallel\n  component: {a: 1}\n",
    "online_deployment/scaled": f"{ONLINE}scale_settings: {{type: target_utilization}}\n",
    "online_endpoint/too-much": "name: endpoint\nauth_mode: key\ntraffic: {a: 60, b: 60}\n",
    "schedule/inline-command": f"{DAILY}create_job:\n{indented(f'type: command{NEW}command: echo{NEW}{JOB}')}",
    "schedule/inline-pipeline": f"{DAILY}create_job:\n{indented(PIPELINE)}  {FIRST}",
    "schedule/inline-job": f"{DAILY}create_job: {{type: command, job: {{command: echo, {ENVIRONMENT}, compute: azureml:cpu}}}}\n",
    "schedule/command": f"{DAILY}create_job: ./job.yml\n",
    "schedule/command-changed": f"{DAILY}create_job: {{type: command, job: ./job.yml, compute: azureml:cpu}}\n",
    "schedule/command-as-a-pipeline": f"{DAILY}create_job: {{type: pipeline, job: ./job.yml}}\n",
    "schedule/reference-of-no-type": f"{DAILY}create_job: {{job: azureml:j1}}\n",
    "schedule/file-prefix": f"{DAILY}create_job: file:./pipeline.yml\n",
    "environment/conda": "name: e\nconda_file: {dependencies: [pip]}\n",
    "job/conda": "command: echo\nenvironment: {conda_file: {dependencies: [pip]}}\ncompute: azureml:cpu\n",
    "component/conda": 'name: c\nversion: "1"\ntype: command\ncommand: echo\nenvironment: {conda_file: {dependencies: [pip]}}\n',
}
TAKEN = {
    "job/optional": f'command: "echo $[[--x ${{{{inputs.nope}}}}]] [${{{{inputs.opt}}}}]"\n{JOB}',
    "job/other-roots": f'command: "echo ${{{{ inputs.nope }}}} ${{{{outputs.nope}}}} ${{{{search_space.q}}}}"\n{JOB}',
    "component/bounds": f"{COMPONENT}command: echo\ninputs: "
    "{n: {type: integer, min: '1.5', max: 2.5}, m: {type: number, max: '3'}}\n",
    "component/groups": f'{COMPONENT}command: "echo ${{{{inputs.rows.path}}}} ${{{{inputs.g.x}}}} ${{{{name}}}} "\n'
    "inputs: {rows: {type: uri_folder}, g.x: {type: string}}\n",
    "component/defaults": f"{COMPONENT}command: echo\ninputs: "
    "{a: {type: integer, default: '10.0'}, b: {type: integer, default: 1.5}, c: {type: boolean, default: 'TRUE'}, "
    "d: {type: number, default: '1e3'}, e: {type: string, default: 5}, f: {type: integer, default: 7, min: 1, max: 9}}\n",
    "component/type-left-empty": COMPONENT.replace("type: command", "type:") + "command: echo\n",
    "component/empty-settings": 'name: c\nversion: "1"\ntype: pipeline\nsettings: {}\njobs: '
    '{a: {type: command, component: "azureml:x:1"}}\n',
    "batch_endpoint/key": "name: abc\nauth_mode: key\n",
    "batch_endpoint/token": "name: abc\nauth_mode: aml_token\n",
    "batch_endpoint/unsaid": "name: abc\n",
    "job/other-parent": PIPELINE + FIRST + second("${{parent.foo.bar}}"),
    "job/text-around": PIPELINE + FIRST + second("${{parent.inputs.rows}}/x.csv"),
    "job/left-to-azure": PIPELINE + OWN + ', inputs: {rows: "${{parent.inputs.nope}}"}}\n',
    "job/node-left-to-azure": PIPELINE + OWN + ', inputs: {rows: "${{parent.jobs.zz.outputs.o}}"}}\n',
    "job/compute-of-the-pipeline": "compute: azureml:cpu\n" + NOWHERE + FIRST,
    "environment/empty-image": 'name: e\nimage: ""\n',
    "job/spark-whole": SPARK,
    "data/folder": "name: d\npath: folder\n",
    "data/file": "name: d\npath: rows.csv\ntype: uri_file\n",
    "data/table": "name: d\npath: table\ntype: mltable\n",
    "data/remote-table": "name: d\npath: azureml://datastores/a/paths/x\ntype: mltable\n",
    "model/mlflow": "name: m\npath: folder\ntype: mlflow_model\n",
    "job/input-of-another-type": f"command: echo\n{JOB}inputs: {{i: {{type: uri_folder, path: rows.csv}}}}\n",
    "online_deployment/script": f"{ONLINE}code_configuration: {{code: folder, scoring_script: a.py}}\n",
    "online_deployment/script-above": f"{ONLINE}code_configuration: {{code: folder/, scoring_script: ../a.py}}\n",
    "online_deployment/registered-code": f'{ONLINE}code_configuration: {{code: "azureml:c:1", scoring_script: b.py}}\n',
    "batch_deployment/a-compute-called-local": BATCH.replace("azureml:cpu", "local"),
    "job/step-on-a-compute-called-local": f"{NOWHERE}  a: {{type: command, command: echo, {ENVIRONMENT}, compute: local}}\n",
    "job/default-called-local": PIPELINE.replace("azureml:cpu", "azureml:local") + FIRST,
    "job/here": f"command: echo\n{JOB}".replace("azureml:cpu", "azureml:local"),
    "job/spark-here": SPARK.replace(SPARK_SIZE, "compute: local\n"),
    "job/spark-size-in-capitals": SPARK.replace("standard_e4s", "Standard_E4S"),
    "job/spark-direct": f"{SPARK}inputs: {{i: {{type: uri_file, path: azureml://datastores/a/paths/b, mode: direct}}}}\n",
    "job/spark-step": STEP + indented(SPARK),
    "job/spark-step-without-code": STEP + indented(SPARK.replace("code: .\n", "")),
    "job/sweep-step": STEP + SWEPT,
    "schedule/time-in-quotes": DAILY.replace("}", ', start_time: "2026-12-02T00:00:00"}') + "create_job: azureml:j1\n",
    "job/code-of-a-named-step-left-empty": STEP + "  type: command\n  component: azureml:c:1\n  code:\n",
    "online_deployment/kubernetes-scaled": f"{ONLINE}type: kubernetes\nscale_settings: {{type: target_utilization}}\n",
    "online_endpoint/part": "name: endpoint\nauth_mode: key\ntraffic: {a: 60, b: 20}\n",
    "schedule/of-a-pipeline": f"{DAILY}create_job: ./pipeline.yml\n",
    "schedule/pipeline-changed": f"{DAILY}create_job: {{type: pipeline, job: ./pipeline.yml, settings: {{force_rerun: true}}}}\n",
    "schedule/pipeline-of-no-type": f"{DAILY}create_job: {{job: ./pipeline.yml}}\n",
    "schedule/reference": f"{DAILY}create_job: {{type: pipeline, job: azureml:j1}}\n",
    "schedule/reference-changed": f"{DAILY}create_job: {{type: pipeline, job: azureml:j1, settings: {{force_rerun: true}}}}\n",
    "compute/no-namespace": "name: k\ntype: kubernetes\nresource_id: /subscriptions/s/x\n",
    "connection/managed-identity": "name: c\ntype: s3\ntarget: https://x\ncredentials: {type: managed_identity}\n",
}


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What azure-ai-ml says of each."""
    subprocess.run([sys.executable, bootstrap.__file__, "sdk"], check=True, capture_output=True)
    folder = tmp_path_factory.mktemp("verdicts")
    for name, text in {**REFUSED, **TAKEN}.items():
        file = folder / f"{name}.yml"
        beside(file.parent)
        file.write_text(text)
    cases = [{"file": f"{name}.yml", "loader": name.partition("/")[0]} for name in (*REFUSED, *TAKEN)]
    command = [str(bootstrap.SDK_VENV / "bin" / "python"), "-W", "ignore", str(Path(__file__).with_name("oracle.py"))]
    done = subprocess.run(command, input=json.dumps(cases), capture_output=True, text=True, cwd=folder, check=False)
    assert not done.returncode, done.stderr[-2000:]
    return {answer["file"].removesuffix(".yml"): answer for answer in map(json.loads, done.stdout.splitlines())}


def beside(folder: Path) -> None:
    """Write the files that the cases name."""
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def translated(name: str, text: str, folder: Path) -> translations.Translation:
    """Translate as a request would that brings the files."""
    beside(folder)

    def read(path: str) -> str | None:
        return (folder / path).read_text() if (folder / path).is_file() else None

    target = conversation.target(name.partition("/")[0], text)
    out = translations.translate(text, target=target, location="eastus", files=read)
    conversation.check_files(out, folder)
    return out


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", REFUSED)
def test_what_the_sdk_refuses_is_refused_with_its_place(name: str, verdicts: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    """Before anything is sent, with line and column."""
    assert verdicts[name].get("error") or verdicts[name].get("after")
    with pytest.raises(RefusedError, match=r"line \d+, column \d+\)"):
        translated(name, REFUSED[name], tmp_path)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", TAKEN)
def test_what_the_sdk_takes_is_taken(name: str, verdicts: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    """And the body is the same."""
    assert not verdicts[name].get("error"), verdicts[name]["error"]
    assert not verdicts[name].get("after"), verdicts[name]["after"]
    ours = conversation.carried_out(translated(name, TAKEN[name], tmp_path))
    path, theirs = conversation.sent(verdicts[name])
    conversation.without_made_up_names(name.partition("/")[0], path, theirs, ours)
    assert ours == theirs
