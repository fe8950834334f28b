"""The app's settings: environ read once into one frozen value, with every default and every mistake named here.

Not here: opening anything (services).
"""

from __future__ import annotations

import re
from base64 import b64decode
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from shared.catalog import kinds
from shared.rest import clouds, errors
from shared.telemetry import export
from shared.text import durations

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import timedelta

    from shared.rest.clouds import Cloud


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A setting that cannot be used: which, and what was expected."""

    name: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The app's settings.

    Attributes:
        subscription_id, resource_group: Where a path without a scope belongs (`STEWARD_SUBSCRIPTION_ID`,
            `STEWARD_RESOURCE_GROUP`).
        other_subscriptions: What the app works in besides that subscription (`STEWARD_SUBSCRIPTIONS` behind its first).
        cloud: `STEWARD_CLOUD`: AzureCloud, AzureUSGovernment or AzureChinaCloud.
        storage: Connection string of the app's own storage (`AzureWebJobsStorage`), '' when it is reached by identity.
        table_uri, blob_uri, queue_uri: Service URIs (`AzureWebJobsStorage__tableServiceUri` …) for identity-based access.
        storage_client_id: Client id of the managed identity for them (`AzureWebJobsStorage__clientId`).
        retention_days: How long ended operations are kept (`STEWARD_RETENTION_DAYS`).
        threads: How many requests may work at once in a process (`PYTHON_THREADPOOL_THREAD_COUNT`).
        plain_scoring: Whether a scoring URI may be plain http or a bare address (`STEWARD_ALLOW_PLAIN_SCORING`): v1 services
            and Kubernetes endpoints without TLS.
        previews: Whether actions of preview api-versions are offered (`STEWARD_PREVIEWS`).
        address: Where callers reach the API, for links and as the source of notifications (`STEWARD_ADDRESS`, else made of
            `WEBSITE_HOSTNAME`, set by Azure); '' where neither is set. The Host header of a request is never believed.
        callback_hosts: Receivers that callers may name: `hooks.contoso.com`, `*.contoso.com`, `127.0.0.1:9000`, a topic's host,
            `queue:NAME` (`STEWARD_CALLBACK_HOSTS`).
        webhook_secrets: What webhooks are signed with, for a host or ('') for all (`STEWARD_WEBHOOK_SECRETS`).
        notify: Who is notified of every operation's end (`STEWARD_NOTIFY`).
        poll_with_events_s: The least pause before a poll where events announce ends
            (`STEWARD_POLL_WITH_EVENTS`); 0 where none do.
        signed_in: Whether the platform signs callers in and vouches for `x-ms-client-principal-name` (`WEBSITE_AUTH_ENABLED`,
            set by Azure); otherwise every caller with a key could write that header.
        cleanup: Whether the clean-up may do anything (`STEWARD_CLEANUP`: `on` or `off`); off stops runs under way, too.
        cleanup_days: How long reports of the clean-up are kept (`STEWARD_CLEANUP_REPORT_DAYS`).
        cost_days: How long is kept what costs are made of (`STEWARD_COST_DAYS`); 0: nothing is looked at.
        max_ttl: How long at most each kind may live that is given an expiry (`STEWARD_MAX_TTL`: `computeInstance=PT12H job=P2D`).
        unnamed_keys: Whether a function key that has no name here may do everything (`STEWARD_UNNAMED_KEYS`: `admin` or `refused`).
        audit_days: How long rows of the audit are kept (`STEWARD_AUDIT_DAYS`).
        uploads: How many uploads one caller may have that are not forgotten yet (`STEWARD_UPLOADS`).
        upload_gb: How large one may be, in GB (`STEWARD_UPLOAD_GB`).
        approvals: What another person must approve (`STEWARD_APPROVALS`): `cleanup`, `rules`, `resourceGroups`, `workspaces`.
        approval_hours: How long an approval can be given (`STEWARD_APPROVAL_HOURS`).
        score_hours: How long answers of asynchronous scores are kept, and how long the app tries (`STEWARD_SCORE_HOURS`).
        failure_logs: Whether a failed operation shows the end of its log (`STEWARD_FAILURE_LOGS`).
        telemetry: Where measurements and spans go (`STEWARD_TELEMETRY`): `off`, `otlp` or `azuremonitor`.
        problems: Optional settings that cannot be used. Each of them turns off what it is for, and nothing else.
    """

    subscription_id: str = ""
    resource_group: str = ""
    other_subscriptions: tuple[str, ...] = ()
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
    address: str = ""
    callback_hosts: tuple[str, ...] = ()
    webhook_secrets: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    notify: tuple[str, ...] = ()
    poll_with_events_s: int = 0
    cleanup: bool = True
    cleanup_days: int = 180
    cost_days: int = 400
    max_ttl: tuple[tuple[str, timedelta], ...] = ()
    unnamed_keys: bool = True
    audit_days: int = 365
    uploads: int = 200
    upload_gb: int = 200
    approvals: frozenset[str] = frozenset()
    approval_hours: int = 24
    score_hours: int = 24
    failure_logs: bool = True
    telemetry: str = "off"
    problems: tuple[Problem, ...] = ()

    @property
    def subscriptions(self) -> tuple[str, ...]:
        """All that the app works in, the home first; none where every caller names one."""
        return (self.subscription_id, *self.other_subscriptions) if self.subscription_id else ()

    def everywhere(self, also: str = "") -> tuple[str, ...]:
        """Return all subscriptions from which something can refer to what is in one of them, `also` included.

        Raises:
            RejectedError: `NotSeen`; the setting that lists them cannot be used.
        """
        if unusable := self.problem(SUBSCRIPTIONS):
            raise errors.RejectedError(errors.AzureError(code="NotSeen", message=unusable), status=403)
        known = {each.lower(): each for each in (*self.subscriptions, also) if each}
        return tuple(known.values())

    @property
    def source(self) -> str:
        """Who notifications say they are from."""
        return self.address or "/azureml-steward"

    @property
    def receivers(self) -> tuple[str, ...]:
        """All that may be notified: what callers may name, and what the operator names."""
        return (*self.callback_hosts, *self.notify)

    def problem(self, name: str) -> str:
        """Return what is wrong with a setting, '' when it can be used."""
        return next((each.message for each in self.problems if each.name == name), "")


