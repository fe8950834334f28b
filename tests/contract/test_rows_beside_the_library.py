"""Rows beside azure-data-tables, which knows what Azure's tables are: what one writes the other reads, and both find the same."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from azure.core.credentials import AzureNamedKeyCredential
from azure.data.tables import AccountSasPermissions, EdmType, EntityProperty, ResourceTypes, TableClient, generate_account_sas
from azure.storage.queue import AccountSasPermissions as QueuePermissions
from azure.storage.queue import ResourceTypes as QueueTypes
from azure.storage.queue import generate_account_sas as queue_sas

from infra.local import azurite
from shared.durable.storage import Change, Row
from tests.contract.conftest import opened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.durable.storage import Rows

MOMENT = datetime(2026, 3, 2, 9, 30, 15, 123456, tzinfo=UTC)
VALUES: dict[str, Any] = {
    "text": 'it\'s "ä €" \\ <&> \n %20+',
    "empty": "",
    "number": -(2**31),
    "flag": True,
    "off": False,
    "at": MOMENT,
    "whole": datetime(2026, 3, 2, tzinfo=UTC),
    "east": datetime(2026, 3, 2, 9, 30, tzinfo=UTC) + timedelta(days=400),
    "real": 1.5,
}
KEYS = ["plain", "it's", "ä €", "a+b %20", "x=y&z", "()", "~"]


@pytest.fixture
def both(connection: str) -> Iterator[tuple[Rows, TableClient]]:
    """One empty table, ours and the library's."""
    name = f"t{uuid.uuid4().hex}"
    ours = opened(connection)._rows(name)
    with TableClient.from_connection_string(connection, name) as theirs:
        yield ours, theirs


@pytest.mark.parametrize("key", KEYS)
def test_a_row_of_ours_is_the_librarys(both: tuple[Rows, TableClient], key: str) -> None:
    """Each value with its type, its etag, and the moment that storage wrote it."""
    ours, theirs = both
    (etag,) = ours.write([Change(verb="insert", row=Row(partition=key, key=key, columns={**VALUES, "long": 2**40}))])
    entity = theirs.get_entity(key, key)
    assert {name: value for name, value in entity.items() if name not in ("PartitionKey", "RowKey", "long")} == VALUES
    assert {name: type(entity[name]) for name in ("number", "flag", "real")} == {"number": int, "flag": bool, "real": float}
    assert entity["long"] == EntityProperty(2**40, EdmType.INT64)
    found = ours.get(key, key)
    assert found
    assert (found.etag, found.written_at) == (etag, entity.metadata["timestamp"])
    assert entity.metadata["etag"] == etag


@pytest.mark.parametrize("key", KEYS)
def test_a_row_of_the_librarys_is_ours(both: tuple[Rows, TableClient], key: str) -> None:
    """The release before wrote with it; what is unknown here is written back as it is."""
    ours, theirs = both
    theirs.create_entity({"PartitionKey": key, "RowKey": key, **VALUES, "long": EntityProperty(2**40, EdmType.INT64), "none": None})
    found = ours.get(key, key)
    assert found
    assert dict(found.columns) == {**VALUES, "long": 2**40}
    ours.write([Change(verb="replace", row=found)])
    entity = theirs.get_entity(key, key)
    assert {name: value for name, value in entity.items() if name not in ("PartitionKey", "RowKey", "long")} == VALUES
    assert entity["long"] == EntityProperty(2**40, EdmType.INT64)


def test_a_transaction_of_ours_and_one_of_the_librarys_leave_the_same(both: tuple[Rows, TableClient]) -> None:
    """Row and lane, as an acceptance writes them; the etags are those that the library reads."""
    ours, theirs = both
    etags = ours.write([Change(verb="insert", row=Row(partition="p", key=key, columns=VALUES)) for key in KEYS])
    assert etags == [theirs.get_entity("p", key).metadata["etag"] for key in KEYS]
    theirs.submit_transaction([("create", {"PartitionKey": "q", "RowKey": key, **VALUES}) for key in KEYS])
    by_key = {partition: {row.key: row.columns for row in ours.query(partition=partition)} for partition in "pq"}
    assert by_key["p"] == by_key["q"] == dict.fromkeys(KEYS, VALUES)


@pytest.mark.parametrize("name", [name for name in VALUES if name != "real"])
def test_a_query_finds_what_the_librarys_finds(both: tuple[Rows, TableClient], name: str) -> None:
    """Equal, at least, below: by values of every type."""
    ours, theirs = both
    for number, key in enumerate(KEYS):
        columns = {**VALUES, **({"number": number, "at": MOMENT + timedelta(seconds=number)} if number else {})}
        ours.write([Change(verb="insert", row=Row(partition="p", key=key, columns=columns))])
    for verb, argument in (("eq", "equal"), ("ge", "least"), ("lt", "below")):
        asked = theirs.query_entities(f"{name} {verb} @value", parameters={"value": VALUES[name]}, select=["RowKey"])
        found: Any = ours.query(**{argument: {name: VALUES[name]}}, columns=("number",))
        assert [row.key for row in found] == [each["RowKey"] for each in asked]


def test_a_shared_access_signature_opens_tables_and_queues(connection: str) -> None:
    """Of the library's making: an operator may give the app one instead of the key."""
    until = datetime.now(UTC) + timedelta(hours=1)
    said = dict(part.split("=", 1) for part in connection.split(";") if part)
    account, key = said["AccountName"], azurite.DEV_KEY
    tables = generate_account_sas(
        AzureNamedKeyCredential(account, key),
        ResourceTypes(service=True, container=True, object=True),
        AccountSasPermissions(read=True, write=True, delete=True, list=True, add=True, create=True, update=True),
        until,
    )
    queues = queue_sas(
        account,
        key,
        QueueTypes(service=True, container=True, object=True),
        QueuePermissions(add=True, create=True, read=True),
        until,
    )
    ends = f"TableEndpoint={said['TableEndpoint']};QueueEndpoint={said['QueueEndpoint']}"
    rows = opened(f"{ends};SharedAccessSignature={tables}")._rows(f"t{uuid.uuid4().hex}")
    rows.write([Change(verb="insert", row=Row(partition="p", key=key, columns=VALUES)) for key in "ab"])
    assert [dict(row.columns) for row in rows.query(equal={"at": MOMENT})] == [VALUES] * 2
    opened(f"{ends};SharedAccessSignature={queues}").queue_named(f"q{uuid.uuid4().hex}").send("x")
