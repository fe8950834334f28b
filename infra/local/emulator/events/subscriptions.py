"""Event subscriptions: what one asks for, read from its ARM body, and whether it wants an event.

Filters: "Understand event filtering"; advanced filters of texts, numbers and booleans. Pure. Not here: sending (`grid.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from infra.local.emulator.events.happened import CLOUD_EVENTS_SCHEMA, EVENT_GRID_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from infra.local.emulator.events.happened import Event

TYPE = "Microsoft.EventGrid/eventSubscriptions"
KINDS = ("WebHook", "AzureFunction", "StorageQueue")
MAX_BATCH, MAX_KILOBYTES = 5_000, 1_024


class SubscriptionError(Exception):
    """The body asks for what Event Grid does not do; the text is for the caller."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where events go.

    Attributes:
        kind: one of `KINDS`.
        url: of a webhook or function, as Azure would call it; the system key of a function is added when it is sent.
        account, queue: of a storage queue.
        batch: most events of one delivery.
        kilobytes: how large a delivery should be at most.
    """

    kind: str
    url: str = ""
    account: str = ""
    queue: str = ""
    batch: int = 1
    kilobytes: int = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """One event subscription.

    Attributes:
        id: ARM id.
        topic: ARM id of what it listens to.
        types: lower case; empty for all.
        attempts: how often a delivery is tried.
        lifetime_s: how long.
    """

    id: str
    topic: str
    destination: Destination
    schema: str = EVENT_GRID_SCHEMA
    types: frozenset[str] = frozenset()
    begins: str = ""
    ends: str = ""
    case_sensitive: bool = False
    filters: tuple[Mapping[str, Any], ...] = ()
    attempts: int = 30
    lifetime_s: float = 86_400.0
    labels: tuple[str, ...] = field(default=())

    @property
    def name(self) -> str:
        """The last segment of the id."""
        return self.id.rpartition("/")[2]

    def topic_of(self, event: Event) -> str | None:
        """The topic that it gets this event from; None when it does not want it."""
        topic = next((each for each in event.topics if each.lower() == self.topic.lower()), None)
        if topic is None or (self.types and event.type.lower() not in self.types):
            return None
        subject, begins, ends = event.subject, self.begins, self.ends
        if not self.case_sensitive:
            subject, begins, ends = subject.lower(), begins.lower(), ends.lower()
        if not (subject.startswith(begins) and subject.endswith(ends)):
            return None
        return topic if all(_holds(each, event.to_json(self.schema, topic)) for each in self.filters) else None


def read(arm_id: str, topic: str, properties: Mapping[str, Any]) -> Subscription:
    """A subscription from its properties.

    Raises:
        SubscriptionError: it is not one that Event Grid takes, or asks for what the local one does not do.
    """
    schema = properties.get("eventDeliverySchema") or EVENT_GRID_SCHEMA
    if schema not in (EVENT_GRID_SCHEMA, CLOUD_EVENTS_SCHEMA):
        raise SubscriptionError(f"eventDeliverySchema is {EVENT_GRID_SCHEMA} or {CLOUD_EVENTS_SCHEMA}, not {schema!r}.")
    wanted, retry = _mapping(properties, "filter"), _mapping(properties, "retryPolicy")
    types = wanted.get("includedEventTypes") or []
    if not isinstance(types, list) or not all(isinstance(each, str) for each in types):
        raise SubscriptionError("filter.includedEventTypes is a list of event types.")
    filters = wanted.get("advancedFilters") or []
    for each in filters:
        if not isinstance(each, dict) or each.get("operatorType") not in _OPERATORS or not each.get("key"):
            raise SubscriptionError(f"An advanced filter has a key and one of the operatorTypes {', '.join(_OPERATORS)}.")
    return Subscription(
        id=arm_id,
        topic=topic,
        destination=_destination(_mapping(properties, "destination")),
        schema=schema,
        types=frozenset(each.lower() for each in types if each.lower() != "all"),
        begins=str(wanted.get("subjectBeginsWith") or ""),
        ends=str(wanted.get("subjectEndsWith") or ""),
        case_sensitive=bool(wanted.get("isSubjectCaseSensitive")),
        filters=tuple(filters),
        attempts=_number(retry, "maxDeliveryAttempts", 30, 30),
        lifetime_s=60.0 * _number(retry, "eventTimeToLiveInMinutes", 1440, 1440),
        labels=tuple(properties.get("labels") or ()),
    )


def _destination(given: Mapping[str, Any]) -> Destination:
    kind, properties = given.get("endpointType"), _mapping(given, "properties")
    batch = _number(properties, "maxEventsPerBatch", 1, MAX_BATCH)
    kilobytes = _number(properties, "preferredBatchSizeInKilobytes", 64, MAX_KILOBYTES)
    if kind == "WebHook":
        url = str(properties.get("endpointUrl") or "")
        if urlsplit(url).scheme != "https" or not urlsplit(url).hostname:
            raise SubscriptionError(f"The attempt to validate the provided endpoint {url} failed: it must be an https URL.")
        return Destination(kind=kind, url=url, batch=batch, kilobytes=kilobytes)
    resource = str(properties.get("resourceId") or "")
    parts = resource.strip("/").split("/")
    if kind == "AzureFunction":
        if [part.lower() for part in parts[4:7:2]] != ["providers", "sites"] or len(parts) != 10 or parts[8].lower() != "functions":
            raise SubscriptionError(
                "An AzureFunction destination has the resourceId …/Microsoft.Web/sites/{app}/functions/{function}."
            )
        url = f"https://{parts[7]}.azurewebsites.net/runtime/webhooks/EventGrid?functionName={parts[9]}"
        return Destination(kind=kind, url=url, batch=batch, kilobytes=kilobytes)
    if kind == "StorageQueue":
        queue = str(properties.get("queueName") or "")
        if len(parts) != 8 or parts[6].lower() != "storageaccounts" or not queue:
            raise SubscriptionError("A StorageQueue destination has the resourceId of a storage account and a queueName.")
        return Destination(kind=kind, account=parts[7], queue=queue)
    raise SubscriptionError(f"The destination's endpointType is one of {', '.join(KINDS)}, not {kind!r}.")


def _mapping(given: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = given.get(name) or {}
    if not isinstance(found, dict):
        raise SubscriptionError(f"{name} is an object.")
    return found


def _number(given: Mapping[str, Any], name: str, default: int, most: int) -> int:
    found = given.get(name)
    found = default if found is None else found
    if not isinstance(found, int) or isinstance(found, bool) or not 1 <= found <= most:
        raise SubscriptionError(f"{name} is a whole number from 1 to {most}.")
    return found


def _holds(wanted: Mapping[str, Any], event: Any) -> bool:
    """Whether an advanced filter holds; keys are looked up in any case, and one that is not there is null."""
    found: Any = event
    for part in str(wanted["key"]).split("."):
        found = {str(name).lower(): value for name, value in found.items()}.get(part.lower()) if isinstance(found, dict) else None
    values = wanted.get("values") if "values" in wanted else [wanted.get("value")]
    return _OPERATORS[wanted["operatorType"]](found, values if isinstance(values, list) else [values])


def _texts(test: Callable[[str, str], bool], *, negated: bool = False) -> Callable[[Any, list[Any]], bool]:
    def holds(found: Any, values: list[Any]) -> bool:
        any_of = isinstance(found, str) and any(test(found.lower(), str(value).lower()) for value in values)
        return any_of is not negated

    return holds


def _numbers(test: Callable[[float, float], bool]) -> Callable[[Any, list[Any]], bool]:
    def holds(found: Any, values: list[Any]) -> bool:
        return isinstance(found, int | float) and any(isinstance(value, int | float) and test(found, value) for value in values)

    return holds


_OPERATORS: dict[str, Callable[[Any, list[Any]], bool]] = {
    "StringIn": _texts(lambda found, value: found == value),
    "StringNotIn": _texts(lambda found, value: found == value, negated=True),
    "StringContains": _texts(lambda found, value: value in found),
    "StringBeginsWith": _texts(lambda found, value: found.startswith(value)),
    "StringEndsWith": _texts(lambda found, value: found.endswith(value)),
    "NumberIn": _numbers(lambda found, value: found == value),
    "NumberGreaterThan": _numbers(lambda found, value: found > value),
    "NumberGreaterThanOrEquals": _numbers(lambda found, value: found >= value),
    "NumberLessThan": _numbers(lambda found, value: found < value),
    "NumberLessThanOrEquals": _numbers(lambda found, value: found <= value),
    "BoolEquals": lambda found, values: isinstance(found, bool) and found in values,
    "IsNotNull": lambda found, _: found is not None,
    "IsNullOrUndefined": lambda found, _: found is None,
}
