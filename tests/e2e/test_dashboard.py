"""The dashboard in a real browser, on the local stack while things happen; its screens are kept in .local/artefacts/dashboard."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from azure.storage.blob import ContainerClient
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from infra.local import bootstrap, stack
from infra.local.demo import story
from infra.local.demo.client import Control, Steward

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SHOTS = bootstrap.LOCAL / "artefacts" / "dashboard"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-proxy-server"]
HOSTILE = "<img src=x onerror=window.hacked=1>"
expect.set_options(timeout=60_000)  # a busy machine, not a slow page
VIEWS = ("Operations", "Workspaces", "Clean-up", "Events", "Plans", "Approvals", "Health")
POLICY = """
policies:
  - name: old-models
    kind: modelVersion
    staleWhen: {olderThan: P90D}
    action: archive
    grace: P7D
    limits: {count: 3, percent: 100}
    mode: enforce
"""
RULE = """
rules:
  - name: look-again
    on: {types: [ModelRegistered]}
    rate: 100/1h
    do: {request: "GET workspaces/clean-000"}
"""


@dataclass(frozen=True, kw_only=True)
class Place:
    """The running parts: the app, the local Azure's control, a caller of the app."""

    parts: stack.Stack
    azure: Control
    app: Steward

    @property
    def page(self) -> str:
        """The dashboard's address."""
        return f"{self.parts.app.url}/api/dashboard"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A stack with two workspaces full of models and computes, and one whose tags and name are hostile."""
    options = stack.Options(state=tmp_path_factory.mktemp("dashboard"), transitions="polls:2")
    with stack.start(options) as parts:
        place = Place(
            parts=parts, azure=Control(parts.azure.control), app=Steward(parts.app.url, parts.app.key, parts.app.master_key)
        )
        place.azure.call("POST", "scenes", json={"name": "cleanup", "workspaces": 2, "versions": 16, "models": 2, "facts": False})
        body = {**story.workspace_body(), "tags": {"hostile": HOSTILE}}
        body["properties"] = {**body["properties"], "friendlyName": HOSTILE, "description": HOSTILE}
        place.app.done("PUT", "workspaces/hostile", json=body)
        yield place
        place.app.close()
        place.azure.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, as the machine has it."""
    program = bootstrap.browser()
    assert program, "Chromium is missing: `python3 infra/local/bootstrap.py browser` installs it, `make test` calls that"
    SHOTS.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def noted() -> list[str]:
    """What the browser complained about: errors of scripts, breaches of the page's policy."""
    return []


