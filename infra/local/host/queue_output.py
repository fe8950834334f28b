"""Queue output bindings: puts on the queue what a function returned or ``set``. Other output bindings do not exist here."""

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

from infra.local.host import queue_trigger, settings, storage
from infra.local.host.functions import Function
from infra.local.host.invocation import Result, Value


def deliver(
    function: Function,
    result: Result,
    app_settings: Mapping[str, str],
    *,
    base64_encoded: bool,
    notify: Callable[[str], None],
) -> None:
    """Put the messages of one finished run on their queues.

    Args:
        function: Whose bindings.
        result: What it wrote.
        app_settings: For the connections.
        base64_encoded: host.json ``messageEncoding``.
        notify: Called with the queue's name, so that its trigger looks at once.
    """
    for binding in function.outputs:
        value = result.value if binding["name"] == "$return" else result.outputs.get(str(binding["name"]))
        if binding["type"] != "queue" or value is None:
            continue
        name = str(binding["queueName"])
        connection = settings.connection_string(str(binding["connection"]), app_settings, f"function {function.name}")
        with storage.queue(connection, name) as queue:
            for body in messages(value):
                queue_trigger.put(queue, base64.b64encode(body).decode() if base64_encoded else body.decode())
        notify(name)


def messages(value: Value) -> list[bytes]:
    """The messages in one output value: a JSON array is one message per element."""
    kind, content = value
    if kind != "json":
        return [content if isinstance(content, bytes) else str(content).encode()]
    document = json.loads(content)
    return [_body(item) for item in (document if isinstance(document, list) else [document])]


def _body(item: Any) -> bytes:
    if isinstance(item, dict) and item.keys() == {"id", "body"}:  # the library's shape of a QueueMessage
        item = item["body"]
    return (item if isinstance(item, str) else json.dumps(item)).encode()
