"""The target of an event: the resources and the workspace that its source, subject and data name. Pure.

Not here: reading deliveries (events), matching rules (matching).
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

from shared.catalog import kinds
from shared.rest import errors, ids

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shared.hooks.events import Event

    Targets = Callable[[Event, ids.ResourceId, Mapping[str, str]], tuple[ids.ResourceId, ...]]

ML_TYPE = "microsoft.machinelearningservices."
RESOURCE_TYPE = "microsoft.resources.resource"
OWN_TYPE = "azureml-steward."  # subscribed notifications of this app, or of another instance of it


def of(event: Event) -> tuple[ids.ResourceId, ...]:
    """Return the resources that an event may be about, the most likely first; empty when they are not known.

    A run is a job in ARM and a run in run history; `Microsoft.Resources` events and the app's own hold the resource's id.
    """
    low = event.type.lower()
    if low.startswith((RESOURCE_TYPE, OWN_TYPE)):
        found = _parsed(event.text("resourceUri")) or _parsed(event.subject)
        return (found,) if found else ()
    workspace = workspace_of(event)
    read = _TARGETS.get(low.removeprefix(ML_TYPE)) if low.startswith(ML_TYPE) else None
    try:
        about = read(event, workspace, _subject(event)) if workspace and read else ()
        return about if all(each.path for each in about) else ()
    except errors.BadRequestError:  # not a valid resource name
        return ()


def workspace_of(event: Event) -> ids.ResourceId | None:
    """Return the workspace of an event; None when its source names none."""
    return _below(event, "workspaces")


def within(event: Event, reached: Callable[[ids.ResourceId], bool]) -> bool:
    """Return whether a target of the event satisfies `reached`; true for an event that names no Azure resource."""
    named = [text for text in (event.source, event.subject, event.text("resourceUri")) if "subscriptions/" in text.lower()]
    about = (*of(event), *(found for text in named if (found := _id(text))))
    return not named or any(reached(each) for each in about)


def _model(event: Event, workspace: ids.ResourceId, named: Mapping[str, str]) -> tuple[ids.ResourceId, ...]:
    name, _, version = named.get("models", "").rpartition(":")
    name, version = event.text("modelName") or name, event.text("modelVersion") or version
    return (workspace.child("models", name).child("versions", version),) if name and version else ()


def _run(event: Event, workspace: ids.ResourceId, named: Mapping[str, str]) -> tuple[ids.ResourceId, ...]:
    run = event.text("runId") or named.get("runs", "") or named.get("run", "")
    experiment = event.text("experimentName")
    below = (workspace.child("experiments", experiment).child("runs", run),) if experiment and run else ()
    return (workspace.child("jobs", run), *below) if run else ()


def _service(event: Event, workspace: ids.ResourceId, named: Mapping[str, str]) -> tuple[ids.ResourceId, ...]:
    service = event.text("serviceName") or named.get("endpoints", "")
    return (workspace.child("onlineEndpoints", service), workspace.child("services", service)) if service else ()


_TARGETS: dict[str, Targets] = {
    "modelregistered": _model,
    "modeldeployed": _service,
    "runcompleted": _run,
    "runstatuschanged": _run,
    "datasetdriftdetected": _run,
}


def _subject(event: Event) -> dict[str, str]:
    """Return `{"experiments": "e", "runs": "r"}` of `experiments/e/runs/r`."""
    segments = [unquote(segment) for segment in event.subject.strip("/").split("/")]
    return {kind.lower(): name for kind, name in zip(segments[0::2], segments[1::2], strict=False)}


def _below(event: Event, kind: str) -> ids.ResourceId | None:
    for text in (event.source, event.text("resourceUri"), event.subject):
        found = _parsed(text)
        if found and found.namespace.lower() == kinds.ML.lower() and found.types and found.types[0].lower() == kind and found.names:
            return ids.ResourceId(
                subscription=found.subscription,
                resource_group=found.resource_group,
                namespace=kinds.ML,
                types=(kind,),
                names=found.names[:1],
            )
    return None


def _parsed(text: str) -> ids.ResourceId | None:
    found = _id(text)
    return found if found and found.types and not found.is_collection else None


def _id(text: str) -> ids.ResourceId | None:
    try:
        return ids.parse(text) if text else None
    except errors.BadRequestError:
        return None