@pytest.fixture
def page(browser: Browser, noted: list[str]) -> Iterator[Page]:
    """A new tab."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB", timezone_id="UTC")
    context.set_default_timeout(60_000)
    tab = context.new_page()
    tab.on("pageerror", lambda error: noted.append(str(error)))
    tab.on("console", lambda said: noted.append(said.text) if said.type == "error" else None)
    yield tab
    context.close()


@pytest.fixture
def inside(page: Page, place: Place) -> Page:
    """A tab with the key typed in."""
    enter(page, place)
    return page


def enter(page: Page, place: Place) -> None:
    """Type the key into the form."""
    page.goto(place.page)
    page.get_by_label("Function key").fill(place.parts.app.key)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Operations", level=1)).to_be_visible()


def view(page: Page, name: str) -> None:
    """Go to a view, and wait until it has its data."""
    page.get_by_role("link", name=name, exact=True).click()
    expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()
    expect(page.locator("#updated")).to_contain_text("Updated")


def shoot(page: Page, name: str) -> None:
    """Keep the screen."""
    page.screenshot(path=SHOTS / f"{name}.png")


def until(condition: Callable[[], Any]) -> Any:
    """Wait for a condition."""
    deadline = time.monotonic() + 120
    while not (found := condition()):
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.3)
    return found


def accessible(page: Page) -> None:
    """Axe-core finds nothing on the screen as it is."""
    found = Axe().run(page, options={"resultTypes": ["violations"]})
    assert found.violations_count == 0, found.generate_report()


def get(place: Place, path: str, **headers: str) -> requests.Response:
    """Ask the app, with no key unless the headers hold one."""
    with requests.Session() as session:
        session.trust_env = False
        return session.get(f"{place.parts.app.url}/api/{path}", headers=headers, timeout=30, allow_redirects=False)


def test_the_page_is_a_small_static_shell_that_asks_for_no_key(place: Place) -> None:
    """Without a key there is the shell, its files with a strict policy and ETags, and no data."""
    shell = get(place, "dashboard")
    names = set(re.findall(r"dashboard/([\w.]+)", shell.text))
    for name in sorted(names | {path.name for path in (bootstrap.ROOT / "shared/pages/dashboard").glob("*.js")}):
        file = get(place, f"dashboard/{name}")
        assert file.ok, name
        assert file.headers["X-Content-Type-Options"] == "nosniff"
        assert get(place, f"dashboard/{name}", **{"If-None-Match": file.headers["ETag"]}).status_code == requests.codes.not_modified
        assert file.headers["Content-Encoding"] == "gzip"
    policy = shell.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|https?://", shell.text)
    for name in ("index.html", "nothing.js", "..%2F..%2Fsettings.py"):
        assert get(place, f"dashboard/{name}").status_code == requests.codes.not_found
    assert (
        get(place, "dashboard/%2e%2e").status_code == requests.codes.unauthorized
    )  # the platform reads it as /api, which needs a key


def test_the_numbers_behind_it_need_a_key(place: Place) -> None:
    """`health` alone is for everybody; queues, marks and the token are not."""
    for path in ("health/details", "cleanup/marks"):
        assert get(place, path).status_code == requests.codes.unauthorized
    found = place.app.get("health/details")
    assert found["status"] == "up"
    assert found["token"] == {"signedIn": True}
    assert {each["name"] for each in found["queues"]} == {
        f"steward-{name}" for name in ("operations", "notifications", "events", "cleanup")
    }
    assert all(each["poison"] == 0 for each in found["queues"])
    assert found["throttling"]["allowances"], "ARM tells with each answer"


def test_a_wrong_key_is_said_so_and_the_right_one_stays_in_the_tab(page: Page, place: Place) -> None:
    """The key is in no address, cookie or lasting storage, and is forgotten on demand."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(place.page)
    field = page.get_by_label("Function key")
    expect(field).to_be_focused()
    shoot(page, "sign-in")
    accessible(page)
    field.fill("wrong")
    page.keyboard.press("Enter")
    expect(page.locator("#view").get_by_role("alert")).to_contain_text("The key was not accepted")

    field.fill(place.parts.app.key)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Operations", level=1)).to_be_visible()
    expect(page.get_by_text("hostile")).to_be_visible()
    assert not [url for url in asked if place.parts.app.key in url]
    assert page.evaluate("Object.keys(localStorage).length + document.cookie.length") == 0
    page.reload()
    expect(page.get_by_role("heading", name="Operations", level=1)).to_be_visible()

    page.get_by_role("button", name="Forget key").click()
    expect(field).to_be_visible()
    assert page.evaluate("sessionStorage.length") == 0


