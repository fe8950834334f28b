"""The ledger: one row per operation, a lane per target, large values in blobs, nothing half done."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.durable import storage
from shared.operations import ledger, models
from shared.operations.models import Operation
from shared.rest import errors, ids, long_running
from tests.fakes import START, Clock, FakeBlobs, FakeRows, Fuse, Killed

if TYPE_CHECKING:
    from shared.operations.ledger import Stored

TARGET = ids.parse("/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w")
PARTITION = models.partition_of(TARGET)
TEN_MINUTES = timedelta(minutes=10)


class Bench:
    """A ledger on fakes, with what is under it in reach."""

    def __init__(self) -> None:
        self.fuse = Fuse()
        self.clock = Clock()
        self.rows, self.open = FakeRows("rows", self.fuse, self.clock), FakeRows("open", self.fuse, self.clock)
        self.blobs = FakeBlobs(self.fuse)
        self.ledger = ledger.Ledger(self.rows, self.open, self.blobs)

    def insert(self, number: int, **changes: Any) -> Stored:
        """Record operation `number` and expect it to be new."""
        stored, is_new = self.ledger.insert(_operation(number, **changes))
        assert is_new
        return stored

    def end(self, stored: Stored) -> str:
        """End an operation; returns the one whose turn it is now."""
        ended = replace(stored.operation, phase="ended", status="Succeeded", ended_at=START)
        left = self.ledger.leave_lane(stored, ended)
        self.ledger.close(ended.id)
        return left.woken

    def lane(self) -> list[str]:
        """Return who is in the target's lane."""
        row = self.rows.rows.get((PARTITION, ledger.LANE))
        return list(json.loads(row.columns["suffixes"])) if row else []


@pytest.fixture
def bench() -> Bench:
    """An empty ledger."""
    return Bench()


def _operation(number: int, **changes: Any) -> Operation:
    operation = Operation(
        id=f"{PARTITION}-{number:020x}",
        target=TARGET.path,
        kind="arm:Microsoft.MachineLearningServices/workspaces",
        method="PUT",
        plane="arm",
        path=TARGET.path,
        query="api-version=1",
        created_at=START + timedelta(seconds=number),
        due_at=START + timedelta(seconds=number + 60),
    )
    return replace(operation, **changes)


def test_an_operation_reads_back_as_it_was_recorded(bench: Bench) -> None:
    """Every field survives the row."""
    follow = long_running.Follow(style="status_url", url="https://a/b?s=%2f", resource_url="https://a", method="PUT", misses=2)
    error = errors.AzureError(
        code="X", message="m", target="t", outer_code="O", details=(errors.AzureError(code="Y", message="n"),)
    )
    operation = _operation(
        1,
        body={"a": [1, None, "ä"]},
        files={"code": "blob"},
        action="stop",
        secret=True,
        sent_at=START,
        percent=0.0,
        follow=follow,
        error=error,
        result=[],
        registered=("n",),
        calls={"write": 1},
        attempts=3,
        http_status=202,
    ).noted(START, "accepted", "detail")
    bench.ledger.insert(operation)
    found = bench.ledger.load(operation.id)
    assert found
    assert found.operation == operation


def test_an_empty_body_is_not_no_body(bench: Bench) -> None:
    """A POST with `{}` is sent with `{}` also after a restart."""
    bench.insert(1, body={}, result={})
    found = bench.ledger.load(_operation(1).id)
    assert found
    assert (found.operation.body, found.operation.result) == ({}, {})


def test_the_first_on_a_target_goes_on_and_the_second_waits(bench: Bench) -> None:
    """The lane keeps the order of arrival."""
    assert bench.insert(1).operation.phase == "accepted"
    assert bench.insert(2).operation.phase == "waiting"
    assert bench.insert(3).operation.phase == "waiting"
    assert [int(suffix, 16) for suffix in bench.lane()] == [1, 2, 3]


def test_an_end_names_whose_turn_it_is(bench: Bench) -> None:
    """One after the other, and the last takes the lane with it."""
    stored = [bench.insert(number) for number in (1, 2, 3)]
    assert bench.end(stored[0]) == stored[1].operation.id
    assert not bench.ledger.before(stored[1].operation)
    assert bench.ledger.before(stored[2].operation)
    assert bench.end(stored[1]) == stored[2].operation.id
    assert bench.end(stored[2]) == ""
    assert (PARTITION, ledger.LANE) not in bench.rows.rows


