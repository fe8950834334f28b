"""Distils two tables, by kind: which properties the body of a PUT may have, and which of them Azure does not keep as sent.

From the types that Microsoft generates for Bicep out of its own OpenAPI files (github.com/Azure/bicep-types-az, MIT), one file
for each `provider@version`: `python -m infra.known_properties FOLDER`. Read-only properties are known, too: a body that was
read may hold them. Of discriminated types all variants count. Free maps (tags, variables) have no names and are left out.
What is read-only, or never shown, proves nothing about a write (operations.proof); it must be so in each variant that has it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from shared.catalog import bodies, kinds

DEPTH = 4
CATALOG = Path(__file__).parents[1] / "shared" / "catalog"
READ_ONLY, WRITE_ONLY = 2, 4  # flags of a property


def main(folder: Path) -> None:
    """Write the files."""
    found: dict[str, dict[str, str]] = {}
    unkept: dict[str, str] = {}
    for kind in kinds.KINDS:
        source = folder / f"{kind.namespace.partition('.')[2].lower()}@{kind.api_version}.json"
        if kind.path.startswith("registries/") or not source.exists() or not ("PUT" in kind.verbs or kind.named_by_us):
            continue
        types = json.loads(source.read_text())
        name = f"{kind.full_type}@{kind.api_version}".lower()
        row = next((each for each in types if each.get("$type") == "ResourceType" and each["name"].lower() == name), None)
        if row is not None:
            names: dict[str, set[str]] = {}
            _walk(types, row["body"], "", names)
            found[kind.full_type] = {path: " ".join(sorted(each)) for path, each in sorted(names.items())}
            flagged: dict[str, set[bool]] = {}
            _flags(types, row["body"], "", flagged)
            unkept[kind.full_type] = " ".join(sorted({path for path, each in flagged.items() if all(each)} - bodies.NEVER_KEPT))
    (CATALOG / "known_properties.json").write_text(json.dumps(found, indent=1) + "\n")
    (CATALOG / "unkept_properties.json").write_text(json.dumps(unkept, indent=1) + "\n")


def _flags(types: list[dict[str, Any]], reference: dict[str, str], path: str, flagged: dict[str, set[bool]]) -> None:
    """Note of each property whether it is read-only, or never shown, in each type that has it."""
    each = types[int(reference["$ref"].rpartition("/")[2])]
    properties = dict(each.get("baseProperties") or each.get("properties") or {})
    for variant in (each.get("elements") or {}).values() if each["$type"] == "DiscriminatedObjectType" else ():
        _flags(types, variant, path, flagged)
    for name, value in properties.items():
        here = f"{path}.{name}".lstrip(".")
        unkept = bool(value["flags"] & (READ_ONLY | WRITE_ONLY))
        flagged.setdefault(here, set()).add(unkept)
        if not unkept and here.count(".") < DEPTH:
            _flags(types, value["type"], here, flagged)


def _walk(types: list[dict[str, Any]], reference: dict[str, str], path: str, names: dict[str, set[str]]) -> None:
    each = types[int(reference["$ref"].rpartition("/")[2])]
    if each["$type"] == "DiscriminatedObjectType":
        names.setdefault(path, set()).add(each["discriminator"])
        properties = dict(each["baseProperties"])
        for variant in each["elements"].values():
            _walk(types, variant, path, names)
    else:
        properties = dict(each.get("properties") or {}) if each["$type"] == "ObjectType" else {}
    for name, value in properties.items():
        names.setdefault(path, set()).add(name)
        if path.count(".") + 1 < DEPTH:
            _walk(types, value["type"], f"{path}.{name}".lstrip("."), names)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
