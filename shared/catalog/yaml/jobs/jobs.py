"""Jobs that stand alone: command, sweep, spark, and which kind a YAML is. Pipelines and AutoML have modules of their own."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

from shared.catalog.yaml import bindings, inputs, references
from shared.catalog.yaml.assets import assets
from shared.catalog.yaml.jobs import execution
from shared.text import yaml_values
from shared.text.yaml_values import anything, choice, either, integer, named, number, record, sequence, snake, text, whole

if TYPE_CHECKING:
    from shared.catalog.yaml.drafts import Draft
    from shared.text.yaml_document import Cursor

SHOWN = ("$schema", "id", "creation_context", "status", "log_files", "parameters")
BASE_FIELDS: dict[str, yaml_values.Shape] = {
    "name": text,
    "description": text,
    "tags": named(yaml_values.maybe(text)),
    "services": execution.SERVICES,
    "display_name": text,
    "experiment_name": text,
    "properties": named(yaml_values.maybe(text)),
    "compute": references.compute,
    "identity": execution.IDENTITY,
}
COMMAND_FIELDS: dict[str, yaml_values.Shape] = {
    "command": text,
    "code": references.code,
    "environment": anything,
    "environment_variables": execution.ENVIRONMENT_VARIABLES,
    "resources": execution.RESOURCES,
    "distribution": execution.DISTRIBUTION,
    "queue_settings": execution.QUEUE,
}
COMMAND = record(
    {
        **BASE_FIELDS,
        **COMMAND_FIELDS,
        "type": choice("command"),
        "limits": execution.COMMAND_LIMITS,
        "inputs": inputs.INPUTS,
        "outputs": inputs.OUTPUTS,
        "parent_job_name": text,
    },
    required=("command", "environment"),
    ignored=SHOWN,
)
_OR_BINDING = either(yaml_values.binding, whole, number)
_BOUNDS = {
    "uniform": ("min_value", "max_value"), "loguniform": ("min_value", "max_value"),
    "quniform": ("min_value", "max_value", "q"), "qloguniform": ("min_value", "max_value", "q"),
    "normal": ("mu", "sigma"), "lognormal": ("mu", "sigma"),
    "qnormal": ("mu", "sigma", "q"), "qlognormal": ("mu", "sigma", "q"),
}  # fmt: skip


def choice_value(at: Cursor) -> Any:
    """One of the values of a choice: plain, or a mapping with distributions of its own."""
    return either(yaml_values.binding, whole, text, number, named(either(yaml_values.binding, _distribution, whole, number, text)))(
        at
    )


def _distribution(at: Cursor) -> dict[str, Any]:
    return dict(DISTRIBUTION(at))


CONTINUOUS = (
    *(
        record({"type": choice(kind), **dict.fromkeys(names, _OR_BINDING)}, required=("type", *names))
        for kind, names in _BOUNDS.items()
    ),
    record({"type": choice("randint"), "upper": integer}, required=("type", "upper")),
)


def choices(value: yaml_values.Shape = choice_value) -> yaml_values.Shape:
    """A distribution that is a list of values."""
    return record({"type": choice("choice"), "values": sequence(value)}, required=("type",))


DISTRIBUTION = either(choices(), *CONTINUOUS)
SAMPLING = either(
    choice("bayesian", "grid", "random"),
    record(
        {
            "type": choice("random", fold=snake),
            "seed": integer,
            "logbase": either(yaml_values.binding, number, text),
            "rule": choice("random", "sobol", fold=snake),
        },
        required=("type",),
    ),
    record({"type": choice("grid", fold=snake)}, required=("type",)),
    record({"type": choice("bayesian", fold=snake)}, required=("type",)),
)
_EVERY = {"evaluation_interval": integer, "delay_evaluation": integer}
EARLY_TERMINATION = either(
    record(
        {"type": choice("bandit", fold=snake), **_EVERY, "slack_factor": number, "slack_amount": number},
        required=("type",),
        nullable=(*_EVERY, "slack_factor", "slack_amount"),
    ),
    record({"type": choice("median_stopping", fold=snake), **_EVERY}, required=("type",), nullable=tuple(_EVERY)),
    record(
        {"type": choice("truncation_selection", fold=snake), **_EVERY, "truncation_percentage": integer},
        required=("type", "truncation_percentage"),
        nullable=tuple(_EVERY),
    ),
)
SWEEP_FIELDS: dict[str, yaml_values.Shape] = {
    "sampling_algorithm": SAMPLING,
    "search_space": named(DISTRIBUTION),
    "objective": record(
        {"goal": choice("minimize", "maximize", fold=snake), "primary_metric": text}, required=("goal", "primary_metric")
    ),
    "early_termination": EARLY_TERMINATION,
    "limits": record(
        {"max_concurrent_trials": integer, "max_total_trials": integer, "timeout": integer, "trial_timeout": integer},
        required=("max_total_trials",),
    ),
    "queue_settings": execution.QUEUE,
    "resources": execution.RESOURCES,
}
SWEEP = record(
    {
        **BASE_FIELDS,
        **SWEEP_FIELDS,
        "type": choice("sweep"),
        "trial": record(COMMAND_FIELDS, required=("command", "environment"), ignored=("$schema",)),
        "inputs": inputs.INPUTS,
        "outputs": inputs.OUTPUTS,
    },
    required=("type", "objective", "limits", "trial"),
    ignored=SHOWN,
)
SPARK_ENTRY = either(record({"file": text}, required=("file",)), record({"class_name": text}, required=("class_name",)))
_SPARK_SIZES = tuple(f"standard_e{cores}s_v3" for cores in (4, 8, 16, 32, 64))


def _spark_size(at: Cursor) -> str:
    """One of the VM sizes that Spark runs on, in any casing, or an expression."""
    size: str = text(at)
    if size.lower() not in _SPARK_SIZES and not yaml_values.is_binding(size):
        raise at.refusal(f"Spark runs on {', '.join(_SPARK_SIZES)}, got '{size[:80]}'.")
    return size


SPARK_RESOURCES = record(
    {"instance_type": _spark_size, "runtime_version": yaml_values.version}, required=("instance_type", "runtime_version")
)
SPARK_FIELDS: dict[str, yaml_values.Shape] = {
    "code": references.code,
    "entry": SPARK_ENTRY,
    "py_files": sequence(text),
    "jars": sequence(text),
    "files": sequence(text),
    "archives": sequence(text),
    "conf": named(anything),
    "environment": anything,
    "args": text,
}
SPARK = record(
    {
        **BASE_FIELDS,
        "properties": named(anything),
        **SPARK_FIELDS,
        "type": choice("spark"),
        "inputs": inputs.INPUTS,
        "outputs": inputs.OUTPUTS,
        "resources": SPARK_RESOURCES,
    },
    required=("type", "entry"),
    nullable=("environment",),
    ignored=SHOWN,
)
_SINGLE_BRACES = re.compile(r"(?<!\{)\{((?:inputs|outputs|search_space)\.[^}]*)\}(?!\})")  # an older spelling of ${{…}}
_ALLOCATION = "spark.dynamicAllocation."
_SESSION = tuple(f"spark.{each}" for each in ("driver.cores", "driver.memory", "executor.cores", "executor.memory"))


def command_body(draft: Draft, at: Cursor) -> dict[str, Any]:
    """Translate a command job."""
    job = COMMAND(at)
    bindings.check_job(at.get("command"), job["command"], job.get("inputs", {}))
    base = base_body(draft, job)
    properties = {
        **base,
        "properties": {name: value for name, value in base["properties"].items() if name != "_azureml.ComputeTargetType"},
        **_program(draft, at, job),
        "inputs": inputs.inputs_body(draft, at.get("inputs"), job.get("inputs", {})),
        "outputs": {name: inputs.output_body(value) for name, value in job.get("outputs", {}).items()},
        "limits": execution.limits_body(job.get("limits")),
        "queueSettings": execution.queue_body(job.get("queue_settings")),
        "parentJobName": job.get("parent_job_name"),
        "jobType": "Command",
    }
    if references.is_local(job.get("compute")):
        properties["environmentVariables"]["AZUREML_COMPUTE_USE_COMMON_RUNTIME"] = "true"
        properties["computeId"] = None
        resources = properties["resources"] or {"properties": {}}
        properties["resources"] = {**resources, "properties": {**resources["properties"], "IsLocal": {"IsLocal": True}}}
    return {"properties": assets.filled(properties)}


def sweep_body(draft: Draft, at: Cursor) -> dict[str, Any]:
    """Translate a sweep job."""
    job = SWEEP(at)
    check_remote(at, job)
    bindings.check_job(at.child("trial").get("command"), job["trial"]["command"], job.get("inputs", {}))
    trial = _program(draft, at.child("trial"), job["trial"])
    trial.pop("services", None)
    resources = execution.resources_body(job.get("resources"))
    properties = {
        **base_body(draft, job),
        "services": None,
        "searchSpace": {name: searched(space) for name, space in job.get("search_space", {}).items()},
        "samplingAlgorithm": sampling_body(job.get("sampling_algorithm")),
        "limits": execution.limits_body(floored(job["limits"]), "Sweep"),
        "earlyTermination": termination_body(job.get("early_termination")),
        "objective": {"goal": job["objective"]["goal"], "primaryMetric": job["objective"]["primary_metric"]},
        "trial": assets.filled(trial),
        "inputs": inputs.inputs_body(draft, at.get("inputs"), job.get("inputs", {})),
        "outputs": {name: inputs.output_body(value) for name, value in job.get("outputs", {}).items()},
        "queueSettings": execution.queue_body(job.get("queue_settings")),
        "resources": resources or trial.get("resources"),
        "jobType": "Sweep",
    }
    return {"properties": assets.filled(properties)}


def spark_body(draft: Draft, at: Cursor) -> dict[str, Any]:
    """Translate a Spark job."""
    job = SPARK(at)
    bindings.check_job(at.get("args"), job.get("args"), job.get("inputs", {}))
    check_conf(at.get("conf") or at, job.get("conf") or {})
    check_session(draft, at, job, job)
    conf = {name: str(value) for name, value in spark_conf(job.get("conf", {})).items()}
    if conf.get(f"{_ALLOCATION}enabled", "").lower() == "true":
        conf[f"{_ALLOCATION}enabled"] = "True"
        if f"{_ALLOCATION}minExecutors" in conf:
            conf.setdefault("spark.executor.instances", conf[f"{_ALLOCATION}minExecutors"])
    resources = job.get("resources")
    identity = job.get("identity") or {"type": "user_identity" if resources else "managed"}
    properties = {
        **base_body(draft, job),
        "services": None,
        "codeId": draft_code(draft, job.get("code")),
        "entry": entry_body(job["entry"]),
        **{yaml_values.camel(name): job.get(name) for name in ("py_files", "jars", "files", "archives", "args")},
        "identity": execution.identity_body(identity),
        "conf": conf,
        "environmentId": assets.environment_reference(draft, at.child("environment")) if job.get("environment") else None,
        "inputs": inputs.inputs_body(draft, at.get("inputs"), job.get("inputs", {})),
        "outputs": {name: inputs.output_body(value) for name, value in job.get("outputs", {}).items()},
        "resources": {yaml_values.camel(name): value for name, value in resources.items()} if resources else None,
        "jobType": "Spark",
    }
    return {"properties": assets.filled(properties)}


def base_body(draft: Draft, job: dict[str, Any]) -> dict[str, Any]:
    """Return what every job has."""
    compute = job.get("compute")
    return {
        "displayName": job.get("display_name") or job.get("name"),
        "description": job.get("description"),
        "tags": job.get("tags", {}),
        "properties": job.get("properties", {}),
        "experimentName": job.get("experiment_name"),
        "services": execution.services_body(job.get("services")),
        "computeId": compute if references.is_local(compute) else draft.compute(compute),
        "identity": execution.identity_body(job.get("identity")),
        "isArchived": False,
    }


def draft_code(draft: Draft, code: Any, pattern: str = "{}") -> Any:
    """Return a code id, or what stands for it until the code is uploaded."""
    if isinstance(code, references.LocalPath):
        return draft.upload(code, "code", pattern=pattern)
    found = draft.registered_code(code)
    return pattern.replace("{}", found) if isinstance(found, str) and found.startswith("/") else found


def check_remote(at: Cursor, job: dict[str, Any]) -> None:
    """Refuse a kind of job that never runs on the sender's machine, when it is to run there.

    Raises:
        RefusedError: At its compute.
    """
    if references.is_local(job.get("compute")):
        raise at.child("compute").refusal("Only command and Spark jobs run on 'local'; name a compute, such as azureml:cpu.")


def check_session(draft: Draft, at: Cursor, job: dict[str, Any], program: dict[str, Any], component: Cursor | None = None) -> None:
    """Refuse a Spark job or node that has no place to run, or data that Spark does not read and write directly.

    Args:
        draft: The translation.
        at: The job or node.
        job: It, as loaded.
        program: Its component as loaded, which is the job itself where it brings none.
        component: Where that component stands.

    Raises:
        RefusedError: All that is wrong with it.
    """
    faults = yaml_values.Faults()
    places = [name for name in ("compute", "resources") if job.get(name) is not None]
    if len(places) > 1 or (not places and component is None):  # a pipeline's node may have its default
        faults.add(at.refusal("A Spark job runs on a 'compute' or on 'resources' of its own: give it one of the two."))
    for part in ("inputs", "outputs"):
        declared = program.get(part) or {} if component is not None else {}
        for name, value in (job.get(part) or {}).items():
            data = {} if value is None else value
            if not isinstance(data, dict) or (part == "inputs" and inputs.is_literal(data)) or is_bound(data.get("path")):
                continue
            if component is not None and name not in declared:
                continue
            if "direct" not in (data.get("mode"), (declared.get(name) or {}).get("mode")):
                where = (at.get(part) or at).get(name) or at
                faults.add(where.refusal(f"Spark reads and writes data directly: give '{name}' the mode direct."))
    entry = program.get("entry") or {}
    where = component or at
    if component is not None and "args" in program:
        given = {**(program.get("inputs") or {}), **(job.get("inputs") or {})}
        faults.read(partial(_check_args, args=program["args"], given=given), where)
    if "class_name" in entry:
        faults.add(where.child("entry").refusal("A Spark job starts with a file, not a class: write entry: {file: main.py}."))
    faults.done()
    expect_entry(draft, where, program)


def _check_args(at: Cursor, args: str, given: dict[str, Any]) -> None:
    bindings.check_job(at.get("args"), args, given)


def is_bound(path: Any) -> bool:
    """Return True if a path of an input or output is an expression."""
    return isinstance(path, str) and "${{" in path


def expect_entry(draft: Draft, at: Cursor, program: dict[str, Any]) -> None:
    """Have a look that a Spark program's first file lies in its code."""
    code, entry = program.get("code"), (program.get("entry") or {}).get("file")
    if isinstance(code, references.LocalPath) and entry:
        message = f"The code '{code.shown[:120]}' has no file '{entry[:120]}', with which the job starts."
        draft.expect(code, "code", "file", at.child("entry").refusal(message), inside=entry)


