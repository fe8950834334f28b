"""Builds the deployment package: one zip with the app and its runtime dependencies, for Linux x86-64 and CPython 3.13.

``python -m infra.package [--out dist/azureml-steward.zip] [--folder dist/app] [--with FILE]``; ``make package``.
Dependencies are those of requirements.txt (and of the optional files given ``--with``), in the versions and with the
hashes of the developers' lock, as wheels for the platform's machine, whatever machine this is. What is left out of the
app stands in .funcignore. Bytecode is compiled so that it is taken unseen (``unchecked-hash``): unzipping changes times,
and without bytecode an instance starts three times as slowly. The same sources and lock make the same bytes: names are
sorted, times are fixed.

Not here: sending it to Azure (docs/deploy.md), and what Azure needs around it (infra/azure).
"""

from __future__ import annotations

import argparse
import compileall
import fnmatch
import hashlib
import json
import os
import py_compile
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from infra import sbom

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "infra" / "local" / "locks" / "dev.txt"
SITE_PACKAGES = Path(".python_packages/lib/site-packages")  # where the platform's worker looks first
PYTHON = (3, 13)
# The platform's image has glibc 2.36; wheels for older ones run there, too.
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
ABIS = ("cp313", "abi3", "none")
BEGINNING = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can hold
SURPLUS = ("bin", "*/tests", "*/test")  # of the dependencies: scripts, and tests that some bring along
LINUX = 3  # "create system" of a zip entry whose permissions are Unix ones


class PackageError(Exception):
    """The package cannot be built; the message says why and what to do."""


def main(arguments: list[str] | None = None) -> int:
    """Build it, say where it is and how large, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m infra.package", description="Build the deployment package.")
    parser.add_argument("--out", type=Path, default=ROOT / "dist" / "azureml-steward.zip", help="the zip (default: %(default)s)")
    parser.add_argument("--folder", type=Path, help="keep the content as a folder, too; a folder that is there is replaced")
    more = "a file of optional requirements, e.g. for telemetry; the lock must know them"
    parser.add_argument("--with", type=Path, action="append", default=[], dest="more", metavar="FILE", help=more)
    chosen = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            content = Path(scratch) / "app"
            assemble(content, [ROOT / "requirements.txt", *chosen.more])
            write_zip(content, chosen.out)
            if chosen.folder:
                shutil.rmtree(chosen.folder, ignore_errors=True)
                shutil.copytree(content, chosen.folder)
                # azd leaves bytecode out of what it zips, unless a file says what to leave out.
                (chosen.folder / ".funcignore").write_text("# Nothing: everything here is deployed.\n")
            unpacked = sum(path.stat().st_size for path in content.rglob("*") if path.is_file())
    except PackageError as error:
        print(f"package: {error}", file=sys.stderr)
        return 1
    digest = hashlib.sha256(chosen.out.read_bytes()).hexdigest()
    print(f"{chosen.out}: {chosen.out.stat().st_size / 1e6:.1f} MB, {unpacked / 1e6:.1f} MB unzipped, sha256 {digest}")
    return 0


def assemble(folder: Path, requirements: list[Path]) -> None:
    """Put the app, what ``requirements`` name, and the bytecode of all into ``folder``.

    Raises:
        PackageError: This is not Python 3.13, a dependency cannot be installed, or a module does not compile.
    """
    if sys.version_info[:2] != PYTHON:
        raise PackageError(f"Python {PYTHON[0]}.{PYTHON[1]} is needed: its bytecode is what the app runs")
    for name in app_files():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target)
    locked = locked_requirements(LOCK.read_text())
    _install(folder / SITE_PACKAGES, requirements, locked)
    sbom.write(folder, folder / SITE_PACKAGES, locked)
    _compile(folder)


def app_files() -> list[Path]:
    """Return what belongs to the app, relative to the project: everything that .funcignore does not name."""
    patterns = [line for line in (ROOT / ".funcignore").read_text().splitlines() if line and not line.startswith("#")]
    found = []
    for here, folders, files in os.walk(ROOT):
        at = Path(here).relative_to(ROOT)
        folders[:] = sorted(name for name in folders if not is_ignored(at / name, patterns, is_folder=True))
        found += [at / name for name in sorted(files) if not is_ignored(at / name, patterns, is_folder=False)]
    return found


def is_ignored(path: Path, patterns: list[str], *, is_folder: bool) -> bool:
    """Whether one of the patterns, in .gitignore's spelling without ``!`` and ``**``, means the path or its name."""
    for pattern in patterns:
        if pattern.endswith("/") and not is_folder:
            continue
        bare = pattern.removesuffix("/")
        if fnmatch.fnmatch(path.as_posix(), bare.removeprefix("/")) or ("/" not in bare and fnmatch.fnmatch(path.name, bare)):
            return True
    return False


