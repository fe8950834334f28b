"""Checks the inputs of pipeline steps against their registered components: missing inputs, wrong types, bad references.

Not here: YAML that contains its components (catalog.yaml, which checks them before anything is sent).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from shared.catalog import bodies
from shared.preflight.findings import Finding
from shared.rest import errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.preflight.findings import Question

CHECK = "wiring"
STEPS_LIMIT = 50  # steps of one pipeline whose components are read at most
_DATA = frozenset({"uri_file", "uri_folder", "mltable", "mlflow_model", "custom_model", "triton_model"})
_TYPE_NAMES = ("job_input_type", "jobInputType")
_BOUND = re.compile(r"\$\{\{\s*parent\.(inputs|jobs)\.([\w-]+)(?:\.outputs\.[\w-]+)?\s*\}\}")


def check(question: Question) -> Iterator[Finding]:
    """Yield what is wrong with each step's inputs."""
    steps = bodies.dig(question.body, "properties.jobs")
    if str(bodies.dig(question.body, "properties.jobType") or "").lower() != "pipeline" or not isinstance(steps, dict):
        return
    given = bodies.dig(question.body, "properties.inputs")
    above: dict[str, Any] = given if isinstance(given, dict) else {}
    for name, step in list(steps.items())[:STEPS_LIMIT]:
        at = f"properties.jobs.{name[:80]}"
        declared, problem = _declared(question, step)
        if problem:
            yield Finding(check=CHECK, target=at, ok=None, code="Unknown", message=problem)
            continue
        wrong = list(_of_a_step(at, step, declared, above, steps))
        message = "The inputs match the component."
        yield from wrong or [Finding(check=CHECK, target=at, ok=True, code="Ok", message=message)]
    if len(steps) > STEPS_LIMIT:
        message = f"{len(steps) - STEPS_LIMIT} more steps were not checked."
        yield Finding(check=CHECK, target="properties.jobs", ok=None, code="Unknown", message=message)


def _declared(question: Question, step: Any) -> tuple[dict[str, Any], str]:
    """Return the inputs of a step's component, and why they are not known ('' if they are)."""
    text = next((found for path in ("componentId", "trial.componentId") if isinstance(found := bodies.dig(step, path), str)), "")
    if not text:
        return {}, "The step has no component; its inputs were not checked."
    try:
        spec = bodies.dig(question.properties_of("components", text), "componentSpec")
    except errors.StewardError:
        return {}, f"The component '{text[:150]}' was not checked."
    if not isinstance(spec, dict):
        return {}, f"The component '{text[:150]}' could not be read."
    inputs = spec.get("inputs")
    return inputs if isinstance(inputs, dict) else {}, ""


def _of_a_step(at: str, step: Any, declared: dict[str, Any], above: dict[str, Any], steps: dict[str, Any]) -> Iterator[Finding]:
    found = step.get("inputs")
    given: dict[str, Any] = found if isinstance(found, dict) else {}
    for name, row in declared.items():
        where = f"{at}.inputs.{name[:80]}"
        kind = str(row.get("type", "")).lower() if isinstance(row, dict) else ""
        needed = isinstance(row, dict) and row.get("default") is None and str(row.get("optional")).lower() != "true"
        if name not in given and needed:
            yield _wrong(where, "MissingInput", f"The component needs the input '{name[:80]}' ({kind}); the step does not set it.")
        elif kind in _DATA and _is_value(given.get(name), above):
            message = (
                f"The component's input '{name[:80]}' is a {kind}, but the step gives a literal value. Give it data, or a path."
            )
            yield _wrong(where, "InvalidInputType", message)
    for name, each in given.items():
        match = _BOUND.fullmatch(_text(each).strip())
        if match and match[2] not in (above if match[1] == "inputs" else steps):
            there = ", ".join(sorted(above if match[1] == "inputs" else steps)) or "nothing"
            message = f"'{_text(each)[:100]}' does not exist; the pipeline has these {match[1]}: {there[:300]}."
            yield _wrong(f"{at}.inputs.{name[:80]}", "InvalidBinding", message)


def _is_value(given: Any, above: dict[str, Any]) -> bool:
    """Return whether an input is a literal value, directly or through an input of the pipeline."""
    match = _BOUND.fullmatch(_text(given).strip())
    if match:
        return match[1] == "inputs" and match[2] in above and _is_value(above[match[2]], {})
    kind = next((each.get(name) for each in (given,) if isinstance(each, dict) for name in _TYPE_NAMES if name in each), "literal")
    return given is not None and str(kind).lower() == "literal" and "${{" not in _text(given)


def _text(given: Any) -> str:
    value = given.get("value", given.get("uri", given.get("path"))) if isinstance(given, dict) else given
    return str(value) if isinstance(value, str | int | float) else ""


def _wrong(target: str, code: str, message: str) -> Finding:
    return Finding(check=CHECK, target=target, ok=False, code=code, message=message)
