"""Runs a pipeline: each step when the steps whose outputs it reads have completed; data goes from step to step in storage.

Not here: reading steps and components (`machine_learning/jobs/composed.py`).
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from infra.local.emulator.backends import JobRequest
from infra.local.emulator.runner import automl_job, outcomes
from infra.local.emulator.runner.sweeps import sweep
from infra.local.emulator.runs import Run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.local.emulator.runner.stage import Stage

_INPUT = re.compile(r"\$\{\{\s*parent\.inputs\.([\w-]+)\s*\}\}")
_OUTPUT = re.compile(r"\$\{\{\s*parent\.jobs\.([\w-]+)\.outputs\.([\w-]+)\s*\}\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step.

    Attributes:
        kind: ARM's jobType of its run.
        inputs: ARM's job inputs; a `value` may be `${{parent.inputs.x}}` or `${{parent.jobs.a.outputs.y}}`.
        outputs: ARM's job outputs.
        gives: output → the pipeline's output that it is.
    """

    name: str
    kind: str
    work: JobRequest | sweep.Sweep | automl_job.AutoML | Pipeline
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    gives: Mapping[str, str] = field(default_factory=dict)

    @property
    def needs(self) -> frozenset[str]:
        """The steps whose outputs it reads."""
        texts = [str(given.get("value") or given.get("uri") or "") for given in self.inputs.values()]
        return frozenset(name for text in texts for name, _ in _OUTPUT.findall(text))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """The steps, and whether the others go on when one fails."""

    experiment: str
    steps: tuple[Step, ...]
    go_on: bool = False


def order(steps: tuple[Step, ...]) -> list[str]:
    """The names in an order in which they can run.

    Raises:
        ValueError: steps that wait for each other, or for one that is not there.
    """
    done: list[str] = []
    while len(done) < len(steps):
        ready = [step.name for step in steps if step.name not in done and step.needs <= set(done)]
        if not ready:
            left = [step for step in steps if step.name not in done]
            missing = sorted({name for step in left for name in step.needs} - {step.name for step in steps})
            what = f"refer to {missing[0]}, which is not there" if missing else "wait for each other"
            raise ValueError(f"The steps {', '.join(step.name for step in left)} {what}.")
        done += ready
    return done


def play(pipeline: Pipeline, inputs: Mapping[str, Any], outputs: Mapping[str, Any], stage: Stage) -> None:
    """Run the steps.

    Raises:
        outcomes.JobEndedError: cancelled, or a step failed.
    """
    waiting, runs = list(pipeline.steps), dict[str, str]()
    over: set[str] = set()
    failed: list[str] = []
    while waiting or set(runs) - over:
        for name, run_id in runs.items():
            if name not in over and stage.ended(run_id):
                over.add(name)
                run = stage.child(run_id)
                stage.say(f"Step {name} ({run_id}): {run.status if run else 'deleted'}")
                if run is None or run.status != "Completed":
                    failed.append(name)
        if failed and not pipeline.go_on:
            break
        lost = _after(pipeline.steps, set(failed))
        waiting = [step for step in waiting if step.name not in lost]
        for step in [step for step in waiting if step.needs <= over]:
            waiting.remove(step)
            runs[step.name] = _start(step, pipeline, inputs, outputs, runs, stage)
            stage.say(f"Step {step.name} ({runs[step.name]}): started")
        if waiting or set(runs) - over:
            stage.pause()
    _give(pipeline, runs, stage)
    if failed:
        raise outcomes.bad_request("PipelineStepFailed", f"The step {failed[0]} did not complete; its own log says why.")


def _after(steps: tuple[Step, ...], failed: set[str]) -> set[str]:
    """The steps that can never run, because one they need failed."""
    lost = set(failed)
    while more := {step.name for step in steps if step.needs & lost} - lost:
        lost |= more
    return lost - failed


def _start(
    step: Step, pipeline: Pipeline, inputs: Mapping[str, Any], outputs: Mapping[str, Any], runs: Mapping[str, str], stage: Stage
) -> str:
    run_id = str(uuid.uuid4())
    filled = {name: bound for name, given in step.inputs.items() if (bound := _bound(given, inputs, runs, stage)) is not None}
    places = {
        name: {**given, **({"uri": uri} if (uri := (outputs.get(step.gives.get(name, "")) or {}).get("uri")) else {})}
        for name, given in step.outputs.items()
    }
    parent = stage.run
    target = step.work.target if isinstance(step.work, JobRequest) else None
    run = Run(
        run_id=run_id,
        workspace_id=stage.workspace_id,
        experiment=pipeline.experiment,
        created_at=stage.world.now(),
        kind=step.kind,
        target=target,
        display_name=step.name,
        parent_run_id=stage.run_id,
        created_by=parent.created_by if parent else "",
        properties={"azureml.runsource": "azureml.StepRun", "azureml.moduleName": step.name, "azureml.pipelinerunid": stage.run_id},
        definition={"jobType": step.kind, "inputs": filled, "outputs": places},
    )
    if isinstance(step.work, JobRequest):
        run.definition["command"] = step.work.command
        stage.start(run, replace(step.work, run_id=run_id, experiment=pipeline.experiment, inputs=filled, outputs=places))
    elif isinstance(step.work, sweep.Sweep):
        stage.start(run, partial(sweep.play, step.work, filled, places))
    elif isinstance(step.work, automl_job.AutoML):
        stage.start(run, partial(automl_job.play, step.work, filled, places))
    else:
        stage.start(run, partial(play, step.work, filled, places))
    return run_id


def _bound(given: Mapping[str, Any], inputs: Mapping[str, Any], runs: Mapping[str, str], stage: Stage) -> dict[str, Any] | None:
    """A step's input with its expression replaced; None for an optional input of the pipeline that was not given."""
    text = given.get("value") if given.get("value") is not None else given.get("uri")
    if not isinstance(text, str):
        return dict(given)
    if match := _INPUT.fullmatch(text.strip()):
        found = inputs.get(match[1])
        return dict(found) if found is not None else None
    if match := _OUTPUT.fullmatch(text.strip()):
        made = stage.outputs_of(runs[match[1]]).get(match[2]) or {}
        if not made.get("uri"):
            raise outcomes.bad_request("OutputNotFound", f"The step {match[1]} has no output {match[2]}.")
        return {"jobInputType": made.get("jobOutputType") or "uri_folder", "uri": made["uri"]}
    put = _INPUT.sub(lambda match: str((inputs.get(match[1]) or {}).get("value", "")), text)
    return {**given, "value": put} if given.get("value") is not None else {**given, "uri": put}


def _give(pipeline: Pipeline, runs: Mapping[str, str], stage: Stage) -> None:
    """The pipeline's own outputs are those of its steps."""
    for step in pipeline.steps:
        made = stage.outputs_of(runs[step.name]) if step.name in runs else {}
        stage.set_outputs({theirs: made[ours] for ours, theirs in step.gives.items() if (made.get(ours) or {}).get("uri")})
