"""The counts in docs/scale.md are those of the app."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from shared.durable import sweep
from tests.fakes import STORAGE
from tests.steward import Steward

PAGE = Path(__file__).parents[2] / "docs" / "scale.md"
BODY: dict[str, Any] = {"location": "westeurope", "properties": {}}
A_DAY_S = 86_400


def _calls(path: str, **more: Any) -> tuple[int, int]:
    """Return how many calls to storage and to Azure an operation takes, from its acceptance to its end."""
    steward = Steward()
    steward.submit("PUT", path, BODY, **more)
    steward.drive()
    ticks = steward.fuse.calls.count("open.query")  # of the timer's, whatever there is
    storage = sum(name.startswith(STORAGE) for name in steward.fuse.calls) - ticks
    return storage, sum(name.startswith("azure") for name in steward.fuse.calls)


def test_the_page_has_the_apps_counts() -> None:
    """And what they come to in a day of a million."""
    text = PAGE.read_text()
    at_once, later = _calls("workspaces/w1/models/m/versions/1"), _calls("workspaces/w1/computes/cpu")
    queued = _calls("workspaces/w1/computes/cpu", respond_async=True)
    for name, counts in (("at once", at_once), ("sent with the request", later), ("respond-async", queued)):
        assert any(name in line and line.endswith(f"| {counts[0]} | {counts[1]} |") for line in text.splitlines()), (name, counts)
    each_s = 1_000_000 / A_DAY_S
    assert f"{each_s:.1f} each second" in text
    assert f"{each_s * later[0]:.0f} calls to storage and {each_s * later[1]:.0f} to Azure" in text
    assert f"in {(10_000 - sweep.INLINE) // sweep.PAGE} messages beside the tick's own {sweep.INLINE}" in text
