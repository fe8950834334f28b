"""One idempotency key is one request, whatever it is sent to; an outage of the app's own storage poisons nothing."""

from __future__ import annotations

import contextlib
import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from shared.catalog import kinds
from shared.rest import errors
from tests.fake_azure import Fault, lost, throttled
from tests.fakes import DownRows, Killed

if TYPE_CHECKING:
    from tests.steward import Steward

BODY: dict[str, Any] = {"location": "westeurope", "properties": {}}
DATASTORE: dict[str, Any] = {
    "properties": {
        "datastoreType": "AzureBlob",
        "accountName": "one",
        "credentials": {"credentialsType": "AccountKey", "secrets": {"secretsType": "AccountKey", "key": "first secret"}},
    }
}


def test_a_key_sent_to_another_target_is_refused(steward: Steward) -> None:
    """The second resource is not made, and nothing is recorded for it."""
    steward.submit("PUT", "workspaces/w2", BODY, idempotency_key="k")
    with pytest.raises(errors.BadRequestError) as refused:
        steward.submit("PUT", "workspaces/w3", BODY, idempotency_key="k")
    assert (refused.value.error.code, refused.value.status) == ("IdempotencyKeyReused", 400)
    assert steward.azure.count("PUT workspaces/w3") == 0


def test_a_key_with_another_body_around_a_secret_is_refused(steward: Steward) -> None:
    """What is no secret of a request that holds one still tells requests apart; the secret itself is never hashed."""
    steward.submit("PUT", "workspaces/w1/datastores/d1", DATASTORE, idempotency_key="k")
    other = copy.deepcopy(DATASTORE)
    other["properties"]["accountName"] = "two"
    with pytest.raises(errors.BadRequestError, match="IdempotencyKeyReused"):
        steward.submit("PUT", "workspaces/w1/datastores/d1", other, idempotency_key="k")


@pytest.mark.parametrize("problem", [throttled(20), lost(arrived=False), lost(arrived=True)], ids=["throttled", "none", "broken"])
def test_a_secret_that_was_not_sent_is_sent_again_under_its_key(steward: Steward, problem: errors.TransientError) -> None:
    """Its caller is asked to send it again, and a client does so with the same key; once it is through, it is one operation."""
    asked: Any = ("PUT", "workspaces/w1/datastores/d1", DATASTORE)
    steward.azure.faults.append(Fault(method="PUT", match="d1", problem=problem, times=2))
    ids = []
    for status in ("Failed", "Failed", "Succeeded", "Succeeded"):
        operation = steward.submit(*asked, idempotency_key="k")
        steward.drive()
        ids.append(operation.id)
        assert steward.load(operation).status == status
    assert len(set(ids)) == 3
    assert steward.azure.count("PUT") == 1


def test_a_secret_that_had_to_wait_is_sent_under_its_key_later(steward: Steward) -> None:
    """It was turned away with 409 while another operation was at work on the target."""
    plain: dict[str, Any] = {"properties": {"datastoreType": "AzureBlob"}}
    steward.submit("PUT", "workspaces/w1/datastores/d1", plain, respond_async=True)
    with pytest.raises(errors.BadRequestError, match="TargetBusy"):
        steward.submit("PUT", "workspaces/w1/datastores/d1", DATASTORE, idempotency_key="k")
    steward.drive()
    again = steward.submit("PUT", "workspaces/w1/datastores/d1", DATASTORE, idempotency_key="k")
    steward.drive()
    assert steward.load(again).status == "Succeeded"


