"""Clients that are generated from the app's own document: they compile, and do five calls each."""

from __future__ import annotations

import compileall
import json
import os
import shutil
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(900)]
HERE = Path(__file__).parent
TYPESCRIPT = HERE / "typescript"
COMPILED = {"target": "es2022", "module": "commonjs", "strict": True, "outDir": "dist", "lib": ["es2022", "dom"]}
type Run = Callable[..., dict[str, Any]]


@pytest.fixture
def document(through_app: dict[str, str], tmp_path: Path) -> Path:
    """What the app serves, as a file."""
    path = tmp_path / "openapi.json"
    with urlopen(f"{through_app['STEWARD']}/openapi.json", timeout=60) as answer:
        path.write_bytes(answer.read())
    return path


def _generated(program: Path, *arguments: str) -> str:
    """What a generator says; with its own tools ahead of the machine's."""
    path = {"PATH": f"{program.parent}:{os.environ['PATH']}"}
    done = subprocess.run([str(program), *arguments], env=os.environ | path, capture_output=True, text=True, check=False)
    said = f"{done.stdout}\n{done.stderr}"
    assert done.returncode == 0, said[-3000:]
    return said


def _judged(said: dict[str, Any]) -> None:
    wrong = [f"{call}: {given!r}, expected {wanted!r}" for call, given, wanted in said["said"] if given != wanted]
    assert not wrong, "\n".join(wrong)
    assert len(said["said"]) >= 5


def test_openapi_generators_python(
    generators: Path, document: Path, through_app: dict[str, str], run_command: Run, tmp_path: Path
) -> None:
    """Every module compiles; no operation is lost."""
    out = tmp_path / "client"
    _generated(generators.with_name("openapi-generator-cli"), "generate", "-i", str(document), "-g", "python", "-o", str(out))
    assert compileall.compile_dir(str(out / "openapi_client"), quiet=1)
    written = "".join(path.read_text() for path in (out / "openapi_client/api").glob("*.py"))
    assert written.count("_with_http_info(\n        self") == len(_names(document))
    script = [str(generators), "-W", "ignore", str(HERE / "scripts/generated_pydantic.py")]
    _judged(run_command(script, **through_app, PYTHONPATH=str(out), END=uuid.uuid4().hex[:6]))


def test_openapi_python_client(
    generators: Path, document: Path, through_app: dict[str, str], run_command: Run, tmp_path: Path
) -> None:
    """Every endpoint is generated."""
    out = tmp_path / "client"
    program = generators.with_name("openapi-python-client")
    said = _generated(program, "generate", "--path", str(document), "--output-path", str(out))
    assert "will not be generated" not in said
    assert compileall.compile_dir(str(out / "azureml_steward_client"), quiet=1)
    modules = [path for path in (out / "azureml_steward_client/api").rglob("*.py") if path.name != "__init__.py"]
    assert len(modules) == len(_names(document))
    script = [str(generators), "-W", "ignore", str(HERE / "scripts/generated_attrs.py")]
    _judged(run_command(script, **through_app, PYTHONPATH=str(out), END=uuid.uuid4().hex[:6]))


def test_openapi_generators_typescript(
    generators: Path, typescript: str, document: Path, through_app: dict[str, str], run_command: Run, tmp_path: Path
) -> None:
    """The whole client passes the compiler's strict checks, what the app sends to others included."""
    out = tmp_path / "client"
    program = generators.with_name("openapi-generator-cli")
    form = ("--global-property", "skipFormModel=false")
    _generated(program, "generate", "-i", str(document), "-g", "typescript-fetch", "-o", str(out), *form)
    shutil.copy(TYPESCRIPT / "calls.ts", tmp_path)
    (tmp_path / "tsconfig.json").write_text(json.dumps({"compilerOptions": COMPILED, "include": ["calls.ts", "client"]}))
    compiler = [typescript, str(TYPESCRIPT / "node_modules/typescript/bin/tsc"), "-p", str(tmp_path)]
    done = subprocess.run(compiler, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    _judged(run_command([typescript, str(tmp_path / "dist/calls.js")], **through_app, END=uuid.uuid4().hex[:6]))


def _names(document: Path) -> list[str]:
    """The operation ids of the document."""
    paths = json.loads(document.read_text())["paths"]
    return [operation["operationId"] for item in paths.values() for operation in item.values()]
