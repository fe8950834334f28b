"""Reads a table from a folder: an MLTable with its files and transformations, or plain CSV and JSON-lines files.

Every value is text or None, as it stands in the file; what is a number is decided later. Not here: fetching remote paths.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from pathlib import Path

_READERS = ("read_delimited", "read_json_lines", "read_parquet")
_DELIMITED, _LINES = (".csv", ".tsv", ".txt"), (".jsonl", ".ndjson")
_WITHOUT_EFFECT = {"convert_column_types"}  # types are found in the values themselves


class BadTableError(Exception):
    """The data cannot be read; the message is for the user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Columns by name, rows of as many values."""

    columns: list[str]
    rows: list[list[str | None]]

    def column(self, name: str) -> list[str | None]:
        """The values of one column.

        Raises:
            BadTableError: no column has this name.
        """
        if name not in self.columns:
            raise BadTableError(f"The column {name!r} is not in the data; there are {', '.join(self.columns)}.")
        at = self.columns.index(name)
        return [row[at] for row in self.rows]

    def without(self, names: set[str]) -> Table:
        """The same rows with fewer columns."""
        kept = [at for at, name in enumerate(self.columns) if name not in names]
        return Table(columns=[self.columns[at] for at in kept], rows=[[row[at] for at in kept] for row in self.rows])


def read(place: Path) -> Table:
    """The table behind an input: a file, a folder of files, or a folder with an MLTable file.

    Raises:
        BadTableError: nothing there, or nothing that can be read.
    """
    described = place / "MLTable"
    if described.is_file():
        return _described(described)
    files = [place] if place.is_file() else sorted(path for path in place.rglob("*") if path.is_file())
    return _joined([_lines(path) if path.suffix.lower() in _LINES else _delimited(path, {}) for path in files])


def _described(described: Path) -> Table:
    try:
        asked = yaml.safe_load(described.read_text(encoding="utf-8-sig"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise BadTableError(f"The MLTable file is not valid YAML: {error}") from None
    if not isinstance(asked, dict) or not isinstance(asked.get("paths"), list):
        raise BadTableError("The MLTable file has no list of paths.")
    files = [path for one in asked["paths"] for path in _files(described.parent, one)]
    steps = [_step(one) for one in asked.get("transformations") or []]
    reading = [(name, given) for name, given in steps if name in _READERS]
    if not reading:
        raise BadTableError(f"The MLTable file reads its paths by none of {', '.join(_READERS)}.")
    name, given = reading[0]
    if name == "read_parquet":
        raise BadTableError("The local Azure has no reader for Parquet files; use delimited files or JSON lines.")
    table = _joined([_lines(path) if name == "read_json_lines" else _delimited(path, given) for path in files])
    for name, given in steps:
        table = table if name in _READERS else _transformed(table, name, given)
    return table


def _step(given: Any) -> tuple[str, Any]:
    if isinstance(given, str):
        return given, {}
    if isinstance(given, dict) and len(given) == 1:
        return next(iter(given.items()))
    raise BadTableError(f"The transformation {given!r} of the MLTable file is not one name with its arguments.")


def _files(folder: Path, given: Any) -> list[Path]:
    if not isinstance(given, dict) or len(given) != 1:
        raise BadTableError(f"The path {given!r} of the MLTable file is not one of file, folder, pattern.")
    kind, text = next((str(key), str(value)) for key, value in given.items())
    relative = text.removeprefix("./")
    if kind == "pattern":
        found = sorted(folder.glob(relative))
    elif kind == "folder":
        found = sorted(path for path in (folder / relative).rglob("*") if path.is_file())
    else:
        found = [folder / relative]
    found = [
        path for path in found if path.is_file() and path.resolve().is_relative_to(folder.resolve()) and path.name != "MLTable"
    ]
    if not found:
        raise BadTableError(f"The {kind} {text} of the MLTable file is not there.")
    return found


def _delimited(path: Path, given: Any) -> Table:
    options = given if isinstance(given, dict) else {}
    delimiter = str(options.get("delimiter") or ("\t" if path.suffix.lower() == ".tsv" else ","))
    encoding = {"utf8": "utf-8-sig", "iso88591": "latin-1", "latin1": "latin-1", "ascii": "ascii", "utf16": "utf-16"}.get(
        str(options.get("encoding") or "utf8").replace("-", "").lower(), "utf-8-sig"
    )
    try:
        with path.open(encoding=encoding, newline="") as file:
            lines = [line for line in csv.reader(file, delimiter=delimiter.replace("\\t", "\t")) if line]
    except (UnicodeDecodeError, csv.Error, TypeError) as error:
        raise BadTableError(f"{path.name} is not delimited text: {error}") from None
    if not lines:
        raise BadTableError(f"{path.name} is empty.")
    bare = str(options.get("header") or "").lower() == "no_header"
    columns, rows = ([f"Column{n + 1}" for n in range(len(lines[0]))], lines) if bare else (lines[0], lines[1:])
    return Table(columns=columns, rows=[[row[n] or None if n < len(row) else None for n in range(len(columns))] for row in rows])


def _lines(path: Path) -> Table:
    try:
        found = [json.loads(line) for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except ValueError as error:
        raise BadTableError(f"{path.name} is not JSON lines: {error}") from None
    if not all(isinstance(one, dict) for one in found):
        raise BadTableError(f"A line of {path.name} is no object.")
    columns = list(dict.fromkeys(str(name) for one in found for name in one))
    return Table(columns=columns, rows=[[_text(one.get(name)) for name in columns] for one in found])


def _text(value: Any) -> str | None:
    return None if value is None else value if isinstance(value, str) else json.dumps(value)


def _joined(tables: list[Table]) -> Table:
    if not tables:
        raise BadTableError("The data has no files.")
    columns = list(dict.fromkeys(name for table in tables for name in table.columns))
    rows: list[list[str | None]] = []
    for table in tables:
        places = {name: at for at, name in enumerate(table.columns)}
        rows += [[row[places[name]] if name in places else None for name in columns] for row in table.rows]
    return Table(columns=columns, rows=rows)


def _transformed(table: Table, name: str, given: Any) -> Table:
    if name in {"keep_columns", "drop_columns"}:
        named = {str(one) for one in (given if isinstance(given, list) else [given])}
        return table.without(named if name == "drop_columns" else set(table.columns) - named)
    if name in {"take", "skip"}:
        count = int(given["count"] if isinstance(given, dict) else given)
        return Table(columns=table.columns, rows=table.rows[:count] if name == "take" else table.rows[count:])
    if name in _WITHOUT_EFFECT:
        return table
    raise BadTableError(f"The local Azure does not know the transformation {name} of an MLTable.")
