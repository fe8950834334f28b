"""What is done at each stop of parking and waking an endpoint: one look at Azure and at most one write.

Every stop looks before it acts, so that it can be repeated after a crash; what another person changed meanwhile is never
deleted. Not here: the operation and its plan (parking), what is kept of an endpoint (parked).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shared.catalog import kinds
from shared.endpoints import snapshots
from shared.endpoints.park_progress import Stop, Turn, Way
from shared.operations import proof, settle
from shared.rest import clouds, errors, ids, long_running

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.operations.context import Services
    from shared.operations.models import Operation
    from shared.rest.client import Response
    from shared.rest.ids import ResourceId

FIRST_S, MOST_S = 2.0, 20.0  # between two polls of a write
LOOK_S = 10.0  # between two looks at what another caller's operation keeps busy
BUSY_LIMIT = timedelta(hours=2)
WRITES_LIMIT = 10  # and four a stop: more than that is a write that has no effect
QUERY = f"api-version={kinds.ML_VERSION}"
_WHOLE = 100


class Journey:
    """One step of one operation: what it looks at and writes, and the operation with both counted."""

    def __init__(self, operation: Operation, services: Services) -> None:
        self.operation = operation
        self._services = services
        self._endpoint = ids.parse(operation.target)
        self._blobs = services.ledger.blobs

    def go(self, way: Way) -> Turn:
        """Begin, wait, finish, or do what is next."""
        if way.stops is None:
            return self._begin_park() if self.operation.action == "park" else self._begin_wake(Way())
        if way.stop is None:
            return self._finish(way)
        if way.follow is not None:
            return self._wait(way, way.follow)
        return {"quiet": self._quiet, "delete": self._delete, "put": self._put, "traffic": self._traffic}[way.stop.do](
            way, way.stop
        )

    def stopped(self, way: Way, problem: errors.PermanentError) -> Turn:
        """Decide what a refusal means: parking that has begun turns round; waking says which deployment it was.

        Raises:
            PermanentError: nothing has been done.
        """
        stop = way.stop
        waking = stop is not None and stop.do in ("put", "traffic")
        if stop is None or (not waking and not way.begun):
            raise problem
        if not waking:
            return self._turn_round(problem.error, problem.status)
        where = f"deployment '{stop.name}'" if stop.name else "the endpoint's traffic"
        message = f"{where} of '{self._endpoint.name}' could not be put back: {problem.error.message} POST …/wake tries again."
        if way.error:
            message = f"{way.error.message} Then {message}"
        error = errors.AzureError(code="WakeFailed", message=message, target=self._path(stop.name).path, details=(problem.error,))
        return Turn(replace(way, error=error, status=problem.status), ended=True)

    # ── beginnings and ends ──────────────────────────────────────────────────────────────────────────────────────────
    def _begin_park(self) -> Turn:
        body = self.operation.body if isinstance(self.operation.body, dict) else {}
        endpoint = self._get(self._endpoint).checked().body
        listed = self._deployments()
        if any(_busy(each) for each in (endpoint, *listed)):
            return self._later(Way())
        known = snapshots.load(self._endpoint, self._blobs) if snapshots.TAG in (endpoint.get("tags") or {}) else None
        known = known if known and snapshots.same_endpoint(known, endpoint) else None
        if not listed:
            if known:
                return Turn(Way(stops=()), note="was parked already", body=endpoint, ended=True)
            raise errors.BadRequestError("NothingToPark", f"Endpoint '{self._endpoint.name}' has no deployments.", status=409)
        _check_ready(endpoint, listed)
        tags = endpoint.get("tags") or {}
        if snapshots.STORE not in (body.get("environmentVariables"), str(tags.get(snapshots.VARIABLES_TAG, "")).lower()):
            snapshots.check_variables(listed)
        record = _merged(snapshots.record_of(endpoint, listed, self._services.clock()), known)
        snapshots.save(record, self._blobs)
        names = [str(each["name"]) for each in listed]
        stops = (
            Stop(do="quiet"),
            *(Stop(do="delete", name=name) for name in reversed([d.name for d in record.deployments if d.name in names])),
        )
        return Turn(Way(stops=stops), note=f"kept: {', '.join(names)}")

    def _begin_wake(self, way: Way) -> Turn:
        endpoint = self._get(self._endpoint)
        if endpoint.status == 404:
            snapshots.forget(self._endpoint, self._blobs)
        found = endpoint.checked().body
        record = snapshots.load(self._endpoint, self._blobs)
        if record is None or not snapshots.same_endpoint(record, found):
            if snapshots.TAG not in (found.get("tags") or {}):
                return Turn(Way(stops=()), note="was awake already", body=found, ended=True)
            message = (
                f"Endpoint '{self._endpoint.name}' is tagged {snapshots.TAG}, and the app keeps nothing of it: "
                "another installation parked it, or its record is gone. PUT its deployments, then the endpoint without that tag."
            )
            raise errors.BadRequestError("ParkRecordLost", message, target=self._endpoint.path, status=409)
        stops = (*(Stop(do="put", name=each.name) for each in record.deployments), Stop(do="traffic"))
        return Turn(replace(way, stops=stops, at=0, follow=None), note=f"putting back: {', '.join(each.name for each in stops)}")

    def _turn_round(self, error: errors.AzureError, status: int) -> Turn:
        """Put back what was taken; the operation ends with `error` then."""
        told = replace(error, message=f"{error.message} Parking stopped; what it had taken is put back.")
        turn = self._begin_wake(Way(error=told, status=status))
        return replace(turn, way=replace(turn.way, error=told, status=status), note=f"turned round: {error.message}")

    def _finish(self, way: Way) -> Turn:
        whole = any(stop.do == "traffic" for stop in way.stops or ())
        if whole:
            snapshots.forget(self._endpoint, self._blobs)
        return Turn(way, body=self._get(self._endpoint).checked().body, ended=True)

    # ── stops of parking ─────────────────────────────────────────────────────────────────────────────────────────────
    def _quiet(self, way: Way, stop: Stop) -> Turn:
        endpoint, record = self._get(self._endpoint).checked().body, self._record()
        own, tags = endpoint.get("properties") or {}, endpoint.get("tags") or {}
        if _busy(endpoint):
            return self._later(way)
        if not _sum(own.get("traffic")) and not _sum(own.get("mirrorTraffic")) and tags.get(snapshots.TAG) == record.tag:
            return Turn(way.passed())
        if _sum(own.get("traffic")) and dict(own["traffic"]) != dict(record.traffic):
            raise _interrupted(f"The traffic of endpoint '{self._endpoint.name}' was changed meanwhile.", self._endpoint)
        if not stop.sent:
            return Turn(way.sending())
        body = snapshots.putable(endpoint)
        body["tags"] = {**tags, snapshots.TAG: record.tag}
        there = {str(each["name"]).lower() for each in self._deployments()}
        none = {name: dict.fromkeys(_among(own.get(name) or {}, there), 0) for name in ("traffic", "mirrorTraffic")}
        body["properties"] = {**body["properties"], **none}  # each by its name: an empty object might count as none given
        return self._write("PUT", way, self._endpoint, body)

    def _delete(self, way: Way, stop: Stop) -> Turn:
        path, record = self._path(stop.name), self._record()
        answer, kept = self._get(path), record.find(stop.name)
        if answer.status == 404:
            if not stop.sent:  # another person deleted it, and wants it gone
                snapshots.save(record.without(stop.name), self._blobs)
            return Turn(way.passed(), note=f"{'deleted' if stop.sent else 'is gone'}: {stop.name}")
        found = answer.checked().body
        if stop.sent and proof.provisioning_state(found) == "deleting":
            return self._later(way)
        if _busy(found) or kept is None or snapshots.changed(found) != kept.changed or snapshots.putable(found) != kept.body:
            raise _interrupted(f"Deployment '{stop.name}' was changed meanwhile, so it is in use.", path)
        if not stop.sent:
            return Turn(way.sending())
        return self._write("DELETE", way, path, None)

    # ── stops of waking ──────────────────────────────────────────────────────────────────────────────────────────────
    def _put(self, way: Way, stop: Stop) -> Turn:
        path, kept = self._path(stop.name), self._record().find(stop.name)
        answer = self._get(path)
        if answer.status != 404:
            found = answer.checked().body
            if _busy(found):
                return self._later(way)
            if proof.provisioning_state(found) != "failed" or kept is None:
                return Turn(way.passed(), note=f"is there: {stop.name}")
            if stop.sent:
                raise errors.OperationFailedError(errors.AzureError(code="DeploymentFailed", message="Azure could not start it."))
        if kept is None:
            return Turn(way.passed())
        return self._write("PUT", way.sending(), path, dict(kept.body))

    def _traffic(self, way: Way, _stop: Stop) -> Turn:
        endpoint, record = self._get(self._endpoint).checked().body, self._record()
        own, tags = endpoint.get("properties") or {}, dict(endpoint.get("tags") or {})
        if _busy(endpoint):
            return self._later(way)
        changed_by_user = bool(_sum(own.get("traffic")))
        if tags.pop(snapshots.TAG, None) is None and (changed_by_user or not _sum(record.traffic)):
            return Turn(way.passed())
        body = snapshots.putable(endpoint)
        body["tags"] = tags
        if not changed_by_user:
            there = {each.name.lower() for each in record.deployments}
            traffic, mirror = (_among(shares, there) for shares in (record.traffic, record.mirror))
            body["properties"] = {**body["properties"], "traffic": _filled(traffic), "mirrorTraffic": mirror}
        return self._write("PUT", way.sending(), self._endpoint, body)

    # ── Azure ────────────────────────────────────────────────────────────────────────────────────────────────────────
    def _write(self, method: str, way: Way, path: ResourceId, body: Any) -> Turn:
        if self.operation.calls.get("write", 0) > WRITES_LIMIT + 4 * len(way.stops or ()):
            message = f"Azure keeps accepting {method} {path.types[-1]}/{path.name}, but does not carry it out."
            raise errors.OperationFailedError(errors.AzureError(code="WriteWithoutEffect", message=message, target=path.path))
        self.operation = self.operation.counted("write")
        url = self._url(path)
        answer = self._services.client.send(method, url, body=body)
        if method == "DELETE" and answer.status == 404:
            return Turn(way)
        _refuse_busy(answer)
        template = long_running.Follow(
            style="resource", url=url, resource_url=url, method=method, interval_s=FIRST_S, max_interval_s=MOST_S
        )
        outcome = long_running.begin(template, answer.checked(), now=self._services.clock())
        label = f"{method} {path.types[-1]}/{path.name}"
        return replace(self._judged(way, outcome), note=f"sent: {label} {answer.status} {answer.request_id or ''}".rstrip())

    def _wait(self, way: Way, follow: long_running.Follow) -> Turn:
        try:
            clouds.scope_for(self._services.client.cloud, follow.url)
        except errors.BadRequestError:  # a status URL on a foreign host: the resource itself says as much
            follow = replace(follow, style="resource", url=follow.resource_url)
        self.operation = self.operation.counted("poll")
        answer = self._services.client.send("GET", follow.url)
        return self._judged(way, long_running.advance(follow, answer, now=self._services.clock()))

    def _judged(self, way: Way, outcome: long_running.Outcome) -> Turn:
        match outcome:
            case long_running.Pending():
                return Turn(replace(way, follow=outcome.follow), delay_s=outcome.delay_s)
            case long_running.Failed():
                raise errors.OperationFailedError(outcome.error)
            case long_running.Done():
                return Turn(replace(way, follow=None))  # the stop looks once more, and finds it done

    def _later(self, way: Way) -> Turn:
        if self._services.clock() - self.operation.created_at > BUSY_LIMIT:
            message = f"Something else has kept endpoint '{self._endpoint.name}' or a deployment of it busy for hours."
            raise errors.BadRequestError("EndpointBusy", message, target=self._endpoint.path, status=409)
        return Turn(way, delay_s=LOOK_S)

    def _get(self, path: ResourceId) -> Response:
        self.operation = self.operation.counted("read")
        answer = self._services.client.send("GET", self._url(path))
        if answer.status != 404 and not isinstance(answer.checked().body, dict):
            error = errors.AzureError(code="UnreadableAnswer", message="Azure's answer is not a resource.", target=path.path)
            raise errors.RejectedError(error, status=502)
        return answer

    def _deployments(self) -> list[dict[str, Any]]:
        self.operation = self.operation.counted("read")
        return list(self._services.client.pages(self._url(self._endpoint.child("deployments"))))

    def _record(self) -> snapshots.Record:
        record = snapshots.load(self._endpoint, self._blobs)
        if record is None:
            message = f"What was kept of endpoint '{self._endpoint.name}' is gone."
            raise errors.BadRequestError("ParkRecordLost", message, target=self._endpoint.path, status=500)
        return record

    def _path(self, deployment: str) -> ResourceId:
        return self._endpoint.child("deployments", deployment) if deployment else self._endpoint

    def _url(self, path: ResourceId) -> str:
        return ids.url(self._services.client.cloud.arm, path.path, raw=QUERY)


def _busy(body: Any) -> bool:
    state = proof.provisioning_state(body)
    return bool(state) and state not in long_running.SUCCEEDED | long_running.FAILED | long_running.CANCELED


def _check_ready(endpoint: Mapping[str, Any], deployments: list[dict[str, Any]]) -> None:
    """Refuse to park what could not be put back as it is: a PUT of what has failed would fail again."""
    for each in (endpoint, *deployments):
        if (state := proof.provisioning_state(each)) not in long_running.SUCCEEDED:
            message = f"'{each['name']}' is {state or 'in no state'}; delete or repair it before the endpoint is parked."
            raise errors.BadRequestError("NotReadyToPark", message, target=str(each.get("id") or ""), status=409)


def _interrupted(message: str, path: ResourceId) -> errors.BadRequestError:
    return errors.BadRequestError("ParkInterrupted", message, target=path.path, status=errors.OperationFailedError.http_status)


def _refuse_busy(answer: Response) -> None:
    if answer.ok:
        return
    error = answer.error()
    quirk = kinds.quirk_of(error.outer_code or error.code, error.message) or kinds.quirk_of(error.code, error.message)
    if quirk and quirk.meaning == "busy":
        raise errors.AzureUnavailableError(error.message, delay_s=settle.BUSY_DELAY_S, maybe_arrived=False, code=error.code)


def _merged(fresh: snapshots.Record, known: snapshots.Record | None) -> snapshots.Record:
    """Keep what an earlier park took and no wake has put back."""
    if known is None:
        return fresh
    left = tuple(each for each in known.deployments if fresh.find(each.name) is None)
    traffic = fresh.traffic if _sum(fresh.traffic) else known.traffic
    mirror = fresh.mirror if _sum(fresh.mirror) else known.mirror
    return replace(fresh, deployments=(*fresh.deployments, *left), traffic=traffic, mirror=mirror)


def _sum(shares: Any) -> int:
    return sum(int(share or 0) for share in (shares or {}).values())


def _among(shares: Mapping[str, int], there: set[str]) -> dict[str, int]:
    return {name: share for name, share in shares.items() if name.lower() in there}


def _filled(shares: dict[str, int]) -> dict[str, int]:
    """Give what a deployment that is gone for good had to the one with the most: Azure wants 100 or nothing."""
    if not shares or not _sum(shares) or _sum(shares) == _WHOLE:
        return shares
    most = max(shares, key=lambda name: shares[name])
    return {**shares, most: shares[most] + _WHOLE - _sum(shares)}
