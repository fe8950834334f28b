"""The Bicep of infra/azure, read with pycep."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pycep import BicepParser

AZURE = Path(__file__).parents[2] / "infra" / "azure"


@pytest.fixture(scope="session")
def bicep() -> dict[str, dict[str, Any]]:
    """Every Bicep file, by its path below infra/azure."""
    parser = BicepParser()
    return {path.relative_to(AZURE).as_posix(): parser.parse(text=known(path)) for path in sorted(AZURE.rglob("*.bicep"))}


def known(path: Path) -> str:
    """Return a file in the words that pycep knows; bicep_syntax.py knows the others, too.

    It reads no `*: string`, no array in a type, no directive within an object, and a condition in a loop only without the space.
    """
    text = re.sub(r"^ +#disable-next-line .*\n", "", path.read_text(), flags=re.MULTILINE).replace(": if (", ": if(")
    return re.sub(r": \w+\[\]\n", ": array\n", text.replace("  *: ", "  any: ")) if path.name == "types.bicep" else text
