"""A field that nothing knows is refused at its line, wherever it stands; where the CLI takes it, the exception is listed here."""

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.catalog import yaml as translations
from shared.text import yaml_document
from tests import tables

CORPUS = Path(__file__).parents[2] / "corpus"
FILES = sorted(file for file in CORPUS.glob("*/*.y*ml") if file.parent.name != "shared")
UNKNOWN = "zz_unknown"
NAMES_OF_ONES_OWN = re.compile(
    r"(^|.*\.)(tags|properties|environment_variables|inputs|conf|conda_file|metadata|flavors|flavors\.[^.]+|spark_configuration"
    r"|hyperparameters|column_name_and_types)$"
    r"|.*\bconda_file\.dependencies\.\d+$|^properties(\.[^.]+)*$|.*\bresources\.properties(\.[^.]+)*$"
)
KEPT_BY_AZURE = {  # the CLI sends what it does not know, as Azure keeps a component's and a node's YAML
    "component": r"|jobs\.[^.]+",
    "job": r"jobs\.[^.]+|jobs\.[^.]+\.component|settings",
    "schedule": r"create_job\.settings",
    "batch_deployment": r"settings",
}
IN_A_FILE = 6  # mappings of a file on every day
NOT_SENT = {  # the CLI reads past it; the translation says so
    "component": r"|distribution|outputs\.[^.]+|resources|retry_settings|task|jobs\.[^.]+\.inputs",
    "job": r"inputs|jobs\.[^.]+\.(inputs|retry_settings|task)",
    "workspace": r"managed_network(\.outbound_rules\.\d+)?",
}


@pytest.mark.sweep
@tables.each("file", FILES)
def test_an_unknown_field_is_refused_at_its_line(file: Path) -> None:
    """One is put into each mapping of the file in turn."""
    whole = yaml.safe_load(file.read_text())
    kind = "batch_deployment" if file.parent.name.endswith("batch_deployment") else file.parent.name
    for path in tables.sample(list(mappings(whole, ())), IN_A_FILE, seed=file.name):
        text = with_unknown(whole, path)
        line = next(number for number, each in enumerate(text.splitlines(), 1) if UNKNOWN in each)
        where = ".".join(str(part) for part in path)
        made = outcome(text, kind, file)
        if isinstance(made, yaml_document.RefusedError):
            assert made.line == line, f"{where}: {made.error.message}"
            assert not made.file
            continue
        sent = UNKNOWN in json.dumps([made.body, *(each.body for each in made.registrations)])
        if sent:
            assert NAMES_OF_ONES_OWN.match(where) or matches(KEPT_BY_AZURE, kind, where), where
        elif not where.endswith("resources.properties"):
            assert matches(NOT_SENT, kind, where), where
            assert any(UNKNOWN in note and f"line {line}," in note for note in made.notes), where


def outcome(text: str, kind: str, file: Path) -> translations.Translation | yaml_document.RefusedError:
    """Return what a YAML is translated to, or what it is refused with."""
    try:
        return translations.translate(text, kind=kind, files=lambda name: beside(file, name))
    except yaml_document.RefusedError as refused:
        return refused


def matches(patterns: dict[str, str], kind: str, where: str) -> bool:
    """Tell whether an exception is listed for a place."""
    return kind in patterns and re.fullmatch(patterns[kind], where) is not None


def mappings(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    """Walk the paths of all mappings."""
    if isinstance(value, dict):
        yield path
    for key, each in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from mappings(each, (*path, key))


def with_unknown(whole: Any, path: tuple[Any, ...]) -> str:
    """Return the YAML with one more field in the mapping at a path."""
    changed = copy.deepcopy(whole)
    holder = changed
    for key in path:
        holder = holder[key]
    holder[UNKNOWN] = "x"
    return yaml.safe_dump(changed, sort_keys=False, width=1000)


def beside(file: Path, name: str) -> str | None:
    """Return the text of a file that a YAML of the corpus names."""
    wanted = (file.parent / name).resolve()
    return wanted.read_text() if wanted.is_file() else None
