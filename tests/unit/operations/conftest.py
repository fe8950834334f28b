"""The app's operations on fakes."""

from __future__ import annotations

import pytest

from tests.steward import Steward


@pytest.fixture
def steward() -> Steward:
    """A fresh app, with one workspace in Azure."""
    return Steward()
