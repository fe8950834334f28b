"""One idempotency key is one request, whatever it is sent to; an outage of the app's own storage poisons nothing."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from shared.rest import errors
from tests.fakes import DownRows

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
