"""What the app did not see is named and never counted as nothing; who may see what; tables, owners, policies."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from infra.local.emulator.faults import Fault
from infra.local.emulator.scenes import population
from shared.api.call import Call, Caller
from shared.catalog.grants import Grant
from shared.costs import cost_book, cost_looks, cost_routes, prices
from shared.durable import storage
from shared.operations import models
from shared.rest import ids
from tests import front
from tests.fakes import Killed
from tests.unit.costs.conftest import START

if TYPE_CHECKING:
    from tests.unit.costs.conftest import Life

HOURS_A_DAY = 24


@pytest.fixture
def there(fresh: Life) -> Life:
    """An instance that runs, for six hours so far."""
    fresh.by("ada", population.instance(fresh.world, fresh.home, "ci", state="Running", operated=0, days=0))
    fresh.live(6 * 60)
    return fresh


def unreadable(life: Life, match: str) -> None:
    """Let Azure refuse some reads for good."""
    body = {"error": {"code": "AuthorizationFailed", "message": "No."}}
    life.world.faults.replace([Fault(action="respond", match=match, status=403, times=None, body=body)])


def test_a_workspace_that_could_never_be_read_is_unknown_not_zero(there: Life) -> None:
    """By workspace it has a row without numbers, and it is named with the reason; what was read counts."""
    population.workspace(there.world, "ml2", days=0)
    unreadable(there, "/ml2/computes")
    there.live(30)
    found = there.costs("by=workspace")
    rows = {row["name"]: row["nodeHours"] for row in found["value"]}
    assert rows == {"ml1": pytest.approx(6.5, abs=0.1), "ml2": None}
    gap = next(each for each in found["notSeen"] if each["workspace"].endswith("/ml2"))
    assert "AuthorizationFailed" in gap["reason"]
    assert not found["complete"]
    assert [row["name"] for row in there.costs("by=workspace&workspace=ml1")["value"]] == ["ml1"]
    assert not [each for each in there.costs("workspace=ml1")["notSeen"] if each["workspace"].endswith("/ml2")]


def test_a_workspace_that_was_made_since_is_seen_whole(there: Life) -> None:
    """It was not in the list before."""
    since = f"since={there.clock():%Y-%m-%dT%H:%M:%SZ}"
    population.instance(there.world, population.workspace(there.world, "ml2", days=0), "ci", state="Running", operated=0, days=0)
    there.live(60)
    found = there.costs(f"by=workspace&{since}")
    assert {row["name"]: row["nodeHours"] for row in found["value"]} == {
        name: pytest.approx(1, abs=0.02) for name in ("ml1", "ml2")
    }
    assert found["complete"]


def test_after_a_read_that_failed_nothing_is_taken_for_granted(there: Life) -> None:
    """What went on counts until the last look; the rest is unknown, until the next look tells."""
    unreadable(there, "/ml1/computes")
    there.live(3 * 60)
    found = there.costs("by=compute")
    assert found["total"]["nodeHours"] == pytest.approx(6.0, abs=0.3)
    assert found["notSeen"][-1]["reason"].startswith("AuthorizationFailed")
    there.world.faults.replace([])
    there.live(30)
    found = there.costs("by=compute&since=PT9H")
    assert found["total"]["nodeHours"] == pytest.approx(9.0, abs=0.1)
    assert found["complete"]


def test_without_looks_the_answer_says_so(there: Life) -> None:
    """A timer that does not run, or has not run yet, or is switched off."""
    there.clock.now += timedelta(hours=5)
    found = there.costs()
    assert found["total"]["nodeHours"] == pytest.approx(6.0, abs=0.3)
    assert found["notSeen"][-1]["reason"] == "the app has not read it since then"
    reasons = [each["reason"] for each in there.costs(f"workspace=typo,{there.home}")["notSeen"]]
    assert "the app has not read workspace typo yet" in reasons
    assert there.costs("workspace=typo")["total"] == {"nodeHours": 0.0, "idleHours": 0.0, "money": 0.0}
    assert "the app has not read a workspace of this request yet" in str(there.costs("below=workspaces/typo"))
    there.app.__dict__["settings"] = replace(there.app.settings, cost_days=0)
    assert "STEWARD_COST_DAYS" in there.costs()["notSeen"][-1]["reason"]


def test_workspaces_that_azure_does_not_list_are_named(there: Life) -> None:
    """ARM leaves out what the app may not read: then all of them is not everything."""
    unreadable(there, "Microsoft.Authorization/permissions")
    there.live(30)
    gap = next(each for each in there.costs()["notSeen"] if each["workspace"] is None)
    assert gap["reason"].startswith("some workspaces could not be listed")


def test_a_subscription_that_cannot_be_read_is_named_and_the_others_count(there: Life) -> None:
    """What is listed of it stays as it was at its last look."""
    other = "99999999-0000-0000-0000-000000000001"
    there.app.__dict__["settings"] = replace(there.app.settings, other_subscriptions=(other,))
    there.live(60)
    found = there.costs()
    assert found["total"]["nodeHours"] == pytest.approx(7, abs=0.02)
    gap = next(each for each in found["notSeen"] if each["workspace"] is None)
    assert other in gap["reason"]


def test_before_the_first_look_only_what_azure_says_counts(fresh: Life) -> None:
    """The instance runs since its last operation; what was before it, nobody knows, and the answer says that."""
    population.instance(fresh.world, fresh.home, "ci", state="Running", operated=2, days=9)
    fresh.live(20)
    found = fresh.costs("since=P7D")
    assert found["total"]["nodeHours"] == pytest.approx(2 * HOURS_A_DAY, abs=0.5)
    assert found["notSeen"][0]["until"].startswith("2026-03-02T09:00")


def test_a_run_whose_nodes_azure_does_not_say_counts_as_one_and_is_named(there: Life) -> None:
    """As an older run history, which has neither field."""
    place, at = there.home, there.clock()
    row = {"id": f"{place}/jobs/old", "kind": "run", "start": (at - timedelta(hours=2)).isoformat(), "end": at.isoformat()}
    span = cost_book.Span.from_json({**row, "nodes": 1, "assumed": True, "on": f"{place}/computes/gone", "owner": "eve"})
    cost_book.save(there.app.cost_rows, place, None, span)
    found = there.costs()
    assert {row["name"]: row["nodeHours"] for row in found["value"]}["eve"] == 2.0
    assert "1 run went on" in found["notSeen"][-1]["reason"]
    assert found["value"][-1]["unpriced"] == ["unknown"]
    assert found["value"][-1]["money"] is None


def test_without_prices_there_is_no_money(there: Life) -> None:
    """And the answer says that it has no source of prices; a size without a price is listed."""
    there.blobs.put(prices.PRICES, b"currency,EUR\nOTHER,1\nbroken\n")
    found = there.costs()
    assert (found["total"]["money"], found["total"]["unpriced"]) == (None, ["STANDARD_DS3_V2"])
    assert len(found["problems"]) == 1
    there.blobs.delete(prices.PRICES)
    found = there.costs()
    assert "money" not in found["total"]
    assert (found["currency"], found["priceSource"]) == (None, None)
    assert "not an invoice" in found["estimate"]


def test_a_limited_caller_sees_its_places_only(there: Life) -> None:
    """Not even the names of the others."""
    population.workspace(there.world, "ml2", days=0)
    unreadable(there, "/ml2/computes")
    there.live(20)

    def ask(place: str) -> Any:
        sender = Caller(name="key:team", grants=(Grant(role="reader", below=(place.lower(),)),))
        return cost_routes.read(Call(method="GET", path="costs", query="by=workspace", sender=sender), there.app).content.decode()

    assert "ml2" not in ask(f"{there.home}/computes/ci")
    assert '"nodeHours":6.3' in ask(f"{there.home}/computes/ci")
    assert "ci" not in ask(f"{there.home}/computes/other").replace("currency", "").replace("priceSource", "")
    other = ask(there.home.replace("ml1", "ml2"))
    assert "ml1" not in other
    assert "AuthorizationFailed" in other
    listed = next(each for each in cost_book.places(there.app.cost_rows) if not each.id)
    cost_book.put(there.app.cost_rows, replace(listed, problem="AuthorizationFailed: no read of /subscriptions/others"))
    assert "/subscriptions/others" in json.dumps(there.costs()["notSeen"])
    told = ask(there.home)
    assert ("some workspaces could not be listed" in told, "others" in told) == (True, False)


def test_the_table_holds_the_same_numbers_and_no_formula(there: Life) -> None:
    """In FOCUS columns, whatever names are like."""
    there.run("one", owner="=cmd()", target="ci", hours=2, experiment="e")
    there.live(4 * 60)
    answer = front.respond("GET", "costs?by=owner", accept="text/csv")
    assert answer.headers["Steward-Complete"] == "false"
    rows = list(csv.DictReader(io.StringIO(answer.get_body().decode("utf-8-sig"))))
    total = there.costs()["total"]
    assert sum(float(row["ConsumedQuantity"]) for row in rows) == pytest.approx(total["nodeHours"], abs=0.02)
    assert sum(float(row["BilledCost"]) for row in rows) == pytest.approx(total["money"], abs=0.02)
    assert {row["x_Group"] for row in rows} == {"ada", "'=cmd()"}
    assert {row["ResourceType"] for row in rows} == {"Microsoft.MachineLearningServices/workspaces/computes"}
    assert front.respond("GET", "costs?format=csv").get_body().startswith(b"\xef\xbb\xbfBillingAccountId,")


@pytest.mark.parametrize(
    "query", ["by=team", "since=2030-01-01", "since=soon", "format=xml", "bye=owner", "workspace=,", "below=x/y/z/1"]
)
def test_what_cannot_be_asked_is_refused(fresh: Life, query: str) -> None:
    """With what was expected."""
    status, body = front.told(front.respond("GET", f"costs?{query}"))
    assert status == 400, body


def test_below_a_compute_its_runs_count_too(there: Life) -> None:
    """Runs are jobs, and lie beside it."""
    there.run("one", owner="bob", target="ci", hours=2)
    there.live(4 * 60)
    path = f"below={there.home}/computes/ci"
    assert {row["name"]: row["nodeHours"] for row in there.costs(path)["value"]} == {
        "bob": pytest.approx(2, abs=0.05),
        "ada": pytest.approx(8, abs=0.05),
    }
    assert [row["name"] for row in there.costs(f"below={there.home}/jobs/one")["value"]] == ["bob"]


def test_the_owner_is_who_had_this_app_create_it(fresh: Life) -> None:
    """Azure names the app's identity then; its own ledger knows better."""
    made = population.instance(fresh.world, fresh.home, "ci", state="Running", operated=0, days=0)
    columns = {"status": "Succeeded", "target": made.lower(), "caller": "key:team-a", "created_at": fresh.clock()}
    row = storage.Row(partition=models.partition_of(ids.parse(made)), key=hashlib.sha256(b"x").hexdigest()[:20], columns=columns)
    fresh.rows["ledger"].put(row)
    fresh.live(60)
    assert [row["name"] for row in fresh.costs()["value"]] == ["key:team-a"]


