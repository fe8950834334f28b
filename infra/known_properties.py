"""Distils `shared/catalog/known_properties.json`: which properties the body of a PUT may have, by kind.

From the types that Microsoft generates for Bicep out of its own OpenAPI files (github.com/Azure/bicep-types-az, MIT), one file
for each `provider@version`: `python -m infra.known_properties FOLDER`. Read-only properties are known, too: a body that was
read may hold them. Of discriminated types all variants count. Free maps (tags, variables) have no names and are left out.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from shared.catalog import kinds

DEPTH = 4
OUT = Path(__file__).parents[1] / "shared" / "catalog" / "known_properties.json"


def main(folder: Path) -> None:
    """Write the file."""
    found: dict[str, dict[str, str]] = {}
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
    OUT.write_text(json.dumps(found, indent=1) + "\n")


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
