"""A datastore as the service shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from infra.local.emulator.resources import Resource


_V1_TYPES = {"AzureBlob", "AzureFile", "AzureDataLakeGen2"}


def shown(found: Resource, *, with_secret: bool) -> dict[str, Any]:
    """A datastore, with its secret or without."""
    properties = found.properties
    kind = str(properties.get("datastoreType") or "AzureBlob")
    credential = str((properties.get("credentials") or {}).get("credentialsType") or "None")
    secret = (found.secrets.get("key") or found.secrets.get("sasToken")) if with_secret else None
    section = {
        "accountName": properties.get("accountName"),
        "containerName": properties.get("containerName") or properties.get("fileShareName") or properties.get("filesystem"),
        "endpoint": properties.get("endpoint") or "core.windows.net",
        "protocol": properties.get("protocol") or "https",
        "credentialType": credential if credential in {"None", "Sas", "AccountKey"} else "ClientCredentials",
        "credential": secret,
        "blobCacheTimeout": None,
        "isSas": credential == "Sas",
        "accountKey": secret if credential == "AccountKey" else None,
        "sasToken": secret if credential == "Sas" else None,
    }
    return {
        "name": found.name,
        "dataStoreType": kind if kind in _V1_TYPES else "AzureBlob",
        "hasBeenValidated": True,
        "tags": properties.get("tags") or {},
        "azureStorageSection": section,
        "azureDataLakeSection": None,
        "azureSqlDatabaseSection": None,
        "azurePostgreSqlSection": None,
        "glusterFsSection": None,
    }
