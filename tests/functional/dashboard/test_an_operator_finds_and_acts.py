"""The operator's day on the page: finding, seeing why, waking what sleeps, discarding poison, approving all but one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from playwright.sync_api import expect

from tests.functional.dashboard.conftest import WELL

if TYPE_CHECKING:
    from tests.functional.dashboard.conftest import App

WORKSPACE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/ml"
JOB = f"{WORKSPACE}/jobs/train"
REQUEST_ID = "69dad3a7-0000-4000-8000-00000000abcd"


def failed(**more: Any) -> dict[str, Any]:
    """Return a job that failed, with the end of its log."""
    said = {
        "target": JOB,
        "kind": "workspaces/jobs",
        "request": f"PUT {JOB}",
        "phase": "ended",
        "outcome": "Failed",
        "traceId": "a" * 32,
    }
    log = {"of": JOB, "name": "std_log.txt", "url": "https://steward.test/api/workspaces/ml/jobs/train/logs?file=std_log.txt"}
    said |= {"explanation": {"cause": "The script raised.", "next": "Fix it.", "log": {**log, "lines": ["Traceback"]}}}
    said |= {"timeline": [{"at": "2026-11-20T10:00:01Z", "what": "sent", "detail": f"201 {REQUEST_ID}"}]}
    head = {"id": "/operations/p-1", "name": "p-1", "status": "Failed", "percentComplete": 0.0, "startTime": "2026-11-20T10:00:00Z"}
    error = {"code": "UserError", "message": "It failed."}
    return {**head, "endTime": "2026-11-20T10:05:00Z", "error": error, "properties": {**said, **more}}


def test_operations_are_found_counted_and_narrowed_and_a_refused_filter_shows_no_rows(app: App) -> None:
    """By text from one key away, by what a number counts, by time; rows of before do not stand below an error."""
    app.answers["GET operations"] = {"value": [failed()]}
    parts = [{"at": "2026-11-20T10:00:00Z", "outcomes": {"Failed": 2, "Succeeded": 40}}]
    named = {"codes": [{"name": "UserError", "count": 2}], "callers": [], "kinds": []}
    app.answers["GET load"] = {**app.answers["GET load"], **named, "outcomes": {"Failed": 2, "Succeeded": 40}, "value": parts}
    app.show("operations", "Operations")
    expect(app.page.get_by_role("img", name="Operations: 40 Succeeded, 2 Failed")).to_be_visible()
    expect(app.page.get_by_role("img", name="Failed or refused: 2 Failed")).to_be_visible()
    rows = app.page.locator("tbody tr")
    expect(rows).to_have_count(1)

    app.page.keyboard.press("/")
    find = app.page.get_by_label("Find", exact=True)
    expect(find).to_be_focused()
    app.page.get_by_role("button", name="UserError 2").click()
    expect(find).to_have_value("UserError")
    app.page.get_by_role("button", name="Failed 2").click()
    app.page.get_by_label("Time").select_option("last hour")
    app.page.get_by_text("More filters").click()
    app.page.get_by_label("Kind").fill("workspaces/jobs")
    app.answers["GET operations"] = (400, {"error": {"code": "InvalidParameter", "message": "'kind' is wrong."}})
    app.page.keyboard.press("Enter")
    expect(app.page.get_by_text("'kind' is wrong.")).to_be_visible()
    expect(rows).to_have_count(0)
    asked = "find=UserError&kind=workspaces%2Fjobs&since=PT1H"
    assert f"GET operations?%24top=50&{asked}&outcome=Failed" in app.asked
    assert f"GET load?{asked.replace('&kind=workspaces%2Fjobs', '')}" in app.asked
    app.page.get_by_label("Status").select_option("open for over an hour")
    expect(app.page.locator("#problem")).not_to_be_empty()
    assert app.asked[-1].endswith("status=Running&until=PT1H")


def test_a_failed_job_is_explained_once_with_its_log_and_ways_on(app: App) -> None:
    """The cause and not three times; the whole log on demand; Azure's request id by its name; portal, Studio, curl."""
    app.answers["GET operations/p-1"] = failed()
    app.answers["GET workspaces/ml/jobs/train/logs"] = {"all": "of it"}
    app.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    app.show("operations/operation/p-1", "Operation")
    dialog = app.page.get_by_role("dialog")
    expect(dialog.get_by_text("The script raised.")).to_have_count(1)
    expect(dialog.get_by_text("It failed.")).to_be_hidden()
    expect(dialog).to_contain_text(f"x-ms-request-id {REQUEST_ID}")
    expect(dialog.get_by_role("link", name="Portal")).to_have_attribute("href", f"https://portal.azure.com/#resource{JOB}")
    expect(dialog.get_by_role("link", name="Studio")).to_have_attribute("href", f"https://ml.azure.com/runs/train?wsid={WORKSPACE}")
    dialog.get_by_role("button", name="Show all of it").click()
    expect(dialog.get_by_label("Log", exact=True)).to_contain_text("of it")
    app.accessible()
    app.shoot("failed-job")
    dialog.get_by_role("button", name="Copy as curl").click()
    expect(dialog.get_by_text("Copied")).to_be_visible()
    copied = app.page.evaluate("() => navigator.clipboard.readText()")
    assert copied == f'curl -X PUT "https://steward.test/api{JOB}" -H "x-functions-key: $KEY" -d @body.json'

    app.answers["GET operations/p-2"] = failed(outcome="Refused", explanation=None) | {"name": "p-2"}
    app.page.goto(f"{app.page.url.partition('#')[0]}#/operations/operation/p-2")
    expect(dialog).to_contain_text("Azure refused the request at once.")
    expect(dialog).to_contain_text("It failed.")
    assert app.noted == []


