"""A busy operator's dashboard: hundreds of everything, names that are meant to harm; and what it says when there is nothing."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from playwright.sync_api import expect

from shared.openapi import document
from shared.route_table import ROUTES
from tests.functional.dashboard.conftest import EMPTY, WELL, paged

if TYPE_CHECKING:
    from tests.functional.dashboard.conftest import App

COMPONENTS = document.build(ROUTES)["components"]
HARM = "<img src=x onerror=window.hacked=1>"
TURNED = "\u202etxt.exe مرحبا"
LONG = "n" * 200
NAMES = (HARM, TURNED, LONG)
VIEWS = {
    "operations": "Operations",
    "workspaces": "Workspaces",
    "clean-up": "Clean-up",
    "events": "Events",
    "plans": "Plans",
    "approvals": "Approvals",
    "health": "Health",
}
ROOT_ID = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces"
NOW = datetime.now(tz=UTC)
# The most that the screen of a busy place may hold: beyond that, scrolling and screen readers get slow.
NODES = 3_000


def ago(**past: float) -> str:
    """Return a moment in the past."""
    return (NOW - timedelta(**past)).isoformat().replace("+00:00", "Z")


def true_to(component: str, value: Any) -> Any:
    """Return what is made up, once it is as the app's own answers are described."""
    jsonschema.Draft202012Validator({"$ref": f"#/components/schemas/{component}", "components": COMPONENTS}).validate(value)
    return value


def operation(number: int) -> Any:
    """Return an operation: most are open."""
    open_ = number % 5 != 0
    target = f"{ROOT_ID}/w{number % 20}/computes/{NAMES[number % 3] if number < 6 else f'c{number}'}"
    said = {"target": target, "kind": "k", "request": f"PUT {target}", "phase": "following" if open_ else "ended"}
    callers = (*NAMES, "cleanup:20261121T100153Z-28304680")
    said |= {"caller": callers[number] if number < len(callers) else "function key", "azureStatus": "InProgress", "timeline": []}
    out = {"id": f"/operations/p-{number}", "name": f"p-{number}", "status": "Running" if open_ else "Failed", "properties": said}
    out |= {"startTime": ago(minutes=number), "percentComplete": 40.0 if number % 2 else 0.0}
    ended = {"endTime": ago(seconds=30), "error": {"code": "Conflict", "message": HARM}}
    return true_to("Operation", out | ({} if open_ else ended))


def workspace(number: int) -> Any:
    """Return a workspace; the first have strange tags."""
    tags = {name: name for name in NAMES} | {f"t{n}": "v" for n in range(9)} if number == 0 else {}
    more = {"provisioningState": "Succeeded", "friendlyName": NAMES[number] if number < len(NAMES) else f"Team {number}"}
    return {"id": f"{ROOT_ID}/w{number}", "name": f"w{number}", "location": "westeurope", "tags": tags, "properties": more}


def compute(home: int, number: int) -> Any:
    """Return a compute: instances that run, clusters that keep a node."""
    instance = {"state": "Running", "vmSize": "STANDARD_DS3_V2", "lastOperation": {"operationTime": ago(hours=30)}}
    cluster = {
        "allocationState": "Steady",
        "allocationStateTransitionTime": ago(hours=50),
        "currentNodeCount": 2,
        "nodeStateCounts": {"idleNodeCount": 2},
        "scaleSettings": {"minNodeCount": 2, "maxNodeCount": 4},
    }
    sort = "ComputeInstance" if number % 2 else "AmlCompute"
    more = {"provisioningState": "Succeeded", "computeType": sort, "properties": instance if number % 2 else cluster}
    name = NAMES[number] if number < len(NAMES) else f"c{number}"
    return {"id": f"{ROOT_ID}/w{home}/computes/c{number}", "name": name, "properties": more}


