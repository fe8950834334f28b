"""Pipelines: jobs, components, and what their nodes run; also which kind of job a YAML is."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from shared.catalog.yaml import inputs, references
from shared.catalog.yaml.assets import component_fields, components
from shared.catalog.yaml.assets.assets import filled
from shared.catalog.yaml.jobs import jobs, nodes
from shared.catalog.yaml.jobs.loaded import Component, Scope
from shared.text.yaml_values import anything, boolean, choice, either, named, record, text

if TYPE_CHECKING:
    from shared.catalog.yaml.drafts import Draft
    from shared.text.yaml_document import Cursor
    from shared.text.yaml_values import Shape

FROM_COMPONENT = "REMOTE.WORKSPACE.JOB"  # where a job's pipeline came from, as Azure records it
SETTINGS = record(
    {
        "default_datastore": references.short("datastores"),
        "default_compute": either(choice("serverless"), references.short("computes")),
        "continue_on_step_failure": boolean,
        "force_rerun": boolean,
    },
    unknown="keep",
)
PIPELINE_FIELDS: dict[str, Shape] = {
    **jobs.BASE_FIELDS,
    "type": choice("pipeline"),
    "settings": SETTINGS,
    "inputs": inputs.INPUTS,
    "outputs": inputs.OUTPUTS,
    "jobs": anything,
    "component": anything,
}
PIPELINE = record(PIPELINE_FIELDS, ignored=jobs.SHOWN)
_COMPONENT: dict[str, Shape] = {
    "jobs": anything,
    "outputs": named(either(component_fields.PRIMITIVE_OUTPUT, component_fields.OUTPUT_PORT)),
}


def job_body(draft: Draft, at: Cursor) -> dict[str, Any]:
    """Translate any job; `type` (by default command) says which."""
    from shared.catalog.yaml.jobs import automl, finetuning

    kinds = {
        "command": jobs.command_body,
        "sweep": jobs.sweep_body,
        "spark": jobs.spark_body,
        "pipeline": pipeline_body,
        "automl": automl.job_body,
        "finetuning": finetuning.finetuning_body,
    }
    stated = at.get("type")
    if stated is None:
        if at.get("jobs") is not None:
            raise at.child("jobs").refusal(
                "Without 'type' this is a command job, which has no 'jobs'; add type: pipeline.", at_key=True
            )
        return jobs.command_body(draft, at)
    return kinds[choice(*kinds)(stated)](draft, at)


def pipeline_body(draft: Draft, at: Cursor) -> dict[str, Any]:
    """Translate a pipeline job."""
    job = PIPELINE(at)
    jobs.check_remote(at, job)
    scope = Scope(inputs=job.get("inputs", {}), outputs=job.get("outputs", {}), pipeline=partial(load, anonymous=True))
    component = at.get("component")
    source = components.FROM_JOB
    built: dict[str, Any] = {}
    found: Any = None
    loaded: Component | None = None
    if component is not None:
        source = FROM_COMPONENT
        found, loaded = _pipeline_reference(draft, component)
    if at.get("jobs") is not None:
        built = nodes.nodes_body(draft, at.child("jobs"), scope)
    details = loaded.fields if loaded is not None else {}
    if job.get("compute") is None and (job.get("settings") or {}).get("default_compute") is None:
        nodes.check_compute(scope.nodes or (loaded.nodes if loaded is not None else {}))
    given, outputs = job.get("inputs", {}), job.get("outputs", {})
    if details:
        known = details.get("inputs", {})
        for name in [name for name in given if name not in known]:
            at.child("inputs").child(name).note(
                f"The pipeline's component has no input '{name[:80]}': it is not sent.", at_key=True
            )
        given = {**_defaults(known), **{name: each for name, each in given.items() if name in known}}
        outputs = {**{name: {"type": each["type"]} for name, each in details.get("outputs", {}).items()}, **outputs}
    settings = settings_body(draft, job.get("settings"))
    for name in [name for name in settings if name in PIPELINE_FIELDS]:
        at.child("settings").child(name).note(
            f"'{name}' belongs to the pipeline, not to its settings, where Azure does not read it: write it one level higher.",
            at_key=True,
        )
    base = jobs.base_body(draft, job)
    properties = {
        **base,
        "displayName": job.get("display_name") or details.get("display_name") or job.get("name"),
        "description": job.get("description") or details.get("description"),
        "jobs": built,
        "inputs": inputs.inputs_body(draft, at.get("inputs") or at, _given(given)),
        "outputs": {name: inputs.output_body(value) for name, value in outputs.items()},
        "settings": {**settings, "_source": source},
        "componentId": found,
        "jobType": "Pipeline",
    }
    return {"properties": filled(properties)}


def settings_body(draft: Draft, settings: dict[str, Any] | None) -> dict[str, Any]:
    """Return a pipeline's settings with its defaults as ids."""
    out = {name: value for name, value in (settings or {}).items() if value is not None}
    if "default_datastore" in out:
        out["default_datastore"] = draft.named("datastores", out["default_datastore"])
    if "default_compute" in out:
        out["default_compute"] = draft.compute(out["default_compute"])
    return out


