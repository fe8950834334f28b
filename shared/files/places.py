"""Upload destinations in the storage of a workspace or a registry.

Either a folder that Azure returns with a SAS (small code, assets of registries; no key needed), or a folder of a datastore, with a
SAS signed here by the datastore's key or the app's identity. Keys and SAS are in memory only. Not here: reading the files
(content), the transfer (transfers), registration (upload_steps).
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from shared.catalog import bodies, kinds
from shared.durable.storage import CLOCK_SKEW
from shared.rest import azure_versions, errors, ids

if TYPE_CHECKING:
    from shared.rest.client import Client
    from shared.rest.ids import ResourceId

SAS_LIFETIME = timedelta(hours=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A folder in blob storage.

    Attributes:
        url: Without a trailing slash and without SAS.
        proof: The query of the SAS; a secret.
        datastore: Its name, '' for a pending upload.
        path: The path of the folder in the datastore.
    """

    url: str
    proof: str = field(repr=False)
    datastore: str = ""
    path: str = ""

    @property
    def signed(self) -> str:
        """The URL with the SAS."""
        return ids.signed(self.url, self.proof)

    def below(self, path: str) -> Place:
        """Return a folder or file below this one."""
        return replace(self, url=ids.blob(self.url, path), path=posixpath.join(self.path, path).strip("/")) if path else self


def pending(version: ResourceId, client: Client) -> Place:
    """Get the upload destination of a code version.

    Raises:
        RejectedError: Azure refused, or returned no destination.
    """
    url = asked(version, client, "startPendingUpload")
    answer = client.send("POST", url, body={"pendingUploadType": "TemporaryBlobReference"}).checked().body
    return _referred(answer)


def pending_context(version: ResourceId, client: Client) -> Place:
    """Get the upload destination of the build context of a registry's environment, which has no `startPendingUpload`.

    The registry's own front end (from its `discoveryUrl`) returns one; the official client does the same.

    Raises:
        RejectedError: Azure refused (409: the version exists), or returned no destination.
    """
    registry = version.ancestor(1)
    found = client.send("GET", asked(registry, client)).checked().body
    discovery = str(bodies.dig(found, "properties.discoveryUrl") or "")
    if not discovery:
        raise _unusable(f"The registry '{registry.name}' has no discoveryUrl yet. Wait until it is created, then try again.")
    front = str(bodies.dig(client.send("GET", discovery).checked().body, "primaryRegionResourceProviderUri") or "").rstrip("/")
    name, number = version.names[-2:]
    asset = ids.below("azureml:/", "registries", registry.name, "environments", name, "versions", number)
    path = registry.child("tempdatarefs", name).child("versions", number).path
    url = ids.url(ids.below(front, "mferp", "managementfrontend"), path, azure_versions.ML_FRONT_END)
    body = {"assetId": asset, "temporaryDataReferenceType": "TemporaryBlobReference"}
    return _referred(client.send("PUT", url, body=body).checked().body)


def asked(resource: ResourceId, client: Client, *action: str, api_version: str = "") -> str:
    """Return the ARM URL of a resource or of an action on it; an api-version of '' means that of the table of kinds."""
    return ids.url(client.cloud.arm, ids.below(resource.path, *action), api_version or kinds.ML_VERSION)


def _referred(answer: Any) -> Place:
    reference = bodies.dig(answer, "blobReferenceForConsumption") or {}
    sas = str(bodies.dig(reference, "credential.sasUri") or "")
    if not sas:
        raise _unusable("Azure returned no destination for the upload. Try again.")
    folder = str(reference.get("blobUri") or sas.partition("?")[0])
    return Place(url=folder.rstrip("/"), proof=urlsplit(sas).query)


def datastore(workspace: ResourceId, name: str, client: Client, now: datetime) -> Place:
    """Find a datastore ('' is the workspace's default) and sign a SAS for its container.

    The SAS is signed with the datastore's key or that of the workspace's own account; without a key, or if the account does not
    allow keys (`allowSharedKeyAccess` false), with a user delegation key of the app's identity.

    Raises:
        RejectedError: the datastore does not exist, is not blob storage, or neither key nor identity has access.
    """
    found = _described(workspace, name, client)
    properties = found.get("properties") or {}
    account, container = str(properties.get("accountName") or ""), str(properties.get("containerName") or "")
    if str(properties.get("datastoreType")).lower() not in ("azureblob", "azuredatalakegen2") or not account:
        raise _unusable(f"The datastore '{found.get('name')}' is not blob storage; expected one of the type AzureBlob.")
    container = container or str(properties.get("filesystem") or "")
    suffix = client.cloud.storage_suffix
    proof = _proof(workspace.child("datastores", str(found["name"])), account, container, client, now)
    return Place(url=ids.blobs(account, suffix, container), proof=proof, datastore=str(found["name"]))


