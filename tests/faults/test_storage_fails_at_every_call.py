"""The app's own storage fails at any call, before or after that took effect, or for a while: nothing is lost or done twice."""

from __future__ import annotations

import io
import itertools
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from shared.durable import lease
from shared.rest import errors
from tests import tables
from tests.fake_azure import WORKSPACE
from tests.fakes import FakeRows
from tests.steward import Steward

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.durable import storage

pytestmark = pytest.mark.sweep
EVERY_DAY = 8  # calls of a life; make nightly has each of them fail
OUTAGES = (3, 8)  # calls that fail in a row
INSTANCE = f"{WORKSPACE}/computes/inst"
KEY = {"credentialsType": "AccountKey", "secrets": {"secretsType": "AccountKey", "key": "DATASTORE-SECRET"}}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One request, and the write of Azure's that must happen once."""

    name: str
    method: str
    path: str
    write: str
    body: dict[str, Any] | None = None
    files: tuple[str, ...] = ()
    exists: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def forgetful(self) -> bool:
        """Tell whether it may end without having been sent: its secret is nowhere but in the accepting process."""
        return "datastore" in self.name


CASES = [
    Case(
        name="PUT compute",
        method="PUT",
        path="workspaces/w1/computes/cpu",
        body={"location": "westeurope", "properties": {"computeType": "AmlCompute"}},
        write="^PUT workspaces/w1/computes/cpu$",
    ),
    Case(
        name="POST job with code",
        method="POST",
        path="workspaces/w1/jobs",
        body={"properties": {"jobType": "Command", "command": "python train.py"}},
        files=("code",),
        write="^PUT workspaces/w1/jobs/",
    ),
    Case(
        name="PATCH workspace",
        method="PATCH",
        path="workspaces/w1",
        body={"tags": {"team": "m" * 20_000}},
        write="^PATCH workspaces/w1$",
    ),
    Case(
        name="DELETE compute",
        method="DELETE",
        path="workspaces/w1/computes/inst",
        write="^DELETE workspaces/w1/computes/inst$",
        exists={INSTANCE: {"properties": {"computeType": "ComputeInstance"}}},
    ),
    Case(
        name="restart compute",
        method="POST",
        path="workspaces/w1/computes/inst/restart",
        write="^POST workspaces/w1/computes/inst/restart$",
        exists={INSTANCE: {"properties": {"computeType": "ComputeInstance"}}},
    ),
    Case(
        name="PUT datastore with a secret",
        method="PUT",
        path="workspaces/w1/datastores/d1",
        body={"properties": {"datastoreType": "AzureBlob", "accountName": "one", "credentials": KEY}},
        write="^PUT workspaces/w1/datastores/d1$",
    ),
]
named = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def _zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(zipfile.ZipInfo("train.py"), "print(1)")
    return out.getvalue()


ZIP = _zip()


def _begun(case: Case) -> Steward:
    steward = Steward()
    for path, body in case.exists.items():
        steward.azure.put(path, body)
    return steward


def _submitted(steward: Steward, case: Case, *, respond_async: bool = False) -> str:
    """Send a request as a caller with a key does: again, for as long as the app answers 503."""
    for _ in range(40):
        try:
            asked = {"files": dict.fromkeys(case.files, ZIP), "idempotency_key": "k1", "respond_async": respond_async}
            return steward.submit(case.method, case.path, case.body, **asked).id
        except errors.TransientError:
            steward.clock.advance(1)
    raise AssertionError("never accepted")


def _storage_calls(case: Case, *, respond_async: bool) -> int:
    steward = _begun(case)
    _submitted(steward, case, respond_async=respond_async)
    steward.drive()
    return sum(not name.startswith("azure") for name in steward.fuse.calls)


def _check(steward: Steward, case: Case, operation_id: str) -> None:
    steward.fuse.disarm()
    assert [each.id for each in steward.ledger.newest(top=5)] == [operation_id]
    operation = steward.load(operation_id)
    story = [f"{entry.what} {entry.detail}" for entry in operation.timeline]
    if operation.status != "Succeeded":
        assert case.forgetful, (operation.error, story)
        assert operation.error
        assert (operation.error.code, steward.azure.count(case.write)) == ("NotSent", 0)
    else:
        assert steward.azure.count(case.write) == 1, (steward.azure.effects, story)
    assert not steward.queue.messages
    assert not steward.open.rows
    assert [key for _, key in steward.rows.rows if key == "lane"] == []
    assert not [name for name in steward.blobs.blobs if "/content/" in name], "files that are in Azure are kept"
    assert not steward.poisoned


@named
@pytest.mark.parametrize("respond_async", [False, True], ids=["inline", "queued"])
def test_a_failure_of_storage_at_any_call_is_survived(case: Case, respond_async: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """A lost answer of the claim, too: who claimed a restart knows that it was not sent, and sends it."""
    if respond_async and case.forgetful:
        return  # refused
    for nth in tables.sample(range(1, _storage_calls(case, respond_async=respond_async) + 1), EVERY_DAY, seed=case.name):
        for after in (False, True):
            steward = _begun(case)
            steward.fuse.fail(nth, after=after)
            operation_id = _submitted(steward, case, respond_async=respond_async)
            steward.drive()
            _check(steward, case, operation_id)


@named
def test_an_outage_of_storage_from_any_call_on_is_survived(case: Case) -> None:
    """Calls fail in a row; where nobody can read what became of a claim, an action that harms when repeated stays unknown."""
    for nth, calls in itertools.product(range(1, _storage_calls(case, respond_async=False) + 1, 2), OUTAGES):
        steward = _begun(case)
        steward.fuse.fail(nth, after=nth % 4 == 1, calls=calls)
        operation_id = _submitted(steward, case)
        steward.drive()
        steward.fuse.disarm()
        operation = steward.load(operation_id)
        if operation.error and operation.error.code == "OutcomeUnknown":
            assert case.name == "restart compute"
            assert steward.azure.count(case.write) <= 1
        else:
            _check(steward, case, operation_id)


class _SlowRows(FakeRows):
    """A table that takes its time over claims; `pauses_s` are those of the next ones."""

    def __init__(self, steward: Steward, pauses_s: list[float]) -> None:
        super().__init__("rows", steward.fuse)
        self.clock, self.pauses_s = steward.clock, pauses_s

    def write(self, changes: Sequence[storage.Change]) -> list[str]:
        """See `storage.Rows.write`."""
        if "sending" in str(changes[0].row.columns.get("json0")) and self.pauses_s:
            self.clock.advance(self.pauses_s.pop())
        return super().write(changes)


def test_a_request_is_sent_within_the_lease_of_its_claim_however_slow_storage_was() -> None:
    """A claim that took two minutes to be written is made again: it is not sent again while it is under way."""
    steward, left_s = Steward(), []
    steward.rows = _SlowRows(steward, [120.0, 120.0])
    steward.restart()

    def between(name: str) -> None:
        if name.startswith("azure PUT"):
            steward.fuse.between = None
            (operation,) = steward.ledger.newest(top=1)
            left_s.append((operation.due_at - steward.clock()).total_seconds())

    steward.fuse.between = between
    operation = steward.submit("PUT", "workspaces/w2", {"location": "westeurope", "properties": {}})
    assert left_s == [lease.LEASE.total_seconds()]
    assert (operation.phase, operation.calls["write"]) == ("following", 1)
