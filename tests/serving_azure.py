"""The small Azure (fake_azure) with an online endpoint that serves: callers come, models do well or badly, Azure Monitor counts.

Requests come all the time, by the shares of the endpoint; how each model does is a row of `models`. Not here: HTTP.
"""

from __future__ import annotations

import copy
import json
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from shared.rest import client
from tests.fake_azure import WORKSPACE, FakeAzure, refusal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from shared.rest.client import Response

ENDPOINT = f"{WORKSPACE}/onlineEndpoints/echo"
PATH = "workspaces/w1/onlineEndpoints/echo"
URI = "https://echo.westeurope.inference.ml.azure.com/score"
PER_MINUTE = 600
SPEC = {"endpointComputeType": "Managed", "instanceType": "Standard_DS3_v2"}


@dataclass(frozen=True, kw_only=True)
class Model:
    """How a model does: the share of requests that fail, how long an answer takes, and what it answers to each.

    Attributes:
        whole: Its answer as it stands, in the place of what it got and `says`; bytes are read as the client reads them.
        headers: Of its answer.
    """

    fails: float = 0.0
    took_ms: float = 50.0
    says: Any = 1.0
    status: int = 200
    whole: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(kw_only=True)
class Seen:
    """What callers of the endpoint saw."""

    requests: float = 0.0
    failed: float = 0.0
    minutes: Counter[tuple[int, str, str]] = field(default_factory=Counter)  # minute, deployment, class of the status


