"""GET operations: the newest first, page by page to the end, narrowed by status, target and what lies below."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from shared.operations import listing
from shared.rest import errors
from tests.fake_azure import WORKSPACE

if TYPE_CHECKING:
    from tests.unit.http.conftest import App

BODY: dict[str, Any] = {"location": "westeurope", "properties": {}}


def _made(app: App, count: int, *, apart_s: float) -> list[str]:
    """Record operations, each on a workspace of its own, and return their ids, the newest first."""
    out = []
    for number in range(count):
        app.steward.clock.advance(apart_s)
        out.append(app.steward.submit("PUT", f"workspaces/made-{number}", BODY, respond_async=True).id)
    return out[::-1]


def _walked(app: App, path: str) -> list[list[str]]:
    """Follow a list to its end and return the ids of each page."""
    pages: list[list[str]] = []
    at: str | None = path
    while at:
        answer = app.send("GET", at)
        assert answer.status == 200, answer.content
        pages.append([each["name"] for each in answer.body["value"]])
        at = answer.body.get("nextLink")
        assert len(pages) < 30
    return pages


@pytest.mark.parametrize("apart_s", [0.0, 60.0, 86_400.0 * 3], ids=["one moment", "minutes", "days"])
def test_every_operation_is_on_exactly_one_page(app: App, apart_s: float) -> None:
    """Also those of one moment, and those that lie weeks apart."""
    made = _made(app, 23, apart_s=apart_s)
    pages = _walked(app, "operations?$top=5")
    assert [len(page) for page in pages] == [5, 5, 5, 5, 3]
    told = [each for page in pages for each in page]
    assert sorted(told) == sorted(made)
    assert apart_s == 0.0 or told == made


def test_the_newest_are_looked_for_where_they_were_the_last_time(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that is asked for again and again reads about as many rows as it shows, and misses none after a quiet time."""
    made = _made(app, 40, apart_s=60.0)
    read: list[str] = []
    query = app.steward.rows.query

    def reading(**asked: Any) -> Any:
        for row in query(**asked):
            read.append(row.key)
            yield row

    monkeypatch.setattr(app.steward.rows, "query", reading)
    for most, alone in ((len(made), 5), (2 * 5, 0)):
        read.clear()
        app.steward.fuse.calls.clear()
        assert [each["name"] for each in app.send("GET", "operations?$top=5").body["value"]] == made[:5]
        assert 5 < len(read) <= most
        assert app.steward.fuse.calls.count("rows.get") == alone
    app.steward.clock.advance(7 * 86_400)
    assert [each["name"] for each in app.send("GET", "operations?$top=5").body["value"]] == made[:5]
    assert _walked(app, "operations?$top=15") == [made[:15], made[15:30], made[30:]]


def test_what_is_accepted_meanwhile_moves_nothing(app: App) -> None:
    """A page begins where the last ended, not so many further on."""
    made = _made(app, 6, apart_s=1.0)
    first = app.send("GET", "operations?$top=3").body
    _made(app, 2, apart_s=1.0)
    second = app.send("GET", first["nextLink"]).body
    assert [each["name"] for each in (*first["value"], *second["value"])] == made


def test_a_list_is_narrowed_by_what_lies_at_or_below_an_id(app: App) -> None:
    """`workspaces/w1` is not below `workspaces/w`, whatever stands behind it; any casing, with the other filters."""
    compute = {"location": "westeurope", "properties": {"computeType": "AmlCompute"}}
    inside = [app.steward.submit("PUT", f"workspaces/w1/{path}", compute, respond_async=True).id for path in ("computes/cpu",)]
    inside.append(app.steward.submit("PATCH", "workspaces/w1", {"tags": {}}, respond_async=True).id)
    for name in ("w1-b", "w1.x", "w10", "w2"):
        app.steward.submit("PUT", f"workspaces/{name}", BODY, respond_async=True)
    for spelled in (WORKSPACE, WORKSPACE.upper(), f"{WORKSPACE}/"):
        assert sorted(_walked(app, f"operations?below={spelled}")[0]) == sorted(inside)
    assert sorted(_walked(app, f"operations?below={WORKSPACE}&$top=1")) == sorted([each] for each in inside)
    group = WORKSPACE.partition("/providers")[0]
    assert len(_walked(app, f"operations?below={group}&status=notstarted")[0]) == 6
    assert _walked(app, f"operations?below={group}&status=failed") == [[]]
    assert _walked(app, f"operations?below={WORKSPACE}&target={WORKSPACE}/computes/cpu") == [inside[:1]]


