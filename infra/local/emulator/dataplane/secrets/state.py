"""Secrets as they are kept."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from infra.local.emulator.dataplane import scope

if TYPE_CHECKING:
    from infra.local.emulator import web
    from infra.local.emulator.world import World


_NAME = re.compile(r"[A-Za-z0-9-]{1,127}")  # Key Vault's own rule


def kept(world: World, request: web.Request) -> dict[str, dict[str, Any]]:
    """The secrets of the workspace that a request names."""
    owner = world.generation(scope.workspace_id(world, request))
    by_workspace: dict[str, dict[str, dict[str, Any]]] = world.notes.setdefault("v1_secrets", {})
    return by_workspace.setdefault(owner, {})


def put(world: World, request: web.Request, given: dict[str, Any]) -> dict[str, Any]:
    """Keep a secret.

    Raises:
        web.Refused: 400, the name is invalid or the value is missing.
    """
    name, value = scope.text(request, given, "name") or "", scope.text(request, given, "value")
    if not _NAME.fullmatch(name):
        raise scope.bad(request, f"The secret name {name!r} is invalid: letters, digits and hyphens are allowed, up to 127.")
    if value is None:
        raise scope.bad(request, f"The secret {name!r} has no value.")
    now = scope.time_text(world.now())
    with world.lock:
        there = kept(world, request)
        created = there[name.lower()]["createdTime"] if name.lower() in there else now
        made = {"name": name, "value": value, "contentType": scope.field(given, "contentType")}
        there[name.lower()] = {**made, "createdTime": created, "modifiedTime": now}
        return there[name.lower()]
