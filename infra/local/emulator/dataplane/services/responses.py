"""A web service as model management shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from infra.local.emulator.resources import Resource


def shown(service: Resource) -> dict[str, Any]:
    """A service as its owner sees it, without keys."""
    return dict(service.body["service"])
