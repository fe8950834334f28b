"""Who refers to which asset and compute: read out of bodies, whatever the place and spelling of the mention. Pure.

Deliberately greedy: every string of a deployment, schedule, job, component or v1 service is looked at, and what might be a
reference counts as one. A mention too many keeps a resource; a mention too few would delete one in use. Names are qualified by
the home they are in, a workspace or a registry, as far as the mention says. Not here: reading the bodies from Azure (survey).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ANY = "*"  # any home, family or version
COMPUTES = "computes"
DEPLOYMENTS = "deployments"  # an endpoint's: the endpoint as name, the deployment as version
JOBS = "jobs"
ID_LIMIT = 1_000  # characters of an id before what it ends with

_FAMILIES = {
    "model": "models", "models": "models", "environment": "environments", "environments": "environments", "data": "data",
    "dataset": "data", "datasets": "data", "component": "components", "components": "components", "code": "codes",
    "codes": "codes",
}  # fmt: skip
_FAMILY = "|".join(sorted(_FAMILIES, key=len, reverse=True))
_GUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"

# ARM ids with or without `azureml:`, `azureml://registries/r/models/m/versions/1`, and labels (`@latest`).
_VERSION = re.compile(rf"(?<![\w.-])({_FAMILY})/+([^/|?#\n]+)/+(versions|labels)/+([^/|?#\s\"',;)\]]+)")
_CONTAINER = re.compile(rf"(?:workspaces|registries)/+[^/\s]+/+({_FAMILY})/+([^/|?#\s\"',;)\]]+)/*(?=[?#\s\"',;)\]]|$)")
_PREFIXED = re.compile(r"azureml:([\w.-]+)(?:([:@])([\w.-]+))?")  # `azureml:m:1`, `azureml:m@latest`, `azureml:m`
_MLFLOW = re.compile(r"models:/+([\w.-]+)(?:/+([\w.-]+))?")  # `models:/m/1`, `models:/m/Production`, `models:/m@champion`
_SHORT = re.compile(r"([^/:@|?#\n]{1,255})([:@])([\w.-]+)")  # v1's `m:1`; of its datasets also `my data:1`
_SPACED = re.compile(r"azureml:([^/:@|?#\n]{1,255} [^/:@|?#\n]{1,255})(?:([:@])([\w.-]+))?")  # `azureml:my data:1`
_HOME = re.compile(r"(workspaces|registries)/+([^/\s]+)/+$")
_SCOPE = re.compile(r"subscriptions/+([^/\s]+)/+resourcegroups/+([^/\s]+)/")
_COMPUTE_ID = re.compile(r"computes/+([^/|?#\s\"',;)\]]+)")
_DEPLOYMENT = re.compile(r"(?:online|batch)endpoints/+([^/|?#\s]+)/+deployments/+([^/|?#\s\"',;)\]]+)")
_JOB = re.compile(r"(?<![\w.-])(?:jobs/+|runs:/+|dcid\.)([^/|?#\s\"',;)\]]+)")  # ids, outputs' paths, MLflow's `runs:/r/model`
_ONLY_GUID = re.compile(_GUID)

_ASSET_MEMBERS = frozenset({
    "model", "models", "modelid", "modelids", "assetid", "environment", "environmentid", "code", "codeid", "snapshotid",
    "component", "componentid", "dataid", "dataset", "datasetid", "data",
})  # fmt: skip
_SOURCE_MEMBERS = frozenset({"sourcejobid", "source_job_id"})  # of a schedule's pipeline job, and of a component made from a job
_COMPUTE_MEMBERS = frozenset({
    "compute", "computeid", "computename", "computetarget", "default_compute", "defaultcompute", "target", "instancepool",
})  # fmt: skip


@dataclass(slots=True, kw_only=True)
class Mentions:
    """What some bodies refer to; grows while they are read.

    Attributes:
        found: `home|family|name|version` in lower case, each part perhaps `*` → who refers to it.
        unclear: `home|text`: what stands where an asset belongs and cannot be read as one → who says so.
    """

    found: dict[str, str] = field(default_factory=dict)
    unclear: dict[str, str] = field(default_factory=dict)

    def add(self, body: Any, who: str, home: str, own: tuple[str, str] = ("", "")) -> None:
        """Note everything that `body` may refer to.

        Args:
            body: Of the referrer.
            who: The referrer, as a reason names it.
            home: Where the referrer is (`workspace_home`, `registry_home`): a name without a home is one of there.
            own: Its own name and version, which its body may state (a component's does): they are no reference.
        """
        for member, text in _strings(body):
            low = _plain(text)
            keys = [*_assets_in(low, home), *_computes_in(member, low, home)]
            for key in keys:
                self.found.setdefault(key, who)
            if not keys and member in _ASSET_MEMBERS and low:
                self.unclear.setdefault(f"{_told_home(low, home)}|{low}", who)
        for name, version in _pairs(body):
            if (name, version) != own:
                self.found.setdefault(_key(home, ANY, name, version), who)

    def add_deployments(self, body: Any, who: str, home: str) -> None:
        """Note the endpoints' deployments that `body`, which is not one of them, names by id; short names `add` has noted."""
        for _, text in _strings(body):
            low = _plain(text)
            for match in _DEPLOYMENT.finditer(low):
                self.found.setdefault(_key(_home_of(_before(low, match.start()), home), DEPLOYMENTS, match[1], match[2]), who)

    def add_jobs(self, body: Any, who: str, home: str) -> None:
        """Note the jobs that `body` repeats, or whose outputs it reads."""
        for member, text in _strings(body):
            low = _plain(text)
            for match in _JOB.finditer(low):
                self.found.setdefault(_key(_home_of(_before(low, match.start()), home), JOBS, match[1], ANY), who)
            if member in _SOURCE_MEMBERS and low:
                self.found.setdefault(_key(home, JOBS, _last(low), ANY), who)

    def of_asset(self, homes: Iterable[str], family: str, name: str, version: str) -> str:
        """Return who refers, or may refer, to that version; '' for nothing. `homes`: all names of where it is."""
        low, places = name.lower(), (*homes, ANY)
        if who := self._clearly(places, family, low, version.lower()):
            return who
        for key, who in self.unclear.items():
            home, _, text = key.partition("|")
            if low in text and home in places:
                return who
        return ""

    def of_deployment(self, homes: Iterable[str], endpoint: str, name: str) -> str:
        """Return who refers to that deployment of an endpoint; '' for nothing."""
        return self._clearly((*homes, ANY), DEPLOYMENTS, endpoint.lower(), name.lower())

    def of_job(self, homes: Iterable[str], name: str) -> str:
        """Return who repeats that job or reads its outputs; '' for nothing."""
        return self._clearly((*homes, ANY), JOBS, name.lower(), ANY)

    def of_compute(self, homes: Iterable[str], name: str) -> str:
        """Return who refers to that compute; '' for nothing."""
        low = name.lower()
        return next((who for home in (*homes, ANY) if (who := self.found.get(_key(home, COMPUTES, low, ANY)))), "")

    def _clearly(self, places: Iterable[str], family: str, name: str, version: str) -> str:
        for home in places:
            for kind in (family, ANY):
                for number in (version, ANY):
                    if who := self.found.get(f"{home}|{kind}|{name}|{number}"):
                        return who
        return ""

    def update(self, other: Mentions) -> None:
        """Take in what others found."""
        for key, who in other.found.items():
            self.found.setdefault(key, who)
        for key, who in other.unclear.items():
            self.unclear.setdefault(key, who)


def source_jobs(body: Any) -> set[str]:
    """Return the names of the jobs that stand in a body in place of a definition of its own."""
    found = ((member, text.strip()) for member, text in _strings(body))
    return {_last(text) for member, text in found if member in _SOURCE_MEMBERS and text}


def workspace_home(subscription: str, resource_group: str, name: str) -> str:
    """Return how mentions name a workspace."""
    return f"{subscription}/{resource_group}/{name}".lower()


def registry_home(name: str) -> str:
    """Return how mentions name a registry."""
    return f"registry/{name}".lower()


def guid_home(workspace_id: str) -> str:
    """Return how mentions name a workspace whose `workspaceId` is all they name (`azureml://locations/…/workspaces/{guid}/…`)."""
    return f"#{workspace_id}".lower()


def _last(text: str) -> str:
    return text.rstrip("/").rpartition("/")[2].removeprefix("azureml:")


def _key(home: str, family: str, name: str, version: str) -> str:
    return f"{home}|{family}|{name}|{ANY if version in ('', 'latest') else version}"


def _plain(text: str) -> str:
    """Undo percent-encoding (Azure's own ids are encoded up to twice) and casing."""
    found = text.strip()
    for _ in range(2):
        if "%" in found:
            found = unquote(found)
    return found.lower()


def _strings(value: Any) -> Iterator[tuple[str, str]]:
    """Yield every string in `value` with the lower-cased name of the member it stands under; keys of objects, too."""
    pending: list[tuple[str, Any]] = [("", value)]
    while pending:
        name, item = pending.pop()
        match item:
            case str():
                yield name, item
            case dict():
                pending.extend((str(key).lower(), inner) for key, inner in item.items())
                yield from (("", str(key)) for key in item if ":" in str(key) or "/" in str(key))
            case list() | tuple():
                pending.extend((name, inner) for inner in item)


def _assets_in(low: str, home: str) -> Iterator[str]:
    for match in _VERSION.finditer(low):
        family, name, how, version = match.groups()
        for place in _homes_before(_before(low, match.start())):
            yield _key(place, _FAMILIES[family], name, version if how == "versions" else ANY)
    for match in _CONTAINER.finditer(low):
        for place in _homes_before(_before(low, match.start(1))):
            yield _key(place, _FAMILIES[match[1]], match[2], ANY)
    for match in _PREFIXED.finditer(low):
        for version in _ends(match[3] if match[2] == ":" else ""):
            yield from (_key(home, ANY, name, version) for name in _ends(match[1]))
    for match in _MLFLOW.finditer(low):
        number = match[2] if match[2] and match[2].isdecimal() else ""  # a stage may be any version
        yield _key(home, "models", match[1], number)
    if short := _SHORT.fullmatch(low) or _SPACED.fullmatch(low):
        yield _key(home, ANY, short[1], short[3] if short[2] == ":" else ANY)
    if _ONLY_GUID.fullmatch(low):
        yield _key(home, ANY, low, ANY)  # code is named by a GUID


def _before(text: str, at: int) -> str:
    """Return what stands before a match, as far as it can be its id's."""
    return text[max(0, at - ID_LIMIT) : at]


def _ends(text: str | None) -> tuple[str, ...]:
    """Return a name as it stands in a sentence, and without the mark that may end the sentence."""
    found = text or ""
    return tuple(dict.fromkeys((found, found.rstrip(".-") or found)))


def _homes_before(prefix: str) -> tuple[str, ...]:
    """Return where what follows `prefix` is. A workspace may have what a registry has, under the same name and version."""
    found = _HOME.search(prefix)
    if found is None:
        return (ANY,)
    if found[1] == "registries":
        return registry_home(found[2]), ANY
    scopes = _SCOPE.findall(prefix)
    if scopes:
        return (workspace_home(scopes[-1][0], scopes[-1][1], found[2]),)
    return (guid_home(found[2]),) if _ONLY_GUID.fullmatch(found[2]) else (ANY,)


def _told_home(low: str, home: str) -> str:
    return ANY if "workspaces/" in low or "registries/" in low else home


def _computes_in(member: str, low: str, home: str) -> Iterator[str]:
    for match in _COMPUTE_ID.finditer(low):
        yield _key(_home_of(_before(low, match.start()), home), COMPUTES, match[1], ANY)
    if member in _COMPUTE_MEMBERS and low and "/" not in low:
        yield _key(home, COMPUTES, low.removeprefix("azureml:"), ANY)


def _home_of(prefix: str, home: str) -> str:
    """Return the workspace that `prefix` ends with, else that of the referrer."""
    scopes, place = _SCOPE.findall(prefix), _HOME.search(prefix)
    named = scopes and place and place[1] == "workspaces"
    return workspace_home(scopes[-1][0], scopes[-1][1], place[2]) if named and place else home


def _pairs(value: Any) -> Iterator[tuple[str, str]]:
    """Yield name and version where they stand in two members: v1's `{"name": …, "version": …}`, `modelName` and `modelVersion`."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            pending.extend(item.values())
            low = {str(key).lower(): inner for key, inner in item.items()}
            for key, name in low.items():
                version = low.get(f"{key.removesuffix('name')}version") if key.endswith("name") else None
                if isinstance(name, str) and name and isinstance(version, str | int) and not isinstance(version, bool):
                    yield name.strip().lower(), str(version).strip().lower()
        elif isinstance(item, list | tuple):
            pending.extend(item)