UNRESOLVED = "@microsoft.keyvault("  # how a reference begins that the platform could not resolve: the app sees it as it is
APPROVALS = ("cleanup", "rules", "resourceGroups", "workspaces")
WEBHOOK_SECRETS = "STEWARD_WEBHOOK_SECRETS"
MAX_TTL = "STEWARD_MAX_TTL"
SUBSCRIPTION, SUBSCRIPTIONS = "STEWARD_SUBSCRIPTION_ID", "STEWARD_SUBSCRIPTIONS"
_SUBSCRIPTION = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_ADDRESS = re.compile(r"https://[A-Za-z0-9.-]+(?::\d+)?(?:/[\w.~-]+)*|http://(?:localhost|127\.0\.0\.1)(?::\d+)?(?:/[\w.~-]+)*")
NUMBER_LIMIT = 100_000  # as days well within what a date holds, as anything else more than anyone means

AZURITE = (
    "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;"
    "AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;"  # published, not secret
    "BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;QueueEndpoint=http://127.0.0.1:10001/devstoreaccount1;"
    "TableEndpoint=http://127.0.0.1:10002/devstoreaccount1;"
)


def from_environ(environ: Mapping[str, str]) -> Settings:
    """Read the settings. An optional one that cannot be used is named among the `problems`, and its feature is off.

    Without what is not optional (cloud, storage) there is nothing to be done.

    Raises:
        ValueError: the cloud or the storage cannot be used; the message names the setting and what was expected.
    """
    for name in (*(each for each in environ if each.startswith("AzureWebJobsStorage")), "STEWARD_CLOUD"):
        _check_resolved(environ, name)
    problems: list[Problem] = []

    def optional[T](name: str, read: Callable[[Mapping[str, str], str], T], *, off: T) -> T:
        try:
            _check_resolved(environ, name)
            return read(environ, name)
        except ValueError as unusable:
            problems.append(Problem(name=name, message=str(unusable)))
            return off

    storage = environ.get("AzureWebJobsStorage", "")
    account = environ.get("AzureWebJobsStorage__accountName", "")
    cloud = _cloud(environ.get("STEWARD_CLOUD", "").strip() or clouds.PUBLIC.name)

    def uri(service: str) -> str:
        named = environ.get(f"AzureWebJobsStorage__{service}ServiceUri", "")
        return named or (f"https://{account}.{service}{cloud.storage_suffix}" if account else "")

    home = optional(SUBSCRIPTION, _text, off="")
    none: tuple[str, ...] = ()
    listed = optional(SUBSCRIPTIONS, _subscriptions, off=none) or (home,)  # off: what refers to something is then unknown
    found = Settings(
        subscription_id=listed[0],
        other_subscriptions=listed[1:],
        resource_group=optional("STEWARD_RESOURCE_GROUP", _text, off=""),
        cloud=cloud,
        storage=AZURITE if storage.rstrip(";").lower() == "usedevelopmentstorage=true" else storage,
        table_uri=uri("table"),
        blob_uri=uri("blob"),
        queue_uri=uri("queue"),
        storage_client_id=environ.get("AzureWebJobsStorage__clientId", ""),
        retention_days=optional("STEWARD_RETENTION_DAYS", _number(30, least=1), off=NUMBER_LIMIT),  # off: nothing is deleted
        threads=optional("PYTHON_THREADPOOL_THREAD_COUNT", _number(32, least=1), off=32),
        plain_scoring=optional("STEWARD_ALLOW_PLAIN_SCORING", _flag, off=False),
        previews=optional("STEWARD_PREVIEWS", _flag, off=False),
        signed_in=optional("WEBSITE_AUTH_ENABLED", _flag, off=False),
        address=optional("STEWARD_ADDRESS", _address, off=_own_address(environ)),
        callback_hosts=optional("STEWARD_CALLBACK_HOSTS", _words, off=()),
        webhook_secrets=optional(WEBHOOK_SECRETS, _secrets, off=()),  # off: no webhook is sent, rather than one without a signature
        notify=optional("STEWARD_NOTIFY", _words, off=()),
        poll_with_events_s=optional("STEWARD_POLL_WITH_EVENTS", _number(0, least=0), off=0),
        cleanup=optional("STEWARD_CLEANUP", _choice(("on", "off")), off="off") == "on",
        cleanup_days=optional("STEWARD_CLEANUP_REPORT_DAYS", _number(180, least=1), off=NUMBER_LIMIT),
        cost_days=optional("STEWARD_COST_DAYS", _number(400, least=0), off=NUMBER_LIMIT),
        max_ttl=optional(MAX_TTL, _ceilings, off=()),  # off: no expiry is taken, rather than one above its ceiling
        unnamed_keys=optional("STEWARD_UNNAMED_KEYS", _choice(("admin", "refused")), off="refused") == "admin",
        audit_days=optional("STEWARD_AUDIT_DAYS", _number(365, least=1), off=NUMBER_LIMIT),
        uploads=optional("STEWARD_UPLOADS", _number(200, least=0), off=200),
        upload_gb=optional("STEWARD_UPLOAD_GB", _number(200, least=1), off=200),
        approvals=optional(
            "STEWARD_APPROVALS", _some_of(APPROVALS), off=frozenset(APPROVALS)
        ),  # off: all of them, rather than less
        approval_hours=optional("STEWARD_APPROVAL_HOURS", _number(24, least=1), off=24),
        score_hours=optional("STEWARD_SCORE_HOURS", _number(24, least=1), off=24),
        failure_logs=optional("STEWARD_FAILURE_LOGS", _choice(("on", "off")), off="off") == "on",
        telemetry=optional("STEWARD_TELEMETRY", _choice(export.CHOICES), off="off"),
    )
    return replace(found, problems=tuple(problems))


