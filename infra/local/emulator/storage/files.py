"""Reads, writes and signs the blobs of workspaces. Where a URI points is `locations`' to say.

`fetch` is what jobs and deployments are given to fill their folders with. Not here: HTTP, and who may read what.
"""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import AzureError, ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import BlobSasPermissions, ContainerSasPermissions, generate_blob_sas, generate_container_sas

from infra.local.emulator.backends import FetchError
from infra.local.emulator.storage import locations

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from azure.storage.blob import ContainerClient

    from infra.local.emulator.backends import Fetch
    from infra.local.emulator.storage.locations import Location
    from infra.local.emulator.world import World

SAS_LIFETIME = timedelta(hours=8)


def container_client(world: World, location: Location) -> ContainerClient:
    """The location's container, straight from Azurite.

    Raises:
        FetchError: there is no such account.
    """
    try:
        return world.blob_service(location.account).get_container_client(location.container)
    except KeyError:
        raise FetchError(f"The storage account {location.account} does not exist.") from None


def files(world: World, location: Location) -> Iterator[tuple[str, int]]:
    """Name (relative to the location, or the last segment when it is one blob) and size of each blob.

    Raises:
        FetchError: the storage does not answer so.
    """
    prefix = location.path
    try:
        for blob in container_client(world, location).list_blobs(name_starts_with=prefix):
            if not prefix:
                yield blob.name, blob.size
            elif blob.name == prefix:
                yield PurePosixPath(prefix).name, blob.size
            elif blob.name.startswith(prefix + "/"):
                yield blob.name[len(prefix) + 1 :], blob.size
    except AzureError as error:
        raise FetchError(f"{location.url()}: {error.message.splitlines()[0]}") from None


def fetch(world: World, workspace_id: str, uri: str, *, keep_folder: bool = False) -> Fetch:
    """What fills a folder with the files behind a URI.

    Args:
        world: the state.
        workspace_id: whose datastores, jobs and assets a relative URI means.
        uri: see `locations.resolve`.
        keep_folder: a folder comes with its own name, as below AZUREML_MODEL_DIR; else only what is in it.
    """

    def fill(folder: Path) -> None:
        location = locations.resolve(world, workspace_id, uri)
        found = list(files(world, location))
        if not found:
            raise FetchError(f"The specified path does not exist: {location.url()}")
        one_blob = found == [(PurePosixPath(location.path).name, found[0][1])] and exists(world, location)
        into = folder / PurePosixPath(location.path).name if keep_folder and location.path and not one_blob else folder
        client = container_client(world, location)
        for name, _ in found:
            target = (into / name).resolve()
            if not target.is_relative_to(folder.resolve()):
                raise FetchError(f"The blob name {name!r} leads out of the folder.")
            target.parent.mkdir(parents=True, exist_ok=True)
            source = location.path if one_blob else location.child(name).path
            with target.open("wb") as file:
                client.download_blob(source).readinto(file)

    return fill


def check_there(world: World, location: Location) -> None:
    """Do nothing if there is at least one blob at or below a location.

    Raises:
        FetchError: it is missing.
    """
    if next(iter(files(world, location)), None) is None:
        raise FetchError(f"The specified path does not exist: {location.url()}")


def exists(world: World, location: Location) -> bool:
    """Whether the location is a blob."""
    return bool(location.path) and container_client(world, location).get_blob_client(location.path).exists()


def read(world: World, location: Location) -> bytes | None:
    """A blob's content, or None."""
    try:
        return bytes(container_client(world, location).download_blob(location.path).readall())
    except ResourceNotFoundError:
        return None


def write(world: World, location: Location, content: bytes | Path) -> None:
    """Write (or overwrite) a blob; its container is made when absent.

    Raises:
        FetchError: the storage refuses.
    """
    client = container_client(world, location)
    try:
        try:
            _upload(client, location.path, content)
        except ResourceNotFoundError:
            with contextlib.suppress(ResourceExistsError):
                client.create_container()
            _upload(client, location.path, content)
    except AzureError as error:
        raise FetchError(f"{location.url()}: {error.message.splitlines()[0]}") from None


def _upload(client: ContainerClient, name: str, content: bytes | Path) -> None:
    if isinstance(content, bytes):
        client.upload_blob(name, content, overwrite=True)
        return
    with content.open("rb") as file:
        client.upload_blob(name, file, overwrite=True)


def write_folder(world: World, location: Location, folder: Path) -> None:
    """Write every file of a folder below a location. Links are not followed out.

    Raises:
        FetchError: the storage refuses.
    """
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.resolve().is_relative_to(folder.resolve()):
            write(world, location.child(path.relative_to(folder).as_posix()), path)


def sas_url(world: World, location: Location, *, permission: str = "r", suffix: str = "core.windows.net") -> str:
    """A URL under Azure's host name with a signature that Azurite accepts; valid in the machine's own time.

    Args:
        world: the state.
        location: a blob; or a container (empty path), or everything of a container when the permission can list.
        permission: letters as in a SAS, e.g. `r`, `rcwl`.
        suffix: behind `ACCOUNT.blob.`, by cloud.

    Raises:
        FetchError: there is no such account.
    """
    try:
        key = world.storage.keys(location.account)[0]
    except KeyError:
        raise FetchError(f"The storage account {location.account} does not exist.") from None
    shared: dict[str, Any] = {
        "account_name": location.account,
        "container_name": location.container,
        "account_key": key,
        "expiry": datetime.now(UTC) + SAS_LIFETIME,
    }
    if not location.path or "l" in permission:
        token = generate_container_sas(permission=ContainerSasPermissions.from_string(permission), **shared)
    else:
        token = generate_blob_sas(blob_name=location.path, permission=BlobSasPermissions.from_string(permission), **shared)
    return f"{location.url(suffix)}?{token}"


def storage_suffix(host: str) -> str:
    """The storage suffix of the cloud that an Azure ML host name belongs to."""
    return {"us": "core.usgovcloudapi.net", "cn": "core.chinacloudapi.cn"}.get(host.rpartition(".")[2], "core.windows.net")
