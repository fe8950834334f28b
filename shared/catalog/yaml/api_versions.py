"""The api-version that each YAML is sent with: the one that azure-ai-ml sends it with, which knows all that the YAML can say.

The table's own (catalog.kinds) is newer and lacks members that only previews had: a monitor's windows, imports by a schedule.
Measured with azure-ai-ml 1.35.2 (tests/functional/yaml compares each). Not here: a caller's `?api-version=`, which wins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

# by kind of YAML
KINDS = {
    "workspace": "2023-08-01-preview",
    "feature_store": "2023-08-01-preview",
    "registry": "2022-10-01-preview",
    "compute": "2023-08-01-preview",
    "datastore": "2024-10-01-preview",
    "connection": "2024-04-01-preview",
    "job": "2024-01-01-preview",
    "data_import": "2024-01-01-preview",
    "schedule": "2023-06-01-preview",
    "online_endpoint": "2022-02-01-preview",
    "online_deployment": "2023-04-01-preview",
    "batch_endpoint": "2023-10-01",
    "batch_deployment": "2024-01-01-preview",
    "serverless_endpoint": "2024-01-01-preview",
    "environment": "2023-04-01-preview",
    "model": "2023-08-01-preview",
    "model_package": "2023-08-01-preview",
    "data": "2023-04-01-preview",
    "component": "2024-01-01-preview",
    "feature_set": "2023-10-01",
    "feature_store_entity": "2023-10-01",
}
# where one kind of YAML makes several bodies: what distinguishes them in `properties`, and the versions of those that differ
FORMS: dict[str, tuple[tuple[str, ...], Mapping[str, str]]] = {
    "job": (("jobType",), {"Command": "2025-01-01-preview", "Spark": "2023-04-01-preview", "FineTuning": "2024-10-01-preview"}),
    "batch_deployment": (
        ("deploymentConfiguration", "deploymentConfigurationType"),
        {"PipelineComponent": "2023-02-01-preview"},
    ),
}
REGISTERED = {"environments": "environment", "models": "model", "data": "data", "components": "component"}  # kind, by collection


def of_body(kind: str, body: Mapping[str, Any]) -> str:
    """Return the version that the body of a YAML's kind is written for."""
    way, versions = FORMS.get(kind, ((), {}))
    form: Any = body.get("properties")
    for name in way:
        form = form.get(name) if isinstance(form, dict) else None
    return versions.get(form, KINDS[kind]) if isinstance(form, str) else KINDS[kind]


def of_registration(collection: str) -> str:
    """Return the version that an asset inside another YAML is registered with."""
    return KINDS[REGISTERED[collection]]
