"""What AutoML's trials read: MLTable files with their paths and transformations, and plain files."""

from pathlib import Path

import pytest

from infra.local.emulator.runner.automl import tables


def described(folder: Path, paths: str, transformations: str, **files: str) -> Path:
    """A folder with an MLTable and files (`__` in a name is a dot)."""
    (folder / "MLTable").write_text(f"paths: [{paths}]\ntransformations: [{transformations}]\n")
    for name, text in files.items():
        target = folder / name.replace("__", ".").replace("_in_", "/")
        target.parent.mkdir(exist_ok=True)
        target.write_text(text)
    return folder


def test_patterns_folders_and_files_are_joined_by_the_names_of_their_columns(tmp_path: Path) -> None:
    """What a file lacks is None; an empty value is, too."""
    place = described(
        tmp_path,
        "{file: ./a.csv}, {pattern: 'more_*.csv'}",
        "read_delimited: {delimiter: ';'}",
        a__csv="x;y\n1;2\n",
        more_1__csv="y;z\n3;\n",
    )
    table = tables.read(place)
    assert (table.columns, table.rows) == (["x", "y", "z"], [["1", "2", None], [None, "3", None]])


@pytest.mark.parametrize(
    ("steps", "columns", "rows"),
    [
        ("{read_delimited: {header: no_header}}", ["Column1", "Column2"], [["a", "b"], ["1", "2"], ["3", "4"]]),
        ("{read_delimited: {}}, {keep_columns: [b]}", ["b"], [["2"], ["4"]]),
        ("{read_delimited: {}}, {drop_columns: b}", ["a"], [["1"], ["3"]]),
        ("{read_delimited: {}}, {skip: 1}, {take: 5}", ["a", "b"], [["3", "4"]]),
        ("{read_delimited: {}}, {convert_column_types: [{columns: a, column_type: int}]}, {take: 1}", ["a", "b"], [["1", "2"]]),
    ],
)
def test_transformations_are_applied_in_order(tmp_path: Path, steps: str, columns: list[str], rows: list[list[str]]) -> None:
    """Those that AutoML's tables use."""
    table = tables.read(described(tmp_path, "{folder: ./part}", steps, part_in_rows__csv="a,b\n1,2\n3,4\n"))
    assert (table.columns, table.rows) == (columns, rows)


def test_json_lines_keep_numbers_as_they_are_written(tmp_path: Path) -> None:
    """Also without an MLTable file."""
    (tmp_path / "rows.jsonl").write_text('{"x": 1, "y": "a"}\n\n{"y": null, "z": true}\n')
    assert tables.read(tmp_path).rows == [["1", "a", None], [None, None, "true"]]


@pytest.mark.parametrize(
    ("paths", "steps", "message"),
    [
        ("{file: ./absent.csv}", "read_delimited: {}", "is not there"),
        ("{file: ../outside.csv}", "read_delimited: {}", "is not there"),
        ("{file: ./a.csv}", "read_parquet: {}", "Parquet"),
        ("{file: ./a.csv}", "take: 1", "reads its paths by none"),
        ("{file: ./a.csv}", "{read_delimited: {}}, {filter: 'x'}", "transformation filter"),
        ("{file: ./empty.csv}", "read_delimited: {}", "is empty"),
        ("{file: ./a.csv}", "read_json_lines: {}", "not JSON lines"),
    ],
)
def test_a_table_that_cannot_be_read_says_why(tmp_path: Path, paths: str, steps: str, message: str) -> None:
    """BadTableError, for the user; nothing outside of the folder is read."""
    (tmp_path / "outside.csv").write_text("a\n1\n")
    folder = tmp_path / "table"
    folder.mkdir()
    with pytest.raises(tables.BadTableError, match=message):
        tables.read(described(folder, paths, steps, a__csv="x\n1\n", empty__csv=""))
