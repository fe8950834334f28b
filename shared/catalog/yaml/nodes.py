"""The nodes of a pipeline: each with a component of its own, by reference or inline, or a job that becomes one.

A job inside a pipeline is turned into an anonymous component; the types of its inputs follow from what they are bound to.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from shared.catalog.yaml import components, execution, imports, inputs, jobs, references, shapes
from shared.catalog.yaml.assets import filled
from shared.catalog.yaml.shapes import anything, choice, either, mapping, named, record, sequence, text

if TYPE_CHECKING:
    from shared.catalog.yaml.document import Cursor
    from shared.catalog.yaml.references import Draft

NODE_NAME = re.compile(r"^[a-z_][a-z0-9_]*$")
_JOB_BINDING = re.compile(r"^\$\{\{\s*parent\.jobs\.([^.]+)\.([^.]+)\.([^.}\s]+)\s*\}\}$")
_PARENT_BINDING = re.compile(r"^\$\{\{\s*parent\.(inputs|outputs)\.([^}\s]+?)\s*\}\}$")
_TYPE_NAMES = {bool: "boolean", int: "integer", float: "number", str: "string"}
_OUTPUT = either(shapes.binding, inputs.OUTPUT)
_ENVIRONMENT_VARIABLES = either(shapes.binding, mapping())
_COMMON: dict[str, shapes.Shape] = {
    "type": text,
    "inputs": inputs.INPUTS,
    "outputs": named(shapes.maybe(_OUTPUT)),
    "properties": named(anything),
    "comment": text,
    "compute": references.compute,
    "name": text,
    "display_name": text,
    "description": text,
    "tags": named(anything),
    "experiment_name": text,
}
_RUN: dict[str, shapes.Shape] = {
    "resources": execution.RESOURCES,
    "environment_variables": _ENVIRONMENT_VARIABLES,
    "identity": either(shapes.binding, execution.IDENTITY),
}
_COMMAND_NODE: dict[str, shapes.Shape] = {
    **_RUN,
    "command": text,
    "code": anything,
    "environment": anything,
    "distribution": either(shapes.binding, execution.DISTRIBUTION),
    "queue_settings": execution.QUEUE,
    "limits": execution.COMMAND_LIMITS,
    "services": execution.SERVICES,
    "component": anything,
    "parent_job_name": text,
}
_PARALLEL: dict[str, shapes.Shape] = {
    **_RUN,
    **{name: shape for name, shape in components.PARALLEL_FIELDS.items() if name not in ("resources", "partition_keys")},
    "partition_keys": sequence(text),
    "component": anything,
    "environment": anything,
}
_SPARK: dict[str, shapes.Shape] = {
    **jobs.SPARK_FIELDS,
    "identity": either(shapes.binding, execution.IDENTITY),
    "resources": record({"instance_type": text, "runtime_version": shapes.version}),
    "component": anything,
}
_SWEEP: dict[str, shapes.Shape] = {
    **jobs.SWEEP_FIELDS,
    "search_space": named(either(shapes.binding, jobs.DISTRIBUTION)),
    "trial": anything,
}
_TRANSFER: dict[str, shapes.Shape] = {
    "task": choice("copy_data", "import_data", "export_data"),
    "data_copy_mode": choice("merge_with_overwrite", "fail_if_conflict"),
    "source": imports.PLACE,
    "sink": imports.PLACE,
    "component": anything,
}
_FIELDS: dict[str, dict[str, shapes.Shape]] = {
    "command": _COMMAND_NODE,
    "parallel": _PARALLEL,
    "spark": _SPARK,
    "sweep": _SWEEP,
    "pipeline": {"component": anything},
    "data_transfer": _TRANSFER,
}
_REMOTE = {True: "REMOTE.REGISTRY", False: "REMOTE.WORKSPACE.COMPONENT"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What expressions in a pipeline's nodes refer to.

    Attributes:
        inputs: The pipeline's, as loaded.
        outputs: The pipeline's, as loaded.
        definitions: They are a component's definitions rather than a job's values.
        nodes: Each node as loaded, with its kind and its component's outputs, in order.
    """

    inputs: dict[str, Any]
    outputs: dict[str, Any]
    definitions: bool = False
    nodes: dict[str, Node] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One node as loaded.

    Attributes:
        kind: Its type.
        fields: As loaded.
        at: Where.
        component: The component it brings along, if it names one that is not registered yet.
        reference: The registered one it names instead.
    """

    kind: str
    fields: dict[str, Any]
    at: Cursor
    component: components.Component | None = None
    reference: Any = None


def nodes_body(draft: Draft, at: Cursor, scope: Scope) -> dict[str, Any]:
    """Return all nodes of a pipeline.

    Raises:
        RefusedError: At the field at fault.
    """
    if not isinstance(at.value, dict):
        raise at.refusal(f"Expected a mapping of nodes, got {shapes.noun(at.value)}.")
    for each in at.children():
        name = str(each.path[-1])
        if not NODE_NAME.match(name):
            raise each.refusal(f"'{name[:80]}' is no node name: lower-case letters, digits and underscores.", at_key=True)
        where = each
        if isinstance(each.value, str):
            where = each.open(each.value.removeprefix("file:"))
        scope.nodes[name] = _load(draft, where)
    return {name: _body(draft, name, node, scope) for name, node in scope.nodes.items()}


def optional_inputs(scope: Scope) -> list[str]:
    """Return the inputs of a pipeline that count as optional because the last node they are bound to takes them so."""
    found: dict[str, bool] = {}
    for node in scope.nodes.values():
        if node.component is None and node.reference is not None:
            continue
        defined = node.component.fields.get("inputs", {}) if node.component is not None else {}
        required: dict[str, bool] = {}
        for name, value in node.fields.get("inputs", {}).items():
            path = value.get("path") if isinstance(value, dict) and "value" not in value else inputs.literal(value)
            bound = _PARENT_BINDING.match(str(path))
            if bound and bound[1] == "inputs" and (node.component is None or name in defined):
                needed = defined.get(name, {}).get("optional") is not True
                required[bound[2]] = required.get(bound[2], False) or needed
        found |= {name: not needed for name, needed in required.items()}
    return [
        name for name, optional in found.items() if optional and "optional" not in (scope.inputs.get(name) or {"optional": None})
    ]


def registered(draft: Draft, at: Cursor) -> Any:
    """Return the id of a registered component."""
    reference = either(references.registry, references.versioned("components", bare=True))(at)
    return draft.versioned("components", reference, at)


def _load(draft: Draft, at: Cursor) -> Node:
    from shared.catalog.yaml import automl

    at = replace(at, bindings=True)

    if not isinstance(at.value, dict):
        raise at.refusal(f"Expected a node, got {shapes.noun(at.value)}.")
    kind = _kind(at)
    if kind == "automl":
        return Node(kind=kind, fields=automl.node_fields(at), at=at)
    if kind not in _FIELDS:
        known = (*_FIELDS, "automl")
        raise at.child("type").refusal(f"A node of type '{kind[:80]}' is unknown; known are {', '.join(known)}.")
    unknown = "keep" if "component" in at.value or "trial" in at.value else "refuse"
    fields = record({**_COMMON, **_FIELDS[kind]}, nullable=("code", "environment"), ignored=jobs.SHOWN, unknown=unknown)(at)
    inline = at.get("trial" if kind == "sweep" else "component")
    if inline is None:
        return Node(kind=kind, fields=fields, at=at)
    component, reference = _component(draft, inline, "command" if kind == "sweep" else kind)
    return Node(kind=kind, fields=fields, at=at, component=component, reference=reference)


def _kind(at: Cursor) -> str:
    stated = at.get("type")
    if stated is not None and isinstance(stated.value, str):
        return stated.value.lower()
    if at.get("trial") is not None:
        return "sweep"
    named_component = at.get("component")
    if named_component is not None and isinstance(named_component.value, str):
        if named_component.value.startswith(references.PREFIX):
            return "command"
        return components.kind_of(named_component.open(named_component.value.removeprefix("file:")))
    if named_component is not None:
        return components.kind_of(named_component)
    return "parallel" if at.get("task") is not None else "spark" if at.get("entry") is not None else "command"


def _component(draft: Draft, at: Cursor, kind: str) -> tuple[components.Component | None, Any]:
    """Return the component a node brings along, or the id of the registered one it names."""
    from shared.catalog.yaml import pipelines

    if isinstance(at.value, str) and at.value.startswith(references.PREFIX):
        return None, registered(draft, at)
    source = components.FROM_JOB
    at = replace(at, bindings=False)
    opened = at
    if isinstance(at.value, str):
        source = components.FROM_JOB if at.value.startswith("file:") else components.FROM_FILE
        opened = at.open(at.value.removeprefix("file:"))
    if kind == "pipeline":
        return pipelines.load(draft, opened, anonymous=True), None
    return components.load(draft, opened, kind=kind, source=source, anonymous=True), None


def _body(draft: Draft, name: str, node: Node, scope: Scope) -> dict[str, Any]:
    if node.kind == "automl":
        from shared.catalog.yaml import automl

        return automl.node_body(draft, name, node.at, node.fields)
    component, reference = node.component, node.reference
    if component is None and reference is None:
        reference = _builtin(node)
        component = _from_job(draft, node, scope) if reference is None else None
    found = components.register(draft, component) if component is not None else reference
    fields = _declared(node)
    base = {
        **_others(node),
        "name": name,
        "type": node.kind,
        "display_name": fields.get("display_name"),
        "tags": fields.get("tags") or None,
        "computeId": draft.compute(fields.get("compute")) if node.kind != "pipeline" else None,
        "inputs": inputs.inputs_body(draft, node.at.get("inputs"), fields.get("inputs", {}), in_node=True) or None,
        "outputs": {
            key: inputs.output_body(value, in_node=True) for key, value in fields.get("outputs", {}).items() if value is not None
        }
        or None,
        "properties": fields.get("properties") or None,
        "comment": fields.get("comment"),
        "_source": component.source if component is not None else _source(node),
    }
    more = {"command": _command, "parallel": _parallel, "spark": _spark, "sweep": _sweep}.get(node.kind)
    if more is not None:
        base |= more(draft, node, component)
    if node.kind == "data_transfer":
        own = node.component.fields if node.component is not None else {}
        base |= {part: fields.get(part) for part in ("task", "source", "sink")}
        base["data_copy_mode"] = own.get("data_copy_mode") or fields.get("data_copy_mode")
    if node.kind == "sweep":
        base["trial"] = {"componentId": found}
    else:
        base["componentId"] = found
    return filled(base)


def _others(node: Node) -> dict[str, Any]:
    """Return the fields of its own that a node with a component carries: the CLI sends them as they are."""
    known = {*_COMMON, *_FIELDS[node.kind]}
    return {name: value for name, value in node.fields.items() if name not in known and value not in ({}, [], None)}


def _declared(node: Node) -> dict[str, Any]:
    """Return the node's fields without inputs and outputs that its own component does not have: the CLI drops those."""
    if node.component is None:
        return node.fields
    out = dict(node.fields)
    for part in ("inputs", "outputs"):
        if part in out:
            known = node.component.fields.get(part) or {}
            for name in [name for name in out[part] if name not in known]:
                _port(node, part, name).note(f"The component has no {part[:-1]} '{str(name)[:80]}': it is not sent.", at_key=True)
            out[part] = {name: value for name, value in out[part].items() if name in known}
    return out


