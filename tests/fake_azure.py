"""A small Azure behind the seam of our own client (`client.send`): answers as recorded traffic shows, on the tests' clock.

It keeps what each request did (`effects`) apart from what was asked (`requests`), fails where it is told to, and refuses
the second of a name as Azure does. Not here: HTTP (the local Azure in infra has that), jobs that really run.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, replace
from datetime import timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from shared.rest import clouds, errors
from shared.rest.client import Response

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from tests.fakes import Clock, Fuse

SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg1"
ML = f"{GROUP}/providers/Microsoft.MachineLearningServices"
WORKSPACE = f"{ML}/workspaces/w1"
ARM = "https://management.azure.com"
API = "https://westeurope.api.azureml.ms"
SIGNATURE = "t=639&c=MIIHhzCC&s=sIgNaTuRe%2f%3D&h=abc"
DURATION_S = 25.0
JOB_S = 300.0
ACCOUNT_KEY = base64.b64encode(b"ACCOUNT-KEY-SECRET" * 4).decode()
DATASTORE = {"datastoreType": "AzureBlob", "accountName": "st1", "containerName": "azureml-blobstore-1"}
LOGS = "https://st1.blob.core.windows.net/azureml"
CANCELED = {"code": "Canceled"}
NULL = object()  # the four characters `null`


@dataclass(slots=True, kw_only=True)
class Fault:
    """Break requests that match: raise `problem` or answer `response`, before (or `after`) they took effect."""

    method: str
    match: str
    problem: errors.TransientError | None = None
    response: Response | None = None
    after: bool = False
    times: int = 1


@dataclass(slots=True, kw_only=True)
class _Task:
    """A long-running operation of Azure's: what becomes of `path` at `until`."""

    path: str
    until: datetime
    running: str
    deletes: bool = False
    error: dict[str, Any] | None = None


