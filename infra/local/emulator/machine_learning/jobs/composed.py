"""Pipeline jobs as ARM takes them: judged and turned into what the runner plays; each step by its own kind's rules.

Everything that can be wrong is refused here, before a job exists: components, references, expressions.
Not here: running (`runner/pipeline.py`), a sweep (`sweep.py`), AutoML (`automl.py`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from infra.local.emulator.machine_learning import references, scope
from infra.local.emulator.machine_learning.jobs import automl as automl_jobs
from infra.local.emulator.machine_learning.jobs import command as command_jobs
from infra.local.emulator.machine_learning.jobs import parallel as parallel_steps
from infra.local.emulator.machine_learning.jobs import spark as spark_jobs
from infra.local.emulator.machine_learning.jobs import sweep as sweep_jobs
from infra.local.emulator.runner import automl_job, pipeline
from infra.local.emulator.runner.sweeps import sweep

if TYPE_CHECKING:
    from infra.local.emulator.resources import Resource
    from infra.local.emulator.runner.stage import Play
    from infra.local.emulator.world import World

_DATA = frozenset({"uri_file", "uri_folder", "mltable", "custom_model", "mlflow_model", "triton_model"})
_DEEPEST = 10
_KINDS = {"spark": "Spark"}  # all other processes are command jobs
_LITERALS = frozenset({"number", "integer", "boolean", "string", "literal", "float", "bool", "enum"})


def play_of(world: World, workspace: Resource, properties: dict[str, Any], kind: str) -> Play:
    """What the runner does for a job of kind `Sweep`, `AutoML` or `Pipeline`.

    Raises:
        web.Refused: 400, with what is wrong.
    """
    outputs = command_jobs.objects(properties, "outputs")
    if kind == "Sweep":
        inputs = command_jobs.objects(properties, "inputs")
        return partial(sweep.play, sweep_jobs.of(world, workspace, properties, inputs, outputs), inputs, outputs)
    if kind == "AutoML":
        search, data = automl_jobs.of(world, workspace, properties)
        return partial(automl_job.play, search, data, outputs)
    spec = _component(world, workspace, properties) if properties.get("componentId") and not properties.get("jobs") else {}
    inputs = _given(spec, command_jobs.objects(properties, "inputs"), "the pipeline")
    made = _pipeline(world, workspace, {**spec, **{name: one for name, one in properties.items() if one}}, "", 0)
    return partial(pipeline.play, made, inputs, outputs)


# ── pipelines ────────────────────────────────────────────────────────────────────────────────────────────────────────
def _pipeline(world: World, workspace: Resource, spec: Mapping[str, Any], compute: str, depth: int) -> pipeline.Pipeline:
    if depth > _DEEPEST:
        raise scope.invalid("The pipeline is nested too deeply.", "InvalidPipeline")
    settings = spec.get("settings") if isinstance(spec.get("settings"), dict) else {}
    compute = str((settings or {}).get("default_compute") or spec.get("computeId") or compute)
    jobs = spec.get("jobs")
    if not isinstance(jobs, dict) or not jobs:
        raise scope.invalid("A pipeline has at least one job.", "InvalidPipeline")
    experiment = str(spec.get("experimentName") or "Default")
    try:
        given = command_jobs.objects(spec, "inputs")
        values = frozenset(name for name, one in given.items() if _is_value(_input(one), frozenset()))
        steps = tuple(_step(world, workspace, name, one, compute, experiment, depth, values) for name, one in jobs.items())
        pipeline.order(steps)
    except (AttributeError, TypeError, KeyError) as error:  # nodes are free form: anything may stand where a setting is expected
        raise scope.invalid(f"A job of the pipeline is malformed: {error}", "InvalidPipeline") from None
    except ValueError as error:
        raise scope.invalid(str(error), "InvalidPipeline") from None
    go_on = str((settings or {}).get("continue_on_step_failure")).lower() == "true"  # a deployment's settings are texts
    return pipeline.Pipeline(experiment=experiment, steps=steps, go_on=go_on)


def _step(  # noqa: PLR0913, PLR0917 - what a step gets of its pipeline; `values` are those of its inputs that are no data
    world: World, workspace: Resource, name: str, node: Any, compute: str, experiment: str, depth: int, values: frozenset[str]
) -> pipeline.Step:
    if not isinstance(node, dict):
        raise scope.invalid(f"The job {name} of the pipeline is not an object.", "InvalidPipeline")
    if str(node.get("type") or "").lower() == "automl":
        return _automl_step(world, workspace, name, node, compute, experiment)
    swept = str(node.get("type") or "").lower() == "sweep"
    carrier = command_jobs.objects(node, "trial") if swept else node
    spec = _component(world, workspace, carrier if carrier.get("componentId") else node)
    kind = str(spec.get("type") or "command").lower()
    inputs = _given(spec, {key: _input(one) for key, one in command_jobs.objects(node, "inputs").items()}, f"the job {name}", node)
    for key, one in inputs.items():
        declared = (spec.get("inputs") or {}).get(key)
        if isinstance(declared, dict) and declared.get("type") in _DATA and _is_value(one, values):
            text = f"The input '{key}' of the job {name} is a {declared['type']}; a value was given."
            raise scope.invalid(text, "InvalidInputType")
    outputs, gives = _outputs(spec, command_jobs.objects(node, "outputs"))
    target = str(node.get("computeId") or node.get("compute") or compute)
    if kind == "pipeline":
        work: Any = _pipeline(world, workspace, {**spec, "experimentName": experiment}, target, depth + 1)
        return pipeline.Step(name=name, kind="Pipeline", work=work, inputs=inputs, outputs=outputs, gives=gives)
    if kind not in {"command", "parallel", "spark"}:
        raise scope.invalid(f"There is no step of type {kind} ({name}).", "JobTypeNotSupported")
    properties = {
        "command": spec.get("command"),
        "codeId": carrier.get("code") or node.get("code") or spec.get("code"),
        "environmentId": node.get("environment") or carrier.get("environment") or spec.get("environment"),
        "environmentVariables": {
            **(spec.get("environment_variables") or {}),
            **(node.get("environment_variables") or node.get("environmentVariables") or {}),
        },
        "computeId": target,
        "experimentName": experiment,
        "limits": node.get("limits") if not swept else None,
        "distribution": _distribution(node.get("distribution") or spec.get("distribution")),
        "resources": _resources(node.get("resources") or spec.get("resources")),
        "inputs": inputs,
        "outputs": outputs,
    }
    own = {key: one for key, one in node.items() if one is not None and key not in {"inputs", "outputs"}}
    if swept:
        work = sweep_jobs.of_step(world, workspace, node, properties)
    elif kind == "parallel":
        work = parallel_steps.request(world, workspace, {**spec, **own}, properties)
    elif kind == "spark":
        work = spark_jobs.of_step(world, workspace, {**spec, **own}, properties)
    else:
        work = command_jobs.request(world, workspace, "", properties)
    return pipeline.Step(
        name=name, kind="Sweep" if swept else _KINDS.get(kind, "Command"), work=work, inputs=inputs, outputs=outputs, gives=gives
    )


def _automl_step(
    world: World, workspace: Resource, name: str, node: dict[str, Any], compute: str, experiment: str
) -> pipeline.Step:
    """AutoML in a pipeline has no component, and its data stand beside its settings."""
    details = automl_jobs.details_of(node)
    inputs = {key: _input(node[key]) for key in automl_job.DATA if node.get(key)}
    words = dict(zip(automl_job.DATA, ("trainingData", "validationData", "testData"), strict=True))
    target = str(node.get("computeId") or node.get("compute") or compute)
    properties = {
        "taskDetails": {**details, **{words[key]: one for key, one in inputs.items()}},
        "computeId": target,
        "experimentName": experiment,
        "environmentVariables": node.get("environment_variables") or {},
    }
    work, _ = automl_jobs.of(world, workspace, properties)
    declared = {"outputs": {key: {"type": "mlflow_model"} for key in node.get("outputs") or {"best_model": {}}}}
    outputs, gives = _outputs(declared, command_jobs.objects(node, "outputs"))
    return pipeline.Step(name=name, kind="AutoML", work=work, inputs=inputs, outputs=outputs, gives=gives)


def _component(world: World, workspace: Resource, node: Mapping[str, Any]) -> dict[str, Any]:
    named = node.get("componentId")
    if not named:
        raise scope.invalid("A job of a pipeline names its componentId.", "InvalidPipeline")
    found = references.asset(world, workspace, "components", str(named), "Component")
    if found is None:
        raise scope.invalid(f"The component '{named}' was not found.", "ComponentNotFound")
    spec = found.properties.get("componentSpec")
    if not isinstance(spec, dict):
        raise scope.invalid(f"The component '{named}' has no specification.", "InvalidComponent")
    return spec


def _given(spec: Mapping[str, Any], given: Mapping[str, Any], whose: str, node: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The inputs with the component's defaults; a required one must be there (a swept one is: its value comes later)."""
    swept = (node or {}).get("search_space") or (node or {}).get("searchSpace") or {}
    whole = dict(given)
    for name, declared in (spec.get("inputs") or {}).items():
        if name in whole or not isinstance(declared, dict):
            continue
        if name in swept:
            whole[name] = {"jobInputType": "literal", "value": "0"}
        elif declared.get("default") is not None:
            whole[name] = {"jobInputType": "literal", "value": str(declared["default"])}
        elif not declared.get("optional"):
            raise scope.invalid(f"The input '{name}' of {whose} is required.", "MissingInput")
    return whole