def _described(workspace: ResourceId, name: str, client: Client) -> dict[str, Any]:
    if name:
        return dict(client.send("GET", asked(workspace.child("datastores", name), client)).checked().body)
    url = ids.url(client.cloud.arm, workspace.child("datastores").path, kinds.ML_VERSION, {"isDefault": "true"})
    every = client.send("GET", url).checked().body
    found = (every or {}).get("value") or []
    if not found:
        raise _unusable("The workspace has no default datastore. Set one, or name a datastore.")
    return dict(found[0])


def _proof(store: ResourceId, account: str, container: str, client: Client, now: datetime) -> str:
    answer = client.send("POST", asked(store, client, "listSecrets"))
    secret = answer.body if answer.ok and isinstance(answer.body, dict) else {}
    if secret.get("sasToken"):
        return str(secret["sasToken"]).lstrip("?")
    key = str(secret.get("key") or "") or _account_key(store.ancestor(1), account, client)
    if key:
        try:
            proof = _sas(account, container, now, account_key=key)
        except ValueError:  # not base64; the library's message would quote the key
            raise _unusable(f"The key of the datastore '{store.name}' is not valid; update its credentials.") from None
        probe = Place(url=ids.blobs(account, client.cloud.storage_suffix, container), proof=proof).below("any")
        if not _keys_refused(probe.signed, client):
            return proof
    return _sas(account, container, now, user_delegation_key=_delegation_key(store, account, client, now))


def _sas(account: str, container: str, now: datetime, **key: Any) -> str:
    from azure.storage.blob import ContainerSasPermissions, generate_container_sas

    permission = ContainerSasPermissions(read=True, write=True, create=True)
    return str(generate_container_sas(account, container, permission=permission, expiry=now + SAS_LIFETIME, **key))


def _keys_refused(signed: str, client: Client) -> bool:
    """Return whether the account refuses SAS signed with its key; the answer to a HEAD has the reason in a header."""
    answer = client.send_signed("HEAD", signed, headers={"x-ms-version": azure_versions.STORAGE_DATA})
    return answer.status == 403 and answer.headers.get("x-ms-error-code", "") == "KeyBasedAuthenticationNotPermitted"


def _delegation_key(store: ResourceId, account: str, client: Client, now: datetime) -> Any:
    """Get a user delegation key of the account for the app's identity: a SAS signed with it has the identity's permissions.

    Raises:
        RejectedError: the identity has no permission.
    """
    from azure.storage.blob import UserDelegationKey

    span = f"<Start>{_moment(now - CLOCK_SKEW)}</Start><Expiry>{_moment(now + SAS_LIFETIME)}</Expiry>"
    url = f"{ids.blobs(account, client.cloud.storage_suffix)}?restype=service&comp=userdelegationkey"
    content = f'<?xml version="1.0" encoding="utf-8"?><KeyInfo>{span}</KeyInfo>'.encode()
    headers = {"x-ms-version": azure_versions.STORAGE_DATA, "Content-Type": "application/xml", "Accept": "application/xml"}
    answer = client.send_to_storage("POST", url, content=content, headers=headers)
    if not answer.ok:
        code = answer.headers.get("x-ms-error-code") or answer.error().code
        message = (
            f"The datastore '{store.name}' has no working key for the account '{account}', and the app's identity may not sign "
            f"for it ({code}); the role Storage Blob Data Contributor on the account lets it."
        )
        raise _unusable(message)
    told = dict(re.findall(r"<(Signed\w+|Value)>([^<]*)</", str(answer.body)))
    key = UserDelegationKey()  # type: ignore[no-untyped-call]
    key.signed_oid, key.signed_tid, key.signed_service = told.get("SignedOid"), told.get("SignedTid"), told.get("SignedService")
    key.signed_start, key.signed_expiry, key.signed_version = (
        told.get(name) for name in ("SignedStart", "SignedExpiry", "SignedVersion")
    )
    key.value = told.get("Value")
    return key


def _moment(moment: datetime) -> str:
    """Return a time in storage's format, to the second."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _account_key(workspace: ResourceId, account: str, client: Client) -> str:
    """Return the key of the workspace's own account, for a datastore without one ('' for any other account)."""
    own = bodies.dig(client.send("GET", asked(workspace, client)).checked().body, "properties.storageAccount")
    if str(own).rpartition("/")[2].lower() != account.lower():
        return ""
    answer = client.send("POST", asked(workspace, client, "listStorageAccountKeys"))
    return str(bodies.dig(answer.body, "userStorageKey") or "") if answer.ok else ""


def _unusable(message: str) -> errors.RejectedError:
    return errors.RejectedError(errors.AzureError(code="UploadPlaceUnusable", message=message), status=409)