def run(number: int) -> Any:
    """Return a run of the clean-up."""
    out = {
        "id": f"/cleanup/reports/r{number}",
        "name": f"r{number}",
        "status": "Completed",
        "mode": "dryRun",
        "notes": [],
        "traceId": "a" * 32,
    }
    out |= {"caller": HARM if number == 0 else "timer", "startTime": ago(hours=number), "endTime": ago(hours=number)}
    return true_to("Report", out | {"policies": ["p"], "looked": 12_345, "outcomes": {"kept": 12_000, "would delete": 345}})


def rollout() -> Any:
    """Return a rollout that went back."""
    out = {"id": f"{ROOT_ID}/w0/onlineEndpoints/e/rollout/r", "name": "r", "endpoint": f"{ROOT_ID}/w0/onlineEndpoints/{HARM}"}
    out |= {"deployment": LONG, "status": "RolledBack", "stage": "done", "caller": TURNED, "startTime": ago(hours=1), "traffic": {}}
    out |= {"mirrorTraffic": {}, "before": {"traffic": {HARM: 100}, "mirror": {}}, "steps": [10, 100], "gate": {}, "bake": "10m"}
    return true_to("Rollout", out | {"unsure": "pause", "history": [{"at": ago(hours=1), "what": HARM}]})


def spent() -> dict[str, Any]:
    """What compute cost, by owners of hostile names."""
    sums = {"nodeHours": 1234.5, "idleHours": 96.0, "money": 812.3, "unpriced": [LONG]}
    gap = {"workspace": None, "since": ago(days=20), "until": ago(), "reason": HARM}
    head = {"by": "owner", "since": ago(days=20), "until": ago(), "estimate": LONG, "currency": HARM[:10], "priceSource": None}
    return {**head, "value": [{"name": name, **sums} for name in NAMES], "total": sums, "complete": False, "notSeen": [gap]}


