"""Marks: what a policy with a grace period writes on a resource before it acts on it, and what becomes of the mark.

The tag `steward-marked` informs people; the record beside it (in the app's table) says when the resource had changed before the
mark and right after it, because writing the tag is a change, too. A person who changes the resource or takes the tag off takes the
mark away. Not here: writing the tag (acts), whether a verdict holds (judge).
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from shared.catalog import bodies
from shared.cleanup.policy import targets
from shared.cleanup.policy.model import Mark
from shared.durable import records, storage, unreadable
from shared.text import times

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from shared.cleanup.policy.model import Judged, Policy
    from shared.durable.storage import Rows
    from shared.rest.ids import ResourceId

Step = Literal["", "act", "mark", "wait", "lift"]  # what a run does about a verdict

TAG = "steward-marked"
TAG_LIMIT = 256  # characters of a tag's value, as ARM has it
CHANGED = ("systemData.lastModifiedAt", "properties.modifiedOn")
PARTITION_PREFIX = "marks-"
ABANDONED = timedelta(days=30)  # how long after its due date a mark keeps other policies off: its own may be gone
AT_ONCE = frozenset({"none", "notify", "tag"})  # take nothing away: no grace


@dataclass(frozen=True, slots=True, kw_only=True)
class Next:
    """What a run does about one verdict: the step, the whole reason, and from when a mark may be swept."""

    step: Step
    reason: str
    due: datetime | None = None


def place(resource: str, mark: Mark) -> str:
    """Return the place of a mark in the order of due dates."""
    return records.place(mark.due, hashlib.sha256(resource.encode()).hexdigest()[:16])


def view(resource: str, mark: Mark) -> dict[str, Any]:
    """Return a mark as JSON."""
    return {
        "resource": resource,
        "policy": mark.policy,
        "reason": mark.reason,
        "tagged": mark.tagged,
        "markedAt": times.iso(mark.at),
        "due": times.iso(mark.due),
    }


def after(policy: Policy, judged: Judged, mark: Mark | None, now: datetime) -> Next:
    """Return what follows from a verdict and the mark that is on the resource.

    Args:
        policy: Whose verdict it is.
        judged: The resource as it was listed, and the verdict.
        mark: The mark on record, whichever policy wrote it.
        now: The present.
    """
    verdict = judged.verdict
    ours = mark if mark and mark.policy == policy.name else None
    if verdict.action == "none" and ours and not verdict.unknown:
        return Next(step="lift", reason=f"{verdict.reason}; the mark of {_day(ours.at)} is removed")
    tagged = verdict.action == "tag" and _has(judged, *policy.tag)
    if verdict.action == "none" or tagged:
        return Next(step="", reason=f"it already has the tag {policy.tag[0]}; {verdict.reason}" if tagged else verdict.reason)
    if policy.grace <= timedelta(0) or verdict.action in AT_ONCE:
        return Next(step="act", reason=verdict.reason)
    if ours:
        return _marked(ours, judged, now)
    if mark and now <= mark.due + ABANDONED:
        return Next(step="", reason=f"{verdict.reason}; but the policy {mark.policy} has already marked it")
    return Next(step="mark", reason=verdict.reason, due=now + policy.grace)


def _marked(mark: Mark, judged: Judged, now: datetime) -> Next:
    """Return what follows from a verdict on what is marked already."""
    if why := _lifted(mark, judged):
        return Next(step="lift", reason=f"{why}, so the mark is void; a new grace period starts if it is stale in the next run")
    since = f"{judged.verdict.reason}; marked {_day(mark.at)}"
    if now < mark.due:
        return Next(step="wait", reason=f"{since}, due {_day(mark.due)}", due=mark.due)
    return Next(step="act", reason=f"{since}, was due {_day(mark.due)}", due=mark.due)


def _has(judged: Judged, name: str, value: str) -> bool:
    found = tags_of(judged.subject.target, judged.subject.body)
    return any(name.lower() == known.lower() and value == told for known, told in found.items())


def tag_value(policy: str, reason: str, due: datetime) -> str:
    """Return what the tag says; the due date is never cut off."""
    end = f"; due {due:%Y-%m-%d}"
    return f"{policy}: {reason}"[: TAG_LIMIT - len(end)] + end


def tags_of(target: str, body: Mapping[str, Any]) -> dict[str, str]:
    """Return a resource's tags, wherever its kind keeps them; a job's stand in its properties, too."""
    path = "tags" if targets.TARGETS[target].taggable == "tags" else "properties.tags"
    found = bodies.dig(body, path)
    return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}


def can_be_tagged(target: str, body: Mapping[str, Any]) -> bool:
    """Return whether writing a tag changes the tag alone.

    A PUT of a compute overwrites it, "a nonrecoverable operation" (Compute_CreateOrUpdate), and its PATCH takes no tags; an
    update of what failed may mend or break it further, and is then no mark but a repair.
    """
    row = targets.TARGETS[target]
    state = str(bodies.dig(body, "properties.provisioningState") or "Succeeded")
    return bool(row.taggable) and row.type != "workspaces/computes" and state.lower() == "succeeded"


def is_tagged(target: str, body: Mapping[str, Any]) -> bool:
    """Return whether a resource has the tag of a mark; an empty one is a mark taken off where a PATCH cannot remove a tag."""
    return any(name.lower() == TAG and value.strip() for name, value in tags_of(target, body).items())


def changed_at(body: Mapping[str, Any]) -> datetime | None:
    """Return when Azure says that a resource last changed, marks included; None for what has no such time (jobs)."""
    return times.latest(*(bodies.dig(body, path) for path in CHANGED))


def _lifted(mark: Mark, judged: Judged) -> str:
    """Return who took the mark away, '' when it is in place."""
    subject = judged.subject
    if mark.tagged and not is_tagged(subject.target, subject.body):
        return f"the tag {TAG} was removed"
    changed = changed_at(subject.body)
    if changed and mark.changed_after and changed > mark.changed_after:
        return f"it was changed at {changed:%Y-%m-%dT%H:%MZ}, after it was marked"
    return ""


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d}"


class Marks:
    """The records of marks, by workspace, in the clean-up's table."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def of(self, workspace: ResourceId) -> dict[str, Mark]:
        """Return every mark in a workspace: key of the resource → mark."""
        rows = self._rows.query(partition=_partition(workspace))
        return dict(unreadable.readable(rows, _named_mark, "marks"))

    def every(self) -> Iterator[tuple[str, Mark]]:
        """Yield key of the resource and mark of all there are, in no order: the whole table is looked through."""
        rows = (row for row in self._rows.query(least={"resource": "/"}) if row.partition.startswith(PARTITION_PREFIX))
        yield from unreadable.readable(rows, _named_mark, "marks")

    def get(self, resource: ResourceId) -> Mark | None:
        """Return the mark on one resource, or None."""
        row = self._rows.get(_partition(resource.ancestor(1)), _key(resource))
        return _mark(row) if row else None

    def put(self, resource: ResourceId, mark: Mark) -> None:
        """Record a mark; one of the same policy that is on record already stays as it is."""
        stored = {
            "policy": mark.policy,
            "reason": mark.reason[:500],
            "tagged": mark.tagged,
            **{name: _iso(getattr(mark, name)) for name in ("at", "due", "changed_before", "changed_after")},
        }
        columns = {"resource": resource.key, "json": json.dumps(stored)}
        known = self._rows.get(_partition(resource.ancestor(1)), _key(resource))
        if known and _mark(known).policy == mark.policy:
            return
        etag = known.etag if known else ""
        row = storage.Row(partition=_partition(resource.ancestor(1)), key=_key(resource), columns=columns, etag=etag)
        with suppress(storage.ConflictError):
            self._rows.write([storage.Change(verb="replace" if known else "insert", row=row)])

    def remove(self, resource: ResourceId) -> None:
        """Forget the mark on a resource."""
        row = self._rows.get(_partition(resource.ancestor(1)), _key(resource))
        if row:
            with suppress(storage.ConflictError):
                self._rows.write([storage.Change(verb="delete", row=row)])

    def forget(self, due_before: datetime) -> None:
        """Forget the marks that were due before that: no run acted on them, or what they were on is gone."""
        rows = (row for row in self._rows.query(least={"resource": "/"}) if row.partition.startswith(PARTITION_PREFIX))
        read = unreadable.readable(rows, lambda row: (row, _mark(row)), "marks")
        for row in [row for row, mark in read if mark.due < due_before]:
            with suppress(storage.ConflictError):
                self._rows.write([storage.Change(verb="delete", row=row)])


def _named_mark(row: storage.Row) -> tuple[str, Mark]:
    return str(row.columns["resource"]), _mark(row)


def _mark(row: storage.Row) -> Mark:
    stored = json.loads(row.columns["json"])
    moments = {name: datetime.fromisoformat(stored[name]) if stored[name] else None for name in ("changed_before", "changed_after")}
    return Mark(
        policy=stored["policy"],
        reason=stored["reason"],
        at=datetime.fromisoformat(stored["at"]),
        due=datetime.fromisoformat(stored["due"]),
        tagged=stored["tagged"],
        **moments,
    )


def _iso(moment: datetime | None) -> str:
    return times.iso(moment) if moment else ""


def _partition(workspace: ResourceId) -> str:
    return f"{PARTITION_PREFIX}{hashlib.sha256(workspace.key.encode()).hexdigest()[:20]}"


def _key(resource: ResourceId) -> str:
    return hashlib.sha256(resource.key.encode()).hexdigest()[:40]