def _install(site_packages: Path, requirements: list[Path], locked: dict[str, str]) -> None:
    """Put what is required, and what that requires, into the folder: first ask pip what that is, then take it from the lock.

    In two steps, because whether hashes of constraints count for requirements without any differs from pip to pip.
    """
    machine = ["--only-binary=:all:", "--implementation=cp", f"--python-version={PYTHON[0]}.{PYTHON[1]}"]
    machine += [f"--platform={name}" for name in PLATFORMS] + [f"--abi={name}" for name in ABIS]
    machine += ["--target", str(site_packages)]
    with tempfile.TemporaryDirectory() as scratch:
        pins, report, chosen = (Path(scratch) / name for name in ("pins.txt", "report.json", "chosen.txt"))
        pins.write_text("\n".join(text.partition(" ")[0] for text in locked.values()))
        wanted = [word for path in requirements for word in ("-r", str(path.resolve()))]
        _pip("--dry-run", "--ignore-installed", "--report", str(report), "-c", str(pins), *wanted, *machine)
        names = [sbom.canonical(each["metadata"]["name"]) for each in json.loads(report.read_text())["install"]]
        if missing := [name for name in names if name not in locked]:
            raise PackageError(f"the lock does not name {', '.join(missing)} ('make lock' renews it)")
        chosen.write_text("\n".join(locked[name] for name in sorted(names)))
        _pip("--require-hashes", "--no-deps", "-r", str(chosen), *machine)
    for pattern in SURPLUS:
        for surplus in site_packages.glob(pattern):
            shutil.rmtree(surplus)
    for record in site_packages.glob("*.dist-info"):
        for name in ("RECORD", "REQUESTED", "INSTALLER", "direct_url.json"):  # they name files that went, and paths of this machine
            (record / name).unlink(missing_ok=True)


def _pip(*words: str) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PackageError(f"pip could not install what the lock names ('make lock' renews it):\n{done.stderr.strip()}")


def locked_requirements(lock: str) -> dict[str, str]:
    """Return each requirement of a lock file with its hashes, by its name as PyPI compares names."""
    entries = re.finditer(r"^([A-Za-z0-9._-]+)==[^\\\n]*(?:\\\n +--hash=[^\\\n]*)+", lock, re.MULTILINE)
    return {sbom.canonical(entry[1]): entry[0] for entry in entries}


def _compile(folder: Path) -> None:
    mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
    # Traces show the paths that the files have once they are in Azure.
    compiled = compileall.compile_dir(
        folder, quiet=2, force=True, invalidation_mode=mode, stripdir=str(folder), prependdir="/home/site/wwwroot"
    )
    if not compiled:
        raise PackageError("a module does not compile: 'python -m compileall' names it")


def write_zip(folder: Path, out: Path) -> None:
    """Write ``folder`` as a zip that has the same bytes whenever it has the same content."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).as_posix()):
            if path.is_file():
                entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), BEGINNING)
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.create_system = LINUX
                entry.external_attr = 0o100644 << 16
                archive.writestr(entry, path.read_bytes())


if __name__ == "__main__":
    sys.exit(main())
