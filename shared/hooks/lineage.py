"""Where an event comes from: how many rules led to it, so that rules cannot loop.

Not here: what is done with one that too many led to (intake), who leaves the mark on a request (rule_requests).
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shared.hooks import event_target, events
from shared.operations import models

if TYPE_CHECKING:
    from shared.hooks.events import Event
    from shared.operations.context import Services
    from shared.rest import ids

ECHO = timedelta(hours=1)  # how long after the end of an operation Azure may date an event that it caused
ORIGIN = "steward-origin"  # property that a rule's requests put on jobs and models: Azure's events of them carry it
RUNS_BEHIND = ("runid", "azureml.pipelinerunid", "azureml.rootpipelinerunid")  # properties that Azure ML gives to models and steps
PARALLEL_OPERATIONS = 20  # of one target that are looked at


def depth_of(event: Event, about: tuple[ids.ResourceId, ...], services: Services) -> int:
    """Return how many rules led to an event: 1 when none did.

    Known by the mark that a rule's requests leave on jobs and models, which Azure's events of them carry; by the operation
    of ours that changed the resource at that time; for a model, by the job that made it; for a run, by the one it is a part of.
    """
    deepest = max((_marked(event.value(name)) for name in ("runProperties", "modelProperties", "properties")), default=0)
    deepest = max(deepest, _number(event.value("stewardDepth")))
    behind, happened = list(about), min(events.moment(event) or services.clock(), services.clock())
    workspace = event_target.workspace_of(event)
    behind += [workspace.child("jobs", run) for run in _runs_behind(event)] if workspace else []
    for target in behind:
        for operation in services.ledger.newest(top=PARALLEL_OPERATIONS, partition=models.partition_of(target)):
            if operation.ended_at is None or happened <= operation.ended_at + ECHO:  # what was over long before caused nothing
                deepest = max(deepest, operation.depth)
    return deepest + 1


def _runs_behind(event: Event) -> list[str]:
    """Return the runs that made what an event is about: a model's, a step's pipeline, a trial's sweep (`{sweep}_{number}`)."""
    told = [events.lowered(found) for name in ("modelProperties", "runProperties") if isinstance(found := event.value(name), dict)]
    named = [properties.get(name) for properties in told for name in RUNS_BEHIND]
    sweep, _, number = event.text("runId").rpartition("_")
    found = [run for run in named if isinstance(run, str) and 0 < len(run) <= events.TEXT_LIMIT]
    return list(dict.fromkeys([*found, *([sweep] if sweep and number.isdecimal() else [])]))


def _marked(properties: Any) -> int:
    """Return the depth that `steward-origin: rule/firing/depth` holds, 0 when there is no such mark."""
    text = events.lowered(properties).get(ORIGIN) if isinstance(properties, dict) else None
    return _number(text.rpartition("/")[2]) if isinstance(text, str) else 0


def _number(value: Any) -> int:
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0
