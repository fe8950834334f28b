"""What the app tells of itself: queues, open operations, allowances, the sign-in; each for itself."""

from __future__ import annotations

from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from shared import health, services
from shared.durable import storage, storage_clock, timers
from shared.notify import deliveries
from shared.openapi import shapes
from shared.rest import errors
from shared.settings import Settings
from tests.fakes import FakeRows
from tests.steward import Steward
from tests.unit.test_app_wiring import FUNCTIONS

QUIET: dict[str, Any] = {"open": 0, "lastHour": {"outcomes": {}, "codes": []}}
DEPTHS = {"steward-operations": 4, "steward-cleanup-poison": 2}


class Client:
    """Azure as far as vitals ask."""

    throttled = 3
    refusal: errors.StewardError | None = None
    now: datetime | None = None

    def azure_now(self, url: str) -> datetime | None:
        """See `Client.azure_now`."""
        assert url == "https://management.azure.com"
        return self.now

    def allowances(self) -> list[tuple[str, str, int, int]]:
        """See `Client.allowances`."""
        return [("s1", "reads", 200, 250)]

    def token(self, scope: str) -> str:
        """See `Client.token`."""
        assert scope == "https://management.azure.com/.default"
        if self.refusal:
            raise self.refusal
        return "a token"


@pytest.fixture
def steward() -> Steward:
    """The app's storage."""
    return Steward()


@pytest.fixture
def app(steward: Steward, monkeypatch: pytest.MonkeyPatch) -> services.Services:
    """The services that vitals look at."""
    app = services.Services(settings=Settings(), clock=steward.clock)
    app.__dict__.update(client=Client(), ledger=steward.ledger, blobs=steward.blobs)
    app.__dict__["delivery_rows"] = FakeRows("deliveries", steward.fuse)
    app.__dict__["cleanup_rows"] = FakeRows("cleanup", steward.fuse)
    app.__dict__["cost_rows"] = FakeRows("costs", steward.fuse)
    app.__dict__["hook_rows"] = FakeRows("hooks", steward.fuse)
    app.__dict__["missing"] = list
    monkeypatch.setattr(services.Services, "depth", lambda _, name: DEPTHS.get(name, 0))
    return app


def submit(steward: Steward, name: str) -> Any:
    """Record an operation that waits to be sent."""
    body = {"location": "westeurope", "identity": {"type": "SystemAssigned"}, "properties": {}}
    return steward.submit("PUT", f"workspaces/{name}", body, respond_async=True)


def test_clocks_are_compared_and_a_wrong_one_is_named(app: services.Services, steward: Steward) -> None:
    """Storage's and Azure's, with this process's; nothing is said of one that has not answered."""
    late = storage_clock.StorageClock(lambda: steward.clock() - timedelta(minutes=15))
    object.__setattr__(app, "clock", late)
    assert health.look(app)["clocks"] == {}
    late.heard(format_datetime(steward.clock(), usegmt=True), 0.0)
    Client.now = steward.clock() + timedelta(seconds=30)
    found = health.look(app)
    assert found["clocks"] == {"storageAheadS": 900.5, "azureAheadS": 930.0}
    named = [each["message"] for each in found["attention"] if each["code"] == "ClockSkew"]
    assert named == [f"The clock of {each} seconds ahead of this process's." for each in ("storage is 900", "azure is 930")]


def test_every_queue_is_told_with_its_poison(app: services.Services) -> None:
    """A queue that nobody has written to yet is empty."""
    found = {each["name"]: each for each in health.look(app)["queues"]}
    assert set(found) == set(health.QUEUES)
    assert found["steward-operations"] == {"name": "steward-operations", "messages": 4, "poison": 0}
    assert found["steward-cleanup"]["poison"] == 2


def test_the_oldest_open_operation_is_told_with_its_age(app: services.Services, steward: Steward) -> None:
    """The first that was accepted and has not ended; one that ended but still stands on the list does not count as it."""
    assert health.look(app)["operations"] == QUIET
    first = submit(steward, "ws-first")
    steward.clock.advance(100)
    submit(steward, "ws-second")
    steward.clock.advance(20)
    found = health.look(app)["operations"]
    assert found["open"] == 2
    assert (found["oldest"]["name"], found["oldest"]["ageS"]) == (first.id, 120)

    steward.edit(first, phase="ended", status="Canceled")
    assert health.look(app)["operations"]["oldest"]["target"].endswith("ws-second")


def test_events_put_aside_are_counted(app: services.Services, steward: Steward) -> None:
    """They wait below `hooks/dead/` for somebody to look."""
    steward.blobs.put("hooks/dead/1.json", b"{}")
    steward.blobs.put("hooks/other.json", b"{}")
    assert health.look(app)["eventsPutAside"]["count"] == 1


def test_what_azure_still_allows_is_told(app: services.Services) -> None:
    """As its last answers told this process."""
    found = health.look(app)["throttling"]
    assert found == {"refused": 3, "allowances": [{"subscription": "s1", "allowance": "reads", "left": 200, "of": 250}]}


