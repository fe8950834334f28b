"""Compiles the app and the tests once: ``python -m tests.bytecode``, before five processes that collect tests each do it.

A fresh clone has no bytecode, and every process would compile all modules, and rewrite the assertions of all tests, by itself.
"""

import compileall
import re
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from _pytest.assertion import rewrite

ROOT = Path(__file__).parents[1]
NOT_OURS = re.compile(r"[/\\]node_modules[/\\]")


def place(path: Path) -> Path:
    """Return where pytest looks for the bytecode of a test module."""
    return rewrite.get_cache_dir(path) / f"{path.stem}{rewrite.PYC_TAIL}"


def write(path: Path) -> None:
    """Write what pytest would write when it imports a test module, unless it is there."""
    target = place(path)
    if rewrite._read_pyc(path, target) is None:
        source, code = rewrite._rewrite_test(path, None)
        target.parent.mkdir(exist_ok=True)
        whole = target.with_name(f"{target.name}.whole")
        with whole.open("wb") as file:
            rewrite._write_pyc_fp(file, source, code)
        whole.replace(target)


def main() -> None:
    """Compile everything, on all processors."""
    for folder in ("functions", "shared", "infra", "tests"):
        compileall.compile_dir(ROOT / folder, quiet=2, workers=0, rx=NOT_OURS)
    modules = [
        path for name in ("conftest.py", "test_*.py") for path in (ROOT / "tests").rglob(name) if not NOT_OURS.search(str(path))
    ]
    with ProcessPoolExecutor() as pool:
        list(pool.map(write, modules, chunksize=20))


if __name__ == "__main__":
    main()
