"""Proof of arrival, by kind: only what Azure keeps as it was sent is compared (shared/catalog/unkept_properties.json)."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from infra import known_properties
from shared.catalog import bodies, kinds
from shared.operations import proof

if TYPE_CHECKING:
    from pathlib import Path

SENT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LATER = (SENT + timedelta(seconds=10)).isoformat()
PUT = [kind for kind in kinds.KINDS if "PUT" in kind.verbs]
KEPT = {"tags": {"mark": "asked"}, "properties": {"description": "asked"}}
# Microsoft's own words, in the OpenAPI files of each: readOnly, or a secret that no GET shows
FACTS = {
    "workspaces": ("properties.workspaceId", "properties.notebookInfo", "properties.provisioningState", "systemData"),
    "workspaces/computes": ("properties.createdOn", "properties.modifiedOn", "properties.properties.allocationState"),
    "workspaces/onlineEndpoints": ("properties.scoringUri", "properties.keys", "identity.principalId"),
    "workspaces/datastores": ("properties.credentials.secrets", "properties.isDefault"),
    "workspaces/environments/versions": ("properties.environmentType",),
    "registries/environments/versions": ("properties.environmentType",),
}


def _kind(path: str) -> kinds.Kind:
    return next(kind for kind in kinds.KINDS if kind.path == path)


def _with(body: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    out = at = copy.deepcopy(body)
    *above, name = path.split(".")
    for each in above:
        at = at.setdefault(each, {})
    at[name] = value
    return out


def _judged(kind: kinds.Kind, asked: Any, found: Any) -> proof.Verdict:
    there = {**found, "systemData": {"lastModifiedAt": LATER}}
    return proof.judge(proof.Sent(kind=kind, method="PUT", body=asked, since=SENT), there, gone=False)


@pytest.mark.parametrize("kind", PUT, ids=lambda kind: kind.path)
def test_a_body_that_was_read_and_is_sent_back_is_found_to_have_arrived(kind: kinds.Kind) -> None:
    """Azure has set what it sets itself again; what else differs is a difference."""
    for path in sorted(bodies._unkept(kind.full_type)):
        asked, found = _with(KEPT, path, "of before"), _with(KEPT, path, "of Azure")
        assert _judged(kind, asked, found).answer != "may have arrived", path
        other = _with(found, "tags.mark", "of another client")
        assert [each.path for each in _judged(kind, asked, other).differences] == ["tags.mark"], path


@pytest.mark.parametrize("kind", PUT, ids=lambda kind: kind.path)
def test_what_is_not_kept_proves_nothing(kind: kinds.Kind) -> None:
    """A request that asks for nothing else is not said to have arrived."""
    for path in sorted(bodies._unkept(kind.full_type) - {"id", "type", "etag"}):
        assert bodies.kept(kind, _with({}, path, "asked")) == {}, path
        found = _with({}, path, "asked")
        assert proof.judge(proof.Sent(kind=kind, method="PUT", body=found, since=SENT), found, gone=False).answer != "arrived"


@pytest.mark.parametrize("path", FACTS)
def test_the_table_says_what_microsofts_files_say(path: str) -> None:
    """Of each kind some, whatever the casing; and nothing of what callers ask for."""
    kind = _kind(path)
    for fact in FACTS[path]:
        assert bodies.kept(kind, _with(KEPT, fact, "x")) == KEPT, fact
        assert bodies.kept(kind, _with(KEPT, fact.upper(), "x")) == KEPT, fact
    required = [name for name in kind.required if not name.startswith("files")]
    assert not bodies._unkept(kind.full_type) & {name.lower() for name in required}


def test_what_one_variant_takes_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a property that is read-only in one type and the caller's in another, the caller's counts."""
    kind = _kind("workspaces/computes")
    text = {"$type": "StringType"}
    types: list[dict[str, Any]] = [
        {"$type": "ResourceType", "name": f"{kind.full_type}@{kind.api_version}", "body": {"$ref": "#/1"}},
        {"$type": "ObjectType", "properties": {"properties": {"type": {"$ref": "#/2"}, "flags": 0}}},
        {
            "$type": "DiscriminatedObjectType",
            "discriminator": "computeType",
            "baseProperties": {"state": {"type": {"$ref": "#/5"}, "flags": 2}, "key": {"type": {"$ref": "#/5"}, "flags": 5}},
            "elements": {"A": {"$ref": "#/3"}, "B": {"$ref": "#/4"}},
        },
        {"$type": "ObjectType", "properties": {"size": {"type": {"$ref": "#/5"}, "flags": 2}}},
        {"$type": "ObjectType", "properties": {"size": {"type": {"$ref": "#/5"}, "flags": 1}}},
        text,
    ]
    (tmp_path / f"machinelearningservices@{kind.api_version}.json").write_text(json.dumps(types))
    monkeypatch.setattr(known_properties, "CATALOG", tmp_path)
    monkeypatch.setattr(known_properties, "LOCAL_AZURE", tmp_path / "value_types.json")
    known_properties.main(tmp_path)
    known, unkept = (json.loads((tmp_path / f"{name}_properties.json").read_text())[kind.full_type] for name in ("known", "unkept"))
    assert known["properties"] == "computeType key size state"
    assert unkept == "properties.key properties.state"
