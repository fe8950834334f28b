"""A batch deployment of a pipeline component: an invocation is a pipeline job that really runs."""

from typing import Any

import pytest

from infra.local.emulator import scene
from tests.functional.emulator.bodies import PLACE
from tests.functional.emulator.client import Client, until

pytestmark = pytest.mark.nightly


@pytest.fixture
def endpoint(azure: Client) -> str:
    """A batch endpoint whose default deployment copies a folder, so many times, in two steps: its workspace's id."""
    workspace = azure.workspace()
    azure.arm("PUT", f"{workspace}/environments/env/versions/1", {"properties": {"image": "ubuntu:22.04"}})
    commands = {
        "repeat": "for n in $(seq ${{inputs.times}}); do cat ${{inputs.rows}}/*.txt >> ${{outputs.out}}/all.txt; done",
        "sort": "sort ${{inputs.rows}}/all.txt > ${{outputs.out}}/sorted.txt",
    }
    for name, command in commands.items():
        spec = {
            "type": "command",
            "name": name,
            "inputs": {"rows": {"type": "uri_folder"}, "times": {"type": "integer", "default": "1"}},
            "outputs": {"out": {"type": "uri_folder"}},
            "environment": f"azureml:{workspace}/environments/env/versions/1",
            "command": command,
        }
        azure.arm("PUT", f"{workspace}/components/{name}/versions/1", {"properties": {"componentSpec": spec}})
    jobs = {
        "repeat": {
            "type": "command",
            "componentId": f"{workspace}/components/repeat/versions/1",
            "inputs": {
                name: {"job_input_type": "literal", "value": f"${{{{parent.inputs.{name}}}}}"} for name in ("rows", "times")
            },
        },
        "sort": {
            "type": "command",
            "componentId": f"{workspace}/components/sort/versions/1",
            "inputs": {"rows": {"job_input_type": "literal", "value": "${{parent.jobs.repeat.outputs.out}}"}},
            "outputs": {"out": {"value": "${{parent.outputs.sorted}}", "type": "literal"}},
        },
    }
    spec = {
        "type": "pipeline",
        "name": "whole",
        "inputs": {"rows": {"type": "uri_folder"}, "times": {"type": "integer"}},
        "outputs": {"sorted": {"type": "uri_folder"}},
        "jobs": jobs,
    }
    azure.arm("PUT", f"{workspace}/components/whole/versions/1", {"properties": {"componentSpec": spec}})
    azure.arm("PUT", f"{workspace}/batchEndpoints/piped", {**PLACE, "properties": {"authMode": "AADToken"}})
    deployment = configuration(f"{workspace}/components/whole/versions/1")
    answer = azure.arm("PUT", f"{workspace}/batchEndpoints/piped/deployments/blue", deployment)
    assert answer.status_code == 201, answer.text
    azure.arm("GET", answer.headers["Azure-AsyncOperation"])
    defaults = {"authMode": "AADToken", "defaults": {"deploymentName": "blue"}}
    azure.arm("PUT", f"{workspace}/batchEndpoints/piped", {**PLACE, "properties": defaults})
    return workspace


def configuration(component: str) -> dict[str, Any]:
    """A deployment's body."""
    inner = {
        "deploymentConfigurationType": "PipelineComponent",
        "componentId": {"referenceType": "Id", "assetId": component},
        "settings": {"continue_on_step_failure": "False"},
    }
    return {**PLACE, "properties": {"deploymentConfiguration": inner}}


def invoke(azure: Client, inputs: dict[str, Any]) -> Any:
    """One call of the endpoint's host."""
    headers = {"Authorization": f"Bearer {azure.token('https://ml.azure.com')}"}
    url = f"https://piped.{scene.LOCATION}.inference.ml.azure.com/jobs"
    return azure.session.post(url, json={"properties": {"InputData": inputs}}, headers=headers, timeout=60)


def test_an_invocation_runs_the_pipeline_with_the_calls_inputs(azure: Client, upload: Any, endpoint: str) -> None:
    """201 with a pipeline job; its output is what the last step made of the folder."""
    rows = upload(endpoint, {"b.txt": b"2\n", "a.txt": b"1\n"})
    inputs = {"rows": {"JobInputType": "UriFolder", "Uri": rows}, "times": {"JobInputType": "Literal", "Value": "2"}}
    answer = invoke(azure, inputs)
    assert answer.status_code == 201, answer.text
    name = answer.json()["name"]
    until(lambda: azure.arm("GET", f"{endpoint}/jobs/{name}").json()["properties"]["status"] in {"Completed", "Failed"})
    job = azure.arm("GET", f"{endpoint}/jobs/{name}").json()["properties"]
    assert (job["status"], job["jobType"]) == ("Completed", "Pipeline")
    show = {
        "jobType": "Command",
        "command": 'test "$(cat ${{inputs.made}}/sorted.txt | tr -d "\\n")" = 1122',
        "environmentId": f"{endpoint}/environments/env/versions/1",
        "inputs": {"made": {"jobInputType": "uri_folder", "uri": f"azureml://jobs/{name}/outputs/sorted/paths/"}},
    }
    azure.arm("PUT", f"{endpoint}/jobs/show", {"properties": show})
    until(lambda: azure.arm("GET", f"{endpoint}/jobs/show").json()["properties"]["status"] in {"Completed", "Failed"})
    assert azure.arm("GET", f"{endpoint}/jobs/show").json()["properties"]["status"] == "Completed"


def test_an_invocation_without_an_input_of_the_component_is_refused(azure: Client, endpoint: str) -> None:
    """400, and no job."""
    answer = invoke(azure, {"times": {"JobInputType": "Literal", "Value": "2"}})
    assert answer.status_code == 400
    assert "'rows'" in answer.text
    assert azure.arm("GET", f"{endpoint}/jobs").json()["value"] == []


def test_a_deployment_of_a_component_that_is_not_there_is_refused(azure: Client, endpoint: str) -> None:
    """400 ComponentNotFound."""
    path = f"{endpoint}/batchEndpoints/piped/deployments/green"
    answer = azure.arm("PUT", path, configuration(f"{endpoint}/components/absent/versions/1"))
    assert answer.status_code == 400
    assert "ComponentNotFound" in answer.text