def test_what_sleeps_is_seen_and_woken_after_a_question(app: App) -> None:
    """In the tree and in a list of its own; what is awake costs, by instances; saying no sends nothing."""
    path = WORKSPACE.removeprefix("/")
    tags = {"steward-parked": "since 2026-11-20T10:00:00.000000Z: blue"}
    good = {"provisioningState": "Succeeded"}
    app.answers["GET subscriptions/s/workspaces"] = {
        "value": [{"id": WORKSPACE, "name": "ml", "location": "we", "properties": good}]
    }
    app.answers[f"GET {path}/computes"] = {"value": []}
    asleep = {"id": f"{WORKSPACE}/onlineEndpoints/zz", "name": "zz", "tags": tags, "properties": good}
    awake = {"id": f"{WORKSPACE}/onlineEndpoints/live", "name": "live", "properties": {**good, "traffic": {"blue": 100}}}
    app.answers[f"GET {path}/onlineEndpoints"] = {"value": [asleep, awake]}
    blue = {"name": "blue", "sku": {"capacity": 3}, "properties": {**good, "instanceType": "Standard_DS3_v2"}}
    app.answers[f"GET {path}/onlineEndpoints/live/deployments"] = {"value": [blue]}
    kept = [{"name": "blue", "instanceType": "Standard_DS2_v2", "instances": 2}]
    app.answers["GET parked"] = {"value": [{"endpoint": asleep["id"], "parkedAt": "2026-11-20T10:00:00Z", "deployments": kept}]}
    app.answers[f"POST {path}/onlineEndpoints/zz/wake"] = (202, failed() | {"status": "Running"})
    app.answers["GET operations/p-1"] = failed()
    app.show("workspaces", "Workspaces")
    row = app.page.get_by_role("table", name="Online endpoints").get_by_role("row")
    expect(row.filter(has_text="zz")).to_contain_text("asleep")
    expect(row.filter(has_text="live")).to_contain_text(re.compile("blue: 3 . Standard_DS3_v2"))
    expect(app.page.get_by_text("3 instances of endpoints always on, 72 node-hours a day.")).to_be_visible()
    expect(app.page.get_by_text("2 instances not running.")).to_be_visible()
    app.accessible()
    app.shoot("asleep")
    wake = row.get_by_role("button", name="Wake ml / onlineEndpoints / zz")
    app.page.once("dialog", lambda asked: asked.dismiss())
    wake.click()
    assert not [each for each in app.asked if each.startswith("POST")]
    app.page.once("dialog", lambda asked: asked.accept())
    wake.click()
    expect(app.page.get_by_role("dialog", name="Operation")).to_be_visible()
    assert [each for each in app.asked if each.startswith("POST")] == [f"POST {path}/onlineEndpoints/zz/wake"]
    assert app.noted == []


def test_what_was_spent_this_month_is_shown_by_owner(app: App) -> None:
    """In money where there are prices, else in node-hours; an estimate, and what was not seen is said."""
    row = {"name": "ada", "nodeHours": 96.4, "idleHours": 2.0, "money": 24.1}
    spent = {"currency": "EUR", "value": [row], "total": {**row, "money": 24.1}, "complete": False}
    app.answers["GET costs"] = {**app.answers["GET costs"], **spent}
    app.show("cleanup", "Clean-up")
    card = app.page.locator("section.card").filter(has_text="Spent this month")
    expect(card).to_have_text("Spent this month24 EURada 24 EUR; an estimate; not all periods were seen")
    app.answers["GET costs"] = {**app.answers["GET costs"], "value": [], "total": {"nodeHours": 7.2}, "complete": True}
    app.page.reload()
    app.show("cleanup", "Clean-up")
    expect(card).to_have_text("Spent this month7 node-hoursan estimate")


