"""Carrying out what a run has chosen: one act after the other, each judged again right before, each an operation of its own.

What becomes of an act is written down (outcomes) before its operation is submitted: the worker that goes on after a crash finds the
operation, or judges again. An operation that was not sent within a minute of its judgement is never sent; its act is judged
again. Not here: which acts there are (choose), the order of a run's steps (runs).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from shared.cleanup.facts import inventory, locks, pacing, survey
from shared.cleanup.policy import targets
from shared.cleanup.policy.model import Mark
from shared.cleanup.run import acts, outcomes, report_lines, units
from shared.cleanup.verdict import judge, marks
from shared.costs import cost_report
from shared.durable.unreadable import UnreadableError
from shared.endpoints import snapshots
from shared.operations import flows, models
from shared.rest import errors, ids
from shared.text import times

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from shared.cleanup.facts.locks import Locks
    from shared.cleanup.facts.survey import Surveys
    from shared.cleanup.policy.model import Judged, Policy
    from shared.cleanup.run.claims import Services
    from shared.cleanup.run.journal import Run
    from shared.cleanup.run.outcomes import Record
    from shared.cleanup.run.report_lines import Line
    from shared.operations.ledger import Stored
    from shared.operations.models import Operation

SEND_WITHIN = timedelta(seconds=60)  # of the judgement
FRESH = timedelta(minutes=5)  # how old the references of other workspaces may be
ONE_MORE = timedelta(seconds=60)  # where reading them takes longer than that: so long after they were read
NOW = timedelta(seconds=10)  # what was read of the resource's own workspace so long ago counts as read now
ATTEMPTS = 10
PAUSE_S = 10.0
APART = timedelta(seconds=5)  # how far two workers' ideas of storage's clock may lie apart
NOT_APPROVED = "its deletion needs an approval (STEWARD_APPROVALS), which a clean-up gets only if that setting lists `cleanup`"
REFERRED = frozenset({"versions", "computes", "jobs", "deployments", "onlineEndpoints"})  # types of what others refer to


class OldReferencesError(Exception):
    """The references of the other workspaces are too old to act on: they must be read again first."""


@dataclass(slots=True, kw_only=True)
class Conduct:
    """A run's acts in the hands of one worker.

    Attributes:
        run: The run.
        chosen: Its acts, in order.
        policies: Name → policy as it was when the run began.
        services: What it needs.
        claim: Called after each judgement, before what follows is written down; it raises where another worker has the run.
    """

    run: Run
    chosen: tuple[Line, ...]
    policies: Mapping[str, Policy]
    services: Services
    claim: Callable[[], None]
    _surveys: Surveys | None = None
    _own: tuple[str, datetime, Surveys] | None = None
    _locks: tuple[str, datetime, Locks] | None = None

    @property
    def azure(self) -> pacing.Paced:
        """Reads under ARM's limits."""
        return replace(pacing.of(self.services), spending=cost_report.spending(self.services))

    @property
    def surveys(self) -> Surveys:
        """The references of the run's present round, read once."""
        if self._surveys is None:
            self._surveys = units.surveys(self.run, self.services)
        return self._surveys

    def surveys_with(self, workspace: ids.ResourceId) -> Surveys:
        """Return the references of all, those of one workspace as they are now."""
        now = self.services.clock()
        if self._own is None or self._own[0] != workspace.key or now - self._own[1] > NOW:
            own = survey.of(workspace, self.azure, now, snapshots.specs(self.services.blobs))
            self._own = (workspace.key, now, self.surveys.replaced(own))
        return self._own[2]

    def locks_on(self, resource: ids.ResourceId) -> Locks:
        """Return the locks as they are now."""
        now, group = self.services.clock(), resource.resource_group.lower()
        if self._locks is None or self._locks[0] != group or now - self._locks[1] > NOW:
            self._locks = (group, now, locks.read(resource, self.azure))
        return self._locks[2]


def begin(run: Run, services: Services, claim: Callable[[], None]) -> Conduct:
    """Read what a worker needs to carry out a run's acts."""
    known = {policy.name: policy for policy in units.frozen(run, services)}
    chosen = tuple(report_lines.read(services.blobs, outcomes.acts_blob(run.name)))
    return Conduct(run=run, chosen=chosen, policies=known, services=services, claim=claim)


