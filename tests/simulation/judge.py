"""What must hold when a simulated run has come to rest, judged from outside: what was asked, what Azure did, what the rows say."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from shared.expiry import expiry_record
from shared.hooks import firings
from shared.recipes import run_steps
from tests.fake_azure import ML

if TYPE_CHECKING:
    from shared.operations.models import Operation
    from tests.simulation.load import Asked
    from tests.simulation.world import Effect, World


@dataclass(kw_only=True)
class Verdict:
    """What a run came to.

    Attributes:
        wrong: What must not be, a line each; the first word is the sort: lost, stuck, wrong, twice, order, told, late, left.
        ends: How the operations ended.
        recoveries: Seconds from a kill until the work went on.
        counts: Calls to storage and Azure.
        late_s: How long after its time each expiry was carried out.
    """

    wrong: list[str] = field(default_factory=list)
    ends: Counter[str] = field(default_factory=Counter)
    recoveries: list[float] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    late_s: list[float] = field(default_factory=list)


def judge(world: World, all_asked: list[Asked], *, quiet: bool) -> Verdict:
    """Judge a run."""
    verdict = Verdict(recoveries=world.recoveries, counts=world.counts)
    world.fuse.looking = True
    if not quiet:
        left = [row.key for row in world.steward.open.rows.values()], list(world.steward.due_rows.rows)
        verdict.wrong.append(f"stuck: {left}")
    for asked in all_asked:
        for problem in _JUDGES[asked.what](asked, world, verdict):
            verdict.wrong.append(f"{problem} [{asked.number} {asked.what} {asked.method} {asked.path} {asked.record}]")
    verdict.wrong += _order(world, all_asked)
    verdict.wrong += [f"left: lane {row}" for row in world.steward.rows.rows if row[1] == "lane"]
    verdict.wrong += [f"left: blob {name}" for name in world.steward.blobs.blobs if name.startswith(("poison/", "hooks/dead/"))]
    verdict.wrong += [f"late: {each:.0f} s" for each in world.recoveries if each > MOST_LATE_S]
    return verdict


FAILED = ("Boom", "ResourceFailed")  # where Azure's own work failed
MOST_LATE_S, MOSTLY_LATE_S = 120.0, 60.0


def _operation(asked: Asked, world: World) -> Operation | None:
    found = world.app.ledger.load(asked.record)
    return found.operation if found else None


def _of(asked: Asked, world: World) -> list[Effect]:
    return [each for each in world.effects if each.mark == asked.mark and not each.foreign]


def _ended(asked: Asked, world: World, verdict: Verdict) -> tuple[Operation | None, list[str]]:
    """Return its operation, and what is wrong with every operation alike."""
    if asked.refused:
        return None, [f"wrong: refused {asked.refused}"]
    operation = _operation(asked, world)
    if operation is None:
        return None, ["lost: no operation"]
    code = operation.error.code if operation.error else ""
    verdict.ends[f"{operation.method} {operation.status} {code}".strip()] += 1
    if not operation.ended:
        return None, [f"stuck: {operation.phase}"]
    if asked.notify and not _told(world, operation.id):
        return operation, ["told: not told"]
    return operation, []


def _told(world: World, record: str) -> int:
    return len({held.text.split('"id":"')[1].split('"')[0] for held in world.told.messages if record in held.text})


def _change(asked: Asked, world: World, verdict: Verdict) -> list[str]:
    operation, wrong = _ended(asked, world, verdict)
    if operation is None:
        return wrong
    if asked.method == "DELETE":
        return wrong + _delete(asked, operation, world)
    effects, code = _of(asked, world), operation.error.code if operation.error else ""
    foreign = [each for each in world.effects if each.foreign and each.path == asked.path]
    if operation.status == "Succeeded" and not effects:
        wrong.append("wrong: Succeeded, and Azure never did it")
    if operation.status == "Succeeded" and effects and effects[-1].fails:
        wrong.append("wrong: Succeeded, and Azure's work failed")
    if operation.status == "Failed" and code in ("NotSent", "Expired") and effects:
        wrong.append(f"wrong: {code}, and Azure did it")
    removed = [each for each in foreign if each.write == "DELETE"]
    gone = code in ("NotFound", "ResourceNotFound") and (asked.method == "PATCH" or removed)
    if operation.status != "Succeeded" and code not in ("OutcomeUnknown", *FAILED) and not gone:
        wrong.append(f"wrong: {operation.status} {code}: {operation.error and operation.error.message}")
    if code in FAILED and not any(each.fails for each in effects):
        wrong.append(f"wrong: {code}, and Azure's work did not fail")
    if code == "OutcomeUnknown" and not foreign and not any(each.fails for each in effects):
        wrong.append("wrong: OutcomeUnknown, and no other client was there")
    if len(effects) > 1 and not any(effects[0].at <= each.at <= effects[-1].at for each in removed):
        wrong.append(f"twice: {len(effects)} effects")
    return wrong


def _delete(asked: Asked, operation: Operation, world: World) -> list[str]:
    """It was gone at some moment of the operation's life, or Azure is not said to have done it."""
    deleted = [each for each in world.effects if each.path == asked.path and each.write == "DELETE"]
    if operation.status != "Succeeded":
        code = operation.error.code if operation.error else ""
        fails = code in FAILED and any(each.fails for each in deleted)
        return [] if fails or (code == "OutcomeUnknown" and "foreign" in asked.path) else [f"wrong: {operation.status} {code}"]
    ended = operation.ended_at + timedelta(seconds=1) if operation.ended_at else world.clock()
    puts = [each for each in world.effects if each.path == asked.path and each.write == "PUT"]
    last_put = max((each.at for each in puts if asked.begun and each.at <= asked.begun), default=None)
    gone = [each for each in deleted if not each.fails and each.at <= ended and (last_put is None or each.at >= last_put)]
    return [] if gone else ["wrong: Succeeded, and it was never gone"]