def test_poison_is_shown_with_its_reason_and_discarded(app: App) -> None:
    """One message, after a question; then the section is gone."""
    queue = {"name": "steward-operations", "messages": 0, "poison": 1}
    app.answers["GET health/details"] = {**WELL, "queues": [queue]}
    held = {
        "id": "steward-operations~m/1",
        "place": "steward-operations-poison",
        "tried": 5,
        "text": "not base64!",
        "reason": "no base64",
    }
    app.answers["GET health/poison"] = {"value": [held]}

    def discard(_: dict[str, str]) -> Any:
        app.answers["GET health/details"] = WELL
        return {}

    app.answers["DELETE health/poison/steward-operations~m%2F1"] = discard
    app.show("health", "Health")
    row = app.page.get_by_role("row").filter(has_text="not base64!")
    expect(row).to_contain_text("no base64")
    app.accessible()
    app.page.once("dialog", lambda asked: asked.accept())
    row.get_by_role("button", name="Discard").click()
    expect(row).to_be_hidden()
    assert [each for each in app.asked if each.startswith("DELETE")] == ["DELETE health/poison/steward-operations~m%2F1"]


def test_a_dry_run_is_approved_but_for_one_resource_and_taken_along(app: App) -> None:
    """What is ticked is not carried out; the report is downloaded as a page and as a table."""
    report = {
        "id": "/cleanup/reports/dry", "name": "dry", "status": "Completed", "mode": "dryRun", "caller": "c", "notes": [],
        "startTime": "2026-11-20T10:00:00Z", "endTime": "2026-11-20T10:01:00Z", "traceId": "a" * 32, "policies": ["p"],
        "outcomes": {"would delete": 2},
    }  # fmt: skip
    lines = [
        {
            "id": f"{WORKSPACE}/models/{name}/versions/1",
            "kind": "modelVersion",
            "policy": "p",
            "reason": "old",
            "outcome": "would delete",
        }
        for name in ("keep", "drop")
    ]
    sent: list[Any] = []
    app.answers["GET cleanup/reports/dry"] = lambda query: {"csv": 1} if "format" in query else {**report, "resources": lines}
    app.answers["GET cleanup/reports/real"] = {**report, "name": "real", "mode": "enforce", "resources": []}
    app.answers["POST cleanup/reports/dry/approve"] = (202, {**report, "name": "real"})
    app.page.on("request", lambda asked: sent.append(asked.post_data_json) if asked.method == "POST" else None)
    app.show("clean-up/report/dry", "Clean-up report dry")
    dialog = app.page.get_by_role("dialog")
    with app.page.expect_download() as came:
        dialog.get_by_role("button", name="Download CSV").click()
    assert came.value.suggested_filename == "cleanup-dry.csv"
    dialog.get_by_role("checkbox", name=re.compile("Leave out .*keep")).check()
    dialog.get_by_role("button", name="Approve …").click()
    expect(dialog.get_by_role("group", name="Carry out 1 change in 1 workspace?")).to_contain_text("1 resource left out.")
    app.accessible()
    dialog.get_by_role("button", name="Yes, carry out 1 change").click()
    expect(app.page.get_by_role("dialog", name="Clean-up report real")).to_be_visible()
    assert sent == [{"except": [lines[0]["id"]]}]
    assert app.noted == []


