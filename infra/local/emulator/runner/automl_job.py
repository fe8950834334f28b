"""Conducts an AutoML job over tables: tries candidates as child runs, then ensembles of the best, and names the best of all.

Each trial is a real process that fits scikit-learn's estimators on the job's own data (`automl/trial.py`). Algorithms for
which the prepared environment has no library are left out, and the log says so. Not here: judging the job beforehand.
"""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.local.emulator.backends import JobRequest
from infra.local.emulator.runner import mltables, outcomes
from infra.local.emulator.runner.sweeps import trials
from infra.local.emulator.runs import Run
from infra.local.emulator.storage import files as storage
from infra.local.emulator.storage import locations

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from infra.local.emulator.runner.stage import Stage

SCRIPTS = Path(__file__).with_name("automl")
BEST_CHILD_TAG = "automl_best_child_run_id"  # where Azure's own notebooks look for it
MODEL = "outputs/mlflow-model"
DATA = ("training_data", "validation_data", "test_data")
_VARIANTS = 3
_MEMBERS = 3
_PATIENCE = 20  # trials without a better one, after which early termination ends the search
_NO_LIBRARY = frozenset({"LightGBM", "XGBoostClassifier", "XGBoostRegressor", "AutoArima", "Prophet", "Arimax", "TCNForecaster"})
_TREES = ("RandomForest", "ExtremeRandomTrees", "GradientBoosting", "DecisionTree", "KNN")
_REGRESSION = ("ElasticNet", "RandomForest", "GradientBoosting", "LassoLars", "ExtremeRandomTrees", "KNN", "DecisionTree", "SGD")
ALGORITHMS = {
    "Classification": (
        *("LogisticRegression", *_TREES, "SVM", "LinearSVM", "SGD", "BernoulliNaiveBayes", "MultinomialNaiveBayes"),
        *("LightGBM", "XGBoostClassifier"),
    ),
    "Regression": (*_REGRESSION, "LightGBM", "XGBoostRegressor"),
    "Forecasting": (
        *("SeasonalNaive", "Naive", "ExponentialSmoothing", "SeasonalAverage", "Average", *_REGRESSION),
        *("LightGBM", "XGBoostRegressor", "AutoArima", "Prophet", "Arimax", "TCNForecaster"),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoML:
    """One AutoML job.

    Attributes:
        described: what every trial gets: task, target, validation, features, forecasting.
        metric: the primary one, as trials log it.
        algorithms: those allowed, in ARM's names.
        ensembles: of `VotingEnsemble` and `StackEnsemble` those wanted.
        exit_score: the search ends when it is reached.
        patient: whether to go on without getting better.
    """

    experiment: str
    described: Mapping[str, Any]
    metric: str
    maximize: bool
    algorithms: tuple[str, ...]
    ensembles: tuple[str, ...] = ()
    total: int = 1000
    concurrent: int = 1
    timeout_s: float | None = None
    trial_timeout_s: float | None = None
    exit_score: float | None = None
    patient: bool = False
    target: str | None = None
    environment_variables: Mapping[str, str] = field(default_factory=dict)


def usable(algorithms: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the algorithms that the prepared environment has."""
    return tuple(name for name in algorithms if name not in _NO_LIBRARY)


def play(job: AutoML, inputs: Mapping[str, Any], outputs: Mapping[str, Any], stage: Stage) -> None:
    """Search, and name the best.

    Raises:
        outcomes.JobEndedError: cancelled, or no trial completed.
    """
    search = _Search(job=job, inputs=inputs, stage=stage)
    left_out = [name for name in job.algorithms if name in _NO_LIBRARY]
    task = job.described["task"]
    stage.say(f"AutoML {task}: {job.metric}, {job.total} trials at most, {job.concurrent} at once.")
    if left_out:
        stage.say(f"Not tried, as the local Azure has no library for them: {', '.join(left_out)}.")
    in_time = trials.run(search.series(search.candidates()), stage)
    if in_time and not search.enough():
        in_time = trials.run(search.series(search.ensembles()), stage)
    if not in_time:  # Azure ends the search so, too: what was found by then is the result
        stage.say("The time of the experiment is up.")
    found = trials.best(stage, stage.children, job.metric, maximize=job.maximize)
    if found is None:
        raise outcomes.bad_request("AllTrialsFailed", f"No trial of the AutoML job completed. {search.first_failure()}".strip())
    _give(job, *found, outputs, stage)


@dataclass(slots=True, kw_only=True)
class _Search:
    """The state of one search."""

    job: AutoML
    inputs: Mapping[str, Any]
    stage: Stage
    began: float = field(default_factory=time.monotonic)
    candidate_of: dict[str, dict[str, Any]] = field(default_factory=dict)

    def series(self, wanted: Iterator[dict[str, Any]]) -> trials.Series:
        """Trials in the time that is left."""
        limit_s = self.job.timeout_s
        return trials.Series(
            wanted=wanted,
            start=self.start,
            concurrent=self.job.concurrent,
            timeout_s=limit_s if limit_s is None else limit_s - (time.monotonic() - self.began),
            ended=self.report,
            enough=self.enough,
        )

    def candidates(self) -> Iterator[dict[str, Any]]:
        """Each algorithm, then each with other parameters; room is left for the ensembles."""
        room = self.job.total - len(self.job.ensembles) if self.job.total > len(self.job.ensembles) + 1 else self.job.total
        every = [{"algorithm": name, "variant": variant} for variant in range(_VARIANTS) for name in usable(self.job.algorithms)]
        yield from every[:room]

    def ensembles(self) -> Iterator[dict[str, Any]]:
        """Of the best trials that completed."""
        completed = [
            run_id for run_id in self.stage.children if trials.score(self.stage.child(run_id), self.job.metric) is not None
        ]
        ranked = sorted(completed, key=self.score_of, reverse=self.job.maximize)
        members = [self.candidate_of[run_id] for run_id in ranked[:_MEMBERS]]
        for name in self.job.ensembles[: max(0, self.job.total - len(self.stage.children))]:
            if len(members) > 1:
                yield {"algorithm": name, "variant": 0, "members": members}

    def score_of(self, run_id: str) -> float:
        """A completed trial's score."""
        return trials.score(self.stage.child(run_id), self.job.metric) or 0.0

    def enough(self) -> bool:
        """Whether the score asked for is reached, or nothing became better for long."""
        scores = [
            score
            for run_id in self.stage.children
            if (score := trials.score(self.stage.child(run_id), self.job.metric)) is not None
        ]
        if not scores:
            return False
        top = max(scores) if self.job.maximize else min(scores)
        if self.job.exit_score is not None and (top >= self.job.exit_score if self.job.maximize else top <= self.job.exit_score):
            return True
        return not self.job.patient and len(scores) - scores.index(top) > _PATIENCE

    def start(self, candidate: dict[str, Any]) -> str:
        """Start one trial: its run id."""
        run_id = f"{self.stage.run_id}_{len(self.stage.children)}"
        self.candidate_of[run_id] = candidate
        parent = self.stage.run
        data = {name: self.inputs[name] for name in DATA if self.inputs.get(name)}
        run = Run(
            run_id=run_id,
            workspace_id=self.stage.workspace_id,
            experiment=self.job.experiment,
            created_at=self.stage.world.now(),
            kind="Command",
            target=self.job.target,
            parent_run_id=self.stage.run_id,
            created_by=parent.created_by if parent else "",
            properties={
                "azureml.runsource": "automl",
                "iteration": str(len(self.stage.children)),
                "run_algorithm": str(candidate["algorithm"]),
                "primary_metric": self.job.metric,
            },
            definition={"jobType": "Command", "command": _command(data), "inputs": data, "outputs": {}},
        )
        self.stage.start(run, self.request(run, candidate, data))
        return run_id

    def request(self, run: Run, candidate: dict[str, Any], data: dict[str, Any]) -> JobRequest:
        """What the backend runs for a trial."""
        described = json.dumps({**self.job.described, "candidate": candidate})

        def fill(folder: Path) -> None:
            shutil.copytree(SCRIPTS, folder / "automl", ignore=shutil.ignore_patterns("__pycache__"))
            (folder / "trial.json").write_text(described)
            for name, given in data.items():
                mltables.fetch(self.stage.world, self.stage.workspace_id, given, folder / "tables" / name)

        return JobRequest(
            workspace_id=self.stage.workspace_id,
            run_id=run.run_id,
            experiment=self.job.experiment,
            kind="command",
            command=str(run.definition["command"]),
            code=fill,
            environment_variables=self.job.environment_variables,
            target=self.job.target,
            timeout_s=self.job.trial_timeout_s,
        )

    def report(self, run_id: str) -> None:
        """One line for a trial that has ended."""
        run, score = self.stage.child(run_id), trials.score(self.stage.child(run_id), self.job.metric)
        name = self.candidate_of[run_id]["algorithm"]
        self.stage.say(f"Trial {run_id}: {name}, {run.status if run else 'deleted'}, {self.job.metric} = {score}")
        if run is not None and score is not None:
            properties = {**run.properties, "score": str(score)}
            self.stage.world.runs.update(self.stage.workspace_id, run_id, properties=properties)

    def first_failure(self) -> str:
        """What the first failed trial said last."""
        failed = [run for run_id in self.stage.children if (run := self.stage.child(run_id)) is not None and run.error]
        return str((failed[0].error or {}).get("message", "")) if failed else ""


def _command(data: Mapping[str, Any]) -> str:
    options = " ".join(f"--{name.removesuffix('_data')} tables/{name}" for name in data)
    return f"python -W ignore -m automl.trial {options}"


def _give(job: AutoML, best: str, value: float, outputs: Mapping[str, Any], stage: Stage) -> None:
    """The best child in tags and properties, its model as the job's output."""
    stage.say(f"The best trial is {best}: {job.metric} = {value}.")
    run = stage.run
    if run is None:
        return
    stage.world.runs.update(
        stage.workspace_id,
        stage.run_id,
        tags={**run.tags, BEST_CHILD_TAG: best, "model_explain_run": "best_run"},
        properties={**run.properties, "best_child_run_id": best, "score": str(value), "primary_metric": job.metric},
    )
    model = f"azureml://jobs/{best}/outputs/artifacts/paths/{MODEL}"
    named = {name: dict(given or {}) for name, given in outputs.items()} or {"best_model": {}}
    for name, given in named.items():
        uri = given.get("uri")
        if uri:
            _copy(stage, model, str(uri))
        named[name] = {"jobOutputType": "mlflow_model", **given, "uri": uri or f"{model}/"}
    stage.set_outputs(named)


def _copy(stage: Stage, source: str, target: str) -> None:
    """The files of the model to the place that the job named for it."""
    world = stage.world
    start, end = (locations.resolve(world, stage.workspace_id, uri) for uri in (source, target))
    for name, _ in storage.files(world, start):
        storage.write(world, end.child(name), storage.read(world, start.child(name)) or b"")
