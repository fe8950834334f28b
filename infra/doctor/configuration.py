"""The settings: read from a file or the environment, judged without a request, except to DNS.

Not here: whether what they name works (identity, records).
"""

from __future__ import annotations

import difflib
import ipaddress
import json
import socket
from typing import TYPE_CHECKING, Any

from infra.doctor.findings import Finding, ok, problem, warning
from shared import settings as app_settings
from shared.notify import receivers
from shared.rest import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from shared.settings import Settings

CHECK = "settings"
CALLBACKS = "callbacks"
KEY_VAULT = "@Microsoft.KeyVault("
CREDENTIAL, BY_IDENTITY = "AzureWebJobsStorage__credential", "managedidentity"
PUBLIC_ONLY = "only public addresses get notifications; send to a queue or an Event Grid topic instead"
# These settings name the app's managed identity; a person at a laptop signs in as themselves.
OF_THE_IDENTITY = ("AZURE_CLIENT_ID", "AzureWebJobsStorage__clientId", "IDENTITY_ENDPOINT", "IDENTITY_HEADER")


class _Asked(dict[str, str]):
    """Settings that remember which names they were asked for."""

    def __init__(self, values: Mapping[str, str]) -> None:
        super().__init__(values)
        self.names: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.names.add(name)
        return super().get(name, default)


def values_of(file: Path) -> dict[str, str]:
    """Read app settings as a file has them.

    Args:
        file: local.settings.json, a plain JSON object, or what `az functionapp config appsettings list` prints.

    Raises:
        ValueError: it is not one of them.
    """
    loaded = json.loads(file.read_text(encoding="utf-8-sig"))
    if isinstance(loaded, list) and all(isinstance(each, dict) and "name" in each for each in loaded):
        return {each["name"]: str(each.get("value") or "") for each in loaded}
    values = loaded.get("Values", loaded) if isinstance(loaded, dict) else None
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        message = f"{file}: expected an object of names and texts, local.settings.json, or a list of name and value"
        raise ValueError(message)
    return values


def settings_of(values: dict[str, str]) -> tuple[Settings | None, list[Finding]]:
    """Return the settings, None when they cannot be used, and what there is to say about them."""
    found = [
        ok(CHECK, f"{name} is a Key Vault reference, which the platform resolves: its value is not checked here")
        for name, value in values.items()
        if value.startswith(KEY_VAULT)
    ]
    plain = _Asked({name: value for name, value in values.items() if not value.startswith(KEY_VAULT)})
    try:
        settings = app_settings.from_environ(plain)
    except ValueError as wrong:
        return None, [*found, problem(CHECK, str(wrong), "change the app setting; docs/settings.md lists the allowed values")]
    fix = "change the app setting; docs/settings.md lists the allowed values"
    found += [problem(CHECK, f"{each.message}. Its feature is off", fix) for each in settings.problems]
    return settings, [*found, *_unknown(values, plain.names), *_judged(settings, values)]


def _unknown(values: Mapping[str, str], known: set[str]) -> Iterator[Finding]:
    for name in sorted(values):
        if name.startswith("STEWARD_") and name not in known:
            near = difflib.get_close_matches(name, known, 1)
            fix = f"did you mean {near[0]}?" if near else "remove it; docs/settings.md lists the names"
            yield problem(CHECK, f"{name} is not a setting of the app", fix)