def test_a_next_link_repeats_the_query_without_the_key(app: App) -> None:
    """Filters stay; `code` must not end up in somebody's log."""
    _made(app, 3, apart_s=1.0)
    link = app.send("GET", "operations?status=NotStarted&$top=1&code=SECRET").body["nextLink"]
    assert "SECRET" not in link
    assert "status=NotStarted&$top=1&$skipToken=" in link


def test_looking_back_stops_in_time_and_goes_on_with_the_next_page(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a rare status is looked for among many, a page may be empty and still lead on."""
    (only,) = _made(app, 1, apart_s=0.0)
    app.steward.clock.advance(timedelta(days=20).total_seconds())
    monkeypatch.setattr("shared.api.following.LIST_BUDGET_S", 0.0)
    pages = _walked(app, "operations")
    assert pages[0] == []
    assert [each for page in pages for each in page] == [only]
    assert len(pages) <= listing.SPANS + 1


@pytest.mark.parametrize("token", ["x", "2026-01-01", "2026-13-41T00:00:00.000000Z_", "2026-01-01T00:00:00.000000Z_zz", "%00"])
def test_a_token_of_another_list_is_refused(app: App, token: str) -> None:
    """By name, and not as a failure of the app."""
    answer = app.send("GET", f"operations?$skipToken={token}")
    assert (answer.status, answer.body["error"]["target"]) == (400, "$skipToken")


def test_an_operation_of_a_newer_app_is_left_out(app: App) -> None:
    """During a deployment two versions write one table; the older one lists what it can read."""
    made = _made(app, 2, apart_s=1.0)
    partition, _, suffix = made[0].partition("-")
    row = app.steward.rows.rows[partition, suffix]
    newer = {**row.columns, "json0": str(row.columns["json0"]).replace('"version": 1', '"version": 9')}
    app.steward.rows.rows[partition, suffix] = type(row)(partition=partition, key=suffix, columns=newer, etag=row.etag)
    assert _walked(app, "operations") == [made[1:]]


def _ended(app: App, operation_id: str, status: str, http_status: int, code: str = "") -> None:
    """End an operation in the ledger, as settle does."""
    stored = app.steward.ledger.load(operation_id)
    assert stored
    error = errors.AzureError(code=code, message="m") if code else None
    app.steward.edit(stored.operation, phase="ended", status=status, http_status=http_status, error=error)


def _of_older_version(app: App, operation_id: str) -> None:
    """Take the columns away that an older version of the app did not write."""
    partition, _, suffix = operation_id.partition("-")
    row = app.steward.rows.rows[partition, suffix]
    known = {name: value for name, value in row.columns.items() if name not in ("kind", "outcome", "code", "trace")}
    app.steward.rows.rows[partition, suffix] = type(row)(partition=partition, key=suffix, columns=known, etag=row.etag)


@pytest.mark.parametrize("older", [False, True], ids=["this version", "an older version's rows"])
def test_a_list_is_narrowed_by_outcome_kind_and_any_text(app: App, *, older: bool) -> None:
    """What Azure refused at once is apart from what failed later; text is found in id, target, kind, caller, code and trace."""
    refused, failed, fine = _made(app, 3, apart_s=1.0)
    _ended(app, refused, "Failed", 400, "BadRequest")
    _ended(app, failed, "Failed", 422, "QuotaExceeded")
    _ended(app, fine, "Succeeded", 201)
    if older:
        for each in (refused, failed, fine):
            _of_older_version(app, each)
    assert _walked(app, "operations?status=Failed") == [[refused, failed]]
    assert _walked(app, "operations?outcome=refused") == [[refused]]
    assert _walked(app, "operations?outcome=Failed") == [[failed]]
    assert app.send("GET", "operations?outcome=Refused").body["value"][0]["properties"]["outcome"] == "Refused"
    assert _walked(app, "operations?find=QUOTA") == [[failed]]
    assert _walked(app, "operations?find=made-0") == [[fine]]
    assert _walked(app, f"operations?find={refused[-8:]}") == [[refused]]
    kind = app.send("GET", "operations").body["value"][0]["properties"]["kind"]
    assert _walked(app, f"operations?kind={kind.upper()}&outcome=Succeeded") == [[fine]]
    assert _walked(app, "operations?kind=jobs") == [[]]
    trace = app.send("GET", f"operations/{fine}").body["properties"]["traceId"]
    assert _walked(app, f"operations?find={trace}") == [[fine]]


def test_a_list_is_narrowed_by_time(app: App) -> None:
    """From one moment and before another: as moments, dates, or lengths of time before now; page by page."""
    made = _made(app, 6, apart_s=3600.0)
    assert _walked(app, "operations?since=PT150M") == [made[:3]]
    assert _walked(app, "operations?since=PT150M&$top=2") == [made[:2], made[2:3]]
    assert _walked(app, "operations?until=150m") == [made[3:]]
    assert _walked(app, "operations?since=4h30m&until=PT90M") == [made[2:5]]
    moment = app.send("GET", "operations").body["value"][1]["startTime"]
    assert _walked(app, f"operations?since={moment}") == [made[:2]]
    answer = app.send("GET", "operations?since=yesterday")
    assert (answer.status, answer.body["error"]["target"]) == (400, "since")


def test_the_load_is_counted_by_time_outcome_code_caller_and_kind(app: App) -> None:
    """Each part of the time has its numbers; the same filters as for the list; a time that is none is refused."""
    made = _made(app, 6, apart_s=3600.0)
    _ended(app, made[0], "Failed", 409, "Conflict")
    _ended(app, made[1], "Failed", 422, "QuotaExceeded")
    _ended(app, made[2], "Failed", 422, "QuotaExceeded")
    found = app.send("GET", "load?since=PT12H").body
    assert found["outcomes"] == {"Refused": 1, "Failed": 2, "NotStarted": 3}
    assert found["codes"] == [{"name": "QuotaExceeded", "count": 2}, {"name": "Conflict", "count": 1}]
    assert [each["count"] for each in found["callers"]] == [6]
    assert found["stepS"] * len(found["value"]) == 12 * 3600
    assert [each["outcomes"] for each in found["value"] if each["outcomes"]] == [
        *[{"NotStarted": 1}] * 3, {"Failed": 1}, {"Failed": 1}, {"Refused": 1},
    ]  # fmt: skip
    assert app.send("GET", "load?since=PT12H&outcome=Failed").body["outcomes"] == {"Failed": 2}
    assert app.send("GET", "load?since=1h&until=2h").status == 400


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59.999999Z", "9999-99-31T00:00:00.000000Z", "0001-01-01T00:00:00.000000Z"])
def test_the_ends_of_the_calendar_and_what_is_in_none_are_no_failure(app: App, moment: str) -> None:
    """A moment is counted on from, by a span or by the fineness of a table."""
    for path in (f"operations?$skipToken={moment}_", f"expiries?$skipToken={moment}_{'0' * 20}-{'0' * 20}"):
        assert app.send("GET", path).status in (200, 400), path
    for name in ("operations", "load", "audit", "costs", "cleanup/savings"):
        for asked in (f"since={moment}", f"until={moment}", f"since=9999-12-30&until={moment}"):
            assert app.send("GET", f"{name}?{asked}").status in (200, 400), (name, asked)
    assert app.send("GET", "load?since=400d").status == 400
