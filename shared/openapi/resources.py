"""The description of every kind: its paths, and an operation for each verb, action and view of the table.

Paths are the short ones; the scope in front of them is a server of the document. Not here: the v1 paths that are handed on
as they come (regional), what is this app's own (own).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from shared.catalog import grants, kinds
from shared.openapi import parts, request_bodies
from shared.rest import addresses

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.catalog.kinds import Action, Kind
    from shared.catalog.roles import Role
    from shared.openapi.parts import Json

SHORT = frozenset({"subscriptions", "resourcegroups", "workspaces", "registries", "locations", "providers"})
PROBLEMS = {
    "400": "BadRequest",
    "401": "Unauthorized",
    "403": "Forbidden",
    "404": "NotFound",
    "409": "Conflict",
    "429": "Throttled",
    "500": "Internal",
    "503": "Unavailable",
    "default": "Other",
}
BODY_PROBLEMS = {"411": "NoLength", "413": "TooLarge", "415": "Unsupported"}
LIST_PROBLEMS = {"502": "BadGateway"}
SEARCH = {
    "status": "Any of these statuses of a job, separated by commas.",
    "compute": "On that compute: the fastest, one request a page.",
    "experiment": "Jobs of that experiment.",
    "tag": "With that tag, or with that value of it: `stage`, `stage=dev`.",
    "since": "Created since then: a date, or a date and time.",
    "archived": "`true`: archived ones, too.",
    "anonymous": "`true`: also unnamed jobs: trials of a sweep, steps of a pipeline.",
}
TITLES = {
    "LIST": "List",
    "GET": "Read one",
    "PUT": "Create or replace one",
    "PATCH": "Change one",
    "DELETE": "Delete one",
}
DELETES = {"workspaces": ("forceToPurge",)}
ARCHIVED = frozenset({"models", "environments", "codes", "data", "components", "jobs", "versions", "featuresets", "schedules"})


def name_of(kind: Kind) -> str:
    """Return the kind's name among tags, operation ids and schemas: `workspaces_computes`, `Storage_storageAccounts`."""
    lead = "" if kind.namespace in (kinds.ML, kinds.RESOURCES) else kind.namespace.rpartition(".")[2] + "_"
    v1 = f"{kind.plane}_" if _shadowed(kind) else ""
    own = "Azure_" if kind.namespace == kinds.ML and kind.types[0].lower() not in SHORT else ""
    return f"{lead}{v1}{own}{kind.path.replace('/', '_')}"


def path_of(kind: Kind) -> str:
    """Return the path of one of the kind, each name a parameter."""
    if kind.namespace in (kinds.ML, kinds.RESOURCES) and kind.types[0].lower() in SHORT:
        lead = f"/{kind.plane}/{addresses.PLANE_VERSIONS[kind.plane]}" if _shadowed(kind) else ""
    elif kind.below_scope:
        lead = "/resourceGroups/{resourceGroupName}"
    else:
        lead = f"/providers/{kind.namespace}"
    return lead + "".join(f"/{each}/{{{parameter(each)}}}" for each in kind.types)


def parameter(type_name: str) -> str:
    """Return what one name of a type is called: `computes` → `computeName`."""
    if type_name == "subscriptions":
        return "subscriptionId"
    one = re.sub(r"ies$", "y", type_name) if type_name.endswith("ies") else type_name.removesuffix("s")
    return f"{one}Name"


def collection_of(kind: Kind) -> str:
    """Return the path of the kind's collection."""
    return path_of(kind).rpartition("/")[0]


def operations() -> Iterator[tuple[str, str, Json]]:
    """Yield (path, verb in lower case, operation) of every kind."""
    for kind in kinds.KINDS:
        yield from _verbs(kind)
        for action in kind.actions:
            where = collection_of(kind) if kind.nameless else f"{path_of(kind)}/{action.name}".rstrip("/")
            yield where, "post", _action(kind, action, where)
        for view in kind.views:
            yield f"{path_of(kind)}/{view}", "get", _view(kind, view)


def schemas() -> Json:
    """Return the bodies' schemas by component name."""
    file = request_bodies.FILE
    run = {"projectZipFile": file, "runDefinitionFile": {**file, "description": "JSON with Configuration."}}
    out: Json = {"RunFiles": {"type": "object", "required": [*run], "properties": run}}
    for kind in kinds.KINDS:
        if "PUT" in kind.verbs:
            out[f"{name_of(kind)}_body"] = request_bodies.schema_of(kind)
        if packed := request_bodies.multipart_of(kind):
            out[f"{name_of(kind)}_files"] = packed
        if "PATCH" in kind.verbs and (kind.patch or kind.json_patch):
            out[f"{name_of(kind)}_patch"] = request_bodies.patch_of(kind)
    return out