def test_one_that_leaves_from_the_middle_wakes_nobody(bench: Bench) -> None:
    """A waiting operation that is canceled: the first is still at work."""
    stored = [bench.insert(number) for number in (1, 2, 3)]
    assert bench.end(stored[1]) == ""
    assert bench.end(stored[0]) == stored[2].operation.id


def test_two_that_arrive_at_once_do_not_both_go_first(bench: Bench) -> None:
    """At every call of one insert another operation enters the same lane."""
    for nth in range(1, 4):
        here = Bench()
        count = 0

        def other(_name: str, here: Bench = here, nth: int = nth) -> None:
            nonlocal count
            count += 1
            if count == nth:
                here.fuse.between = None
                here.insert(2)

        here.fuse.between = other
        first = here.insert(1)
        phases = sorted([first.operation.phase, here.ledger.load(_operation(2).id).operation.phase])  # type: ignore[union-attr]
        assert phases == ["accepted", "waiting"]
        assert len(here.lane()) == 2


def test_an_arrival_during_an_end_is_not_forgotten(bench: Bench) -> None:
    """Whoever enters while the last one leaves is either told to wait and woken, or goes first."""
    for nth in range(1, 5):
        here = Bench()
        first = here.insert(1)
        count = 0

        def other(_name: str, here: Bench = here, nth: int = nth) -> None:
            nonlocal count
            count += 1
            if count == nth:
                here.fuse.between = None
                here.insert(2)

        here.fuse.between = other
        woken = here.end(first)
        here.fuse.between = None
        second = here.ledger.load(_operation(2).id)
        if second is None:
            continue  # the end took fewer calls
        assert second.operation.phase == "accepted" or woken == second.operation.id


def test_an_insert_that_died_anywhere_can_be_made_again(bench: Bench) -> None:
    """The same id, as an Idempotency-Key gives it: recorded once, open, in the lane once."""
    for nth in range(1, 8):
        for after in (False, True):
            here = Bench()
            here.fuse.blow(nth, after=after)
            try:
                here.insert(1, body={"x": "y" * 20_000})
            except Killed:
                here.ledger.insert(_operation(1, body={"x": "y" * 20_000}))
            here.fuse.disarm()
            assert len(here.lane()) == 1
            assert len(here.open.rows) == 1
            found = here.ledger.load(_operation(1).id)
            assert found
            assert here.ledger.payload(found.operation.body) == {"x": "y" * 20_000}


def test_a_new_operation_alone_on_its_target_costs_two_writes_and_two_to_end(bench: Bench) -> None:
    """Nothing is read: its id is random, nobody is in the lane, and the lane is as it was left there."""
    stored, is_new = bench.ledger.insert(_operation(1), new_id=True)
    claimed = bench.ledger.save(stored, replace(stored.operation, phase="sending"))
    bench.end(claimed)
    assert is_new
    assert bench.fuse.calls == ["open.put", "rows.write", "rows.write", "rows.write", "open.delete"]
    assert (PARTITION, ledger.LANE) not in bench.rows.rows


def test_a_lane_that_others_entered_is_read_again_by_who_leaves_it(bench: Bench) -> None:
    """What the first one remembers of the lane is no longer so."""
    first = bench.insert(1)
    second = bench.insert(2)
    assert bench.end(first) == second.operation.id
    assert [int(suffix, 16) for suffix in bench.lane()] == [2]


def test_the_same_id_again_is_answered_with_what_stands_there(bench: Bench) -> None:
    """Nothing is written over: not the row, not its blobs."""
    first = bench.insert(1, body={"x": "a" * 20_000})
    second, is_new = bench.ledger.insert(_operation(1, body={"x": "b" * 20_000}), {"f": b"2"})
    assert (is_new, second.operation) == (False, first.operation)
    assert bench.ledger.payload(second.operation.body) == {"x": "a" * 20_000}
    assert "f" not in bench.blobs.blobs


def test_a_lane_takes_a_thousand(bench: Bench) -> None:
    """The lane is one column: whoever comes after that is told so instead of breaking it."""
    suffixes = [f"{number:020x}" for number in range(1_000)]
    bench.rows.write([storage.Change(verb="insert", row=storage.Row(
        partition=PARTITION, key=ledger.LANE, columns={"suffixes": json.dumps(suffixes)}))])  # fmt: skip
    with pytest.raises(errors.BadRequestError) as refused:
        bench.ledger.insert(_operation(2_000))
    assert (refused.value.status, refused.value.error.code) == (429, "TooManyWaiting")