def scheduled_job(draft: Draft, at: Cursor) -> dict[str, Any]:
    """Return the pipeline of a schedule: a registered one by id, one from a file, or either with settings changed.

    Raises:
        RefusedError: It is another kind of job, or is written out in the schedule: azure-ai-ml refuses both.
    """
    if isinstance(at.value, str):
        return _by_reference(draft, at)
    inner = at.get("job")
    if isinstance(at.value, dict) and inner is None:
        raise at.refusal("A schedule's job has a file of its own: write create_job: ./job.yml, or azureml:NAME of a finished one.")
    shape = {name: each for name, each in PIPELINE_FIELDS.items() if name not in ("jobs", "component")}
    changes = record({**shape, "job": text}, required=("job",), ignored=jobs.SHOWN)(at)
    if changes["job"].startswith(references.PREFIX):
        if "type" not in changes:
            raise at.refusal("The field 'type' is missing: write type: pipeline.", member="type")
        return _changed_reference(draft, at, at.child("job"), changes)
    opened = _pipeline_of(at.child("job"))
    _merge(opened, at, changes)
    return _definition(draft, opened)


def _pipeline_of(at: Cursor) -> Cursor:
    """Open the file of a schedule's job.

    Raises:
        RefusedError: It holds no pipeline.
    """
    opened = at.open(at.value)
    kind = opened.value.get("type", "command") if isinstance(opened.value, dict) else ""
    if str(kind).lower() != "pipeline":
        found = f"a job of type '{str(kind)[:80]}'" if kind else "no job"
        raise at.refusal(f"'{at.value[:120]}' holds {found}; a schedule runs a pipeline: put the job into one, as its only step.")
    return opened


def _merge(opened: Cursor, at: Cursor, changes: dict[str, Any]) -> None:
    """Put what a schedule changes into the job it opens: mappings by member, the rest whole."""
    for name in ("tags", "inputs", "settings", "outputs", "properties"):
        if name in changes and isinstance(at.value.get(name), dict):
            known = opened.value.get(name)
            opened.value[name] = {**(known if isinstance(known, dict) else {}), **at.value[name]}
    for name in ("description", "display_name", "experiment_name", "compute", "identity", "name"):
        if name in changes:
            opened.value[name] = at.value[name]


def component_body(draft: Draft, at: Cursor) -> dict[str, Any]:
    """Translate a component to be registered under its name."""
    kind = components.kind_of(at)
    if kind != "command" and at.get("type") is None:
        raise at.refusal(f"Without 'type' this is a command component; add type: {kind}.")
    if kind == "pipeline":
        return version_body(load(draft, at, anonymous=False), anonymous=False)
    component = components.load(draft, at, kind=kind, source=components.FROM_FILE, anonymous=False)
    return components.version_body(component.spec, component.fields, anonymous=False)


def version_body(component: Component, *, anonymous: bool) -> dict[str, Any]:
    """Return the ARM body of a pipeline component's version, which does not say whether it is archived."""
    body = components.version_body(component.spec, component.fields, anonymous=anonymous)
    del body["properties"]["isArchived"]
    return body


