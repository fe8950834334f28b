"""Monitoring schedules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shared.catalog.yaml.document import Cursor
    from shared.catalog.yaml.references import Draft


def monitor_body(_draft: Draft, at: Cursor) -> dict[str, Any]:
    raise at.refusal("monitor")
