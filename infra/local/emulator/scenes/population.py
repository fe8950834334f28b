"""Resources put straight into the local Azure, with any age and state, by the thousand: what tests and benches seed.

Each is what a PUT, some months and some use would have left; nothing runs behind it. `days` are days ago, of the creation;
`changed` of the last change (default: the creation). The caller holds the world's lock.
Not here: which ones there are (`cleanup.py`).
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from infra.local.emulator import scene
from infra.local.emulator.machine_learning import access, scope
from infra.local.emulator.machine_learning.assets import kinds as asset_kinds
from infra.local.emulator.machine_learning.computes import resources as computes
from infra.local.emulator.resources import Resource, stamp
from infra.local.emulator.runner import nodes
from infra.local.emulator.runs import TERMINAL, Run
from infra.local.emulator.storage import locations

if TYPE_CHECKING:
    from datetime import datetime

    from infra.local.emulator.world import World

ML = scope.NAMESPACE
_KINDS = {kind.collection: kind for kind in asset_kinds.KINDS}
_VERSION: dict[str, dict[str, Any]] = {
    "models": {"modelUri": "azureml://datastores/workspaceblobstore/paths/models/m", "modelType": "custom_model", "flavors": {}},
    "environments": {"image": "mcr.microsoft.com/azureml/minimal:1", "environmentType": "UserCreated", "osType": "Linux"},
    "codes": {"codeUri": "https://stewardstorage.blob.core.windows.net/azureml/code"},
    "data": {"dataUri": "azureml://datastores/workspaceblobstore/paths/data/d", "dataType": "uri_folder"},
    "components": {"componentSpec": {"type": "command", "command": "echo"}},
}


def ago(world: World, days: float) -> datetime:
    """A moment before now."""
    return world.now() - timedelta(days=days)


def put(world: World, arm_id: str, body: dict[str, Any], *, days: float, changed: float | None = None) -> Resource:
    """Put a resource of that age, with its `id`, `name`, `type` and `systemData`."""
    parts = arm_id.rpartition("/providers/")[2].split("/")
    born, touched = ago(world, days), ago(world, days if changed is None else changed)
    data = {"createdBy": scene.CLIENT_ID, "createdByType": "Application", "createdAt": stamp(born)}
    data |= {"lastModifiedBy": scene.CLIENT_ID, "lastModifiedByType": "Application", "lastModifiedAt": stamp(touched)}
    head = {"id": arm_id, "name": parts[-1], "type": "/".join([parts[0], *parts[1::2]])}
    return world.resources.put(Resource(id=arm_id, body={**head, **body, "systemData": data}))


def workspace(world: World, name: str, *, days: float = 400, state: str = "Succeeded", **properties: Any) -> str:
    """A workspace on the scene's dependencies: its id."""
    arm_id = f"{scene.GROUP_ID}/providers/{ML}/workspaces/{name}"
    api = f"{scene.LOCATION}.api.azureml.ms"
    body = {
        "location": scene.LOCATION,
        "tags": {},
        "etag": None,
        "kind": "Default",
        "sku": {"name": "Basic", "tier": "Basic"},
        "identity": {"type": "SystemAssigned", "principalId": str(uuid.uuid4()), "tenantId": scene.TENANT_ID},
        "properties": {
            "friendlyName": name,
            "description": "",
            "storageAccount": scene.STORAGE_ID,
            "keyVault": scene.KEY_VAULT_ID,
            "applicationInsights": scene.INSIGHTS_ID,
            "containerRegistry": None,
            "hbiWorkspace": False,
            "publicNetworkAccess": "Enabled",
            "creationTime": stamp(ago(world, days)),
            "workspaceId": str(uuid.uuid4()),
            "discoveryUrl": f"https://{api}/discovery",
            "mlFlowTrackingUri": f"azureml://{api}/mlflow/v1.0{arm_id}",
            **properties,
            "provisioningState": state,
        },
    }
    put(world, arm_id, body, days=days)
    return arm_id


def registry(world: World, name: str) -> str:
    """A registry without storage of its own: its id."""
    arm_id = f"{scene.GROUP_ID}/providers/{ML}/registries/{name}"
    api = f"https://{scene.LOCATION}.api.azureml.ms"
    properties = {
        "publicNetworkAccess": "Enabled",
        "regionDetails": [{"location": scene.LOCATION}],
        "discoveryUrl": f"{api}/registrymanagement/v1.0/registries/{name}/discovery",
        "provisioningState": "Succeeded",
    }
    identity = {"type": "SystemAssigned", "principalId": str(uuid.uuid4()), "tenantId": scene.TENANT_ID}
    put(world, arm_id, {"location": scene.LOCATION, "tags": {}, "identity": identity, "properties": properties}, days=400)
    return arm_id


