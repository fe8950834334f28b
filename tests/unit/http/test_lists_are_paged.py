"""Firings, reports, marks and approvals: a page at a time to the end, each item once, whatever is written meanwhile."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shared import services
from shared.api.access import approvals
from shared.cleanup.policy.model import Mark
from shared.cleanup.run import journal
from shared.cleanup.verdict import marks
from shared.hooks import firings
from shared.hooks.firing_record import Firing
from shared.hooks.rules import Rule
from shared.rest import ids
from tests import tables
from tests.fake_azure import WORKSPACE
from tests.fakes import START, FakeRows

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.http.conftest import App

COUNT = 7  # three of each moment: the order does not hang on the moment alone


def _at(number: int) -> Any:
    return START + timedelta(minutes=number // 3)


def _firing(number: int, app: services.Services) -> None:
    rule = Rule(name="r" if number else "other", types=("a.b",))
    at = _at(number)
    firing = Firing(id=f"{number:040x}", rule=rule, document={}, depth=1, created_at=at, due_at=at)
    firings.table(app).insert(firing.over("Refused", at, None))


def _run(number: int, app: services.Services) -> None:
    at = _at(number)
    run = journal.Run(name=journal.new_name(at, str(number)), mode="dryRun", caller="x", created_at=at, due_at=at)
    assert app.journal.insert(run)


def _mark(number: int, app: services.Services) -> None:
    at = _at(number)
    mark = Mark(policy="p", reason="old", at=at, due=at, tagged=True, changed_before=None, changed_after=None)
    marks.Marks(app.cleanup_rows).put(ids.parse(f"{WORKSPACE}/models/m/versions/{number}"), mark)


def _approval(number: int, app: services.Services) -> None:
    at = _at(number)
    wanted = approvals.Approval(
        id=f"{at:%Y%m%dT%H%M%SZ}-{number:016x}",
        what="cleanup",
        caller="x",
        method="POST",
        path="cleanup",
        created_at=at,
        expires_at=at + timedelta(days=3650),
    )
    assert approvals._table(app).insert(wanted)


LISTS: dict[str, tuple[Callable[[int, services.Services], None], str]] = {
    "events/firings": (_firing, "name"),
    "cleanup/reports": (_run, "name"),
    "cleanup/marks": (_mark, "resource"),
    "approvals": (_approval, "id"),
}


@tables.each("path", LISTS)
def test_a_list_of_ours_is_followed_to_its_end(app: App, path: str) -> None:
    """Every item once, in one order; what comes meanwhile moves no page; the last page has no link."""
    own = services.get()
    own.__dict__["hook_rows"], own.__dict__["cleanup_rows"] = FakeRows("hooks"), FakeRows("cleanup")
    own.__dict__.pop("journal", None)
    insert, name = LISTS[path]
    for number in range(COUNT):
        insert(number, own)
    whole = [each[name] for each in app.send("GET", path).body["value"]]
    assert len(whole) == COUNT
    pages, url = [], f"{path}?$top=2"
    while url:
        body = app.send("GET", url).body
        pages.append([each[name] for each in body["value"]])
        url = body.get("nextLink", "")
        if len(pages) == 1 and path != "cleanup/marks":
            insert(COUNT + 2, own)  # newer than all
    assert [each for page in pages for each in page] == whole
    assert [len(page) for page in pages] == [2, 2, 2, 1]
    assert "nextLink" not in app.send("GET", f"{path}?$top=0").body
    for token in ("x", "20261130T080000Z", "' or 1 eq 1"):
        answer = app.send("GET", f"{path}?$skipToken={token}")
        assert (answer.status, answer.body["error"]["target"]) == (400, "$skipToken")


def test_a_page_of_firings_keeps_its_filter(app: App) -> None:
    """The link carries the query."""
    own = services.get()
    own.__dict__["hook_rows"] = FakeRows("hooks")
    for number in range(COUNT):
        _firing(number, own)
    first = app.send("GET", "events/firings?rule=r&$top=4").body
    second = app.send("GET", first["nextLink"]).body
    assert [len(first["value"]), len(second["value"])] == [4, COUNT - 1 - 4]
    assert {each["rule"] for each in second["value"]} == {"r"}
