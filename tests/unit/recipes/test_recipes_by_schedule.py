"""A kept recipe with a schedule starts by itself: once for each moment that is due, whatever happens around it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from shared import machines
from shared.durable import messages, storage, sweep, worker
from shared.recipes import recipe_schedule
from shared.rest import errors
from tests.fakes import START
from tests.unit.recipes.conftest import CLUSTER, Kitchen

NAME = "nightly"
LOOK = {"look": {"wait": "PT0S"}}
AT_TEN = "0 0 10 * * *"  # it is nine


def _put(kitchen: Kitchen, schedule: Any = AT_TEN, steps: Any = LOOK, **more: Any) -> Any:
    body = {"schedule": schedule, "steps": steps, **more} if schedule else {"steps": steps, **more}
    return kitchen.ask("PUT", f"recipes/{NAME}", body)


def _kept(kitchen: Kitchen) -> Any:
    status, kept = kitchen.ask("GET", f"recipes/{NAME}")
    assert status == 200, kept
    return kept.get("schedule")


def _runs(kitchen: Kitchen) -> list[Any]:
    status, listed = kitchen.ask("GET", f"recipes/runs?recipe={NAME}")
    assert status == 200, listed
    found: list[Any] = listed["value"]
    return found


def _starts(kitchen: Kitchen) -> list[str]:
    return sorted(run["startTime"][11:16] for run in _runs(kitchen))


def test_it_starts_when_it_is_due_and_says_so(kitchen: Kitchen) -> None:
    """The recipe names its next start and its last run; the run names the schedule, and is found by the recipe."""
    status, kept = _put(kitchen)
    assert (status, kept["properties"]["schedule"]) == (200, AT_TEN)
    assert kept["schedule"] == {"next": "2026-03-02T10:00:00.000000Z"}
    kitchen.drive(3599)
    assert not _runs(kitchen)
    kitchen.drive(86_400 + 60)
    runs = _runs(kitchen)
    assert [(run["startTime"], run["status"], run["properties"]["caller"]) for run in runs] == [
        (f"2026-03-0{day}T10:00:00.000000Z", "Succeeded", f"schedule:{NAME}") for day in (3, 2)
    ]
    assert _kept(kitchen) == {
        "next": "2026-03-04T10:00:00.000000Z",
        "last": "2026-03-03T10:00:00.000000Z",
        "lastRun": runs[0]["id"],
    }
    listed = {each["name"]: each for each in kitchen.ask("GET", "recipes")[1]["value"]}
    assert listed[NAME]["schedule"] == _kept(kitchen)
    assert "schedule" not in listed["teardown"]


def test_its_defaults_are_the_parameters(kitchen: Kitchen) -> None:
    """And what it makes is of the workspace that they name."""
    made = {"made": {"request": "PUT workspaces/w1/computes/${{ parameters.name }}", "body": CLUSTER}}
    assert _put(kitchen, steps=made, parameters={"name": "night"})[0] == 200
    kitchen.drive(2 * 3600)
    assert kitchen.steward.azure.effects == ["PUT workspaces/w1/computes/night"]
    assert _runs(kitchen)[0]["properties"]["parameters"] == {"name": "night"}


REFUSED = [
    ({"schedule": "every night"}, "schedule"),
    ({"schedule": "0 0 25 * * *"}, "schedule"),
    ({"schedule": "0 0 0 30 2 *"}, "schedule"),
    ({"schedule": "*/20 * * * * *"}, "schedule"),
    ({"schedule": 5}, "schedule"),
    ({"parameters": {"name": {"type": "string"}}}, "parameters.name"),
    ({"parameters": {"name": {"default": "x", "enum": ["y"]}}}, "parameters.name.default"),
    ({"steps": {"keys": {"request": "POST workspaces/w1/listKeys"}}}, "steps.keys"),
]


@pytest.mark.parametrize(("more", "field"), REFUSED, ids=[field + str(number) for number, (_, field) in enumerate(REFUSED)])
def test_what_could_never_start_is_refused_by_its_field_when_it_is_put(kitchen: Kitchen, more: Any, field: str) -> None:
    """Nothing is kept of it."""
    status, said = kitchen.ask("PUT", f"recipes/{NAME}", {"schedule": AT_TEN, "steps": LOOK, **more})
    assert status == 400, said
    details = [said["error"], *said["error"].get("details", ())]
    assert any(field in (each.get("target"), each["message"].partition(":")[0]) for each in details), said
    assert kitchen.ask("GET", f"recipes/{NAME}")[0] == 404
    kitchen.drive()
    assert not _runs(kitchen)


def test_a_recipe_that_is_only_run_has_no_schedule(kitchen: Kitchen) -> None:
    """It would be ignored; a dry run names it, too."""
    body = {"schedule": AT_TEN, "steps": LOOK}
    status, said = kitchen.ask("POST", "recipes", body)
    assert (status, said["error"]["code"]) == (400, "InvalidRecipe")
    assert "PUT recipes/{name}" in said["error"]["message"]
    assert kitchen.ask("POST", "recipes?dryRun=true", body)[1]["problems"][0]["target"] == "schedule"


def test_it_may_do_what_who_put_it_may(kitchen: Kitchen) -> None:
    """An approval is another one's; the run has the rights that its author had."""
    steps = {"ok": {"approve": {"by": ["admin", "second"]}}}
    body = {"schedule": AT_TEN, "steps": steps}
    first, second = kitchen.key("first", "admin"), kitchen.key("second", "operator")
    assert kitchen.ask("PUT", f"recipes/{NAME}", body, x_functions_key=first)[0] == 200
    kitchen.drive(3700)
    (run,) = _runs(kitchen)
    path = f"recipes/runs/{run['name']}/approve"
    assert kitchen.ask("POST", path, x_functions_key=first)[1]["error"]["code"] == "SecondPersonNeeded"
    assert kitchen.ask("POST", path, x_functions_key=second)[0] == 200
    assert kitchen.ask("PUT", f"recipes/{NAME}", body, x_functions_key=second)[1]["error"]["code"] == "RoleNeeded"


