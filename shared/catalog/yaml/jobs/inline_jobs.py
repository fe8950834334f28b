"""Jobs inside a pipeline: each becomes an anonymous component, the types of its inputs following from what they are bound to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from shared.catalog.yaml import bindings, inputs, references
from shared.catalog.yaml.assets import components
from shared.catalog.yaml.assets.assets import filled
from shared.catalog.yaml.jobs.loaded import Component
from shared.text import yaml_values

if TYPE_CHECKING:
    from shared.catalog.yaml.drafts import Draft
    from shared.catalog.yaml.jobs.loaded import Node, Scope
    from shared.text.yaml_document import Cursor


JOB_BINDING = re.compile(r"^\$\{\{\s*parent\.jobs\.([^.]+)\.([^.]+)\.([^.}\s]+)\s*\}\}$")
PARENT_BINDING = re.compile(r"^\$\{\{\s*parent\.(inputs|outputs)\.([^}\s]+?)\s*\}\}$")
TYPE_NAMES = {bool: "boolean", int: "integer", float: "number", str: "string"}


def component_of(draft: Draft, node: Node, scope: Scope) -> Component:
    """Turn a job inside a pipeline into an anonymous component."""
    fields = node.fields
    given = {
        "tags": fields.get("tags"),
        "description": fields.get("description"),
        "properties": {},
        "inputs": {name: _input_type(node.port("inputs", name), value, scope) for name, value in fields.get("inputs", {}).items()},
        "outputs": {
            name: _output_type(node.port("outputs", name), value, scope) for name, value in fields.get("outputs", {}).items()
        },
    }
    spec = components.base_spec(given, anonymous=True, kind=node.kind, source=components.FROM_JOB)
    if node.kind == "command":
        for name in ("command", "environment"):
            if name not in fields:
                raise node.at.refusal(f"The node has neither 'component' nor '{name}'.")
        bindings.check_component(node.at.child("command"), fields["command"], given)
        code = node.at.get("code")
        spec |= {
            "command": fields["command"],
            "code": components.code_spec(draft, references.code(code)) if code is not None and code.value is not None else None,
            "environment": components.environment_spec(draft, node.at.child("environment")),
            "resources": components.resources_spec(fields.get("resources")),
            "distribution": components.distribution_spec(fields.get("distribution")),
        }
    elif node.kind == "spark":
        bindings.check_job(node.at.get("args"), fields.get("args"), fields.get("inputs", {}))
        spec |= components.spark_spec(draft, node.at, fields)
    elif node.kind == "parallel":
        spec |= components.parallel_spec(draft, node.at, _unbound(fields))
    elif node.kind == "data_transfer":
        spec |= {name: fields.get(name) for name in ("task", "data_copy_mode")}
    else:
        raise node.at.refusal("The node has no component.")
    return Component(kind=node.kind, fields={**fields, **given}, at=node.at, source=components.FROM_JOB, spec=filled(spec))


def _unbound(fields: dict[str, Any]) -> dict[str, Any]:
    """Return a parallel job's fields without the numbers that are expressions: its component leaves them to the node."""
    counts = ("max_concurrency_per_instance", "error_threshold", "mini_batch_error_threshold")
    out = {name: value for name, value in fields.items() if not (name in counts and yaml_values.is_binding(value))}
    if isinstance(out.get("resources"), dict):
        out["resources"] = {name: value for name, value in out["resources"].items() if not yaml_values.is_binding(value)}
    return out


def _input_type(at: Cursor, value: Any, scope: Scope) -> dict[str, Any]:
    """Return the definition of an input of a component made from a job."""
    plain = inputs.literal(value) if inputs.is_literal(value) else None
    if bindings.is_parent(plain):
        kind, mode = bound_type(at, str(plain), scope)
        return filled({"type": kind, "mode": mode})
    if plain is not None:
        return components.port({"type": TYPE_NAMES[type(plain)], "default": plain})
    return filled({"type": value.get("type", inputs.FOLDER), "mode": value.get("mode")})


def _output_type(at: Cursor, value: Any, scope: Scope) -> dict[str, Any]:
    kind, mode = bound_type(at, value, scope) if isinstance(value, str) else _own_type(value)
    return filled({"type": kind, "mode": mode})


def bound_type(at: Cursor, expression: str, scope: Scope, depth: int = 0) -> tuple[str, str | None]:
    """Return type and mode of what an expression in a pipeline refers to.

    Raises:
        RefusedError: It refers to nothing.
    """
    parent = PARENT_BINDING.match(expression)
    if parent:
        values = scope.inputs if parent[1] == "inputs" else scope.outputs
        if parent[2] not in values:
            raise bindings.missing(at, expression, f"{parent[1][:-1]} of the pipeline", values)
        return _own_type(values[parent[2]])
    job = JOB_BINDING.match(expression)
    if not job or job[1] not in scope.nodes or depth > len(scope.nodes):
        raise bindings.missing(at, expression, "node of the pipeline", scope.nodes)
    source = scope.nodes[job[1]]
    if source.kind == "automl":
        return "mltable", None
    if source.component is not None:
        defined = source.component.fields.get(job[2], {}).get(job[3])
        if defined is not None:
            return str(defined["type"]), None
    own = source.fields.get(job[2], {})
    if job[3] not in own:
        names = {*own, *(source.component.fields.get(job[2]) or {} if source.component is not None else ())}
        what = f"{job[2].rstrip('s')} of the node '{job[1][:80]}' (of a registered component's, the node declares those in use)"
        raise bindings.missing(at, expression, what if source.reference is not None else what.partition(" (")[0], names)
    value = own.get(job[3])
    if isinstance(value, str) and yaml_values.is_binding(value):
        return bound_type(source.at, value, scope, depth + 1)[0], None
    return _own_type(value)[0], None


def _own_type(value: Any) -> tuple[str, str | None]:
    """Return type and mode of an input or output as it was written: data, a literal (0 and false are some), or nothing."""
    if value is not None and inputs.is_literal(value):
        return TYPE_NAMES[type(inputs.literal(value))], None
    value = {} if value is None else value
    return value.get("type", inputs.FOLDER), value.get("mode")
