"""Job search merges what the experiments answer: every job once, the newest first within a page, however they are spread."""

from __future__ import annotations

import base64
import json
import re
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.jobs import merging, search
from shared.rest import errors, ids

WORKSPACE = ids.parse("/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w")
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


class History:
    """Run history: experiments with runs, queried as the service is; answers at most `page` runs at once."""

    def __init__(self, experiments: dict[str, list[dict[str, Any]]], page: int = 100, *, tells_latest: bool = True) -> None:
        self.experiments = experiments
        self.tells_latest = tells_latest
        self.page = page
        self.asked: list[tuple[str, str, Any]] = []

    def send(self, method: str, url: str, *, body: Any = None) -> Any:
        """Answer as the client does."""
        tail = unquote(urlsplit(url).path.partition("/workspaces/w/")[2])
        self.asked.append((method, tail, body))
        if tail == "experiments:query":
            at = int(body.get("continuationToken", 0))
            names = list(self.experiments)[at : at + body["top"]]
            more = {"continuationToken": str(at + body["top"])} if at + body["top"] < len(self.experiments) else {}
            return self._answer({"value": [self._shown(name) for name in names], **more})
        if tail.startswith("computes/"):
            return self._answer({"value": []})
        found = re.fullmatch(r"experiments/([^/]+)/runs:query", tail)
        runs = self.experiments[found[1]] if found else []
        before = re.search(r"CreatedUtc le (\S+)", body.get("filter", ""))
        if before:
            runs = [run for run in runs if datetime.fromisoformat(run["createdUtc"]) <= datetime.fromisoformat(before[1])]
        runs = sorted(runs, key=lambda run: run["createdUtc"], reverse=True)
        top = min(body["top"], self.page)
        more = {"continuationToken": "more"} if len(runs) > top else {}
        return self._answer({"value": runs[:top], **more})

    def _shown(self, name: str) -> dict[str, Any]:
        latest = max((run["createdUtc"] for run in self.experiments[name]), default=None)
        return {"name": name, **({"latestCreatedRunCreatedUtc": latest} if self.tells_latest else {})}

    def _answer(self, body: Any) -> Any:
        answer = SimpleNamespace(body=body)
        answer.checked = lambda: answer
        return answer


class Addresses:
    """One server."""

    def url(self, plane: str, path: str, query: str, *, workspace: str) -> str:
        """See `addresses.Addresses.url`."""
        return f"https://server/{plane}/v1.0{path}?{query}"


def run(name: str, second: int) -> dict[str, Any]:
    """A run as run history shows it."""
    created = (START + timedelta(seconds=second)).isoformat()
    return {"runId": name, "createdUtc": created, "status": "Completed", "runType": "azureml.commandjob"}


def pages(history: History, **query: str) -> list[list[str]]:
    """Follow a search to its end; return the names of each page."""
    client: Any = history
    addresses: Any = Addresses()
    out, token = [], ""
    for _ in range(200):
        asked = {name: [value] for name, value in query.items()} | ({"$skipToken": [token]} if token else {})
        jobs, token = search.page(search.read(asked), WORKSPACE, client, addresses)
        out.append([job["name"] for job in jobs])
        if not token:
            return out
    raise AssertionError(out)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 6), max_size=7), max_size=20),
    st.integers(1, 9),
    st.integers(8, 20),
    st.booleans(),
)
def test_every_job_is_told_once_the_newest_first(spread: list[list[int]], top: int, cut: int, tells: bool) -> None:  # noqa: FBT001
    """Many runs of one moment, empty experiments, more experiments than are asked at once, answers that are cut off."""
    experiments = {f"e{at}": [run(f"r{at}-{n}", second) for n, second in enumerate(each)] for at, each in enumerate(spread)}
    history = History(experiments, cut, tells_latest=tells)
    found = [name for page in pages(history, status="Completed", **{"$top": str(top)}) for name in page]
    moments = {each["runId"]: each["createdUtc"] for runs in experiments.values() for each in runs}
    assert sorted(found) == sorted(moments)
    assert [moments[name] for name in found] == sorted(moments.values(), reverse=True)


def test_an_answer_that_is_cut_off_hides_nothing() -> None:
    """Older runs of others wait until the rest of it was seen."""
    history = History({"many": [run(f"m{n}", 100 - n) for n in range(9)], "few": [run(f"f{n}", n) for n in range(9)]}, page=4)
    found = [name for page in pages(history, status="Completed", **{"$top": "50"}) for name in page]
    assert found == [f"m{n}" for n in range(9)] + [f"f{8 - n}" for n in range(9)]


def test_experiments_whose_newest_run_is_older_are_not_asked() -> None:
    """Of 150 experiments the eight liveliest tell the first page."""
    history = History({f"e{n}": [run(f"r{n}", n)] for n in range(150)})
    client: Any = history
    jobs, _ = search.page(search.read({"status": ["Completed"], "$top": ["5"]}), WORKSPACE, client, Addresses())  # type: ignore[arg-type]
    assert [job["name"] for job in jobs] == ["r149", "r148", "r147", "r146", "r145"]
    assert sum("runs:query" in tail for _, tail, _ in history.asked) == 8


def test_experiments_that_ended_before_since_are_not_asked() -> None:
    """Nor listed twice: most of an old workspace is out of the question."""
    history = History({f"e{n}": [run(f"r{n}", n)] for n in range(50)})
    moment = (START + timedelta(seconds=48)).isoformat()
    assert pages(history, since=moment) == [["r49", "r48"]]
    assert sum("runs:query" in tail for _, tail, _ in history.asked) == 2


