"""W3C trace context (https://www.w3.org/TR/trace-context/): whose request this is part of, from the caller to Azure.

A trace is bound to the thread of work that serves it; whatever is sent meanwhile carries it on. `tracestate` is not kept: it
is foreign text of any kind, and the recommendation lets it go. Not here: spans (calls), where a trace is stored (operations).
"""

from __future__ import annotations

import hashlib
import re
import secrets
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADER = "traceparent"
_PATTERN = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII | re.DOTALL)
_SAMPLED = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One trace as it is handed on.

    Attributes:
        id: 32 hexadecimal digits, the same from the first caller to the last server.
        parent: Id of the span that hands it on, 16 hexadecimal digits.
        sampled: Whether the caller records it; who follows should, too.
    """

    id: str
    parent: str
    sampled: bool = True

    @property
    def header(self) -> str:
        """The `traceparent` header, version 00."""
        return f"00-{self.id}-{self.parent}-{int(self.sampled):02x}"

    def child(self) -> Trace:
        """Return it as a new span of it hands it on."""
        return replace(self, parent=secrets.token_hex(8))


def parse(text: str) -> Trace | None:
    """Read a `traceparent`; None when it is not one, whereupon a new trace begins (§3.2: never an error of the caller's request).

    A later version is read as far as version 00 goes, as §4.1 asks.
    """
    found = _PATTERN.fullmatch(text.strip(" \t"))
    if found is None:
        return None
    version, trace_id, parent, flags, more = found.groups()
    if version == "ff" or (version == "00" and more) or not trace_id.strip("0") or not parent.strip("0"):
        return None
    return Trace(id=trace_id, parent=parent, sampled=bool(int(flags, 16) & _SAMPLED))


def new() -> Trace:
    """Begin a trace."""
    return Trace(id=secrets.token_hex(16), parent=secrets.token_hex(8))


def derived(text: str) -> Trace:
    """Return the trace of something that has a name, the same one each time: what is done again belongs to it, too."""
    digest = hashlib.sha256(f"trace\n{text}".encode()).hexdigest()
    return Trace(id=digest[:32], parent=digest[32:48])


_current: ContextVar[Trace | None] = ContextVar("trace", default=None)
_operation: ContextVar[str] = ContextVar("operation", default="")


def current() -> Trace | None:
    """Return the trace that this work is part of."""
    return _current.get()


def operation() -> str:
    """Return the id of the operation that this work is a step of, '' for none."""
    return _operation.get()


@contextmanager
def bound(trace: Trace | None, *, operation: str = "") -> Iterator[None]:
    """Do what follows as part of a trace, and of an operation; None begins a new trace."""
    held, named = _current.set(trace or new()), _operation.set(operation)
    try:
        yield
    finally:
        _current.reset(held)
        _operation.reset(named)