def test_two_looks_at_once_and_two_in_a_row_count_nothing_twice(there: Life) -> None:
    """The rows are named by what they say."""
    place = next(each for each in cost_book.places(there.app.cost_rows) if each.id)
    count = len(there.rows["costs"].rows)
    azure: Any = there.app
    for _ in range(2):
        cost_looks.look(place, azure, there.app)
    assert len(there.rows["costs"].rows) == count


@pytest.mark.parametrize("after", [False, True])
def test_a_look_that_dies_anywhere_is_made_good_by_the_next(there: Life, *, after: bool) -> None:
    """Killed before or after each of its calls to storage, one change after the other: no hour is lost, none counts twice."""
    for nth in range(1, 9):
        there.arm("POST", f"{there.home}/computes/ci/{'stop' if nth % 2 else 'start'}")
        there.run(f"run-{nth}", owner="bob", target=None, size="STANDARD_DS3_V2", hours=0.1)
        there.live(1)
        there.clock.now += timedelta(minutes=20)
        there.fuse.blow(nth, after=after)
        with contextlib.suppress(Killed):
            cost_looks.tick(there.app)
        there.fuse.disarm()
        there.live(39)
    found = there.costs("by=owner&since=PT14H&until=PT0S")
    hours = {row["name"]: row["nodeHours"] for row in found["value"]}
    assert hours["ada"] == pytest.approx(6 + 4, abs=0.02)
    ran = sum(((run.ended_at or START) - (run.started_at or START) for run in there.world.runs.of(there.home)), timedelta())
    assert hours["bob"] == pytest.approx(ran / timedelta(hours=1), abs=0.02)


