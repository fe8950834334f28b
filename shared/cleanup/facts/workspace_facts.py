"""What conditions ask of Azure beyond the list that a resource stands in: read when first asked for, once a workspace.

Not here: what follows from a fact (conditions).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from shared.catalog import bodies
from shared.cleanup.facts import activity, inventory, metrics
from shared.rest import errors
from shared.text import times

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime, timedelta

    from shared.cleanup.facts.activity import Runs
    from shared.cleanup.facts.inventory import Azure
    from shared.cleanup.facts.metrics import Use
    from shared.cleanup.facts.survey import Surveys
    from shared.cleanup.policy.model import Mark
    from shared.rest.ids import ResourceId


class UnknownError(Exception):
    """A fact could not be read; the message is the reason to keep."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What a resource cost: at least this much money; `unknown` says why it may be more."""

    money: float
    currency: str
    unknown: str = ""


@dataclass(slots=True, kw_only=True)
class Facts:
    """The facts about one workspace and what is in it.

    Attributes:
        workspace: Its body.
        surveys: Who refers to what.
        azure: Where to read.
        now: The present.
        marks: The marks of the workspace, by key of the resource.
        after: What was judged last by an earlier message, in the order of its list; '' to begin at the beginning.
    """

    workspace: Mapping[str, Any] | None
    surveys: Surveys
    azure: Azure
    now: datetime
    marks: Mapping[str, Mark] = field(default_factory=dict)
    after: str = ""
    _known: dict[tuple[str, ...], Any] = field(default_factory=dict, repr=False)

    def changed_at(self, resource: ResourceId, body: Mapping[str, Any]) -> datetime | None:
        """Return when a resource last changed, as if our own mark on it had not been a change."""
        told = [bodies.dig(body, name) for name in ("systemData.lastModifiedAt", "properties.modifiedOn")]
        changed, mark = times.latest(*told), self.marks.get(resource.key)
        if changed and mark and mark.changed_after and mark.changed_before and changed <= mark.changed_after:
            return mark.changed_before
        return changed

    def runs_on(self, compute: ResourceId, within: timedelta) -> Runs:
        """Return what ran on a compute within a span, and what is under way.

        Raises:
            UnknownError: it could not be read.
        """
        key = ("runs", compute.key)
        read = self._known.get(key)
        if isinstance(read, tuple) and read[0] < within:
            del self._known[key]
        since = self.now - within
        place = compute.ancestor(1)
        return self._once(key, "its runs", lambda: (within, activity.on_compute(place, compute.name, self.azure, since=since)))[1]

    def requests(self, endpoint: ResourceId, within: timedelta) -> Use:
        """Return which deployments of an online endpoint had requests within a span.

        Raises:
            UnknownError: Azure Monitor does not say.
        """
        return self._once(
            ("requests", endpoint.key, str(within)),
            "its requests",
            lambda: metrics.requests(endpoint, self.azure, window=within, now=self.now),
        )

    def active_nodes(self, workspace: ResourceId, within: timedelta) -> Use:
        """Return which clusters of a workspace had nodes at work within a span.

        Raises:
            UnknownError: Azure Monitor does not say.
        """
        return self._once(
            ("nodes", workspace.key, str(within)),
            "its nodes' metrics",
            lambda: metrics.active_nodes(workspace, self.azure, window=within, now=self.now),
        )

    def deployments(self, endpoint: ResourceId) -> list[dict[str, Any]]:
        """Return an endpoint's deployments.

        Raises:
            UnknownError: they could not be read completely.
        """
        key = ("deployments", endpoint.key)
        return self._once(key, "its deployments", lambda: list(inventory.listing(endpoint.child("deployments"), self.azure)))

    def newest_run(self, workspace: ResourceId, within: timedelta) -> Runs:
        """Return what ran last in a workspace; whether anything ran within a span is all that must be right.

        Raises:
            UnknownError: it could not be read.
        """
        key = ("newest", workspace.key, str(within))
        return self._once(key, "its runs", lambda: activity.newest(workspace, self.azure, since=self.now - within))

    def spent(self, resource: ResourceId, within: timedelta) -> Spent:
        """Return what a resource, with all below it, cost within a span.

        Raises:
            UnknownError: costs are not read here.
        """
        place, read = resource.ancestor(1), getattr(self.azure, "spending", None)
        if read is None:
            raise UnknownError("costs are not read here")
        found = self._once(("spent", place.key, str(within)), "its costs", lambda: read(place, self.now - within))
        return cast("Spent", found(resource))

    def forget(self) -> None:
        """Let go of what was read for one resource and its neighbours, so that a large workspace stays small in memory."""
        self._known = {key: value for key, value in self._known.items() if key[0] not in ("runs", "deployments")}

    def _once[T](self, key: tuple[str, ...], what: str, read: Callable[[], T]) -> T:
        if key not in self._known:
            try:
                self._known[key] = read()
            except errors.ThrottledError:
                raise
            except errors.StewardError as problem:
                self._known[key] = UnknownError(f"{what} could not be read: {problem.error.code}: {problem.error.message}")
        found: T | UnknownError = self._known[key]
        if isinstance(found, UnknownError):
            raise found
        return found
