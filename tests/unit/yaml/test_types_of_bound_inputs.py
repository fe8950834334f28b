"""A job inside a pipeline takes the types of its inputs from what they are bound to, as azure-ai-ml 1.35 does."""

from typing import Any

import pytest

from shared.catalog import yaml as translations

STEP = {"type": "command", "command": "echo", "environment": "azureml:plain:1", "compute": "azureml:cpu"}

LITERALS = [
    (0, "integer"),
    (5, "integer"),
    (0.0, "number"),
    (0.5, "number"),
    (False, "boolean"),
    (True, "boolean"),
    ("", "string"),
    ("x", "string"),
]


def translated(pipeline: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the specifications of the components that a pipeline brings along, in the order of its jobs."""
    import yaml

    made = translations.translate(yaml.safe_dump({"type": "pipeline", **pipeline}, sort_keys=False), kind="job").to_json()
    return [each["body"]["properties"]["componentSpec"] for each in made["registrations"]]


@pytest.mark.parametrize(("value", "kind"), LITERALS, ids=repr)
def test_an_input_bound_to_the_pipelines_has_its_values_type(value: object, kind: str) -> None:
    """0, false and the empty text are values."""
    step = {**STEP, "inputs": {"seed": "${{parent.inputs.seed}}"}}
    assert translated({"inputs": {"seed": value}, "jobs": {"train": step}})[0]["inputs"] == {"seed": {"type": kind}}


@pytest.mark.parametrize(("value", "kind"), LITERALS, ids=repr)
def test_an_input_bound_to_another_jobs_has_its_values_type(value: object, kind: str) -> None:
    """However many jobs lie between them."""
    first = {**STEP, "inputs": {"seed": value}}
    second = {**STEP, "inputs": {"seed": "${{parent.jobs.first.inputs.seed}}"}}
    third = {**STEP, "inputs": {"seed": "${{parent.jobs.second.inputs.seed}}"}}
    made = translated({"jobs": {"first": first, "second": second, "third": third}})
    assert {each["inputs"]["seed"]["type"] for each in made} == {kind}  # equal components are registered once


def test_an_output_that_is_only_named_is_a_folder() -> None:
    """Nothing is written there, which is something else than a value that counts as false."""
    first = {**STEP, "outputs": {"made": "${{parent.outputs.made}}"}}
    second = {**STEP, "inputs": {"made": "${{parent.jobs.first.outputs.made}}"}}
    made = translated({"outputs": {"made": None}, "jobs": {"first": first, "second": second}})
    assert made[0]["outputs"] == {"made": {"type": "uri_folder"}}
    assert made[1]["inputs"] == {"made": {"type": "uri_folder"}}