@pytest.fixture
def busy(app: App) -> App:
    """Two hundred open operations and more, twenty workspaces with fifty computes each, thirty reports, hostile names in all."""
    answers = app.answers
    answers["GET operations"] = paged([operation(number) for number in range(260)], "operations")
    answers["GET subscriptions/s/workspaces"] = {"value": [workspace(number) for number in range(20)]}
    for home in range(20):
        base = f"{ROOT_ID.removeprefix('/')}/w{home}"
        answers[f"GET {base}/computes"] = {"value": [compute(home, number) for number in range(50)]}
        traffic = {"provisioningState": "Succeeded", "traffic": {HARM: 100}}
        endpoint = {"id": f"/{base}/onlineEndpoints/e", "name": HARM, "properties": traffic}
        tags = {"steward-parked": f"since {ago(hours=5)}: blue"}
        sleeping = {
            "id": f"/{base}/onlineEndpoints/z",
            "name": TURNED,
            "tags": tags,
            "properties": {"provisioningState": "Succeeded"},
        }
        answers[f"GET {base}/onlineEndpoints"] = {"value": [endpoint, sleeping]}
        served = {
            "name": LONG,
            "sku": {"capacity": 3},
            "properties": {"instanceType": "Standard_DS3_v2", "provisioningState": "Failed"},
        }
        answers[f"GET {base}/onlineEndpoints/e/deployments"] = {"value": [served]}
    parked = {"endpoint": f"{ROOT_ID}/w0/onlineEndpoints/z", "parkedAt": ago(hours=5)}
    parked |= {"deployments": [{"name": HARM, "instanceType": LONG, "instances": 2}]}
    answers["GET parked"] = {"value": [true_to("ParkedEndpoint", parked)]}
    most = [{"name": name, "count": 7} for name in NAMES]
    parts = [{"at": ago(hours=24 - number), "outcomes": {"Succeeded": 5, "Failed": number % 3}} for number in range(24)]
    load = {"since": ago(days=1), "until": ago(), "stepS": 3600, "outcomes": {"Succeeded": 120, "Failed": 23, "Refused": 2}}
    answers["GET load"] = true_to("Load", load | {"value": parts, "codes": most, "callers": most, "kinds": most})
    saved = {"since": ago(days=20), "runs": 3, "nodeHours": 1234.5, "nodeHoursADay": 96.0, "money": 812.3, "moneyADay": 62.1}
    answers["GET cleanup/savings"] = true_to("Savings", saved | {"currency": HARM[:10]})
    answers["GET costs"] = true_to("Costs", spent())
    held = {"id": "steward-operations~m", "place": "steward-operations-poison", "at": ago(hours=2), "tried": 5, "text": HARM}
    answers["GET health/poison"] = {"value": [true_to("Poison", held | {"reason": LONG})]}
    answers["GET cleanup/reports"] = lambda query: {"value": [run(number) for number in range(30)][: int(query["$top"])]}
    marks = [
        {
            "resource": f"{ROOT_ID}/w1/models/{name}",
            "policy": "p",
            "reason": name,
            "tagged": True,
            "markedAt": ago(days=6),
            "due": due,
        }
        for name, due in zip(NAMES, (ago(days=1), ago(days=-1), ago(days=-6, hours=-1)), strict=True)
    ]
    answers["GET cleanup/marks"] = {"value": [true_to("Mark", each) for each in marks], "count": 3}
    policy = {"name": "p", "description": HARM, "kind": "modelVersion", "action": "delete", "mode": "dryRun", "grace": "P7D"}
    problem = {"file": HARM, "line": 1, "column": 1, "field": TURNED, "message": LONG}
    answers["GET cleanup/policies"] = {"value": [policy | {"schedule": "0 0 3 * * *"}], "problems": [problem]}
    event = {"type": HARM, "subject": TURNED}
    fired = {"id": "/events/firings/f", "name": "f", "rule": "r", "status": "Refused", "startTime": ago(hours=1), "depth": 1}
    fired |= {"traceId": "a" * 32, "event": event, "steps": [{"name": "s", "does": HARM}], "error": {"code": "C", "message": LONG}}
    answers["GET events/firings"] = {"value": [true_to("Firing", fired | {"endTime": ago(hours=1)})]}
    rule = {"name": "r", "file": HARM, "description": TURNED, "enabled": True, "on": {"types": [HARM, LONG]}, "steps": [LONG]}
    answers["GET events/rules"] = {"value": [rule], "problems": [{"file": LONG, "error": {"code": "C", "message": HARM}}]}
    answers["GET health/details"] = troubled()
    waiting = {
        "id": "/approvals/a",
        "name": "a",
        "status": "Pending",
        "what": "rules",
        "request": HARM,
        "caller": LONG,
        "author": TURNED,
    }
    waiting |= {"createdAt": ago(hours=1), "expiresAt": ago(hours=-1)}
    step = {"name": LONG, "does": HARM, "status": "Running", "needs": []}
    going = {"recipe": TURNED, "caller": LONG, "parameters": {}, "steps": [step]}
    went = {"id": "/recipes/runs/r", "name": "r", "status": "Running", "startTime": ago(hours=1), "percentComplete": 0}
    planned = {"next": ago(hours=-1), "last": ago(hours=1), "lastRun": "/recipes/runs/r", "problem": HARM}
    answers["GET recipes"] = {"value": [{"name": LONG, "description": HARM, "schedule": planned}]}
    answers |= {"GET recipes/runs": {"value": [went | {"properties": going}]}, "GET rollouts": {"value": [rollout()]}}
    ends = {
        "id": "/expiries/e",
        "name": "e",
        "status": "Kept",
        "at": ago(hours=-3),
        "target": f"{ROOT_ID}/{HARM}",
        "kind": "workspaces",
    }
    ends |= {"act": "delete", "caller": LONG, "createdAt": ago(hours=1), "createdBy": "/operations/p-1", "reason": TURNED}
    answers["GET expiries"] = {"value": [true_to("Expiry", ends)]}
    answers["GET approvals"] = {"value": [true_to("Approval", waiting)]}
    return app


