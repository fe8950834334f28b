"""Take the pictures of the dashboard for README.md and docs/dashboard.md: `python -m tests.docs.pictures`.

They show the running app after the demo: the same stack, the same steps, the real page in Chromium, light and dark. Not here: the
tests of the page (tests/e2e, tests/functional/dashboard).
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, expect, sync_playwright
from rich.console import Console

from infra.local import bootstrap, stack
from infra.local.demo import run
from tests.docs import commands

PICTURES = {"light": "dashboard.png", "dark": "dashboard-dark.png"}
SIZE = {"width": 1280, "height": 820}
SPEED = 30.0  # as `make demo`
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-proxy-server"]
PATIENCE_MS = 60_000


def take(browser: Browser, app: stack.App, folder: Path) -> None:
    """Take both pictures of the dashboard of an app."""
    for scheme, name in PICTURES.items():
        context = browser.new_context(viewport=SIZE, locale="en-GB", timezone_id="UTC", color_scheme=scheme)  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.goto(f"{app.url}/api/dashboard")
        page.get_by_label("Function key").fill(app.key)
        page.keyboard.press("Enter")
        expect(page.locator("#updated")).to_contain_text("Updated", timeout=PATIENCE_MS)
        page.screenshot(path=folder / name)
        context.close()


def main() -> int:
    """Run the demo and take the pictures; 1 when the demo failed."""
    program = bootstrap.browser()
    if not program:
        sys.stderr.write("Chromium is missing: `python3 infra/local/bootstrap.py browser` installs it\n")
        return 1
    with tempfile.TemporaryDirectory() as state:
        options = run.widened(stack.Options(state=Path(state), transitions="time", speed=SPEED))
        with stack.start(options) as running, sync_playwright() as playwright:
            if not run.run(running, options, Console()):
                return 1
            browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
            take(browser, running.app, commands.ROOT / "docs")
            browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
