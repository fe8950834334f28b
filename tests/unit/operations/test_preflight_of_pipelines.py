"""What a pipeline's steps are given, beside what their registered components declare."""

from __future__ import annotations

from typing import Any

from shared.catalog import paths
from shared.preflight import checks, wiring
from tests import tables
from tests.unit.operations.test_preflight import Azure
from tests.unit.operations.test_preflight_of_changes import SCOPE

INPUTS = {"rows": {"type": "uri_folder"}, "rate": {"type": "number", "default": "1"}, "note": {"type": "string", "optional": True}}
COMPONENT = {"properties": {"componentSpec": {"inputs": INPUTS}}}
DATA = {"job_input_type": "uri_folder", "uri": "azureml:rows:1"}


def bound(text: str) -> dict[str, str]:
    """A binding, as the SDK sends it."""
    return {"job_input_type": "literal", "value": "${{" + text + "}}"}


def codes(inputs: dict[str, Any], above: dict[str, Any], component: str = "azureml:c:1", **answers: Any) -> set[tuple[Any, str]]:
    """Return verdict and code of each step."""
    step = {"type": "command", "componentId": component, "inputs": inputs}
    body = {"properties": {"jobType": "Pipeline", "inputs": above, "jobs": {"one": step, "two": {"componentId": "azureml:d:1"}}}}
    azure: Any = Azure(**answers)
    found = checks.run(paths.resolve("workspaces/w1/jobs/j1", SCOPE), body, azure)
    return {(each.ok, each.code) for each in found if each.check == wiring.CHECK and ".one" in each.target}


@tables.each(
    ("inputs", "above", "wanted"),
    [
        ({"rows": DATA}, {}, {(True, "Ok")}),
        ({"rows": bound("parent.inputs.all")}, {"all": DATA}, {(True, "Ok")}),
        ({"rows": bound("parent.jobs.two.outputs.o")}, {}, {(True, "Ok")}),
        ({}, {}, {(False, "MissingInput")}),
        ({"rows": {"job_input_type": "literal", "value": "12"}}, {}, {(False, "InvalidInputType")}),
        ({"rows": bound("parent.inputs.seed")}, {"seed": {"jobInputType": "literal", "value": "0"}}, {(False, "InvalidInputType")}),
        ({"rows": bound("parent.inputs.nope")}, {"all": DATA}, {(False, "InvalidBinding")}),
        ({"rows": bound("parent.jobs.three.outputs.o")}, {}, {(False, "InvalidBinding")}),
        ({"rows": DATA, "rate": {"job_input_type": "literal", "value": "2"}}, {}, {(True, "Ok")}),
    ],
)
def test_each_step_is_compared_with_its_component(
    inputs: dict[str, Any], above: dict[str, Any], wanted: set[tuple[Any, str]]
) -> None:
    """Missing, a value for data, a binding that refers to nothing; what is well is said to be."""
    assert codes(inputs, above, components=COMPONENT) == wanted


def test_a_component_that_is_not_read_is_unknown() -> None:
    """Of a registry, not there, or without inputs that can be read: never `ok`."""
    assert codes({"rows": DATA}, {}, "azureml://registries/r/components/c/versions/1") == {(None, "Unknown")}
    assert codes({"rows": DATA}, {}) == {(None, "Unknown")}