def load(draft: Draft, at: Cursor, *, anonymous: bool) -> Component:
    """Read a pipeline component."""
    shape = components.component_shape("pipeline", _COMPONENT, required=("jobs",), anonymous=anonymous)
    fields = shape(at)
    components.check_defaults(at, fields)
    spec = components.base_spec(fields, anonymous=anonymous, kind="pipeline", source=components.FROM_FILE)
    spec["is_deterministic"] = fields.get("is_deterministic")
    scope = Scope(inputs=fields.get("inputs", {}), outputs=fields.get("outputs", {}), pipeline=partial(load, anonymous=True))
    spec = {**components.others(fields, _COMPONENT), **spec}
    spec["settings"] = fields.get("settings")
    spec["jobs"] = nodes.nodes_body(draft, at.child("jobs"), scope)
    for name in nodes.optional_inputs(scope):
        spec["inputs"][name] = {"optional": True, **spec["inputs"][name]}
    source = components.FROM_FILE
    return Component(kind="pipeline", fields=fields, at=at, source=source, spec=filled(spec), nodes=scope.nodes)


def batch_component(draft: Draft, at: Cursor) -> tuple[Any, dict[str, Any]]:
    """Return the id of a batch deployment's pipeline component, and what the deployment repeats of it."""
    found, loaded = _pipeline_reference(draft, at)
    details = loaded.fields if loaded is not None else {}
    repeated = {"tags": details.get("tags", {}), "description": details.get("description")} if details else {}
    return found, filled(repeated)


def of_job(draft: Draft, at: Cursor) -> tuple[Any, dict[str, Any]]:
    """Return what stands for the component made of a finished pipeline job."""
    job = references.short("jobs")(at)
    spec = {
        "source_job_id": job,
        "sourceJobId": job,
        "name": references.ANONYMOUS_COMPONENT,
        "version": "1",
        "type": "pipeline",
        "_source": "CLASS",
        "jobs": {},
    }
    body = {"properties": {"componentSpec": spec, "isAnonymous": True, "properties": {}, "tags": {}}}
    return draft.register("components", body, name=None, version=None, anonymous=references.ANONYMOUS_COMPONENT), {}


def _pipeline_reference(draft: Draft, at: Cursor) -> tuple[Any, Component | None]:
    if isinstance(at.value, str) and at.value.startswith(references.PREFIX):
        return nodes.registered(draft, at), None
    opened = at.open(at.value.removeprefix("file:")) if isinstance(at.value, str) else at
    component = load(draft, opened, anonymous=True)
    return components.register(draft, component), component


def _by_reference(draft: Draft, at: Cursor) -> dict[str, Any]:
    if at.value.startswith(references.PREFIX):
        job = references.short("jobs")(at)
        return {"sourceJobId": job, "experimentName": "", "isArchived": False, "jobType": "Pipeline"}
    return _definition(draft, _pipeline_of(at))


def _changed_reference(draft: Draft, at: Cursor, inner: Cursor, changes: dict[str, Any]) -> dict[str, Any]:
    job = references.short("jobs")(inner)
    settings = settings_body(draft, changes.get("settings"))
    body = {
        **jobs.base_body(draft, changes),
        "jobs": {},
        "inputs": inputs.inputs_body(draft, at.get("inputs"), _given(changes.get("inputs", {}))),
        "outputs": {name: inputs.output_body(value) for name, value in changes.get("outputs", {}).items()},
        "settings": {**settings, "_source": components.FROM_JOB},
        "sourceJobId": job,
        "jobType": "Pipeline",
    }
    return filled(body)


def _definition(draft: Draft, job: Cursor) -> dict[str, Any]:
    """Return the body of a job that a schedule holds: a pipeline's name is not shown there."""
    is_pipeline = isinstance(job.value, dict) and ("jobs" in job.value or "component" in job.value)
    if is_pipeline:
        job.value.pop("name", None)
    properties: dict[str, Any] = job_body(draft, job)["properties"]
    return properties


def _defaults(definitions: dict[str, Any]) -> dict[str, Any]:
    """Return the inputs that a component has a default for."""
    return {name: components.port(each)["default"] for name, each in definitions.items() if "default" in each}


def _given(values: dict[str, Any]) -> dict[str, Any]:
    """Return the inputs that have a value: the CLI leaves out empty ones."""
    return {name: value for name, value in values.items() if not (inputs.is_literal(value) and inputs.literal(value) == "")}
