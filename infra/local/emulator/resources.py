"""Every ARM resource of the local Azure, by id. Not here: what a resource of some type means; its service knows."""

from __future__ import annotations

import copy
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime


def stamp(moment: datetime) -> str:
    """A time as ARM writes it: seven fraction digits and an offset."""
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}0+00:00"


def merge_patch(target: Any, patch: Any) -> Any:
    """JSON merge patch (RFC 7396): `null` removes, objects merge, anything else replaces."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def type_of(arm_id: str) -> str:
    """The lower-cased type in an ARM id, e.g. `microsoft.machinelearningservices/workspaces/computes`."""
    parts = arm_id.strip("/").lower().split("/")
    if "providers" not in parts:
        return "microsoft.resources/resourcegroups" if "resourcegroups" in parts else "microsoft.resources/subscriptions"
    last = len(parts) - 1 - parts[::-1].index("providers")
    return "/".join([parts[last + 1], *parts[last + 2 :: 2]])


@dataclass(slots=True, kw_only=True)
class Resource:
    """One resource.

    Attributes:
        id: in the case it was created with.
        body: what GET answers (services may trim it per api-version).
        secrets: what no GET ever shows: keys, credentials, passwords.
        hidden: the service's own notes about it (names of processes, blob folders).
        etag: changes with every change of the body.
        deleted: soft-deleted: only a service that knows of soft delete sees it.
    """

    id: str
    body: dict[str, Any]
    secrets: dict[str, Any] = field(default_factory=dict)
    hidden: dict[str, Any] = field(default_factory=dict)
    etag: str = field(default_factory=lambda: str(uuid.uuid4()))
    deleted: bool = False

    @property
    def name(self) -> str:
        """The last segment of the id."""
        return self.id.rsplit("/", 1)[-1]

    @property
    def type(self) -> str:
        """The lower-cased type."""
        return type_of(self.id)

    @property
    def properties(self) -> dict[str, Any]:
        """`body["properties"]`, made when it is absent."""
        found: dict[str, Any] = self.body.setdefault("properties", {})
        return found

    @property
    def state(self) -> str:
        """`provisioningState`, or an empty string."""
        return str(self.properties.get("provisioningState") or "")

    def touched(self, at: datetime, by: str) -> None:
        """Record a change: a new etag and `systemData.lastModified…`."""
        self.etag = str(uuid.uuid4())
        data = self.body.setdefault("systemData", {})
        data.setdefault("createdAt", stamp(at))
        data.setdefault("createdBy", by)
        data.setdefault("createdByType", "Application")
        data.update(lastModifiedAt=stamp(at), lastModifiedBy=by, lastModifiedByType="Application")


class Resources:
    """The resources by lower-cased id, in the order they were created. The world's lock guards it.

    Collections and types are indexed: a list costs what it holds, not what the whole local Azure holds.
    """

    def __init__(self) -> None:
        self._by_id: dict[str, Resource] = {}
        self._by_collection: dict[str, dict[str, Resource]] = {}
        self._by_type: dict[str, dict[str, Resource]] = {}

    @staticmethod
    def key(arm_id: str) -> str:
        """An id as it is looked up: lower case, one slash in front, none behind."""
        return "/" + arm_id.strip("/").lower()

    def get(self, arm_id: str, *, deleted: bool = False) -> Resource | None:
        """The resource, unless it is absent or soft-deleted (`deleted=True`: only a soft-deleted one)."""
        found = self._by_id.get(self.key(arm_id))
        return found if found is not None and found.deleted is deleted else None

    def put(self, resource: Resource) -> Resource:
        """Add it, or replace the one of this id."""
        key = self.key(resource.id)
        for index, name in self._indexes(key):
            index.setdefault(name, {})[key] = resource
        self._by_id[key] = resource
        return resource

    def delete(self, arm_id: str) -> list[Resource]:
        """Remove a resource and everything below it; those removed, the innermost first."""
        key = self.key(arm_id)
        keys = [found for found in self._by_id if found == key or found.startswith(key + "/")]
        return [self._drop(found) for found in sorted(keys, key=len, reverse=True)]

    def below(self, arm_id: str, *, of_type: str | None = None) -> list[Resource]:
        """The live resources at any depth below an id, oldest first; `of_type` is a lower-cased type."""
        prefix = self.key(arm_id) + "/"
        found = self._by_id if of_type is None else self._by_type.get(of_type, {})
        return [resource for key, resource in found.items() if not resource.deleted and key.startswith(prefix)]

    def children(self, parent_id: str, collection: str) -> list[Resource]:
        """The live resources directly in a collection of a parent, e.g. `(workspace_id, "computes")`."""
        found = self._by_collection.get(f"{self.key(parent_id)}/{collection.lower()}", {})
        return [resource for resource in found.values() if not resource.deleted]

    def of_type(self, lowered_type: str) -> list[Resource]:
        """All live resources of a lower-cased type."""
        return [resource for resource in self._by_type.get(lowered_type, {}).values() if not resource.deleted]

    def __iter__(self) -> Iterator[Resource]:
        return iter([resource for resource in self._by_id.values() if not resource.deleted])

    def _drop(self, key: str) -> Resource:
        for index, name in self._indexes(key):
            members = index[name]
            del members[key]
            if not members:
                del index[name]
        return self._by_id.pop(key)

    def _indexes(self, key: str) -> tuple[tuple[dict[str, dict[str, Resource]], str], ...]:
        return (self._by_collection, key.rpartition("/")[0]), (self._by_type, type_of(key))
