"""Runs inside the prepared environment: a user's `init()` and `run(mini_batch)` over files, in several processes.

What Azure's own driver does for batch deployments and for parallel steps of pipelines; a plain script, copied beside the
user's code. Each worker process imports the script, calls `init()` once, then `run` with lists of file paths; a mini-batch
that raises, takes too long or takes its process along is tried again. What stands after `--` is the script's own command line.
"""

from __future__ import annotations

import argparse
import importlib.util
import multiprocessing
import os
import sys
import time
import traceback
from collections import deque
from dataclasses import dataclass, field
from multiprocessing import connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess
    from types import ModuleType

_SPAWN = multiprocessing.get_context("spawn")
_END_S = 5.0
ROWS = "parallel_run_step.txt"  # Azure's name for collected rows when their output is a folder


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--script", required=True)
    parser.add_argument("--input", type=Path, required=True)
    parser.add_argument("--model", help="folder of the model")
    parser.add_argument("--output", type=Path, help="folder for what the script writes and the collected rows")
    parser.add_argument("--file", default=ROWS, help="name of the collected rows in a folder")
    parser.add_argument("--append-to", type=Path, help="file or folder for what run() returns")
    parser.add_argument("--mini-batch", type=int, default=10)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--retries", type=int, default=3)
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds for one mini-batch")
    parser.add_argument("--error-threshold", type=int, default=-1, help="files that may fail; -1: all")
    parser.add_argument("--mini-batch-error-threshold", type=int, default=-1, help="mini-batches that may fail; -1: all")
    parser.add_argument("rest", nargs="*")
    return parser.parse_args()


# ── a worker ─────────────────────────────────────────────────────────────────────────────────────────────────────────
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


def work(pipe: connection.Connection, script: str, rest: list[str]) -> None:
    """Answer mini-batches until the queue ends: `(True, lines)` or `(False, None)`; first `(True, [])` when `init()` is through."""
    sys.argv = [script, *rest]
    try:
        module = load(script)
        if hasattr(module, "init"):
            module.init()
        pipe.send((True, []))
    except BaseException:  # noqa: BLE001 - the user's code may raise anything, SystemExit included
        traceback.print_exc()
        pipe.send((False, None))
        return
    while (files := pipe.recv()) is not None:
        try:
            pipe.send((True, lines(module.run(files))))
        except Exception:  # noqa: BLE001 - the user's code may raise anything
            traceback.print_exc()
            pipe.send((False, None))
    if hasattr(module, "shutdown"):
        module.shutdown()


# ── the workers together ─────────────────────────────────────────────────────────────────────────────────────────────
@dataclass(slots=True)
class Batch:
    """One mini-batch: its files, and what became of it."""

    files: list[str]
    attempts: int = 0
    lines: list[str] | None = None


@dataclass(slots=True)
class Worker:
    """A process with our end of its pipe, and what it is busy with (`init()` at first)."""

    process: SpawnProcess
    pipe: connection.Connection
    batch: Batch | None = None
    ready: bool = False
    deadline: float | None = None

    def end(self) -> None:
        """Take the process down."""
        self.process.kill()
        self.process.join()
        self.pipe.close()