class ServingAzure(FakeAzure):
    """An Azure whose endpoint `ENDPOINT` has callers, once `serve` was called.

    Attributes:
        models: Model id → how it does.
        blind: Azure Monitor refuses to say anything.
        seen: What callers saw.
        per_minute: How many requests come.
    """

    def __init__(self, clock: Any, fuse: Any) -> None:
        super().__init__(clock, fuse)
        self.models: dict[str, Model] = {}
        self.blind = False
        self.seen = Seen()
        self.per_minute = float(PER_MINUTE)
        self._counted = self.now()

    def serve(self, **models: Model) -> None:
        """Place the endpoint with one live deployment, `blue`; the others can be rolled out as `azureml:NAME:1`."""
        self.models = {f"{WORKSPACE}/models/{name}/versions/1": model for name, model in {"blue": Model(), **models}.items()}
        own = {
            "authMode": "Key",
            "traffic": {"blue": 100},
            "mirrorTraffic": {},
            "scoringUri": URI,
            "publicNetworkAccess": "Disabled",
        }
        self.put(ENDPOINT, {"location": "westeurope", "tags": {"team": "a"}, "properties": own})
        body = {"location": "westeurope", "sku": {"name": "Default", "capacity": 1}}
        body["properties"] = {**SPEC, "model": f"{WORKSPACE}/models/blue/versions/1"}
        self.put(f"{ENDPOINT}/deployments/blue", body)
        self._counted = self.now()

    def traffic(self, name: str = "traffic") -> dict[str, int]:
        """Return the shares that are not zero."""
        found = self.resources.get(ENDPOINT.lower(), {}).get("properties", {}).get(name) or {}
        return {each: share for each, share in found.items() if share}

    def pages(self, url: str) -> Iterator[dict[str, Any]]:
        """See `client.Client.pages`."""
        yield from self.send("GET", url).checked().body["value"]

    def send_keyed(self, url: str, key: str, *, content: bytes, headers: Mapping[str, str], timeout_s: float) -> Response:
        """See `client.Client.send_keyed`: the deployment that is named answers as its model does."""
        if url != URI:
            return super().send_keyed(url, key, content=content, headers=headers, timeout_s=timeout_s)
        assert key == "ENDPOINT-KEY-SECRET"
        with self._fuse.call("azure SCORE"):
            name = headers["azureml-model-deployment"]
            if f"{ENDPOINT}/deployments/{name}".lower() not in self.resources:
                return replace(self._read(WORKSPACE, WORKSPACE), status=404, headers={}, body={"message": f"no deployment {name}"})
            model = self._model(name)
            answer = {"echo": json.loads(content), "score": model.says} if model.whole is None else model.whole
            found = replace(self._read(ENDPOINT, ENDPOINT), status=model.status, headers=dict(model.headers), body=answer)
            if isinstance(answer, bytes):
                return replace(found, content=answer, body=client.parsed(answer, "application/json"))
            return replace(found, content=json.dumps(answer).encode())

    def _model(self, deployment: str) -> Model:
        found = self.resources[f"{ENDPOINT}/deployments/{deployment}".lower()]
        return self.models[found["properties"]["model"]]

    def _answer(self, method: str, url: str, body: Any, files: Any) -> Response:
        self._come()
        if urlsplit(url).path.endswith("/microsoft.insights/metrics"):
            return self._metrics(parse_qs(urlsplit(url).query))
        return super()._answer(method, url, body, files)

    def _come(self) -> None:
        """Let the requests come that callers have sent since the last look, by the shares of that time."""
        now, shares = self.now(), self.traffic()
        seconds, self._counted = (now - self._counted).total_seconds(), now
        while seconds > 0 and shares:
            part = min(seconds, 60.0)
            minute = int(now.timestamp() - seconds) // 60 * 60
            for name, share in shares.items():
                count, model = self.per_minute * part / 60 * share / 100, self._model(name)
                self.seen.requests += count
                self.seen.failed += count * model.fails
                self.seen.minutes[minute, name, "2xx"] += count * (1 - model.fails)  # type: ignore[assignment]
                self.seen.minutes[minute, name, "5xx"] += count * model.fails  # type: ignore[assignment]
            seconds -= part

    def _metrics(self, query: dict[str, list[str]]) -> Response:
        answer = self._read(ENDPOINT, ENDPOINT)
        if self.blind:
            said = {"error": {"code": "AuthorizationFailed", "message": "no rights"}}
            return replace(answer, status=403, body=said)
        name, span = query["metricnames"][0], query["timespan"][0].split("/")
        dimensions = re.findall(r"(\w+) eq '\*'", query["$filter"][0])
        assert (query["interval"], query["aggregation"]) == (["PT1M"], ["Average"])
        since, until = (datetime.fromisoformat(each).timestamp() for each in span)
        series: dict[tuple[str, ...], dict[int, float]] = {}
        for (minute, deployment, word), count in self.seen.minutes.items():
            if not since - 60 < minute < until or not count:
                continue
            if name == "RequestsPerMinute":
                assert dimensions == ["deployment", "statusCodeClass"]
                series.setdefault((deployment, word), {})[minute] = count
            elif f"{ENDPOINT}/deployments/{deployment}".lower() in self.resources:
                assert dimensions == ["deployment"]
                series.setdefault((deployment,), {})[minute] = self._model(deployment).took_ms
        shown = [
            {
                "metadatavalues": [
                    {"name": {"value": each.lower()}, "value": value} for each, value in zip(dimensions, key, strict=True)
                ],
                "data": [
                    {"timeStamp": f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}", "average": v} for at, v in found.items()
                ],
            }
            for key, found in series.items()
        ]
        return replace(answer, body={"value": [{"name": {"value": name}, "errorCode": "Success", "timeseries": shown}]})

    def _act(self, url: str, path: str, body: Any) -> Response:
        if path == f"{ENDPOINT}/listKeys":
            return replace(self._read(url, ENDPOINT), body={"primaryKey": "ENDPOINT-KEY-SECRET"})
        return super()._act(url, path, body)

    def _read(self, url: str, path: str) -> Response:
        if not path.endswith("/deployments"):
            return super()._read(url, path)
        found = [copy.deepcopy(each) for key, each in self.resources.items() if key.startswith(f"{path.lower()}/")]
        for each in found:
            each.pop("_error", None)
        return replace(super()._read(url, WORKSPACE), body={"value": found})

    def _delete(self, url: str, path: str) -> Response:
        endpoint, _, name = path.partition("/deployments/")
        if name:
            traffic = self.resources[endpoint.lower()]["properties"].get("traffic") or {}
            assert not traffic.get(name), "a deployment with traffic cannot be deleted"
        return super()._delete(url, path)

    def _put(self, url: str, path: str, body: Any) -> Response:
        if path == ENDPOINT:
            own = body["properties"]
            live = {name: share for name, share in own["traffic"].items() if share}
            assert sum(live.values()) == 100, live
            assert own["publicNetworkAccess"] == "Disabled", "the whole endpoint is PUT"
            assert not set(live) & {name for name, share in own["mirrorTraffic"].items() if share}, "no mirror gets live traffic"
            for name in live:
                there = self.resources.get(f"{path}/deployments/{name}".lower())
                if there is None:  # it was deleted after the app had read the endpoint
                    return refusal(400, "BadRequest", f"Traffic names deployment '{name}', which does not exist.")
                assert there["properties"]["provisioningState"] == "Succeeded", "traffic goes to what is ready"
        return super()._put(url, path, body)
