"""Runs inside the prepared environment: a batch deployment's score.py over the files of its input, in mini-batches.

What Azure's own driver does for `init()` and `run(mini_batch)`; a plain script, copied beside the user's code.
"""

import argparse
import importlib.util
import os
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--script", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--input", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--file", default="predictions.csv")
    parser.add_argument("--mini-batch", type=int, default=10)
    parser.add_argument("--retries", type=int, default=3)
    parser.add_argument("--error-threshold", type=int, default=-1)
    parser.add_argument("--append", action="store_true", help="collect what run() returns in one file")
    return parser.parse_args()


def load(script: str) -> ModuleType:
    """The user's module, with its own folder on the path."""
    sys.path.insert(0, str(Path(script).resolve().parent))
    spec = importlib.util.spec_from_file_location("entry_module", script)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{script} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def lines(result: Any) -> list[str]:
    """One line for each row that run() returned: a data frame, or anything that can be gone through."""
    if hasattr(result, "to_csv"):
        return str(result.to_csv(sep=" ", header=False, index=False)).splitlines()
    return [str(row) for row in result]


def attempt(module: ModuleType, files: list[str], retries: int) -> list[str] | None:
    """The lines of one mini-batch; None when it failed every time."""
    for _ in range(1 + max(0, retries)):
        try:
            return lines(module.run(files))
        except Exception:  # noqa: BLE001 - the user's code may raise anything
            traceback.print_exc()
    return None


def main() -> None:
    """Score everything; exit 1 when more files failed than the deployment allows."""
    options = arguments()
    options.output.mkdir(parents=True, exist_ok=True)
    os.environ["AZUREML_MODEL_DIR"] = options.model
    os.environ["AZUREML_BI_OUTPUT_PATH"] = str(options.output)
    module = load(options.script)
    module.init()
    found = [options.input] if options.input.is_file() else [path for path in sorted(options.input.rglob("*")) if path.is_file()]
    failed = 0
    for start in range(0, len(found), options.mini_batch):
        files = [str(path) for path in found[start : start + options.mini_batch]]
        scored = attempt(module, files, options.retries)
        if scored is None:
            failed += len(files)
        elif options.append:
            with (options.output / options.file).open("a", encoding="utf-8") as collected:
                collected.writelines(f"{line}\n" for line in scored)
        if 0 <= options.error_threshold < failed:
            raise SystemExit(f"{failed} files failed; the deployment allows {options.error_threshold}")
    print(f"scored {len(found) - failed} of {len(found)} files")


if __name__ == "__main__":
    main()
