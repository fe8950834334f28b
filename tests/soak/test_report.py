"""What a soak's callers and its judge make of answers, and the figures of its report, as docs/reliability.md shows them."""

from __future__ import annotations

import json
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

from tests.soak import __main__, judge, report, work
from tests.soak.chaos import Chaos
from tests.soak.ground import Answer

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

FOUND = {
    "command": 'make soak ARGS="--minutes 2 --seed 7"',
    "minutes": 2.0,
    "seed": 7,
    "workers": 2,
    "asked": 12,
    "accepted": 11,
    "bySort": {"own": 8, "shared": 4},
    "ends": {"Succeeded": 10, "Failed OutcomeUnknown": 1},
    "refused": {"unknown 0": 1},
    "writes": {"effective": 10, "perhaps": 1},
    "notifications": {"wanted": 4, "ids": 4},
    "disturbances": {"a worker was killed": 2, **{f"thing number {n} that went wrong": n for n in range(9)}},
    "recovery": {"measured": 3, "p95S": 12.5, "longestS": 31.0},
    "wrong": ["stuck: x"],
}


def test_the_figures_of_a_report_are_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the command that made them, and how many things were wrong."""
    (tmp_path / "soak.json").write_text(json.dumps(FOUND))
    monkeypatch.setattr("sys.argv", ["soak", "--figures", str(tmp_path / "soak.json")])
    assert __main__.main() == 0
    shown = capsys.readouterr().out
    assert '| command | `make soak ARGS="--minutes 2 --seed 7"`, 2 workers |' in shown
    assert "| ends | 10 Succeeded, 1 Failed OutcomeUnknown |" in shown
    assert "| from a kill to the end of what was under way | p95 12.5 s, longest 31 s, of 3 |" in shown
    assert "| wrong | 1 |" in shown
    assert "8 thing number 8 that went wrong |" in shown
    assert max(map(len, shown.splitlines())) <= report.LINE
    assert "- stuck: x" in report.whole(FOUND)


class Ground:
    """An app and a local Azure that answer as they are made to."""

    def __init__(self, answers: list[tuple[int, Any]], entries: list[dict[str, Any]]) -> None:
        self.sent: list[tuple[str, str, Any]] = []
        self._answers, self._entries = answers, entries

    def call(self, method: str, path: str, body: Any = None, **_headers: str) -> Answer:
        """Answer the next one."""
        self.sent.append((method, path, body))
        return Answer(*self._answers.pop(0), {"location": f"{work.SERVED}/rollout/1"})

    def control(self, _method: str, _path: str, _body: Any = None) -> Any:
        """Return what Azure received."""
        return self._entries


def _callers(*answers: tuple[int, Any]) -> tuple[work.Callers, Ground]:
    ground: Any = Ground(list(answers), [])
    return work.Callers(ground=ground, seed=1), ground


def test_a_rollout_names_the_live_deployment_as_it_is_when_it_begins() -> None:
    """While that cannot be read, and when it is another one by now, nothing was asked for: the caller looks again."""
    live: Any = {"properties": {"traffic": {"blue": 0, "roll1": 100}}}
    callers, ground = _callers((503, {}), (200, live), (404, {}), (200, live), (202, {}))
    over = threading.Event()
    over.set()
    asked = work.Asked(number=2, sort="rollout", method="POST", to=f"{work.SERVED}/rollout", body={"deployment": "roll2"})
    callers._send(asked, over)
    assert (asked.refused, asked.record) == ("", f"{work.SERVED}/rollout/1")
    assert ground.sent[-1][2] == {"deployment": "roll2", "body": {"like": "roll1"}}


def test_what_has_no_key_is_not_sent_twice() -> None:
    """Whether it was accepted is not known: it is not judged."""
    callers, ground = _callers((0, {}))
    asked = work.Asked(number=3, sort="cleanup", method="POST", to="cleanup")
    callers._send(asked, threading.Event())
    assert (asked.refused, len(ground.sent)) == ("unknown 0", 1)


def test_an_event_is_missing_until_azure_did_what_its_rule_asks_for() -> None:
    """And what was answered with a lost connection counts as perhaps."""
    path = f"/subscriptions/s/providers/Microsoft.MachineLearningServices/{work.WORKSPACE}/environments/evt1/versions/1"
    entry: dict[str, Any] = {"method": "PUT", "path": path, "fault": None, "status": 201}
    event = work.Asked(number=1, sort="event", to="events", path="evt1")
    for entries, found in (([], 1), ([{**entry, "status": 503}], 1), ([{**entry, "fault": "f", "status": None}], 0), ([entry], 0)):
        ground: Any = Ground([], entries)
        chaos = Chaos(ground=ground, seed=1, say=print, actions={"f": "drop_after"})
        assert len(judge.missing(ground, [event], chaos)) == found, entries


def test_a_deletion_of_what_was_never_made_may_be_recorded_as_azures_refusal() -> None:
    """The answer was lost, and the caller found the record by its key; any other piece of work may not end so."""
    state = {"status": "Failed", "error": {"code": "NotFound"}}
    gone = work.Asked(number=1, sort="deleted", record="operations/a", ended=1.0, state=state)
    made = work.Asked(number=2, sort="shared", record="operations/b", ended=1.0, state=state)
    effects: Any = {"sure": Counter(), "perhaps": Counter()}
    assert not list(judge._one(gone, effects))
    assert next(judge._one(made, effects)).startswith("wrong: Failed NotFound")
