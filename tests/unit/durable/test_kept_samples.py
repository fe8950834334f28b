"""Rows and messages of the version before are read by this one, and what this one writes back the version before reads."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from shared.cleanup.run.journal import Journal
from shared.durable import messages, records, storage
from shared.durable.worker import Machine
from shared.expiry import expiry_record
from shared.hooks import firings
from shared.machines import MACHINES
from shared.notify import deliveries
from shared.operations import steps
from shared.operations.ledger import Ledger, operation_of
from shared.recipes import recipe_schedule, run_steps
from shared.rollouts import rollout_record
from tests.fakes import START, FakeBlobs, FakeRows, unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLES = json.loads(Path(__file__).with_name("samples.json").read_text())
RUN = "20260302T090000Z-00000000"


def row_of(sample: dict[str, Any]) -> storage.Row:
    """Return a kept row; its times are JSON objects in the file."""
    columns = {
        name: datetime.fromisoformat(value["$time"]) if isinstance(value, dict) else value
        for name, value in sample["columns"].items()
    }
    return storage.Row(partition=sample["partition"], key=sample["key"], columns=columns)


class App:
    """One table for everything; each machine's own way to its records."""

    def __init__(self, row: storage.Row) -> None:
        self.rows = self.hook_rows = self.delivery_rows = self.cleanup_rows = FakeRows()
        self.rows.put(row)
        self.ledger = Ledger(self.rows, FakeRows(), FakeBlobs())
        self.journal = Journal(self.rows)

    def stored(self, row: storage.Row) -> dict[str, Any]:
        """Return the columns of a row as they stand, but whose write it was."""
        columns = dict(self.rows.rows[row.partition, row.key].columns)
        columns.pop(records.WRITER, None)
        written = {name: columns.pop(name) for name in [*columns] if name.startswith("json")}
        return {**columns, **({"json": records.joined(written)} if written else {})}


def _operation(app: Any, row: storage.Row) -> Any:
    known = app.ledger.load(f"{row.partition}-{row.key}")
    return known.operation, lambda value: app.ledger.save(known, value)


def _firing(app: Any, row: storage.Row) -> Any:
    known = firings.load(row.key, app)
    return known.value, lambda value: firings.table(app).save(known, value)


def _run(app: Any, _row: storage.Row) -> Any:
    known = app.journal.load(RUN)
    return known.value, lambda value: app.journal.save(known, value)


def _unit(app: Any, row: storage.Row) -> Any:
    known = app.journal.unit(RUN, row.key)
    return known.value, lambda value: app.journal.save_unit(RUN, known, value)


def _delivery(app: Any, row: storage.Row) -> Any:
    known = deliveries.table(app).load(row.partition, row.key)
    return known.value, lambda value: deliveries.table(app).save(known, value)


def _recipe(app: Any, row: storage.Row) -> Any:
    known = run_steps.load(row.key, app)
    return known.value, lambda value: run_steps.table(app).save(known, value)


def _schedule(app: Any, row: storage.Row) -> Any:
    known = recipe_schedule._load(row.key, app)
    return known.value, lambda value: recipe_schedule._table(app).save(known, value)


def _expiry(app: Any, row: storage.Row) -> Any:
    known = expiry_record.table(app.rows).load(row.partition, row.key)
    return known.value, lambda value: expiry_record.table(app.rows).save(known, value)


def _rollout(app: Any, row: storage.Row) -> Any:
    known = rollout_record.table(app.rows).load(row.partition, row.key)
    return known.value, lambda value: rollout_record.save(known, value, app.rows)


WAYS: dict[str, Callable[[Any, storage.Row], Any]] = {
    "operation": _operation,
    "firing": _firing,
    "run": _run,
    "unit": _unit,
    "delivery": _delivery,
    "recipe": _recipe,
    "schedule": _schedule,
    "expiry": _expiry,
    "rollout": _rollout,
}
CHANGES: dict[str, dict[str, Any]] = {
    "operation": {"due_at": START + timedelta(hours=1)},
    "firing": {"attempts": 3},
    "run": {"step": 8},
    "unit": {"attempt": 3},
    "delivery": {"tried": 2},
    "recipe": {"depth": 3},
    "schedule": {"step": 9},
    "expiry": {"tries": 9},
    "rollout": {"step": 9},
}


