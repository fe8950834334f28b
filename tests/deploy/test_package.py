"""The deployment package: what is in it, that it is whole by itself, and that the app starts from it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.request
import zipfile
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packaging.requirements import Requirement

from infra import package, sbom
from infra.local import stack

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
ZIP_LIMIT = 20_000_000  # a package is fetched at every cold start
UNZIPPED_LIMIT = 65_000_000
HASH_BASED_UNCHECKED = 0b01  # the flags of a .pyc that is taken without looking at its source (PEP 552)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, built once; the folder `app` beside it has the same."""
    out = tmp_path_factory.mktemp("package") / "app.zip"
    command = [sys.executable, "-m", "infra.package", "--out", out, "--folder", out.parent / "app"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(r"[0-9.]+ MB, [0-9.]+ MB unzipped, sha256 [0-9a-f]{64}", done.stdout)
    return out


@pytest.fixture(scope="module")
def names(archive: Path) -> set[str]:
    """The names of its files."""
    with zipfile.ZipFile(archive) as opened:
        return set(opened.namelist())


@pytest.fixture(scope="module")
def unzipped(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as an instance has it."""
    folder = tmp_path_factory.mktemp("wwwroot")
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder)
    return folder


def closure(names: list[str]) -> set[str]:
    """Return the distributions that requirements need on Linux, with all that these need."""
    found: set[str] = set()
    waiting = [Requirement(name) for name in names]
    while waiting:
        wanted = waiting.pop()
        name = wanted.name.lower().replace("_", "-")
        if name not in found:
            found.add(name)
            extras = wanted.extras or {""}
            needs = [Requirement(text) for text in distribution(name).requires or []]
            environment = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}
            waiting += [
                need
                for need in needs
                if not need.marker or any(need.marker.evaluate({**environment, "extra": extra}) for extra in extras)
            ]
    return found


def test_the_app_is_in_it_and_nothing_of_a_developers_machine(names: set[str]) -> None:
    """Every file of the app that git knows, with its data files; no tests, docs, infrastructure or settings."""
    listed = subprocess.run(["git", "ls-files", "functions", "shared"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    there = {name for name in listed.split() if (ROOT / name).exists()}
    assert {"function_app.py", "host.json", "requirements.txt", *there} <= names
    tops = {name.split("/")[0] for name in names}
    files = {"function_app.py", "host.json", "requirements.txt", "requirements-otel.txt", sbom.FILE}
    assert tops == {*files, "functions", "shared", ".python_packages", "__pycache__"}
    own = [name for name in names if not name.startswith(".python_packages/")]
    assert not [name for name in own if name.endswith((".env", ".settings.json", ".pem", ".zip"))]


def test_the_dependencies_are_those_of_requirements_and_no_others(names: set[str]) -> None:
    """Neither the test runner nor the local host's worker library gets into the package."""
    inside = {
        match.group(1).lower().replace("_", "-")
        for name in names
        if (match := re.match(r"\.python_packages/lib/site-packages/([^/]+?)-[^/-]+\.dist-info/METADATA$", name))
    }
    lines = [line.split("#")[0].strip() for line in (ROOT / "requirements.txt").read_text().splitlines()]
    assert inside == closure([line for line in lines if line])
    assert not inside & {"pytest", "mypy", "ruff", "azure-functions-runtime", "hypothesis"}


def test_the_package_lists_what_it_is_made_from(names: set[str], unzipped: Path) -> None:
    """Valid CycloneDX: every dependency inside, in its version, with its licence and the hashes of the lock, and nothing else."""
    text = (unzipped / sbom.FILE).read_text()
    assert not JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    listed = {each["name"]: each for each in json.loads(text)["components"]}
    folders = {match[1] for name in names if (match := re.search(r"site-packages/([^/]+)\.dist-info/METADATA$", name))}
    assert {f"{name}-{each['version']}" for name, each in listed.items()} == {
        f"{sbom.canonical(name)}-{version}" for name, _, version in (folder.rpartition("-") for folder in folders)
    }
    locked = package.locked_requirements(package.LOCK.read_text())
    for name, each in listed.items():
        assert each["purl"] == f"pkg:pypi/{name}@{each['version']}"
        assert each["licenses"], name
        assert {f"sha256:{one['content']}" for one in each["hashes"]} == set(re.findall(r"sha256:\w+", locked[name]))
        assert locked[name].startswith(f"{name}=={each['version']}")


def test_the_same_package_has_the_same_list(unzipped: Path) -> None:
    """No time and no chance: a package can be compared by its hash."""
    locked = package.locked_requirements(package.LOCK.read_text())
    again = sbom.document(unzipped / package.SITE_PACKAGES, locked)
    assert again == (unzipped / sbom.FILE).read_text()
    assert "timestamp" not in json.loads(again)["metadata"]


def test_what_is_compiled_is_for_the_platforms_machine(names: set[str]) -> None:
    """Linux on x86-64, CPython 3.13 or the stable ABI, whatever machine built it."""
    libraries = [name for name in names if name.endswith((".so", ".pyd", ".dylib"))]
    assert libraries
    for name in libraries:
        assert re.search(r"\.(cpython-313-x86_64-linux-gnu|abi3)\.so$", name), name


def test_bytecode_is_there_for_every_module_and_taken_unseen(archive: Path, names: set[str]) -> None:
    """Unzipping changes times: bytecode that is judged by them would be made again by every instance."""
    with zipfile.ZipFile(archive) as opened:
        for name in (name for name in names if name.endswith(".py")):
            folder, _, file = name.rpartition("/")
            compiled = f"{folder}/__pycache__/{file[:-3]}.cpython-313.pyc".lstrip("/")
            assert compiled in names, name
            with opened.open(compiled) as content:
                assert int.from_bytes(content.read(8)[4:], "little") == HASH_BASED_UNCHECKED, name


def test_the_folder_is_what_is_in_the_zip_and_nothing_of_it_is_ignored(archive: Path, names: set[str]) -> None:
    """The CLI azd leaves bytecode and environments out of a folder that has no .funcignore; of this one it takes all."""
    folder = archive.parent / "app"
    inside = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert inside == names | {".funcignore"}
    assert [line for line in (folder / ".funcignore").read_text().splitlines() if not line.startswith("#")] == []


def test_it_is_small(archive: Path) -> None:
    """A cold start fetches and unzips it."""
    with zipfile.ZipFile(archive) as opened:
        unzipped = sum(entry.file_size for entry in opened.infolist())
    assert archive.stat().st_size < ZIP_LIMIT
    assert unzipped < UNZIPPED_LIMIT


def test_the_same_content_makes_the_same_bytes(archive: Path, unzipped: Path, tmp_path: Path) -> None:
    """Names are sorted and times fixed: what is deployed can be compared by its hash."""
    for count, path in enumerate(sorted(unzipped.rglob("*.py"))[:50]):
        os.utime(path, (count * 1e6, count * 1e6))
    again = tmp_path / "again.zip"
    package.write_zip(unzipped, again)
    assert again.read_bytes() == archive.read_bytes()


def test_the_app_loads_from_it_alone(unzipped: Path) -> None:
    """No site-packages but its own: what is missing in the lock would be missing in Azure."""
    program = (
        "import sys\n"
        f"sys.path[:0] = [{str(unzipped)!r}, {str(unzipped / package.SITE_PACKAGES)!r}]\n"
        "import function_app, json, pathlib, importlib\n"
        f"root = pathlib.Path({str(unzipped)!r})\n"
        "for path in sorted(root.glob('shared/**/*.py')):\n"
        "    importlib.import_module('.'.join(path.relative_to(root).with_suffix('').parts))\n"
        "import azure.identity, azure.storage.blob, azure.storage.queue, yaml, jmespath, re2, standardwebhooks\n"
        "assert yaml.__with_libyaml__\n"
        "print(json.dumps(sorted(f.get_function_name() for f in function_app.app.get_functions())))\n"
    )
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=False, cwd=unzipped)
    assert done.returncode == 0, done.stderr
    assert {"health", "poll_operation", "hooks_queue"} <= set(json.loads(done.stdout))


@pytest.fixture
def address(unzipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The app, started from the unzipped package with the package's own dependencies first, as the platform's worker has them."""
    monkeypatch.setenv("PYTHONPATH", f"{unzipped / package.SITE_PACKAGES}{os.pathsep}{ROOT}")
    options = stack.Options(state=tmp_path, root=unzipped)
    with stack.start(options) as running:
        yield running.app.url


def test_the_app_starts_from_it_and_is_up(address: str) -> None:
    """On the local host, with storage."""
    with urllib.request.urlopen(f"{address}/api/health", timeout=30) as answer:
        assert json.load(answer) == {"status": "up"}


@pytest.mark.parametrize(
    ("path", "folder", "expected"),
    [
        ("tests", True, True),
        ("shared/tests_of_life.py", False, False),
        ("docs", True, True),
        ("shared/__pycache__", True, True),
        (".github", True, True),
        ("README.md", False, True),
        ("shared/README.md", False, False),
        ("infra", False, False),
        ("shared/infra", True, False),
        (".local", True, True),
        ("functions/poll.py", False, False),
        ("requirements-otel.txt", False, False),  # the build in Azure reads it where requirements.txt refers to it
        ("azureml-steward_env", True, True),  # what `azd restore` makes
    ],
)
def test_funcignore_means_what_it_means_to_git(path: str, folder: bool, expected: bool) -> None:  # noqa: FBT001 - a table
    """A name anywhere, with a slash before it only at the top, with one at its end only folders."""
    patterns = [line for line in (ROOT / ".funcignore").read_text().splitlines() if line and not line.startswith("#")]
    assert package.is_ignored(Path(path), patterns, is_folder=folder) is expected
