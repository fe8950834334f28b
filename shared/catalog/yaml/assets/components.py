"""Components: command, Spark, parallel, data-transfer and import ones, as Azure keeps them.

Azure keeps a component as its YAML (`componentSpec`), so this mostly normalises. Not here: which fields there are
(component_fields), pipeline components (pipelines), the nodes that run one (nodes).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from shared.catalog.yaml import bindings, drafts, references
from shared.catalog.yaml.assets import assets, component_fields
from shared.catalog.yaml.assets.assets import filled
from shared.catalog.yaml.jobs import execution
from shared.catalog.yaml.jobs.loaded import Component
from shared.text import yaml_values
from shared.text.yaml_values import anything, choice, named, record

if TYPE_CHECKING:
    from shared.catalog.yaml.drafts import Draft, Pending
    from shared.text.yaml_document import Cursor

FROM_JOB = "YAML.JOB"  # where a component came from, as Azure records it
FROM_FILE = "YAML.COMPONENT"
_SHOWN = ("id", "creation_context", "latest_version", "intellectual_property")


def kind_of(at: Cursor) -> str:
    """Return a component's type: stated, or by what it has."""
    stated = at.get("type")
    if stated is not None and isinstance(stated.value, str):
        known = (*component_fields.KINDS, "pipeline")
        return stated.value.lower() if stated.value.lower() in known else choice(*known)(stated)
    for name, kind in (("jobs", "pipeline"), ("entry", "spark"), ("task", "parallel")):
        if at.get(name) is not None:
            return kind
    return "command"


def load(draft: Draft, at: Cursor, *, kind: str, source: str, anonymous: bool) -> Component:
    """Read a component that is no pipeline.

    Args:
        draft: The translation.
        at: The component's mapping.
        kind: Its `type`.
        source: Where it came from, as Azure records it.
        anonymous: Its name and version are not used.
    """
    if kind not in component_fields.KINDS:
        raise at.refusal(f"A component of type '{kind}' cannot stand here.")
    own, required = component_fields.KINDS[kind]
    shape = component_shape(kind, own, required=required, anonymous=anonymous)
    fields = shape(at)
    check_defaults(at, fields)
    spec = base_spec(fields, anonymous=anonymous, kind=kind, source=source)
    if kind == "command":
        bindings.check_component(at.child("command"), fields["command"], fields)
        spec |= _command_spec(draft, at, fields)
    elif kind == "spark":
        spec |= spark_spec(draft, at, fields)
    elif kind == "parallel":
        spec |= parallel_spec(draft, at, fields)
    elif kind == "import":  # Azure knows it as a command
        tags = {**fields.get("tags", {}), "component_type_overwrite": "import"}
        ports = {"inputs": {name: port(value) for name, value in fields["source"].items()}, "outputs": {"output": fields["output"]}}
        spec |= {"type": "command", "command": "import", "tags": tags, **ports}
    else:
        spec |= {name: fields[name] for name in own if name in fields}
    more = others(fields, own)
    if kind in ("automl", "parallel"):
        for name in more:
            at.child(name).note(
                f"The field '{str(name)[: yaml_values.NAME_LIMIT]}' is not known here and is not sent.", at_key=True
            )
    else:
        spec = {**more, **spec}
    if kind != "parallel":
        spec["properties"] = fields.get("properties") or None
    return Component(kind=kind, fields=fields, at=at, source=source, spec=filled(spec))


def component_shape(
    kind: str, own: dict[str, yaml_values.Shape], *, required: tuple[str, ...], anonymous: bool
) -> yaml_values.Shape:
    """Return the shape of a component; it may carry fields of its own at the top, as for the CLI."""
    fields = {**component_fields.BASE_FIELDS, **own, "type": choice(kind)}
    empty = ("environment", "type") if kind == "command" else ("environment",)
    if kind == "command":
        fields["environment_variables"] = execution.ENVIRONMENT_VARIABLES  # read, and not kept
    if anonymous:
        fields = {name: shape for name, shape in fields.items() if name not in ("name", "version")} | {"tags": named(anything)}
        return record(fields, required=required, nullable=("environment",), ignored=(*_SHOWN, "name", "version"), unknown="keep")
    return record(fields, required=("name", *required), nullable=empty, ignored=_SHOWN, unknown="keep")