def common(kind: Kind, verb: str, path: str, summary: str, *, role: Role = "operator") -> Json:
    """Return what every operation of a kind has."""
    names = re.findall(r"{(\w+)}", path)
    given = [{"name": name, "in": "path", "required": True, "schema": parts.STRING} for name in names]
    version = f"Azure's api-version: `{kind.api_version}`. {parts.needs(role)}"
    return {
        "operationId": f"{name_of(kind)}_{verb}",
        "tags": [tag_of(kind)],
        "summary": summary,
        "description": version,
        "x-role": role,
        "parameters": [*given, parts.ref("parameters", "ApiVersion"), parts.ref("parameters", "ClientRequestId")],
        "responses": {status: parts.ref("responses", name) for status, name in PROBLEMS.items()},
    }


def tag_of(kind: Kind) -> str:
    """Return the group that a kind is shown in: the first two segments of its type."""
    if kind.namespace != kinds.ML:
        return "Azure Resource Manager" if kind.namespace == kinds.RESOURCES else kind.namespace
    return "locations" if kind.scope != "group" else " / ".join(kind.types[:2])


def _shadowed(kind: Kind) -> bool:
    """Return whether the short path is an ARM kind's, so that this one is reached through its plane alone."""
    return kind.plane != "arm" and ("arm", kind.namespace.lower(), kind.path.lower()) in kinds.by_type()


def _verbs(kind: Kind) -> Iterator[tuple[str, str, Json]]:
    for verb in ("LIST", "GET", "PUT", "PATCH", "DELETE"):
        if verb not in kind.verbs:
            continue
        path = collection_of(kind) if verb == "LIST" else path_of(kind)
        yield path, "get" if verb == "LIST" else verb.lower(), _verb(kind, verb, path)
    if kind.named_by_us:
        yield collection_of(kind), "post", _start(kind)
    elif kind.posted_name:
        path = collection_of(kind)
        out = common(kind, "post", path, f"Create one, named by `{kind.posted_name}` in the body: {kind.path}")
        _changes(out, kind, parts.ref("schemas", f"{name_of(kind)}_body"))
        yield path, "post", out


def _verb(kind: Kind, verb: str, path: str) -> Json:
    out = common(kind, verb.lower(), path, f"{TITLES[verb]}: {kind.path}", role=grants.needed(kind, verb))
    if verb == "LIST":
        _lists(out, kind)
    elif verb == "GET":
        out["description"] += f" How it is doing: `{kind.state_field}`."
        out["responses"]["200"] = _found("Resource")
    elif verb == "PUT":
        _changes(out, kind, parts.ref("schemas", f"{name_of(kind)}_body"), files=True)
        _expires(out, kind)
        out["responses"]["200"] = _found(
            "Resource", "Done; or with `preflight=true` what would stop it.", other="Preflight", operation=True
        )
        if kind.name:
            out["description"] += f" The name must match `{kind.name}`."
    elif verb == "PATCH":
        narrow = f"{name_of(kind)}_patch" if kind.patch or kind.json_patch else "ResourceBody"
        _changes(out, kind, parts.ref("schemas", narrow), files=True)
    else:
        _changes(out, kind, None)
        out["parameters"].append(parts.ref("parameters", "Force"))
        wanted = (kind.delete_query.partition("=")[0], *DELETES.get(kind.path, ()))
        out["parameters"] += [{"name": name, "in": "query", "schema": parts.STRING} for name in wanted if name]
        out["responses"]["204"] = parts.ref("responses", "Done")
    if verb in ("PUT", "PATCH") and kind.secrets:
        out["description"] += " Holds secrets: `Prefer: respond-async` is refused with them."
    return out


def _expires(out: Json, kind: Kind) -> None:
    if kind.endings:
        acts = ", ".join(f"{each.act} a {each.name}" for each in kind.endings)
        out["description"] += f" With an expiry the app ends it at its time: {acts}."
        out["parameters"] += [parts.ref("parameters", name) for name in ("ExpiresIn", "ExpiresAt")]
        out["parameters"] += [{"name": name, "in": "query", "schema": parts.STRING} for name in ("expiresIn", "expiresAt")]


def _lists(out: Json, kind: Kind) -> None:
    named = ["Skip", "SkipToken", "Top", "All"]
    if kind.types[-1] in ARCHIVED and kind.plane == "arm":
        named.append("ListViewType")
    out["parameters"] += [parts.ref("parameters", name) for name in named]
    if kind.searchable:
        out["description"] += " With any of status, compute, experiment, tag, since, archived, anonymous run history answers."
        out["parameters"] += [
            {"name": name, "in": "query", "description": text, "schema": parts.STRING} for name, text in SEARCH.items()
        ]
    out["description"] += " Azure's other query parameters are passed on."
    out["responses"]["200"] = _found("ResourceList" if kind.plane == "arm" and "GET" in kind.verbs else "ObjectList")
    out["responses"] |= {status: parts.ref("responses", name) for status, name in LIST_PROBLEMS.items()}


def _start(kind: Kind) -> Json:
    out = common(kind, "post", collection_of(kind), "Start one; its name is given by the app unless a YAML has one")
    _changes(out, kind, parts.ref("schemas", f"{name_of(kind)}_body"), files=True)
    _expires(out, kind)
    return out


