"""Whatever stands in a field, the answer is a translation or a refusal: nothing else is ever raised."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.catalog import yaml as translations
from shared.rest import ids
from shared.text import yaml_document
from tests import tables

CORPUS = Path(__file__).parents[2] / "corpus"
FILES = sorted(file for file in CORPUS.glob("*/*.y*ml") if file.parent.name != "shared")
SCOPE = ids.parse("/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w")
STRANGE: tuple[Any, ...] = (
    None,
    "",
    "x",
    "azureml:",
    3,
    1.5,
    True,
    [],
    ["x"],
    [None],
    {},
    {"x": None},
    {"type": "x"},
    "${{parent.inputs.x}}",
)
LEFT_OUT = object()
IN_A_FILE = 20  # changes of a file that are tried on every day, of 300 on average


@pytest.mark.sweep
@tables.each("file", FILES)
def test_any_value_is_translated_or_refused(file: Path) -> None:
    """Each value of the file in turn is replaced by each of the strange ones, and each is left out once."""
    whole = yaml.safe_load(file.read_text())
    kind = "batch_deployment" if file.parent.name.endswith("batch_deployment") else file.parent.name

    def read(path: str) -> str | None:
        wanted = (file.parent / path).resolve()
        return wanted.read_text() if wanted.is_file() else None

    def attempt(value: Any) -> None:
        try:
            made = translations.translate(json.dumps(value), kind=kind, files=read)
        except yaml_document.RefusedError:
            return
        json.dumps(made.to_json())

    every = [(path, strange) for path in paths(whole, ()) for strange in (*STRANGE, LEFT_OUT)]
    for path, strange in tables.sample(every, IN_A_FILE, seed=file.name):
        changed = copy.deepcopy(whole)
        if strange is LEFT_OUT:
            del holder(changed, path)[path[-1]]
        else:
            holder(changed, path)[path[-1]] = strange
        attempt(changed)


def paths(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    """Walk the paths of all values below."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in members:
        yield (*path, key)
        yield from paths(each, (*path, key))


def holder(value: Any, path: tuple[Any, ...]) -> Any:
    """Return what holds the value at a path."""
    for key in path[:-1]:
        value = value[key]
    return value