def test_an_operation_is_followed_live_and_by_keyboard(inside: Page, place: Place, noted: list[str]) -> None:
    """It appears, moves and ends without a reload; a screen reader is told; its time line opens and closes by key."""
    place.azure.call("PUT", "transitions", json={"default": "time"})
    accepted = place.app.send("PUT", "workspaces/clean-000/computes/live", json=story.cluster_body(), expect=202).json()
    row = inside.get_by_role("row").filter(has_text="computes / live")
    inside.get_by_role("button", name="Refresh").click()
    expect(row).to_contain_text("Running")
    expect(row.get_by_role("progressbar")).to_be_visible()
    shoot(inside, "operations")
    accessible(inside)

    row.get_by_role("link").focus()
    inside.keyboard.press("Enter")
    dialog = inside.get_by_role("dialog", name="Operation")
    expect(dialog).to_contain_text("accepted")
    expect(dialog.get_by_role("heading", name="Operation")).to_be_focused()
    accessible(inside)
    place.azure.call("POST", "clock", json={"advance_s": 300})
    until(lambda: place.app.get(f"operations/{accepted['name']}?wait=5")["status"] == "Succeeded")
    expect(dialog).to_contain_text("Succeeded")
    expect(dialog.get_by_role("button", name="Cancel this operation")).to_be_hidden()
    shoot(inside, "operation")
    inside.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(row).to_contain_text("Succeeded")
    expect(row.get_by_role("link")).to_be_focused()
    expect(inside.locator("#news")).to_contain_text("computes / live: Succeeded")
    place.azure.call("DELETE", "transitions")
    assert noted == [NO_KEY_YET]


NO_KEY_YET = "Failed to load resource: the server responded with a status of 401 (Unauthorized)"  # the page first asks without one


def test_what_cannot_be_canceled_can_be_let_go(inside: Page, place: Place) -> None:
    """The refusal is shown in the app's words, with the way on from it; both ask before they act."""
    place.azure.call("PUT", "transitions", json={"default": "polls:500"})
    accepted = place.app.send("PUT", "workspaces/clean-001/computes/stuck", json=story.cluster_body(), expect=202).json()
    inside.goto(f"{place.page}#/operations/operation/{accepted['name']}")
    dialog = inside.get_by_role("dialog")
    dialog.get_by_role("button", name="Cancel this operation").click()
    dialog.get_by_role("button", name="No, continue").click()
    dialog.get_by_role("button", name="Cancel this operation").click()
    dialog.get_by_role("button", name="Yes, cancel it").click()
    expect(dialog).to_contain_text("NotCancelable")
    shoot(inside, "not-cancelable")
    dialog.get_by_role("button", name="Stop following it").click()
    expect(dialog).to_contain_text("Canceled")
    place.azure.call("DELETE", "transitions")
    assert place.app.get(f"operations/{accepted['name']}")["status"] == "Canceled"


def test_the_tree_shows_what_idles_and_hostile_names_are_only_text(inside: Page, noted: list[str]) -> None:
    """A tag with a script in it is read, not run; an idle instance is pointed at, and why it would go is explained."""
    view(inside, "Workspaces")
    expect(inside.get_by_text(f"“{HOSTILE}”")).to_be_visible()
    expect(inside.get_by_text(f"hostile: {HOSTILE}")).to_be_visible()
    inside.locator("summary").filter(has_text="clean-000").click()
    idle = inside.get_by_role("row").filter(has_text="idle-00x")
    expect(idle).to_contain_text("may idle")
    expect(inside.get_by_role("row").filter(has_text="warm-02x")).to_contain_text("1 idle")
    expect(inside.get_by_role("row").filter(has_text="off-03x")).to_contain_text("no compute cost")
    shoot(inside, "workspaces")
    accessible(inside)
    idle.get_by_role("link").click()
    dialog = inside.get_by_role("dialog")
    expect(dialog).to_contain_text("would stop")
    expect(dialog).to_contain_text("idleFor")
    shoot(inside, "explain")
    accessible(inside)
    assert inside.evaluate("window.hacked") is None
    assert inside.locator("img[src=x]").count() == 0
    assert noted == [NO_KEY_YET]


def test_text_from_elsewhere_cannot_become_html(inside: Page) -> None:
    """Were a script of ours to try, the browser refuses: the policy asks for trusted types and allows none."""
    refused = "() => { try { document.body.innerHTML = '<b>x</b>'; return '' } catch (error) { return error.name } }"
    assert inside.evaluate(refused) == "TypeError"


