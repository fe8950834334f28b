"""`python -m tests.spec.distil FOLDER`: writes `operations.json` and `types.json` beside this file.

FOLDER holds Microsoft's descriptions, as docs/local-azure.md "How it is checked" says: `specs/` (OpenAPI files), `types/`
(the types that Microsoft generates from them for Bicep) and `rest_operations.json` (paths and statuses of the official
clients). Only names, types, enums and statuses are kept. Not here: the check itself (`described.py`).

A type is written as `"s"`, `"i"`, `"n"`, `"b"` (text, integer, number, truth), `"*"` (anything), a number (the item of that
number in `types.json`) or `[type]` (a list of it). An item is `{"e": values}` or
`{"p": {member: type or [type, flags]}, "m": type of other members, "d": discriminator, "v": {its value: item}}`.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

SOURCES = {
    "specs": "github.com/Azure/azure-rest-api-specs, specification/machinelearningservices: 2019-11-01, 2023-10-01, 2024-10-01; "
    "data plane 2019-09-30",
    "types": "github.com/Azure/bicep-types-az, generated/, state of 2026-08-20",
    "rest_operations": "azure-ai-ml 1.35.2, _restclient/arm_ml_service (2025-12-01)",
}
REQUIRED, READ_ONLY, WRITE_ONLY, NULLABLE = 1, 2, 4, 8
ML = "Microsoft.MachineLearningServices"
NEWEST, DESCRIBED = "2025-12-01", "2024-10-01"
GROUP = "/subscriptions/{}/resourceGroups/{}/providers"
PRIMITIVES = {"string": "s", "integer": "i", "number": "n", "boolean": "b"}
BICEP = {
    "StringType": "s",
    "IntegerType": "n",
    "BooleanType": "b",
    "AnyType": "*",
}  # Bicep has no fractions: 3.5 is an integer there
NEIGHBOURS = {
    "Microsoft.Authorization/roleAssignments", "Microsoft.Authorization/roleDefinitions", "Microsoft.Authorization/locks",
    "Microsoft.ContainerRegistry/registries", "Microsoft.EventGrid/eventSubscriptions", "Microsoft.EventGrid/systemTopics",
    "Microsoft.EventGrid/systemTopics/eventSubscriptions", "Microsoft.EventGrid/topics", "Microsoft.Insights/components",
    "Microsoft.KeyVault/vaults", "Microsoft.ManagedIdentity/userAssignedIdentities", "Microsoft.Resources/deployments",
    "Microsoft.Storage/storageAccounts",
}  # fmt: skip
WRITTEN = {"GET": (200,), "PUT": (200, 201, 202), "PATCH": (200, 201, 202), "DELETE": (200, 202, 204), "POST": (200, 202)}


class Types:
    """Items by key while they are read; the same ones become one when they are written."""

    def __init__(self) -> None:
        self.items: dict[str, dict[str, Any]] = {}

    def numbered(self, roots: list[str]) -> tuple[list[dict[str, Any]], dict[str, int]]:
        """What the roots reach, each distinct item once, and the number of each key."""
        reached: dict[str, None] = {}
        waiting = [key for key in roots if key.startswith("@")]
        while waiting:
            key = waiting.pop()
            if key not in reached:
                reached[key] = None
                waiting += _refs(self.items[key])
        group = dict.fromkeys(reached, "")
        for _ in range(60):  # refine until no group falls apart any more
            said = {key: json.dumps(_renamed(self.items[key], group), sort_keys=True) for key in reached}
            order = {text: str(n) for n, text in enumerate(sorted(set(said.values())))}
            if len(order) == len(set(group.values())):
                break
            group = {key: order[said[key]] for key in reached}
        numbers = {key: int(group[key]) for key in reached}
        firsts = {number: key for key, number in reversed(numbers.items())}
        return [_renamed(self.items[firsts[n]], numbers) for n in range(len(firsts))], numbers


def _refs(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value] if value.startswith("@") else []
    if isinstance(value, dict):
        return [ref for name, inner in value.items() if name != "e" for ref in _refs(inner)]
    return [ref for inner in value for ref in _refs(inner)] if isinstance(value, list) else []


def _renamed(value: Any, names: dict[str, Any]) -> Any:
    if isinstance(value, str):
        return names[value] if value.startswith("@") else value
    if isinstance(value, dict):
        return {name: inner if name == "e" else _renamed(inner, names) for name, inner in value.items()}
    return [_renamed(inner, names) for inner in value] if isinstance(value, list) else value


def _object(members: dict[str, tuple[Any, int]], **more: Any) -> dict[str, Any]:
    return {"p": {name: [kind, flags] if flags else kind for name, (kind, flags) in members.items()}, **more}


# ── Bicep's types ────────────────────────────────────────────────────────────────────────────────────────────────────
class Bicep:
    """One file of types: `types` gets its items; `resources` and `actions` say which is whose."""

    def __init__(self, path: Path, types: Types) -> None:
        self.rows: list[dict[str, Any]] = json.loads(path.read_text())
        self.version = path.stem.partition("@")[2]
        self.prefix = f"@{path.stem}/"
        self.types = types
        found = [row for row in self.rows if row["$type"] == "ResourceType"]
        self.resources = {row["name"].partition("@")[0]: self.of(row["body"]) for row in found}
        for row in found:
            self._as_sent(int(row["body"]["$ref"][2:]))
        self.actions = {
            (row["resourceType"].lower(), row["name"].lower()): (
                self.of(row["input"]) if "input" in row else "",
                self.of(row["output"]),
            )
            for row in self.rows
            if row["$type"] == "ResourceFunctionType"
        }

    def of(self, ref: dict[str, str]) -> Any:
        """The type behind a `$ref`."""
        number = int(ref["$ref"][2:])
        row, key = self.rows[number], f"{self.prefix}{number}"
        match row["$type"]:
            case "ArrayType":
                return [self.of(row["itemType"])]
            case "StringLiteralType":
                self.types.items[key] = {"e": [row["value"]]}
            case "UnionType":
                texts = [self.rows[int(one["$ref"][2:])] for one in row["elements"]]
                values = sorted(one["value"] for one in texts if one["$type"] == "StringLiteralType")
                if not values:
                    return "s"
                self.types.items[key] = {"e": values}
            case "ObjectType" | "DiscriminatedObjectType":
                if key not in self.types.items:
                    self.types.items[key] = {}  # it may hold itself
                    self.types.items[key] = self._members(row)
            case name:
                return BICEP[name]
        return key

    def _members(self, row: dict[str, Any]) -> dict[str, Any]:
        listed = row.get("properties") or row.get("baseProperties") or {}
        more: dict[str, Any] = {}
        if "additionalProperties" in row:
            more["m"] = self.of(row["additionalProperties"])
        elif not listed and "elements" not in row:
            more["m"] = "*"
        if "elements" in row:
            more |= {"d": row["discriminator"], "v": {value: self.of(ref) for value, ref in row["elements"].items()}}
        return _object({name: (self.of(one["type"]), one["flags"] & 7) for name, one in listed.items()}, **more)

    def _as_sent(self, number: int) -> None:
        """A resource as it is on the wire: without Bicep's `apiVersion`; its name stands in the path."""
        item = self.types.items[f"{self.prefix}{number}"]
        members = {name: one for name, one in item["p"].items() if name != "apiVersion"}
        members |= {name: ["s", READ_ONLY] for name in ("id", "name", "type")}
        self.types.items[f"{self.prefix}{number}"] = {**item, "p": members}