def _known(work: Conduct, record: Record) -> tuple[Stored | None, Record | None]:
    """Return the operation of an act, or the record settled where it cannot be read: the acts behind it go on."""
    try:
        return work.services.ledger.load(record.operation), None
    except UnreadableError as problem:
        return None, _failed(record, problem.error)


def _may_come(record: Record, work: Conduct) -> bool:
    """Return whether a worker that stands still may yet record the operation that it wrote down, and send it."""
    last = times.moment(record.send_by)
    return last is not None and work.services.clock() <= last + APART


def carry_out(work: Conduct, number: int) -> Record:
    """Take one act as far as it goes now.

    Raises:
        OldReferencesError: other workspaces must be surveyed again first.
        TransientError: Azure or the app's storage cannot be asked now.
    """
    record = outcomes.load(work.run.name, number, work.services)
    if record.settled:
        return record
    line = work.chosen[number]
    if record.operation:
        stored, failed = _known(work, record)
        if (stored and not stored.operation.ended) or (stored is None and not failed and _may_come(record, work)):
            return record
        settled = failed or (_after(work, line, record, stored.operation) if stored and not stored.operation.expired else None)
        if settled:
            return _saved(work, number, settled)
        record = replace(record, operation="", attempt=record.attempt + 1)
    if record.attempt >= ATTEMPTS:
        reason = f"it could not be sent in {ATTEMPTS} attempts; the next run tries again"
        return _saved(work, number, replace(record, settled=True, outcome="not done", reason=reason))
    if not work.services.settings.cleanup:
        return replace(record, outcome="not done", reason="the clean-up is switched off (STEWARD_CLEANUP)")
    return _act(work, number, line, record)


def look(work: Conduct, number: int) -> Record:
    """Settle an act whose operation has ended, without submitting anything."""
    record = outcomes.load(work.run.name, number, work.services)
    if record.settled or not record.operation:
        return record
    stored, failed = _known(work, record)
    if failed:
        return _saved(work, number, failed)
    if stored is None and _may_come(record, work):
        return record
    if stored is None or stored.operation.expired:
        return _saved(work, number, replace(record, settled=True, outcome="not done", reason="it was not sent"))
    if not stored.operation.ended:
        return record
    return _saved(work, number, _after(work, work.chosen[number], record, stored.operation))


def _saved(work: Conduct, number: int, record: Record) -> Record:
    return outcomes.save(work.run.name, number, record, work.services)


def _act(work: Conduct, number: int, line: Line, record: Record) -> Record:
    """Judge again, record what is going to be submitted, and submit it."""
    services, policy = work.services, work.policies[line.policy]
    resource = ids.parse(line.id)
    if targets.TARGETS[line.kind].is_asset and line.step == "act" and not _fresh(work.run, services.clock()):
        raise OldReferencesError
    found, why = (None, NOT_APPROVED) if _needs_approval(line, services) else _seen_again(work, line, policy, resource)
    send_by = services.clock() + SEND_WITHIN
    work.claim()
    if found is None:
        return _saved(work, number, replace(record, settled=True, outcome="kept", reason=f"seen again: {why}"))
    changed = found.subject.changed_at
    record = replace(record, reason=why, evidence=found.verdict.evidence, changed_before=times.iso(changed) if changed else "")
    if noted := _noted(work, line, record, found):
        return _saved(work, number, noted)
    order = acts.Order(
        run=work.run.name,
        policy=policy,
        judged=found,
        step=line.step,
        due=services.clock() + policy.grace if line.step == "mark" else None,
        attempt=record.attempt,
        send_by=send_by,
        owner=str(line.notify.get("owner", "")),
    )
    try:
        request = acts.request(order)
    except errors.PermanentError as problem:
        return _saved(work, number, _failed(record, problem.error))
    going = replace(record, operation=acts.operation_id(request), outcome="under way", send_by=times.iso(send_by))
    _saved(work, number, going)
    try:
        operation = flows.submit(request, services)
    except errors.PermanentError as problem:
        return _saved(work, number, _failed(going, problem.error))
    if operation.ended and not operation.expired:
        return _saved(work, number, _after(work, line, going, operation))
    return going


def _needs_approval(line: Line, services: Services) -> bool:
    """Return whether another one must approve a deletion; a run under `cleanup` was approved as a whole."""
    asked = services.settings.approvals
    return line.step == "act" and line.action == "delete" and targets.TARGETS[line.kind].type in asked and "cleanup" not in asked