def test_a_preview_is_a_dry_run_and_marks_are_listed(inside: Page, place: Place) -> None:
    """Preview opens the report as it is written and changes nothing; what an enforced run marked stands with its due date."""
    view(inside, "Clean-up")
    inside.get_by_role("button", name="Preview stale-model-versions", exact=True).click()
    dialog = inside.get_by_role("dialog")
    expect(dialog).to_contain_text("Completed")
    expect(dialog).to_contain_text("changes nothing")
    expect(dialog.get_by_role("row").filter(has_text="would mark").first).to_be_visible()
    dialog.get_by_text("Evidence").first.click()
    shoot(inside, "report")
    accessible(inside)
    inside.keyboard.press("Escape")
    assert place.app.get("cleanup/marks") == {"value": [], "count": 0}

    with ContainerClient.from_connection_string(place.parts.storage.connection_string(), "azureml-steward") as container:
        container.upload_blob("cleanup/policies/ours.yaml", POLICY.encode(), overwrite=True)
    place.app.send("POST", "cleanup?policy=old-models&mode=enforce", expect=(200, 202), headers={"Prefer": "wait=60"})
    until(lambda: place.app.get("cleanup/marks")["count"] == 3)
    inside.get_by_role("button", name="Refresh").click()
    marked = inside.get_by_role("table", name=re.compile("^Marked")).get_by_role("row")
    expect(marked).to_have_count(4)
    expect(marked.nth(1)).to_contain_text("in 7 days")
    shoot(inside, "clean-up")
    accessible(inside)


def test_a_preview_is_approved_followed_and_carried_out(inside: Page, place: Place) -> None:
    """How many of what is said first; then the run opens by itself, and the instances are off in Azure."""
    view(inside, "Clean-up")
    inside.get_by_role("button", name="Preview idle-instances", exact=True).click()
    dialog = inside.get_by_role("dialog")
    expect(dialog).to_contain_text("Completed")
    dialog.get_by_role("button", name="Approve …").click()
    question = dialog.get_by_role("group", name=re.compile("^Carry out 2 changes in 2 workspaces"))
    expect(question).to_contain_text("computeInstance")
    accessible(inside)
    shoot(inside, "approve")
    question.get_by_role("button", name="Yes, carry out 2 changes").click()
    expect(dialog).to_contain_text("Carries out this dry run")
    until(
        lambda: [
            each for each in place.app.get("cleanup/reports")["value"] if each.get("approves") and each["status"] == "Completed"
        ]
    )
    expect(dialog).to_contain_text("2 stopped")
    shoot(inside, "approved")
    for home in ("clean-000", "clean-001"):
        assert place.app.get(f"workspaces/{home}/computes/idle-00x")["properties"]["properties"]["state"] == "Stopped"
    dialog.get_by_role("link", name="this dry run").click()
    expect(dialog.get_by_role("link", name="the run")).to_be_visible()
    expect(dialog.get_by_role("button", name="Approve …")).to_have_count(0)


def test_rules_that_fire_appear_with_their_steps(inside: Page, place: Place) -> None:
    """An event comes in while the view is open; its firing is shown, and what it did."""
    place.app.send("PUT", "events/rules/ours", data=RULE.encode())
    view(inside, "Events")
    expect(inside.get_by_role("row").filter(has_text="ours.yaml")).to_be_visible()
    event = {"specversion": "1.0", "id": "e1", "source": "/s", "subject": HOSTILE, "data": {}}
    event["type"] = "Microsoft.MachineLearningServices.ModelRegistered"
    place.app.send("POST", "events", json=event, headers={"Content-Type": "application/cloudevents+json"})
    fired = inside.get_by_role("table", name=re.compile("^Rule runs")).get_by_role("row").filter(has_text="look-again")
    until(lambda: [each for each in place.app.get("events/firings")["value"] if each["status"] == "Succeeded"])
    inside.get_by_role("button", name="Refresh").click()
    expect(fired).to_contain_text("1 of 1")
    accessible(inside)
    shoot(inside, "events")
    fired.get_by_role("link").click()
    expect(inside.get_by_role("dialog")).to_contain_text("GET workspaces/clean-000")
    assert inside.evaluate("window.hacked") is None