def test_a_value_over_sixteen_kilobytes_goes_to_a_blob_before_the_row(bench: Bench) -> None:
    """Body, resource and result alike; they read back whole."""
    large = {"x": "y" * 17_000}
    stored = bench.insert(1, body=large)
    assert [name for name in bench.fuse.calls if name in ("blobs.put", "rows.write")] == ["blobs.put", "rows.write"]
    stored = bench.ledger.save(stored, replace(stored.operation, resource=large, result={"z": large}))
    assert all(len(value) < 2_000 for row in bench.rows.rows.values() for value in row.columns.values() if isinstance(value, str))
    shown = bench.ledger.whole(stored.operation)
    assert (shown.resource, shown.result, bench.ledger.payload(stored.operation.body)) == (large, {"z": large}, large)


def test_a_worker_that_loses_the_race_overwrites_no_blob(bench: Bench) -> None:
    """The winner's result is still the winner's."""
    stored = bench.insert(1)
    bench.ledger.save(stored, replace(stored.operation, result={"winner": "w" * 20_000}))
    with pytest.raises(storage.ConflictError):
        bench.ledger.save(stored, replace(stored.operation, result={"loser": "l" * 20_000}))
    found = bench.ledger.load(stored.operation.id)
    assert found
    assert bench.ledger.whole(found.operation).result == {"winner": "w" * 20_000}


def test_a_detail_that_was_cut_ends_with_an_ellipsis() -> None:
    """It does not pass for the whole; one that fits stays as it is."""
    said = [_operation(1).noted(START, "Failed", "x" * length).timeline[-1].detail for length in (300, 301)]
    assert said == ["x" * 300, "x" * 299 + "…"]


def test_the_largest_operation_fits(bench: Bench) -> None:
    """Three values just under the limit, a full time line, a long error and signed URLs, all of it outside of ASCII."""
    kept = {"x": "€" * 2_700}  # 16,200 characters once escaped
    operation = _operation(1, body=kept, resource=kept, result=kept)
    for _ in range(models.TIMELINE_LIMIT + 20):
        operation = operation.noted(START, "postponed", "😀" * 400)
    detail = errors.AzureError(code="C" * 100, message="😀" * 2_000)
    operation = replace(
        operation,
        error=replace(detail, details=(detail,) * 8),
        follow=long_running.Follow(
            style="status_url", url="u" * 4_000, resource_url="r" * 1_000, location="l" * 4_000, method="PUT"
        ),
    )
    bench.ledger.insert(operation)
    found = bench.ledger.load(operation.id)
    assert found
    assert bench.blobs.blobs == {}
    assert found.operation == operation
    assert len(found.operation.timeline) == models.TIMELINE_LIMIT


def test_an_error_that_is_too_large_for_a_row_is_kept_without_its_details(bench: Bench) -> None:
    """Details of details, each of them long: an operation whose end cannot be written would never end."""
    detail = errors.AzureError(code="Inner", message="€" * 2_000)
    nested = replace(detail, details=tuple(replace(detail, details=(detail,) * 20) for _ in range(20)))
    stored = bench.insert(1)
    bench.ledger.save(stored, replace(stored.operation, phase="ended", status="Failed", error=nested))
    found = bench.ledger.load(stored.operation.id)
    assert found
    assert found.operation.error == detail


@settings(max_examples=60, derandomize=True, deadline=None)
@given(
    body=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(st.characters(), max_size=30),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=12,
    )
)
def test_any_json_survives(body: Any) -> None:
    """Lone surrogates, control characters, emoji: what can be JSON can be kept."""
    bench = Bench()
    bench.insert(1, result=body)
    found = bench.ledger.load(_operation(1).id)
    assert found
    assert bench.ledger.whole(found.operation).result == body


def test_a_callers_blob_key_is_a_value_and_no_reference(bench: Bench) -> None:
    """Nobody reads another operation's blob by naming it in a body."""
    bench.blobs.put("cleanup/secret.json", b'"secret"')
    body = {ledger.BLOB_KEY: "cleanup/secret.json"}
    stored = bench.insert(1, body=body)
    assert bench.ledger.payload(stored.operation.body) == body


