"""The last look before something that was made is taken away again: is it still that one, and does anything speak for keeping it.

What speaks: the tag steward-keep, locks, work under way, references, for what others can refer to from all of the app's
subscriptions. A fact that cannot be read keeps it. Not here: what each of these is (facts, judge, action_needs), what follows from
the look (expiries, recipes).
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, Protocol

from shared.catalog import kinds, needs
from shared.cleanup.facts import inventory, leftovers, locks, pacing, subjects, survey
from shared.cleanup.facts.workspace_facts import Facts, UnknownError
from shared.cleanup.policy import targets
from shared.cleanup.policy.model import Policy
from shared.cleanup.verdict import action_needs, judge
from shared.endpoints import snapshots
from shared.operations import context, models
from shared.rest import errors, ids

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shared.cleanup.facts.survey import Surveys
    from shared.cleanup.policy.model import Action, Subject
    from shared.durable.storage import Blobs
    from shared.rest.ids import ResourceId

GONE = "it no longer exists"
FRESH = timedelta(seconds=10)  # what was read of a workspace or a group so long ago counts as read now
KEPT_LIMIT = 200  # of what was read; then the oldest goes
HERE = {
    "computes": "of_compute",
    "deployments": "of_deployment",
    "jobs": "of_job",
}  # types that their own workspace alone refers to
EVERYWHERE = {"versions": "of_asset", "workspaces": "of_home", "registries": "of_home"}
DEPENDENCIES = frozenset(each.lower() for each in needs.DEPENDENCIES)  # types that workspaces name
_NEVER: tuple[datetime, Any] = (datetime.min.replace(tzinfo=UTC), None)


class Services(context.Services, Protocol):
    """What looking needs of the composition root."""

    @property
    def blobs(self) -> Blobs: ...  # noqa: D102
    @property
    def reads(self) -> pacing.Buckets: ...  # noqa: D102


@dataclass(slots=True)
class Sights:
    """What this process read a moment ago: many that are looked at together are seen with few requests."""

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
class Asked:
    """What is to be taken away.

    Attributes:
        resource: Which.
        act: What is to be done to it.
        other: Says of a body why it is not the one that was made; '' when it is.
        kept: Says of a body why it is to be kept, beside what speaks for that anyway; '' for nothing.
        kind: Its row of `targets.TARGETS`, whose needs of the act count, too; '' for none.
        own: Operations that do not count as work under way.
    """

    resource: ResourceId
    act: Action
    other: Callable[[Mapping[str, Any]], str]
    kept: Callable[[Mapping[str, Any]], str] = lambda _body: ""
    kind: str = ""
    own: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a look came to.

    Attributes:
        answer: `act`; `keep` it; it is `gone`, or another one has its name; it is `done` already; or `wait` and look again.
        reason: Why.
    """

    answer: Literal["act", "keep", "gone", "done", "wait"]
    reason: str = ""


def look(asked: Asked, services: Services, sights: Sights) -> Look:
    """Read a resource, what it belongs to and who refers to it, and say what is to be done.

    Raises:
        StewardError: it could not be read.
    """
    resource, now, azure = asked.resource, services.clock(), pacing.of(services)
    home = resource.ancestor(1) if resource.types[0].lower() == "workspaces" else None
    body = sights.of("workspace", home.key, now, lambda: inventory.read(home, azure)) if home else None
    known = Facts(workspace=body, surveys=_references(asked, home, azure, services, sights), azure=azure, now=now)
    subject = _subject(asked, known)
    if subject is None:
        return Look(answer="gone", reason=GONE)
    if other := asked.other(subject.body):
        return Look(answer="gone", reason=other)
    policy = Policy(name="last look", kind=asked.kind, action=asked.act)
    if protected := judge.protection(policy, subject, known.workspace) or asked.kept(subject.body):
        return Look(answer="keep", reason=protected)
    try:
        return _held(asked, azure, services, sights) or _needs(policy, subject, known)
    except UnknownError as unknown:
        return Look(answer="wait", reason=str(unknown))


