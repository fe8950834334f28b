"""Managed identities of computes, endpoints, workspaces and registries."""

from __future__ import annotations

from typing import Any

from shared.catalog.yaml.shapes import choice, pascal, record, sequence, snake, text

IDENTITY = record(
    {
        "type": choice("system_assigned", "user_assigned", "none", "system_assigned,user_assigned", fold=snake),
        "user_assigned_identities": sequence(record({"principal_id": text, "client_id": text, "resource_id": text})),
    },
    ignored=("$schema", "principal_id", "tenant_id"),
)


def identity_body(identity: dict[str, Any] | None, *, with_ids: bool = False) -> dict[str, Any] | None:
    """Return ARM's identity; `with_ids` keeps the client and principal ids (workspaces do)."""
    if identity is None:
        return None
    assigned = identity.get("user_assigned_identities")
    kind = ",".join(pascal(part) for part in identity["type"].split(",")) if identity.get("type") else None
    body: dict[str, Any] = {}
    if kind:
        body["type"] = kind
    if assigned:
        body["userAssignedIdentities"] = {each.get("resource_id"): _ids(each) if with_ids else {} for each in assigned}
    return body


def _ids(identity: dict[str, Any]) -> dict[str, Any]:
    pairs = (("principalId", "principal_id"), ("clientId", "client_id"))
    return {rest: identity[name] for rest, name in pairs if identity.get(name)}
