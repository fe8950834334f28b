"""The layers of the design hold: what imports what is checked, not hoped for."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_import_linter_finds_every_contract_kept():
    """The contracts stand in pyproject.toml; `make check` runs the same."""
    lint = "import sys; from importlinter.cli import lint_imports_command as c; sys.argv = ['lint-imports', '--no-cache']; c()"
    done = subprocess.run([sys.executable, "-c", lint], cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr


def modules(*folders: str) -> list[Path]:
    """The modules below the folders, without `__init__`."""
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py")) if path.stem != "__init__"]


@functools.cache
def imported(path: Path) -> set[str]:
    """The dotted names that a module imports, wherever in it."""
    named = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            named |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    return named


def test_shared_knows_nothing_of_azure_functions():
    """What the triggers call could be called by anything."""
    foreign = {
        str(path.relative_to(ROOT)): found
        for path in modules("shared")
        if (found := {name for name in imported(path) if name.startswith(("azure.functions", "functions", "infra"))})
    }
    assert not foreign


def test_no_folder_holds_more_than_a_reader_can_look_over():
    """Sixteen modules at most, in the product and in the local Azure."""
    counts = Counter(path.parent for path in modules("shared", "infra/local/emulator"))
    assert not {str(folder.relative_to(ROOT)): count for folder, count in counts.items() if count > 16}


def test_no_module_of_the_product_is_named_like_another():
    """A failing line in a log names one file."""
    names = Counter(path.name for path in modules("shared", "functions"))
    assert not [name for name, count in names.items() if count > 1]


def in_circles(graph: dict[str, set[str]]) -> set[str]:
    """The modules that reach themselves: take away what imports nothing of the rest, until nothing more goes."""
    left = dict(graph)
    while gone := [name for name, wanted in left.items() if not wanted & left.keys() - {name}]:
        for name in gone:
            del left[name]
    return set(left)


def test_no_module_imports_itself_by_way_of_others():
    """Imports for types and imports inside functions count, too; what imports a circle is listed with it."""
    paths = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): path
        for path in modules("functions", "shared", "infra")
        if "node_modules" not in path.parts
    }
    graph = {name: {wanted for wanted in imported(path) if wanted in paths} for name, path in paths.items()}
    assert sum(map(len, graph.values())) > 500
    assert in_circles({"a": {"b"}, "b": {"a"}, "c": {"a"}, "d": set()}) == {"a", "b", "c"}
    assert not in_circles(graph)
