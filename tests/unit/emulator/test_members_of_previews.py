"""A stable api-version does not show what only previews describe."""

from infra.local.emulator.machine_learning.computes import responses

INSTANCE = {
    "name": "desk",
    "properties": {
        "computeType": "ComputeInstance",
        "properties": {
            "vmSize": "Standard_DS3_v2",
            "enableOSPatching": False,
            "enableRootAccess": True,
            "releaseQuotaOnStop": False,
            "schedules": {"computeStartStop": [{"action": "Stop", "cron": {"expression": "0 18 * * *", "triggerType": "Cron"}}]},
        },
    },
}


def test_an_instance_made_by_a_preview_client_is_shown_as_each_version_describes_it():
    """azure-ai-ml makes it with 2023-08-01-preview; the app reads it with 2025-12-01."""
    assert responses.shown(INSTANCE, "2023-08-01-preview") == INSTANCE
    stable = responses.shown(INSTANCE, "2025-12-01")["properties"]["properties"]
    assert stable == {
        "vmSize": "Standard_DS3_v2",
        "schedules": {"computeStartStop": [{"action": "Stop", "cron": {"expression": "0 18 * * *"}}]},
    }
