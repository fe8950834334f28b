"""Which resources a policy looks at: subscriptions, workspaces, names, tags, properties and a query, all of which must hold. Pure.

Globs know `*`, `?` and `[…]`, and no casing. Of several, one must match, and none of those that begin with `!` may. What a
tag must not be also holds for the tags of what the resource belongs to. Not here: protection, age, use (judge).
"""

from __future__ import annotations

import fnmatch
import json
import re
from datetime import UTC
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from shared.catalog import bodies
from shared.cleanup.policy import queries

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from shared.cleanup.policy.model import Policy, Subject, Where
    from shared.rest.ids import ResourceId

DAY_S = 86_400


def matches(policy: Policy, subject: Subject, workspace: Mapping[str, Any] | None, now: datetime) -> str | None:
    """Return whether a policy looks at a resource.

    Args:
        policy: What it looks at stands in `where`.
        subject: The resource.
        workspace: The body of the workspace it is in; None for what is in none.
        now: For the age in a query.

    Returns:
        None when all holds, else the first reason that it does not.
    """
    where = policy.where
    if reason := _elsewhere(where, subject.id):
        return reason
    if where.names and not named(where.names, subject.id):
        return f"its name matches none of {', '.join(where.names)}"
    if reason := _tags(where, subject, workspace):
        return reason
    for path, globs in _grouped(where.properties).items():
        value = bodies.dig(subject.body, path)
        if not fits(globs, _text(value)):
            return f"its {path} is {_quoted(_text(value))}, not {', '.join(globs)}"
    if where.query and (reason := queries.holds(where.query, document(subject, now, workspace))):
        return reason
    return None


def named(globs: Iterable[str], resource: ResourceId) -> bool:
    """Return whether a resource's name fits: a version by its asset's name, or by `name:version`."""
    spellings = [own_name(resource)]
    if version := own_version(resource):
        spellings.append(f"{spellings[0]}:{version}")
    return _any(globs, spellings)


def fits(globs: Iterable[str], value: str | None) -> bool:
    """Return whether a value fits; one that is missing fits only where every glob begins with `!`."""
    return _any(globs, [] if value is None else [value])


def tags(subject: Subject) -> dict[str, str]:
    """Return a resource's own tags, wherever Azure keeps them."""
    return _tags_of(subject.body)


def own_name(resource: ResourceId) -> str:
    """Return a resource's name; of a version that of its asset."""
    return resource.names[-2] if _is_version(resource) else resource.name


def own_version(resource: ResourceId) -> str:
    """Return the version, '' of what has none."""
    return resource.names[-1] if _is_version(resource) else ""


def workspace_name(resource: ResourceId) -> str:
    """Return the name of the workspace a resource is, or is in; '' for none."""
    return resource.names[0] if resource.types[:1] and resource.types[0].lower() == "workspaces" and resource.names else ""


def document(subject: Subject, now: datetime, workspace: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return what a query reads; its names are explained in `queries.NAMES`."""
    body, parent = subject.body, subject.parent
    return {
        "id": subject.id.path,
        "name": own_name(subject.id),
        "version": own_version(subject.id),
        "kind": subject.target,
        "workspace": workspace_name(subject.id),
        "resourceGroup": subject.id.resource_group,
        "subscription": subject.id.subscription,
        "location": body.get("location") or (workspace or {}).get("location") or "",
        "tags": tags(subject),
        "properties": body.get("properties") or {},
        "resource": body,
        "parent": None
        if parent is None
        else {"name": parent.get("name"), "tags": _tags_of(parent), "properties": parent.get("properties") or {}},
        "createdAt": _moment(subject.created_at),
        "changedAt": _moment(subject.changed_at),
        "ageDays": _days(subject.created_at, now),
        "unchangedDays": _days(subject.changed_at, now),
        "siblings": subject.siblings,
        "rank": subject.rank,
        "newerActive": subject.newer_active,
    }


def _elsewhere(where: Where, resource: ResourceId) -> str:
    """Return '' where a resource lies in a subscription and a workspace of the policy's."""
    if where.subscriptions and not _any(where.subscriptions, [resource.subscription]):
        return f"subscription {resource.subscription} is not one of the policy's"
    name = workspace_name(resource)
    inside = bool(name) and _any(where.workspaces, [name, resource.ancestor(1).path])
    return f"workspace '{name}' is not one of the policy's" if where.workspaces and not inside else ""


def _tags(where: Where, subject: Subject, workspace: Mapping[str, Any] | None) -> str:
    """Return '' when the tags are as wanted: those to have on the resource itself, those to lack nowhere above it either."""
    if not where.tags:
        return ""
    own = _lower(tags(subject))
    above = [_lower(_tags_of(body)) for body in (subject.parent, workspace) if body is not None]
    for name, globs in _grouped(where.tags).items():
        low = name.lower()
        if not fits(globs, own.get(low)):
            return f"its tag {name} is {_quoted(own.get(low))}, not {', '.join(globs)}"
        unwanted = [glob for glob in globs if glob.startswith("!")]
        if unwanted and not all(fits(unwanted, each.get(low)) for each in above):
            return f"what it belongs to has a tag {name} that is not {', '.join(unwanted)}"
    return ""


def _tags_of(body: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in ("tags", "properties.tags"):
        value = bodies.dig(body, path)
        if isinstance(value, dict):
            found |= {str(name): "" if text is None else str(text) for name, text in value.items()}
    return found


def _any(globs: Iterable[str], spellings: list[str]) -> bool:
    wanted = [glob for glob in globs if not glob.startswith("!")]
    unwanted = [glob[1:] for glob in globs if glob.startswith("!")]
    if any(_glob(glob).fullmatch(text.lower()) for glob in unwanted for text in spellings):
        return False
    return not wanted or any(_glob(glob).fullmatch(text.lower()) for glob in wanted for text in spellings)


@lru_cache(maxsize=1024)
def _glob(glob: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(glob.lower()))


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    out: dict[str, list[str]] = {}
    for name, glob in pairs:
        out.setdefault(name, []).append(glob)
    return out


def _lower(found: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in found.items()}


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return json.dumps(value, separators=(",", ":"))
    return None if value is None else str(value)


def _quoted(text: str | None) -> str:
    return "unknown" if text is None else f"'{text[:100]}'"


def _is_version(resource: ResourceId) -> bool:
    return len(resource.names) >= 2 and resource.types[-1].lower() == "versions"


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _days(at: datetime | None, now: datetime) -> float | None:
    return None if at is None else (now - at).total_seconds() / DAY_S