def _builtin(node: Node) -> str | None:
    """Return Azure's own component for a data transfer that brings none: copying is made one of its own."""
    task = node.fields.get("task")
    if node.kind != "data_transfer" or task not in ("import_data", "export_data"):
        return None
    place = node.fields.get("source" if task == "import_data" else "sink") or {}
    where = "database" if place.get("type") == "database" else "file_system"
    if (task, where) == ("export_data", "file_system"):
        raise node.at.refusal("An export goes to a database: 'sink' of type database is missing.")
    return imports.builtin(task, where)


def _source(node: Node) -> str:
    if node.reference is None:
        return "BUILTIN"
    at = node.at.get("trial" if node.kind == "sweep" else "component")
    return _REMOTE[at is not None and str(at.value).startswith((references.REGISTRIES, references.FEEDS))]


def _identity(fields: dict[str, Any]) -> Any:
    found = fields.get("identity")
    return found if isinstance(found, str) or found is None else execution.snaked(execution.identity_body(found))


def _command(_: Draft, node: Node, component: components.Component | None) -> dict[str, Any]:
    own = component.fields if component is not None else {}
    resources = node.fields.get("resources") or own.get("resources")
    distribution = node.fields.get("distribution") or own.get("distribution")
    if isinstance(distribution, dict):
        distribution = execution.snaked(execution.distribution_body(distribution))
    limits = execution.snaked(execution.limits_body(node.fields.get("limits")))
    return {
        "resources": resources if isinstance(resources, str) else execution.snaked(execution.resources_body(resources)) or None,
        "distribution": distribution,
        "limits": limits,
        "environment_variables": node.fields.get("environment_variables") or None,
        "services": execution.snaked(execution.services_body(node.fields.get("services"))),
        "identity": _identity(node.fields),
        "queue_settings": execution.snaked(execution.queue_body(node.fields.get("queue_settings"))) or None,
    }