def check_conf(at: Cursor, conf: dict[str, Any]) -> None:
    """Refuse a Spark configuration that lacks what a session needs.

    Raises:
        RefusedError: At the configuration.
    """
    dynamic = str(conf.get(f"{_ALLOCATION}enabled")).lower() == "true"
    bounds = tuple(f"{_ALLOCATION}{name}Executors" for name in ("min", "max"))
    needed = (*_SESSION, *(bounds if dynamic else ("spark.executor.instances",)))
    if missing := [name for name in needed if conf.get(name) is None]:
        raise at.refusal(f"A Spark session needs {', '.join(needed)}; {', '.join(missing)} is missing.")
    if not dynamic and (given := [name for name in bounds if conf.get(name) is not None]):
        raise at.refusal(f"'{given[0]}' goes with {_ALLOCATION}enabled: true, which is missing.")
    try:
        least, most = (int(conf.get(name, 1)) for name in bounds)
        instances = int(conf.get("spark.executor.instances") or least)
    except (TypeError, ValueError):
        return  # an expression, or what Spark reads itself
    if dynamic and not 0 < least <= instances <= most:
        found = f"{bounds[0]} is {least}, spark.executor.instances {instances}, {bounds[1]} {most}"
        message = f"{found}; expected 0 < min <= instances <= max."
        raise at.refusal(message)