def _seen_again(work: Conduct, line: Line, policy: Policy, resource: ids.ResourceId) -> tuple[Judged | None, str]:
    """Judge a resource again; return it with the reason when the same is to be done about it, else None and why not."""
    services, azure = work.services, work.azure
    try:
        referred = line.step == "act" and resource.types[-1].lower() in REFERRED
        known = work.surveys_with(resource.ancestor(1)) if referred else work.surveys
        mark = marks.Marks(services.cleanup_rows).get(resource)
        marked = {resource.key: mark} if mark else {}
        judged = judge.again(policy, resource, known, marked, azure, services.clock())
        if judged is None:
            return None, "it no longer exists"
        again = units.line_of(judged, policy, mark, work.locks_on(resource), services.clock())
    except errors.PermanentError as problem:
        return None, f"it could not be read again: {problem.error.code}: {problem.error.message}"
    if (again.step, again.action) != (line.step, line.action):
        return None, again.reason
    if line.stamp and again.stamp != line.stamp:
        return None, f"it was changed since the run found it (created, changed: {line.stamp}; now: {again.stamp})"
    if operation := under_way(resource, line.action, services):
        return None, f"operation {operation.id} ({operation.method}) on it is under way"
    return judged, again.reason


def under_way(resource: ids.ResourceId, action: str, services: Services) -> Operation | None:
    """Return what the app does with a resource now; what only follows a job to its end does not keep it from being canceled."""
    newest = services.ledger.newest(top=5, partition=models.partition_of(resource))
    follows = "following" if action == "cancel" else ""
    return next((operation for operation in newest if not operation.ended and operation.phase != follows), None)


def _fresh(run: Run, now: datetime) -> bool:
    if run.surveyed_from is None or run.surveyed_at is None:
        return False
    return now - run.surveyed_from <= FRESH or now - run.surveyed_at <= ONE_MORE


def _failed(record: Record, error: errors.AzureError) -> Record:
    return replace(record, settled=True, outcome="failed", error=error.to_json())


def _after(work: Conduct, line: Line, record: Record, operation: Operation) -> Record:
    """Return the record once its operation has ended; a mark that was written, or taken off, is recorded so."""
    if operation.status != "Succeeded":
        error = operation.error or errors.AzureError(code=operation.status, message="The operation ended without a reason.")
        return _failed(record, error)
    if line.step != "act":
        _remember(work, line, record, operation)
    elif line.action == "delete":
        marks.Marks(work.services.cleanup_rows).remove(ids.parse(line.id))
    return replace(record, settled=True, outcome="done", did=acts.word(line.step, line.action))


def _remember(work: Conduct, line: Line, record: Record, operation: Operation) -> None:
    """Record a mark beside its tag, or forget it.

    When the resource last changed is read from the answer to the marking itself: what is later is another person's change.
    """
    resource, body = ids.parse(line.id), work.services.ledger.whole(operation).result
    changed = marks.changed_at(body) if isinstance(body, dict) else None
    if changed is None and line.step == "mark":
        now = inventory.read(resource, work.azure)
        changed = marks.changed_at(now) if now else None
    _write_mark(work, line, record, changed, tagged=True)


def _write_mark(work: Conduct, line: Line, record: Record, changed: datetime | None, *, tagged: bool) -> None:
    resource, records = ids.parse(line.id), marks.Marks(work.services.cleanup_rows)
    if line.step == "lift":
        records.remove(resource)
        return
    policy, at = work.policies[line.policy], work.services.clock()
    before = times.moment(record.changed_before)
    mark = Mark(
        policy=policy.name,
        reason=record.reason,
        at=at,
        due=at + policy.grace,
        changed_before=before,
        changed_after=changed,
        tagged=tagged,
    )
    records.put(resource, mark)


def _noted(work: Conduct, line: Line, record: Record, found: Judged) -> Record | None:
    """Mark, or take a mark off, without a request where no tag can be or is written; None where one is."""
    subject = found.subject
    writes = marks.can_be_tagged(subject.target, subject.body)
    if line.step == "act" or (writes and (line.step == "mark" or marks.is_tagged(subject.target, subject.body))):
        return None
    _write_mark(work, line, record, marks.changed_at(subject.body), tagged=False)
    return replace(record, settled=True, outcome="done", did=acts.word(line.step, line.action))