def _judged(settings: Settings, values: Mapping[str, str]) -> Iterator[Finding]:
    if not (settings.storage or settings.queue_uri):
        fix = "set AzureWebJobsStorage, or AzureWebJobsStorage__queueServiceUri, __blobServiceUri and __tableServiceUri"
        yield problem(CHECK, "no storage is named: the app cannot record anything", fix)
    elif not settings.storage and not (settings.blob_uri and settings.table_uri):
        yield problem(CHECK, "not all three storage services are named", "set the ServiceUri of blob, queue and table")
    if not settings.storage and values.get("AzureWebJobsStorage__clientId") and values.get(CREDENTIAL) != BY_IDENTITY:
        said = f"AzureWebJobsStorage__clientId without {CREDENTIAL}: the platform does not open storage with that identity"
        yield problem(CHECK, said, f"set {CREDENTIAL} to {BY_IDENTITY}")
    if not settings.subscription_id:
        fix = "set STEWARD_SUBSCRIPTION_ID or STEWARD_SUBSCRIPTIONS, unless every caller names one"
        yield warning(CHECK, "no default subscription: a path that names none is refused", fix)
    elif not settings.resource_group:
        fix = "set STEWARD_RESOURCE_GROUP, unless every caller names one"
        yield warning(CHECK, "no default resource group: `/api/workspaces/…` is refused", fix)
    secret = [name for name in ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET") if values.get(name)]
    if "AZURE_CLIENT_SECRET" in secret and len(secret) < 3:
        yield problem(CHECK, f"only {', '.join(secret)} of the service principal are set", "set all three, or no secret")
    if not settings.cleanup:
        yield warning(CHECK, "the clean-up is switched off", "set STEWARD_CLEANUP to on to switch it on again")
    yield ok(CHECK, f"readable; {settings.cloud.name}, records are kept for {settings.retention_days} days")


def threads(settings: Settings, host: Mapping[str, Any]) -> Finding:
    """Judge the threads beside host.json's queue values: a message without a thread waits with its invisibility running."""
    queues = host.get("extensions", {}).get("queues", {})
    steps = int(queues.get("batchSize", 16)) + int(queues.get("newBatchThreshold", 8))
    if settings.threads < steps:
        said = f"{settings.threads} threads for up to {steps} queue steps at once"
        return problem(CHECK, said, f"set PYTHON_THREADPOOL_THREAD_COUNT to {max(32, steps)}, or lower batchSize in host.json")
    return ok(CHECK, f"{settings.threads} threads for up to {steps} queue steps at once")


def callbacks(settings: Settings, look_up: Callable[..., Any] = socket.getaddrinfo) -> Iterator[Finding]:
    """Judge the receivers of notifications: names that resolve, to public addresses, over signed requests."""
    for text in settings.notify:
        try:
            receivers.parse(text, settings.receivers, settings.cloud, field="STEWARD_NOTIFY")
        except errors.BadRequestError as bad:
            yield problem(CALLBACKS, bad.error.message, "change STEWARD_NOTIFY, or list the host in STEWARD_CALLBACK_HOSTS")
    hosts = [entry for entry in settings.callback_hosts if "*" not in entry and not entry.startswith("queue:")]
    for entry in hosts:
        yield _resolved(entry, look_up)
    if settings.callback_hosts and not settings.webhook_secrets and not entirely_local(settings):
        fix = "set STEWARD_WEBHOOK_SECRETS (a Key Vault reference), so that receivers can check the sender"
        yield warning(CALLBACKS, "webhooks are not signed, or their secret is a reference that is not checked here", fix)
    if not settings.callback_hosts:
        yield ok(CALLBACKS, "no webhooks are allowed (STEWARD_CALLBACK_HOSTS is not set)")


def entirely_local(settings: Settings) -> bool:
    """Whether only receivers of this machine are allowed."""
    return all(entry.startswith(receivers.LOOPBACK) for entry in settings.callback_hosts)


def _resolved(entry: str, look_up: Callable[..., Any]) -> Finding:
    host, _, port = entry.partition(":")
    if host == receivers.LOOPBACK:
        return ok(CALLBACKS, f"{entry} is a receiver on this machine")
    try:
        addresses = sorted({str(row[4][0]) for row in look_up(host, int(port or 443), type=socket.SOCK_STREAM)})
    except (OSError, ValueError):
        return problem(CALLBACKS, f"{entry} has no address", "correct the name in STEWARD_CALLBACK_HOSTS, or its DNS entry")
    private = [address for address in addresses if not receivers.is_public(address)]
    if private:
        local = all(ipaddress.ip_address(address).is_loopback for address in private)
        fix = f"name a receiver on this machine {receivers.LOOPBACK}:PORT" if local else PUBLIC_ONLY
        return problem(CALLBACKS, f"{entry} resolves to {', '.join(private)}, which is not public", fix)
    return ok(CALLBACKS, f"{entry} resolves to {', '.join(addresses)}")