def troubled() -> Any:
    """Return a health in which much is wrong."""
    first = {"file": LONG, "line": 2, "column": 3, "message": HARM}
    attempt = {"at": ago(minutes=1), "problem": HARM}
    lost = {"about": "p-1", "target": f"https://{LONG}.example", "type": "t", "eventId": "e", "status": "Failed", "tried": 10}
    point = {"code": "FileMistakes", "message": LONG, "next": "Such a file has no effect until you correct it."}
    oldest = {"name": "p-9", "target": f"{ROOT_ID}/{LONG}", "startTime": ago(days=3), "ageS": 3 * 86_400}
    parts = {
        "attention": [point, {**point, "code": "PoisonMessages", "message": HARM}],
        "queues": [{"name": f"q{number}", "messages": 200, "poison": number} for number in range(4)],
        "operations": {
            "open": 260,
            "oldest": oldest,
            "lastHour": {"outcomes": {"Failed": 9, "Refused": 20}, "codes": [{"name": HARM, "count": 9}]},
        },
        "firings": {"failedToday": 2, "rules": [LONG, HARM]},
        "deliveries": {"triedAgain": 2, "givenUp": 1, "givenUpToday": 1, "newest": [{**lost, "attempts": [attempt]}]},
        "policyFiles": {"mistakes": 3, "files": 1, "first": first},
        "throttling": {"refused": 7, "allowances": [{"subscription": "s", "allowance": "reads", "left": 3, "of": 250}]},
        "token": {"error": {"code": "SignInFailed", "message": HARM}},
    }
    return true_to("Health", {**WELL, "status": "degraded", **parts})


@pytest.mark.parametrize("width", [pytest.param(1280, marks=pytest.mark.nightly), 390])
def test_hostile_names_stay_text_and_every_view_fits(width: int, busy: App) -> None:
    """Scripts are not run, text that turns direction ends with its own name, 200 characters break no layout."""
    busy.page.set_viewport_size({"width": width, "height": 844})
    for place, heading in VIEWS.items():
        busy.show(place, heading)
        if place == "workspaces":
            busy.page.get_by_role("button", name="Load all").click()
            expect(busy.page.locator("p").filter(has_text="20 loaded")).to_be_visible()
            busy.page.locator("summary").first.click()
            expect(busy.page.get_by_text("Why kept?").first).to_be_visible()
        assert busy.page.evaluate("document.documentElement.scrollWidth") <= width, place
        assert busy.page.locator("img[src=x]").count() == 0
        busy.accessible()
        busy.shoot(f"busy-{width}-{place}")
    assert busy.page.evaluate("window.hacked") is None
    assert busy.noted == []


def test_two_hundred_operations_are_one_request_and_older_ones_follow(busy: App) -> None:
    """The list is read page by page as somebody asks for more, never more often than it can be looked at."""
    busy.show("operations", "Operations")
    rows = busy.page.locator("tbody tr")
    expect(rows).to_have_count(50)
    expect(busy.page.get_by_role("link", name="clean-up", exact=True)).to_have_attribute(
        "href", re.compile(r"/report/20261121T100153Z-28304680$")
    )
    for expected in (100, 150, 200):
        busy.page.get_by_role("button", name="Show older").click()
        expect(rows).to_have_count(expected)
    assert "GET operations?%24top=200" in busy.asked
    assert not [each for each in busy.asked if "skipToken" in each]
    busy.page.get_by_role("button", name="Show older").click()
    expect(rows).to_have_count(260)
    expect(busy.page.get_by_text("260 shown, 208 of them running")).to_be_visible()
    expect(busy.page.get_by_role("button", name="Show older")).to_be_hidden()
    kept = busy.page.evaluate_handle("document.querySelector('tbody tr:nth-child(200)')")
    busy.page.get_by_role("button", name="Refresh").click()
    expect(busy.page.locator("#updated")).to_contain_text("Updated")
    assert busy.page.evaluate("row => row.isConnected", kept), "a row that did not change is not made again"


