"""What must hold at the end of a soak, judged from outside: by the records, the local Azure, the queues."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from tests.soak import work

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.soak.chaos import Chaos, Disturbance
    from tests.soak.ground import Ground
    from tests.soak.work import Asked

MOSTLY_LATE_S, MOST_LATE_S = 60.0, 120.0
QUICK = ("own", "shared")  # sorts whose recovery is measured
QUEUES = ("operations", "notifications", "events", "cleanup")
UNSURE = frozenset({"OutcomeUnknown"})
GONE = ("deleted", "NotFound")  # a deletion of what was never made: refused, or, when the refusal was lost, recorded as Azure's
SUCCEEDED = frozenset({"Succeeded"})
ENDS = {
    **dict.fromkeys(("own", "shared", "deleted", "expiring", "job", "recipe", "score"), SUCCEEDED),
    "cleanup": frozenset({"Completed"}),
    "rollout": frozenset({"Succeeded", "RolledBack"}),
}


def judge(ground: Ground, all_asked: Sequence[Asked], chaos: Chaos) -> dict[str, Any]:
    """Return the report: figures, and what is wrong, a line each."""
    disturbed, effects, told = chaos.done, work.counts(ground, chaos.actions), _told(ground)
    wrong = [
        f"{problem} [{each.number} {each.sort} {each.to} {each.record}]" for each in all_asked for problem in _one(each, effects)
    ]
    wrong += [f"not told: {each.to} {each.record}" for each in all_asked if each.notify and each.state and not _is_told(each, told)]
    wrong += _finals(ground, all_asked)
    wrong += [f"left: {count} messages in {name}" for name, count in _left(ground).items()]
    recoveries = list(_recoveries(all_asked, disturbed))
    p95 = sorted(recoveries)[math.ceil(len(recoveries) * 0.95) - 1] if recoveries else 0.0
    longest = max(recoveries, default=0.0)
    wrong += [f"late: recovery p95 {p95:.0f} s"] if p95 > MOSTLY_LATE_S else []
    wrong += [f"late: recovery {longest:.0f} s"] if longest > MOST_LATE_S else []
    return {
        "asked": len(all_asked),
        "accepted": sum(bool(each.record) or each.sort == "event" for each in all_asked),
        "bySort": dict(Counter(each.sort for each in all_asked).most_common()),
        "ends": dict(Counter(f"{each.status or 'open'} {each.code}".strip() for each in all_asked if each.record).most_common()),
        "refused": dict(Counter(each.refused for each in all_asked if each.refused).most_common()),
        "writes": {"effective": sum(effects["sure"].values()), "perhaps": sum(effects["perhaps"].values())},
        "notifications": {"wanted": sum(each.notify and bool(each.state) for each in all_asked), "ids": len(told)},
        "disturbances": dict(Counter(each.what.partition(":")[0] for each in disturbed).most_common()),
        "recovery": {"measured": len(recoveries), "p95S": round(p95, 1), "longestS": round(longest, 1)},
        "wrong": wrong,
    }


def _one(asked: Asked, effects: dict[str, Counter[str]]) -> Iterator[str]:
    """Judge one piece of work: whether it was accepted and has ended, how, and what Azure did."""
    if asked.refused:
        if not _may_be_refused(asked):
            yield f"refused: {asked.refused}"
    elif asked.sort != "event" and not asked.record:
        yield "lost: no record"
    elif asked.sort != "event" and not asked.ended:
        yield f"stuck: {asked.state or 'never read'}"
    else:
        right = ENDS.get(asked.sort)
        if right and asked.status not in right and asked.code not in UNSURE and (asked.sort, asked.code) != GONE:
            yield f"wrong: {asked.status} {asked.code} {json.dumps(asked.state.get('error'))}"
        yield from _effects(asked, effects)


def _effects(asked: Asked, effects: dict[str, Counter[str]]) -> Iterator[str]:
    """Judge what Azure did for one piece of work that is the only one on its target: once, and what it said."""
    once = [f"{method} {path}" for method, path in (
        *((("PUT", asked.to),) if asked.sort in ("own", "expiring") else ()),
        *((("DELETE", asked.to),) if asked.sort == "expiring" else ()),
        *((("PUT", f"{work.WORKSPACE}/environments/{asked.path}/versions/1"),) if asked.sort == "event" else ()),
    )]  # fmt: skip
    sure, perhaps = effects["sure"], effects["perhaps"]
    for name in once:
        if sure[name] > 1:
            yield f"twice: {name} took effect {sure[name]} times"
        if not sure[name] + perhaps[name] and asked.code not in UNSURE:
            yield f"wrong: {asked.status or 'accepted'}, and Azure never did {name}"


def _may_be_refused(asked: Asked) -> bool:
    """What has no key is not sent again when its connection broke; a second rollout waits for the first one's end."""
    status = asked.refused.partition(" ")[0]
    return status == "unknown" or (asked.sort, status) in {("rollout", "409"), ("cleanup", "409"), ("deleted", "404")}