def version(
    world: World, home: str, asset: str, number: str, *, days: float, changed: float | None = None, **properties: Any
) -> str:
    """A version of an asset, `asset` as `models/NAME`; its container is made when it is the first: its id."""
    collection = asset.partition("/")[0]
    whole = {**_VERSION[collection], **properties}
    container = world.resources.get(f"{home}/{asset}") or _container(world, f"{home}/{asset}", collection, whole, days)
    container.properties["latestVersion"] = number
    if number.isdecimal():
        container.properties["nextVersion"] = str(max(int(container.properties["nextVersion"]), int(number) + 1))
    own = {"description": None, "tags": {}, "properties": {}, "isArchived": False, "isAnonymous": False, **_VERSION[collection]}
    owner = world.resources.get(home)
    for name in ("modelUri", "dataUri"):
        if name in own and owner is not None and "/workspaces/" in home:
            own[name] = locations.long(world, owner, own[name])
    whole = {**own, **properties}
    if "componentSpec" in whole:  # as Azure fills in what a client leaves out (machine_learning.assets)
        whole["componentSpec"] = {"name": asset.partition("/")[2], **whole["componentSpec"], "version": number}
    body = {"properties": {**whole, **_KINDS[collection].state}}
    return put(world, f"{home}/{asset}/versions/{number}", body, days=days, changed=changed).id


def _container(world: World, arm_id: str, collection: str, first: dict[str, Any], days: float) -> Resource:
    own: dict[str, Any] = {"description": None, "tags": {}, "properties": {}, "isArchived": False, "nextVersion": "1"}
    kept = {name: first[name] for name in _KINDS[collection].kept}
    return put(world, arm_id, {"properties": {**own, **kept, **_KINDS[collection].state}}, days=days)


def instance(
    world: World, home: str, name: str, *, state: str, operated: float, operation: str = "Start", days: float = 100, **inner: Any
) -> str:
    """A compute instance whose last operation ended `operated` days ago: its id."""
    last = {"operationName": operation, "operationTime": stamp(ago(world, operated))}
    last |= {"operationStatus": "Succeeded", "operationTrigger": "User"}
    applications = [{"displayName": "Jupyter", "endpointUri": f"https://{name}.{scene.LOCATION}.instances.azureml.ms/tree"}]
    own = {
        "vmSize": "STANDARD_DS3_V2",
        "sshSettings": {"sshPublicAccess": "Disabled"},
        "state": state,
        "errors": None,
        "applications": applications,
        "lastOperation": last,
        **inner,
    }
    return _compute(world, home, name, "ComputeInstance", own, days=days)


def cluster(  # noqa: PLR0913 - a cluster has this many numbers
    world: World,
    home: str,
    name: str,
    *,
    low: int,
    high: int = 4,
    idle: int = 0,
    state: str = "Succeeded",
    days: float = 100,
    steady: float = 5,
) -> str:
    """A cluster with idle nodes that was last resized `steady` days ago: its id."""
    scale = {"minNodeCount": low, "maxNodeCount": high, "nodeIdleTimeBeforeScaleDown": "PT120S"}
    counts = {f"{one}NodeCount": idle if one == "idle" else 0 for one in nodes.COUNTS}
    own = {
        "vmSize": "STANDARD_DS3_V2",
        "vmPriority": "Dedicated",
        "osType": "Linux",
        "scaleSettings": scale,
        "allocationState": "Steady",
        "allocationStateTransitionTime": stamp(ago(world, min(days, steady))),
        "currentNodeCount": idle,
        "targetNodeCount": idle,
        "nodeStateCounts": counts,
        "errors": None,
    }
    arm_id = _compute(world, home, name, "AmlCompute", own, days=days, state=state)
    since = ago(world, min(days, steady))
    members = [
        {"nodeId": f"tvmps_{uuid.uuid4().hex}_d", "nodeState": "idle", "runId": None, "idleSince": since} for _ in range(idle)
    ]
    if (made := world.resources.get(arm_id)) is not None:
        made.hidden["nodes"] = members
    return arm_id


def _compute(world: World, home: str, name: str, kind: str, inner: dict[str, Any], *, days: float, state: str = "Succeeded") -> str:
    born = stamp(ago(world, days))
    errors = [{"error": {"code": "ClusterCoreQuotaReached", "message": "Seeded."}}] if state == "Failed" else None
    properties = {
        "description": None,
        "disableLocalAuth": False,
        "computeType": kind,
        "createdOn": born,
        "modifiedOn": born,
        "resourceId": None,
        "computeLocation": scene.LOCATION,
        "provisioningErrors": errors,
        "provisioningState": state,
        "isAttachedCompute": False,
        "properties": inner,
    }
    body = {"location": scene.LOCATION, "tags": {}, "properties": properties}
    return put(world, f"{home}/{computes.TYPE.rpartition('/')[2]}/{name}", body, days=days).id


