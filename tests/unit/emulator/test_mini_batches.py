"""What a parallel step goes through: the files of its input, and rows of what run() returns."""

from pathlib import Path

import pytest

from infra.local.emulator.runner.scripts import mini_batches


def test_the_files_are_those_of_the_folder_in_order(tmp_path: Path) -> None:
    """One file is itself."""
    for name in ("b.txt", "a.txt"):
        (tmp_path / name).write_text(name)
    assert [path.name for path in mini_batches.files_of(tmp_path)] == ["a.txt", "b.txt"]
    assert mini_batches.files_of(tmp_path / "b.txt") == [tmp_path / "b.txt"]


def test_an_mltable_of_paths_names_the_files(tmp_path: Path) -> None:
    """Patterns and folders; the MLTable file itself is none of them."""
    (tmp_path / "deep").mkdir()
    for name in ("a.txt", "b.csv", "deep/c.txt"):
        (tmp_path / name).write_text(name)
    (tmp_path / "MLTable").write_text("paths: [{pattern: ./*.txt}, {folder: ./deep}]\n")
    assert [path.name for path in mini_batches.files_of(tmp_path)] == ["a.txt", "c.txt"]


def test_an_mltable_that_makes_a_table_is_refused(tmp_path: Path) -> None:
    """Its mini-batches would be data frames."""
    (tmp_path / "MLTable").write_text("paths: [{file: a.csv}]\ntransformations: [{read_delimited: {}}]\n")
    with pytest.raises(SystemExit, match="tabular"):
        mini_batches.files_of(tmp_path)


def test_a_row_is_one_line() -> None:
    """Of whatever run() returns."""
    assert mini_batches.lines(["a", 2]) == ["a", "2"]
