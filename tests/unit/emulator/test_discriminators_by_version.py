"""A schedule's discriminators are those of the request's api-version."""

import pytest

from infra.local.emulator.machine_learning.schedules import resources


@pytest.mark.parametrize(
    ("version", "value", "there"),
    [
        ("2023-06-01-preview", "Trailing", True),
        ("2025-12-01", "Trailing", False),
        ("2023-06-01-preview", "ImportData", True),
        ("2025-12-01", "ImportData", False),
        ("2024-10-01", "ImportData", False),
        ("2025-12-01", "CreateMonitor", True),
        ("2025-12-01", "Rolling", True),
    ],
)
def test_a_version_has_its_own_discriminators(version: str, value: str, *, there: bool) -> None:
    """`Trailing` stands in one preview only, imports by a schedule in a few."""
    assert (value in resources.known_to(version, ("Rolling", "Trailing", "ImportData", "CreateMonitor"))) is there
