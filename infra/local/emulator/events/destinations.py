"""The last hop of an event: webhook, function or storage queue, each at its place on this machine.

`Places` knows where Azure's names are here: host names of apps (set by control) and storage accounts. A host that is not
there is out of reach. Not here: when, and when again (`grid.py`).
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
from azure.core.exceptions import AzureError, HttpResponseError
from azure.storage.queue import QueueClient, TextBase64EncodePolicy

from infra.local.emulator.events.happened import CLOUD_EVENTS_SCHEMA, time_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from infra.local.emulator.events.subscriptions import Destination, Subscription
    from infra.local.emulator.storage.accounts import StorageAccounts

ORIGIN = "eventgrid.azure.net"
TIMEOUT_S = 30.0  # Event Grid waits so long for an answer ("Event Grid message delivery and retry")
VALIDATION = "Microsoft.EventGrid.SubscriptionValidationEvent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Local:
    """Where a host of Azure is on this machine: a base URL, and the system key of a Functions app's Event Grid webhook."""

    url: str
    system_key: str = ""


class Places:
    """Where destinations are. Thread-safe.

    Args:
        storage: the accounts of the local Azure.
    """

    def __init__(self, storage: StorageAccounts) -> None:
        self._storage = storage
        self._lock = threading.Lock()
        self._hosts: dict[str, Local] = {}
        self._accounts: dict[str, str] = {}
        self._queues: dict[tuple[str, str], QueueClient] = {}
        self._threads = threading.local()

    def hosts(self) -> dict[str, Local]:
        """All hosts that are known."""
        with self._lock:
            return dict(self._hosts)

    def set_host(self, host: str, local: Local) -> None:
        """Say where a host is."""
        with self._lock:
            self._hosts[host.lower()] = local

    def set_account(self, account: str, connection_string: str) -> None:
        """Say where a storage account is that does not belong to the local Azure: the app's."""
        with self._lock:
            self._accounts[account.lower()] = connection_string
            self._queues = {key: client for key, client in self._queues.items() if key[0] != account.lower()}

    def address(self, url: str) -> tuple[str, Local] | None:
        """Where a URL of Azure is here; None when its host is not."""
        parts = urlsplit(url)
        with self._lock:
            local = self._hosts.get((parts.hostname or "").lower())
        if local is None:
            return None
        query = f"?{parts.query}" if parts.query else ""
        return f"{local.url.rstrip('/')}{parts.path}{query}", local

    def session(self) -> requests.Session:
        """This thread's connections."""
        found: requests.Session | None = getattr(self._threads, "session", None)
        if found is None:
            found = self._threads.session = requests.Session()
            found.trust_env = False
        return found

    def queue(self, account: str, name: str) -> QueueClient:
        """A queue, whose messages are base64 as Event Grid writes them.

        Raises:
            KeyError: there is no such account.
        """
        key = (account.lower(), name.lower())
        with self._lock:
            if key in self._queues:
                return self._queues[key]
            said = self._accounts.get(key[0])
        encode = TextBase64EncodePolicy()
        quick: dict[str, Any] = {"retry_total": 0, "connection_timeout": 5, "read_timeout": 10}
        if said:
            client = QueueClient.from_connection_string(said, name, message_encode_policy=encode, **quick)
        else:
            credential = {"account_name": key[0], "account_key": self._storage.keys(key[0])[0]}
            url = f"http://127.0.0.1:{self._storage.port(key[0], 'queue')}/{key[0]}"
            client = QueueClient(url, name, credential=credential, message_encode_policy=encode, **quick)
        with self._lock:
            return self._queues.setdefault(key, client)


def send(subscription: Subscription, events: Sequence[Any], tried: int, places: Places) -> int:
    """Deliver events, already in the subscription's schema; HTTP status of the answer, 0 when there was none."""
    destination = subscription.destination
    if destination.kind == "StorageQueue":
        return _enqueue(destination, events, places)
    cloud = subscription.schema == CLOUD_EVENTS_SCHEMA
    batched = not cloud or destination.batch > 1
    body = list(events) if batched else events[0]
    media = "application/json"
    if cloud:
        media = "application/cloudevents-batch+json" if batched else "application/cloudevents+json"
    headers = {
        "Content-Type": f"{media}; charset=utf-8",
        "aeg-event-type": "Notification",
        "aeg-subscription-name": subscription.name.upper(),
        "aeg-delivery-count": str(tried),
        **({} if cloud else {"aeg-data-version": "", "aeg-metadata-version": "1"}),
    }
    if cloud:
        headers["WebHook-Request-Origin"] = ORIGIN
    raw = events[0] if len(events) == 1 and isinstance(events[0], bytes) else json.dumps(body).encode()
    return _post(destination, raw, headers, places)[0]


