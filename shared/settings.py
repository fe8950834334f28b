"""The app's settings: environ read once into one frozen value, with every default and every mistake named here.

Not here: opening anything (services).
"""

from __future__ import annotations

from base64 import b64decode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shared.rest import clouds
from shared.telemetry import export

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.rest.clouds import Cloud


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the app is told.

    Attributes:
        subscription_id, resource_group: Where a path without a scope belongs (`STEWARD_SUBSCRIPTION_ID`,
            `STEWARD_RESOURCE_GROUP`).
        cloud: `STEWARD_CLOUD`: AzureCloud, AzureUSGovernment or AzureChinaCloud.
        storage: Connection string of the app's own storage (`AzureWebJobsStorage`), '' when it is reached by identity.
        table_uri, blob_uri, queue_uri: Service URIs (`AzureWebJobsStorage__tableServiceUri` …) for identity-based access.
        storage_client_id: Client id of the managed identity for them (`AzureWebJobsStorage__clientId`).
        retention_days: How long ended operations are kept (`STEWARD_RETENTION_DAYS`).
        threads: How many requests may work at once in a process (`PYTHON_THREADPOOL_THREAD_COUNT`).
        plain_scoring: Whether a scoring URI may be plain http or a bare address (`STEWARD_ALLOW_PLAIN_SCORING`): v1 services
            and Kubernetes endpoints without TLS.
        previews: Whether actions of preview api-versions are offered (`STEWARD_PREVIEWS`).
        source: Who notifications say they are from: the app's own address (`WEBSITE_HOSTNAME`, set by Azure).
        callback_hosts: Hosts that may be told: `hooks.contoso.com`, `*.contoso.com`, `127.0.0.1:9000` (`STEWARD_CALLBACK_HOSTS`).
        webhook_secrets: What webhooks are signed with, for a host or ('') for all (`STEWARD_WEBHOOK_SECRETS`).
        notify: Who is told of every operation's end (`STEWARD_NOTIFY`).
        poll_with_events_s: The least pause between polls, the first one apart, where events tell of ends
            (`STEWARD_POLL_WITH_EVENTS`); 0 where none do.
        signed_in: Whether the platform signs callers in and vouches for `x-ms-client-principal-name` (`WEBSITE_AUTH_ENABLED`,
            set by Azure); otherwise anybody with a key could write that header.
        cleanup: Whether the clean-up may do anything (`STEWARD_CLEANUP`: `on` or `off`); off stops runs under way, too.
        cleanup_days: How long reports of the clean-up are kept (`STEWARD_CLEANUP_REPORT_DAYS`).
        telemetry: Where measurements and spans go (`STEWARD_TELEMETRY`): `off`, `otlp` or `azuremonitor`.
    """

    subscription_id: str = ""
    resource_group: str = ""
    cloud: Cloud = clouds.PUBLIC
    storage: str = ""
    table_uri: str = ""
    blob_uri: str = ""
    queue_uri: str = ""
    storage_client_id: str = ""
    retention_days: int = 30
    threads: int = 32
    plain_scoring: bool = False
    previews: bool = False
    signed_in: bool = False
    source: str = "/azureml-steward"
    callback_hosts: tuple[str, ...] = ()
    webhook_secrets: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    notify: tuple[str, ...] = ()
    poll_with_events_s: int = 0
    cleanup: bool = True
    cleanup_days: int = 180
    telemetry: str = "off"


NUMBER_LIMIT = 100_000  # as days well within what a date holds, as anything else more than anyone means

AZURITE = (
    "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;"
    "AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;"  # published, not secret
    "BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;QueueEndpoint=http://127.0.0.1:10001/devstoreaccount1;"
    "TableEndpoint=http://127.0.0.1:10002/devstoreaccount1;"
)


def from_environ(environ: Mapping[str, str]) -> Settings:
    """Read the settings.

    Raises:
        ValueError: a setting has a value that cannot be used; the message names it and what was expected.
    """
    storage = environ.get("AzureWebJobsStorage", "")
    account = environ.get("AzureWebJobsStorage__accountName", "")
    cloud = _cloud(environ.get("STEWARD_CLOUD", "").strip() or clouds.PUBLIC.name)

    def uri(service: str) -> str:
        named = environ.get(f"AzureWebJobsStorage__{service}ServiceUri", "")
        return named or (f"https://{account}.{service}{cloud.storage_suffix}" if account else "")

    return Settings(
        subscription_id=environ.get("STEWARD_SUBSCRIPTION_ID", ""),
        resource_group=environ.get("STEWARD_RESOURCE_GROUP", ""),
        cloud=cloud,
        storage=AZURITE if storage.rstrip(";").lower() == "usedevelopmentstorage=true" else storage,
        table_uri=uri("table"),
        blob_uri=uri("blob"),
        queue_uri=uri("queue"),
        storage_client_id=environ.get("AzureWebJobsStorage__clientId", ""),
        retention_days=_number(environ, "STEWARD_RETENTION_DAYS", 30, least=1),
        threads=_number(environ, "PYTHON_THREADPOOL_THREAD_COUNT", 32, least=1),
        plain_scoring=_flag(environ, "STEWARD_ALLOW_PLAIN_SCORING"),
        previews=_flag(environ, "STEWARD_PREVIEWS"),
        signed_in=_flag(environ, "WEBSITE_AUTH_ENABLED"),
        source=f"https://{environ['WEBSITE_HOSTNAME']}/api" if environ.get("WEBSITE_HOSTNAME") else "/azureml-steward",
        callback_hosts=_words(environ, "STEWARD_CALLBACK_HOSTS"),
        webhook_secrets=_secrets(environ, "STEWARD_WEBHOOK_SECRETS"),
        notify=_words(environ, "STEWARD_NOTIFY"),
        poll_with_events_s=_number(environ, "STEWARD_POLL_WITH_EVENTS", 0, least=0),
        cleanup=_choice(environ, "STEWARD_CLEANUP", ("on", "off")) == "on",
        cleanup_days=_number(environ, "STEWARD_CLEANUP_REPORT_DAYS", 180, least=1),
        telemetry=_choice(environ, "STEWARD_TELEMETRY", export.CHOICES),
    )


def _cloud(name: str) -> Cloud:
    cloud = clouds.CLOUDS.get(name.lower())
    if cloud is None:
        known = ", ".join(each.name for each in clouds.CLOUDS.values())
        message = f"STEWARD_CLOUD is '{name}'; expected one of {known}"
        raise ValueError(message)
    return cloud


def _words(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Read a list, separated by commas or spaces."""
    return tuple(environ.get(name, "").replace(",", " ").split())


