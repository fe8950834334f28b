"""From every kind of URI that Azure ML knows to a place in a workspace's storage. Not here: reading and writing."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from infra.local.emulator import clouds
from infra.local.emulator.backends import FetchError

if TYPE_CHECKING:
    from infra.local.emulator.resources import Resource
    from infra.local.emulator.world import World

REGISTRY_TYPE = "microsoft.machinelearningservices/registries"
ARTIFACTS = "azureml"  # the container of run artifacts and logs: ExperimentRun/dcid.{runId}/…
_ASSET_URIS = {"models": "modelUri", "codes": "codeUri", "data": "dataUri"}
_DATASTORE = re.compile(r"azureml://(?:.*?/)?datastores/([^/]+)/paths(?:/(.*))?", re.IGNORECASE)
_JOB_OUTPUT = re.compile(r"azureml://(?:.*?/)?jobs/([^/]+)/outputs/([^/]+)(?:/paths)?(?:/(.*))?", re.IGNORECASE)
_ASSET = re.compile(r"(?:azureml:)?/?(?:/.*?/|.*?/workspaces/[^/]+/)?(models|codes|data)/([^/]+)/versions/([^/]+)", re.IGNORECASE)
_REGISTRY_ASSET = re.compile(r"azureml://registries/([\w.-]+)/(models|codes|data)/([^/]+)/versions/([^/]+)", re.IGNORECASE)
_SHORT_ASSET = re.compile(r"azureml:(?!//)([\w.-]+):([\w.-]+)")
_MLFLOW_FILES = re.compile(
    r"azureml://[^/]+/mlflow/v[\d.]+(/subscriptions/.+/workspaces/[^/]+)/experiments/[^/]+/runs/([^/]+)/artifacts(?:/(.*))?",
    re.IGNORECASE,
)
_ARTIFACT = re.compile(r"(?:azureml://artifacts|aml://artifact)/([^/]*)(?:/([^/]*)(?:/(.*))?)?", re.IGNORECASE)
_RUN_FILE = re.compile(r"runs:/+([^/]*)(?:/(.*))?")
_V1_ASSET = re.compile(r"aml://asset/(.*)")
_HTTPS = re.compile(r"https://.*", re.IGNORECASE)
_CONTAINER_URL = re.compile(r"(?:wasbs?|abfss?)://([^@/]+)@([a-z0-9]+)\.[^/]+(?:/(.*))?", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A blob, or everything below a path, of one account. `path` has no slash at either end; empty is the container."""

    account: str
    container: str
    path: str

    def child(self, name: str) -> Location:
        """A path below this one."""
        return replace(self, path="/".join(part for part in (self.path, name.strip("/")) if part))

    def url(self, suffix: str = "core.windows.net") -> str:
        """The blob's address under Azure's real host name."""
        return f"https://{self.account}.blob.{suffix}/{self.container}" + (f"/{quote(self.path)}" if self.path else "")


# ── from names to locations ──────────────────────────────────────────────────────────────────────────────────────────
def account_of(world: World, owner_id: str) -> str:
    """The name of the storage account of a workspace or registry.

    Raises:
        FetchError: the owner, or its storage account, is gone.
    """
    with world.lock:
        owner = world.resources.get(owner_id)
        account = account_id_of(owner).rstrip("/").rpartition("/")[2] if owner else ""
    if not account:
        raise FetchError(f"{owner_id.rpartition('/')[2]} has no storage account.")
    return account.lower()


def account_id_of(owner: Resource) -> str:
    """The ARM id of the storage account of a workspace (its own choice) or registry (made for it)."""
    return str(owner.properties.get("storageAccount") or owner.hidden.get("storageAccount") or "")


def run_folder(world: World, workspace_id: str, run_id: str) -> Location:
    """Where a run's logs and outputs are.

    Raises:
        FetchError: see `account_of`.
    """
    return artifact(world, workspace_id, "ExperimentRun", f"dcid.{run_id}", "")


