"""Who refers to what, read from Azure in each run: one survey a workspace, one for the registries, merged before judging.

A list that could not be read completely makes its survey a problem: then nothing that could be referred to from there is known to
be unused, in any workspace. A workspace that never came to be (it has no discoveryUrl) can refer to nothing. Not here: how a
mention is recognised (mentions), what follows from it (conditions).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from shared.catalog import bodies, kinds
from shared.cleanup.facts import activity, inventory, mentions
from shared.cleanup.policy import targets
from shared.endpoints import snapshots as parked_endpoints
from shared.rest import errors, ids
from shared.text import times

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

    from shared.cleanup.facts.inventory import Azure

VERSION = 1
REGISTRIES = "registries"  # the home of the survey of all registries of the app's first subscription, and how others begin
REPEATED = "repeated"
COUNTED = ("deployments", "schedules", "services", "jobs", "components")
HTTP_ABSENT = (404, 410)


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What one workspace, or all registries of a subscription, refer to.

    Attributes:
        home: As mentions name it (`mentions.workspace_home`), or `registries` (`registries_home`).
        aliases: Its other names in mentions: a workspace's `workspaceId`; the registries' homes.
        at: When it was begun.
        mentions: What is referred to, and by whom.
        counts: How many deployments, schedules, services, jobs and components were looked at.
        problem: Which list could not be read, and why; '' when all could.
    """

    home: str
    at: datetime
    aliases: tuple[str, ...] = ()
    mentions: mentions.Mentions = field(default_factory=mentions.Mentions)
    counts: Mapping[str, int] = field(default_factory=dict)
    problem: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it for a run's blob."""
        return {
            "version": VERSION,
            "home": self.home,
            "aliases": list(self.aliases),
            "at": self.at.isoformat(),
            "found": self.mentions.found,
            "unclear": self.mentions.unclear,
            "counts": dict(self.counts),
            "problem": self.problem,
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Survey:
        """Read back what `to_json` wrote.

        Raises:
            ValueError: it is of another version.
        """
        at = times.moment(stored.get("at"))
        if stored.get("version") != VERSION or at is None:
            raise ValueError(f"a survey of version {stored.get('version')} cannot be read; expected {VERSION}")
        return cls(
            home=stored["home"],
            aliases=tuple(stored["aliases"]),
            at=at,
            mentions=mentions.Mentions(found=stored["found"], unclear=stored["unclear"]),
            counts=stored["counts"],
            problem=stored["problem"],
        )


@dataclass(slots=True, kw_only=True)
class Surveys:
    """All surveys of one run, as one.

    Attributes:
        by_home: The surveys.
        problem: The first list that could not be read; '' when all could.
        counts: How many of each kind were looked at, in all workspaces.
    """

    by_home: dict[str, Survey]
    problem: str = field(init=False, default="")
    counts: dict[str, int] = field(init=False, default_factory=dict)
    _merged: mentions.Mentions = field(init=False, default_factory=mentions.Mentions, repr=False)

    def __post_init__(self) -> None:
        surveys = self.by_home.values()
        for each in surveys:
            self._merged.update(each.mentions)
        self._widen()
        self.problem = next((each.problem for each in surveys if each.problem), "")
        self.counts = {name: sum(each.counts.get(name, 0) for each in surveys) for name in COUNTED}

    def replaced(self, *fresh: Survey) -> Surveys:
        """Return these with newer surveys in place of the older ones of the same home."""
        return Surveys(by_home={**self.by_home, **{each.home: each for each in fresh}})

    def of_asset(self, resource: ids.ResourceId) -> str:
        """Return who refers to a version of an asset of a workspace, from any workspace or registry; '' for nothing."""
        container = resource.ancestor(2)
        return self._merged.of_asset(self._homes(resource), container.types[1].lower(), container.name, resource.name)

    def of_job(self, resource: ids.ResourceId) -> str:
        """Return who repeats a job or reads its outputs; '' for nothing."""
        return self._merged.of_job(self._homes(resource), resource.name)

    def of_compute(self, resource: ids.ResourceId) -> str:
        """Return who refers to a compute; '' for nothing."""
        return self._merged.of_compute(self._homes(resource), resource.name)

    def of_deployment(self, resource: ids.ResourceId) -> str:
        """Return which schedule or running job names an endpoint's deployment; '' when none does."""
        endpoint, name = resource.names[1], resource.names[2]
        return self._merged.of_deployment(self._homes(resource), endpoint, name)

    def of_home(self, resource: ids.ResourceId) -> str:
        """Return who refers to something in a workspace or registry from outside of it; '' for nothing."""
        registry = resource.types[0].lower() == "registries"
        homes = (mentions.registry_home(resource.name),) if registry else self._homes(resource)
        for each in self.by_home.values():
            if each.home in homes:
                continue
            for key, who in each.mentions.found.items():
                if key.partition("|")[0] in homes and not (registry and who.endswith(f" in registry {resource.name}")):
                    return who
        return ""

    def problem_of(self, resource: ids.ResourceId) -> str:
        """Return which list of the resource's own workspace could not be read; '' when all could, and it was surveyed."""
        own = self.by_home.get(home_of(resource))
        return own.problem if own else "its workspace was not surveyed"

    def _homes(self, resource: ids.ResourceId) -> tuple[str, ...]:
        own = self.by_home.get(home_of(resource))
        return (home_of(resource), *(own.aliases if own else ()))

    def _widen(self) -> None:
        """Let a mention of a home that is not among these count everywhere: a workspace may have been moved or renamed since."""
        known = {home for each in self.by_home.values() for home in (each.home, *each.aliases)} | {mentions.ANY}
        for key, who in list(self._merged.found.items()):
            home, _, rest = key.partition("|")
            if home not in known:
                self._merged.found.setdefault(f"{mentions.ANY}|{rest}", who)
        for key, who in list(self._merged.unclear.items()):
            home, _, rest = key.partition("|")
            if home not in known:
                self._merged.unclear.setdefault(f"{mentions.ANY}|{rest}", who)


def merge(surveys: Iterable[Survey]) -> Surveys:
    """Return several surveys as one."""
    return Surveys(by_home={each.home: each for each in surveys})


def registries_home(other: str) -> str:
    """Return the home of the survey of another subscription's registries; '' for those of the app's first."""
    return f"{REGISTRIES}/{other.lower()}" if other else REGISTRIES


def unseen(subscription: str, problem: str, now: datetime) -> Survey:
    """Return what is known of a subscription whose workspaces cannot be listed: nothing, so that all may be in use from there."""
    return Survey(home=f"{REGISTRIES}/unseen/{subscription.lower()}", at=now, problem=f"subscription {subscription}: {problem}")


def home_of(resource: ids.ResourceId) -> str:
    """Return the home of what is in a workspace, or of the workspace."""
    return mentions.workspace_home(resource.subscription, resource.resource_group, resource.names[0])


def of(
    workspace: ids.ResourceId, azure: Azure, now: datetime, parked: Callable[[ids.ResourceId], list[Any] | None] | None = None
) -> Survey:
    """Read what a workspace's deployments, schedules, v1 services, components and running jobs refer to.

    Args:
        workspace: Which.
        azure: Where to read.
        now: The present.
        parked: Returns the specs of the deployments that an endpoint, once parked, will have again; None when none are stored.
            Without it, a parked endpoint is a problem.

    Raises:
        ThrottledError: ARM wants a long wait; nothing is known yet.
    """
    home, found, counts = home_of(workspace), mentions.Mentions(), dict.fromkeys(COUNTED, 0)
    aliases: tuple[str, ...] = ()
    problem = ""
    try:
        body = inventory.read(workspace, azure)
        aliases = tuple(mentions.guid_home(str(guid)) for guid in [bodies.dig(body, "properties.workspaceId")] if guid)
        if body is not None and bodies.dig(body, "properties.discoveryUrl"):
            builder = {"compute": bodies.dig(body, "properties.imageBuildCompute")}
            found.add(builder, f"the building of images in workspace {workspace.name}", home)
            for kind, referrer, who in _referrers(workspace, azure, parked):
                if kind in counts:
                    counts[kind] += 1
                told = f"{who} in workspace {workspace.name}"
                found.add(referrer, told, home)
                found.add_jobs(referrer, told, home)
                if kind in ("schedules", "jobs", REPEATED):
                    found.add_deployments(referrer, told, home)
            counts["components"] = _components(workspace, home, found, azure)
    except errors.ThrottledError:
        raise
    except errors.StewardError as failure:
        problem = f"workspace {workspace.name} could not be read completely: {failure.error.code}: {failure.error.message}"
    return Survey(home=home, aliases=aliases, at=now, mentions=found, counts=counts, problem=problem)


def everywhere(
    azure: Azure, now: datetime, parked: Callable[[ids.ResourceId], list[Any] | None], *, but: str = "", also: str = ""
) -> Iterator[Survey]:
    """Yield what everything in all subscriptions refers to, each as `of` and `registries` read it.

    Args:
        azure: Where to read.
        now: The present.
        parked: See `of`.
        but: Key of a workspace that is left out.
        also: A subscription that may not be among the app's.

    Raises:
        ThrottledError: ARM wants a long wait.
        RejectedError: `NotSeen`; the setting that lists the subscriptions cannot be used.
    """
    for position, subscription in enumerate(azure.settings.everywhere(also)):
        yield registries(subscription, azure, now, registries_home(subscription if position else ""))
        try:
            places = [inventory.workspace_id(body) for body in inventory.workspaces(subscription, "", azure)]
        except errors.ThrottledError:
            raise
        except errors.StewardError as failure:
            yield unseen(subscription, f"{failure.error.code}: {failure.error.message}", now)
            continue
        yield from (of(place, azure, now, parked) for place in places if place.key != but)


def registries(subscription: str, azure: Azure, now: datetime, home: str = REGISTRIES) -> Survey:
    """Read what the assets of a subscription's registries refer to: components their environments, components and models.

    Its problem may also be that ARM does not show the app all workspaces or registries: the rest may refer to anything.

    Raises:
        ThrottledError: ARM wants a long wait; nothing is known yet.
    """
    found, counts, aliases, problem = mentions.Mentions(), dict.fromkeys(COUNTED, 0), [], ""
    collection = ids.ResourceId(subscription=subscription, namespace=kinds.ML).child("registries")
    try:
        inventory.check_all_seen(subscription, azure, "workspaces", "registries")
        for body in inventory.listing(collection, azure):
            registry = ids.parse(str(body.get("id")))
            aliases.append(mentions.registry_home(registry.name))
            counts["components"] += _components(registry, aliases[-1], found, azure)
    except errors.ThrottledError:
        raise
    except errors.StewardError as failure:
        said = f"{failure.error.code}: {failure.error.message}"
        problem = f"the registries of subscription {subscription} could not be read completely: {said}"
    return Survey(home=home, aliases=tuple(aliases), at=now, mentions=found, counts=counts, problem=problem)


def _referrers(
    workspace: ids.ResourceId, azure: Azure, parked: Callable[[ids.ResourceId], list[Any] | None] | None
) -> Iterator[tuple[str, Any, str]]:
    """Yield each body that may refer to something: what it is counted as, the body, and what a reason calls it."""
    for family, noun in (("onlineEndpoints", "online"), ("batchEndpoints", "batch")):
        for endpoint in inventory.listing(workspace.child(family), azure):
            place = workspace.child(family, str(endpoint["name"]))
            yield "", endpoint.get("properties"), f"{noun} endpoint {place.name}"
            for deployment in inventory.listing(place.child("deployments"), azure):
                who = f"{noun} deployment {deployment['name']} of endpoint {place.name}"
                yield "deployments", deployment.get("properties"), who
            yield from _parked(place, endpoint, parked)
    for endpoint in _perhaps(inventory.listing(workspace.child("serverlessEndpoints"), azure)):
        yield "deployments", endpoint.get("properties"), f"serverless endpoint {endpoint['name']}"
    for schedule in inventory.listing(workspace.child("schedules"), azure, targets.ALL_VIEWS):
        told = f"schedule {schedule['name']}"
        yield "schedules", schedule.get("properties"), told
        for name, body in _repeated(workspace, schedule.get("properties"), azure):
            yield REPEATED, body, f"job {name}, which {told} repeats,"
    services = azure.addresses.url(
        "modelmanagement", ids.below(workspace.path, "services"), f"api-version={kinds.V1_VERSION}", workspace=workspace.path
    )
    for service in _perhaps(inventory.items(services, azure)):
        yield "services", service, f"v1 service {service.get('name')}"
    for run, definition in activity.with_definitions(workspace, azure):
        yield "jobs", [run, definition], f"running job {run.get('runId')}"


def _repeated(workspace: ids.ResourceId, referrer: Any, azure: Azure) -> Iterator[tuple[str, Any]]:
    """Yield the jobs that stand in a body for a definition of its own, as `az ml` writes it, however long ago they ended."""
    pending, seen = mentions.source_jobs(referrer), set[str]()
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        seen.add(name)
        body = inventory.read(workspace.child("jobs", name), azure) or activity.record(workspace, name, azure)
        if body is not None:
            yield name, body
            pending |= mentions.source_jobs(body)


def _components(place: ids.ResourceId, home: str, found: mentions.Mentions, azure: Azure) -> int:
    """Note what the components of a workspace or registry refer to: environments, code, other components; return their number."""
    count, noun = 0, "registry" if place.types[0].lower() == "registries" else "workspace"
    for container in inventory.listing(place.child("components"), azure, targets.ALL_VIEWS):
        name = str(container["name"])
        for version in inventory.listing(place.child("components", name).child("versions"), azure, targets.ALL_VIEWS):
            count += 1
            own = name.lower(), str(version["name"]).lower()
            who = f"component {name}:{version['name']} in {noun} {place.name}"
            found.add(version.get("properties"), who, home, own)
            if noun == "workspace":
                found.add_jobs(version.get("properties"), who, home)
                for job, body in _repeated(place, version.get("properties"), azure):
                    found.add(body, f"job {job}, which is {who},", home)
    return count


def _parked(
    place: ids.ResourceId, endpoint: dict[str, Any], parked: Callable[[ids.ResourceId], list[Any] | None] | None
) -> Iterator[tuple[str, Any, str]]:
    """Yield what a parked endpoint will serve again; one that is about to be parked has no tag yet."""
    specs = parked(place) if parked else None
    if specs is None and parked_endpoints.is_tagged(endpoint):
        message = f"Endpoint {place.name} is parked, and it is not known what it will serve after waking."
        raise errors.RejectedError(errors.AzureError(code="ParkedUnknown", message=message), status=502)
    for spec in specs or ():
        yield "deployments", spec, f"parked deployment of endpoint {place.name}"


def _perhaps(listed: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield a list that a workspace may not have: 404 and 410 say that there is nothing; a refusal does not."""
    try:
        yield from listed
    except errors.RejectedError as refusal:
        if refusal.status not in HTTP_ABSENT:
            raise