def test_old_rows_go_and_the_answer_says_from_when_on(there: Life) -> None:
    """By STEWARD_COST_DAYS; what goes on stays."""
    there.arm("POST", f"{there.home}/computes/ci/stop")
    there.live(60)
    there.clock.now += timedelta(days=500)
    assert cost_book.purge(there.app) == 1
    assert cost_book.purge(there.app) == 0
    assert "STEWARD_COST_DAYS is 400" in there.costs("since=P450D")["notSeen"][-1]["reason"]


@pytest.mark.parametrize(
    ("limit", "holds", "said"),
    [
        ("1/1d", "yes", "it cost 1.50 EUR in 1 day, more than 1"),
        ("2/1d", "unknown", "what it cost is not known: the app first read it then"),
        ("0.3/2h", "yes", "it cost 0.50 EUR in 2 hours, more than 0.3"),
        ("0.6/2h", "no", "it cost 0.50 EUR in 2 hours, not more than 0.6"),
    ],
)
def test_a_policy_stops_what_came_to_more(there: Life, limit: str, holds: str, said: str) -> None:
    """`spentMoreThan`, as cleanup/explain shows it; too little is known only where everything was seen."""
    policy = f"policies: [{{name: dear, kind: computeInstance, staleWhen: {{spentMoreThan: {limit}}}, action: stop}}]"
    assert front.respond("PUT", "cleanup/policies/ours", policy).status_code == 200
    status, found = front.told(front.respond("GET", f"cleanup/explain?resource={there.home}/computes/ci"))
    assert status == 200, found
    own = next(each for each in found["policies"] if each["policy"] == "dear")
    [condition] = own["conditions"]
    assert (condition["holds"], condition["because"][: len(said)]) == (holds, said)
    assert "an estimate" in condition["evidence"][0]
    assert own["step"] == ("act" if holds == "yes" else "keep")


