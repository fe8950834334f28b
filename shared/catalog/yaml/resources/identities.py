"""Managed identities of computes, endpoints, workspaces and registries."""

from __future__ import annotations

from typing import Any

from shared.text.yaml_values import choice, either, mapping, maybe, pascal, record, sequence, snake, text

IDENTITY = record(
    {
        "type": choice("system_assigned", "user_assigned", "none", "system_assigned,user_assigned", fold=snake),
        "user_assigned_identities": sequence(record({"principal_id": text, "client_id": text, "resource_id": text})),
    },
    required=("type",),
    ignored=("$schema", "principal_id", "tenant_id"),
)


_IDS = record({"principal_id": text, "client_id": text, "resource_id": text})
WORKSPACE_IDENTITY = record(  # identities by resource id
    {
        "type": choice("system_assigned", "user_assigned", "none", "system_assigned,user_assigned", fold=snake),
        "user_assigned_identities": either(sequence(_IDS), mapping(maybe(_IDS), key=text)),
    },
    required=("type",),
    nullable=("user_assigned_identities",),
    ignored=("$schema", "principal_id", "tenant_id"),
)


def identity_body(identity: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return ARM's identity."""
    if identity is None:
        return None
    assigned = identity.get("user_assigned_identities")
    kind = ",".join(pascal(part) for part in identity["type"].split(",")) if identity.get("type") else None
    body: dict[str, Any] = {}
    if kind:
        body["type"] = kind
    if assigned:
        body["userAssignedIdentities"] = {each.get("resource_id"): {} for each in assigned}
    return body


def workspace_identity_body(identity: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return ARM's identity of a workspace, `Userassigned` as the SDK spells it there (ARM takes any casing)."""
    if identity is None:
        return None
    assigned = identity.get("user_assigned_identities")
    if isinstance(assigned, dict):
        assigned = [{"resource_id": resource_id} for resource_id, each in assigned.items() if each is not None]
    body = identity_body({**identity, "user_assigned_identities": assigned}) or {}
    if "type" in body:
        body["type"] = body["type"].capitalize() if "," not in body["type"] else body["type"]
    return body