# ── OpenAPI ──────────────────────────────────────────────────────────────────────────────────────────────────────────
class OpenApi:
    """The OpenAPI files of one version: `operations` by (method, template)."""

    def __init__(self, files: list[Path], common: Path, types: Types) -> None:
        self.common, self.types = common, types
        self.read: dict[Path, dict[str, Any]] = {path: json.loads(path.read_text()) for path in files}
        self.operations: dict[tuple[str, str], dict[str, Any]] = {}
        for path in files:
            for template, verbs in self.read[path]["paths"].items():
                shared = verbs.get("parameters", [])
                for verb, described in verbs.items():
                    if verb != "parameters":
                        self.operations[verb.upper(), template_of(template)] = self._operation(path, described, shared)

    def _operation(self, file: Path, described: dict[str, Any], shared: list[Any]) -> dict[str, Any]:
        body: Any = ""
        query: dict[str, bool] = {}
        media = described.get("consumes", ["application/json"])
        for given in [*shared, *described.get("parameters", [])]:
            where, parameter = self._at(file, given)
            if parameter["in"] == "query" and parameter["name"] != "api-version":
                query[parameter["name"]] = bool(parameter.get("required"))
            elif parameter["in"] == "body" and any("json" in one for one in media):
                body = self.of(where, parameter["schema"])
        answers = {
            status: self.of(file, said["schema"]) if "schema" in said else ""
            for status, said in described["responses"].items()
            if status.isdigit() and int(status) < 300
        }
        return {"answers": answers, "body": body, "query": query}

    def _at(self, file: Path, given: dict[str, Any]) -> tuple[Path, Any]:
        if "$ref" not in given:
            return file, given
        path, _, pointer = given["$ref"].partition("#/")
        if "common-types/" in path:
            file = self.common / path.partition("common-types/")[2]
        elif path:
            file = file.parent / Path(path).name
        if file not in self.read:
            self.read[file] = json.loads(file.read_text())
        found: Any = self.read[file]
        for part in pointer.split("/"):
            found = found[part]
        return file, found

    def of(self, file: Path, schema: dict[str, Any], name: str = "") -> Any:
        """The type of a schema."""
        if "$ref" in schema:
            where, found = self._at(file, schema)
            return self.of(where, found, schema["$ref"].rpartition("/")[2])
        kind = schema.get("type")
        if kind == "array":
            return [self.of(file, schema.get("items", {}))]
        if values := schema.get("enum"):
            key = f"@{file}#{sorted(map(str, values))}"
            self.types.items[key] = {"e": sorted(map(str, values))} if kind in {"string", None} else {"e": values}
            return key
        if kind in PRIMITIVES:
            return PRIMITIVES[kind]
        if kind not in {"object", None} or not (schema.keys() - {"description", "type", "x-nullable", "readOnly", "title"}):
            return "*"
        key = f"@{file}#{name or id(schema)}"
        if key not in self.types.items:
            self.types.items[key] = {}
            self.types.items[key] = self._members(file, schema, name)
        return key

    def _members(self, file: Path, schema: dict[str, Any], name: str) -> dict[str, Any]:
        members = self._own(file, schema)
        more: dict[str, Any] = {}
        extra = schema.get("additionalProperties")
        if isinstance(extra, dict) and extra:
            more["m"] = self.of(file, extra)
        elif extra or (extra is not None and extra is not False) or not members:
            more["m"] = "*"
        if "discriminator" in schema:
            below = {
                one.get("x-ms-discriminator-value", called): self.of(file, one, called)
                for called, one in self.read[file]["definitions"].items()
                if name in self._above(file, one)
            }
            more |= {"d": schema["discriminator"], "v": below}
        return _object(members, **more)

    def _above(self, file: Path, schema: dict[str, Any]) -> set[str]:
        names = {one["$ref"].rpartition("/")[2] for one in schema.get("allOf", []) if "$ref" in one}
        return names | {up for one in schema.get("allOf", []) for up in self._above(*self._at(file, one))}

    def _own(self, file: Path, schema: dict[str, Any]) -> dict[str, tuple[Any, int]]:
        members: dict[str, tuple[Any, int]] = {}
        for one in schema.get("allOf", []):
            members |= self._own(*self._at(file, one))
        required = set(schema.get("required", []))
        for name, one in schema.get("properties", {}).items():
            access = one.get("x-ms-mutability")
            flags = READ_ONLY * bool(one.get("readOnly") or access == ["read"])
            flags |= WRITE_ONLY * bool(access and "read" not in access) | NULLABLE * bool(one.get("x-nullable"))
            members[name] = (self.of(file, one), flags)
        return {name: (kind, flags | REQUIRED * (name in required)) for name, (kind, flags) in members.items()}


