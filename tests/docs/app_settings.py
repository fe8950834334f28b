"""The app settings that the app reads, found in its sources: what the docs and the Bicep are compared with."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
SETTING = re.compile(r"(?:STEWARD|AZURE|AzureWebJobsStorage|PYTHON|IDENTITY)(?:__?[A-Za-z_]+)?")


def strings(path):
    """Return every string constant of a module, docstrings left out."""
    tree = ast.parse(path.read_text())
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {ast.get_docstring(node, clean=False) for node in ast.walk(tree) if isinstance(node, documented)}
    found = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return found - docstrings


def settings_read():
    """Return the names of all settings that the app or one of its triggers reads."""
    read = {text for text in strings(ROOT / "shared" / "settings.py") if SETTING.fullmatch(text)} - {"AzureWebJobsStorage__"}
    read |= {f"AzureWebJobsStorage__{service}ServiceUri" for service in ("table", "blob", "queue")}
    read |= {f"AZURE_{name}" for name in ("TENANT_ID", "CLIENT_ID", "CLIENT_SECRET", "AUTHORITY_HOST")} | {"IDENTITY_ENDPOINT"}
    for path in (ROOT / "functions").glob("*.py"):
        read |= {text.strip("%") for text in strings(path) if re.fullmatch(r"%\w+%", text)}
    return sorted(read)
