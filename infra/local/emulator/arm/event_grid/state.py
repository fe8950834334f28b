"""What is kept of topics."""

from __future__ import annotations

import secrets
from base64 import b64encode
from typing import TYPE_CHECKING, Any

from infra.local.emulator import web
from infra.local.emulator.arm import writes
from infra.local.emulator.resources import Resource

if TYPE_CHECKING:
    from infra.local.emulator.world import World


def kept(world: World, request: web.Request, body: dict[str, Any], kind: str, properties: dict[str, Any]) -> web.Response:
    """Keep a topic, and answer it."""
    found = world.resources.get(request.path)
    shown = {
        "id": request.path,
        "name": request.params["topic"],
        "type": kind,
        "location": body["location"],
        "tags": writes.kept_whole(world, found, body, "tags") or {},
        "properties": {**properties, "provisioningState": "Succeeded"},
    }
    made = Resource(id=request.path, body=shown)
    made.secrets = found.secrets if found else {"key1": key(), "key2": key()}
    made.touched(world.now(), "")
    return web.answer(world.resources.put(made).body, status=200 if found else 201)


def key() -> str:
    """A new key."""
    return b64encode(secrets.token_bytes(32)).decode()