def endpoint(
    world: World, home: str, name: str, *, days: float, changed: float | None = None, traffic: dict[str, int] | None = None
) -> str:
    """An online endpoint, opened by keys: its id."""
    arm_id, host = f"{home}/onlineEndpoints/{name}", f"{name.lower()}.{scene.LOCATION}.inference.ml.azure.com"
    properties = {
        "description": None,
        "authMode": "Key",
        "compute": None,
        "traffic": dict(traffic or {}),
        "mirrorTraffic": {},
        "publicNetworkAccess": "Enabled",
        "properties": {"azureml.onlineendpointid": arm_id.lower()},
        "scoringUri": f"https://{host}/score",
        "swaggerUri": f"https://{host}/swagger.json",
        "provisioningState": "Succeeded",
    }
    identity = {"type": "SystemAssigned", "principalId": str(uuid.uuid4()), "tenantId": scene.TENANT_ID}
    body = {"location": scene.LOCATION, "tags": {}, "kind": "Managed", "identity": identity, "properties": properties}
    made = put(world, arm_id, body, days=days, changed=changed)
    made.secrets.update({key: uuid.uuid4().hex for key in access.KEY_NAMES})
    return arm_id


def deployment(
    world: World, endpoint_id: str, name: str, *, days: float, changed: float | None = None, state: str = "Succeeded", **refers: Any
) -> str:
    """An online deployment without a server behind it; `refers`: `model`, `environmentId`, `codeConfiguration`: its id."""
    properties = {
        "endpointComputeType": "Managed",
        "instanceType": "Standard_DS3_v2",
        "environmentVariables": {},
        "scaleSettings": {"scaleType": "Default"},
        "model": None,
        "environmentId": None,
        **refers,
        "properties": {"azureml.onlineendpointid": endpoint_id.lower()},
        "provisioningState": state,
    }
    sku = {"name": "Default", "tier": "Standard", "capacity": 1}
    body = {"location": scene.LOCATION, "tags": {}, "kind": "Managed", "sku": sku, "properties": properties}
    return put(world, f"{endpoint_id}/deployments/{name}", body, days=days, changed=changed).id


def batch(world: World, home: str, name: str, *, days: float, **refers: Any) -> str:
    """A batch endpoint with one deployment; `refers`: `model`, `deploymentConfiguration`: the deployment's id."""
    arm_id = f"{home}/batchEndpoints/{name}"
    shown = {"authMode": "AADToken", "defaults": {"deploymentName": "main"}, "provisioningState": "Succeeded", "properties": {}}
    shown["scoringUri"] = f"https://{name.lower()}.{scene.LOCATION}.inference.ml.azure.com/jobs"
    put(world, arm_id, {"location": scene.LOCATION, "tags": {}, "properties": shown}, days=days)
    own = {**refers, "provisioningState": "Succeeded", "properties": {}}
    return put(world, f"{arm_id}/deployments/main", {"location": scene.LOCATION, "tags": {}, "properties": own}, days=days).id


def command(**job: Any) -> dict[str, Any]:
    """What a schedule does: start a command."""
    whole = {"jobType": "Command", "command": "true", "environmentId": "azureml:nightly:1", **job}
    return {"actionType": "CreateJob", "jobDefinition": whole}


def monitor(baseline: str) -> dict[str, Any]:
    """What a schedule does: compare the drift of data with a baseline."""
    thresholds = [{"dataType": "Numerical", "metric": "NormalizedWassersteinDistance"}]
    production = {"inputDataType": "Fixed", "jobInputType": "uri_folder", "uri": "azureml:seen:1", "dataContext": "ModelInputs"}
    reference = {**production, "uri": baseline, "dataContext": "Training"}
    drift = {"signalType": "DataDrift", "metricThresholds": thresholds, "productionData": production, "referenceData": reference}
    runs_on: dict[str, Any] = {"computeType": "ServerlessSpark", "instanceType": "Standard_E4s_v3", "runtimeVersion": "3.4"}
    runs_on |= {"computeIdentity": {"computeIdentityType": "AmlToken"}}
    return {"actionType": "CreateMonitor", "monitorDefinition": {"computeConfiguration": runs_on, "signals": {"drift": drift}}}


def schedule(world: World, home: str, name: str, action: dict[str, Any], *, days: float, enabled: bool = True) -> str:
    """A schedule that would act each night: its id."""
    trigger = {"triggerType": "Cron", "expression": "0 3 * * *", "timeZone": "UTC"}
    properties = {
        "displayName": name,
        "isEnabled": enabled,
        "tags": {},
        "properties": {},
        "trigger": trigger,
        "action": action,
        "provisioningState": "Succeeded",
    }
    return put(world, f"{home}/schedules/{name}", {"properties": properties}, days=days).id


def run(
    world: World,
    home: str,
    name: str,
    *,
    status: str,
    days: float,
    lasted: float = 0.01,
    target: str | None = None,
    **definition: Any,
) -> str:
    """A job in run history and in ARM, begun `days` ago: its id. One that has ended ran for `lasted` days."""
    born, waits = ago(world, days), status in {"NotStarted", "Queued", "Preparing", "Provisioning"}
    world.runs.create(
        Run(
            run_id=name,
            workspace_id=home.lower(),
            experiment="seeded",
            created_at=born,
            kind="Command",
            status=status,
            started_at=None if waits else born,
            ended_at=born + timedelta(days=lasted) if status in TERMINAL else None,
            target=target,
            created_by=scene.CLIENT_ID,
            definition={"jobType": "Command", "command": "true", **definition},
        )
    )
    return f"{home}/jobs/{name}"
