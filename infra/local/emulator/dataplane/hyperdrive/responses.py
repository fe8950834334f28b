"""A HyperDrive run as the service shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from infra.local.emulator.dataplane import scope

if TYPE_CHECKING:
    from infra.local.emulator.runs import Run

LIMITS = {"max_concurrent_jobs": (100, 10), "max_duration_minutes": (43200, 10080), "max_total_jobs": (1000, 20)}


def shown(run: Run, config: dict[str, Any]) -> dict[str, Any]:
    """The experiment as the official example shows it."""
    at = scope.time_text(run.created_at)
    return {
        "all_jobs_generated": False,
        "cancellation_requested": False,
        "created": at,
        "created_by_user_id": 0,
        "description": config.get("description"),
        "experiment_id": run.run_id,
        "experiment_uri": None,
        **{name: config.get(name) for name in ("generator_config", "name", "platform", "platform_config", "policy_config")},
        "primary_metric_config": config["primary_metric_config"],
        **{name: config.get(name) or default for name, (_, default) in LIMITS.items()},
        "modified": at,
        "status": "Running",
        "study_id": config.get("study_id") or 0,
        "study_uri": None,
        "hyperdrive_run_id": run.run_id,
    }
