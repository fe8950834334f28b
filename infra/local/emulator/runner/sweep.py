"""Runs a sweep: trials are sampled from the search space and run as command jobs, the best by its metric is named.

Random, grid and Sobol sampling; Bayesian sampling draws at random here and the log says so. Early termination policies
are kept and end no trial. Not here: judging a sweep before it starts (`machine_learning/composed_jobs.py`).
"""

from __future__ import annotations

import itertools
import json
import math
import random
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from infra.local.emulator.runner import outcomes, trials
from infra.local.emulator.runs import Run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from infra.local.emulator.runner.stage import Stage
    from infra.local.emulator.world import JobRequest

_PLACE = re.compile(r"\$\{\{\s*search_space\.([\w-]+)\s*\}\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """One sweep.

    Attributes:
        trial: the command job of each trial, with `${{search_space.x}}` in its command.
        space: parameter → `[distribution, arguments]`, e.g. `["choice", [[0.1, 0.3]]]`.
        sampling: `Random`, `Grid` or `Bayesian`.
        maximize: whether more of the metric is better.
    """

    trial: JobRequest
    space: Mapping[str, Any]
    sampling: str
    metric: str
    maximize: bool
    total: int
    concurrent: int
    seed: int | None = None
    timeout_s: float | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


class BadSpaceError(Exception):
    """The search space cannot be sampled; the message is for the user."""


def _quantized(draw: Callable[..., float]) -> Callable[..., float]:
    def drawn(luck: random.Random, *given: float) -> float:
        *inner, step = given
        return round(draw(luck, *inner) / step) * step

    return drawn


def _log_uniform(luck: random.Random, low: float, high: float) -> float:
    return math.exp(luck.uniform(low, high))


def _log_normal(luck: random.Random, mean: float, spread: float) -> float:
    return math.exp(luck.gauss(mean, spread))


_DRAWS: dict[str, Callable[..., Any]] = {
    "choice": lambda luck, options: luck.choice(options),
    "randint": lambda luck, upper: luck.randrange(int(upper)),
    "uniform": lambda luck, low, high: luck.uniform(low, high),
    "quniform": _quantized(lambda luck, low, high: luck.uniform(low, high)),
    "loguniform": _log_uniform,
    "qloguniform": _quantized(_log_uniform),
    "normal": lambda luck, mean, spread: luck.gauss(mean, spread),
    "qnormal": _quantized(lambda luck, mean, spread: luck.gauss(mean, spread)),
    "lognormal": _log_normal,
    "qlognormal": _quantized(_log_normal),
}


def samples(sweep: Sweep) -> Iterator[dict[str, Any]]:
    """The parameters of one trial after the other; a grid ends by itself.

    Raises:
        BadSpaceError: a distribution that does not exist, or has other arguments; a grid of anything but choices.
    """
    space = {name: _distribution(name, given) for name, given in sweep.space.items()}
    if sweep.sampling.lower() == "grid":
        if wrong := [name for name, (kind, _) in space.items() if kind != "choice"]:
            raise BadSpaceError(f"Grid sampling takes choices only; {wrong[0]} is none.")
        for values in itertools.product(*(arguments[0] for _, arguments in space.values())):
            yield dict(zip(space, values, strict=True))
        return
    luck = random.Random(sweep.seed)  # noqa: S311 - reproducible sampling, no secret
    while True:
        try:
            yield {name: _DRAWS[kind](luck, *arguments) for name, (kind, arguments) in space.items()}
        except (TypeError, ValueError, IndexError, ZeroDivisionError) as error:
            raise BadSpaceError(f"The search space cannot be sampled: {error}") from None


def _distribution(name: str, given: Any) -> tuple[str, list[Any]]:
    if not isinstance(given, list) or len(given) != 2 or str(given[0]).lower() not in _DRAWS or not isinstance(given[1], list):
        raise BadSpaceError(f"The search space of {name} is none of {', '.join(_DRAWS)} with its arguments.")
    kind = str(given[0]).lower()
    if kind == "choice" and not (len(given[1]) == 1 and isinstance(given[1][0], list) and given[1][0]):
        raise BadSpaceError(f"The choice of {name} has no options.")
    return kind, given[1]


def bound(command: str, values: Mapping[str, Any]) -> str:
    """The command of one trial.

    Raises:
        BadSpaceError: it names a parameter that is not in the search space.
    """

    def put(match: re.Match[str]) -> str:
        if match[1] not in values:
            raise BadSpaceError(f"The command refers to search_space.{match[1]}, which is not there.")
        return str(values[match[1]])

    return _PLACE.sub(put, command)


def play(sweep: Sweep, inputs: Mapping[str, Any], outputs: Mapping[str, Any], stage: Stage) -> None:
    """Run the trials, at most so many at once, and name the best.

    Raises:
        outcomes.JobEndedError: cancelled, out of time, or no trial completed.
    """
    stage.say(f"Sweep over {', '.join(sweep.space)}: {sweep.total} trials at most, {sweep.concurrent} at once.")
    if sweep.sampling.lower() == "bayesian":
        stage.say("Bayesian sampling: the local Azure draws at random.")
    series = trials.Series(
        wanted=itertools.islice(samples(sweep), sweep.total),
        start=lambda values: _start(sweep, values, inputs, outputs, stage),
        concurrent=sweep.concurrent,
        timeout_s=sweep.timeout_s,
        told=lambda run_id: _tell(sweep, run_id, stage),
    )
    try:
        if not trials.run(series, stage):
            raise outcomes.timed_out(sweep.timeout_s or 0.0)
    except BadSpaceError as error:
        raise outcomes.bad_request("InvalidSearchSpace", str(error)) from None
    finally:
        _name_best(sweep, stage)
    if not any((run := stage.child(run_id)) is not None and run.status == "Completed" for run_id in stage.children):
        raise outcomes.bad_request("AllTrialsFailed", "No trial of the sweep completed; the trials' own logs say why.")


def _start(sweep: Sweep, values: dict[str, Any], inputs: Mapping[str, Any], outputs: Mapping[str, Any], stage: Stage) -> str:
    run_id = f"{stage.run_id}_{len(stage.children)}"
    command = bound(str(sweep.trial.command), values)
    shown = {name: {"jobOutputType": (given or {}).get("jobOutputType", "uri_folder")} for name, given in outputs.items()}
    parent = stage.run
    run = Run(
        run_id=run_id,
        workspace_id=stage.workspace_id,
        experiment=sweep.trial.experiment,
        created_at=stage.world.now(),
        kind="Command",
        target=sweep.trial.target,
        parent_run_id=stage.run_id,
        created_by=parent.created_by if parent else "",
        tags={**sweep.tags, "hyperparameters": json.dumps(values)},
        properties={"azureml.runsource": "hyperdrive", **{f"hyperparameter.{name}": str(one) for name, one in values.items()}},
        definition={"jobType": "Command", "command": command, "inputs": dict(inputs), "outputs": shown},
    )
    stage.start(run, replace(sweep.trial, run_id=run_id, command=command, inputs=inputs, outputs=shown))
    stage.say(f"Trial {run_id}: {json.dumps(values)}")
    return run_id


def _tell(sweep: Sweep, run_id: str, stage: Stage) -> None:
    run = stage.child(run_id)
    stage.say(f"Trial {run_id}: {run.status if run else 'deleted'}, {sweep.metric} = {trials.score(run, sweep.metric)}")


def _name_best(sweep: Sweep, stage: Stage) -> None:
    found = trials.best(stage, stage.children, sweep.metric, maximize=sweep.maximize)
    run = stage.run
    if found is None or run is None:
        return
    best, value = found
    properties = {**run.properties, "best_child_run_id": best, "score": str(value), "best_metric_status": "Succeeded"}
    stage.world.runs.update(stage.workspace_id, stage.run_id, properties=properties)
    stage.set_outputs({name: given for name, given in stage.outputs_of(best).items() if given.get("uri")})