class FakeAzure:
    """The client that operations send through.

    Attributes:
        effects: Writes that changed something, e.g. `PUT workspaces/w1`; a refused one is not among them.
        bodies: Path and body of each PUT and PATCH among them.
        requests: Everything that was sent, `METHOD url`.
        blobs: What lies in its blob storage, path → content; `blocks` are not committed yet.
        failing: Path → ARM error that its next long-running operation, job or run ends with.
        logs: Path of a deployment → what its container said.
        sign_in: What asking for a token ends with, None when it is given.
        delegates: Storage gives the app's identity a user delegation key.
        keyless: Storage takes nothing that is signed with an account key.
        ahead: How far its clock is ahead of the app's.
    """

    cloud = clouds.PUBLIC

    def __init__(self, clock: Clock, fuse: Fuse) -> None:
        self.effects: list[str] = []
        self.requests: list[str] = []
        self.resources: dict[str, dict[str, Any]] = {}
        self.failing: dict[str, dict[str, Any]] = {}
        self.logs: dict[str, str] = {}
        self.registration = "Registered"
        self.used = 0.0
        self.sign_in: errors.StewardError | None = None
        self.faults: list[Fault] = []
        self.delegates = self.keyless = False
        self.ahead = timedelta(0)
        self.bodies: list[tuple[str, Any]] = []
        self.received: list[tuple[Any, Any]] = []
        self.blobs: dict[str, bytes] = {}
        self.blocks: dict[str, dict[str, bytes]] = {}
        self._tasks: dict[str, _Task] = {}
        self._clock = clock
        self._fuse = fuse
        self.put(WORKSPACE, {"location": "westeurope", "properties": {"discoveryUrl": f"{API}/discovery"}})
        self.put(f"{WORKSPACE}/datastores/workspaceblobstore", {"properties": {**DATASTORE, "isDefault": True}})

    def now(self) -> datetime:
        """Return the present by its own clock."""
        return self._clock() + self.ahead

    def azure_now(self, _url: str) -> datetime:
        """See `client.Client.azure_now`: `Date` has whole seconds."""
        return self.now().replace(microsecond=0)

    def put(self, path: str, body: dict[str, Any], *, state: str = "Succeeded") -> dict[str, Any]:
        """Place a resource as if it had been made long ago."""
        made = (self.now() - timedelta(days=7)).isoformat()
        resource = self._store(path, body, state)
        resource["systemData"] = {"createdAt": made, "lastModifiedAt": made}
        return resource

    def get(self, path: str) -> dict[str, Any] | None:
        """Return a resource as it stands now."""
        self._settle()
        return self.resources.get(path.lower())

    def count(self, effect: str) -> int:
        """Tell how often a write took effect; the pattern is searched in `METHOD path`."""
        return sum(bool(re.search(effect, each)) for each in self.effects)

    # The client's own interface

    def send(
        self,
        method: str,
        url: str,
        *,
        body: Any = None,
        content: bytes | None = None,
        files: Mapping[str, tuple[str, bytes, str]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """See `client.Client.send`: a definite answer, or a TransientError."""
        clouds.scope_for(self.cloud, url)  # no token for a foreign host
        return self._exchange(method, url, content if body is None else body, files)

    def pages(self, url: str) -> Iterator[dict[str, Any]]:
        """See `client.Client.pages`: each list is one page."""
        yield from self.send("GET", url).checked().body["value"]

    def send_signed(
        self, method: str, url: str, *, content: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Response:
        """See `client.Client.send_signed`."""
        assert clouds.is_storage(self.cloud, url), url
        return self._exchange(method, url, content, None)

    def send_keyed(self, url: str, _key: str, *, content: bytes, headers: Mapping[str, str], timeout_s: float) -> Response:
        """See `client.Client.send_keyed`: an endpoint that has a deployment answers with what it was sent."""
        assert headers, timeout_s
        return self._exchange("SCORE", url, content, None)

    def send_to_storage(
        self, method: str, url: str, *, content: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Response:
        """See `client.Client.send_to_storage`: a user delegation key in the documented form, when the identity may have one."""
        assert clouds.is_storage(self.cloud, url), url
        assert (method, urlsplit(url).query) == ("POST", "restype=service&comp=userdelegationkey")
        self.requests.append(f"{method} {url}")
        self.received.append((content, None))
        if not self.delegates:
            return Response(status=403, url=url, headers={"x-ms-error-code": "AuthorizationPermissionMismatch"}, body="<Error/>")
        start, expiry = re.findall(r">([0-9TZ:-]+)<", (content or b"").decode())
        told = {"SignedOid": "oid", "SignedTid": "tid", "SignedStart": start, "SignedExpiry": expiry, "SignedService": "b"}
        told |= {"SignedVersion": "2021-08-06", "Value": base64.b64encode(b"DELEGATION-KEY-SECRET").decode()}
        members = "".join(f"<{name}>{value}</{name}>" for name, value in told.items())
        text = f'<?xml version="1.0" encoding="utf-8"?><UserDelegationKey>{members}</UserDelegationKey>'
        return Response(status=200, url=url, body=text, content=text.encode())

    def token(self, scope: str) -> str:
        """See `client.Client.token`."""
        with self._fuse.call(f"token {scope}"):
            if self.sign_in:
                raise self.sign_in
            return "token"

    throttled = 0

    def allowances(self) -> list[tuple[str, str, int, int]]:
        """See `client.Client.allowances`."""
        return []

    def pressure(self, _subscription: str) -> float:
        """See `client.Client.pressure`."""
        return self.used

    # What Azure does

    def _exchange(self, method: str, url: str, body: Any, files: Any) -> Response:
        path = urlsplit(url).path
        with self._fuse.call(f"azure {method} {path.rpartition('/workspaces/')[2] or path}"):
            self.requests.append(f"{method} {url}")
            self.received.append((body, files))
            fault = next((f for f in self.faults if f.times and f.method == method and re.search(f.match, url)), None)
            if fault:
                fault.times -= 1
                if not fault.after:
                    return _broken(fault, url)
            response = self._answer(method, url, body, files)
            response = replace(response, headers={**response.headers, "date": format_datetime(self.now(), usegmt=True)})
            return _broken(fault, url) if fault else response

    def _answer(self, method: str, url: str, body: Any, files: Any) -> Response:  # noqa: PLR0911 - one line a server
        self._settle()
        parts = urlsplit(url)
        if parts.hostname and parts.hostname.endswith(".blob.core.windows.net"):
            return self._blob(method, url, body)
        if parts.path == "/discovery":
            return _response(url, 200, {"api": API, "history": "https://westeurope.experiments.azureml.net"})
        if method == "SCORE":
            return self._score(url, body)
        assert "api-version" in parse_qs(parts.query) or "Status/" in url or "Results/" in url, url
        if found := re.search(r"/(\w+)(Status|Results)/([^/]+)$", parts.path):
            return self._poll(url, found[3], results=found[2] == "Results")
        if found := re.fullmatch(r"/subscriptions/[^/]+/providers/[^/]+(/register)?", parts.path):
            return self._provider(url, register=bool(found[1]))
        path = re.sub(r"^/(history|execution|modelmanagement)/v1\.0", "", parts.path)
        if path.endswith("/startrun"):
            return self._start_run(url, path, parse_qs(parts.query)["runId"][0], files)
        if method in ("PUT", "PATCH", "POST"):
            return self._change(method, url, path, _read_json(body) if isinstance(body, bytes) else body)
        return self._read(url, path) if method == "GET" else self._delete(url, path)

    def _blob(self, method: str, url: str, content: bytes) -> Response:
        """Blocks and whole blobs, as block blob storage keeps them."""
        parts = urlsplit(url)
        query = parse_qs(parts.query)
        assert "sig" in query, "storage asks for a proof"
        if self.keyless and "skoid" not in query:
            return Response(status=403, url=url, headers={"x-ms-error-code": "KeyBasedAuthenticationNotPermitted"})
        if method == "HEAD":
            return _response(url, 200 if parts.path in self.blobs else 404)
        if method == "GET":
            return Response(status=200 if parts.path in self.blobs else 404, url=url, content=self.blobs.get(parts.path, b""))
        operation = query.get("comp", [""])[0]
        if operation == "block":
            self.blocks.setdefault(parts.path, {})[query["blockid"][0]] = content
        elif operation == "blocklist":
            named = re.findall(r"<Latest>([^<]+)</Latest>", content.decode())
            self.blobs[parts.path] = b"".join(self.blocks[parts.path][block] for block in named)
            del self.blocks[parts.path]
        else:
            self.blobs[parts.path] = content
        if operation != "block":
            self.effects.append(f"BLOB {parts.path}")
        return _response(url, 201)

    def _read(self, url: str, path: str) -> Response:
        found = self.resources.get(path.lower())
        if found:
            return _response(url, 200, found)
        if path.endswith("/datastores") and "isDefault=true" in url:
            stores = [each for key, each in self.resources.items() if key.startswith(f"{path.lower()}/")]
            return _response(url, 200, {"value": [each for each in stores if each["properties"].get("isDefault")]})
        if path.endswith("/providers/Microsoft.Authorization/permissions"):
            return _response(url, 200, {"value": [{"actions": ["*"], "notActions": []}]})
        if path.endswith("/versions"):
            versions = [each for key, each in self.resources.items() if key.startswith(f"{path.lower()}/")]
            return _response(url, 200, {"value": versions[:1]})
        if len(path.rpartition("/providers/")[2].split("/")) % 2 == 0:  # of a collection
            low = path.lower()
            return _response(url, 200, {"value": [each for key, each in self.resources.items() if key.rpartition("/")[0] == low]})
        return _response(url, 404) if "/computes/" in path else _refusal(url, 404, "ResourceNotFound", f"'{path}' was not found.")

    def _change(self, method: str, url: str, path: str, body: Any) -> Response:
        if method == "POST":
            return self._act(url, path, body)
        if not isinstance(body, dict) or not isinstance(body.get("properties", {}), dict):  # a passage hands on what it was sent
            return _refusal(url, 400, "InvalidRequestContent", "The body is no object with properties.")
        return self._put(url, path, body) if method == "PUT" else self._patch(url, path, body)

    def _put(self, url: str, path: str, body: Any) -> Response:
        known = self.resources.get(path.lower())
        if "/codes/" in path or "/jobs/" in path:  # immutable
            if known:
                return _refusal(url, 409, "UserError", "The specified resource already exists and is immutable.")
            self.effects.append(f"PUT {_tail(path)}")
            if "/codes/" in path:
                return _response(url, 201, self._store(path, body, "Succeeded"), location=url)
            job = self._store(path, {"properties": {**body["properties"], "status": "NotStarted"}}, "")
            self._run(path)
            return _response(url, 201, job, location=url)
        if refused := self._unregistered(url) or self._busy(url, path):
            return refused
        self.effects.append(f"PUT {_tail(path)}")
        self.bodies.append((path, body))
        if "/versions/" in path:
            made = known and known["systemData"]
            return _response(url, 200 if known else 201, self._store(path, body, "Succeeded", made), location=url)
        resource = self._store(path, body, "Updating" if known else "Creating", known and known["systemData"])
        return self._accepted(url, path, "PUT", resource)

    def _patch(self, url: str, path: str, body: Any) -> Response:
        known = self.resources.get(path.lower())
        if known is None:
            return self._read(url, path)
        if refused := self._busy(url, path):
            return refused
        self.effects.append(f"PATCH {_tail(path)}")
        self.bodies.append((path, body))
        merged = {**known, **body, "properties": {**known["properties"], **body.get("properties", {})}}
        return self._accepted(url, path, "PATCH", self._store(path, merged, "Updating", known["systemData"]))

    def _delete(self, url: str, path: str) -> Response:
        known = self.resources.get(path.lower())
        if known is None:
            return _response(url, 204)
        if refused := self._busy(url, path):
            return refused
        self.effects.append(f"DELETE {_tail(path)}")
        known["properties"]["provisioningState"] = "Deleting"
        return self._accepted(url, path, "DELETE", known)

    def _act(self, url: str, path: str, body: Any) -> Response:
        target, _, action = path.rpartition("/")
        if action.endswith(":query"):  # of run history
            return _response(url, 200, {"value": []})
        known = self.resources.get(target.lower())
        if action == "startPendingUpload":
            uri = "https://st1.blob.core.windows.net/azureml-blobstore/upload1"
            return _response(
                url, 200, {"blobReferenceForConsumption": {"blobUri": uri, "credential": {"sasUri": f"{uri}?sig=SAS-SECRET"}}}
            )
        if known is None:
            return self._read(url, target)
        said = {
            "listStorageAccountKeys": {"userStorageKey": ACCOUNT_KEY},
            "listKeys": {"primaryKey": "ENDPOINT-KEY-SECRET"},
            "listSecrets": {"secretsType": "AccountKey", "key": ACCOUNT_KEY},
            "getLogs": {"content": self.logs.get(target, "") if "InferenceServer" in json.dumps(body) else ""},
        }
        if action in said:
            return _response(url, 200, said[action])
        self.effects.append(f"POST {_tail(path)}")
        if isinstance(body, list):
            self.bodies.append((path, body))
        if action == "cancel":
            (known if "runId" in known else known["properties"])["status"] = "CancelRequested"
            until = self.now() + timedelta(seconds=DURATION_S)
            self._tasks[target] = _Task(path=target, until=until, running="CancelRequested", error=CANCELED)
            return _response(url, 202, NULL, location=self._status_url("mfeOperationResults", target))
        known["systemData"]["lastModifiedAt"] = self.now().isoformat()
        return self._accepted(url, target, "POST", known)

    def _score(self, url: str, content: bytes) -> Response:
        path = next(key for key, each in self.resources.items() if each["properties"].get("scoringUri") == url)
        if not any(key.startswith(f"{path}/deployments/") for key in self.resources):
            return _response(url, 404, {"error": "no deployment"})
        self.effects.append(f"SCORE {content.decode()}")
        shown = {"content-type": "application/json", "x-model": "m", "set-cookie": "a=b"}
        return Response(status=200, url=url, headers=shown, body=json.loads(content), content=content)

    def _accepted(self, url: str, path: str, method: str, resource: dict[str, Any]) -> Response:
        """Begin a long-running operation and answer as the services do, each in its own way (docs/protocol.md §2)."""
        running = {"PUT": "Updating", "PATCH": "Updating", "DELETE": "Deleting", "POST": "InProgress"}[method]
        until = self.now() + timedelta(seconds=DURATION_S)
        self._tasks[path] = _Task(
            path=path, until=until, running=running, deletes=method == "DELETE", error=self.failing.pop(path, None)
        )
        status_url = self._status_url("operationsStatus", path)
        if "/computes/" in path:
            status = 201 if method == "PUT" else 202
            return _response(url, status, resource if method in ("PUT", "PATCH") else None, **{"azure-asyncoperation": status_url})
        if "/onlineEndpoints/" in path and method == "POST":
            return _response(url, 202, NULL, location=self._status_url("mfeOperationResults", path))
        if "/onlineEndpoints/" in path:
            location = url if method == "PUT" else self._status_url("mfeOperationResults", path)
            body = resource if method == "PUT" else NULL
            status = 201 if method == "PUT" else 202
            return _response(url, status, body, location=location, **{"azure-asyncoperation": status_url})
        return _response(url, 202, None, location=f"{status_url}&type=location", **{"azure-asyncoperation": status_url})

    def _start_run(self, url: str, path: str, run_id: str, files: Any) -> Response:
        run = f"{path.removesuffix('/startrun')}/runs/{run_id}"
        if run.lower() in self.resources:
            return _refusal(url, 409, "UserError", "A run of that id already exists.")
        assert files, "startrun takes a multipart body"
        self.effects.append(f"POST startrun {run_id}")
        self.resources[run.lower()] = {"runId": run_id, "status": "NotStarted", "createdUtc": self.now().isoformat()}
        self._run(run)
        return _response(url, 200, {"runId": run_id})

    def _run(self, path: str) -> None:
        until = self.now() + timedelta(seconds=JOB_S)
        self._tasks[path] = _Task(path=path, until=until, running="Running", error=self.failing.pop(path, None))

    def _provider(self, url: str, *, register: bool) -> Response:
        if register:
            self.effects.append("POST register")
            self.registration = "Registering"
        elif self.registration == "Registering":
            self.registration = "Registered"
            return _response(url, 200, {"registrationState": "Registering"})
        return _response(url, 200, {"registrationState": self.registration})

    def _poll(self, url: str, operation_id: str, *, results: bool) -> Response:
        path = bytes.fromhex(operation_id).decode()
        task = self._tasks.get(path)
        assert "s=sIgNaTuRe%2f%3D" in url, "a status URL is followed byte for byte"
        if results or "type=location" in url:
            return _response(url, 202, {}, location=url) if task else _response(url, 200)
        if task:
            return _response(url, 200, {"status": task.running})
        error = (self.resources.get(path.lower()) or {}).get("_error")
        if error:
            return _response(url, 200, {"status": "Failed", "error": error, "percentComplete": 100.0})
        return _response(url, 200, {"status": "Succeeded", "percentComplete": 100.0})

    def _busy(self, url: str, path: str) -> Response | None:
        if path in self._tasks:
            return _refusal(url, 409, "Conflict", "There is already an update operation in progress; another operation is running.")
        return None

    def _unregistered(self, url: str) -> Response | None:
        if self.registration == "Registered":
            return None
        message = "The subscription is not registered to use namespace 'Microsoft.MachineLearningServices'."
        return _refusal(url, 409, "MissingSubscriptionRegistration", message)

    def _settle(self) -> None:
        """Let time pass: end the tasks whose time has come."""
        for key, task in list(self._tasks.items()):
            resource = self.resources.get(task.path.lower())
            if task.until > self.now() or resource is None:
                continue
            del self._tasks[key]
            if task.deletes and not task.error:
                del self.resources[task.path.lower()]
            elif "/runs/" in task.path or "/jobs/" in task.path:
                ended = "Canceled" if task.error == CANCELED else "Failed" if task.error else "Completed"
                (resource if "runId" in resource else resource["properties"])["status"] = ended
                if ended == "Failed":
                    self._history_of(task)
            else:
                resource["properties"]["provisioningState"] = "Failed" if task.error else "Succeeded"
                resource["_error"] = task.error

    def _history_of(self, task: _Task) -> None:
        """What run history has of a run that failed: its error, and the file that it logged to."""
        workspace = re.split("/(?:jobs|experiments)/", task.path)[0]
        files = {"system_logs/lifecycler.log": f"{LOGS}/system.log?sig=SAS", "user_logs/std_log.txt": f"{LOGS}/std_log.txt?sig=SAS"}
        details = {"status": "Failed", "error": {"error": task.error}, "logFiles": files}
        self.resources[f"{workspace}/runs/{task.path.rpartition('/')[2]}/details".lower()] = details

    def _store(self, path: str, body: Any, state: str, made: dict[str, str] | None = None) -> dict[str, Any]:
        now = self.now().isoformat()
        resource = {"id": path, "name": path.rpartition("/")[2], **(body or {})}
        resource["properties"] = {**(resource.get("properties") or {}), **({"provisioningState": state} if state else {})}
        if path.count("/") == 8:  # a workspace
            resource["properties"].setdefault("discoveryUrl", f"{API}/discovery")
        resource["systemData"] = {"createdAt": (made or {}).get("createdAt", now), "lastModifiedAt": now}
        self.resources[path.lower()] = resource
        return resource

    def _status_url(self, kind: str, path: str) -> str:
        base = f"{ARM}/subscriptions/{SUBSCRIPTION}/providers/Microsoft.MachineLearningServices/locations/westeurope"
        return f"{base}/{kind}/{path.encode().hex()}?api-version=2025-12-01&{SIGNATURE}"


def lost(*, arrived: bool) -> errors.UnreachableError:
    """Return the client's word for a connection that broke; `arrived` tells whether the request can have left."""
    return errors.UnreachableError("management.azure.com could not be reached.", delay_s=5.0, maybe_arrived=arrived)


def throttled(delay_s: float) -> errors.ThrottledError:
    """Return the client's word for a 429 with that Retry-After."""
    return errors.ThrottledError("Too many requests.", delay_s=delay_s, maybe_arrived=False)


def refusal(status: int, code: str, message: str) -> Response:
    """Return a 4xx in ARM's envelope, for a fault."""
    return _refusal("", status, code, message)


def _broken(fault: Fault, url: str) -> Response:
    if fault.problem:
        raise fault.problem
    assert fault.response, f"the fault for {url} says neither"
    return fault.response


def _read_json(content: bytes) -> Any:
    try:
        return json.loads(content) if content else None
    except (ValueError, RecursionError):
        return None


def _refusal(url: str, status: int, code: str, message: str) -> Response:
    return _response(url, status, {"error": {"code": code, "message": message}})


def _response(url: str, status: int, body: Any = None, **headers: str) -> Response:
    shown = None if body is NULL else json.loads(json.dumps(body))
    if isinstance(shown, dict):
        shown.pop("_error", None)
    return Response(status=status, url=url, headers={**headers, "x-ms-request-id": "azure-1"}, body=shown)


def _tail(path: str) -> str:
    return "workspaces/" + path.rpartition("/workspaces/")[2] if "/workspaces/" in path else path
