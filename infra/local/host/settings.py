"""Reads host.json and local.settings.json, with the platform's names, defaults and limits.

It does not read the functions' bindings (``functions`` does) and has no settings of its own.
Defaults: https://learn.microsoft.com/azure/azure-functions/functions-host-json and
https://learn.microsoft.com/azure/azure-functions/functions-bindings-storage-queue#hostjson-settings
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# The account and key that Microsoft publishes for every emulator:
# https://learn.microsoft.com/azure/storage/common/storage-use-azurite
DEVELOPMENT_STORAGE = (
    "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;"
    "AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;"
    "BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;"
    "QueueEndpoint=http://127.0.0.1:10001/devstoreaccount1;"
    "TableEndpoint=http://127.0.0.1:10002/devstoreaccount1"
)
LEVELS = {"trace": 5, "debug": 10, "information": 20, "warning": 30, "error": 40, "critical": 50, "none": 100}
_OVERRIDES = "azurefunctionsjobhost"
_SETTING = re.compile(r"%([^%]+)%")
_TIME_SPAN = re.compile(r"(?:(\d+)\.)?(\d{1,2}):(\d{1,2})(?::(\d{1,2})(\.\d+)?)?")


class SettingsError(Exception):
    """A file or a setting is missing or wrong; the message names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueOptions:
    """host.json ``extensions.queues``.

    Attributes:
        batch_size: Messages fetched at once, 1 to 32.
        new_batch_threshold: The next batch is fetched once no more than this many are under way.
        max_polling_interval_s: Longest wait between two looks into an empty queue.
        visibility_timeout_s: Delay before a message whose function failed is tried again.
        max_dequeue_count: Tries before a message goes to the poison queue.
        base64: Whether messages are base64 (``messageEncoding``).
        invisible_s: How long a received message is invisible; renewed while its function runs. The platform's is
            fixed at ten minutes.
    """

    batch_size: int = 16
    new_batch_threshold: int = 8
    max_polling_interval_s: float = 2.0  # the platform's while developing; 60 in Azure
    visibility_timeout_s: float = 0.0
    max_dequeue_count: int = 5
    base64: bool = True
    invisible_s: float = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HostJson:
    """What this host honours of host.json.

    Attributes:
        route_prefix: In front of every HTTP route, without slashes at its ends; may be empty.
        max_concurrent_requests: HTTP functions running at once; more wait. ``None`` is unlimited.
        max_outstanding_requests: HTTP requests running or waiting; more are answered 429. ``None`` is unlimited.
        queues: Queue trigger options.
        function_timeout_s: Longest run of a function; ``None`` is unlimited.
        log_levels: Log category to minimum level, as Python numbers them.
        extensions: The section of that name, as it stands in the file.
    """

    route_prefix: str
    max_concurrent_requests: int | None
    max_outstanding_requests: int | None
    queues: QueueOptions
    function_timeout_s: float | None
    log_levels: Mapping[str, int]
    extensions: Mapping[str, Any]


def read_host_json(root: Path, app_settings: Mapping[str, str] | None = None) -> HostJson:
    """Read host.json of the app in ``root``, with what app settings (``AzureFunctionsJobHost__logging__…``) put in its place.

    Raises:
        SettingsError: It is missing, not JSON, not version 2.0, or a value is out of the platform's range.
    """
    document = _overridden(_read_json(root / "host.json"), app_settings or {})
    if document.get("version") != "2.0":
        raise SettingsError('host.json: "version" must be "2.0"')
    extensions = document.get("extensions", {})
    http = extensions.get("http", {})
    logging_options = document.get("logging", {})
    timeout = document.get("functionTimeout", "00:30:00")  # the default of Flex Consumption
    return HostJson(
        route_prefix=http.get("routePrefix", "api").strip("/"),
        max_concurrent_requests=_limit(http.get("maxConcurrentRequests", -1)),
        max_outstanding_requests=_limit(http.get("maxOutstandingRequests", -1)),
        queues=_queue_options(extensions.get("queues", {})),
        function_timeout_s=None if str(timeout) in ("-1", "-00:00:01") else time_span_s(timeout, "functionTimeout"),
        log_levels={name: _level(value) for name, value in logging_options.get("logLevel", {}).items()},
        extensions=extensions,
    )