def _parallel(draft: Draft, node: Node, component: components.Component | None) -> dict[str, Any]:
    own = component.fields if component is not None else {}
    fields = node.fields
    out: dict[str, Any] = {}
    for name in (
        "input_data",
        "max_concurrency_per_instance",
        "mini_batch_error_threshold",
        "error_threshold",
        "logging_level",
        "retry_settings",
    ):
        inherited = own.get(name) if name not in ("error_threshold", "logging_level") else None
        out[name] = fields.get(name, inherited)
    where = node.at.get("mini_batch_size") or (component.at.get("mini_batch_size") if component is not None else None)
    out["mini_batch_size"] = components.batch_size(where) if where is not None else 0 if component is not None else None
    keys = fields.get("partition_keys") or own.get("partition_keys")
    out["partition_keys"] = json.dumps(keys) if keys else None
    out["resources"] = execution.snaked(execution.resources_body(fields.get("resources") or own.get("resources"))) or None
    out["environment_variables"] = fields.get("environment_variables") or None
    out["identity"] = _identity(fields)
    if "task" in fields:
        out["task"] = components.task_spec(draft, node.at.child("task"), fields["task"])
    elif "task" in own and component is not None:
        out["task"] = components.task_spec(draft, component.at.child("task"), own["task"])
    return out


