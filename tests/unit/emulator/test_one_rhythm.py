"""The folders of the local Azure's services have one rhythm: resources, responses, state, refusals (docs/local-azure.md)."""

from __future__ import annotations

from pathlib import Path

import infra.local.emulator
from infra.local.emulator import refusals

HOME = Path(infra.local.emulator.__file__).parent
SERVICES = sorted(
    path.parent for service in ("arm", "dataplane", "machine_learning", "mlflow") for path in (HOME / service).glob("*/__init__.py")
)
WITHOUT_ROUTES = {"quotas"}  # what others count by


def test_every_service_answers_in_its_resources() -> None:
    """A reader finds the routes of a kind in the same place everywhere."""
    assert len(SERVICES) > 25
    assert {folder.name for folder in SERVICES if not (folder / "resources.py").exists()} == WITHOUT_ROUTES


def test_every_table_of_refusals_is_in_a_refusals_and_is_joined() -> None:
    """Nowhere else: what a service refuses is read beside the code that refuses it."""
    tables = {path for path in HOME.rglob("*.py") if "\nROWS: tuple[Refusal, ...] = (" in path.read_text()}
    assert {path.name for path in tables} == {"refusals.py"}
    assert {Path(str(service.__file__)) for service in refusals.SERVICES} == tables