def test_the_order_holds_within_a_block_of_experiments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond so many experiments the next block follows; nothing is lost."""
    monkeypatch.setattr(merging, "BLOCK", 10)
    monkeypatch.setattr(merging, "LISTED_AT_ONCE", 10)
    history = History({f"e{n}": [run(f"r{n}", n)] for n in range(25)})
    found = [name for page in pages(history, status="Completed", **{"$top": "4"}) for name in page]
    assert found == [f"r{n}" for block in ((9, -1), (19, 9), (24, 19)) for n in range(block[0], block[1], -1)]


def test_a_page_is_sorted_over_its_experiments() -> None:
    """The newest first, whichever experiment it is of."""
    history = History({"a": [run("a1", 1), run("a3", 3)], "b": [run("b2", 2), run("b4", 4)]})
    assert pages(history, status="Completed") == [["b4", "a3", "b2", "a1"]]


def test_runs_of_the_same_tick_are_not_lost() -> None:
    """Azure writes tenths of microseconds; a page may end between two of them."""
    one, other = run("one", 0), run("other", 0)
    one["createdUtc"], other["createdUtc"] = "2026-03-02T09:00:00.1234561+00:00", "2026-03-02T09:00:00.1234569+00:00"
    found = pages(History({"a": [one], "b": [other]}), status="Completed", **{"$top": "1"})
    assert sorted(name for page in found for name in page) == ["one", "other"]


def test_archived_and_unnamed_runs_wait_to_be_asked_for() -> None:
    """Hidden runs are archived; those with a parent are trials and steps."""
    hidden, trial = {**run("hidden", 1), "hidden": True}, {**run("trial", 2), "parentRunId": "sweep"}
    history = History({"a": [run("plain", 0), hidden, trial]})
    assert pages(history, status="Completed") == [["plain"]]
    assert pages(history, status="Completed", archived="true", anonymous="true") == [["trial", "hidden", "plain"]]


def test_an_experiments_own_search_asks_only_it() -> None:
    """One request a page."""
    history = History({"a": [run("a1", 1)], "b": [run("b1", 1)]})
    assert pages(history, experiment="a") == [["a1"]]
    assert [tail for _, tail, _ in history.asked] == ["experiments/a/runs:query"]


@pytest.mark.parametrize(
    ("query", "condition"),
    [
        ({"status": ["running"]}, "Status eq 'Running'"),
        ({"status": ["Running,Failed", "Canceled"]}, "(Status eq 'Running' or Status eq 'Failed' or Status eq 'Canceled')"),
        ({"compute": ["a", "b"]}, "(Target eq 'a' or Target eq 'b')"),
        ({"tag": ["x", "y=it's"]}, "tags/x ne null and tags/y eq 'it''s'"),
        ({"tag": ["y=' or Status ne '"]}, "tags/y eq ''' or Status ne '''"),
        ({"since": ["2026-01-31"]}, "CreatedUtc ge 2026-01-31T00:00:00.000000Z"),
        ({"since": ["2026-01-31T10:00:00 02:00"]}, "CreatedUtc ge 2026-01-31T08:00:00.000000Z"),
    ],
)
def test_the_filter_is_odata(query: dict[str, list[str]], condition: str) -> None:
    """Quotes are doubled, so nothing that a caller writes can leave its value; a plus sign in a query reads as a space."""
    assert search.read(query).condition == condition


def test_a_compute_may_be_named_by_its_id() -> None:
    """Its last name counts."""
    assert search.read({"compute": [WORKSPACE.child("computes", "cpu").path]}).compute == "cpu"


@pytest.mark.parametrize(
    "query",
    [
        {"tag": ["a b=c"]}, {"tag": ["=c"]}, {"compute": ["a/b'c"]}, {"experiment": ["a' or 1 eq 1"]}, {"since": ["tomorrow"]},
        {"$top": ["501"]}, {"$top": ["0"]}, {"anonymous": ["1"]}, {"status": ["Running' or 1 eq 1"]},
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(query: dict[str, list[str]]) -> None:
    """Names that could leave an OData path are no names."""
    with pytest.raises(errors.BadRequestError, match="InvalidParameter"):
        search.read(query)


def token_of(place: Any) -> str:
    """Return a token with that inside."""
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


TOLD = st.recursive(st.none() | st.text(max_size=5), st.lists, max_leaves=5)


@settings(deadline=None)
@given(st.text(max_size=40) | TOLD.map(lambda told: token_of({"told": told})) | TOLD.map(token_of))
def test_a_token_that_is_none_of_ours_is_no_server_error(token: str) -> None:
    """It is refused, or it is harmless."""
    try:
        found = search.read({"$skipToken": [token]})
    except errors.BadRequestError:
        return
    assert all(isinstance(name, str) for name in found.place.get("told", ()))


def test_the_query_of_a_compute_is_its_own_list() -> None:
    """One request a page, by compute."""
    history = History({})
    search.page(search.read({"compute": ["cpu"], "status": ["Failed"]}), WORKSPACE, history, Addresses())  # type: ignore[arg-type]
    ((method, tail, _),) = history.asked
    assert (method, tail) == ("GET", "computes/cpu/runs")
