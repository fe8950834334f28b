"""Distils four tables, by kind: which properties the body of a PUT may have, which words and types, and which Azure does not keep.

From the types that Microsoft generates for Bicep out of its own OpenAPI files (github.com/Azure/bicep-types-az, MIT), one file
for each `provider@version`: `python -m infra.known_properties FOLDER`. Read-only properties are known, too: a body that was
read may hold them. Of discriminated types all variants count. Free maps (tags, variables) have no names and are left out.
What is read-only, or never shown, proves nothing about a write (operations.proof); it must be so in each variant that has it.
Words are the values of an enum or a discriminator, by path; `*` is any member of a map or list. Those of `known` are all there
are; to those of `open` Azure may add others. Types are those of Azure ML; of a path that has several in the variants, not one is
said. The local Azure has a copy of them, as it imports nothing of the app.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from shared.catalog import bodies, kinds

DEPTH = 4
WORDS_DEPTH = 8
CATALOG = Path(__file__).parents[1] / "shared" / "catalog"
READ_ONLY, WRITE_ONLY = 2, 4  # flags of a property
LOCAL_AZURE = Path(__file__).parent / "local" / "emulator" / "machine_learning" / "value_types.json"
# What Bicep calls whole, and the OpenAPI (Azure ML 2023-10-01, 2024-10-01) a number or a long one.
NUMBERS = frozenset({
    "beta1", "beta2", "boxScoreThreshold", "exitScore", "learningRate", "memoryGB", "momentum", "nmsIouThreshold", "port",
    "samplingRate", "slackAmount", "slackFactor", "stackMetaLearnerTrainPercentage", "stepLRGamma", "testDataSize",
    "tileOverlapRatio", "tilePredictionsNmsThreshold", "validationDataSize", "validationIouThreshold", "value",
    "warmupCosineLRCycles", "weightDecay",
})  # fmt: skip
LONG = frozenset({"expiryTimeUtc", "limit", "miniBatchSize", "refreshAfterTimeUtc"})
TYPES = {
    "BooleanType": "flag", "IntegerType": "whole", "StringType": "text", "StringLiteralType": "text", "ArrayType": "list",
    "ObjectType": "object", "DiscriminatedObjectType": "object",
}  # fmt: skip


def main(folder: Path) -> None:
    """Write the files."""
    found: dict[str, dict[str, str]] = {}
    unkept: dict[str, str] = {}
    said: dict[str, dict[str, dict[str, str]]] = {}
    typed: dict[str, dict[str, str]] = {}
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
            words: dict[str, set[str]] = {}
            others: set[str] = set()
            _words(types, row["body"], "", words, others)
            kept = {path: "|".join(sorted(each)) for path, each in sorted(words.items())}
            said[kind.full_type] = {
                "known": {path: each for path, each in kept.items() if path not in others},
                "open": {path: each for path, each in kept.items() if path in others},
            }
            if kind.namespace == kinds.ML:
                typed[kind.full_type] = _typed(types, row["body"])
            unkept[kind.full_type] = " ".join(sorted({path for path, each in flagged.items() if all(each)} - bodies.NEVER_KEPT))
    (CATALOG / "known_properties.json").write_text(json.dumps(found, indent=1) + "\n")
    (CATALOG / "known_words.json").write_text(json.dumps(said, indent=1) + "\n")
    for file in (CATALOG / "known_types.json", LOCAL_AZURE):
        file.write_text(json.dumps(typed, indent=1) + "\n")
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


def _words(types: list[dict[str, Any]], reference: dict[str, str], path: str, words: dict[str, set[str]], others: set[str]) -> None:
    """Note of each property that a caller sets the words that it takes, and whether others may come."""
    each = types[int(reference["$ref"].rpartition("/")[2])]
    if path.count(".") >= WORDS_DEPTH:
        return
    if each["$type"] == "UnionType":
        taken = [types[int(one["$ref"].rpartition("/")[2])] for one in each["elements"]]
        if literals := {one["value"] for one in taken if one["$type"] == "StringLiteralType"}:
            words.setdefault(path, set()).update(literals)
            others.update([path] if len(literals) < len(taken) else [])
    if each["$type"] == "ArrayType":
        _words(types, each["itemType"], f"{path}.*", words, others)
    if each["$type"] == "DiscriminatedObjectType":
        words.setdefault(f"{path}.{each['discriminator']}".lstrip("."), set()).update(each["elements"])
        for variant in each["elements"].values():
            _words(types, variant, path, words, others)
    for name, value in (each.get("baseProperties") or each.get("properties") or {}).items():
        if not value["flags"] & READ_ONLY:
            _words(types, value["type"], f"{path}.{name}".lstrip("."), words, others)
    if each.get("additionalProperties"):
        _words(types, each["additionalProperties"], f"{path}.*".lstrip("."), words, others)


def _typed(types: list[dict[str, Any]], body: dict[str, str]) -> dict[str, str]:
    """Return the paths of each type, those that have one type in all variants."""
    found: dict[str, set[str]] = {}
    _types(types, body, "", found)
    out: dict[str, list[str]] = {}
    for path, each in sorted(found.items()):
        if len(each) == 1 and path and (name := each.copy().pop()):
            out.setdefault(name, []).append(path)
    return {name: " ".join(paths) for name, paths in sorted(out.items())}


def _types(types: list[dict[str, Any]], reference: dict[str, str], path: str, found: dict[str, set[str]]) -> None:
    """Note the type of each property that a caller sets; '' for one that is not known."""
    each = types[int(reference["$ref"].rpartition("/")[2])]
    if path.count(".") >= WORDS_DEPTH:
        return
    if each["$type"] == "UnionType":
        for one in each["elements"]:
            _types(types, one, path, found)
        return
    name = path.rpartition(".")[2]
    known = TYPES.get(each["$type"], "")
    if known == "whole":
        known = "number" if name in NUMBERS else "long" if name in LONG else known
    found.setdefault(path, set()).add(known)
    if each["$type"] == "ArrayType":
        _types(types, each["itemType"], f"{path}.*", found)
    for variant in (each.get("elements") or {}).values() if each["$type"] == "DiscriminatedObjectType" else ():
        _types(types, variant, path, found)
    for member, value in (each.get("baseProperties") or each.get("properties") or {}).items():
        if not value["flags"] & READ_ONLY:
            _types(types, value["type"], f"{path}.{member}".lstrip("."), found)
    if each.get("additionalProperties"):
        _types(types, each["additionalProperties"], f"{path}.*".lstrip("."), found)


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