def _post(destination: Destination, content: bytes, headers: Mapping[str, str], places: Places) -> tuple[int, bytes]:
    found = places.address(destination.url)
    if found is None:
        return 0, b""
    url, local = found
    headers = {**headers, **({"x-functions-key": local.system_key} if destination.kind == "AzureFunction" else {})}
    try:
        answer = places.session().post(url, data=content, headers=headers, timeout=TIMEOUT_S, allow_redirects=False)
    except requests.RequestException:
        return 0, b""
    return answer.status_code, answer.content


def _enqueue(destination: Destination, events: Sequence[Any], places: Places) -> int:
    try:
        client = places.queue(destination.account, destination.queue)
        for event in events:
            text = event.decode("utf-8", errors="replace") if isinstance(event, bytes) else json.dumps(event)
            client.send_message(text)
    except KeyError:
        return 404
    except HttpResponseError as refused:
        return refused.status_code or 0
    except AzureError:
        return 0
    return 201


def _is_there(destination: Destination, places: Places) -> bool:
    try:
        places.queue(destination.account, destination.queue).get_queue_properties()
    except (KeyError, AzureError):
        return False
    return True


def handshake(subscription: Subscription, code: str, now: datetime, places: Places) -> str:
    """Ask a webhook whether it wants the events; empty when it does, else why the subscription cannot be made.

    Event Grid schema: a validation event whose code must come back; CloudEvents: OPTIONS, whose allowed origin must be
    Event Grid's or `*`. A function is asked as a webhook is; a queue must be there.
    """
    destination = subscription.destination
    if destination.kind == "StorageQueue":
        if _is_there(destination, places):
            return ""
        where = f"Resource details: storage account {destination.account}, queue {destination.queue}"
        return f"Destination endpoint not found. {where}. Resource should pre-exist before attempting this operation."
    base = destination.url.partition("?")[0]
    said = f"Webhook validation handshake failed for {base}."
    if places.address(destination.url) is None:
        return f"{said} The host is not reachable: the local Azure knows no place for it (PUT /_control/hosts)."
    if subscription.schema == CLOUD_EVENTS_SCHEMA:
        return _asked_by_options(destination, said, places)
    data = {"validationCode": code, "validationUrl": f"https://rp-westeurope.eventgrid.azure.net/validate?id={code}"}
    event = {
        "id": code,
        "topic": subscription.topic,
        "subject": "",
        "data": data,
        "eventType": VALIDATION,
        "eventTime": time_text(now),
        "metadataVersion": "1",
        "dataVersion": "2",
    }
    headers = {"Content-Type": "application/json; charset=utf-8", "aeg-event-type": "SubscriptionValidation"}
    headers |= {"aeg-subscription-name": subscription.name.upper()}
    status, content = _post(destination, json.dumps([event]).encode(), headers, places)
    if status != requests.codes.ok:
        return f"{said} Http POST request returned {status or 'no answer'}."
    try:
        answered = json.loads(content)["validationResponse"]
    except (ValueError, KeyError, TypeError):
        answered = None
    return "" if answered == code else f"{said} The answer does not hold the validation code."


def _asked_by_options(destination: Destination, said: str, places: Places) -> str:
    found = places.address(destination.url)
    if found is None:
        return said
    key = {"x-functions-key": found[1].system_key} if destination.kind == "AzureFunction" else {}
    headers = {"WebHook-Request-Origin": ORIGIN, **key}
    try:
        answer = places.session().options(found[0], headers=headers, timeout=TIMEOUT_S, allow_redirects=False)
    except requests.RequestException as problem:
        return f"{said} Http OPTIONS request failed: {type(problem).__name__}."
    if not answer.ok:
        return f"{said} Http OPTIONS request returned {answer.status_code}."
    allowed = answer.headers.get("WebHook-Allowed-Origin", "")
    return "" if allowed in (ORIGIN, "*") else f"{said} WebHook-Allowed-Origin is {allowed!r}."