def _changes(out: Json, kind: Kind, body: Json | None, *, files: bool = False, needed: bool = True) -> None:
    """Add what everything has that becomes an operation: its headers, its body, 202 and what the end looks like."""
    asks = ("Preflight",) if kind.plane == "arm" else ()
    named = ("Prefer", "IdempotencyKey", "CallbackUrl", "TraceParent", *asks)
    out["parameters"] += [parts.ref("parameters", name) for name in named]
    out["responses"] |= {
        "200": _found("Json", operation=True),
        "202": parts.ref("responses", "Accepted"),
        "405": parts.ref("responses", "NotAllowed"),
        "422": parts.ref("responses", "Failed"),
    }
    if body is None:
        return
    out["responses"]["201"] = _found("Resource", "Created.", operation=True)
    media = parts.content(body)
    if files and kind.namespace == kinds.ML and kind.plane == "arm":
        media |= parts.content(parts.ref("schemas", "Yaml"), "application/yaml")
        out["parameters"].append(parts.ref("parameters", "Set"))
    if files and request_bodies.multipart_of(kind):
        media |= parts.content(parts.ref("schemas", f"{name_of(kind)}_files"), "multipart/form-data")
        out["parameters"].append(parts.ref("parameters", "UploadId"))
    out["requestBody"] = {"required": needed, "content": media}
    out["responses"] |= {status: parts.ref("responses", name) for status, name in BODY_PROBLEMS.items()}


def _action(kind: Kind, action: Action, path: str) -> Json:
    summary = f"{action.name or 'POST'}: {kind.path}"
    out = common(kind, f"post_{action.name}".rstrip("_"), path, summary, role=action.role)
    if action.preview:
        out["description"] = f"A preview (`{action.preview}`); the setting STEWARD_PREVIEWS offers it. {parts.needs(action.role)}"
        out["x-preview"] = action.preview
    if action.room == "run":
        _starts_run(out, kind)
    elif action.room == "score":
        _scores(out, waits=action.name == "score" and kind.plane == "arm")
    elif action.direct:
        out["description"] += " Answered at once and passed on; nothing of it is stored."
        out["parameters"] += [parts.ref("parameters", "Preflight")] if kind.plane == "arm" else []
        out["requestBody"] = {"required": False, "content": parts.content({})}
        out["responses"]["200"] = _found("Json")
        out["responses"] |= {status: parts.ref("responses", name) for status, name in BODY_PROBLEMS.items()}
    else:
        body = (
            {"type": "array", "items": parts.ref("schemas", "ResourceBody")}
            if action.listed
            else parts.ref("schemas", "ResourceBody")
        )
        _changes(out, kind, body, files=action.name == "package", needed=False)
        out["responses"]["204"] = parts.ref("responses", "Done")
    return out


def _starts_run(out: Json, kind: Kind) -> None:
    _changes(out, kind, parts.ref("schemas", "ResourceBody"))
    out["summary"] = "Start a v1 run"
    out["requestBody"] = {"required": True, "content": parts.content(parts.ref("schemas", "RunFiles"), "multipart/form-data")}
    out["parameters"].append({"name": "runId", "in": "query", "schema": parts.STRING})


def _scores(out: Json, *, waits: bool) -> None:
    out["summary"] = "Score; body and answer are passed through unchanged"
    out["requestBody"] = {"required": False, "content": parts.anything()}
    out["responses"]["200"] = {"description": "The endpoint's own answer.", "content": parts.anything()}
    out["responses"]["202"] = parts.ref("responses", "Accepted")
    out["responses"]["default"] = {"description": "The endpoint's own refusal, as it came.", "content": {"*/*": {"schema": {}}}}
    out["parameters"].append(parts.ref("parameters", "Prefer"))
    if waits:
        out["description"] += (
            " With `Prefer: respond-async` the body is kept: 202, and the endpoint's answer at operations/{id}/result. "
            "A parked endpoint wakes; with `Prefer: wait=N` its caller waits for that."
        )
        out["parameters"] += [parts.ref("parameters", name) for name in ("IdempotencyKey", "CallbackUrl")]
        text = "`line`: score each line of the body by itself, as an operation; its result has a line for each, in their order."
        out["parameters"].append(
            {"name": "each", "in": "query", "description": text, "schema": {"type": "string", "enum": ["line"]}}
        )


def _view(kind: Kind, view: str) -> Json:
    path = f"{path_of(kind)}/{view}"
    out = common(kind, f"get_{view}", path, f"{view}: {kind.path}", role="reader")
    out["responses"]["200"] = _found("Json")
    if view == "logs":
        text = "One of the logs, as text."
        out["parameters"].append({"name": "file", "in": "query", "description": text, "schema": parts.STRING})
        out["responses"]["200"]["content"] |= parts.content(parts.STRING, "text/plain")
    return out


def _found(schema: str, description: str = "Done.", *, other: str = "", operation: bool = False) -> Json:
    shown = parts.ref("schemas", schema)
    if other:
        shown = {"anyOf": [shown, parts.ref("schemas", other)]}
    carried = {"Operation-Id": parts.ref("headers", "OperationId")} if operation else {}
    return {
        "description": description,
        "headers": {"x-ms-request-id": parts.ref("headers", "RequestId"), **carried},
        "content": parts.content(shown),
    }
