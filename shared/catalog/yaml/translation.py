"""From a text to a `Translation`: which kind it is, the overrides, and who translates it."""

from __future__ import annotations

import importlib
import itertools
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from shared.catalog.yaml.drafts import Draft, Expected, Label, Place, Registration, Upload
    from shared.rest.ids import ResourceId
    from shared.text.yaml_document import Cursor

_VERSIONED = frozenset({"environment", "model", "data", "component", "feature_set", "feature_store_entity"})
# by kind: ARM types (below the namespace) whose PUT takes it
KINDS: dict[str, tuple[str, ...]] = {
    "workspace": ("workspaces",),
    "feature_store": ("workspaces",),
    "registry": ("registries",),
    "compute": ("workspaces/computes",),
    "datastore": ("workspaces/datastores",),
    "connection": ("workspaces/connections",),
    "job": ("workspaces/jobs",),
    "data_import": ("workspaces/jobs",),
    "schedule": ("workspaces/schedules",),
    "online_endpoint": ("workspaces/onlineEndpoints",),
    "online_deployment": ("workspaces/onlineEndpoints/deployments",),
    "batch_endpoint": ("workspaces/batchEndpoints",),
    "batch_deployment": ("workspaces/batchEndpoints/deployments",),
    "serverless_endpoint": ("workspaces/serverlessEndpoints",),
    "environment": ("workspaces/environments/versions", "registries/environments/versions"),
    "model": ("workspaces/models/versions", "registries/models/versions"),
    "model_package": ("workspaces/models/versions", "registries/models/versions"),
    "data": ("workspaces/data/versions", "registries/data/versions"),
    "component": ("workspaces/components/versions", "registries/components/versions"),
    "feature_set": ("workspaces/featuresets/versions",),
    "feature_store_entity": ("workspaces/featurestoreEntities/versions",),
}
QUERIES = {"datastore": {"skipValidation": "true"}}  # by kind: Azure need not reach the account from where it stands
# the last part of `$schema`, without `.schema.json` and in lower case
_SCHEMAS = {
    "job": ("commandjob", "sweepjob", "pipelinejob", "automljob", "sparkjob", "paralleljob", "importjob", "finetuningjob"),
    "component": (
        "commandcomponent", "pipelinecomponent", "parallelcomponent", "sparkcomponent", "automlcomponent", "importcomponent",
        "datatransfercomponent",
    ),
    "environment": ("environment",),
    "model": ("model",),
    "model_package": ("modelversionpackage", "modelpackage"),
    "data_import": ("dataimport",),
    "data": ("data", "asset"),
    "compute": ("amlcompute", "computeinstance", "vmcompute", "kubernetescompute", "synapsesparkcompute", "compute"),
    "datastore": ("azureblob", "azurefile", "azuredatalakegen1", "azuredatalakegen2", "onelake"),
    "workspace": ("workspace", "hub", "project"),
    "feature_store": ("featurestore",),
    "registry": ("registry",),
    "connection": ("connection", "workspaceconnection"),
    "schedule": ("schedule", "monitorschedule", "monitor"),
    "online_endpoint": ("managedonlineendpoint", "kubernetesonlineendpoint", "onlineendpoint"),
    "online_deployment": ("managedonlinedeployment", "kubernetesonlinedeployment", "onlinedeployment"),
    "batch_endpoint": ("batchendpoint",),
    "batch_deployment": ("batchdeployment", "modelbatchdeployment", "pipelinecomponentbatchdeployment"),
    "serverless_endpoint": ("serverlessendpoint",),
    "feature_set": ("featureset",),
    "feature_store_entity": ("featurestoreentity",),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """An ARM body and what has to happen before it can be sent (see the package's docstring).

    Attributes:
        kind: One of `KINDS`.
        name: The resource's name; None when neither the YAML nor the target has one.
        version: An asset's version; None means the next free one. None for other kinds.
        parent: The endpoint's name, of a deployment.
        body: The ARM body.
        api_version: The one that the body is written for.
        query: What azure-ai-ml sends with it besides, by name.
        uploads: Local files it names.
        expected: What must lie where they are.
        registrations: Assets defined inside it, in the order to register them.
        labels: Labels to look up.
        notes: What was read otherwise than it may have been meant, with line and column.
    """

    kind: str
    name: str | None
    version: str | None
    body: dict[str, Any]
    api_version: str
    query: Mapping[str, str] = field(default_factory=dict)
    parent: str | None = None
    uploads: tuple[Upload, ...] = ()
    expected: tuple[Expected, ...] = ()
    registrations: tuple[Registration, ...] = ()
    labels: tuple[Label, ...] = ()
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON, e.g. to show it without sending it."""
        from dataclasses import asdict

        out: dict[str, Any] = {"kind": self.kind, "name": self.name, "version": self.version, "apiVersion": self.api_version}
        out["body"] = self.body
        if self.query:
            out["query"] = dict(self.query)
        if self.parent:
            out["parent"] = self.parent
        for name in ("uploads", "registrations", "labels"):
            out[name] = [asdict(each) for each in getattr(self, name)]
        if self.notes:
            out["notes"] = list(self.notes)
        return out


def translate(
    text: str,
    *,
    kind: str | None = None,
    target: ResourceId | None = None,
    location: str | None = None,
    workspace_id: str | None = None,
    overrides: Sequence[tuple[str, str]] = (),
    files: Callable[[str], str | None] | None = None,
) -> Translation:
    """Translate one YAML.

    Args:
        text: The YAML.
        kind: One of `KINDS`; None: known by `target` or `$schema`. A body of the action `package` needs it.
        target: What the request's path names: a resource or a collection. Its workspace is the scope short forms are expanded in;
            its name wins over the YAML's. Without it short forms stay short.
        location: The workspace's region, for the kinds whose body carries it.
        workspace_id: Its `workspaceId`, for a model's package.
        overrides: `--set` pairs: a dotted path (`inputs.rate`, `jobs.a.inputs[0]`) and a value, read as JSON if it is JSON.
        files: Reads a text file below the YAML's folder, by path with slashes; None when it is not there.
            Its attribute `folder`, if it has one, is the YAML's own among them: messages name files as seen from there.

    Raises:
        RefusedError: Code `InvalidYaml`, with line and column, and the field's dotted path as target.
    """
    from shared.catalog.yaml import api_versions, drafts
    from shared.text import yaml_document

    source = yaml_document.Source(read=files, folder=getattr(files, "folder", ""), repeats=True)
    top = yaml_document.parse(text, source=source)
    if not isinstance(top.value, dict):
        raise top.refusal("A YAML for Azure ML is a mapping of fields." if top.value is not None else "The YAML is empty.")
    for path, value in overrides:
        _override(top, path, value)
    if "$schema" in top.value and top.value["$schema"] is None:
        raise top.child("$schema").refusal("The field '$schema' is empty; give it a URL, or leave it out.")
    found = detect(top, kind=kind, target=target)
    name, version, parent = _named(top, found, target)
    scope = target.ancestor(1) if target is not None else None
    draft = drafts.Draft(workspace=scope, location=location, workspace_id=workspace_id)
    try:
        whole = _translator(found)(draft, top)
    except yaml_document.RefusedError as refused:
        raise refused.whole() from None
    _note_tags(top)
    body, uploads, registrations, labels = drafts.finish(draft, whole)
    return Translation(
        kind=found,
        name=name,
        version=version,
        parent=parent,
        body=body,
        api_version=api_versions.of_body(found, body),
        query=QUERIES.get(found, {}),
        uploads=uploads,
        expected=tuple(draft.expected),
        registrations=registrations,
        labels=labels,
        notes=tuple(source.notes),
    )


def _note_tags(top: Cursor) -> None:
    """Say which tags are sent as what they are, though Azure's definition of a tag is a text."""
    tags = top.get("tags")
    for each in tags.children() if tags is not None and isinstance(tags.value, dict) else ():
        if isinstance(each.value, bool | int | float):
            each.note(
                f"The tag '{str(each.path[-1])[:80]}' is not text and is sent as it is; Azure defines tags as text: quote it."
            )


def detect(top: Cursor, *, kind: str | None = None, target: ResourceId | None = None) -> str:
    """Return which of `KINDS` a YAML is, by what was asked for, the target's type and `$schema`.

    Raises:
        RefusedError: Nothing says which, or they contradict each other.
    """
    schema = top.get("$schema")
    stated = _by_schema(schema.value) if schema is not None else None
    if target is not None:
        path = "/".join(target.types).lower()
        allowed = [name for name, types in KINDS.items() if any(_matches(path, each.lower()) for each in types)]
        if not allowed:
            raise top.refusal(f"No YAML is known for '{'/'.join(target.types)}'.")
        if stated == "model_package" != kind and schema is not None:
            raise schema.refusal("This is the body of a model version's action 'package': POST it there.")
        if stated in allowed or kind in allowed:
            return str(kind if kind in allowed else stated)
        if stated is not None and schema is not None:
            raise schema.refusal(
                f"'$schema' says this is a {stated.replace('_', ' ')}, the path asks for {allowed[0].replace('_', ' ')}."
            )
        return "data_import" if "data_import" in allowed and _imports(top) else allowed[0]
    if kind is not None:
        if kind not in KINDS:
            raise top.refusal(f"The kind '{kind}' is unknown; known are {', '.join(KINDS)}.")
        return kind
    if stated is None:
        raise top.refusal(
            "Nothing says what this is: give '$schema', or send it to the resource's own path; "
            "POST translate takes that as ?path=workspaces/W/jobs."
        )
    return stated


def fill(bodies: Sequence[dict[str, Any]], body: dict[str, Any], places: Sequence[Place], outcome: str) -> None:
    """Put an outcome into all its places, in the translation's `body` and in the `bodies` of its registrations."""
    for place in places:
        node: Any = body if place.registration is None else bodies[place.registration]
        *way, last = [part.replace("~1", "/").replace("~0", "~") for part in place.pointer.split("/")[1:]]
        for part in way:
            node = node[int(part)] if isinstance(node, list) else node[part]
        node[int(last) if isinstance(node, list) else last] = place.pattern.replace("{}", outcome)


def _matches(path: str, kind: str) -> bool:
    return path == kind or path == kind.removesuffix("/versions")


def _imports(top: Cursor) -> bool:
    """Return whether fields without a `$schema` are a data import's rather than a job's."""
    return isinstance(top.value.get("source"), dict) and "path" in top.value and "type" not in top.value


def _by_schema(schema: Any) -> str | None:
    if not isinstance(schema, str):
        return None
    last = schema.rstrip("/").rsplit("/", 1)[-1].lower().removesuffix(".json").removesuffix(".schema")
    return next((kind for kind, names in _SCHEMAS.items() if last in names), None)


def _named(top: Cursor, kind: str, target: ResourceId | None) -> tuple[str | None, str | None, str | None]:
    """Return name, version and parent; the target's win, and go into the YAML so that bodies that repeat them agree."""
    from shared.text import yaml_values

    below = list(target.names[1:]) if target is not None else []
    if kind in ("data_import", "model_package"):  # the YAML's name is that of the data; a package has none
        return (below[0] if kind == "data_import" and below else None), None, None
    if kind in ("workspace", "feature_store", "registry"):
        below = list(target.names[:1]) if target is not None else []
    parent = None
    if kind.endswith("_deployment"):
        if "endpoint_name" in top.value:
            yaml_values.text(top.child("endpoint_name"))
        if below:
            top.value["endpoint_name"] = below.pop(0)
        parent = top.value.get("endpoint_name")
    if below:
        top.value["name"] = below[0]
    if kind in _VERSIONED and len(below) > 1:
        top.value["version"] = below[1]
    name, version = top.value.get("name"), top.value.get("version")
    told = version if kind in _VERSIONED and version is not None else None
    return (
        name if isinstance(name, str) else None,
        str(told) if told is not None else None,
        parent if isinstance(parent, str) else None,
    )


def _override(top: Cursor, path: str, text: str) -> None:
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    parts: list[Any] = [int(part) if part.isdigit() else part for part in re.findall(r"[^.\[\]]+", path)]
    if not parts:
        raise top.refusal(f"'{path[:80]}' is not a path that can be set.")
    node = top.value
    for part, following in itertools.pairwise(parts):
        node = _step(top, node, part, path, [] if isinstance(following, int) else {})
    _put(top, node, parts[-1], path, value)


def _step(top: Cursor, node: Any, part: Any, path: str, empty: Any) -> Any:
    inner = node.get(part) if isinstance(node, dict) else node[part] if _inside(node, part) else None
    if inner is None:
        _put(top, node, part, path, empty)
        return empty
    if not isinstance(inner, dict | list):
        raise top.refusal(f"'{path[:80]}' cannot be set: '{part}' is a plain value, perhaps a reference to another file.")
    return inner


def _put(top: Cursor, node: Any, part: Any, path: str, value: Any) -> None:
    if isinstance(node, dict):
        node[str(part)] = value
    elif _inside(node, part):
        node[part] = value
    elif isinstance(node, list) and part == len(node):
        node.append(value)
    else:
        raise top.refusal(f"'{path[:80]}' cannot be set: there is no '{part}'.")


def _inside(node: Any, part: Any) -> bool:
    return isinstance(node, list) and isinstance(part, int) and part < len(node)


# by kind: module of this package, function; only what a YAML needs is imported
_TRANSLATORS = {
    "environment": ("assets.assets", "named_environment_body"),
    "model": ("assets.assets", "named_model_body"),
    "data": ("assets.assets", "data_body"),
    "component": ("jobs.pipelines", "component_body"),
    "compute": ("resources.computes", "compute_body"),
    "datastore": ("resources.datastores", "datastore_body"),
    "connection": ("resources.connections", "connection_body"),
    "workspace": ("resources.workspaces", "workspace_body"),
    "feature_store": ("resources.workspaces", "feature_store_body"),
    "registry": ("resources.workspaces", "registry_body"),
    "job": ("jobs.pipelines", "job_body"),
    "data_import": ("jobs.imports", "import_body"),
    "model_package": ("assets.packages", "package_body"),
    "schedule": ("jobs.schedule_kinds", "schedule_body"),
    "online_endpoint": ("resources.endpoints", "online_endpoint_body"),
    "batch_endpoint": ("resources.endpoints", "batch_endpoint_body"),
    "serverless_endpoint": ("resources.endpoints", "serverless_endpoint_body"),
    "online_deployment": ("resources.deployments", "online_deployment_body"),
    "batch_deployment": ("resources.deployments", "batch_deployment_body"),
    "feature_set": ("assets.features", "feature_set_body"),
    "feature_store_entity": ("assets.features", "entity_body"),
}


def _translator(kind: str) -> Callable[[Draft, Cursor], dict[str, Any]]:
    module, function = _TRANSLATORS[kind]
    found: Callable[[Draft, Cursor], dict[str, Any]] = getattr(importlib.import_module(f"shared.catalog.yaml.{module}"), function)
    return found
