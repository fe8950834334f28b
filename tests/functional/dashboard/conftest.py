"""The dashboard's own files in Chromium, before an app that is made up: as much, as strange and as broken as a test wants."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright

from infra.local import bootstrap
from shared.pages import page_routes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page, Route

ROOT = "https://steward.test"  # never reached: every request is answered here; https, as the clipboard asks for
SHOTS = bootstrap.LOCAL / "artefacts" / "dashboard"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-proxy-server"]
PATIENCE_MS = 30_000
NOTHING: dict[str, Any] = {"value": []}
WELL: dict[str, Any] = {
    "status": "up",
    "at": "2026-11-21T10:00:00Z",
    "caller": "function key",
    "role": "admin",
    "attention": [],
    "links": {"portal": "https://portal.azure.com", "studio": "https://ml.azure.com"},
    "missing": [],
    "queues": [],
    "operations": {"open": 0, "lastHour": {"outcomes": {}, "codes": []}},
    "firings": {"failedToday": 0, "rules": []},
    "deliveries": {"triedAgain": 0, "givenUp": 0, "givenUpToday": 0, "newest": []},
    "timers": [{"name": "reconcile_operations", "last": "2026-01-01T00:00:00Z", "quietS": 20, "late": False}],
    "eventsPutAside": {"count": 0, "prefix": "hooks/dead/"},
    "messagesPutAside": {"count": 0, "prefix": "poison/"},
    "unreadable": {"count": 0, "rows": []},
    "settings": {"problems": []},
    "policyFiles": {"mistakes": 0, "files": 0},
    "ruleFiles": {"mistakes": 0, "files": 0},
    "throttling": {"refused": 0, "allowances": []},
    "token": {"signedIn": True},
}
EMPTY: dict[str, Any] = {
    "GET health/details": WELL,
    "GET operations": NOTHING,
    "GET load": {"since": "2026-11-20T10:00:00Z", "until": "2026-11-21T10:00:00Z", "stepS": 1800, "outcomes": {}, "value": []}
    | {"codes": [], "callers": [], "kinds": []},
    "GET parked": NOTHING,
    "GET cleanup/savings": {"since": "2026-11-01T00:00:00Z", "runs": 0, "nodeHours": 0, "nodeHoursADay": 0},
    "GET costs": {"by": "owner", "value": [], "total": {"nodeHours": 0.0, "idleHours": 0.0}, "complete": True, "notSeen": []},
    "GET subscriptions": {"value": [{"subscriptionId": "s", "displayName": "Ours"}]},
    "GET subscriptions/s/workspaces": NOTHING,
    "GET cleanup/reports": NOTHING,
    "GET cleanup/marks": {"value": [], "count": 0},
    "GET cleanup/policies": {"value": [], "problems": []},
    "GET events/firings": NOTHING,
    "GET approvals": NOTHING,
    "GET recipes": NOTHING,
    "GET recipes/runs": NOTHING,
    "GET rollouts": NOTHING,
    "GET expiries": NOTHING,
    "GET events/rules": {"value": [], "problems": []},
}


@dataclass(kw_only=True)
class App:
    """The made-up app.

    Attributes:
        answers: `VERB path` → what is answered: JSON, or a function of the query; a pair is a status and JSON.
        asked: `VERB path?query` of each request, in order.
        noted: What the browser complained about.
    """

    page: Page
    answers: dict[str, Any] = field(default_factory=lambda: dict(EMPTY))
    asked: list[str] = field(default_factory=list)
    noted: list[str] = field(default_factory=list)

    def show(self, place: str, heading: str) -> None:
        """Go to a view (`operations`) or to what opens over it, and wait for its data."""
        self.page.goto(f"{ROOT}/api/dashboard#/{place}")
        expect(self.page.get_by_role("heading", name=heading).first).to_be_visible()
        expect(self.page.locator("#updated")).to_contain_text("Updated")

    def accessible(self) -> None:
        """Axe-core finds nothing on the screen as it is."""
        found = Axe().run(self.page, options={"resultTypes": ["violations"]})
        assert found.violations_count == 0, found.generate_report()

    def shoot(self, name: str) -> None:
        """Keep the screen."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SHOTS / f"{name}.png")

    def answer(self, route: Route) -> None:
        """Answer one request of the page."""
        url = urlsplit(route.request.url)
        path = url.path.removeprefix("/api/")
        if path == "dashboard" or path.startswith("dashboard/"):
            file = page_routes.DASHBOARD / (path.partition("/")[2] or "index.html")
            media = page_routes.DASHBOARD_TYPES.get(file.suffix, "text/html")
            headers = {"Content-Type": f"{media}; charset=utf-8", "Content-Security-Policy": page_routes.DASHBOARD_POLICY}
            route.fulfill(headers=headers, body=file.read_bytes())
            return
        self.asked.append(f"{route.request.method} {path}{'?' if url.query else ''}{url.query}")
        found = self.answers.get(f"{route.request.method} {path}", (404, {"error": {"code": "NotFound", "message": f"No {path}."}}))
        if callable(found):
            found = found({name: value[0] for name, value in parse_qs(url.query).items()})
        status, body = found if isinstance(found, tuple) else (200, found)
        route.fulfill(status=status, headers={"Content-Type": "application/json"}, body=json.dumps(body))


def paged(values: list[Any], path: str) -> Callable[[dict[str, str]], Any]:
    """Return what answers a list page by page, as the app does."""

    def answer(query: dict[str, str]) -> Any:
        top, skip = int(query.get("$top", "50")), int(query.get("$skipToken", "0"))
        link = {"nextLink": f"{ROOT}/api/{path}?$top={top}&$skipToken={skip + top}"} if len(values) > skip + top else {}
        return {"value": values[skip : skip + top], **link}

    return answer


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, as the machine has it."""
    program = bootstrap.browser()
    assert program, "Chromium is missing: `python3 infra/local/bootstrap.py browser` installs it"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def app(browser: Browser) -> Iterator[App]:
    """A tab that is let in without a key, before an app in which there is nothing yet."""
    expect.set_options(timeout=PATIENCE_MS)
    context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-GB", timezone_id="UTC")
    context.set_default_timeout(PATIENCE_MS)
    made = App(page=context.new_page())
    made.page.route("**/*", made.answer)
    made.page.on("pageerror", lambda error: made.noted.append(str(error)))
    made.page.on("console", lambda said: made.noted.append(said.text) if said.type == "error" else None)
    yield made
    context.close()