# ── operations ───────────────────────────────────────────────────────────────────────────────────────────────────────
def template_of(path: str) -> str:
    """A path with its parameters' names left out: they differ by source."""
    path = path.replace("/{armScope}/", f"{GROUP}/{ML}/workspaces/{{}}/experiments/{{}}/")
    return re.sub(r"\{[^}]*\}", "{}", path)


def _list_of(types: Types, kind: Any) -> str:
    key = f"@list of {kind}"
    types.items[key] = _object({"value": ([kind], REQUIRED), "nextLink": ("s", 0)})
    return key


def _resource_of(template: str) -> tuple[str, str]:
    """`Namespace/type` of a template, and what stands behind it: empty, or the last literal of an odd number."""
    namespace, *parts = template.rpartition("/providers/")[2].split("/")
    behind = parts.pop() if len(parts) % 2 else ""
    return "/".join([namespace, *parts[0::2]]), behind


def _shapes(bicep: Bicep, method: str, template: str) -> tuple[Any, Any] | None:
    """Body and answer of an operation as Bicep's types have them, or None."""
    resource, behind = _resource_of(template)
    if method == "POST":
        return bicep.actions.get((resource.lower(), behind.lower()))
    kind = bicep.resources.get(f"{resource}/{behind}" if behind else resource)
    if kind is None:
        return None
    if behind:
        return ("", _list_of(bicep.types, kind)) if method == "GET" else None
    return {"GET": ("", kind), "PUT": (kind, kind), "DELETE": ("", "")}.get(method)


