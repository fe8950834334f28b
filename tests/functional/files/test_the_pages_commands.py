"""Every curl command of docs/files.md does what the page says, as it stands there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.docs import commands

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.functional.files.conftest import Caller

PAGE = (Path(__file__).parents[3] / "docs" / "files.md").read_text()
COMMANDS = commands.curls(PAGE)
JOB_YAML = """\
command: python train.py ${{inputs.data}}
code: ./src
inputs:
  data: {type: uri_file, path: ./data/train.csv}
environment: {image: python:3.13}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, caller: Caller, zip_of: Callable[..., bytes]) -> Path:
    """The files that the page's commands name."""
    there = tmp_path_factory.mktemp("page")
    environment = caller.send("PUT", "environments/e-page/versions/1", json={"properties": {"image": "python:3.13"}})
    job = '{"properties": {"jobType": "Command", "command": "python train.py", "environmentId": "%s"}}'
    project = {"src/train.py": "print(1)", "data/train.csv": "1,2"}
    nested = JOB_YAML.replace("./", "../../")
    files: dict[str, str | bytes] = {
        "job.json": job % caller.resource(environment)["id"],
        "job.yml": JOB_YAML,
        "compute.yml": "type: amlcompute\nsize: Standard_DS3_v2\n",
        "model.zip": zip_of({"MLmodel": "flavors: {}"}),
        "src.zip": zip_of({"train.py": "print(1)"}),
        "repository.zip": zip_of({"cli/jobs/job.yml": nested, **project}),
        **project,
    }
    for name, content in files.items():
        (there / name).parent.mkdir(parents=True, exist_ok=True)
        (there / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    caller.resource(caller.send("PUT", "computes/cpu", data=files["compute.yml"], headers={"Content-Type": "application/yaml"}))
    return there


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[:50])
def test_a_command_of_the_page_works(command: str, caller: Caller, folder: Path) -> None:
    """Any success: created, done or accepted."""
    variables = {"STEWARD": f"{caller.url}/api", "KEY": str(caller.session.headers["x-functions-key"])}
    answer = commands.run(command.replace("workspaces/churn/", "workspaces/ml-files/"), folder, variables)
    assert answer.status in (200, 201, 202), answer.body


def test_the_page_has_commands() -> None:
    """Six of them; a page whose blocks cannot be found proves nothing."""
    assert len(COMMANDS) == 6
