"""`?all=true`: the pages of a list of Azure's as one answer, as far as size and time allow."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from shared.api.resources import browse
from shared.rest import client
from tests.fake_azure import WORKSPACE
from tests.fakes import unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.http.conftest import App

PAGES = 5
LIST = "workspaces/w1/models/m/versions"


@dataclass
class Pages:
    """A list in five pages of two; what is asked is noted.

    Attributes:
        before: Called before each page, with its number.
        written: Writes a page.
    """

    app: App
    asked: list[str]
    before: Callable[[int], Any] = lambda _number: None
    written: Callable[[dict[str, Any]], bytes] = lambda body: json.dumps(body).encode()

    def send(self, method: str, url: str, **more: Any) -> client.Response:
        """See `Client.send`."""
        if "/models/m/versions" not in url:
            return self.through(method, url, **more)  # type: ignore[no-any-return]
        self.asked.append(url)
        number = int(url.partition("skipToken=")[2] or 0)
        self.before(number)
        body: dict[str, Any] = {"value": [{"id": f"{WORKSPACE}/models/m/versions/{2 * number + n}"} for n in range(2)]}
        if number + 1 < PAGES:
            path, _, query = url.partition("?")
            body["nextLink"] = f"{path}?{query.partition('&%24skip')[0]}&%24skipToken={number + 1}"
        content = self.written(body)
        return client.Response(status=200, url=url, body=client.parsed(content, "application/json"), content=content)


@pytest.fixture
def pages(app: App, monkeypatch: pytest.MonkeyPatch) -> Pages:
    """The list, in Azure's place."""
    found = Pages(app, [])
    found.through = app.steward.azure.send  # type: ignore[attr-defined]
    monkeypatch.setattr(app.steward.azure, "send", found.send)
    return found


def versions(body: Any) -> list[int]:
    """Return what was listed."""
    return [int(each["id"].rpartition("/")[2]) for each in body["value"]]


def test_all_pages_come_in_one_answer(app: App, pages: Pages) -> None:
    """With the caller's own parameters on every page, and none of ours."""
    answer = app.send("GET", f"{LIST}?all=true&listViewType=All")
    assert (answer.status, versions(answer.body)) == (200, list(range(10)))
    assert "nextLink" not in answer.body
    assert len(pages.asked) == PAGES
    assert all("listViewType=All" in url and "api-version=" in url and "all=true" not in url for url in pages.asked)


HARD = ', "nextLink": "not ]} this", [{'
WRITTEN = {
    "compact": lambda body: json.dumps(body, separators=(",", ":")).encode(),
    "over many lines": lambda body: b"\xef\xbb\xbf" + json.dumps(body, indent=2).encode() + b"\r\n",
    "the link first": lambda body: json.dumps(dict(reversed(body.items()))).encode(),
    "with a count": lambda body: json.dumps({"count": 1, **body}).encode(),
    "a number that is no JSON": lambda body: json.dumps(body).replace("1000.0", "NaN").encode(),
    "not UTF-8": lambda body: json.dumps(body, ensure_ascii=False).encode("latin-1"),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_items_are_handed_on_however_azure_writes_them(app: App, pages: Pages, name: str) -> None:
    """What looks like the end of a page stands within its items, too; the whole answer is JSON and says the same."""
    more = {"tags": {HARD: HARD, "nextLink": [HARD], "value": [[]]}, "description": "é", "size": 1e3}

    def written(body: dict[str, Any]) -> bytes:
        return WRITTEN[name]({**body, "value": [{**each, **more} for each in body["value"]]})

    each = client.parsed(written({"value": [{}]}), "application/json")["value"][0]
    pages.written = written
    answer = app.send("GET", f"{LIST}?all=true")
    assert versions(answer.body) == list(range(10))
    assert all({**item, "id": ""} == {**each, "id": ""} for item in answer.body["value"])


def test_a_list_without_items_is_one(app: App, pages: Pages) -> None:
    """Pages may be empty, and lead on."""
    pages.written = lambda body: json.dumps({**body, "value": []}).encode()
    assert app.send("GET", f"{LIST}?all=true").body == {"value": []}
    assert len(pages.asked) == PAGES


@pytest.mark.parametrize("query", ["", "?all=false"])
def test_without_it_a_list_comes_by_pages(app: App, pages: Pages, query: str) -> None:
    """As Azure has them."""
    assert versions(app.send("GET", LIST + query).body) == [0, 1]
    assert len(pages.asked) == 1


def _large(_pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browse, "ALL_BYTES", 700)


def _slow(pages: Pages, _monkeypatch: pytest.MonkeyPatch) -> None:
    pages.before = lambda _number: pages.app.steward.clock.advance(25)


def _throttled(pages: Pages, _monkeypatch: pytest.MonkeyPatch) -> None:
    def before(number: int) -> None:
        if number == 2:
            pages.before = lambda _number: None
            raise unavailable()

    pages.before = before


@pytest.mark.parametrize("hinder", [_large, _slow, _throttled])
def test_the_rest_comes_by_next_link(app: App, pages: Pages, monkeypatch: pytest.MonkeyPatch, hinder: Any) -> None:
    """What is too much or takes too long, and what Azure cannot answer now: each item once, in few answers."""
    hinder(pages, monkeypatch)
    answers = [app.send("GET", f"{LIST}?all=true").body]
    while link := answers[-1].get("nextLink"):
        assert link.endswith("&all=true")
        answers.append(app.send("GET", link).body)
    assert [number for body in answers for number in versions(body)] == list(range(10))
    assert 1 < len(answers) < PAGES


def test_the_first_page_that_fails_is_an_error(app: App, pages: Pages) -> None:
    """There is nothing to hand on."""

    def before(_number: int) -> None:
        raise unavailable()

    pages.before = before
    assert app.send("GET", f"{LIST}?all=true").status == 503


@pytest.mark.parametrize(
    "path",
    [
        f"{LIST}/1",
        "workspaces/w1",
        "workspaces/w1/discovery",
        "history/v1.0/workspaces/w1/computes/c/runs",
        "workspaces/w1/jobs/j/logs",
    ],
)
def test_what_is_no_list_refuses_it(app: App, path: str) -> None:
    """It would mean nothing there."""
    answer = app.send("GET", f"{path}?all=true")
    assert (answer.status, answer.body["error"]["target"]) == (400, "all"), answer.body


def test_a_value_that_means_nothing_is_refused(app: App) -> None:
    """And a verb that has no use for it."""
    assert app.send("GET", f"{LIST}?all=yes").body["error"]["target"] == "all"
    assert app.send("DELETE", f"{LIST}/1?all=true").body["error"]["target"] == "all"
