"""openapi.json and docs on the real host: without a key, packed, kept by their ETag, and bound to this host."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import requests

    from infra.local import stack

ROOT = Path(__file__).parents[3]
VIEWER = ROOT / "shared" / "pages" / "viewer"
NAMES = ("docs", "docs/page.js", "docs/page.css", "docs/swagger-ui.css", "docs/swagger-ui-bundle.js", "openapi.json")
# swagger-ui-dist 5.35.0 as npm has it: what is vendored is what its makers published, nothing else.
PUBLISHED = {
    "swagger-ui-bundle.js": "e6a898692f2d768e807c3ba4626068a69a2c5dd960dd6c76f3e4d3a3de180af2",
    "swagger-ui.css": "5ed08757e53da3e026d6cbecc61fe5d43585c9560b302d534ad56692519a273d",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_served_without_a_key(name: str, app: stack.App, anybody: requests.Session) -> None:
    """It comes packed, and is not sent again to who has it."""
    url = f"{app.url}/api/{name}"
    answer = anybody.get(url, timeout=60)
    assert answer.status_code == 200
    assert answer.headers["Content-Encoding"] == "gzip"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    again = anybody.get(url, headers={"If-None-Match": answer.headers["ETag"]}, timeout=60)
    assert (again.status_code, again.content) == (304, b"")
    plain = anybody.get(url, headers={"Accept-Encoding": "identity"}, timeout=60)
    assert "Content-Encoding" not in plain.headers
    assert plain.content == answer.content


def test_only_the_pages_own_files_are_served(app: stack.App, anybody: requests.Session) -> None:
    """The name is looked up, not opened."""
    for name in ("index.html", "README.md", "..%2Fdashboard", "..%2F..%2F..%2Fhost.json", "page.js%00"):
        answer = anybody.get(f"{app.url}/api/docs/{name}", timeout=60)
        assert answer.status_code in (400, 404), name


def test_a_slash_too_many_leads_to_the_page(app: stack.App, anybody: requests.Session) -> None:
    """The page's files are looked for beside it."""
    answer = anybody.get(f"{app.url}/api/docs/", timeout=60)
    assert answer.url == f"{app.url}/api/docs"
    assert b"swagger-ui-bundle.js" in answer.content


def test_the_document_speaks_of_this_app(app: stack.App, described: Any) -> None:
    """Its servers are relative: whatever host name the app has."""
    assert described["openapi"] == "3.1.0"
    assert described["servers"][0]["url"] == "/api"
    assert app.url not in str(described)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_viewer_is_as_published(name: str) -> None:
    """A change of a vendored file is a change of its version; its licence lies beside it."""
    assert hashlib.sha256((VIEWER / name).read_bytes()).hexdigest() == PUBLISHED[name]
    assert "Apache License" in (VIEWER / "LICENSE").read_text()


def test_the_shell_asks_no_other_host() -> None:
    """Everything it loads lies beside it, and there is no script inside of it."""
    shell = (VIEWER / "index.html").read_text()
    assert not re.findall(r"(?:src|href)=\"(?:https?:)?//", shell)
    assert not re.findall(r"<script(?! src=)|<style| style=| on\w+=", shell)