def _job(asked: Asked, world: World, verdict: Verdict) -> list[str]:
    operation, wrong = _ended(asked, world, verdict)
    if operation is None:
        return wrong
    effects = [each for each in world.effects if each.path == operation.target.removeprefix(f"{ML}/")]
    return wrong + _once(operation, effects)


def _once(operation: Operation, effects: list[Effect]) -> list[str]:
    if operation.status != "Succeeded":
        return [f"wrong: {operation.status} {operation.error and operation.error.code}"]
    return [] if len(effects) == 1 else [f"{'twice' if effects else 'wrong'}: Succeeded with {len(effects)} effects"]


def _act(asked: Asked, world: World, verdict: Verdict) -> list[str]:
    operation, wrong = _ended(asked, world, verdict)
    effects = [each for each in world.effects if each.path == asked.path]
    return wrong + (_once(operation, effects) if operation else [])


def _counts(asked: Asked, world: World, wanted: dict[str, int]) -> list[str]:
    """Compare how often each write took effect with how often it must have."""
    found = Counter(f"{each.write} {each.path.rpartition('/')[2]}" for each in world.effects)
    return [
        f"{'twice' if found[name] > count else 'lost'}: {name} took effect {found[name]} times, expected {count}"
        for name, count in wanted.items()
        if found[name] != count
    ]


def _expiring(asked: Asked, world: World, _verdict: Verdict) -> list[str]:
    if asked.refused:
        return [f"wrong: refused {asked.refused}"]
    name = f"exp{asked.number}"
    wrong = _counts(asked, world, {f"PUT {name}": 1, f"DELETE {name}": 1})
    rows = expiry_record.table(world.app.cleanup_rows).find(least={"expires_at": world.clock() - timedelta(days=3)})
    found = [row.value for row in rows if row.value.target.endswith(f"/{name}")]
    if [each.status for each in found] != ["Done"]:
        wrong.append(f"wrong: expiries {[each.status for each in found]}")
    gone = [each.at for each in world.effects if each.write == "DELETE" and each.path == asked.path]
    wrong += ["wrong: deleted too early" for at in gone for each in found if at < each.at - timedelta(seconds=1)]
    return wrong


def _recipe(asked: Asked, world: World, _verdict: Verdict) -> list[str]:
    if asked.refused:
        return [f"wrong: refused {asked.refused}"]
    found = [run for run in run_steps.table(world.app).newest(9_999, partition=run_steps.PARTITION) if run.id == asked.record]
    if [run.status for run in found] != ["Succeeded"]:
        states = [[f"{step.name} {run.taken(step.name).state}" for step in run.recipe.steps] for run in found]
        return [f"wrong: runs {[run.status for run in found]} {states}"]
    name = f"r{asked.number}"
    wrong = _counts(asked, world, {f"PUT {name}-one": 1, f"PUT {name}-two": 1, f"DELETE {name}-one": 1})
    return wrong + ([] if _told(world, asked.record) else ["told: not told"])


def _event(asked: Asked, world: World, _verdict: Verdict) -> list[str]:
    name = f"evt{asked.number}"
    found = [each for each in firings.newest(9_999, world.app) if f"models/{name}:1" in str(each.document)]
    ends = sorted((each.rule.name, each.status) for each in found)
    wrong = [] if ends == [("copied", "Succeeded"), ("quiet", "Succeeded")] else [f"wrong: firings {ends}"]
    return wrong + _counts(asked, world, {f"PUT {name}": 1, f"DELETE {name}": 1, f"PUT q-{name}": 1})


def _order(world: World, all_asked: list[Asked]) -> list[str]:
    """Of two changes of one target, the one that was accepted before the other was asked for takes effect first."""
    first: dict[str, int] = {}
    for position, effect in enumerate(world.effects):
        if not effect.foreign and effect.mark:
            first.setdefault(effect.mark, position)
    wrong = []
    changes = [each for each in all_asked if each.what == "change" and each.mark in first]
    for one in changes:
        for other in changes:
            after = one.path == other.path and one.accepted and other.begun and one.accepted < other.begun
            if after and first[other.mark] < first[one.mark]:
                wrong.append(f"order: {other.number} took effect before {one.number} on {one.path}")
    return wrong


_JUDGES = {
    "change": _change,
    "job": _job,
    "act": _act,
    "expiring": _expiring,
    "recipe": _recipe,
    "event": _event,
}
