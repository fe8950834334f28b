"""What the clean-up's parts hand to one another: a policy, a resource with its facts, what follows from them. Pure.

Not here: reading a policy (policies), reading Azure (inventory, survey), deciding (judge), acting (runs).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from shared.rest.ids import ResourceId

Mode = Literal["dryRun", "enforce"]
Action = Literal[
    "none", "notify", "tag", "stop", "scaleToZero", "setIdleShutdown", "park", "cancel", "archive", "delete"
]  # in growing order of what is lost


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Which resources of its kind a policy looks at; all that is given must hold.

    Attributes:
        subscriptions: Globs over subscriptions' ids, likewise.
        workspaces: Globs over workspace names or ids, `!glob` takes away; empty: all.
        names: Globs over the resource's own name (an asset's is `name` of the asset, its version apart).
        tags: Tag name → glob over its value; `!` in front: must not match.
        properties: Dotted path of the body → glob over its value as text.
        query: JMESPath over the resource's document (`Subject.document`); truthy holds. '' for none.
    """

    subscriptions: tuple[str, ...] = ()
    workspaces: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    properties: tuple[tuple[str, str], ...] = ()
    query: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much one run may do for a policy: a count, and a share of what exists of the kind (both hold; 0 turns acting off)."""

    count: int = 20
    percent: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One policy, as `policies.parse` reads it.

    Attributes:
        name: Unique in the app.
        kind: A row of `targets.TARGETS`, e.g. `modelVersion`.
        where: Which ones it looks at.
        stale_when: Condition name → argument, e.g. `olderThan` → 90 days; all must hold. A row names those it knows.
        action: What is done to a stale one; the row names those it knows.
        grace: Between mark and act; zero acts at once.
        protect_tags, protect_names: More tags and name globs that keep a resource, besides `steward-keep`.
        limits: Per run.
        mode: `dryRun` reports only.
        schedule: NCRONTAB with seconds, in UTC; '' runs on demand only.
        tag: Name and value, for the action `tag`.
        idle_shutdown: What the action `setIdleShutdown` sets; Azure takes 15 minutes to 3 days.
        description: For people; stands in the report.
        notify: What to record for the notification: names and values as the policy has them (e.g. `ownerTag`).
        source: The file it stands in, and its line there.
    """

    name: str
    kind: str
    action: Action
    where: Where = field(default_factory=Where)
    stale_when: Mapping[str, Any] = field(default_factory=dict)
    grace: timedelta = timedelta(0)
    protect_tags: tuple[str, ...] = ()
    protect_names: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    mode: Mode = "dryRun"
    schedule: str = ""
    tag: tuple[str, str] = ("", "")
    idle_shutdown: timedelta = timedelta(hours=1)
    description: str = ""
    notify: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """That a resource was marked: kept by the app beside the tag it wrote, because the tag's own write touches the resource.

    Attributes:
        policy: Which policy marked it; another policy's mark does not count.
        reason: As the tag says.
        at, due: When it was marked; from when it may be swept.
        changed_before: When the resource had last changed before the mark: what its age is counted from.
        changed_after: `lastModifiedAt` as Azure shows it after the mark; a later one is a person's change, which lifts the mark.
        tagged: Whether a tag was written; where that could change more than the tag, the mark stands in the report alone.
    """

    policy: str
    reason: str
    at: datetime
    due: datetime
    changed_before: datetime | None
    changed_after: datetime | None
    tagged: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One resource that a policy looks at.

    Attributes:
        id: Where it is.
        target: The row of `targets.TARGETS` it belongs to.
        body: As Azure listed it.
        parent: The body of what it belongs to and inherits protection from (a version's model, a deployment's endpoint), or None.
        siblings: How many of its kind and parent there are, itself included; `rank` 1 is the newest of them.
        created_at, changed_at: From `systemData` (a job: creation and end); `changed_at` as if our own mark had not been.
    """

    id: ResourceId
    target: str
    body: Mapping[str, Any]
    parent: Mapping[str, Any] | None = None
    siblings: int = 1
    rank: int = 1
    newer_active: int = 0
    created_at: datetime | None = None
    changed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What may be done to one resource by one policy: `none` with the reason to keep it, or the action with the reason for it.

    Attributes:
        evidence: The facts behind the reason, as Azure showed them.
        since: Since when it has been idle or stale, where that is a moment.
        saves: What acting saves in each hour: `{"vmSize": …, "nodes": …}`; empty where nothing is billed.
        unknown: It is kept because a fact is missing (a list that could not be read): a mark on it stays, and is not acted on.
    """

    reason: str
    action: Action = "none"
    unknown: bool = False
    evidence: tuple[str, ...] = ()
    since: datetime | None = None
    saves: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A resource, the policy that looked at it, and the verdict."""

    subject: Subject
    policy: str
    verdict: Verdict