def test_a_lost_blob_is_named_when_it_is_needed_and_left_out_when_shown(bench: Bench) -> None:
    """The request cannot be sent without it; the operation can still be read."""
    stored = bench.insert(1, body={"x": "y" * 20_000})
    stored = bench.ledger.save(stored, replace(stored.operation, result={"x": "z" * 20_000}))
    bench.blobs.blobs.clear()
    with pytest.raises(errors.RejectedError) as lost:
        bench.ledger.payload(stored.operation.body)
    assert lost.value.error.code == "PayloadLost"
    assert bench.ledger.whole(stored.operation).result is None


@pytest.mark.parametrize(
    "hostile",
    ["", "-", "a", "a-b", f"{PARTITION}-lane", f"{PARTITION}-{'f' * 21}", f"{PARTITION}-{'é' * 20}", f"{'A' * 20}-{'f' * 20}",
     "../../x", "a'b-c'd", f"{PARTITION}-{'f' * 20}\n", "x" * 5_000, f"{PARTITION}-{'f' * 19}/"],
)  # fmt: skip
def test_an_id_that_cannot_be_one_is_unknown_and_never_asked_for(bench: Bench, hostile: str) -> None:
    """The lane row is no operation, and the table never sees what a caller made up."""
    bench.insert(1)
    bench.fuse.calls.clear()
    assert bench.ledger.load(hostile) is None
    assert bench.fuse.calls == []


def test_an_unknown_id_is_none(bench: Bench) -> None:
    """A well-formed id of nothing."""
    assert bench.ledger.load(f"{PARTITION}-{'0' * 20}") is None


def test_a_row_of_a_newer_app_is_refused(bench: Bench) -> None:
    """An older instance must not write back what it does not understand."""
    stored = bench.insert(1)
    key = (PARTITION, stored.operation.suffix)
    row = bench.rows.rows[key]
    newer = row.columns["json0"].replace('"version": 1', '"version": 2')
    bench.rows.rows[key] = replace(row, columns={**row.columns, "json0": newer})
    with pytest.raises(ledger.UnreadableError, match="version 2") as refused:
        bench.ledger.load(stored.operation.id)
    assert (refused.value.status, refused.value.error.code) == (503, "OperationUnreadable")
    bench.rows.rows[key] = replace(row, columns={**row.columns, "json0": row.columns["json0"][:50]})
    with pytest.raises(ledger.UnreadableError) as cut:
        bench.ledger.load(stored.operation.id)
    assert cut.value.status == 409


def test_a_save_on_an_old_etag_conflicts(bench: Bench) -> None:
    """Of two workers one writes."""
    stored = bench.insert(1)
    bench.ledger.save(stored, replace(stored.operation, attempts=1))
    with pytest.raises(storage.ConflictError):
        bench.ledger.save(stored, replace(stored.operation, attempts=2))
    with pytest.raises(storage.ConflictError):
        bench.end(stored)


def test_open_operations_are_listed_until_they_end(bench: Bench) -> None:
    """The open table is what reconcile reads."""
    first, second = bench.insert(1), bench.insert(2)
    bench.end(first)
    assert [(each.id, each.created_at) for each in bench.ledger.open.listed()] == [
        (second.operation.id, second.operation.created_at)
    ]


def test_the_newest_come_first_and_can_be_narrowed(bench: Bench) -> None:
    """By status, by target, by count; lanes are no operations."""
    stored = [bench.insert(number) for number in (1, 2, 3)]
    bench.end(stored[0])
    other = replace(_operation(9), id=f"{'a' * 20}-{9:020x}")
    bench.ledger.insert(other)
    assert [operation.suffix[-1] for operation in bench.ledger.newest(top=10)] == ["9", "3", "2", "1"]
    assert [operation.suffix[-1] for operation in bench.ledger.newest(top=2)] == ["9", "3"]
    assert [operation.suffix[-1] for operation in bench.ledger.newest(top=10, status="Succeeded")] == ["1"]
    assert [operation.suffix[-1] for operation in bench.ledger.newest(top=10, partition="a" * 20)] == ["9"]
    assert bench.ledger.newest(top=0) == []


def test_purge_takes_old_ended_operations_with_their_blobs(bench: Bench) -> None:
    """Neither running ones nor later ones, and nobody else's blobs."""
    large = {"x": "y" * 20_000}
    old, late, running = bench.insert(1, body=large), bench.insert(2, body=large), bench.insert(3, body=large)
    bench.end(old)
    bench.ledger.leave_lane(late, replace(late.operation, phase="ended", status="Failed", ended_at=START + timedelta(days=9)))
    assert bench.ledger.purge(START + timedelta(days=1)) == 1
    assert bench.ledger.load(old.operation.id) is None
    assert {name.split("/")[1] for name in bench.blobs.blobs} == {late.operation.id, running.operation.id}


