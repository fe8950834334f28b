"""/api/docs in Chromium: it shows the document, asks nobody else, keeps the key to itself, and calls the app with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect, sync_playwright

from infra.local import bootstrap

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

    from infra.local import stack

ARTEFACTS = Path(__file__).parents[3] / ".local" / "artefacts"
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-proxy-server"]
PATIENCE_MS = 60_000
GROUND = "getComputedStyle(document.body).backgroundColor"


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """A tab of a browser that nobody used before."""
    path = bootstrap.browser()
    assert path, "Chromium is missing: `python infra/local/bootstrap.py browser` installs it where apt is"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=QUIET)
        tab = browser.new_page(viewport={"width": 1280, "height": 900})
        tab.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        yield tab
        browser.close()


def test_the_page_shows_and_tries_the_api(page: Page, app: stack.App) -> None:
    """As its reader would: open, give the key, look at an example, send a request, read the answer."""
    trouble: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: trouble.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))

    page.goto(f"{app.url}/api/docs")
    expect(page.locator('.opblock-tag[data-tag="workspaces / computes"]')).to_be_visible()
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=ARTEFACTS / "docs.png")

    assert page.evaluate(GROUND) == "rgb(250, 250, 250)"
    page.emulate_media(color_scheme="dark")
    expect(page.locator("html.dark-mode")).to_be_attached()
    assert page.evaluate(GROUND) == "rgb(28, 32, 34)"
    page.screenshot(path=ARTEFACTS / "docs-dark.png")
    page.emulate_media(color_scheme="light")
    assert page.get_by_role("link", name="dashboard").get_attribute("href") == "dashboard"
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390, "no tag is wider than a phone"
    page.set_viewport_size({"width": 1280, "height": 900})

    page.locator("button.authorize").first.click()
    page.locator(".auth-container input").first.fill(app.key)
    page.locator(".auth-btn-wrapper button.authorize").first.click()
    page.locator(".auth-btn-wrapper button.btn-done").first.click()
    assert page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]

    page.locator('.opblock-tag[data-tag="workspaces"]').click()
    change = page.locator("#operations-workspaces-workspaces_put")
    change.locator(".opblock-summary-control").click()
    body = change.locator("textarea.body-param__text")
    expect(body).to_be_visible()
    body.scroll_into_view_if_needed()
    assert "SystemAssigned" in body.input_value()
    page.screenshot(path=ARTEFACTS / "docs-put.png")
    change.locator(".opblock-summary-control").click()

    read = page.locator("#operations-workspaces-workspaces_get")
    read.locator(".opblock-summary-control").click()
    read.locator('[data-param-name="workspaceName"] input').fill("not-there")
    read.locator("button.execute").click()
    answer = read.locator(".live-responses-table tbody .response")
    expect(answer.locator(".response-col_status")).to_contain_text("404")
    expect(answer).to_contain_text("ResourceNotFound")
    page.screenshot(path=ARTEFACTS / "docs-tried.png")

    assert all(url.startswith((f"{app.url}/api/", "data:")) for url in asked)
    assert [text for text in trouble if "404 (Not Found)" not in text] == []
