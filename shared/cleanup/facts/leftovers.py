"""What failed and deleted workspaces left behind: storage accounts, key vaults, Application Insights, container registries.

Soft evidence only, so a policy never touches what is found here: that a failed workspace names it, that a tag names a
workspace which is not there, or that it has the kind of name that Azure ML gives to what it makes for a workspace. What any
living workspace names is never a leftover. Not here: the workspaces themselves.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from shared.catalog import bodies, kinds, needs
from shared.cleanup.facts import inventory
from shared.cleanup.policy.model import Subject
from shared.rest import errors, ids
from shared.text import times

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from shared.cleanup.facts.inventory import Azure

CREATED = ("systemData.createdAt", "properties.creationTime", "properties.creationDate", "properties.CreationDate")
NOT_REGISTERED = (404, 409)
NAMED_BY = ("storageAccount", "keyVault", "applicationInsights", "containerRegistry")
# What the SDK and the CLI call them: up to eight letters of the workspace's name, what it is, and hexadecimal digits.
_MADE = re.compile(r"([a-z0-9]{1,8}?)(storage|keyvault|insights?|containr|acr)-?([0-9a-f]{8,})", re.IGNORECASE)
_WORKSPACE = re.compile(
    rf"/subscriptions/[^/\s]+/resourcegroups/[^/\s]+/providers/{re.escape(kinds.ML.lower())}/workspaces/([^/\s?#]+)"
)


def of(subscription: str, azure: Azure, workspaces: Sequence[Mapping[str, Any]]) -> Iterator[Subject]:
    """Yield what may be left over, each with why and the evidence under `leftover`.

    Args:
        subscription: Where.
        azure: Where to read.
        workspaces: All that there are, failed ones included: with some missing, what is theirs would look left over.

    Raises:
        StewardError: the list of resources could not be read completely.
    """
    living = [each for each in workspaces if bodies.dig(each, "properties.provisioningState") != "Failed"]
    named = {text for each in living for text in ids_in(each.get("properties"))}
    failed = {text: each for each in workspaces if each not in living for text in _named_by(each)}
    there = {str(each["id"]).lower() for each in workspaces}
    for kind in needs.DEPENDENCIES:
        for body in _listed(subscription, kind, needs.REFERENCE_VERSIONS[kind.lower()], azure):
            key = str(body.get("id")).lower()
            if key not in named and (found := _why(body, failed.get(key), there)):
                yield _subject(body, *found)


def _listed(subscription: str, kind: str, version: str, azure: Azure) -> Iterator[dict[str, Any]]:
    """Yield a subscription's resources of one type: none where its provider is not registered."""
    try:
        path = ids.provider(subscription, *kind.split("/"))
        yield from inventory.items(ids.url(azure.client.cloud.arm, path, version), azure)
    except errors.RejectedError as refusal:
        if refusal.status not in NOT_REGISTERED:
            raise


def _why(body: Mapping[str, Any], failed: Mapping[str, Any] | None, there: set[str]) -> tuple[str, list[str]] | None:
    if failed is not None:
        return f"workspace {ids.parse(str(failed['id'])).name}, which failed, names it", [f"named by {failed['id']}"]
    tags = body.get("tags")
    for name, value in tags.items() if isinstance(tags, dict) else ():
        for match in _WORKSPACE.finditer(f"{name} {value}".lower()):
            if match[0] not in there:
                return f"its tag {str(name)[:60]} names workspace {match[1]}, which no longer exists", [f"tag names {match[0]}"]
    made = _MADE.fullmatch(str(body.get("name")))
    if made and not any(_letters(each).startswith(made[1].lower()) for each in there):
        reason = f"its name is like those that Azure ML makes for a workspace '{made[1]}…', and that workspace does not exist"
        return reason, ["soft evidence: its name only"]
    return None


def _letters(workspace: str) -> str:
    """Return a workspace's name as far as generated names take it over: letters and digits."""
    return re.sub(r"[^a-z0-9]", "", workspace.rpartition("/")[2])


def _named_by(workspace: Mapping[str, Any]) -> list[str]:
    return [str(bodies.dig(workspace, f"properties.{name}") or "").lower() for name in NAMED_BY]


def ids_in(value: Any) -> Iterator[str]:
    """Yield every text in a workspace's properties that is a resource id, in lower case."""
    pending = [value]
    while pending:
        match pending.pop():
            case str() as text if text.lower().startswith("/subscriptions/"):
                yield text.lower().rstrip("/")
            case dict() as inner:
                pending.extend(inner.values())
            case list() as inner:
                pending.extend(inner)
            case _:
                pass


def _subject(body: Mapping[str, Any], why: str, evidence: list[str]) -> Subject:
    try:
        resource = ids.parse(str(body.get("id")))
    except errors.BadRequestError as problem:
        raise errors.RejectedError(problem.error, status=502) from None
    created = next((at for name in CREATED if (at := times.moment(bodies.dig(body, name)))), None)
    changed = times.latest(created, bodies.dig(body, "systemData.lastModifiedAt"))
    whole = {**body, "leftover": {"why": why, "evidence": evidence}}
    return Subject(id=resource, target="leftover", body=whole, created_at=created, changed_at=changed)
