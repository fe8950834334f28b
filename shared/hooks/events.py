"""Read events of Azure Event Grid and CloudEvents senders into one form, and pack them into queue messages.

Keys are read case-insensitively: Microsoft's schema page and its samples disagree (docs/protocol.md §9). Pure. Not here:
the target of an event (event_target), matching rules (matching).
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from shared.catalog import bodies
from shared.rest import client, errors
from shared.telemetry import trace
from shared.text import times

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

MESSAGE_VERSION = 1
MESSAGE_LIMIT = 48 * 1024  # bytes of a queue message before base64, which Azure stores up to 64 KiB of
DELIVERY_LIMIT = 1024 * 1024  # bytes of one delivery: Event Grid's own limit
COUNT_LIMIT = 5_000  # events of one delivery: Event Grid's own limit
NESTING_LIMIT = 64
TEXT_LIMIT = 2_048  # characters of an id, a type, a source or a subject
VALIDATION = "Microsoft.EventGrid.SubscriptionValidationEvent"
CLOUD = "specversion"

_CLOUD_MEDIA = "application/cloudevents"
_BATCH_MEDIA = "application/cloudevents-batch"
_GRID_NAMES = {"id": "id", "source": "topic", "subject": "subject", "type": "eventType", "time": "eventTime"}
_CLOUD_NAMES = {"id": "id", "source": "source", "subject": "subject", "type": "type", "time": "time"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An event, in either schema.

    Attributes:
        id: Unique within its source.
        source: ARM id of the workspace, resource group or subscription that raised it (Event Grid calls it topic).
        type: For example `Microsoft.MachineLearningServices.ModelRegistered`.
        subject: What it is about, below the source.
        time: The sender's text, '' without one.
        data: As sent; `value` reads its keys in any casing.
        trace: The `traceparent` of its cause, '' for none: from CloudEvents' Distributed Tracing extension, or from the header
            of the request that delivered it. `tracestate` is not kept.
    """

    id: str
    source: str
    type: str
    subject: str = ""
    time: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    trace: str = ""

    @property
    def key(self) -> str:
        """The event's key: 160 bits of a hash of source and id (which are unique together in CloudEvents)."""
        return key_of(self.source, self.id)

    def value(self, name: str) -> Any:
        """Return a member of `data` by its key in any casing; None when it does not exist."""
        return lowered(self.data).get(name.lower())

    def text(self, name: str) -> str:
        """Return a member of `data` that is a string, else ''."""
        found = self.value(name)
        return found if isinstance(found, str) else ""

    def document(self) -> dict[str, Any]:
        """Return the event for expressions: the top keys of `data` begin in lower case, whatever the sender's casing."""
        return {**self.to_json(), "data": {f"{name[:1].lower()}{name[1:]}": value for name, value in self.data.items()}}

    def to_json(self) -> dict[str, Any]:
        """Return the event's JSON for a queue message, with CloudEvents' names."""
        out = {"id": self.id, "source": self.source, "type": self.type, "subject": self.subject, "time": self.time}
        out[trace.HEADER] = self.trace
        return {**{name: value for name, value in out.items() if value}, "data": dict(self.data)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """The content of one request or message: events, or the code of Event Grid's handshake to send back."""

    events: tuple[Event, ...] = ()
    validation_code: str = ""


def key_of(source: str, event_id: str) -> str:
    """Return the key of the event with an id of a source."""
    return hashlib.sha256(f"{source.lower()}\n{event_id}".encode()).hexdigest()[:40]


def lowered(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mapping with its keys in lower case; of two casings of one key the first counts."""
    out: dict[str, Any] = {}
    for name, value in mapping.items():
        out.setdefault(str(name).lower(), value)
    return out


def from_http(content: bytes, headers: Mapping[str, str]) -> Delivery:
    """Read a webhook delivery: the Event Grid schema, or CloudEvents 1.0 structured, batched or binary.

    An event without its own trace joins that of the request's `traceparent` header.

    Args:
        content: The body.
        headers: The request's, names in lower case.

    Raises:
        BadRequestError: `InvalidEvent`, naming the event and the field; 413 above 1 MB.
    """
    if len(content) > DELIVERY_LIMIT:
        message = f"The delivery has {len(content)} bytes; at most {DELIVERY_LIMIT} are allowed, which is Event Grid's own limit."
        raise errors.BadRequestError("RequestContentTooLarge", message, target="body", status=413)
    found = _delivered(content, headers)
    outer = _traced(headers.get(trace.HEADER))
    return replace(found, events=tuple(event if event.trace else replace(event, trace=outer) for event in found.events))


def _delivered(content: bytes, headers: Mapping[str, str]) -> Delivery:
    media = headers.get("content-type", "").partition(";")[0].strip().lower()
    if "ce-specversion" in headers and not media.startswith(_CLOUD_MEDIA):
        return Delivery(events=(_binary(content, headers, media),))
    parsed = _json(content)
    if media.startswith(_BATCH_MEDIA) and not isinstance(parsed, list):
        raise _invalid("The body is not a JSON array; expected an array, because the media type is a batch of CloudEvents.", "body")
    return _delivery(parsed, headers.get("aeg-event-type", ""))


def from_message(text: str) -> list[Event]:
    """Read a message of the events queue: one that `packed` made, or an event that Event Grid put there itself.

    Raises:
        BadRequestError: `InvalidEvent`.
    """
    parsed = _json(text.encode("utf-8", errors="replace"))
    if isinstance(parsed, dict) and isinstance(parsed.get("events"), list) and "version" in parsed:
        if parsed["version"] != MESSAGE_VERSION:
            raise _invalid(f"The message has version {parsed['version']!r}; this app reads {MESSAGE_VERSION}.", "version")
        return [_event(each, f"events[{position}]", _CLOUD_NAMES) for position, each in enumerate(parsed["events"])]
    return list(_delivery(parsed, "").events)


def of(raw: Mapping[str, Any]) -> Event:
    """Read one event of either schema.

    Raises:
        BadRequestError: `InvalidEvent`.
    """
    return _one(raw, "body")


def packed(events: Iterable[Event]) -> Iterator[str]:
    """Yield as few queue messages as possible for the events, in order; an event too large for any message goes alone."""
    batch: list[str] = []
    head = f'{{"version":{MESSAGE_VERSION},"events":['
    room = MESSAGE_LIMIT - len(head) - 2
    size = 0
    for event in events:
        text = json.dumps(event.to_json(), separators=(",", ":"))  # ASCII: one character is one byte
        if batch and size + len(text) + 1 > room:
            yield f"{head}{','.join(batch)}]}}"
            batch, size = [], 0
        batch.append(text)
        size += len(text) + 1
    if batch:
        yield f"{head}{','.join(batch)}]}}"


def moment(event: Event) -> datetime | None:
    """Return the time of the event in UTC; None when it is missing or invalid."""
    return times.moment(event.time)


def _delivery(parsed: Any, event_type: str) -> Delivery:
    if not isinstance(parsed, list | dict):
        raise _invalid("The body is not an event or an array of events.", "body")
    raw = parsed if isinstance(parsed, list) else [parsed]
    if len(raw) > COUNT_LIMIT:
        raise _invalid(f"The delivery has {len(raw)} events; at most {COUNT_LIMIT} are allowed.", "body")
    found = tuple(_one(each, f"[{position}]" if isinstance(parsed, list) else "body") for position, each in enumerate(raw))
    for event in found:
        if event.type == VALIDATION or (event_type.lower() == "subscriptionvalidation" and event.text("validationCode")):
            code = event.text("validationCode")
            if len(found) > 1 or not code:
                raise _invalid("The validation event is not alone or has no data.validationCode.", "data.validationCode")
            return Delivery(validation_code=code)
    return Delivery(events=found)


def _one(raw: Any, place: str) -> Event:
    if not isinstance(raw, dict):
        raise _invalid(f"{place} is not an object.", place)
    return _event(raw, place, _CLOUD_NAMES if CLOUD in lowered(raw) else _GRID_NAMES)


def _event(raw: Any, place: str, names: Mapping[str, str]) -> Event:
    if not isinstance(raw, dict):
        raise _invalid(f"{place} is not an object.", place)
    low = lowered(raw)
    if low.get(CLOUD) not in (None, "1.0"):
        raise _invalid(f"{place}.specversion is {str(low[CLOUD])[:20]!r}; expected '1.0'.", f"{place}.specversion")
    found: dict[str, str] = {}
    for attribute, name in names.items():
        value = low.get(name.lower())
        if value is None and attribute in ("subject", "time"):
            continue
        required = attribute in ("id", "type") or (attribute == "source" and names is _CLOUD_NAMES)
        if value is None and not required:
            continue
        if not isinstance(value, str) or (required and not value.strip()):
            given = "missing" if name.lower() not in low else "empty" if isinstance(value, str) else f"a JSON {bodies.noun(value)}"
            raise _invalid(f"{place}.{name} is {given}; expected a text.", f"{place}.{name}")
        if len(value) > TEXT_LIMIT:
            raise _invalid(f"{place}.{name} has {len(value)} characters; at most {TEXT_LIMIT} are allowed.", f"{place}.{name}")
        found[attribute] = value
    data = low.get("data") if low.get("data_base64") is None else _decoded(low, place)
    held = data if isinstance(data, dict) else {"value": data} if data is not None else {}
    return Event(**{"source": "", **found}, data=held, trace=_traced(low.get(trace.HEADER)) if names is _CLOUD_NAMES else "")


def _traced(value: Any) -> str:
    """Return a valid `traceparent`, else ''; the rules are those for a request's header."""
    found = trace.parse(value) if isinstance(value, str) else None
    return found.header if found else ""


def _decoded(low: Mapping[str, Any], place: str) -> Any:
    """Return the data of a CloudEvent with `data_base64`: parsed if it is JSON, else as text."""
    given, at = low["data_base64"], f"{place}.data_base64"
    if not isinstance(given, str):
        raise _invalid(f"{at} is a JSON {bodies.noun(given)}; expected a text.", at)
    if low.get("data") is not None:
        raise _invalid(f"{place} has both 'data' and 'data_base64'; send one of them.", at)
    try:
        content = base64.b64decode(given, validate=True)
    except ValueError as bad:
        raise _invalid(f"{at} is not base64 ({bad}). Send JSON or text as 'data'.", at) from None
    try:
        return _json(content)
    except errors.BadRequestError:
        return given


def _binary(content: bytes, headers: Mapping[str, str], media: str) -> Event:
    """Read a CloudEvent whose attributes are headers (`ce-*`, percent-encoded) and whose body is its data."""
    raw: dict[str, Any] = {
        name.removeprefix("ce-"): _header_text(name, value)
        for name, value in headers.items()
        if name.startswith("ce-") and len(name) < 64
    }
    for name in ("data", "data_base64"):
        if name in raw:
            raise _invalid(f"There is no attribute 'ce-{name}': the body of the request is the data.", f"ce-{name}")
    if content:
        is_json = not media or media.endswith(("/json", "+json"))
        raw["data"] = _json(content) if is_json else content.decode("utf-8", errors="replace")
    return _event(raw, "body", _CLOUD_NAMES)


def _header_text(name: str, value: str) -> str:
    """Decode an attribute by section 3.1.3.2 of the HTTP binding 1.0.2: quotation marks first, then percent-encoding once.

    Raises:
        BadRequestError: `InvalidEvent`; the closing quotation mark is missing, or it is not UTF-8.
    """
    text = value.strip()
    if text.startswith('"'):
        if not re.fullmatch(r'"(?:[^"\\]|\\.)*"', text):
            raise errors.BadRequestError("InvalidEvent", f"The header '{name}' has an unclosed quotation.", target=name)
        text = re.sub(r"\\(.)", r"\1", text[1:-1])
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        message = f"The header '{name}' is not percent-encoded UTF-8."
        raise errors.BadRequestError("InvalidEvent", message, target=name) from None


def _json(content: bytes) -> Any:
    try:
        text = content.decode("utf-8-sig")
        parsed = json.loads(text, parse_constant=bodies.refuse_constant, parse_float=_number)
        if "\\ud" in text or "\\uD" in text:  # a lone surrogate, for example from a cut text, cannot be stored
            parsed = json.loads(
                json.dumps(parsed, ensure_ascii=False).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
            )
    except (ValueError, RecursionError) as bad:
        raise _invalid(f"The body is not JSON: {_reason(bad)}.", "body") from None
    if client.deeper(parsed, NESTING_LIMIT):
        raise _invalid(f"The body is nested deeper than {NESTING_LIMIT} levels.", "body")
    return parsed


def _reason(bad: ValueError | RecursionError) -> str:
    """Return the reason in the sender's terms, not in Python's."""
    match bad:
        case RecursionError():
            return "it is nested too deeply"
        case json.JSONDecodeError():
            return f"{bad.msg.removesuffix(' at')} at line {bad.lineno}, column {bad.colno}"
        case UnicodeDecodeError():
            return f"it is not UTF-8 ({bad.reason})"
    return "it contains a number that is too large" if "string conversion" in str(bad) else str(bad)[:200]


def _number(text: str) -> float | str:
    """Return a number, or its text if it is too large: infinity cannot be written as JSON."""
    found = float(text)
    return found if math.isfinite(found) else text


def _invalid(message: str, target: str) -> errors.BadRequestError:
    return errors.BadRequestError("InvalidEvent", message, target=target)