def _finals(ground: Ground, all_asked: Sequence[Asked]) -> Iterator[str]:
    """The last change of a shared target that succeeded is what stands there; requests in flight together have no order."""
    by_target: dict[str, list[Asked]] = defaultdict(list)
    for each in all_asked:
        if each.sort == "shared" and each.record:
            by_target[each.to].append(each)
    for target, changes in by_target.items():
        found = (ground.call("GET", target).body.get("tags") or {}).get("mark")
        named = {each.path: each for each in changes}
        last = max((each for each in changes if each.status == "Succeeded"), key=lambda each: each.begun, default=None)
        shown = named.get(found)
        if last is None or shown is None:
            continue
        if shown.accepted < last.begun and not any(each.code in UNSURE for each in changes):
            yield f"order: {target} stands as {found}, and {last.path} succeeded after it"


def _recoveries(all_asked: Sequence[Asked], disturbed: Sequence[Disturbance]) -> Iterator[float]:
    """Yield how long after a kill each operation under way then had ended, where nothing else went wrong meanwhile."""
    quick = [each for each in all_asked if each.sort in QUICK and each.ended and each.accepted]
    for position, kill in enumerate(disturbed):
        if "killed" not in kill.what:
            continue
        after = disturbed[position + 1].began if position + 1 < len(disturbed) else math.inf
        yield from (each.ended - kill.ended for each in quick if each.begun < kill.began and kill.ended < each.ended <= after)
        yield from (
            after - kill.ended for each in quick if each.begun < kill.began and each.ended > after > kill.ended + MOST_LATE_S
        )


def _storage(ground: Ground, name: str) -> Any:
    from azure.storage.queue import QueueClient, TextBase64DecodePolicy, TextBase64EncodePolicy

    policies: dict[str, Any] = {
        "message_encode_policy": TextBase64EncodePolicy(),
        "message_decode_policy": TextBase64DecodePolicy(),
    }
    return QueueClient.from_connection_string(ground.storage.connection_string(), name, **policies)


def _told(ground: Ground) -> dict[str, dict[str, Any]]:
    """Take what the receiver's queue holds: id of the notification → it."""
    from azure.core.exceptions import ResourceNotFoundError

    queue, told = _storage(ground, work.RECEIVER), {}
    try:
        for message in queue.receive_messages(messages_per_page=32, visibility_timeout=600):
            event = json.loads(message.content)
            told[event["id"]] = event
    except ResourceNotFoundError:
        return {}
    return told


def _is_told(asked: Asked, told: dict[str, dict[str, Any]]) -> bool:
    name = asked.record.rpartition("/")[2]
    return not name or any(name in json.dumps(event.get("data")) for event in told.values())


def missing(ground: Ground, all_asked: Sequence[Asked], chaos: Chaos) -> list[str]:
    """Return what is wrong with events so far: one whose worker died before anything was recorded of it comes after ten minutes."""
    effects = work.counts(ground, chaos.actions)
    return [problem for each in all_asked if each.sort == "event" for problem in _one(each, effects)]


def _in_queue(ground: Ground, name: str) -> int:
    """Return about how many messages a queue holds, those in hand included; 0 where there is no such queue."""
    from azure.core.exceptions import ResourceNotFoundError

    try:
        count: int = _storage(ground, name).get_queue_properties().approximate_message_count
    except ResourceNotFoundError:
        return 0
    return count


def _left(ground: Ground) -> dict[str, int]:
    """Return how many messages the poison queues hold."""
    counts = {f"steward-{name}-poison": _in_queue(ground, f"steward-{name}-poison") for name in QUEUES}
    return {name: count for name, count in counts.items() if count}