def test_health_shows_what_is_out_of_order(inside: Page) -> None:
    """A part that cannot be read says why, beside those that can."""
    view(inside, "Health")
    expect(inside.get_by_role("table", name=re.compile("^Queues")).get_by_role("row")).to_have_count(5)
    expect(inside.locator(".card").filter(has_text="Sign-in to Azure")).to_contain_text("works")
    shoot(inside, "health")
    accessible(inside)

    def broken(route: Route) -> None:
        answer = route.fetch()
        body = {**answer.json(), "status": "degraded", "token": {"error": {"code": "SignInFailed", "message": "No token."}}}
        route.fulfill(response=answer, json={**body, "queues": [{"name": "q", "messages": 3, "poison": 2}]})

    inside.route("**/api/health/details", broken)
    inside.get_by_role("button", name="Refresh").click()
    expect(inside.locator(".card").filter(has_text="Sign-in to Azure")).to_contain_text("SignInFailed")
    expect(inside.locator(".card").filter(has_text="Poison")).to_contain_text("see below")


def test_a_failing_app_is_asked_ever_less_and_a_hidden_tab_not_at_all(page: Page, place: Place) -> None:
    """Five minutes of 503: a person is told, the pauses double to a minute; out of sight nothing is sent."""
    page.clock.install()
    enter(page, place)
    asked: list[str] = []

    def down(route: Route) -> None:
        asked.append(route.request.url)
        route.fulfill(status=503, json={"error": {"code": "StorageUnavailable", "message": "The app's own storage failed."}})

    page.route("**/api/operations*", down)
    page.get_by_role("button", name="Refresh").click()
    expect(page.locator("#problem")).to_contain_text("This page retries")
    for _ in range(30):
        seen = len(asked)
        page.clock.run_for(10_000)
        page.wait_for_function("document.getElementById('updated').textContent.startsWith('Retrying')")
        assert len(asked) <= seen + 3
    assert 5 <= len(asked) <= 12, asked

    page.get_by_role("button", name="Live updates", pressed=True).click()
    page.clock.run_for(600_000)
    assert len(asked) <= seen + 4, "it was asked once more when updates were turned off"
    page.get_by_role("button", name="Live updates", pressed=False).click()

    hide = "hidden => { Object.defineProperty(document, 'hidden', {get: () => hidden, configurable: true}); "
    hide += "document.dispatchEvent(new Event('visibilitychange')) }"
    page.evaluate(hide, arg=True)
    seen = len(asked)
    page.clock.run_for(600_000)
    assert len(asked) == seen
    page.unroute("**/api/operations*")
    page.evaluate(hide, arg=False)
    expect(page.get_by_text("hostile")).to_be_visible()
    expect(page.locator("#problem")).to_be_empty()


def test_a_key_that_is_taken_back_leads_to_the_form(inside: Page) -> None:
    """A 401 in the middle of it: nothing more is asked with that key, and the form says why."""
    inside.route("**/api/operations*", lambda route: route.fulfill(status=401))
    inside.get_by_role("button", name="Refresh").click()
    expect(inside.locator("#view").get_by_role("alert")).to_contain_text("The key was not accepted")
    expect(inside.get_by_label("Function key")).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_view_fits_a_phone_in_both_schemes(scheme: Any, inside: Page) -> None:
    """Nothing is wider than the screen, contrast and names hold, and the main content is one key away."""
    inside.emulate_media(color_scheme=scheme)
    inside.set_viewport_size({"width": 360, "height": 740})
    for name in VIEWS:
        view(inside, name)
        if name == "Workspaces":
            inside.locator("summary").filter(has_text="clean-001").click()
            expect(inside.get_by_role("row").filter(has_text="idle-00x")).to_be_visible()
        accessible(inside)
        assert inside.evaluate("document.documentElement.scrollWidth") <= 360, name
        shoot(inside, f"phone-{scheme}-{name.lower()}")
    inside.keyboard.press("Home")
    inside.locator("#skip").focus()
    inside.keyboard.press("Enter")
    expect(inside.get_by_role("main")).to_be_focused()
