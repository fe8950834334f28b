"""Runs a sweep: trials are sampled from the search space and run as jobs, the best by its metric is named.

A policy may end a trial early. Not here: drawing parameters (`sampling.py`), judging a trial (`policies.py`), judging a sweep
before it starts (`machine_learning/jobs/sweep.py`, `dataplane/hyperdrive/resources.py`).
"""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from infra.local.emulator.runner import outcomes
from infra.local.emulator.runner.sweeps import policies, sampling, trials
from infra.local.emulator.runs import Run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from infra.local.emulator.backends import JobRequest
    from infra.local.emulator.runner.stage import Stage

_PLACE = re.compile(r"\$\{\{\s*search_space\.([\w-]+)\s*\}\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """One sweep.

    Attributes:
        trial: the job of each trial: a command with `${{search_space.x}}` in it, or a v1 run, whose script is given the
            parameters as further arguments.
        space: parameter → `[distribution, arguments]`, e.g. `["choice", [[0.1, 0.3]]]`.
        sampling: `Random`, `Sobol`, `Grid` or `Bayesian`.
        maximize: whether more of the metric is better.
        policy: ends trials early; None: none does.
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
    policy: policies.Policy | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    definition: Mapping[str, Any] = field(default_factory=dict)


def check(sweep: Sweep) -> None:
    """Draw one trial, to see that it can be drawn. Whether its command can be filled in shows when it runs, as recorded.

    Raises:
        sampling.BadSpaceError: it cannot.
    """
    next(sampling.samples(sweep.space, sweep.sampling, seed=sweep.seed))


def bound(command: str | tuple[str, ...], values: Mapping[str, Any]) -> str | tuple[str, ...]:
    """The command of one trial.

    Raises:
        sampling.BadSpaceError: it names a parameter that is not in the search space.
    """
    if not isinstance(command, str):
        return (*command, *(str(part) for pair in values.items() for part in pair))

    def put(match: re.Match[str]) -> str:
        if match[1] not in values:
            raise sampling.BadSpaceError(f"The command refers to search_space.{match[1]}, which is not there.")
        return str(values[match[1]])

    return _PLACE.sub(put, command)


def play(sweep: Sweep, inputs: Mapping[str, Any], outputs: Mapping[str, Any], stage: Stage) -> None:
    """Run the trials, at most so many at once, and name the best.

    Raises:
        outcomes.JobEndedError: cancelled, out of time, or no trial completed.
    """
    stage.say(f"Sweep over {', '.join(sweep.space)}: {sweep.total} trials at most, {sweep.concurrent} at once.")
    referee = _Referee(sweep=sweep)
    series = trials.Series(
        wanted=_samples(sweep, stage),
        start=lambda values: _start(sweep, values, inputs, outputs, stage),
        concurrent=sweep.concurrent,
        timeout_s=sweep.timeout_s,
        look=lambda running: referee.look(running, stage),
        ended=lambda run_id: _report(sweep, run_id, stage),
    )
    try:
        if not trials.run(series, stage):
            raise outcomes.timed_out(sweep.timeout_s or 0.0)
    except sampling.BadSpaceError as error:
        raise outcomes.bad_request("InvalidSearchSpace", str(error)) from None
    finally:
        _name_best(sweep, stage)
    if not any((run := stage.child(run_id)) is not None and run.status == "Completed" for run_id in stage.children):
        raise outcomes.bad_request("AllTrialsFailed", "No trial of the sweep completed; the trials' own logs say why.")


def _samples(sweep: Sweep, stage: Stage) -> Iterator[dict[str, Any]]:
    def loss_of(trial: int) -> float | None:
        run = stage.child(stage.children[trial]) if trial < len(stage.children) else None
        found = trials.score(run, sweep.metric) if run is not None and run.ended else None
        return None if found is None else -found if sweep.maximize else found

    return itertools.islice(sampling.samples(sweep.space, sweep.sampling, seed=sweep.seed, loss_of=loss_of), sweep.total)


@dataclass(slots=True, kw_only=True)
class _Referee:
    """Applies the policy to each report of each trial, once."""

    sweep: Sweep
    judged: dict[str, int] = field(default_factory=dict)

    def look(self, running: list[str], stage: Stage) -> None:
        policy = self.sweep.policy
        if policy is None:
            return
        histories = {run_id: trials.values(stage.child(run_id), self.sweep.metric) for run_id in stage.children}
        for run_id in running:
            for reports in range(self.judged.get(run_id, 0) + 1, len(histories[run_id]) + 1):
                self.judged[run_id] = reports
                if policies.due(policy, reports) and policies.ends(
                    policy, run_id, reports, histories, running, maximize=self.sweep.maximize
                ):
                    stage.say(f"Trial {run_id}: ended at interval {reports} by the {policy.kind} policy")
                    stage.end(run_id)
                    break


def _start(sweep: Sweep, values: dict[str, Any], inputs: Mapping[str, Any], outputs: Mapping[str, Any], stage: Stage) -> str:
    run_id = f"{stage.run_id}_{len(stage.children)}"
    try:
        command = bound(sweep.trial.command, values)
    except sampling.BadSpaceError as error:
        raise outcomes.bad_request("InvalidSearchSpace", str(error)) from None
    shown = {name: {"jobOutputType": (given or {}).get("jobOutputType", "uri_folder")} for name, given in outputs.items()}
    parent = stage.run
    run = Run(
        run_id=run_id,
        workspace_id=stage.workspace_id,
        experiment=sweep.trial.experiment,
        created_at=stage.world.now(),
        kind="v1" if sweep.trial.kind == "v1" else "Command",
        target=sweep.trial.target,
        parent_run_id=stage.run_id,
        created_by=parent.created_by if parent else "",
        tags={**sweep.tags, "hyperparameters": json.dumps(values)},
        properties={"azureml.runsource": "hyperdrive", **{f"hyperparameter.{name}": str(one) for name, one in values.items()}},
        definition=dict(sweep.definition) or {"jobType": "Command", "command": command, "inputs": dict(inputs), "outputs": shown},
    )
    stage.start(run, replace(sweep.trial, run_id=run_id, command=command, inputs=inputs, outputs=shown))
    stage.say(f"Trial {run_id}: {json.dumps(values)}")
    return run_id


def _report(sweep: Sweep, run_id: str, stage: Stage) -> None:
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