def _spark(_: Draft, node: Node, component: components.Component | None) -> dict[str, Any]:
    own = component.fields if component is not None else node.fields
    conf = jobs.spark_conf({**(own.get("conf") or {}), **(node.fields.get("conf") or {})})
    allocation = "spark.dynamicAllocation."
    if str(conf.get(f"{allocation}enabled")).lower() == "true" and "spark.executor.instances" not in conf:
        instances = conf.get(f"{allocation}minExecutors")
        conf |= {"spark.executor.instances": instances} if instances is not None else {}
    identity = _identity(node.fields)
    if identity is None:
        identity = {"identity_type": "UserIdentity" if node.fields.get("resources") else "Managed"}
    out = {name: own.get(name) or None for name in ("args", "py_files", "jars", "files", "archives")}
    out["conf"] = conf or None
    out["identity"] = identity
    resources = node.fields.get("resources")
    if resources and "component" in node.fields and "instance_type" in resources:
        resources = {**resources, "instance_type": resources["instance_type"].lower()}
    out["resources"] = resources
    if "entry" in own:
        out["entry"] = execution.snaked(jobs.entry_body(own["entry"]))
    return out


def _sweep(_: Draft, node: Node, __: components.Component | None) -> dict[str, Any]:
    fields = node.fields
    termination = fields.get("early_termination")
    body: dict[str, Any] = {name: fields.get(name) for name in ("sampling_algorithm", "objective", "search_space")}
    body["limits"] = jobs.floored(fields["limits"]) if "limits" in fields else None
    if isinstance(termination, dict):
        written = execution.snaked(jobs.termination_body(termination))
        termination = {name: value for name, value in written.items() if value != 0}
    body["early_termination"] = termination
    body["queue_settings"] = fields.get("queue_settings") or None
    body["resources"] = components.resources_spec(fields.get("resources"))
    return body