def _newer(bicep: Bicep, listed: list[dict[str, Any]], older: OpenApi) -> dict[tuple[str, str], dict[str, Any]]:
    """The operations of a version that only Bicep's types describe; what they lack is as in the newest OpenAPI file."""
    made = {}
    for row in listed:
        if row["apiVersion"] not in {NEWEST, bicep.version} or row["path"].startswith("/rp/"):  # an inner host's path
            continue
        method, template = row["method"], template_of(row["path"])
        said = older.operations.get((method, template), {"answers": {}, "body": "", "query": {}})
        shapes = _shapes(bicep, method, template)
        statuses = [str(status) for status in row["success"]] or list(said["answers"]) or [str(one) for one in WRITTEN[method]]
        if shapes is None:
            body, answers = said["body"], {status: said["answers"].get(status, "*") for status in statuses}
        else:
            body = shapes[0] or said["body"]
            answers = {status: "" if status in {"202", "204"} else shapes[1] for status in statuses}
        made[method, template] = {"answers": answers, "body": body, "query": dict.fromkeys(row["query"], False) | said["query"]}
    return made


def _only_known(rows: list[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    """Operations of the data plane that the official clients call and no file describes: their path and method."""
    shape = {"answers": {str(status): "*" for status in (200, 201, 202, 204)}, "body": "", "query": None}
    return {(row["method"], template_of(row["path"])): shape for row in rows if row["plane"] == "data"}


def _neighbours(bicep: Bicep) -> dict[tuple[str, str], dict[str, Any]]:
    made = {}
    for name, kind in bicep.resources.items():
        if name not in NEIGHBOURS:
            continue
        namespace, *parts = name.split("/")
        collection = f"/providers/{namespace}/" + "/{}/".join(parts)
        for method in ("GET", "PUT", "PATCH", "DELETE"):
            shape = kind if method != "DELETE" else "*"
            answers = {str(status): "" if status in {202, 204} else shape for status in WRITTEN[method]}
            made[method, f"{{*}}{collection}/{{}}"] = {"answers": answers, "body": kind if method == "PUT" else "", "query": None}
        made["GET", f"{{*}}{collection}"] = {"answers": {"200": _list_of(bicep.types, kind)}, "body": "", "query": None}
        for (resource, action), (body, answer) in bicep.actions.items():
            if resource == name.lower():
                said = {"answers": {"200": answer, "202": ""}, "body": body, "query": None}
                made["POST", f"{{*}}{collection}/{{}}/{action}"] = said
    return made


def distil(folder: Path) -> tuple[dict[str, Any], list[Any]]:
    """What the two files hold."""
    types = Types()
    common = folder / "specs" / "common-types"
    read = {
        path.name: OpenApi(sorted(path.glob("*.json")), common, types)
        for path in sorted((folder / "specs" / "resource-manager").iterdir())
    }
    described = {f"{ML}@{version}": said.operations for version, said in read.items()}
    rows = json.loads((folder / "rest_operations.json").read_text())["operations"]
    listed = [row for row in rows if row["plane"] == "arm"]
    for path in sorted((folder / "types").glob("*.json")):
        bicep = Bicep(path, types)
        namespace = next(iter(bicep.resources)).partition("/")[0]
        name = f"{namespace}@{bicep.version}"
        if namespace != ML:
            described[name] = described.get(name, {}) | _neighbours(bicep)
        elif name not in described:
            described[name] = _newer(bicep, listed, read[DESCRIBED])
    data = [OpenApi([path], common, types) for path in sorted((folder / "specs" / "data-plane").glob("*/*.json"))]
    described["data plane"] = _only_known(rows) | {key: one for said in data for key, one in said.operations.items()}
    roots = _refs([[one["answers"], one["body"]] for said in described.values() for one in said.values()])
    items, numbers = types.numbered(roots)
    written = {
        version: [
            [method, template, _renamed(one["answers"], numbers), _renamed(one["body"], numbers), one["query"]]
            for (method, template), one in sorted(said.items())
        ]
        for version, said in described.items()
    }
    return {"sources": SOURCES, "described": written}, items


def _by_line(content: Any) -> str:
    """JSON with a row of a list on each line, so that a renewal can be read."""
    if isinstance(content, dict):
        return "{\n" + ",\n".join(f"{json.dumps(name)}: {_by_line(one)}" for name, one in content.items()) + "\n}"
    if isinstance(content, list):
        return "[\n" + ",\n".join(json.dumps(row, separators=(",", ":")) for row in content) + "\n]"
    return json.dumps(content)


def main() -> None:
    """Write both files."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    operations, items = distil(Path(sys.argv[1]))
    for name, content in (("operations", operations), ("types", items)):
        (Path(__file__).parent / f"{name}.json").write_text(_by_line(content) + "\n")


if __name__ == "__main__":
    main()
