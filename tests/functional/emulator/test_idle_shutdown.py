"""Azure's idle shutdown of compute instances, with its documented traps."""

from typing import Any

import pytest

from tests.functional.emulator.client import Client

PREVIEW = "2025-01-01-preview"


@pytest.fixture
def box(azure: Client) -> str:
    """An instance that has run nothing for three days."""
    made = azure.control("POST", "scenes", {"name": "cleanup", "workspaces": 1, "models": 1, "versions": 1, "computes": 2})
    return f"{made['workspaces'][0]}/computes/idle-00x"


def let(azure: Client, box: str, minutes: int) -> None:
    """Set its idle time."""
    body = {"idleTimeBeforeShutdown": f"PT{minutes}M"}
    assert azure.arm("POST", f"{box}/updateIdleShutdownSetting", body, version=PREVIEW).status_code == 200


def inner(azure: Client, box: str) -> Any:
    """What it shows of itself."""
    return azure.arm("GET", box).json()["properties"]["properties"]


def test_it_stops_when_the_time_is_over_counted_from_the_change(azure: Client, box: str) -> None:
    """Not at once, though it idles for days: changing the setting resets the clock."""
    let(azure, box, 30)
    assert inner(azure, box)["state"] == "Running"
    azure.control("POST", "clock", {"advance_s": 31 * 60})
    found = inner(azure, box)
    assert (found["state"], found["lastOperation"]["operationTrigger"]) == ("Stopped", "IdleShutdown")
    assert found["idleTimeBeforeShutdown"] == "PT30M"


def test_a_custom_application_or_a_running_job_keeps_it_up(azure: Client, box: str) -> None:
    """For ever, as users found."""
    busy = box.replace("idle-00x", "busy-01x")
    let(azure, box, 15)
    let(azure, busy, 15)
    assert azure.arm("POST", f"{box}/customServices", [{"name": "rstudio"}], version=PREVIEW).status_code == 200
    azure.control("POST", "clock", {"advance_s": 86_400})
    assert {inner(azure, box)["state"], inner(azure, busy)["state"]} == {"Running"}
