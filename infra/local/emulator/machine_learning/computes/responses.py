"""What answers show of a compute: members that only previews describe are not shown to a stable api-version.

Source: azure-rest-api-specs, ComputeInstanceProperties and Cron of 2024-04-01-preview beside stable/2025-12-01.
"""

from typing import Any

PREVIEW_ONLY = ("enableOSPatching", "enableRootAccess", "releaseQuotaOnStop")


def shown(body: dict[str, Any], api_version: str) -> dict[str, Any]:
    """The body of a compute as that api-version shows it."""
    properties = body.get("properties") or {}
    inner = properties.get("properties")
    if "preview" in api_version or not isinstance(inner, dict) or properties.get("computeType") != "ComputeInstance":
        return body
    kept = {name: value for name, value in inner.items() if name not in PREVIEW_ONLY}
    if isinstance(kept.get("schedules"), dict):
        kept["schedules"] = _schedules(kept["schedules"])
    return {**body, "properties": {**properties, "properties": kept}}


def _schedules(schedules: dict[str, Any]) -> dict[str, Any]:
    listed = schedules.get("computeStartStop")
    if not isinstance(listed, list):
        return schedules
    plain = [
        {
            name: {each: value for each, value in trigger.items() if each != "triggerType"}
            if name in ("cron", "recurrence") and isinstance(trigger, dict)
            else trigger
            for name, trigger in schedule.items()
        }
        for schedule in listed
    ]
    return {**schedules, "computeStartStop": plain}