def _check_resolved(environ: Mapping[str, str], name: str) -> None:
    if environ.get(name, "").strip().lower().startswith(UNRESOLVED):
        message = (
            f"{name} is a Key Vault reference that the platform did not resolve; expected its value. Look at the setting in the "
            "portal (Environment variables shows the reason): the secret's name, the identity's role, the vault's firewall."
        )
        raise ValueError(message)


def _text(environ: Mapping[str, str], name: str) -> str:
    return environ.get(name, "")


def _cloud(name: str) -> Cloud:
    cloud = clouds.CLOUDS.get(name.lower())
    if cloud is None:
        known = ", ".join(each.name for each in clouds.CLOUDS.values())
        message = f"STEWARD_CLOUD is '{name[:50]}'; expected one of {known}"
        raise ValueError(message)
    return cloud


def _address(environ: Mapping[str, str], name: str) -> str:
    """Read the base URL of the API, as callers have it."""
    given = environ.get(name, "").strip().rstrip("/")
    if given and not _ADDRESS.fullmatch(given):
        message = f"{name} is '{given[:100]}'; expected https://HOST/api, the base URL that callers use"
        raise ValueError(message)
    return given or _own_address(environ)


def _own_address(environ: Mapping[str, str]) -> str:
    host = environ.get("WEBSITE_HOSTNAME", "")
    local = host.partition(":")[0] in ("localhost", "127.0.0.1")  # as Core Tools set it
    return f"http{'' if local else 's'}://{host}/api" if host else ""


