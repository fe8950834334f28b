"""Sweep jobs as ARM takes them, and sweeps that are steps of a pipeline: judged and turned into what the runner plays.

Not here: running (`runner/sweep.py`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from infra.local.emulator.machine_learning import command_jobs, scope
from infra.local.emulator.runner import durations, sweep

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.local.emulator.resources import Resource
    from infra.local.emulator.world import World

_SAMPLING = ("Random", "Grid", "Bayesian")
_MOST_TRIALS = 1000


def of(
    world: World, workspace: Resource, properties: dict[str, Any], inputs: Mapping[str, Any], outputs: Mapping[str, Any]
) -> sweep.Sweep:
    """The sweep of a job's properties.

    Raises:
        web.Refused: 400, with what is wrong.
    """
    trial = {**command_jobs.objects(properties, "trial")}
    common = {name: properties[name] for name in ("computeId", "experimentName") if properties.get(name)}
    request = command_jobs.request(world, workspace, "", {**trial, **common, "inputs": dict(inputs), "outputs": dict(outputs)})
    objective, limits = command_jobs.objects(properties, "objective"), command_jobs.objects(properties, "limits")
    algorithm = command_jobs.objects(properties, "samplingAlgorithm")
    metric = scope.text_of(objective, "primaryMetric")
    if not metric:
        raise scope.invalid("The field objective.primaryMetric is required for a sweep job.", "ValidationError")
    total = _count(limits, "maxTotalTrials", 20)
    seed = algorithm.get("seed")
    trial_s = durations.seconds(limits.get("trialTimeout")) if limits.get("trialTimeout") else None
    made = sweep.Sweep(
        trial=replace(request, timeout_s=trial_s),
        space=command_jobs.objects(properties, "searchSpace"),
        sampling=scope.one_of(str(algorithm.get("samplingAlgorithmType") or "Random"), _SAMPLING, "samplingAlgorithmType"),
        metric=metric,
        maximize=scope.one_of(str(objective.get("goal") or "Maximize"), ("Maximize", "Minimize"), "goal") == "Maximize",
        total=total,
        concurrent=min(total, _count(limits, "maxConcurrentTrials", total)),
        seed=seed if isinstance(seed, int) else None,
        timeout_s=durations.seconds(limits.get("timeout")) if limits.get("timeout") else None,
    )
    if not made.space:
        raise scope.invalid("The field searchSpace is required for a sweep job.", "ValidationError")
    try:
        sweep.bound(str(request.command), next(sweep.samples(made)))
    except sweep.BadSpaceError as error:
        raise scope.invalid(str(error), "InvalidSearchSpace") from None
    return made


def _count(limits: Mapping[str, Any], name: str, default: int) -> int:
    value: int | None = limits.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MOST_TRIALS:
        raise scope.invalid(f"limits.{name} must be a whole number from 1 to {_MOST_TRIALS}.", "ValidationError")
    return value


def of_step(world: World, workspace: Resource, node: dict[str, Any], properties: dict[str, Any]) -> sweep.Sweep:
    """A sweep in a pipeline is written as in YAML: snake_case, the space as `{"type": "choice", "values": […]}` or a list."""
    space = {name: _spread(one) for name, one in (node.get("search_space") or node.get("searchSpace") or {}).items()}
    named = {str(name).replace("_", "").lower(): one for name, one in (node.get("limits") or {}).items()}
    words = {"maxtotaltrials": "maxTotalTrials", "maxconcurrenttrials": "maxConcurrentTrials", "trialtimeout": "trialTimeout"}
    objective = node.get("objective") or {}
    algorithm = node.get("sampling_algorithm") or node.get("samplingAlgorithm") or "random"
    kind = algorithm.get("type") or algorithm.get("samplingAlgorithmType") if isinstance(algorithm, dict) else algorithm
    command = str(properties["command"] or "")
    for name in space:  # the swept parameter is an input of the component
        command = command.replace(f"${{{{inputs.{name}}}}}", f"${{{{search_space.{name}}}}}")
    whole = {
        "trial": {**properties, "command": command},
        "computeId": properties["computeId"],
        "experimentName": properties["experimentName"],
        "searchSpace": space,
        "samplingAlgorithm": {"samplingAlgorithmType": kind},
        "objective": {
            "primaryMetric": objective.get("primary_metric") or objective.get("primaryMetric"),
            "goal": objective.get("goal"),
        },
        "limits": {words.get(name, name): one for name, one in named.items() if name != "jobLimitsType"},
    }
    inputs = {name: one for name, one in properties["inputs"].items() if name not in space}
    return of(world, workspace, whole, inputs, properties["outputs"])


def _spread(given: Any) -> Any:
    if not isinstance(given, dict):
        return given
    kind = str(given.get("type") or "")
    if kind == "choice":
        return [kind, [given.get("values")]]
    order = ("min_value", "max_value", "mu", "sigma", "upper", "q")
    return [kind, [given[name] for name in order if name in given]]
