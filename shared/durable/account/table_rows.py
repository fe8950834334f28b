"""Azure's tables: `storage.Rows` in the table service's own protocol.

One write is one request; several of one partition are a `$batch`, all or none.
Facts: https://learn.microsoft.com/rest/api/storageservices/table-service-rest-api. Not here: what rows hold (records, ledger).
"""

from __future__ import annotations

import json
import re
import uuid
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from shared.durable import storage
from shared.durable.account import storage_wire
from shared.durable.account.storage_wire import Answer
from shared.durable.storage import Row

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from shared.durable.account.storage_wire import Wire
    from shared.durable.storage import Change

JSON = "application/json;odata=minimalmetadata"
SPOKEN = {"Accept": JSON, "DataServiceVersion": "3.0", "MaxDataServiceVersion": "3.0"}
SILENT = {"Content-Type": "application/json", "Prefer": "return-no-content"}
TYPE = "@odata.type"
MOMENT, LONG = "Edm.DateTime", "Edm.Int64"
KEYS = ("PartitionKey", "RowKey", "Timestamp")
SHORT = range(-(2**31), 2**31)  # integers that need no type
CONFLICT = (404, 409, 412)
OF_THE_TABLE = ("TableNotFound", "TableBeingDeleted")  # nothing was there first, and no second try helps
NEXT = ("NextPartitionKey", "NextRowKey")
_PART = re.compile(rb"^HTTP/1\.1 (\d{3})(.*?)(?=^--|\Z)", re.DOTALL | re.MULTILINE)
_ETAG = re.compile(rb"^ETag: *(.*?)\r?$", re.IGNORECASE | re.MULTILINE)


class TableRows:
    """`Rows` on an Azure table."""

    def __init__(self, wire: Wire, name: str) -> None:
        self._wire = wire
        self._name = name

    def make(self) -> None:
        """Make the table if it is not there."""
        made = self._wire.send(
            "POST", "/Tables", headers=SPOKEN | SILENT, content=json.dumps({"TableName": self._name}).encode(), twice=False
        )
        if made.code != "TableAlreadyExists":
            storage_wire.expected(made, 201, 204)

    def get(self, partition: str, key: str) -> Row | None:
        """See `Rows.get`."""
        return self._read(partition, key)[0]

    def dated(self, partition: str, key: str) -> tuple[Row | None, datetime]:
        """See `Rows.dated`: the `Date` of the answer that has the row, or has not."""
        row, answer = self._read(partition, key)
        return row, parsedate_to_datetime(answer.headers["Date"])

    def write(self, changes: Sequence[Change]) -> list[str]:
        """See `Rows.write`; one change goes without the batch envelope, which costs as much again as the write."""
        asked = [self._change(change) for change in changes]
        answers = self._batch(asked) if len(asked) > 1 else [self._one(changes[0].verb, *asked[0])]
        for answer in answers:
            if answer.status in CONFLICT and answer.code not in OF_THE_TABLE:
                raise storage.ConflictError
            storage_wire.expected(answer, 204)
        return ["" if change.verb == "delete" else answer.headers["ETag"] for change, answer in zip(changes, answers, strict=True)]

    def put(self, row: Row) -> None:
        """See `Rows.put`."""
        path = self._path(row.partition, row.key)
        storage_wire.expected(self._wire.send("PUT", path, headers=SPOKEN | SILENT, content=_entity(row)), 204)

    def delete(self, partition: str, key: str) -> None:
        """See `Rows.delete`."""
        gone = self._wire.send("DELETE", self._path(partition, key), headers=SPOKEN | {"If-Match": "*"})
        if gone.status != 404 or gone.code in OF_THE_TABLE:
            storage_wire.expected(gone, 204)

    def query(
        self,
        *,
        partition: str = "",
        equal: Mapping[str, Any] | None = None,
        least: Mapping[str, Any] | None = None,
        below: Mapping[str, Any] | None = None,
        columns: Sequence[str] = (),
    ) -> Iterator[Row]:
        """See `Rows.query`."""
        exactly = {**({"PartitionKey": partition} if partition else {}), **(equal or {})}
        verbs = {"eq": exactly, "ge": least or {}, "lt": below or {}}
        text = " and ".join(f"{name} {verb} {_literal(value)}" for verb, asked in verbs.items() for name, value in asked.items())
        asked = {"$filter": text} if text else {}
        if columns:
            asked["$select"] = ",".join(("PartitionKey", "RowKey", *columns))
        place: dict[str, str] = {}
        while True:
            answer = storage_wire.expected(self._wire.send("GET", f"/{self._name}()", {**asked, **place}, headers=SPOKEN), 200)
            yield from map(_row, json.loads(answer.content)["value"])
            place = {name: held for name in NEXT if (held := answer.headers.get(f"x-ms-continuation-{name}"))}
            if not place:
                return

    def _read(self, partition: str, key: str) -> tuple[Row | None, Answer]:
        answer = self._wire.send("GET", self._path(partition, key), headers=SPOKEN)
        if answer.status == 404 and answer.code not in OF_THE_TABLE:
            return None, answer
        return _row(json.loads(storage_wire.expected(answer, 200).content)), answer

    def _path(self, partition: str, key: str) -> str:
        return f"/{self._name}(PartitionKey='{_quoted(partition)}',RowKey='{_quoted(key)}')"

    def _change(self, change: Change) -> tuple[str, str, dict[str, Any]]:
        row = change.row
        match change.verb:
            case "insert":
                return "POST", f"/{self._name}", {"headers": SPOKEN | SILENT, "content": _entity(row)}
            case "replace":
                headers = SPOKEN | SILENT | {"If-Match": row.etag}
                return "PUT", self._path(row.partition, row.key), {"headers": headers, "content": _entity(row)}
            case "delete":
                return "DELETE", self._path(row.partition, row.key), {"headers": SPOKEN | {"If-Match": row.etag}}

    def _one(self, verb: str, method: str, path: str, sent: Mapping[str, Any]) -> Answer:
        # What arrived twice is refused: a replaced row shows whose write it is (records.write), the others show nothing.
        return self._wire.send(method, path, **sent, twice=verb == "replace")

    def _batch(self, asked: Sequence[tuple[str, str, dict[str, Any]]]) -> list[Answer]:
        """Send changes as one, and return an answer for each, or the one that says which does not fit."""
        outer, inner = f"batch_{uuid.uuid4()}", f"changeset_{uuid.uuid4()}"
        lines = [f"--{outer}", f"Content-Type: multipart/mixed; boundary={inner}", ""]
        for method, path, sent in asked:
            lines += [f"--{inner}", "Content-Type: application/http", "Content-Transfer-Encoding: binary", ""]
            lines += [f"{method} {self._wire.base}{path} HTTP/1.1"]
            lines += [*(f"{name}: {value}" for name, value in sent["headers"].items()), "", sent.get("content", b"").decode()]
        content = "\r\n".join([*lines, f"--{inner}--", f"--{outer}--", ""]).encode()
        headers = SPOKEN | {"Content-Type": f"multipart/mixed; boundary={outer}"}
        answer = self._wire.send("POST", "/$batch", headers=headers, content=content, twice=False)
        if answer.status != 202:
            return [answer]
        parts = [(int(status), text) for status, text in _PART.findall(answer.content)]
        etags = [(found[1].decode() if (found := _ETAG.search(text)) else "") for _, text in parts]
        return [Answer(status, {"ETag": etag}, text) for (status, text), etag in zip(parts, etags, strict=True)]