def _from_job(draft: Draft, node: Node, scope: Scope) -> components.Component:
    """Turn a job inside a pipeline into an anonymous component."""
    fields = node.fields
    given = {
        "tags": fields.get("tags"),
        "description": fields.get("description"),
        "properties": {},
        "inputs": {
            name: _input_type(_port(node, "inputs", name), value, scope) for name, value in fields.get("inputs", {}).items()
        },
        "outputs": {
            name: _output_type(_port(node, "outputs", name), value, scope) for name, value in fields.get("outputs", {}).items()
        },
    }
    spec = components.base_spec(given, anonymous=True, kind=node.kind, source=components.FROM_JOB)
    if node.kind == "command":
        for name in ("command", "environment"):
            if name not in fields:
                raise node.at.refusal(f"The node has neither 'component' nor '{name}'.")
        code = node.at.get("code")
        spec |= {
            "command": fields["command"],
            "code": components.code_spec(draft, references.code(code)) if code is not None and code.value is not None else None,
            "environment": components.environment_spec(draft, node.at.child("environment")),
            "resources": components.resources_spec(fields.get("resources")),
            "distribution": components.distribution_spec(fields.get("distribution")),
        }
    elif node.kind == "spark":
        spec |= components.spark_spec(draft, node.at, fields)
    elif node.kind == "parallel":
        spec |= components.parallel_spec(draft, node.at, _unbound(fields))
    elif node.kind == "data_transfer":
        spec |= {name: fields.get(name) for name in ("task", "data_copy_mode")}
    else:
        raise node.at.refusal("The node has no component.")
    return components.Component(
        kind=node.kind, fields={**fields, **given}, at=node.at, source=components.FROM_JOB, spec=filled(spec)
    )


def _port(node: Node, part: str, name: str) -> Cursor:
    """Return where an input or output of a node stands."""
    return (node.at.get(part) or node.at).get(name) or node.at


def _unbound(fields: dict[str, Any]) -> dict[str, Any]:
    """Return a parallel job's fields without the numbers that are expressions: its component leaves them to the node."""
    counts = ("max_concurrency_per_instance", "error_threshold", "mini_batch_error_threshold")
    out = {name: value for name, value in fields.items() if not (name in counts and shapes.is_binding(value))}
    if isinstance(out.get("resources"), dict):
        out["resources"] = {name: value for name, value in out["resources"].items() if not shapes.is_binding(value)}
    return out


def _input_type(at: Cursor, value: Any, scope: Scope) -> dict[str, Any]:
    """Return the definition of an input of a component made from a job."""
    plain = inputs.literal(value) if inputs.is_literal(value) else None
    if isinstance(plain, str) and inputs.PARENT_INPUT.match(plain):
        kind, mode = bound_type(at, plain, scope)
        return filled({"type": kind, "mode": mode})
    if plain is not None:
        return components.port({"type": _TYPE_NAMES[type(plain)], "default": plain})
    return filled({"type": value.get("type", inputs.FOLDER), "mode": value.get("mode")})


def _output_type(at: Cursor, value: Any, scope: Scope) -> dict[str, Any]:
    if isinstance(value, str):
        kind, mode = bound_type(at, value, scope)
        return filled({"type": kind, "mode": mode})
    value = value or {}
    return filled({"type": value.get("type", inputs.FOLDER), "mode": value.get("mode")})


def bound_type(at: Cursor, expression: str, scope: Scope, depth: int = 0) -> tuple[str, str | None]:
    """Return type and mode of what an expression in a pipeline refers to.

    Raises:
        RefusedError: It refers to nothing.
    """
    parent = _PARENT_BINDING.match(expression)
    if parent:
        values = scope.inputs if parent[1] == "inputs" else scope.outputs
        if parent[2] not in values:
            raise at.refusal(f"{expression[:120]} refers to no {parent[1][:-1]} of the pipeline.")
        value = values[parent[2]] or {}
        if isinstance(value, dict) and "value" not in value:
            return value.get("type", inputs.FOLDER), value.get("mode")
        return _TYPE_NAMES[type(inputs.literal(value))], None
    job = _JOB_BINDING.match(expression)
    if not job or job[1] not in scope.nodes or depth > len(scope.nodes):
        raise at.refusal(f"{expression[:120]} refers to no node of the pipeline.")
    source = scope.nodes[job[1]]
    if source.kind == "automl":
        return "mltable", None
    if source.component is not None:
        defined = source.component.fields.get(job[2], {}).get(job[3])
        if defined is not None:
            return str(defined["type"]), None
    value = source.fields.get(job[2], {}).get(job[3])
    if isinstance(value, str) and shapes.is_binding(value):
        return bound_type(source.at, value, scope, depth + 1)[0], None
    return (value.get("type", inputs.FOLDER) if isinstance(value, dict) else inputs.FOLDER), None
