"""What may be done to each resource, and exactly why: protection, what a policy looks at, its conditions, what its action needs.

The first thing that speaks for keeping a resource is the reason to keep it; a fact that is missing keeps it, too. Whatever a
policy says, nothing in use is taken away (`needs`). Not here: limits, grace and acting (runs).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from shared.catalog import bodies, needs
from shared.cleanup.facts import inventory, leftovers, subjects, workspace_facts
from shared.cleanup.facts.workspace_facts import Facts
from shared.cleanup.policy import filters, targets
from shared.cleanup.policy.model import Judged, Subject, Verdict, Where
from shared.cleanup.verdict import action_needs, conditions
from shared.text import times

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from shared.cleanup.facts.inventory import Azure
    from shared.cleanup.facts.survey import Surveys
    from shared.cleanup.policy.model import Mark, Policy
    from shared.cleanup.policy.targets import Target
    from shared.cleanup.verdict.condition_findings import Finding
    from shared.rest import ids

KEEP_TAG = "steward-keep"
SUBSCRIPTION_KINDS = frozenset({"workspace", "leftover"})


def workspace(
    policies: Sequence[Policy],
    workspace_body: Mapping[str, Any],
    surveys: Surveys,
    marks: Mapping[str, Mark],
    azure: Azure,
    now: datetime,
    *,
    after: str = "",
) -> Iterator[Judged]:
    """Yield what each policy finds of each resource of its kind in a workspace; the kinds `workspace` and `leftover` apart.

    Args:
        policies: All that are to look at it; each list is read once for all of them.
        workspace_body: As ARM lists it, with its `id`.
        surveys: Of all workspaces and registries.
        marks: Of this workspace, by key of the resource.
        azure: Where to read.
        now: The present.
        after: The asset, endpoint or other resource that was judged last, to go on behind it; of policies of one kind.

    Raises:
        StewardError: a list could not be read completely; what was yielded so far is right.
    """
    place = inventory.workspace_id(workspace_body)
    known = Facts(workspace=workspace_body, surveys=surveys, azure=azure, now=now, marks=marks, after=after)
    here = [each for each in policies if each.kind not in SUBSCRIPTION_KINDS and _looks_into(each, place, workspace_body, now)]
    for name in dict.fromkeys(each.kind for each in here):
        own = [each for each in here if each.kind == name]
        target = targets.TARGETS[name]
        ended = name == "job" and any(set(each.stale_when) <= subjects.ENDED_CONDITIONS for each in own)
        parent = ""
        for subject in subjects.of(target, place, known, ended=ended):
            if parent != (parent := _parent(subject)):
                known.forget()
            for policy in own:
                yield _judged(policy, subject, known)


def subscription(
    policies: Sequence[Policy], scope: ids.ResourceId, surveys: Surveys, marks: Mapping[str, Mark], azure: Azure, now: datetime
) -> Iterator[Judged]:
    """Yield what the policies of the kinds `workspace` and `leftover` find in a subscription, or in one of its resource groups.

    Args:
        policies: Those of other kinds are left out.
        scope: The subscription, with or without a resource group.
        surveys: Of all workspaces and registries.
        marks: Of the workspaces, by key.
        azure: Where to read.
        now: The present.

    Raises:
        StewardError: a list could not be read completely; what was yielded so far is right.
    """
    wanted = {each.kind for each in policies} & SUBSCRIPTION_KINDS
    for body in inventory.workspaces(scope.subscription, "", azure) if "workspace" in wanted else ():
        place = inventory.workspace_id(body)
        known = Facts(workspace=body, surveys=surveys, azure=azure, now=now, marks=marks)
        if scope.resource_group.lower() in ("", place.resource_group.lower()):
            subject = subjects.plain("workspace", place, body, known)
            yield from (_judged(each, subject, known) for each in policies if each.kind == "workspace")
    known = Facts(workspace=None, surveys=surveys, azure=azure, now=now, marks=marks)
    for subject in _leftovers(scope.subscription, azure) if "leftover" in wanted else ():
        if scope.resource_group.lower() in ("", subject.id.resource_group.lower()):
            yield from (_judged(each, subject, known) for each in policies if each.kind == "leftover")


def again(
    policy: Policy, resource: ids.ResourceId, surveys: Surveys, marks: Mapping[str, Mark], azure: Azure, now: datetime
) -> Judged | None:
    """Read a resource, what it belongs to and its siblings again, and judge it; None when it is gone.

    Raises:
        StewardError: it could not be read.
    """
    known, subject = _read(policy.kind, resource, surveys, marks, azure, now)
    return _judged(policy, subject, known) if subject else None


def explain(
    policies: Sequence[Policy],
    resource: ids.ResourceId,
    surveys: Surveys,
    marks: Mapping[str, Mark],
    azure: Azure,
    now: datetime,
) -> Iterator[tuple[Judged, tuple[tuple[str, Finding], ...]]]:
    """Yield what each policy of the resource's kind finds of it, each with the findings of all its conditions.

    Raises:
        StewardError: the resource could not be read.
    """
    for policy in policies:
        if not concerns(policy.kind, resource):
            continue
        known, subject = _read(policy.kind, resource, surveys, marks, azure, now)
        if subject and _fits(policy.kind, subject):
            found = tuple((name, conditions.find(name, subject, value, known)) for name, value in policy.stale_when.items())
            yield _judged(policy, subject, known), found


def concerns(kind: str, resource: ids.ResourceId) -> bool:
    """Return whether a resource can be of a kind, by its type."""
    if kind == "leftover":
        return resource.full_type.lower() in {each.lower() for each in needs.DEPENDENCIES}
    return targets.TARGETS[kind].type.lower() == "/".join(resource.types).lower()


def protection(policy: Policy, subject: Subject, workspace_body: Mapping[str, Any] | None) -> str:
    """Return what protects a resource: a tag of its own, of what it belongs to or of its workspace, or its name; '' for nothing."""
    tags = {KEEP_TAG, *(tag.strip().lower() for tag in policy.protect_tags)}
    for body, whose in ((subject.body, "it has"), (subject.parent, _whose(subject)), (workspace_body, "its workspace has")):
        if tag := _first_tag(body, tags):
            return f"{whose} the tag {tag}"
    if policy.protect_names and filters.named(policy.protect_names, subject.id):
        return f"its name is protected by the policy: {', '.join(policy.protect_names)}"
    return ""


def _leftovers(subscription: str, azure: Azure) -> Iterator[Subject]:
    """Yield what may be left over, once it is sure that no workspace is missing among those that could name it."""
    yield from leftovers.of(subscription, azure, inventory.all_workspaces(azure, subscription))


def _judged(policy: Policy, subject: Subject, known: Facts) -> Judged:
    try:
        verdict = _verdict(policy, subject, known)
    except workspace_facts.UnknownError as unknown:
        verdict = Verdict(reason=str(unknown), unknown=True)
    return Judged(subject=subject, policy=policy.name, verdict=verdict)


def _verdict(policy: Policy, subject: Subject, known: Facts) -> Verdict:
    if protected := protection(policy, subject, known.workspace):
        return Verdict(reason=protected)
    if elsewhere := filters.matches(policy, subject, known.workspace, known.now):
        return Verdict(reason=elsewhere)
    held: list[Finding] = []
    for name, argument in policy.stale_when.items():
        found = conditions.find(name, subject, argument, known)
        if not found.holds:
            return Verdict(reason=found.text, unknown=found.holds is None, evidence=found.evidence)
        held.append(found)
    lacking = action_needs.of(policy, subject, known)
    evidence = tuple(dict.fromkeys(fact for found in (*held, lacking) for fact in found.evidence))
    if not lacking.holds:
        return Verdict(reason=lacking.text, unknown=lacking.holds is None, evidence=evidence)
    return Verdict(
        reason=", ".join(dict.fromkeys(found.text for found in held)) or "the policy has no conditions",
        action="notify" if targets.TARGETS[policy.kind].report_only else policy.action,
        evidence=evidence,
        since=times.latest(*(found.since for found in held)),
        saves=action_needs.saves(policy.action, subject, known),
    )


def _read(
    kind: str, resource: ids.ResourceId, surveys: Surveys, marks: Mapping[str, Mark], azure: Azure, now: datetime
) -> tuple[Facts, Subject | None]:
    target = targets.TARGETS[kind]
    if kind == "leftover":
        known = Facts(workspace=None, surveys=surveys, azure=azure, now=now, marks=marks)
        listed = _leftovers(resource.subscription, azure)
        return known, next((each for each in listed if each.id.key == resource.key), None)
    place = resource.ancestor(1) if resource.types[:1] and resource.types[0].lower() == "workspaces" else None
    body = inventory.read(place, azure) if place else None
    known = Facts(workspace=body, surveys=surveys, azure=azure, now=now, marks=marks)
    if body is None or place is None:
        return known, None
    if kind == "workspace":
        return known, subjects.plain(kind, resource, body, known)
    return known, one(target, resource, known)


def one(target: Target, resource: ids.ResourceId, known: Facts) -> Subject | None:
    """Read a resource of a workspace as it is now, with what it belongs to and its siblings; None when it is gone.

    Raises:
        StewardError: it could not be read.
    """
    if target.name == "job":
        return subjects.one_job(resource, known.azure)
    if target.container:
        parent = inventory.read(resource.ancestor(2), known.azure)
        if parent is None:
            return None
        of = subjects.versions if target.is_asset else subjects.deployments
        found = of(target.name, resource.ancestor(2), parent, known)
        return next((each for each in found if each.id.key == resource.key), None)
    body = inventory.read(resource, known.azure)
    return None if body is None else subjects.plain(target.name, resource, body, known)


def _looks_into(policy: Policy, place: ids.ResourceId, body: Mapping[str, Any], now: datetime) -> bool:
    """Return whether a policy looks into a workspace at all: where it does not, nothing of it is listed."""
    narrow = replace(policy, where=Where(subscriptions=policy.where.subscriptions, workspaces=policy.where.workspaces))
    return filters.matches(narrow, Subject(id=place, target="workspace", body=body), body, now) is None


def _fits(kind: str, subject: Subject) -> bool:
    wanted = targets.TARGETS[kind].compute_type
    return wanted in ("", bodies.dig(subject.body, "properties.computeType"))


def _parent(subject: Subject) -> str:
    return subject.id.ancestor(len(subject.id.types) - 1).key if len(subject.id.types) > 2 else subject.id.key


def _whose(subject: Subject) -> str:
    return "its endpoint has" if subject.id.types[-1].lower() == "deployments" else "its asset has"


def _first_tag(body: Mapping[str, Any] | None, wanted: set[str]) -> str:
    """Return the first wanted tag of a resource: ARM's tags, or an asset's in its properties (docs/protocol.md §7.5)."""
    found = [bodies.dig(body, path) for path in ("tags", "properties.tags")] if body else []
    names = {str(name).strip().lower() for tags in found if isinstance(tags, dict) for name in tags}
    return next(iter(sorted(names & wanted)), "")