def test_a_policy_keeps_what_has_no_price(there: Life) -> None:
    """What is not known keeps the resource."""
    there.blobs.delete(prices.PRICES)
    policy = "policies: [{name: dear, kind: computeInstance, staleWhen: {spentMoreThan: 0/1h}, action: stop}]"
    front.respond("PUT", "cleanup/policies/ours", policy)
    _, found = front.told(front.respond("GET", f"cleanup/explain?resource={there.home}/computes/ci"))
    [condition] = next(each for each in found["policies"] if each["policy"] == "dear")["conditions"]
    assert condition["because"] == "what it cost is not known: there is no cleanup/prices.csv"


def test_prices_are_put_whole_and_a_table_with_a_mistake_changes_nothing(fresh: Life) -> None:
    """Read back as they count; deleted, there is no money."""
    table = b"vmSize,price\ncurrency,CHF\nStandard_DS3_v2,0.3\n"
    said = {"currency": "CHF", "prices": {"standard_ds3_v2": 0.3}, "problems": []}
    assert front.told(front.respond("PUT", "costs/prices", table, content_type="text/csv")) == (200, said)
    assert front.told(front.respond("GET", "costs/prices")) == (200, said)
    assert fresh.costs()["currency"] == "CHF"
    for wrong, word in (
        (b"A,much\n", "line 1"),
        (b"currency,EUR\n", "no price"),
        (b"A,1\n" * 300_000, "1000000"),
        (b"a" * 200_000, "field"),
    ):
        status, body = front.told(front.respond("PUT", "costs/prices", wrong, content_type="text/csv"))
        assert (status, body["error"]["code"]) == (400, "InvalidPrices")
        assert word in body["error"]["message"]
    assert fresh.blobs.get(prices.PRICES) == table
    assert front.respond("DELETE", "costs/prices").status_code == 204
    assert fresh.costs()["priceSource"] is None