def others(fields: dict[str, Any], own: dict[str, yaml_values.Shape]) -> dict[str, Any]:
    """Return the fields of its own that a component carries: Azure keeps them in the spec."""
    known = {*component_fields.BASE_FIELDS, *own, "type", "environment_variables"}
    return {name: value for name, value in fields.items() if name not in known and value not in ({}, [], None)}


def base_spec(fields: dict[str, Any], *, anonymous: bool, kind: str, source: str) -> dict[str, Any]:
    """Return what the specs of all components have."""
    return {
        "name": references.ANONYMOUS_COMPONENT if anonymous else fields.get("name"),
        "version": "1" if anonymous else fields.get("version"),
        "$schema": fields.get("$schema"),
        "display_name": fields.get("display_name"),
        "description": fields.get("description"),
        "tags": fields.get("tags") or None,
        "is_deterministic": fields.get("is_deterministic", True),
        "inputs": {name: port(value) for name, value in fields.get("inputs", {}).items()} or None,
        "outputs": fields.get("outputs") or None,
        "type": kind,
        "_source": source,
    }


_BOUNDS = ("min", "max")


def check_defaults(at: Cursor, fields: dict[str, Any]) -> None:
    """Refuse a default or a bound that its input cannot have.

    Raises:
        RefusedError: it is not of the input's type, or an input of that type has none.
    """
    for name, value in fields.get("inputs", {}).items():
        kind = value["type"]
        for field in ("default", *_BOUNDS):
            if field not in value:
                continue
            place = at.child("inputs").child(name).child(field)
            if field == "default" and kind in component_fields.DATA_TYPES:
                raise place.refusal("Data has no default; make the input 'optional', or give the data where the component is used.")
            if field in _BOUNDS and kind not in ("integer", "number"):
                raise place.refusal(f"A {kind} has no '{field}'; an integer and a number have.")
            try:
                _default(value[field], kind)
            except (ValueError, OverflowError):
                expected = component_fields.PRIMITIVE_TYPES[kind]
                raise place.refusal(f"Expected {expected} as {field}, got '{str(value[field])[:60]}'.") from None


def port(value: dict[str, Any]) -> dict[str, Any]:
    """Return an input's definition as Azure keeps it: its bounds and default as text."""
    out = dict(value)
    if "default" in out:
        out["default"] = _default(out["default"], out["type"])
    for name in _BOUNDS:
        if name in out:
            out[name] = _default(out[name], out["type"])
    return out


def _default(value: Any, kind: str) -> str:
    if kind == "integer" and not (isinstance(value, int) and not isinstance(value, bool)):
        return str(int(float(value if not isinstance(value, bool) else str(value))))
    if kind == "number":
        return str(float(value))
    if kind == "boolean":
        word = str(value).capitalize()
        if word not in ("True", "False"):
            raise ValueError(word)
        return word
    return str(value)


def version_body(spec: dict[str, Any], fields: dict[str, Any], *, anonymous: bool) -> dict[str, Any]:
    """Return the ARM body of a component version."""
    properties = {
        "componentSpec": spec,
        "description": fields.get("description"),
        "isAnonymous": anonymous,
        "isArchived": False,
        "properties": fields.get("properties") or {},
        "tags": fields.get("tags") or {},
    }
    return {"properties": filled(properties)}


def register(draft: Draft, component: Component) -> Pending:
    """Register an inline component and return what stands for its id."""
    body = version_body(component.spec, component.fields, anonymous=True)
    if component.kind == "pipeline":
        del body["properties"]["isArchived"]
    return draft.register("components", body, name=None, version=None, anonymous=references.ANONYMOUS_COMPONENT)


def environment_spec(draft: Draft, at: Cursor) -> Any:
    """Return the environment of a component's spec: an id behind `azureml:`, or a registry's own."""
    found = assets.environment_reference(draft, at)
    if isinstance(found, drafts.Pending):
        return found.within("azureml:{}")
    return found if found.startswith(references.PREFIX) else references.PREFIX + found


