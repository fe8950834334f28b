"""The last look before an expiry acts: is it still the one that was made, and does anything speak for keeping it.

What speaks is what the clean-up listens to: locks, the tag steward-keep, references, work under way. A fact that cannot be read
keeps it. Not here: what a lock, a tag or a reference is (cleanup), what follows from the look (expiries).
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, Protocol

from shared.cleanup.facts import inventory, locks, pacing, subjects, survey
from shared.cleanup.facts.workspace_facts import Facts, UnknownError
from shared.cleanup.policy import targets
from shared.cleanup.policy.model import Policy
from shared.cleanup.verdict import action_needs, judge
from shared.endpoints import snapshots
from shared.expiry import expiry_record
from shared.operations import context, models
from shared.rest import ids

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.cleanup.policy.model import Subject
    from shared.durable.storage import Blobs, Rows
    from shared.expiry.expiry_record import Expiry

FRESH = timedelta(seconds=10)  # what was read of a workspace or a group so long ago counts as read now
_NEVER: tuple[datetime, Any] = (datetime.min.replace(tzinfo=UTC), None)
KEPT_LIMIT = 200  # of what was read; then the oldest goes

Answer = Literal["act", "keep", "gone", "done", "wait"]


class Services(context.Services, Protocol):
    """What looking needs of the composition root."""

    @property
    def blobs(self) -> Blobs: ...  # noqa: D102
    @property
    def cleanup_rows(self) -> Rows: ...  # noqa: D102
    @property
    def reads(self) -> pacing.Buckets: ...  # noqa: D102
    @property
    def sights(self) -> Sights: ...  # noqa: D102


@dataclass(slots=True)
class Sights:
    """What this process read a moment ago: many that expire at once are seen with few requests."""

    _known: dict[tuple[str, str], tuple[datetime, Any]] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def of[T](self, what: str, key: str, now: datetime, read: Callable[[], T]) -> T:
        """Return what is known of something, read now where it is not fresh."""
        with self._guard:
            at, known = self._known.get((what, key), _NEVER)
        if timedelta(0) <= now - at <= FRESH:
            found: T = known
            return found
        found = read()
        with self._guard:
            self._known[what, key] = (now, found)
            while len(self._known) > KEPT_LIMIT:
                del self._known[next(iter(self._known))]
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a look came to.

    Attributes:
        answer: `act`; `keep` it; it is `gone`, or another one has its name; it is `done` already; or `wait` and look again.
        reason: Why.
    """

    answer: Answer
    reason: str = ""


def azure_of(services: Services) -> pacing.Paced:
    """Return reads under ARM's limits."""
    return pacing.of(services)


def look(expiry: Expiry, services: Services) -> Look:
    """Read a resource, what it belongs to and who refers to it, and say what is to be done.

    Raises:
        StewardError: it could not be read.
    """
    resource, now, azure = ids.parse(expiry.target), services.clock(), azure_of(services)
    home, sights = resource.ancestor(1), services.sights
    workspace = sights.of("workspace", home.key, now, lambda: inventory.read(home, azure))
    tell = snapshots.specs(services.blobs)  # computes, endpoints and jobs are referred to from their own workspace
    seen = sights.of("references", home.key, now, lambda: survey.merge([survey.of(home, azure, now, tell)]))
    known = Facts(workspace=workspace, surveys=seen, azure=azure, now=now)
    subject = _subject(expiry.kind, resource, known)
    if subject is None:
        return Look(answer="gone", reason="it is gone already")
    if not expiry_record.same(expiry.made, subject.body):
        return Look(answer="gone", reason="what has the name now was made later")
    policy = Policy(name="expiry", kind=expiry.kind, action=expiry.act)  # type: ignore[arg-type]
    if protected := judge.protection(policy, subject, known.workspace):
        return Look(answer="keep", reason=protected)
    try:
        return _held(expiry, resource, services) or _needs(policy, subject, known)
    except UnknownError as unknown:
        return Look(answer="wait", reason=str(unknown))


def _held(expiry: Expiry, resource: ids.ResourceId, services: Services) -> Look | None:
    """Return what holds a resource from outside: a lock, or another operation on it; None for nothing."""
    group = ids.group(resource.subscription, resource.resource_group).lower()
    held_by = services.sights.of("locks", group, services.clock(), lambda: locks.read(resource, azure_of(services)))
    if lock := held_by.on(resource):
        return Look(answer="wait" if held_by.problem else "keep", reason=lock)
    newest = services.ledger.newest(top=5, partition=models.partition_of(resource))
    other = next((each for each in newest if not each.ended and each.id not in (expiry.id, expiry.operation)), None)
    return Look(answer="wait", reason=f"operation {other.id} ({other.method}) on it is under way") if other else None


def _subject(kind: str, resource: ids.ResourceId, known: Facts) -> Subject | None:
    if kind in targets.TARGETS:
        return judge.one(targets.TARGETS[kind], resource, known)
    body = inventory.read(resource, known.azure)
    return subjects.plain(kind, resource, body, known) if body else None


def _needs(policy: Policy, subject: Subject, known: Facts) -> Look:
    standing, reason = action_needs.standing(policy.action, subject, known)
    if standing:
        return Look(answer="done" if standing == "ended" else "wait", reason=reason)
    found = action_needs.ending(policy, subject, known)
    return Look(answer="act" if found.holds else "wait" if found.holds is None else "keep", reason=found.text)
