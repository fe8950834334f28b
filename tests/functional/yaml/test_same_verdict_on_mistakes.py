"""Small mistakes in the corpus: what azure-ai-ml refuses is refused here, what it takes is taken."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.local import bootstrap
from shared.catalog import yaml as translations
from shared.text.yaml_document import RefusedError
from tests import tables
from tests.functional.yaml import conversation, mutations
from tests.functional.yaml.conftest import CORPUS, FILES
from tests.functional.yaml.test_same_as_the_sdk import TEMPLATES, kind_of

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(3_000)]
EACH = 10 if tables.WHOLE else 2  # mistakes of one file
SHARE = 0.98
# What the client ends with when it has sent the request, and cannot read this oracle's answer
_NOT_THE_REQUESTS = ("TypeError", "AttributeError")
_UNNAMED = ("job", "data_import", "model_package", "component", "environment", "data", "model")  # may go without a name


def test_verdicts_and_bodies_are_the_clients(tmp_path: Path) -> None:
    """Misspelled, missing, of another type, referring to nothing; what differs is shown."""
    root = tmp_path / "corpus"
    shutil.copytree(CORPUS, root)
    made: dict[str, str] = {}
    for name in FILES:
        whole = yaml.safe_load((CORPUS / name).read_text())
        for number, (what, mistaken) in enumerate(mutations.sample(whole, EACH, name)):
            file = f"{name.rpartition('.')[0]}--{number}.yml"
            (root / file).write_text(yaml.safe_dump(mistaken, sort_keys=False))
            made[file] = f"{name}: {what}"
    differ = [f"{made[each['file']]}: {found}" for each in _asked(root, list(made)) if (found := _difference(root, each))]
    assert len(made) > len(FILES)
    assert len(differ) <= (1 - SHARE) * len(made), "\n".join(differ)


def _asked(root: Path, files: list[str]) -> list[dict[str, Any]]:
    subprocess.run([sys.executable, bootstrap.__file__, "sdk"], check=True, capture_output=True)
    command = [str(bootstrap.SDK_VENV / "bin" / "python"), "-W", "ignore", str(Path(__file__).with_name("oracle.py"))]
    cases = json.dumps([{"file": file, "loader": file.partition("/")[0], "files": True} for file in files])
    done = subprocess.run(command, input=cases, capture_output=True, text=True, cwd=root, check=False)
    assert not done.returncode, done.stderr[-2_000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def _difference(root: Path, theirs: dict[str, Any]) -> str:
    """What is not the same; '' nothing."""
    after = str(theirs.get("after") or "")
    refusal = theirs.get("error") or (after if not after.startswith(_NOT_THE_REQUESTS) else "")
    try:
        ours = _translated(root, theirs["file"])
    except RefusedError as refused:
        return "" if refusal else f"only we refuse: {refused.error.message}"
    if refusal:
        return f"only the client refuses: {refusal[:300]}"
    loader, body = theirs["loader"], conversation.carried_out(ours)
    path, sent = ("", theirs["rest"]) if loader in TEMPLATES else conversation.sent(theirs)
    conversation.without_made_up_names(loader, path, sent, body)
    return "" if body == sent else "another body"


def _translated(root: Path, name: str) -> translations.Translation:
    """Translate a file as a request would, whose files must be there and whose path or fields name it."""
    file, loader = root / name, name.partition("/")[0]
    text = file.read_text()

    def read(path: str) -> str | None:
        wanted = (file.parent / path).resolve()
        return wanted.read_text() if wanted.is_file() and wanted.is_relative_to(root) else None

    target = conversation.target(loader, text)
    out = translations.translate(
        text, target=target, location="eastus", workspace_id=conversation.WORKSPACE_ID, files=read, kind=kind_of(name)
    )
    conversation.check_files(out, file.parent)
    missing = [each.path for each in out.uploads if not (file.parent / each.path).exists()]
    if missing or (out.name is None and loader not in _UNNAMED):
        what = f"there is no '{missing[0]}'" if missing else "the path names a collection, and no field the resource"
        raise RefusedError(what, file="", line=1, column=1, target="", depth=0)
    return out