def code_spec(draft: Draft, code: Any, includes: tuple[str, ...] = ()) -> Any:
    """Return the code of a component's spec: an id behind `azureml:`, or what stands for it."""
    if includes and code is None:
        code = references.LocalPath(path="", shown=".")
    if isinstance(code, references.LocalPath):
        return draft.upload(code, "code", pattern="azureml:{}", includes=includes)
    found = draft.registered_code(code)
    return references.PREFIX + found if isinstance(found, str) and found.startswith("/") else found


def spark_spec(draft: Draft, at: Cursor, fields: dict[str, Any]) -> dict[str, Any]:
    """Return what the spec of a Spark component adds."""
    spec = {
        name: fields[name]
        for name in ("entry", "py_files", "jars", "files", "archives", "args", "additional_includes")
        if name in fields
    }
    if fields.get("code") is None and "code" not in at.value and "component" not in at.value:
        spec["code"] = draft.upload(references.LocalPath(path=at.document.resolve("."), shown="."), "code", pattern="azureml:{}")
    else:
        spec["code"] = code_spec(draft, fields.get("code"))
    spec["conf"] = fields.get("conf") or None
    if fields.get("environment") is not None:
        spec["environment"] = environment_spec(draft, at.child("environment"))
    return spec


def parallel_spec(draft: Draft, at: Cursor, fields: dict[str, Any]) -> dict[str, Any]:
    """Return what the spec of a parallel component adds."""
    spec = {name: fields[name] for name in component_fields.PARALLEL_FIELDS if name in fields and name != "task"}
    if "task" in fields:
        spec["task"] = task_spec(draft, at.child("task"), fields["task"])
    if "partition_keys" in spec:
        import json

        spec["partition_keys"] = json.dumps(spec["partition_keys"])
    spec["mini_batch_size"] = str(batch_size(at.child("mini_batch_size"))) if "mini_batch_size" in spec else "0"
    if spec.get("resources") is not None:
        spec["resources"] = resources_spec(spec["resources"])
    return spec


def task_spec(draft: Draft, at: Cursor, task: dict[str, Any]) -> dict[str, Any]:
    """Return a parallel task with its code and environment as references."""
    environment = task.get("environment")
    found = {**task, "code": code_spec(draft, task.get("code"))}
    if environment is not None:
        found["environment"] = environment_spec(draft, at.child("environment"))
    return filled(found)


def batch_size(at: Cursor) -> Any:
    """Read `mini_batch_size`: a number, or one with kb, mb or gb."""
    value = at.value
    if yaml_values.is_binding(value):
        return value
    found = re.match(r"^(\d+)([kKmMgG][bB])?$", str(value))
    if not found:
        raise at.refusal("Expected a number, perhaps with kb, mb or gb.")
    factor = {"kb": 1024, "mb": 1024**2, "gb": 1024**3}.get((found[2] or "").lower(), 1)
    return int(found[1]) * factor


def resources_spec(resources: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return `resources` as a spec keeps them: without `properties`, which only a node carries."""
    kept = {name: value for name, value in (resources or {}).items() if value not in (None, {}, []) and name != "properties"}
    return kept or None


def _command_spec(draft: Draft, at: Cursor, fields: dict[str, Any]) -> dict[str, Any]:
    includes = tuple(at.document.resolve(each) for each in fields.get("additional_includes", []))
    return {
        "command": fields["command"],
        "code": code_spec(draft, fields.get("code"), includes),
        "environment": environment_spec(draft, at.child("environment")),
        "resources": resources_spec(fields.get("resources")),
        "distribution": distribution_spec(fields.get("distribution")),
        "additional_includes": fields.get("additional_includes") or None,
    }


def distribution_spec(distribution: Any) -> Any:
    """Return `distribution` as a spec keeps it."""
    if not isinstance(distribution, dict):
        return distribution
    if distribution["type"] == "tensorflow":
        return {"parameter_server_count": 0, **distribution}
    return dict(distribution)
