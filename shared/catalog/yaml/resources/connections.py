"""Connections of a workspace: the plain kinds, and those whose YAML has fields of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.catalog.yaml.assets.assets import filled
from shared.text.yaml_values import anything, boolean, choice, either, mapping, named, record, snake, text

if TYPE_CHECKING:
    from shared.catalog.yaml.drafts import Draft
    from shared.text.yaml_document import Cursor
    from shared.text.yaml_values import Shape

# by type of credentials: (REST authType, YAML field to REST field)
CREDENTIALS: dict[str, tuple[str, dict[str, str]]] = {
    "pat": ("PAT", {"pat": "pat"}),
    "sas": ("SAS", {"sas_token": "sas"}),
    "username_password": ("UsernamePassword", {"username": "username", "password": "password"}),
    "managed_identity": ("ManagedIdentity", {"client_id": "clientId", "resource_id": "resourceId"}),
    "service_principal": (
        "ServicePrincipal",
        {"client_id": "clientId", "client_secret": "clientSecret", "tenant_id": "tenantId"},
    ),
    "access_key": ("AccessKey", {"access_key_id": "accessKeyId", "secret_access_key": "secretAccessKey"}),
    "api_key": ("ApiKey", {"key": "key"}),
    "account_key": ("AccountKey", {"account_key": "key"}),
    "aad": ("AAD", {}),
    "none": ("None", {}),
}
# by `type`: REST category
_PLAIN = {
    "git": "Git",
    "container_registry": "ContainerRegistry",
    "python_feed": "PythonFeed",
    "s3": "S3",
    "snowflake": "Snowflake",
    "azure_sql_db": "AzureSqlDb",
    "azure_synapse_analytics": "AzureSynapseAnalytics",
    "azure_my_sql_db": "AzureMySqlDb",
    "azure_postgres_db": "AzurePostgresDb",
    "custom": "CustomKeys",
    "azure_data_lake_gen2": "ADLSGen2",
}
# by `type`: REST category, own fields and the metadata they become, metadata it always has
_SPECIAL: dict[str, tuple[str, dict[str, str], dict[str, str]]] = {
    "azure_blob": ("AzureBlob", {"container_name": "ContainerName", "account_name": "AccountName"}, {}),
    "azure_open_ai": (
        "AzureOpenAi",  # as the CLI spells it; Azure takes any casing
        {"api_version": "ApiVersion", "open_ai_resource_id": "ResourceId"},
        {"ApiType": "Azure"},
    ),
    "azure_ai_services": ("AIServices", {"ai_services_resource_id": "ResourceId"}, {}),
    "azure_ai_search": ("CognitiveSearch", {}, {}),
    "azure_content_safety": ("CognitiveService", {}, {"Kind": "Content Safety"}),
    "azure_speech_services": ("CognitiveService", {}, {"Kind": "speech"}),
    "api_key": ("ApiKey", {}, {}),
    "open_ai": ("OpenAi", {}, {}),
    "serp": ("Serp", {}, {}),
    "serverless": ("Serverless", {}, {}),
}
_REQUIRED = {  # own fields that a kind does not go without
    "azure_blob": ("account_name", "container_name"),
    **dict.fromkeys(("api_key", "open_ai", "serp", "serverless"), ("api_key",)),
}
_TARGETS = ("target", "endpoint", "azure_endpoint", "url", "api_base")  # names of one field
_SHOWN = ("$schema", "id", "creation_context")
_PLAIN_CREDENTIALS = either(
    *(
        record(
            {"type": choice(name, fold=snake), **dict.fromkeys(fields, text)},
            required=("type", *(fields if name != "managed_identity" else ())),
        )
        for name, (_, fields) in CREDENTIALS.items()
    )
)
_FIELDS: dict[str, Shape] = {
    "name": text,
    "description": text,
    "tags": named(anything),
    "target": text,
    "credentials": _PLAIN_CREDENTIALS,
    "is_shared": boolean,
    "metadata": mapping(),
}


def connection_body(_draft: Draft, at: Cursor) -> dict[str, Any]:
    """Translate any connection; its `type` says which."""
    stated = at.get("type")
    if stated is None:
        raise at.refusal("The field 'type' is missing.")
    kind = choice(*_PLAIN, *_SPECIAL, fold=snake)(stated)
    if kind in _PLAIN:
        fields = record({**_FIELDS, "type": choice(kind, fold=snake)}, required=("type",), ignored=_SHOWN)(at)
        category, metadata = _PLAIN[kind], {}
    else:
        category, own, fixed = _SPECIAL[kind]
        extra: dict[str, Shape] = {**dict.fromkeys(_TARGETS, text), **dict.fromkeys(own, text), "api_key": text, "api_type": text}
        required = ("type", *_REQUIRED.get(kind, ()))
        fields = record({**_FIELDS, **extra, "type": choice(kind, fold=snake)}, required=required, ignored=_SHOWN)(at)
        metadata = {**fixed, **{rest: fields[name] for name, rest in own.items() if name in fields}}
    target = next((fields[name] for name in _TARGETS if name in fields), None)
    if target is None and kind not in ("serp", "open_ai"):
        raise at.refusal("The field 'target' is missing.")
    credentials = fields.get("credentials") or _default_credentials(kind, fields)
    auth, names = CREDENTIALS[credentials["type"]]
    properties = {
        "target": target,
        "credentials": {rest: credentials.get(name) for name, rest in names.items() if credentials.get(name) is not None}
        if names
        else None,
        "metadata": {**fields.get("tags", {}), **metadata, **fields.get("metadata", {})},
        "category": category,
        "isSharedToAll": fields.get("is_shared", True),
        "authType": auth,
    }
    return {"properties": filled(properties)}


def _default_credentials(kind: str, fields: dict[str, Any]) -> dict[str, Any]:
    if fields.get("api_key"):
        return {"type": "api_key", "key": fields["api_key"]}
    with_directory = ("azure_blob", "azure_data_lake_gen2", "azure_open_ai", "azure_ai_services", "azure_ai_search",
                      "azure_content_safety", "azure_speech_services")  # fmt: skip
    return {"type": "aad" if kind in with_directory else "none"}
