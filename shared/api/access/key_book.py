"""Named keys and sign-ins with their role and scope. Only the hash of a key is stored, and the object id of a sign-in.

The platform creates and checks keys and signs callers in; this table says what each may do. The row of a revoked key stays, because
the platform may still accept that key, and a key without a row counts as the host's own. Not here: making keys (infra.keys), what a
role may do (catalog.grants).
"""

from __future__ import annotations

import hashlib
import logging
import threading
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared.catalog import grants
from shared.durable import codec, records, storage, unreadable, versions
from shared.rest import errors
from shared.text import times

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from shared.catalog.grants import Grant
    from shared.durable.records import Versioned
    from shared.durable.storage import Row, Rows

log = logging.getLogger("steward.access")

VERSION = 1
PARTITION = "keys"
MEMBERS = frozenset({"version", "name", "role", "scope", "hashes", "revoked", "createdAt", "changedAt", "by"})
HASHES = "hashes"
KEY = "key:"  # prefix of a caller's name that is the name of its key
PRINCIPAL = "principal:"  # prefix of an object id among the hashes; no SHA-256 begins like it
FRESH = timedelta(seconds=15)  # age limit of the cached keys: a revoked key is refused everywhere after that
STALE = timedelta(minutes=10)  # the age limit while storage is out of reach, when no key can be revoked either
MOST_NAMELESS = 10_000  # number of keys in the cache
RESERVED = frozenset({"master", "_master", "default"})  # names that the platform reserves


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A named key or sign-in.

    Attributes:
        grant: The rights of its holder.
        hashes: SHA-256 of the key, newest first; the previous one works until the platform has the new key. Or the sign-in.
        revoked: Hashes that are refused.
        by: The caller who changed it last.
        unknown: Stored members that this version does not know.
    """

    name: str
    grant: Grant
    created_at: datetime
    changed_at: datetime
    hashes: tuple[str, ...] = ()
    revoked: tuple[str, ...] = ()
    by: str = ""
    unknown: Mapping[str, Any] = field(default_factory=dict)

    @property
    def principal(self) -> str:
        """The object id of the sign-in, '' for a key."""
        return next((each[len(PRINCIPAL) :] for each in (*self.hashes, *self.revoked) if each.startswith(PRINCIPAL)), "")

    def view(self) -> dict[str, Any]:
        """Return the JSON that callers see, without hashes."""
        dates = {"createdAt": times.iso(self.created_at), "changedAt": times.iso(self.changed_at)}
        status = "Active" if self.hashes else "Revoked"
        known = {"id": f"/keys/{self.name}", "name": self.name, "status": status}
        signs_in = {"principal": self.principal} if self.principal else {}
        return {**known, **signs_in, **self.grant.to_json(), **dates, "by": self.by}


@dataclass(slots=True)
class Book:
    """A cache of the keys, at most `FRESH` old."""

    rows: Rows
    clock: Callable[[], datetime]
    _known: dict[str, Key | None] = field(default_factory=dict)
    _nameless: set[str] = field(default_factory=set)  # hashes that were looked up and not found
    _read_at: datetime | None = None
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def of(self, secret: str) -> Key | None:
        """Return the named key that a request was sent with, None if the key has no name in this app.

        Raises:
            BadRequestError: `KeyRevoked` (403).
            TransientError: the app's storage is out of reach and the cache is too old.
        """
        return self._of(hashed(secret), "x-functions-key")

    def signed_in(self, object_id: str) -> Key | None:
        """Return the entry of a sign-in, None without one.

        Raises:
            BadRequestError: `KeyRevoked` (403).
            TransientError: the app's storage is out of reach and the cache is too old.
        """
        return self._of(PRINCIPAL + object_id.lower(), "x-ms-client-principal")

    def _of(self, digest: str, sent: str) -> Key | None:
        known = self._by_hash()
        if digest not in known and digest not in self._nameless:  # a key gets its name here before the platform creates it
            known = self._by_hash(since=self.clock())
            if len(self._nameless) >= MOST_NAMELESS:
                self._nameless.clear()
            self._nameless.add(digest)
        if digest not in known:
            return None
        found = known[digest]
        if found is None or digest in found.revoked:
            raise _over("sign-in" if digest.startswith(PRINCIPAL) else "key", found.name if found else "", sent)
        return found

    def standing(self, held: Sequence[Grant], sender: str) -> tuple[Grant, ...]:
        """Return the current rights of a stored request's sender: its rights at that time, limited by what its keys allow now.

        Args:
            held: Its rights at that time.
            sender: Its name, which identifies the key in records of earlier releases.

        Raises:
            BadRequestError: `KeyRevoked` (403).
            TransientError: the app's storage is out of reach and the cache is too old.
        """
        names = {grant.of for grant in held if grant.of} or {sender.removeprefix(KEY)} - {sender}
        more = []
        for name in sorted(names):
            found = self._named(name)
            if found and not found.hashes:
                raise _over("sign-in" if found.principal else "key", found.name, "caller")
            if found and (now := replace(found.grant, of=found.name)) not in held:
                more.append(now)
        return (*held, *more)

    def _named(self, name: str) -> Key | None:
        return next((key for key in self._by_hash().values() if key and key.name.lower() == name.lower()), None)

    def every(self) -> list[Key]:
        """Return all keys, sorted by name."""
        return sorted((each.value for each in self._table.find(partition=PARTITION)), key=lambda each: each.name.lower())

    def load(self, name: str) -> Versioned[Key] | None:
        """Return a key by its name in any casing."""
        return self._table.load(PARTITION, name.lower())

    def put(self, name: str, grant: Grant, digest: str, by: str) -> Key:
        """Create a named key, or change its role, scope or hash.

        Args:
            name: The name of the key.
            grant: Its rights.
            digest: SHA-256 of a new key, or `PRINCIPAL` and an object id; '' to leave that as it is.
            by: The caller.

        Raises:
            BadRequestError: `KeyInUse` (409), or `MissingField`: a new name needs a hash or an object id.
            ConflictError: another worker changed it at the same moment.
        """
        now, known = self.clock(), self.load(name)
        self._read_at = None
        used = self._by_hash()
        other = used.get(digest)
        signs_in = digest.startswith(PRINCIPAL)  # a person can be admitted again; a revoked key stays revoked
        if digest in used and (other is None or other.name.lower() != name.lower() or (digest in other.revoked and not signs_in)):
            message = (
                f"This key is already named '{other.name if other else 'another'}'; change that, or make another key for '{name}'."
            )
            raise errors.BadRequestError("KeyInUse", message, target="principal" if signs_in else "hash", status=409)
        if known and digest and (signs_in or known.value.principal) and digest != PRINCIPAL + known.value.principal:
            is_for = f"the sign-in of {known.value.principal}" if known.value.principal else "a key"
            message = f"'{name}' is the name of {is_for} and cannot change its type. Choose another name."
            raise errors.BadRequestError("KeyInUse", message, target="name", status=409)
        before = known.value if known else Key(name=name, grant=grant, created_at=now, changed_at=now)
        hashes = tuple(dict.fromkeys((digest, *before.hashes))) if digest else before.hashes
        if not hashes:
            message = (
                "'hash' is missing: the SHA-256 of the key, in hex. `python -m infra.keys make` creates both. "
                "For a sign-in, send 'principal' instead: its object id."
            )
            raise errors.BadRequestError("MissingField", message, target="hash")
        revoked = tuple(each for each in before.revoked if each not in hashes)
        changed = replace(before, grant=grant, hashes=hashes, revoked=revoked, changed_at=now, by=by)
        return self._stored(known, changed)

    def revoke(self, name: str, by: str) -> Key | None:
        """Revoke a key and return it, None when there is no such name; its row stays."""
        known = self.load(name)
        if known is None:
            return None
        revoked = tuple(dict.fromkeys((*known.value.hashes, *known.value.revoked)))
        return self._stored(known, replace(known.value, hashes=(), revoked=revoked, changed_at=self.clock(), by=by))

    def _stored(self, known: Versioned[Key] | None, key: Key) -> Key:
        if known:
            self._table.save(known, key)
        elif self._table.insert(key) is None:
            raise storage.ConflictError
        self._read_at = None
        return key

    def _by_hash(self, since: datetime | None = None) -> dict[str, Key | None]:
        """Return the key of each hash, None where its row cannot be read; with `since`, from a read after that time.

        Raises:
            TransientError: the app's storage is out of reach and the cache is too old.
        """
        with self._guard:
            now = self.clock()
            if self._read_at is None or not timedelta(0) <= now - self._read_at < FRESH or (since and self._read_at < since):
                try:
                    rows = list(self.rows.query(partition=PARTITION))
                    self._known = {digest: None for row in rows for digest in str(row.columns.get(HASHES, "")).split()}
                    found = list(unreadable.readable(rows, _from_row, "keys"))
                    self._known |= {digest: key for key in found for digest in (*key.hashes, *key.revoked)}
                    self._read_at = now
                except errors.TransientError as problem:
                    if since or self._read_at is None or now - self._read_at > STALE:
                        raise
                    log.warning("keys could not be read again; those read at %s are used: %s", self._read_at, problem)
            return self._known

    @property
    def _table(self) -> records.Table[Key]:
        return records.Table(rows=self.rows, row_of=_row_of, from_row=_from_row, name="keys")


def _over(what: str, name: str, sent: str) -> errors.BadRequestError:
    why = f"The {what} '{name}' was revoked." if name else f"This version of the app cannot read the row of this {what}."
    message = f"{why} Ask an admin of this app for another one (docs/security.md)."
    return errors.BadRequestError("KeyRevoked", message, target=sent, status=403)


def hashed(secret: str) -> str:
    """Return the stored hash of a key. Keys are long and random, so a salt would add nothing."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _row_of(key: Key) -> Row:
    body = {
        **key.unknown,
        "version": VERSION,
        "name": key.name,
        **key.grant.to_json(),
        "hashes": key.hashes,
        "revoked": key.revoked,
        "createdAt": times.iso(key.created_at),
        "changedAt": times.iso(key.changed_at),
        "by": key.by,
    }
    columns = {HASHES: " ".join((*key.hashes, *key.revoked)), **records.chunked(body)}  # for older versions, too
    return storage.Row(partition=PARTITION, key=key.name.lower(), columns=columns)


def _from_row(row: Row) -> Key:
    stored = records.joined(row.columns)
    versions.check(stored, VERSION, f"key {stored['name']}")
    return Key(
        name=stored["name"],
        grant=grants.Grant.from_json(stored),
        hashes=tuple(stored["hashes"]),
        revoked=tuple(stored["revoked"]),
        created_at=datetime.fromisoformat(stored["createdAt"]),
        changed_at=datetime.fromisoformat(stored["changedAt"]),
        by=stored["by"],
        unknown=codec.rest(stored, MEMBERS),
    )
