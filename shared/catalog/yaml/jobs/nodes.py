"""The nodes of a pipeline: each with a component of its own, by reference or inline, or a job that becomes one.

What a kind of node adds is in `node_kinds`, what becomes of a job inside a pipeline in `inline_jobs`.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from shared.catalog.yaml import bindings, inputs, references
from shared.catalog.yaml.assets import component_fields, components
from shared.catalog.yaml.assets.assets import filled
from shared.catalog.yaml.jobs import execution, imports, inline_jobs, jobs, node_kinds
from shared.catalog.yaml.jobs.loaded import Node
from shared.text import yaml_values
from shared.text.yaml_values import anything, choice, either, mapping, named, record, sequence, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.catalog.yaml.drafts import Draft
    from shared.catalog.yaml.jobs.loaded import Component, Scope
    from shared.text.yaml_document import Cursor

NODE_NAME = re.compile(r"^[a-z_][a-z0-9_]*$")
_OUTPUT = either(yaml_values.binding, inputs.OUTPUT)
_ENVIRONMENT_VARIABLES = either(yaml_values.binding, mapping())
_COMMON: dict[str, yaml_values.Shape] = {
    "type": text,
    "inputs": inputs.INPUTS,
    "outputs": named(yaml_values.maybe(_OUTPUT)),
    "properties": named(anything),
    "comment": text,
    "compute": references.compute,
    "name": text,
    "display_name": text,
    "description": text,
    "tags": named(anything),
    "experiment_name": text,
}
_RUN: dict[str, yaml_values.Shape] = {
    "resources": execution.RESOURCES,
    "environment_variables": _ENVIRONMENT_VARIABLES,
    "identity": either(yaml_values.binding, execution.IDENTITY),
}
_COMMAND_NODE: dict[str, yaml_values.Shape] = {
    **_RUN,
    "command": text,
    "code": anything,
    "environment": anything,
    "distribution": either(yaml_values.binding, execution.DISTRIBUTION),
    "queue_settings": execution.QUEUE,
    "limits": execution.COMMAND_LIMITS,
    "services": execution.SERVICES,
    "component": anything,
    "parent_job_name": text,
}
_PARALLEL: dict[str, yaml_values.Shape] = {
    **_RUN,
    **{name: shape for name, shape in component_fields.PARALLEL_FIELDS.items() if name not in ("resources", "partition_keys")},
    "partition_keys": sequence(text),
    "component": anything,
    "environment": anything,
}
_SPARK: dict[str, yaml_values.Shape] = {
    **jobs.SPARK_FIELDS,
    "identity": either(yaml_values.binding, execution.IDENTITY),
    "resources": jobs.SPARK_RESOURCES,
    "component": anything,
}
_SWEEP: dict[str, yaml_values.Shape] = {
    **jobs.SWEEP_FIELDS,
    "search_space": named(either(yaml_values.binding, jobs.DISTRIBUTION)),
    "trial": anything,
}
_TRANSFER: dict[str, yaml_values.Shape] = {
    "task": choice("copy_data", "import_data", "export_data"),
    "data_copy_mode": choice("merge_with_overwrite", "fail_if_conflict"),
    "source": imports.PLACE,
    "sink": imports.PLACE,
    "component": anything,
}
_FIELDS: dict[str, dict[str, yaml_values.Shape]] = {
    "command": _COMMAND_NODE,
    "parallel": _PARALLEL,
    "spark": _SPARK,
    "sweep": _SWEEP,
    "pipeline": {"component": anything},
    "data_transfer": _TRANSFER,
}
_REMOTE = {True: "REMOTE.REGISTRY", False: "REMOTE.WORKSPACE.COMPONENT"}


def nodes_body(draft: Draft, at: Cursor, scope: Scope) -> dict[str, Any]:
    """Return all nodes of a pipeline.

    Raises:
        RefusedError: At the field at fault.
    """
    if not isinstance(at.value, dict):
        raise at.refusal(f"Expected a mapping of nodes, got {yaml_values.noun(at.value)}.")
    for each in at.children():
        name = str(each.path[-1])
        if not NODE_NAME.match(name):
            raise each.refusal(
                f"'{name[:80]}' is not a node name: expected lower-case letters, digits and underscores.", at_key=True
            )
        where = each
        if isinstance(each.value, str):
            where = each.open(each.value.removeprefix("file:"))
        scope.nodes[name] = _load(draft, where, scope)
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
            bound = inline_jobs.PARENT_BINDING.match(str(path))
            if bound and bound[1] == "inputs" and (node.component is None or name in defined):
                needed = defined.get(name, {}).get("optional") is not True
                required[bound[2]] = required.get(bound[2], False) or needed
        found |= {name: not needed for name, needed in required.items()}
    return [
        name for name, optional in found.items() if optional and "optional" not in (scope.inputs.get(name) or {"optional": None})
    ]


def registered(draft: Draft, at: Cursor) -> Any:
    """Return the id of a registered component."""
    reference = references.asset("components")(at)
    return draft.versioned("components", reference, at)


def _load(draft: Draft, at: Cursor, scope: Scope) -> Node:
    from shared.catalog.yaml.jobs import automl

    at = replace(at, bindings=True)

    if not isinstance(at.value, dict):
        raise at.refusal(f"Expected a node, got {yaml_values.noun(at.value)}.")
    kind = _kind(at)
    if kind == "automl":
        return Node(kind=kind, fields=automl.node_fields(at), at=at)
    if kind not in _FIELDS:
        known = (*_FIELDS, "automl")
        raise at.child("type").refusal(f"A node of type '{kind[:80]}' is unknown; known are {', '.join(known)}.")
    brings = "component" in at.value or "trial" in at.value
    unknown, nullable = ("keep", ("code", "environment")) if brings else ("refuse", ("environment",))
    fields = record({**_COMMON, **_FIELDS[kind]}, nullable=nullable, ignored=jobs.SHOWN, unknown=unknown)(at)
    inline = at.get("trial" if kind == "sweep" else "component")
    if inline is None:
        return Node(kind=kind, fields=fields, at=at)
    component, reference = _component(draft, inline, "command" if kind == "sweep" else kind, scope)
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


def _component(draft: Draft, at: Cursor, kind: str, scope: Scope) -> tuple[Component | None, Any]:
    """Return the component a node brings along, or the id of the registered one it names."""
    if isinstance(at.value, str) and at.value.startswith(references.PREFIX):
        return None, registered(draft, at)
    source = components.FROM_JOB
    at = replace(at, bindings=False)
    opened = at
    if isinstance(at.value, str):
        source = components.FROM_JOB if at.value.startswith("file:") else components.FROM_FILE
        opened = at.open(at.value.removeprefix("file:"))
    if kind == "pipeline":
        return scope.pipeline(draft, opened), None
    return components.load(draft, opened, kind=kind, source=source, anonymous=True), None


def _body(draft: Draft, name: str, node: Node, scope: Scope) -> dict[str, Any]:
    if node.kind == "automl":
        from shared.catalog.yaml.jobs import automl

        return automl.node_body(draft, name, node.at, node.fields)
    _check(node)
    component, reference = node.component, node.reference
    if component is None and reference is None:
        reference = _builtin(node)
        component = inline_jobs.component_of(draft, node, scope) if reference is None else None
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
    more = node_kinds.ADDITIONS.get(node.kind)
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


def _check(node: Node) -> None:
    """Refuse expressions in the old form, and what the node's own component cannot take."""
    for part in ("inputs", "outputs"):
        for name, value in node.fields.get(part, {}).items():
            path = value.get("path") if isinstance(value, dict) and "value" not in value else inputs.literal(value)
            bindings.check_form(node.port(part, name), path)
    defined = node.component.fields.get("inputs", {}) if node.component is not None else {}
    given = {**node.fields.get("search_space", {}), **node.fields.get("inputs", {})}  # a sweep gives what it searches
    for name, declared in defined.items():
        if name not in given:
            if declared.get("optional") is not True and "default" not in declared:
                raise (node.at.get("inputs") or node.at).refusal(
                    f"The component's input '{name}' is required; give it under 'inputs'."
                )
        elif declared["type"] not in component_fields.PRIMITIVE_TYPES and inputs.is_literal(given[name]):
            value = inputs.literal(given[name])
            if not isinstance(value, str):
                message = f"The input '{name}' is a {declared['type']}: expected a path, got {yaml_values.noun(value)}."
                raise node.port("inputs", name).refusal(message)


