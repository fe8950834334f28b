"""Sweep jobs as ARM takes them, and sweeps that are steps of a pipeline: judged and turned into what the runner plays.

Not here: running (`runner/sweeps/sweep.py`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from infra.local.emulator.machine_learning import scope
from infra.local.emulator.machine_learning.jobs import command as command_jobs
from infra.local.emulator.runner import durations
from infra.local.emulator.runner.sweeps import policies, sampling, sweep

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.local.emulator.resources import Resource
    from infra.local.emulator.world import World

_SAMPLING = ("Random", "Grid", "Bayesian")
_RULES = ("Random", "Sobol")
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
    total = command_jobs.count(limits, "limits.maxTotalTrials", 20, most=_MOST_TRIALS)
    seed = algorithm.get("seed")
    trial_s = durations.seconds(limits.get("trialTimeout")) if limits.get("trialTimeout") else None
    made = sweep.Sweep(
        trial=replace(request, timeout_s=trial_s),
        space=command_jobs.objects(properties, "searchSpace"),
        sampling=_sampling(algorithm),
        metric=metric,
        maximize=scope.one_of(str(objective.get("goal") or "Maximize"), ("Maximize", "Minimize"), "goal") == "Maximize",
        total=total,
        concurrent=min(total, command_jobs.count(limits, "limits.maxConcurrentTrials", total, most=_MOST_TRIALS)),
        seed=seed if isinstance(seed, int) else None,
        timeout_s=durations.seconds(limits.get("timeout")) if limits.get("timeout") else None,
        policy=_policy(command_jobs.objects(properties, "earlyTermination")),
    )
    if not made.space:
        raise scope.invalid("The field searchSpace is required for a sweep job.", "ValidationError")
    if made.policy is not None and made.sampling == "Bayesian":
        raise scope.invalid("Bayesian sampling does not support early termination.", "ValidationError")
    try:
        sweep.check(made)
    except sampling.BadSpaceError as error:
        raise scope.invalid(str(error), "InvalidSearchSpace") from None
    return made


def _sampling(algorithm: Mapping[str, Any]) -> str:
    kind = scope.one_of(str(algorithm.get("samplingAlgorithmType") or "Random"), _SAMPLING, "samplingAlgorithmType")
    if kind != "Random":
        return kind
    return scope.one_of(str(algorithm.get("rule") or "Random"), _RULES, "rule")


def _policy(given: Mapping[str, Any]) -> policies.Policy | None:
    if not given:
        return None
    kind = scope.one_of(str(given.get("policyType") or ""), policies.KINDS, "policyType")
    numbers = {
        name: given.get(name) or 0
        for name in ("evaluationInterval", "delayEvaluation", "slackFactor", "slackAmount", "truncationPercentage")
    }
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            raise scope.invalid(f"earlyTermination.{name} must be a number, 0 or more.", "ValidationError")
    return policies.Policy(
        kind=kind,
        interval=max(1, int(numbers["evaluationInterval"])),
        delay=int(numbers["delayEvaluation"]),
        slack_factor=float(numbers["slackFactor"]),
        slack_amount=float(numbers["slackAmount"]),
        percentage=int(numbers["truncationPercentage"]),
    )


def of_step(world: World, workspace: Resource, node: dict[str, Any], properties: dict[str, Any]) -> sweep.Sweep:
    """A sweep in a pipeline is written as in YAML: snake_case, the space as `{"type": "choice", "values": […]}` or a list."""
    space = {name: _spread(one) for name, one in (node.get("search_space") or node.get("searchSpace") or {}).items()}
    named = {str(name).replace("_", "").lower(): one for name, one in (node.get("limits") or {}).items()}
    words = {"maxtotaltrials": "maxTotalTrials", "maxconcurrenttrials": "maxConcurrentTrials", "trialtimeout": "trialTimeout"}
    objective = node.get("objective") or {}
    algorithm = node.get("sampling_algorithm") or node.get("samplingAlgorithm") or "random"
    kind = algorithm.get("type") or _arm(algorithm).get("samplingAlgorithmType") if isinstance(algorithm, dict) else algorithm
    command = str(properties["command"] or "")
    for name in space:  # the swept parameter is an input of the component
        command = command.replace(f"${{{{inputs.{name}}}}}", f"${{{{search_space.{name}}}}}")
    whole = {
        "trial": {**properties, "command": command},
        "computeId": properties["computeId"],
        "experimentName": properties["experimentName"],
        "searchSpace": space,
        "samplingAlgorithm": {**(_arm(algorithm) if isinstance(algorithm, dict) else {}), "samplingAlgorithmType": kind},
        "earlyTermination": _early(node.get("early_termination") or node.get("earlyTermination") or {}),
        "objective": {
            "primaryMetric": objective.get("primary_metric") or objective.get("primaryMetric"),
            "goal": objective.get("goal"),
        },
        "limits": {words.get(name, name): _limit(one, name) for name, one in named.items() if name != "jobLimitsType"},
    }
    inputs = {name: one for name, one in properties["inputs"].items() if name not in space}
    return of(world, workspace, whole, inputs, properties["outputs"])


def _early(given: Mapping[str, Any]) -> dict[str, Any]:
    """ARM's words for a policy that is written as in YAML."""
    return {**_arm(given), "policyType": given.get("type") or given.get("policy_type") or given.get("policyType")} if given else {}


def _arm(given: Mapping[str, Any]) -> dict[str, Any]:
    return {scope.camel_case(name): one for name, one in given.items()}


def _limit(value: Any, name: str) -> Any:
    """A limit in ARM's words; times are seconds here."""
    return f"PT{value}S" if name.endswith("timeout") and isinstance(value, int | float) else value


def _spread(given: Any) -> Any:
    if not isinstance(given, dict):
        return given
    kind = str(given.get("type") or "")
    if kind == "choice":
        return [kind, [given.get("values")]]
    order = ("min_value", "max_value", "mu", "sigma", "upper", "q")
    return [kind, [given[name] for name in order if name in given]]
