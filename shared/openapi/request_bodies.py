"""What a kind's request body holds, as a schema, from the table's columns: needed fields, their values, the secret ones.

Everything else in a body is Azure's to judge, so every schema leaves room for it. Not here: reading bodies (catalog.bodies).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.files import upload_steps
from shared.openapi import parts

if TYPE_CHECKING:
    from shared.catalog.kinds import Kind
    from shared.openapi.parts import Json

FILE: parts.Json = {"type": "string", "format": "binary"}
ANY = "*"  # in a dotted path: any member
NAMES_FILES = ("workspaces/schedules",)  # kinds whose YAML names files, none of which is the resource itself


def schema_of(kind: Kind) -> Json:
    """Return the schema of a PUT body; a reference to `ResourceBody` where the table asks for nothing."""
    root: Json = {}
    for path in kind.required:
        _place(root, path)["needed"] = True
    for path, values in kind.choices:
        _place(root, path)["schema"] = {"type": "string", "enum": list(values)}
    for path in kind.secrets:
        _place(root, path)["schema"] = {"writeOnly": True, "description": "Secret: sent at once and never stored."}
    return _written(root, top=True) if root else parts.ref("schemas", "ResourceBody")


def patch_of(kind: Kind) -> Json:
    """Return the schema of a PATCH body."""
    if kind.json_patch:
        return parts.ref("schemas", "JsonPatch")
    if not kind.patch:
        return parts.ref("schemas", "ResourceBody")
    named: Json = {}
    for path in kind.patch:
        node = named
        *above, last = path.split(".")
        for name in above:
            node = node.setdefault(name, {"type": "object", "properties": {}, "additionalProperties": False})["properties"]
        node[last] = {}
    nothing = {
        "type": "object",
        "properties": {},
        "additionalProperties": False,
        "description": "None: Azure would answer 200 and change nothing. PUT the whole resource.",
    }
    named.setdefault("properties", nothing)
    return {"type": "object", "properties": named}


def multipart_of(kind: Kind) -> Json | None:
    """Return the schema of a multipart body, None for a kind that takes no files."""
    taken = upload_steps.TAKES.get(kind.path)
    if taken is None and kind.path not in NAMES_FILES:
        return None
    part = {taken.part: {**FILE, "description": "The files: a zip, or a single file."}} if taken else {}
    return {
        "type": "object",
        "description": "The body as `spec` beside its files; loose files are parts of their own, each named by its path.",
        "properties": {
            "spec": {"type": "string", "description": "The body: JSON or YAML."},
            **part,
            "files": {**FILE, "description": "A zip of everything, the spec included."},
            "specPath": {"type": "string", "description": "Where among the files the spec lies."},
            "upload": {"type": "string", "description": "Instead of files: the id of an upload."},
        },
    }


def _place(root: Json, path: str) -> Json:
    """Return the node at a dotted path: `{"in": members, "needed": …, "schema": …}`."""
    node = root
    for name in path.split("."):
        node = node.setdefault("in", {}).setdefault(name, {})
    return node


def _written(node: Json, *, top: bool = False, loose: bool = False) -> Json:
    """Return a node as a schema; below `*` a member may be no object at all."""
    members: Json = node.get("in", {})
    if not members:
        return dict(node.get("schema", {}))
    out: Json = {} if loose else {"type": "object", "additionalProperties": True}
    named = {name: _written(inner) for name, inner in members.items() if name != ANY}
    if named:
        out["properties"] = named
    needed = [name for name, inner in members.items() if _needed(inner)]
    if needed:
        out["required"] = needed
    if ANY in members:
        out["additionalProperties"] = _written(members[ANY], loose=True)
    if top:
        out["description"] = "ARM's own JSON, passed on unchanged; these are the fields that the app checks."
    return out


def _needed(node: Json) -> bool:
    return bool(node.get("needed")) or any(_needed(inner) for inner in node.get("in", {}).values())
