"""Datastores: blob, file share, Data Lake Gen1 and Gen2, OneLake, with each kind of credential."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.catalog.yaml.assets.assets import filled
from shared.text.yaml_values import anything, camel, choice, either, mapping, named, record, snake, text

if TYPE_CHECKING:
    from shared.catalog.yaml.drafts import Draft
    from shared.text.yaml_document import Cursor
    from shared.text.yaml_values import Shape

DEFAULT_AUTHORITY = "https://login.microsoftonline.com"
_TENANT: dict[str, Shape] = {
    "authority_url": text,
    "authority_uri": text,
    "resource_url": text,
    "tenant_id": text,
    "client_id": text,
}
ACCOUNT_KEY = record({"account_key": text}, required=("account_key",))
SAS = record({"sas_token": text}, required=("sas_token",))
PRINCIPAL = record({**_TENANT, "client_secret": text}, required=("tenant_id", "client_id", "client_secret"))
CERTIFICATE = record({**_TENANT, "certificate": text, "thumbprint": text}, required=("tenant_id", "client_id", "thumbprint"))
NOTHING = record({})
_STORAGE: dict[str, Shape] = {"account_name": text, "endpoint": text, "protocol": text}
_OF_ACCOUNT = either(ACCOUNT_KEY, SAS, NOTHING)
_OF_TENANT = either(PRINCIPAL, CERTIFICATE, NOTHING)
# type → (REST type, own fields, of these required, credentials)
KINDS: dict[str, tuple[str, dict[str, Shape], tuple[str, ...], Shape]] = {
    "azure_blob": ("AzureBlob", {**_STORAGE, "container_name": text}, ("account_name", "container_name"), _OF_ACCOUNT),
    "azure_file": ("AzureFile", {**_STORAGE, "file_share_name": text}, ("account_name", "file_share_name"), _OF_ACCOUNT),
    "azure_data_lake_gen1": ("AzureDataLakeGen1", {"store_name": text}, ("store_name",), _OF_TENANT),
    "azure_data_lake_gen2": (
        "AzureDataLakeGen2",
        {**_STORAGE, "filesystem": text},
        ("account_name", "filesystem"),
        _OF_TENANT,
    ),
    "one_lake": (
        "OneLake",
        {
            "one_lake_workspace_name": text,
            "endpoint": text,
            "artifact": record({"type": choice("lake_house", fold=snake), "name": text}, required=("type", "name")),
        },
        ("one_lake_workspace_name", "artifact"),
        either(PRINCIPAL, NOTHING),
    ),
}


def datastore_body(_draft: Draft, at: Cursor) -> dict[str, Any]:
    """Translate any datastore; its `type` says which."""
    kind = at.get("type")
    if kind is None:
        raise at.refusal("The field 'type' is missing.")
    name = choice(*KINDS, fold=snake)(kind)
    rest, own, required, credentials = KINDS[name]
    shared: dict[str, Shape] = {
        "name": text,
        "type": choice(name, fold=snake),
        "description": text,
        "tags": named(mapping(anything)) if name == "azure_data_lake_gen1" else named(text),
    }
    shape = record({**shared, **own, "credentials": credentials}, required=("name", "type", *required), ignored=("$schema", "id"))
    fields = shape(at)
    properties = {camel(field): fields[field] for field in own if field in fields}
    if "account_name" in own:
        properties = {"endpoint": "core.windows.net", "protocol": "https", **properties}
    if name == "one_lake":
        artifact = fields["artifact"]
        properties["artifact"] = {"artifactType": "LakeHouse", "artifactName": artifact["name"]}
    properties |= {
        "credentials": credentials_body(fields.get("credentials", {})),
        "description": fields.get("description"),
        "tags": fields.get("tags", {}),
        "datastoreType": rest,
    }
    return {"properties": filled(properties)}


def credentials_body(credentials: dict[str, Any]) -> dict[str, Any]:
    """Return the REST form of a datastore's credentials."""
    if "account_key" in credentials:
        return {"secrets": {"key": credentials["account_key"], "secretsType": "AccountKey"}, "credentialsType": "AccountKey"}
    if "sas_token" in credentials:
        return {"secrets": {"sasToken": credentials["sas_token"], "secretsType": "Sas"}, "credentialsType": "Sas"}
    if not credentials:
        return {"credentialsType": "None"}
    kind = "ServicePrincipal" if "client_secret" in credentials else "Certificate"
    secret = {"clientSecret": credentials.get("client_secret"), "certificate": credentials.get("certificate")}
    body = {
        "authorityUrl": credentials.get("authority_url", credentials.get("authority_uri", DEFAULT_AUTHORITY)),
        "resourceUrl": credentials.get("resource_url"),
        "tenantId": credentials["tenant_id"],
        "clientId": credentials["client_id"],
        "thumbprint": credentials.get("thumbprint"),
        "secrets": {**filled(secret), "secretsType": kind},
        "credentialsType": kind,
    }
    return filled(body)
