"""Bicep's functions, as far as infra/azure calls them: plain values in and out.

Not here: those whose answer depends on where a file lies and what it is deployed to (evaluation.py). Hashes are not Azure's
own, but are equal where Azure's are.
"""

from __future__ import annotations

import hashlib
import ipaddress
import uuid
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

SUBSCRIPTION = "/subscriptions/11111111-2222-3333-4444-555555555555"
TENANT = "99999999-8888-7777-6666-555555555555"


def _union(*values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for each in values for key, value in each.items()}


def _hashed(*values: str) -> str:
    return "".join(str(byte % 10) for byte in hashlib.sha256("|".join(values).encode()).digest()[:13])


def _concat(*values: Any) -> Any:
    return [item for each in values for item in each] if isinstance(values[0], list) else "".join(values)


def _subnet(prefix: str, size: int, index: int) -> str:
    return str(list(ipaddress.ip_network(prefix).subnets(new_prefix=size))[index])


def resource_id(*words: str) -> str:
    """Return the id of a resource: subscription, group, or neither; its type; its names."""
    at = next(index for index, word in enumerate(words) if "/" in word)
    scope = "".join(f"/{kind}/{word}" for kind, word in zip(("subscriptions", "resourceGroups")[2 - at :], words[:at], strict=True))
    provider, *kinds = words[at].split("/")
    below = "".join(f"/{kind}/{name}" for kind, name in zip(kinds, words[at + 1 :], strict=True))
    return f"{scope or '<here>'}/providers/{provider}{below}"


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "bool": lambda text: {"true": True, "false": False}[text.lower()],
    "cidrSubnet": _subnet,
    "concat": _concat,
    "empty": lambda value: not value,
    "guid": lambda *values: str(uuid.uuid5(uuid.NAMESPACE_URL, "|".join(values))),
    "int": int,
    "join": lambda values, by: by.join(values),
    "last": lambda values: values[-1],
    "replace": lambda text, old, new: text.replace(old, new),
    "resourceId": resource_id,
    "split": lambda text, by: text.split(by),
    "take": lambda value, count: value[:count],
    "tenant": lambda: {"tenantId": TENANT},
    "union": _union,
    "uniqueString": _hashed,
}