def test_every_machine_and_every_form_of_message_has_a_sample() -> None:
    """The next release is judged by what this one writes: also by the message that carries its record."""
    assert {name.partition(",")[0] for name in SAMPLES["rows"]} == {machine.name for machine in MACHINES} == WAYS.keys()
    read = [messages.read(text, *messages.FORMS) for text in SAMPLES["messages"].values()]
    assert {each.machine for each in read} == messages.FORMS.keys()
    assert {each.machine for each in read if each.carried} == {machine.name for machine in MACHINES if _carries(machine)}


def _carries(machine: Any) -> bool:
    return machine.unpacked is not next(each for each in fields(Machine) if each.name == "unpacked").default


def test_the_operation_that_a_message_carries_is_the_one_of_its_row() -> None:
    """It goes on from there, and is written back with what an unknown version put into it."""
    message = messages.read(SAMPLES["messages"]["operation, carried"], "operation")
    services: Any = SimpleNamespace(clock=lambda: START)
    known = steps.MACHINE.unpacked(message, services)
    row = row_of(SAMPLES["rows"]["operation, followed"])
    assert known
    assert known.operation == operation_of(row)
    assert known.operation.to_json() == records.joined(row.columns)
    assert (known.etag, known.lane and known.lane.etag, known.operation.unknown) == ('W/"1"', 'W/"2"', {"later": {"x": 1}})


@pytest.mark.parametrize("name", SAMPLES["rows"])
def test_a_row_of_the_version_before_is_read_and_written_back_as_it_was(name: str) -> None:
    """Field names, columns and versions stay: so the version before reads it, too, after a rollback."""
    row = row_of(SAMPLES["rows"][name])
    app = App(row)
    before = app.stored(row)
    value, save = WAYS[name.partition(",")[0]](app, row)
    save(value)
    assert what_was_there(app.stored(row), before) == before


def what_was_there(found: Any, before: Any) -> Any:
    """Return the members of a value that it had before: this version may add some, which the version before keeps."""
    if isinstance(found, dict) and isinstance(before, dict):
        return {name: what_was_there(value, before[name]) for name, value in found.items() if name in before}
    if isinstance(found, list) and isinstance(before, list) and len(found) == len(before):
        return [what_was_there(*pair) for pair in zip(found, before, strict=True)]
    return found


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize("fault", ["conflict", "lost answer"])
def test_an_own_write_whose_answer_was_lost_is_recognised(name: str, fault: str) -> None:
    """A library that repeats its own write is refused the first one: no machine takes that for another worker's."""
    row = row_of(SAMPLES["rows"][name])
    app = App(row)
    before = app.stored(row)
    value, save = WAYS[name](app, row)
    write, lost = app.rows.write, []

    def arrives(changes: Any) -> list[str]:
        etags = write(changes)
        if not lost:
            lost.append(1)
            if fault == "conflict":
                raise storage.ConflictError
            raise unavailable()
        return etags

    app.rows.write = arrives  # type: ignore[method-assign]
    save(replace(value, **CHANGES[name]))
    assert lost
    assert what_was_there(app.stored(row), before) != before


@pytest.mark.parametrize("name", WAYS)
def test_another_workers_write_is_a_conflict(name: str) -> None:
    """However alike the two writes are: only one of two workers has the record."""
    row = row_of(SAMPLES["rows"][name])
    app = App(row)
    (value, first), (_, second) = WAYS[name](app, row), WAYS[name](app, row)
    changed = replace(value, **CHANGES[name])
    first(changed)
    with pytest.raises(storage.ConflictError):
        second(changed)


@pytest.mark.parametrize("name", SAMPLES["messages"])
def test_a_message_of_the_version_before_is_read_and_would_be_written_as_it_was(name: str) -> None:
    """Messages in flight survive a deployment, and a rollback."""
    text = SAMPLES["messages"][name]
    message = messages.read(text, *messages.FORMS)
    assert {**json.loads(message.to_text()), "waits": 1} == {**json.loads(text), "waits": 1}


@pytest.mark.parametrize("text", ["[]", "{}", '{"version": 1, "operation": 3, "step": 1}', '{"version": 1, "firing": "f"}', "1"])
def test_what_is_no_message_of_a_machine_is_refused(text: str) -> None:
    """It ends in the poison queue, and is put aside there."""
    with pytest.raises(ValueError, match="expected version, operation, step"):
        messages.read(text, "operation")


def test_a_message_of_a_newer_version_is_refused() -> None:
    """It is read after the newer version was deployed again."""
    with pytest.raises(ValueError, match="version 2"):
        messages.read('{"version": 2, "operation": "a", "step": 1}', "operation")