def artifact(world: World, workspace_id: str, origin: str, container: str, path: str) -> Location:
    """Where an artifact of the artifact service is: its origin and container are the first parts of the blob's name.

    Raises:
        FetchError: see `account_of`.
    """
    whole = "/".join(part for part in (origin, container, path.strip("/")) if part)
    return Location(account=account_of(world, workspace_id), container=ARTIFACTS, path=whole)


def resolve(world: World, workspace_id: str, uri: str) -> Location:
    """Where the files behind a URI are; `_FORMS`, at the end of this module, lists every form that is known.

    Raises:
        FetchError: it is of no known form, or names a datastore, run or asset that does not exist.
    """
    text = uri.strip()
    for pattern, place in _FORMS:
        if match := pattern.fullmatch(text):
            return place(world, workspace_id, match)
    raise FetchError(f"The path {uri!r} is of no supported kind.")


def _unquoted(match: re.Match[str]) -> list[str]:
    return [unquote(part or "") for part in match.groups()]


def _mlflow_files(world: World, workspace_id: str, home: str, run_id: str, path: str) -> Location:
    if home.lower() != workspace_id.lower():
        raise FetchError("The run is in another workspace: a model is registered in the workspace of its run.")
    run = world.runs.get(workspace_id, run_id)
    if run is None:
        raise FetchError(f"The run {run_id} was not found in the workspace.")
    return run_folder(world, workspace_id, run.run_id).child(path)


def _job_output(world: World, workspace_id: str, job: str, output: str, path: str) -> Location:
    run = world.runs.get(workspace_id, job)
    if run is None:
        raise FetchError(f"The job {job} was not found in the workspace.")
    if output in {"artifacts", "default"}:
        return run_folder(world, workspace_id, run.run_id).child(path)
    given = (run.definition.get("outputs") or {}).get(output)
    if not isinstance(given, dict):
        raise FetchError(f"The job {job} has no output {output}.")
    where = given.get("uri") or default_output_uri(run.run_id, output)
    return resolve(world, workspace_id, str(where)).child(path)


def default_output_uri(run_id: str, output: str) -> str:
    """Where Azure puts an output whose place the job does not name."""
    return f"azureml://datastores/workspaceblobstore/paths/azureml/{run_id}/{output}/"


def long(world: World, owner: Resource, uri: str) -> str:
    """A URI as Azure keeps it: an output of a job is a place in a datastore, and that has its workspace in front."""
    if match := _JOB_OUTPUT.fullmatch(uri):
        uri = _output_uri(world, owner, *(part or "" for part in match.groups())) or uri
    if not uri.lower().startswith("azureml://datastores/"):
        return uri
    _, _, subscription, _, group, *_ = owner.id.split("/")
    return f"azureml://subscriptions/{subscription}/resourcegroups/{group}/workspaces/{owner.name}/{uri[10:]}"


def _output_uri(world: World, owner: Resource, job: str, output: str, path: str) -> str | None:
    """The place of a job's output, or of what lies below it; None when there is no such job or output."""
    run = world.runs.get(owner.id, job)
    if run is None:
        return None
    if output in {"artifacts", "default"}:
        return f"azureml://datastores/workspaceartifactstore/paths/ExperimentRun/dcid.{run.run_id}/{path}"
    given = (run.definition.get("outputs") or {}).get(output)
    if not isinstance(given, dict):
        return None
    where = str(given.get("uri") or default_output_uri(run.run_id, output))
    return f"{where.rstrip('/')}/{path}" if path else where


def _datastore(world: World, workspace_id: str, name: str, path: str) -> Location:
    with world.lock:
        found = world.resources.get(f"{workspace_id}/datastores/{name}")
        properties = dict(found.properties) if found else {}
    account, container = properties.get("accountName"), properties.get("containerName") or properties.get("filesystem")
    if not found:
        raise FetchError(f"The datastore {name} was not found in the workspace.")
    if not account or not container:
        raise FetchError(f"The datastore {name} is not kept in blobs.")
    return Location(account=str(account).lower(), container=str(container), path=path.strip("/"))


