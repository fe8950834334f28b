"""Approving a dry run on the dashboard: how many of what is said first; by keyboard, to screen readers, never by accident."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from tests.functional.dashboard.conftest import App

HOME = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces"
RUN: dict[str, Any] = {
    "id": "/cleanup/reports/dry",
    "name": "dry",
    "status": "Completed",
    "mode": "dryRun",
    "caller": "function key",
    "startTime": "2026-11-20T10:00:00Z",
    "endTime": "2026-11-20T10:01:00Z",
    "traceId": "4bf92f3577b34da6a3ce929d0e0e4736",
    "policies": ["p"],
    "looked": 2_000,
    "outcomes": {"kept": 690, "would delete": 1_200, "would stop": 100, "would notify": 10},
    "notes": [],
}
GOING = {
    **RUN,
    "id": "/cleanup/reports/real",
    "name": "real",
    "mode": "enforce",
    "status": "Running",
    "approves": "dry",
    "outcomes": {},
}
GOING = {name: value for name, value in GOING.items() if name != "endTime"} | {"phase": "act"}


def line(number: int) -> dict[str, Any]:
    """Return a line: the first are deletions, then stops, then what only is told."""
    outcome, kind = ("would delete", "modelVersion") if number < 1_200 else ("would stop", "computeInstance")
    outcome = outcome if number < 1_300 else "would notify"
    return {"id": f"{HOME}/w{number % 3}/things/t{number}", "kind": kind, "policy": "p", "reason": "old", "outcome": outcome}


LINES = [line(number) for number in range(1_310)]


@pytest.fixture
def dry(app: App) -> App:
    """A dry run of 1,310 lines over several pages."""

    def report(query: dict[str, str]) -> Any:
        top, skip = int(query["$top"]), int(query.get("$skipToken", "0"))
        more = {"nextLink": f"https://steward.test/api/cleanup/reports/dry?show=changes&$top={top}&$skipToken={skip + top}"}
        return {**RUN, "resources": LINES[skip : skip + top], **(more if skip + top < len(LINES) else {})}

    app.answers["GET cleanup/reports/dry"] = report
    app.answers["GET cleanup/reports/real"] = {**GOING, "resources": []}
    app.answers["POST cleanup/reports/dry/approve"] = (202, GOING)
    app.show("clean-up/report/dry", "Clean-up report dry")
    return app


def posts(app: App) -> list[str]:
    """Return what was asked for that changes something."""
    return [each for each in app.asked if each.startswith("POST")]


def test_how_many_of_what_is_counted_over_all_pages_before_anybody_can_agree(dry: App) -> None:
    """Not what is on the screen: all of it, deletions first and in words; by keyboard alone, and then it is followed."""
    dialog = dry.page.get_by_role("dialog")
    dialog.get_by_role("button", name="Approve …").focus()
    dry.page.keyboard.press("Enter")
    question = dialog.get_by_role("group", name="Carry out 1,300 changes in 3 workspaces?")
    expect(question.get_by_role("heading")).to_be_focused()
    expect(question.get_by_role("listitem")).to_have_text(["✗ delete1,200 modelVersion", "! stop100 computeInstance"])
    expect(question).to_contain_text("1,200 deletions cannot be undone.")
    dry.accessible()
    dry.shoot("approve")
    assert posts(dry) == []
    dry.page.keyboard.press("Tab")
    expect(dialog.get_by_role("button", name="Yes, carry out 1,300 changes")).to_be_focused()
    dry.page.keyboard.press("Enter")
    expect(dry.page.get_by_role("dialog", name="Clean-up report real")).to_contain_text("Running")
    expect(dry.page.get_by_role("link", name="this dry run")).to_be_visible()
    expect(dry.page.get_by_role("heading", name="Clean-up report real")).to_be_focused()
    assert posts(dry) == ["POST cleanup/reports/dry/approve"]
    assert dry.noted == []


def test_saying_no_changes_nothing_and_leaves_the_keyboard_where_it_was(dry: App) -> None:
    """No, and closing the dialog: nothing was sent."""
    dialog = dry.page.get_by_role("dialog")
    dialog.get_by_role("button", name="Approve …").click()
    dialog.get_by_role("button", name="No, change nothing").click()
    expect(dialog.get_by_role("button", name="Approve …")).to_be_focused()
    dry.page.keyboard.press("Enter")
    expect(dialog.get_by_role("group", name="Carry out")).to_be_visible()
    dry.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert posts(dry) == []


def test_a_refusal_is_shown_in_the_apps_words(dry: App) -> None:
    """It was approved or became impossible meanwhile: why stands where the question was."""
    refusal = {"error": {"code": "NotApprovable", "message": "Report dry cannot be approved: it did not complete."}}
    dry.answers["POST cleanup/reports/dry/approve"] = (409, refusal)
    dialog = dry.page.get_by_role("dialog")
    dialog.get_by_role("button", name="Approve …").click()
    dialog.get_by_role("button", name="Yes, carry out").click()
    expect(dialog).to_contain_text("cannot be approved: it did not complete")
    expect(dialog).to_contain_text("NotApprovable")


@pytest.mark.parametrize(
    "more",
    [
        {"approvedBy": "real"},
        {"outcomes": {"kept": 5, "would notify": 2}},
        {"status": "Stopped"},
        {"status": "Failed"},
        {"mode": "enforce", "outcomes": {"deleted": 5}},
    ],
)
def test_what_has_nothing_to_carry_out_offers_nothing(more: dict[str, Any], app: App) -> None:
    """Approved already, only told, not completed, or done: there is no button, and an approved one leads to its run."""
    app.answers["GET cleanup/reports/dry"] = {**RUN, "resources": LINES[:3], **more}
    app.show("clean-up/report/dry", "Clean-up report dry")
    dialog = app.page.get_by_role("dialog")
    expect(dialog.get_by_role("row").nth(1)).to_be_visible()
    expect(dialog.get_by_role("button", name="Approve")).to_have_count(0)
    if "approvedBy" in more:
        dialog.get_by_role("link", name="the run").click()
        expect(app.page.get_by_role("dialog", name="Clean-up report real")).to_be_visible()


def test_a_run_is_stopped_after_a_question(app: App) -> None:
    """While it goes on; a refresh in between does not take the question away."""
    going = {**GOING, "resources": LINES[:2]}
    app.answers["GET cleanup/reports/real"] = going
    stopped = {**going, "status": "Stopped", "endTime": "2026-11-20T10:02:00Z"}

    def cancel(_: dict[str, str]) -> Any:
        app.answers["GET cleanup/reports/real"] = stopped
        return stopped

    app.answers["POST cleanup/reports/real/cancel"] = cancel
    app.show("clean-up/report/real", "Clean-up report real")
    dialog = app.page.get_by_role("dialog")
    dialog.get_by_role("button", name="Stop this run").click()
    seen = len(app.asked)
    expect(dialog.get_by_role("button", name="Yes, stop it")).to_be_focused()
    while len(app.asked) < seen + 2:
        app.page.wait_for_timeout(50)
    expect(dialog.get_by_role("button", name="Yes, stop it")).to_be_focused()
    app.accessible()
    app.page.keyboard.press("Enter")
    expect(dialog).to_contain_text("Stopped")
    expect(dialog.get_by_role("button", name="Stop this run")).to_have_count(0)
    assert posts(app) == ["POST cleanup/reports/real/cancel"]


def test_a_trace_id_is_copied_with_one_key_and_a_refresh_does_not_take_it_away(app: App) -> None:
    """The time line of an operation under way is made again every other second; what was focused stays so."""
    target = f"{HOME}/w/computes/c"
    said = {
        "target": target,
        "kind": "k",
        "request": f"PUT {target}",
        "phase": "following",
        "traceId": "4bf92f3577b34da6a3ce929d0e0e4736",
    }
    polls = iter(range(1_000))

    def answer(_: dict[str, str]) -> Any:
        calls = {"azureCalls": {"poll": next(polls)}, "timeline": [{"at": "2026-11-20T10:00:01Z", "what": "accepted"}]}
        head = {"id": "/operations/p-1", "name": "p-1", "status": "Running", "startTime": "2026-11-20T10:00:00Z"}
        return {**head, "percentComplete": 0.0, "properties": {**said, **calls}}

    app.answers["GET operations/p-1"] = answer
    app.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    app.show("operations/operation/p-1", "Operation")
    button = app.page.get_by_role("button", name="Copy trace id")
    button.focus()
    expect(app.page.get_by_role("dialog")).to_contain_text("2 polls")
    expect(button).to_be_focused()
    app.page.keyboard.press("Enter")
    expect(app.page.get_by_text("Copied")).to_be_visible()
    assert app.page.evaluate("() => navigator.clipboard.readText()") == said["traceId"]