def test_a_run_of_a_recipe_is_followed_step_by_step(app: App) -> None:
    """From the list to the step that waits, with its operation; what ends by itself stands beside it."""
    steps = [
        {"name": "train", "does": "POST jobs", "status": "Succeeded", "needs": [], "operation": "/operations/p-1"},
        {"name": "desk", "does": "PUT ${{ x }}", "status": "Succeeded", "needs": [], "made": f"{WORKSPACE}/computes/desk"},
        {"name": "release", "does": "approve", "status": "Running", "needs": ["train"], "waitsFor": "the approval of admin"},
    ]
    run = {"id": "/recipes/runs/r1", "name": "r1", "status": "Running", "startTime": "2026-11-20T10:00:00Z", "percentComplete": 50}
    run |= {"properties": {"recipe": "retrain", "caller": "key:ci", "parameters": {"data": "x"}, "steps": steps}}
    app.answers["GET recipes/runs"] = {"value": [run]}
    app.answers["GET recipes/runs/r1"] = run
    app.answers["GET operations/p-1"] = failed()
    expiry = {
        "name": "e",
        "status": "Pending",
        "at": "2026-11-20T10:00:00Z",
        "target": f"{WORKSPACE}/computes/cpu",
        "act": "delete",
    }
    app.answers["GET expiries"] = {"value": [{**expiry, "caller": "key:ci"}]}
    planned = {"next": "2026-11-21T19:00:00Z", "last": "2026-11-20T19:00:00Z", "lastRun": "/recipes/runs/r1"}
    kept = {"name": "evening", "description": "Look at the clusters", "schedule": planned}
    app.answers["GET recipes"] = {"value": [kept, {"name": "teardown", "description": "", "parameters": []}]}
    app.show("plans", "Plans")
    row = app.page.get_by_role("table", name="Recipes that start by a schedule").get_by_role("row").filter(has_text="evening")
    expect(row.locator("time").first).to_have_attribute("datetime", "2026-11-21T19:00:00Z")
    expect(row.get_by_role("link")).to_have_attribute("href", re.compile("r1"))
    expect(app.page.get_by_role("row").filter(has_text="teardown")).to_have_count(0)
    expect(app.page.get_by_role("row").filter(has_text="retrain")).to_contain_text("2 of 3")
    expect(app.page.get_by_role("row").filter(has_text="ml / computes / cpu")).to_contain_text("delete by key:ci")
    app.page.get_by_role("link", name="retrain").click()
    dialog = app.page.get_by_role("dialog", name="Recipe run")
    expect(dialog).to_contain_text("waits for the approval of admin")
    expect(dialog.get_by_role("listitem").filter(has_text="desk")).to_have_text("✓ Succeededdesk ml / computes / desk")
    assert dialog.locator(".badge").evaluate_all("all => all.filter((each) => each.scrollWidth > each.clientWidth).length") == 0
    tops = app.page.locator("header > *").evaluate_all("all => all.map((each) => each.offsetTop + each.clientHeight / 2)")
    assert max(tops) - min(tops) <= 2, "the header is one row"
    app.accessible()
    app.shoot("recipe")
    dialog.get_by_role("link", name="operation").click()
    expect(app.page.get_by_role("dialog", name="Operation")).to_be_visible()
    assert app.noted == []


def test_a_rollout_is_seen_at_its_step_and_steered_after_a_question(app: App) -> None:
    """Its share, what the gate saw, what happened; saying no sends nothing; what is over has no buttons."""
    path = f"{WORKSPACE.removeprefix('/')}/onlineEndpoints/live/rollout/r1"
    seen = {"blue": {"requests": 900, "errors": 9, "p95": 80.0}, "green": {"requests": 100, "errors": 1, "p95": None}}
    found = {"id": f"/{path}", "name": "r1", "endpoint": f"{WORKSPACE}/onlineEndpoints/live", "deployment": "green"}
    found |= {"status": "Running", "stage": "step", "percent": 50, "steps": [10, 50, 100], "caller": "key:ci", "unsure": "pause"}
    found |= {
        "startTime": "2026-11-20T10:00:00Z",
        "traffic": {"blue": 50, "green": 50},
        "mirrorTraffic": {},
        "gate": {"p95": {"atMost": 100}},
    }
    found |= {"before": {"traffic": {"blue": 100}, "mirror": {}}, "bake": "10m"}
    found |= {"figures": {"at": "2026-11-20T10:20:00Z", "verdict": "unsure", "deployments": seen}}
    found |= {"history": [{"at": "2026-11-20T10:05:00Z", "what": "step", "reason": "10 % of the traffic"}]}
    app.answers["GET rollouts"] = {"value": [found]}
    app.answers[f"GET {path}"] = found

    def abort(_: dict[str, str]) -> Any:
        back = found | {"status": "Aborted", "stage": "done", "endTime": "2026-11-20T10:30:00Z"}
        app.answers[f"GET {path}"] = app.answers["GET rollouts"]["value"][0] = back
        return back

    app.answers[f"POST {path}/abort"] = abort
    app.show("plans", "Plans")
    row = app.page.get_by_role("row").filter(has_text="ml / onlineEndpoints / live")
    expect(row).to_contain_text("50 %, step 2 of 3")
    expect(row).to_contain_text("unsure")
    app.page.get_by_role("link", name="green").click()
    dialog = app.page.get_by_role("dialog", name="Rollout")
    expect(dialog.get_by_role("row").filter(has_text="blue")).to_contain_text("80 ms")
    expect(dialog).to_contain_text("10 % of the traffic")
    expect(dialog.get_by_role("button", name="Pause")).to_be_visible()
    app.accessible()
    app.shoot("rollout")
    app.page.once("dialog", lambda asked: asked.dismiss())
    dialog.get_by_role("button", name="Abort").click()
    assert not [each for each in app.asked if each.startswith("POST")]
    app.page.once("dialog", lambda asked: asked.accept())
    dialog.get_by_role("button", name="Abort").click()
    expect(dialog.get_by_text("Aborted")).to_be_visible()
    expect(dialog.get_by_role("button", name="Promote")).to_be_hidden()
    assert [each for each in app.asked if each.startswith("POST")] == [f"POST {path}/abort"]
    assert app.noted == []
