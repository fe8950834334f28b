"""Workspaces, feature stores (workspaces of another kind) and registries.

A workspace made by PUT needs its storage, key vault and Application Insights to exist; the CLI makes them by a template.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from shared.catalog.yaml.assets.assets import filled
from shared.catalog.yaml.resources import identities
from shared.text.yaml_values import (
    anything,
    boolean,
    camel,
    choice,
    either,
    integer,
    named,
    pascal,
    record,
    same,
    sequence,
    snake,
    text,
)

if TYPE_CHECKING:
    from shared.catalog.yaml.drafts import Draft
    from shared.text.yaml_document import Cursor
    from shared.text.yaml_values import Shape

SPARK_VERSION = "3.4.0"  # what a feature store gets when its YAML names none
_ARM_ID = re.compile(r"^/?subscriptions/[^/]+(/resourceGroups/[^/]+)?/providers/[^/]+(/[^/]+/[^/]+)+$", re.IGNORECASE)


def arm_id(at: Cursor) -> str:
    """A resource id."""
    found = text(at)
    if not _ARM_ID.match(found):
        raise at.refusal(f"'{found[:120]}' is not a resource id.")
    return found


def url(at: Cursor) -> str:
    """An http or https address."""
    found = text(at)
    if not re.match(r"^https?://[\w.-]+(:\d+)?(/\S*)?$", found):
        raise at.refusal(f"'{found[:120]}' is not a URL.")
    return found


_CATEGORY = ("parent_rule_names", "category", "status")
_RULES = sequence(
    either(
        record(
            {
                "name": text,
                "type": choice("private_endpoint", fold=same),
                "destination": record(
                    {"service_resource_id": text, "subresource_target": text, "spark_enabled": boolean},
                    required=("service_resource_id", "subresource_target", "spark_enabled"),
                ),
                "fqdns": sequence(text),
            },
            required=("name", "destination"),
            ignored=_CATEGORY,
            unknown="drop",
        ),
        record(
            {
                "name": text,
                "type": choice("service_tag", fold=same),
                "destination": record(
                    {"service_tag": text, "protocol": text, "port_ranges": text, "address_prefixes": sequence(text)},
                    required=("service_tag", "protocol", "port_ranges"),
                ),
            },
            required=("name", "destination"),
            ignored=_CATEGORY,
            unknown="drop",
        ),
        record(
            {"name": text, "type": choice("fqdn", fold=same), "destination": text},
            required=("name", "destination"),
            ignored=_CATEGORY,
            unknown="drop",
        ),
    )
)
_ACCESS = choice("Disabled", "Enabled", fold=lambda value: value[:1].upper() + value[1:])
_FIELDS: dict[str, Shape] = {
    "name": text,
    "location": text,
    "resource_group": text,
    "description": text,
    "display_name": text,
    "hbi_workspace": boolean,
    "storage_account": arm_id,
    "container_registry": arm_id,
    "key_vault": arm_id,
    "application_insights": arm_id,
    "customer_managed_key": record({"key_vault": text, "key_uri": url, "cosmosdb_id": text, "storage_id": text, "search_id": text}),
    "tags": named(text),
    "image_build_compute": text,
    "public_network_access": _ACCESS,
    "identity": identities.WORKSPACE_IDENTITY,
    "primary_user_assigned_identity": text,
    "managed_network": record(
        {
            "isolation_mode": choice("disabled", "allow_internet_outbound", "allow_only_approved_outbound", fold=snake),
            "outbound_rules": _RULES,
            "firewall_sku": choice("standard", "basic", fold=snake),
        },
        nullable=("outbound_rules",),
        ignored=("network_id", "status"),
        unknown="drop",
    ),
}
_SHOWN = ("$schema", "id", "mlflow_tracking_uri", "discovery_url")
WORKSPACE = record(
    {
        **_FIELDS,
        "network_acls": record(
            {"default_action": text, "ip_rules": sequence(record({"value": text}, required=("value",), ignored=("$schema",)))},
            required=("default_action",),
            nullable=("ip_rules",),
            ignored=("$schema",),
        ),
        "system_datastores_auth_mode": text,
        "workspace_hub": arm_id,
        "provision_network_now": boolean,
        "enable_data_isolation": boolean,
        "allow_roleassignment_on_rg": boolean,
        "serverless_compute": record(
            {"custom_subnet": text, "no_public_ip": boolean}, nullable=("custom_subnet",), ignored=("$schema",)
        ),
    },
    required=("name",),
    ignored=_SHOWN,
)
_STORE = record({"type": text, "target": text}, required=("type", "target"))
FEATURE_STORE = record(
    {
        **_FIELDS,
        "compute_runtime": record({"spark_runtime_version": text}, required=("spark_runtime_version",)),
        "offline_store": _STORE,
        "online_store": _STORE,
        "materialization_identity": record({"principal_id": text, "client_id": text, "resource_id": text}),
    },
    required=("name",),
    ignored=_SHOWN,
)
_KINDS_OF_STORAGE = (
    "standard_lrs", "standard_grs", "standard_ragrs", "standard_zrs", "standard_gzrs", "standard_ragzrs", "premium_lrs",
    "premium_zrs",
)  # fmt: skip
REGISTRY = record(
    {
        "name": text,
        "description": text,
        "tags": named(anything),
        "location": text,
        "public_network_access": _ACCESS,
        "replication_locations": sequence(
            record(
                {
                    "location": text,
                    "storage_config": either(
                        record(
                            {
                                "storage_account_hns": boolean,
                                "storage_account_type": choice(*_KINDS_OF_STORAGE),
                                "replication_count": integer,
                            },
                            ignored=("arm_resource_id", "replicated_ids"),
                        ),
                        sequence(text),
                    ),
                }
            )
        ),
        "intellectual_property": record({"publisher": text}),
        "container_registry": either(text, record({"acr_account_sku": choice("premium")}, ignored=("arm_resource_id",))),
    },
    required=("location",),
    ignored=("$schema", "id", "identity", "kind", "sku", "managed_resource_group", "mlflow_registry_uri", "discovery_url"),
)


def workspace_body(_draft: Draft, at: Cursor) -> dict[str, Any]:
    """Translate a workspace."""
    fields = WORKSPACE(at)
    serverless = fields.get("serverless_compute")
    acls = fields.get("network_acls")
    properties = {
        **_properties(fields),
        "enableDataIsolation": fields.get("enable_data_isolation", False),
        "systemDatastoresAuthMode": fields.get("system_datastores_auth_mode"),
        "hubResourceId": fields.get("workspace_hub"),
        "provisionNetworkNow": fields.get("provision_network_now"),
        "allowRoleAssignmentOnRG": fields.get("allow_roleassignment_on_rg"),
        "serverlessComputeSettings": filled(
            {
                "serverlessComputeCustomSubnet": subnet if (subnet := serverless.get("custom_subnet")) != "None" else None,
                "serverlessComputeNoPublicIP": serverless.get("no_public_ip", False),
            }
        )
        if serverless is not None
        else None,
        "networkAcls": filled(
            {
                "defaultAction": acls["default_action"],
                "ipRules": [{"value": rule["value"]} for rule in acls.get("ip_rules", [])],
            }
        )
        if acls is not None
        else None,
    }
    return _resource(fields, "default" if not fields.get("workspace_hub") else "project", properties)


def feature_store_body(_draft: Draft, at: Cursor) -> dict[str, Any]:
    """Translate a feature store: the workspace; its stores and their connections are made afterwards."""
    fields = FEATURE_STORE(at)
    runtime = fields.get("compute_runtime", {}).get("spark_runtime_version", SPARK_VERSION)
    properties = {
        **_properties(fields),
        "enableDataIsolation": False,
        "featureStoreSettings": {"computeRuntime": {"sparkRuntimeVersion": runtime}},
    }
    return _resource(fields, "featurestore", properties)


def registry_body(_draft: Draft, at: Cursor) -> dict[str, Any]:
    """Translate a registry."""
    fields = REGISTRY(at)
    registry = fields.get("container_registry", {"acr_account_sku": "premium"})
    if isinstance(registry, str):
        details: dict[str, Any] = {"userCreatedAcrAccount": {"armResourceId": {"resourceId": registry}}}
    else:
        sku = registry.get("acr_account_sku", "premium").capitalize()
        details = {"systemCreatedAcrAccount": {"acrAccountSku": sku}}
    regions = [
        filled(
            {
                "acrDetails": [details],
                "location": region.get("location"),
                "storageAccountDetails": _storage(region.get("storage_config", {})),
            }
        )
        for region in fields.get("replication_locations", [])
    ]
    properties = {
        "publicNetworkAccess": fields.get("public_network_access"),
        "intellectualPropertyPublisher": fields.get("intellectual_property", {}).get("publisher"),
        "regionDetails": regions,
        "managedResourceGroupTags": fields.get("tags", {}),
    }
    body = {
        "location": fields["location"],
        "identity": {"type": "SystemAssigned"},
        "tags": fields.get("tags", {}),
        "properties": filled(properties),
    }
    return filled(body)


def _properties(fields: dict[str, Any]) -> dict[str, Any]:
    same_name = (
        "description", "storage_account", "container_registry", "key_vault", "application_insights", "image_build_compute",
        "public_network_access", "primary_user_assigned_identity",
    )  # fmt: skip
    out = {camel(name): fields.get(name) for name in same_name}
    out["friendlyName"] = fields.get("display_name")
    out["hbiWorkspace"] = fields.get("hbi_workspace", False)
    out["encryption"] = _encryption(fields.get("customer_managed_key"))
    out["managedNetwork"] = _network(fields.get("managed_network"))
    return out


def _resource(fields: dict[str, Any], kind: str, properties: dict[str, Any]) -> dict[str, Any]:
    body = {
        "location": fields.get("location"),
        "tags": fields.get("tags", {}),
        "kind": kind,
        "identity": identities.workspace_identity_body(fields.get("identity")),
        "properties": filled(properties),
    }
    return filled(body)


def _encryption(key: dict[str, Any] | None) -> dict[str, Any] | None:
    if not key:
        return None
    vault = {"keyVaultArmId": key.get("key_vault"), "keyIdentifier": key.get("key_uri")}
    body = {
        "status": "Enabled",
        "keyVaultProperties": filled(vault),
        "cosmosDbResourceId": key.get("cosmosdb_id"),
        "storageAccountResourceId": key.get("storage_id"),
        "searchAccountResourceId": key.get("search_id"),
    }
    return filled(body)


def _network(network: dict[str, Any] | None) -> dict[str, Any] | None:
    if network is None:
        return None
    mode = network.get("isolation_mode")
    rules = {rule["name"]: _rule(rule) for rule in network.get("outbound_rules", [])}
    body = {
        "isolationMode": pascal(mode) if mode else "Disabled",
        "outboundRules": rules,
        "firewallSku": network.get("firewall_sku", "standard").capitalize(),
    }
    return filled(body)


def _rule(rule: dict[str, Any]) -> dict[str, Any]:
    destination = rule["destination"]
    if isinstance(destination, str):
        return {"type": "FQDN", "category": "UserDefined", "destination": destination}
    kind = "PrivateEndpoint" if "service_resource_id" in destination else "ServiceTag"
    target = {camel(name): value for name, value in destination.items()}
    return filled({"type": kind, "category": "UserDefined", "destination": target, "fqdns": rule.get("fqdns")})


def _storage(config: Any) -> list[dict[str, Any]]:
    if isinstance(config, list):
        return [{"userCreatedStorageAccount": {"armResourceId": {"resourceId": each}}} for each in config]
    account = {
        "storageAccountHnsEnabled": config.get("storage_account_hns", False),
        "storageAccountType": config.get("storage_account_type", "standard_lrs"),
    }
    return [{"systemCreatedStorageAccount": dict(account)} for _ in range(config.get("replication_count", 1))]
