"""GET operations on real storage and the real host: pages lead on by nextLink, as it stands in the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import requests

from infra.local.emulator import scene

if TYPE_CHECKING:
    from infra.local import stack

BELOW = f"{scene.GROUP_ID}/providers/Microsoft.MachineLearningServices/workspaces"


def test_pages_of_operations_lead_to_the_end(app: stack.App) -> None:
    """Three refused requests, one a page, the newest first; what lies below one of them is its own."""
    with requests.Session() as session:
        session.trust_env = False
        session.headers["x-functions-key"] = app.key
        made = []
        for name in ("listed-1", "listed-2", "listed-3"):
            answer = session.put(f"{app.url}/api/workspaces/{name}", json={"location": "atlantis"}, timeout=60)
            assert answer.status_code == 400, answer.text
            made.insert(0, answer.headers["Operation-Id"])
        url, found = f"{app.url}/api/operations?status=Failed&below={BELOW}&$top=1", []
        while url and len(found) < len(made):
            page = session.get(url, timeout=60).json()
            assert "value" in page, (url, page)
            found += [each["name"] for each in page["value"]]
            url = page.get("nextLink", "")
        assert found == made
        own = session.get(f"{app.url}/api/operations?below={BELOW}/LISTED-2", timeout=60).json()
        assert ([each["name"] for each in own["value"]], "nextLink" in own) == (made[1:2], False)