def spark_conf(conf: dict[str, Any]) -> dict[str, Any]:
    """Return a Spark configuration in the order and with the members the CLI sends."""
    dynamic = str(conf.get(f"{_ALLOCATION}enabled")).lower() == "true"
    out = dict(conf)
    if not dynamic:
        out = {name: value for name, value in out.items() if not name.startswith(_ALLOCATION)}
    return {name: value for name, value in out.items() if value is not None}


def entry_body(entry: dict[str, Any]) -> dict[str, Any]:
    """Return the REST form of a Spark job's `entry`."""
    if "file" in entry:
        return {"file": entry["file"], "sparkJobEntryType": "SparkJobPythonEntry"}
    return {"className": entry["class_name"], "sparkJobEntryType": "SparkJobScalaEntry"}


def searched(space: dict[str, Any]) -> list[Any]:
    """Return the REST form of one distribution of a search space."""
    kind = space["type"]
    if kind == "choice":
        return ["choice", [[_choice(value) for value in space.get("values", [])]]]
    if kind == "randint":
        return ["randint", [space["upper"]]]
    return [kind, [space[name] for name in _BOUNDS[kind]]]


def sampling_body(sampling: Any) -> dict[str, Any] | None:
    """Return the REST form of `sampling_algorithm`."""
    if sampling is None:
        return None
    fields = {"type": sampling} if isinstance(sampling, str) else sampling
    rule = fields.get("rule")
    body = {
        "samplingAlgorithmType": fields["type"].capitalize(),
        "rule": rule,
        "seed": fields.get("seed"),
        "logbase": fields.get("logbase"),
    }
    return assets.filled(body)


