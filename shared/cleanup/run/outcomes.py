"""What a run has chosen to do, and what became of each act: a small blob an act, one blob for all once the run has ended.

Not here: carrying an act out (conduct).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from shared.cleanup.run import report_lines
from shared.durable import codec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.cleanup.run.claims import Services
    from shared.cleanup.run.journal import Run
    from shared.cleanup.run.report_lines import Line


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What became of one act.

    Attributes:
        settled: Whether that is final.
        outcome, did, reason, evidence, operation, error: Laid over the line.
        attempt: Goes up when it must be judged again.
        send_by: Until when its operation may still be recorded, by a worker that stands still.
        changed_before: When the resource had last changed before it was marked.
    """

    settled: bool = False
    outcome: report_lines.Outcome = "under way"
    did: str = ""
    reason: str = ""
    evidence: tuple[str, ...] = ()
    operation: str = ""
    error: dict[str, Any] | None = None
    attempt: int = 0
    send_by: str = ""
    changed_before: str = ""
    unknown: Mapping[str, Any] = field(default_factory=dict)


def acts_blob(run: str) -> str:
    """Return where a run's acts are."""
    return f"{report_lines.PREFIX}{run}/acts.json"


def plan_blob(run: str) -> str:
    """Return where everything is that a run would do if all its policies enforced: what can be approved."""
    return f"{report_lines.PREFIX}{run}/plan.json"


def ended_blob(run: str) -> str:
    """Return where an ended run's acts are with their outcomes."""
    return f"{report_lines.PREFIX}{run}/outcomes.json"


def of(run: Run, services: Services) -> list[Line]:
    """Return the run's acts with what became of each so far."""
    if run.ended and (known := report_lines.read(services.blobs, ended_blob(run.name))):
        return known
    chosen = report_lines.read(services.blobs, acts_blob(run.name))
    return [laid_over(line, load(run.name, number, services)) for number, line in enumerate(chosen)]


def load(run: str, number: int, services: Services) -> Record:
    """Return what became of an act so far."""
    content = services.blobs.get(f"{report_lines.PREFIX}{run}/acts/{number:06d}.json")
    if content is None:
        return Record(outcome="not done")
    stored = json.loads(content)
    return Record(**{**codec.members(Record, stored), "evidence": tuple(stored["evidence"])})


def save(run: str, number: int, record: Record, services: Services) -> Record:
    """Write down what became of an act so far, and return it."""
    services.blobs.put(f"{report_lines.PREFIX}{run}/acts/{number:06d}.json", json.dumps(codec.written(record)).encode())
    return record


def laid_over(line: Line, record: Record) -> Line:
    """Return the line with what became of it."""
    return replace(
        line,
        outcome=record.outcome,
        did=record.did,
        reason=record.reason or line.reason,
        evidence=record.evidence or line.evidence,
        operation=record.operation,
        error=record.error,
    )
