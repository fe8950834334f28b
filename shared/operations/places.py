"""Where files go in a workspace's or a registry's storage.

Two kinds of place: the one `startPendingUpload` names with a SAS (small code; it needs no key), and the folder of a datastore,
for which a SAS is signed here with the key that `listSecrets` gives. Keys and SAS live in memory only. Not here: what is
read (content), how files get there (transfers), what is registered (uploads).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from shared.catalog import bodies, kinds
from shared.rest import errors

if TYPE_CHECKING:
    from shared.rest.client import Client
    from shared.rest.ids import ResourceId

STORAGE_VERSION = "2021-08-06"
SAS_LIFETIME = timedelta(hours=2)
VERSION_QUERY = f"api-version={kinds.ML_VERSION}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A folder in blob storage.

    Attributes:
        url: Without a slash at its end and without proof.
        proof: Query of the SAS; a secret.
        datastore: Its name, '' for the place of a pending upload.
        path: Of the folder within the datastore.
    """

    url: str
    proof: str = field(repr=False)
    datastore: str = ""
    path: str = ""

    @property
    def signed(self) -> str:
        """Its URL with the proof."""
        return f"{self.url}?{self.proof}"

    def below(self, path: str) -> Place:
        """Return a folder, or a file, below this one."""
        return replace(self, url=f"{self.url}/{quote(path)}", path=f"{self.path}/{path}".strip("/")) if path else self


def pending(version: ResourceId, client: Client) -> Place:
    """Ask for the place of a code version's files.

    Raises:
        RejectedError: Azure refused, or named no place.
    """
    url = f"{client.cloud.arm}{version.path}/startPendingUpload?{VERSION_QUERY}"
    answer = client.send("POST", url, body={"pendingUploadType": "TemporaryBlobReference"}).checked().body
    reference = bodies.dig(answer, "blobReferenceForConsumption") or {}
    sas = str(bodies.dig(reference, "credential.sasUri") or "")
    if not sas:
        raise _unusable("Azure named no place for the upload.")
    folder = str(reference.get("blobUri") or sas.partition("?")[0])
    return Place(url=folder.rstrip("/"), proof=urlsplit(sas).query)


def datastore(workspace: ResourceId, name: str, client: Client, now: datetime) -> Place:
    """Find a datastore ('' is the workspace's default) and sign a SAS for its container.

    Raises:
        RejectedError: there is none, it is no blob storage, or it gives no key.
    """
    found = _described(workspace, name, client)
    properties = found.get("properties") or {}
    account, container = str(properties.get("accountName") or ""), str(properties.get("containerName") or "")
    if str(properties.get("datastoreType")).lower() not in ("azureblob", "azuredatalakegen2") or not account:
        raise _unusable(f"The datastore '{found.get('name')}' is no blob storage; files cannot be put there.")
    container = container or str(properties.get("filesystem") or "")
    suffix = client.cloud.storage_suffix
    proof = _proof(workspace.child("datastores", str(found["name"])), account, container, client, now)
    return Place(url=f"https://{account}.blob{suffix}/{quote(container)}", proof=proof, datastore=str(found["name"]))


def _described(workspace: ResourceId, name: str, client: Client) -> dict[str, Any]:
    base = f"{client.cloud.arm}{workspace.path}/datastores"
    if name:
        return dict(client.send("GET", f"{base}/{quote(name)}?{VERSION_QUERY}").checked().body)
    every = client.send("GET", f"{base}?{VERSION_QUERY}&isDefault=true").checked().body
    found = (every or {}).get("value") or []
    if not found:
        raise _unusable("The workspace has no default datastore.")
    return dict(found[0])


def _proof(store: ResourceId, account: str, container: str, client: Client, now: datetime) -> str:
    from azure.storage.blob import ContainerSasPermissions, generate_container_sas

    answer = client.send("POST", f"{client.cloud.arm}{store.path}/listSecrets?{VERSION_QUERY}")
    secret = answer.body if answer.ok and isinstance(answer.body, dict) else {}
    if secret.get("sasToken"):
        return str(secret["sasToken"]).lstrip("?")
    key = str(secret.get("key") or "") or _account_key(store.ancestor(1), account, client)
    if not key:
        message = f"The datastore '{store.name}' gives no key to sign with. {answer.error().message if not answer.ok else ''}"
        raise _unusable(message.strip())
    permission = ContainerSasPermissions(read=True, write=True, create=True)
    expiry = now + SAS_LIFETIME
    try:
        return str(generate_container_sas(account, container, account_key=key, permission=permission, expiry=expiry))
    except ValueError:  # no base64; the library's message would quote it
        raise _unusable(f"The key of the datastore '{store.name}' is no storage key.") from None


def _account_key(workspace: ResourceId, account: str, client: Client) -> str:
    """Return the key of the workspace's own account, where a datastore of it keeps none ('' when it is another's)."""
    url = f"{client.cloud.arm}{workspace.path}"
    own = bodies.dig(client.send("GET", f"{url}?{VERSION_QUERY}").checked().body, "properties.storageAccount")
    if str(own).rpartition("/")[2].lower() != account.lower():
        return ""
    answer = client.send("POST", f"{url}/listStorageAccountKeys?{VERSION_QUERY}")
    return str(bodies.dig(answer.body, "userStorageKey") or "") if answer.ok else ""


def _unusable(message: str) -> errors.RejectedError:
    return errors.RejectedError(errors.AzureError(code="UploadPlaceUnusable", message=message), status=409)