def test_what_was_missed_while_the_app_was_down_is_one_start(kitchen: Kitchen) -> None:
    """The latest of the moments."""
    _put(kitchen, "0 */10 * * * *")
    kitchen.drive(1210)
    assert _starts(kitchen) == ["09:10", "09:20"]
    kitchen.steward.clock.advance(5 * 3600 + 120)
    kitchen.drive(90)
    assert _starts(kitchen) == ["09:10", "09:20", "14:24"]
    assert _kept(kitchen)["last"] == "2026-03-02T14:20:00.000000Z"
    kitchen.drive(600)
    assert _starts(kitchen)[3:] == ["14:30"]


def _due(kitchen: Kitchen) -> str:
    """Bring the next start's message into the queue, and return it."""
    kitchen.drive(3540)
    (held,) = kitchen.steward.queue.messages
    kitchen.steward.clock.now = START + timedelta(hours=1)
    return held.text


def test_two_workers_that_have_the_same_moment_start_it_once(kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one has read the record before the first one wrote it."""
    _put(kitchen)
    text, (machine,) = _due(kitchen), [each for each in machines.MACHINES if each.name == "schedule"]
    load, known = machine.load, machine.load(messages.read(text, "schedule"), kitchen.app)
    machines.take(messages.QUEUE, text, kitchen.app)
    second = recipe_schedule._advanced(known, messages.read(text, "schedule"), kitchen.app)
    with pytest.raises(storage.ConflictError):
        worker.record(machine, second, kitchen.app)
    machines.take(messages.QUEUE, text, kitchen.app)  # the platform brings it once more
    assert load(messages.read(text, "schedule"), kitchen.app).value.last_run == _runs(kitchen)[0]["name"]
    kitchen.drive(7200)
    assert _starts(kitchen) == ["10:00"]


def test_it_is_changed_between_the_start_and_its_record(kitchen: Kitchen) -> None:
    """The worker that started it dies; another recipe is put under its name before the moment comes again."""
    _put(kitchen)
    text = _due(kitchen)
    known = recipe_schedule._load(NAME, kitchen.app)
    assert known
    recipe_schedule._advanced(known, messages.read(text, "schedule"), kitchen.app)
    assert len(_runs(kitchen)) == 1
    assert _put(kitchen, "0 30 10 * * *", steps={"rest": {"wait": "PT1S"}})[0] == 200
    kitchen.drive(3600)
    assert _starts(kitchen) == ["10:00", "10:30"]


def test_a_change_counts_from_when_it_was_put(kitchen: Kitchen) -> None:
    """The old moment is gone, the new one comes; what was due before the change was not lost by it."""
    _put(kitchen)
    kitchen.drive(60)
    _put(kitchen, "0 30 9 * * *")
    kitchen.drive(2 * 3600)
    assert _starts(kitchen) == ["09:30"]
    _put(kitchen, "0 0 12 * * *")
    kitchen.drive(600)
    kitchen.steward.clock.now = START + timedelta(hours=3, seconds=2)  # it is due, and no worker came yet
    _put(kitchen, "0 0 13 * * *")
    kitchen.drive(7200)
    assert _starts(kitchen) == ["09:30", "12:00", "13:00"]


@pytest.mark.parametrize("how", ["deleted", "without"])
def test_one_that_is_deleted_or_loses_its_schedule_starts_no_more(kitchen: Kitchen, how: str) -> None:
    """Its record ends, and goes; put again it counts from then."""
    _put(kitchen)
    kitchen.drive(3700)
    if how == "deleted":
        assert kitchen.ask("DELETE", f"recipes/{NAME}")[0] == 204
    else:
        assert _put(kitchen, "")[0] == 200
        assert _kept(kitchen) is None
    kitchen.drive(2 * 86_400)
    assert _starts(kitchen) == ["10:00"]
    assert not kitchen.steward.due_rows.rows
    assert machines.purges(kitchen.app)["schedule"]() == 0
    _put(kitchen)
    kitchen.drive(86_400)
    assert len(_starts(kitchen)) == 2
    _put(kitchen, "")
    kitchen.drive(2 * 86_400)
    kitchen.steward.clock.advance(31 * 86_400)
    assert machines.purges(kitchen.app)["schedule"]() == 1


def test_a_put_that_dies_leaves_the_old_schedule_or_the_new_one(kitchen: Kitchen, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before its blob is written, and right after it: the record that came first is looked at by the timer."""
    _put(kitchen, "0 0 12 * * *")
    kitchen.drive(60)

    def broken(*_: Any) -> None:
        raise errors.UnreachableError("it is gone", delay_s=1, maybe_arrived=False)

    with monkeypatch.context() as patched:
        patched.setattr(kitchen.steward.blobs, "put", broken)
        assert _put(kitchen)[0] == 503
    kitchen.drive(2 * 3600)
    assert not _runs(kitchen)
    with monkeypatch.context() as patched:
        patched.setattr(kitchen.steward.queue, "send", broken)
        assert _put(kitchen, "0 30 11 * * *")[0] == 200
    kitchen.drive(3600)
    assert _starts(kitchen) == ["11:30"]


def test_a_start_that_is_refused_is_said_and_the_next_one_comes(kitchen: Kitchen) -> None:
    """A key that may not start it any more, or a recipe that this version cannot read."""
    _put(kitchen)
    name, content = next(each for each in kitchen.steward.blobs.blobs.items() if each[0].endswith(f"{NAME}.json"))
    reader = b'"grants": [{"role": "reader"}]'
    kitchen.steward.blobs.blobs[name] = content.replace(b'"grants": []', reader)
    assert reader in kitchen.steward.blobs.blobs[name]
    kitchen.drive(3700)
    assert not _runs(kitchen)
    assert "RoleNeeded" in _kept(kitchen)["problem"]
    kitchen.steward.blobs.blobs[name] = content
    kitchen.drive(86_400)
    assert len(_runs(kitchen)) == 1
    assert "problem" not in _kept(kitchen)
    kitchen.steward.blobs.blobs[name] = content.replace(b'\\"steps\\"', b'\\"phases\\"')
    kitchen.drive(86_400)
    assert len(_runs(kitchen)) == 1
    kitchen.steward.blobs.blobs[name] = content
    kitchen.drive(3600)
    assert len(_runs(kitchen)) == 2


def test_a_message_that_keeps_failing_costs_one_start(kitchen: Kitchen) -> None:
    """The schedule goes on."""
    _put(kitchen)
    text = _due(kitchen)
    kitchen.steward.queue.messages.clear()
    machines.poisoned(messages.QUEUE, text, kitchen.app)
    kitchen.drive(300)
    assert not _runs(kitchen)
    assert "failed" in _kept(kitchen)["problem"]
    kitchen.drive(86_400)
    assert len(_runs(kitchen)) == 1


def test_the_release_before_goes_on_beside_rows_that_it_does_not_know(kitchen: Kitchen) -> None:
    """It notes them, purges its own, and puts their messages aside; the release that knows them finds the rows where they were."""
    _put(kitchen)
    before = tuple(machine for machine in machines.MACHINES if machine.name != "schedule")
    kitchen.steward.clock.advance(3700)
    assert set(sweep.reconcile(before, kitchen.app)) == {machine.name for machine in before}
    (held,) = kitchen.steward.queue.messages
    own = tuple(machine for machine in before if machine.queue == messages.QUEUE)
    with pytest.raises(ValueError, match="not a message of"):
        worker.take(own, held.text, kitchen.app)
    assert worker.poisoned(own, held.text, kitchen.app, lambda: kitchen.app.ledger.blobs) is False
    kitchen.steward.queue.messages.clear()
    assert sweep.purges(before, kitchen.app)["firing"]() == 0
    kitchen.drive(120)
    assert [run["status"] for run in _runs(kitchen)] == ["Succeeded"]