@dataclass(slots=True)
class Crew:
    """All workers and the work."""

    options: argparse.Namespace
    waiting: deque[Batch]
    ended: list[Batch] = field(default_factory=list)
    workers: list[Worker] = field(default_factory=list)

    def hire(self) -> None:
        """One more process."""
        ours, theirs = _SPAWN.Pipe()
        process = _SPAWN.Process(target=work, args=(theirs, self.options.script, self.options.rest))
        process.start()
        theirs.close()
        self.workers.append(Worker(process, ours))

    def run(self) -> None:
        """Work until nothing is left, or too much has failed.

        Raises:
            SystemExit: `init()` failed, or more failed than may.
        """
        for _ in range(min(self.options.workers, len(self.waiting))):
            self.hire()
        try:
            while self.waiting or any(worker.batch for worker in self.workers):
                self.hand_out()
                self.listen()
                self.check()
            for worker in self.workers:
                worker.pipe.send(None)
                worker.process.join(_END_S)
        finally:
            for worker in self.workers:
                worker.end()

    def hand_out(self) -> None:
        """A mini-batch to every worker that has none."""
        for worker in self.workers:
            if worker.ready and worker.batch is None and self.waiting:
                worker.batch = self.waiting.popleft()
                worker.deadline = time.monotonic() + self.options.timeout
                worker.pipe.send(worker.batch.files)

    def listen(self) -> None:
        """Wait for the next answer or deadline, and take what there is."""
        deadlines = [worker.deadline for worker in self.workers if worker.deadline is not None]
        pause = max(0.0, min(deadlines) - time.monotonic()) if deadlines else None
        said = set(connection.wait([worker.pipe for worker in self.workers], pause))
        for worker in list(self.workers):
            if worker.pipe in said:
                self.hear(worker)
            elif worker.deadline is not None and time.monotonic() > worker.deadline:
                print(f"A mini-batch took longer than {self.options.timeout:g} seconds.", flush=True)
                self.replace(worker)

    def hear(self, worker: Worker) -> None:
        """One answer of a worker, or the news that its process is gone."""
        try:
            good, answer = worker.pipe.recv()
        except EOFError:
            if not worker.ready:
                raise SystemExit("The entry script's process ended in init().") from None
            self.replace(worker)
            return
        if not worker.ready:
            if not good:
                raise SystemExit("The entry script's init() failed.")
            worker.ready = True
        elif worker.batch is not None:
            self.settle(worker.batch, answer)
            worker.batch, worker.deadline = None, None

    def replace(self, worker: Worker) -> None:
        """A worker that hangs or died makes room for a new one; its mini-batch counts as failed once."""
        self.workers.remove(worker)
        worker.end()
        if worker.batch is not None:
            self.settle(worker.batch, None)
        self.hire()

    def settle(self, batch: Batch, answer: list[str] | None) -> None:
        """A mini-batch came back: done, or to be tried again, or given up."""
        batch.lines, batch.attempts = answer, batch.attempts + 1
        if answer is None and batch.attempts <= self.options.retries:
            self.waiting.append(batch)
        else:
            self.ended.append(batch)

    def check(self) -> None:
        """End everything when more failed than is allowed.

        Raises:
            SystemExit: it did.
        """
        files, batches = self.failed_files(), sum(1 for batch in self.ended if batch.lines is None)
        for name, failed, allowed in (
            ("files", files, self.options.error_threshold),
            ("mini-batches", batches, self.options.mini_batch_error_threshold),
        ):
            if 0 <= allowed < failed:
                raise SystemExit(f"{failed} {name} failed; {allowed} may.")

    def failed_files(self) -> int:
        """Each row that run() returns stands for one file that went well."""
        given_up = sum(len(batch.files) for batch in self.ended if batch.lines is None)
        if self.options.append_to is None:
            return given_up
        return given_up + sum(max(0, len(batch.files) - len(batch.lines)) for batch in self.ended if batch.lines is not None)


def files_of(place: Path) -> list[Path]:
    """The files of an input: one, those of a folder, or those that its MLTable file names.

    Raises:
        SystemExit: the MLTable makes a table of them.
    """
    described = place / "MLTable"
    if not described.is_file():
        return [place] if place.is_file() else [path for path in sorted(place.rglob("*")) if path.is_file()]
    import yaml

    asked = yaml.safe_load(described.read_text(encoding="utf-8-sig"))
    if any(str(name).startswith("read_") for step in asked.get("transformations") or [] for name in step):
        raise SystemExit("The input is tabular; the local Azure makes mini-batches of files only (an MLTable of paths alone).")
    found: list[Path] = []
    for one in asked.get("paths") or []:
        for kind, text in one.items():
            relative = str(text).removeprefix("./")
            found += sorted(place.glob(relative)) if kind == "pattern" else files_of(place / relative)
    return [path for path in found if path.is_file()]


def main() -> None:
    """Score everything; exit 1 when more failed than may."""
    options = arguments()
    if options.output is not None:
        options.output.mkdir(parents=True, exist_ok=True)
        os.environ["AZUREML_BI_OUTPUT_PATH"] = str(options.output)
    if options.model is not None:
        os.environ["AZUREML_MODEL_DIR"] = options.model
    found = files_of(options.input)
    size = max(1, options.mini_batch)
    batches = [Batch([str(path) for path in found[start : start + size]]) for start in range(0, len(found), size)]
    crew = Crew(options, deque(batches))
    try:
        crew.run()
    finally:
        if options.append_to is not None:
            whole = options.append_to / options.file if options.append_to.is_dir() else options.append_to
            with whole.open("a", encoding="utf-8") as collected:
                collected.writelines(f"{line}\n" for batch in batches for line in batch.lines or ())
    print(f"scored {len(found) - crew.failed_files()} of {len(found)} files in {len(batches)} mini-batches")


if __name__ == "__main__":
    main()