def test_a_purge_that_died_is_finished_by_the_next(bench: Bench) -> None:
    """Blobs go before the row that leads to them."""
    for nth in range(1, 6):
        here = Bench()
        here.end(here.insert(1, body={"x": "y" * 20_000}))
        here.fuse.blow(nth, after=False)
        try:
            here.ledger.purge(START + timedelta(days=1))
        except Killed:
            here.ledger.purge(START + timedelta(days=1))
        here.fuse.disarm()
        assert (here.rows.rows, here.blobs.blobs) == ({}, {})


def test_what_a_dead_acceptance_left_is_dropped_unless_it_came_again(bench: Bench) -> None:
    """The blobs of a request of which no row was written."""
    bench.fuse.blow(4, after=False)
    with pytest.raises(Killed):
        bench.ledger.insert(_operation(1), {f"operations/{_operation(1).id}/files/x": b"1"})
    (operation_id,) = (each.id for each in bench.ledger.open.listed())
    bench.clock.advance(600)
    assert not bench.ledger.drop(operation_id, TEN_MINUTES)
    assert bench.blobs.blobs
    bench.open.put(bench.open.rows[PARTITION, _operation(1).suffix])
    bench.clock.advance(1)
    assert not bench.ledger.drop(operation_id, TEN_MINUTES), "it was announced again a second ago"
    bench.clock.advance(600)
    assert bench.ledger.drop(operation_id, TEN_MINUTES)
    assert (bench.blobs.blobs, bench.open.rows) == ({}, {})


def test_an_acceptance_that_comes_to_its_row_after_all_keeps_entry_and_blobs(bench: Bench) -> None:
    """It was frozen for long: its row is written between the look at its entry and the end of that."""
    operation = _operation(1, body={"x": "y" * 20_000})

    def accepted(name: str) -> None:
        if name == "open.write":
            bench.fuse.between = None
            bench.ledger.insert(operation)

    bench.open.put(ledger._open_row(operation))
    bench.clock.advance(700)
    bench.fuse.between = accepted
    assert not bench.ledger.drop(operation.id, TEN_MINUTES)
    assert [each.id for each in bench.ledger.open.listed()] == [operation.id]
    assert bench.blobs.blobs


def test_the_purge_puts_an_open_operation_back_on_the_list(bench: Bench) -> None:
    """The list is all that reconcile looks at."""
    stored = bench.insert(1)
    bench.end(bench.insert(2))
    bench.open.rows.clear()
    bench.ledger.purge(START - timedelta(days=1))
    assert [each.id for each in bench.ledger.open.listed()] == [stored.operation.id]


@pytest.mark.parametrize("columns", [{"note": "not ours"}, {"created_at": "yesterday"}, {"created_at": START, "json0": "{"}])
def test_rows_of_others_keep_nothing_from_being_listed_or_purged(bench: Bench, columns: dict[str, Any]) -> None:
    """One foreign row took reconcile, lists and the purge from everything else."""
    stored = bench.insert(1)
    bench.end(bench.insert(2))
    for table in (bench.rows, bench.open):
        table.put(storage.Row(partition="0foreign", key="row", columns={**columns, "ended_at": "yesterday"}))
    assert [each.id for each in bench.ledger.open.listed()] == [stored.operation.id]
    assert {each.id for each in bench.ledger.newest(top=9)} >= {stored.operation.id}
    assert bench.ledger.purge(START + timedelta(days=1)) == 1


def test_an_operation_whose_row_is_gone_leaves_the_lane(bench: Bench) -> None:
    """What waits behind it would wait for ever."""
    first, second = bench.insert(1), bench.insert(2)
    del bench.rows.rows[PARTITION, first.operation.suffix]
    assert not bench.ledger.before(second.operation)


def test_a_lane_that_cannot_be_read_is_named(bench: Bench) -> None:
    """With the row to look at, instead of an internal error."""
    bench.insert(1)
    lane = bench.rows.rows[PARTITION, ledger.LANE]
    bench.rows.rows[PARTITION, ledger.LANE] = replace(lane, columns={"suffixes": "no JSON"})
    with pytest.raises(ledger.UnreadableError, match=rf"row {PARTITION} lane") as refused:
        bench.insert(2)
    assert refused.value.status == 409
