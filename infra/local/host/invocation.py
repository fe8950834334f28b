"""One run of one function, as plain values that can cross a process border.

Only data: ``pool`` sends it, ``worker`` runs it, the triggers make it and read its result.
"""

import uuid
from dataclasses import dataclass, field
from typing import Any

Value = tuple[str, Any]
"""A kind of the worker protocol (``string``, ``json``, ``bytes``, ``http``, ``int``, ``double``) and the value itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """What to run and with what.

    Attributes:
        function_id: The worker library's id of the function.
        inputs: Binding name to value; the trigger's binding among them.
        metadata: Trigger metadata, such as the dequeue count of a queue message.
        trace_parent: W3C ``traceparent``, empty if unknown.
        id: The invocation id that logs show.
    """

    function_id: str
    inputs: dict[str, Value]
    metadata: dict[str, Value] = field(default_factory=dict)
    trace_parent: str = ""
    id: str = field(default_factory=lambda: str(uuid.uuid4()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How a run ended.

    Attributes:
        error: The exception as one line, ``None`` after success.
        stack: Its traceback.
        value: What the function returned through ``$return`` or as its HTTP answer.
        outputs: Output binding name to value.
    """

    error: str | None = None
    stack: str = ""
    value: Value | None = None
    outputs: dict[str, Value] = field(default_factory=dict)


class InvocationLostError(Exception):
    """The worker process ended, or was ended, while it ran the function: how far it came is unknown."""
