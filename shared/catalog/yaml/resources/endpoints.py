"""Online endpoints (managed, Kubernetes), batch endpoints, serverless endpoints."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from shared.catalog.yaml import references
from shared.catalog.yaml.assets.assets import filled
from shared.catalog.yaml.resources import identities
from shared.text.yaml_values import choice, integer, mapping, named, record, snake, text

if TYPE_CHECKING:
    from shared.catalog.yaml.drafts import Draft
    from shared.text.yaml_document import Cursor
    from shared.text.yaml_values import Shape

NAME = re.compile(r"^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$")
BATCH_AUTH = {"key": "key", "aml_token": "amlToken", "aad_token": "aadToken"}  # Azure has the last alone, and judges the others
ONLINE_AUTH = {"key": "Key", "aml_token": "AMLToken", "aad_token": "AADToken"}


def endpoint_name(at: Cursor) -> str:
    """The name of an endpoint: letters, digits and dashes, a letter first."""
    found = text(at)
    if not NAME.match(found):
        raise at.refusal(f"'{found[:60]}' is not an endpoint name: expected letters, digits and dashes, starting with a letter.")
    return found


_FIELDS: dict[str, Shape] = {
    "name": endpoint_name,
    "description": text,
    "tags": mapping(),
    "properties": mapping(),
    "auth_mode": choice(*ONLINE_AUTH, fold=snake),
    "location": text,
    "identity": identities.IDENTITY,
}
_SHOWN = ("$schema", "id", "provisioning_state", "scoring_uri", "openapi_uri", "kind")
_ONLINE: dict[str, Shape] = {**_FIELDS, "traffic": named(integer), "mirror_traffic": named(integer)}
_ACCESS = choice("enabled", "disabled")
MANAGED = record({**_ONLINE, "public_network_access": _ACCESS}, required=("name",), ignored=_SHOWN)
KUBERNETES = record({**_ONLINE, "compute": references.short("computes")}, required=("name",), ignored=_SHOWN)
BATCH = record({**_FIELDS, "defaults": record({"deployment_name": text})}, required=("name",), ignored=_SHOWN)
SERVERLESS = record(
    {
        "name": text,
        "model_id": text,
        "auth_mode": text,
        "description": text,
        "tags": named(text),
        "properties": named(text),
        "display_name": text,
        "location": text,
    },
    required=("name", "model_id"),
    ignored=(*_SHOWN, "system_data", "headers"),
)


def online_endpoint_body(draft: Draft, at: Cursor) -> dict[str, Any]:
    """Translate an online endpoint; one with `compute` is Kubernetes'."""
    kubernetes = at.get("compute") is not None or "kubernetes" in str(at.value.get("$schema", "")).lower()
    fields = (KUBERNETES if kubernetes else MANAGED)(at)
    access = fields.get("public_network_access")
    properties = {
        "description": fields.get("description"),
        "authMode": ONLINE_AUTH[fields.get("auth_mode", "key")],
        "properties": fields.get("properties", {}),
        "traffic": _shares(at, fields.get("traffic", {})),
        "mirrorTraffic": fields.get("mirror_traffic", {}),
        "publicNetworkAccess": access,
        "compute": draft.compute(fields.get("compute")),
    }
    return filled(
        {
            "location": draft.location,
            "properties": filled(properties),
            "identity": identities.identity_body(fields.get("identity")) or {"type": "SystemAssigned"},
            "tags": fields.get("tags", {}),
        }
    )


def _shares(at: Cursor, traffic: dict[str, int]) -> dict[str, int]:
    """Return the shares of the traffic, which are not more than all of it."""
    if (whole := sum(traffic.values())) > 100:
        raise at.child("traffic").refusal(f"The shares are {whole} % in all; expected at most 100.")
    return traffic


def batch_endpoint_body(draft: Draft, at: Cursor) -> dict[str, Any]:
    """Translate a batch endpoint."""
    fields = BATCH(at)
    default = fields.get("defaults")
    properties = {
        "description": fields.get("description"),
        "authMode": BATCH_AUTH[fields.get("auth_mode", "aad_token")],
        "properties": fields.get("properties", {}),
        "defaults": {"deploymentName": default["deployment_name"]} if default and "deployment_name" in default else None,
    }
    return filled({"location": draft.location, "properties": filled(properties), "tags": fields.get("tags", {})})


def serverless_endpoint_body(draft: Draft, at: Cursor) -> dict[str, Any]:
    """Translate a serverless endpoint."""
    fields = SERVERLESS(at)
    if "auth_mode" not in fields:
        at.note("Azure's definition requires 'auth_mode' (key or aad_token) of a serverless endpoint; nothing is sent for it.")
    properties = {"modelSettings": {"modelId": fields["model_id"]}, "authMode": fields.get("auth_mode")}
    return filled(
        {
            "location": draft.location,
            "properties": filled(properties),
            "sku": {"name": "Consumption"},
            "tags": fields.get("tags"),
        }
    )
