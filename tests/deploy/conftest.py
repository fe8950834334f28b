"""The Bicep of infra/azure, read with pycep."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pycep import BicepParser

AZURE = Path(__file__).parents[2] / "infra" / "azure"


@pytest.fixture(scope="session")
def bicep() -> dict[str, dict[str, Any]]:
    """Every Bicep file, by its path below infra/azure."""
    parser = BicepParser()
    return {path.relative_to(AZURE).as_posix(): parser.parse(text=path.read_text()) for path in sorted(AZURE.rglob("*.bicep"))}