def _words(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Read a list, separated by commas or spaces."""
    return tuple(environ.get(name, "").replace(",", " ").split())


def _subscriptions(environ: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Read ids of subscriptions, the home first: what `STEWARD_SUBSCRIPTION_ID` names, where that is set, too."""
    found = tuple(dict.fromkeys(word.lower() for word in _words(environ, name)))
    if bad := next((word for word in found if not _SUBSCRIPTION.fullmatch(word)), None):
        message = f"{name} contains '{bad[:50]}'; expected ids of subscriptions (GUIDs), separated by commas"
        raise ValueError(message)
    home = environ.get(SUBSCRIPTION, "")
    if found and home and home.lower() != found[0].lower():
        message = f"{name} begins with {found[0]}, but {SUBSCRIPTION} is '{home[:50]}'; make them the same, or set only the list"
        raise ValueError(message)
    return found


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
            message = f"{name} contains a value that is not a secret; expected whsec_ and base64 of 24 to 64 bytes, or HOST=whsec_…"
            raise ValueError(message)
        out.append((host.lower(), secret))
    return tuple(out)


def _ceilings(environ: Mapping[str, str], name: str) -> tuple[tuple[str, timedelta], ...]:
    """Read `KIND=DURATION`, separated by commas or spaces."""
    out = []
    for word in _words(environ, name):
        kind, _, length = word.partition("=")
        known = {each.name for row in kinds.KINDS for each in row.endings}
        if kind not in known:
            message = f"{name} names '{kind[:50]}'; expected KIND=DURATION, such as computeInstance=PT12H (kinds: docs/expiry.md)"
            raise ValueError(message)
        try:
            out.append((kind, durations.parse(length)))
        except ValueError as problem:
            message = f"{name} is '{word[:50]}'; {problem}"
            raise ValueError(message) from None
    return tuple(out)


def _number(default: int, *, least: int) -> Callable[[Mapping[str, str], str], int]:
    def read(environ: Mapping[str, str], name: str) -> int:
        text = environ.get(name, "").strip() or str(default)
        if not text.isdecimal() or len(text) > 9 or not least <= int(text) <= NUMBER_LIMIT:
            message = f"{name} is '{text[:50]}'; expected a whole number from {least} to {NUMBER_LIMIT}"
            raise ValueError(message)
        return int(text)

    return read


def _choice(choices: tuple[str, ...]) -> Callable[[Mapping[str, str], str], str]:
    def read(environ: Mapping[str, str], name: str) -> str:
        text = environ.get(name, "").strip() or choices[0]
        found = next((choice for choice in choices if choice.lower() == text.lower()), None)
        if found is None:
            message = f"{name} is '{text[:50]}'; expected one of {', '.join(choices)}"
            raise ValueError(message)
        return found

    return read


def _some_of(choices: tuple[str, ...]) -> Callable[[Mapping[str, str], str], frozenset[str]]:
    def read(environ: Mapping[str, str], name: str) -> frozenset[str]:
        known = {choice.lower(): choice for choice in choices}
        words = _words(environ, name)
        if unknown := next((word for word in words if word.lower() not in known), None):
            message = f"{name} names '{unknown[:50]}'; expected some of {', '.join(choices)}"
            raise ValueError(message)
        return frozenset(known[word.lower()] for word in words)

    return read


def _flag(environ: Mapping[str, str], name: str) -> bool:
    return _choice(("false", "true"))(environ, name) == "true"