def names(wire: Wire, least: str) -> list[str]:
    """Return the names of an account's tables from one on, as many as the service gives at a time (a thousand)."""
    answer = wire.send("GET", "/Tables", {"$filter": f"TableName ge '{least}'"}, headers=SPOKEN)
    return [each["TableName"] for each in json.loads(storage_wire.expected(answer, 200).content)["value"]]


def _quoted(text: str) -> str:
    return quote(text.replace("'", "''"), safe="")


def _entity(row: Row) -> bytes:
    """Return a row as JSON: ASCII, so that a batch of it is, too."""
    entity: dict[str, Any] = {"PartitionKey": row.partition, "RowKey": row.key}
    for name, value in row.columns.items():
        if isinstance(value, datetime):
            entity |= {name: _moment(value), f"{name}{TYPE}": MOMENT}
        elif isinstance(value, int) and not isinstance(value, bool) and value not in SHORT:
            entity |= {name: str(value), f"{name}{TYPE}": LONG}
        else:
            entity[name] = value
    return json.dumps(entity).encode()


def _row(entity: Mapping[str, Any]) -> Row:
    stamp = entity.get("Timestamp")
    columns = {
        name: _value(value, entity.get(f"{name}{TYPE}"))
        for name, value in entity.items()
        if value is not None and name not in KEYS and not name.startswith("odata.") and not name.endswith(TYPE)
    }
    return Row(
        partition=entity["PartitionKey"],
        key=entity["RowKey"],
        columns=columns,
        etag=entity.get("odata.etag", ""),
        written_at=datetime.fromisoformat(stamp) if stamp else None,
    )


def _value(value: Any, kind: str | None) -> Any:
    match kind:
        case "Edm.DateTime":
            return datetime.fromisoformat(value)
        case "Edm.Int64":
            return int(value)
        case _:
            return value


def _literal(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int():
            return str(value) if value in SHORT else f"{value}L"
        case datetime():
            return f"datetime'{_moment(value)}'"
        case _:
            return f"'{str(value).replace("'", "''")}'"


def _moment(value: datetime) -> str:
    return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"