def termination_body(policy: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the REST form of `early_termination`."""
    if policy is None:
        return None
    kind = yaml_values.pascal(policy["type"])
    body = {yaml_values.camel(name): value for name, value in policy.items() if name != "type"}
    defaults: dict[str, Any] = {"evaluationInterval": 1 if kind == "MedianStopping" else 0, "delayEvaluation": 0}
    if kind == "Bandit":
        defaults |= {"slackFactor": 0, "slackAmount": 0}
    return {**defaults, **body, "policyType": kind}


def _program(draft: Draft, at: Cursor, job: dict[str, Any]) -> dict[str, Any]:
    return {
        "command": _SINGLE_BRACES.sub(r"${{\1}}", job["command"]),
        "codeId": draft_code(draft, job.get("code")),
        "environmentId": assets.environment_reference(draft, at.child("environment")),
        "environmentVariables": execution.variables_body(job.get("environment_variables")),
        "resources": execution.resources_body(job.get("resources")),
        "distribution": execution.distribution_body(job.get("distribution")),
    }


def floored(limits: dict[str, Any]) -> dict[str, Any]:
    """Return a sweep's limits: times below a minute are a minute, as the CLI has it."""
    return {
        name: max(value, 60) if name.endswith("timeout") and isinstance(value, int) and value else value
        for name, value in limits.items()
    }


def _choice(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: searched(each) if isinstance(each, dict) else each for name, each in value.items()}
    return value