def _asset(world: World, workspace_id: str, text: str, parts: list[str]) -> Location:
    kinds = [parts[0].lower()] if len(parts) == 3 else ["data", "models"]
    name, version = parts[-2:]
    home = re.sub(r"(?i)^azureml:", "", text)
    home = home[: home.lower().rindex(f"/{kinds[0]}/")] if home.lower().startswith("/subscriptions/") else workspace_id
    for kind in kinds:
        with world.lock:
            found = world.resources.get(f"{home}/{kind}/{name}/versions/{version}")
            uri = found.properties.get(_ASSET_URIS[kind]) if found else None
        if uri:
            return resolve(world, home, str(uri))
    raise FetchError(f"The asset {text} was not found.")


def _registry_asset(world: World, text: str, registry: str, kind: str, name: str, version: str) -> Location:
    with world.lock:
        owner = next((one for one in world.resources.of_type(REGISTRY_TYPE) if one.name.lower() == registry.lower()), None)
        found = world.resources.get(f"{owner.id}/{kind}/{name}/versions/{version}") if owner else None
        uri = found.properties.get(_ASSET_URIS[kind.lower()]) if found else None
    if owner is None or not uri:
        raise FetchError(f"The asset {text} was not found.")
    return resolve(world, owner.id, str(uri))


def _v1_asset(world: World, workspace_id: str, asset_id: str) -> Location:
    asset = (world.notes.get("v1_assets") or {}).get((world.generation(workspace_id), asset_id.lower()))
    if not asset or not asset.get("artifacts"):
        raise FetchError(f"The asset {asset_id} was not found.")
    first = asset["artifacts"][0]
    uri = str(first.get("prefix") or first.get("id") or "")
    return resolve(world, workspace_id, uri if "://" in uri else f"aml://artifact/{uri}")


def _blob_url(url: str) -> Location:
    parts = urlsplit(url)
    named = clouds.storage_service(parts.hostname or "")
    container, _, path = unquote(parts.path).lstrip("/").partition("/")
    if named is None or named[1] not in {"blob", "dfs"} or not container:
        raise FetchError(f"{parts.scheme}://{parts.netloc}{parts.path} is not the address of a blob.")
    return Location(account=named[0], container=container, path=path.strip("/"))


def _container_url(_world: World, _workspace_id: str, match: re.Match[str]) -> Location:
    container, account, path = _unquoted(match)
    return Location(account=account, container=container, path=path.strip("/"))


# Each form of a URI with what finds its place; the first that matches counts.
type _Form = tuple[re.Pattern[str], Callable[[World, str, re.Match[str]], Location]]
_FORMS: tuple[_Form, ...] = (
    (_REGISTRY_ASSET, lambda world, _home, match: _registry_asset(world, match[0], *_unquoted(match))),
    (_MLFLOW_FILES, lambda world, home, match: _mlflow_files(world, home, *_unquoted(match))),
    (_ARTIFACT, lambda world, home, match: artifact(world, home, *match.groups(""))),
    (_JOB_OUTPUT, lambda world, home, match: _job_output(world, home, *_unquoted(match))),
    (_DATASTORE, lambda world, home, match: _datastore(world, home, *_unquoted(match))),
    (_RUN_FILE, lambda world, home, match: run_folder(world, home, match[1]).child(match[2] or "")),
    (_V1_ASSET, lambda world, home, match: _v1_asset(world, home, match[1])),
    (_CONTAINER_URL, _container_url),
    (_HTTPS, lambda _world, _home, match: _blob_url(match[0])),
    (_ASSET, lambda world, home, match: _asset(world, home, match[0], _unquoted(match))),
    (_SHORT_ASSET, lambda world, home, match: _asset(world, home, match[0], _unquoted(match))),
)
