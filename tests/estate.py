"""An Azure of dictionaries for surveys and verdicts: ARM's lists in pages of two, run history, v1 services and metrics."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from shared.cleanup.facts import survey
from shared.rest import client, clouds, ids
from shared.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)  # a Monday
SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers"
ML = f"{GROUP}/Microsoft.MachineLearningServices"
PAGE = 2


def ago(days: float = 0, *, hours: float = 0, minutes: float = 0) -> str:
    """Return a time in the past (or future) as ARM writes it."""
    return f"{NOW - timedelta(days=days, hours=hours, minutes=minutes):%Y-%m-%dT%H:%M:%S}.0000000+00:00"


@dataclass
class World:
    """What there is; it is client and addresses, too.

    Attributes:
        resources: ARM path → body.
        runs: Workspace → its runs, as run history shows them.
        services: Workspace → its v1 services.
        requests: Endpoint's path → (deployment, when) of each request.
        answers: Path → answer (or error) in place of the real one.
        calls: Method and path of every request.
        actions: What the app's identity may do at the subscription.
    """

    resources: dict[str, dict[str, Any]] = field(default_factory=dict)
    runs: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    services: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    requests: dict[str, list[tuple[str, datetime]]] = field(default_factory=dict)
    answers: dict[str, client.Response | Exception] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    actions: tuple[str, ...] = ("*",)
    cloud: clouds.Cloud = clouds.PUBLIC
    settings: Settings = field(default_factory=lambda: Settings(subscription_id=SUBSCRIPTION))

    @property
    def client(self) -> World:
        """Itself."""
        return self

    @property
    def addresses(self) -> World:
        """Itself."""
        return self

    def url(self, plane: str, path: str, query: str, *, workspace: str) -> str:
        """See Addresses.url."""
        assert path.lower().startswith(workspace.lower())
        return f"https://westeurope.api.azureml.ms/{plane}/v1.0{path}?{query}"

    def put(self, path: str, body: dict[str, Any] | None = None, **properties: Any) -> ids.ResourceId:
        """Add a resource below the provider, e.g. `workspaces/ws/computes/cpu`; made and changed 400 days ago."""
        whole = {
            "id": f"{ML}/{path}",
            "name": path.rpartition("/")[2],
            "systemData": {"createdAt": ago(400), "lastModifiedAt": ago(400)},
            "properties": properties,
            **(body or {}),
        }
        self.resources[f"{ML}/{path}"] = whole
        return ids.parse(whole["id"])

    def workspace(self, name: str = "ws", **properties: Any) -> ids.ResourceId:
        """Add a workspace."""
        known = {"discoveryUrl": "https://westeurope.api.azureml.ms/discovery", "provisioningState": "Succeeded"}
        return self.put(f"workspaces/{name}", {"location": "westeurope"}, **known | properties)

    def version(self, path: str, *, days: float = 400, changed: float | None = None, **properties: Any) -> ids.ResourceId:
        """Add a version of an asset and its container, e.g. `workspaces/ws/models/m/versions/1`."""
        container = path.rpartition("/versions/")[0]
        if f"{ML}/{container}" not in self.resources:
            self.put(container, isArchived=False, tags={})
        dates = {"createdAt": ago(days), "lastModifiedAt": ago(days if changed is None else changed)}
        return self.put(path, {"systemData": dates}, **properties)

    def instance(self, name: str = "ci", *, hours: float = 20, body: dict[str, Any] | None = None, **inner: Any) -> ids.ResourceId:
        """Add a running instance that was last operated `hours` ago; None takes a member away."""
        operation = {"operationName": "Start", "operationTime": ago(hours=hours), "operationStatus": "Succeeded"}
        known = {"state": "Running", "vmSize": "STANDARD_DS3_V2", "lastOperation": operation, **inner}
        return self._compute(name, "ComputeInstance", known, body)

    def cluster(self, name: str = "cpu", *, hours: float = 20, body: dict[str, Any] | None = None, **inner: Any) -> ids.ResourceId:
        """Add a cluster without nodes that has been steady for that long."""
        known = {
            "vmSize": "STANDARD_DS3_V2",
            "scaleSettings": {"maxNodeCount": 4},
            "allocationState": "Steady",
            "allocationStateTransitionTime": ago(hours=hours),
            "currentNodeCount": 0,
            "targetNodeCount": 0,
            "nodeStateCounts": {"idleNodeCount": 0, "runningNodeCount": 0, "preparingNodeCount": 0},
            **inner,
        }
        return self._compute(name, "AmlCompute", known, body)

    def endpoint(self, name: str = "ep", *, days: float = 400, **properties: Any) -> ids.ResourceId:
        """Add an online endpoint, unchanged for that long."""
        dates = {"createdAt": ago(400), "lastModifiedAt": ago(days)}
        known = {"provisioningState": "Succeeded", "traffic": {}, **properties}
        return self.put(f"workspaces/ws/onlineEndpoints/{name}", {"systemData": dates}, **known)

    def deployment(self, name: str = "ep/blue", *, days: float = 400, **properties: Any) -> ids.ResourceId:
        """Add a deployment of an online endpoint: two instances."""
        endpoint, _, own = name.partition("/")
        dates = {"createdAt": ago(400), "lastModifiedAt": ago(days)}
        known = {"provisioningState": "Succeeded", "instanceType": "Standard_DS3_v2", **properties}
        path = f"workspaces/ws/onlineEndpoints/{endpoint}/deployments/{own}"
        return self.put(path, {"systemData": dates, "sku": {"name": "Default", "capacity": 2}}, **known)

    def run(self, name: str, workspace: str = "ws", *, status: str = "Running", **more: Any) -> dict[str, Any]:
        """Add a run to run history."""
        run = {"runId": name, "status": status, "experimentName": "Default", "createdUtc": ago(hours=5), **more}
        self.runs.setdefault(workspace, []).append(run)
        return run

    def job(
        self, name: str, workspace: str = "ws", *, status: str = "Running", run: dict[str, Any] | None = None, **more: Any
    ) -> Any:
        """Add a job to ARM and to run history."""
        self.run(name, workspace, status=status, **(run or {}))
        return self.put(f"workspaces/{workspace}/jobs/{name}", status=status, jobType="Command", **more)

    def survey(self, *names: str, parked: Any = None) -> survey.Surveys:
        """Survey workspaces (all that there are) and the registries."""
        found = names or [path.rpartition("/")[2] for path in self.resources if path.count("/") == 8 and "/workspaces/" in path]
        of = [survey.of(ids.parse(f"{ML}/workspaces/{name}"), self, NOW, parked) for name in found]
        return survey.merge([*of, survey.registries(SUBSCRIPTION, self, NOW)])

    def send(self, method: str, url: str, *, body: Any = None, **_options: Any) -> client.Response:
        """See Client.send."""
        parts = urlsplit(url)
        path, query = unquote(parts.path), parse_qs(parts.query)
        assert "api-version" in query, url
        self.calls.append((method, path))
        answer = self.answers.get(path)
        if isinstance(answer, Exception):
            raise answer
        if answer is not None:
            return answer
        for prefix, read in self._planes().items():
            if path.startswith(prefix):
                return self._answer(url, read(path.removeprefix(prefix), query, body))
        if path.lower().endswith("/providers/microsoft.insights/metrics"):
            return self._answer(url, self._metrics(path, query))
        return self._answer(url, self._arm(path, query, url))

    def _planes(self) -> dict[str, Callable[[str, Any, Any], Any]]:
        return {"/history/v1.0": self._history, "/modelmanagement/v1.0": self._services}

    def _answer(self, url: str, body: Any) -> client.Response:
        if body is None:
            return client.Response(status=404, url=url, body={"error": {"code": "ResourceNotFound", "message": "Not found."}})
        return client.Response(status=200, url=url, body=copy.deepcopy(body))

    def _arm(self, path: str, query: dict[str, list[str]], url: str) -> Any:
        low = path.lower()
        if low.endswith("/providers/microsoft.authorization/permissions"):
            return {"value": [{"actions": list(self.actions)}]}
        for known, body in self.resources.items():
            if known.lower() == low:
                return body
        if (path.count("/") - path.count("/providers/Microsoft.")) % 2 == 1 and "/providers/" in path and self._is_resource(low):
            return None
        everywhere = "/resourcegroups/" not in low
        items = [
            body
            for known, body in self.resources.items()
            if (known.lower().partition("/providers/")[2] if everywhere else known.lower()).rpartition("/")[0]
            == (low.partition("/providers/")[2] if everywhere else low)
        ]
        if "models" in low or "jobs" in low or "components" in low or "environments" in low or "data" in low:
            hidden = query.get("listViewType", ["ActiveOnly"]) != ["All"]
            items = [
                one
                for one in items
                if not hidden or not (one["properties"].get("isArchived") or one["properties"].get("isAnonymous"))
            ]
        start = int(query.get("$skip", ["0"])[0])
        page: dict[str, Any] = {"value": items[start : start + PAGE]}
        if start + PAGE < len(items):
            page["nextLink"] = f"{url.partition('&$skip')[0]}&$skip={start + PAGE}"
        return page

    def _is_resource(self, low: str) -> bool:
        tail = low.partition("/providers/")[2].split("/")
        return len(tail) % 2 == 1

    def _history(self, path: str, query: Any, body: Any) -> Any:
        runs = self.runs.get(path.split("/")[8], [])
        tail = "/".join(path.split("/")[9:])
        if tail == "experiments:query":
            return {"value": [{"name": name} for name in dict.fromkeys(str(run["experimentName"]) for run in runs)]}
        if tail == "rundata":
            found = next((run for run in runs if run["runId"] == body["runId"]), None)
            return found and {"runMetadata": found, "runDefinition": found.get("definition")}
        if tail.startswith("computes/"):
            wanted = tail.split("/")[1].lower()
            runs = [run for run in runs if str(run.get("target", "")).lower() == wanted]
            active = "$filter" in query
        else:
            wanted = tail.split("/")[1]
            runs, active = [run for run in runs if run["experimentName"] == wanted], "filter" in body
        runs = [run for run in runs if not active or run["status"] not in ("Completed", "Failed", "Canceled")]
        return {"value": sorted(runs, key=lambda run: str(run.get("createdUtc")), reverse=True)}

    def _services(self, path: str, _query: Any, _body: Any) -> Any:
        return {"value": self.services.get(path.split("/")[8], [])}

    def _metrics(self, path: str, query: dict[str, list[str]]) -> Any:
        endpoint = path.rpartition("/providers/")[0]
        if "/onlineEndpoints/" not in endpoint:
            return None
        since = datetime.fromisoformat(query["timespan"][0].partition("/")[0])
        series: dict[str, list[Any]] = {}
        for deployment, at in self.requests.get(endpoint, []):
            if at >= since:
                series.setdefault(deployment, []).append({"timeStamp": f"{at:%Y-%m-%dT%H:00:00Z}", "total": 3.0, "average": 0.1})
        split = [
            {
                "metadatavalues": [{"name": {"value": "deployment"}, "value": name}],
                "data": [{"timeStamp": ago(1), "total": 0.0}, *data],
            }
            for name, data in series.items()
        ]
        return {"value": [{"name": {"value": "RequestsPerMinute"}, "errorCode": "Success", "timeseries": split}]}

    def _compute(self, name: str, kind: str, inner: dict[str, Any], body: dict[str, Any] | None) -> ids.ResourceId:
        kept = {key: value for key, value in inner.items() if value is not None}
        properties = {"computeType": kind, "provisioningState": "Succeeded", "createdOn": ago(300), "modifiedOn": ago(300)}
        whole = {"systemData": None, **(body or {})}
        return self.put(f"workspaces/ws/computes/{name}", whole, **{**properties, "properties": kept, **whole.pop("outer", {})})
