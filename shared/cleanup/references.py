"""Who refers to which model version and compute: read out of bodies, whatever the place and spelling of the mention.

Pure, and deliberately greedy: every string of a deployment, schedule or v1 service is looked at, and what might be a
reference counts as one. A mention too many keeps a resource; a mention too few would delete one in use. Not here: reading
the bodies from Azure (inventory), what follows from a mention (verdicts).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterator

ANY_VERSION = "*"

# ARM ids with or without `azureml:`, `azureml://…/models/m/versions/1` of a workspace or registry, and labels (`@latest`).
_MODEL_ID = re.compile(r"/models/([^/]+)/(versions|labels)/([^/?#\s]+)")
_SHORT = re.compile(r"(?:azureml:)?([\w.-]+)([:@])([\w.-]+)")  # `azureml:m:1`, `azureml:m@latest`, v1's `m:1`
_COMPUTE_ID = re.compile(r"/computes/([^/?#\s]+)")
_MODEL_MEMBERS = frozenset({"model", "assetid", "modelid", "modelids", "models"})
_COMPUTE_MEMBERS = frozenset({"compute", "computeid", "computename", "default_compute", "defaultcompute", "target"})


@dataclass(slots=True, kw_only=True)
class References:
    """What the deployments, schedules and v1 services of one workspace refer to; grows while they are read.

    Attributes:
        models: `name:version` in lower case (`name:*` for any version) → who refers to it.
        unclear: What stands where a model belongs and cannot be read as one → who says so.
        computes: Compute name in lower case → who refers to it.
        deployments, schedules, services: How many were looked at.
    """

    models: dict[str, str] = field(default_factory=dict)
    unclear: dict[str, str] = field(default_factory=dict)
    computes: dict[str, str] = field(default_factory=dict)
    deployments: int = 0
    schedules: int = 0
    services: int = 0

    def add(self, body: Any, who: str) -> None:
        """Note everything that `body` may refer to; `who` is the referrer as a reason names it."""
        for member, text in _strings(body):
            found = dict.fromkeys(_models_in(text))
            for key in found:
                self.models.setdefault(key, who)
            if not found and member in _MODEL_MEMBERS and text.strip():
                self.unclear.setdefault(unquote(text).lower(), who)
            for name in _computes_in(member, text):
                self.computes.setdefault(name, who)

    def of_model(self, name: str, version: str) -> str:
        """Return who refers, or may refer, to that version of that model; '' when nobody does."""
        low = name.lower()
        clear = self.models.get(f"{low}:{version.lower()}") or self.models.get(f"{low}:{ANY_VERSION}")
        return clear or next((who for text, who in self.unclear.items() if low in text), "")

    def of_compute(self, name: str) -> str:
        """Return who refers to that compute; '' when nobody does."""
        return self.computes.get(name.lower(), "")


def _strings(value: Any, member: str = "") -> Iterator[tuple[str, str]]:
    """Yield every string in `value` with the lower-cased name of the member it stands under."""
    pending = [(member, value)]
    while pending:
        name, item = pending.pop()
        match item:
            case str():
                yield name, item
            case dict():
                pending.extend((str(key).lower(), inner) for key, inner in item.items())
            case list():
                pending.extend((name, inner) for inner in item)


def _models_in(text: str) -> Iterator[str]:
    low = unquote(text).strip().lower()
    for name, how, version in _MODEL_ID.findall(low):
        yield f"{name}:{version if how == 'versions' else ANY_VERSION}"
    if short := _SHORT.fullmatch(low):
        yield f"{short[1]}:{short[3] if short[2] == ':' else ANY_VERSION}"


def _computes_in(member: str, text: str) -> Iterator[str]:
    low = unquote(text).strip().lower()
    yield from _COMPUTE_ID.findall(low)
    if member in _COMPUTE_MEMBERS and low:
        yield low.rstrip("/").rpartition("/")[2].removeprefix("azureml:")