def _references(asked: Asked, home: ResourceId | None, azure: pacing.Paced, services: Services, sights: Sights) -> Surveys:
    """Read who refers to it: from its own workspace, or from everywhere."""
    resource, now, kind = asked.resource, services.clock(), asked.resource.types[-1].lower()
    tell = snapshots.specs(services.blobs)
    own = survey.merge([])
    if home and (asked.kind or kind in HERE or kind in EVERYWHERE):
        own = sights.of("references", home.key, now, lambda: survey.merge([survey.of(home, azure, now, tell)]))
    if asked.act != "delete" or not _may_be_used_elsewhere(resource):
        return own

    def every() -> Surveys:
        try:
            return survey.merge(survey.everywhere(azure, now, tell, also=resource.subscription))
        except errors.RejectedError as unseen:
            return survey.merge([survey.unseen(resource.subscription, unseen.error.message, now)])

    return sights.of("everywhere", resource.subscription, now, every).replaced(*own.by_home.values())


def _may_be_used_elsewhere(resource: ResourceId) -> bool:
    return resource.types[-1].lower() in EVERYWHERE and resource.namespace.lower() == kinds.ML.lower()


def _subject(asked: Asked, known: Facts) -> Subject | None:
    if asked.kind in targets.TARGETS:
        return judge.one(targets.TARGETS[asked.kind], asked.resource, known)
    row = kinds.by_type()["arm", asked.resource.namespace.lower(), "/".join(asked.resource.types).lower()]
    body = inventory.read(asked.resource, known.azure, row.api_version)
    return subjects.plain(asked.kind, asked.resource, body, known) if body else None


def _held(asked: Asked, azure: pacing.Paced, services: Services, sights: Sights) -> Look | None:
    """Return what holds a resource from outside: a lock, or another operation on it; None for nothing."""
    resource = asked.resource
    group = ids.group(resource.subscription, resource.resource_group).lower()
    held_by = sights.of("locks", group, services.clock(), lambda: locks.read(resource, azure))
    if lock := held_by.on(resource):
        return Look(answer="wait" if held_by.problem else "keep", reason=lock)
    newest = services.ledger.newest(top=5, partition=models.partition_of(resource))
    other = next((each for each in newest if not each.ended and each.id not in asked.own), None)
    return Look(answer="wait", reason=f"operation {other.id} ({other.method}) on it is under way") if other else None


def _needs(policy: Policy, subject: Subject, known: Facts) -> Look:
    if policy.kind in targets.TARGETS:
        standing, reason = action_needs.standing(policy.action, subject, known)
        if standing:
            return Look(answer="done" if standing == "ended" else "wait", reason=reason)
        found = action_needs.ending(policy, subject, known)
        if not found.holds:
            return Look(answer="wait" if found.holds is None else "keep", reason=found.text)
    return _referred(subject.id, known) if policy.action == "delete" else Look(answer="act")


def _referred(resource: ResourceId, known: Facts) -> Look:
    """Say whether others refer to what is to be deleted."""
    kind = resource.types[-1].lower()
    if resource.full_type.lower() in DEPENDENCIES:
        return _named(resource, known)
    look_up = {**HERE, **EVERYWHERE}.get(kind)
    if look_up is None or resource.namespace.lower() != kinds.ML.lower():
        return Look(answer="act")
    if who := getattr(known.surveys, look_up)(resource):
        return Look(answer="keep", reason=f"{who} refers to it")
    own = known.surveys.problem_of(resource) if resource.types[0].lower() == "workspaces" else ""
    if problem := own or (known.surveys.problem if _may_be_used_elsewhere(resource) else ""):
        return Look(answer="wait", reason=f"what refers to it is not known: {problem}")
    return Look(answer="act")


def _named(resource: ResourceId, known: Facts) -> Look:
    """Say whether a workspace, of any of the app's subscriptions, names what it would stand on."""
    try:
        listed = inventory.all_workspaces(known.azure, resource.subscription)
    except errors.PermanentError as problem:
        return Look(answer="wait", reason=f"which workspace uses it is not known: {problem.error.message}")
    for each in listed:
        if resource.key in set(leftovers.ids_in(each.get("properties"))):
            return Look(answer="keep", reason=f"workspace {each.get('name')} uses it")
    return Look(answer="act")