def _is_value(given: Mapping[str, Any], values: frozenset[str]) -> bool:
    """Whether an input is a text or a number, also by way of one of the pipeline's own."""
    if given["jobInputType"].lower() != "literal":
        return False
    bound = re.fullmatch(r"\s*\$\{\{\s*parent\.inputs\.(\w+)\s*\}\}\s*", str(given["value"]))
    return bound[1] in values if bound else not str(given["value"]).lstrip().startswith("${{")


def _input(given: Any) -> dict[str, Any]:
    """A step's input in ARM's words: a pipeline's steps are written in snake_case, with bare values allowed."""
    if not isinstance(given, Mapping):
        return {"jobInputType": "literal", "value": given}
    kind = str(given.get("jobInputType") or given.get("job_input_type") or given.get("type") or "literal")
    value = given.get("value") if given.get("value") is not None else given.get("path")
    if given.get("uri") is not None:
        return {"jobInputType": kind, "uri": given["uri"]}
    if kind.lower() in _LITERALS or str(value).lstrip().startswith("${{"):
        return {"jobInputType": "literal", "value": value}
    return {"jobInputType": kind, "uri": value}


def _outputs(spec: Mapping[str, Any], given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """The outputs in ARM's words, and which of them are the pipeline's."""
    outputs: dict[str, Any] = {}
    gives: dict[str, str] = {}
    for name, declared in (spec.get("outputs") or {}).items():
        kind = str((declared or {}).get("type") or "uri_folder")
        outputs[name] = {"jobOutputType": kind if kind.startswith("uri_") else "uri_folder"}
        chosen = given.get(name)
        text = str(
            (chosen.get("value") or chosen.get("uri") or chosen.get("path") or "") if isinstance(chosen, Mapping) else chosen or ""
        )
        if text.replace(" ", "").startswith("${{parent.outputs."):
            gives[name] = text.replace(" ", "")[len("${{parent.outputs.") : -2]
        elif text:
            outputs[name]["uri"] = text
    return outputs, gives


def _distribution(given: Any) -> dict[str, Any] | None:
    """ARM's words for how a step is distributed; a component says `type` and snake case."""
    if not isinstance(given, Mapping):
        return None
    words = {scope.camel_case(str(name)): one for name, one in given.items()}
    return {**words, "distributionType": words.get("distributionType") or words.get("type")}


def _resources(given: Any) -> dict[str, Any]:
    found = given if isinstance(given, Mapping) else {}
    count = found.get("instance_count") or found.get("instanceCount")
    return {"instanceCount": count} if count is not None else {}