def test_a_thousand_computes_are_counted_found_and_narrowed(busy: App) -> None:
    """What may idle at a price is summed up before anybody opens a workspace, and comes first when they do."""
    busy.show("workspaces", "Workspaces")
    assert not [each for each in busy.asked if each.endswith("/computes")], "nothing is read before somebody asks"
    busy.page.get_by_role("button", name="Load all").click()
    told = busy.page.locator("p").filter(has_text="loaded")
    expect(told).to_contain_text(
        "20 workspaces, 20 loaded. 1,000 computes with findings; 1,500 nodes may idle, 36,000 node-hours a day."
    )
    assert busy.page.evaluate("document.querySelectorAll('*').length") < NODES
    assert sum(each.endswith("/computes") for each in busy.asked) == 20

    busy.page.get_by_label("Find", exact=True).fill("team 1")
    expect(busy.page.locator(".tree > li:visible")).to_have_count(10)
    busy.page.get_by_label("Find", exact=True).fill("nobody")
    expect(busy.page.get_by_text("No matches.")).to_be_visible()
    busy.page.get_by_label("Find", exact=True).fill("")
    busy.page.get_by_label("Only with findings").check()
    busy.page.locator("summary").nth(4).click()
    expect(
        busy.page.get_by_role("row").filter(has_text="no idle shutdown; started 1 day ago, 30 node-hours at most").first
    ).to_be_visible()


def test_thirty_reports_and_marks_with_their_due_dates(busy: App) -> None:
    """The newest fifteen first; a mark that is due says so, one that is due soon too."""
    busy.show("clean-up", "Clean-up")
    expect(busy.page.get_by_role("link", name="Review p")).to_have_count(15)
    busy.page.get_by_role("button", name="Show older").click()
    expect(busy.page.get_by_role("link", name="Review p")).to_have_count(30)
    marks = busy.page.get_by_role("table", name="Marked")
    expect(marks.get_by_role("row").nth(1)).to_contain_text("due now")
    expect(marks.get_by_role("row").nth(2)).to_contain_text("soon")
    expect(marks.get_by_role("row").nth(3)).to_contain_text("in 6 days")
    expect(busy.page.get_by_text("daily 03:00 UTC")).to_be_visible()
    expect(busy.page.get_by_text("7 days after marking")).to_be_visible()


def test_health_says_what_needs_somebody_and_every_view_says_how_much(busy: App) -> None:
    """Poison, mistakes in files, receivers that were given up, little left to read, a failed sign-in; nothing reads [object …]."""
    busy.show("operations", "Operations")
    link = busy.page.get_by_role("link", name="Health 2 problems")
    expect(link).to_be_visible()
    link.click()
    main = busy.page.get_by_role("main")
    for said in ("2 problems", "PoisonMessages", "SignInFailed", "given up", "low", "3 days ago"):
        expect(main.get_by_text(said).first).to_be_visible()
    assert "[object" not in main.inner_text()
    busy.page.get_by_role("row").filter(has_text="given up").get_by_role("link", name="the operation").click()
    expect(busy.page.get_by_role("dialog", name="Operation")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_where_there_is_nothing_the_next_step_is_said(scheme: Any, app: App) -> None:
    """A new app's screens are not blank, and pass axe-core too."""
    assert app.answers == EMPTY
    app.page.emulate_media(color_scheme=scheme)
    said = {
        "operations": "No operations yet",
        "workspaces": "PUT workspaces/NAME creates one",
        "clean-up": "No runs yet. Preview all policies",
        "events": "PUT a file to events/rules/NAME",
        "plans": "No runs.",
        "approvals": "No approvals.",
        "health": "No action needed",
    }
    for place, heading in VIEWS.items():
        app.show(place, heading)
        expect(app.page.get_by_text(said[place]).first).to_be_visible()
        app.accessible()
        app.shoot(f"empty-{scheme}-{place}")
    assert app.noted == []
