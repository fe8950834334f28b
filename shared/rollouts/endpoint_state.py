"""The state of an endpoint in Azure, and the reads and writes with which a rollout changes it.

Writes are the app's own operations, under keys that are derived from the rollout: the same step again finds the operation of the
first time. A change of traffic is GET, change, PUT of the whole endpoint. Not here: when (rollouts).
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shared.catalog import kinds, paths
from shared.cleanup.facts import metrics
from shared.endpoints import snapshots
from shared.operations import acceptance, flows, models
from shared.rest import errors, ids
from shared.rollouts import judging, rollout_fields
from shared.text import times

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shared.operations.context import Services
    from shared.operations.models import Operation
    from shared.rest.ids import ResourceId
    from shared.rollouts.judging import Verdict
    from shared.rollouts.rollout_record import Rollout

ENDPOINTS = kinds.by_type()["arm", kinds.ML.lower(), "workspaces/onlineendpoints"]
DEPLOYMENTS = kinds.by_type()["arm", kinds.ML.lower(), "workspaces/onlineendpoints/deployments"]
PIN = "azureml-model-deployment"
CROWDED = frozenset({408, 429, 502, 503, 504})
CROWDED_S = 10.0
SEND_WITHIN = timedelta(seconds=15)  # of the look: what was true then need not be true later


class ChangedError(Exception):
    """The endpoint is not as the rollout left it: another caller has changed it."""


def endpoint_of(endpoint: str, services: Services) -> dict[str, Any] | None:
    """Return an endpoint as Azure shows it; None if it no longer exists."""
    return _get(ids.parse(endpoint), services)


def deployments_of(endpoint: str, services: Services) -> dict[str, dict[str, Any]]:
    """Return the deployments of an endpoint by their names in lower case."""
    listed = services.client.pages(_url(ids.parse(endpoint).child("deployments"), services))
    return {str(each["name"]).lower(): each for each in listed}


def shares_of(endpoint: Mapping[str, Any], name: str = "traffic") -> dict[str, int]:
    """Return the shares of an endpoint that are not zero: its `traffic`, or its `mirrorTraffic`."""
    own = (endpoint.get("properties") or {}).get(name) or {}
    return {str(each): int(share) for each, share in own.items() if share}


def same(one: Mapping[str, int], other: Mapping[str, int]) -> bool:
    """Return whether two sets of shares are the same."""
    left, right = ({name.lower(): share for name, share in each.items() if share} for each in (one, other))
    return left == right


def look(rollout: Rollout, services: Services) -> dict[str, Any]:
    """Return the endpoint, which is as the rollout left it.

    Raises:
        ChangedError: it is not.
    """
    found = endpoint_of(rollout.endpoint, services)
    if found is None:
        raise ChangedError("the endpoint no longer exists")
    known = [{"traffic": rollout.traffic, "mirror": rollout.mirror}, *([rollout.wanted] if rollout.wanted else [])]
    known += [rollout.before] if rollout.stage == "back" else []
    traffic, mirror = shares_of(found), shares_of(found, "mirrorTraffic")
    if not any(same(each["traffic"], traffic) and same(each["mirror"], mirror) for each in known):
        raise ChangedError(f"the traffic was changed: it is {traffic}, mirror {mirror}; the rollout left {dict(rollout.traffic)}")
    there = deployments_of(rollout.endpoint, services)
    for name, stamp in rollout.stamps.items():
        if name not in there:
            raise ChangedError(f"the deployment '{name}' no longer exists")
        if snapshots.changed(there[name]) != stamp:
            raise ChangedError(f"the deployment '{name}' was changed at {snapshots.changed(there[name])}")
    return found


def stamp_of(rollout: Rollout, name: str, services: Services) -> str:
    """Return when a deployment last changed.

    Raises:
        ChangedError: it is gone.
    """
    found = _get(ids.parse(rollout.endpoint).child("deployments", name), services)
    if found is None:
        raise ChangedError(f"the deployment '{name}' no longer exists")
    return snapshots.changed(found)


def operation_of(rollout: Rollout, services: Services) -> Operation | None:
    """Return the operation that a rollout waits for."""
    stored = services.ledger.load(rollout.operation)
    return stored.operation if stored else None


def create(rollout: Rollout, services: Services) -> Rollout:
    """Create the new deployment, without traffic.

    Raises:
        ChangedError: there is one of that name that this rollout did not make.
    """
    named = ids.parse(rollout.endpoint).child("deployments", rollout.new)

    def begin() -> Rollout:
        look(rollout, services)
        if _get(named, services) is not None:
            raise ChangedError(f"the deployment '{rollout.new}' was created by another caller")
        return _submit(rollout, named, "PUT", body_of(rollout.endpoint, rollout.plan["body"], services), services)

    return _once(rollout, named, begin, services)


def body_of(endpoint: str, asked: Mapping[str, Any], services: Services) -> dict[str, Any]:
    """Return the body of the new deployment: the caller's, or another deployment's with the caller's changes.

    Raises:
        ChangedError: the other one is gone.
    """
    if "like" not in asked:
        return dict(asked)
    named = ids.parse(endpoint)
    found = _get(named.child("deployments", asked["like"]), services)
    if found is None:
        raise ChangedError(f"the deployment '{asked['like']}' no longer exists")
    body = snapshots.putable(found)
    body["properties"] = {**body["properties"], **asked.get("properties", {})}
    for name in ("sku", "tags"):
        body |= {name: {**(body.get(name) or {}), **asked[name]}} if name in asked else {}
    if "model" in asked:
        body["properties"]["model"] = rollout_fields.model_id(asked["model"], named.ancestor(1).path)
    return body


def write(rollout: Rollout, wanted: Mapping[str, Mapping[str, int]], services: Services) -> Rollout:
    """Set traffic and mirror: GET, change, PUT of the whole endpoint.

    Raises:
        ChangedError: it is not as the rollout left it.
    """
    named = ids.parse(rollout.endpoint)

    def begin() -> Rollout:
        body = snapshots.putable(look(rollout, services))
        body["properties"] = {**body["properties"], "traffic": dict(wanted["traffic"]), "mirrorTraffic": dict(wanted["mirror"])}
        aimed = replace(rollout, wanted={name: dict(shares) for name, shares in wanted.items()})
        return _submit(aimed, named, "PUT", body, services)

    return _once(rollout, named, begin, services)


def delete(rollout: Rollout, name: str, services: Services) -> Rollout:
    """Delete a deployment that was live before.

    Raises:
        ChangedError: it stays.
    """
    named = ids.parse(rollout.endpoint).child("deployments", name)

    def begin() -> Rollout:
        endpoint, found = endpoint_of(rollout.endpoint, services), _get(named, services)
        if endpoint is None or found is None:
            raise ChangedError("it no longer exists")
        shares = {each.lower(): share for each, share in (shares_of(endpoint) | shares_of(endpoint, "mirrorTraffic")).items()}
        if shares.get(name.lower()) or not shares_of(endpoint).get(rollout.new):
            raise ChangedError(f"the traffic was changed: it is {shares_of(endpoint)}")
        if snapshots.changed(found) != rollout.stamps.get(name.lower()):
            raise ChangedError(f"it was changed at {snapshots.changed(found)}")
        return _submit(rollout, named, "DELETE", None, services)

    return _once(rollout, named, begin, services)


def score(rollout: Rollout, name: str, content: Any, services: Services) -> tuple[int, Any]:
    """Return status and body of a deployment's answer.

    Raises:
        TransientError: it does not answer now.
        ChangedError: the endpoint is parked.
    """
    target = paths.Target(kind=ENDPOINTS, id=ids.parse(rollout.endpoint), action=ENDPOINTS.action("score"))
    try:
        found = services.scoring.score(target, json.dumps(content).encode(), {"content-type": "application/json", PIN: name})
    except snapshots.EndpointParkedError as parked:
        raise ChangedError(parked.error.message) from None
    if found.status in CROWDED:
        raise errors.AzureUnavailableError(f"'{name}' answered {found.status}.", delay_s=CROWDED_S, maybe_arrived=True)
    return found.status, found.body


def figures(rollout: Rollout, services: Services) -> tuple[Rollout, Verdict]:
    """Look at the gate; returns the rollout with what was seen, and the verdict."""
    now, gate, new = services.clock(), rollout.plan["gate"], rollout.new.lower()
    try:
        seen = metrics.figures(ids.parse(rollout.endpoint), services, since=rollout.since or now, until=now)
    except errors.StewardError as problem:
        return rollout, judging.Verdict(word="unsure", reason=f"Azure Monitor has no figures: {problem.error.message}")
    other = next((gate[each]["atMostOf"] for each in gate if isinstance(gate[each], dict) and "atMostOf" in gate[each]), "")
    live = seen.get((other or rollout.old[0]).lower())
    known = {"errorRate": live.errors / live.requests, "p95": live.p95_ms} if live else dict(rollout.live)
    found = judging.verdict(gate, seen.get(new), known)
    shown = {
        name: {"requests": round(each.requests), "errors": round(each.errors), "p95": each.p95_ms} for name, each in seen.items()
    }
    return replace(rollout, live=known, figures={"at": times.iso(now), "verdict": found.word, "deployments": shown}), found


def _once(rollout: Rollout, named: ResourceId, begin: Callable[[], Rollout], services: Services) -> Rollout:
    """Begin a change, unless this step did so before; what a look finds may be the doing of a worker that took the same step."""
    if begun := _begun(rollout, named, services):
        return begun
    try:
        return begin()
    except ChangedError:
        if begun := _begun(rollout, named, services):
            return begun
        raise


def _begun(rollout: Rollout, named: ResourceId, services: Services) -> Rollout | None:
    """Return the rollout waiting for the operation that this very step began before; None where it began none."""
    name = f"{models.partition_of(named)}-{models.new_suffix(_key(rollout), _caller(rollout))}"
    return replace(rollout, operation=name) if services.ledger.load(name) else None


def _submit(rollout: Rollout, named: ResourceId, method: str, body: Any, services: Services) -> Rollout:
    kind = ENDPOINTS if named.full_type.lower() == ENDPOINTS.full_type.lower() else DEPLOYMENTS
    request = acceptance.Request(
        target=paths.Target(kind=kind, id=named),
        method=method,
        body=body,
        idempotency_key=_key(rollout),
        caller=_caller(rollout),
        why=f"rollout of {rollout.new}, requested by {rollout.caller}",
        send_by=services.clock() + SEND_WITHIN,
    )
    operation = flows.submit(request, services)
    return replace(rollout, operation=operation.id)


def _key(rollout: Rollout) -> str:
    return f"{rollout.id} {rollout.writes}"


def _caller(rollout: Rollout) -> str:
    return f"rollout:{rollout.id}"


def _get(named: ResourceId, services: Services) -> dict[str, Any] | None:
    answer = services.client.send("GET", _url(named, services))
    if answer.status == 404:
        return None
    body: dict[str, Any] = answer.checked().body
    return body


def _url(named: ResourceId, services: Services) -> str:
    return ids.url(services.client.cloud.arm, named.path, ENDPOINTS.api_version)