def check_compute(nodes: Mapping[str, Node]) -> None:
    """Refuse the nodes of a pipeline that run nowhere, when the pipeline itself says nothing about it.

    Raises:
        RefusedError: All of them.
    """
    faults = yaml_values.Faults()
    for name, node in nodes.items():
        if node.kind == "pipeline":
            inner = node.component.nodes if node.component is not None else {}
            faults.read(partial(_check_inner, nodes=inner), node.at)
        elif node.fields.get("compute") is None and not (node.kind == "spark" and node.fields.get("resources")):
            message = f"The node '{name}' has no compute: give it one, or the pipeline 'settings.default_compute'."
            faults.add(node.at.refusal(message))
    faults.done()


def _check_inner(_: Cursor, nodes: Mapping[str, Node]) -> None:
    check_compute(nodes)


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
                node.port(part, name).note(f"The component has no {part[:-1]} '{str(name)[:80]}': it is not sent.", at_key=True)
            out[part] = {name: value for name, value in out[part].items() if name in known}
    return out


def _builtin(node: Node) -> str | None:
    """Return Azure's own component for a data transfer that brings none: copying is made one of its own."""
    task = node.fields.get("task")
    if node.kind != "data_transfer" or task not in ("import_data", "export_data"):
        return None
    part, name = ("outputs", "sink") if task == "import_data" else ("inputs", "source")
    if name not in (node.fields.get(part) or {}):
        raise node.at.refusal(f"A step that does {task} has the {part.removesuffix('s')} '{name}', which is missing.")
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
