"""The machine of rollouts: create the deployment, test it, mirror, give it traffic step by step; move back if it does badly.

A step looks before it acts, and begins one operation at most, under a key of its own: taken twice, it is done once. Whatever is
not as this rollout left it was changed by another one: then it stops, and touches nothing. Not here: what is read and written in
Azure (endpoint_state), verdicts (judging), the record (rollout_record), routes (rollout_routes).
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from shared.catalog import grants
from shared.catalog.grants import Grant
from shared.durable import lease, messages, records, storage, worker
from shared.durable.worker import Next
from shared.notify import deliveries, notices, notifications
from shared.operations import context
from shared.rest import errors, ids
from shared.rollouts import endpoint_state, judging, rollout_record
from shared.rollouts.rollout_record import Rollout
from shared.telemetry import lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from shared.api.access.key_book import Book
    from shared.durable.messages import Message
    from shared.durable.records import Versioned
    from shared.durable.storage import Rows

    type Known = Versioned[Rollout]
    type Moved = tuple[Rollout, float]

log = logging.getLogger("steward.rollouts")

GRACE = lease.LEASE  # how long after its due time a step counts as lost
LOOK_S = 61.0  # between two looks at the gate; more than a minute, so that it is an entry of the due index
PAUSED_S = 300.0  # the same while it is paused
LAG = timedelta(minutes=3)  # how late Azure Monitor is: so long after a bake an unsure gate is looked at again
FIRST_S, LONGEST_S = 2.0, 60.0  # between looks at an operation, and after a failure
TRIES, PATIENT_TRIES, BACK_TRIES = 5, 20, 1_500  # of what Azure refuses; of what fails for now; of the way back: a day
SPENT: dict[str, Any] = {"body": None, "smoke": [], "golden": []}  # of a plan, once the new deployment was asked: may hold secrets
ASKS = ("promote", "pause", "abort")
STORAGE = "StorageUnavailable"
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)  # the row that marks an endpoint has no such moment at all
AFTER_ALL = f"{rollout_record.PREFIX}~"  # sorts behind every partition of rollouts: the rest of one is a hash
ENDS = {"RolledBack": "rolledBack", "Aborted": "aborted"}


class Services(context.Services, notifications.Services, Protocol):
    """What rollouts need of the composition root."""

    @property
    def cleanup_rows(self) -> Rows: ...  # noqa: D102
    @property
    def key_book(self) -> Book: ...  # noqa: D102


def begin(rollout: Rollout, services: Services) -> Rollout:
    """Record a rollout and queue its first step; if it already exists, return it.

    Raises:
        BadRequestError: `RolloutUnderWay` (409), `IdempotencyKeyReused` (400).
        TransientError: the app's storage is out of reach.
    """
    first = rollout.telling(rollout.created_at, "begun")
    services.due.put(worker.entry(MACHINE, (rollout_record.partition_of(first.endpoint), first.id), 0.0, services))
    if known := rollout_record.insert(first, services.cleanup_rows):
        worker.wake(MACHINE, known, services)
        return first
    if found := load(first.endpoint, first.id, services):
        if found.value.asked_hash != first.asked_hash:
            message = "This Idempotency-Key was already used for another rollout. Use a new key for a new one."
            raise errors.BadRequestError("IdempotencyKeyReused", message, target="Idempotency-Key")
        return found.value
    mark = services.cleanup_rows.get(rollout_record.partition_of(first.endpoint), rollout_record.OPEN)
    other = mark.columns["rollout"] if mark else "another one"
    message = f"The rollout {other} of this endpoint is under way. Wait for its end, or POST …/rollout/{other}/abort."
    raise errors.BadRequestError("RolloutUnderWay", message, target=first.endpoint, status=409)


def load(endpoint: str, name: str, services: Services) -> Known | None:
    """Return a rollout, or None."""
    return rollout_record.table(services.cleanup_rows).load(rollout_record.partition_of(endpoint), name)


def newest(endpoint: str, top: int, services: Services, *, before: str = "") -> list[Rollout]:
    """Return the newest rollouts of an endpoint, newest first."""
    rows = rollout_record.table(services.cleanup_rows)
    return rows.newest(top, skip=(rollout_record.OPEN,), before=before, partition=rollout_record.partition_of(endpoint))


def everywhere(services: Services) -> list[Rollout]:
    """Return the rollouts of all endpoints, newest first."""
    asked = {
        "least": {storage.PARTITION: rollout_record.PREFIX, records.CREATED: LONG_AGO},
        "below": {storage.PARTITION: AFTER_ALL},
    }
    found = (each.value for each in rollout_record.table(services.cleanup_rows).find(**asked))
    return sorted(found, key=rollout_record.place, reverse=True)


def ask(known: Known, what: str, services: Services) -> Rollout:
    """Promote, pause or abort a rollout: record that, and take its next step now.

    Raises:
        BadRequestError: `RolloutEnded` (409), `NothingToPromote` (409).
    """
    while True:
        rollout = known.value
        if not rollout.under_way or rollout.stage == "back":
            back = " and is moving its traffic back" if rollout.stage == "back" else ""
            message = f"The rollout is {rollout.status}{back}: there is nothing to {what}."
            raise errors.BadRequestError("RolloutEnded", message, target="id", status=409)
        if what == "promote" and rollout.stage == "create":
            message = "The new deployment is still being created. Promote the rollout when it has been created."
            raise errors.BadRequestError("NothingToPromote", message, target="id", status=409)
        try:
            asked = replace(rollout, asked=what).noted(services.clock(), f"{what} requested")
            return worker.record(MACHINE, _next(known, asked, 0.0, services), services).value
        except storage.ConflictError:  # a step was recorded meanwhile
            known = load(rollout.endpoint, rollout.id, services) or known


def _next(known: Known, moved: Rollout, delay_s: float, services: Services) -> Next[Known, Rollout]:
    pause_s = 0.0 if moved.untold else delay_s
    due_at = services.clock() + timedelta(seconds=pause_s) + GRACE
    ended_at = moved.ended_at or (services.clock() if moved.stage == "done" else None)
    saved = replace(moved, step=known.value.step + 1, due_at=due_at, ended_at=ended_at)
    if saved.stage not in ("create", "smoke", "golden"):
        saved = replace(saved, plan={**saved.plan, **SPENT})
    if saved.over:  # each notification has a record of its own
        saved = replace(saved, notify=tuple(deliveries.shown(each) for each in saved.notify))
    return Next(known=known, value=saved, delay_s=None if saved.over else pause_s)


def _advanced(known: Known, _message: Message, services: Services) -> Next[Known, Rollout]:
    rollout = _told(known.value, services)
    moved, delay_s = advance(rollout, services) if rollout.stage != "done" else (rollout, 0.0)
    return _next(known, moved, delay_s, services)


def _told(rollout: Rollout, services: Services) -> Rollout:
    for number, each in enumerate(rollout.untold, rollout.told):
        notice = notices.Notice(
            about=f"{rollout.id}-{number}",
            type=f"{notices.PREFIX}.rollout.{each['event']}",
            subject=rollout.endpoint,
            at=datetime.fromisoformat(each["at"]),
            data={"rollout": rollout.id, "endpoint": rollout.endpoint, "deployment": rollout.new, **each},
        )
        notifications.tell(notice, rollout.notify, services)
    return replace(rollout, untold=(), told=rollout.told + len(rollout.untold))


def advance(rollout: Rollout, services: Services) -> Moved:
    """Take one step of a rollout; returns it after that, and the pause before the next."""
    now = services.clock()
    try:
        return (_followed if rollout.operation else _asked)(rollout, services)
    except endpoint_state.ChangedError as found:
        return _stopped(rollout, str(found), now)
    except errors.TransientError as problem:
        if isinstance(problem, errors.UnreachableError) and problem.error.code == STORAGE:  # the app's own: the message comes again
            raise
        return _again(rollout, problem.error, now, tries=PATIENT_TRIES, least_s=problem.delay_s)
    except errors.PermanentError as problem:
        return _again(rollout, problem.error, now)


def _asked(rollout: Rollout, services: Services) -> Moved:
    """Do what a caller requested, or the next step; nothing more for a caller who has lost the rights to it."""
    now = services.clock()
    if rollout.stage != "back" and (barred := _barred(rollout, services)):
        if rollout.stage == "keep":
            return _stopped(rollout, barred, now)
        return _turned(rollout, "Aborted", barred, now)
    if rollout.asked == "abort" and rollout.stage != "back":
        return _turned(rollout, "Aborted", "a caller requested the abort", now)
    if rollout.asked == "pause" and rollout.stage not in ("create", "back"):
        if rollout.status == "Running":
            return _paused(rollout, "a caller requested the pause", now)
        rollout = replace(rollout, asked="")
    return STAGES[rollout.stage](rollout, services)


def _barred(rollout: Rollout, services: Services) -> str:
    """Return why its caller no longer has the rights: the key was revoked, or its role or scope changed; '' if it has them."""
    endpoint, who = ids.parse(rollout.endpoint), rollout.caller
    held = tuple(Grant(role="admin", of=name) for name in rollout.keys)  # each is known by its name: what it may is read now
    try:
        held = services.key_book.standing(held, who)
        grants.check_role(held, who, "a rollout", "operator")
        for kind, named in (
            (endpoint_state.ENDPOINTS, endpoint),
            (endpoint_state.DEPLOYMENTS, endpoint.child("deployments", rollout.new)),
        ):
            grants.check_reach(held, who, named, kind.full_type)
    except errors.BadRequestError as refused:
        return refused.error.message
    return ""


# ── what a step comes to ─────────────────────────────────────────────────────────────────────────────────────────────
def _again(rollout: Rollout, error: errors.AzureError, now: datetime, *, tries: int = TRIES, least_s: float = 0.0) -> Moved:
    """Try again later. If it keeps failing, the gate counts as unsure; moving the traffic back is tried for a day."""
    said, failed = f"{error.code}: {error.message}", rollout.tries + 1
    most = BACK_TRIES if rollout.stage == "back" else tries
    if failed < most or rollout.operation or rollout.status == "Paused":
        return replace(rollout, tries=failed), max(min(FIRST_S * 2 ** min(failed, 10), LONGEST_S), least_s)
    if rollout.stage in ("create", "back"):
        return _done(rollout, "Failed", said, now)
    if rollout.stage == "keep":
        return _next_old(rollout.noted(now, f"kept {rollout.old[rollout.at]}", said), now)
    return _doubtful(replace(rollout, tries=0), said, now)


def _doubtful(rollout: Rollout, reason: str, now: datetime) -> Moved:
    """Do what the plan says for an unsure gate."""
    match rollout.plan["unsure"]:
        case "abort":
            return _turned(rollout, "RolledBack", f"unsure: {reason}", now)
        case "go on" if rollout.since or rollout.stage in ("smoke", "golden"):
            return _further(rollout.noted(now, "unsure, went on", reason), now)
    return _paused(rollout, f"unsure: {reason}", now)


def _paused(rollout: Rollout, reason: str, now: datetime) -> Moved:
    return replace(rollout, status="Paused", asked="").telling(now, "paused", reason), LOOK_S


def _turned(rollout: Rollout, ending: Any, reason: str, now: datetime) -> Moved:
    """Move all traffic back to where it was; before its first change there is nothing to do."""
    if rollout.stage in ("create", "smoke", "golden"):
        return _done(rollout, ending, reason, now)
    return replace(rollout, stage="back", at=0, ending=ending, asked="", tries=0).noted(now, "back", reason), 0.0


def _stopped(rollout: Rollout, reason: str, now: datetime) -> Moved:
    """Stop, and leave everything as another caller has changed it."""
    if rollout.stage == "keep":
        return _done(rollout.noted(now, "old kept", reason), "Succeeded", "", now, silent=True)
    return _done(rollout, "Stopped", reason, now)


def _done(rollout: Rollout, status: Any, reason: str, now: datetime, *, silent: bool = False) -> Moved:
    ended = replace(rollout, status=status, stage="done", asked="", operation="", ended_at=now)
    return (ended if silent else ended.telling(now, ENDS.get(status, status[0].lower() + status[1:]), reason)), 0.0


def _further(rollout: Rollout, now: datetime) -> Moved:
    """Go to the next item of a stage, or to the next stage that has any."""
    asked = "" if rollout.asked == "promote" else rollout.asked
    plan, moved = rollout.plan, replace(rollout, status="Running", asked=asked, tries=0, since=None)
    counts = {"create": 1, "smoke": len(plan["smoke"]), "golden": len(plan["golden"])}
    counts |= {"mirror": 1 if plan["mirror"] else 0, "step": len(plan["steps"])}
    stages = list(counts)
    if moved.at + 1 < counts[moved.stage]:
        return replace(moved, at=moved.at + 1), 0.0
    following = next((each for each in stages[stages.index(moved.stage) + 1 :] if counts[each]), "")
    if following:
        return replace(moved, stage=following, at=0), 0.0  # type: ignore[arg-type]
    if plan["keepOld"] is None:
        return _done(moved, "Succeeded", "", now)
    kept = replace(moved, status="Succeeded", stage="keep", at=0, since=now)
    return kept.telling(now, "succeeded"), float(plan["keepOld"])


# ── the stages ───────────────────────────────────────────────────────────────────────────────────────────────────────
def _followed(rollout: Rollout, services: Services) -> Moved:
    """Poll the operation that the rollout waits for."""
    now, operation = services.clock(), endpoint_state.operation_of(rollout, services)
    if operation is not None and not operation.ended:
        return rollout, min(max((now - operation.created_at).total_seconds() / 4, FIRST_S), LONGEST_S)
    error = (operation.error if operation else None) or errors.AzureError(code="OperationNotFound", message="Its record is gone.")
    well = operation is not None and operation.status == "Succeeded"
    if operation is not None and operation.expired:  # it was not sent soon enough after the look, so not at all
        return replace(rollout, operation="", writes=rollout.writes + 1), FIRST_S
    ended = replace(rollout, operation="", writes=rollout.writes + 1, tries=0 if well else rollout.tries)
    said = "" if well else f"{error.code}: {error.message}"
    match rollout.stage:
        case "create" if not well:
            return _done(ended, "Failed", f"the deployment could not be created: {said}", now)
        case "create":
            stamps = {**ended.stamps, ended.new.lower(): endpoint_state.stamp_of(ended, ended.new, services)}
            made = replace(ended, stamps=stamps, plan={**ended.plan, "body": None})
            return _further(made.noted(now, f"created {ended.new}"), now)
        case "keep":
            return _next_old(ended.noted(now, f"{'deleted' if well else 'kept'} {rollout.old[rollout.at]}", said), now)
    return _changed(ended, services) if well else _again(ended, error, now)


def _changed(rollout: Rollout, services: Services) -> Moved:
    """Continue after a change of traffic has taken effect."""
    now, wanted = services.clock(), rollout.wanted or {"traffic": rollout.traffic, "mirror": rollout.mirror}
    moved = replace(rollout, traffic=wanted["traffic"], mirror=wanted["mirror"], wanted=None, since=now, figures={})
    if moved.stage == "back":
        return _back(moved, services)
    what = f"mirror {moved.plan['mirror']['percent']} %" if moved.stage == "mirror" else f"step {moved.percent} %"
    return moved.telling(now, "step", what), 0.0


def _create(rollout: Rollout, services: Services) -> Moved:
    return endpoint_state.create(rollout, services), FIRST_S


def _smoke(rollout: Rollout, services: Services) -> Moved:
    now, item = services.clock(), rollout.plan["smoke"][rollout.at]
    if rollout.status == "Paused":
        return _waiting(rollout, services)
    status, body = endpoint_state.score(rollout, rollout.new, item["send"], services)
    if reason := judging.expected(item.get("expect"), status, body):
        return _turned(rollout, "RolledBack", f"smoke[{rollout.at}]: {reason}", now)
    return _further(rollout, now)


def _golden(rollout: Rollout, services: Services) -> Moved:
    now, item = services.clock(), rollout.plan["golden"][rollout.at]
    if rollout.status == "Paused":
        return _waiting(rollout, services)
    live, new = (endpoint_state.score(rollout, name, item["send"], services) for name in (rollout.old[0], rollout.new))
    if reason := judging.differing(live, new, item["tolerance"], item["ignore"]):
        return _turned(rollout, "RolledBack", f"golden[{rollout.at}]: {reason}", now)
    return _further(rollout, now)


def _waiting(rollout: Rollout, services: Services) -> Moved:
    """Wait until a caller promotes the rollout."""
    if rollout.asked == "promote":
        return _further(rollout.noted(services.clock(), "promoted"), services.clock())
    endpoint_state.look(rollout, services)
    return rollout, PAUSED_S


def _mirror(rollout: Rollout, services: Services) -> Moved:
    wanted = {"traffic": dict(rollout.traffic), "mirror": {rollout.new: rollout.plan["mirror"]["percent"]}}
    return _share(rollout, wanted, float(rollout.plan["mirror"]["for"]), services)


def _step(rollout: Rollout, services: Services) -> Moved:
    traffic = judging.shares(rollout.before["traffic"], rollout.new, rollout.percent)
    wanted = {"traffic": traffic, "mirror": {**rollout.before["mirror"], **dict.fromkeys(rollout.mirror, 0)}}
    return _share(rollout, wanted, float(rollout.plan["bake"]), services)


def _share(rollout: Rollout, wanted: Any, bake_s: float, services: Services) -> Moved:
    """Set a share of the traffic; once it is in effect, look at the gate until its time is over."""
    promoted = rollout.asked == "promote"
    if rollout.since is not None:
        return _watched(rollout, rollout.since + timedelta(seconds=bake_s), services)
    if rollout.status == "Paused" and not promoted:
        return _waiting(rollout, services)
    if rollout.wanted is None or promoted:  # it is kept before it is sent: what is found afterwards is our own doing
        return replace(rollout, status="Running", asked="", tries=0, wanted=wanted), 0.0
    return endpoint_state.write(rollout, rollout.wanted, services), FIRST_S


def _watched(rollout: Rollout, until: datetime, services: Services) -> Moved:
    """Look at the gate of a share that is in effect."""
    now = services.clock()
    endpoint_state.look(rollout, services)
    seen, found = endpoint_state.figures(rollout, services)
    if found.word == "bad":
        return _turned(seen, "RolledBack", found.reason, now)
    if rollout.asked == "promote":
        return _further(seen.noted(now, "promoted"), now)
    if seen.status == "Paused":
        return seen, PAUSED_S
    sure = found.word == "good" or rollout.stage == "mirror"  # no caller depends on a mirror: it may be too small to be sure
    left_s = (until + (timedelta(0) if sure else LAG) - now).total_seconds()
    if left_s > 0:
        return seen, min(max((until - now).total_seconds(), FIRST_S), left_s, LOOK_S)
    return _further(seen.noted(now, found.word, found.reason), now) if sure else _doubtful(seen, found.reason, now)


def _back(rollout: Rollout, services: Services) -> Moved:
    """Restore the traffic of before, in one PUT.

    It has the key of the change that was about to be sent, if there was one: of the two only one is carried out.
    """
    before, now = rollout.before, services.clock()
    if rollout.wanted is not None:
        mirror = {**dict.fromkeys({**rollout.mirror, **rollout.wanted["mirror"]}, 0), **before["mirror"]}
        wanted = {"traffic": {**before["traffic"], rollout.new: 0}, "mirror": mirror}
        return endpoint_state.write(rollout, wanted, services), FIRST_S
    if endpoint_state.same(rollout.traffic, before["traffic"]) and endpoint_state.same(rollout.mirror, before["mirror"]):
        return _done(rollout, rollout.ending, _why(rollout), now)
    return replace(rollout, wanted={"traffic": dict(before["traffic"]), "mirror": dict(before["mirror"])}), 0.0


def _why(rollout: Rollout) -> str:
    return next((str(each.get("reason", "")) for each in reversed(rollout.notes) if each["what"] == "back"), "")


def _keep(rollout: Rollout, services: Services) -> Moved:
    """Delete a deployment that was live before, if it has not changed and has no traffic."""
    now = services.clock()
    until = (rollout.since or now) + timedelta(seconds=rollout.plan["keepOld"])
    if now < until:
        return rollout, (until - now).total_seconds()
    try:
        return endpoint_state.delete(rollout, rollout.old[rollout.at], services), FIRST_S
    except endpoint_state.ChangedError as found:
        return _next_old(rollout.noted(now, f"kept {rollout.old[rollout.at]}", str(found)), now)


def _next_old(rollout: Rollout, now: datetime) -> Moved:
    if rollout.at + 1 < len(rollout.old):
        return replace(rollout, at=rollout.at + 1, tries=0), 0.0
    return _done(rollout, "Succeeded", "", now, silent=True)


STAGES: dict[str, Callable[[Rollout, Services], Moved]] = {
    "create": _create, "smoke": _smoke, "golden": _golden, "mirror": _mirror, "step": _step, "back": _back, "keep": _keep,
}  # fmt: skip


# ── the machine ──────────────────────────────────────────────────────────────────────────────────────────────────────
def _ended(before: Known, saved: Known, _services: Services) -> None:
    rollout = saved.value
    if rollout.over and not before.value.over:
        lines.event(log, logging.INFO, "rollout.ended", rollout=rollout.id, status=rollout.status, deployment=rollout.new)


def _give_up(known: Known, reason: str, services: Services) -> Next[Known, Rollout]:
    return _next(known, _done(known.value, "Failed", reason, services.clock())[0], 0.0, services)


def _overdue(before: datetime, services: Services) -> Iterator[Known]:
    yield from rollout_record.table(services.cleanup_rows).find(equal={"rolling": True}, below={"due_at": before})


def _purge(before: datetime, services: Services) -> int:
    return records.purge(services.cleanup_rows, before, lambda row: row.partition.startswith(rollout_record.PREFIX))


MACHINE = worker.Machine["Services", "Versioned[Rollout]", "Rollout"](
    name="rollout",
    queue=messages.QUEUE,
    record=Rollout,
    send=lambda services: services.queue,
    load=lambda message, services: rollout_record.table(services.cleanup_rows).load(str(message.key[0]), str(message.key[1])),
    advance=_advanced,
    save=lambda step, services: rollout_record.save(step.known, step.value, services.cleanup_rows),
    key=lambda known: (rollout_record.partition_of(known.value.endpoint), known.value.id),
    step=lambda known: known.value.step,
    due_at=lambda known: None if known.value.over else known.value.due_at,
    lease=GRACE,
    give_up=_give_up,
    overdue=_overdue,
    purge=_purge,
    after=_ended,
    renew=lambda known, at, services: rollout_record.save(known, replace(known.value, due_at=at), services.cleanup_rows),
)
