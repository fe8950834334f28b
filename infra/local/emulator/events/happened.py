"""What happened, as an event: Azure ML's five and the Resource Manager's nine, in both schemas.

Shapes: "Azure Machine Learning as an Event Grid source" and "Azure resource group as an Event Grid source". Not here: when
one is raised (`watching.py`), who gets it (`grid.py`).
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from infra.local.emulator.runs import Run

ML = "Microsoft.MachineLearningServices"
ML_NAMES = ("ModelRegistered", "ModelDeployed", "RunCompleted", "RunStatusChanged", "DatasetDriftDetected")
RESOURCES = "Microsoft.Resources"
EVENT_GRID_SCHEMA, CLOUD_EVENTS_SCHEMA = "EventGridSchema", "CloudEventSchemaV1_0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event.

    Attributes:
        topics: the ARM ids at which it can be subscribed to: a workspace; a subscription and a resource group; a topic.
        version: of the data's shape; Azure ML's is empty.
        raw: sent as it is instead (a custom topic hands on what it was given; a storm sends what is no event).
    """

    type: str
    topics: tuple[str, ...]
    subject: str
    at: datetime
    data: Mapping[str, Any]
    version: str = ""
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    raw: Any = None

    def to_json(self, schema: str, topic: str) -> Any:
        """The event in a schema, as it is raised at one of its topics."""
        if self.raw is not None:
            return self.raw
        time = time_text(self.at)
        if schema == CLOUD_EVENTS_SCHEMA:
            named = {"id": self.id, "source": topic, "type": self.type, "subject": self.subject, "time": time}
            return {**named, "specversion": "1.0", "data": dict(self.data)}
        return {
            "id": self.id,
            "topic": topic,
            "subject": self.subject,
            "eventType": self.type,
            "eventTime": time,
            "data": dict(self.data),
            "dataVersion": self.version,
            "metadataVersion": "1",
        }


def time_text(at: datetime) -> str:
    """A time as Event Grid writes it: seven fraction digits, Z."""
    return f"{at:%Y-%m-%dT%H:%M:%S.%f}0Z"


def of_workspace(name: str, workspace_id: str, subject: str, data: Mapping[str, Any], at: datetime) -> Event:
    """One of Azure ML's, by its short name."""
    return Event(type=f"{ML}.{name}", topics=(workspace_id,), subject=subject, at=at, data=data)


def of_run(run: Run, workspace_id: str, at: datetime) -> list[Event]:
    """A run has another status: RunCompleted when it completed, and RunStatusChanged."""
    data: dict[str, Any] = {
        "experimentId": run.experiment_id or str(uuid.uuid5(uuid.NAMESPACE_URL, f"{run.workspace_id}/{run.experiment}".lower())),
        "experimentName": run.experiment,
        "runId": run.run_id,
        "runType": {"v1": "azureml.scriptrun", "Command": "azureml.scriptrun"}.get(run.kind, f"azureml.{run.kind}"),
        "runTags": dict(run.tags),
        "runProperties": dict(run.properties),
    }
    subject = f"experiments/{data['experimentId']}/runs/{run.run_id}"
    changed = of_workspace("RunStatusChanged", workspace_id, subject, {**data, "runStatus": run.status}, at)
    return [of_workspace("RunCompleted", workspace_id, subject, data, at), changed] if run.status == "Completed" else [changed]


def of_resource(
    what: str, outcome: str, resource_id: str, action: str, at: datetime, *, caller: tuple[str, str], request: Mapping[str, str]
) -> Event:
    """One of the Resource Manager's.

    Args:
        what: `Write`, `Delete` or `Action`.
        outcome: `Success`, `Failure` or `Cancel`.
        resource_id: what was changed.
        action: the permission that it took, e.g. `Microsoft.MachineLearningServices/workspaces/write`.
        at: when it ended.
        caller: object id and tenant.
        request: `clientRequestId`, `correlationId`, `method` and `url`.
    """
    parts = resource_id.strip("/").split("/")
    subscription = f"/subscriptions/{parts[1]}"
    in_group = len(parts) > 3 and parts[2].lower() == "resourcegroups"
    status = {"Success": "Succeeded", "Failure": "Failed", "Cancel": "Canceled"}[outcome]
    data = {
        "authorization": {"scope": resource_id, "action": action, "evidence": {"role": "Contributor"}},
        "claims": {"oid": caller[0]},
        "correlationId": request["correlationId"],
        "httpRequest": {name: request[name] for name in ("clientRequestId", "method", "url")} | {"clientIpAddress": "127.0.0.1"},
        "resourceProvider": action.partition("/")[0],
        "resourceUri": resource_id,
        "operationName": action,
        "status": status,
        "subscriptionId": parts[1],
        "tenantId": caller[1],
    }
    return Event(
        type=f"{RESOURCES}.Resource{what}{outcome}",
        topics=(subscription, f"{subscription}/resourceGroups/{parts[3]}") if in_group else (subscription,),
        subject=resource_id,
        at=at,
        data=data,
        version="2",
    )
