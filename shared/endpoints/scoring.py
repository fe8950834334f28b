"""Scoring: the endpoint's URI and key are fetched from Azure, kept in memory for minutes, and used for that URI only.

A key goes nowhere but to the scoring URI that Azure returned for its endpoint; an Entra ID token only to a host of the
cloud's inference domain. Nothing of it is stored or logged. Not here: HTTP answers to our caller (shared.api.resources.score).
"""

from __future__ import annotations

import ipaddress
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from shared.endpoints import snapshots
from shared.rest import clouds, errors, ids

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shared.catalog.paths import Target
    from shared.operations.models import Operation
    from shared.rest.addresses import Addresses
    from shared.rest.client import Client, Response
    from shared.rest.ids import ResourceId

REMEMBER_S = 300.0
LOOK_AGAIN_S = 5.0  # whether an endpoint is parked, and which operation wakes it, is remembered for so long
WITHOUT_DEPLOYMENT = frozenset({404, 503})  # what an endpoint's host answers when nothing is behind it
TIMEOUT_S = 180.0  # an HTTP function ends at 230 s
NO_TYPES = frozenset({"", "application/x-www-form-urlencoded"})  # curl -d says the latter of any body; scripts read JSON
PASSED_ON = frozenset({"content-type", "accept", "azureml-model-deployment", "x-ms-client-request-id", "traceparent"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Where and with what to score: kept in memory only. `until` is a moment of the monotonic clock, in seconds."""

    uri: str
    key: str
    until: float


class Scoring:
    """Scores by endpoint; safe to use from many threads.

    Args:
        client: Sends.
        addresses: Finds the model-management server of v1 services.
        plain: Whether a scoring URI may be plain http or a bare address.
        clock: Monotonic seconds.
    """

    def __init__(
        self, client: Client, addresses: Addresses, *, plain: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._addresses = addresses
        self._plain = plain
        self._clock = clock
        self._doors: dict[str, Door] = {}
        self._tags: dict[str, tuple[str, float]] = {}
        self._wakes: dict[str, tuple[Operation, float]] = {}

    def score(self, target: Target, content: bytes, headers: Mapping[str, str]) -> Response:
        """Send `content` to the endpoint or service that `target` names and return its answer, whatever its status.

        A key that was changed meanwhile (401) is fetched again once.

        Raises:
            RejectedError: Azure knows no such endpoint.
            EndpointParkedError: it has no deployments now.
            BadRequestError: `EndpointNotReady` (409), `HostNotAllowed` (502).
            TransientError: there was no answer.
        """
        sent = sent_on(headers)
        if self._seen(target):
            self._refuse_parked(target)
        door = self._door(target)
        answer = self._client.send_keyed(door.uri, door.key, content=content, headers=sent, timeout_s=TIMEOUT_S)
        if answer.status in WITHOUT_DEPLOYMENT and target.plane == "arm":  # the door may be older than the parking
            self._refuse_parked(target)
        if answer.status == 401:
            self._doors.pop(target.id.key, None)
            door = self._door(target)
            answer = self._client.send_keyed(door.uri, door.key, content=content, headers=sent, timeout_s=TIMEOUT_S)
        return answer

    def open(self, target: Target) -> None:
        """Find out where and with what to score, unless that is known.

        Raises:
            EndpointParkedError: it has no deployments now.
            StewardError: as `score`; nothing was scored.
        """
        if self._seen(target):
            self._refuse_parked(target)
        self._door(target)

    def forget(self, endpoint: ResourceId) -> None:
        """Look again whether an endpoint is parked, and what wakes it."""
        self._tags.pop(endpoint.key, None)
        self._wakes.pop(endpoint.key, None)

    def wake(self, endpoint: ResourceId, find: Callable[[], Operation]) -> Operation:
        """Return what wakes a parked endpoint; however many call, one that is under way is looked for once in some seconds."""
        known, until = self._wakes.get(endpoint.key, (None, 0.0))
        if known and self._clock() < until:
            return known
        found = find()
        if not found.ended:
            now = self._clock()
            kept = {name: each for name, each in self._wakes.items() if now < each[1]}
            self._wakes = {**kept, endpoint.key: (found, now + LOOK_AGAIN_S)}
        return found

    def _door(self, target: Target) -> Door:
        known = self._doors.get(target.id.key)
        if known and self._clock() < known.until:
            return known
        find = self._find_service if target.plane == "modelmanagement" else self._find_endpoint
        uri, key, good_for_s = find(target)
        now = self._clock()
        door = Door(uri=uri, key=key, until=now + min(good_for_s, REMEMBER_S))
        self._doors = {**{name: each for name, each in self._doors.items() if now < each.until}, target.id.key: door}
        return door

    def _seen(self, target: Target) -> str | None:
        """Return the tag of a parked endpoint, '' of one that is not, as it was seconds ago; None when that is not known."""
        tag, until = self._tags.get(target.id.key, ("", 0.0))
        return tag if self._clock() < until else None

    def _refuse_parked(self, target: Target, endpoint: Mapping[str, Any] | None = None) -> None:
        """Refuse to score a parked endpoint; however many call, ARM is asked once in some seconds."""
        tag = self._seen(target) if endpoint is None else None
        if tag is None:
            tag = snapshots.tag_of(self._ask("GET", target, "") if endpoint is None else endpoint)
            now = self._clock()
            kept = {name: each for name, each in self._tags.items() if now < each[1]}
            self._tags = {**kept, target.id.key: (tag, now + LOOK_AGAIN_S)}
        if tag:
            raise snapshots.EndpointParkedError(target.id, tag)

    def _find_endpoint(self, target: Target) -> tuple[str, str, float]:
        endpoint = self._ask("GET", target, "")
        self._refuse_parked(target, endpoint)
        properties = endpoint.get("properties") or {}
        uri, mode = str(properties.get("scoringUri") or ""), str(properties.get("authMode") or "").lower()
        if not uri:
            state = properties.get("provisioningState")
            raise _not_ready(f"Endpoint '{target.id.name}' has no scoring URI yet; it is {state}.")
        self._check_uri(uri)
        if mode == "aadtoken":
            if not clouds.is_inference(self._client.cloud, uri):
                shown = urlsplit(uri).netloc.rpartition("@")[2]
                raise errors.BadRequestError("HostNotAllowed", f"'{shown}' may not be sent an Entra ID token.", status=502)
            return uri, self._client.token(self._client.cloud.ml_scope), 60.0
        if mode == "amltoken":
            token = self._ask("POST", target, "token")
            good_for_s = float(token.get("expiryTimeUtc") or 0) - time.time() - 60.0
            return uri, str(token.get("accessToken") or ""), max(good_for_s, 1.0)
        return uri, str(self._ask("POST", target, "listKeys").get("primaryKey") or ""), REMEMBER_S

    def _find_service(self, target: Target) -> tuple[str, str, float]:
        """Find a v1 web service (ACI, AKS) through model management; its keys are `primaryKey` and `secondaryKey`."""
        service = self._ask("GET", target, "")
        uri = str(service.get("scoringUri") or "")
        if not uri:
            raise _not_ready(f"Service '{target.id.name}' has no scoring URI; it is {service.get('state')}.")
        self._check_uri(uri)
        key = self._ask("POST", target, "listkeys").get("primaryKey") if service.get("authEnabled", True) else ""
        return uri, str(key or ""), REMEMBER_S

    def _ask(self, method: str, target: Target, action: str) -> dict[str, Any]:
        query = f"api-version={target.kind.api_version}"
        path = ids.below(target.id.path, action) if action else target.id.path
        url = self._addresses.url(target.plane, path, query, workspace=target.workspace.path)
        try:
            body = self._client.send(method, url).checked().body
        except errors.TransientError as problem:  # it was not the model that was asked
            problem.maybe_arrived = False
            raise
        return body if isinstance(body, dict) else {}

    def _check_uri(self, uri: str) -> None:
        try:
            parts = urlsplit(uri)
        except ValueError:
            raise errors.BadRequestError("HostNotAllowed", "The scoring URI cannot be read.", status=502) from None
        if self._plain and parts.scheme in ("http", "https") and parts.hostname:
            return
        if parts.scheme != "https" or not parts.hostname or parts.username or _is_address(parts.hostname):
            shown = f"{parts.scheme}://{parts.hostname}"
            message = f"The scoring URI is '{shown}'; plain http or a bare address needs STEWARD_ALLOW_PLAIN_SCORING."
            raise errors.BadRequestError("HostNotAllowed", message, status=502)


def sent_on(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of a call that its endpoint is sent."""
    sent = {name.lower(): value for name, value in headers.items() if name.lower() in PASSED_ON}
    if sent.get("content-type", "").partition(";")[0].strip().lower() in NO_TYPES:
        sent["content-type"] = "application/json"
    return sent


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or "." not in host
    return True


def _not_ready(message: str) -> errors.BadRequestError:
    return errors.BadRequestError("EndpointNotReady", message, status=409)