def test_a_newer_tables_api_version_does_not_turn_a_retry_into_another_request(
    steward: Steward, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the caller's own api-version belongs to the request; the table's may change with a deployment."""
    first = steward.submit("PUT", "workspaces/w2", BODY, idempotency_key="k")
    newer = tuple(replace(kind, api_version="2031-01-01") if kind.path == "workspaces" else kind for kind in kinds.KINDS)
    monkeypatch.setattr(kinds, "KINDS", newer)
    kinds.by_type.cache_clear()
    try:
        assert steward.submit("PUT", "workspaces/w2", BODY, idempotency_key="k").id == first.id
        with pytest.raises(errors.BadRequestError, match="IdempotencyKeyReused"):
            steward.submit("PUT", "workspaces/w2", BODY, idempotency_key="k", api_version="2023-10-01")
    finally:
        monkeypatch.undo()
        kinds.by_type.cache_clear()


def test_a_retry_whose_version_was_looked_up_anew_gets_the_first_operation(steward: Steward) -> None:
    """PUT of an asset without a version takes the next free one, which is another one once the first request is through."""
    asked = {"asked": "workspaces/w1/environments/e", "idempotency_key": "k"}
    first = steward.submit("PUT", "workspaces/w1/environments/e/versions/1", {"properties": {}}, **asked)
    again = steward.submit("PUT", "workspaces/w1/environments/e/versions/2", {"properties": {}}, **asked)
    assert again.id == first.id
    assert steward.azure.count("^PUT workspaces/w1/environments/e/versions/2") == 0


@pytest.mark.parametrize("body", [BODY, {"location": "northeurope", "properties": {}}], ids=["same", "other"])
def test_a_crash_between_key_and_operation_leaves_the_key_to_the_same_request(steward: Steward, body: dict[str, Any]) -> None:
    """The caller got no answer and sends it again, which makes the operation; another request under the key is refused."""
    calls = len(steward.fuse.calls)
    with contextlib.suppress(Killed):
        steward.fuse.blow(1, after=True)  # the key's row is the first write
        steward.submit("PUT", "workspaces/w2", BODY, idempotency_key="k")
    assert steward.fuse.calls[calls:] == ["rows.write"]
    steward.restart()
    assert steward.ledger.newest(top=10) == []
    if body == BODY:
        steward.submit("PUT", "workspaces/w2", body, idempotency_key="k")
        steward.drive()
        assert steward.azure.count("^PUT workspaces/w2$") == 1
    else:
        with pytest.raises(errors.BadRequestError, match="IdempotencyKeyReused"):
            steward.submit("PUT", "workspaces/w2", body, idempotency_key="k")


def test_a_new_key_costs_one_write_and_no_read(steward: Steward) -> None:
    """Nothing of it can be there; where an operation is all the same, the insert finds it."""
    first = steward.submit("PUT", "workspaces/w2", BODY, idempotency_key="k", respond_async=True)
    assert steward.fuse.calls == ["rows.write", "open.put", "rows.write", "queue.send"]
    steward.rows.rows = {place: row for place, row in steward.rows.rows.items() if not place[0].startswith("key-")}
    again = steward.submit("PUT", "workspaces/w2", BODY, idempotency_key="k", respond_async=True)
    assert again.id == first.id
    assert len(steward.messages(first)) == 1


def test_keys_are_forgotten_with_their_operations(steward: Steward) -> None:
    """After the retention the key is free again; until then it is no operation in any list."""
    steward.submit("PUT", "workspaces/w2", BODY, idempotency_key="k")
    steward.drive()
    assert [operation.target[-2:] for operation in steward.ledger.newest(top=10)] == ["w2"]
    steward.clock.advance(31 * 86_400)
    assert steward.ledger.purge(steward.clock()) == 1
    assert steward.submit("PUT", "workspaces/w3", BODY, idempotency_key="k").phase == "following"


def test_a_long_outage_of_the_table_fails_no_operation(steward: Steward) -> None:
    """Its messages wait in the queue, which works; none reaches the poison function."""
    rows = DownRows("rows", steward.fuse)
    steward.rows = rows
    steward.restart()
    operation = steward.submit("PUT", "workspaces/w2", BODY)
    rows.down = True
    for _ in range(40):  # twenty minutes of deliveries that end in a storage error
        steward.clock.advance(30)
        steward.step()
    rows.down = False
    steward.drive()
    assert steward.load(operation).status == "Succeeded"
    assert steward.poisoned == []
    assert steward.azure.count("^PUT") == 1
