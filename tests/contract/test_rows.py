"""A table: the same promises on the fake and on Azurite, transactions and etags above all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.durable import due
from shared.durable.storage import PARTITION, Change, ConflictError, Row, Rows
from shared.rest import errors

MOMENT = datetime(2026, 3, 2, 9, 30, 15, 123456, tzinfo=UTC)


def _row(key: str, etag: str = "", partition: str = "p", **columns: object) -> Row:
    return Row(partition=partition, key=key, columns=columns, etag=etag)


def _insert(rows: Rows, key: str, partition: str = "p", **columns: object) -> str:
    return rows.write([Change(verb="insert", row=_row(key, partition=partition, **columns))])[0]


def test_an_inserted_row_reads_back_with_its_etag(rows: Rows) -> None:
    """The etag that a write returns is the one that a read returns."""
    etag = _insert(rows, "a", text="x", number=7, flag=True)
    found = rows.get("p", "a")
    assert found
    assert (found.etag, dict(found.columns)) == (etag, {"text": "x", "number": 7, "flag": True})


def test_a_row_that_is_not_there_reads_as_none(rows: Rows) -> None:
    """Neither key nor partition need exist."""
    _insert(rows, "a")
    assert rows.get("p", "b") is None
    assert rows.get("q", "a") is None


def test_a_second_insert_conflicts_and_changes_nothing(rows: Rows) -> None:
    """Insert is conditional: somebody else was first."""
    _insert(rows, "a", text="first")
    with pytest.raises(ConflictError):
        _insert(rows, "a", text="second")
    found = rows.get("p", "a")
    assert found
    assert found.columns["text"] == "first"


def test_a_replace_takes_away_columns_that_it_does_not_name(rows: Rows) -> None:
    """Replace is not merge."""
    etag = _insert(rows, "a", text="x", gone="y")
    rows.write([Change(verb="replace", row=_row("a", etag, text="z"))])
    found = rows.get("p", "a")
    assert found
    assert dict(found.columns) == {"text": "z"}


def test_an_etag_is_good_for_one_write(rows: Rows) -> None:
    """Of two workers that read the same row one writes."""
    etag = _insert(rows, "a", n=0)
    fresh = rows.write([Change(verb="replace", row=_row("a", etag, n=1))])[0]
    assert fresh != etag
    with pytest.raises(ConflictError):
        rows.write([Change(verb="replace", row=_row("a", etag, n=2))])
    rows.write([Change(verb="replace", row=_row("a", fresh, n=3))])


def test_a_replace_with_the_same_content_still_changes_the_etag(rows: Rows) -> None:
    """A claim that writes what is there already must shut out the other worker."""
    etag = _insert(rows, "a", n=0)
    assert rows.write([Change(verb="replace", row=_row("a", etag, n=0))])[0] != etag


def test_a_delete_names_the_etag_it_was_decided_on(rows: Rows) -> None:
    """A changed row is not deleted."""
    old = _insert(rows, "a", n=0)
    fresh = rows.write([Change(verb="replace", row=_row("a", old, n=1))])[0]
    with pytest.raises(ConflictError):
        rows.write([Change(verb="delete", row=_row("a", old))])
    assert rows.write([Change(verb="delete", row=_row("a", fresh))]) == [""]
    assert rows.get("p", "a") is None


def test_a_put_writes_the_row_whatever_stands_there(rows: Rows) -> None:
    """Nothing, or another row: no column of it stays, and whoever had read it is shut out."""
    rows.put(_row("a", text="first", gone=True))
    found = rows.get("p", "a")
    assert found
    rows.put(_row("a", text="second"))
    with pytest.raises(ConflictError):
        rows.write([Change(verb="replace", row=_row("a", found.etag))])
    again = rows.get("p", "a")
    assert again
    assert dict(again.columns) == {"text": "second"}


def test_a_delete_without_condition_takes_the_row_as_it_is(rows: Rows) -> None:
    """Whoever changed it meanwhile; and it may be gone already."""
    old = _insert(rows, "a", n=0)
    rows.write([Change(verb="replace", row=_row("a", old, n=1))])
    rows.delete("p", "a")
    rows.delete("p", "a")
    assert rows.get("p", "a") is None


@pytest.mark.parametrize("verb", ["replace", "delete"])
def test_a_write_to_a_row_that_is_gone_conflicts(rows: Rows, verb: str) -> None:
    """Gone counts as changed."""
    etag = _insert(rows, "a")
    rows.write([Change(verb="delete", row=_row("a", etag))])
    with pytest.raises(ConflictError):
        rows.write([Change(verb=verb, row=_row("a", etag))])  # type: ignore[arg-type]


def test_a_row_deleted_and_made_anew_has_another_etag(rows: Rows) -> None:
    """The lane row comes and goes: an etag of its former life opens nothing."""
    first = _insert(rows, "lane")
    rows.write([Change(verb="delete", row=_row("lane", first))])
    second = _insert(rows, "lane")
    assert first != second
    with pytest.raises(ConflictError):
        rows.write([Change(verb="replace", row=_row("lane", first))])


def test_a_transaction_applies_all_of_its_changes(rows: Rows) -> None:
    """Insert, replace and delete in one go, with an etag for each in their order."""
    replaced, deleted = _insert(rows, "r", n=0), _insert(rows, "d")
    etags = rows.write(
        [
            Change(verb="insert", row=_row("i", n=1)),
            Change(verb="replace", row=_row("r", replaced, n=2)),
            Change(verb="delete", row=_row("d", deleted)),
        ]
    )
    made, changed = rows.get("p", "i"), rows.get("p", "r")
    assert made
    assert changed
    assert etags == [made.etag, changed.etag, ""]
    assert (made.columns["n"], changed.columns["n"], rows.get("p", "d")) == (1, 2, None)


@pytest.mark.parametrize("broken", ["insert of what exists", "replace with an old etag", "delete of what is gone"])
def test_a_transaction_with_one_misfit_changes_nothing(rows: Rows, broken: str) -> None:
    """All or none, whichever of the changes does not fit."""
    other, stale = _insert(rows, "other", n=0), _insert(rows, "x", n=0)
    rows.write([Change(verb="replace", row=_row("x", stale, n=1))])
    misfit = {
        "insert of what exists": Change(verb="insert", row=_row("x")),
        "replace with an old etag": Change(verb="replace", row=_row("x", stale)),
        "delete of what is gone": Change(verb="delete", row=_row("gone", stale)),
    }[broken]
    with pytest.raises(ConflictError):
        rows.write([Change(verb="insert", row=_row("new")), Change(verb="replace", row=_row("other", other, n=9)), misfit])
    kept = rows.get("p", "other")
    assert kept
    assert (rows.get("p", "new"), kept.columns["n"], kept.etag) == (None, 0, other)


def test_a_query_finds_by_partition_and_by_columns(rows: Rows) -> None:
    """Both together narrow the search; without either it is the whole table."""
    _insert(rows, "a", partition="p", status="Running")
    _insert(rows, "b", partition="p", status="Failed")
    _insert(rows, "a", partition="q", status="Failed")
    assert [(row.partition, row.key) for row in rows.query()] == [("p", "a"), ("p", "b"), ("q", "a")]
    assert [row.key for row in rows.query(partition="p")] == ["a", "b"]
    assert [(row.partition, row.key) for row in rows.query(equal={"status": "Failed"})] == [("p", "b"), ("q", "a")]
    assert [row.key for row in rows.query(partition="p", equal={"status": "Failed"})] == ["b"]
    assert list(rows.query(partition="none")) == []


def test_a_query_finds_by_ranges_and_reads_only_what_it_names(rows: Rows) -> None:
    """From one value on and below another, for moments and for text; a row without the column is not found."""
    for number, text in enumerate(("/w", "/w/computes/c", "/w-2", "/w0", "/v")):
        _insert(rows, str(number), at=MOMENT + timedelta(milliseconds=number), text=text, other="x" * 100)
    _insert(rows, "lane", suffixes="[]")
    found = list(rows.query(least={"at": MOMENT + timedelta(milliseconds=1)}, below={"at": MOMENT + timedelta(milliseconds=3)}))
    assert [row.key for row in found] == ["1", "2"]
    found = list(rows.query(least={"text": "/w"}, below={"text": "/w0"}, columns=("text", "absent")))
    assert [dict(row.columns) for row in found] == [{"text": "/w"}, {"text": "/w/computes/c"}, {"text": "/w-2"}]
    least, below = {"text": "/w", "at": MOMENT}, {"text": "/w0", "at": MOMENT + timedelta(milliseconds=1)}
    assert [row.key for row in rows.query(partition="p", least=least, below=below)] == ["0"]
    assert {row.key for row in rows.query(columns=("at",))} == {"0", "1", "2", "3", "4", "lane"}


def test_a_query_finds_the_partitions_that_sort_before_one(rows: Rows) -> None:
    """The due index asks for all minutes before the next one."""
    for minute in ("20260302T0900", "20260302T0901", "20260302T0902"):
        _insert(rows, "a", partition=minute)
    assert [row.partition for row in rows.query(below={PARTITION: "20260302T0902"})] == ["20260302T0900", "20260302T0901"]


def test_a_query_finds_a_range_of_keys(rows: Rows) -> None:
    """A page of what is overdue is read at once: its rows lie together, in one partition or in several."""
    places = [(partition, key) for partition in ("p0", "p1", "p2") for key in ("a1", "a2", "a3")]
    for partition, key in places:
        _insert(rows, key, partition=partition)
    assert [(row.partition, row.key) for row in due.among(rows, [("p1", "a3"), ("p1", "a1")])] == [("p1", "a1"), ("p1", "a3")]
    asked = [("p0", "a3"), ("p1", "a1"), ("p1", "gone"), ("p2", "a2")]
    assert [(row.partition, row.key) for row in due.among(rows, asked)] == [each for each in asked if each[1] != "gone"]


def test_a_query_does_not_find_rows_without_the_column(rows: Rows) -> None:
    """The lane row has no status."""
    _insert(rows, "lane", suffixes="[]")
    assert list(rows.query(equal={"status": "Failed"})) == []


@pytest.mark.parametrize("value", ["it's", "''", "a' or 'a' eq 'a", "ä €", "a b+c%20d&e#f", '"', "\\"])
def test_values_with_quotes_are_values(rows: Rows, value: str) -> None:
    """Nothing that a caller writes becomes part of a filter."""
    _insert(rows, "a", text=value)
    _insert(rows, "b", text="other")
    found = rows.get("p", "a")
    assert found
    assert found.columns["text"] == value
    assert [row.key for row in rows.query(equal={"text": value})] == ["a"]


def test_moments_keep_their_microseconds_and_compare(rows: Rows) -> None:
    """Due and ended times are compared as moments."""
    _insert(rows, "a", at=MOMENT)
    found = rows.get("p", "a")
    assert found
    assert found.columns["at"] == MOMENT
    assert found.columns["at"] < MOMENT + timedelta(microseconds=1)
    assert [row.key for row in rows.query(equal={"at": MOMENT})] == ["a"]


def test_columns_of_thirty_thousand_characters_fit_a_dozen_to_the_row(rows: Rows) -> None:
    """What the ledger writes at most: 32 K characters a column, a megabyte of UTF-16 a row."""
    columns = {f"json{n}": chr(97 + n) * 30_000 for n in range(12)}
    _insert(rows, "a", **columns)
    found = rows.get("p", "a")
    assert found
    assert dict(found.columns) == columns


def test_a_column_that_is_too_long_is_refused_as_storage_trouble(rows: Rows) -> None:
    """The limit counts UTF-16 units: 30,000 emoji are 60,000 of them, which is why rows are ASCII."""
    with pytest.raises(errors.UnreachableError):
        _insert(rows, "a", text="😀" * 30_000)
    assert rows.get("p", "a") is None


def test_a_query_goes_past_one_page(rows: Rows) -> None:
    """The service answers a thousand rows at a time at most."""
    for n in range(11):
        rows.write([Change(verb="insert", row=_row(f"{n:02}{m:03}")) for m in range(100)])
    assert sum(1 for _ in rows.query(partition="p")) == 1_100


def test_rows_may_be_deleted_while_a_query_goes_on(rows: Rows) -> None:
    """Reconcile and purge do that."""
    for n in range(20):
        _insert(rows, f"{n:02}")
    for row in rows.query():
        rows.write([Change(verb="delete", row=row)])
    assert list(rows.query()) == []


@settings(max_examples=20, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(codec="ascii", exclude_characters="\x00"), max_size=40))
def test_any_ascii_text_reads_back(rows: Rows, text: str) -> None:
    """A row's JSON is ASCII; whatever it holds comes back."""
    known = rows.get("p", "a")
    change = Change(verb="replace" if known else "insert", row=_row("a", known.etag if known else "", text=text))
    rows.write([change])
    found = rows.get("p", "a")
    assert found
    assert found.columns["text"] == text


def test_storage_tells_when_a_row_was_written_and_what_time_it_is(rows: Rows) -> None:
    """Both by its own clock: an age that no clock of ours can make wrong. `Date` has whole seconds."""
    missing, before = rows.dated("p", "a")
    assert missing is None
    _insert(rows, "a", text="x")
    found, now = rows.dated("p", "a")
    assert found
    assert found.written_at
    assert before - timedelta(seconds=1) <= found.written_at <= now + timedelta(seconds=1)