def _secrets(environ: Mapping[str, str], name: str) -> tuple[tuple[str, str], ...]:
    """Read `whsec_…` or `host=whsec_…`, separated by commas or spaces; several for one host are all signed with (rotation)."""
    out = []
    for word in _words(environ, name):
        host, _, secret = word.rpartition("=whsec_")
        secret = f"whsec_{secret}" if host else word
        try:
            length = len(b64decode(secret.removeprefix("whsec_"), validate=True))
        except ValueError:
            length = 0
        if not secret.startswith("whsec_") or not 24 <= length <= 64:
            message = f"{name} holds something that is no secret; expected whsec_ and base64 of 24 to 64 bytes, or HOST=whsec_…"
            raise ValueError(message)
        out.append((host.lower(), secret))
    return tuple(out)


def _number(environ: Mapping[str, str], name: str, default: int, *, least: int) -> int:
    text = environ.get(name, "").strip() or str(default)
    if not text.isdecimal() or len(text) > 9 or not least <= int(text) <= NUMBER_LIMIT:
        message = f"{name} is '{text[:50]}'; expected a whole number from {least} to {NUMBER_LIMIT}"
        raise ValueError(message)
    return int(text)


def _flag(environ: Mapping[str, str], name: str) -> bool:
    return _choice(environ, name, ("false", "true")).lower() == "true"


def _choice(environ: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    text = environ.get(name, "").strip() or choices[0]
    found = next((choice for choice in choices if choice.lower() == text.lower()), None)
    if found is None:
        message = f"{name} is '{text}'; expected one of {', '.join(choices)}"
        raise ValueError(message)
    return found