def test_a_part_that_cannot_be_read_hides_no_other(app: services.Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason stands where the numbers would, and no token or header does."""

    def down(_self: Any, _name: str) -> int:
        raise errors.UnreachableError("The app's own storage failed.", delay_s=5, maybe_arrived=True, code="StorageUnavailable")

    assert health.look(app)["status"] == "up"
    monkeypatch.setattr(services.Services, "depth", down)
    refusal = errors.RejectedError(errors.AzureError(code="SignInFailed", message="No token."), status=502)
    monkeypatch.setattr(Client, "refusal", refusal)
    found = health.look(app)
    assert found["status"] == "degraded"
    assert found["queues"]["error"]["code"] == "StorageUnavailable"
    assert found["token"] == {"error": {"code": "SignInFailed", "message": "No token."}}
    assert [each["code"] for each in found["attention"]] == ["PartUnreadable", "PartUnreadable"]
    assert "SignInFailed" in found["attention"][1]["message"]
    assert found["operations"] == QUIET


def test_mistakes_in_files_are_counted_and_the_first_is_told_with_its_place(app: services.Services, steward: Steward) -> None:
    """A file of policies or rules with a mistake has no effect: whoever watches the app should know."""
    right = {"mistakes": 0, "files": 0}
    assert (health.look(app)["policyFiles"], health.look(app)["ruleFiles"]) == (right, right)
    steward.blobs.put("cleanup/policies/wrong.yaml", b"policies:\n  - name: wrong\n    kind: nothing\n    action: explode\n")
    steward.blobs.put("hooks/rules/wrong.yaml", b"rules:\n  - name: x\n    onn: 1\n")
    steward.blobs.put("hooks/rules/bytes.yaml", b"\xff\xfe\x00")
    app.rule_store.changed()
    found = health.look(app)
    assert (found["policyFiles"]["mistakes"], found["policyFiles"]["files"]) == (3, 1)
    first = found["policyFiles"]["first"]
    assert (first["file"], first["line"], first["column"]) == ("cleanup/policies/wrong.yaml", 2, 5)
    assert first["message"].startswith("policies[0]")
    assert found["ruleFiles"]["files"] == 2
    assert found["ruleFiles"]["first"] == {"file": "hooks/rules/bytes.yaml", "message": "hooks/rules/bytes.yaml is not UTF-8."}
    assert found["status"] == "up", "the app works; its files do not"
    said = [each for each in found["attention"] if each["code"] == "FileMistakes"]
    assert "cleanup/policies/wrong.yaml, line 2, column 5: policies[0]" in said[0]["message"]
    assert len(said) == 2

    steward.blobs.delete("hooks/rules/bytes.yaml")
    app.rule_store.changed()
    place = health.look(app)["ruleFiles"]["first"]
    assert (place["file"], place["line"], place["column"]) == ("hooks/rules/wrong.yaml", 2, 5)


def test_who_cannot_be_told_is_told(app: services.Services, steward: Steward) -> None:
    """Those that are tried again and those that were given up, without what a receiver's query may hold."""

    def told(name: str, **more: Any) -> None:
        receiver = {"target": "https://hooks.contoso.com/x?sig=secret", "event": {"type": "t", "id": "e"}}
        delivery = deliveries.Delivery(about=name, key="k", created_at=steward.clock(), **receiver, **more)
        app.delivery_rows.write([storage.Change(verb="insert", row=deliveries.row_of(delivery))])

    told("first try", tried=0)
    told("again", tried=2)
    told("lost", tried=10, status="Failed", ended_at=steward.clock())
    found = health.look(app)
    counts = {name: count for name, count in found["deliveries"].items() if name != "newest"}
    assert counts == {"triedAgain": 1, "givenUp": 1, "givenUpToday": 1}
    assert {each["about"]: each["target"] for each in found["deliveries"]["newest"]} == {
        "again": "https://hooks.contoso.com/x",
        "lost": "https://hooks.contoso.com/x",
    }
    assert "DeliveriesGivenUp" in [each["code"] for each in found["attention"]]
    assert "secret" not in str(found)
    steward.clock.advance(2 * 86_400)
    later = health.look(app)
    assert (later["deliveries"]["givenUp"], later["deliveries"]["givenUpToday"]) == (1, 0)
    assert "DeliveriesGivenUp" not in [each["code"] for each in later["attention"]]


def test_what_needs_somebody_is_said_in_words(app: services.Services, steward: Steward, monkeypatch: pytest.MonkeyPatch) -> None:
    """Poison, events put aside, an operation that is open for a day; nothing of it when all is well."""
    monkeypatch.setitem(DEPTHS, "steward-cleanup-poison", 0)
    assert health.look(app)["attention"] == []
    monkeypatch.setitem(DEPTHS, "steward-events-poison", 3)
    steward.blobs.put("hooks/dead/1.json", b"{}")
    first = submit(steward, "ws-first")
    steward.clock.advance(25 * 3600)
    found = {each["code"]: each for each in health.look(app)["attention"]}
    assert set(found) == {"PoisonMessages", "EventsPutAside", "OldOperation", "TimerLate"}
    assert "steward-events-poison holds 3" in found["PoisonMessages"]["message"]
    assert "25 hours" in found["OldOperation"]["message"]
    assert first.id in found["OldOperation"]["next"]
    assert all(each["next"] for each in found.values())


def test_a_timer_that_does_not_run_is_noticed(app: services.Services, steward: Steward) -> None:
    """A function in error says nothing (host.md H13): its last run is a row, and three minutes without one are too long."""

    def late() -> list[str]:
        return [each["message"] for each in health.look(app)["attention"] if each["code"] == "TimerLate"]

    assert late() == []  # an app that was just deployed is not late
    for name in timers.LIMITS:
        timers.finished(name, app.cleanup_rows, app.clock())
    steward.clock.advance(170)
    assert late() == []
    steward.clock.advance(70)
    timers.finished("cleanup_timer", app.cleanup_rows, app.clock())
    assert late() == ["reconcile_operations has not finished a run for 4 minutes."]
    timers.finished("reconcile_operations", app.cleanup_rows, app.clock())
    assert late() == []


def test_a_timer_that_never_ran_is_noticed_once_it_should_have(app: services.Services, steward: Steward) -> None:
    """Counted from the first look of this process."""
    health.look(app)
    steward.clock.advance(200)
    found = [each for each in health.look(app)["attention"] if each["code"] == "TimerLate"]
    assert [each["message"].split()[0] for each in found] == ["reconcile_operations", "cleanup_timer"]
    assert "/admin/functions/reconcile_operations/status" in found[0]["next"]


def test_the_watched_timers_are_the_apps_timers() -> None:
    """Each of them, and nothing else."""
    assert set(timers.LIMITS) == {name for name, trigger in FUNCTIONS.items() if trigger["type"] == "timerTrigger"}


def test_what_the_account_lacks_is_said(app: services.Services) -> None:
    """A trigger on a queue that is not there waits, and the platform says nothing of it."""
    app.__dict__["missing"] = lambda: [("queue", "steward-events"), ("table", "stewardhooks")]
    found = health.look(app)
    assert found["missing"] == ["queue steward-events", "table stewardhooks"]
    (point,) = (each for each in found["attention"] if each["code"] == "StorageMissing")
    assert "no queue steward-events, no table stewardhooks" in point["message"]


def test_every_part_is_described(app: services.Services) -> None:
    """A part that openapi.json does not know is one that a generated client cannot read."""
    assert set(health.look(app)) | {"caller", "role", "links"} == set(shapes.health()["properties"])


def test_what_failed_in_the_last_hour_is_counted_with_its_reason(app: services.Services, steward: Steward) -> None:
    """What Azure refused at once apart from what failed later; what was accepted before that hour is not counted."""
    for number, (status, http_status, code) in enumerate(
        [("Failed", 422, "Old"), ("Failed", 422, "Quota"), ("Failed", 400, "BadRequest"), ("Succeeded", 200, "")]
    ):
        error = errors.AzureError(code=code, message="m") if code else None
        steward.edit(submit(steward, f"ws-{number}"), phase="ended", status=status, http_status=http_status, error=error)
        steward.clock.advance(4000 if number == 0 else 1)
    whole = health.look(app)
    (point,) = (each for each in whole["attention"] if each["code"] == "OperationsFailed")
    assert "last hour: 1; 1 more were refused at once" in point["message"]
    assert "Quota 1" in point["message"]
    assert "outcome=Failed&since=PT1H" in point["next"]
    found = whole["operations"]["lastHour"]
    assert found["outcomes"] == {"Failed": 1, "Refused": 1, "Succeeded": 1}
    assert found["codes"] == [{"name": "BadRequest", "count": 1}, {"name": "Quota", "count": 1}]
    steward.clock.advance(3700)
    assert "OperationsFailed" not in [each["code"] for each in health.look(app)["attention"]]


def test_rule_runs_that_failed_need_attention_for_a_day(app: services.Services, steward: Steward) -> None:
    """By rule; one that succeeded and one of the day before do not count."""
    rows = app.hook_rows
    for number, (status, rule) in enumerate([("Failed", "copy"), ("Refused", "loop"), ("Succeeded", "fine")]):
        columns = {"status": status, "rule": rule, "ended_at": steward.clock()}
        rows.put(storage.Row(partition="firing", key=str(number), columns=columns))
    (point,) = (each for each in health.look(app)["attention"] if each["code"] == "FiringsFailed")
    assert "2 (copy, loop)" in point["message"]
    steward.clock.advance(25 * 3600)
    assert health.look(app)["firings"] == {"failedToday": 0, "rules": []}