def _overridden(document: dict[str, Any], app_settings: Mapping[str, str]) -> dict[str, Any]:
    """Put app settings in the place of values: https://learn.microsoft.com/azure/azure-functions/functions-host-json#override-hostjson-values."""
    for name, value in app_settings.items():
        first, *path = name.split("__")
        if first.lower() != _OVERRIDES or not path:
            continue
        section: Any = document
        for depth, part in enumerate(path):
            key = next((known for known in section if known.lower() == part.lower()), part)
            if depth + 1 == len(path):
                section[key] = value
            elif not isinstance(section.setdefault(key, {}), dict):
                raise SettingsError(f"{name}: {part!r} of host.json is a value, not a section")
            else:
                section = section[key]
    return document


def _queue_options(options: Mapping[str, Any]) -> QueueOptions:
    batch_size = int(options.get("batchSize", 16))
    if not 1 <= batch_size <= 32:  # the storage service hands out 32
        raise SettingsError("host.json: extensions.queues.batchSize must be between 1 and 32")
    max_dequeue_count = int(options.get("maxDequeueCount", 5))
    if max_dequeue_count < 1:
        raise SettingsError("host.json: extensions.queues.maxDequeueCount must be at least 1")
    encoding = str(options.get("messageEncoding", "base64")).lower()
    if encoding not in ("base64", "none"):
        raise SettingsError('host.json: extensions.queues.messageEncoding must be "base64" or "none"')
    return QueueOptions(
        batch_size=batch_size,
        new_batch_threshold=int(options.get("newBatchThreshold", batch_size // 2)),
        max_polling_interval_s=time_span_s(options.get("maxPollingInterval", "00:00:02"), "maxPollingInterval"),
        visibility_timeout_s=time_span_s(options.get("visibilityTimeout", "00:00:00"), "visibilityTimeout"),
        max_dequeue_count=max_dequeue_count,
        base64=encoding == "base64",
    )


def _limit(value: object) -> int | None:
    number = int(str(value))
    return None if number < 0 else number


def time_span_s(text: object, where: str) -> float:
    """Seconds of a .NET time span such as ``00:00:02``, ``00:00:00.5`` or ``1.00:00:00``.

    Raises:
        SettingsError: It is something else.
    """
    match = _TIME_SPAN.fullmatch(str(text))
    if not match:
        raise SettingsError(f"host.json: {where} must be a time span such as 00:00:02, not {text!r}")
    days, hours, minutes, seconds, fraction = match.groups()
    whole = int(days or 0) * 86400 + int(hours) * 3600 + int(minutes) * 60 + int(seconds or 0)
    return whole + float(fraction or 0)


def _level(name: object) -> int:
    if str(name).lower() not in LEVELS:
        raise SettingsError(f"host.json: {name!r} is not a log level; one of {', '.join(LEVELS)}")
    return LEVELS[str(name).lower()]


def read_app_settings(path: Path) -> tuple[dict[str, str], dict[str, Any]]:
    """Read local.settings.json: the app settings (``Values``) and the ``Host`` section. No file is no settings.

    Raises:
        SettingsError: The file is not JSON or is encrypted.
    """
    if not path.exists():
        return {}, {}
    document = _read_json(path)
    if document.get("IsEncrypted"):
        raise SettingsError(f"{path.name} is encrypted; only `func start` can read it")
    values = {name: value if isinstance(value, str) else json.dumps(value) for name, value in document.get("Values", {}).items()}
    return values, document.get("Host", {})


def resolve(text: str, settings: Mapping[str, str], where: str) -> str:
    """Replace each ``%NAME%`` by the setting of that name.

    Raises:
        SettingsError: There is no such setting.
    """

    def value(match: re.Match[str]) -> str:
        if match[1] not in settings:
            raise SettingsError(f"{where}: {match[0]} does not resolve to a setting")
        return settings[match[1]]

    return _SETTING.sub(value, text)


def connection_string(name: str, settings: Mapping[str, str], where: str) -> str:
    """The storage connection string behind a binding's ``connection``, tried as the platform does: with the prefix too.

    Raises:
        SettingsError: It is missing. Identity-based connections (``NAME__queueServiceUri``) need Azure.
    """
    for candidate in (f"AzureWebJobs{name}", name):
        if value := settings.get(candidate):
            return DEVELOPMENT_STORAGE if value.strip().rstrip(";") == "UseDevelopmentStorage=true" else value
    raise SettingsError(f"{where}: no setting {name!r} with a storage connection string")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise SettingsError(f"{path} does not exist: is this the folder of a Functions app?") from None
    except ValueError as problem:
        raise SettingsError(f"{path.name} is not JSON: {problem}") from None
    if not isinstance(document, dict):
        raise SettingsError(f"{path.name} must hold a JSON object")
    return document
