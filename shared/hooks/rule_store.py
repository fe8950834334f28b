"""Storage of rules: YAML files in the app's container, read again after a change. An invalid file affects only its own rules.

Not here: what a rule is (rules).
"""

from __future__ import annotations

import logging
import secrets
import threading
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from shared.hooks import authors, rules
from shared.rest import errors

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from shared.durable.storage import BlobInfo, Blobs
    from shared.hooks.rules import Rule

log = logging.getLogger("steward.hooks")

PREFIX = "hooks/rules/"
MARK = "hooks/rules-changed"  # rewritten with each change through the app
FRESH = timedelta(seconds=20)  # age limit of the cache for files that were changed in storage directly
CLOCK = timedelta(seconds=2)  # storage's times are in whole seconds
FILE_LIMIT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why a file of rules is not in force."""

    file: str
    error: errors.AzureError


@dataclass(slots=True)
class Store:
    """A cache of the rules in force, at most `FRESH` old."""

    blobs: Blobs
    clock: Callable[[], datetime]
    _known: dict[str, tuple[str, tuple[Rule, ...] | Problem]] = field(default_factory=dict)
    _read_at: datetime | None = None
    _looked_at: datetime | None = None
    _mark: BlobInfo | None = None
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def rules(self, since: datetime | None = None) -> tuple[Rule, ...]:
        """Return the rules of all files that can be read; of two with one name the later file's counts.

        Args:
            since: Include all changes through the app until then, by storage's clock; None for until now.

        Raises:
            TransientError: the app's storage is out of reach.
        """
        return rules.merged(found for _, found in self._files(since).values() if not isinstance(found, Problem))

    def problems(self) -> tuple[Problem, ...]:
        """Return the problems of the files that are not in force.

        Raises:
            TransientError: the app's storage is out of reach.
        """
        return tuple(found for _, found in self._files().values() if isinstance(found, Problem))

    def changed(self) -> None:
        """Notify every instance of the app of a change through it, so that later events are matched with the new rules."""
        self.blobs.put(MARK, secrets.token_hex(8).encode())
        self._read_at = None

    def _files(self, since: datetime | None = None) -> dict[str, tuple[str, tuple[Rule, ...] | Problem]]:
        with self._guard:
            now = self.clock()
            fresh = self._read_at is not None and timedelta(0) <= now - self._read_at < FRESH
            if fresh and since and since.tzinfo and self._looked_at and since + CLOCK <= self._looked_at:
                return self._known
            mark = self.blobs.look(MARK)
            if not fresh or mark != self._mark:
                self._known = self._read()
                self._read_at, self._mark = now, mark
            self._looked_at = now
            return self._known

    def _read(self) -> dict[str, tuple[str, tuple[Rule, ...] | Problem]]:
        out: dict[str, tuple[str, tuple[Rule, ...] | Problem]] = {}
        names = [name for name in self.blobs.names(PREFIX) if name.lower().endswith((".yaml", ".yml"))]
        for name in names[:FILE_LIMIT]:
            info = self.blobs.look(name)
            known = self._known.get(name)
            if info is None:
                continue
            out[name] = known if known and known[0] == info.etag else (info.etag, self._parsed(name))
        for name in names[FILE_LIMIT:]:
            message = f"{name} is ignored: of {len(names)} files of rules, only the first {FILE_LIMIT} by name are in force."
            error = errors.AzureError(code="TooManyFiles", message=message, target=name)
            out[name] = ("", Problem(file=name, error=error))
        return out

    def _parsed(self, name: str) -> tuple[Rule, ...] | Problem:
        from shared.hooks import rule_fields

        try:
            author, content = authors.taken(self.blobs.get(name) or b"")
            found = rule_fields.parse(content.decode("utf-8-sig"), name.removeprefix(PREFIX))
            return tuple(replace(rule, author=author) for rule in found)
        except UnicodeDecodeError:
            error = errors.AzureError(code="InvalidRules", message=f"{name} is not UTF-8.", target=name)
        except errors.BadRequestError as bad:
            error = bad.error
        log.error("rules of %s are not in force: %s", name, error.message)
        return Problem(file=name, error=error)
